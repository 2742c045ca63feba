//! A model as a backup holds it beside the live one, row by row where they lie: only rows that differ are taken out.

use super::checks::stop;
use super::{Result, Unreadable};
use crate::rows::{Relation, RowRef};
use crate::sources::{Looking, Snapshot, Unread};

/// The rows of a backup's model in key order, one at a time, where they lie.
pub trait Lying {
    /// The row it stands at; `None` before the first and behind the last.
    fn row(&self) -> Option<RowRef<'_>>;
    /// Goes on to the next row, or the first.
    ///
    /// # Errors
    /// What makes it unreadable.
    fn advance(&mut self) -> Result<(), Unreadable>;
}

/// What is there under a key.
pub(super) enum Meeting<'m> {
    /// The same row on both sides.
    Same,
    /// Two rows with other digests: the backup's and the live one.
    Differ(RowRef<'m>, RowRef<'m>),
    /// A row of the backup.
    New(RowRef<'m>),
    /// A live row.
    LiveOnly(RowRef<'m>),
}

/// Tells `met` of every key of either side, in order. Both have the same columns and the same key.
pub(super) fn meet(
    backup: &mut dyn Lying,
    live: &dyn Snapshot,
    relation: &Relation,
    met: &mut dyn FnMut(Meeting<'_>) -> Result<()>,
) -> Result<Vec<Unread>> {
    backup.advance()?;
    let mut failure = None;
    let unread = live.scan_batches(relation, &Looking, &mut |batch| {
        let next = batch.rows().try_for_each(|row| pass(backup, row, met)).map(|()| true);
        batch.clear();
        stop(&mut failure, next)
    })?;
    failure.map_or(Ok(()), Err)?;
    while let Some(row) = backup.row() {
        met(Meeting::New(row))?;
        backup.advance()?;
    }
    Ok(unread)
}

/// The backup goes on until it stands behind the live row.
fn pass(backup: &mut dyn Lying, live: RowRef<'_>, met: &mut dyn FnMut(Meeting<'_>) -> Result<()>) -> Result<()> {
    while let Some(row) = backup.row().filter(|row| row.key < live.key) {
        met(Meeting::New(row))?;
        backup.advance()?;
    }
    match backup.row().filter(|row| row.key == live.key) {
        Some(row) => {
            met(if row.digest == live.digest { Meeting::Same } else { Meeting::Differ(row, live) })?;
            Ok(backup.advance()?)
        }
        None => met(Meeting::LiveOnly(live)),
    }
}
