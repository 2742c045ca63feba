//! Segments and blocks of the digest cache: round trips, and bytes that were damaged.

use super::*;
use crate::rows::cache::Stretches;
use crate::rows::changes::Known;
use crate::rows::{RowDigest, cache, patched, segment};

/// Every third row as a delete.
fn with_deletes(table: BTreeMap<Key, Row>) -> Vec<Change> {
    let change = |(index, row): (usize, Row)| if index % 3 == 2 { Change::Delete(row.key) } else { Change::Upsert(row) };
    table.into_values().enumerate().map(change).collect()
}

fn reject_or_differ(decoded: Result<Vec<Change>, Damage>) {
    if let Ok(changes) = decoded {
        assert!(changes.windows(2).all(|pair| pair[0].key() < pair[1].key()));
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn every_value_comes_back_as_it_was(rows in rows(40), keyed: bool) {
        let relation = books(keyed);
        let changes = with_deletes(table(&relation, rows));
        let bytes = segment::encode(&relation, &changes);
        let decoded = segment::decode(&relation, &bytes).unwrap();
        prop_assert!(same_all(&changes, &decoded), "{changes:?}\n{decoded:?}");
        prop_assert_eq!(segment::encode(&relation, &decoded), bytes);
    }

    #[test]
    fn damaged_bytes_never_panic(rows in rows(20), keyed: bool, flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4)) {
        let relation = books(keyed);
        let mut bytes = segment::encode(&relation, &with_deletes(table(&relation, rows)));
        for (place, byte) in flips {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        reject_or_differ(segment::decode(&relation, &bytes));
    }

    #[test]
    fn any_bytes_are_refused_or_read(tail in proptest::collection::vec(any::<u8>(), 0..200), keyed: bool) {
        reject_or_differ(segment::decode(&books(keyed), &[b"BSsg\x01", &tail[..]].concat()));
        let _ = cache::Block::decode(&[b"BSdc\x01", &tail[..]].concat());
    }

    #[test]
    fn a_shortened_segment_is_refused(rows in rows(10), keyed: bool, end: proptest::sample::Index) {
        let relation = books(keyed);
        let bytes = segment::encode(&relation, &with_deletes(table(&relation, rows)));
        prop_assert!(segment::decode(&relation, &bytes[..end.index(bytes.len())]).is_err());
    }

    #[test]
    fn keys_of_any_length_come_back_from_a_cache_and_only_in_their_order(
        keys in proptest::collection::btree_set(proptest::collection::vec(0..2_u8, 0..40), 1..40),
        swapped: proptest::sample::Index,
    ) {
        let mut keys: Vec<Vec<u8>> = keys.into_iter().collect();
        let block = |keys: &[Vec<u8>]| {
            let mut blocks = cache::Blocks::default();
            assert!(keys.iter().all(|key| blocks.push(key, RowDigest([7; 16])).is_none()));
            cache::Block::decode(&blocks.finish().unwrap())
        };
        let decoded = block(&keys).unwrap();
        prop_assert!(decoded.all().keys().eq(keys.iter()));
        prop_assert!(keys.iter().enumerate().all(|(place, key)| decoded.all().below(key) == place));
        if keys.len() > 1 {
            let at = swapped.index(keys.len() - 1);
            keys.swap(at, at + 1);
            prop_assert!(block(&keys).is_err());
            keys[at + 1] = keys[at].clone();
            prop_assert!(block(&keys).is_err(), "the same twice");
        }
    }

    #[test]
    fn cached_digests_come_back(keys in proptest::collection::btree_map(proptest::collection::vec(0..3_u8, 0..8), any::<[u8; 16]>(), 0..60), damaged: proptest::sample::Index) {
        let mut blocks = cache::Blocks::default();
        prop_assert!(keys.iter().all(|(key, digest)| blocks.push(key, RowDigest(*digest)).is_none()));
        let Some(mut bytes) = blocks.finish() else { return Ok(()) };
        let block = cache::Block::decode(&bytes).unwrap();
        prop_assert_eq!(block.len(), keys.len());
        prop_assert!(keys.iter().enumerate().all(|(at, (key, digest))| block.get(at) == Some((key.as_slice(), RowDigest(*digest)))));
        let damaged = damaged.index(bytes.len());
        bytes[damaged] ^= 0x55;
        let _ = cache::Block::decode(&bytes);
    }
}

#[test]
fn few_bytes_never_become_many_rows() {
    let relation = books(true);
    let head = |changes: &[u8]| [b"BSsg\x01", changes].concat();
    let too_many = head(&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 4]);
    assert!(matches!(segment::decode(&relation, &too_many), Err(Damage::Limit { .. })));
    let mut wide = relation.clone();
    wide.columns = (0..1000).map(|index| column(&index.to_string(), Role::Data, Fold::Binary)).collect();
    let nulls = head(&[0x80, 0x80, 0x01, 0xE8, 0x07, 0, 0x80, 0x80, 0x01, 0]);
    assert!(matches!(segment::decode(&wide, &nulls), Err(Damage::Limit { what: "cells of a segment", .. })));
}

#[test]
fn another_kind_a_newer_version_and_other_columns_are_told_apart() {
    let relation = books(true);
    let bytes = segment::encode(&relation, &[Change::Upsert(book(1, "a"))]);
    let mut newer = bytes.clone();
    newer[4] = 2;
    assert_eq!(segment::decode(&relation, &newer).unwrap_err(), Damage::Version { what: "segment", found: 2, known: 1 });
    assert!(matches!(segment::decode(&relation, b"BSix\x01\0\0"), Err(Damage::Magic { .. })));
    let mut other = relation.clone();
    other.columns.pop();
    assert!(matches!(segment::decode(&other, &bytes), Err(Damage::Mismatch { .. })));
    let mut hostile = relation;
    hostile.key = KeyKind::Columns(vec![4]);
    assert!(matches!(segment::decode(&hostile, &bytes), Err(Damage::Limit { .. })));
}

type Changes = std::collections::BTreeMap<u8, Option<u8>>;

/// Blocks of entries with these digests, some entries each.
fn blocks(entries: impl Iterator<Item = (u8, RowDigest)>, each: usize) -> Vec<Vec<u8>> {
    let (mut blocks, mut stored) = (cache::Blocks::default(), Vec::new());
    for (place, (key, digest)) in entries.enumerate() {
        assert!(blocks.push(&[9, key], digest).is_none());
        stored.extend(if place % each == each - 1 { blocks.finish() } else { None });
    }
    stored.extend(blocks.finish());
    stored
}

proptest! {
    #[test]
    fn what_changed_upon_a_cache_is_told_with_it(
        cached in proptest::collection::btree_map(0..60_u8, 1..9_u8, 0..50),
        changes in proptest::collection::btree_map(0..60_u8, proptest::option::of(1..9_u8), 0..20),
        sizes in (1..9_usize, 1..9_usize),
        steps in proptest::collection::vec(1..9_usize, 1..9),
    ) {
        let (cached, changes): (std::collections::BTreeMap<u8, u8>, Changes) = (cached, changes);
        let digest = |number: u8| RowDigest([number; 16]);
        let stored = blocks(cached.iter().map(|(key, number)| (*key, digest(*number))), sizes.0);
        let upon = blocks(changes.iter().map(|(key, number)| (*key, number.map_or(patched::GONE, digest))), sizes.1);
        let of = |blocks: &Vec<Vec<u8>>| cache::Entries::new(blocks.clone().into_iter().map(Ok::<_, Damage>));
        let mut known = patched::Patched::new(of(&stored), of(&upon));
        prop_assert!(known.head().is_none() && known.stretch().is_empty());
        known.advance().unwrap();
        let (mut told, mut steps) = (Vec::new(), steps.into_iter().cycle());
        while !known.stretch().is_empty() {
            let stretch = known.stretch();
            prop_assert_eq!(stretch.get(0), known.head());
            let count = steps.next().unwrap().min(stretch.len());
            let part = stretch.part(0, count);
            told.extend(part.keys().zip(part.digests()).map(|(key, digest)| (key[1], digest[0])));
            known.pass(count).unwrap();
        }
        prop_assert!(known.head().is_none());
        let mut wanted = cached;
        for (key, number) in changes {
            match number {
                Some(number) => wanted.insert(key, number),
                None => wanted.remove(&key),
            };
        }
        prop_assert_eq!(told, wanted.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn cached_digests_pass_through_blocks_in_order() {
    let mut blocks = cache::Blocks::default();
    let entries: Vec<_> = (0..10_000).map(|id| (book(id, "").key.as_bytes().to_vec(), book(id, "").digest())).collect();
    let mut stored: Vec<_> = entries.iter().filter_map(|(key, digest)| blocks.push(key, *digest)).collect();
    stored.extend(blocks.finish());
    assert!(stored.len() > 3);
    let read = |stored: &[Vec<u8>]| {
        let mut known = cache::Entries::new(stored.iter().cloned().map(Ok::<_, Damage>));
        let mut read = Vec::new();
        known.advance()?;
        while let Some((key, digest)) = known.head() {
            read.push((key.to_vec(), digest));
            known.advance()?;
        }
        Ok::<_, Damage>(read)
    };
    assert_eq!(read(&stored).unwrap(), entries);
    stored.swap(1, 2);
    assert!(read(&stored).is_err());
}
