//! One relation into the vault: read in key order, compared with what the last backup holds, written as a run.
//!
//! Memory: one open segment and its encoding, one segment a run of the previous side; nothing grows with the table.

use std::ops::ControlFlow;

use crate::engine::error::{Error, Result};
use crate::engine::progress::Progress;
use crate::engine::stored::rows_of;
use crate::rows::changes::Changes;
use crate::rows::merge;
use crate::rows::run::{Run, RunKind, RunReader, RunWriter};
use crate::rows::{Change, Relation, RelationDigest, Row, RowDigest};
use crate::sources::{Snapshot, Unread};
use crate::vault::{self, RelationRecord, Vault, Writer};

/// At most this many change runs upon a base; then they are folded into one (DESIGN, Rows).
const MOST_CHANGE_RUNS: usize = 8;

/// Tables smaller than this get a new base only when as many rows changed: a base of a few rows costs nothing.
const SMALL: u64 = 64;

/// What became of a relation.
pub struct Outcome {
    /// What the manifest says of it.
    pub record: RelationRecord,
    /// What could not be read.
    pub unread: Vec<Unread>,
}

/// A relation on its way into the vault.
pub struct Storing<'a> {
    /// Where it is read.
    pub snapshot: &'a dyn Snapshot,
    /// The relation.
    pub relation: &'a Relation,
    /// Where it goes.
    pub writer: &'a Writer<'a>,
    /// Where the last backup is read.
    pub vault: &'a Vault,
    /// What is counted, and who may stop it.
    pub progress: &'a Progress,
}

impl Storing<'_> {
    /// Stores the relation as it is now; as changes upon `since` where that serves.
    ///
    /// # Errors
    /// What the source or the vault says, and [`Error::Cancelled`].
    pub fn store(&self, since: Option<&RelationRecord>) -> Result<Outcome> {
        match since {
            Some(record) if record.whole && record.relation.is_shaped_like(self.relation) && !outgrown(record) => {
                match self.changes(record) {
                    // What is lost at every location cannot be built upon: it is stored again.
                    Err(error) if is_loss(&error) => self.base(),
                    stored => stored,
                }
            }
            _ => self.base(),
        }
    }

    fn base(&self) -> Result<Outcome> {
        let mut run = RunWriter::measuring(self.writer, self.relation, RunKind::Base, &self.vault.boundary_key());
        let (unread, digest) = self.scan(&mut |row, _| Ok(run.push(Change::Upsert(row))?))?;
        Ok(self.outcome(vec![run.finish()?], unread, &digest))
    }

    fn changes(&self, since: &RelationRecord) -> Result<Outcome> {
        let previous = rows_of(self.vault, self.relation, &since.runs).map(|row| row.map(|row| (row.key.clone(), row.digest())));
        let mut changes = Changes::new(previous);
        let mut run = self.change_run(&since.runs);
        let (unread, digest) = self.scan(&mut |row, digest| Ok(changes.live(row, digest, &mut |change| run.push(change))?))?;
        changes.finish(&mut |change| run.push(change))?;
        let run = run.finish()?;
        let mut runs = if since.runs.len() > MOST_CHANGE_RUNS { self.fold(&since.runs)? } else { since.runs.clone() };
        if run.rows + run.deletes > 0 {
            runs.push(run);
        }
        Ok(self.outcome(runs, unread, &digest))
    }

    /// Puts the change runs of the last backup together into one; the base is neither read nor written. (This backup's own run cannot
    /// be read before it is committed, so it stays on top.)
    fn fold(&self, runs: &[Run]) -> Result<Vec<Run>> {
        let Some((base, changes)) = runs.split_first() else { return Ok(Vec::new()) };
        let newest_first = changes.iter().rev().map(|run| RunReader::new(self.vault, self.relation, run)).collect();
        Ok(vec![base.clone(), merge::fold(newest_first, self.change_run(runs))?])
    }

    fn change_run(&self, runs: &[Run]) -> RunWriter<'_, Writer<'_>> {
        let target = runs.first().map_or(16, |base| base.target);
        RunWriter::new(self.writer, self.relation, RunKind::Change, &self.vault.boundary_key(), target)
    }

    fn outcome(&self, runs: Vec<Run>, unread: Vec<Unread>, digest: &RelationDigest) -> Outcome {
        let (rows, digest) = digest.finish();
        Outcome { record: RelationRecord { relation: self.relation.clone(), runs, rows, digest, whole: unread.is_empty() }, unread }
    }

    /// Pushes the rows to `each`, counts them and digests them in their order.
    fn scan(&self, each: &mut dyn FnMut(Row, RowDigest) -> Result<()>) -> Result<(Vec<Unread>, RelationDigest)> {
        let mut digest = RelationDigest::default();
        let mut stopped = None;
        let unread = self.snapshot.scan(self.relation, self.writer, &mut |row| {
            let row_digest = row.digest();
            digest.push(row_digest);
            self.progress.record(row.weight() as u64);
            let taken = if self.progress.is_cancelled() { Err(Error::Cancelled) } else { each(row, row_digest) };
            match taken {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    stopped = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        match stopped {
            Some(error) => Err(error),
            None => Ok((unread?, digest)),
        }
    }
}

/// True where what the last backup stored cannot be read any more.
fn is_loss(error: &Error) -> bool {
    matches!(error, Error::Damage(_) | Error::Vault(vault::Error::Lost { .. } | vault::Error::Damaged { .. }))
}

/// True where the changes come to half of the base: a new base is cheaper from then on.
fn outgrown(record: &RelationRecord) -> bool {
    let Some((base, changes)) = record.runs.split_first() else { return true };
    changes.iter().map(|run| run.rows + run.deletes).sum::<u64>() * 2 > base.rows.max(SMALL)
}
