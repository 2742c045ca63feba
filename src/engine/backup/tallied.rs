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
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::rows::changes::Pulled;
    use crate::rows::{Column, Fold, KeyKind, Relation, RelationKind, Role, Row, Value};
    use crate::sources::{self, Asking};

    /// The numbers that a key is made of.
    type Numbers = [i64; 2];

    fn relation() -> Relation {
        let column =
            |name: &str| Column { name: name.into(), declared: "bigint".into(), role: Role::Data, fold: Fold::Binary, not_null: true };
        let (columns, key) = (["a", "b", "text"].map(column).into(), KeyKind::Columns(vec![0, 1]));
        Relation { name: "r".into(), module: String::new(), kind: RelationKind::Table, columns, key }
    }

    fn row((numbers, text): (&Numbers, &String)) -> Row {
        let numbers = numbers.map(Value::Integer);
        Row::new(&relation(), numbers.into_iter().chain([Value::text(text)]).collect(), 0)
    }

    /// What a server is asked, and may answer wrongly.
    #[derive(Clone, Debug, Default)]
    struct Server {
        same: BTreeSet<Numbers>,
        asked: std::sync::Arc<std::sync::atomic::AtomicUsize>,
    }

    impl Asking for Server {
        fn same_between(&mut self, from: Option<i64>, to: Option<i64>) -> sources::Result<Vec<Key>> {
            self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let inside = |first: i64| from.is_none_or(|from| first >= from) && to.is_none_or(|to| first < to);
            let keys = self.same.iter().filter(|numbers| inside(numbers[0]));
            Ok(keys.map(|numbers| row((numbers, &String::new())).key).collect())
        }
    }

    type Rows = BTreeMap<Numbers, String>;

    /// What was backed up, and what was written and deleted since.
    #[derive(Clone, Debug, Default)]
    struct Story {
        before: Rows,
        written: Rows,
        deleted: BTreeSet<Numbers>,
        bounds: Vec<i64>,
    }

    impl Story {
        fn same(&self) -> BTreeSet<Numbers> {
            let is_same = |numbers: &&Numbers| !self.deleted.contains(*numbers) && !self.written.contains_key(*numbers);
            self.before.keys().filter(is_same).copied().collect()
        }

        fn tallies(&self) -> Vec<Tally> {
            let mut tallies = vec![Tally { rows: 0, sums: vec![0; 2] }; self.bounds.len() + 1];
            let same = self.same();
            for numbers in same.iter().chain(self.written.keys()) {
                tallies[self.bounds.partition_point(|bound| *bound <= numbers[0])].add(numbers);
            }
            tallies
        }

        /// What is emitted for each key: its digest where it is live, and whether it is a change. None where something is not believed.
        fn told(&self, tallies: Vec<Tally>, server: &Server) -> Option<Vec<(Key, Option<RowDigest>, bool)>> {
            let known = self.before.iter().map(|(numbers, text)| row((numbers, text)));
            let known = Pulled::new(known.map(|row| Ok((row.key.clone(), row.digest()))));
            let mut tallied = Tallied::new(known, Ranges::new(self.bounds.clone(), tallies, Box::new(server.clone())), 2);
            let mut told = Vec::new();
            let mut emit = |one: Told<'_>| {
                let change = one.change().is_some();
                let (key, digest) = match one {
                    Told::Live(key, digest, _) => (key, Some(digest)),
                    Told::Gone(key) => (key, None),
                };
                told.push((Key::from_bytes(key.to_vec()), digest, change));
                Ok(())
            };
            let mut batch = Batch::default();
            self.written.iter().for_each(|written| batch.push(&relation(), &row(written)).unwrap());
            for row in batch.rows() {
                if !tallied.written(row, &mut emit).unwrap() {
                    return None;
                }
            }
            let ended = tallied.finish(&mut emit).unwrap();
            let same = tallied.same;
            (ended && same == self.same().len() as u64).then_some(told)
        }

        /// The same, by comparing everything.
        fn compared(&self) -> Vec<(Key, Option<RowDigest>, bool)> {
            let all: BTreeSet<&Numbers> = self.before.keys().chain(self.written.keys()).collect();
            let told = all.into_iter().map(|numbers| {
                let digest = |rows: &Rows| rows.get(numbers).map(|text| row((numbers, text)).digest());
                let (before, gone) = (digest(&self.before), self.deleted.contains(numbers));
                let now = digest(&self.written).or(before.filter(|_| !gone));
                (row((numbers, &String::new())).key, now, now != before)
            });
            told.collect()
        }

        fn server(&self) -> Server {
            Server { same: self.same(), ..Server::default() }
        }
    }

    fn numbers() -> impl Strategy<Value = Numbers> {
        let first = prop_oneof![8 => -9_i64..9, 1 => Just(i64::MIN), 1 => Just(i64::MAX), 1 => any::<i64>()];
        (first, prop_oneof![4 => -2_i64..2, 1 => any::<i64>()]).prop_map(|(first, second)| [first, second])
    }

    fn story() -> impl Strategy<Value = Story> {
        let rows = |most| prop::collection::btree_map(numbers(), "[ab]", 0..most);
        let deleted = prop::collection::vec(any::<prop::sample::Index>(), 0..20);
        let bounds = prop::collection::btree_set(prop_oneof![4 => -10_i64..10, 1 => any::<i64>()], 0..8);
        (rows(60), rows(12), deleted, bounds, any::<bool>()).prop_map(|(before, written, deleted, bounds, again)| {
            let keys: Vec<Numbers> = before.keys().copied().collect();
            let deleted: BTreeSet<Numbers> = deleted.iter().filter(|_| !keys.is_empty()).map(|at| *at.get(&keys)).collect();
            let again: Rows = deleted.iter().take(usize::from(again)).map(|numbers| (*numbers, "again".to_owned())).collect();
            let written = written.into_iter().chain(again).collect();
            Story { before, written, deleted, bounds: bounds.into_iter().collect() }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]
        #[test]
        fn counts_tell_what_a_comparison_of_everything_tells(story in story()) {
            let told = story.told(story.tallies(), &story.server());
            prop_assert_eq!(told, Some(story.compared()));
        }
    }

    /// Fifty rows in five ranges, and none deleted yet.
    fn fifty() -> Story {
        let before = (1..=50).map(|number| ([number, 7], "was".to_owned())).collect();
        Story { before, bounds: vec![11, 21, 31, 41], ..Story::default() }
    }

    #[test]
    fn one_that_is_gone_from_a_range_is_not_asked_for_and_more_are() {
        let asked = |deleted: &[i64]| {
            let story = Story { deleted: deleted.iter().map(|number| [*number, 7]).collect(), ..fifty() };
            let server = story.server();
            assert_eq!(story.told(story.tallies(), &server), Some(story.compared()));
            server.asked.load(std::sync::atomic::Ordering::Relaxed)
        };
        assert_eq!(asked(&[]), 0);
        assert_eq!(asked(&[1, 12, 23, 34, 50]), 0);
        let (all, range): (Vec<i64>, Vec<i64>) = ((1..=50).collect(), (21..=30).collect());
        assert_eq!((asked(&all), asked(&range)), (0, 0), "a range without rows needs no question");
        assert_eq!(asked(&[1, 2, 33]), 1);
        assert_eq!(asked(&[1, 2, 13, 14, 25, 26, 37, 38, 49, 50]), 3, "of ranges that lie together more are asked about at once");
    }

    #[test]
    fn what_does_not_come_out_even_is_not_believed() {
        let believed = |deleted: &[i64], lie: &dyn Fn(&mut Vec<Tally>, &mut Server)| {
            let story = Story { deleted: deleted.iter().map(|number| [*number, 7]).collect(), ..fifty() };
            let (mut tallies, mut server) = (story.tallies(), story.server());
            lie(&mut tallies, &mut server);
            story.told(tallies, &server).is_some()
        };
        assert!(believed(&[1, 2], &|_, _| ()));
        assert!(!believed(&[], &|tallies, _| tallies[2].rows += 1), "more rows than there can be");
        assert!(!believed(&[], &|tallies, _| tallies[2].sums[0] += 1), "as many, but others");
        assert!(!believed(&[], &|tallies, _| tallies[2].add(&[77, 7])), "one that nobody knows");
        assert!(!believed(&[1], &|tallies, _| tallies[0].sums[0] += 1 << 70), "a key that cannot be");
        assert!(!believed(&[1], &|tallies, _| tallies[0].sums[1] -= 1), "the key of no row");
        assert!(!believed(&[1, 2, 3], &|_, server| assert!(server.same.remove(&[4, 7]))), "fewer keys than were counted");
        assert!(!believed(&[1, 2, 3], &|_, server| assert!(server.same.insert([1, 7]))), "more keys than were counted");
        let other = |_: &mut Vec<Tally>, server: &mut Server| assert!(server.same.remove(&[4, 7]) && server.same.insert([4, 8]));
        assert!(!believed(&[1, 2, 3], &other), "another key than any that was backed up");
        assert!(!believed(&(1..=10).collect::<Vec<_>>(), &|tallies, _| tallies[0].sums[0] += 1), "a sum of no rows");
        assert!(!believed(&[], &|tallies, _| tallies.truncate(3)), "ranges that were not counted");
    }

    #[test]
    fn written_rows_that_are_too_many_to_be_held_back_are_told_at_once() {
        let long = "x".repeat(60_000);
        let mut story = fifty();
        story.written = (0..200).map(|number| ([25, 100 + number], long.clone())).collect();
        story.deleted = [[22, 7], [29, 7]].into();
        let server = story.server();
        assert_eq!(story.told(story.tallies(), &server), Some(story.compared()));
        assert_eq!(server.asked.load(std::sync::atomic::Ordering::Relaxed), 1);
        let lying = Server { same: server.same.iter().filter(|numbers| **numbers != [28, 7]).copied().collect(), ..Server::default() };
        assert_eq!(story.told(story.tallies(), &lying), None);
    }
}
