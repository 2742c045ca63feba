//! Pieces: stretches of rows that a source keeps together, each with a digest of the bytes it keeps them in. A piece that has the
//! bytes it had holds the rows it held.
//!
//! Lists of them stand beside the digest cache, in blocks that whoever keeps them seals.
//!
//! ```text
//! block = "BSpc" version count (first last rows digest)…        (first: less the last of the piece before, last: less its first)
//! ```

use super::bytes::{Cursor, push_varint};
use super::damage::Damage;
use super::hashing::{Hashing, padded};
use super::row::RowDigest;

const MAGIC: [u8; 4] = *b"BSpc";
const VERSION: u8 = 1;
/// A block ends once it has so many bytes.
const BLOCK_BYTES: usize = 32 * 1024;
/// The least that a piece takes: three numbers and a digest.
const PIECE_MIN: usize = 19;

/// A stretch of rows with integer keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The key of its first row.
    pub first: i64,
    /// The key of its last row.
    pub last: i64,
    /// How many rows it has.
    pub rows: u64,
    /// Of all bytes that decide what its rows are.
    pub digest: RowDigest,
}

/// Gathers pieces into blocks.
#[derive(Debug, Default)]
pub struct PieceBlocks {
    entries: Vec<u8>,
    count: u64,
    last: i64,
}

impl PieceBlocks {
    /// Takes the next piece in key order; gives a block where it is full.
    pub fn push(&mut self, piece: &Piece) -> Option<Vec<u8>> {
        push_varint(&mut self.entries, piece.first.wrapping_sub(self.last).cast_unsigned());
        push_varint(&mut self.entries, piece.last.wrapping_sub(piece.first).cast_unsigned());
        push_varint(&mut self.entries, piece.rows);
        self.entries.extend_from_slice(&piece.digest.0);
        self.last = piece.last;
        self.count += 1;
        if self.entries.len() >= BLOCK_BYTES { self.finish() } else { None }
    }

    /// Gives what is left as a block; `None` where nothing is.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        if self.count == 0 {
            return None;
        }
        let mut bytes = Vec::with_capacity(16 + self.entries.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.push(VERSION);
        push_varint(&mut bytes, self.count);
        bytes.append(&mut self.entries);
        (self.count, self.last) = (0, 0);
        Some(bytes)
    }
}

/// The pieces of a block.
///
/// # Errors
/// What is wrong with the bytes.
pub fn decode(bytes: &[u8]) -> Result<Vec<Piece>, Damage> {
    let mut cursor = Cursor::open(bytes, "list of pieces", MAGIC, VERSION)?;
    let count = cursor.items(PIECE_MIN)?;
    let (mut pieces, mut before) = (Vec::with_capacity(count), 0_i64);
    for _ in 0..count {
        let first = before.wrapping_add(cursor.varint()?.cast_signed());
        let last = first.wrapping_add(cursor.varint()?.cast_signed());
        let piece = Piece { first, last, rows: cursor.varint()?, digest: RowDigest(cursor.array()?) };
        before = last;
        pieces.push(piece);
    }
    cursor.finish()?;
    Ok(pieces)
}

/// Digests of many inputs at once, each put together from parts: BLAKE3 of the parts and the zeros that fill its last block. That takes
/// half the time that BLAKE3's own tree takes for one. Who reads the parts must see where the last one ends.
#[derive(Debug)]
pub struct Digesting {
    hashing: Hashing,
    bytes: Vec<u8>,
    /// Where each input ends, padded.
    ends: Vec<usize>,
}

impl Default for Digesting {
    fn default() -> Self {
        Self { hashing: Hashing::plain(), bytes: Vec::new(), ends: Vec::new() }
    }
}

impl Digesting {
    /// Adds a part to the input that was begun.
    pub fn push(&mut self, part: &[u8]) {
        self.bytes.extend_from_slice(part);
    }

    /// Bytes of the input that was begun.
    #[must_use]
    pub fn begun(&self) -> usize {
        self.bytes.len() - self.ends.last().copied().unwrap_or_default()
    }

    /// Ends the input that was begun.
    pub fn end(&mut self) {
        self.bytes.resize(padded(self.bytes.len()), 0);
        self.ends.push(self.bytes.len());
    }

    /// Gives the digests of all inputs that were ended, in their order, and forgets them.
    pub fn digests(&mut self) -> Vec<RowDigest> {
        let mut digests = vec![RowDigest([0; 16]); self.ends.len()];
        let (bytes, ends) = (&self.bytes, &self.ends);
        let input = |place: usize| &bytes[place.checked_sub(1).map_or(0, |before| ends[before])..ends[place]];
        self.hashing.many(ends.len(), input, |place, hash| digests[place] = RowDigest::cut(hash));
        self.bytes.clear();
        self.ends.clear();
        digests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_back_and_damaged_blocks_do_not() {
        let piece = |first: i64, last: i64, rows: u64| Piece { first, last, rows, digest: RowDigest([(rows % 251) as u8; 16]) };
        let mut pieces = vec![piece(i64::MIN, -7, 3), piece(-6, -6, 1), piece(0, 40, 41)];
        pieces.extend((1..5000).map(|number| piece(number * 100, number * 100 + 60, 61)));
        pieces.push(piece(i64::MAX - 1, i64::MAX, 2));
        let mut list = PieceBlocks::default();
        let mut blocks: Vec<Vec<u8>> = pieces.iter().filter_map(|piece| list.push(piece)).collect();
        blocks.extend(list.finish());
        assert!(blocks.len() > 2 && list.finish().is_none());
        let back: Vec<Piece> = blocks.iter().flat_map(|block| decode(block).unwrap()).collect();
        assert_eq!(back, pieces);
        let whole = &blocks[0];
        for length in [0, 4, 9, whole.len() - 1] {
            assert!(decode(&whole[..length]).is_err(), "{length}");
        }
        assert!(decode(&[whole.as_slice(), &[0]].concat()).is_err());
    }

    #[test]
    fn digests_of_many_are_those_of_each_and_every_byte_counts() {
        let bytes: Vec<u8> = (0..9000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut digesting = Digesting::default();
        for _ in 0..2 {
            let mut wanted = Vec::new();
            for length in [1, 63, 64, 65, 700, 1024, 1025, 5000, 64] {
                digesting.push(&bytes[..length / 2]);
                digesting.push(&bytes[length / 2..length]);
                assert_eq!(digesting.begun(), length);
                digesting.end();
                let mut input = bytes[..length].to_vec();
                input.resize(length.next_multiple_of(64), 0);
                wanted.push(RowDigest::cut(blake3::hash(&input).as_bytes()));
            }
            assert_eq!(digesting.digests(), wanted);
            assert_eq!((digesting.digests(), digesting.begun()), (vec![], 0));
        }
    }
}
