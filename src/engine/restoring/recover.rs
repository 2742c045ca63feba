//! Restores of files that did not end: carried to their end by the next engine, or by the next restore of the app.
//!
//! An engine that opens asks nobody for a passphrase: what only the database can decide waits for the next restore of the app,
//! which opens the vault anyway.

use std::sync::Arc;

use crate::catalog::{AlertType, App, AuditOutcome, RaiseAlert, Restore, RestoreChange, RestoreOutcome, Severity, Status};
use crate::engine::apps::Parts;
use crate::engine::error::Result;
use crate::engine::restore::judge::{Verdict, judge};
use crate::engine::restore::plan::PlanSummary;
use crate::engine::restore::safety::Safety;
use crate::engine::{Engine, Error};
use crate::rows::RelationKind;
use crate::sources::Snapshot;
use crate::vault::Vault;

use super::execute::undo_until;
use super::journals::{Ended, Journals, Pending};
use super::safety;

impl Engine {
    /// Ends what dead restores left of files, where that can be told without a vault. What fails is an alert, and is tried again.
    ///
    /// # Errors
    /// What the catalog says.
    pub fn end_abandoned(&self) -> Result<()> {
        for (app, journals) in Journals::abandoned(self.home())? {
            let Ok(app) = self.catalog().app(&app) else { continue };
            self.end_all(&app, &journals, None)?;
        }
        Ok(())
    }

    /// Ends them for one app, before another restore of it begins.
    ///
    /// # Errors
    /// [`Error::Refused`] where one cannot be ended.
    pub(super) fn end_pending(&self, app: &App, vault: &Arc<Vault>) -> Result<()> {
        if !self.home().journals().join(&app.id).is_dir() {
            return Ok(());
        }
        let journals = Journals::held(self.home(), &app.id)?;
        self.end_all(app, &journals, Some(vault))?;
        match journals.pending()?.first() {
            None => Ok(()),
            Some(pending) => Err(Error::Refused {
                why: format!("the files of the restore {} are not in place yet", pending.restore),
                hint: format!("See why: backstop alerts list; then try again. Its journal is in {}", self.home().journals().display()),
            }),
        }
    }

    fn end_all(&self, app: &App, journals: &Journals, vault: Option<&Arc<Vault>>) -> Result<()> {
        for pending in journals.pending()? {
            let restore = self.catalog().restore(&pending.restore).ok();
            let committed = || self.committed(app, vault, restore.as_ref());
            match journals.end(&pending, committed) {
                Ok(Some(ended)) => self.remember_end(app, &pending, restore.as_ref(), &ended)?,
                Ok(None) => {}
                Err(error) => {
                    let message = format!("the files of the restore {} could not be put in place: {error}", pending.restore);
                    self.catalog().raise_alert(&about(app, &message))?;
                }
            }
        }
        Ok(())
    }

    /// Whether the database of a restore that died committed: of the records it touched, any is as after.
    fn committed(&self, app: &App, vault: Option<&Arc<Vault>>, restore: Option<&Restore>) -> Result<Option<bool>> {
        let Some(safety) = restore.and_then(|restore| restore.safety_backup.as_deref()) else { return Ok(Some(false)) };
        let Some(vault) = vault else { return Ok(None) };
        let (before, after) = safety::read(vault, safety, &[RelationKind::Table])?;
        let lives = self.open_sources(app, Parts { database: true, files: false })?;
        let lives: Vec<&dyn Snapshot> = lives.iter().map(AsRef::as_ref).collect();
        Ok(Some(match judge(Safety { before: &before, after: &after }, &lives)? {
            Verdict::RolledBack => false,
            Verdict::Committed => true,
            // One transaction wrote them all: who finds one as after finds others edited since.
            Verdict::Mixed { after, .. } => after > 0,
        }))
    }

    /// Tells the restore log, the audit trail and whoever reads alerts.
    fn remember_end(&self, app: &App, pending: &Pending, restore: Option<&Restore>, ended: &Ended) -> Result<()> {
        let (status, error) = match ended {
            Ended::Discarded => (Status::Failed, Some("interrupted; nothing was changed".to_owned())),
            Ended::Forward(left) if left.is_empty() => (Status::Completed, None),
            Ended::Forward(left) => {
                let named: Vec<String> = left.iter().take(10).map(|left| format!("{}: {}", left.what, left.why)).collect();
                (Status::Partial, Some(format!("{} entries were not put in place: {}", left.len(), named.join("; "))))
            }
        };
        if let Some(restore) = restore.filter(|restore| restore.status == Status::Running) {
            let forward = status != Status::Failed;
            let changes = if forward { self.planned_changes(restore) } else { Vec::new() };
            let undo_until = undo_until(self).filter(|_| forward);
            let outcome = RestoreOutcome { status, changes, undo_until, duration_seconds: 0.0, error: error.clone() };
            self.catalog().finish_restore(&restore.id, &outcome)?;
        }
        let (outcome, what) = match (&error, status) {
            (None, _) => (AuditOutcome::Done, "its files are in place".to_owned()),
            (Some(error), Status::Partial) => (AuditOutcome::Done, error.clone()),
            (Some(error), _) => (AuditOutcome::Failed, error.clone()),
        };
        self.audit("restore recover", &pending.restore, Some(&app.name), outcome, Some(&what))?;
        match status {
            Status::Completed => {
                let why = format!("the restore {} was carried to its end: its files are in place", pending.restore);
                self.catalog().end_condition(AlertType::RestoreFailure, &app.name, None, &why)?;
            }
            _ => drop(self.catalog().raise_alert(&about(app, &format!("the restore {}: {what}", pending.restore)))?),
        }
        Ok(())
    }

    /// What the plan of a restore that was carried out says of each model.
    fn planned_changes(&self, restore: &Restore) -> Vec<RestoreChange> {
        let plan = restore.plan.as_deref().and_then(|plan| self.catalog().plan(plan).ok());
        let summary = plan.and_then(|plan| serde_json::from_value::<PlanSummary>(plan.summary.0).ok());
        let models = summary.map(|summary| summary.models).unwrap_or_default();
        let change = |model: crate::engine::restore::plan::ModelPlan| RestoreChange {
            module: model.module,
            model: model.model,
            created: model.create,
            updated: model.update,
            skipped: model.skip,
            deleted: model.delete,
        };
        models.into_iter().map(change).collect()
    }
}

fn about(app: &App, message: &str) -> RaiseAlert {
    RaiseAlert { app_id: Some(app.id.clone()), ..RaiseAlert::new(AlertType::RestoreFailure, Severity::Error, app.name.clone(), message) }
}
