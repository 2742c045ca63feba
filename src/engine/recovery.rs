//! What a process that died has left: its jobs are ended, its restores are judged.
//!
//! A restore is judged by the records it would have touched, beside its safety record (see [`super::restore::judge`]), so
//! the vault must be open. Where it cannot be opened, the judgement waits: the restore's entry stays running and says so,
//! health names it, and whoever opens the vault next judges before anything else is done with it. One process judges at a
//! time, and a restore begins only once nothing of its home waits that could be judged.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use jiff::SignedDuration;

use crate::catalog::{
    self, AlertType, App, AuditOutcome, BackupFilter, Job, JobKind, Level, NewAuditEntry, Outcome, PlanState, RaiseAlert, Restore,
    RestoreChange, RestoreFilter, RestoreOutcome, Severity, Status,
};
use crate::sources::Snapshot;
use crate::sources::database::Database;

use super::apps::Parts;
use super::error::{Doing, Error, Result};
use super::health::HealthFinding;
use super::restore::judge::{Verdict, judge};
use super::restore::plan::PlanSummary;
use super::restore::safety::Safety;
use super::restoring::journals::Journals;
use super::restoring::safety;
use super::{Engine, jobs};

/// The longest the judgement waits for a locked database before it waits for another occasion.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How many of the records that speak against a verdict an alert names; the job's log names more.
const NAMED: usize = 5;

/// What there is to say of a judged restore.
struct Told {
    status: Status,
    severity: Severity,
    sentence: String,
    hint: String,
}

impl Engine {
    /// Ends the jobs whose process is gone, raises their alerts, and judges the restores among them.
    ///
    /// # Errors
    /// What the catalog says.
    pub fn bury_the_dead(&self) -> Result<()> {
        for dead in self.catalog().find_dead_jobs(jobs::is_alive)? {
            self.bury(&dead)?;
        }
        self.judge_the_dead()
    }

    fn bury(&self, dead: &Job) -> Result<()> {
        let restore = self.restore_of(dead)?;
        let waits = restore.as_ref().is_some_and(|restore| restore.status == Status::Running);
        let outcome = match (self.backup_of(dead)?, restore) {
            (Some((backup, status)), _) => {
                let message = Some(format!("the process died after its backup was {status}"));
                Outcome { backup: Some(backup), message, ..Outcome::new(status) }
            }
            (None, Some(restore)) if restore.status.is_outcome() => {
                let message = Some(format!("the process died after its restore was {}", restore.status));
                Outcome { restore: Some(restore.id), message, error: restore.error, ..Outcome::new(restore.status) }
            }
            (None, restore) => {
                let (error, hint) = interrupted(dead, restore.as_ref());
                Outcome { error: Some(error), hint: Some(hint), restore: restore.map(|restore| restore.id), ..Outcome::new(Status::Failed) }
            }
        };
        let job = match self.catalog().end_dead_job(dead, &outcome) {
            Ok(job) => job,
            // Another process found it first; then it is theirs to tell.
            Err(catalog::Error::Superseded { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let said = job.error.as_deref().or(job.message.as_deref()).unwrap_or_default();
        let _ = self.catalog().log(&job.id, Level::Warning, said);
        // Of a restore the judgement tells.
        if let (Status::Failed, Some(error), false) = (job.status, &job.error, waits) {
            self.raise_failure(&job, error)?;
            self.audit_for(&job.operator, action_of(job.kind), job.app.as_deref(), job.app.as_deref(), job.status, error)?;
        }
        Ok(())
    }

    /// The backup that a job had made known before its process died.
    fn backup_of(&self, dead: &Job) -> Result<Option<(String, Status)>> {
        let since = dead.started_at.unwrap_or(dead.created_at);
        let filter = BackupFilter { app_id: dead.app_id.clone(), since: Some(since), ..BackupFilter::default() };
        let made = self.catalog().backups_page(&filter, None, 100)?.items;
        Ok(made.into_iter().find(|backup| backup.job.as_ref() == Some(&dead.id)).map(|backup| (backup.id, backup.status)))
    }

    /// The entry of the restore log that a job had begun before its process died.
    fn restore_of(&self, dead: &Job) -> Result<Option<Restore>> {
        let since = dead.started_at.unwrap_or(dead.created_at);
        let filter = RestoreFilter { app_id: dead.app_id.clone(), since: Some(since), ..RestoreFilter::default() };
        let begun = self.catalog().restores_page(&filter, None, 100)?.items;
        Ok(begun.into_iter().find(|restore| restore.job.as_ref() == Some(&dead.id)))
    }

    fn raise_failure(&self, job: &Job, message: &str) -> Result<()> {
        let Some(app) = &job.app_id else { return Ok(()) };
        let app = self.catalog().app(app)?;
        let (backup_type, origin, configuration) = (job.backup_type, job.origin, job.configuration_id.clone());
        let request = jobs::JobRequest { backup_type, origin, configuration, ..jobs::JobRequest::new(job.kind, &app) };
        self.raise_job_failure(&job.id, &request, message)
    }

    /// Judges the restores whose process died, as far as their vaults are open or can be opened without asking anybody.
    ///
    /// # Errors
    /// What the catalog says. A restore that cannot be judged now waits, and says why.
    pub fn judge_the_dead(&self) -> Result<()> {
        self.end_abandoned()?;
        if self.catalog().interrupted_restores()?.is_empty() {
            return Ok(());
        }
        let _turn = self.turn_to_judge()?;
        // Whoever had the turn before may have judged them all.
        for restore in self.catalog().interrupted_restores()? {
            match self.verdict(&restore) {
                Ok(verdict) => self.settle(&restore, &verdict)?,
                Err(why) => self.wait_to_judge(&restore, &why)?,
            }
        }
        Ok(())
    }

    /// One process at a time, and one thread of it; given back when dropped, also by dying.
    fn turn_to_judge(&self) -> Result<File> {
        let path = self.home().judging();
        let doing = || format!("locking {}", path.display());
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o660).open(&path).doing(doing)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).map_err(std::io::Error::from).doing(doing)?;
        Ok(file)
    }

    /// Without a safety record nothing was touched: it is committed, and named in the catalog, before the database is locked.
    fn verdict(&self, restore: &Restore) -> Result<Verdict> {
        let Some(kept) = restore.safety_backup.as_deref() else { return Ok(Verdict::RolledBack) };
        let app = self.catalog().app(&restore.app_id)?;
        let vault = self.vault_at_hand(&app.vault)?;
        if Journals::wait_for(self.home(), &app.id, &restore.id)? {
            let hint = "See why: backstop alerts list".to_owned();
            return Err(Error::Refused { why: "its files are neither in place nor taken back yet".into(), hint });
        }
        let parts = safety::parts(&vault, kept)?;
        let (before, after) = safety::read(&vault, kept, &parts.kinds())?;
        let mut lives = if parts.database { self.live_tables(&app)? } else { Vec::new() };
        lives.extend(self.open_sources(&app, Parts { database: false, ..parts })?);
        let lives: Vec<&dyn Snapshot> = lives.iter().map(AsRef::as_ref).collect();
        Ok(judge(Safety { before: &before, after: &after }, &lives)?)
    }

    fn live_tables(&self, app: &App) -> Result<Vec<Box<dyn Snapshot>>> {
        let wait = self.lock_wait()?.min(LONGEST_WAIT);
        let open = |url: &String| Ok(Database::parse(url)?.snapshot(wait, &self.home().scratch())?);
        app.database.iter().map(open).collect()
    }

    /// Whatever a restore keeps beside its database is settled here, by the same verdict and before its entry is closed:
    /// should this process die too, the next one judges again and comes to the same.
    fn settle(&self, restore: &Restore, verdict: &Verdict) -> Result<()> {
        let told = tell(restore, verdict);
        let changes = if told.status == Status::Completed { self.planned(restore)? } else { Vec::new() };
        let days = SignedDuration::from_hours(24 * safety::KEPT_DAYS);
        let until = restore.started_at.timestamp().checked_add(days).ok().map(Into::into);
        let undo_until = until.filter(|_| matches!(told.status, Status::Completed | Status::Partial));
        self.tell_job(restore, verdict, &told)?;
        self.raise_judged(restore, told.severity, &told.sentence)?;
        let action = if restore.undo_of.is_some() { "restore undo" } else { "restore run" };
        let operator = Some(restore.operator.clone());
        self.audit_for(&operator, action, Some(&restore.backup), Some(&restore.app), told.status, &told.sentence)?;
        let state = match verdict {
            Verdict::RolledBack => None,
            Verdict::Committed => Some(PlanState::Executed),
            Verdict::Mixed { .. } => Some(PlanState::Stale),
        };
        if let (Some(plan), Some(state)) = (&restore.plan, state) {
            match self.catalog().close_plan(plan, state) {
                Ok(()) | Err(catalog::Error::WrongState { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let error = (told.status != Status::Completed).then_some(told.sentence);
        let outcome = RestoreOutcome { status: told.status, changes, undo_until, duration_seconds: None, error };
        self.catalog().finish_restore(&restore.id, &outcome)?;
        Ok(())
    }

    /// What the plan said it would do to each model: a commit is all of it.
    fn planned(&self, restore: &Restore) -> Result<Vec<RestoreChange>> {
        let Some(plan) = &restore.plan else { return Ok(Vec::new()) };
        let summary = self.catalog().plan(plan)?.summary.0;
        let models = serde_json::from_value(summary).map(|summary: PlanSummary| summary.models).unwrap_or_default();
        let change = |model: super::restore::plan::ModelPlan| RestoreChange {
            module: model.module,
            model: model.model,
            created: model.create,
            updated: model.update,
            skipped: model.skip,
            deleted: model.delete,
        };
        Ok(models.into_iter().map(change).collect())
    }

    fn tell_job(&self, restore: &Restore, verdict: &Verdict, told: &Told) -> Result<()> {
        let Some(job) = &restore.job else { return Ok(()) };
        let level = if told.status == Status::Completed { Level::Warning } else { Level::Error };
        let mut lines = vec![told.sentence.clone()];
        if let Verdict::Mixed { records, .. } = verdict {
            lines.extend(records.iter().map(|record| format!("not as after the restore: {}", name_of(record))));
        }
        let lines: Vec<(Level, &str)> = lines.iter().map(|line| (level, line.as_str())).collect();
        let _ = self.catalog().log_all(job, &lines);
        Ok(self.catalog().tell_failed_job(job, &told.sentence, Some(&told.hint), Some(&restore.id))?)
    }

    fn raise_judged(&self, restore: &Restore, severity: Severity, message: &str) -> Result<()> {
        self.catalog().raise_alert(&RaiseAlert {
            app_id: Some(restore.app_id.clone()),
            job: restore.job.clone(),
            backup: Some(restore.backup.clone()),
            ..RaiseAlert::new(AlertType::RestoreFailure, severity, &restore.app, message)
        })?;
        Ok(())
    }

    /// Notes why a restore is not judged yet. The alert is raised once and not each time somebody looks.
    fn wait_to_judge(&self, restore: &Restore, why: &Error) -> Result<()> {
        let message = format!("the restore {} was interrupted, and what it did is not judged yet: {why}", restore.id);
        if restore.error.is_none() {
            self.raise_judged(restore, Severity::Error, &message)?;
            if let Some(job) = &restore.job {
                self.catalog().tell_failed_job(job, &message, Some(WAITS_HINT), Some(&restore.id))?;
            }
        }
        if restore.error.as_ref() != Some(&message) {
            self.catalog().note_restore(&restore.id, &message)?;
        }
        Ok(())
    }

    /// An entry in the audit trail for what `operator` had begun and could not end.
    fn audit_for(
        &self,
        operator: &Option<String>,
        action: &str,
        target: Option<&str>,
        app: Option<&str>,
        status: Status,
        reason: &str,
    ) -> Result<()> {
        let outcome = if status == Status::Completed { AuditOutcome::Done } else { AuditOutcome::Failed };
        self.catalog().audit(&NewAuditEntry {
            operator: operator.clone().unwrap_or_else(|| self.operator().to_owned()),
            action: action.to_owned(),
            target: target.unwrap_or_default().to_owned(),
            app: app.map(str::to_owned),
            outcome,
            reason: Some(reason.to_owned()),
            details: None,
        })?;
        Ok(())
    }

    /// The restores that wait to be judged, as health says it.
    ///
    /// # Errors
    /// What the catalog says.
    pub fn waiting_to_be_judged(&self) -> Result<Vec<HealthFinding>> {
        let finding = |restore: Restore| HealthFinding {
            level: Severity::Error,
            app: Some(restore.app),
            message: restore
                .error
                .unwrap_or_else(|| format!("the restore {} was interrupted, and what it did is not judged yet", restore.id)),
            hint: WAITS_HINT.into(),
        };
        Ok(self.catalog().interrupted_restores()?.into_iter().map(finding).collect())
    }
}

const WAITS_HINT: &str = "It is judged as soon as its vault and its database can be opened: backstop vault status";

fn action_of(kind: JobKind) -> &'static str {
    match kind {
        JobKind::Restore => "restore run",
        JobKind::Undo => "restore undo",
        other => other.as_str(),
    }
}

/// What to say of a job whose process died in the middle of its work, and what to do about it.
fn interrupted(dead: &Job, restore: Option<&Restore>) -> (String, String) {
    let died = "interrupted: the process that ran it has died";
    match (dead.kind, restore) {
        (JobKind::Backup, _) => (
            format!("{died}; nothing incomplete counts as a backup"),
            "Run it again; what it stored already is not stored again.".to_owned(),
        ),
        (JobKind::Restore | JobKind::Undo, None) => (format!("{died} before anything was touched"), "Run it again.".to_owned()),
        (_, Some(restore)) => (
            format!("{died}; what it did is judged by the records it would have touched"),
            format!("backstop restores show {}", restore.id),
        ),
        (_, None) => (died.to_owned(), "Run it again.".to_owned()),
    }
}

/// A record as the judgement names it: its model and its key.
fn name_of(record: &serde_json::Value) -> String {
    let model = record["model"].as_str().unwrap_or_default();
    record.get("key").map_or_else(|| format!("{model} (all of it)"), |key| format!("{model} {key}"))
}

fn tell(restore: &Restore, verdict: &Verdict) -> Told {
    let id = &restore.id;
    let again = "The same plan can be run again, as long as nothing it touches changes: backstop restore run --plan";
    let again = format!("{again} {}", restore.plan.as_deref().unwrap_or("PLAN"));
    match verdict {
        Verdict::RolledBack => {
            let when = if restore.safety_backup.is_some() { "before it was committed" } else { "before it touched anything" };
            let sentence = format!("the restore {id} was interrupted {when}; nothing was changed");
            Told { status: Status::Failed, severity: Severity::Error, sentence, hint: again }
        }
        Verdict::Committed => {
            let sentence =
                format!("the restore {id} was interrupted after it was committed; all its records are as they should be after it");
            let hint = format!("It can be taken back: backstop restore undo {id}");
            Told { status: Status::Completed, severity: Severity::Warning, sentence, hint }
        }
        Verdict::Mixed { before, after, neither, records } => {
            let mut named: Vec<String> = records.iter().take(NAMED).map(name_of).collect();
            if (before + neither) > named.len() as u64 {
                named.push("…".to_owned());
            }
            let sentence = format!(
                "the restore {id} was interrupted, and its records do not say whether it was committed: {before} are as before it, \
                 {after} as after it, {neither} as neither; not as after it: {}",
                named.join(", ")
            );
            let hint = format!("Compare them with what should be there: backstop restore undo {id} --preview");
            // Whatever is as after it was written by it: that can be taken back.
            let status = if *after > 0 { Status::Partial } else { Status::Failed };
            Told { status, severity: Severity::Critical, sentence, hint }
        }
    }
}
