//! `backstop app`: what is protected.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};

use super::output::Failure;
use super::session::{Ended, Session};
use super::table::{Align, Table, facts};
use crate::engine::apps::AppRequest;
use crate::engine::dispensable::Suggestion;
use crate::error::Status;

/// `backstop app …`.
#[derive(Debug, Subcommand)]
pub enum App {
    /// Protect an application: its database, its files, or both.
    Add(Add),
    /// List the applications.
    List,
    /// Show one.
    Show(Named),
    /// Change its name or where its sources are.
    Edit(Rename),
    /// Take over an application whose backups a vault holds: say where its sources are on this machine.
    Adopt(Adopt),
    /// Forget one; its backups stay in the vault.
    Remove(Remove),
    /// List its models as they are now.
    Models(Named),
    /// List its tenants as they are now.
    Tenants(Tenants),
}

/// `backstop app tenants`.
#[derive(Clone, Debug, Args)]
pub struct Tenants {
    /// The application.
    pub app: String,
    /// Those that this tenant column names, where there are several [default: the first].
    #[arg(long, value_name = "COLUMN")]
    pub level: Option<String>,
}

/// A tenant, as lists show it.
#[derive(serde::Serialize)]
struct TenantRow {
    id: String,
}

/// `backstop app add`.
#[derive(Clone, Debug, Args)]
#[command(group = clap::ArgGroup::new("what").args(["database", "files", "config"]).required(true).multiple(true))]
pub struct Add {
    /// Its name.
    pub name: String,
    /// Its database: sqlite:PATH or `postgresql://USER@HOST/DATABASE` (passwords come from ~/.pgpass or a service).
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// A folder of its files, with a label where the folder's name will not do; may be repeated.
    #[arg(long, value_name = "[LABEL=]DIR")]
    pub files: Vec<LabelledFolder>,
    /// Leave out what this glob matches, relative to the folder; may be repeated.
    #[arg(long, value_name = "GLOB", requires = "files")]
    pub exclude: Vec<String>,
    /// Do not cross into other file systems.
    #[arg(long, requires = "files")]
    pub one_file_system: bool,
    /// A configuration file or a folder of them, with a label where its own name will not do; may be repeated.
    #[arg(long, value_name = "[LABEL=]PATH")]
    pub config: Vec<LabelledFolder>,
    /// Models that belong together, by names or globs; may be repeated.
    #[arg(long = "module", value_name = "NAME=GLOB[,GLOB]", requires = "database")]
    pub modules: Vec<String>,
    /// Models that a quick backup leaves out, by names or globs; may be repeated.
    #[arg(long, value_name = "MODEL|GLOB,…", value_delimiter = ',', requires = "database")]
    pub dispensable: Vec<String>,
    /// A column that says whose a record is, a level each, the outermost first; MODEL=COL is what the column of the level before it is
    /// called in one model; may be repeated.
    #[arg(long = "tenant-column", value_name = "[MODEL=]COL", requires = "database")]
    pub tenant_columns: Vec<String>,
    /// How many connections read its database at once (PostgreSQL; 2 unless given).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8), requires = "database")]
    pub connections: Option<u8>,
    /// The vault its backups go to.
    #[arg(long, value_name = "VAULT")]
    pub vault: Option<String>,
}

/// `backstop app edit` and `app adopt`; what is not given stays.
#[derive(Clone, Debug, Args)]
pub struct Edit {
    /// The application.
    pub app: String,
    /// Its database: sqlite:PATH or `postgresql://USER@HOST/DATABASE` (passwords come from ~/.pgpass or a service).
    #[arg(long, value_name = "URL", conflicts_with = "no_database")]
    pub database: Option<String>,
    /// It has no database any more.
    #[arg(long)]
    pub no_database: bool,
    /// Its folders of files, instead of those it has; may be repeated.
    #[arg(long, value_name = "[LABEL=]DIR", conflicts_with = "no_files")]
    pub files: Vec<LabelledFolder>,
    /// It has no files any more.
    #[arg(long)]
    pub no_files: bool,
    /// Leave out what this glob matches, instead of the globs it has; may be repeated.
    #[arg(long, value_name = "GLOB", conflicts_with = "no_exclude")]
    pub exclude: Vec<String>,
    /// Leave nothing out any more.
    #[arg(long)]
    pub no_exclude: bool,
    /// Its configuration files, instead of those it has; may be repeated.
    #[arg(long, value_name = "[LABEL=]PATH", conflicts_with = "no_config")]
    pub config: Vec<LabelledFolder>,
    /// It has no configuration files any more.
    #[arg(long)]
    pub no_config: bool,
    /// Models that belong together, by names or globs, instead of what was said of modules; may be repeated.
    #[arg(long = "module", value_name = "NAME=GLOB[,GLOB]", conflicts_with = "no_modules")]
    pub modules: Vec<String>,
    /// Modules are what the database and the names of its tables say.
    #[arg(long)]
    pub no_modules: bool,
    /// Models that a quick backup leaves out, by names or globs, instead of those named before; may be repeated.
    #[arg(long, value_name = "MODEL|GLOB,…", value_delimiter = ',', conflicts_with = "no_dispensable")]
    pub dispensable: Vec<String>,
    /// No model is dispensable.
    #[arg(long)]
    pub no_dispensable: bool,
    /// The columns that say whose a record is, a level each, the outermost first, instead of those named before; MODEL=COL is what the
    /// column of the level before it is called in one model; may be repeated.
    #[arg(long = "tenant-column", value_name = "[MODEL=]COL", conflicts_with = "no_tenant_columns")]
    pub tenant_columns: Vec<String>,
    /// It has no tenants.
    #[arg(long)]
    pub no_tenant_columns: bool,
    /// How many connections read its database at once (PostgreSQL).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
    pub connections: Option<u8>,
}

/// `backstop app adopt`.
#[derive(Clone, Debug, Args)]
pub struct Adopt {
    /// Where its sources are on this machine.
    #[command(flatten)]
    pub places: Edit,
    /// The vault that holds its backups.
    #[arg(long, value_name = "VAULT")]
    pub vault: Option<String>,
}

/// One application.
#[derive(Clone, Debug, Args)]
pub struct Named {
    /// The application.
    pub app: String,
}

/// `backstop app edit`.
#[derive(Clone, Debug, Args)]
pub struct Rename {
    /// What changes.
    #[command(flatten)]
    pub places: Edit,
    /// A new name.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
}

/// `backstop app remove`.
#[derive(Clone, Debug, Args)]
pub struct Remove {
    /// The application.
    pub app: String,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// A folder and the label its entries are kept under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledFolder {
    /// The label: the folder's own name unless given.
    pub label: String,
    /// The folder.
    pub path: PathBuf,
}

impl FromStr for LabelledFolder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A path that holds `=` is written with a `/` before it: `./a=b`.
        let (label, path) = match text.split_once('=').filter(|(label, _)| !label.contains('/')) {
            Some((label, path)) => (Some(label), PathBuf::from(path)),
            None => (None, PathBuf::from(text)),
        };
        if path.as_os_str().is_empty() {
            return Err("the folder is missing".to_owned());
        }
        let own_name = || path.file_name().map(|name| name.to_string_lossy().into_owned());
        match label.map(str::to_owned).or_else(own_name).filter(|label| !label.is_empty()) {
            Some(label) => Ok(Self { label, path }),
            None => Err(format!("{text} has no name of its own; give it a label: LABEL={text}")),
        }
    }
}

impl Session<'_> {
    /// `backstop app …`.
    pub fn app(&mut self, command: App) -> Ended {
        match command {
            App::Add(add) => {
                let app = self.engine.add_app(&AppRequest {
                    name: add.name,
                    database: add.database,
                    files: labelled(&add.files),
                    config: labelled(&add.config),
                    exclude: add.exclude,
                    one_file_system: add.one_file_system,
                    modules: add.modules,
                    dispensable: add.dispensable,
                    tenant_columns: add.tenant_columns,
                    connections: add.connections,
                    vault: add.vault,
                })?;
                self.output.result(&app, |app| {
                    vec![format!("{} is known; back it up: backstop backup --app {} --type full", app.name, app.name)]
                })?;
            }
            App::List => {
                let apps = self.engine.catalog().apps()?;
                self.output.list(&apps, "nothing is protected yet", |apps| {
                    let mut table =
                        Table::new(&[("name", Align::Left), ("database", Align::Left), ("folders", Align::Right), ("vault", Align::Left)]);
                    for app in apps {
                        table.row([
                            app.name.clone(),
                            app.database.clone().unwrap_or_default(),
                            app.files.len().to_string(),
                            app.vault.clone(),
                        ]);
                    }
                    table
                })?;
            }
            App::Edit(edit) => {
                let app = self.engine.app(Some(&edit.places.app))?;
                let mut request = edit.places.applied_to(&app);
                request.name = edit.name.unwrap_or(request.name);
                let app = self.engine.edit_app(&app, &request)?;
                self.app_show(&app)?;
            }
            App::Adopt(adopt) => {
                let app = self.engine.known_again(&adopt.places.app, adopt.vault.as_deref())?;
                let app = self.engine.adopt_app(&app, &adopt.places.applied_to(&app))?;
                self.app_show(&app)?;
            }
            App::Show(named) => {
                let app = self.engine.app(Some(&named.app))?;
                self.app_show(&app)?;
            }
            App::Remove(remove) => {
                let app = self.engine.app(Some(&remove.app))?;
                self.confirm(&format!("Forget {}? Its backups stay in the vault.", app.name), remove.yes)?;
                self.engine.remove_app(&app)?;
                self.output.result(&app, |app| vec![format!("{} is no longer known; its backups stay", app.name)])?;
            }
            App::Models(named) => {
                let app = self.engine.app(Some(&named.app))?;
                self.app_models(&app)?;
            }
            App::Tenants(which) => {
                let app = self.engine.app(Some(&which.app))?;
                let tenants = self.engine.tenants(&app, which.level.as_deref())?;
                let rows: Vec<TenantRow> = tenants.into_iter().map(|id| TenantRow { id }).collect();
                self.output.list(&rows, "it has no tenants", |rows| {
                    let mut table = Table::new(&[("tenant", Align::Left)]);
                    for row in rows {
                        table.row([row.id.clone()]);
                    }
                    table
                })?;
            }
        }
        Ok(Status::Done)
    }

    fn app_models(&mut self, app: &crate::catalog::App) -> Result<(), Failure> {
        let models = self.engine.models(app)?;
        self.output.list(&models, "it has no models", |models| {
            let mut table = Table::new(&[
                ("module", Align::Left),
                ("model", Align::Left),
                ("key", Align::Left),
                ("columns", Align::Right),
                ("", Align::Left),
            ]);
            for model in models {
                let said = if model.dispensable { "dispensable" } else { "" };
                let columns = model.columns.len().to_string();
                table.row([model.module.clone(), model.model.clone(), model.key.join(", "), columns, said.to_owned()]);
            }
            table
        })?;
        let suggested: Vec<Suggestion> =
            models.iter().filter_map(|model| Some(Suggestion { model: model.model.clone(), why: model.suggestion? })).collect();
        if app.dispensable.is_empty()
            && let Some(said) = offered(&app.name, &suggested)
        {
            self.output.note(&said)?;
        }
        Ok(())
    }

    fn app_show(&mut self, app: &crate::catalog::App) -> Result<(), Failure> {
        let suggested = self.engine.suggested(app)?;
        let mut document = serde_json::to_value(app).unwrap_or_default();
        document["suggested_dispensable"] = serde_json::to_value(&suggested).unwrap_or_default();
        self.output.result(&document, |_| {
            let files: Vec<String> = app.files.iter().map(|root| format!("{}={}", root.label, root.path)).collect();
            facts(&[
                ("id", app.id.clone()),
                ("name", app.name.clone()),
                ("database", app.database.clone().unwrap_or_default()),
                ("files", files.join(", ")),
                ("left out", app.exclude.join(", ")),
                ("configuration", app.config_paths.join(", ")),
                ("modules", modules_of(app).join("  ")),
                ("dispensable", app.dispensable.join(", ")),
                ("tenant columns", app.tenant_columns.join(", ")),
                ("connections", app.connections.map_or_else(String::new, |count| count.to_string())),
                ("suggested", offered(&app.name, &suggested).unwrap_or_default()),
                ("vault", app.vault.clone()),
            ])
        })?;
        Ok(())
    }
}

/// What could be named as dispensable, and how.
fn offered(app: &str, suggested: &[Suggestion]) -> Option<String> {
    let names: Vec<&str> = suggested.iter().map(|it| it.model.as_str()).collect();
    let said: Vec<String> = suggested.iter().map(|it| format!("{} ({})", it.model, it.why)).collect();
    let told = format!("{} may be dispensable; to have quick backups leave them out: ", said.join(", "));
    (!names.is_empty()).then(|| format!("{told}backstop app edit {app} --dispensable {}", names.join(",")))
}

fn labelled(folders: &[LabelledFolder]) -> Vec<String> {
    folders.iter().map(|folder| format!("{}={}", folder.label, folder.path.display())).collect()
}

/// What is said of modules, as it is written.
fn modules_of(app: &crate::catalog::App) -> Vec<String> {
    app.modules.iter().map(|said| format!("{}={}", said.module, said.models.join(","))).collect()
}

impl Edit {
    /// The app as it is, with what was given in its place.
    fn applied_to(&self, app: &crate::catalog::App) -> AppRequest {
        let kept = |gone: bool, given: Vec<String>, had: Vec<String>| match (gone, given.is_empty()) {
            (true, _) => Vec::new(),
            (false, true) => had,
            (false, false) => given,
        };
        let files = app.files.iter().map(|root| format!("{}={}", root.label, root.path)).collect();
        AppRequest {
            name: app.name.clone(),
            database: self.database.clone().or_else(|| app.database.clone()).filter(|_| !self.no_database),
            files: kept(self.no_files, labelled(&self.files), files),
            exclude: kept(self.no_exclude, self.exclude.clone(), app.exclude.0.clone()),
            one_file_system: app.one_file_system,
            config: kept(self.no_config, labelled(&self.config), app.config_paths.0.clone()),
            modules: kept(self.no_modules, self.modules.clone(), modules_of(app)),
            dispensable: kept(self.no_dispensable, self.dispensable.clone(), app.dispensable.0.clone()),
            tenant_columns: kept(self.no_tenant_columns, self.tenant_columns.clone(), app.tenant_columns.0.clone()),
            connections: self.connections.or_else(|| app.connections.and_then(|count| u8::try_from(count).ok())),
            vault: Some(app.vault.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_labelled_by_its_own_name_unless_given() {
        let read = |text: &str| text.parse::<LabelledFolder>().map(|folder| (folder.label, folder.path.display().to_string()));
        assert_eq!(read("/srv/media"), Ok(("media".into(), "/srv/media".into())));
        assert_eq!(read("photos=/srv/media/"), Ok(("photos".into(), "/srv/media/".into())));
        assert_eq!(read("./a=b"), Ok(("a=b".into(), "./a=b".into())));
        assert!(read("/").is_err() && read("x=").is_err() && read("").is_err());
        assert_eq!(read("root=/"), Ok(("root".into(), "/".into())));
    }
}
