//! SQLite, exactly: what SQLite accepts comes back the same, compared by programs that are not ours.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../common/mod.rs"]
mod common;
mod compare;
mod django;
mod hostile;
mod options;
mod properties;
mod rivals;
mod samples;
mod spoil;
mod states;
