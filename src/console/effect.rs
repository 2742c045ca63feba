//! What the console asks of the engine: queries that read, actions that change, and the trait that answers them.

use std::ops::ControlFlow;

use serde_json::Value;

use super::model::browse::StoredRow;
use super::model::detail::{Detail, ScopeModel, Summary};
use super::model::filter::Filter;
use super::model::plan::{PlanModel, PlanRow, PlanSummary, RestoreResult};
use super::model::records::{Backup, ListKind, Record};
use crate::engine::restore::plan::{OnBlocked, OnCollision};

/// What `update` asks for; run elsewhere, answered with messages.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Ask the backend; a later query of the same slot makes this one's answer worthless.
    Query(u64, Query),
    /// Have the backend do something.
    Act(u64, Action),
    /// Stop the action of this number at its next safe point.
    Stop(u64),
    /// Copy text to the operator's clipboard.
    Copy(String),
    /// Draw everything anew.
    Redraw,
    /// Switch the mouse on or off.
    Mouse(bool),
    /// Give the terminal back and stop the process until it is continued.
    Suspend,
    /// Ask the jobs of this process to stop at their next safe point.
    CancelAll,
    /// End the console, and have the demonstration built and opened in its place.
    Demo,
    /// End the console.
    Quit,
}

/// Something to read.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// The header's and the overview's figures.
    Summary,
    /// A window of a list.
    Page {
        /// Which list.
        list: ListKind,
        /// What rows must pass.
        filter: Filter,
        /// One of [`ListKind::orders`].
        order: &'static str,
        /// Whether the largest or newest comes first.
        descending: bool,
        /// The row after which the window begins (a keyset: every key can be taken from it); none: at the beginning.
        after: Option<Box<Record>>,
        /// The most rows.
        limit: usize,
    },
    /// What the detail of a row shows beside the row itself.
    Detail {
        /// Which list.
        list: ListKind,
        /// The row's id.
        id: String,
        /// The least grave lines of a log that are wanted: one of [`LEVELS`].
        level: &'static str,
    },
    /// The models of a backup.
    Models {
        /// The backup's id.
        backup: String,
    },
    /// A window of the records that differ in one model of a plan.
    Rows {
        /// The plan's id.
        plan: String,
        /// The model.
        model: String,
        /// The place among them at which the window begins: a plan never changes, so a place is a key.
        from: usize,
        /// Look for the first conflict from here on; the window is then laid round it.
        conflict: Option<usize>,
        /// The most rows.
        limit: usize,
    },
    /// A window of the records that a backup holds of one model.
    Stored {
        /// The backup's id.
        backup: String,
        /// The model.
        model: String,
        /// The place of the record after which the window begins.
        after: Option<String>,
        /// The most rows.
        limit: usize,
    },
    /// A preview that was left behind, with the choices made in it.
    Plan {
        /// The plan's id.
        plan: String,
    },
    /// Every application with the models that its newest backup holds.
    Known,
}

/// How grave a line of a log is, the least grave first.
pub const LEVELS: [&str; 4] = ["debug", "info", "warning", "error"];

/// Queries of the same slot replace each other: only the latest is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Slot {
    Summary,
    List(ListKind),
    Detail,
    Models,
    Rows,
    Stored,
    Plan,
    Known,
}

impl Query {
    /// The slot it belongs to.
    #[must_use]
    pub fn slot(&self) -> Slot {
        match self {
            Self::Summary => Slot::Summary,
            Self::Page { list, .. } => Slot::List(*list),
            Self::Detail { .. } => Slot::Detail,
            Self::Models { .. } => Slot::Models,
            Self::Rows { .. } => Slot::Rows,
            Self::Stored { .. } => Slot::Stored,
            Self::Plan { .. } => Slot::Plan,
            Self::Known => Slot::Known,
        }
    }
}

/// What a query gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To [`Query::Summary`].
    Summary(Box<Summary>),
    /// To [`Query::Page`]; `end` says that nothing follows.
    Page {
        /// The rows.
        rows: Vec<Record>,
        /// Whether nothing follows.
        end: bool,
    },
    /// To [`Query::Detail`].
    Detail(Detail),
    /// To [`Query::Models`].
    Models(Vec<ScopeModel>),
    /// To [`Query::Rows`].
    Rows {
        /// The place of the first.
        from: usize,
        /// The place of the conflict that was looked for, where there is one.
        found: Option<usize>,
        /// The records.
        rows: Vec<PlanRow>,
        /// Whether nothing follows.
        end: bool,
    },
    /// To [`Query::Stored`].
    Stored {
        /// The records.
        rows: Vec<StoredRow>,
        /// Whether nothing follows.
        end: bool,
    },
    /// To [`Query::Plan`].
    Plan(Box<OpenPlan>),
    /// To [`Query::Known`].
    Known(Vec<KnownApp>),
}

/// Which side of a conflict wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What the backup holds.
    Backup,
    /// What is there now.
    Live,
}

/// What a preview compares, and the choices made so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preview {
    /// The backup's id.
    pub backup: String,
    /// The app's name.
    pub app: String,
    /// `replace`, `merge` or `skip`.
    pub strategy: String,
    /// The models it is narrowed to; empty: all.
    pub models: Vec<String>,
    /// The tenants it is narrowed to; empty: all.
    pub tenants: Vec<String>,
    /// Models with a strategy of their own.
    pub strategies: Vec<(String, String)>,
    /// What becomes of records whose unique value another one holds.
    pub collisions: OnCollision,
    /// What becomes of records whose parent is missing.
    pub blocked: OnBlocked,
    /// Records decided one by one: model, key, side.
    pub rows: Vec<(String, Value, Side)>,
    /// Fields decided one by one: model, key, field, side.
    pub fields: Vec<(String, Value, String, Side)>,
    /// The restore that is to be taken back; the backup is then its safety record, and there is no strategy.
    pub undo_of: Option<String>,
    /// The plan that this one takes the place of; it is dropped.
    pub replaces: Option<String>,
}

/// A preview that was left behind: what it found, and what was asked and chosen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenPlan {
    /// What it found.
    pub summary: PlanSummary,
    /// The backup; none of an undo.
    pub backup: Option<Backup>,
    /// The backup's models.
    pub models: Vec<ScopeModel>,
    /// What was compared, and the choices.
    pub preview: Preview,
}

/// An application, and what of it is known without opening it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KnownApp {
    /// Its name.
    pub name: String,
    /// The models that its newest backup holds; none before the first.
    pub models: Vec<ScopeModel>,
    /// The models that its settings name as dispensable, by names or globs.
    pub dispensable: Vec<String>,
}

/// What the form of a configuration holds.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the names are those of the catalog")]
pub struct ConfigurationDraft {
    pub name: String,
    pub app: String,
    pub kind: String,
    pub schedule: Option<String>,
    pub retention_days: u32,
    pub modules: Vec<String>,
    pub models: Vec<String>,
    pub exclude_modules: Vec<String>,
    pub exclude_models: Vec<String>,
    pub quick: bool,
    pub tenants: Vec<String>,
    pub description: String,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names are those of the command line")]
pub enum Action {
    BackUp { configuration: String },
    BackUpApp { app: String, kind: String },
    CancelJob { job: String },
    RetryJob { job: String },
    Acknowledge { ids: Vec<String>, notes: String },
    Resolve { ids: Vec<String>, notes: String },
    Snooze { ids: Vec<String>, hours: u32 },
    Protect { ids: Vec<String> },
    Unprotect { ids: Vec<String> },
    Verify { backup: String, level: u8 },
    DeleteBackups { ids: Vec<String>, reason: String },
    CreateConfiguration(Box<ConfigurationDraft>),
    EditConfiguration { id: String, draft: Box<ConfigurationDraft> },
    EnableConfigurations { ids: Vec<String> },
    DisableConfigurations { ids: Vec<String> },
    DeleteConfiguration { id: String },
    CleanUpConfigurations,
    Preview(Box<Preview>),
    Restore { plan: String, app: String, reason: String },
    DropPlan { plan: String },
    CatchUp { location: String },
}

/// How far an action is; what a preview has compared so far comes model by model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// What it does at this moment.
    pub phase: String,
    /// How many are done.
    pub done: u64,
    /// Of how many, where that is known.
    pub total: Option<u64>,
    /// A model whose comparison is finished.
    pub model: Option<PlanModel>,
}

/// How an action ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is done, in a sentence.
    Done(String),
    /// A plan is stored.
    Planned(Box<PlanSummary>),
    /// A plan was executed, or a restore taken back.
    Restored(Box<RestoreResult>),
}

/// Why something could not be done, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// One sentence: what, and why.
    pub message: String,
    /// What the operator can do.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem in a sentence.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }
}

/// What answers: the engine behind the console, or a few lists in a test. Every method is called off the screen's thread.
pub trait Backend: Send + Sync {
    /// Reads; called on the reader's thread, one query at a time.
    ///
    /// # Errors
    ///
    /// In words for the operator.
    fn query(&self, query: &Query) -> Result<Answer, Problem>;

    /// Does something and returns when it is done (or started, where the engine has a worker for it). Called on a thread of its own.
    /// `report` takes how far it is and breaks when the operator stops it.
    ///
    /// # Errors
    ///
    /// In words for the operator.
    fn act(&self, action: &Action, report: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Outcome, Problem>;

    /// A number that changes whenever something changed that a query would show; asked a few times a second, so it must be cheap.
    fn version(&self) -> u64;

    /// How many jobs run in this process: a dropped line or a suspension must not hurt them.
    fn jobs_here(&self) -> usize;

    /// Stops the jobs of this process at their next safe point.
    fn cancel_all(&self);
}
