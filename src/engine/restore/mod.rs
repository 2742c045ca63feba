//! The restore: read the difference first, show it, write only that, and be able to undo it.
//!
//! A [`preview`] compares what is [`Stored`] with a live snapshot and makes a [`plan::Plan`]: a value with its counts and
//! findings, and beside it a sealed [`spool`] of every record that differs. [`run`] executes exactly a plan; [`undo`] plans
//! the way back from the safety record; [`judge`] says what a restore that died has done. The parts are bound to no vault
//! and no catalog: both are reached through the traits and closures given here.

mod alike;
pub mod checks;
pub mod choices;
pub mod draft;
pub mod entries;
pub mod findings;
pub mod judge;
mod keyless;
pub mod lockstep;
pub mod plan;
pub mod preview;
pub mod record;
mod rivals;
pub mod run;
pub mod safety;
pub mod scratch;
pub mod spool;
pub mod strategy;
pub mod tenants;
pub mod undo;

use std::collections::BTreeSet;

use crate::error::{Explain, Status};
use crate::numbers::counted;
use crate::rows::{Key, Relation, Row};
use crate::sources::{self, Resolve, Violation};
use lockstep::Lying;

/// What a backup holds of one model.
#[derive(Clone, Debug)]
pub struct StoredRelation {
    /// The model as it was.
    pub relation: Relation,
    /// Whether all its records are there; else nothing is said about live-only ones.
    pub whole: bool,
    /// How many records there are.
    pub rows: u64,
    /// The entries of a tree that could not be read, or not at one moment: what is stored under these paths is not put back.
    pub unread: BTreeSet<String>,
}

/// Records that can be pulled in key order.
pub type Rows<'a> = Box<dyn Iterator<Item = Result<Row, Unreadable>> + 'a>;

/// The backup's side of a restore.
pub trait Stored: Resolve {
    /// What it holds.
    fn relations(&self) -> &[StoredRelation];
    /// The rows of a model in key order, with the values of the stored relation's columns.
    ///
    /// # Errors
    /// What makes it unreadable.
    fn rows<'a>(&'a self, model: &str) -> Result<Rows<'a>, Unreadable>;
    /// The same rows where they lie; `None` where they are to be had one by one only.
    fn lying<'a>(&'a self, _model: &str) -> Option<Box<dyn Lying + 'a>> {
        None
    }
    /// The row with this key.
    ///
    /// # Errors
    /// What makes it unreadable.
    fn find(&self, model: &str, key: &Key) -> Result<Option<Row>, Unreadable>;
}

/// Something stored that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Unreadable {
    /// The model or object.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// How far a preview or a restore has come.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// What is done now: `choose`, `compare`, `check`, `stage`, `delete`, `update`, `insert`, `verify`, `copy`.
    pub phase: &'static str,
    /// The model at work.
    pub model: &'a str,
    /// Records done in this phase of this model.
    pub records: u64,
    /// What a preview found in the model, when its comparison has come to its end.
    pub compared: Option<&'a plan::ModelPlan>,
}

/// Is told each step, every thousand records or so; answers false to cancel.
pub type Progress<'p> = dyn FnMut(Step<'_>) -> bool + 'p;

/// What stops a preview, a restore or an undo. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The backup cannot be read.
    #[error("the backup cannot be read: {0}")]
    Stored(#[from] Unreadable),
    /// The live data cannot be read or written.
    #[error(transparent)]
    Source(#[from] sources::Error),
    /// Rows are not what they must be.
    #[error("the records cannot be compared: {0}")]
    Rows(#[from] crate::rows::Damage),
    /// Scratch space failed.
    #[error("the scratch space of the preview failed: {0}")]
    Scratch(#[from] rusqlite::Error),
    /// The plan's file cannot be read or written.
    #[error("the plan's file failed: {0}")]
    File(#[from] std::io::Error),
    /// The plan's file is not what the plan says.
    #[error("the plan's file is damaged: {0}")]
    Spool(String),
    /// A sum that must hold does not.
    #[error("the counts of {model} do not add up: {what}")]
    Unsound {
        /// The model.
        model: String,
        /// The sum.
        what: String,
    },
    /// A choice names something that is not there.
    #[error("{model} has no {what}")]
    Unknown {
        /// The model.
        model: String,
        /// What is not there.
        what: String,
    },
    /// A glob takes nothing.
    #[error("no file in the backup or in the live folders matches “{glob}”")]
    NoFile {
        /// The glob.
        glob: String,
    },
    /// The plan has blocking findings.
    #[error("the plan cannot be executed: {}", .findings.join("; "))]
    Blocked {
        /// The findings' messages.
        findings: Vec<String>,
    },
    /// Live records changed after the preview.
    #[error("{} changed after the preview: {}", counted(*.count, "record"), .records.join(", "))]
    Stale {
        /// How many.
        count: u64,
        /// Some of them: model and key.
        records: Vec<String>,
    },
    /// The restored rows would refer to what is not there.
    #[error("foreign keys would be violated: {}", .0.iter().map(|v| format!("{} of {} without {}", counted(v.rows, "row"), v.model, v.parent)).collect::<Vec<_>>().join(", "))]
    Violations(Vec<Violation>),
    /// What was written is not what the plan says.
    #[error("{model}: {what}; nothing was changed")]
    Mismatch {
        /// The model.
        model: String,
        /// What differs.
        what: String,
    },
    /// The safety record could not be kept.
    #[error("the safety record could not be kept: {0}")]
    Safety(String),
    /// It was cancelled.
    #[error("cancelled; nothing was changed")]
    Cancelled,
}

impl Explain for Error {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Stored(unreadable) => return unreadable.hint.clone(),
            Self::Source(source) => return source.hint(),
            Self::Stale { .. } | Self::Spool(_) => "Preview again: a new plan shows what is there now.".into(),
            Self::Blocked { .. } => "Resolve the findings in the preview; each names its remedy.".into(),
            Self::Violations(_) => "Select the parents too, or leave these records out.".into(),
            Self::Safety(_) => "Make one location of the vault reachable, with space on it, then restore again.".into(),
            Self::Scratch(_) | Self::File(_) => "Make space in the temporary folder and the home.".into(),
            Self::NoFile { .. } => "Paths begin below the folder; * stays within a folder, ** does not.".into(),
            Self::Unknown { .. } => "Check the name and the key.".into(),
            Self::Rows(_) | Self::Unsound { .. } | Self::Mismatch { .. } | Self::Cancelled => return None,
        })
    }

    fn status(&self) -> Status {
        match self {
            Self::Blocked { .. } | Self::Stale { .. } => Status::Refused,
            Self::Unknown { .. } | Self::NoFile { .. } => Status::Usage,
            Self::Cancelled => Status::Interrupted,
            Self::Source(source) => source.status(),
            _ => Status::Failed,
        }
    }
}

/// The result of the restore's parts.
pub type Result<T, E = Error> = std::result::Result<T, E>;
