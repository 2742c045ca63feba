//! Apps: added, looked at, opened as sources.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::catalog::{App, AuditOutcome, FilesRoot, Kind, ModuleModels, NewApp, Role};
use crate::rows::{Relation, RelationKind};
use crate::sources::Snapshot;
use crate::sources::database::Database;
use crate::sources::files::{Options, Tree};

use super::names::Names;
use super::tenants::Levels;
use super::vaults::same_place;
use super::{Engine, Error, Result, modules};

/// How long a locked database is waited for, where the setting [`LOCK_WAIT_SECONDS`] does not say otherwise.
const LOCK_WAIT: Duration = Duration::from_secs(60);

/// The setting: how long a locked database is waited for, in seconds.
pub const LOCK_WAIT_SECONDS: &str = "sources.lock_wait_seconds";

/// An app that is to be protected.
#[derive(Clone, Debug, Default)]
pub struct AppRequest {
    /// Its name.
    pub name: String,
    /// The URL of its database.
    pub database: Option<String>,
    /// Folders, each `LABEL=DIR` or `DIR`.
    pub files: Vec<String>,
    /// Globs of what is left out of them.
    pub exclude: Vec<String>,
    /// Whether a walk stays within one file system.
    pub one_file_system: bool,
    /// Configuration files and folders of them, each `LABEL=PATH` or `PATH`.
    pub config: Vec<String>,
    /// Models that belong together, each `MODULE=GLOB[,GLOB]`.
    pub modules: Vec<String>,
    /// Models that a quick backup leaves out: names and globs of names.
    pub dispensable: Vec<String>,
    /// The columns that say whose a record is: `COLUMN` or `MODEL=COLUMN`.
    pub tenant_columns: Vec<String>,
    /// How many connections read its database at once, 1 to 8; 2 unless given.
    pub connections: Option<u8>,
    /// The vault; `main` unless given.
    pub vault: Option<String>,
}

/// Which parts of an app a backup or a restore is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The database.
    pub database: bool,
    /// The files, configuration files among them.
    pub files: bool,
}

impl Parts {
    /// Everything.
    pub const ALL: Self = Self { database: true, files: true };

    /// The kinds of relations they have.
    #[must_use]
    pub fn kinds(self) -> Vec<RelationKind> {
        let both = [(self.database, RelationKind::Table), (self.files, RelationKind::Files)];
        both.into_iter().filter(|(wanted, _)| *wanted).map(|(_, kind)| kind).collect()
    }
}

impl Engine {
    /// Takes an app under protection, once its sources were seen to be what they should be.
    ///
    /// # Errors
    /// A name that is taken, a source that cannot be read, a vault that does not exist.
    pub fn add_app(&self, request: &AppRequest) -> Result<App> {
        self.allow(Role::Admin, "app add", &request.name)?;
        let vault_id = self.resolve(Kind::Vault, request.vault.as_deref().unwrap_or("main"))?;
        let new = self.app_to_be(request, vault_id, None)?;
        let app = self.catalog().add_app(&new)?;
        self.audit("app add", &app.name, Some(&app.name), AuditOutcome::Done, None)?;
        Ok(app)
    }

    /// Makes an app what `request` says.
    ///
    /// # Errors
    /// As of [`Engine::add_app`].
    pub fn edit_app(&self, app: &App, request: &AppRequest) -> Result<App> {
        self.allow(Role::Admin, "app edit", &app.name)?;
        let new = self.app_to_be(request, app.vault_id.clone(), Some(app))?;
        let edited = self.catalog().edit_app(&app.id, &new)?;
        self.audit("app edit", &edited.name, Some(&edited.name), AuditOutcome::Done, None)?;
        Ok(edited)
    }

    /// The app that a request describes, its sources seen to be what they should be, and what is said of its models, where that is
    /// not as it `was`, to be about models that are there.
    pub(super) fn app_to_be(&self, request: &AppRequest, vault_id: String, was: Option<&App>) -> Result<NewApp> {
        if request.database.is_none() && request.files.is_empty() && request.config.is_empty() {
            let hint = "Give --database sqlite:PATH or postgresql://…, --files DIR, --config PATH, or several of them.".to_owned();
            return Err(Error::Usage { why: "an app has a database, files, configuration files, or several of them".into(), hint });
        }
        let files = roots(&request.files)?;
        let configuration = roots(&request.config)?;
        if let Some(twice) = configuration.iter().find(|root| files.iter().any(|other| other.label == root.label)) {
            return Err(same_label(&twice.label));
        }
        let new = NewApp {
            name: request.name.clone(),
            database: request.database.as_deref().map(canonical).transpose()?,
            files,
            exclude: request.exclude.clone(),
            one_file_system: request.one_file_system,
            config_paths: configuration.iter().map(|root| format!("{}={}", root.label, root.path)).collect(),
            modules: modules::read(&request.modules)?,
            dispensable: request.dispensable.clone(),
            tenant_columns: request.tenant_columns.clone(),
            connections: request.connections.map(i64::from),
            vault_id,
        };
        let places = Places {
            database: new.database.as_deref(),
            files: &new.files,
            exclude: &new.exclude,
            one_file_system: new.one_file_system,
            config: &new.config_paths,
            modules: &new.modules,
            lock_wait: self.lock_wait()?,
        };
        let sources = places.look(&self.home().scratch())?;
        if was.is_none_or(|was| (&was.modules.0, &was.dispensable.0) != (&new.modules, &new.dispensable)) {
            let of_modules = new.modules.iter().flat_map(|said| said.models.iter().cloned());
            let named: Vec<String> = of_modules.chain(new.dispensable.iter().cloned()).collect();
            Names::new(&named).must_take(&tables(&sources), "model", &format!("backstop app models {}", request.name))?;
        }
        if was.is_none_or(|was| was.tenant_columns.0 != new.tenant_columns) {
            let relations: Vec<&Relation> = sources.iter().flat_map(|source| source.relations()).collect();
            Levels::read(&new.tenant_columns)?.check(&relations, &request.name)?;
        }
        Ok(new)
    }

    /// The app that `text` names; the only one, where nothing is named.
    ///
    /// # Errors
    /// There is none, or more than one could be meant.
    pub fn app(&self, text: Option<&str>) -> Result<App> {
        if let Some(text) = text {
            return Ok(self.catalog().app(&self.resolve(Kind::App, text)?)?);
        }
        let mut apps = self.catalog().apps()?;
        match apps.len() {
            1 => Ok(apps.remove(0)),
            0 => Err(Error::Usage { why: "nothing is protected yet".into(), hint: "backstop app add NAME --database sqlite:PATH".into() }),
            _ => {
                let names: Vec<String> = apps.into_iter().map(|app| app.name).collect();
                Err(Error::Usage { why: "there is more than one app".into(), hint: format!("Add --app with one of: {}", names.join(", ")) })
            }
        }
    }

    /// Opens the sources of `app` as they are now.
    ///
    /// # Errors
    /// What the sources say.
    pub fn open_sources(&self, app: &App, parts: Parts) -> Result<Vec<Box<dyn Snapshot>>> {
        Places::of(app, self.lock_wait()?).open(parts, &self.home().scratch(), &self.apart()?)
    }

    /// Opens the sources of `app` for a look at their models. Their rows are not read: an application could wait for that.
    ///
    /// # Errors
    /// What the sources say.
    pub fn look_at_sources(&self, app: &App) -> Result<Vec<Box<dyn Snapshot>>> {
        Places::of(app, self.lock_wait()?).look(&self.home().scratch())
    }

    /// Looks at the SQLite database of `app`, whose application waits for nothing afterwards: its rows cannot be read.
    ///
    /// # Errors
    /// What the database says.
    pub fn glance_at_database(&self, app: &App) -> Result<Option<Box<dyn Snapshot>>> {
        // What names no SQLite database is opened as what it is, and told there where it is nothing.
        let Some(Ok(Database::Sqlite(database))) = app.database.as_deref().map(Database::parse) else { return Ok(None) };
        let look = database.look(self.lock_wait()?, &self.home().scratch())?;
        let relations = modules::relations(&look, &app.modules);
        look.end_look()?;
        Ok(Some(modules::shown_as(Box::new(look), relations)))
    }

    /// What no tree is to read as files: the home, every location of every vault, every database that is protected.
    fn apart(&self) -> Result<Vec<PathBuf>> {
        let mut apart = vec![self.home().root().to_owned()];
        for vault in self.catalog().vaults()? {
            apart.extend(self.catalog().locations(&vault.id)?.into_iter().map(|location| PathBuf::from(location.place)));
        }
        let urls = self.catalog().apps()?.into_iter().filter_map(|app| app.database);
        apart.extend(urls.filter_map(|url| Database::parse(&url).ok()).flat_map(|database| database.files()));
        Ok(apart)
    }

    /// How long a locked database is waited for.
    ///
    /// # Errors
    /// What the catalog says.
    pub fn lock_wait(&self) -> Result<Duration> {
        Ok(self.catalog().setting(LOCK_WAIT_SECONDS)?.map_or(LOCK_WAIT, Duration::from_secs))
    }
}

/// Where an app's sources are.
struct Places<'a> {
    database: Option<&'a str>,
    files: &'a [FilesRoot],
    exclude: &'a [String],
    one_file_system: bool,
    config: &'a [String],
    modules: &'a [ModuleModels],
    lock_wait: Duration,
}

impl<'a> Places<'a> {
    fn of(app: &'a App, lock_wait: Duration) -> Self {
        Self {
            database: app.database.as_deref(),
            files: &app.files,
            exclude: &app.exclude,
            one_file_system: app.one_file_system,
            config: &app.config_paths,
            modules: &app.modules,
            lock_wait,
        }
    }

    /// Opens everything, to see what it is; no database is copied for that.
    fn look(&self, scratch: &Path) -> Result<Vec<Box<dyn Snapshot>>> {
        let database = self.database.map(|url| Database::parse(url)?.look(self.lock_wait, scratch)).transpose()?;
        Ok(together(database, self.trees()?, self.modules))
    }

    fn open(&self, parts: Parts, scratch: &Path, apart: &[PathBuf]) -> Result<Vec<Box<dyn Snapshot>>> {
        let url = self.database.filter(|_| parts.database);
        let database = url.map(|url| Database::parse(url)?.snapshot(self.lock_wait, scratch)).transpose()?;
        let trees = if parts.files { self.trees()? } else { Vec::new() };
        Ok(together(database, trees.into_iter().map(|tree| tree.without(apart)).collect(), self.modules))
    }

    fn trees(&self) -> Result<Vec<Tree>> {
        let mut trees = Vec::new();
        for root in self.files {
            let options = Options { exclude: self.exclude.to_vec(), one_file_system: self.one_file_system };
            trees.push(Tree::new(&root.label, Path::new(&root.path), &options)?);
        }
        for root in roots(self.config)? {
            trees.push(Tree::configuration(&root.label, Path::new(&root.path))?);
        }
        Ok(trees)
    }
}

/// The names of the tables.
fn tables(sources: &[Box<dyn Snapshot>]) -> Vec<&str> {
    let relations = sources.iter().flat_map(|source| source.relations());
    relations.filter(|relation| relation.kind == RelationKind::Table).map(|relation| relation.name.as_str()).collect()
}

fn together(database: Option<Box<dyn Snapshot>>, trees: Vec<Tree>, modules: &[ModuleModels]) -> Vec<Box<dyn Snapshot>> {
    let database = database.map(|snapshot| modules::grouped(snapshot, modules));
    database.into_iter().chain(trees.into_iter().map(|tree| Box::new(tree) as Box<dyn Snapshot>)).collect()
}

/// The URL as the catalog keeps it: it means the same from every folder.
fn canonical(url: &str) -> Result<String> {
    Ok(Database::parse(url)?.to_string())
}

fn roots(texts: &[String]) -> Result<Vec<FilesRoot>> {
    let mut roots: Vec<FilesRoot> = Vec::new();
    for text in texts {
        let (label, folder) = match text.split_once('=') {
            Some((label, folder)) if !label.contains('/') && !label.is_empty() => (Some(label.to_owned()), folder),
            _ => (None, text.as_str()),
        };
        let path = std::path::absolute(folder).unwrap_or_else(|_| PathBuf::from(folder));
        let own = path.file_name().map_or_else(|| "root".into(), |name| name.to_string_lossy().into_owned());
        let label = label.unwrap_or(own);
        if roots.iter().any(|root| root.label == label) {
            return Err(same_label(&label));
        }
        if let Some(other) = roots.iter().find(|root| same_place(Path::new(&root.path)) == same_place(&path)) {
            let (why, hint) = (format!("the folder {} is given twice", path.display()), format!("It is there as “{}”.", other.label));
            return Err(Error::Usage { why, hint });
        }
        roots.push(FilesRoot { label, path: path.to_string_lossy().into_owned() });
    }
    Ok(roots)
}

fn same_label(label: &str) -> Error {
    let hint = "Write --files LABEL=DIR and --config LABEL=PATH with labels that differ.".to_owned();
    Error::Usage { why: format!("two folders have the label “{label}”"), hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_called_by_its_name_unless_it_has_a_label() {
        let roots = roots(&["/srv/media".into(), "conf=/etc/app".into()]).unwrap();
        assert_eq!((roots[0].label.as_str(), roots[1].label.as_str(), roots[1].path.as_str()), ("media", "conf", "/etc/app"));
        assert!(super::roots(&["/a/x".into(), "/b/x".into()]).is_err());
        assert!(super::roots(&["one=/a/x".into(), "two=/a/x/".into()]).is_err());
    }
}
