//! BLAKE3 of many short inputs at once: several of them go through the processor's wide registers together, which is several
//! times as fast as one after the other. What it gives is plain BLAKE3, and a test compares them.
//!
//! The crate has no documented way to do that; its version is pinned for the one used here.

use blake3::IncrementCounter;
use blake3::platform::Platform;

/// Inputs are padded with zeros to a multiple of this.
pub(super) const BLOCK: usize = 64;
/// BLAKE3 hashes inputs up to here as one chunk; a longer one is a tree, and wide enough by itself.
const CHUNK: usize = 1024;
/// The most inputs that any processor takes at once.
const LANES: usize = 16;

const IV: [u32; 8] = [0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A, 0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19];
const CHUNK_START: u8 = 1;
const CHUNK_END_AND_ROOT: u8 = 2 | 8;
const KEYED: u8 = 16;

/// `length` and the zeros that bring it to a multiple of [`BLOCK`].
#[inline]
pub(super) fn padded(length: usize) -> usize {
    length.next_multiple_of(BLOCK)
}

/// BLAKE3 with or without a key, over padded inputs.
#[derive(Clone)]
pub(super) struct Hashing {
    key: Option<[u8; 32]>,
    words: [u32; 8],
    flags: u8,
    platform: Platform,
    /// Places of inputs, by their number of blocks.
    sized: Vec<Vec<usize>>,
}

impl std::fmt::Debug for Hashing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hashing(…)")
    }
}

impl Hashing {
    /// Without a key.
    pub(super) fn plain() -> Self {
        Self { key: None, words: IV, flags: 0, platform: Platform::detect(), sized: Vec::new() }
    }

    /// With a key.
    pub(super) fn keyed(key: &[u8; 32]) -> Self {
        let mut words = [0; 8];
        for (word, bytes) in words.iter_mut().zip(key.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        Self { key: Some(*key), words, flags: KEYED, platform: Platform::detect(), sized: Vec::new() }
    }

    /// The hash of one padded input.
    pub(super) fn one(&self, input: &[u8]) -> [u8; 32] {
        match &self.key {
            None => *blake3::hash(input).as_bytes(),
            Some(key) => *blake3::keyed_hash(key, input).as_bytes(),
        }
    }

    /// Gives `take` the hash of each of `count` padded inputs and its place; not in the order of the places.
    pub(super) fn many<'i>(&mut self, count: usize, input: impl Fn(usize) -> &'i [u8], mut take: impl FnMut(usize, &[u8; 32])) {
        let mut sized = std::mem::take(&mut self.sized);
        sized.resize_with(CHUNK / BLOCK + 1, Vec::new);
        for place in 0..count {
            let bytes = input(place);
            match bytes.len() / BLOCK {
                blocks @ 1..=16 if bytes.len().is_multiple_of(BLOCK) => sized[blocks].push(place),
                _ => take(place, &self.one(bytes)),
            }
        }
        macro_rules! sizes {
            ($($blocks:literal)*) => { $(self.same_size::<{ $blocks * BLOCK }>(&sized[$blocks], &input, &mut take);)* };
        }
        sizes!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
        sized.iter_mut().for_each(Vec::clear);
        self.sized = sized;
    }

    fn same_size<'i, const N: usize>(&self, places: &[usize], input: &impl Fn(usize) -> &'i [u8], take: &mut impl FnMut(usize, &[u8; 32])) {
        for places in places.chunks(LANES) {
            let mut inputs: [&[u8; N]; LANES] = [&[0; N]; LANES];
            for (slot, &place) in inputs.iter_mut().zip(places) {
                if let Some(bytes) = input(place).first_chunk() {
                    *slot = bytes;
                }
            }
            let mut hashes = [0; LANES * 32];
            let inputs = &inputs[..places.len()];
            let (start, end) = (CHUNK_START, CHUNK_END_AND_ROOT);
            self.platform.hash_many(inputs, &self.words, 0, IncrementCounter::No, self.flags, start, end, &mut hashes);
            for (&place, hash) in places.iter().zip(hashes.as_chunks::<32>().0) {
                take(place, hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_hashes_are_those_of_each_input() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        // Every size from none to more than a chunk, in runs longer and shorter than what goes at once.
        let sizes = (0..20).flat_map(|blocks| std::iter::repeat_n(blocks * BLOCK, 1 + blocks * 7 % 23));
        let inputs: Vec<&[u8]> = sizes.enumerate().map(|(at, size)| &bytes[at * 100..at * 100 + size]).collect();
        let key = [7; 32];
        for (mut hashing, wanted) in [
            (Hashing::plain(), inputs.iter().map(|input| blake3::hash(input)).collect::<Vec<_>>()),
            (Hashing::keyed(&key), inputs.iter().map(|input| blake3::keyed_hash(&key, input)).collect()),
        ] {
            for _ in 0..2 {
                let mut found = vec![None; inputs.len()];
                hashing.many(inputs.len(), |place| inputs[place], |place, hash| assert!(found[place].replace(*hash).is_none()));
                assert!(found.iter().zip(&wanted).all(|(found, wanted)| found.as_ref() == Some(wanted.as_bytes())));
                assert!(inputs.iter().zip(&wanted).all(|(input, wanted)| hashing.one(input) == *wanted.as_bytes()));
            }
        }
    }
}
