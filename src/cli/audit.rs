//! `backstop audit`: who did what, when and why.

use clap::Args;

/// `backstop audit`.
#[derive(Clone, Debug, Args)]
pub struct Audit {
    /// Check the hash chain.
    #[arg(long)]
    pub verify: bool,
    /// At most so many entries, the newest first.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
}
