//! A relation whose source tells what is as it was: those rows are not read, and their digests are the digest cache's.
//!
//! What comes of it is what a whole comparison gives. A cache that has no digest for a key that the source knows it by, or turns out
//! not to be what it said, is not believed, and neither is the source: everything is compared then.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};

use super::digests::{Cached, Growing, Keeping};
use super::ranges::{self, Ranges};
use super::relation::{Against, Counted, Outcome, Scanned, Storing};
use super::tallied::{Tallied, Told};
use crate::engine::error::{Error, Result};
use crate::rows::cache::Stretches;
use crate::rows::changes::Changes;
use crate::rows::run::RunWriter;
use crate::rows::{Batch, RelationDigest, Row, RowDigest};
use crate::sources::Since;
use crate::vault::{self, RelationRecord, Writer};

/// What is told goes from the reading thread to the comparing one in batches of about this many bytes, or this many rows.
const BATCH_WEIGHT: usize = 256 << 10;
const BATCH_ROWS: usize = 4096;
/// Batches that may wait between the two.
const BATCHES: usize = 4;

/// Takes what is told of the next row; its digest, or `None` where the backup does not have what the source speaks of.
type Take<'t> = dyn FnMut(&Since) -> Result<Option<RowDigest>> + Send + 't;

/// What came of a pass: the digests of the rows in their order, and their cache. `None` where the backup is not what the source speaks of.
type Passed<'v> = Option<(RelationDigest, Option<Growing<'v>>)>;

impl Storing<'_> {
    /// `None` where the source cannot tell what changed, or the cache is not what the source speaks of.
    pub(super) fn told(&self, since: &RelationRecord, counted: &Counted<'_>) -> Result<Option<Outcome>> {
        let Some(moment) = self.moment.filter(|moment| self.snapshot.tells_since(self.relation, moment)) else { return Ok(None) };
        let Some(cached) = self.digests.of(since) else { return Ok(None) };
        match self.ranges(since, moment)? {
            Some(ranges) => self.told_by_count(since, (moment, cached, ranges), counted),
            None => self.told_by_key(since, (moment, cached), counted),
        }
    }

    /// What the source counts in ranges of keys; `None` where it counts nothing, or ranges would hold too much.
    fn ranges(&self, since: &RelationRecord, moment: &serde_json::Value) -> Result<Option<Ranges<'_>>> {
        let Some(asking) = self.snapshot.asking_since(self.relation, moment) else { return Ok(None) };
        let Some(outline) = self.digests.of(since).and_then(Cached::outline) else { return Ok(None) };
        let Some(bounds) = ranges::bounds((&outline.0, outline.1), self.relation.key_columns().len()) else { return Ok(None) };
        let tallies = self.snapshot.tally_since(self.relation, moment, &bounds)?;
        Ok(tallies.map(|tallies| Ranges::new(bounds, tallies, asking)))
    }

    /// Of rows that are as they were nothing is sent.
    fn told_by_count(
        &self,
        since: &RelationRecord,
        (moment, cached, ranges): (&serde_json::Value, Cached<'_>, Ranges<'_>),
        counted: &Counted<'_>,
    ) -> Result<Option<Outcome>> {
        let judge = cached.judge();
        let cache = self.digests.begin_upon(&cached, self.relation, self.backup);
        let mut tallied = Tallied::new(cached.entries(), ranges, self.relation.key_columns().len());
        let mut run = self.change_run(&since.runs);
        match self.scan_written((moment, cache), counted, &mut tallied, &mut run) {
            Ok(Some(scanned)) if judge.was_whole() => {
                let runs = self.upon(since, run.finish()?)?;
                Ok(Some(self.outcome(runs, scanned, Against::Told(tallied.same))))
            }
            Err(error) if !judge.was_broken() => Err(error),
            _ => {
                counted.take_back();
                Ok(None)
            }
        }
    }

    /// Of rows that are as they were the key is sent.
    fn told_by_key(
        &self,
        since: &RelationRecord,
        (moment, cached): (&serde_json::Value, Cached<'_>),
        counted: &Counted<'_>,
    ) -> Result<Option<Outcome>> {
        let judge = cached.judge();
        let mut changes = Changes::new(cached.entries());
        let mut run = self.change_run(&since.runs);
        let (relation, mut same, mut one) = (self.relation, 0, Batch::default());
        let passed = self.scan_since(moment, counted, &mut |told| match told {
            Since::Same(key) => {
                same += 1;
                changes.same(key.as_bytes(), &mut |change| run.take(change))
            }
            Since::Row(row) => {
                one.clear();
                one.push(relation, row)?;
                let mut digest = None;
                for row in one.rows() {
                    changes.live(row, &mut |change| run.take(change))?;
                    digest = Some(row.digest);
                }
                Ok(digest)
            }
        });
        let scanned = match passed.and_then(|scanned| changes.finish(&mut |change| run.take(change)).map(|()| scanned)) {
            Ok(Some(scanned)) if judge.was_whole() => scanned,
            Err(error) if !judge.was_broken() => return Err(error),
            _ => {
                counted.take_back();
                return Ok(None);
            }
        };
        let runs = self.upon(since, run.finish()?)?;
        Ok(Some(self.outcome(runs, scanned, Against::Told(same))))
    }

    /// Pushes the rows that were written since to another thread, which merges them with what the last backup has and writes the cache.
    fn scan_written<P: Stretches<Error = Error> + Send>(
        &self,
        (moment, cache): (&serde_json::Value, Option<Keeping<'_>>),
        counted: &Counted<'_>,
        tallied: &mut Tallied<'_, P>,
        run: &mut RunWriter<'_, Writer<'_>>,
    ) -> Result<Option<Scanned>> {
        std::thread::scope(|scope| {
            let (to, batches) = sync_channel(BATCHES);
            let (back, emptied) = channel();
            let merging = std::thread::Builder::new().name("comparing".into());
            let merging = merging.spawn_scoped(scope, move || merged((&batches, &back), tallied, run, (cache, counted)));
            let merging = merging.map_err(|error| Error::from(vault::Error::from(error)))?;
            let unread = self.snapshot.scan_written(self.relation, moment, self.writer, &mut |batch| {
                counted.add(0, batch.weight());
                let full = std::mem::replace(batch, emptied.try_recv().unwrap_or_default());
                // Nobody takes it where the other side failed, which it tells below.
                let goes_on = !self.is_over() && to.send(full).is_ok();
                if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            drop(to);
            let passed = merging.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            if self.is_over() {
                return Err(Error::Cancelled);
            }
            let unread = unread?;
            let Some((digest, cache)) = passed else { return Ok(None) };
            let (rows, digest) = digest.finish();
            let fresh = cache.and_then(|cache| cache.finish(rows, digest).ok());
            Ok(Some(Scanned { unread, rows, digest, fresh }))
        })
    }

    /// Pushes what the source tells to `take` on another thread, counts it and writes the cache.
    fn scan_since(&self, moment: &serde_json::Value, counted: &Counted<'_>, take: &mut Take<'_>) -> Result<Option<Scanned>> {
        let cache = self.digests.begin(self.relation, self.backup);
        std::thread::scope(|scope| {
            let (to, batches) = sync_channel(BATCHES);
            let taking = std::thread::Builder::new().name("comparing".into()).spawn_scoped(scope, move || taken(&batches, take, cache));
            let taking = taking.map_err(|error| Error::from(vault::Error::from(error)))?;
            let (mut batch, mut weight) = (Vec::new(), 0);
            let unread = self.snapshot.scan_since(self.relation, moment, self.writer, &mut |told| {
                let bytes = told.weight();
                counted.add(1, bytes);
                batch.push(told);
                weight += bytes;
                if batch.len() < BATCH_ROWS && weight < BATCH_WEIGHT {
                    return ControlFlow::Continue(());
                }
                weight = 0;
                let goes_on = !self.is_over() && to.send(std::mem::take(&mut batch)).is_ok();
                if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            // Nobody takes it where the other side failed, which it tells below.
            let _ = to.send(batch);
            drop(to);
            let passed = taking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            if self.is_over() {
                return Err(Error::Cancelled);
            }
            let (Some((digest, cache)), unread) = (passed, unread?) else { return Ok(None) };
            let (rows, digest) = digest.finish();
            let fresh = cache.and_then(|cache| cache.finish(rows, digest).ok());
            Ok(Some(Scanned { unread, rows, digest, fresh }))
        })
    }
}

/// The other side of a scan.
fn taken<'v>(batches: &Receiver<Vec<Since>>, take: &mut Take<'_>, mut cache: Option<Growing<'v>>) -> Result<Passed<'v>> {
    let mut seen = RelationDigest::default();
    for told in batches.iter().flatten() {
        let Some(digest) = take(&told)? else { return Ok(None) };
        let (Since::Same(key) | Since::Row(Row { key, .. })) = &told;
        seen.push(digest);
        cache = cache.and_then(|mut cache| cache.push(key.as_bytes(), digest).is_ok().then_some(cache));
    }
    Ok(Some((seen, cache)))
}

/// The other side of a scan of what was written since.
fn merged<'v, P: Stretches<Error = Error>>(
    (batches, back): (&Receiver<Batch>, &Sender<Batch>),
    tallied: &mut Tallied<'_, P>,
    run: &mut RunWriter<'_, Writer<'_>>,
    (mut cache, counted): (Option<Keeping<'v>>, &Counted<'_>),
) -> Result<Option<(RelationDigest, Option<Keeping<'v>>)>> {
    let (mut seen, mut uncounted) = (RelationDigest::default(), 0);
    let mut emit = |told: Told<'_>| -> Result<()> {
        let rows = match &told {
            Told::Same(stretch) => stretch.digests(),
            Told::Written(row, _) => std::slice::from_ref(&row.digest.0),
            Told::Gone(_) => &[],
        };
        seen.push_all(rows);
        uncounted += rows.len();
        if uncounted >= BATCH_ROWS {
            counted.add(std::mem::take(&mut uncounted), 0);
        }
        if cache.as_mut().is_some_and(|cache| cache.take(&told).is_err()) {
            cache = None;
        }
        Ok(told.change().map_or(Ok(()), |change| run.take(change))?)
    };
    for mut batch in batches {
        for row in batch.rows() {
            if !tallied.written(row, &mut emit)? {
                return Ok(None);
            }
        }
        batch.clear();
        // The other side may have ended.
        let _ = back.send(batch);
    }
    if !tallied.finish(&mut emit)? {
        return Ok(None);
    }
    counted.add(uncounted, 0);
    Ok(Some((seen, cache)))
}
