//! `backstop console`: its arguments.

use clap::Args;

/// `backstop console`.
#[derive(Clone, Debug, Default, Args)]
pub struct Console {
    /// Hide and refuse every change.
    #[arg(long)]
    pub read_only: bool,
    /// The theme.
    #[arg(long, value_name = "NAME")]
    pub theme: Option<String>,
    /// The screen to open on: overview, configs, jobs, backups, restore, alerts, archive, storage, activity.
    #[arg(long, value_name = "NAME")]
    pub screen: Option<String>,
    /// Draw with ASCII characters alone.
    #[arg(long)]
    pub ascii: bool,
    /// Use the mouse; the terminal's own selection then needs Shift.
    #[arg(long)]
    pub mouse: bool,
}
