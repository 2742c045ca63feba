//! Rows as the lines of COPY's text format, and back.

use std::io::{self, Write};

use crate::rows::{Class, Value};
use crate::sources::{Content, Resolve, value_of};

/// How a column's text becomes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number of at most 64 bits: its digits are its only text.
    Integer,
    /// Bytes, written as hexadecimal digits.
    Bytes,
    /// Any other type: its text.
    Text,
}

/// Reads lines; what it needs for one is used again for the next.
#[derive(Debug, Default)]
pub struct Decoder {
    field: Vec<u8>,
}

impl Decoder {
    /// The values of a line, one a column.
    ///
    /// # Errors
    /// What keeping a large value met, and a line that has other columns than it should.
    pub fn row(&mut self, line: &[u8], kinds: &[Kind], content: &dyn Content) -> io::Result<Vec<Value>> {
        let mut values = Vec::with_capacity(kinds.len());
        let mut rest = (!kinds.is_empty()).then_some(line);
        for &kind in kinds {
            let from = rest.ok_or_else(|| broken("a line has too few columns"))?;
            let (field, behind) = match memchr::memchr(b'\t', from) {
                Some(end) => (&from[..end], Some(&from[end + 1..])),
                None => (from, None),
            };
            values.push(self.value(field, kind, content)?);
            rest = behind;
        }
        if rest.is_some() || (kinds.is_empty() && !line.is_empty()) {
            return Err(broken("a line has too many columns"));
        }
        Ok(values)
    }

    fn value(&mut self, field: &[u8], kind: Kind, content: &dyn Content) -> io::Result<Value> {
        if field == b"\\N" {
            return Ok(Value::Null);
        }
        match kind {
            Kind::Integer => number(field).map(Value::Integer).ok_or_else(|| broken("a whole number is none")),
            Kind::Bytes => {
                // The backslash before the x is doubled.
                let digits = field.strip_prefix(b"\\\\x").ok_or_else(|| broken("bytes do not begin with \\x"))?;
                self.field.clear();
                for pair in digits.chunks(2) {
                    let byte = <&[u8; 2]>::try_from(pair).ok().and_then(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
                    self.field.push(byte.ok_or_else(|| broken("bytes have other than hexadecimal digits"))?);
                }
                value_of(Class::Blob, &self.field, content)
            }
            Kind::Text => match memchr::memchr(b'\\', field) {
                None => value_of(Class::Text, field, content),
                Some(_) => {
                    unescape(field, &mut self.field)?;
                    value_of(Class::Text, &self.field, content)
                }
            },
        }
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn digit(letter: u8) -> Option<u8> {
    match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'a'..=b'f' => Some(letter - b'a' + 10),
        _ => None,
    }
}

fn unescape(field: &[u8], to: &mut Vec<u8>) -> io::Result<()> {
    to.clear();
    let mut rest = field;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        to.extend_from_slice(&rest[..at]);
        let letter = *rest.get(at + 1).ok_or_else(|| broken("a field ends with a backslash"))?;
        to.push(match letter {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            b'\\' => b'\\',
            _ => return Err(broken("an unknown escape")),
        });
        rest = &rest[at + 2..];
    }
    to.extend_from_slice(rest);
    Ok(())
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("COPY gave what it should not: {what}"))
}

/// Writes a row as a line, its end included. Values that stand outside are written as they are fetched.
///
/// # Errors
/// What fetching or writing met.
pub fn encode_row<'v>(values: impl IntoIterator<Item = &'v Value>, content: &dyn Resolve, to: &mut dyn Write) -> io::Result<()> {
    for (place, value) in values.into_iter().enumerate() {
        if place > 0 {
            to.write_all(b"\t")?;
        }
        encode(value, content, to)?;
    }
    to.write_all(b"\n")
}

fn encode(value: &Value, content: &dyn Resolve, to: &mut dyn Write) -> io::Result<()> {
    match value {
        Value::Null => to.write_all(b"\\N"),
        Value::Integer(number) => write!(to, "{number}"),
        Value::Real(number) => write!(to, "{number}"),
        Value::Text(bytes) => Escaped(to).write_all(bytes),
        Value::Blob(bytes) => {
            to.write_all(b"\\\\x")?;
            Hex(to).write_all(bytes)
        }
        Value::Large(large) => match large.class {
            Class::Text => content.fetch(large, &mut Escaped(to)),
            Class::Blob => {
                to.write_all(b"\\\\x")?;
                content.fetch(large, &mut Hex(to))
            }
        },
    }
}

/// Escapes what is written to it.
struct Escaped<'w>(&'w mut dyn Write);

impl Write for Escaped<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut from = 0;
        for (at, byte) in bytes.iter().enumerate() {
            let escape = match byte {
                b'\\' => b"\\\\",
                b'\n' => b"\\n",
                b'\r' => b"\\r",
                b'\t' => b"\\t",
                _ => continue,
            };
            self.0.write_all(&bytes[from..at])?;
            self.0.write_all(escape)?;
            from = at + 1;
        }
        self.0.write_all(&bytes[from..])?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Writes hexadecimal digits of what is written to it.
struct Hex<'w>(&'w mut dyn Write);

impl Write for Hex<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 1024];
        for piece in bytes.chunks(digits.len() / 2) {
            for (pair, byte) in digits.chunks_exact_mut(2).zip(piece) {
                pair[0] = DIGITS[usize::from(byte >> 4)];
                pair[1] = DIGITS[usize::from(byte & 15)];
            }
            self.0.write_all(&digits[..piece.len() * 2])?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rows::{Digest, LARGE, Large};
    use crate::sources::Looking;

    /// Gives back the one content that it has.
    struct One(Vec<u8>);

    impl Resolve for One {
        fn fetch(&self, _: &Large, to: &mut dyn Write) -> io::Result<()> {
            self.0.chunks(1000).try_for_each(|piece| to.write_all(piece))
        }
    }

    fn value() -> impl Strategy<Value = (Kind, Value)> {
        prop_oneof![
            any::<i64>().prop_map(|number| (Kind::Integer, Value::Integer(number))),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| (Kind::Bytes, Value::Blob(bytes))),
            prop::collection::vec(1_u8..=255, 0..40).prop_map(|bytes| (Kind::Text, Value::Text(bytes))),
            Just((Kind::Text, Value::Null)),
            Just((Kind::Text, Value::text("\\N"))),
            Just((Kind::Text, Value::text("\\."))),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn a_row_comes_back_from_its_line(row in prop::collection::vec(value(), 0..8)) {
            let (kinds, values): (Vec<_>, Vec<_>) = row.into_iter().unzip();
            let mut line = Vec::new();
            encode_row(&values, &One(Vec::new()), &mut line).unwrap();
            prop_assert_eq!(line.pop(), Some(b'\n'));
            prop_assert!(!line.contains(&b'\n'));
            let back = Decoder::default().row(&line, &kinds, &Looking).unwrap();
            prop_assert!(back.len() == values.len() && back.iter().zip(&values).all(|(a, b)| a.same(b)));
        }
    }

    #[test]
    fn large_values_are_escaped_on_their_way() {
        let bytes: Vec<u8> = b"tab\there\\\n".repeat(LARGE / 4);
        for (class, kind) in [(Class::Text, Kind::Text), (Class::Blob, Kind::Bytes)] {
            let large = Value::Large(Large { class, length: bytes.len() as u64, content: Digest::of(&bytes), chunks: vec![] });
            let mut line = Vec::new();
            encode_row([&large, &Value::Null], &One(bytes.clone()), &mut line).unwrap();
            let back = Decoder::default().row(line.strip_suffix(b"\n").unwrap(), &[kind, Kind::Text], &Looking).unwrap();
            assert!(back[0].same(&large) && back[1].is_null());
        }
    }

    #[test]
    fn a_line_with_other_columns_is_refused() {
        let read = |line: &[u8], kinds: &[Kind]| Decoder::default().row(line, kinds, &Looking);
        assert!(read(b"1\t2", &[Kind::Integer]).is_err() && read(b"1", &[Kind::Integer; 2]).is_err());
        assert!(read(b"x", &[]).is_err() && read(b"", &[]).unwrap().is_empty());
        assert!(read(b"one", &[Kind::Integer]).is_err() && read(b"\\\\x0g", &[Kind::Bytes]).is_err());
        assert!(read(b"\\q", &[Kind::Text]).is_err() && read(b"a\\", &[Kind::Text]).is_err());
    }
}
