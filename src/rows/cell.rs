//! A cell that is looked at where it lies, and the canonical bytes of cells: what digests are made of, and what batches hold.
//!
//! A tag, then the bytes: self-delimiting, so that no two rows of a relation share canonical bytes. Part of the format.

use super::value::{Class, Digest, LARGE, Large, Value};

const NULL: u8 = 0;
const INTEGER: u8 = 1;
const REAL: u8 = 2;
const TEXT: u8 = 3;
const BLOB: u8 = 4;
const LARGE_TEXT: u8 = 5;
const LARGE_BLOB: u8 = 6;

/// One cell of a row, borrowed from wherever the row is.
#[derive(Clone, Copy, Debug)]
pub enum Cell<'c> {
    /// NULL.
    Null,
    /// A 64-bit integer.
    Integer(i64),
    /// A 64-bit real.
    Real(f64),
    /// Text.
    Text(&'c [u8]),
    /// A blob.
    Blob(&'c [u8]),
    /// A text or blob that stands outside the row.
    Large(&'c Large),
}

impl Value {
    /// The value as a cell.
    #[must_use]
    pub fn cell(&self) -> Cell<'_> {
        match self {
            Self::Null => Cell::Null,
            Self::Integer(number) => Cell::Integer(*number),
            Self::Real(number) => Cell::Real(*number),
            Self::Text(bytes) => Cell::Text(bytes),
            Self::Blob(bytes) => Cell::Blob(bytes),
            Self::Large(large) => Cell::Large(large),
        }
    }
}

impl Cell<'_> {
    /// The cell as a value of its own.
    #[must_use]
    pub fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Integer(number) => Value::Integer(number),
            Self::Real(number) => Value::Real(number),
            Self::Text(bytes) => Value::Text(bytes.to_vec()),
            Self::Blob(bytes) => Value::Blob(bytes.to_vec()),
            Self::Large(large) => Value::Large(large.clone()),
        }
    }

    /// Bytes it takes in memory and, about, in a segment.
    #[must_use]
    #[inline]
    pub fn weight(self) -> usize {
        match self {
            Self::Null => 1,
            Self::Integer(_) | Self::Real(_) => 9,
            Self::Text(bytes) | Self::Blob(bytes) => bytes.len() + 5,
            Self::Large(large) => 48 + 32 * large.chunks.len(),
        }
    }

    /// True where its content does not stand in the canonical bytes, but its length and digest.
    #[inline]
    pub(super) fn is_outside(self) -> bool {
        match self {
            Self::Large(_) => true,
            Self::Text(bytes) | Self::Blob(bytes) => bytes.len() > LARGE,
            Self::Null | Self::Integer(_) | Self::Real(_) => false,
        }
    }

    /// Adds its canonical bytes.
    #[inline(always)]
    pub(super) fn push_canonical(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Null => bytes.push(NULL),
            Self::Integer(number) => push_number(bytes, INTEGER, number.to_le_bytes()),
            Self::Real(number) => push_number(bytes, REAL, number.to_bits().to_le_bytes()),
            Self::Text(content) => push_content(bytes, Class::Text, content),
            Self::Blob(content) => push_content(bytes, Class::Blob, content),
            Self::Large(large) => push_large(bytes, large.class, large.length, &large.content),
        }
    }
}

#[inline]
fn push_number(bytes: &mut Vec<u8>, tag: u8, number: [u8; 8]) {
    let mut tagged = [tag; 9];
    tagged[1..].copy_from_slice(&number);
    bytes.extend_from_slice(&tagged);
}

#[inline(always)]
fn push_content(bytes: &mut Vec<u8>, class: Class, content: &[u8]) {
    let length = content.len() as u64;
    if content.len() > LARGE {
        return push_large(bytes, class, length, &Digest::of(content));
    }
    // Room is asked for once.
    bytes.reserve(9 + content.len());
    push_number(bytes, if class == Class::Text { TEXT } else { BLOB }, length.to_le_bytes());
    bytes.extend_from_slice(content);
}

fn push_large(bytes: &mut Vec<u8>, class: Class, length: u64, content: &Digest) {
    push_number(bytes, if class == Class::Text { LARGE_TEXT } else { LARGE_BLOB }, length.to_le_bytes());
    bytes.extend_from_slice(&content.0);
}

/// The cells that canonical bytes are made of; what stands outside them is taken from `outside`, in order.
#[derive(Clone, Debug)]
pub struct Cells<'c> {
    left: &'c [u8],
    outside: std::slice::Iter<'c, Value>,
}

impl<'c> Cells<'c> {
    /// The cells of one row.
    pub(super) fn new(canonical: &'c [u8], outside: &'c [Value]) -> Self {
        Self { left: canonical, outside: outside.iter() }
    }
}

impl<'c> Iterator for Cells<'c> {
    type Item = Cell<'c>;

    fn next(&mut self) -> Option<Cell<'c>> {
        let (&tag, rest) = self.left.split_first()?;
        if tag == NULL {
            self.left = rest;
            return Some(Cell::Null);
        }
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let number = u64::from_le_bytes(*number);
        let (cell, rest) = match tag {
            INTEGER => (Cell::Integer(number.cast_signed()), rest),
            REAL => (Cell::Real(f64::from_bits(number)), rest),
            TEXT | BLOB => {
                let (content, rest) = rest.split_at_checked(usize::try_from(number).ok()?)?;
                (if tag == TEXT { Cell::Text(content) } else { Cell::Blob(content) }, rest)
            }
            _ => (self.outside.next()?.cell(), rest.get(32..)?),
        };
        self.left = rest;
        Some(cell)
    }
}
