//! Which backup `latest` means: the newest that covers what is asked for.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::catalog::{App, Backup, BackupFilter, BackupModel, BackupType, Status};
use crate::vault::Scope;

use super::Engine;
use super::error::{Error, Result};
use super::names::Names;

/// How far back it is looked for: backups of one app, the newest first.
const LOOKED_AT: usize = 2000;

/// What a backup must cover.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The database, or the files; both and the configuration, as far as the app has them, where neither is said.
    pub part: Option<Part>,
    /// These modules: names and globs of names.
    pub modules: BTreeSet<String>,
    /// These models.
    pub models: BTreeSet<String>,
    /// The records of these tenants.
    pub tenants: Vec<String>,
}

/// A part of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its database.
    Database,
    /// Its files.
    Files,
}

impl Engine {
    /// The newest completed or partial backup of `app`, taken at `until` or before, that covers what is wanted; where none does, the
    /// newest at all. Never a failed, safety, verification or export one.
    ///
    /// # Errors
    /// There is none.
    pub fn latest(&self, app: &App, wanted: &Wanted, until: Option<Timestamp>) -> Result<Backup> {
        // The filter's end is exclusive; a backup taken at the very moment counts.
        let until = until.and_then(|time| time.checked_add(SignedDuration::from_millis(1)).ok()).map(Into::into);
        let filter = BackupFilter { app_id: Some(app.id.clone()), until, ..BackupFilter::default() };
        let (mut newest, mut after, mut seen) = (None, None, 0);
        let whole = self.newest_whole(app)?;
        while seen < LOOKED_AT {
            let page = self.catalog().backups_page(&filter, after.as_ref(), 200)?;
            seen += page.items.len();
            for backup in page.items.into_iter().filter(is_recovery_point) {
                if self.covers(app, &backup, wanted, &whole)? {
                    return Ok(backup);
                }
                newest = newest.or(Some(backup));
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        newest.ok_or_else(|| Error::Unknown {
            what: "backup to restore of",
            name: app.name.clone(),
            hint: format!("Make one: backstop backup --app {} --type full", app.name),
        })
    }

    fn covers(&self, app: &App, backup: &Backup, wanted: &Wanted, whole: &[BackupModel]) -> Result<bool> {
        if backup.kind == BackupType::Tenant && !of_all(backup, &wanted.tenants) {
            return Ok(false);
        }
        if wanted.modules.is_empty() && wanted.models.is_empty() {
            let all_of_it = !backup.narrowed && holds_part(app, backup.kind, wanted.part);
            return Ok(all_of_it || backup.kind == BackupType::Tenant);
        }
        let held = self.catalog().backup_models(&backup.id)?;
        let names = |text: &String| Names::new(std::slice::from_ref(text));
        let named = |text: &String| held.iter().any(|model| names(text).take(&model.model));
        let module_whole = |text: &String| {
            let module = names(text);
            let members = |models: &[BackupModel]| {
                models.iter().filter(|model| module.take(&model.module)).map(|model| model.model.clone()).collect()
            };
            let (needed, there): (BTreeSet<String>, BTreeSet<String>) = (members(whole), members(&held));
            !there.is_empty() && (!backup.narrowed || needed.is_subset(&there))
        };
        Ok(wanted.models.iter().all(named) && wanted.modules.iter().all(module_whole))
    }

    /// The models of the newest backup that was not narrowed: what a module comes to.
    pub(super) fn newest_whole(&self, app: &App) -> Result<Vec<BackupModel>> {
        const WHOLE: [BackupType; 4] = [BackupType::Full, BackupType::Differential, BackupType::Incremental, BackupType::Database];
        let whole = self.catalog().latest_backup(Some(&app.id), &WHOLE, false)?;
        Ok(whole.map(|backup| self.catalog().backup_models(&backup.id)).transpose()?.unwrap_or_default())
    }
}

fn is_recovery_point(backup: &Backup) -> bool {
    let stores = !matches!(backup.kind, BackupType::Safety | BackupType::Verification | BackupType::Export);
    stores && matches!(backup.status, Status::Completed | Status::Partial) && backup.deleted_at.is_none()
}

/// Whether a backup of tenants holds all of these, and some are wanted.
fn of_all(backup: &Backup, tenants: &[String]) -> bool {
    let held: Scope = serde_json::from_value(backup.scope.0.clone()).unwrap_or_default();
    !tenants.is_empty() && tenants.iter().all(|tenant| held.tenants.contains(tenant))
}

/// Whether a type holds the part, or every part that the app has.
fn holds_part(app: &App, kind: BackupType, part: Option<Part>) -> bool {
    let (has_files, has_configuration) = (!app.files.is_empty(), !app.config_paths.is_empty());
    match (kind, part) {
        (BackupType::Full | BackupType::Differential | BackupType::Incremental, _) => true,
        (BackupType::Database, Some(part)) => part == Part::Database,
        (BackupType::Files | BackupType::Configuration, Some(part)) => part == Part::Files,
        (BackupType::Database, None) => !has_files && !has_configuration,
        (BackupType::Files, None) => app.database.is_none() && !has_configuration,
        (BackupType::Configuration, None) => app.database.is_none() && !has_files,
        _ => false,
    }
}
