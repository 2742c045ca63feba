//! Where a segment ends: decided by a keyed hash of the row's key alone, so that a changed value moves no boundary.
//!
//! With a target of T rows: no end before T/8, always at 4T, and between them wherever the hash falls below a fixed
//! threshold. The key is secret, so nobody can choose rows that make segments of one size. Integers only.

use super::hashing::{Hashing, padded};

/// The smallest target.
pub const TARGET_MIN: u32 = 16;
/// The largest target.
pub const TARGET_MAX: u32 = 4096;
/// Bytes of rows that a segment is meant to hold.
pub const SEGMENT_WEIGHT: usize = 64 * 1024;

/// The target for rows that weigh this much on average: a power of two from 16 to 4096, for about 64 KiB.
#[must_use]
pub fn target_for(mean_row_weight: usize) -> u32 {
    let rows = u32::try_from(SEGMENT_WEIGHT / mean_row_weight.max(1)).unwrap_or(TARGET_MAX).clamp(TARGET_MIN, TARGET_MAX);
    1 << rows.ilog2()
}

/// The keyed hash of keys, which decides where a segment may end.
pub struct KeyHash {
    hashing: Hashing,
    /// Keys that are hashed together, with zeros behind each.
    waiting: Vec<u8>,
    ends: Vec<usize>,
}

impl KeyHash {
    /// For the keys of `relation`.
    #[must_use]
    pub fn new(boundary_key: &[u8; 32], relation: &str) -> Self {
        let hashing = Hashing::keyed(blake3::keyed_hash(boundary_key, relation.as_bytes()).as_bytes());
        Self { hashing, waiting: Vec::new(), ends: Vec::new() }
    }

    /// The hash of one key.
    #[must_use]
    pub fn one(&mut self, key: &[u8]) -> u64 {
        self.waiting.clear();
        self.waiting.extend_from_slice(key);
        self.waiting.resize(padded(key.len()), 0);
        first(&self.hashing.one(&self.waiting))
    }

    /// Puts the hashes of `keys` into `hashes`, in their order.
    pub fn many<'k>(&mut self, keys: impl Iterator<Item = &'k [u8]>, hashes: &mut Vec<u64>) {
        self.waiting.clear();
        self.ends.clear();
        for key in keys {
            self.waiting.extend_from_slice(key);
            self.waiting.resize(padded(self.waiting.len()), 0);
            self.ends.push(self.waiting.len());
        }
        hashes.clear();
        hashes.resize(self.ends.len(), 0);
        let (waiting, ends) = (&self.waiting, &self.ends);
        let input = |place: usize| &waiting[place.checked_sub(1).map_or(0, |before| ends[before])..ends[place]];
        self.hashing.many(ends.len(), input, |place, hash| hashes[place] = first(hash));
    }
}

fn first(hash: &[u8; 32]) -> u64 {
    hash.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Says after which rows a segment ends.
#[derive(Clone)]
pub struct Cutter {
    least: u32,
    most: u32,
    threshold: u64,
    rows: u32,
}

impl Cutter {
    /// A cutter that aims at `target` rows; a target out of range is brought into it.
    #[must_use]
    pub fn new(target: u32) -> Self {
        let target = 1 << target.clamp(TARGET_MIN, TARGET_MAX).ilog2();
        let least = target / 8;
        Self { least, most: 4 * target, threshold: u64::MAX / u64::from(target - least), rows: 0 }
    }

    /// The target as it was taken.
    #[must_use]
    pub fn target(&self) -> u32 {
        self.most / 4
    }

    /// Takes the next row, whose key has this [`KeyHash`]; true where the segment ends with it.
    pub fn ends_after(&mut self, hash: u64) -> bool {
        self.rows += 1;
        let ends = self.rows >= self.most || (self.rows >= self.least && hash < self.threshold);
        if ends {
            self.rows = 0;
        }
        ends
    }

    /// The segment was ended for another reason; the next row begins one.
    pub fn restart(&mut self) {
        self.rows = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Fold, Key, Value};

    fn ends(keys: impl Iterator<Item = i64>, target: u32) -> Vec<i64> {
        let (mut cutter, mut hash) = (Cutter::new(target), KeyHash::new(&[7; 32], "books"));
        keys.filter(|&number| {
            let key = Key::of([(&Value::Integer(number), Fold::Binary)]).unwrap();
            cutter.ends_after(hash.one(key.as_bytes()))
        })
        .collect()
    }

    #[test]
    fn targets_are_powers_of_two_within_bounds() {
        assert_eq!(target_for(0), 4096);
        assert_eq!(target_for(16), 4096);
        assert_eq!(target_for(100), 512);
        assert_eq!(target_for(1024), 64);
        assert_eq!(target_for(1 << 20), 16);
    }

    #[test]
    fn segments_keep_their_bounds_and_meet_their_target() {
        let ends = ends(0..200_000, 64);
        let mut lengths = ends.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(lengths.all(|length| (8..=256).contains(&length)));
        let mean = 200_000 / ends.len();
        assert!((56..=72).contains(&mean), "{mean}");
    }

    #[test]
    fn an_inserted_or_deleted_row_moves_boundaries_nearby_only() {
        let before: Vec<i64> = (0..20_000).map(|n| n * 2).collect();
        let whole = ends(before.iter().copied(), 64);
        let segments = |ends: &[i64]| ends.windows(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>();
        let known = segments(&whole);
        let mut rewritten = 0;
        let places = (50..20_000).step_by(400);
        let count = places.len();
        for place in places {
            let mut rows = before.clone();
            rows.insert(place, before[place] - 1);
            let after = ends_with(&rows);
            let inserted = before[place] - 1;
            rewritten +=
                segments(&after).iter().filter(|&&(from, to)| (from < inserted && inserted <= to) || !known.contains(&(from, to))).count();
        }
        assert!(rewritten * 100 <= count * 130, "{rewritten} segments rewritten by {count} inserts");
    }

    fn ends_with(rows: &[i64]) -> Vec<i64> {
        ends(rows.iter().copied(), 64)
    }

    #[test]
    fn keys_hashed_together_have_the_hashes_of_each() {
        let mut hash = KeyHash::new(&[7; 32], "books");
        let keys: Vec<Vec<u8>> = (0..300).map(|length| vec![length as u8; length]).collect();
        let mut together = vec![1, 2, 3];
        hash.many(keys.iter().map(Vec::as_slice), &mut together);
        let alone: Vec<u64> = keys.iter().map(|key| hash.one(key)).collect();
        assert_eq!(together, alone);
    }

    #[test]
    fn boundaries_are_those_of_version_1() {
        let ends: Vec<u8> = ends(0..10_000, 64).iter().flat_map(|end| end.to_le_bytes()).collect();
        insta::assert_snapshot!(blake3::hash(&ends).to_hex().as_str(), @"47c98d22118e5a43ed22aff23eabe3ce358a668537e7d26cf3159a8a96bc134f");
    }
}
