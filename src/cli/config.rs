//! `backstop config`: how and when an application is backed up.

use clap::{Args, Subcommand};

use super::backup::TYPES;

/// `backstop config …`.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// List the configurations.
    List(List),
    /// Show one.
    Show(One),
    /// Make one; asks for what is not given, on a terminal.
    Create(Create),
    /// Change one.
    Edit(Edit),
    /// Let its schedule run again.
    Enable(One),
    /// Keep it and do not run it by schedule.
    Disable(One),
    /// Delete one; its backups stay.
    Delete(Delete),
    /// List the presets that `create --preset` begins from.
    Presets,
    /// Remove ad-hoc configurations older than 7 days that no job refers to.
    Cleanup(Cleanup),
}

/// `backstop config list`.
#[derive(Clone, Debug, Default, Args)]
pub struct List {
    /// Of this application.
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
}

/// One configuration.
#[derive(Clone, Debug, Args)]
pub struct One {
    /// The configuration: a name, an id, or the beginning of an id.
    pub config: String,
    /// The application, where two have a configuration of that name.
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
}

/// `backstop config create`.
#[derive(Clone, Debug, Args)]
pub struct Create {
    /// Its name.
    pub name: Option<String>,
    /// Its name, as a flag.
    #[arg(long = "name", value_name = "NAME", conflicts_with = "name", id = "name_flag")]
    pub name_flag: Option<String>,
    /// The application.
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
    /// Begin from a preset; what else is given wins.
    #[arg(long, value_name = "PRESET")]
    pub preset: Option<String>,
    /// The fields.
    #[command(flatten)]
    pub fields: Fields,
    /// Make it disabled.
    #[arg(long)]
    pub disabled: bool,
}

impl Create {
    /// The name, however it was given.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref().or(self.name_flag.as_deref())
    }
}

/// `backstop config edit`.
#[derive(Clone, Debug, Args)]
pub struct Edit {
    /// The configuration.
    #[command(flatten)]
    pub which: One,
    /// A new name.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The fields; what is not given stays.
    #[command(flatten)]
    pub fields: Fields,
    /// Take the schedule away.
    #[arg(long, conflicts_with = "schedule")]
    pub no_schedule: bool,
    /// Back up everything again, whatever modules and models were named.
    #[arg(long, conflicts_with_all = ["modules", "models"])]
    pub everything: bool,
    /// Do not leave out what is dispensable any more.
    #[arg(long, conflicts_with = "quick")]
    pub no_quick: bool,
}

/// The fields that creating and editing share.
#[derive(Clone, Debug, Default, Args)]
pub struct Fields {
    /// What is backed up.
    #[arg(long = "type", value_name = "TYPE", value_parser = TYPES)]
    pub kind: Option<String>,
    /// When, as a cron expression of five fields, UTC: `0 2 * * *` is every day at two.
    #[arg(long, value_name = "CRON")]
    pub schedule: Option<String>,
    /// Days that its backups are kept.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub retention_days: Option<u32>,
    /// Leave out log, report and session tables.
    #[arg(long)]
    pub quick: bool,
    /// Only these modules.
    #[arg(long, value_name = "M,…", value_delimiter = ',')]
    pub modules: Option<Vec<String>>,
    /// Only these models.
    #[arg(long, value_name = "M,…", value_delimiter = ',')]
    pub models: Option<Vec<String>>,
    /// What it is for.
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
}

/// `backstop config delete`.
#[derive(Clone, Debug, Args)]
pub struct Delete {
    /// The configuration.
    #[command(flatten)]
    pub which: One,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// `backstop config cleanup`.
#[derive(Clone, Debug, Args)]
pub struct Cleanup {
    /// Of this application.
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}
