//! What a detail shows beside its row, and the figures of the header and the overview.

use jiff::Timestamp;

use super::plan::PlanSummary;
use super::records::{Alert, Job, Location};

/// A line of a job's log.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct LogLine {
    pub time: Option<Timestamp>,
    pub level: String,
    pub text: String,
}

/// What a detail shows beside its row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detail {
    /// The row it belongs to.
    pub id: String,
    /// What happened, oldest first: a job's log, an alert's history.
    pub log: Vec<LogLine>,
    /// A backup's models with their records.
    pub models: Vec<ScopeModel>,
    /// The backups it builds on, or that build on it.
    pub chain: Vec<String>,
    /// What to do: an alert's runbook, a step a line.
    pub steps: Vec<String>,
    /// What is left out of a backup, or would be by a configuration: a sentence a line.
    pub scope: Vec<String>,
    /// How closely the files of a backup belong to its database.
    pub together: String,
    /// Coming runs of a configuration.
    pub next_runs: Vec<Timestamp>,
    /// A configuration's schedule in words.
    pub schedule: String,
}

/// A model of a backup.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct ScopeModel {
    pub module: String,
    pub model: String,
    pub records: u64,
}

/// One application on the overview.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct AppHealth {
    pub app: String,
    /// `good`, `warning` or `critical`.
    pub state: String,
    pub last_good: Option<Timestamp>,
    pub proven_at: Option<Timestamp>,
    pub proven_seconds: Option<f64>,
    pub next_run: Option<Timestamp>,
    /// One word a day, oldest first: `done`, `warned`, `failed`, `missed` or nothing.
    pub calendar: Vec<String>,
}

/// The header's and the overview's figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Whether there is a catalog with an app in it; without one the welcome screen shows.
    pub initialised: bool,
    /// Where the engine runs: `engine here`, `engine pid 812`, `no engine`.
    pub engine: String,
    /// The operator's role.
    pub role: String,
    /// Active critical alerts.
    pub critical: u64,
    /// Active warnings.
    pub warnings: u64,
    /// The next run: the configuration and when.
    pub next: Option<(String, Timestamp)>,
    /// The verdict in a sentence.
    pub verdict: String,
    /// `good`, `warning` or `critical`.
    pub state: String,
    /// The health score of 100.
    pub score: Option<u32>,
    /// What was taken off the score.
    pub reasons: Vec<String>,
    /// Every application.
    pub apps: Vec<AppHealth>,
    /// What runs.
    pub running: Vec<Job>,
    /// The newest alerts.
    pub alerts: Vec<Alert>,
    /// The locations.
    pub locations: Vec<Location>,
    /// A preview left behind, offered again.
    pub open_plan: Option<Box<PlanSummary>>,
    /// What must be known of this home before its figures are believed.
    pub notice: Option<String>,
    /// Whether there is a vault.
    pub has_vault: bool,
}
