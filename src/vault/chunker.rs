//! Where long content is cut: FastCDC with a table made from the vault's key, so that sizes tell a store nothing about known files.

use std::io::Read;

use fastcdc::v2020::{Normalization, cut_gear, select_masks};

use super::limits::{CUT_AVERAGE, CUT_MAX, CUT_MIN, WHOLE_CONTENT};

/// The keyed table.
#[derive(Clone)]
pub struct Chunker {
    gear: Box<[u64]>,
    gear_shifted: Box<[u64]>,
    masks: (u64, u64),
}

impl std::fmt::Debug for Chunker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chunker(…)")
    }
}

impl Chunker {
    /// The table of `key`: 256 words of BLAKE3's output stream.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        let mut stream = [0; 256 * 8];
        blake3::Hasher::new_keyed(key).finalize_xof().fill(&mut stream);
        let gear: Box<[u64]> = stream.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let gear_shifted = gear.iter().map(|word| word << 1).collect();
        Self { gear, gear_shifted, masks: select_masks(CUT_AVERAGE, Normalization::Level1) }
    }

    /// Reads to the end and gives each piece in order: one where the content is at most [`WHOLE_CONTENT`] long. Holds two pieces at most.
    ///
    /// # Errors
    /// What reading meets, and what `each` answers.
    pub fn cut<E: From<std::io::Error>>(&self, from: &mut dyn Read, mut each: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut held = Vec::new();
        let mut ended = fill(from, &mut held, WHOLE_CONTENT + 1)?;
        if ended && held.len() <= WHOLE_CONTENT {
            return if held.is_empty() { Ok(()) } else { each(&held) };
        }
        loop {
            if !ended {
                ended = fill(from, &mut held, 2 * CUT_MAX)?;
            }
            let mut start = 0;
            while start < held.len() && (ended || held.len() - start >= CUT_MAX) {
                let length = self.first(&held[start..]);
                each(&held[start..start + length])?;
                start += length;
            }
            if ended {
                return Ok(());
            }
            held.drain(..start);
        }
    }

    fn first(&self, bytes: &[u8]) -> usize {
        if bytes.len() <= CUT_MIN {
            return bytes.len();
        }
        let (short, long) = self.masks;
        let (_, length) =
            cut_gear(bytes, CUT_MIN, CUT_AVERAGE, CUT_MAX, short, long, short << 1, long << 1, &self.gear, &self.gear_shifted);
        if length == 0 { bytes.len().min(CUT_MAX) } else { length }
    }
}

fn fill(from: &mut dyn Read, held: &mut Vec<u8>, to: usize) -> std::io::Result<bool> {
    let wanted = to.saturating_sub(held.len());
    let got = from.take(wanted as u64).read_to_end(held)?;
    Ok(got < wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    fn pieces(key: u8, content: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let keep = |piece: &[u8]| {
            found.push(piece.to_vec());
            Ok::<_, std::io::Error>(())
        };
        Chunker::new(&[key; 32]).cut(&mut &content[..], keep).unwrap();
        found
    }

    #[test]
    fn pieces_join_to_the_content_and_keep_to_their_sizes() {
        for length in [0, 1, WHOLE_CONTENT, WHOLE_CONTENT + 1, 9 << 20] {
            let content = noise(length);
            let found = pieces(1, &content);
            assert_eq!(found.concat(), content);
            assert!(found.iter().all(|piece| piece.len() <= CUT_MAX));
            assert!(found.iter().rev().skip(1).all(|piece| piece.len() >= CUT_MIN));
        }
        assert_eq!(pieces(1, &noise(WHOLE_CONTENT)).len(), 1);
        assert_eq!(pieces(1, &vec![0; 9 << 20]).concat().len(), 9 << 20);
    }

    #[test]
    fn an_insertion_moves_few_cuts_and_another_key_cuts_elsewhere() {
        let content = noise(12 << 20);
        let mut longer = content.clone();
        longer.splice(5_000_000..5_000_000, *b"inserted");
        let (before, after) = (pieces(1, &content), pieces(1, &longer));
        assert!(after.iter().filter(|piece| !before.contains(piece)).count() <= 2);
        let lengths = |key| pieces(key, &content).iter().map(Vec::len).collect::<Vec<_>>();
        assert_ne!(lengths(1), lengths(2));
    }

    #[test]
    fn cuts_never_change() {
        let lengths: Vec<_> = pieces(1, &noise(6 << 20)).iter().map(Vec::len).collect();
        assert_eq!(format!("{lengths:?}"), "[1820872, 1087556, 580402, 1188158, 318414, 1296054]");
    }
}
