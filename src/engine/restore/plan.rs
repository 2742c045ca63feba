//! The plan: what a restore will do, as a value, made first, shown, kept under an id, then executed exactly.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::findings::{Finding, Level};
use super::record::Record;
pub use super::request::{Choice, OnBlocked, OnCollision, OnRefused, Request, Scope};
use super::spool::{Block, SpoolReader};
use super::strategy::{Effect, State, Strategy};
use super::{Error, Result};
use crate::rows::Relation;
use crate::sources::{Identity, Reference};

/// How the records stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Summary {
    pub total_records: u64,
    pub new_records: u64,
    pub existing_records: u64,
    pub identical_records: u64,
    pub conflicts: u64,
    pub live_only_records: u64,
}

/// What is done to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct EffectCounts {
    pub create: u64,
    pub update: u64,
    pub skip: u64,
    pub delete: u64,
}

/// The conflicts of one field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct FieldCounts {
    pub field: String,
    pub conflicts: u64,
    pub fill: u64,
    pub change: u64,
    pub blank: u64,
}

/// The figures of one model; live-only records stand in `live_only` (and `delete`) alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct ModelPlan {
    pub module: String,
    pub model: String,
    pub strategy: Strategy,
    pub total: u64,
    pub new: u64,
    pub existing: u64,
    pub identical: u64,
    pub conflicts: u64,
    pub live_only: u64,
    pub collisions: u64,
    pub blocked: u64,
    #[serde(default, skip_serializing_if = "is_none")]
    pub moved: u64,
    #[serde(default, skip_serializing_if = "is_none")]
    pub refused: u64,
    pub create: u64,
    pub update: u64,
    pub skip: u64,
    pub delete: u64,
    pub fields: Vec<FieldCounts>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

impl ModelPlan {
    /// A model with nothing in it.
    #[must_use]
    pub fn empty(relation: &Relation, strategy: Strategy) -> Self {
        let (module, model) = (relation.module.clone(), relation.name.clone());
        let fields = Vec::new();
        Self {
            module,
            model,
            strategy,
            fields,
            total: 0,
            new: 0,
            existing: 0,
            identical: 0,
            conflicts: 0,
            live_only: 0,
            collisions: 0,
            blocked: 0,
            moved: 0,
            refused: 0,
            create: 0,
            update: 0,
            skip: 0,
            delete: 0,
        }
    }

    /// Counts a record that differs, with what is finally done to it.
    pub fn count(&mut self, record: &Record) {
        self.collisions += u64::from(record.collision);
        self.blocked += u64::from(record.blocked);
        self.moved += u64::from(record.moved);
        self.refused += u64::from(record.refused.is_some());
        match record.state {
            State::New => self.new += 1,
            State::Conflict => self.conflicts += 1,
            State::Identical => self.identical += 1,
            State::LiveOnly => self.live_only += 1,
        }
        match record.effect {
            Effect::Create => self.create += 1,
            Effect::Update(_) => self.update += 1,
            Effect::Delete => self.delete += 1,
            Effect::Skip if record.state != State::LiveOnly => self.skip += 1,
            Effect::Skip => {}
        }
    }

    /// Checks the sums that must hold, once `pulled` records of the backup were seen.
    ///
    /// # Errors
    /// The sum that does not.
    pub fn balance(&mut self, pulled: u64) -> Result<()> {
        self.total = pulled;
        self.existing = self.identical + self.conflicts;
        let sums = [
            ("total = new + existing", self.total == self.new + self.existing),
            ("create + update + skip = total", self.create + self.update + self.skip == self.total),
            ("update ≤ conflicts", self.update <= self.conflicts),
            ("delete ≤ live only", self.delete <= self.live_only),
        ];
        match sums.iter().find(|(_, holds)| !holds) {
            Some((what, _)) => Err(Error::Unsound { model: self.model.clone(), what: (*what).into() }),
            None => Ok(()),
        }
    }
}

/// What people and scripts see of a plan: the JSON of `restore preview`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlanSummary {
    /// The plan's id.
    pub plan: String,
    /// The backup's id.
    pub backup: String,
    /// The app's name.
    pub app: String,
    /// When the backup was taken.
    pub taken_at: String,
    /// The strategy for the whole.
    pub strategy: Strategy,
    /// The sums over the models.
    pub summary: Summary,
    /// The sums of what is done.
    pub effect: EffectCounts,
    /// Whether no finding is blocking.
    pub safe_to_restore: bool,
    /// What to know first.
    pub findings: Vec<Finding>,
    /// The models with records on either side.
    pub models: Vec<ModelPlan>,
}

/// A plan: what is asked, what it finds, and where its records lie.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// What was asked.
    pub request: Request,
    /// Whether it takes back an earlier restore.
    pub undo: bool,
    /// What the live sources were.
    pub live: Vec<Identity>,
    /// The source of each of `relations`, as its place in `live`.
    pub sources: Vec<usize>,
    /// The live models with records in the spool's blocks: block's `model` is the place here.
    pub relations: Vec<Relation>,
    /// The foreign keys among them.
    pub references: Vec<Reference>,
    /// The figures, one a model, in the order of `relations`; models that cannot be written follow.
    pub models: Vec<ModelPlan>,
    /// What to know first.
    pub findings: Vec<Finding>,
    /// The spool's blocks.
    pub blocks: Vec<Block>,
}

impl Plan {
    /// Whether no finding is blocking.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.findings.iter().all(|finding| finding.level != Level::Blocking)
    }

    /// The sums of what is done.
    #[must_use]
    pub fn effect(&self) -> EffectCounts {
        self.models.iter().fold(EffectCounts::default(), |sum, model| EffectCounts {
            create: sum.create + model.create,
            update: sum.update + model.update,
            skip: sum.skip + model.skip,
            delete: sum.delete + model.delete,
        })
    }

    /// What people and scripts see.
    #[must_use]
    pub fn summary(&self) -> PlanSummary {
        let summary = self.models.iter().fold(Summary::default(), |sum, model| Summary {
            total_records: sum.total_records + model.total,
            new_records: sum.new_records + model.new,
            existing_records: sum.existing_records + model.existing,
            identical_records: sum.identical_records + model.identical,
            conflicts: sum.conflicts + model.conflicts,
            live_only_records: sum.live_only_records + model.live_only,
        });
        let request = &self.request;
        PlanSummary {
            plan: request.plan.clone(),
            backup: request.backup.clone(),
            app: request.app.clone(),
            taken_at: request.taken_at.clone(),
            strategy: request.strategy,
            summary,
            effect: self.effect(),
            safe_to_restore: self.is_safe(),
            findings: self.findings.clone(),
            models: self.models.iter().filter(|model| model.total + model.live_only > 0).cloned().collect(),
        }
    }

    /// The place of a model among the plan's.
    ///
    /// # Errors
    /// When the plan has no such model.
    pub fn place(&self, model: &str) -> Result<usize> {
        let place = self.relations.iter().position(|relation| relation.name == model);
        place.ok_or_else(|| Error::Unknown { model: model.into(), what: "part in this plan".into() })
    }

    /// A page of a model's records that differ, as JSON: `after` records are passed over, at most `limit` are given.
    ///
    /// # Errors
    /// What reading the spool met.
    pub fn rows(&self, spool: &mut SpoolReader<'_>, model: &str, after: u64, limit: usize) -> Result<Vec<Json>> {
        let records = self.records(spool, model, after, limit)?;
        let relation = &self.relations[self.place(model)?];
        Ok(records.iter().map(|record| record.to_json(relation)).collect())
    }

    /// The same page as records, for the screens.
    ///
    /// # Errors
    /// What reading the spool met.
    pub fn records(&self, spool: &mut SpoolReader<'_>, model: &str, after: u64, limit: usize) -> Result<Vec<Record>> {
        let mut page = Vec::new();
        if limit > 0 {
            spool.each_from(self.place(model)?, after, &mut |record| {
                page.push(record);
                Ok(page.len() < limit)
            })?;
        }
        Ok(page)
    }

    /// The places of the models, parents before children; where they refer to each other in a circle, in name order.
    #[must_use]
    pub fn parents_first(&self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.relations.len());
        let mut seen = vec![false; self.relations.len()];
        for place in 0..self.relations.len() {
            self.visit(place, &mut seen, &mut order);
        }
        order
    }

    fn visit(&self, place: usize, seen: &mut [bool], order: &mut Vec<usize>) {
        if std::mem::replace(&mut seen[place], true) {
            return;
        }
        for reference in self.references.iter().filter(|reference| reference.from == self.relations[place].name) {
            if let Ok(parent) = self.place(&reference.to) {
                self.visit(parent, seen, order);
            }
        }
        order.push(place);
    }
}
