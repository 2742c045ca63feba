//! Keys: an order-preserving encoding of the primary key, so that every merge compares bytes and no collation decides anything.
//!
//! The order is SQLite's: NULL, then numbers by value (1 and 1.0 are one key), then text, then blobs. Text compares as
//! bytes after the column's collation was folded in. A row without a usable key is named by its digest and an ordinal.

use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::row::RowDigest;
use super::value::{LARGE, Value};

const WHOLE_ROW: u8 = 0x01;
const NUMBER: u8 = 0x10;
const TEXT: u8 = 0x20;
const BLOB: u8 = 0x30;

/// What a column's collation makes equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fold {
    /// Bytes as they are.
    #[default]
    Binary,
    /// ASCII letters without case; behind a zero byte, the length alone (as `sqlite3StrNICmp` has it).
    Nocase,
    /// Without trailing spaces (0x20 only).
    Rtrim,
}

/// The key of a row; its byte order is the order of rows everywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// The key made of `parts`; `None` where one is NULL or too large to stand in a row, since such a row is named by its digest.
    #[must_use]
    pub fn of<'v>(parts: impl IntoIterator<Item = (&'v Value, Fold)>) -> Option<Self> {
        let mut bytes = Vec::with_capacity(16);
        parts.into_iter().all(|(value, fold)| push_part(&mut bytes, value.cell(), fold)).then_some(Self(bytes))
    }

    /// The key of the `ordinal`-th of the rows with this digest.
    #[must_use]
    pub fn of_row(digest: RowDigest, ordinal: u32) -> Self {
        let mut bytes = Vec::with_capacity(21);
        bytes.push(WHOLE_ROW);
        bytes.extend_from_slice(&digest.0);
        bytes.extend_from_slice(&ordinal.to_be_bytes());
        Self(bytes)
    }

    /// The digest and the ordinal, where the key is made of the whole row.
    #[must_use]
    pub fn whole_row(&self) -> Option<(RowDigest, u32)> {
        whole_row(&self.0)
    }

    /// The encoded bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Makes `last` this key; the bytes it has are used again, since that is done for every row.
    pub fn remember_in(&self, last: &mut Option<Self>) {
        match last {
            Some(last) => last.0.clone_from(&self.0),
            None => *last = Some(self.clone()),
        }
    }

    /// A key from bytes that [`Key::as_bytes`] gave.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

/// The digest and the ordinal in the bytes of a key that is made of the whole row.
pub(super) fn whole_row(key: &[u8]) -> Option<(RowDigest, u32)> {
    let (digest, ordinal) = key.strip_prefix(&[WHOLE_ROW])?.split_first_chunk::<16>()?;
    Some((RowDigest(*digest), u32::from_be_bytes(ordinal.try_into().ok()?)))
}

/// The whole numbers that the bytes of a key stand for, one for each place in `numbers`; false where it is made of anything else.
#[must_use]
#[inline]
pub fn integers(key: &[u8], numbers: &mut [i64]) -> bool {
    let mut left = key;
    for number in numbers {
        let Some((part, behind)) = left.split_first_chunk::<11>() else { return false };
        let Some(whole) = integer(part) else { return false };
        (*number, left) = (whole, behind);
    }
    left.is_empty()
}

/// Whole numbers below are reals as they are: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;

#[inline]
fn integer(part: &[u8; 11]) -> Option<i64> {
    let [NUMBER, a, b, c, d, e, f, g, h, rest @ ..] = *part else { return None };
    let ordered = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    let nearest = f64::from_bits(if ordered >> 63 == 1 { ordered & !(1 << 63) } else { !ordered });
    let rest = (u16::from_be_bytes(rest) ^ 0x8000).cast_signed();
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    if rest == 0 && nearest.abs() < EXACT && (nearest as i64 as f64).to_bits() == nearest.to_bits() {
        return Some(nearest as i64);
    }
    #[allow(clippy::cast_possible_truncation)]
    let number = i64::try_from((nearest as i128).saturating_add(i128::from(rest))).ok()?;
    // Of a real that is not whole, or not the nearest, nothing is made that it was not.
    #[allow(clippy::cast_precision_loss)]
    let nearest_again = number as f64;
    (nearest_again.to_bits() == nearest.to_bits()).then_some(number)
}

/// Adds a part of a key; false where it makes none.
pub(super) fn push_part(bytes: &mut Vec<u8>, cell: Cell<'_>, fold: Fold) -> bool {
    match cell {
        Cell::Null | Cell::Large(_) => return false,
        Cell::Text(content) | Cell::Blob(content) if content.len() > LARGE => return false,
        Cell::Integer(number) => push_integer(bytes, number),
        Cell::Real(number) => push_real(bytes, number),
        Cell::Text(text) => push_text(bytes, text, fold),
        Cell::Blob(blob) => push_bytes(bytes, BLOB, blob),
    }
    true
}

/// The real nearest to the integer, then what is left over: at most 2^10, so 16 bits hold it.
fn push_integer(bytes: &mut Vec<u8>, number: i64) {
    #[allow(clippy::cast_precision_loss)]
    let nearest = number as f64;
    if number.unsigned_abs() <= 1 << 53 {
        return push_number(bytes, nearest, 0);
    }
    #[allow(clippy::cast_possible_truncation)]
    let rest = (i128::from(number) - nearest as i128) as i16;
    push_number(bytes, nearest, rest);
}

fn push_real(bytes: &mut Vec<u8>, number: f64) {
    push_number(bytes, if number == 0.0 { 0.0 } else { number }, 0);
}

fn push_number(bytes: &mut Vec<u8>, nearest: f64, rest: i16) {
    let bits = nearest.to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    let mut part = [NUMBER; 11];
    part[1..9].copy_from_slice(&ordered.to_be_bytes());
    part[9..].copy_from_slice(&(rest.cast_unsigned() ^ 0x8000).to_be_bytes());
    bytes.extend_from_slice(&part);
}

fn push_text(bytes: &mut Vec<u8>, text: &[u8], fold: Fold) {
    match fold {
        Fold::Binary => push_bytes(bytes, TEXT, text),
        Fold::Nocase => {
            let begin = bytes.len();
            // SQLite compares so far as no zero byte comes, and then lengths.
            let compared = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
            push_bytes(bytes, TEXT, &text[..compared]);
            bytes[begin..].make_ascii_lowercase();
            bytes.truncate(bytes.len() - END.len());
            (compared..text.len()).for_each(|_| bytes.extend_from_slice(&ZERO));
            bytes.extend_from_slice(&END);
        }
        Fold::Rtrim => {
            let kept = text.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1);
            push_bytes(bytes, TEXT, &text[..kept]);
        }
    }
}

/// A zero byte as it is written, and the end: so a prefix sorts before what it begins.
const ZERO: [u8; 2] = [0, 0xFF];
const END: [u8; 2] = [0, 0];

fn push_bytes(bytes: &mut Vec<u8>, tag: u8, content: &[u8]) {
    bytes.push(tag);
    let mut left = content;
    while let Some(zero) = left.iter().position(|&byte| byte == 0) {
        bytes.extend_from_slice(&left[..zero]);
        bytes.extend_from_slice(&ZERO);
        left = &left[zero + 1..];
    }
    bytes.extend_from_slice(left);
    bytes.extend_from_slice(&END);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(value: &Value) -> Key {
        Key::of([(value, Fold::Binary)]).unwrap()
    }

    #[test]
    fn numbers_order_by_value_across_classes() {
        let ordered = [
            Value::Real(f64::NEG_INFINITY),
            Value::Integer(i64::MIN),
            Value::Integer(i64::MIN + 1),
            Value::Real(-1.5),
            Value::Integer(-1),
            Value::Real(-0.5),
            Value::Integer(0),
            Value::Real(f64::MIN_POSITIVE),
            Value::Integer((1 << 53) + 1),
            Value::Real(9_007_199_254_740_994.0),
            Value::Integer(i64::MAX),
            Value::Real(9_223_372_036_854_775_808.0),
            Value::Real(f64::INFINITY),
            Value::text(""),
            Value::text("a"),
            Value::Text(b"a\0".to_vec()),
            Value::text("b"),
            Value::Blob(vec![]),
        ];
        for pair in ordered.windows(2) {
            assert!(key(&pair[0]) < key(&pair[1]), "{pair:?}");
        }
        assert_eq!(key(&Value::Integer(1)), key(&Value::Real(1.0)));
        assert_eq!(key(&Value::Real(0.0)), key(&Value::Real(-0.0)));
    }

    #[test]
    fn whole_numbers_come_back_from_a_key_and_nothing_else_does() {
        let far = [i64::MIN, i64::MIN + 1, -(1 << 53) - 1, -1, 0, 1, (1 << 53) + 1, i64::MAX - 511, i64::MAX - 1, i64::MAX];
        for (one, two) in far.iter().flat_map(|one| far.map(|two| (*one, two))) {
            let key = Key::of([(&Value::Integer(one), Fold::Binary), (&Value::Integer(two), Fold::Binary)]).unwrap();
            let mut numbers = [7; 2];
            assert!(integers(key.as_bytes(), &mut numbers));
            assert_eq!(numbers, [one, two]);
            assert!(!integers(key.as_bytes(), &mut [0]) && !integers(key.as_bytes(), &mut [0; 3]));
        }
        let others = [Value::Real(1.5), Value::Real(f64::NAN), Value::Real(1e300), Value::text("1"), Value::Blob(vec![0; 9])];
        assert!(others.iter().all(|other| !integers(key(other).as_bytes(), &mut [0])));
        assert!(!integers(Key::of_row(RowDigest([0; 16]), 0).as_bytes(), &mut [0]));
    }

    #[test]
    fn collations_are_folded_into_the_key() {
        let folded = |text: &str, fold| Key::of([(&Value::text(text), fold)]).unwrap();
        assert_eq!(folded("ÄbC", Fold::Nocase), folded("Äbc", Fold::Nocase));
        assert_ne!(folded("äb", Fold::Nocase), folded("Äb", Fold::Nocase));
        assert_eq!(folded("n\0AB", Fold::Nocase), folded("N\0x\0", Fold::Nocase));
        assert_ne!(folded("n\0A", Fold::Nocase), folded("n\0AB", Fold::Nocase));
        assert!(
            folded("n\0\0", Fold::Nocase) < folded("n\0AB", Fold::Nocase) && folded("n\0AB", Fold::Nocase) < folded("na", Fold::Nocase)
        );
        assert_eq!(folded("a  ", Fold::Rtrim), folded("a", Fold::Rtrim));
        assert_ne!(folded("a\t", Fold::Rtrim), folded("a", Fold::Rtrim));
    }

    #[test]
    fn a_null_part_makes_no_key() {
        assert!(Key::of([(&Value::Null, Fold::Binary)]).is_none());
    }

    #[test]
    fn a_part_too_large_for_a_row_makes_no_key_however_it_is_held() {
        assert!(Key::of([(&Value::Blob(vec![1; LARGE]), Fold::Binary)]).is_some());
        assert!(Key::of([(&Value::Blob(vec![1; LARGE + 1]), Fold::Binary)]).is_none());
    }
}
