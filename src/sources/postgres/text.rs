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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rows::{Column, Digest, Fold, KeyKind, Large, Relation, RelationKind, Role};
    use crate::sources::Looking;

    /// Gives back the one content that it has.
    struct One(Vec<u8>);

    impl Resolve for One {
        fn fetch(&self, _: &Large, to: &mut dyn Write) -> io::Result<()> {
            self.0.chunks(1000).try_for_each(|piece| to.write_all(piece))
        }
    }

    /// A relation without a key with these columns.
    fn keyless(columns: usize) -> Relation {
        let column = |place: usize| Column {
            name: format!("c{place}"),
            declared: String::new(),
            role: Role::Data,
            fold: Fold::Binary,
            not_null: false,
        };
        let columns = (0..columns).map(column).collect();
        Relation { name: "t".into(), module: String::new(), kind: RelationKind::Table, columns, key: KeyKind::WholeRow }
    }

    /// The values of a line both ways, which are one: alone, and in a batch.
    fn decoded(line: &[u8], kinds: &[Kind]) -> io::Result<Vec<Value>> {
        let (mut decoder, mut batch) = (Decoder::default(), Batch::default());
        let values = decoder.row(line, kinds, &Looking);
        batch.begin();
        let into = decoder.row_into(&mut batch, line, kinds, &Looking);
        assert_eq!(values.is_ok(), into.is_ok());
        let values = values?;
        batch.end(&keyless(kinds.len()), |_| 0).unwrap();
        let row = batch.rows().next().unwrap().to_row();
        assert!(row.values.len() == values.len() && row.values.iter().zip(&values).all(|(a, b)| a.same(b)));
        Ok(values)
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
            let back = decoded(&line, &kinds).unwrap();
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
            let back = decoded(line.strip_suffix(b"\n").unwrap(), &[kind, Kind::Text]).unwrap();
            assert!(back[0].same(&large) && back[1].is_null());
        }
    }

    #[test]
    fn every_letter_is_a_digit_or_refused_wherever_it_stands() {
        for letter in 0..=255_u8 {
            let value = (letter as char).to_digit(16).filter(|_| !letter.is_ascii_uppercase()).and_then(|value| u8::try_from(value).ok());
            for (length, place) in (0..20).flat_map(|bytes| (0..2 * bytes).map(move |place| (2 * bytes, place))) {
                let mut digits = vec![b'3'; length];
                digits[place] = letter;
                let expected = value.map(|value| {
                    let mut bytes = vec![0x33; length / 2];
                    bytes[place / 2] = if place % 2 == 0 { value << 4 | 3 } else { 0x30 | value };
                    bytes
                });
                let mut bytes = b"before".to_vec();
                let read = unhex(&digits, &mut bytes);
                assert_eq!(read.map(|()| bytes), expected, "{letter} at {place} of {length}");
                assert!(unhex(&digits[1..], &mut Vec::new()).is_none());
            }
        }
    }

    #[test]
    fn a_line_with_other_columns_is_refused() {
        let read = decoded;
        assert!(read(b"1\t2", &[Kind::Integer]).is_err() && read(b"1", &[Kind::Integer; 2]).is_err());
        assert!(read(b"x", &[]).is_err() && read(b"", &[]).unwrap().is_empty());
        assert!(read(b"one", &[Kind::Integer]).is_err() && read(b"\\\\x0g", &[Kind::Bytes]).is_err());
        assert!(read(b"\\q", &[Kind::Text]).is_err() && read(b"a\\", &[Kind::Text]).is_err());
        assert!(
            read(b"a\nb", &[Kind::Text]).is_err()
                && read(b"a\\\\b\nc", &[Kind::Text]).is_err()
                && read(b"a long one\n", &[Kind::Text]).is_err()
        );
        assert!(read(b"\\Nx", &[Kind::Text]).is_err() && read(b"12x", &[Kind::Integer]).is_err() && read(b"-", &[Kind::Integer]).is_err());
        assert!(
            read(b"\\\\x0", &[Kind::Bytes]).is_err() && read(b"\\\\x0G", &[Kind::Bytes]).is_err() && read(b"0a", &[Kind::Bytes]).is_err()
        );
    }

    #[test]
    fn whole_numbers_are_read_up_to_the_last_one_and_no_further() {
        for number in [i64::MIN, i64::MIN + 1, -10, -1, 0, 7, i64::MAX - 1, i64::MAX] {
            let back = decoded(number.to_string().as_bytes(), &[Kind::Integer]).unwrap();
            assert!(back[0].same(&Value::Integer(number)));
        }
        for beyond in ["9223372036854775808", "-9223372036854775809", "92233720368547758070"] {
            assert!(decoded(beyond.as_bytes(), &[Kind::Integer]).is_err());
        }
    }
}
