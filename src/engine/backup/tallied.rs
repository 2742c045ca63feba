//! A relation whose source counts its rows, and gives those that were written since: neither the others nor their keys are sent.
//!
//! A row that was not written since is one that the last backup has, unchanged. So what the backup has and was not written since is
//! there still, or gone. In each range of keys the source counts all rows and sums up their keys. Without those that were written, as
//! many as the backup has: none is gone. One less: the sums differ by its key. Else the source is asked for the keys of that range.
//!
//! What does not come out even means that the cache, or the source, is not what it was taken for: everything is compared then.

use crate::engine::error::{Error, Result};
use crate::rows::cache::{Stretch, Stretches};
use crate::rows::{Batch, ChangeRef, Fold, Key, RowDigest, RowRef, Value, key};
use crate::sources::Tally;

use super::ranges::Ranges;

/// Written rows of one range that are held back, in bytes: beyond, the source is asked which of the others are there still.
const HELD_BACK: usize = 4 << 20;

/// What becomes of rows, in the order of the keys.
pub(super) enum Told<'r> {
    /// These are as they were.
    Same(Stretch<'r>),
    /// This one was written since; whether it is another than it was.
    Written(RowRef<'r>, bool),
    /// The one with this key is gone.
    Gone(&'r [u8]),
}

/// Takes what becomes of each row.
pub(super) type Emit<'e> = dyn FnMut(Told<'_>) -> Result<()> + 'e;

/// Merges the keys that the backup has with the rows that were written since. Memory: the keys of one range, and its written rows
/// up to [`HELD_BACK`].
pub(super) struct Tallied<'a, P> {
    previous: P,
    begun: bool,
    ranges: Ranges<'a>,
    range: usize,
    /// Keys from here on are behind the range.
    end: Option<Key>,
    held: Held,
    /// Rows that were not written since.
    pub(super) same: u64,
}

/// What is known of a range so far, and not emitted: rows that were not written since, and those that were, each behind so many of the others.
#[derive(Default)]
struct Held {
    keys: Vec<u8>,
    ends: Vec<usize>,
    digests: Vec<[u8; 16]>,
    written: Batch,
    places: Vec<(usize, Option<RowDigest>)>,
    untouched: Tally,
    touched: Tally,
    numbers: Vec<i64>,
    /// The keys of those that are there still, where the source had to be asked.
    still: Option<Still>,
}

struct Still {
    keys: Vec<Key>,
    found: usize,
}

/// Which of the rows of a range that were not written since are gone.
enum Gone {
    None,
    All,
    One(Key),
    AllBut(Still),
}

impl<'a, P: Stretches<Error = Error>> Tallied<'a, P> {
    pub(super) fn new(previous: P, ranges: Ranges<'a>, columns: usize) -> Self {
        let held = Held { numbers: vec![0; columns], ..Held::default() };
        let end = ranges.bounds.first().and_then(|bound| begins_with(*bound));
        Self { previous, begun: false, ranges, range: 0, end, held: held.anew(), same: 0 }
    }

    /// Takes the next row that was written since. False where what the source says is not believed.
    pub(super) fn written(&mut self, row: RowRef<'_>, emit: &mut Emit<'_>) -> Result<bool> {
        if !self.pass(Some(row.key), emit)? || !self.enter(row.key, emit)? {
            return Ok(false);
        }
        let known = self.previous.head().filter(|(key, _)| *key == row.key).map(|(_, digest)| digest);
        if known.is_some() {
            self.previous.advance()?;
        }
        self.held.places.push((self.held.ends.len(), known));
        self.held.written.copy(row);
        self.held.touched.add(&self.held.numbers);
        if self.held.written.weight() < HELD_BACK {
            return Ok(true);
        }
        // What comes is told at once, since it is known which of the others are there.
        let still = match self.held.still.take() {
            Some(still) => still,
            None => Still { keys: self.ranges.same_in(self.range)?, found: 0 },
        };
        self.let_go(Gone::AllBut(still), emit)
    }

    /// Ends it: nothing more was written.
    pub(super) fn finish(&mut self, emit: &mut Emit<'_>) -> Result<bool> {
        if !self.pass(None, emit)? {
            return Ok(false);
        }
        let behind = self.ranges.tallies.len();
        self.close_until(behind, emit)
    }

    /// Takes what the backup has before `end`.
    fn pass(&mut self, end: Option<&[u8]>, emit: &mut Emit<'_>) -> Result<bool> {
        if !self.begun {
            self.begun = true;
            self.previous.advance()?;
        }
        loop {
            let stretch = self.previous.stretch();
            let Some((first, _)) = stretch.get(0) else { return Ok(true) };
            let behind = self.end.as_ref().map(Key::as_bytes);
            let count = [end, behind].into_iter().flatten().min().map_or(stretch.len(), |end| stretch.below(end));
            if count > 0 {
                if !self.held.hold(stretch.part(0, count)) {
                    return Ok(false);
                }
                self.previous.pass(count)?;
            } else if end.is_some_and(|end| end <= first) {
                return Ok(true);
            } else {
                if !self.held.numbers_of(first) {
                    return Ok(false);
                }
                let range = self.ranges.of(self.held.first(), self.range);
                // Of keys that are whole numbers their order says the same.
                if range == self.range || !self.close_until(range, emit)? {
                    return Ok(false);
                }
            }
        }
    }

    /// Goes on to the range of `key`.
    fn enter(&mut self, key: &[u8], emit: &mut Emit<'_>) -> Result<bool> {
        if !self.held.numbers_of(key) {
            return Ok(false);
        }
        let range = self.ranges.of(self.held.first(), self.range);
        let closed = self.close_until(range, emit)?;
        Ok(closed && self.held.numbers_of(key))
    }

    fn close_until(&mut self, range: usize, emit: &mut Emit<'_>) -> Result<bool> {
        while self.range < range {
            let Some(gone) = self.gone()? else { return Ok(false) };
            if !self.let_go(gone, emit)? {
                return Ok(false);
            }
            if self.held.still.as_ref().is_some_and(|still| still.found < still.keys.len()) {
                return Ok(false);
            }
            self.held = std::mem::take(&mut self.held).anew();
            self.range += 1;
            self.end = self.ranges.bounds.get(self.range).and_then(|bound| begins_with(*bound));
        }
        Ok(true)
    }

    /// Which are gone in this range; `None` where the counts cannot be.
    fn gone(&mut self) -> Result<Option<Gone>> {
        let Some(all) = self.ranges.tallies.get(self.range) else { return Ok(None) };
        let Some(left) = all.less(&self.held.touched) else { return Ok(None) };
        let Some(missing) = self.held.untouched.less(&left) else { return Ok(None) };
        if let Some(still) = self.held.still.take() {
            return Ok((left.rows == still.keys.len() as u64).then_some(Gone::AllBut(still)));
        }
        Ok(match (missing.rows, left.rows) {
            (0, _) => missing.is_nothing().then_some(Gone::None),
            (_, 0) => left.is_nothing().then_some(Gone::All),
            (1, _) => missing.key().map(Gone::One),
            _ => {
                let keys = self.ranges.same_in(self.range)?;
                (left.rows == keys.len() as u64).then_some(Gone::AllBut(Still { keys, found: 0 }))
            }
        })
    }

    /// Emits what is held of the range. False where a row that is told to be gone, or there, is none that the backup has.
    fn let_go(&mut self, gone: Gone, emit: &mut Emit<'_>) -> Result<bool> {
        let Some(lost) = self.held.lost(&gone) else { return Ok(false) };
        let Self { held, same, .. } = self;
        let there = held.ends.len() - lost.len();
        held.written.digest();
        let all = held.stretch();
        let (mut lost, mut places, mut at) = (lost.into_iter().peekable(), held.places.iter().enumerate().peekable(), 0);
        loop {
            let next = [lost.peek().copied(), places.peek().map(|(_, (behind, _))| *behind)].into_iter().flatten().min();
            let stop = next.unwrap_or(all.len());
            if stop > at {
                *same += (stop - at) as u64;
                emit(Told::Same(all.part(at, stop)))?;
                at = stop;
            }
            if let Some((written, (_, known))) = places.next_if(|(_, (behind, _))| *behind == at) {
                if let Some(row) = held.written.get(written) {
                    emit(Told::Written(row, *known != Some(row.digest)))?;
                }
            } else if let Some((key, _)) = lost.next_if_eq(&at).and_then(|place| all.get(place)) {
                emit(Told::Gone(key))?;
                at += 1;
            } else {
                break;
            }
        }
        if let Gone::AllBut(mut still) = gone {
            still.found += there;
            held.still = Some(still);
        }
        held.clear();
        Ok(true)
    }
}

/// What the keys of rows begin with whose first number is this.
fn begins_with(number: i64) -> Option<Key> {
    Key::of([(&Value::Integer(number), Fold::Binary)])
}

impl Held {
    fn numbers_of(&mut self, key: &[u8]) -> bool {
        key::integers(key, &mut self.numbers)
    }

    fn first(&self) -> i64 {
        self.numbers.first().copied().unwrap_or_default()
    }

    /// Takes rows that were not written since; false where a key is not made of whole numbers.
    fn hold(&mut self, stretch: Stretch<'_>) -> bool {
        let begin = self.keys.len();
        self.keys.extend_from_slice(stretch.bytes());
        self.ends.extend(stretch.ends().map(|end| begin + end));
        self.digests.extend_from_slice(stretch.digests());
        let Self { numbers, untouched, .. } = self;
        stretch.keys().all(|key| {
            let whole = key::integers(key, numbers);
            untouched.add(numbers);
            whole
        })
    }

    /// Those that were not written since.
    fn stretch(&self) -> Stretch<'_> {
        Stretch::new(&self.keys, 0, &self.ends, &self.digests)
    }

    /// The places of those that are gone; `None` where the one that shall be gone is not there.
    fn lost(&self, gone: &Gone) -> Option<Vec<usize>> {
        let all = self.stretch();
        match gone {
            Gone::None => Some(Vec::new()),
            Gone::All => Some((0..all.len()).collect()),
            Gone::One(one) => {
                let place = all.below(one.as_bytes());
                all.get(place).is_some_and(|(key, _)| key == one.as_bytes()).then(|| vec![place])
            }
            Gone::AllBut(still) => {
                let mut left = still.keys[still.found..].iter().peekable();
                let is_gone = |(_, key): &(usize, &[u8])| left.next_if(|there| there.as_bytes() == *key).is_none();
                Some(all.keys().enumerate().filter(is_gone).map(|(place, _)| place).collect())
            }
        }
    }

    fn clear(&mut self) {
        self.keys.clear();
        self.ends.clear();
        self.digests.clear();
        self.written.clear();
        self.places.clear();
    }

    /// For the next range, in the memory that is there.
    fn anew(mut self) -> Self {
        self.clear();
        self.still = None;
        for tally in [&mut self.untouched, &mut self.touched] {
            tally.rows = 0;
            tally.sums.clear();
            tally.sums.resize(self.numbers.len(), 0);
        }
        self
    }
}

impl<'r> Told<'r> {
    /// The change that it is.
    pub(super) fn change(&self) -> Option<ChangeRef<'r>> {
        match self {
            Self::Gone(key) => Some(ChangeRef::Delete(key)),
            Self::Written(row, true) => Some(ChangeRef::Upsert(*row)),
            Self::Written(_, false) | Self::Same(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
