//! Backups that failed and the later ones that make up for them.

use crate::catalog::{Alert, AlertFilter, AlertStatus, AlertType, BackupType, Status};

use super::Engine;
use super::apps::Parts;
use super::error::Result;
use super::jobs::{Asked, JobRequest};
use super::selection::Selection;

/// What a backup covers, as far as that can be told without reading it.
#[derive(Clone, Debug)]
struct Covers {
    kind: BackupType,
    selection: Selection,
}

impl Covers {
    fn parts(&self) -> Option<Parts> {
        Some(match self.kind {
            BackupType::Full | BackupType::Differential | BackupType::Incremental => Parts::ALL,
            BackupType::Database => Parts { database: true, files: false },
            BackupType::Files => Parts { database: false, files: true },
            _ => return None,
        })
    }

    /// Whether all that `other` covers is in this one, too.
    fn holds(&self, other: &Self) -> bool {
        let (Some(own), Some(others)) = (self.parts(), other.parts()) else {
            return self.kind == other.kind && self.selection.holds(&other.selection);
        };
        let parts = (own.database || !others.database) && (own.files || !others.files);
        parts && self.selection.holds(&other.selection)
    }
}

impl Engine {
    /// Ends the alerts about failed backups of the app that this completed one makes up for: its own, and those of what it covers.
    pub(super) fn end_failures(&self, request: &JobRequest<'_>, status: Status) -> Result<()> {
        let asked = request.asked.clone().unwrap_or_default();
        let made = request.backup_type.map(|kind| Covers { kind, selection: asked.selection.clone() });
        for alert in self.open_failures(&request.app.id)? {
            // A configuration that backs up tenants in turn has made up for one of them by a backup of that one alone: not told by its alert.
            let in_turn = !asked.selection.tenants.is_empty();
            let own = alert.configuration_id == request.configuration && request.configuration.is_some() && !in_turn;
            // What is missing from a partial one may be just what the configuration promises.
            let wider = (status == Status::Completed || alert.configuration_id.is_none())
                && made.as_ref().zip(self.failed(&alert)?).is_some_and(|(made, failed)| made.holds(&failed));
            if own || wider {
                self.catalog().end_condition(
                    AlertType::BackupFailure,
                    &alert.target,
                    alert.configuration_id.as_deref(),
                    "a later backup completed",
                )?;
            }
        }
        Ok(())
    }

    /// Ends the alert about failed backups of a configuration, all of whose tenants were backed up now.
    pub(super) fn end_failures_of(&self, app: &str, configuration: &str) -> Result<()> {
        for alert in self.open_failures(app)?.iter().filter(|alert| alert.configuration_id.as_deref() == Some(configuration)) {
            let made_up = "every tenant was backed up";
            self.catalog().end_condition(AlertType::BackupFailure, &alert.target, Some(configuration), made_up)?;
        }
        Ok(())
    }

    fn open_failures(&self, app: &str) -> Result<Vec<Alert>> {
        let mut open = Vec::new();
        for status in [AlertStatus::Active, AlertStatus::Acknowledged, AlertStatus::Snoozed] {
            let (app_id, kind) = (Some(app.to_owned()), Some(AlertType::BackupFailure));
            let filter = AlertFilter { app_id, kind, status: Some(status), ..AlertFilter::default() };
            // Repeats fold into one, so there are as many as configurations at most.
            open.extend(self.catalog().alerts_page(&filter, None, 500)?.items);
        }
        Ok(open)
    }

    /// What the backup was to cover that an alert is about: by its configuration, else as its job was asked.
    fn failed(&self, alert: &Alert) -> Result<Option<Covers>> {
        if let Some(id) = &alert.configuration_id {
            let it = self.catalog().configuration(id)?;
            return Ok(Some(Covers { kind: it.kind, selection: Selection::of(&it) }));
        }
        let Some(job) = alert.job.as_deref().and_then(|job| self.catalog().job(job).ok()) else { return Ok(None) };
        let asked: Asked = job.request.and_then(|asked| serde_json::from_value(asked.0).ok()).unwrap_or_default();
        Ok(job.backup_type.map(|kind| Covers { kind, selection: asked.selection }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(kind: BackupType, modules: &[&str]) -> Covers {
        Covers { kind, selection: Selection { modules: modules.iter().map(ToString::to_string).collect(), ..Selection::default() } }
    }

    #[test]
    fn a_wider_backup_holds_what_a_narrower_one_would_and_not_the_other_way_round() {
        let (full, database) = (covers(BackupType::Full, &[]), covers(BackupType::Database, &[]));
        let (hr, both) = (covers(BackupType::Incremental, &["hr"]), covers(BackupType::Full, &["finance", "hr"]));
        assert!(full.holds(&database) && !database.holds(&full));
        assert!(full.holds(&hr) && both.holds(&hr) && !hr.holds(&both) && !both.holds(&full));
        assert!(!database.holds(&covers(BackupType::Files, &[])));
    }
}
