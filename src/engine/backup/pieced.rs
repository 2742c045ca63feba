//! A relation whose source keeps its rows in pieces: those in pieces that are as they were are not read, and their digests are the
//! digest cache's.
//!
//! What comes of it is what a whole comparison gives. Where the pieces, their list or the cache turn out not to be what they said,
//! none of them is believed: everything is compared then.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};

use super::digests::Growing;
use super::listing::{Listing, Pieces};
use super::relation::{Against, Counted, Outcome, Scanned, Storing};
use crate::engine::error::{Error, Result};
use crate::rows::changes::{Changes, Known};
use crate::rows::{Batch, Digest, Fold, Key, Piece, RelationDigest, RowDigest, Value};
use crate::sources::Pieced;
use crate::vault::{self, RelationRecord};

/// Messages that may wait between the reading thread and the comparing one.
const MESSAGES: usize = 4;
/// So many stretches go with one batch at most: a source whose pieces come and go like that is read whole.
const STRETCHES: usize = 16 << 10;

/// Pieces one after the other that are as they were, and the rows of the batch that come before them.
struct Stretch {
    first: i64,
    last: i64,
    rows: u64,
    at: usize,
}

/// Rows that were read, and between them stretches that were not.
#[derive(Default)]
struct Message {
    batch: Batch,
    same: Vec<Stretch>,
}

/// The reading side: what it knows of pieces, and what it found.
struct Asking<'a, 'v> {
    known: Pieces<'v>,
    head: Option<Piece>,
    fresh: Option<Listing<'v>>,
    counted: &'a Counted<'a>,
    same: Vec<Stretch>,
    /// Rows in stretches.
    untouched: u64,
    /// Whether known pieces that are gone lie behind the last one that was the same.
    gap: bool,
    /// Set where the list cannot be read.
    broken: bool,
}

impl Asking<'_, '_> {
    /// Whether the piece is as it was; it is put down for the next backup either way.
    fn is_known(&mut self, piece: &Piece) -> bool {
        self.fresh = self.fresh.take().and_then(|mut fresh| fresh.push(piece).is_ok().then_some(fresh));
        while self.head.is_some_and(|known| known.first < piece.first) {
            self.gap = true;
            self.advance();
        }
        let same = self.head == Some(*piece) && !self.broken;
        if same {
            self.advance();
        }
        same
    }

    fn advance(&mut self) {
        self.head = self.known.next().unwrap_or_else(|_| {
            self.broken = true;
            None
        });
    }

    /// Notes a piece whose rows are not read.
    fn skip(&mut self, piece: &Piece, at: usize) {
        let rows = piece.rows;
        self.counted.add(usize::try_from(rows).unwrap_or(usize::MAX), 0);
        self.untouched += rows;
        let gap = std::mem::take(&mut self.gap);
        match self.same.last_mut().filter(|last| last.at == at && !gap) {
            Some(last) => (last.last, last.rows) = (piece.last, last.rows + rows),
            None => self.same.push(Stretch { first: piece.first, last: piece.last, rows, at }),
        }
    }
}

/// Takes the next rows and stretches, and gives keys and digests of all of them on; false where the backup does not have what the source
/// speaks of.
type Take<'t> = dyn FnMut(&mut Message, &mut dyn FnMut(&[u8], RowDigest)) -> Result<bool> + Send + 't;

/// What came of a pass: the digests of the rows in their order, and their cache. `None` where the backup is not what the source speaks of.
type Passed<'v> = Option<(RelationDigest, Option<Growing<'v>>)>;

impl Storing<'_> {
    /// `None` where the source does not tell pieces, or the cache is not what they speak of.
    pub(super) fn pieced(&self, since: &RelationRecord, counted: &Counted<'_>) -> Result<Option<Outcome>> {
        let (Some(layout), Some(cached)) = (self.snapshot.pieces(self.relation), self.digests.of(since)) else { return Ok(None) };
        let Some(known) = cached.pieces(layout) else { return Ok(None) };
        let judge = cached.judge();
        let mut changes = Changes::new(cached.entries());
        let mut run = self.change_run(&since.runs);
        let passed = self.scan_pieces((layout, known), counted, &mut |message, each| {
            message.batch.digest();
            compare(message, &mut changes, each, &mut |change| run.take(change))
        });
        let (scanned, untouched) = match passed.and_then(|scanned| changes.finish(&mut |change| run.take(change)).map(|()| scanned)) {
            Ok(Some(scanned)) if judge.was_whole() => scanned,
            Err(error) if !judge.was_broken() => return Err(error),
            _ => {
                counted.take_back();
                return Ok(None);
            }
        };
        let runs = self.upon(since, run.finish()?)?;
        Ok(Some(self.outcome(runs, scanned, Against::Told(untouched))))
    }

    /// Pushes rows and stretches to `take` on another thread, counts them and writes the cache.
    fn scan_pieces(
        &self,
        (layout, known): (Digest, Pieces<'_>),
        counted: &Counted<'_>,
        take: &mut Take<'_>,
    ) -> Result<Option<(Scanned, u64)>> {
        let cache = self.digests.begin(self.relation, self.backup);
        let fresh = cache.as_ref().and_then(|cache| self.digests.list(cache, layout));
        let mut asking = Asking { known, head: None, fresh, counted, same: Vec::new(), untouched: 0, gap: false, broken: false };
        asking.advance();
        let asking = std::cell::RefCell::new(asking);
        std::thread::scope(|scope| {
            let (to, messages) = sync_channel(MESSAGES);
            let (back, emptied) = channel::<Message>();
            let comparing = std::thread::Builder::new().name("comparing".into());
            let taking = comparing.spawn_scoped(scope, move || taken(&messages, &back, take, cache));
            let taking = taking.map_err(|error| Error::from(vault::Error::from(error)))?;
            let told =
                self.snapshot.scan_pieces(self.relation, self.writer, &mut |piece| asking.borrow_mut().is_known(piece), &mut |pieced| {
                    let mut asking = asking.borrow_mut();
                    let goes_on = match pieced {
                        Pieced::Same(piece, at) => {
                            asking.skip(&piece, at);
                            asking.same.len() <= STRETCHES
                        }
                        Pieced::Rows(batch) => {
                            counted.add(batch.len(), batch.weight());
                            let mut message = emptied.try_recv().unwrap_or_default();
                            std::mem::swap(&mut message.batch, batch);
                            std::mem::swap(&mut message.same, &mut asking.same);
                            to.send(message).is_ok()
                        }
                    };
                    // Nobody takes it where the other side failed, which it tells below.
                    if goes_on && !self.is_over() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                });
            let Asking { same, untouched, fresh, broken, .. } = asking.into_inner();
            let too_many = same.len() > STRETCHES;
            if !same.is_empty() {
                let _ = to.send(Message { same, ..Message::default() });
            }
            drop(to);
            let passed = taking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            if self.is_over() {
                return Err(Error::Cancelled);
            }
            let (Some((digest, cache)), Some(()), false) = (passed, told?, broken || too_many) else { return Ok(None) };
            let (rows, digest) = digest.finish();
            let fresh = cache.and_then(|cache| cache.with(fresh).finish(rows, digest).ok());
            Ok(Some((Scanned { unread: Vec::new(), rows, digest, fresh }, untouched)))
        })
    }

    /// Puts down the pieces of a relation that was read whole.
    pub(super) fn listed<'v>(&self, mut listing: Listing<'v>) -> Option<Listing<'v>> {
        let mut written = true;
        let told = self.snapshot.scan_pieces(
            self.relation,
            self.writer,
            &mut |piece| {
                written = written && listing.push(piece).is_ok();
                true
            },
            &mut |_| if self.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) },
        );
        (written && told.is_ok_and(|told| told.is_some()) && !self.is_over()).then_some(listing)
    }
}

/// The rows of a message and the stretches between them, in key order.
fn compare<P: Known<Error = Error>, W>(
    message: &Message,
    changes: &mut Changes<P>,
    each: &mut dyn FnMut(&[u8], RowDigest),
    emit: &mut impl FnMut(crate::rows::ChangeRef<'_>) -> Result<(), W>,
) -> Result<bool>
where
    Error: From<W>,
{
    let mut place = 0;
    let whole = Stretch { first: 0, last: 0, rows: 0, at: message.batch.len() };
    for stretch in message.same.iter().chain([&whole]) {
        while let Some(row) = message.batch.get(place).filter(|_| place < stretch.at) {
            changes.live(row, emit)?;
            each(row.key, row.digest);
            place += 1;
        }
        if stretch.rows == 0 {
            continue;
        }
        let (Some(first), Some(last)) = (key(stretch.first), key(stretch.last)) else { return Ok(false) };
        if !changes.same_run((first.as_bytes(), last.as_bytes(), stretch.rows), each, emit)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn key(number: i64) -> Option<Key> {
    Key::of([(&Value::Integer(number), Fold::Binary)])
}

/// The other side of a scan; messages go back to be filled again.
fn taken<'v>(
    messages: &Receiver<Message>,
    back: &Sender<Message>,
    take: &mut Take<'_>,
    mut cache: Option<Growing<'v>>,
) -> Result<Passed<'v>> {
    let mut seen = RelationDigest::default();
    for mut message in messages {
        let known = take(&mut message, &mut |key, digest| {
            seen.push(digest);
            if cache.as_mut().is_some_and(|cache| cache.push(key, digest).is_err()) {
                cache = None;
            }
        })?;
        if !known {
            return Ok(None);
        }
        message.batch.clear();
        message.same.clear();
        // The other side may have ended.
        let _ = back.send(message);
    }
    Ok(Some((seen, cache)))
}
