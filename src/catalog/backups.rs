//! Backups as the catalog knows them: what the lists show of each manifest.

use rusqlite::{Connection, named_params, params};

use super::page::List;
use super::record::{Json, Record, record};
use super::{BackupType, Catalog, Cursor, Error, Kind, Listed, Order, Origin, Page, Reader, Result, Status, Time};

record! {
    /// One recovery point.
    Backup {
        /// Its id, the manifest's.
        id: String = "b.id",
        /// The job that made it.
        job: Option<String> = "b.job_id",
        /// The app's id.
        app_id: String = "b.app_id",
        /// The app's name.
        app: String = "a.name",
        /// The id of the vault it is in.
        vault_id: Option<String> = "b.vault_id",
        /// The configuration's id, where this catalog has it.
        configuration_id: Option<String> = "b.configuration_id",
        /// The configuration's name.
        configuration: Option<String> = "coalesce(c.name, b.configuration_name)",
        /// What it holds.
        #[serde(rename = "type")]
        kind: BackupType = "b.type",
        /// How far it is, then its outcome.
        status: Status = "b.status",
        /// Why it was made.
        origin: Origin = "b.origin",
        /// The backup whose changes it holds.
        parent: Option<String> = "b.parent",
        /// The moment it shows.
        taken_at: Time = "b.taken_at",
        /// The rows of all its models, files left out.
        records: u64 = "b.records",
        /// The entries of its files.
        files: u64 = "b.files",
        /// The bytes read for it.
        bytes_read: u64 = "b.bytes_read",
        /// Those the vault did not hold yet.
        bytes_new: u64 = "b.bytes_new",
        /// Those it added to a location.
        bytes_stored: u64 = "b.bytes_stored",
        /// How long it took, in seconds.
        duration_seconds: f64 = "b.duration_seconds",
        /// Whether it holds only some models or modules.
        narrowed: bool = "b.narrowed",
        /// What was asked for and what was left out, as its manifest says it.
        scope: Json<serde_json::Value> = "b.scope",
        /// How closely database and files belong together, as its manifest says it.
        closeness: Option<Json<serde_json::Value>> = "b.closeness",
        /// How many things are missing from it or were odd.
        warnings: u64 = "b.warnings",
        /// The digest of its manifest.
        checksum: Option<String> = "b.checksum",
        /// Why an operator wanted it.
        reason: Option<String> = "b.reason",
        /// Who wanted it.
        operator: Option<String> = "b.operator",
        /// Whether nothing may remove it.
        protected: bool = "b.protected",
        /// When it was last proven.
        verified_at: Option<Time> = "b.verified_at",
        /// How thoroughly, 0 to 4.
        verified_level: Option<u8> = "b.verified_level",
        /// When it was deleted; undoable until the prune.
        deleted_at: Option<Time> = "b.deleted_at",
    }
}

impl Listed for Backup {
    fn cursor(&self) -> Cursor {
        Cursor { key: self.taken_at.to_string(), id: self.id.clone() }
    }
}

/// A backup to be recorded: one that begins, one that has ended, or one found in the vault.
#[derive(Clone, Debug)]
pub struct NewBackup {
    /// Its id, the manifest's.
    pub id: String,
    /// The job that makes it.
    pub job: Option<String>,
    /// The app's id.
    pub app_id: String,
    /// The id of the vault it is in.
    pub vault_id: Option<String>,
    /// The configuration's id, where this catalog has it.
    pub configuration_id: Option<String>,
    /// The configuration's name.
    pub configuration: Option<String>,
    /// What it holds.
    pub kind: BackupType,
    /// How far it is, or its outcome.
    pub status: Status,
    /// Why it is made.
    pub origin: Origin,
    /// The backup whose changes it holds.
    pub parent: Option<String>,
    /// The moment it shows.
    pub taken_at: Time,
    /// The rows of all its models, files left out.
    pub records: u64,
    /// The entries of its files.
    pub files: u64,
    /// The bytes read for it.
    pub bytes_read: u64,
    /// Those the vault did not hold yet.
    pub bytes_new: u64,
    /// Those it added to a location.
    pub bytes_stored: u64,
    /// How long it took, in seconds.
    pub duration_seconds: f64,
    /// Whether it holds only some models or modules.
    pub narrowed: bool,
    /// What was asked for and what was left out, as its manifest says it.
    pub scope: serde_json::Value,
    /// How closely database and files belong together, as its manifest says it.
    pub closeness: Option<serde_json::Value>,
    /// How many things are missing from it or were odd.
    pub warnings: u64,
    /// The digest of its manifest.
    pub checksum: Option<String>,
    /// Why an operator wanted it.
    pub reason: Option<String>,
    /// Who wanted it.
    pub operator: Option<String>,
    /// Its models and their rows.
    pub models: Vec<BackupModel>,
}

impl NewBackup {
    /// A backup of which no more is known than whose it is and when it was taken.
    #[must_use]
    pub fn new(id: impl Into<String>, app_id: impl Into<String>, kind: BackupType, status: Status, taken_at: Time) -> Self {
        Self {
            id: id.into(),
            job: None,
            app_id: app_id.into(),
            vault_id: None,
            configuration_id: None,
            configuration: None,
            kind,
            status,
            origin: Origin::Manual,
            parent: None,
            taken_at,
            records: 0,
            files: 0,
            bytes_read: 0,
            bytes_new: 0,
            bytes_stored: 0,
            duration_seconds: 0.0,
            narrowed: false,
            scope: serde_json::Value::Object(serde_json::Map::new()),
            closeness: None,
            warnings: 0,
            checksum: None,
            reason: None,
            operator: None,
            models: Vec::new(),
        }
    }
}

/// How many rows of a model a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BackupModel {
    /// The module the model belongs to.
    pub module: String,
    /// The model.
    pub model: String,
    /// Its rows.
    pub rows: u64,
}

/// Which backups a list shows, by the moment they show.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BackupFilter {
    /// Those of this app (its id).
    pub app_id: Option<String>,
    /// Those of this configuration (its id).
    pub configuration_id: Option<String>,
    /// Those of this type.
    pub kind: Option<BackupType>,
    /// Those in this status.
    pub status: Option<Status>,
    /// Those made for this reason.
    pub origin: Option<Origin>,
    /// Those taken at this time or later.
    pub since: Option<Time>,
    /// Those taken before this time.
    pub until: Option<Time>,
    /// Those that are protected, or those that are not.
    pub protected: Option<bool>,
    /// The deleted ones too.
    pub deleted: bool,
    /// Those in whose visible columns this text stands.
    pub text: Option<String>,
    /// The direction.
    pub order: Order,
}

const JOINS: &str = "JOIN app a ON a.id = b.app_id LEFT JOIN configuration c ON c.id = b.configuration_id";

impl Reader {
    /// A page of the backups, by the moment they show.
    pub fn backups_page(&self, filter: &BackupFilter, after: Option<&Cursor>, limit: usize) -> Result<Page<Backup>> {
        self.read(|connection| list(filter).page(connection, after, limit))
    }

    /// The backup of this id, a deleted one too.
    pub fn backup(&self, id: &str) -> Result<Backup> {
        self.read(|connection| {
            let sql = format!("SELECT {} FROM backup b {JOINS} WHERE b.id = ?1", Backup::COLUMNS);
            super::one(connection, &sql, id)?.ok_or_else(|| Error::NotFound { kind: Kind::Backup, text: id.to_owned() })
        })
    }

    /// The newest backup, completed or partial, of one of these types; one that was narrowed only where `narrowed` allows it.
    pub fn latest_backup(&self, app_id: Option<&str>, kinds: &[BackupType], narrowed: bool) -> Result<Option<Backup>> {
        Ok(self.newest_backups(app_id, kinds, narrowed, 1)?.into_iter().next())
    }

    /// As [`Reader::latest_backup`], so many of them, the newest first.
    pub fn newest_backups(&self, app_id: Option<&str>, kinds: &[BackupType], narrowed: bool, limit: usize) -> Result<Vec<Backup>> {
        let filter = BackupFilter { app_id: app_id.map(str::to_owned), ..BackupFilter::default() };
        let kinds = kinds.iter().map(|kind| format!("'{kind}'")).collect::<Vec<_>>().join(", ");
        self.read(|connection| {
            let mut list = list(&filter);
            list.when("b.status IN ('completed', 'partial')").when(&format!("b.type IN ({kinds})"));
            if !narrowed {
                list.when("b.narrowed = 0");
            }
            Ok(list.page(connection, None, limit)?.items)
        })
    }

    /// The models of a backup and their rows, by module and model.
    pub fn backup_models(&self, id: &str) -> Result<Vec<BackupModel>> {
        self.read(|connection| {
            let sql = "SELECT module, model, rows FROM backup_model WHERE backup_id = ?1 ORDER BY module, model";
            let mut statement = connection.prepare_cached(sql)?;
            let models = statement.query_map([id], |row| Ok(BackupModel { module: row.get(0)?, model: row.get(1)?, rows: row.get(2)? }))?;
            Ok(models.collect::<rusqlite::Result<_>>()?)
        })
    }
}

fn list(filter: &BackupFilter) -> List {
    let index = match filter {
        BackupFilter { configuration_id: Some(_), .. } => "backup_by_configuration",
        BackupFilter { app_id: Some(_), .. } => "backup_by_app",
        BackupFilter { status: Some(_), .. } => "backup_by_status",
        _ => "backup_by_time",
    };
    let mut list = List::new(format!("backup b INDEXED BY {index} {JOINS}"), "b.taken_at", "b.id", filter.order);
    list.filter("b.configuration_id = ?", filter.configuration_id.clone())
        .filter("b.app_id = ?", filter.app_id.clone())
        .filter("b.status = ?", filter.status.map(|status| status.to_string()))
        .filter("b.type = ?", filter.kind.map(|kind| kind.to_string()))
        .filter("b.origin = ?", filter.origin.map(|origin| origin.to_string()))
        .filter("b.taken_at >= ?", filter.since.map(|since| since.to_string()))
        .filter("b.taken_at < ?", filter.until.map(|until| until.to_string()))
        .filter("b.protected = ?", filter.protected)
        .containing(
            &["a.name", "c.name", "b.configuration_name", "b.type", "b.status", "b.origin", "b.operator", "b.reason", "b.id"],
            filter.text.as_deref(),
        );
    if !filter.deleted {
        list.when("b.deleted_at IS NULL");
    }
    list
}

impl Catalog {
    /// Records a backup; one of the same id is brought up to date, keeping its protection, proofs and deletion.
    pub fn record_backup(&self, new: &NewBackup) -> Result<Backup> {
        self.write(|change| {
            upsert(change, new)?;
            change.execute("DELETE FROM backup_model WHERE backup_id = ?1", [&new.id])?;
            let mut insert = change.prepare_cached("INSERT INTO backup_model (backup_id, module, model, rows) VALUES (?1, ?2, ?3, ?4)")?;
            for model in &new.models {
                insert.execute(params![new.id, model.module, model.model, model.rows])?;
            }
            Ok(())
        })?;
        self.backup(&new.id)
    }

    /// Protects a backup from every removal, or ends that.
    pub fn protect_backup(&self, id: &str, protected: bool) -> Result<()> {
        self.change_backup(id, "UPDATE backup SET protected = ?2 WHERE id = ?1", &protected)
    }

    /// Marks a backup deleted, until the prune; a protected one is refused.
    pub fn delete_backup(&self, id: &str) -> Result<()> {
        if self.backup(id)?.protected {
            return Err(Error::WrongState { kind: Kind::Backup, id: id.to_owned(), state: "protected".to_owned() });
        }
        let sql = "UPDATE backup SET deleted_at = coalesce(deleted_at, ?2) WHERE id = ?1 AND protected = 0";
        self.change_backup(id, sql, &self.now())
    }

    /// Takes a deletion back.
    pub fn undelete_backup(&self, id: &str) -> Result<()> {
        self.change_backup(id, "UPDATE backup SET deleted_at = ?2 WHERE id = ?1", &None::<Time>)
    }

    /// Notes that a backup was verified now, to this level; what a higher level found stays.
    pub fn set_backup_verified(&self, id: &str, level: u8) -> Result<()> {
        let now = self.now();
        self.write(|change| {
            let sql = "UPDATE backup SET verified_at = iif(ifnull(verified_level, 0) > ?3, verified_at, ?2),
                 verified_level = max(ifnull(verified_level, 0), ?3) WHERE id = ?1";
            super::found(change.execute(sql, params![id, now, level])?, Kind::Backup, id)
        })
    }

    /// Removes the rows of a backup that the prune has removed from the vault.
    pub fn forget_backup(&self, id: &str) -> Result<()> {
        self.write(|change| super::found(change.execute("DELETE FROM backup WHERE id = ?1", [id])?, Kind::Backup, id))
    }

    fn change_backup(&self, id: &str, sql: &str, value: &dyn rusqlite::ToSql) -> Result<()> {
        self.write(|change| super::found(change.execute(sql, params![id, value])?, Kind::Backup, id))
    }
}

fn upsert(connection: &Connection, new: &NewBackup) -> Result<()> {
    connection.prepare_cached(
        "INSERT INTO backup (id, job_id, app_id, vault_id, configuration_id, configuration_name, type, status, origin, parent, taken_at,
             records, files, bytes_read, bytes_new, bytes_stored, duration_seconds, narrowed, scope, closeness, warnings, checksum, reason, operator)
         VALUES (:id, :job, :app_id, :vault_id, :configuration_id, :configuration, :type, :status, :origin, :parent, :taken_at,
             :records, :files, :bytes_read, :bytes_new, :bytes_stored, :duration_seconds, :narrowed, :scope, :closeness, :warnings, :checksum, :reason, :operator)
         ON CONFLICT (id) DO UPDATE SET job_id = coalesce(excluded.job_id, job_id), vault_id = coalesce(excluded.vault_id, vault_id),
             configuration_id = coalesce(excluded.configuration_id, configuration_id),
             configuration_name = coalesce(excluded.configuration_name, configuration_name), status = excluded.status,
             parent = excluded.parent, taken_at = excluded.taken_at, records = excluded.records, files = excluded.files,
             bytes_read = excluded.bytes_read, bytes_new = excluded.bytes_new, bytes_stored = excluded.bytes_stored,
             duration_seconds = excluded.duration_seconds, narrowed = excluded.narrowed, scope = excluded.scope, closeness = excluded.closeness, warnings = excluded.warnings,
             checksum = excluded.checksum, reason = coalesce(excluded.reason, reason), operator = coalesce(excluded.operator, operator)",
    )?
    .execute(named_params! {
        ":id": new.id, ":job": new.job, ":app_id": new.app_id, ":vault_id": new.vault_id, ":configuration_id": new.configuration_id,
        ":configuration": new.configuration, ":type": new.kind, ":status": new.status, ":origin": new.origin, ":parent": new.parent,
        ":taken_at": new.taken_at, ":records": new.records, ":files": new.files, ":bytes_read": new.bytes_read,
        ":bytes_new": new.bytes_new, ":bytes_stored": new.bytes_stored, ":duration_seconds": new.duration_seconds,
        ":narrowed": new.narrowed, ":scope": Json(&new.scope),
        ":closeness": new.closeness.as_ref().map(Json), ":warnings": new.warnings, ":checksum": new.checksum, ":reason": new.reason, ":operator": new.operator,
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::page::assert_walks_an_index;
    use super::super::testing::Home;
    use super::*;

    fn backup(home: &Home, app: &str, kind: BackupType, status: Status) -> Backup {
        home.advance(60);
        let new = NewBackup::new(home.catalog.new_id(), app, kind, status, home.catalog.now());
        home.catalog.record_backup(&new).unwrap()
    }

    #[test]
    fn every_list_of_backups_walks_an_index() {
        let home = Home::new();
        let full = BackupFilter { since: Some(home.catalog.now()), text: Some("x".to_owned()), ..BackupFilter::default() };
        let filters = [
            BackupFilter::default(),
            BackupFilter { order: Order::Ascending, until: Some(home.catalog.now()), ..full.clone() },
            BackupFilter { app_id: Some(String::new()), protected: Some(true), ..full.clone() },
            BackupFilter { configuration_id: Some(String::new()), ..full.clone() },
            BackupFilter { status: Some(Status::Failed), kind: Some(BackupType::Full), origin: Some(Origin::Manual), ..full },
        ];
        home.catalog
            .read(|connection| {
                for filter in &filters {
                    assert_walks_an_index(&list(filter).explain(connection, Backup::COLUMNS));
                }
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn a_backup_found_again_keeps_its_protection_and_proofs() {
        let home = Home::new();
        let app = home.app("school");
        let mut new = NewBackup::new(home.catalog.new_id(), app, BackupType::Full, Status::Running, home.catalog.now());
        home.catalog.record_backup(&new).unwrap();
        home.catalog.protect_backup(&new.id, true).unwrap();
        home.catalog.set_backup_verified(&new.id, 3).unwrap();
        new.status = Status::Completed;
        new.records = 602;
        new.models = vec![BackupModel { module: "hr".to_owned(), model: "employee".to_owned(), rows: 602 }];
        let found = home.catalog.record_backup(&new).unwrap();
        assert_eq!((found.status, found.records, found.protected, found.verified_level), (Status::Completed, 602, true, Some(3)));
        assert_eq!(home.catalog.backup_models(&new.id).unwrap(), new.models);
    }

    #[test]
    fn a_deleted_backup_leaves_the_list_until_it_is_undeleted() {
        let home = Home::new();
        let app = home.app("school");
        let made = backup(&home, &app, BackupType::Full, Status::Completed);
        let shown = |deleted| home.catalog.backups_page(&BackupFilter { deleted, ..BackupFilter::default() }, None, 5).unwrap().items.len();
        home.catalog.delete_backup(&made.id).unwrap();
        assert_eq!((shown(false), shown(true)), (0, 1));
        home.catalog.undelete_backup(&made.id).unwrap();
        assert_eq!(shown(false), 1);
        home.catalog.protect_backup(&made.id, true).unwrap();
        assert!(matches!(home.catalog.delete_backup(&made.id), Err(Error::WrongState { .. })));
    }

    #[test]
    fn the_latest_backup_is_never_a_failed_or_a_safety_one() {
        let home = Home::new();
        let app = home.app("school");
        let partial = backup(&home, &app, BackupType::Full, Status::Partial);
        backup(&home, &app, BackupType::Full, Status::Failed);
        backup(&home, &app, BackupType::Safety, Status::Completed);
        let latest = home.catalog.latest_backup(Some(&app), &[BackupType::Full, BackupType::Incremental], false).unwrap();
        assert_eq!(latest, Some(partial));
    }
}
