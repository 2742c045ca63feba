//! Rows, their canonical bytes and their digests.

use std::cell::RefCell;
use std::fmt;

use super::key::Key;
use super::schema::Relation;
use super::value::{Class, Digest, LARGE, Value};

/// The first 16 bytes of BLAKE3 over a row's canonical bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowDigest(pub [u8; 16]);

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
        digest_of(self.values.iter())
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
    digest_of(relation.columns.iter().zip(values).filter(|(column, _)| !column.is_hidden()).map(|(_, value)| value))
}

thread_local! {
    /// Canonical bytes are gathered here: a hash of them all at once takes less than one of every value.
    static CANONICAL: RefCell<Vec<u8>> = RefCell::default();
}

fn digest_of<'v>(values: impl Iterator<Item = &'v Value>) -> RowDigest {
    CANONICAL.with_borrow_mut(|bytes| {
        bytes.clear();
        values.for_each(|value| push_canonical(bytes, value));
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
        RowDigest(digest)
    })
}

/// A tag, then the bytes: self-delimiting, so that no two rows share canonical bytes. Part of the format.
fn push_canonical(bytes: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => bytes.push(0),
        Value::Integer(number) => {
            bytes.push(1);
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        Value::Real(number) => {
            bytes.push(2);
            bytes.extend_from_slice(&number.to_bits().to_le_bytes());
        }
        Value::Text(content) => push_content(bytes, Class::Text, content),
        Value::Blob(content) => push_content(bytes, Class::Blob, content),
        Value::Large(large) => push_large(bytes, large.class, large.length, &large.content),
    }
}

fn push_content(bytes: &mut Vec<u8>, class: Class, content: &[u8]) {
    if content.len() > LARGE {
        return push_large(bytes, class, content.len() as u64, &Digest::of(content));
    }
    bytes.push(match class {
        Class::Text => 3,
        Class::Blob => 4,
    });
    bytes.extend_from_slice(&(content.len() as u64).to_le_bytes());
    bytes.extend_from_slice(content);
}

fn push_large(bytes: &mut Vec<u8>, class: Class, length: u64, content: &Digest) {
    bytes.push(match class {
        Class::Text => 5,
        Class::Blob => 6,
    });
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&content.0);
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

    /// The rows taken and their digest.
    #[must_use]
    pub fn finish(&self) -> (u64, Digest) {
        let digest = self.hasher.clone().update(&self.waiting).finalize();
        (self.rows, Digest(*digest.as_bytes()))
    }
}
