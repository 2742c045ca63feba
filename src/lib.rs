//! Backstop: row-level backup and restore for applications, with a terminal console.
//!
//! Dependencies point down only (`tests/architecture.rs` checks it):
//!
//! ```text
//!  cli/        console/          what people use: arguments and text; screens and keys
//!       \      /
//!       engine/                  what Backstop does: jobs, backup, restore, alerts, access
//!      /   |    \
//! catalog/ vault/ sources/       what it knows; where data is kept; what is protected
//!      \   |    /
//!       rows/                    values, keys, rows, segments, runs, merge, difference: pure, no I/O
//! ```
//!
//! [`clock`], [`error`] and [`numbers`] stand under all of them: the injected time, the form of an error, numbers in words.

pub mod catalog;
pub mod cli;
pub mod clock;
pub mod console;
pub mod engine;
pub mod error;
pub mod numbers;
pub mod rows;
pub mod sources;
pub mod vault;
