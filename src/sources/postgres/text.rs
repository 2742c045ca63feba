//! Rows as the lines of COPY's text format, and back.

use std::io::{self, Write};

use crate::rows::{Cell, Class, Value};
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

/// Where lines go: what fits memory is put into a buffer, which is sent on now and then; large values are streamed.
pub trait Lines {
    /// The buffer that comes next.
    fn buffer(&mut self) -> &mut Vec<u8>;

    /// Looks whether the buffer is to be sent on.
    ///
    /// # Errors
    /// What sending it met.
    fn put(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines for Vec<u8> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self
    }
}

/// Lines that go to a writer; what is left is sent by [`Through::end`].
pub struct Through<W> {
    to: W,
    buffer: Vec<u8>,
}

impl<W: Write> Through<W> {
    /// To `to`.
    pub fn new(to: W) -> Self {
        Self { to, buffer: Vec::new() }
    }

    /// Sends what is left and gives the writer back.
    ///
    /// # Errors
    /// What writing met.
    pub fn end(mut self) -> io::Result<W> {
        self.to.write_all(&self.buffer)?;
        Ok(self.to)
    }
}

impl<W: Write> Lines for Through<W> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn put(&mut self) -> io::Result<()> {
        if self.buffer.len() >= STREAMED {
            self.to.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

/// Writes a row as a line, its end included. Values that stand outside are written as they are fetched.
///
/// # Errors
/// What fetching or writing met.
pub fn encode_row<'v>(cells: impl IntoIterator<Item = Cell<'v>>, content: &dyn Resolve, to: &mut impl Lines) -> io::Result<()> {
    for (place, cell) in cells.into_iter().enumerate() {
        if place > 0 {
            to.buffer().push(b'\t');
        }
        encode(cell, content, to)?;
        to.put()?;
    }
    to.buffer().push(b'\n');
    to.put()
}

fn encode(cell: Cell<'_>, content: &dyn Resolve, to: &mut impl Lines) -> io::Result<()> {
    match cell {
        Cell::Null => to.buffer().extend_from_slice(b"\\N"),
        Cell::Integer(number) => to.buffer().extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        Cell::Real(number) => write!(to.buffer(), "{number}")?,
        Cell::Text(bytes) => escape(bytes, to.buffer()),
        Cell::Blob(bytes) => {
            to.buffer().extend_from_slice(b"\\\\x");
            hex(bytes, to.buffer());
        }
        Cell::Large(large) => match large.class {
            Class::Text => content.fetch(large, &mut Streamed { to, put: escape })?,
            Class::Blob => {
                to.buffer().extend_from_slice(b"\\\\x");
                content.fetch(large, &mut Streamed { to, put: hex })?;
            }
        },
    }
    Ok(())
}

/// Puts what is written to it into the buffer in another form, piece by piece.
struct Streamed<'w, L: Lines> {
    to: &'w mut L,
    put: fn(&[u8], &mut Vec<u8>),
}

/// Bytes of a large value that are put into the buffer before it is looked at.
const STREAMED: usize = 16 << 10;

impl<L: Lines> Write for Streamed<'_, L> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.chunks(STREAMED) {
            (self.put)(piece, self.to.buffer());
            self.to.put()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Adds a text as COPY reads it.
fn escape(bytes: &[u8], to: &mut Vec<u8>) {
    // Without a branch, so that many bytes are looked at together; nearly no text has any.
    if !bytes.iter().fold(false, |found, &byte| found | (byte < b' ') | (byte == b'\\')) {
        return to.extend_from_slice(bytes);
    }
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape = match byte {
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            _ => continue,
        };
        to.extend_from_slice(&bytes[from..at]);
        to.extend_from_slice(escape);
        from = at + 1;
    }
    to.extend_from_slice(&bytes[from..]);
}

/// Adds the hexadecimal digits of bytes.
fn hex(bytes: &[u8], to: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let begin = to.len();
    to.resize(begin + 2 * bytes.len(), 0);
    for (pair, byte) in to[begin..].as_chunks_mut().0.iter_mut().zip(bytes) {
        *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
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
            encode_row(values.iter().map(Value::cell), &One(Vec::new()), &mut line).unwrap();
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
            encode_row([large.cell(), Cell::Null], &One(bytes.clone()), &mut line).unwrap();
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
