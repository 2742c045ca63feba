//! `backstop backups`: what there is to restore from.

use clap::{Args, Subcommand};

use super::args::action_or_list;
use super::output::Failure;
use super::units::{When, parse_when};

/// `backstop backups`; without an action, the list.
#[derive(Debug, Args)]
pub struct Backups {
    /// What to do.
    #[command(subcommand)]
    pub action: Option<Action>,
    /// What the list holds.
    #[command(flatten)]
    pub list: List,
}

/// `backstop backups …`.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List the backups, the newest first.
    List(List),
    /// Show one: its figures, where it is, its models.
    Show(One),
    /// Read one back and compare it with its digests.
    Verify(Verify),
    /// Never remove one by retention.
    Protect(One),
    /// Let retention decide about one again.
    Unprotect(One),
    /// List its models and how many records each has.
    Models(One),
    /// Show the records of one of its models.
    Rows(Rows),
}

/// What a list of backups holds.
#[derive(Clone, Debug, Default, PartialEq, Args)]
pub struct List {
    /// Of this application.
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
    /// Of this type.
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    /// With this outcome.
    #[arg(long, value_name = "STATUS")]
    pub status: Option<String>,
    /// Made for this reason: scheduled, manual, safety.
    #[arg(long, value_name = "ORIGIN")]
    pub origin: Option<String>,
    /// Not older than this: a time, or `2d`.
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    pub since: Option<When>,
    /// At most so many.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

/// One backup.
#[derive(Clone, Debug, Args)]
pub struct One {
    /// The backup's id, its beginning, or `latest`.
    pub id: String,
    /// The application meant by `latest`.
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
}

/// `backstop backups verify`.
#[derive(Clone, Debug, Args)]
pub struct Verify {
    /// The backup.
    #[command(flatten)]
    pub backup: One,
    /// How deep: 0 all objects are there, 1 they are whole, 2 they decode, 3 every record is compared.
    #[arg(long, value_name = "0-3", default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=3))]
    pub level: u8,
}

/// `backstop backups rows`.
#[derive(Clone, Debug, Args)]
pub struct Rows {
    /// The backup's id, its beginning, or `latest`.
    pub id: String,
    /// The model.
    #[arg(required_unless_present = "model_flag")]
    pub model: Option<String>,
    /// The model, as a flag.
    #[arg(long = "model", value_name = "MODEL", conflicts_with = "model")]
    pub model_flag: Option<String>,
    /// The application meant by `latest`.
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
}

impl Rows {
    /// The model, however it was given.
    #[must_use]
    pub fn model(&self) -> &str {
        self.model.as_deref().or(self.model_flag.as_deref()).unwrap_or_default()
    }
}

impl Backups {
    /// What to do; the list where nothing is said.
    pub fn action(self) -> Result<Action, Failure> {
        action_or_list(self.action, self.list, Action::List)
    }
}
