//! A relation whose source counts its rows, and gives those that were written since: neither the others nor their keys are sent.
//!
//! A row that was not written since is one that the last backup has, unchanged. So what the backup has and was not written since is
//! there still, or gone. In each range of keys the source counts all rows and sums up their keys. Without those that were written, as
//! many as the backup has: none is gone. One less: the sums differ by its key. Else the source is asked for the keys of that range.
//!
//! What does not come out even means that the cache, or the source, is not what it was taken for: everything is compared then.

use crate::engine::error::{Error, Result};
use crate::rows::changes::Known;
use crate::rows::{Batch, ChangeRef, Key, RowDigest, RowRef, key};
use crate::sources::Tally;

use super::ranges::Ranges;

/// Written rows of one range that are held back, in bytes: beyond, the source is asked which of the others are there still.
const HELD_BACK: usize = 4 << 20;

/// What becomes of one row, in the order of the keys.
pub(super) enum Told<'r> {
    /// It is in the relation, with this digest; and changed or new, where it is given.
    Live(&'r [u8], RowDigest, Option<RowRef<'r>>),
    /// It is gone.
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
    held: Held,
    /// Rows that were not written since.
    pub(super) same: u64,
}

/// What is known of a range so far, and not emitted: rows that were not written since, and those that were, each behind so many of the others.
#[derive(Default)]
struct Held {
    keys: Vec<u8>,
    ends: Vec<usize>,
    digests: Vec<RowDigest>,
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

impl<'a, P: Known<Error = Error>> Tallied<'a, P> {
    pub(super) fn new(previous: P, ranges: Ranges<'a>, columns: usize) -> Self {
        let held = Held { numbers: vec![0; columns], ..Held::default() };
        Self { previous, begun: false, ranges, range: 0, held: held.anew(), same: 0 }
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
        while let Some((key, digest)) = self.previous.head().filter(|(key, _)| end.is_none_or(|end| *key < end)) {
            if !self.held.numbers_of(key) {
                return Ok(false);
            }
            let range = self.ranges.of(self.held.first(), self.range);
            if range != self.range {
                if !self.close_until(range, emit)? {
                    return Ok(false);
                }
                continue;
            }
            self.held.keys.extend_from_slice(key);
            self.held.ends.push(self.held.keys.len());
            self.held.digests.push(digest);
            self.held.untouched.add(&self.held.numbers);
            self.previous.advance()?;
        }
        Ok(true)
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
    fn let_go(&mut self, mut gone: Gone, emit: &mut Emit<'_>) -> Result<bool> {
        let Self { held, same, .. } = self;
        held.written.digest();
        let (mut written, mut begin, mut met) = (0, 0, false);
        for place in 0..=held.ends.len() {
            while let Some((_, known)) = held.places.get(written).filter(|(behind, _)| *behind == place)
                && let Some(row) = held.written.get(written)
            {
                emit(Told::Live(row.key, row.digest, (*known != Some(row.digest)).then_some(row)))?;
                written += 1;
            }
            let Some(&end) = held.ends.get(place) else { break };
            let key = &held.keys[begin..end];
            begin = end;
            let is_gone = match &mut gone {
                Gone::None => false,
                Gone::All => true,
                Gone::One(one) => {
                    let is_it = one.as_bytes() == key;
                    met |= is_it;
                    is_it
                }
                Gone::AllBut(still) => {
                    let is_there = still.keys.get(still.found).is_some_and(|there| there.as_bytes() == key);
                    still.found += usize::from(is_there);
                    !is_there
                }
            };
            if is_gone {
                emit(Told::Gone(key))?;
            } else {
                *same += 1;
                emit(Told::Live(key, held.digests[place], None))?;
            }
        }
        held.clear();
        let is_odd = matches!(gone, Gone::One(_)) && !met;
        if let Gone::AllBut(still) = gone {
            held.still = Some(still);
        }
        Ok(!is_odd)
    }
}

impl Held {
    fn numbers_of(&mut self, key: &[u8]) -> bool {
        key::integers(key, &mut self.numbers)
    }

    fn first(&self) -> i64 {
        self.numbers.first().copied().unwrap_or_default()
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
            Self::Live(_, _, row) => row.map(ChangeRef::Upsert),
        }
    }
}

#[cfg(test)]
mod tests;
