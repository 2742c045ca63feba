//! One cell: SQLite's storage classes, kept per cell and never inferred from a declared type.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Values longer than this many bytes stand outside their segment, as content of their own.
pub const LARGE: usize = 16 * 1024;

/// The name of a piece of content: 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// BLAKE3-256 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(|hash| Self(*hash.as_bytes()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_hex(&text).ok_or_else(|| serde::de::Error::custom("a digest has 64 hexadecimal digits"))
    }
}

/// Whether bytes are text or a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Class {
    /// Text, not necessarily valid UTF-8.
    Text,
    /// Bytes.
    Blob,
}

/// A value that stands outside its row: what it is, and the chunks that hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Large {
    /// Text or blob.
    pub class: Class,
    /// Bytes.
    pub length: u64,
    /// BLAKE3-256 of the whole content: equal contents have equal digests, however they were cut.
    pub content: Digest,
    /// The chunks that hold it, in order; empty where it was only looked at (a preview).
    pub chunks: Vec<Digest>,
}

/// One cell of a row.
#[derive(Clone, Debug)]
pub enum Value {
    /// NULL.
    Null,
    /// A 64-bit integer.
    Integer(i64),
    /// A 64-bit real; its bits count, so −0.0 differs from 0.0.
    Real(f64),
    /// Text of at most [`LARGE`] bytes, not necessarily valid UTF-8.
    Text(Vec<u8>),
    /// A blob of at most [`LARGE`] bytes.
    Blob(Vec<u8>),
    /// A longer text or blob.
    Large(Large),
}

impl Value {
    /// Text from a string.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text.as_bytes().to_vec())
    }

    /// True for NULL.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// True for NULL and for text or bytes of length zero; not for 0, blanks or `{}`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(bytes) | Self::Blob(bytes) => bytes.is_empty(),
            Self::Large(large) => large.length == 0,
            Self::Integer(_) | Self::Real(_) => false,
        }
    }

    /// Exact equality: storage class and bytes, reals by their bits, large values by their content.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Real(a), Self::Real(b)) => a.to_bits() == b.to_bits(),
            (Self::Text(a), Self::Text(b)) | (Self::Blob(a), Self::Blob(b)) => a == b,
            (Self::Large(a), Self::Large(b)) => a.class == b.class && a.length == b.length && a.content == b.content,
            (Self::Large(large), inline) | (inline, Self::Large(large)) => large.holds(inline),
            _ => false,
        }
    }

    /// Bytes this value takes in memory and, about, in a segment.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::Null => 1,
            Self::Integer(_) | Self::Real(_) => 9,
            Self::Text(bytes) | Self::Blob(bytes) => bytes.len() + 5,
            Self::Large(large) => 48 + 32 * large.chunks.len(),
        }
    }
}

impl Large {
    fn holds(&self, inline: &Value) -> bool {
        let (class, bytes) = match inline {
            Value::Text(bytes) => (Class::Text, bytes),
            Value::Blob(bytes) => (Class::Blob, bytes),
            _ => return false,
        };
        self.class == class && self.length == bytes.len() as u64 && self.content == Digest::of(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_is_by_storage_class_and_bits() {
        assert!(!Value::Integer(1).same(&Value::Real(1.0)));
        assert!(!Value::Real(0.0).same(&Value::Real(-0.0)));
        assert!(!Value::text("a").same(&Value::Blob(b"a".to_vec())));
        assert!(Value::Real(f64::INFINITY).same(&Value::Real(f64::INFINITY)));
    }

    #[test]
    fn a_large_value_equals_the_same_bytes_inline() {
        let bytes = vec![7; 20_000];
        let large = Large { class: Class::Blob, length: 20_000, content: Digest::of(&bytes), chunks: vec![] };
        assert!(Value::Large(large.clone()).same(&Value::Blob(bytes.clone())));
        assert!(!Value::Large(large).same(&Value::Text(bytes)));
    }

    #[test]
    fn empty_is_null_or_no_bytes_and_never_zero() {
        assert!(Value::Null.is_empty() && Value::text("").is_empty() && Value::Blob(vec![]).is_empty());
        assert!(!Value::Integer(0).is_empty() && !Value::text(" ").is_empty());
    }
}
