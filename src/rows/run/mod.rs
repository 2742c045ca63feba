//! Runs: the rows of a relation sorted by key and cut into segments, with an index that is cut into chunks as well.
//!
//! A base run is whole; a change run holds upserts and deletes against what came before. What keeps the chunks stands
//! behind two traits, so that this module knows nothing of packs: the vault implements them.

mod index;
mod reader;
mod writer;

use serde::{Deserialize, Serialize};

use super::damage::Damage;
use super::key::Key;
use super::value::Digest;

pub use reader::{RunReader, Segments};
pub use writer::RunWriter;

/// What a chunk of a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChunkKind {
    /// Rows.
    Segment,
    /// References to segments.
    Index,
}

/// Keeps chunks.
pub trait Store {
    /// What keeping met; changes that are out of order or do not fit their relation are [`Damage`].
    type Error: From<Damage>;
    /// Keeps a chunk and names it; the same bytes of the same kind have the same name.
    ///
    /// # Errors
    /// What keeping it met.
    fn put(&self, kind: ChunkKind, bytes: Vec<u8>) -> Result<Digest, Self::Error>;
}

/// Gives chunks back.
pub trait Fetch {
    /// What fetching met; damage found in a chunk is one.
    type Error: From<Damage>;
    /// The bytes that [`Store::put`] named.
    ///
    /// # Errors
    /// What fetching them met.
    fn get(&self, kind: ChunkKind, chunk: &Digest) -> Result<Vec<u8>, Self::Error>;
}

/// Whether a run stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Every row.
    Base,
    /// Upserts and deletes against what came before.
    Change,
}

/// A run as a manifest holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Whether it stands alone.
    pub kind: RunKind,
    /// Rows that its segments aim at.
    pub target: u32,
    /// The chunks of its index, in key order.
    pub index: Vec<Digest>,
    /// Rows it holds (upserts).
    pub rows: u64,
    /// Deletes it holds.
    pub deletes: u64,
    /// Encoded bytes, of segments and index, before compression.
    pub bytes: u64,
}

/// One segment as an index holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentRef {
    /// The key of its first change.
    pub first: Key,
    /// The key of its last change.
    pub last: Key,
    /// The changes in it.
    pub rows: u64,
    /// The chunk that holds it.
    pub chunk: Digest,
    /// The digest of its changes: BLAKE3-256 over `01` and a row's digest for each upsert, `00` and 16 bytes of the key's hash for each delete.
    pub digest: Digest,
}
