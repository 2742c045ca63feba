//! Executing a plan, and taking a restore back: the safety record first, then one transaction, then the names of files.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::catalog::{
    self, App, AuditOutcome, JobKind, Kind, Level, NewRestore, PlanState, Restore, RestoreChange, RestoreOutcome, Role, Status, Time,
};
use crate::engine::Engine;
use crate::engine::apps::Parts;
use crate::engine::error::{Error, Result};
use crate::engine::jobs::{Finish, JobRequest, Run};
use crate::engine::progress::Tally;
use crate::engine::restore::entries::{self, Placed};
use crate::engine::restore::plan::{Choice, EffectCounts, Plan, PlanSummary, Request};
use crate::engine::restore::run::{self, Point};
use crate::engine::restore::safety::{Images, Safety};
use crate::engine::restore::spool::SpoolReader;
use crate::engine::restore::strategy::Strategy;
use crate::engine::restore::{Progress, Step, tenants, undo};
use crate::rows::RelationKind;
use crate::sources::database::Database;
use crate::sources::{Snapshot, files};
use crate::vault::Vault;

use super::journals::Journals;
use super::safety;
use super::trees::Staging;

/// A restore that was done; the JSON of `restore run`.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RestoreResult {
    /// The restore.
    pub restore: String,
    /// completed; partial where files could not be put in place.
    pub status: Status,
    /// Records inserted.
    pub records_created: u64,
    /// Records changed.
    pub records_updated: u64,
    /// Records left as they were.
    pub records_skipped: u64,
    /// Records deleted.
    pub records_deleted: u64,
    /// The safety record; none where nothing was to be touched.
    pub safety_backup: Option<String>,
    /// Seconds.
    pub duration_seconds: f64,
    /// The entries that could not be put in place, and why.
    pub warnings: Vec<String>,
}

impl Engine {
    /// Executes a plan: exactly what it says, or nothing.
    ///
    /// # Errors
    /// Blocking findings, live records that changed since, what the vault or the database says; nothing was changed then.
    pub fn restore(&self, plan: &str, reason: Option<&str>, progress: &mut Progress<'_>) -> Result<RestoreResult> {
        let super::Kept { plan, app, vault, state } = self.plan(plan)?;
        self.allow(Role::Admin, "restore run", &app.name)?;
        self.judge_the_dead()?;
        if state != PlanState::Open {
            return Err(not_open(&plan.request.plan, state.as_str()));
        }
        run::allow(&plan)?;
        let kind = if plan.undo { JobKind::Undo } else { JobKind::Restore };
        let request = JobRequest { reason: reason.map(str::to_owned), ..JobRequest::new(kind, &app) };
        let done = self.run_job(&request, |job| {
            self.end_pending(&app, &vault)?;
            Executing { engine: self, app: &app, vault: &vault, plan: &plan, job, reason }.execute(progress)
        });
        let (outcome, told) = match &done {
            Ok(_) => (AuditOutcome::Done, None),
            Err(error) => (AuditOutcome::Failed, Some(error.to_string())),
        };
        let action = if plan.undo { "restore undo" } else { "restore run" };
        let audited = self.audit(action, &plan.request.backup, Some(&app.name), outcome, reason.or(told.as_deref()));
        let mut done = done?;
        if let Err(error) = audited {
            done.warnings.push(format!("the audit trail could not be written: {error}"));
        }
        Ok(done)
    }

    /// Plans the way back from a restore.
    ///
    /// # Errors
    /// A restore that cannot be taken back, and what reading met. Records edited since are blocking findings of the plan.
    pub fn preview_undo(&self, restore: &str, choices: Vec<Choice>, progress: &mut Progress<'_>) -> Result<PlanSummary> {
        self.judge_the_dead()?;
        let restore = self.catalog().restore(&self.resolve(Kind::Restore, restore)?)?;
        let refused = |why: String| Error::Refused { why, hint: "Look at the restore log: backstop restores list".into() };
        if !matches!(restore.status, Status::Completed | Status::Partial) {
            return Err(refused(format!("the restore {} is {}: there is nothing to take back", restore.id, restore.status)));
        }
        if let Some(by) = &restore.undone_by {
            return Err(refused(format!("the restore {} was taken back by {by} already", restore.id)));
        }
        if let Some(until) = restore.undo_until.filter(|until| until.timestamp() < self.clock().now()) {
            return Err(refused(format!("the restore {} could be taken back until {until}", restore.id)));
        }
        let Some(safety) = restore.safety_backup.as_deref() else {
            return Err(refused(format!("the restore {} changed nothing", restore.id)));
        };
        let vault = self.vault(&self.catalog().app(&restore.app_id)?.vault)?;
        let parts = safety::parts(&vault, safety)?;
        let scene = self.scene(&restore.app_id, parts)?;
        let (before, after) = safety::read(&vault, safety, &parts.kinds())?;
        let new = Request::new(&self.catalog().new_id(), safety, &scene.app.name, &restore.started_at.to_string(), Strategy::Replace);
        let request = Request { choices, ..new };
        let sides = Safety { before: &before, after: &after };
        self.keep_plan(&scene, &request.clone(), |to, seal| undo::preview(request, sides, &scene.lives(), to, seal, progress))
    }

    /// Takes a restore back: exactly the records that it touched.
    ///
    /// # Errors
    /// As of [`Engine::preview_undo`] and [`Engine::restore`].
    pub fn undo(&self, restore: &str, choices: Vec<Choice>, reason: Option<&str>, progress: &mut Progress<'_>) -> Result<RestoreResult> {
        let plan = self.preview_undo(restore, choices, progress)?;
        self.restore(&plan.plan, reason, progress)
    }
}

/// What a restore wrote.
#[derive(Default)]
struct Written {
    changes: Vec<RestoreChange>,
    warnings: Vec<String>,
    safety_backup: Option<String>,
}

/// A plan being executed.
struct Executing<'a> {
    engine: &'a Engine,
    app: &'a App,
    vault: &'a Vault,
    plan: &'a Plan,
    job: &'a Run,
    reason: Option<&'a str>,
}

impl Executing<'_> {
    fn execute(&self, progress: &mut Progress<'_>) -> Result<Finish<RestoreResult>> {
        let started = self.engine.clock().now();
        let restore = self.begin()?;
        match self.write(&restore, progress) {
            Ok(mut written) => {
                let seconds = self.engine.clock().now().duration_since(started).as_secs_f64();
                let status = if written.warnings.is_empty() { Status::Completed } else { Status::Partial };
                let error = Some(written.warnings.join("; ")).filter(|text| !text.is_empty());
                let end = || self.end(&restore, status, &written, Some(seconds), error.clone());
                // What is committed is done, whatever the catalog says of it.
                if let Err(error) = end().or_else(|_| end()) {
                    let later = "the next command on this home judges it by its records";
                    written.warnings.push(format!("the restore log could not be written: {error}; {later}"));
                }
                written.warnings.iter().for_each(|warning| self.job.log(Level::Warning, warning));
                let result = result(&restore, status, written, seconds);
                let message =
                    format!("created {}, updated {}, deleted {}", result.records_created, result.records_updated, result.records_deleted);
                Ok(Finish { status, backup: None, restore: Some(restore.id), message, value: result })
            }
            Err(error) => {
                let cancelled = matches!(error, Error::Cancelled | Error::Restore(crate::engine::restore::Error::Cancelled));
                let status = if cancelled { Status::Cancelled } else { Status::Failed };
                let stale = matches!(error, Error::Restore(crate::engine::restore::Error::Stale { .. }));
                let closed = if stale { self.engine.catalog().close_plan(&self.plan.request.plan, PlanState::Stale) } else { Ok(()) };
                let ended = self.end(&restore, status, &Written::default(), None, Some(error.to_string()));
                // Why it failed is more than that this could not be noted: its entry stays running, and is judged.
                if let Some(unnoted) = closed.map_err(Error::from).and(ended).err() {
                    self.job.log(Level::Warning, &unnoted.to_string());
                }
                Err(error)
            }
        }
    }

    /// The entry in the restore log, and with it the plan: nobody else executes it from here on.
    fn begin(&self) -> Result<Restore> {
        let undo_of = self.plan.undo.then(|| self.vault.manifest(&crate::vault::BackupId(self.plan.request.backup.clone())));
        let undo_of = undo_of.transpose()?.and_then(|manifest| manifest.safety);
        let original = undo_of.as_deref().map(|original| self.engine.catalog().restore(original)).transpose()?;
        if let Some((original, by)) = original.and_then(|original| Some((original.id, original.undone_by?))) {
            let hint = "Look at the restore log: backstop restores list".to_owned();
            return Err(Error::Refused { why: format!("the restore {original} was taken back by {by} already"), hint });
        }
        let begun = self.engine.catalog().add_restore(&NewRestore {
            job: Some(self.job.id.clone()),
            plan: Some(self.plan.request.plan.clone()),
            app_id: self.app.id.clone(),
            backup: self.plan.request.backup.clone(),
            mode: if self.plan.undo { "undo".into() } else { super::same_word(self.plan.request.strategy).to_string() },
            operator: self.engine.operator().to_owned(),
            reason: self.reason.map(str::to_owned),
            scope: serde_json::to_value(&self.plan.request.scope).unwrap_or_default(),
            target: None,
            undo_of,
        });
        begun.map_err(|error| match error {
            catalog::Error::WrongState { kind: Kind::Plan, id, state } => not_open(&id, &state),
            other => other.into(),
        })
    }

    /// Keeps the safety record, then writes. A plan that touches nothing writes nothing.
    fn write(&self, restore: &Restore, progress: &mut Progress<'_>) -> Result<Written> {
        let effect = self.plan.effect();
        if effect.create + effect.update + effect.delete == 0 {
            return Ok(Written { changes: self.changes(&Placed::default()), ..Written::default() });
        }
        self.engine.with_spool(self.plan, self.vault, |spool| {
            self.job.progress.phase("safety record");
            let mut lives = self.lives()?;
            let seen: Vec<&dyn Snapshot> = lives.values().map(AsRef::as_ref).collect();
            tenants::still_theirs(self.plan, spool, &seen, progress)?;
            let safety = self.keep_safety(restore, spool, &lives)?;
            // The live snapshot ends here: the application's write lock is taken after.
            lives.retain(|source, _| self.is_tree(*source));
            self.job.log(Level::Info, &format!("the safety record {safety} is kept; what it is about is written now"));
            let effect = self.plan.effect();
            // Each record is read again and then written.
            self.job.progress.expect(2 * (effect.create + effect.update + effect.delete));
            let mut tally = Tally::default();
            let mut told = |step: Step<'_>| {
                self.job.progress.phase(&format!("{} {}", step.phase, step.model));
                self.job.progress.reached(tally.add(step.phase, step.model, step.records), 0);
                !self.job.progress.is_cancelled() && progress(step)
            };
            if entries::touched(self.plan).is_empty() {
                self.database(spool, &mut told, &mut |_| Ok(()))?;
                let changes = self.changes(&Placed::default());
                return Ok(Written { changes, warnings: Vec::new(), safety_backup: Some(safety) });
            }
            Ok(Written { safety_backup: Some(safety), ..self.with_files(restore, spool, &lives, &mut told)? })
        })
    }

    /// Files are staged and flushed, the database commits, then names change.
    fn with_files(
        &self,
        restore: &Restore,
        spool: &mut SpoolReader<'_>,
        lives: &BTreeMap<usize, Box<dyn Snapshot>>,
        told: &mut Progress<'_>,
    ) -> Result<Written> {
        let journals = Journals::held(self.engine.home(), &self.app.id)?;
        let (place, plan, content) = ((&journals, restore.id.as_str()), (self.plan, lives), Contents(self.vault));
        let by_database = self.database_touched();
        let staging = Staging::stage(place, plan, by_database, spool, &content, told)?;
        // The last look at the entries is the last moment before anything is changed.
        let decided = if by_database { self.database(spool, told, &mut |spool| staging.glance(spool)) } else { staging.decide() };
        if let Err(error) = decided {
            staging.give_up();
            return Err(error);
        }
        if by_database && let Err(error) = staging.decide() {
            // It is decided all the same: whoever finds it undecided asks the database.
            self.job.log(Level::Warning, &error.to_string());
        }
        self.job.progress.phase("putting files in place");
        let (placed, failed) = match staging.finish(spool) {
            Ok(finished) => finished,
            // The database has committed, and the names have changed or the next engine changes them.
            Err(error) => (Placed::default(), Some(format!("they could not be read back: {error}"))),
        };
        let mut warnings: Vec<String> = placed.left.iter().map(|left| format!("{}: {}", left.what, left.why)).collect();
        let unnamed = placed.missed - placed.left.len() as u64;
        if unnamed > 0 {
            warnings.push(format!("and {unnamed} more"));
        }
        if let Some(error) = failed {
            warnings.insert(0, format!("not all files are in place yet: {error}; the next command on this home goes on with them"));
        }
        Ok(Written { changes: self.changes(&placed), warnings, safety_backup: None })
    }

    /// Writes the database in one transaction; `before_commit` may still stop it.
    fn database(
        &self,
        spool: &mut SpoolReader<'_>,
        told: &mut Progress<'_>,
        before_commit: &mut dyn FnMut(&mut SpoolReader<'_>) -> Result<()>,
    ) -> Result<()> {
        let (Some(url), Some(source)) = (self.app.database.as_deref(), self.database_source()) else {
            return Err(Error::Refused {
                why: "the app has no database any more".into(),
                hint: format!("backstop app show {}", self.app.name),
            });
        };
        self.job.progress.phase("writing");
        let writer = Database::parse(url)?.writer(self.engine.lock_wait()?)?;
        let mut hook = |point| if point == Point::Commit { Ok(files::step()?) } else { Ok(()) };
        let prepared = run::prepare(self.plan, spool, source, writer, &Contents(self.vault), told, &mut hook)?;
        before_commit(spool)?;
        prepared.commit(&mut hook)?;
        Ok(())
    }

    /// The sources by their places in the plan; they must be those that it saw.
    fn lives(&self) -> Result<BTreeMap<usize, Box<dyn Snapshot>>> {
        let parts =
            Parts { database: self.database_source().is_some(), files: (0..self.plan.live.len()).any(|source| self.is_tree(source)) };
        let lives = self.engine.open_lives(self.app, parts)?;
        let places = |lives: &[Box<dyn Snapshot>]| lives.iter().map(|live| live.identity().place).collect::<Vec<_>>();
        let seen: Vec<String> = self.plan.live.iter().map(|identity| identity.place.clone()).collect();
        if places(&lives) != seen {
            let why = format!("the app has other sources than the plan saw: {}", seen.join(", "));
            return Err(Error::Refused { why, hint: "Preview again: a new plan shows what is there now.".into() });
        }
        Ok(lives.into_iter().enumerate().collect())
    }

    fn is_tree(&self, source: usize) -> bool {
        let place = self.plan.sources.iter().position(|of| *of == source);
        place.is_some_and(|model| self.plan.relations[model].kind == RelationKind::Files)
    }

    fn database_source(&self) -> Option<usize> {
        (0..self.plan.live.len()).find(|source| !self.is_tree(*source))
    }

    fn database_touched(&self) -> bool {
        let mut models = self.plan.relations.iter().zip(&self.plan.models);
        models.any(|(relation, model)| relation.kind == RelationKind::Table && model.create + model.update + model.delete > 0)
    }

    fn keep_safety(&self, restore: &Restore, spool: &mut SpoolReader<'_>, lives: &BTreeMap<usize, Box<dyn Snapshot>>) -> Result<String> {
        let lives: Vec<&dyn Snapshot> = lives.values().map(AsRef::as_ref).collect();
        let writer = self.vault.writer()?;
        let images = Images::gather(self.plan, spool, &lives, &writer)?;
        let safety = safety::commit(self.engine, self.app, &restore.id, self.vault, &writer, &images)?;
        self.engine.catalog().set_restore_safety(&restore.id, &safety)?;
        Ok(safety)
    }

    /// What was done to each model: of a table what the plan says, of a tree what was read back.
    fn changes(&self, placed: &Placed) -> Vec<RestoreChange> {
        let changes = self.plan.models.iter().enumerate().map(|(place, model)| {
            let planned = EffectCounts { create: model.create, update: model.update, skip: model.skip, delete: model.delete };
            let done = placed.done.get(&place).map_or(planned, |done| EffectCounts { skip: model.skip, ..*done });
            RestoreChange {
                module: model.module.clone(),
                model: model.model.clone(),
                created: done.create,
                updated: done.update,
                skipped: done.skip,
                deleted: done.delete,
            }
        });
        changes.collect()
    }

    fn undo_until(&self) -> Option<Time> {
        self.engine.clock().now().checked_add(SignedDuration::from_hours(24 * safety::KEPT_DAYS)).ok().map(Into::into)
    }

    fn end(
        &self,
        restore: &Restore,
        status: Status,
        written: &Written,
        duration_seconds: Option<f64>,
        error: Option<String>,
    ) -> Result<()> {
        let undo_until = self.undo_until().filter(|_| written.safety_backup.is_some());
        let outcome = RestoreOutcome { status, changes: written.changes.clone(), undo_until, duration_seconds, error };
        self.engine.catalog().finish_restore(&restore.id, &outcome)?;
        Ok(())
    }
}

fn not_open(plan: &str, state: &str) -> Error {
    let hint = "Preview again: a new plan shows what is there now.".to_owned();
    Error::Refused { why: format!("the plan {plan} is {state}"), hint }
}

/// Large values from the vault.
struct Contents<'v>(&'v Vault);

impl crate::sources::Resolve for Contents<'_> {
    fn fetch(&self, large: &crate::rows::Large, to: &mut dyn std::io::Write) -> std::io::Result<()> {
        self.0.fetch(large, to).map_err(std::io::Error::other)
    }
}

fn result(restore: &Restore, status: Status, written: Written, duration_seconds: f64) -> RestoreResult {
    let sum = |count: fn(&RestoreChange) -> u64| written.changes.iter().map(count).sum();
    RestoreResult {
        restore: restore.id.clone(),
        status,
        records_created: sum(|change| change.created),
        records_updated: sum(|change| change.updated),
        records_skipped: sum(|change| change.skipped),
        records_deleted: sum(|change| change.deleted),
        safety_backup: written.safety_backup,
        duration_seconds,
        warnings: written.warnings,
    }
}
