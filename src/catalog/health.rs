//! What health is judged by: the last good backup of each app, failures, a calendar, and how backups grow.
//!
//! The figures only; what they mean is the engine's to say.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::{Reader, Result, Status, Time};

/// How an app fares.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct AppHealth {
    /// The app's id.
    pub app_id: String,
    /// The app's name.
    pub app: String,
    /// Its newest completed backup that covers all of a configuration.
    pub last_good_backup: Option<String>,
    /// The moment that backup shows.
    pub last_good_at: Option<Time>,
    /// When any backup of it was last proven.
    pub proven_at: Option<Time>,
    /// When its next scheduled backup is due.
    pub next_run_at: Option<Time>,
    /// How often a backup of it failed since the last good one; of more than a hundred, a hundred.
    pub failed: u64,
}

/// Counts of backups since a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct BackupSummary {
    /// All that ended.
    pub total_backups: u64,
    /// Those that completed.
    pub successful_backups: u64,
    /// Those that completed but for what they name.
    pub partial_backups: u64,
    /// Those that failed.
    pub failed_backups: u64,
}

/// A day of an app in the calendar.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Day {
    /// The app's id.
    pub app_id: String,
    /// The day, UTC: `2026-11-21`.
    pub day: String,
    /// The worst that a backup came to on that day.
    pub worst: Status,
    /// The backups of that day.
    pub backups: u64,
}

/// A backup's size and duration, for a trend.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct TrendPoint {
    /// The moment it shows.
    pub taken_at: Time,
    /// The bytes read for it.
    pub bytes_read: u64,
    /// Those it added to a location.
    pub bytes_stored: u64,
    /// Its rows.
    pub records: u64,
    /// How long it took, in seconds.
    pub duration_seconds: f64,
}

/// The most days that one calendar shows.
const CALENDAR_DAYS: usize = 366;

impl Reader {
    /// How each app fares, by name.
    pub fn app_health(&self) -> Result<Vec<AppHealth>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT a.id, a.name,
                     (SELECT max(verified_at) FROM backup WHERE app_id = a.id AND verified_at IS NOT NULL AND deleted_at IS NULL
                         AND verified_level >= 3),
                     (SELECT min(next_run_at) FROM configuration WHERE app_id = a.id AND enabled = 1 AND deleted_at IS NULL)
                 FROM app a WHERE a.removed_at IS NULL ORDER BY a.name",
            )?;
            let mut rows = statement.query([])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let app_id: String = row.get(0)?;
                let (last_good_backup, last_good_at) = last_good(connection, &app_id)?.unzip();
                let (app, proven_at, next_run_at) = (row.get(1)?, row.get(2)?, row.get(3)?);
                let failed = failed_since(connection, &app_id, last_good_at)?;
                all.push(AppHealth { app_id, app, last_good_backup, last_good_at, proven_at, next_run_at, failed });
            }
            Ok(all)
        })
    }

    /// Counts of the backups taken at `since` or later, deleted ones left out.
    pub fn backup_summary(&self, since: Time) -> Result<BackupSummary> {
        self.read(|connection| {
            let sql = "SELECT count(*), total(status = 'completed'), total(status = 'partial'), total(status = 'failed')
                 FROM backup WHERE taken_at >= ?1 AND deleted_at IS NULL AND status NOT IN ('queued', 'running')";
            Ok(connection.prepare_cached(sql)?.query_row([since], |row| {
                let count = |index| row.get::<_, f64>(index).map(|count| count as u64);
                Ok(BackupSummary {
                    total_backups: row.get(0)?,
                    successful_backups: count(1)?,
                    partial_backups: count(2)?,
                    failed_backups: count(3)?,
                })
            })?)
        })
    }

    /// The days from `since` on (at most a year of them) on which an app had backups, oldest first, with the worst outcome of each.
    pub fn calendar(&self, app_id: &str, since: Time) -> Result<Vec<Day>> {
        self.read(|connection| calendar(connection, app_id, since))
    }

    /// The sizes and durations of the newest completed or partial backups of a configuration, oldest first.
    pub fn trend(&self, configuration_id: &str, limit: usize) -> Result<Vec<TrendPoint>> {
        self.read(|connection| {
            let sql = "SELECT taken_at, bytes_read, bytes_stored, records, duration_seconds FROM backup INDEXED BY backup_by_configuration
                 WHERE configuration_id = ?1 AND status IN ('completed', 'partial') ORDER BY taken_at DESC, id DESC LIMIT ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let points = statement.query_map(params![configuration_id, limit], |row| {
                Ok(TrendPoint {
                    taken_at: row.get(0)?,
                    bytes_read: row.get(1)?,
                    bytes_stored: row.get(2)?,
                    records: row.get(3)?,
                    duration_seconds: row.get(4)?,
                })
            })?;
            let mut points = points.collect::<rusqlite::Result<Vec<_>>>()?;
            points.reverse();
            Ok(points)
        })
    }
}

/// The newest backup that a person could rely on; the condition is the partial index's, word for word.
fn last_good(connection: &Connection, app_id: &str) -> Result<Option<(String, Time)>> {
    let sql = "SELECT id, taken_at FROM backup INDEXED BY backup_good
         WHERE app_id = ?1 AND status = 'completed' AND deleted_at IS NULL AND type NOT IN ('tenant', 'export', 'verification', 'safety')
         AND narrowed = 0 AND (type NOT IN ('files', 'configuration') OR (SELECT database FROM app WHERE id = ?1) IS NULL)
         ORDER BY taken_at DESC, id DESC LIMIT 1";
    Ok(connection.prepare_cached(sql)?.query_row([app_id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// A backup that failed has a job, and nothing in the vault.
fn failed_since(connection: &Connection, app_id: &str, since: Option<Time>) -> Result<u64> {
    let sql = "SELECT count(*) FROM (SELECT 1 FROM job INDEXED BY job_by_app
         WHERE app_id = ?1 AND created_at > ifnull(?2, '') AND kind = 'backup' AND status = 'failed' LIMIT 100)";
    Ok(connection.prepare_cached(sql)?.query_row(params![app_id, since], |row| row.get(0))?)
}

fn calendar(connection: &Connection, app_id: &str, since: Time) -> Result<Vec<Day>> {
    let mut statement = connection.prepare_cached(
        "SELECT substr(taken_at, 1, 10), status, count(*) FROM backup INDEXED BY backup_by_app
         WHERE app_id = ?1 AND taken_at >= ?2 AND deleted_at IS NULL GROUP BY 1, 2
         UNION ALL SELECT substr(created_at, 1, 10), status, count(*) FROM job INDEXED BY job_by_app
         WHERE app_id = ?1 AND created_at >= ?2 AND kind = 'backup' AND status = 'failed' GROUP BY 1, 2",
    )?;
    let mut days: BTreeMap<String, (Status, u64)> = BTreeMap::new();
    let mut rows = statement.query(params![app_id, since])?;
    while let Some(row) = rows.next()? {
        let (status, count): (Status, u64) = (row.get(1)?, row.get(2)?);
        let day = days.entry(row.get(0)?).or_insert((status, 0));
        day.0 = if gravity(status) > gravity(day.0) { status } else { day.0 };
        day.1 += count;
    }
    let skipped = days.len().saturating_sub(CALENDAR_DAYS);
    let day = |(day, (worst, backups))| Day { app_id: app_id.to_owned(), day, worst, backups };
    Ok(days.into_iter().skip(skipped).map(day).collect())
}

/// How bad a status is for whoever looks at a day.
fn gravity(status: Status) -> u8 {
    match status {
        Status::Completed => 0,
        Status::Queued => 1,
        Status::Running => 2,
        Status::Cancelled => 3,
        Status::Partial => 4,
        Status::Failed => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Home;
    use super::super::{BackupType, Claimant, JobKind, NewBackup, NewConfiguration, NewJob, Origin, Outcome};
    use super::*;

    const DAY: i64 = 24 * 3600;

    fn backup(home: &Home, app: &str, kind: BackupType, status: Status) -> String {
        home.advance(60);
        let new = NewBackup::new(home.catalog.new_id(), app, kind, status, home.catalog.now());
        home.catalog.record_backup(&new).unwrap().id
    }

    #[test]
    fn the_last_good_backup_is_a_completed_one_that_still_exists() {
        let home = Home::new();
        let (since, app) = (home.catalog.now(), home.app("school"));
        let good = backup(&home, &app, BackupType::Full, Status::Completed);
        backup(&home, &app, BackupType::Safety, Status::Completed);
        backup(&home, &app, BackupType::Full, Status::Failed);
        backup(&home, &app, BackupType::Full, Status::Partial);
        let deleted = backup(&home, &app, BackupType::Full, Status::Completed);
        home.catalog.delete_backup(&deleted).unwrap();
        let health = home.catalog.app_health().unwrap().remove(0);
        assert_eq!((health.last_good_backup.as_ref(), health.failed, health.proven_at), (Some(&good), 0, None));
        home.catalog.set_backup_verified(&good, 3).unwrap();
        assert_eq!(home.catalog.app_health().unwrap()[0].proven_at, Some(home.catalog.now()));
        let summary = home.catalog.backup_summary(since).unwrap();
        assert_eq!((summary.total_backups, summary.successful_backups, summary.partial_backups, summary.failed_backups), (4, 2, 1, 1));
    }

    #[test]
    fn backups_that_failed_since_the_last_good_one_are_counted_and_seen_on_their_day() {
        let home = Home::new();
        let (since, app) = (home.catalog.now(), home.app("school"));
        let fail = || {
            home.advance(60);
            let new = NewJob { app_id: Some(app.clone()), ..NewJob::new(JobKind::Backup, Origin::Scheduled) };
            let job = home.catalog.add_job(&new).unwrap();
            let claim = home.catalog.claim_job(&job.id, &Claimant { pid: 42, process: "42-1".into() }).unwrap();
            home.catalog.finish_job(&claim, &Outcome::new(Status::Failed)).unwrap();
        };
        fail();
        backup(&home, &app, BackupType::Full, Status::Completed);
        assert_eq!(home.catalog.app_health().unwrap()[0].failed, 0);
        fail();
        fail();
        assert_eq!(home.catalog.app_health().unwrap()[0].failed, 2);
        assert_eq!(home.catalog.calendar(&app, since).unwrap()[0].worst, Status::Failed);
    }

    #[test]
    fn a_day_shows_its_worst_outcome() {
        let home = Home::new();
        let (since, app) = (home.catalog.now(), home.app("school"));
        backup(&home, &app, BackupType::Full, Status::Failed);
        backup(&home, &app, BackupType::Full, Status::Completed);
        home.advance(2 * DAY);
        backup(&home, &app, BackupType::Full, Status::Completed);
        let days = home.catalog.calendar(&app, since).unwrap();
        let seen: Vec<_> = days.iter().map(|day| (day.day.as_str(), day.worst, day.backups)).collect();
        assert_eq!(seen, [("2026-11-21", Status::Failed, 2), ("2026-11-23", Status::Completed, 1)]);
        assert_eq!(home.catalog.calendar(&app, home.catalog.now()).unwrap().len(), 1);
    }

    #[test]
    fn a_trend_is_the_newest_backups_in_the_order_they_were_taken_in() {
        let home = Home::new();
        let app = home.app("school");
        let daily = home.catalog.add_configuration(&NewConfiguration::new("daily", &app, BackupType::Full)).unwrap().id;
        for size in [1, 2, 3] {
            home.advance(DAY);
            let mut new = NewBackup::new(home.catalog.new_id(), &app, BackupType::Full, Status::Completed, home.catalog.now());
            (new.configuration_id, new.bytes_stored) = (Some(daily.clone()), size);
            home.catalog.record_backup(&new).unwrap();
        }
        let sizes: Vec<u64> = home.catalog.trend(&daily, 2).unwrap().into_iter().map(|point| point.bytes_stored).collect();
        assert_eq!(sizes, [2, 3]);
    }
}
