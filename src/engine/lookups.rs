//! What people ask about apps and backups: models, rows, the backup that a word names.

use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::catalog::{App, AuditOutcome, Backup, BackupType, Kind, Role};
use crate::rows::{Relation, Row};
use crate::vault::BackupId;

use super::Engine;
use super::apps::Parts;
use super::error::{Error, Result};
use super::restore::record::value_json;
use super::stored::StoredBackup;

/// The types of backup that `latest` can be.
const RECOVERY_POINTS: [BackupType; 5] =
    [BackupType::Full, BackupType::Differential, BackupType::Incremental, BackupType::Database, BackupType::Files];

/// A model as it is now.
#[derive(Clone, Debug, Serialize)]
pub struct Model {
    /// The group it belongs to; empty where there is none.
    pub module: String,
    /// Its name.
    pub model: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// Those that name a row; none where the whole row does.
    pub key: Vec<String>,
}

impl Model {
    fn of(relation: &Relation) -> Self {
        let name = |column: usize| relation.columns[column].name.clone();
        Self {
            module: relation.module.clone(),
            model: relation.name.clone(),
            columns: relation.visible().map(name).collect(),
            key: relation.key_columns().iter().copied().map(name).collect(),
        }
    }
}

impl Engine {
    /// The models of an app as they are now.
    ///
    /// # Errors
    /// What the sources say.
    pub fn models(&self, app: &App) -> Result<Vec<Model>> {
        let sources = self.open_sources(app, Parts::ALL)?;
        Ok(sources.iter().flat_map(|source| source.relations().iter().map(Model::of)).collect())
    }

    /// Forgets an app; its backups stay in the vault.
    ///
    /// # Errors
    /// Not permitted, or no such app.
    pub fn remove_app(&self, app: &App) -> Result<()> {
        self.allow(Role::Admin, "app remove", &app.name)?;
        self.catalog().remove_app(&app.id)?;
        self.audit("app remove", &app.name, Some(&app.name), AuditOutcome::Done, None)
    }

    /// The backup that `text` names: an id, its unique beginning, or `latest`, the newest completed or partial one of the app.
    ///
    /// # Errors
    /// Nothing or more than one backup is meant; with `latest`, more than one app could be.
    pub fn backup_named(&self, text: &str, app: Option<&str>) -> Result<Backup> {
        if text != "latest" {
            return Ok(self.catalog().backup(&self.resolve(Kind::Backup, text)?)?);
        }
        let app = self.app(app)?;
        for narrowed in [false, true] {
            if let Some(backup) = self.catalog().latest_backup(Some(&app.id), &RECOVERY_POINTS, narrowed)? {
                return Ok(backup);
            }
        }
        Err(Error::Unknown { what: "backup of", name: app.name.clone(), hint: format!("backstop backup --app {} --type full", app.name) })
    }

    /// The contents of a backup.
    ///
    /// # Errors
    /// Its vault cannot be opened, or its manifest cannot be read there.
    pub fn stored(&self, backup: &Backup) -> Result<StoredBackup> {
        let app = self.catalog().app(&backup.app_id)?;
        let vault = match &backup.vault_id {
            Some(id) => self.vault(&self.vault_name_of(id)?)?,
            None => self.vault(&app.vault)?,
        };
        let manifest = vault.manifest(&BackupId(backup.id.clone()))?;
        Ok(StoredBackup::new(vault, manifest))
    }

    /// The first `limit` records of a model in a backup, each an object of its columns.
    ///
    /// # Errors
    /// The backup has no such model, or its vault cannot be read.
    pub fn stored_rows(&self, backup: &Backup, model: &str, limit: usize) -> Result<Vec<Json>> {
        let stored = self.stored(backup)?;
        let models = || stored.manifest.relations().map(|record| record.relation.name.as_str());
        let unknown = || Error::no_model(model, models(), &format!("backstop backups models {}", backup.id));
        let record = stored.relation(model).ok_or_else(unknown)?;
        let rows = stored.rows(record).take(limit);
        rows.map(|row| Ok(row_json(&record.relation, &row?))).collect()
    }

    /// Protects a backup from every removal, or ends that, in the vault and here.
    ///
    /// # Errors
    /// Not permitted, or the vault does not take it.
    pub fn protect(&self, backup: &Backup, protected: bool) -> Result<()> {
        let action = if protected { "backups protect" } else { "backups unprotect" };
        self.allow(Role::Operator, action, &backup.id)?;
        if backup.protected == protected {
            return Ok(());
        }
        let stored = self.stored(backup)?;
        if protected {
            stored.vault().hold(&stored.manifest.id, "protected by an operator")?;
        } else {
            stored.vault().release(&stored.manifest.id)?;
        }
        self.catalog().protect_backup(&backup.id, protected)?;
        self.audit(action, &backup.id, Some(&backup.app), AuditOutcome::Done, None)
    }
}

fn row_json(relation: &Relation, row: &Row) -> Json {
    let value = |column: usize| (relation.columns[column].name.clone(), value_json(&row.values[column]));
    Json::Object(relation.visible().map(value).collect::<Map<_, _>>())
}
