//! `backstop demo`: its arguments.

use std::path::PathBuf;

use clap::Args;

/// `backstop demo`.
#[derive(Clone, Debug, Args)]
pub struct Demo {
    /// Where it stands; one that exists is opened as it is [default: a folder of its own beside your data].
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Build it anew, what was changed in it is lost.
    #[arg(long)]
    pub reset: bool,
    /// Build it and do not open the console.
    #[arg(long)]
    pub no_console: bool,
}
