//! `backstop backup`: back up now.

use clap::{ArgGroup, Args};

/// The types of backup that can be asked for.
pub const TYPES: [&str; 5] = ["full", "incremental", "database", "files", "configuration"];

/// `backstop backup`.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("what").args(["config", "app"]).required(true))]
pub struct Backup {
    /// Run this configuration now.
    #[arg(long, value_name = "NAME")]
    pub config: Option<String>,
    /// Back up this application as said here.
    #[arg(long, value_name = "NAME", requires = "kind")]
    pub app: Option<String>,
    /// What is backed up.
    #[arg(long = "type", value_name = "TYPE", requires = "app", value_parser = TYPES)]
    pub kind: Option<String>,
    /// Leave out what the configuration names as dispensable.
    #[arg(long)]
    pub quick: bool,
    /// Only these modules.
    #[arg(long, value_name = "M,…", value_delimiter = ',')]
    pub modules: Vec<String>,
    /// Only these models.
    #[arg(long, value_name = "M,…", value_delimiter = ',')]
    pub models: Vec<String>,
    /// Why, for the log.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Read the backup back and compare it once it is made.
    #[arg(long)]
    pub verify: bool,
    /// Never remove it by retention.
    #[arg(long)]
    pub protect: bool,
    /// Store everything anew instead of changes upon an earlier base.
    #[arg(long)]
    pub new_base: bool,
}
