//! The scheduler: starts what is due, one process at a time.
//!
//! A run is taken before it starts, by moving its configuration's next run on: a crash in the middle leaves a dead job and its alert,
//! never the same run again and again. However many due times passed while nothing ran, they are caught up with one run.

use std::collections::HashSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::Scope;
use std::time::Duration;

use serde::Serialize;

use crate::catalog::{Configuration, Lease, LeaseClaim, Origin, Role, Time};

use super::Engine;
use super::backup::BackupResult;
use super::error::{Error, Result};
use super::jobs::{is_alive, process};

/// The lease that one scheduler of a home holds.
const LEASE: &str = "scheduler";

/// How long the lease lasts unless it is renewed.
const TERM: Duration = Duration::from_secs(30);

/// How often the lease is renewed, and what is due is looked for.
const BEAT: Duration = Duration::from_secs(5);

/// How many runs are looked at in one go; the rest is due a beat later.
const MOST_DUE: usize = 100;

/// Runs at the same time, unless the setting `jobs.parallel` says otherwise.
const PARALLEL: usize = 2;

/// What runs next, and who starts it: the JSON of `backstop schedule`.
#[derive(Clone, Debug, Serialize)]
pub struct Agenda {
    /// The process that starts what is due; none where nothing does.
    pub scheduler: Option<Lease>,
    /// What is due now, the longest due first, then what comes, the soonest first.
    pub runs: Vec<ScheduledRun>,
}

/// A run to come.
#[derive(Clone, Debug, Serialize)]
pub struct ScheduledRun {
    /// The configuration's id.
    pub id: String,
    /// The configuration's name.
    pub name: String,
    /// The app.
    pub app: String,
    /// The type of backup.
    #[serde(rename = "type")]
    pub kind: crate::catalog::BackupType,
    /// The cron expression.
    pub schedule: Option<String>,
    /// When.
    pub at: Option<Time>,
    /// Whether that has come.
    pub due: bool,
}

/// What the scheduler tells of its work.
#[derive(Debug)]
pub enum News {
    /// A run begins.
    Begun(Configuration),
    /// It ended: its backup, or why there is none.
    Ended(Configuration, Result<BackupResult>),
}

/// The scheduler of a home, as long as it lives.
pub struct Scheduler {
    engine: Engine,
    claim: LeaseClaim,
}

impl Engine {
    /// Becomes the scheduler of this home.
    ///
    /// # Errors
    /// Not permitted, or another process is.
    pub fn scheduler(&self) -> Result<Scheduler> {
        self.allow(Role::Operator, "run", "")?;
        let claim = self.catalog().take_lease(LEASE, &process(), TERM, is_alive)?;
        Ok(Scheduler { engine: self.clone(), claim })
    }

    /// What runs next, and who starts it.
    ///
    /// # Errors
    /// What the catalog says.
    pub fn agenda(&self, limit: usize) -> Result<Agenda> {
        let now = self.catalog().now();
        let mut runs: Vec<ScheduledRun> =
            self.catalog().configurations_due(now, limit)?.into_iter().map(|configuration| scheduled(configuration, true)).collect();
        let left = limit.saturating_sub(runs.len());
        runs.extend(self.catalog().configurations_upcoming(now, left)?.into_iter().map(|configuration| scheduled(configuration, false)));
        Ok(Agenda { scheduler: self.scheduler_now()?, runs })
    }

    /// The process that starts what is due, where one lives.
    fn scheduler_now(&self) -> Result<Option<Lease>> {
        let now = self.catalog().now();
        let held = self.catalog().lease(LEASE)?;
        Ok(held.filter(|lease| {
            let holder = crate::catalog::Claimant { pid: lease.pid, process: lease.process.clone() };
            lease.expires_at > now && is_alive(&holder)
        }))
    }
}

fn scheduled(configuration: Configuration, due: bool) -> ScheduledRun {
    let Configuration { id, name, app, kind, schedule, next_run_at, .. } = configuration;
    ScheduledRun { id, name, app, kind, schedule, at: next_run_at, due }
}

impl Scheduler {
    /// Starts what is due whenever it is, until `stopped` says so; what runs then is cancelled and waited for.
    ///
    /// # Errors
    /// The lease was lost, or what the catalog says. A run that fails is told and stops nothing.
    pub fn run(&self, stopped: &(dyn Fn() -> bool + Sync), told: &mut dyn FnMut(&News)) -> Result<()> {
        self.work(false, stopped, told)
    }

    /// Starts what is due now, waits for it, and ends.
    ///
    /// # Errors
    /// As [`Scheduler::run`].
    pub fn run_once(&self, stopped: &(dyn Fn() -> bool + Sync), told: &mut dyn FnMut(&News)) -> Result<()> {
        self.work(true, stopped, told)
    }

    fn work(&self, once: bool, stopped: &(dyn Fn() -> bool + Sync), told: &mut dyn FnMut(&News)) -> Result<()> {
        let ended = std::thread::scope(|scope| {
            let (tell, news) = channel();
            let mut active = HashSet::new();
            let worked = self.watch(once, stopped, scope, &tell, &news, &mut active, told);
            // However it ends, no run is left behind without its end being told.
            if !active.is_empty() {
                self.engine.cancel_here();
            }
            drop(tell);
            while !active.is_empty() {
                let Ok(ended) = news.recv() else { break };
                finish(&mut active, &ended, told);
            }
            worked
        });
        self.engine.catalog().release_lease(&self.claim)?;
        ended
    }

    #[allow(clippy::too_many_arguments)]
    fn watch<'scope>(
        &'scope self,
        once: bool,
        stopped: &(dyn Fn() -> bool + Sync),
        scope: &'scope Scope<'scope, '_>,
        tell: &Sender<News>,
        news: &Receiver<News>,
        active: &mut HashSet<String>,
        told: &mut dyn FnMut(&News),
    ) -> Result<()> {
        let parallel = self.engine.catalog().setting("jobs.parallel")?.unwrap_or(PARALLEL).max(1);
        loop {
            self.keep_lease()?;
            self.engine.bury_the_dead()?;
            let due = self.engine.catalog().configurations_due(self.engine.catalog().now(), MOST_DUE)?;
            let waiting = due.len();
            for configuration in due {
                if active.len() < parallel && self.take(&configuration)? {
                    active.insert(configuration.id.clone());
                    told(&News::Begun(configuration.clone()));
                    let tell = tell.clone();
                    scope.spawn(move || {
                        let made = self.back_up(&configuration);
                        let _ = tell.send(News::Ended(configuration, made));
                    });
                }
            }
            if stopped() || (once && active.is_empty() && waiting == 0) {
                return Ok(());
            }
            self.wait(stopped, news, active, told);
        }
    }

    /// Waits a beat, or until a run ends or the end is wished for.
    fn wait(&self, stopped: &(dyn Fn() -> bool + Sync), news: &Receiver<News>, active: &mut HashSet<String>, told: &mut dyn FnMut(&News)) {
        const LOOK: Duration = Duration::from_millis(100);
        for _ in 0..BEAT.as_millis() / LOOK.as_millis() {
            match news.recv_timeout(LOOK) {
                Ok(ended) => return finish(active, &ended, told),
                Err(RecvTimeoutError::Timeout) if !stopped() => {}
                Err(_) => return,
            }
        }
    }

    fn keep_lease(&self) -> Result<()> {
        if self.engine.catalog().renew_lease(&self.claim, TERM)? {
            return Ok(());
        }
        Err(Error::Refused {
            why: "another process has become the scheduler meanwhile".into(),
            hint: "See which: backstop schedule".into(),
        })
    }

    /// Takes the run that is due; a schedule that cannot be read any more has none after it.
    fn take(&self, configuration: &Configuration) -> Result<bool> {
        let Some(due) = configuration.next_run_at else { return Ok(false) };
        let next = self.engine.next_run(configuration.schedule.as_deref(), true).ok().flatten();
        Ok(self.engine.catalog().take_due_run(&configuration.id, due, next)?)
    }

    fn back_up(&self, configuration: &Configuration) -> Result<BackupResult> {
        let mut request = self.engine.configured_backup(configuration);
        request.origin = Origin::Scheduled;
        self.engine.backup(&request)
    }
}

fn finish(active: &mut HashSet<String>, ended: &News, told: &mut dyn FnMut(&News)) {
    if let News::Ended(configuration, _) = ended {
        active.remove(&configuration.id);
    }
    told(ended);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::SignedDuration;
    use rusqlite::Connection;

    use super::*;
    use crate::catalog::{BackupFilter, BackupType, JobFilter, NewConfiguration, Status};
    use crate::clock::ManualClock;
    use crate::engine::apps::AppRequest;
    use crate::engine::vaults::VaultRequest;
    use crate::engine::{Home, Passphrases};
    use crate::vault::Secret;

    struct Known;

    impl Passphrases for Known {
        fn passphrase(&self, _: &str) -> Result<Secret> {
            Ok(Secret::new("for tests".into()))
        }
    }

    struct Place {
        folder: tempfile::TempDir,
        clock: Arc<ManualClock>,
        engine: Engine,
    }

    impl Place {
        /// An app with a configuration that runs every day at two, at noon of some day.
        fn nightly() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let database = folder.path().join("a.db");
            Connection::open(&database)
                .unwrap()
                .execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 1)")
                .unwrap();
            let clock = Arc::new(ManualClock::new("2026-03-01T12:00:00Z".parse().unwrap()));
            let engine = Engine::open(Home::at(folder.path().join("home")), clock.clone(), Box::new(Known)).unwrap();
            let locations = [folder.path().join("vault").display().to_string()];
            let passphrase = Secret::new("for tests".into());
            engine.create_vault(&VaultRequest { name: "main", locations: &locations, passphrase: &passphrase, recovery: false }).unwrap();
            let database = Some(format!("sqlite:{}", database.display()));
            let app = engine.add_app(&AppRequest { name: "a".into(), database, ..AppRequest::default() }).unwrap();
            let mut new = NewConfiguration::new("nightly", app.id, BackupType::Full);
            new.schedule = Some("0 2 * * *".into());
            engine.create_configuration(new).unwrap();
            Self { folder, clock, engine }
        }

        /// What a scheduler starts now.
        fn started(&self) -> usize {
            let mut begun = 0;
            let scheduler = self.engine.scheduler().unwrap();
            scheduler.run_once(&|| false, &mut |news| begun += usize::from(matches!(news, News::Begun(_)))).unwrap();
            begun
        }

        fn advance(&self, hours: i64) {
            self.clock.advance(SignedDuration::from_hours(hours));
        }
    }

    #[test]
    fn a_run_starts_once_when_its_time_has_come() {
        let place = Place::nightly();
        assert_eq!(place.started(), 0);
        place.advance(14);
        assert_eq!((place.started(), place.started()), (1, 0));
        let backup = place.engine.catalog().backups_page(&BackupFilter::default(), None, 5).unwrap().items.remove(0);
        assert_eq!(
            (backup.origin, backup.status, backup.configuration.as_deref()),
            (Origin::Scheduled, Status::Completed, Some("nightly"))
        );
        place.advance(24);
        assert_eq!(place.started(), 1);
    }

    #[test]
    fn what_was_missed_while_nothing_ran_is_caught_up_once() {
        let place = Place::nightly();
        place.advance(24 * 5);
        assert!(place.engine.agenda(10).unwrap().runs[0].due);
        assert_eq!((place.started(), place.started()), (1, 0));
        let agenda = place.engine.agenda(10).unwrap();
        assert_eq!(agenda.runs[0].at.unwrap().to_string(), "2026-03-07T02:00:00.000Z");
        assert!(!agenda.runs[0].due && agenda.scheduler.is_none());
    }

    #[test]
    fn a_run_that_fails_is_told_and_not_repeated_before_its_next_time() {
        let place = Place::nightly();
        std::fs::remove_file(place.folder.path().join("a.db")).unwrap();
        place.advance(14);
        assert_eq!((place.started(), place.started()), (1, 0));
        let jobs = place.engine.catalog().jobs_page(&JobFilter::default(), None, 5).unwrap().items;
        assert_eq!((jobs.len(), jobs[0].status), (1, Status::Failed));
        assert_eq!(place.engine.catalog().open_alerts(5).unwrap().len(), 1);
    }

    #[test]
    fn a_disabled_configuration_does_not_run() {
        let place = Place::nightly();
        let nightly = place.engine.configuration("nightly", None).unwrap();
        place.engine.enable_configuration(&nightly, false).unwrap();
        place.advance(48);
        assert_eq!(place.started(), 0);
    }

    #[test]
    fn a_run_is_taken_by_one_process_only() {
        let place = Place::nightly();
        place.advance(14);
        let nightly = place.engine.configuration("nightly", None).unwrap();
        let due = nightly.next_run_at.unwrap();
        assert!(place.engine.catalog().take_due_run(&nightly.id, due, None).unwrap());
        assert!(!place.engine.catalog().take_due_run(&nightly.id, due, None).unwrap());
    }

    #[test]
    fn a_scheduler_whose_lease_another_process_took_starts_nothing() {
        let place = Place::nightly();
        let scheduler = place.engine.scheduler().unwrap();
        place.advance(14);
        let init = crate::catalog::Claimant { pid: 1, process: "another".into() };
        place.engine.catalog().take_lease(LEASE, &init, TERM, |_| false).unwrap();
        assert!(matches!(scheduler.run_once(&|| false, &mut |_| {}), Err(Error::Refused { .. })));
        assert_eq!(place.engine.catalog().jobs_page(&JobFilter::default(), None, 5).unwrap().items.len(), 0);
    }
}
