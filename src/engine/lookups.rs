//! What people ask about apps and backups: models, rows, the backup that a word names.

use serde::Serialize;
use serde_json::Value as Json;

use crate::catalog::{App, AuditOutcome, Backup, Kind, Role};
use crate::rows::{Relation, RelationKind};
use crate::sources::files::CONFIGURATION;
use crate::vault::BackupId;

use super::Engine;
use super::dispensable::{Suggestion, suggestions};
use super::error::Result;
use super::latest::Wanted;
use super::names::Names;
use super::stored::StoredBackup;

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
    /// Whether the app's settings name it as dispensable.
    pub dispensable: bool,
    /// Why it might be dispensable, where they do not: by its name alone.
    pub suggestion: Option<&'static str>,
}

impl Model {
    fn of(relation: &Relation, dispensable: &Names) -> Self {
        let table = relation.kind == RelationKind::Table;
        let named = table && dispensable.take(&relation.name);
        let suggested = || suggestions(std::iter::once(relation.name.as_str())).first().map(|it| it.why);
        let name = |column: usize| relation.columns[column].name.clone();
        Self {
            module: relation.module.clone(),
            model: relation.name.clone(),
            columns: relation.visible().map(name).collect(),
            key: relation.key_columns().iter().copied().map(name).collect(),
            dispensable: named,
            suggestion: if table && !named { suggested() } else { None },
        }
    }
}

impl Engine {
    /// The models of an app as they are now.
    ///
    /// # Errors
    /// What the sources say.
    pub fn models(&self, app: &App) -> Result<Vec<Model>> {
        let (sources, dispensable) = (self.look_at_sources(app)?, Names::new(&app.dispensable));
        Ok(sources
            .iter()
            .flat_map(|source| {
                source
                    .relations()
                    .iter()
                    .filter(|model| model.kind != RelationKind::Derived)
                    .map(|relation| Model::of(relation, &dispensable))
            })
            .collect())
    }

    /// The models that may be dispensable, by their names in the newest backup that holds everything; none where the settings name any.
    ///
    /// # Errors
    /// What the catalog says.
    pub fn suggested(&self, app: &App) -> Result<Vec<Suggestion>> {
        if app.database.is_none() || !app.dispensable.is_empty() {
            return Ok(Vec::new());
        }
        let models = self.newest_whole(app)?;
        Ok(suggestions(
            models.iter().filter(|model| !["files", CONFIGURATION].contains(&model.module.as_str())).map(|model| model.model.as_str()),
        ))
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
        self.latest(&self.app(app)?, &Wanted::default(), None)
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
        let page = self.stored_page(backup, model, None, limit)?;
        Ok(page.records.into_iter().map(|record| Json::Object(record.fields.into_iter().collect())).collect())
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

    /// Deletes a backup: it is gone from every list at once, and from the vault with the next prune.
    ///
    /// # Errors
    /// Not permitted, it is protected, or the vault does not take it.
    pub fn delete_backup(&self, backup: &Backup, reason: Option<&str>) -> Result<()> {
        self.allow(Role::Admin, "backups delete", &backup.id)?;
        // The catalog refuses what is protected, before the vault is touched.
        self.catalog().delete_backup(&backup.id)?;
        let gone =
            self.stored(backup).and_then(|stored| Ok(stored.vault().delete_backup(&stored.manifest.id, reason.unwrap_or_default())?));
        if let Err(error) = gone {
            self.catalog().undelete_backup(&backup.id)?;
            return Err(error);
        }
        self.audit("backups delete", &backup.id, Some(&backup.app), AuditOutcome::Done, reason)
    }

    /// Takes a backup's deletion back, as long as no prune has passed over it.
    ///
    /// # Errors
    /// Not permitted, or it is not deleted.
    pub fn undelete_backup(&self, backup: &Backup) -> Result<()> {
        self.allow(Role::Admin, "backups undelete", &backup.id)?;
        let stored = self.stored(backup)?;
        stored.vault().undelete(&stored.manifest.id)?;
        self.catalog().undelete_backup(&backup.id)?;
        self.audit("backups undelete", &backup.id, Some(&backup.app), AuditOutcome::Done, None)
    }
}
