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

/// Digests of inputs of one size, a multiple of 1024 bytes: BLAKE3 of the hashes of their pieces of 1024 bytes. Those of several go
/// through the processor's registers together, which takes half the time that BLAKE3's own tree takes for one.
#[derive(Debug)]
pub struct Fixed {
    hashing: Hashing,
    hashes: Vec<[u8; 32]>,
}

impl Default for Fixed {
    fn default() -> Self {
        Self { hashing: Hashing::plain(), hashes: Vec::new() }
    }
}

impl Fixed {
    /// The size of what is hashed at once.
    pub const PART: usize = 1024;

    /// Gives the digest of each input of `size` bytes that `bytes` consists of, in their order.
    pub fn digests(&mut self, bytes: &[u8], size: usize) -> Vec<RowDigest> {
        let (parts, each) = (bytes.as_chunks::<{ Self::PART }>().0, size / Self::PART);
        let hashes = &mut self.hashes;
        hashes.resize(parts.len(), [0; 32]);
        self.hashing.many(parts.len(), |place| &parts[place], |place, hash| hashes[place] = *hash);
        let inputs = hashes.as_flattened().chunks_exact(each * 32);
        // What is hashed is padded to whole blocks.
        let padded: Vec<Vec<u8>> = inputs.map(|input| [input, &vec![0; padded(input.len()) - input.len()]].concat()).collect();
        let mut digests = vec![RowDigest([0; 16]); padded.len()];
        self.hashing.many(padded.len(), |place| &padded[place], |place, hash| digests[place] = RowDigest::cut(hash));
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
        let bytes: Vec<u8> = (0..4096 * 21_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for size in [1024, 2048, 4096] {
            let mut fixed = Fixed::default();
            let all = fixed.digests(&bytes, size);
            assert_eq!(all.len(), bytes.len() / size);
            let each: Vec<RowDigest> = bytes.chunks(size).flat_map(|input| fixed.digests(input, size)).collect();
            assert_eq!(all, each);
            for at in [0, size / 2 + 1, size - 1] {
                let mut changed = bytes[..size].to_vec();
                changed[at] ^= 1;
                assert_ne!(fixed.digests(&changed, size)[0], all[0]);
            }
        }
    }
}
