//! What a backup and the live data have in common: new, identical, conflict, live only, by key.
//!
//! The backup's rows are pulled, the live ones pushed; both come in key order. Hidden columns are not compared. Among
//! identical rows without a key the k-th is paired with the k-th, by ordinal.

mod projection;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::{Damage, Key, Row, Value};

pub use projection::Projection;

/// What a restore does to a field where the backup's value is taken. *Empty* is NULL or no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// The live value is empty, the backup has one.
    Fill,
    /// Both have a value.
    Change,
    /// The backup is empty: replacing would erase.
    Blank,
}

impl FieldKind {
    /// What it is where `backup` and `live` differ.
    #[must_use]
    pub fn of(backup: &Value, live: &Value) -> Self {
        match (backup.is_empty(), live.is_empty()) {
            (true, _) => Self::Blank,
            (false, true) => Self::Fill,
            (false, false) => Self::Change,
        }
    }
}

/// A field that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The index of its column in the live relation.
    pub column: usize,
    /// What replacing it would do.
    pub kind: FieldKind,
}

/// Where one record stands. All rows have the live relation's columns, in its order.
#[derive(Clone, Debug)]
pub enum Difference {
    /// In the backup only; columns that the backup lacks are NULL ([`Projection::is_stored`] tells them).
    New(Row),
    /// In both, all compared fields equal: the live row.
    Identical(Row),
    /// In both, and a field differs.
    Conflict {
        /// As the backup has it.
        backup: Row,
        /// As it is.
        live: Row,
        /// The fields that differ, in column order.
        fields: Vec<FieldChange>,
    },
    /// In the live data only.
    LiveOnly(Row),
}

impl Difference {
    /// The key of the record.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::New(row) | Self::Identical(row) | Self::LiveOnly(row) => &row.key,
            Self::Conflict { live, .. } => &live.key,
        }
    }
}

/// How many records stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// In the backup only.
    pub new: u64,
    /// In both, equal.
    pub identical: u64,
    /// In both, different.
    pub conflicts: u64,
    /// In the live data only.
    pub live_only: u64,
}

impl Counts {
    /// Records that the backup holds: new and existing.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.new + self.existing()
    }

    /// Records that are in both.
    #[must_use]
    pub fn existing(&self) -> u64 {
        self.identical + self.conflicts
    }
}

/// Compares live rows with a backup's.
pub struct Comparison<I: Iterator> {
    backup: I,
    head: Option<Row>,
    begun: bool,
    last: Option<Key>,
    projection: Projection,
    compared: Vec<usize>,
    counts: Counts,
}

impl<I, E> Comparison<I>
where
    I: Iterator<Item = Result<Row, E>>,
    E: From<Damage>,
{
    /// Compares with `backup`, whose rows `projection` brings into the live order; columns in `ignored` (live indexes) are not compared.
    #[must_use]
    pub fn new(backup: I, projection: Projection, ignored: &BTreeSet<usize>) -> Self {
        let compared = projection.compared().filter(|column| !ignored.contains(column)).collect();
        Self { backup, head: None, begun: false, last: None, projection, compared, counts: Counts::default() }
    }

    /// Takes the next live row and emits what is known by now; breaks where `emit` does.
    ///
    /// # Errors
    /// What reading the backup or emitting met, and rows of either side that are not in key order.
    pub fn live(&mut self, row: Row, emit: &mut impl FnMut(Difference) -> Result<ControlFlow<()>, E>) -> Result<ControlFlow<()>, E> {
        if self.last.as_ref().is_some_and(|last| *last >= row.key) {
            return Err(self.projection.disorder().into());
        }
        self.last = Some(row.key.clone());
        if self.new_until(Some(&row.key), emit)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        match self.head.take_if(|head| head.key == row.key) {
            Some(backup) => {
                self.pull(Some(&row.key))?;
                emit(self.compare(backup, row))
            }
            None => {
                self.counts.live_only += 1;
                emit(Difference::LiveOnly(row))
            }
        }
    }

    /// Emits what is left of the backup: no live row follows.
    ///
    /// # Errors
    /// What reading the backup or emitting met.
    pub fn finish(&mut self, emit: &mut impl FnMut(Difference) -> Result<ControlFlow<()>, E>) -> Result<ControlFlow<()>, E> {
        self.new_until(None, emit)
    }

    /// What was emitted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How the backup's columns became the live ones.
    #[must_use]
    pub fn projection(&self) -> &Projection {
        &self.projection
    }

    fn new_until(
        &mut self,
        end: Option<&Key>,
        emit: &mut impl FnMut(Difference) -> Result<ControlFlow<()>, E>,
    ) -> Result<ControlFlow<()>, E> {
        if !self.begun {
            self.begun = true;
            self.pull(None)?;
        }
        while let Some(row) = self.head.take_if(|row| end.is_none_or(|end| row.key < *end)) {
            self.pull(Some(&row.key))?;
            self.counts.new += 1;
            if emit(Difference::New(row))?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn pull(&mut self, before: Option<&Key>) -> Result<(), E> {
        self.head = self.backup.next().transpose()?.map(|row| self.projection.project(row)).transpose()?;
        match (&self.head, before) {
            (Some(head), Some(before)) if head.key <= *before => Err(self.projection.disorder().into()),
            _ => Ok(()),
        }
    }

    fn compare(&mut self, backup: Row, live: Row) -> Difference {
        let difference = pair(&self.compared, backup, live);
        match difference {
            Difference::Conflict { .. } => self.counts.conflicts += 1,
            _ => self.counts.identical += 1,
        }
        difference
    }
}

/// Compares two rows with the live columns and the same key in the columns `compared`.
#[must_use]
pub fn pair(compared: &[usize], backup: Row, live: Row) -> Difference {
    let mut fields = Vec::new();
    for &column in compared {
        let (stored, now) = (&backup.values[column], &live.values[column]);
        if !stored.same(now) {
            fields.push(FieldChange { column, kind: FieldKind::of(stored, now) });
        }
    }
    if fields.is_empty() { Difference::Identical(live) } else { Difference::Conflict { backup, live, fields } }
}
