//! One relation into the vault: read in key order, compared with what the last backup holds, written as a run.
//!
//! One thread reads the source, another digests, compares and encodes; the vault's own threads compress and seal. Memory: a few
//! batches of rows, one open segment and its encoding, one segment a run of the previous side; nothing grows with the table.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};

use super::digests::{Arrangement, Cached, Digests, Fresh, Growing};
use crate::engine::error::{Error, Result};
use crate::engine::progress::Progress;
use crate::rows::changes::{Changes, Known};
use crate::rows::merge;
use crate::rows::run::{Run, RunKind, RunReader, RunWriter};
use crate::rows::{Batch, Digest, Relation, RelationDigest, RowDigest};
use crate::sources::{Snapshot, Unread};
use crate::vault::{self, BackupId, Missed, RelationRecord, Vault, Writer};

/// At most this many change runs upon a base; then they are folded into one (DESIGN, Rows).
const MOST_CHANGE_RUNS: usize = 8;

/// Tables smaller than this get a new base only when as many rows changed: a base of a few rows costs nothing.
const SMALL: u64 = 64;

/// Batches of rows that may wait between the reading thread and the comparing one.
const BATCHES: usize = 4;

/// What a relation was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// Nothing: it is a new base.
    Nothing,
    /// The digest cache, which proved to be right.
    Cache,
    /// The digest cache, which proved to be right; of so many rows the source told that they are as they were, and they were not read.
    Told(u64),
    /// What the vault holds.
    Vault,
}

/// What became of a relation.
pub struct Outcome {
    /// What the manifest says of it.
    pub record: RelationRecord,
    /// What could not be read.
    pub unread: Vec<Unread>,
    /// What it was compared with.
    pub against: Against,
    /// Its digest cache, which is kept once the backup exists; `None` where the one that is there stays right, or none could be written.
    pub fresh: Option<Fresh>,
}

impl Outcome {
    /// With the same rows, the cache that is there stays right; unless the source keeps them in other pieces than those that it knows.
    fn keeping_cache_of(mut self, since: &RelationRecord, arrangement: Option<Arrangement>) -> Self {
        let moved = |fresh: &Fresh| fresh.arrangement().is_some_and(|fresh| Some(fresh) != arrangement);
        self.fresh = self.fresh.filter(|fresh| self.record.digest != since.digest || moved(fresh));
        self
    }
}

/// So many missed records and files of a model are named in the manifest, which has a bounded size; of more, their number.
const MOST_NAMED: usize = 10_000;

/// What the manifest says of what could not be read.
pub fn missed(unread: Vec<Unread>) -> Vec<Missed> {
    let more = unread.len().saturating_sub(MOST_NAMED);
    let rest = unread.first().filter(|_| more > 0).map(|unread| Missed {
        model: unread.model.clone(),
        what: format!("{more} more"),
        why: "they cannot be read either; the job's log names them".into(),
    });
    let named = unread.into_iter().take(MOST_NAMED).map(|Unread { model, what, why }| Missed { model, what, why });
    named.chain(rest).collect()
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
    /// The digest caches.
    pub digests: &'a Digests<'a>,
    /// The backup that is being made.
    pub backup: &'a BackupId,
    /// Whether what the last backup holds is read itself, and so proved, where its digest cache would do: a full backup trusts nothing.
    pub proving: bool,
    /// What is counted, and who may stop it.
    pub progress: &'a Progress,
    /// Set where another relation of the source failed: this one is of no use then.
    pub stop: &'a AtomicBool,
    /// What fixed the moment of the backup that it is compared with, where the source may be asked what changed since.
    pub moment: Option<&'a serde_json::Value>,
}

/// What one relation added to the progress.
pub(super) struct Counted<'p> {
    progress: &'p Progress,
    records: AtomicU64,
    bytes: AtomicU64,
}

impl<'p> Counted<'p> {
    fn new(progress: &'p Progress) -> Self {
        Self { progress, records: AtomicU64::default(), bytes: AtomicU64::default() }
    }

    pub(super) fn add(&self, records: usize, bytes: usize) {
        let (records, bytes) = (records as u64, bytes as u64);
        self.records.fetch_add(records, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.progress.add(records, bytes);
    }

    /// It is read again.
    pub(super) fn take_back(&self) {
        self.progress.take_back(self.records.swap(0, Ordering::Relaxed), self.bytes.swap(0, Ordering::Relaxed));
    }
}

/// Takes rows that were read and digested, on a thread of its own.
type Take<'t> = dyn FnMut(&mut Batch) -> Result<()> + Send + 't;

/// What a pass over the source gave.
pub(super) struct Scanned {
    pub(super) unread: Vec<Unread>,
    pub(super) rows: u64,
    pub(super) digest: Digest,
    pub(super) fresh: Option<Fresh>,
}

impl Storing<'_> {
    /// Stores the relation as it is now; as changes upon `since` where that serves.
    ///
    /// # Errors
    /// What the source or the vault says, and [`Error::Cancelled`].
    pub fn store(&self, since: Option<&RelationRecord>) -> Result<Outcome> {
        let counted = Counted::new(self.progress);
        match since {
            Some(record) if record.whole && record.relation.is_shaped_like(self.relation) && !outgrown(record) => {
                match self.compared(record, &counted) {
                    // What is lost at every location cannot be built upon: it is stored again.
                    Err(error) if is_loss(&error) => {
                        counted.take_back();
                        self.base(&counted)
                    }
                    stored => stored,
                }
            }
            _ => self.base(&counted),
        }
    }

    fn base(&self, counted: &Counted<'_>) -> Result<Outcome> {
        let mut run = RunWriter::measuring(self.writer, self.relation, RunKind::Base, &self.vault.boundary_key());
        let scanned = self.scan(counted, &mut |batch| Ok(run.take_all(batch)?))?;
        Ok(self.outcome(vec![run.finish()?], scanned, Against::Nothing))
    }

    /// The cache is tried first. Where it turns out not to be what it said, the comparison is made again with the vault: what the
    /// first one stored is found there by the second. Where packs are lost, only reading the vault tells what must be stored again.
    fn compared(&self, since: &RelationRecord, counted: &Counted<'_>) -> Result<Outcome> {
        let mut cached = self.digests.of(since);
        let mut kept = cached.is_some();
        let arrangement = cached.as_ref().and_then(Cached::arrangement);
        if self.proving || !self.writer.is_whole(since)? {
            cached = None;
        }
        if cached.is_some()
            && let Some(outcome) = self.told(since, counted)?
        {
            return Ok(outcome.keeping_cache_of(since, arrangement));
        }
        if cached.is_some()
            && let Some(outcome) = self.pieced(since, counted)?
        {
            return Ok(outcome.keeping_cache_of(since, arrangement));
        }
        if let Some(cached) = cached {
            let judge = cached.judge();
            match self.changes(since, cached.entries(), Against::Cache, counted) {
                Ok(outcome) if judge.was_whole() => return Ok(outcome.keeping_cache_of(since, arrangement)),
                Err(error) if !judge.was_broken() => return Err(error),
                _ => counted.take_back(),
            }
            kept = false;
        }
        let stored = Held(merge::Rows::new(self.vault, self.relation, &since.runs));
        let outcome = self.changes(since, stored, Against::Vault, counted)?;
        Ok(if kept { outcome.keeping_cache_of(since, arrangement) } else { outcome })
    }

    fn changes(
        &self,
        since: &RelationRecord,
        previous: impl Known<Error = Error> + Send,
        against: Against,
        counted: &Counted<'_>,
    ) -> Result<Outcome> {
        let mut changes = Changes::new(previous);
        let mut run = self.change_run(&since.runs);
        let mut live = |batch: &mut Batch| batch.rows().try_for_each(|row| changes.live(row, &mut |change| run.take(change)));
        let scanned = self.scan(counted, &mut live)?;
        changes.finish(&mut |change| run.take(change))?;
        let runs = self.upon(since, run.finish()?)?;
        Ok(self.outcome(runs, scanned, against))
    }

    /// The runs that the relation consists of with these changes upon what the last backup has.
    pub(super) fn upon(&self, since: &RelationRecord, changes: Run) -> Result<Vec<Run>> {
        let mut runs = if since.runs.len() > MOST_CHANGE_RUNS { self.fold(&since.runs)? } else { since.runs.clone() };
        if changes.rows + changes.deletes > 0 {
            runs.push(changes);
        }
        Ok(runs)
    }

    /// Puts the change runs of the last backup together into one; the base is neither read nor written. (This backup's own run cannot
    /// be read before it is committed, so it stays on top.)
    fn fold(&self, runs: &[Run]) -> Result<Vec<Run>> {
        let Some((base, changes)) = runs.split_first() else { return Ok(Vec::new()) };
        let newest_first = changes.iter().rev().map(|run| RunReader::new(self.vault, self.relation, run)).collect();
        Ok(vec![base.clone(), merge::fold(newest_first, self.change_run(runs))?])
    }

    pub(super) fn change_run(&self, runs: &[Run]) -> RunWriter<'_, Writer<'_>> {
        let target = runs.first().map_or(16, |base| base.target);
        RunWriter::new(self.writer, self.relation, RunKind::Change, &self.vault.boundary_key(), target)
    }

    pub(super) fn outcome(&self, runs: Vec<Run>, scanned: Scanned, against: Against) -> Outcome {
        let Scanned { unread, rows, digest, fresh } = scanned;
        let whole = unread.is_empty();
        let record = RelationRecord { relation: self.relation.clone(), runs, rows, digest, whole };
        Outcome { record, unread, against, fresh: fresh.filter(|_| whole) }
    }

    pub(super) fn is_over(&self) -> bool {
        self.progress.is_cancelled() || self.stop.load(Ordering::Relaxed)
    }

    /// Pushes the rows to `take` on another thread, counts them, digests them in their order and writes their cache.
    fn scan(&self, counted: &Counted<'_>, take: &mut Take<'_>) -> Result<Scanned> {
        let cache = self.digests.begin(self.relation, self.backup);
        let layout = cache.as_ref().and_then(|_| self.snapshot.pieces(self.relation));
        let listing = cache.as_ref().zip(layout).and_then(|(cache, layout)| self.digests.list(cache, layout));
        std::thread::scope(|scope| {
            let (to, batches) = sync_channel(BATCHES);
            let (back, emptied) = channel();
            let comparing = std::thread::Builder::new().name("comparing".into());
            let taking = comparing.spawn_scoped(scope, move || taken(&batches, &back, take, cache));
            let taking = taking.map_err(|error| Error::from(vault::Error::from(error)))?;
            let unread = self.snapshot.scan_batches(self.relation, self.writer, &mut |batch| {
                counted.add(batch.len(), batch.weight());
                let full = std::mem::replace(batch, emptied.try_recv().unwrap_or_default());
                // Nobody takes it where the other side failed, which it tells below.
                let goes_on = !self.is_over() && to.send(full).is_ok();
                if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            drop(to);
            let listing = if unread.as_ref().is_ok_and(Vec::is_empty) { listing.and_then(|listing| self.listed(listing)) } else { None };
            let (digest, cache) = taking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            if self.is_over() {
                return Err(Error::Cancelled);
            }
            let unread = unread?;
            let (rows, digest) = digest.finish();
            // The cache is a shortcut: a backup does without it.
            let fresh = cache.and_then(|cache| cache.with(listing).finish(rows, digest).ok());
            Ok(Scanned { unread, rows, digest, fresh })
        })
    }
}

/// The other side of a scan; batches go back to be filled again.
fn taken<'v>(
    batches: &Receiver<Batch>,
    back: &Sender<Batch>,
    take: &mut Take<'_>,
    mut cache: Option<Growing<'v>>,
) -> Result<(RelationDigest, Option<Growing<'v>>)> {
    let mut seen = RelationDigest::default();
    for mut batch in batches {
        for row in batch.rows() {
            seen.push(row.digest);
            if cache.as_mut().is_some_and(|cache| cache.push(row.key, row.digest).is_err()) {
                cache = None;
            }
        }
        take(&mut batch)?;
        batch.clear();
        // The other side may have ended.
        let _ = back.send(batch);
    }
    Ok((seen, cache))
}

/// The rows that the vault holds of the last backup.
struct Held<'a>(merge::Rows<'a, Vault>);

impl Known for Held<'_> {
    type Error = Error;

    fn head(&self) -> Option<(&[u8], RowDigest)> {
        self.0.head()
    }

    fn advance(&mut self) -> Result<()> {
        Ok(self.0.advance()?)
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
