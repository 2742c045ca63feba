//! `backstop jobs`: what runs and what ran.

use clap::{Args, Subcommand};

use super::session::{Ended, Session};
use super::session::{pages, short, word};
use super::table::{Align, Table, facts};
use crate::catalog::{JobFilter, Level};
use crate::error::Status;

use super::args::action_or_list;
use super::output::Failure;
use super::text::clean;

/// How often a log that is followed is looked at.
const LOOK: std::time::Duration = std::time::Duration::from_millis(250);

/// `backstop jobs`; without an action, the list.
#[derive(Debug, Args)]
pub struct Jobs {
    /// What to do.
    #[command(subcommand)]
    pub action: Option<Action>,
    /// What the list holds.
    #[command(flatten)]
    pub list: List,
}

/// `backstop jobs …`.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List the jobs: running ones, then history.
    List(List),
    /// Show one.
    Show(One),
    /// Print its log.
    Log(Log),
    /// Stop one that runs or waits, whichever process runs it.
    Cancel(Cancel),
    /// Do a backup's job over: by its configuration, or as it was asked for.
    Retry(One),
}

/// What the list holds.
#[derive(Clone, Debug, Default, PartialEq, Args)]
pub struct List {
    /// Of this application.
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
    /// With this status.
    #[arg(long, value_name = "STATUS", value_parser = ["queued", "running", "completed", "partial", "failed", "cancelled"])]
    pub status: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

/// One job.
#[derive(Clone, Debug, Args)]
pub struct One {
    /// The job's id or its beginning.
    pub id: String,
}

/// `backstop jobs log`.
#[derive(Clone, Debug, Args)]
pub struct Log {
    /// The job's id or its beginning.
    pub id: String,
    /// Go on printing what is written until the job has ended.
    #[arg(long)]
    pub follow: bool,
}

/// `backstop jobs cancel`.
#[derive(Clone, Debug, Args)]
pub struct Cancel {
    /// The job's id or its beginning.
    pub id: String,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

impl Jobs {
    /// What to do; the list where nothing is said.
    pub fn action(self) -> Result<Action, Failure> {
        action_or_list(self.action, self.list, Action::List)
    }
}

impl Session<'_> {
    /// `backstop jobs …`.
    pub fn jobs(&mut self, action: Action) -> Ended {
        use crate::catalog::Kind;
        match action {
            Action::List(list) => {
                let app_id = list.app.as_deref().map(|app| self.engine.app(Some(app))).transpose()?.map(|app| app.id);
                let filter = JobFilter { app_id, status: word(list.status.as_deref())?, ..JobFilter::default() };
                let jobs = pages(list.limit, |after, limit| self.engine.catalog().jobs_page(&filter, after, limit))?;
                self.output.list(&jobs, "there are no jobs", |jobs| {
                    let mut table = Table::new(&[
                        ("id", Align::Left),
                        ("app", Align::Left),
                        ("kind", Align::Left),
                        ("status", Align::Left),
                        ("result", Align::Left),
                    ]);
                    for job in jobs {
                        let result = job.error.clone().or(job.message.clone()).unwrap_or_default();
                        table.row([
                            short(&job.id),
                            job.app.clone().unwrap_or_default(),
                            job.kind.to_string(),
                            job.status.to_string(),
                            result,
                        ]);
                    }
                    table
                })?;
            }
            Action::Show(one) => {
                let job = self.engine.catalog().job(&self.engine.resolve(Kind::Job, &one.id)?)?;
                self.output.result(&job, |job| {
                    let result = job.error.clone().or(job.message.clone()).unwrap_or_default();
                    facts(&[
                        ("id", job.id.clone()),
                        ("kind", job.kind.to_string()),
                        ("status", job.status.to_string()),
                        ("app", job.app.clone().unwrap_or_default()),
                        ("result", result),
                        ("hint", job.hint.clone().unwrap_or_default()),
                    ])
                })?;
            }
            Action::Log(log) => {
                let job = self.engine.resolve(Kind::Job, &log.id)?;
                if log.follow && !self.output.json() {
                    return self.follow(&job);
                }
                while log.follow && !self.engine.catalog().job(&job)?.status.is_outcome() {
                    self.engine.bury_the_dead()?;
                    std::thread::sleep(LOOK);
                }
                let lines = self.engine.catalog().job_log(&job, 0, Level::Debug, usize::from(u16::MAX))?;
                self.output.list(&lines, "its log is empty", |lines| {
                    let mut table = Table::new(&[("time", Align::Left), ("level", Align::Left), ("text", Align::Left)]);
                    for line in lines {
                        table.row([line.time.to_string(), line.level.to_string(), line.text.clone()]);
                    }
                    table
                })?;
            }
            Action::Cancel(cancel) => {
                let job = self.engine.resolve(Kind::Job, &cancel.id)?;
                self.confirm(&format!("Stop job {job}?"), cancel.yes)?;
                self.engine.cancel_job(&job)?;
                let job = self.engine.catalog().job(&job)?;
                self.output.result(&job, |job| vec![format!("job {} was asked to stop", job.id)])?;
            }
            Action::Retry(one) => {
                let request = self.engine.backup_again(&self.engine.resolve(Kind::Job, &one.id)?)?;
                return self.back_up(&request, false);
            }
        }
        Ok(Status::Done)
    }

    /// Prints a log as it grows, until its job has ended.
    fn follow(&mut self, job: &str) -> Ended {
        let mut last = 0;
        loop {
            // Asked for before the lines: whatever the end wrote is among them.
            let ended = self.engine.catalog().job(job)?.status.is_outcome();
            for line in self.engine.catalog().job_log(job, last, Level::Debug, usize::from(u16::MAX))? {
                self.output.lines(&[format!("{}  {:<7}  {}", line.time, line.level, clean(&line.text))])?;
                last = line.seq;
            }
            if ended {
                return Ok(Status::Done);
            }
            self.engine.bury_the_dead()?;
            std::thread::sleep(LOOK);
        }
    }
}
