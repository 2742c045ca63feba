//! A relation whose source tells what is as it was: those rows are not read, and their digests are the digest cache's.
//!
//! What comes of it is what a whole comparison gives. A cache that has no digest for a key that the source knows it by, or turns out
//! not to be what it said, is not believed, and neither is the source: everything is compared then.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, sync_channel};

use super::digests::Growing;
use super::relation::{Against, Outcome, Scanned, Storing};
use crate::engine::error::{Error, Result};
use crate::rows::changes::Changes;
use crate::rows::{RelationDigest, RowDigest};
use crate::sources::Since;
use crate::vault::{self, RelationRecord};

/// What is told goes from the reading thread to the comparing one in batches of about this many bytes, or this many rows.
const BATCH_WEIGHT: usize = 256 << 10;
const BATCH_ROWS: usize = 4096;
/// Batches that may wait between the two.
const BATCHES: usize = 4;

/// Takes what is told of the next row; its digest, or `None` where the backup does not have what the source speaks of.
type Take<'t> = dyn FnMut(Since) -> Result<Option<RowDigest>> + Send + 't;

/// What came of a pass: the digests of the rows in their order, and their cache. `None` where the backup is not what the source speaks of.
type Passed<'v> = Option<(RelationDigest, Option<Growing<'v>>)>;

impl Storing<'_> {
    /// `None` where the source cannot tell what changed, or the cache is not what the source speaks of.
    pub(super) fn told(&self, since: &RelationRecord) -> Result<Option<Outcome>> {
        let Some(moment) = self.moment.filter(|moment| self.snapshot.tells_since(self.relation, moment)) else { return Ok(None) };
        let Some(cached) = self.digests.of(since) else { return Ok(None) };
        let (judge, begun) = (cached.judge(), self.progress.read());
        let mut changes = Changes::new(cached.entries().map(|entry| entry.map_err(Error::from)));
        let mut run = self.change_run(&since.runs);
        let mut same = 0;
        let mut emit = |change| run.push(change);
        let passed = self.scan_since(moment, &mut |told| match told {
            Since::Same(key) => {
                same += 1;
                changes.same(&key, &mut emit)
            }
            Since::Row(row) => {
                let digest = row.digest();
                changes.live(row, digest, &mut emit)?;
                Ok(Some(digest))
            }
        });
        let scanned = match passed.and_then(|scanned| changes.finish(&mut emit).map(|()| scanned)) {
            Ok(Some(scanned)) if judge.was_whole() => scanned,
            Err(error) if !judge.was_broken() => return Err(error),
            _ => {
                self.progress.reached(begun.records, begun.bytes);
                return Ok(None);
            }
        };
        let runs = self.upon(since, run.finish()?)?;
        Ok(Some(self.outcome(runs, scanned, Against::Told(same))))
    }

    /// Pushes what the source tells to `take` on another thread, counts it and writes the cache.
    fn scan_since(&self, moment: &serde_json::Value, take: &mut Take<'_>) -> Result<Option<Scanned>> {
        let cache = self.digests.begin(self.relation, self.backup);
        std::thread::scope(|scope| {
            let (to, batches) = sync_channel(BATCHES);
            let taking = std::thread::Builder::new().name("comparing".into()).spawn_scoped(scope, move || taken(&batches, take, cache));
            let taking = taking.map_err(|error| Error::from(vault::Error::from(error)))?;
            let (mut batch, mut weight) = (Vec::new(), 0);
            let unread = self.snapshot.scan_since(self.relation, moment, self.writer, &mut |told| {
                let bytes = told.weight();
                self.progress.record(bytes as u64);
                batch.push(told);
                weight += bytes;
                if batch.len() < BATCH_ROWS && weight < BATCH_WEIGHT {
                    return ControlFlow::Continue(());
                }
                weight = 0;
                let goes_on = !self.progress.is_cancelled() && to.send(std::mem::take(&mut batch)).is_ok();
                if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            // Nobody takes it where the other side failed, which it tells below.
            let _ = to.send(batch);
            drop(to);
            let passed = taking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            if self.progress.is_cancelled() {
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
        let key = match &told {
            Since::Same(key) => key.clone(),
            Since::Row(row) => row.key.clone(),
        };
        let Some(digest) = take(told)? else { return Ok(None) };
        seen.push(digest);
        cache = cache.and_then(|mut cache| cache.push(&key, digest).is_ok().then_some(cache));
    }
    Ok(Some((seen, cache)))
}
