//! `backstop jobs`: what runs and what ran.

use clap::{Args, Subcommand};

use super::args::action_or_list;
use super::output::Failure;

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
    /// Stop one that runs or waits.
    Cancel(Cancel),
    /// Run one that failed again.
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
    /// Print further lines as they come, until the job ends.
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
