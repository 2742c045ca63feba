//! A vault from elsewhere: made known here, its backups brought into the catalog from their manifests, its apps made known.
//!
//! Every step can be done again: one that a crash interrupted is finished by doing it once more.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::catalog::{App, AuditOutcome, BackupModel, CopyState, FilesRoot, Kind, NewApp, NewBackup, Role, Status, Time};
use crate::numbers::counted;
use crate::rows::RelationKind;
use crate::sources::{Identity, files};
use crate::vault::{BackupId, Manifest, Outcome, Unlock, Vault, must_differ};

use super::apps::AppRequest;
use super::error::{Error, Result};
use super::vaults::locations;
use super::{Engine, lock};

/// What was found in a vault.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Found {
    /// The vault's name here.
    pub vault: String,
    /// The apps whose backups it holds.
    pub apps: Vec<String>,
    /// Their backups, safety records among them.
    pub backups: u64,
    /// Backups whose manifests cannot be read, and why.
    pub unreadable: Vec<String>,
}

/// Where the newest backups of an app found its sources.
#[derive(Default)]
struct Places {
    database: Option<String>,
    files: BTreeMap<String, String>,
    config: BTreeMap<String, String>,
}

/// How many backups that the catalog does not know are looked at before a backup.
const UNNOTED_LOOKED_AT: usize = 16;

impl Engine {
    /// Opens a vault that exists, makes it known under `name`, and brings its backups into the catalog.
    ///
    /// # Errors
    /// Not permitted, another vault has the name, or it cannot be opened.
    pub fn open_existing(&self, name: &str, places: &[String], key: Unlock<'_>) -> Result<Found> {
        self.allow(Role::Admin, "vault init", name)?;
        let locations = locations(places)?;
        must_differ(&locations)?;
        let vault = Arc::new(Vault::open(locations, key, self.clock().clone())?);
        let known = self.catalog().vaults()?.into_iter().find(|known| known.name == name || known.id == vault.id().to_string());
        match known {
            None => {
                let places: Vec<(String, String)> = vault.status().into_iter().map(|at| (at.name, at.place)).collect();
                let recovery = vault.key_slots()?.iter().any(|slot| slot.kind == crate::vault::SlotKind::Recovery);
                self.know_vault(name, &vault, &places, recovery)?;
            }
            Some(known) if known.id == vault.id().to_string() && known.name == name => {}
            Some(known) if known.name == name => return Err(self.another_vault(name)),
            Some(known) => {
                let hint = format!("Bring it up to date: backstop vault init {} --existing --location …", known.name);
                return Err(Error::Refused { why: format!("this vault is known here as “{}”", known.name), hint });
            }
        }
        lock(&self.inner.vaults).insert(name.to_owned(), vault.clone());
        self.bring_in(name, &vault, None)
    }

    /// The app with this name; where it is not known here, the one whose backups a vault holds, made known with them.
    ///
    /// # Errors
    /// No vault holds backups of such an app.
    pub fn known_again(&self, name: &str, vault: Option<&str>) -> Result<App> {
        self.allow(Role::Admin, "app adopt", name)?;
        if let Ok(id) = self.resolve(Kind::App, name) {
            return Ok(self.catalog().app(&id)?);
        }
        let vaults: Vec<String> = match vault {
            Some(vault) => vec![vault.to_owned()],
            None => self.catalog().vaults()?.into_iter().map(|vault| vault.name).collect(),
        };
        for vault in vaults {
            let opened = self.vault(&vault)?;
            if self.bring_in(&vault, &opened, Some(name))?.backups > 0 {
                return Ok(self.catalog().app(&self.resolve(Kind::App, name)?)?);
            }
        }
        let hint = "Protect it as a new one: backstop app add NAME --database sqlite:PATH".to_owned();
        Err(Error::Unknown { what: "app with backups in a vault,", name: name.to_owned(), hint })
    }

    /// Says where an app's sources are on this machine.
    ///
    /// # Errors
    /// They are not what they should be.
    pub fn adopt_app(&self, app: &App, request: &AppRequest) -> Result<App> {
        self.allow(Role::Admin, "app adopt", &app.name)?;
        let adopted = self.catalog().edit_app(&app.id, &self.app_to_be(request, app.vault_id.clone(), Some(app))?)?;
        self.audit("app adopt", &adopted.name, Some(&adopted.name), AuditOutcome::Done, None)?;
        Ok(adopted)
    }

    /// Takes in the backups of an app that this host made and the catalog never heard of: the process died, or the catalog could
    /// not be written, between the manifest and its note. The newest are looked at; another host's are left to that host.
    pub(super) fn take_in_unnoted(&self, app: &App, vault: &Vault) -> Result<Vec<BackupId>> {
        let unknown = |id: &BackupId| matches!(self.catalog().backup(&id.0), Err(crate::catalog::Error::NotFound { .. }));
        let newest = vault.backups()?.into_iter().rev().map(|listed| listed.id);
        let mut taken = Vec::new();
        for id in newest.filter(unknown).take(UNNOTED_LOOKED_AT) {
            let Ok(manifest) = vault.manifest(&id) else { continue };
            if manifest.app == app.name && manifest.host == super::access::host() {
                self.record(&manifest, app, vault)?;
                for location in self.whole_locations(vault)? {
                    self.catalog().set_backup_copy(&id.0, &location, CopyState::Present)?;
                }
                taken.push(id);
            }
        }
        Ok(taken)
    }

    /// Reads the manifests of a vault, one at a time, into the catalog.
    fn bring_in(&self, name: &str, vault: &Vault, only: Option<&str>) -> Result<Found> {
        let mut found = Found { vault: name.to_owned(), ..Found::default() };
        let mut apps: BTreeMap<String, (App, Option<Places>)> = BTreeMap::new();
        let held: BTreeSet<BackupId> = vault.holds()?.into_iter().map(|hold| hold.backup).collect();
        let whole = self.whole_locations(vault)?;
        for listed in vault.backups()? {
            let manifest = match vault.manifest(&listed.id) {
                Ok(manifest) => manifest,
                Err(why) => {
                    found.unreadable.push(format!("{}: {why}", listed.id));
                    continue;
                }
            };
            if only.is_some_and(|only| only != manifest.app) {
                continue;
            }
            if !apps.contains_key(&manifest.app) {
                apps.insert(manifest.app.clone(), self.app_of(&manifest.app, vault)?);
            }
            let Some((app, places)) = apps.get_mut(&manifest.app) else { continue };
            // Oldest first: what a later backup says of a place stands.
            places.iter_mut().for_each(|places| places.learn(&manifest));
            self.record(&manifest, app, vault)?;
            if held.contains(&manifest.id) {
                self.catalog().protect_backup(&manifest.id.0, true)?;
            }
            for location in &whole {
                self.catalog().set_backup_copy(&manifest.id.0, location, CopyState::Present)?;
            }
            found.backups += 1;
        }
        for (name, (app, places)) in apps {
            if let Some(places) = places {
                self.catalog().edit_app(&app.id, &places.of(&app))?;
            }
            found.apps.push(name);
        }
        self.audit("vault read", name, None, AuditOutcome::Done, Some(&counted(found.backups, "backup")))?;
        Ok(found)
    }

    /// The locations, by their ids here, that lack nothing.
    fn whole_locations(&self, vault: &Vault) -> Result<Vec<String>> {
        let known = self.catalog().locations(&vault.id().to_string())?;
        let status = vault.status();
        let whole = status.iter().filter(|at| at.reachable.is_ok() && at.backlog_objects == 0);
        Ok(whole.filter_map(|at| known.iter().find(|known| known.place == at.place)).map(|known| known.id.clone()).collect())
    }

    /// The app with this name, made known where it is not: then its places are to be learned.
    fn app_of(&self, name: &str, vault: &Vault) -> Result<(App, Option<Places>)> {
        let vault_id = vault.id().to_string();
        match self.catalog().apps()?.into_iter().find(|app| app.name == name) {
            Some(app) if app.vault_id == vault_id => {
                let learning = app.database.is_none() && app.files.is_empty() && app.config_paths.is_empty();
                Ok((app, learning.then(Places::default)))
            }
            Some(app) => {
                let why =
                    format!("the vault holds backups of an app “{name}”, and another app has that name here, in the vault {}", app.vault);
                Err(Error::Refused { why, hint: format!("Rename the one here: backstop app edit {name} --name NEW; then again.") })
            }
            None => {
                let new = NewApp { name: name.to_owned(), vault_id, ..NewApp::default() };
                Ok((self.catalog().add_app(&new)?, Some(Places::default())))
            }
        }
    }

    fn record(&self, manifest: &Manifest, app: &App, vault: &Vault) -> Result<()> {
        let unreadable = |what: &str| Error::Refused {
            why: format!("the backup {} has a {what} that this version does not know", manifest.id),
            hint: "Use the version of Backstop that wrote it, or a later one.".into(),
        };
        let time = |text: &str| Timestamp::from_str(text).map_err(|_| unreadable("time"));
        let kind = manifest.kind.parse().map_err(|_| unreadable("type"))?;
        let status = if manifest.outcome == Outcome::Partial { Status::Partial } else { Status::Completed };
        let (started, finished) = (time(&manifest.started)?, time(&manifest.finished)?);
        // A safety record has each model twice, before and after.
        let mut models: Vec<BackupModel> = Vec::new();
        for record in manifest.models() {
            let (module, model) = (record.relation.module.clone(), record.relation.name.clone());
            if !models.iter().any(|known| known.model == model && known.module == module) {
                models.push(BackupModel { module, model, rows: record.rows });
            }
        }
        self.catalog().record_backup(&NewBackup {
            vault_id: Some(vault.id().to_string()),
            configuration: Some(manifest.configuration.clone()).filter(|name| !name.is_empty()),
            origin: manifest.origin.parse().map_err(|_| unreadable("origin"))?,
            parent: manifest.parent.as_ref().map(ToString::to_string),
            records: manifest.figures.records,
            files: manifest.figures.files,
            bytes_read: manifest.figures.bytes_read,
            bytes_new: manifest.figures.bytes_new,
            bytes_stored: manifest.figures.bytes_stored,
            duration_seconds: finished.duration_since(started).as_secs_f64(),
            narrowed: manifest.scope.narrowed,
            scope: serde_json::to_value(&manifest.scope).unwrap_or_default(),
            closeness: manifest.closeness.as_ref().and_then(|closeness| serde_json::to_value(closeness).ok()),
            warnings: manifest.errors.len() as u64,
            reason: manifest.reason.clone(),
            models,
            ..NewBackup::new(manifest.id.to_string(), &app.id, kind, status, Time::from(time(&manifest.taken_at)?))
        })?;
        Ok(())
    }
}

impl Places {
    fn learn(&mut self, manifest: &Manifest) {
        for source in &manifest.sources {
            let Ok(identity) = serde_json::from_value::<Identity>(source.identity.clone()) else { continue };
            for record in &source.relations {
                let relation = &record.relation;
                match relation.kind {
                    RelationKind::Table | RelationKind::Derived => {
                        let scheme = format!("{}:", identity.engine);
                        let path = identity.place.strip_prefix(&scheme).unwrap_or(&identity.place);
                        self.database = Some(format!("{scheme}{path}"));
                    }
                    RelationKind::Files if relation.module == files::CONFIGURATION => {
                        let path = std::path::Path::new(&identity.place).join(&identity.marks);
                        self.config.insert(relation.name.clone(), path.to_string_lossy().trim_end_matches('/').to_owned());
                    }
                    RelationKind::Files => {
                        self.files.insert(relation.name.clone(), identity.place.clone());
                    }
                }
            }
        }
    }

    fn of(self, app: &App) -> NewApp {
        NewApp {
            name: app.name.clone(),
            database: self.database,
            files: self.files.into_iter().map(|(label, path)| FilesRoot { label, path }).collect(),
            config_paths: self.config.into_iter().map(|(label, path)| format!("{label}={path}")).collect(),
            vault_id: app.vault_id.clone(),
            ..NewApp::default()
        }
    }
}
