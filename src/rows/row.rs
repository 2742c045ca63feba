//! Rows, their canonical bytes and their digests.

use std::cell::RefCell;
use std::fmt;

use super::cell::Cell;
use super::hashing::padded;
use super::key::Key;
use super::schema::Relation;
use super::value::{Digest, Value};

/// The first 16 bytes of BLAKE3 over a row's canonical bytes, with zeros behind them up to a multiple of 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowDigest(pub [u8; 16]);

impl RowDigest {
    /// The beginning of a hash.
    #[must_use]
    pub fn cut(hash: &[u8; 32]) -> Self {
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash[..16]);
        Self(digest)
    }
}

impl fmt::Display for RowDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RowDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// One row: its key, and a value for each of its relation's columns, in their order.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its key.
    pub key: Key,
    /// One value a column.
    pub values: Vec<Value>,
}

/// What a change run holds for a key.
#[derive(Clone, Debug)]
pub enum Change {
    /// The row as it is now.
    Upsert(Row),
    /// The row is gone.
    Delete(Key),
}

impl Change {
    /// The key it speaks of.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Upsert(row) => &row.key,
            Self::Delete(key) => key,
        }
    }
}

impl Row {
    /// A row of `relation`, its key made from its values; `ordinal` counts rows that have the same values where there is no key.
    ///
    /// Whoever counts takes equal rows in the order of their hidden values, so that the same table always gives the same rows.
    #[must_use]
    pub fn new(relation: &Relation, values: Vec<Value>, ordinal: u32) -> Self {
        let key = relation.key_of(&values).unwrap_or_else(|| Key::of_row(compared_digest(relation, &values), ordinal));
        Self { key, values }
    }

    /// The digest of all its values, hidden columns included: what increments and verification compare.
    #[must_use]
    pub fn digest(&self) -> RowDigest {
        digest_of(self.values.iter().map(Value::cell))
    }

    /// Bytes it takes, about.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.values.iter().map(Value::weight).sum::<usize>() + self.key.as_bytes().len()
    }
}

/// The digest of the values a preview compares: all but hidden columns. It names a row without a key.
#[must_use]
pub fn compared_digest(relation: &Relation, values: &[Value]) -> RowDigest {
    digest_of(relation.columns.iter().zip(values).filter(|(column, _)| !column.is_hidden()).map(|(_, value)| value.cell()))
}

thread_local! {
    /// Canonical bytes are gathered here: a hash of them all at once takes less than one of every value.
    static CANONICAL: RefCell<Vec<u8>> = RefCell::default();
}

/// The digest of these values; a batch computes those of many rows at once.
pub(super) fn digest_of<'c>(cells: impl Iterator<Item = Cell<'c>>) -> RowDigest {
    CANONICAL.with_borrow_mut(|bytes| {
        bytes.clear();
        cells.for_each(|cell| cell.push_canonical(bytes));
        bytes.resize(padded(bytes.len()), 0);
        RowDigest::cut(blake3::hash(bytes).as_bytes())
    })
}

/// Counts and digests the rows of a relation in key order: BLAKE3-256 over their digests, against which verification and finished restores are checked.
#[derive(Clone, Debug, Default)]
pub struct RelationDigest {
    hasher: blake3::Hasher,
    /// Digests not hashed yet: BLAKE3 takes many blocks at once several times as fast as one by one.
    waiting: Vec<u8>,
    rows: u64,
}

/// Bytes of digests that are hashed at once.
const AT_ONCE: usize = 32 << 10;

impl RelationDigest {
    /// Takes the next row's digest.
    pub fn push(&mut self, digest: RowDigest) {
        self.waiting.extend_from_slice(&digest.0);
        self.rows += 1;
        if self.waiting.len() >= AT_ONCE {
            self.hasher.update(&self.waiting);
            self.waiting.clear();
        }
    }

    /// Takes the digests of the next rows.
    pub fn push_all(&mut self, digests: &[[u8; 16]]) {
        self.waiting.extend_from_slice(digests.as_flattened());
        self.rows += digests.len() as u64;
        // Whole chunks at a time: what is left of one would be hashed by itself.
        let whole = self.waiting.len() / AT_ONCE * AT_ONCE;
        if whole > 0 {
            self.hasher.update(&self.waiting[..whole]);
            self.waiting.drain(..whole);
        }
    }

    /// The rows taken and their digest.
    #[must_use]
    pub fn finish(&self) -> (u64, Digest) {
        let digest = self.hasher.clone().update(&self.waiting).finalize();
        (self.rows, Digest(*digest.as_bytes()))
    }
}
