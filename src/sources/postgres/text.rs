//! Rows as the lines of COPY's text format, and back.

use std::io::{self, Write};

use crate::rows::{Batch, Cell, Class, LARGE, Value};
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
        self.cells(line, kinds, |cell| {
            values.push(match cell {
                Cell::Text(bytes) => value_of(Class::Text, bytes, content)?,
                Cell::Blob(bytes) => value_of(Class::Blob, bytes, content)?,
                other => other.to_value(),
            });
            Ok(())
        })?;
        Ok(values)
    }

    /// Adds the values of a line to the row that is being added to a batch.
    ///
    /// # Errors
    /// As [`Decoder::row`].
    pub fn row_into(&mut self, batch: &mut Batch, line: &[u8], kinds: &[Kind], content: &dyn Content) -> io::Result<()> {
        self.cells(line, kinds, |cell| {
            match cell {
                Cell::Text(mut bytes) if bytes.len() > LARGE => batch.large(content.keep(Class::Text, &mut bytes)?),
                Cell::Blob(mut bytes) if bytes.len() > LARGE => batch.large(content.keep(Class::Blob, &mut bytes)?),
                other => batch.cell(other),
            }
            Ok(())
        })
    }

    /// Shows the cell that a field is; a large one is kept by then.
    ///
    /// # Errors
    /// What keeping it met, and a field that is none of its kind.
    pub fn whole(&mut self, field: &[u8], kind: Kind, content: &dyn Content, each: &mut dyn FnMut(Cell<'_>)) -> io::Result<()> {
        let (cell, taken) = self.cell(field, kind)?;
        if taken < field.len() {
            return Err(broken("a field goes on behind its end"));
        }
        match cell {
            Cell::Text(mut bytes) if bytes.len() > LARGE => each(Cell::Large(&content.keep(Class::Text, &mut bytes)?)),
            Cell::Blob(mut bytes) if bytes.len() > LARGE => each(Cell::Large(&content.keep(Class::Blob, &mut bytes)?)),
            other => each(other),
        }
        Ok(())
    }

    /// Shows the cells of a line, one a column, whatever their size.
    fn cells(&mut self, line: &[u8], kinds: &[Kind], mut each: impl FnMut(Cell<'_>) -> io::Result<()>) -> io::Result<()> {
        let mut rest = (!kinds.is_empty()).then_some(line);
        for &kind in kinds {
            let from = rest.ok_or_else(|| broken("a line has too few columns"))?;
            let (cell, taken) = self.cell(from, kind)?;
            each(cell)?;
            rest = match from[taken..].split_first() {
                Some((b'\t', behind)) => Some(behind),
                Some(_) => return Err(broken("a field goes on behind its end")),
                None => None,
            };
        }
        if rest.is_some() || (kinds.is_empty() && !line.is_empty()) {
            return Err(broken("a line has too many columns"));
        }
        Ok(())
    }

    /// The field with which `from` begins, and how long it is.
    fn cell<'l>(&'l mut self, from: &'l [u8], kind: Kind) -> io::Result<(Cell<'l>, usize)> {
        // A backslash of the text itself is doubled.
        if let [b'\\', b'N', ..] = from {
            return Ok((Cell::Null, 2));
        }
        match kind {
            Kind::Integer => {
                number(from).map(|(number, taken)| (Cell::Integer(number), taken)).ok_or_else(|| broken("a whole number is none"))
            }
            Kind::Bytes => {
                let field = &from[..memchr::memchr(b'\t', from).unwrap_or(from.len())];
                // The backslash before the x is doubled.
                let digits = field.strip_prefix(b"\\\\x").ok_or_else(|| broken("bytes do not begin with \\x"))?;
                unhex(digits, &mut self.field).ok_or_else(|| broken("bytes have other than hexadecimal digits"))?;
                Ok((Cell::Blob(&self.field), field.len()))
            }
            Kind::Text => {
                let plain = plain(from);
                if from.get(plain) != Some(&b'\\') {
                    return Ok((Cell::Text(&from[..plain]), plain));
                }
                let end = memchr::memchr(b'\t', &from[plain..]).map_or(from.len(), |behind| plain + behind);
                unescape(&from[..end], &mut self.field)?;
                Ok((Cell::Text(&self.field), end))
            }
        }
    }
}

/// A one in each byte of a word.
const ONES: u64 = u64::MAX / 255;

/// Bytes before the first tab or backslash, or the end of a line, which cannot stand in one: looked at eight at a time, as most fields are
/// too short for a search that has to be set up.
fn plain(bytes: &[u8]) -> usize {
    // The lowest of the bits that it gives stands in the lowest byte that is zero.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7);
    let (words, rest) = bytes.as_chunks::<8>();
    for (place, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let any = |letter: u8| zeros(word ^ (ONES * u64::from(letter)));
        let found = any(b'\t') | any(b'\\') | any(b'\n');
        if found != 0 {
            return 8 * place + found.trailing_zeros() as usize / 8;
        }
    }
    let behind = rest.iter().position(|byte| matches!(byte, b'\t' | b'\\' | b'\n')).unwrap_or(rest.len());
    bytes.len() - rest.len() + behind
}

/// The whole number with which `from` begins, and how long it is.
fn number(from: &[u8]) -> Option<(i64, usize)> {
    let sign = usize::from(from.first() == Some(&b'-'));
    let digits = &from[sign..];
    let (mut number, mut taken) = (0_u64, 0);
    while let Some(digit) = digits.get(taken).map(|letter| letter.wrapping_sub(b'0')).filter(|digit| *digit <= 9) {
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        taken += 1;
    }
    let number = match (taken, sign) {
        (0, _) => return None,
        // So few digits always fit.
        (..19, 0) => number.cast_signed(),
        (..19, _) => -number.cast_signed(),
        _ => std::str::from_utf8(&from[..sign + taken]).ok()?.parse().ok()?,
    };
    Some((number, sign + taken))
}

/// The bytes that hexadecimal digits stand for, none where they are no pairs of such digits; eight digits at a time, as that is most of what large values cost.
pub fn unhex(digits: &[u8], to: &mut Vec<u8>) -> Option<()> {
    let (words, rest) = digits.as_chunks::<8>();
    let mut wrong = 0;
    to.clear();
    to.resize(digits.len().div_ceil(2), 0);
    let (bytes, last) = to.as_chunks_mut::<4>();
    for (four, word) in bytes.iter_mut().zip(words) {
        *four = unhex_word(*word, &mut wrong);
    }
    // The last ones are filled up.
    let mut word = [b'0'; 8];
    word[..rest.len()].copy_from_slice(rest);
    let four = unhex_word(word, &mut wrong);
    last.copy_from_slice(&four[..last.len()]);
    (wrong == 0 && digits.len().is_multiple_of(2)).then_some(())
}

/// The bytes of eight digits, in the eight bytes of a word; `wrong` is no longer zero where one is none.
fn unhex_word(digits: [u8; 8], wrong: &mut u64) -> [u8; 4] {
    let word = u64::from_le_bytes(digits);
    // Letters have a bit that ciphers have not; both have their value in the low bits, letters without the nine before them.
    let values = (word & (ONES * 15)) + 9 * ((word >> 6) & ONES);
    // No carry leaves a byte: its highest bit says whether the value is 10 or more, and 16 or more.
    let letters = ((values + ONES * 0x76) >> 7) & ONES;
    let written = values + ONES * u64::from(b'0') + letters * u64::from(b'a' - b'0' - 10);
    *wrong |= (written ^ word) | ((values + ONES * 0x70) & (ONES << 7));
    // The high half of a byte stands before the low one.
    let pairs = ((values << 4) | (values >> 8)) & 0x00FF_00FF_00FF_00FF;
    let [a, _, b, _, c, _, d, _] = pairs.to_le_bytes();
    [a, b, c, d]
}

/// What a field says: a backslash and a letter stand for what would end it.
///
/// # Errors
/// A letter that stands for nothing, and a backslash without one.
pub fn unescape(field: &[u8], to: &mut Vec<u8>) -> io::Result<()> {
    to.clear();
    if memchr::memchr(b'\n', field).is_some() {
        return Err(broken("a line goes on behind its end"));
    }
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

/// The error of a line that is not as COPY writes it.
pub fn broken(what: &str) -> io::Error {
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
mod tests;
