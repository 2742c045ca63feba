//! Restores as jobs: a preview makes a plan in the home, a run executes exactly that plan, an undo takes it back.
//!
//! Files are staged beside their targets first, and put in place once the database has committed ([`journals`]).
//! A crash before the database commits leaves it as it was. The safety record is in the vault before the application's
//! write lock is taken, and the restore's entry in the catalog names it: whoever finds the entry still running judges by it.

mod copy;
mod execute;
mod filling;
pub mod journals;
mod recover;
pub(in crate::engine) mod safety;
mod side;
mod trees;

#[cfg(test)]
mod crash_tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::catalog::{App, Backup, Kind, NewPlan, PlanState, Role};
use crate::rows::{Relation, RelationKind};
use crate::sources::{Identity, Snapshot};
use crate::vault::{BackupId, Vault};

use super::Engine;
use super::apps::Parts;
use super::error::{Doing, Error, Result};
use super::latest::{Part, Wanted};
use super::names::Names;
use super::restore::plan::{Choice, OnBlocked, OnCollision, OnRefused, Plan, PlanSummary, Request, Scope};
use super::restore::preview;
use super::restore::spool::SpoolReader;
use super::restore::strategy::Strategy;
use super::restore::{self, Progress, Stored};
use super::stored::StoredBackup;
use super::tenants::{Levels, no_columns};

pub use copy::{CopyResult, CopyTarget, MANY_ROWS};
pub use execute::RestoreResult;
use side::StoredSide;

/// What is to be compared.
#[derive(Clone, Debug)]
pub struct PreviewRequest {
    /// The backup: an id, its beginning, or `latest`, which is meant where nothing is said.
    pub backup: Option<String>,
    /// The newest backup taken at or before this time, instead.
    pub at: Option<Timestamp>,
    /// The app.
    pub app: Option<String>,
    /// The strategy for the whole.
    pub strategy: Strategy,
    /// Strategies for models.
    pub strategies: Vec<(String, Strategy)>,
    /// What is taken.
    pub scope: Scope,
    /// Choices for records and fields.
    pub choices: Vec<Choice>,
    /// Fields left out of the comparison, by model.
    pub ignore: BTreeMap<String, BTreeSet<String>>,
    /// Collisions.
    pub collisions: OnCollision,
    /// Missing parents.
    pub blocked: OnBlocked,
    /// Records that the source would not take.
    pub refused: OnRefused,
    /// Whether live-only records are deleted.
    pub exact: bool,
}

impl PreviewRequest {
    /// All of the newest backup of `app`, merged.
    #[must_use]
    pub fn new(app: Option<String>, strategy: Strategy) -> Self {
        Self {
            backup: None,
            at: None,
            app,
            strategy,
            strategies: Vec::new(),
            scope: Scope::default(),
            choices: Vec::new(),
            ignore: BTreeMap::new(),
            collisions: OnCollision::default(),
            blocked: OnBlocked::default(),
            refused: OnRefused::default(),
            exact: false,
        }
    }
}

/// What a restore works on: the app, its vault, and its sources as they are now.
struct Scene {
    app: App,
    vault: std::sync::Arc<Vault>,
    lives: Vec<Box<dyn Snapshot>>,
}

/// A plan as it is kept in the home.
struct Kept {
    plan: Plan,
    app: App,
    vault: std::sync::Arc<Vault>,
    state: PlanState,
}

impl Scene {
    fn lives(&self) -> Vec<&dyn Snapshot> {
        self.lives.iter().map(AsRef::as_ref).collect()
    }
}

impl Engine {
    /// Compares a backup with what is there now, and keeps the plan. Nothing is touched.
    ///
    /// # Errors
    /// What either side cannot be read for, and cancelling. Blocking findings are no error: they stand in the plan.
    pub fn preview(&self, request: &PreviewRequest, progress: &mut Progress<'_>) -> Result<PlanSummary> {
        self.allow(Role::Operator, "restore preview", request.app.as_deref().unwrap_or_default())?;
        let backup = self.backup_for(request)?;
        let vault = self.vault(&self.catalog().app(&backup.app_id)?.vault)?;
        let stored = StoredBackup::new(vault.clone(), vault.manifest(&BackupId(backup.id.clone()))?);
        let scope = of_tenants(&stored, &self.catalog().app(&backup.app_id)?, named(&stored, &request.scope)?)?;
        let parts = parts_of(&stored, &scope)?;
        let scene = self.scene(&backup.app_id, parts)?;
        let (source, folders) = origins(&stored);
        let asked = Request {
            strategies: request.strategies.iter().cloned().collect(),
            scope,
            choices: request.choices.clone(),
            ignore: request.ignore.clone(),
            collisions: request.collisions,
            blocked: request.blocked,
            refused: request.refused,
            exact: request.exact,
            source,
            folders,
            ..Request::new(&self.catalog().new_id(), &backup.id, &scene.app.name, &backup.taken_at.to_string(), request.strategy)
        };
        let side = StoredSide::of(&stored, &parts.kinds());
        one_name_each(&side)?;
        self.keep_plan(&scene, &asked.clone(), |to, seal| preview::preview(asked, &side, &scene.lives(), to, seal, progress))
    }

    /// What a plan that was kept says.
    ///
    /// # Errors
    /// No such plan, and what reading it met.
    pub fn plan_summary(&self, plan: &str) -> Result<PlanSummary> {
        Ok(self.plan_to_read(plan)?.plan.summary())
    }

    /// What a plan that was kept was asked for, and whether it takes back a restore.
    ///
    /// # Errors
    /// As of [`Engine::plan_summary`].
    pub fn plan_request(&self, plan: &str) -> Result<(Request, bool)> {
        let kept = self.plan_to_read(plan)?.plan;
        Ok((kept.request, kept.undo))
    }

    /// Drops a plan that nobody wants any more; its files go.
    ///
    /// # Errors
    /// Not permitted, or it is not open.
    pub fn discard_plan(&self, plan: &str) -> Result<()> {
        let known = self.catalog().plan(&self.resolve(Kind::Plan, plan)?)?;
        self.allow(Role::Operator, "restore preview", &known.app)?;
        self.catalog().close_plan(&known.id, PlanState::Discarded)?;
        let path = self.plan_path(&known.id);
        for file in [path.with_extension("spool"), path] {
            // A file that is left behind is named by nothing.
            let _ = std::fs::remove_file(file);
        }
        Ok(())
    }

    /// A page of a model's records that differ, as JSON: `after` records are passed over.
    ///
    /// # Errors
    /// No such plan or model, and what reading it met.
    pub fn plan_rows(&self, plan: &str, model: &str, after: u64, limit: usize) -> Result<Vec<serde_json::Value>> {
        let Kept { plan, vault, .. } = self.plan_to_read(plan)?;
        self.with_spool(&plan, &vault, |spool| Ok(plan.rows(spool, model, after, limit)?))
    }

    /// The backup that `text` names: an id, its beginning, or `latest`: the newest that covers what is wanted.
    ///
    /// # Errors
    /// There is none, or more than one is meant.
    pub fn restorable(&self, text: Option<&str>, app: Option<&str>, wanted: &Wanted, until: Option<Timestamp>) -> Result<Backup> {
        match text {
            Some(text) if text != "latest" => Ok(self.catalog().backup(&self.resolve(Kind::Backup, text)?)?),
            _ => self.latest(&self.app(app)?, wanted, until),
        }
    }

    fn backup_for(&self, request: &PreviewRequest) -> Result<Backup> {
        let scope = &request.scope;
        let models = scope.models.iter().chain(scope.records.keys()).cloned().collect();
        let part = match scope.only {
            None if !scope.tenants.is_empty() => Some(Part::Database),
            Some(RelationKind::Table | RelationKind::Derived) => Some(Part::Database),
            Some(RelationKind::Files) => Some(Part::Files),
            None if !scope.files.is_empty() && scope.models.is_empty() => Some(Part::Files),
            None => None,
        };
        let wanted = Wanted { part, modules: scope.modules.clone(), models, tenants: scope.tenants.clone() };
        self.restorable(request.backup.as_deref(), request.app.as_deref(), &wanted, request.at)
    }

    fn scene(&self, app_id: &str, parts: Parts) -> Result<Scene> {
        let app = self.catalog().app(app_id)?;
        let vault = self.vault(&app.vault)?;
        let lives = self.open_lives(&app, parts)?;
        Ok(Scene { app, vault, lives })
    }

    /// The sources as they are now; a folder that is gone is none of them, and its files show in the plan as what has no place.
    fn open_lives(&self, app: &App, parts: Parts) -> Result<Vec<Box<dyn Snapshot>>> {
        let mut there = app.clone();
        let is_there = |path: &str| std::path::Path::new(path).try_exists().unwrap_or(true);
        there.files.0.retain(|root| is_there(&root.path));
        there.config_paths.0.retain(|path| is_there(path.split_once('=').map_or(path, |(_, path)| path)));
        self.open_sources(&there, parts)
    }

    /// Writes a plan and its records into the home, sealed, and makes it known. A crash leaves a file that nothing names.
    fn keep_plan(
        &self,
        scene: &Scene,
        request: &Request,
        compare: impl FnOnce(&mut dyn Write, &restore::spool::Cipher<'_>) -> restore::Result<Plan>,
    ) -> Result<PlanSummary> {
        let path = self.plan_path(&request.plan);
        let seal = |bytes: &[u8]| scene.vault.seal("plan", bytes).map_err(|error| error.to_string());
        let mut spool = BufWriter::new(private(&path.with_extension("spool"))?);
        let plan = compare(&mut spool, &seal)?;
        let io = || format!("writing the plan {}", path.display());
        spool.into_inner().map_err(std::io::IntoInnerError::into_error).and_then(|file| file.sync_all()).doing(io)?;
        let sealed = scene.vault.seal("plan", &serde_json::to_vec(&plan).map_err(std::io::Error::from).doing(io)?)?;
        let mut file = private(&path)?;
        file.write_all(&sealed).and_then(|()| file.sync_all()).doing(io)?;
        let summary = plan.summary();
        // The catalog is in the clear: which records they are stands in the sealed plan alone.
        let mut known = summary.clone();
        for finding in &mut known.findings {
            finding.keys.clear();
            finding.holders.clear();
        }
        self.catalog().add_plan(&NewPlan {
            id: request.plan.clone(),
            backup: request.backup.clone(),
            app_id: scene.app.id.clone(),
            strategy: same_word(request.strategy),
            path: format!("plans/{}.plan", request.plan),
            summary: serde_json::to_value(&known).map_err(std::io::Error::from).doing(io)?,
            operator: Some(self.operator().to_owned()),
        })?;
        Ok(summary)
    }

    /// The plan that `text` names, for whoever may read records: a plan shows them.
    fn plan_to_read(&self, text: &str) -> Result<Kept> {
        self.allow(Role::Operator, "restore preview", text)?;
        self.plan(text)
    }

    /// The plan that `text` names, with what it belongs to.
    fn plan(&self, text: &str) -> Result<Kept> {
        let known = self.catalog().plan(&self.resolve(Kind::Plan, text)?)?;
        let app = self.catalog().app(&known.app_id)?;
        let vault = self.vault(&app.vault)?;
        let path = self.plan_path(&known.id);
        let doing = || format!("reading the plan {}", path.display());
        let sealed = std::fs::read(&path).doing(doing)?;
        let plan = serde_json::from_slice(&vault.open_sealed("plan", &sealed)?).map_err(std::io::Error::from).doing(doing)?;
        Ok(Kept { plan, app, vault, state: known.state })
    }

    fn with_spool<T>(&self, plan: &Plan, vault: &Vault, read: impl FnOnce(&mut SpoolReader<'_>) -> Result<T>) -> Result<T> {
        let path = self.plan_path(&plan.request.plan).with_extension("spool");
        let file = File::open(&path).doing(|| format!("reading the plan {}", path.display()))?;
        let open = |bytes: &[u8]| vault.open_sealed("plan", bytes).map_err(|error| error.to_string());
        read(&mut SpoolReader::new(&plan.request.plan, &plan.blocks, Box::new(file), &open))
    }

    fn plan_path(&self, plan: &str) -> PathBuf {
        self.home().plans().join(format!("{plan}.plan"))
    }
}

/// The scope with the columns that tell whose a record is: those of the app's settings; of a backup of tenants, those it was made by,
/// and all that it holds where none are named.
fn of_tenants(stored: &StoredBackup, app: &App, scope: Scope) -> Result<Scope> {
    let held = &stored.manifest.scope;
    match (held.tenants.is_empty(), scope.tenants.is_empty()) {
        (true, true) => Ok(scope),
        (true, false) if app.tenant_columns.is_empty() => Err(no_columns(&app.name)),
        (true, false) => Ok(Scope { tenant_columns: app.tenant_columns.0.clone(), ..scope }),
        (false, none) => {
            let levels = Levels::read(&held.tenant_columns)?;
            let holds = |text: &&String| held.tenants.iter().any(|own| levels.tenant(own) == levels.tenant(text));
            if let Some(other) = scope.tenants.iter().find(|text| !holds(text)) {
                let hint = format!("Take another backup: backstop backups list --app {}", app.name);
                let why = format!("the backup {} holds the tenants {}, not {other}", stored.manifest.id, held.tenants.join(", "));
                return Err(Error::Usage { why, hint });
            }
            let tenants = if none { held.tenants.clone() } else { scope.tenants.clone() };
            Ok(Scope { tenants, tenant_columns: held.tenant_columns.clone(), ..scope })
        }
    }
}

/// The scope with what its globs mean in the backup. A module that means nothing there is a mistake; so is a model, which the comparison says.
fn named(stored: &StoredBackup, scope: &Scope) -> Result<Scope> {
    let relations: Vec<&Relation> = stored.manifest.relations().map(|record| &record.relation).collect();
    let modules: BTreeSet<&str> = relations.iter().map(|relation| relation.module.as_str()).collect();
    let (modules, models): (Vec<&str>, Vec<&str>) =
        (modules.into_iter().collect(), relations.iter().map(|relation| relation.name.as_str()).collect());
    let texts: Vec<String> = scope.modules.iter().cloned().collect();
    Names::new(&texts).must_take(&modules, "module", &format!("backstop backups models {}", stored.manifest.id))?;
    let meant = |texts: &BTreeSet<String>, names: &[&str]| {
        let of = |text: &String| {
            let name = Names::new(std::slice::from_ref(text));
            let found: Vec<String> = names.iter().filter(|known| name.take(known)).map(ToString::to_string).collect();
            if found.is_empty() { vec![text.clone()] } else { found }
        };
        texts.iter().flat_map(of).collect()
    };
    Ok(Scope { modules: meant(&scope.modules, &modules), models: meant(&scope.models, &models), ..scope.clone() })
}

/// Which parts of the app a scope is about, of those that the backup holds.
fn parts_of(stored: &StoredBackup, scope: &Scope) -> Result<Parts> {
    let held = |kind| stored.manifest.relations().filter(move |record| record.relation.kind == kind);
    let taken = |kind| held(kind).any(|record| scope.takes(&record.relation));
    let parts = Parts { database: taken(RelationKind::Table), files: taken(RelationKind::Files) };
    let holds_none = |kind| held(kind).next().is_none();
    let missing = match scope.only {
        Some(RelationKind::Table) if holds_none(RelationKind::Table) => "no database",
        Some(RelationKind::Files) if holds_none(RelationKind::Files) => "no files",
        _ if !scope.files.is_empty() && holds_none(RelationKind::Files) => "no files",
        // What is named is not there: the comparison says so.
        _ if parts == (Parts { database: false, files: false }) => return Ok(Parts::ALL),
        _ => return Ok(parts),
    };
    Err(Error::Refused {
        why: format!("the backup {} holds {missing}", stored.manifest.id),
        hint: format!("See what it holds: backstop backups models {}", stored.manifest.id),
    })
}

/// The database that was backed up, and the folders by their labels.
fn origins(stored: &StoredBackup) -> (Option<Identity>, BTreeMap<String, String>) {
    let (mut database, mut folders) = (None, BTreeMap::new());
    for source in &stored.manifest.sources {
        let Ok(identity) = serde_json::from_value::<Identity>(source.identity.clone()) else { continue };
        match source.relations.first().map(|record| record.relation.kind) {
            Some(RelationKind::Files) => {
                folders.extend(source.relations.iter().map(|record| (record.relation.name.clone(), identity.place.clone())));
            }
            _ => database = database.or(Some(identity)),
        }
    }
    (database, folders)
}

/// In a plan a model is known by its name: a table and a tree that share one are restored one after the other.
fn one_name_each(side: &StoredSide) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    match side.relations().iter().map(|held| &held.relation.name).find(|name| !seen.insert(name.as_str())) {
        None => Ok(()),
        Some(name) => Err(Error::Refused {
            why: format!("a table and a folder of files are both called “{name}”"),
            hint: "Restore one after the other: --database-only, then --files-only.".into(),
        }),
    }
}

/// A file that only its owner reads, made anew.
fn private(path: &std::path::Path) -> Result<File> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.doing(|| format!("writing {}", path.display()))
}

fn same_word(strategy: Strategy) -> crate::catalog::Strategy {
    match strategy {
        Strategy::Replace => crate::catalog::Strategy::Replace,
        Strategy::Merge => crate::catalog::Strategy::Merge,
        Strategy::Skip => crate::catalog::Strategy::Skip,
    }
}
