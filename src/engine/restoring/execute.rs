//! Executing a plan, and taking a restore back: the safety record first, then one transaction.

use jiff::SignedDuration;

use crate::catalog::{
    App, AuditOutcome, JobKind, Kind, Level, NewRestore, PlanState, Restore, RestoreChange, RestoreOutcome, Role, Status,
};
use crate::engine::Engine;
use crate::engine::apps::{LOCK_WAIT, Parts, sqlite};
use crate::engine::error::{Error, Result};
use crate::engine::jobs::{Finish, JobRequest, Run};
use crate::engine::progress::Tally;
use crate::engine::restore::plan::{Choice, Plan, PlanSummary, Request};
use crate::engine::restore::run::{self, Done};
use crate::engine::restore::safety::{Images, Safety};
use crate::engine::restore::strategy::Strategy;
use crate::engine::restore::{Progress, Step, undo};
use crate::sources::Snapshot;
use crate::vault::Vault;

use super::safety;

/// How long a restore can be taken back: as long as safety records are kept by default.
const UNDO_DAYS: i64 = 30;

/// A restore that was done; the JSON of `restore run`.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RestoreResult {
    /// The restore.
    pub restore: String,
    /// completed.
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
}

impl Engine {
    /// Executes a plan: exactly what it says, or nothing.
    ///
    /// # Errors
    /// Blocking findings, live records that changed since, what the vault or the database says; nothing was changed then.
    pub fn restore(&self, plan: &str, reason: Option<&str>, progress: &mut Progress<'_>) -> Result<RestoreResult> {
        let super::Kept { plan, app, vault, state } = self.plan(plan)?;
        self.allow(Role::Admin, "restore run", &app.name)?;
        if state != PlanState::Open {
            let hint = "Preview again: a new plan shows what is there now.".to_owned();
            return Err(Error::Refused { why: format!("the plan {} is {state}", plan.request.plan), hint });
        }
        run::allow(&plan)?;
        let kind = if plan.undo { JobKind::Undo } else { JobKind::Restore };
        let request = JobRequest { reason: reason.map(str::to_owned), ..JobRequest::new(kind, &app) };
        let done =
            self.run_job(&request, |job| Executing { engine: self, app: &app, vault: &vault, plan: &plan, job, reason }.execute(progress));
        let (outcome, told) = match &done {
            Ok(_) => (AuditOutcome::Done, None),
            Err(error) => (AuditOutcome::Failed, Some(error.to_string())),
        };
        let action = if plan.undo { "restore undo" } else { "restore run" };
        self.audit(action, &plan.request.backup, Some(&app.name), outcome, reason.or(told.as_deref()))?;
        done
    }

    /// Plans the way back from a restore.
    ///
    /// # Errors
    /// A restore that cannot be taken back, and what reading met. Records edited since are blocking findings of the plan.
    pub fn preview_undo(&self, restore: &str, choices: Vec<Choice>, progress: &mut Progress<'_>) -> Result<PlanSummary> {
        let restore = self.catalog().restore(&self.resolve(Kind::Restore, restore)?)?;
        let refused = |why: String| Error::Refused { why, hint: "Look at the restore log: backstop restores list".into() };
        if let Some(by) = &restore.undone_by {
            return Err(refused(format!("the restore {} was taken back by {by} already", restore.id)));
        }
        let Some(safety) = restore.safety_backup.as_deref() else {
            return Err(refused(format!("the restore {} changed nothing", restore.id)));
        };
        let scene = self.scene(&restore.app_id)?;
        let (before, after) = safety::read(scene.vault.clone(), safety)?;
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
            Ok((done, safety_backup)) => {
                let seconds = self.engine.clock().now().duration_since(started).as_secs_f64();
                self.end(&restore, Status::Completed, safety_backup.is_some(), seconds, None)?;
                self.engine.catalog().close_plan(&self.plan.request.plan, PlanState::Executed)?;
                let result = result(&restore, done, safety_backup, seconds);
                let message =
                    format!("created {}, updated {}, deleted {}", result.records_created, result.records_updated, result.records_deleted);
                Ok(Finish { status: Status::Completed, backup: None, restore: Some(restore.id), message, value: result })
            }
            Err(error) => {
                let cancelled = matches!(error, Error::Cancelled | Error::Restore(crate::engine::restore::Error::Cancelled));
                let status = if cancelled { Status::Cancelled } else { Status::Failed };
                self.end(&restore, status, false, 0.0, Some(error.to_string()))?;
                if matches!(error, Error::Restore(crate::engine::restore::Error::Stale { .. })) {
                    self.engine.catalog().close_plan(&self.plan.request.plan, PlanState::Stale)?;
                }
                Err(error)
            }
        }
    }

    fn begin(&self) -> Result<Restore> {
        let undo_of = self.plan.undo.then(|| self.vault.manifest(&crate::vault::BackupId(self.plan.request.backup.clone())));
        let undo_of = undo_of.transpose()?.and_then(|manifest| manifest.safety);
        Ok(self.engine.catalog().add_restore(&NewRestore {
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
        })?)
    }

    /// Keeps the safety record, then writes. A plan that touches nothing writes nothing.
    fn write(&self, restore: &Restore, progress: &mut Progress<'_>) -> Result<(Done, Option<String>)> {
        let effect = self.plan.effect();
        if effect.create + effect.update + effect.delete == 0 {
            return Ok((Done { records_skipped: effect.skip, ..Done::default() }, None));
        }
        let Some(database) = self.app.database.as_deref() else {
            return Err(Error::Refused {
                why: "the app has no database any more".into(),
                hint: format!("backstop app show {}", self.app.name),
            });
        };
        self.engine.with_spool(self.plan, self.vault, |spool| {
            // Each record is read again and then written.
            self.job.progress.expect(2 * (effect.create + effect.update + effect.delete));
            self.job.progress.phase("safety record");
            let safety = self.keep_safety(restore, spool)?;
            self.job.log(Level::Info, &format!("the safety record {safety} is kept; the database is written now"));
            let mut tally = Tally::default();
            let mut told = |step: Step<'_>| {
                self.job.progress.phase(&format!("{} {}", step.phase, step.model));
                self.job.progress.reached(tally.add(step.phase, step.model, step.records), 0);
                !self.job.progress.is_cancelled() && progress(step)
            };
            let writer = sqlite(database)?.writer(LOCK_WAIT)?;
            let mut hook = |_| Ok(());
            let prepared = run::prepare(self.plan, spool, 0, writer, &Contents(self.vault), &mut told, &mut hook)?;
            Ok((prepared.commit(&mut hook)?, Some(safety)))
        })
    }

    /// The live snapshot ends with this: the application's write lock is taken after.
    fn keep_safety(&self, restore: &Restore, spool: &mut crate::engine::restore::spool::SpoolReader<'_>) -> Result<String> {
        let lives = self.engine.open_sources(self.app, Parts { database: true, files: false })?;
        let lives: Vec<&dyn Snapshot> = lives.iter().map(AsRef::as_ref).collect();
        let writer = self.vault.writer()?;
        let images = Images::gather(self.plan, spool, &lives, &writer)?;
        let safety = safety::commit(self.engine, self.app, &restore.id, self.vault, &writer, &images)?;
        self.engine.catalog().set_restore_safety(&restore.id, &safety)?;
        Ok(safety)
    }

    fn end(&self, restore: &Restore, status: Status, wrote: bool, duration_seconds: f64, error: Option<String>) -> Result<()> {
        let completed = status == Status::Completed;
        let changes = self.plan.models.iter().filter(|_| completed).map(|model| RestoreChange {
            module: model.module.clone(),
            model: model.model.clone(),
            created: model.create,
            updated: model.update,
            skipped: model.skip,
            deleted: model.delete,
        });
        let until = self.engine.clock().now().checked_add(SignedDuration::from_hours(24 * UNDO_DAYS)).ok();
        let undo_until = until.filter(|_| wrote).map(Into::into);
        let outcome = RestoreOutcome { status, changes: changes.collect(), undo_until, duration_seconds, error };
        self.engine.catalog().finish_restore(&restore.id, &outcome)?;
        Ok(())
    }
}

/// Large values from the vault.
struct Contents<'v>(&'v Vault);

impl crate::sources::Resolve for Contents<'_> {
    fn fetch(&self, large: &crate::rows::Large, to: &mut dyn std::io::Write) -> std::io::Result<()> {
        self.0.fetch(large, to).map_err(std::io::Error::other)
    }
}

fn result(restore: &Restore, done: Done, safety_backup: Option<String>, duration_seconds: f64) -> RestoreResult {
    RestoreResult {
        restore: restore.id.clone(),
        status: Status::Completed,
        records_created: done.records_created,
        records_updated: done.records_updated,
        records_skipped: done.records_skipped,
        records_deleted: done.records_deleted,
        safety_backup,
        duration_seconds,
    }
}
