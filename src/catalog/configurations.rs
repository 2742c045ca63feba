//! Configurations: how an app is backed up, when it runs next, and how it has fared.

use rusqlite::{Connection, named_params, params};

use super::page::List;
use super::record::{Json, Record, record};
use super::{BackupType, Catalog, Cursor, Error, Kind, Listed, Order, Page, Reader, Result, Time};

record! {
    /// How an app is backed up.
    Configuration {
        /// Its id.
        id: String = "c.id",
        /// Its name.
        name: String = "c.name",
        /// The app's id.
        app_id: String = "c.app_id",
        /// The app's name.
        app: String = "a.name",
        /// What its backups hold.
        #[serde(rename = "type")]
        kind: BackupType = "c.type",
        /// When it runs, as a cron expression.
        schedule: Option<String> = "c.schedule",
        /// How many days its backups are kept.
        retention_days: Option<u32> = "c.retention_days",
        /// Whether its schedule is followed.
        enabled: bool = "c.enabled",
        /// Whether it leaves out what is dispensable.
        quick: bool = "c.quick",
        /// The modules it is narrowed to.
        modules: Json<Vec<String>> = "c.modules",
        /// The models it is narrowed to.
        models: Json<Vec<String>> = "c.models",
        /// The modules it leaves out.
        exclude_modules: Json<Vec<String>> = "c.exclude_modules",
        /// The models it leaves out.
        exclude_models: Json<Vec<String>> = "c.exclude_models",
        /// The tenants of which it makes one backup each; `all` for every one.
        tenants: Json<Vec<String>> = "c.tenants",
        /// The compression it asks for.
        compression: Option<String> = "c.compression",
        /// Whether it was made for one backup.
        adhoc: bool = "c.adhoc",
        /// What it is for.
        description: Option<String> = "c.description",
        /// When it was made.
        created_at: Time = "c.created_at",
        /// When it was last edited.
        updated_at: Time = "c.updated_at",
        /// When it last ran.
        last_run_at: Option<Time> = "c.last_run_at",
        /// When it runs next.
        next_run_at: Option<Time> = "c.next_run_at",
    }
}

impl Listed for Configuration {
    fn cursor(&self) -> Cursor {
        Cursor { key: self.name.clone(), id: self.id.clone() }
    }
}

/// A configuration as it is to be.
#[derive(Clone, Debug)]
pub struct NewConfiguration {
    /// Its name.
    pub name: String,
    /// The app's id.
    pub app_id: String,
    /// What its backups hold.
    pub kind: BackupType,
    /// When it runs, as a cron expression.
    pub schedule: Option<String>,
    /// How many days its backups are kept.
    pub retention_days: Option<u32>,
    /// Whether its schedule is followed.
    pub enabled: bool,
    /// Whether it leaves out what is dispensable.
    pub quick: bool,
    /// The modules it is narrowed to.
    pub modules: Vec<String>,
    /// The models it is narrowed to.
    pub models: Vec<String>,
    /// The modules it leaves out.
    pub exclude_modules: Vec<String>,
    /// The models it leaves out.
    pub exclude_models: Vec<String>,
    /// The tenants of which it makes one backup each; `all` for every one.
    pub tenants: Vec<String>,
    /// The compression it asks for.
    pub compression: Option<String>,
    /// Whether it is made for one backup.
    pub adhoc: bool,
    /// What it is for.
    pub description: Option<String>,
    /// When it runs next, by its schedule.
    pub next_run_at: Option<Time>,
}

impl NewConfiguration {
    /// An enabled configuration without a schedule or any narrowing.
    #[must_use]
    pub fn new(name: impl Into<String>, app_id: impl Into<String>, kind: BackupType) -> Self {
        Self {
            name: name.into(),
            app_id: app_id.into(),
            kind,
            schedule: None,
            retention_days: None,
            enabled: true,
            quick: false,
            modules: Vec::new(),
            models: Vec::new(),
            exclude_modules: Vec::new(),
            exclude_models: Vec::new(),
            tenants: Vec::new(),
            compression: None,
            adhoc: false,
            description: None,
            next_run_at: None,
        }
    }
}

/// Which configurations a list shows, by name.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigurationFilter {
    /// Those of this app (its id).
    pub app_id: Option<String>,
    /// Those of this type.
    pub kind: Option<BackupType>,
    /// Those that are enabled, or those that are not.
    pub enabled: Option<bool>,
    /// Those made for one backup, or those that were not.
    pub adhoc: Option<bool>,
    /// Those in whose name, app, type, schedule or description this text stands.
    pub text: Option<String>,
    /// The direction.
    pub order: Order,
}

impl Default for ConfigurationFilter {
    fn default() -> Self {
        Self { app_id: None, kind: None, enabled: None, adhoc: None, text: None, order: Order::Ascending }
    }
}

/// How a configuration has fared, over its newest jobs.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct ConfigurationStats {
    /// The jobs looked at.
    pub jobs: u64,
    /// Those that completed.
    pub completed: u64,
    /// Those that completed but for what they name.
    pub partial: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that were stopped.
    pub cancelled: u64,
    /// The mean duration of its backups, in seconds.
    pub mean_seconds: Option<f64>,
    /// The mean size its backups added to the vault, in bytes.
    pub mean_bytes_stored: Option<f64>,
    /// When its newest completed backup was taken.
    pub last_completed_at: Option<Time>,
}

/// How many jobs and backups the figures of a configuration are taken from.
const STATS_OVER: usize = 1000;

impl Reader {
    /// A page of the configurations, by name.
    pub fn configurations_page(&self, filter: &ConfigurationFilter, after: Option<&Cursor>, limit: usize) -> Result<Page<Configuration>> {
        self.read(|connection| list(filter).page(connection, after, limit))
    }

    /// The configuration of this id, one that was deleted too.
    pub fn configuration(&self, id: &str) -> Result<Configuration> {
        self.read(|connection| configuration(connection, id))
    }

    /// The enabled configurations whose next run has come, the longest due first.
    pub fn configurations_due(&self, now: Time, limit: usize) -> Result<Vec<Configuration>> {
        self.scheduled("c.next_run_at <= ?1", now, limit)
    }

    /// The enabled configurations with a next run after `now`, the soonest first.
    pub fn configurations_upcoming(&self, now: Time, limit: usize) -> Result<Vec<Configuration>> {
        self.scheduled("c.next_run_at > ?1", now, limit)
    }

    fn scheduled(&self, condition: &str, now: Time, limit: usize) -> Result<Vec<Configuration>> {
        self.read(|connection| {
            let sql = format!(
                "SELECT {} FROM configuration c INDEXED BY configuration_due JOIN app a ON a.id = c.app_id
                 WHERE c.enabled = 1 AND c.deleted_at IS NULL AND c.next_run_at IS NOT NULL AND {condition}
                 ORDER BY c.next_run_at, c.id LIMIT ?2",
                Configuration::COLUMNS
            );
            let mut statement = connection.prepare_cached(&sql)?;
            Ok(statement.query_map(params![now, limit], Configuration::from_row)?.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// How a configuration has fared, over its newest thousand jobs and backups.
    pub fn configuration_stats(&self, id: &str) -> Result<ConfigurationStats> {
        self.read(|connection| stats(connection, id))
    }
}

fn list(filter: &ConfigurationFilter) -> List {
    let index = if filter.app_id.is_some() { "configuration_by_app" } else { "configuration_by_name" };
    let from = format!("configuration c INDEXED BY {index} JOIN app a ON a.id = c.app_id");
    let mut list = List::new(from, "c.name", "c.id", filter.order);
    list.when("c.deleted_at IS NULL")
        .filter("c.app_id = ?", filter.app_id.clone())
        .filter("c.type = ?", filter.kind.map(|kind| kind.to_string()))
        .filter("c.enabled = ?", filter.enabled)
        .filter("c.adhoc = ?", filter.adhoc)
        .containing(&["c.name", "a.name", "c.type", "c.schedule", "c.description"], filter.text.as_deref());
    list
}

fn configuration(connection: &Connection, id: &str) -> Result<Configuration> {
    let sql = format!("SELECT {} FROM configuration c JOIN app a ON a.id = c.app_id WHERE c.id = ?1", Configuration::COLUMNS);
    super::one(connection, &sql, id)?.ok_or_else(|| Error::NotFound { kind: Kind::Configuration, text: id.to_owned() })
}

fn stats(connection: &Connection, id: &str) -> Result<ConfigurationStats> {
    let mut stats = connection
        .prepare_cached(&format!(
            "SELECT count(*), total(status = 'completed'), total(status = 'partial'), total(status = 'failed'), total(status = 'cancelled')
         FROM (SELECT status FROM job WHERE configuration_id = ?1 ORDER BY created_at DESC, id DESC LIMIT {STATS_OVER})"
        ))?
        .query_row([id], |row| {
            let count = |index| row.get::<_, f64>(index).map(|count| count as u64);
            Ok(ConfigurationStats {
                jobs: row.get(0)?,
                completed: count(1)?,
                partial: count(2)?,
                failed: count(3)?,
                cancelled: count(4)?,
                ..ConfigurationStats::default()
            })
        })?;
    (stats.mean_seconds, stats.mean_bytes_stored, stats.last_completed_at) = connection
        .prepare_cached(&format!(
            "SELECT avg(duration_seconds), avg(bytes_stored), max(CASE status WHEN 'completed' THEN taken_at END)
             FROM (SELECT duration_seconds, bytes_stored, status, taken_at FROM backup
                   WHERE configuration_id = ?1 AND status IN ('completed', 'partial') ORDER BY taken_at DESC, id DESC LIMIT {STATS_OVER})"
        ))?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(stats)
}

impl Catalog {
    /// Adds a configuration.
    pub fn add_configuration(&self, new: &NewConfiguration) -> Result<Configuration> {
        let id = self.new_id();
        self.put_configuration(
            &id,
            new,
            "INSERT INTO configuration (id, name, app_id, type, schedule, retention_days, enabled, quick, modules, models,
                 exclude_modules, exclude_models, tenants, compression, adhoc, description, created_at, updated_at, next_run_at)
             VALUES (:id, :name, :app_id, :type, :schedule, :retention_days, :enabled, :quick, :modules, :models,
                 :exclude_modules, :exclude_models, :tenants, :compression, :adhoc, :description, :now, :now, :next_run_at)",
        )
    }

    /// Makes a configuration what `new` says.
    pub fn edit_configuration(&self, id: &str, new: &NewConfiguration) -> Result<Configuration> {
        self.put_configuration(
            id,
            new,
            "UPDATE configuration SET name = :name, app_id = :app_id, type = :type, schedule = :schedule, retention_days = :retention_days,
                 enabled = :enabled, quick = :quick, modules = :modules, models = :models,
                 exclude_modules = :exclude_modules, exclude_models = :exclude_models, tenants = :tenants,
                 compression = :compression, adhoc = :adhoc, description = :description, updated_at = :now, next_run_at = :next_run_at
             WHERE id = :id AND deleted_at IS NULL",
        )
    }

    fn put_configuration(&self, id: &str, new: &NewConfiguration, sql: &str) -> Result<Configuration> {
        let now = self.now();
        self.write(|change| {
            let written = change.execute(
                sql,
                named_params! {
                    ":id": id, ":name": new.name, ":app_id": new.app_id, ":type": new.kind, ":schedule": new.schedule,
                    ":retention_days": new.retention_days, ":enabled": new.enabled, ":quick": new.quick,
                    ":modules": Json(&new.modules), ":models": Json(&new.models), ":exclude_modules": Json(&new.exclude_modules),
                    ":exclude_models": Json(&new.exclude_models), ":tenants": Json(&new.tenants), ":compression": new.compression,
                    ":adhoc": new.adhoc, ":description": new.description, ":now": now, ":next_run_at": new.next_run_at,
                },
            );
            super::found(super::taken(written, Kind::Configuration, &new.name)?, Kind::Configuration, id)?;
            configuration(change, id)
        })
    }

    /// Enables or disables a configuration; `next_run_at` is when its schedule comes next, if it is enabled.
    pub fn set_configuration_enabled(&self, id: &str, enabled: bool, next_run_at: Option<Time>) -> Result<()> {
        let now = self.now();
        self.write(|change| {
            let sql = "UPDATE configuration SET enabled = ?2, next_run_at = ?3, updated_at = ?4 WHERE id = ?1 AND deleted_at IS NULL";
            super::found(change.execute(sql, params![id, enabled, next_run_at, now])?, Kind::Configuration, id)
        })
    }

    /// Notes that a configuration ran, and when it runs next.
    pub fn set_configuration_run(&self, id: &str, last_run_at: Option<Time>, next_run_at: Option<Time>) -> Result<()> {
        self.write(|change| {
            let sql = "UPDATE configuration SET last_run_at = coalesce(?2, last_run_at), next_run_at = ?3 WHERE id = ?1";
            super::found(change.execute(sql, params![id, last_run_at, next_run_at])?, Kind::Configuration, id)
        })
    }

    /// Takes the run that is due at `due`, so that no other process starts it too; `next_run_at` is the one after. False where it was taken.
    pub fn take_due_run(&self, id: &str, due: Time, next_run_at: Option<Time>) -> Result<bool> {
        let now = self.now();
        self.write(|change| {
            let sql = "UPDATE configuration SET last_run_at = ?3, next_run_at = ?4
                 WHERE id = ?1 AND next_run_at = ?2 AND enabled = 1 AND deleted_at IS NULL";
            Ok(change.execute(sql, params![id, due, now, next_run_at])? == 1)
        })
    }

    /// Deletes a configuration; its jobs and backups stay and go on naming it.
    pub fn delete_configuration(&self, id: &str) -> Result<()> {
        let now = self.now();
        self.write(|change| {
            let sql = "UPDATE configuration SET deleted_at = ?2, enabled = 0 WHERE id = ?1 AND deleted_at IS NULL";
            super::found(change.execute(sql, params![id, now])?, Kind::Configuration, id)
        })
    }

    /// Removes the ad-hoc configurations made before `before` that no job refers to, and gives their names.
    pub fn clean_up_configurations(&self, before: Time) -> Result<Vec<String>> {
        self.write(|change| {
            let mut statement = change.prepare_cached(
                "DELETE FROM configuration WHERE adhoc = 1 AND created_at < ?1
                     AND NOT EXISTS (SELECT 1 FROM job WHERE job.configuration_id = configuration.id)
                 RETURNING name",
            )?;
            Ok(statement.query_map(params![before], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
        })
    }
}

#[cfg(test)]
mod tests;
