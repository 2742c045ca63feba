//! `backstop restores`: the restore log.

use clap::{Args, Subcommand};

use super::args::action_or_list;
use super::output::Failure;

/// `backstop restores`; without an action, the list.
#[derive(Debug, Args)]
pub struct Restores {
    /// What to do.
    #[command(subcommand)]
    pub action: Option<Action>,
    /// What the list holds.
    #[command(flatten)]
    pub list: List,
}

/// `backstop restores …`.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List the restores, the newest first.
    List(List),
    /// Show one: who, why, what it wrote, until when it can be undone.
    Show(One),
}

/// What the list holds.
#[derive(Clone, Debug, Default, PartialEq, Args)]
pub struct List {
    /// Of this application.
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

/// One restore.
#[derive(Clone, Debug, Args)]
pub struct One {
    /// The restore's id or its beginning.
    pub id: String,
}

impl Restores {
    /// What to do; the list where nothing is said.
    pub fn action(self) -> Result<Action, Failure> {
        action_or_list(self.action, self.list, Action::List)
    }
}
