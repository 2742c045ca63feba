//! `backstop vault`: where backups are kept.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `backstop vault …`.
#[derive(Debug, Subcommand)]
pub enum Vault {
    /// Make a vault, or take over one that exists.
    Init(Init),
    /// Show its locations: reach, room, what is behind.
    Status(Which),
    /// Check what is stored; damaged objects heal from another location.
    Verify(Verify),
    /// Copy what a location lacks.
    Replicate(Which),
}

/// `backstop vault init`.
#[derive(Clone, Debug, Args)]
pub struct Init {
    /// Its name.
    #[arg(default_value = "main")]
    pub name: String,
    /// A folder that holds a copy; repeat it for several copies.
    #[arg(long = "location", value_name = "LOC", required = true)]
    pub locations: Vec<String>,
    /// Open the vault that is there, instead of making one.
    #[arg(long)]
    pub existing: bool,
    /// Write the words of the recovery key to this new file (off a terminal none is made without).
    #[arg(long, value_name = "FILE", conflicts_with = "existing")]
    pub recovery_file: Option<PathBuf>,
    /// Add a key of this machine (0600 in the home), so that schedules run without a passphrase. It is no copy of it.
    #[arg(long)]
    pub key_file: bool,
}

/// One vault.
#[derive(Clone, Debug, Default, Args)]
pub struct Which {
    /// The vault, where there is more than one.
    #[arg(long, value_name = "NAME")]
    pub vault: Option<String>,
}

/// `backstop vault verify`.
#[derive(Clone, Debug, Args)]
pub struct Verify {
    /// The vault.
    #[command(flatten)]
    pub which: Which,
    /// How deep: 0 all objects are there, 1 they are whole, 2 they decode, 3 every record is compared.
    #[arg(long, value_name = "0-3", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=3))]
    pub level: u8,
    /// Only what this backup needs.
    #[arg(long, value_name = "ID")]
    pub backup: Option<String>,
}
