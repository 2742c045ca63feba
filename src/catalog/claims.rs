//! Running a job: claiming it, its progress, its end, and finding those whose process died.
//!
//! A claim carries a number. Whoever was taken for dead and wakes up holds an older number than the job's, and every
//! write of theirs is refused.

use rusqlite::types::ToSql;
use rusqlite::{Connection, named_params, params};

use super::jobs::{job, some_jobs};
use super::record::Json;
use super::{Catalog, Error, Job, Kind, Reader, Result, Status};

/// A process that runs jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimant {
    /// Its process id.
    pub pid: u32,
    /// What tells it from a later process of the same number, such as the name of the file it holds locked.
    pub process: String,
}

/// The right to write about a running job, until someone else claims it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The job.
    pub job: String,
    /// The claim's number.
    pub number: i64,
}

/// How far a running job is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What it is at.
    pub phase: Option<String>,
    /// The records it has dealt with.
    pub done_records: u64,
    /// Those it expects in all.
    pub total_records: Option<u64>,
    /// The bytes it has dealt with.
    pub done_bytes: u64,
    /// Those it expects in all.
    pub total_bytes: Option<u64>,
    /// What it says.
    pub message: Option<String>,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Its outcome: neither queued nor running.
    pub status: Status,
    /// One sentence about it.
    pub message: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// What to do about that.
    pub hint: Option<String>,
    /// The backup it made.
    pub backup: Option<String>,
    /// The restore it made.
    pub restore: Option<String>,
    /// Its figures.
    pub figures: Option<serde_json::Value>,
}

impl Outcome {
    /// An end of which no more is said.
    #[must_use]
    pub fn new(status: Status) -> Self {
        Self { status, message: None, error: None, hint: None, backup: None, restore: None, figures: None }
    }
}

/// How many running jobs are looked at for dead ones; more than run at once anywhere.
const RUNNING: usize = 1000;

impl Reader {
    /// The running jobs whose process is gone, as `alive` judges it.
    pub fn find_dead_jobs(&self, alive: impl Fn(&Claimant) -> bool) -> Result<Vec<Job>> {
        let running = self.read(|connection| some_jobs(connection, "job_by_status", "j.status = 'running'", RUNNING))?;
        let gone = |job: &Job| match (job.pid, &job.process) {
            (Some(pid), Some(process)) => !alive(&Claimant { pid, process: process.clone() }),
            _ => true,
        };
        Ok(running.into_iter().filter(gone).collect())
    }

    /// Whether an operator wants the job to stop.
    pub fn cancel_requested(&self, job: &str) -> Result<bool> {
        self.read(|connection| cancel_requested(connection, job))
    }
}

fn cancel_requested(connection: &Connection, job: &str) -> Result<bool> {
    let sql = "SELECT cancel_requested FROM job WHERE id = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([job], |row| row.get(0))?)
}

impl Catalog {
    /// Claims a queued job; refused while a job that it may not join is running.
    pub fn claim_job(&self, id: &str, claimant: &Claimant) -> Result<Claim> {
        let now = self.now();
        self.write(|change| {
            let queued = job(change, id)?;
            if queued.status != Status::Queued {
                return Err(Error::WrongState { kind: Kind::Job, id: id.to_owned(), state: queued.status.to_string() });
            }
            let number = queued.claim + 1;
            let claimed = change.execute(
                "UPDATE job SET status = 'running', claim = ?2, pid = ?3, process = ?4, started_at = ?5, updated_at = ?5 WHERE id = ?1",
                params![id, number, claimant.pid, claimant.process, now],
            );
            match claimed {
                Ok(_) => Ok(Claim { job: id.to_owned(), number }),
                Err(error) if super::breaks_unique(&error) => Err(busy(change, &queued, error)),
                Err(error) => Err(error.into()),
            }
        })
    }

    /// Claims the longest waiting job that nothing running stands in the way of.
    pub fn claim_next_job(&self, claimant: &Claimant) -> Result<Option<Claim>> {
        let free = "j.status = 'queued' AND NOT (j.exclusive = 1 AND EXISTS
            (SELECT 1 FROM job r WHERE r.app_id = j.app_id AND r.status = 'running' AND r.exclusive = 1))";
        loop {
            let next = self.read(|connection| some_jobs(connection, "job_by_status", free, 1))?;
            let Some(job) = next.into_iter().next() else { return Ok(None) };
            match self.claim_job(&job.id, claimant) {
                // Another process was faster: the next one, then.
                Err(Error::AppBusy { .. } | Error::WrongState { .. }) => {}
                claimed => return claimed.map(Some),
            }
        }
    }

    /// Notes how far a job is, and gives whether an operator wants it to stop. Call at most twice a second.
    pub fn progress(&self, claim: &Claim, progress: &Progress) -> Result<bool> {
        self.write_claimed(
            claim,
            "UPDATE job SET phase = coalesce(:phase, phase), done_records = :done_records, total_records = :total_records,
                 done_bytes = :done_bytes, total_bytes = :total_bytes, message = coalesce(:message, message), updated_at = :now",
            named_params! {
                ":phase": progress.phase, ":done_records": progress.done_records, ":total_records": progress.total_records,
                ":done_bytes": progress.done_bytes, ":total_bytes": progress.total_bytes, ":message": progress.message,
            },
            |change| cancel_requested(change, &claim.job),
        )
    }

    /// Ends a job.
    pub fn finish_job(&self, claim: &Claim, outcome: &Outcome) -> Result<Job> {
        if !outcome.status.is_outcome() {
            return Err(Error::WrongState { kind: Kind::Job, id: claim.job.clone(), state: outcome.status.to_string() });
        }
        self.write_claimed(
            claim,
            "UPDATE job SET status = :status, message = coalesce(:message, message), error = :error, hint = :hint,
                 backup_id = coalesce(:backup, backup_id), restore_id = coalesce(:restore, restore_id), figures = :figures,
                 finished_at = :now, updated_at = :now",
            named_params! {
                ":status": outcome.status, ":message": outcome.message, ":error": outcome.error, ":hint": outcome.hint,
                ":backup": outcome.backup, ":restore": outcome.restore, ":figures": outcome.figures.as_ref().map(Json),
            },
            |change| job(change, &claim.job),
        )
    }

    /// Ends a job whose process died; `dead` is the job as it was found, so that one claimed anew since is left alone.
    pub fn end_dead_job(&self, dead: &Job, outcome: &Outcome) -> Result<Job> {
        let claim = Claim { job: dead.id.clone(), number: dead.claim };
        // The number goes up: should the process be frozen and not dead, its writes are refused from now on.
        self.write_claimed(
            &claim,
            "UPDATE job SET status = :status, message = coalesce(:message, message), error = :error, hint = :hint,
                 backup_id = coalesce(:backup, backup_id), restore_id = coalesce(:restore, restore_id),
                 claim = claim + 1, finished_at = :now, updated_at = :now",
            named_params! {
                ":status": outcome.status, ":message": outcome.message, ":error": outcome.error, ":hint": outcome.hint,
                ":backup": outcome.backup, ":restore": outcome.restore,
            },
            |change| job(change, &dead.id),
        )
    }

    /// Says of a failed job what it came to, once that is known.
    pub fn tell_failed_job(&self, id: &str, error: &str, hint: Option<&str>, restore: Option<&str>) -> Result<()> {
        let now = self.now();
        self.write(|change| {
            let sql = "UPDATE job SET error = ?2, hint = ?3, restore_id = coalesce(?4, restore_id), updated_at = ?5
                 WHERE id = ?1 AND status = 'failed'";
            super::found(change.execute(sql, params![id, error, hint, restore, now])?, Kind::Job, id)
        })
    }

    /// One change of a job that only its newest claim may make.
    fn write_claimed<T>(
        &self,
        claim: &Claim,
        update: &str,
        values: &[(&str, &dyn ToSql)],
        then: impl FnOnce(&Connection) -> Result<T>,
    ) -> Result<T> {
        let now = self.now();
        let sql = format!("{update} WHERE id = :id AND claim = :claim AND status = 'running'");
        let mut all = values.to_vec();
        all.extend_from_slice(named_params! { ":id": claim.job, ":claim": claim.number, ":now": now });
        self.write(|change| {
            if change.prepare_cached(&sql)?.execute(all.as_slice())? == 0 {
                return Err(Error::Superseded { job: claim.job.clone(), claim: claim.number });
            }
            then(change)
        })
    }
}

/// Names the job that stands in the way.
fn busy(connection: &Connection, queued: &Job, error: rusqlite::Error) -> Error {
    let sql = "SELECT id FROM job WHERE app_id = ?1 AND status = 'running' AND exclusive = 1";
    match connection.query_row(sql, params![queued.app_id], |row| row.get(0)) {
        Ok(running) => Error::AppBusy { running },
        Err(_) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Home;
    use super::super::{JobKind, NewJob, Origin};
    use super::*;

    fn me() -> Claimant {
        Claimant { pid: 42, process: "42-1".to_owned() }
    }

    fn queue(home: &Home, kind: JobKind, app: Option<&str>) -> String {
        let new = NewJob { app_id: app.map(str::to_owned), ..NewJob::new(kind, Origin::Manual) };
        home.catalog.add_job(&new).unwrap().id
    }

    #[test]
    fn a_job_runs_once_and_ends_once() {
        let home = Home::new();
        let id = queue(&home, JobKind::Backup, None);
        let claim = home.catalog.claim_job(&id, &me()).unwrap();
        assert!(matches!(home.catalog.claim_job(&id, &me()), Err(Error::WrongState { .. })));
        let done = Progress { phase: Some("reading".to_owned()), done_records: 5, ..Progress::default() };
        assert!(!home.catalog.progress(&claim, &done).unwrap());
        home.catalog.cancel_job(&id).unwrap();
        assert!(home.catalog.progress(&claim, &done).unwrap());
        home.advance(3);
        let job = home.catalog.finish_job(&claim, &Outcome::new(Status::Partial)).unwrap();
        assert_eq!((job.status, job.done_records, job.duration_seconds), (Status::Partial, 5, Some(3.0)));
        assert!(matches!(home.catalog.finish_job(&claim, &Outcome::new(Status::Completed)), Err(Error::Superseded { .. })));
    }

    #[test]
    fn two_jobs_that_would_harm_each_other_do_not_run_in_one_app() {
        let home = Home::new();
        let (school, shop) = (home.app("school"), home.app("shop"));
        let backup = queue(&home, JobKind::Backup, Some(&school));
        let restore = queue(&home, JobKind::Restore, Some(&school));
        let verify = queue(&home, JobKind::Verify, Some(&school));
        let elsewhere = queue(&home, JobKind::Backup, Some(&shop));
        let claim = home.catalog.claim_job(&backup, &me()).unwrap();
        let refused = home.catalog.claim_job(&restore, &me()).unwrap_err();
        assert!(matches!(refused, Error::AppBusy { running } if running == backup));
        assert_eq!(home.catalog.claim_next_job(&me()).unwrap().unwrap().job, verify);
        assert_eq!(home.catalog.claim_next_job(&me()).unwrap().unwrap().job, elsewhere);
        assert_eq!(home.catalog.claim_next_job(&me()).unwrap(), None);
        home.catalog.finish_job(&claim, &Outcome::new(Status::Completed)).unwrap();
        assert_eq!(home.catalog.claim_next_job(&me()).unwrap().unwrap().job, restore);
    }

    #[test]
    fn the_index_and_not_the_check_keeps_two_jobs_apart() {
        let home = Home::new();
        let school = home.app("school");
        let first = queue(&home, JobKind::Backup, Some(&school));
        let second = queue(&home, JobKind::Backup, Some(&school));
        home.catalog.claim_job(&first, &me()).unwrap();
        let other = Catalog::open(home.catalog.path(), home.clock.clone()).unwrap();
        let forced = other.write(|change| Ok(change.execute("UPDATE job SET status = 'running' WHERE id = ?1", [&second])?));
        assert!(matches!(forced, Err(Error::Sqlite(error)) if super::super::breaks_unique(&error)));
    }

    #[test]
    fn a_process_taken_for_dead_writes_nothing_more() {
        let home = Home::new();
        let id = queue(&home, JobKind::Backup, None);
        let claim = home.catalog.claim_job(&id, &me()).unwrap();
        assert!(home.catalog.find_dead_jobs(|_| true).unwrap().is_empty());
        let dead = home.catalog.find_dead_jobs(|claimant| claimant.pid != 42).unwrap().remove(0);
        let outcome = Outcome { error: Some("interrupted".to_owned()), ..Outcome::new(Status::Failed) };
        let failed = home.catalog.end_dead_job(&dead, &outcome).unwrap();
        assert_eq!((failed.status, failed.error.as_deref()), (Status::Failed, Some("interrupted")));
        home.catalog.tell_failed_job(&id, "interrupted; nothing was changed", None, Some("r")).unwrap();
        assert_eq!(home.catalog.job(&id).unwrap().restore.as_deref(), Some("r"));
        assert!(matches!(home.catalog.progress(&claim, &Progress::default()), Err(Error::Superseded { .. })));
        assert!(matches!(home.catalog.end_dead_job(&dead, &outcome), Err(Error::Superseded { .. })));
    }

    #[test]
    fn an_older_claim_is_refused_while_a_newer_one_runs_the_job() {
        let home = Home::new();
        let id = queue(&home, JobKind::Backup, None);
        let old = home.catalog.claim_job(&id, &me()).unwrap();
        home.catalog.write(|change| Ok(change.execute("UPDATE job SET claim = claim + 1 WHERE id = ?1", [&id])?)).unwrap();
        let new = Claim { number: old.number + 1, ..old.clone() };
        assert!(matches!(home.catalog.progress(&old, &Progress::default()), Err(Error::Superseded { .. })));
        assert!(matches!(home.catalog.finish_job(&old, &Outcome::new(Status::Failed)), Err(Error::Superseded { .. })));
        assert_eq!(home.catalog.finish_job(&new, &Outcome::new(Status::Completed)).unwrap().status, Status::Completed);
    }
}
