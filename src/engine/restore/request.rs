//! What a preview is asked for: what of a backup is taken, which side wins where, and what becomes of records that cannot be put back as they are.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::strategy::{Side, Strategy};
use crate::rows::{Relation, RelationKind};
use crate::sources::Identity;

/// What of a backup is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Modules to take; with `models` both empty: all.
    pub modules: BTreeSet<String>,
    /// Models to take.
    pub models: BTreeSet<String>,
    /// Records to take, by model and their keys as JSON: of a model named here no others.
    pub records: BTreeMap<String, Vec<Json>>,
    /// Globs of the entries to take of trees: of a tree no others; with nothing else named, no tables.
    #[serde(default)]
    pub files: Vec<String>,
    /// Only relations of this kind.
    #[serde(default)]
    pub only: Option<RelationKind>,
    /// Only the records of these tenants, and what they refer to where it is missing; with nothing else named, no trees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<String>,
    /// The columns that tell whose a record is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenant_columns: Vec<String>,
}

impl Scope {
    /// Whether the model is taken.
    #[must_use]
    pub fn takes(&self, relation: &Relation) -> bool {
        if self.only.is_some_and(|kind| kind != relation.kind) {
            return false;
        }
        let nothing_named = self.modules.is_empty() && self.models.is_empty() && self.records.is_empty();
        let by_glob = !self.files.is_empty() && relation.kind == RelationKind::Files;
        let of_tenant = self.tenants.is_empty() || relation.kind == RelationKind::Table;
        (nothing_named && self.files.is_empty() && of_tenant)
            || by_glob
            || self.modules.contains(&relation.module)
            || self.models.contains(&relation.name)
            || self.records.contains_key(&relation.name)
    }
}

/// A choice for a record, or for one of its fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The model.
    pub model: String,
    /// The record's key, as JSON.
    pub key: Json,
    /// The field; none for the whole record.
    pub field: Option<String>,
    /// The side that wins.
    pub side: Side,
}

/// What to do with a record whose unique value another one holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnCollision {
    /// It blocks the plan.
    #[default]
    Block,
    /// It is left out.
    Skip,
    /// The record that holds the value is deleted.
    Holder,
}

/// What to do with a record whose parent is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBlocked {
    /// It blocks the plan.
    #[default]
    Block,
    /// It is left out.
    Skip,
    /// Its parents are taken from the backup too.
    Parents,
}

/// What to do with a record that the source would not take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnRefused {
    /// It blocks the plan.
    #[default]
    Block,
    /// It is left out.
    Skip,
}

/// What a plan is asked to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// The plan's id.
    pub plan: String,
    /// The backup's id; of an undo, the safety record's.
    pub backup: String,
    /// The app's name.
    pub app: String,
    /// When the backup was taken, RFC 3339.
    pub taken_at: String,
    /// The strategy for the whole.
    pub strategy: Strategy,
    /// Strategies for models.
    pub strategies: BTreeMap<String, Strategy>,
    /// What is taken.
    pub scope: Scope,
    /// Choices for records and fields.
    pub choices: Vec<Choice>,
    /// Fields left out of the comparison, by model.
    pub ignore: BTreeMap<String, BTreeSet<String>>,
    /// Collisions.
    pub collisions: OnCollision,
    /// Missing parents.
    pub blocked: OnBlocked,
    /// Records that the source would not take.
    #[serde(default)]
    pub refused: OnRefused,
    /// Whether replace deletes live-only records.
    pub exact: bool,
    /// The database that was backed up, so that another one is told.
    pub source: Option<Identity>,
    /// The folders of the trees that were backed up, by label.
    #[serde(default)]
    pub folders: BTreeMap<String, String>,
}

impl Request {
    /// A request for all of a backup, with nothing chosen.
    #[must_use]
    pub fn new(plan: &str, backup: &str, app: &str, taken_at: &str, strategy: Strategy) -> Self {
        Self {
            plan: plan.into(),
            backup: backup.into(),
            app: app.into(),
            taken_at: taken_at.into(),
            strategy,
            strategies: BTreeMap::new(),
            scope: Scope::default(),
            choices: Vec::new(),
            ignore: BTreeMap::new(),
            collisions: OnCollision::default(),
            blocked: OnBlocked::default(),
            refused: OnRefused::default(),
            exact: false,
            source: None,
            folders: BTreeMap::new(),
        }
    }

    /// The strategy of a model.
    #[must_use]
    pub fn strategy_of(&self, model: &str) -> Strategy {
        self.strategies.get(model).copied().unwrap_or(self.strategy)
    }
}
