//! Ranges of keys that are made of whole numbers: a source counts what it has in each, and the digest cache what it had.

use crate::engine::error::Result;
use crate::rows::{Key, key};
use crate::sources::{Asking, Tally};

/// So many ranges for each block of the cache: of some 2400 keys of which one in a thousand is gone, most ranges then miss one at most.
const IN_A_BLOCK: usize = 8;
/// At most about so many ranges: what is held of them is bounded whatever the table's size.
const MOST: usize = 1 << 16;
/// A range holds the keys of about so many blocks at most: they are gathered before it is known which of them are gone.
const MOST_BLOCKS: usize = 16;
/// So many times as many ranges may be made where that makes them even: those where keys are rare have none, and cost little.
const MOST_EMPTY: usize = 4;
/// Keys that are asked for at once where one range after the other needs to be asked about.
const ASKED_AT_ONCE: u64 = 1 << 15;

/// Where ranges begin, by the first numbers of keys: what lies before the first bound is a range too. `outline` has the first keys of blocks
/// that are so many `blocks` apart, and the last key. `None` where ranges would hold too much, since first numbers are much the same, or keys are not made of
/// whole numbers.
pub(super) fn bounds((outline, blocks): (&[Key], usize), columns: usize) -> Option<Vec<i64>> {
    let mut numbers = vec![0; columns];
    let first = outline.iter().map(|key| key::integers(key.as_bytes(), &mut numbers).then(|| numbers.first().copied()).flatten());
    let firsts = first.collect::<Option<Vec<i64>>>()?;
    let (apart, parts) = (firsts.len().div_ceil(MOST).max(1), (MOST / firsts.len().max(1)).clamp(1, IN_A_BLOCK * blocks));
    let most = (MOST_BLOCKS / blocks.max(1)).max(1);
    if apart > most || firsts.windows(most + 1).any(|firsts| firsts.first() == firsts.last()) {
        return None;
    }
    if let Some(even) = even(&firsts, parts, most) {
        return Some(even);
    }
    let ends: Vec<i64> = firsts.iter().copied().step_by(apart).chain(firsts.last().copied()).collect();
    let mut bounds = Vec::with_capacity(ends.len() * parts);
    for pair in ends.windows(2) {
        let (from, to) = (i128::from(pair[0]), i128::from(pair[1]));
        let between = (0..parts as i128).filter_map(|part| i64::try_from(from + (to - from) * part / parts as i128).ok());
        bounds.extend(between);
    }
    bounds.dedup();
    bounds.is_sorted().then_some(bounds)
}

/// Bounds that are multiples of a power of two, one after the other, so that there are about `parts` of them from one of `firsts` to the next
/// where keys lie closely: a source finds the range of a number by a shift. `None` where that would be far
/// more bounds than elsewhere are made, or a range would hold what lies between more than `most` of `firsts`, and the last two.
fn even(firsts: &[i64], parts: usize, most: usize) -> Option<Vec<i64>> {
    let (first, last) = (*firsts.first()?, *firsts.last()?);
    let wide = |pair: &[i64]| i128::from(pair[pair.len() - 1]) - i128::from(pair[0]);
    let mut gaps: Vec<i128> = firsts.windows(2).map(wide).collect();
    gaps.sort_unstable();
    // From the last one that was looked at to the last block, and on to the last key, there may be few.
    let close = gaps.get((2 + gaps.len() / 16).min(gaps.len() / 2))?;
    let shift = (close * 3 / 2 / parts as i128).checked_ilog2()?;
    if firsts.windows(most + 3).any(|firsts| wide(firsts) < 1 << shift) {
        return None;
    }
    // What comes behind the last key is a range of its own.
    let (from, to) = (first >> shift, (last >> shift).saturating_add(1).min(i64::MAX >> shift));
    let bounds = (MOST_EMPTY * parts * gaps.len()).min(MOST);
    (i128::from(to) - i128::from(from) < bounds as i128).then(|| (from..=to).map(|bound| bound << shift).collect())
}

/// What the source counts in each range.
pub(super) struct Ranges<'a> {
    pub(super) bounds: Vec<i64>,
    pub(super) tallies: Vec<Tally>,
    pub(super) asking: Box<dyn Asking + 'a>,
    /// Keys that were asked for, of the ranges before `until`.
    asked: std::vec::IntoIter<Key>,
    until: usize,
    at_once: usize,
}

impl<'a> Ranges<'a> {
    pub(super) fn new(bounds: Vec<i64>, tallies: Vec<Tally>, asking: Box<dyn Asking + 'a>) -> Self {
        Self { bounds, tallies, asking, asked: Vec::new().into_iter(), until: 0, at_once: 1 }
    }

    /// The range of keys whose first number is this; ranges are gone through in their order, and `from` is not behind it.
    pub(super) fn of(&self, first: i64, from: usize) -> usize {
        let mut range = from;
        while self.bounds.get(range).is_some_and(|bound| *bound <= first) {
            range += 1;
        }
        range
    }

    /// The keys in a range of rows that are as they were. Where the range before was asked about as well, those of more ranges come at once.
    pub(super) fn same_in(&mut self, range: usize) -> Result<Vec<Key>> {
        if range >= self.until {
            let is_near = self.until > 0 && range < self.until + 4;
            self.at_once = if is_near { self.at_once * 2 } else { 1 };
            let mut rows = 0;
            let most = self.tallies.iter().skip(range).take(self.at_once).take_while(|tally| {
                rows += tally.rows;
                rows <= ASKED_AT_ONCE
            });
            self.until = range + most.count().max(1);
            self.asked = self.asking.same_between(self.begin(range), self.begin(self.until))?.into_iter();
        }
        let (begin, end) = (self.begin(range), self.begin(range + 1));
        let first = |key: &Key| {
            let mut numbers = vec![0; self.tallies.first().map_or(0, |tally| tally.sums.len())];
            key::integers(key.as_bytes(), &mut numbers).then(|| numbers.first().copied()).flatten()
        };
        let mut found = Vec::new();
        while let Some(next) = self.asked.as_slice().first() {
            let number = first(next);
            if end.is_some() && number >= end {
                break;
            }
            let Some(key) = self.asked.next() else { break };
            if begin.is_none() || number >= begin {
                found.push(key);
            }
        }
        Ok(found)
    }

    fn begin(&self, range: usize) -> Option<i64> {
        range.checked_sub(1).and_then(|bound| self.bounds.get(bound)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Fold, Value};

    fn key(numbers: &[i64]) -> Key {
        let parts: Vec<Value> = numbers.iter().copied().map(Value::Integer).collect();
        Key::of(parts.iter().map(|part| (part, Fold::Binary))).unwrap()
    }

    #[test]
    fn ranges_are_as_even_as_the_keys_of_the_backup() {
        let outline = [0, 800, 1600, 1_000_000].map(|first| key(&[first]));
        let bounds = bounds((&outline, 1), 1).unwrap();
        assert_eq!(bounds[..9], [0, 100, 200, 300, 400, 500, 600, 700, 800]);
        assert_eq!(bounds.len(), 25);
        assert_eq!(bounds[16..18], [1600, 126_400], "what lies far away widens no other range");
        let apart = super::bounds((&outline, 4), 1).unwrap();
        assert_eq!((apart.len(), &apart[..3]), (97, &[0, 25, 50][..]), "of four blocks one was looked at");
    }

    #[test]
    fn where_keys_lie_evenly_bounds_are_multiples_of_a_power_of_two() {
        let even = |firsts: &[i64], blocks| {
            let outline: Vec<Key> = firsts.iter().map(|first| key(&[*first])).collect();
            super::bounds((&outline, blocks), 1).unwrap()
        };
        let bounds = even(&[1, 2341, 4681, 7021, 7500], 1);
        assert_eq!((bounds.len(), bounds[0], bounds[1], bounds[30]), (31, 0, 256, 7680));
        let apart = even(&[1, 18_721, 37_441, 56_161, 56_300], 8);
        assert_eq!((apart[1], apart.len()), (256, 221), "of eight blocks one was looked at");
        let negative = even(&[-7000, -4700, -2400, -100, 1], 1);
        assert_eq!((negative[0], negative[1], *negative.last().unwrap()), (-7168, -6912, 256));
        let (least, greatest) = (i64::MIN, i64::MAX);
        let all = even(&[least, least / 2, 0, greatest / 2, greatest], 1);
        assert_eq!((all.len(), all[0], all[31]), (32, least, greatest - ((1 << 59) - 1)));
        let rare = even(&[0, 2400, 4800, 20_000, 20_100, 20_200], 1);
        assert_eq!((rare[1], rare.len()), (256, 80), "ranges are as many as it takes where keys lie closest");
        let near: Vec<i64> = (0..40).map(|block| block * 2400).chain((0..20).map(|block| 96_000 + block)).collect();
        assert_eq!(even(&near, 1)[..2], [0, 300], "no range holds many blocks");
        assert_eq!(even(&[0, 2400, 4800, 200_000, 200_100, 200_200], 1)[..2], [0, 300], "up to some number");
    }

    #[test]
    fn the_least_and_the_greatest_keys_have_their_ranges() {
        let outline = [i64::MIN, i64::MAX].map(|first| key(&[first, 1]));
        let bounds = bounds((&outline, 1), 2).unwrap();
        assert_eq!((bounds.len(), bounds[0], bounds[4], bounds[7]), (8, i64::MIN, 0, 3 << 61));
        assert_eq!(super::bounds((&[], 1), 1), Some(Vec::new()));
        assert_eq!(super::bounds((&[key(&[5]), key(&[5])], 1), 1), Some(vec![5]));
    }

    #[test]
    fn their_number_and_what_they_hold_is_bounded() {
        let many: Vec<Key> = (0..200_000).map(|first| key(&[first * 3])).collect();
        assert!(bounds((&many, 1), 1).is_some_and(|bounds| bounds.len() <= MOST && bounds.len() > MOST / 4));
        let alike = |blocks: i64| bounds((&(0..blocks).map(|second| key(&[4, second])).collect::<Vec<_>>(), 1), 2);
        assert!(alike(16).is_some() && alike(17).is_none(), "keys that begin alike");
        assert!(bounds((&[key(&[1, 2])], 1), 1).is_none());
    }
}
