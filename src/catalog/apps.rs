//! Apps: what an operator protects as one.

use rusqlite::{Connection, named_params, params};

use super::record::{Json, Record, record};
use super::{Catalog, Error, Kind, Reader, Result, Time};

/// A folder of an app's files, under the label that its entries are known by.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FilesRoot {
    /// What its entries are known by in every backup.
    pub label: String,
    /// Where it stands.
    pub path: String,
}

/// Models that an operator puts into one module.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ModuleModels {
    /// The module.
    pub module: String,
    /// Its models: names and globs of names.
    pub models: Vec<String>,
}

record! {
    /// What an operator protects as one: a database, its media files, its configuration files.
    App {
        /// Its id.
        id: String = "a.id",
        /// Its name.
        name: String = "a.name",
        /// The URL of its database, without a password.
        database: Option<String> = "a.database",
        /// The folders of its files.
        files: Json<Vec<FilesRoot>> = "a.files",
        /// Globs of what is left out of them.
        exclude: Json<Vec<String>> = "a.exclude",
        /// Whether a walk stays within one file system.
        one_file_system: bool = "a.one_file_system",
        /// Its configuration files.
        config_paths: Json<Vec<String>> = "a.config_paths",
        /// The columns that say whose a record is: `COLUMN` or `MODEL=COLUMN`.
        tenant_columns: Json<Vec<String>> = "a.tenant_columns",
        /// The models that belong together, where their names do not say so.
        modules: Json<Vec<ModuleModels>> = "a.modules",
        /// The models that a quick backup leaves out: names and globs of names.
        dispensable: Json<Vec<String>> = "a.dispensable",
        /// How many connections read its database at once, where that was said.
        connections: Option<i64> = "a.connections",
        /// The id of the vault its backups go to.
        vault_id: String = "a.vault_id",
        /// The name of that vault.
        vault: String = "v.name",
        /// When it was added.
        created_at: Time = "a.created_at",
        /// When it was last edited.
        updated_at: Time = "a.updated_at",
        /// When it was taken away; its backups stay.
        removed_at: Option<Time> = "a.removed_at",
    }
}

/// An app as it is to be.
#[derive(Clone, Debug, Default)]
pub struct NewApp {
    /// Its name.
    pub name: String,
    /// The URL of its database, without a password.
    pub database: Option<String>,
    /// The folders of its files.
    pub files: Vec<FilesRoot>,
    /// Globs of what is left out of them.
    pub exclude: Vec<String>,
    /// Whether a walk stays within one file system.
    pub one_file_system: bool,
    /// Its configuration files.
    pub config_paths: Vec<String>,
    /// The columns that say whose a record is.
    pub tenant_columns: Vec<String>,
    /// The models that belong together.
    pub modules: Vec<ModuleModels>,
    /// The models that a quick backup leaves out.
    pub dispensable: Vec<String>,
    /// How many connections read its database at once, 1 to 8.
    pub connections: Option<i64>,
    /// The id of the vault its backups go to.
    pub vault_id: String,
}

const FROM: &str = "app a JOIN vault v ON v.id = a.vault_id";

impl Reader {
    /// Every app, by name. An operator's apps are few, so they are one page.
    pub fn apps(&self) -> Result<Vec<App>> {
        self.read(|connection| {
            let sql = format!(
                "SELECT {} FROM app a INDEXED BY app_name JOIN vault v ON v.id = a.vault_id
                 WHERE a.removed_at IS NULL AND a.name > '' ORDER BY a.name",
                App::COLUMNS
            );
            let mut statement = connection.prepare_cached(&sql)?;
            Ok(statement.query_map((), App::from_row)?.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The app of this id, one that was taken away too.
    pub fn app(&self, id: &str) -> Result<App> {
        self.read(|connection| app(connection, id))
    }
}

fn app(connection: &Connection, id: &str) -> Result<App> {
    let sql = format!("SELECT {} FROM {FROM} WHERE a.id = ?1", App::COLUMNS);
    super::one(connection, &sql, id)?.ok_or_else(|| Error::NotFound { kind: Kind::App, text: id.to_owned() })
}

impl Catalog {
    /// Adds an app.
    pub fn add_app(&self, new: &NewApp) -> Result<App> {
        let id = self.new_id();
        self.put_app(
            &id,
            new,
            "INSERT INTO app (id, name, database, files, exclude, one_file_system, config_paths, tenant_columns, modules, dispensable, connections, vault_id, created_at, updated_at)
             VALUES (:id, :name, :database, :files, :exclude, :one_file_system, :config_paths, :tenant_columns, :modules, :dispensable, :connections, :vault_id,
                 :now, :now)",
        )
    }

    /// Makes an app what `new` says.
    pub fn edit_app(&self, id: &str, new: &NewApp) -> Result<App> {
        self.put_app(
            id,
            new,
            "UPDATE app SET name = :name, database = :database, files = :files, exclude = :exclude, one_file_system = :one_file_system,
                 config_paths = :config_paths, tenant_columns = :tenant_columns, modules = :modules, dispensable = :dispensable,
                 connections = :connections, vault_id = :vault_id, updated_at = :now
             WHERE id = :id AND removed_at IS NULL",
        )
    }

    fn put_app(&self, id: &str, new: &NewApp, sql: &str) -> Result<App> {
        let now = self.now();
        self.write(|change| {
            let written = change.execute(
                sql,
                named_params! {
                    ":id": id, ":name": new.name, ":database": new.database, ":files": Json(&new.files), ":exclude": Json(&new.exclude),
                    ":one_file_system": new.one_file_system, ":config_paths": Json(&new.config_paths),
                    ":tenant_columns": Json(&new.tenant_columns), ":modules": Json(&new.modules),
                    ":dispensable": Json(&new.dispensable), ":connections": new.connections, ":vault_id": new.vault_id, ":now": now,
                },
            );
            super::found(super::taken(written, Kind::App, &new.name)?, Kind::App, id)?;
            app(change, id)
        })
    }

    /// Takes an app away with its configurations; its backups, jobs and log stay, and its name is free again.
    pub fn remove_app(&self, id: &str) -> Result<()> {
        let now = self.now();
        self.write(|change| {
            let sql = "UPDATE app SET removed_at = ?2 WHERE id = ?1 AND removed_at IS NULL";
            super::found(change.execute(sql, params![id, now])?, Kind::App, id)?;
            let sql = "UPDATE configuration SET deleted_at = ?2, enabled = 0 WHERE app_id = ?1 AND deleted_at IS NULL";
            change.execute(sql, params![id, now])?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Home;
    use super::*;

    #[test]
    fn an_app_is_given_back_as_it_was_added() {
        let home = Home::new();
        let new = NewApp {
            name: "school".to_owned(),
            database: Some("sqlite:/srv/school.db".to_owned()),
            files: vec![FilesRoot { label: "media".to_owned(), path: "/srv/media".to_owned() }],
            exclude: vec!["*.tmp".to_owned()],
            one_file_system: true,
            connections: Some(3),
            vault_id: home.vault(),
            ..NewApp::default()
        };
        let app = home.catalog.add_app(&new).unwrap();
        assert_eq!(app, home.catalog.app(&app.id).unwrap());
        assert_eq!((app.files.0, app.exclude.0, app.connections, app.vault.as_str()), (new.files, new.exclude, Some(3), "main"));
    }

    #[test]
    fn two_apps_cannot_have_one_name() {
        let home = Home::new();
        home.app("school");
        let again = NewApp { name: "school".to_owned(), vault_id: home.vault(), ..NewApp::default() };
        assert!(matches!(home.catalog.add_app(&again), Err(Error::NameTaken { kind: Kind::App, .. })));
    }

    #[test]
    fn an_app_taken_away_frees_its_name_and_is_still_known_by_its_id() {
        let home = Home::new();
        let old = home.app("school");
        home.catalog.remove_app(&old).unwrap();
        let new = home.app("school");
        assert_eq!(home.catalog.resolve(Kind::App, "school").unwrap(), new);
        assert_eq!(home.catalog.app(&old).unwrap().name, "school");
        assert_eq!(home.catalog.apps().unwrap().len(), 1);
        assert!(matches!(home.catalog.remove_app(&old), Err(Error::NotFound { .. })));
    }
}
