//! A backup: the sources opened at one moment, each relation written as a run, then the manifest.
//!
//! A crash before the manifest leaves chunks that the next backup finds and does not store again; nothing counts as a
//! backup before its manifest is durable. The catalog learns of it afterwards: a manifest that the catalog does not know
//! is still in the vault, and `vault init --existing` reads it.

pub mod basis;
pub mod closeness;
pub mod definition;
pub mod digests;
mod early;
pub mod in_turn;
pub mod listing;
mod pieced;
mod ranges;
pub mod relation;
mod request;
mod source;
mod tallied;
pub mod tenant;
mod told;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::catalog::{App, AuditOutcome, BackupModel, BackupType, CopyState, JobKind, Level, NewBackup, Role, Status};
use crate::clock::rfc3339;
use crate::rows::{Relation, RelationKind};
use crate::sources::Snapshot;
use crate::vault::{BackupId, Closeness, Committed, Figures, LeftOut, Manifest, Outcome, Scope, Totals, Vault};

use super::Engine;
use super::access::host;
use super::apps::Parts;
use super::error::{Error, Result};
use super::jobs::{Asked, Finish, JobRequest, Run};
use super::selection::{self, Decided, Selection};
use super::tenants::NO_COLUMN;
use basis::Basis;
use closeness::{Watched, is_tree};
use digests::Digests;
pub use in_turn::fits;
pub use request::{BackupRequest, BackupResult, TYPES};
use source::Target;
use tenant::OfTenants;

impl Engine {
    /// Makes a backup, here and now, as a job.
    ///
    /// # Errors
    /// What stopped it; the job, its log and an alert tell the same.
    pub fn backup(&self, request: &BackupRequest) -> Result<BackupResult> {
        let made = if request.in_turn { self.backup_in_turn(request) } else { self.backup_one(request) };
        if let Some(configuration) = &request.configuration {
            self.configuration_ran(configuration)?;
        }
        made
    }

    fn backup_one(&self, request: &BackupRequest) -> Result<BackupResult> {
        self.allow(Role::Operator, "backup", request.app.as_deref().unwrap_or(""))?;
        let parts = request.parts()?;
        let app = part_of(self.app(request.app.as_deref())?, request.kind)?;
        fits(request.kind, &request.selection, &app)?;
        let job = JobRequest {
            backup_type: Some(request.kind),
            origin: request.origin,
            configuration: request.configuration.clone(),
            reason: request.reason.clone(),
            asked: Some(Asked { selection: request.selection.clone(), new_base: request.new_base, protect: request.protect }),
            replay_of: request.replay_of.clone(),
            ..JobRequest::new(JobKind::Backup, &app)
        };
        let made = self.run_job(&job, |run| Backing { engine: self, request, app: &app, run }.make(parts));
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
        let begun = self.engine.clock().now();
        let (vault, early) = self.opened(parts)?;
        // Somebody may have been asked for a passphrase until now.
        let started = if early.is_some() { begun } else { self.engine.clock().now() };
        for id in self.engine.take_in_unnoted(self.app, &vault)? {
            self.run.log(Level::Info, &format!("{id} stood in the vault, and the catalog did not know it: it does now"));
        }
        let mut basis = self.basis(&vault)?;
        let writer = vault.writer()?;
        let still = if early.is_some() { None } else { self.still(&mut basis, parts)? };
        // What is lost is read and stored again.
        let still = match still {
            Some(still) if still.is_held(&writer)? => Some(still),
            _ => None,
        };
        let rest = Parts { database: parts.database && still.is_none() && early.is_none(), ..parts };
        let (mut sources, moment) = early.map_or_else(|| (Vec::new(), None), |early| (early.sources, Some(early.moment)));
        sources.extend(self.engine.open_sources(self.app, rest)?);
        // Every snapshot stands by now. A moment before a wait for a lock would be one that the backup does not hold, unless nothing was written since.
        let moment = moment.or(still.as_ref().map(|still| still.moment));
        let taken = moment.unwrap_or_else(|| self.engine.clock().now());
        let all: Vec<&dyn Snapshot> = still.iter().map(|still| still.source.as_ref()).chain(sources.iter().map(AsRef::as_ref)).collect();
        let decided = self.decide(&all)?;
        self.expect(&all, &decided, &mut basis);
        let digests = Digests::new(&vault, &self.engine.home().cache(), &self.app.id);
        digests.sweep();
        let mut manifest = self.manifest(&decided, started, taken);
        manifest.consistency = all.iter().map(|source| source.consistency()).collect();
        let together = all.len() > 1 && !is_tree(all[0]);
        if let Some(still) = &still {
            self.take_over(still, &writer, &mut manifest)?;
        }
        let (mut fresh, mut untold, seen) = (Vec::new(), Vec::new(), RefCell::new(Closeness::default()));
        // Each is let go as soon as it is read: an application's log cannot be emptied under a reader.
        for source in sources {
            let target = Target { vault: &vault, writer: &writer, digests: &digests };
            if self.request.kind == BackupType::Tenant {
                let (of, without) = self.of_tenants(source.as_ref(), &decided, &mut manifest.scope)?;
                untold.extend(without);
                fresh.extend(self.source(&of, &decided, &mut basis, target, &mut manifest)?);
            } else if together && is_tree(source.as_ref()) {
                let tree = Watched::new(source.as_ref(), taken, &seen);
                fresh.extend(self.source(&tree, &decided, &mut basis, target, &mut manifest)?);
            } else {
                fresh.extend(self.source(source.as_ref(), &decided, &mut basis, target, &mut manifest)?);
            }
        }
        if manifest.sources.is_empty() {
            return Err(selection::nothing_left(self.app));
        }
        manifest.closeness = self.closeness(&manifest, taken, seen.into_inner());
        self.run.progress.phase("committing");
        manifest.parent = basis.parent();
        self.finish_manifest(&mut manifest, writer.figures()?);
        let committed = writer.commit(&mut manifest)?;
        // A cache that cannot be put in its place is noticed to be behind, and the vault is read: no reason for a backup to fail.
        // What a narrowed backup saw is compared with by none.
        fresh.into_iter().filter(|_| !manifest.scope.narrowed).for_each(|cache| drop(cache.keep()));
        self.remember(&manifest, &committed, &untold, (started, taken))
    }

    /// How closely files and database belong together, where the backup holds both.
    fn closeness(&self, manifest: &Manifest, taken: Timestamp, seen: Closeness) -> Option<Closeness> {
        let holds = |kind| manifest.relations().any(|record| record.relation.kind == kind);
        let both = holds(RelationKind::Table) && holds(RelationKind::Files);
        let closeness = both.then(|| Closeness { seconds: self.engine.clock().now().duration_since(taken).as_secs_f64(), ..seen })?;
        self.run.log(Level::Info, &closeness::in_words(&closeness));
        Some(closeness)
    }

    /// What of the models is taken. What a configuration leaves out and is not there any more costs nothing, and is noted; for once it is a mistake.
    fn decide(&self, sources: &[&dyn Snapshot]) -> Result<Decided> {
        let relations: Vec<&Relation> = sources.iter().flat_map(|source| source.relations()).collect();
        let selection = &self.request.selection;
        if self.request.configuration.is_none() {
            selection.check(&relations, self.app)?;
        }
        let decided = selection.decide(&relations, self.app)?;
        for idle in &decided.idle {
            self.run.log(Level::Warning, &format!("“{idle}” is to be left out, and nothing is called so"));
        }
        for line in selection::reasons(&decided.left_out) {
            self.run.log(Level::Info, &line);
        }
        Ok(decided)
    }

    fn basis(&self, vault: &Arc<Vault>) -> Result<Basis> {
        if self.request.new_base || self.request.kind == BackupType::Tenant {
            return Ok(Basis::nothing(vault.clone()));
        }
        Ok(Basis::of_app(vault.clone(), self.engine.catalog(), &self.app.id, self.request.kind)?)
    }

    /// Says how many records there will be: as many as there were, where the last backup had all of what is asked for now.
    fn expect(&self, sources: &[&dyn Snapshot], decided: &Decided, basis: &mut Basis) {
        let covered = sources.iter().flat_map(|source| source.relations().iter().filter(|relation| decided.takes(relation)));
        let known: Option<u64> = covered.map(|relation| basis.of(relation).map(|record| record.rows)).sum();
        if let Some(records) = known {
            self.run.progress.expect(records);
        }
        let since = basis.parent().map_or_else(|| "as a new base".to_owned(), |parent| format!("since {parent}"));
        self.run.log(Level::Info, &format!("{} of {}, {since}", self.request.kind, self.app.name));
    }

    fn scope(&self, decided: &Decided) -> Scope {
        let Selection { modules, models, exclude_modules, exclude_models, quick, tenants } = self.request.selection.clone();
        let left_out = decided.left_out.clone();
        let narrowed = !left_out.is_empty() || !tenants.is_empty();
        let tenant_columns = if tenants.is_empty() { Vec::new() } else { self.app.tenant_columns.0.clone() };
        Scope { modules, models, exclude_modules, exclude_models, quick, tenants, tenant_columns, narrowed, left_out }
    }

    /// The records of the tenants that are asked for, and in `scope` and the log what is left out besides: no tree belongs to a tenant.
    fn of_tenants<'s>(&self, source: &'s dyn Snapshot, decided: &Decided, scope: &mut Scope) -> Result<(OfTenants<'s>, Vec<LeftOut>)> {
        self.run.progress.phase("choosing records");
        let (columns, tenants) = (&self.app.tenant_columns.0, &self.request.selection.tenants);
        let going = &mut |_: &str, _| !self.run.progress.is_cancelled();
        let of = OfTenants::new(source, &self.app.name, (columns, tenants), &|relation| decided.takes(relation), going)?;
        let trees = self.app.files.iter().map(|root| root.label.clone());
        let trees = trees.map(|model| LeftOut { model, why: NO_COLUMN.to_owned() });
        let known: BTreeSet<String> = scope.left_out.iter().map(|out| out.model.clone()).collect();
        let without: Vec<LeftOut> = of.without().iter().cloned().chain(trees).filter(|out| !known.contains(&out.model)).collect();
        for line in selection::reasons(&without) {
            self.run.log(Level::Warning, &line);
        }
        scope.left_out.extend(without.iter().cloned());
        Ok((of, without))
    }

    fn manifest(&self, decided: &Decided, started: Timestamp, taken: Timestamp) -> Manifest {
        let scope = self.scope(decided);
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
            closeness: None,
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
        untold: &[LeftOut],
        (started, taken): (Timestamp, Timestamp),
    ) -> Result<Finish<BackupResult>> {
        let status = if manifest.outcome == Outcome::Partial { Status::Partial } else { Status::Completed };
        let duration_seconds = self.engine.clock().now().duration_since(started).as_secs_f64();
        let mut warnings: Vec<String> =
            manifest.errors.iter().map(|missed| format!("{}: {}: {}", missed.model, missed.what, missed.why)).collect();
        warnings.extend(selection::reasons(untold));
        let mut copies = Vec::new();
        for (location, outcome) in &committed.locations {
            let state = if outcome.is_ok() { CopyState::Present } else { CopyState::Missing };
            copies.push((location.as_str(), state));
            if let Err(why) = outcome {
                warnings.push(format!("location {location} is behind: {why}"));
            }
        }
        let totals = manifest.figures;
        let models = manifest.models().map(|record| BackupModel {
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
            scope: serde_json::to_value(&manifest.scope).unwrap_or_default(),
            closeness: manifest.closeness.as_ref().and_then(|closeness| serde_json::to_value(closeness).ok()),
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
            tenants: Vec::new(),
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
        BackupType::Database | BackupType::Tenant => (part.database.is_none(), "database", "--database sqlite:PATH"),
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
