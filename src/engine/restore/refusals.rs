//! Records that the source as it is now would not take: a value that is none any more, a condition that came since, a partition that is
//! gone. The source judges them before the plan is made; those that it refuses are left out, and claim nothing.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::draft::Draft;
use super::findings::{Finding, Level};
use super::plan::{ModelPlan, OnRefused};
use super::record::{Record, key_json};
use super::strategy::Effect;
use super::{Error, Progress, Result, Step};
use crate::numbers::counted;
use crate::rows::{Relation, RelationKind, Row};
use crate::sources::{Deed, Judging, Origin, Snapshot, Written};

/// Records that the source is asked about at once, or of so many bytes.
const AT_ONCE: usize = 500;
const WEIGHT_AT_ONCE: usize = 1 << 20;
/// Reasons that are told apart; records with others are counted.
const REASONS: usize = 5;

/// What the records of a model came out of; `None` for one that nothing comes from.
pub(super) type CameFrom<'c> = dyn Fn(&str) -> Option<Origin<'c>> + 'c;

impl Draft<'_> {
    /// Lets the source refuse the records that it was not asked about yet.
    pub(super) fn refuse(&mut self, came_from: &CameFrom<'_>, progress: &mut Progress<'_>) -> Result<()> {
        let after = std::mem::replace(&mut self.judged, self.scratch.newest()?);
        if self.judged == after {
            return Ok(());
        }
        for model in 0..self.relations.len() {
            let relation = &self.relations[model];
            let Some(origin) = came_from(&relation.name).filter(|_| relation.kind == RelationKind::Table) else { continue };
            let (mut judge, mut waiting, mut weight, mut seen) = (None, Vec::new(), 0, 0);
            self.scratch.each_written(model, after, &mut |record| {
                if judge.is_none() {
                    judge = Some(self.live(model).judging(relation, &origin)?);
                }
                let (Some(Some(judge)), Some(row)) = (&mut judge, record.result()) else { return Ok(()) };
                weight += row.weight();
                waiting.push((record, row));
                if waiting.len() < AT_ONCE && weight < WEIGHT_AT_ONCE {
                    return Ok(());
                }
                (weight, seen) = (0, seen + waiting.len() as u64);
                if !progress(Step { phase: "check", model: &relation.name, records: seen, compared: None }) {
                    return Err(Error::Cancelled);
                }
                self.hear(model, judge.as_mut(), &mut waiting)
            })?;
            if let Some(Some(judge)) = &mut judge {
                self.hear(model, judge.as_mut(), &mut waiting)?;
            }
            self.scratch.leave_refused(model)?;
        }
        self.judged = self.scratch.newest()?;
        Ok(())
    }

    fn hear(&self, model: usize, judge: &mut dyn Judging, waiting: &mut Vec<(Record, Row)>) -> Result<()> {
        let all: Vec<usize> = (0..self.relations[model].columns.len()).collect();
        let mut rows = Vec::with_capacity(waiting.len());
        for (record, after) in &*waiting {
            let whole =
                record.backup.as_ref().is_some_and(|backup| backup.values.iter().zip(&after.values).all(|(one, other)| one.same(other)));
            rows.push(match &record.effect {
                Effect::Update(columns) => Written { before: record.live.as_ref(), after, columns, whole },
                _ => Written { before: None, after, columns: &all, whole },
            });
        }
        for (place, why) in judge.refused(&rows)? {
            if let Some((record, _)) = waiting.get(place) {
                self.scratch.refuse(model, &record.key, &why)?;
            }
        }
        waiting.clear();
        Ok(())
    }
}

/// Why records of a model were refused, and some of those that were.
#[derive(Default)]
pub(super) struct Reasons {
    told: BTreeMap<String, (u64, Vec<Json>)>,
    others: u64,
}

impl Reasons {
    pub fn note(&mut self, relation: &Relation, record: &Record) {
        let Some(why) = &record.refused else { return };
        if !self.told.contains_key(why) && self.told.len() == REASONS {
            self.others += 1;
            return;
        }
        let (count, keys) = self.told.entry(why.clone()).or_default();
        *count += 1;
        if keys.len() < 5 {
            keys.push(key_json(relation, record.live.as_ref().or(record.backup.as_ref()), &record.key));
        }
    }

    pub fn findings(self, model: &ModelPlan, asked: OnRefused, undo: bool) -> Vec<Finding> {
        let level = if asked == OnRefused::Skip { Level::Warning } else { Level::Blocking };
        let (option, remedy) = if undo {
            ("row", "Leave each as it is: --row MODEL:KEY=live.")
        } else {
            ("refused", "--refused skip leaves them out; or change the table so that it takes them, and preview again.")
        };
        let say = |why: &str, count: u64, keys| {
            let message = format!("{} that the database would refuse: {why}", counted(count, "record"));
            Finding::new(level, &model.model, message, remedy).about(count, keys).decided(option)
        };
        let others = (self.others > 0).then(|| say("for other reasons", self.others, Vec::new()));
        self.told.iter().map(|(why, (count, keys))| say(why, *count, keys.clone())).chain(others).collect()
    }
}

/// What the source does not let be done to any record of a model, where the plan does it.
pub(super) fn forbidden(live: &dyn Snapshot, relation: &Relation, model: &ModelPlan) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    if relation.kind != RelationKind::Table {
        return Ok(found);
    }
    for (deed, count, done) in [(Deed::Update, model.update, "updated"), (Deed::Delete, model.delete, "deleted")] {
        let Some(why) = (count > 0).then(|| live.forbids(relation, deed)).transpose()?.flatten() else { continue };
        let message = format!("{} cannot be {done}: {why}", counted(count, "record"));
        let remedy = "Change that for the time of the restore (REPLICA IDENTITY FULL, or the publication), then preview again; or leave the model out.";
        found.push(Finding::new(Level::Blocking, &relation.name, message, remedy).about(count, Vec::new()));
    }
    Ok(found)
}
