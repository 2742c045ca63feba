//! Segments: consecutive rows of one relation, stored column by column. The same rows give the same bytes on every machine.
//!
//! ```text
//! segment  = "BSsg" version changes columns actions ordinals deleted column…       (numbers: LEB128 varints)
//! actions  = for each change: 0 a row with a key of its own, 1 a row named by its digest, 2 a delete    (tags, below)
//! ordinals = a number for each action 1          deleted = the key's length and bytes for each action 2
//! column   = tags integers reals lengths bytes large
//! tags     = 0 (run length, tag)…  |  1 tag…          whichever is shorter; run lengths make up the rows
//! integers = zig-zag difference to the integer before    reals = 8 bytes, little endian
//! lengths  = of each text and blob; their bytes follow   large = length, content, chunks, chunk…
//! ```
//!
//! Keys are made again from the values, so that they cannot disagree with them. No form repeats bytes that were stored
//! once: decoded content is never longer than the segment, and compression belongs to the vault.

mod decode;
mod encode;

pub use decode::{Decoded, decode};
pub use encode::{Encoder, encode};

pub use super::cutter::{SEGMENT_WEIGHT, TARGET_MAX, TARGET_MIN, target_for};

const MAGIC: [u8; 4] = *b"BSsg";
const VERSION: u8 = 1;

/// Changes in a segment at most: the most that a cutter lets pass.
pub const CHANGES_MAX: usize = 4 * TARGET_MAX as usize;
/// Cells in a segment of more than one row at most: 18 MiB in memory.
pub const CELLS_MAX: usize = 1 << 18;

const KEYED: u8 = 0;
const WHOLE: u8 = 1;
const DELETED: u8 = 2;

const NULL: u8 = 0;
const INTEGER: u8 = 1;
const REAL: u8 = 2;
const TEXT: u8 = 3;
const BLOB: u8 = 4;
const LARGE_TEXT: u8 = 5;
const LARGE_BLOB: u8 = 6;

const RUNS: u8 = 0;
const PLAIN: u8 = 1;
