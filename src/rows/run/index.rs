//! The bytes of a part of a run's index.
//!
//! ```text
//! index = "BSix" version segments (first last rows chunk digest)…       (keys: length and bytes)
//! ```

use super::SegmentRef;
use crate::rows::bytes::{Cursor, push_string, push_varint};
use crate::rows::cutter::TARGET_MAX;
use crate::rows::segment::CHANGES_MAX;
use crate::rows::{Damage, Key};

const MAGIC: [u8; 4] = *b"BSix";
const VERSION: u8 = 1;
/// The least that a reference takes: two empty keys, a count and two digests.
const REFERENCE_MIN: usize = 67;
const REFERENCES_MAX: usize = 4 * TARGET_MAX as usize;

pub(super) fn encode(segments: &[SegmentRef]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + 100 * segments.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.push(VERSION);
    push_varint(&mut bytes, segments.len() as u64);
    for segment in segments {
        push_string(&mut bytes, segment.first.as_bytes());
        push_string(&mut bytes, segment.last.as_bytes());
        push_varint(&mut bytes, segment.rows);
        bytes.extend_from_slice(&segment.chunk.0);
        bytes.extend_from_slice(&segment.digest.0);
    }
    bytes
}

pub(super) fn decode(bytes: &[u8]) -> Result<Vec<SegmentRef>, Damage> {
    let mut cursor = Cursor::open(bytes, "run index", MAGIC, VERSION)?;
    let count = cursor.items(REFERENCE_MIN)?;
    if count == 0 || count > REFERENCES_MAX {
        return Err(Damage::Limit { what: "segments of an index", found: count as u64, limit: REFERENCES_MAX as u64 });
    }
    let mut segments: Vec<SegmentRef> = Vec::with_capacity(count);
    for _ in 0..count {
        let segment = reference(&mut cursor)?;
        let ascends = segment.first <= segment.last && segments.last().is_none_or(|before| before.last < segment.first);
        if !ascends {
            return Err(Damage::Form { what: "order of a run index" });
        }
        segments.push(segment);
    }
    cursor.finish()?;
    Ok(segments)
}

fn reference(cursor: &mut Cursor<'_>) -> Result<SegmentRef, Damage> {
    Ok(SegmentRef {
        first: Key::from_bytes(cursor.string()?.to_vec()),
        last: Key::from_bytes(cursor.string()?.to_vec()),
        rows: cursor.count(CHANGES_MAX)? as u64,
        chunk: cursor.digest()?,
        digest: cursor.digest()?,
    })
}
