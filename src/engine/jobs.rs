//! Jobs: everything that runs is one. Claimed in the catalog, watched while it works, ended with its outcome.
//!
//! The work runs on the caller's thread; a watcher beside it writes progress at most twice a second, hears a cancellation
//! that another process asked for, and ends with the job. A job whose process is gone is found when an engine opens.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::catalog::{
    self, AlertType, App, AuditOutcome, BackupType, Claim, Claimant, JobKind, Level, NewJob, Origin, RaiseAlert, Severity, Status,
};
use crate::error::Explain;

use super::error::{Error, Result};
use super::progress::Progress;
use super::selection::Selection;
use super::{Engine, lock, restore};

/// How often progress is written and a cancellation is looked for.
const BEAT: Duration = Duration::from_millis(500);

/// How often a job that waits for another one of its app looks again.
const TURN: Duration = Duration::from_millis(200);

/// The jobs that run in this process.
pub type Running = Mutex<HashMap<String, Arc<Progress>>>;

/// A job that is to run.
pub struct JobRequest<'a> {
    /// What it does.
    pub kind: JobKind,
    /// The type of a backup.
    pub backup_type: Option<BackupType>,
    /// Why it runs.
    pub origin: Origin,
    /// The app it is about.
    pub app: &'a App,
    /// The configuration's id.
    pub configuration: Option<String>,
    /// The reason given.
    pub reason: Option<String>,
    /// What exactly is to be done, so that it can be done again.
    pub asked: Option<Asked>,
    /// The job that this one does over.
    pub replay_of: Option<String>,
}

impl<'a> JobRequest<'a> {
    /// A job that a person asked for.
    #[must_use]
    pub fn new(kind: JobKind, app: &'a App) -> Self {
        let origin = Origin::Manual;
        Self { kind, backup_type: None, origin, app, configuration: None, reason: None, asked: None, replay_of: None }
    }
}

/// What a backup's job was asked to cover; the catalog keeps it as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// What of the app.
    #[serde(flatten)]
    pub selection: Selection,
    /// Whether everything is stored anew.
    pub new_base: bool,
    /// Whether it is protected at once.
    pub protect: bool,
}

/// A job that runs: what its work sees.
pub struct Run {
    /// The job's id.
    pub id: String,
    /// Its counters.
    pub progress: Arc<Progress>,
    claim: Claim,
    engine: Engine,
}

/// How a job's work ended well.
pub struct Finish<T> {
    /// completed or partial; failed where the work itself found that something is bad.
    pub status: Status,
    /// The backup it made.
    pub backup: Option<String>,
    /// The restore it made.
    pub restore: Option<String>,
    /// The result in a sentence.
    pub message: String,
    /// What the caller gets.
    pub value: T,
}

impl Run {
    /// Writes a line into the job's log. That a line could not be written stops no job.
    pub fn log(&self, level: Level, text: &str) {
        let _ = self.engine.catalog().log(&self.id, level, text);
    }
}

impl Engine {
    /// Runs `work` as a job, waiting first for another job of the app that excludes it.
    ///
    /// # Errors
    /// What stopped the work; the job has it as its error, and an alert says so.
    pub fn run_job<T>(&self, request: &JobRequest<'_>, work: impl FnOnce(&Run) -> Result<Finish<T>>) -> Result<T> {
        let job = self.catalog().add_job(&NewJob {
            backup_type: request.backup_type,
            app_id: Some(request.app.id.clone()),
            configuration_id: request.configuration.clone(),
            reason: request.reason.clone(),
            operator: Some(self.operator().to_owned()),
            request: request.asked.as_ref().and_then(|asked| serde_json::to_value(asked).ok()),
            replay_of: request.replay_of.clone(),
            ..NewJob::new(request.kind, request.origin)
        })?;
        let claim = self.claim(&job.id)?;
        let run = Run { id: job.id, progress: Arc::default(), claim, engine: self.clone() };
        lock(&self.inner.running).insert(run.id.clone(), run.progress.clone());
        let ended = std::thread::scope(|scope| {
            let (done, until_done) = channel::<()>();
            let watched = &run;
            scope.spawn(move || {
                while until_done.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                    watched.beat();
                }
            });
            // A panic would leave the job running under a process that lives, and every later one of the app waiting for it.
            let ended = catch_unwind(AssertUnwindSafe(|| work(&run)));
            drop(done);
            ended.unwrap_or_else(|panic| Err(Error::Broken { what: told_by(panic.as_ref()) }))
        });
        lock(&self.inner.running).remove(&run.id);
        match ended {
            Ok(finish) => self.end_well(&run, request, finish),
            Err(error) => Err(self.end_badly(&run, request, error)),
        }
    }

    /// Asks a job to stop, wherever it runs.
    ///
    /// # Errors
    /// What the catalog says.
    pub fn cancel_job(&self, id: &str) -> Result<()> {
        self.allow(crate::catalog::Role::Operator, "jobs cancel", id)?;
        if let Some(progress) = lock(&self.inner.running).get(id) {
            progress.cancel();
        }
        let app = self.catalog().job(id)?.app;
        self.catalog().cancel_job(id)?;
        self.audit("jobs cancel", id, app.as_deref(), AuditOutcome::Done, None)
    }

    /// How far the jobs of this process are, by their ids.
    #[must_use]
    pub fn readings_here(&self) -> Vec<(String, super::progress::Reading)> {
        lock(&self.inner.running).iter().map(|(id, progress)| (id.clone(), progress.read())).collect()
    }

    /// How many jobs run in this process.
    #[must_use]
    pub fn running_here(&self) -> usize {
        lock(&self.inner.running).len()
    }

    /// Asks every job of this process to stop at its next safe point.
    pub fn cancel_here(&self) {
        lock(&self.inner.running).values().for_each(|progress| progress.cancel());
    }

    /// Waits for the job's turn.
    fn claim(&self, id: &str) -> Result<Claim> {
        loop {
            match self.catalog().claim_job(id, &process()) {
                Ok(claim) => return Ok(claim),
                Err(catalog::Error::AppBusy { .. }) => {}
                Err(catalog::Error::WrongState { .. }) => return Err(Error::Cancelled),
                Err(error) => return Err(error.into()),
            }
            self.bury_the_dead()?;
            std::thread::sleep(TURN);
        }
    }

    fn end_well<T>(&self, run: &Run, request: &JobRequest<'_>, finish: Finish<T>) -> Result<T> {
        run.beat();
        run.log(Level::Info, &finish.message);
        let outcome = catalog::Outcome {
            // What found something bad did its work to the end; what it found is why it failed.
            error: (finish.status == Status::Failed).then(|| finish.message.clone()),
            message: Some(finish.message),
            backup: finish.backup,
            restore: finish.restore,
            ..catalog::Outcome::new(finish.status)
        };
        let status = outcome.status;
        if let Err(error) = self.finish(run, &outcome) {
            // A restore that committed is done, whatever the catalog says of it.
            if !matches!(request.kind, JobKind::Restore | JobKind::Undo) {
                return Err(error.into());
            }
            run.log(Level::Warning, &format!("the end of the job could not be noted: {error}"));
        }
        if request.kind == JobKind::Backup {
            self.end_failures(request, status)?;
        }
        Ok(finish.value)
    }

    /// Ends the job as failed or cancelled; whatever else goes wrong on the way, `error` is what the caller gets.
    fn end_badly(&self, run: &Run, request: &JobRequest<'_>, error: Error) -> Error {
        let cancelled = matches!(error, Error::Cancelled | Error::Restore(restore::Error::Cancelled));
        let status = if cancelled { Status::Cancelled } else { Status::Failed };
        run.log(Level::Error, &error.to_string());
        let outcome = catalog::Outcome { error: Some(error.to_string()), hint: error.hint(), ..catalog::Outcome::new(status) };
        let _ = self.finish(run, &outcome);
        if !cancelled {
            let _ = self.raise_job_failure(&run.id, request, &error.to_string());
        }
        error
    }

    /// Ends the job in the catalog; a catalog that was busy is asked once more, since a job that never ends holds up all others.
    fn finish(&self, run: &Run, outcome: &catalog::Outcome) -> catalog::Result<()> {
        let finish = || self.catalog().finish_job(&run.claim, outcome).map(drop);
        finish().or_else(|_| finish())
    }

    /// Raises the alert of a job that failed.
    ///
    /// # Errors
    /// What the catalog says.
    pub fn raise_job_failure(&self, job: &str, request: &JobRequest<'_>, message: &str) -> Result<()> {
        let (kind, severity) = match request.kind {
            JobKind::Backup => (AlertType::BackupFailure, Severity::Critical),
            JobKind::Restore | JobKind::Undo => (AlertType::RestoreFailure, Severity::Error),
            // A verification that could not run found no damage; one that did raises its own alert.
            _ => return Ok(()),
        };
        self.catalog().raise_alert(&RaiseAlert {
            app_id: Some(request.app.id.clone()),
            configuration_id: request.configuration.clone(),
            job: Some(job.to_owned()),
            ..RaiseAlert::new(kind, severity, &request.app.name, message)
        })?;
        Ok(())
    }
}

impl Run {
    fn beat(&self) {
        let reading = self.progress.read();
        let progress = catalog::Progress {
            phase: Some(reading.phase),
            done_records: reading.records,
            total_records: (reading.expected > 0).then_some(reading.expected),
            done_bytes: reading.bytes,
            ..catalog::Progress::default()
        };
        // A claim that was taken over, like an operator's wish, ends the work; a catalog that cannot be written does not.
        match self.engine.catalog().progress(&self.claim, &progress) {
            Ok(true) | Err(catalog::Error::Superseded { .. }) => self.progress.cancel(),
            Ok(false) | Err(_) => {}
        }
    }
}

/// What a panic says of itself.
fn told_by(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it does not say why".to_owned())
}

/// This process, told apart from a later one with the same pid by when it started.
#[must_use]
pub fn process() -> Claimant {
    let pid = std::process::id();
    Claimant { pid, process: started(pid).unwrap_or_default() }
}

/// Whether the process that claimed a job still runs.
#[must_use]
pub fn is_alive(claimant: &Claimant) -> bool {
    started(claimant.pid).is_some_and(|started| started == claimant.process)
}

/// When a process started, in clock ticks since the boot, with the boot's id: field 22 of `/proc/PID/stat`.
fn started(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let ticks = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.to_owned();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(format!("{}-{ticks}", boot.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_alive_only_as_itself() {
        let own = process();
        assert!(is_alive(&own));
        assert!(!is_alive(&Claimant { process: "another boot-1".into(), ..own }));
    }
}
