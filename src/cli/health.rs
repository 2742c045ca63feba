//! `backstop health`: whether everything can be restored.

use super::session::{Ended, Session};
use super::text::clean;
use crate::error::Status;

impl Session<'_> {
    /// `backstop health`.
    pub fn health(&mut self) -> Ended {
        let health = self.engine.health()?;
        let healthy = health.system_health.backup_system_healthy;
        let last = self.when(health.system_health.last_successful_backup);
        self.output.result(&health, |health| {
            let word = if healthy { "healthy" } else { "NOT HEALTHY" };
            let counts = &health.backup_summary;
            let first = format!("{word}: {} of {} backups completed, the last {last}", counts.successful_backups, counts.total_backups);
            let findings =
                health.findings.iter().map(|finding| format!("{}: {} ({})", finding.level, clean(&finding.message), clean(&finding.hint)));
            std::iter::once(first).chain(findings).collect()
        })?;
        Ok(if healthy { Status::Done } else { Status::Failed })
    }
}
