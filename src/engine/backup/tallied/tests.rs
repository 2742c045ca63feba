//! What counting tells is what a comparison of everything tells, and counts that cannot be are not believed.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::rows::cache::{Blocks, Entries};
use crate::rows::{Column, KeyKind, Relation, RelationKind, Role, Row};
use crate::sources::{self, Asking};

/// The numbers that a key is made of.
type Numbers = [i64; 2];

fn relation() -> Relation {
    let column = |name: &str| Column { name: name.into(), declared: "bigint".into(), role: Role::Data, fold: Fold::Binary, not_null: true };
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
        let (mut blocks, mut stored) = (Blocks::default(), Vec::new());
        for (place, before) in self.before.iter().enumerate() {
            let row = row(before);
            assert!(blocks.push(row.key.as_bytes(), row.digest()).is_none());
            stored.extend(if place % 7 == 6 { blocks.finish() } else { None });
        }
        stored.extend(blocks.finish());
        let known = Entries::new(stored.into_iter().map(Ok::<_, Error>));
        let mut tallied = Tallied::new(known, Ranges::new(self.bounds.clone(), tallies, Box::new(server.clone())), 2);
        let mut told = Vec::new();
        let mut emit = |one: Told<'_>| {
            let mut tell = |key: &[u8], digest, change| told.push((Key::from_bytes(key.to_vec()), digest, change));
            match one {
                Told::Same(stretch) => {
                    stretch.keys().zip(stretch.digests()).for_each(|(key, digest)| tell(key, Some(RowDigest(*digest)), false));
                }
                Told::Written(row, change) => tell(row.key, Some(row.digest), change),
                Told::Gone(key) => tell(key, None, true),
            }
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
