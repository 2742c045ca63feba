//! A restore's plan as the console shows it; the fields mirror `restore preview --json`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::engine::restore::record::plain;

/// What would happen, model by model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of the JSON contract")]
pub struct PlanSummary {
    pub plan: String,
    pub backup: String,
    pub app: String,
    pub taken_at: Option<Timestamp>,
    pub strategy: String,
    pub safe_to_restore: bool,
    pub findings: Vec<Finding>,
    pub models: Vec<PlanModel>,
}

/// One model's share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of the JSON contract")]
pub struct PlanModel {
    pub module: String,
    pub model: String,
    pub strategy: String,
    pub total: u64,
    pub new: u64,
    pub existing: u64,
    pub identical: u64,
    pub conflicts: u64,
    pub live_only: u64,
    pub collisions: u64,
    pub blocked: u64,
    pub create: u64,
    pub update: u64,
    pub skip: u64,
    pub delete: u64,
    pub fields: Vec<PlanField>,
}

/// One field's conflicts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of the JSON contract")]
pub struct PlanField {
    pub field: String,
    pub conflicts: u64,
    pub fill: u64,
    pub change: u64,
    pub blank: u64,
}

/// Something to know before restoring.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of the JSON contract")]
pub struct Finding {
    pub level: String,
    pub model: Option<String>,
    pub message: String,
    pub count: u64,
    pub keys: Vec<Value>,
    pub holders: Vec<Value>,
    pub option: String,
    pub remedy: String,
}

/// One record that differs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of the JSON contract")]
pub struct PlanRow {
    pub key: Value,
    pub state: String,
    pub collision: bool,
    pub holder: Option<Value>,
    pub blocked: bool,
    pub refused: Option<String>,
    pub fields: Vec<RowField>,
}

/// One field of a record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of the JSON contract")]
pub struct RowField {
    pub field: String,
    pub backup: Value,
    pub live: Value,
    pub result: Value,
}

impl PlanSummary {
    /// The sums over all models, under the name `total`.
    #[must_use]
    pub fn sums(&self) -> PlanModel {
        let mut sums = PlanModel { model: "total".into(), ..PlanModel::default() };
        for model in &self.models {
            sums.total += model.total;
            sums.new += model.new;
            sums.existing += model.existing;
            sums.identical += model.identical;
            sums.conflicts += model.conflicts;
            sums.live_only += model.live_only;
            sums.collisions += model.collisions;
            sums.blocked += model.blocked;
            sums.create += model.create;
            sums.update += model.update;
            sums.skip += model.skip;
            sums.delete += model.delete;
        }
        sums
    }
}

impl PlanModel {
    /// Whether it has records that differ.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.new + self.conflicts + self.live_only > 0
    }
}

/// How a restore ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of the JSON contract")]
pub struct RestoreResult {
    pub restore: String,
    pub status: String,
    pub records_created: u64,
    pub records_updated: u64,
    pub records_skipped: u64,
    pub records_deleted: u64,
    pub safety_backup: Option<String>,
    pub duration_seconds: f64,
}
