//! `backstop alerts`: what somebody must know.

use clap::{ArgGroup, Args, Subcommand};
use jiff::SignedDuration;

use super::args::action_or_list;
use super::output::Failure;
use super::units::parse_duration;

/// `backstop alerts`; without an action, the list.
#[derive(Debug, Args)]
pub struct Alerts {
    /// What to do.
    #[command(subcommand)]
    pub action: Option<Action>,
    /// What the list holds.
    #[command(flatten)]
    pub list: List,
}

/// `backstop alerts …`.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List the alerts: active ones first.
    List(List),
    /// Show one: what was measured, what happened, what to do.
    Show(One),
    /// Say that somebody is on it.
    Ack(Several),
    /// Say that it is over, and why.
    Resolve(Several),
    /// Hide it for a while.
    Snooze(Snooze),
}

/// Which alerts.
#[derive(Clone, Debug, Default, PartialEq, Args)]
pub struct Filter {
    /// Of this severity.
    #[arg(long, value_name = "SEVERITY", value_parser = ["info", "warning", "error", "critical"])]
    pub severity: Option<String>,
    /// Of this type.
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
}

/// What the list holds.
#[derive(Clone, Debug, Default, PartialEq, Args)]
pub struct List {
    /// Resolved ones too.
    #[arg(long)]
    pub all: bool,
    /// Which alerts.
    #[command(flatten)]
    pub filter: Filter,
}

/// One alert.
#[derive(Clone, Debug, Args)]
pub struct One {
    /// The alert's id or its beginning.
    pub id: String,
}

/// The alerts that an action is for: ids, or all that the filter leaves.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("which").args(["ids", "all"]).required(true))]
pub struct Several {
    /// Their ids or the beginnings of them.
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// All active ones, narrowed by --severity and --type.
    #[arg(long)]
    pub all: bool,
    /// Which of all.
    #[command(flatten)]
    pub filter: Filter,
    /// What the next person should know.
    #[arg(long, value_name = "TEXT")]
    pub notes: Option<String>,
}

/// `backstop alerts snooze`.
#[derive(Clone, Debug, Args)]
pub struct Snooze {
    /// Which alerts.
    #[command(flatten)]
    pub which: Several,
    /// For how long: 30m, 8h, 2d.
    #[arg(long = "for", value_name = "DURATION", default_value = "8h", value_parser = parse_duration)]
    pub duration: SignedDuration,
}

impl Alerts {
    /// What to do; the list where nothing is said.
    pub fn action(self) -> Result<Action, Failure> {
        action_or_list(self.action, self.list, Action::List)
    }
}
