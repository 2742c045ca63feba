//! Restores of files that did not end: carried to their end by the next engine, or by the next restore of the app.
//!
//! An engine that opens asks nobody for a passphrase: what only the database can decide waits until the vault is open. Files come
//! before the judgement of their restore, which then finds them as before or as after like any other record.

use std::sync::Arc;

use crate::catalog::{AlertType, App, AuditOutcome, RaiseAlert, Restore, Severity};
use crate::engine::apps::Parts;
use crate::engine::error::Result;
use crate::engine::restore::judge::{Verdict, judge};
use crate::engine::restore::safety::Safety;
use crate::engine::{Engine, Error};
use crate::numbers::counted;
use crate::rows::RelationKind;
use crate::sources::Snapshot;
use crate::vault::Vault;

use super::journals::{Ended, Journals, Pending};
use super::safety;

impl Engine {
    /// Ends what dead restores left of files, where that can be told without asking anybody for a passphrase. What fails is an
    /// alert, and is tried again.
    ///
    /// # Errors
    /// What the catalog or the home says.
    pub fn end_abandoned(&self) -> Result<()> {
        for (app, journals) in Journals::abandoned(self.home())? {
            let Ok(app) = self.catalog().app(&app) else { continue };
            if !journals.pending()?.is_empty() {
                self.end_all(&app, &journals, self.vault_at_hand(&app.vault).ok().as_ref())?;
            }
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
                Ok(Some(ended)) => self.remember_end(app, &pending, &ended)?,
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

    /// Tells the audit trail and whoever reads alerts; of the restore itself its judgement tells.
    fn remember_end(&self, app: &App, pending: &Pending, ended: &Ended) -> Result<()> {
        let (outcome, what) = match ended {
            Ended::Discarded => (AuditOutcome::Failed, "its files are as before".to_owned()),
            Ended::Forward(left) if left.is_empty() => (AuditOutcome::Done, "its files are in place".to_owned()),
            Ended::Forward(left) => {
                let named: Vec<String> = left.iter().take(10).map(|left| format!("{}: {}", left.what, left.why)).collect();
                let what = format!("{} not put in place: {}", counted(left.len() as u64, "entry"), named.join("; "));
                self.catalog().raise_alert(&about(app, &format!("the restore {}: {what}", pending.restore)))?;
                (AuditOutcome::Done, what)
            }
        };
        self.audit("restore recover", &pending.restore, Some(&app.name), outcome, Some(&what))
    }
}

fn about(app: &App, message: &str) -> RaiseAlert {
    RaiseAlert { app_id: Some(app.id.clone()), ..RaiseAlert::new(AlertType::RestoreFailure, Severity::Error, app.name.clone(), message) }
}
