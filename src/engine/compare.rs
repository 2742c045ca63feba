//! What changed between two backups, model by model: their rows merged in key order, neither held in memory.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use jiff::SignedDuration;
use serde::Serialize;

use crate::catalog::{Backup, Role};
use crate::rows::RelationKind;
use crate::rows::difference::{Comparison, Counts, Projection};
use crate::vault::RelationRecord;

use super::Engine;
use super::error::{Error, Result};
use super::latest::Wanted;
use super::stored::StoredBackup;

/// How a model differs between two backups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelDifference {
    /// The group it belongs to.
    pub module: String,
    /// Its name.
    pub model: String,
    /// Records that only the later one holds.
    pub added: u64,
    /// Records in both, with a field that differs.
    pub changed: u64,
    /// Records that only the earlier one holds.
    pub removed: u64,
    /// Records that are equal.
    pub same: u64,
    /// Whether its columns or its key differ; records named by another key are all told as removed and added.
    pub redefined: bool,
}

impl Engine {
    /// The newest backup before this one that covers as much of the app.
    ///
    /// # Errors
    /// There is none.
    pub fn backup_before(&self, backup: &Backup) -> Result<Backup> {
        let app = self.catalog().app(&backup.app_id)?;
        let before = backup.taken_at.timestamp().checked_sub(SignedDuration::from_millis(2)).ok();
        self.latest(&app, &Wanted::default(), before)
    }

    /// What changed from `earlier` to `later`, model by model; models that only one of them holds too.
    ///
    /// # Errors
    /// A vault cannot be read.
    pub fn compare_backups(&self, earlier: &Backup, later: &Backup) -> Result<Vec<ModelDifference>> {
        self.allow(Role::Operator, "backups diff", &later.id)?;
        let (before, after) = (self.stored(earlier)?, self.stored(later)?);
        let mut models = Vec::new();
        for new in after.manifest.models() {
            let old = before.manifest.models().find(|old| is_same_model(old, new));
            models.push(match old {
                None => one_side(new, new.rows, 0),
                Some(old) => both(&before, old, &after, new)?,
            });
        }
        let gone = before.manifest.models().filter(|old| !after.manifest.models().any(|new| is_same_model(old, new)));
        models.extend(gone.map(|old| one_side(old, 0, old.rows)));
        Ok(models)
    }
}

fn is_same_model(a: &RelationRecord, b: &RelationRecord) -> bool {
    a.relation.name == b.relation.name && (a.relation.kind == RelationKind::Files) == (b.relation.kind == RelationKind::Files)
}

fn one_side(record: &RelationRecord, added: u64, removed: u64) -> ModelDifference {
    let (module, model) = (record.relation.module.clone(), record.relation.name.clone());
    ModelDifference { module, model, added, changed: 0, removed, same: 0, redefined: true }
}

fn both(before: &StoredBackup, old: &RelationRecord, after: &StoredBackup, new: &RelationRecord) -> Result<ModelDifference> {
    let redefined = old.relation.columns != new.relation.columns || old.relation.key != new.relation.key;
    let projection = Projection::new(&old.relation, &new.relation);
    if projection.key_changed() {
        return Ok(ModelDifference { redefined, ..one_side(new, new.rows, old.rows) });
    }
    // Equal digests are equal rows: nothing needs to be read.
    let counts = if !redefined && (old.rows, old.digest) == (new.rows, new.digest) {
        Counts { identical: new.rows, ..Counts::default() }
    } else {
        let mut comparison = Comparison::new(before.rows(old).map(|row| row.map_err(Error::from)), projection, &BTreeSet::new());
        for row in after.rows(new) {
            let _ = comparison.live(row?, &mut |_| Ok(ControlFlow::Continue(())))?;
        }
        let _ = comparison.finish(&mut |_| Ok(ControlFlow::Continue(())))?;
        comparison.counts()
    };
    let (added, removed) = (counts.live_only, counts.new);
    Ok(ModelDifference { changed: counts.conflicts, same: counts.identical, redefined, ..one_side(new, added, removed) })
}
