//! A backup: the sources opened at one moment, each relation written as a run, then the manifest.
//!
//! A crash before the manifest leaves chunks that the next backup finds and does not store again; nothing counts as a
//! backup before its manifest is durable. The catalog learns of it afterwards: a manifest that the catalog does not know
//! is still in the vault, and `vault init --existing` reads it.

pub mod basis;
pub mod definition;
pub mod digests;
pub mod relation;
mod source;
mod told;

use std::sync::Arc;

use jiff::Timestamp;

use crate::catalog::{
    App, AuditOutcome, BackupFilter, BackupModel, BackupType, CopyState, JobKind, Level, NewBackup, Origin, Role, Status,
};
use crate::clock::rfc3339;
use crate::rows::Relation;
use crate::sources::Snapshot;
use crate::vault::{BackupId, Committed, Figures, Manifest, Outcome, Scope, Totals, Vault};

use super::Engine;
use super::access::host;
use super::apps::Parts;
use super::error::{Error, Result};
use super::jobs::{Asked, Finish, JobRequest, Run};
use basis::Basis;
use digests::Digests;
use source::Target;

/// The types of backup that can be made.
pub const TYPES: [BackupType; 6] = [
    BackupType::Full,
    BackupType::Differential,
    BackupType::Incremental,
    BackupType::Database,
    BackupType::Files,
    BackupType::Configuration,
];

/// What is to be backed up, and why.
#[derive(Clone, Debug)]
pub struct BackupRequest {
    /// The app's name or id; the only one, where none is given.
    pub app: Option<String>,
    /// The configuration's id, where one asked for it.
    pub configuration: Option<String>,
    /// The type.
    pub kind: BackupType,
    /// Only these modules; all where empty.
    pub modules: Vec<String>,
    /// Only these models; all where empty.
    pub models: Vec<String>,
    /// Why.
    pub origin: Origin,
    /// The reason given.
    pub reason: Option<String>,
    /// Whether everything is stored anew.
    pub new_base: bool,
    /// Whether it is protected at once.
    pub protect: bool,
    /// The job that this backup does over.
    pub replay_of: Option<String>,
}

impl BackupRequest {
    /// A backup of this type that a person asked for.
    #[must_use]
    pub fn new(app: Option<String>, kind: BackupType) -> Self {
        Self {
            app,
            configuration: None,
            kind,
            modules: Vec::new(),
            models: Vec::new(),
            origin: Origin::Manual,
            reason: None,
            new_base: false,
            protect: false,
            replay_of: None,
        }
    }

    fn covers(&self, relation: &Relation) -> bool {
        let all = self.modules.is_empty() && self.models.is_empty();
        all || self.modules.contains(&relation.module) || self.models.contains(&relation.name)
    }

    fn parts(&self) -> Result<Parts> {
        match self.kind {
            BackupType::Full | BackupType::Differential | BackupType::Incremental => Ok(Parts::ALL),
            BackupType::Database => Ok(Parts { database: true, files: false }),
            BackupType::Files | BackupType::Configuration => Ok(Parts { database: false, files: true }),
            other => Err(Error::Usage {
                why: format!("backups of the type {other} are not there yet"),
                hint: format!("Use one of: {}.", TYPES.map(|kind| kind.to_string()).join(", ")),
            }),
        }
    }
}

/// A backup that was made; the JSON of `backstop backup`.
#[derive(Clone, Debug, serde::Serialize)]
pub struct BackupResult {
    /// The job.
    pub job: String,
    /// The backup.
    pub backup: String,
    /// completed or partial.
    pub status: Status,
    /// Records in it.
    pub records: u64,
    /// Files in it.
    pub files: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes that the vault did not hold before.
    pub bytes_new: u64,
    /// Bytes they take in the vault.
    pub bytes_stored: u64,
    /// Stored over new; 1 where nothing was new.
    pub compression_ratio: f64,
    /// Seconds from start to end.
    pub duration_seconds: f64,
    /// Of the manifest.
    pub checksum: String,
    /// What is missing, and where.
    pub warnings: Vec<String>,
}

impl Engine {
    /// Makes a backup, here and now, as a job.
    ///
    /// # Errors
    /// What stopped it; the job, its log and an alert tell the same.
    pub fn backup(&self, request: &BackupRequest) -> Result<BackupResult> {
        self.allow(Role::Operator, "backup", request.app.as_deref().unwrap_or(""))?;
        let parts = request.parts()?;
        let app = part_of(self.app(request.app.as_deref())?, request.kind)?;
        let job = JobRequest {
            backup_type: Some(request.kind),
            origin: request.origin,
            configuration: request.configuration.clone(),
            reason: request.reason.clone(),
            asked: Some(Asked {
                modules: request.modules.clone(),
                models: request.models.clone(),
                new_base: request.new_base,
                protect: request.protect,
            }),
            replay_of: request.replay_of.clone(),
            ..JobRequest::new(JobKind::Backup, &app)
        };
        let made = self.run_job(&job, |run| Backing { engine: self, request, app: &app, run }.make(parts));
        if let Some(configuration) = &request.configuration {
            self.configuration_ran(configuration)?;
        }
        let (target, outcome) = match &made {
            Ok(result) => (result.backup.as_str(), AuditOutcome::Done),
            Err(_) => (app.name.as_str(), AuditOutcome::Failed),
        };
        self.audit("backup", target, Some(&app.name), outcome, request.reason.as_deref())?;
        let result = made?;
        if request.protect {
            self.protect(&self.catalog().backup(&result.backup)?, true)?;
        }
        Ok(result)
    }
}

/// A backup on its way.
struct Backing<'a> {
    engine: &'a Engine,
    request: &'a BackupRequest,
    app: &'a App,
    run: &'a Run,
}

impl Backing<'_> {
    fn make(&self, parts: Parts) -> Result<Finish<BackupResult>> {
        self.run.progress.phase("opening");
        let vault = self.engine.vault(&self.app.vault)?;
        let started = self.engine.clock().now();
        for id in self.engine.take_in_unnoted(self.app, &vault)? {
            self.run.log(Level::Info, &format!("{id} stood in the vault, and the catalog did not know it: it does now"));
        }
        let mut basis = self.basis(&vault)?;
        let writer = vault.writer()?;
        let still = self.still(&mut basis, parts)?;
        // What is lost is read and stored again.
        let still = match still {
            Some(still) if still.is_held(&writer)? => Some(still),
            _ => None,
        };
        let sources = self.engine.open_sources(self.app, Parts { database: parts.database && still.is_none(), ..parts })?;
        // Every snapshot stands by now. A moment before a wait for a lock would be one that the backup does not hold.
        let taken = self.engine.clock().now();
        let all: Vec<&dyn Snapshot> = still.iter().map(|still| still.source.as_ref()).chain(sources.iter().map(AsRef::as_ref)).collect();
        self.refuse_unknown_models(&all)?;
        self.expect(&all, &mut basis);
        let digests = Digests::new(&vault, &self.engine.home().cache(), &self.app.id);
        let mut manifest = self.manifest(started, taken);
        manifest.consistency = all.iter().map(|source| source.consistency()).collect();
        if let Some(still) = &still {
            self.take_over(still, &writer, &mut manifest)?;
        }
        let mut fresh = Vec::new();
        // Each is let go as soon as it is read: an application's log cannot be emptied under a reader.
        for source in sources {
            let target = Target { vault: &vault, writer: &writer, digests: &digests };
            fresh.extend(self.source(source.as_ref(), &mut basis, target, &mut manifest)?);
        }
        if manifest.relations().next().is_none() {
            return Err(Error::Usage {
                why: "nothing of the app is in that scope".into(),
                hint: format!("backstop app models {}", self.app.name),
            });
        }
        self.run.progress.phase("committing");
        manifest.parent = basis.parent();
        self.finish_manifest(&mut manifest, writer.figures()?);
        let committed = writer.commit(&mut manifest)?;
        // A cache that cannot be put in its place is noticed to be behind, and the vault is read: no reason for a backup to fail.
        fresh.into_iter().for_each(|cache| drop(cache.keep()));
        self.remember(&manifest, &committed, (started, taken))
    }

    /// A model that is asked for and not there is a mistake, however many others are there.
    fn refuse_unknown_models(&self, sources: &[&dyn Snapshot]) -> Result<()> {
        let models = || sources.iter().flat_map(|source| source.relations()).map(|relation| relation.name.as_str());
        match self.request.models.iter().find(|model| models().all(|known| known != *model)) {
            Some(unknown) => Err(Error::no_model(unknown, models(), &format!("backstop app models {}", self.app.name))),
            None => Ok(()),
        }
    }

    fn basis(&self, vault: &Arc<Vault>) -> Result<Basis> {
        if self.request.new_base {
            return Ok(Basis::nothing(vault.clone()));
        }
        let filter = BackupFilter { app_id: Some(self.app.id.clone()), ..BackupFilter::default() };
        let newest = self.engine.catalog().backups_page(&filter, None, 200)?;
        Ok(Basis::among(vault.clone(), &newest.items, self.request.kind))
    }

    /// Says how many records there will be: as many as there were, where the last backup had all of what is asked for now.
    fn expect(&self, sources: &[&dyn Snapshot], basis: &mut Basis) {
        let covered = sources.iter().flat_map(|source| source.relations().iter().filter(|relation| self.request.covers(relation)));
        let known: Option<u64> = covered.map(|relation| basis.of(relation).map(|record| record.rows)).sum();
        if let Some(records) = known {
            self.run.progress.expect(records);
        }
        let since = basis.parent().map_or_else(|| "as a new base".to_owned(), |parent| format!("since {parent}"));
        self.run.log(Level::Info, &format!("{} of {}, {since}", self.request.kind, self.app.name));
    }

    fn manifest(&self, started: Timestamp, taken: Timestamp) -> Manifest {
        let (modules, models) = (self.request.modules.clone(), self.request.models.clone());
        let narrowed = !modules.is_empty() || !models.is_empty();
        let scope = Scope { modules, models, narrowed };
        Manifest {
            id: BackupId(self.engine.catalog().new_id()),
            app: self.app.name.clone(),
            configuration: self.configuration_name(),
            kind: self.request.kind.to_string(),
            parent: None,
            origin: self.request.origin.to_string(),
            started: rfc3339(started),
            finished: String::new(),
            taken_at: rfc3339(taken),
            host: host(),
            tool: env!("CARGO_PKG_VERSION").into(),
            reason: self.request.reason.clone(),
            consistency: serde_json::Value::Null,
            sources: Vec::new(),
            outcome: Outcome::Completed,
            errors: Vec::new(),
            scope,
            safety: None,
            figures: Totals::default(),
            features: Vec::new(),
            previous: None,
            audit_head: self.engine.catalog().audit_head().ok().flatten().map(|(_, hash)| hash),
            home: None,
            other: std::collections::BTreeMap::new(),
        }
    }

    /// Readable on another machine, where the id means nothing.
    fn configuration_name(&self) -> String {
        let id = self.request.configuration.as_deref();
        id.and_then(|id| self.engine.catalog().configuration(id).ok()).map(|configuration| configuration.name).unwrap_or_default()
    }

    fn finish_manifest(&self, manifest: &mut Manifest, figures: Figures) {
        manifest.figures.bytes_read = self.run.progress.read().bytes;
        manifest.figures.bytes_new = figures.bytes_new;
        manifest.figures.bytes_stored = figures.bytes_stored;
        manifest.outcome = if manifest.errors.is_empty() { Outcome::Completed } else { Outcome::Partial };
        manifest.finished = rfc3339(self.engine.clock().now());
    }

    /// Tells the catalog, and gives the result.
    fn remember(
        &self,
        manifest: &Manifest,
        committed: &Committed,
        (started, taken): (Timestamp, Timestamp),
    ) -> Result<Finish<BackupResult>> {
        let status = if manifest.outcome == Outcome::Partial { Status::Partial } else { Status::Completed };
        let duration_seconds = self.engine.clock().now().duration_since(started).as_secs_f64();
        let mut warnings: Vec<String> =
            manifest.errors.iter().map(|missed| format!("{}: {}: {}", missed.model, missed.what, missed.why)).collect();
        let mut copies = Vec::new();
        for (location, outcome) in &committed.locations {
            let state = if outcome.is_ok() { CopyState::Present } else { CopyState::Missing };
            copies.push((location.as_str(), state));
            if let Err(why) = outcome {
                warnings.push(format!("location {location} is behind: {why}"));
            }
        }
        let totals = manifest.figures;
        let models = manifest.relations().map(|record| BackupModel {
            module: record.relation.module.clone(),
            model: record.relation.name.clone(),
            rows: record.rows,
        });
        self.engine.catalog().record_backup(&NewBackup {
            job: Some(self.run.id.clone()),
            vault_id: Some(self.app.vault_id.clone()),
            configuration_id: self.request.configuration.clone(),
            origin: self.request.origin,
            parent: manifest.parent.as_ref().map(ToString::to_string),
            records: totals.records,
            files: totals.files,
            bytes_read: totals.bytes_read,
            bytes_new: totals.bytes_new,
            bytes_stored: totals.bytes_stored,
            duration_seconds,
            narrowed: manifest.scope.narrowed,
            warnings: warnings.len() as u64,
            checksum: Some(committed.checksum.to_string()),
            reason: self.request.reason.clone(),
            operator: Some(self.engine.operator().to_owned()),
            models: models.collect(),
            ..NewBackup::new(manifest.id.to_string(), &self.app.id, self.request.kind, status, taken.into())
        })?;
        self.remember_copies(manifest, &copies)?;
        // How full the locations are is news, not part of the backup: that it cannot be told fails nothing.
        let _ = self.engine.vault(&self.app.vault).and_then(|vault| self.engine.note_locations(&vault));
        let result = BackupResult {
            job: self.run.id.clone(),
            backup: manifest.id.to_string(),
            status,
            records: totals.records,
            files: totals.files,
            bytes_read: totals.bytes_read,
            bytes_new: totals.bytes_new,
            bytes_stored: totals.bytes_stored,
            compression_ratio: ratio(totals.bytes_stored, totals.bytes_new),
            duration_seconds,
            checksum: committed.checksum.to_string(),
            warnings,
        };
        Ok(Finish { status, backup: Some(result.backup.clone()), restore: None, message: summary(&result), value: result })
    }

    /// Notes which locations have it.
    fn remember_copies(&self, manifest: &Manifest, copies: &[(&str, CopyState)]) -> Result<()> {
        let catalog = self.engine.catalog();
        for location in catalog.locations(&self.app.vault_id)? {
            if let Some((_, state)) = copies.iter().find(|(name, _)| *name == location.name) {
                catalog.set_backup_copy(&manifest.id.0, &location.id, *state)?;
            }
        }
        Ok(())
    }
}

/// The app with those of its places only that a type is about: what else is missing or broken is then no obstacle.
fn part_of(app: App, kind: BackupType) -> Result<App> {
    let mut part = app;
    let (nothing, what, flag) = match kind {
        BackupType::Database => (part.database.is_none(), "database", "--database sqlite:PATH"),
        BackupType::Files => {
            part.config_paths.0.clear();
            (part.files.is_empty(), "files", "--files DIR")
        }
        BackupType::Configuration => {
            part.files.0.clear();
            (part.config_paths.is_empty(), "configuration files", "--config PATH")
        }
        _ => return Ok(part),
    };
    if nothing {
        let hint = format!("Name them: backstop app edit {} {flag}", part.name);
        return Err(Error::Usage { why: format!("{} has no {what}", part.name), hint });
    }
    Ok(part)
}

#[allow(clippy::cast_precision_loss)]
fn ratio(stored: u64, new: u64) -> f64 {
    if new == 0 { 1.0 } else { stored as f64 / new as f64 }
}

fn summary(result: &BackupResult) -> String {
    format!("{} records and {} files, {} bytes new, {} stored", result.records, result.files, result.bytes_new, result.bytes_stored)
}
