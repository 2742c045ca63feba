//! Whether everything can be restored: a score, and what stands against it.

use jiff::SignedDuration;
use serde::Serialize;

use crate::catalog::{AppHealth, Backup, BackupFilter, JobFilter, JobKind, Severity, Status, Time};

use super::Engine;
use super::error::Result;

/// How far back health looks.
const WINDOW: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How late a scheduled run may be.
const LATE: SignedDuration = SignedDuration::from_hours(1);

/// The JSON of `backstop health`.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// The answer.
    pub system_health: SystemHealth,
    /// Counts over thirty days.
    pub backup_summary: Summary,
    /// The newest backups.
    pub recent_backups: Vec<Backup>,
    /// What stands against it.
    pub findings: Vec<HealthFinding>,
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub struct SystemHealth {
    /// Whether nothing grave is wrong.
    pub backup_system_healthy: bool,
    /// When the newest good backup was taken.
    pub last_successful_backup: Option<Time>,
}

/// Counts over thirty days.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Backups that ended, well or not.
    pub total_backups: u64,
    /// Those that completed.
    pub successful_backups: u64,
    /// Their share; 0 where there is none.
    pub health_score: f64,
}

/// Something that stands against health.
#[derive(Clone, Debug, Serialize)]
pub struct HealthFinding {
    /// error (it makes the answer no) or warning.
    pub level: Severity,
    /// The app, where it is about one.
    pub app: Option<String>,
    /// What it is.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Engine {
    /// Whether everything can be restored.
    ///
    /// # Errors
    /// What the catalog says.
    pub fn health(&self) -> Result<Health> {
        let now = self.clock().now();
        let since = Time::from(now.checked_sub(WINDOW).unwrap_or(now));
        let counts = self.catalog().backup_summary(since)?;
        let total = counts.successful_backups + counts.partial_backups + self.failed_backups(since)?;
        let recent = self.catalog().backups_page(&BackupFilter::default(), None, 10)?.items;
        let apps = self.catalog().app_health()?;
        let mut findings: Vec<HealthFinding> = apps.iter().flat_map(|app| of_app(app, now.into())).collect();
        if apps.is_empty() {
            findings.push(HealthFinding {
                level: Severity::Error,
                app: None,
                message: "nothing is protected".into(),
                hint: "backstop app add NAME --database sqlite:PATH".into(),
            });
        }
        findings.extend(self.waiting_to_be_judged()?);
        findings.extend(self.of_alerts()?);
        let last = apps.iter().filter_map(|app| app.last_good_at).max();
        #[allow(clippy::cast_precision_loss)]
        let score = if total == 0 { 0.0 } else { counts.successful_backups as f64 / total as f64 };
        let healthy = !findings.iter().any(|finding| finding.level >= Severity::Error);
        Ok(Health {
            system_health: SystemHealth { backup_system_healthy: healthy, last_successful_backup: last },
            backup_summary: Summary { total_backups: total, successful_backups: counts.successful_backups, health_score: score },
            recent_backups: recent,
            findings,
        })
    }

    /// A backup that failed has a job and nothing in the vault.
    fn failed_backups(&self, since: Time) -> Result<u64> {
        let filter = JobFilter { kind: Some(JobKind::Backup), status: Some(Status::Failed), since: Some(since), ..JobFilter::default() };
        let (mut failed, mut after) = (0, None);
        loop {
            let page = self.catalog().jobs_page(&filter, after.as_ref(), 200)?;
            failed += page.items.len() as u64;
            after = page.next;
            if after.is_none() {
                return Ok(failed);
            }
        }
    }

    fn of_alerts(&self) -> Result<Vec<HealthFinding>> {
        let open = self.catalog().open_alerts(20)?;
        let findings = open.into_iter().map(|alert| HealthFinding {
            level: alert.severity,
            app: alert.app,
            message: format!("{}: {}: {}", alert.kind, alert.target, alert.message),
            hint: format!("backstop alerts show {}", alert.id),
        });
        Ok(findings.collect())
    }
}

fn of_app(app: &AppHealth, now: Time) -> Vec<HealthFinding> {
    let finding = |level: Severity, message: String, hint: String| HealthFinding { level, app: Some(app.app.clone()), message, hint };
    let mut findings = Vec::new();
    if app.last_good_at.is_none() {
        let (message, hint) = (format!("{} has no complete backup", app.app), format!("backstop backup --app {} --type full", app.app));
        findings.push(finding(Severity::Error, message, hint));
    } else if app.proven_at.is_none() {
        let (message, hint) =
            (format!("no backup of {} was ever verified", app.app), format!("backstop backups verify latest --app {}", app.app));
        findings.push(finding(Severity::Warning, message, hint));
    }
    if app.failed > 0 {
        let times = if app.failed == 1 { "once".to_owned() } else { format!("{} times", app.failed) };
        let message = format!("the backup of {} failed {times} since its last good one", app.app);
        findings.push(finding(Severity::Error, message, "backstop jobs list --status failed".to_owned()));
    }
    let late = app.next_run_at.filter(|next| next.timestamp().checked_add(LATE).is_ok_and(|late| late < now.timestamp()));
    if let Some(due) = late {
        let (message, hint) = (format!("a backup of {} was due at {due} and did not run", app.app), "backstop config list".to_owned());
        findings.push(finding(Severity::Warning, message, hint));
    }
    findings
}
