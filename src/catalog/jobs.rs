//! Jobs: queued, listed, asked to stop, and their logs. Running one is in `claims`.

use rusqlite::{Connection, named_params, params};

use super::page::List;
use super::record::{Json, Record, record};
use super::{BackupType, Catalog, Cursor, Error, JobKind, Kind, Level, Listed, Order, Origin, Page, Reader, Result, Status, Time};

record! {
    /// Anything that runs or ran.
    Job {
        /// Its id.
        id: String = "j.id",
        /// What it does.
        kind: JobKind = "j.kind",
        /// The type of backup it makes.
        #[serde(rename = "type")]
        backup_type: Option<BackupType> = "j.type",
        /// How far it is, then its outcome.
        status: Status = "j.status",
        /// Why it runs.
        origin: Origin = "j.origin",
        /// The app's id.
        app_id: Option<String> = "j.app_id",
        /// The app's name.
        app: Option<String> = "a.name",
        /// The configuration's id.
        configuration_id: Option<String> = "j.configuration_id",
        /// The configuration's name.
        configuration: Option<String> = "c.name",
        /// What exactly it is to do, as whoever runs it reads it.
        request: Option<Json<serde_json::Value>> = "j.request",
        /// Why an operator wanted it.
        reason: Option<String> = "j.reason",
        /// Who wanted it.
        operator: Option<String> = "j.operator",
        /// The job that this one does over.
        replay_of: Option<String> = "j.replay_of",
        /// What it is at.
        phase: Option<String> = "j.phase",
        /// The records it has dealt with.
        done_records: u64 = "j.done_records",
        /// Those it expects in all.
        total_records: Option<u64> = "j.total_records",
        /// The bytes it has dealt with.
        done_bytes: u64 = "j.done_bytes",
        /// Those it expects in all.
        total_bytes: Option<u64> = "j.total_bytes",
        /// What it says, while it runs and in the end.
        message: Option<String> = "j.message",
        /// Why it failed.
        error: Option<String> = "j.error",
        /// What to do about that.
        hint: Option<String> = "j.hint",
        /// Its figures, once it has ended.
        figures: Option<Json<serde_json::Value>> = "j.figures",
        /// The backup it made.
        backup: Option<String> = "j.backup_id",
        /// The restore it made.
        restore: Option<String> = "j.restore_id",
        /// The process that runs it.
        pid: Option<u32> = "j.pid",
        /// What tells that process from a later one of the same number.
        process: Option<String> = "j.process",
        /// The number of its newest claim; 0 before the first.
        claim: i64 = "j.claim",
        /// Whether an operator wants it to stop.
        cancel_requested: bool = "j.cancel_requested",
        /// When it was queued.
        created_at: Time = "j.created_at",
        /// When anything about it last changed.
        updated_at: Time = "j.updated_at",
        /// When it began.
        started_at: Option<Time> = "j.started_at",
        /// When it ended.
        finished_at: Option<Time> = "j.finished_at",
        /// How long it ran, in seconds, once it has ended.
        duration_seconds: Option<f64> = "round((julianday(j.finished_at) - julianday(j.started_at)) * 86400, 3)",
    }
}

impl Listed for Job {
    fn cursor(&self) -> Cursor {
        Cursor { key: self.created_at.to_string(), id: self.id.clone() }
    }
}

/// A job to be queued.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// What it does.
    pub kind: JobKind,
    /// The type of backup it makes.
    pub backup_type: Option<BackupType>,
    /// Why it runs.
    pub origin: Origin,
    /// The app's id.
    pub app_id: Option<String>,
    /// The configuration's id.
    pub configuration_id: Option<String>,
    /// What exactly it is to do.
    pub request: Option<serde_json::Value>,
    /// Why an operator wanted it.
    pub reason: Option<String>,
    /// Who wanted it.
    pub operator: Option<String>,
    /// The job that it does over.
    pub replay_of: Option<String>,
}

impl NewJob {
    /// A job of which no more is said than what it does and why.
    #[must_use]
    pub fn new(kind: JobKind, origin: Origin) -> Self {
        Self {
            kind,
            backup_type: None,
            origin,
            app_id: None,
            configuration_id: None,
            request: None,
            reason: None,
            operator: None,
            replay_of: None,
        }
    }
}

/// Which jobs a list shows, by the time they were queued.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobFilter {
    /// Those of this app (its id).
    pub app_id: Option<String>,
    /// Those of this configuration (its id).
    pub configuration_id: Option<String>,
    /// Those in this status.
    pub status: Option<Status>,
    /// Those that do this.
    pub kind: Option<JobKind>,
    /// Those that make this type of backup.
    pub backup_type: Option<BackupType>,
    /// Those that ran for this reason.
    pub origin: Option<Origin>,
    /// Those queued at this time or later.
    pub since: Option<Time>,
    /// Those in whose visible columns this text stands.
    pub text: Option<String>,
    /// The direction.
    pub order: Order,
}

/// A line of a job's log.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LogLine {
    /// Its number within the job, from 1.
    pub seq: u64,
    /// When it was written.
    pub time: Time,
    /// How grave it is.
    pub level: Level,
    /// What it says.
    pub text: String,
}

const JOINS: &str = "LEFT JOIN app a ON a.id = j.app_id LEFT JOIN configuration c ON c.id = j.configuration_id";

impl Reader {
    /// A page of the jobs, by the time they were queued.
    pub fn jobs_page(&self, filter: &JobFilter, after: Option<&Cursor>, limit: usize) -> Result<Page<Job>> {
        self.read(|connection| list(filter).page(connection, after, limit))
    }

    /// A page of the jobs that are queued or running, the longest waiting first.
    pub fn active_jobs(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<Job>> {
        self.read(|connection| active().page(connection, after, limit))
    }

    /// The job of this id.
    pub fn job(&self, id: &str) -> Result<Job> {
        self.read(|connection| job(connection, id))
    }

    /// The lines of a job's log after the line `after`, in order; `level` leaves out what is less grave.
    pub fn job_log(&self, job: &str, after: u64, level: Level, limit: usize) -> Result<Vec<LogLine>> {
        self.read(|connection| {
            let levels = Level::ALL.iter().filter(|other| **other >= level).map(|other| format!("'{other}'")).collect::<Vec<_>>();
            let sql = format!(
                "SELECT seq, time, level, text FROM job_log WHERE job_id = ?1 AND seq > ?2 AND level IN ({}) ORDER BY seq LIMIT ?3",
                levels.join(", ")
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let lines = statement.query_map(params![job, after, limit], |row| {
                Ok(LogLine { seq: row.get(0)?, time: row.get(1)?, level: row.get(2)?, text: row.get(3)? })
            })?;
            Ok(lines.collect::<rusqlite::Result<_>>()?)
        })
    }
}

fn list(filter: &JobFilter) -> List {
    let index = match filter {
        JobFilter { configuration_id: Some(_), .. } => "job_by_configuration",
        JobFilter { app_id: Some(_), .. } => "job_by_app",
        JobFilter { status: Some(_), .. } => "job_by_status",
        _ => "job_by_time",
    };
    let mut list = List::new(format!("job j INDEXED BY {index} {JOINS}"), "j.created_at", "j.id", filter.order);
    list.filter("j.configuration_id = ?", filter.configuration_id.clone())
        .filter("j.app_id = ?", filter.app_id.clone())
        .filter("j.status = ?", filter.status.map(|status| status.to_string()))
        .filter("j.kind = ?", filter.kind.map(|kind| kind.to_string()))
        .filter("j.type = ?", filter.backup_type.map(|kind| kind.to_string()))
        .filter("j.origin = ?", filter.origin.map(|origin| origin.to_string()))
        .filter("j.created_at >= ?", filter.since.map(|since| since.to_string()))
        .containing(
            &["a.name", "c.name", "j.kind", "j.type", "j.status", "j.origin", "j.operator", "j.reason", "j.message", "j.error", "j.id"],
            filter.text.as_deref(),
        );
    list
}

fn active() -> List {
    let mut list = List::new(format!("job j INDEXED BY job_active {JOINS}"), "j.created_at", "j.id", Order::Ascending);
    list.when("j.status IN ('queued', 'running')");
    list
}

pub(super) fn job(connection: &Connection, id: &str) -> Result<Job> {
    let sql = format!("SELECT {} FROM job j {JOINS} WHERE j.id = ?1", Job::COLUMNS);
    super::one(connection, &sql, id)?.ok_or_else(|| Error::NotFound { kind: Kind::Job, text: id.to_owned() })
}

/// The jobs that a condition on `j` picks, oldest first.
pub(super) fn some_jobs(connection: &Connection, index: &str, condition: &str, limit: usize) -> Result<Vec<Job>> {
    let sql = format!(
        "SELECT {} FROM job j INDEXED BY {index} {JOINS} WHERE {condition} ORDER BY j.created_at, j.id LIMIT {limit}",
        Job::COLUMNS
    );
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_map((), Job::from_row)?.collect::<rusqlite::Result<_>>()?)
}

impl Catalog {
    /// Queues a job.
    pub fn add_job(&self, new: &NewJob) -> Result<Job> {
        let (id, now) = (self.new_id(), self.now());
        self.write(|change| {
            change.execute(
                "INSERT INTO job (id, kind, type, status, origin, app_id, configuration_id, exclusive, request, reason, operator,
                     replay_of, created_at, updated_at)
                 VALUES (:id, :kind, :type, 'queued', :origin, :app_id, :configuration_id, :exclusive, :request, :reason, :operator,
                     :replay_of, :now, :now)",
                named_params! {
                    ":id": id, ":kind": new.kind, ":type": new.backup_type, ":origin": new.origin, ":app_id": new.app_id,
                    ":configuration_id": new.configuration_id, ":exclusive": new.kind.is_exclusive(),
                    ":request": new.request.as_ref().map(Json), ":reason": new.reason, ":operator": new.operator,
                    ":replay_of": new.replay_of, ":now": now,
                },
            )?;
            job(change, &id)
        })
    }

    /// Asks for a job's end: a queued one is cancelled at once, a running one is told; gives its status then.
    pub fn cancel_job(&self, id: &str) -> Result<Status> {
        let now = self.now();
        self.write(|change| {
            let status = job(change, id)?.status;
            if status.is_outcome() {
                return Err(Error::WrongState { kind: Kind::Job, id: id.to_owned(), state: status.to_string() });
            }
            change.execute(
                "UPDATE job SET cancel_requested = 1, updated_at = ?2, finished_at = CASE status WHEN 'queued' THEN ?2 END,
                     status = CASE status WHEN 'queued' THEN 'cancelled' ELSE status END WHERE id = ?1",
                params![id, now],
            )?;
            Ok(if status == Status::Queued { Status::Cancelled } else { status })
        })
    }

    /// Adds a line to a job's log and gives its number.
    pub fn log(&self, job: &str, level: Level, text: &str) -> Result<u64> {
        self.log_all(job, &[(level, text)])
    }

    /// Adds lines to a job's log in one transaction and gives the last one's number.
    pub fn log_all(&self, job: &str, lines: &[(Level, &str)]) -> Result<u64> {
        let now = self.now();
        self.write(|change| {
            let last = change.query_row("SELECT coalesce(max(seq), 0) FROM job_log WHERE job_id = ?1", [job], |row| row.get(0))?;
            let mut insert = change.prepare_cached("INSERT INTO job_log (job_id, seq, time, level, text) VALUES (?1, ?2, ?3, ?4, ?5)")?;
            let mut seq: u64 = last;
            for (level, text) in lines {
                seq += 1;
                insert.execute(params![job, seq, now, level, text])?;
            }
            Ok(seq)
        })
    }

    /// Removes the log lines written before `before`, at most 10,000 at once, and says how many; call until none is left.
    pub fn prune_job_logs(&self, before: Time) -> Result<usize> {
        self.write(|change| {
            let sql =
                "DELETE FROM job_log WHERE (job_id, seq) IN (SELECT job_id, seq FROM job_log WHERE time < ?1 ORDER BY time LIMIT 10000)";
            Ok(change.execute(sql, params![before])?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::assert_walks_an_index;
    use super::super::testing::Home;
    use super::*;

    #[test]
    fn every_list_of_jobs_walks_an_index() {
        let home = Home::new();
        let full = JobFilter { since: Some(home.catalog.now()), text: Some("x".to_owned()), ..JobFilter::default() };
        let filters = [
            JobFilter::default(),
            full.clone(),
            JobFilter { order: Order::Ascending, ..full.clone() },
            JobFilter { app_id: Some(String::new()), ..full.clone() },
            JobFilter { configuration_id: Some(String::new()), ..full.clone() },
            JobFilter { status: Some(Status::Failed), kind: Some(JobKind::Backup), origin: Some(Origin::Manual), ..full },
        ];
        home.catalog
            .read(|connection| {
                for filter in &filters {
                    assert_walks_an_index(&list(filter).explain(connection, Job::COLUMNS));
                }
                assert_walks_an_index(&active().explain(connection, Job::COLUMNS));
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn pages_give_every_job_once_in_either_direction() {
        let home = Home::new();
        let made: Vec<String> = (0..23).map(|_| home.catalog.add_job(&NewJob::new(JobKind::Verify, Origin::Manual)).unwrap().id).collect();
        for order in [Order::Ascending, Order::Descending] {
            let filter = JobFilter { order, ..JobFilter::default() };
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = home.catalog.jobs_page(&filter, after.as_ref(), 5).unwrap();
                seen.extend(page.items.into_iter().map(|job| job.id));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            if order == Order::Descending {
                seen.reverse();
            }
            assert_eq!(seen, made);
        }
    }

    #[test]
    fn jobs_are_found_by_app_status_and_text() {
        let home = Home::new();
        let (school, shop) = (home.app("school"), home.app("shop"));
        let job = |app: &str| NewJob { app_id: Some(app.to_owned()), ..NewJob::new(JobKind::Backup, Origin::Manual) };
        let first = home.catalog.add_job(&job(&school)).unwrap();
        let second = home.catalog.add_job(&job(&shop)).unwrap();
        home.catalog.cancel_job(&second.id).unwrap();
        let ids = |filter: JobFilter| -> Vec<String> {
            home.catalog.jobs_page(&filter, None, 10).unwrap().items.into_iter().map(|job| job.id).collect()
        };
        assert_eq!(ids(JobFilter { app_id: Some(school), ..JobFilter::default() }), [first.id.as_str()]);
        assert_eq!(ids(JobFilter { status: Some(Status::Cancelled), ..JobFilter::default() }), [second.id.as_str()]);
        assert_eq!(ids(JobFilter { text: Some("SCHO".to_owned()), ..JobFilter::default() }), [first.id.as_str()]);
        assert!(ids(JobFilter { text: Some("%".to_owned()), ..JobFilter::default() }).is_empty());
        assert_eq!(home.catalog.active_jobs(None, 10).unwrap().items, [first]);
    }

    #[test]
    fn a_log_is_read_on_from_where_one_was() {
        let home = Home::new();
        let job = home.catalog.add_job(&NewJob::new(JobKind::Verify, Origin::Manual)).unwrap().id;
        home.catalog.log(&job, Level::Info, "one").unwrap();
        assert_eq!(home.catalog.log_all(&job, &[(Level::Warning, "two"), (Level::Debug, "three")]).unwrap(), 3);
        let read = |after, level| -> Vec<String> {
            home.catalog.job_log(&job, after, level, 10).unwrap().into_iter().map(|line| line.text).collect()
        };
        assert_eq!(read(1, Level::Debug), ["two", "three"]);
        assert_eq!(read(0, Level::Warning), ["two"]);
        assert_eq!(home.catalog.prune_job_logs(home.later(1)).unwrap(), 3);
        assert!(read(0, Level::Debug).is_empty());
    }

    #[test]
    fn a_job_that_has_ended_cannot_be_cancelled() {
        let home = Home::new();
        let job = home.catalog.add_job(&NewJob::new(JobKind::Verify, Origin::Manual)).unwrap().id;
        assert_eq!(home.catalog.cancel_job(&job).unwrap(), Status::Cancelled);
        assert!(matches!(home.catalog.cancel_job(&job), Err(Error::WrongState { .. })));
    }
}
