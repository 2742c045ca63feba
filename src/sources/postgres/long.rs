//! Lines that are too long to be held: large fields are decoded as they come, and kept while they do.

use std::io::{self, BufRead, Chain, Read};

use super::text::{Decoder, Kind, broken, unescape, unhex};
use crate::rows::{Cell, Class, LARGE};
use crate::sources::Content;

/// Bytes of a field that are held: what is longer makes a large value, whatever is escaped in it.
const HELD: usize = 2 * LARGE + 4;
/// Bytes that are decoded at once.
const PIECE: usize = 16 << 10;

/// Shows the cells of a line, one a column, to `each`; large ones are kept by then.
///
/// # Errors
/// What reading it and keeping a large value met, and a line that has other columns than it should.
pub fn cells(line: &mut dyn BufRead, kinds: &[Kind], content: &dyn Content, each: &mut dyn FnMut(Cell<'_>)) -> io::Result<()> {
    let (mut decoder, mut held) = (Decoder::default(), Vec::new());
    for (place, &kind) in kinds.iter().enumerate() {
        held.clear();
        let mut field = Field(&mut *line);
        (&mut field).take(HELD as u64).read_to_end(&mut held)?;
        if field.is_over()? {
            decoder.whole(&held, kind, content, each)?;
        } else {
            let class = match kind {
                Kind::Integer => return Err(broken("a whole number is none")),
                Kind::Bytes => Class::Blob,
                Kind::Text => Class::Text,
            };
            let large = content.keep(class, &mut Decoding::new(held.as_slice().chain(&mut field), kind))?;
            // Whoever only looks may not have read it.
            io::copy(&mut field, &mut io::sink())?;
            each(Cell::Large(&large));
        }
        let mut end = [0];
        line.read_exact(&mut end)?;
        if end[0] != if place + 1 < kinds.len() { b'\t' } else { b'\n' } {
            return Err(broken("a long line has other columns than it should"));
        }
    }
    if line.fill_buf()?.is_empty() { Ok(()) } else { Err(broken("a long line goes on behind its end")) }
}

/// The bytes of a line up to the end of a field.
struct Field<'l>(&'l mut dyn BufRead);

impl Field<'_> {
    /// Whether its end comes next.
    fn is_over(&mut self) -> io::Result<bool> {
        Ok(matches!(self.0.fill_buf()?.first(), None | Some(b'\t' | b'\n')))
    }
}

impl Read for Field<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let there = self.0.fill_buf()?;
        let most = there.len().min(to.len());
        let count = memchr::memchr2(b'\t', b'\n', &there[..most]).unwrap_or(most);
        to[..count].copy_from_slice(&there[..count]);
        self.0.consume(count);
        Ok(count)
    }
}

/// What a field says, decoded piece by piece.
struct Decoding<'f, 'l> {
    from: Chain<&'f [u8], &'f mut Field<'l>>,
    kind: Kind,
    /// What was read; the first `begun` bytes cannot be decoded without what follows.
    raw: Vec<u8>,
    begun: usize,
    decoded: Vec<u8>,
    /// So much of that was taken.
    taken: usize,
    /// Whether the sign before hexadecimal digits was seen.
    signed: bool,
}

impl<'f, 'l> Decoding<'f, 'l> {
    fn new(from: Chain<&'f [u8], &'f mut Field<'l>>, kind: Kind) -> Self {
        Self { from, kind, raw: vec![0; PIECE], begun: 0, decoded: Vec::new(), taken: 0, signed: kind != Kind::Bytes }
    }

    /// Decodes the next piece; false at the end.
    fn next(&mut self) -> io::Result<bool> {
        let read = self.from.read(&mut self.raw[self.begun..])?;
        let there = self.begun + read;
        if read == 0 {
            return if there == 0 { Ok(false) } else { Err(broken("a field ends in the middle of a sign")) };
        }
        let mut piece = &self.raw[..there];
        if !self.signed {
            // The first bytes are those that were held, and come at once.
            piece = piece.strip_prefix(b"\\\\x").ok_or_else(|| broken("bytes do not begin with \\x"))?;
            self.signed = true;
        }
        let split = match self.kind {
            Kind::Bytes => piece.len() % 2,
            // A backslash without its letter.
            _ => piece.iter().rev().take_while(|byte| **byte == b'\\').count() % 2,
        };
        piece = &piece[..piece.len() - split];
        match self.kind {
            Kind::Bytes => unhex(piece, &mut self.decoded).ok_or_else(|| broken("bytes have other than hexadecimal digits"))?,
            _ => unescape(piece, &mut self.decoded)?,
        }
        self.taken = 0;
        self.raw.copy_within(there - split..there, 0);
        self.begun = split;
        Ok(true)
    }
}

impl Read for Decoding<'_, '_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.decoded.len() {
            if !self.next()? {
                return Ok(0);
            }
        }
        let count = to.len().min(self.decoded.len() - self.taken);
        to[..count].copy_from_slice(&self.decoded[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;
    use crate::rows::Value;
    use crate::sources::{Glancing, Looking};

    fn long(line: &[u8], kinds: &[Kind], size: usize, content: &dyn Content) -> io::Result<Vec<Value>> {
        let mut values = Vec::new();
        cells(&mut BufReader::with_capacity(size, line), kinds, content, &mut |cell| values.push(cell.to_value()))?;
        Ok(values)
    }

    const KINDS: [Kind; 5] = [Kind::Integer, Kind::Bytes, Kind::Text, Kind::Text, Kind::Text];

    /// A line with bytes and a text of about this length in it.
    fn line(length: usize) -> Vec<u8> {
        let digits: Vec<u8> = (0..length).map(|place| b"0123456789abcdef"[place * 7 % 16]).chain(*b"0f").collect();
        let digits = &digits[digits.len() % 2..];
        let text: Vec<u8> = (0..length).flat_map(|place| if place % 3 == 0 { b"\\\\".as_slice() } else { b"x" }).copied().collect();
        [b"-17\t\\\\x", digits, b"\t", &text, b"\\n\t\\N\t\xFF end"].concat()
    }

    #[test]
    fn a_long_line_holds_what_it_would_if_it_were_held() {
        for length in [0, 1, 100, LARGE - 1, LARGE, HELD - 1, HELD, HELD + 1, 5 * PIECE + 3] {
            let line = line(length);
            let expected = Decoder::default().row(&line, &KINDS, &Looking).unwrap();
            for size in [1, 7, 4096, 1 << 20] {
                let found = long(&[&line[..], b"\n"].concat(), &KINDS, size, &Looking).unwrap();
                assert!(found.len() == expected.len() && found.iter().zip(&expected).all(|(a, b)| a.same(b)), "{length} {size}");
            }
        }
    }

    #[test]
    fn what_is_not_read_of_a_value_is_passed_over() {
        let values = long(&[&line(10 * HELD)[..], b"\n"].concat(), &KINDS, 100, &Glancing).unwrap();
        assert!(
            matches!(&values[..], [_, Value::Large(_), Value::Large(_), Value::Null, end] if end.same(&Value::Text(b"\xFF end".to_vec())))
        );
    }

    #[test]
    fn a_long_line_with_other_columns_is_refused() {
        let line = [&line(3 * HELD)[..], b"\n"].concat();
        let refused = |line: &[u8], kinds: &[Kind]| long(line, kinds, 100, &Looking).is_err();
        assert!(!refused(&line, &KINDS));
        assert!(refused(&line, &KINDS[..4]) && refused(&line, &[&KINDS[..], &[Kind::Text]].concat()));
        assert!(refused(&line[..line.len() - 1], &KINDS) && refused(&[&line[..], b"more"].concat(), &KINDS));
        let text = |end: &str| [&vec![b'x'; 3 * HELD], end.as_bytes()].concat();
        assert!(!refused(&text("\n"), &[Kind::Text]));
        assert!(refused(&text("\\\n"), &[Kind::Text]) && refused(&text("\\q\n"), &[Kind::Text]));
        assert!(refused(&text("\n"), &[Kind::Bytes]) && refused(&text("\n"), &[Kind::Integer]));
        let digits = |end: &str| [b"\\\\x".as_slice(), &vec![b'0'; 4 * HELD], end.as_bytes()].concat();
        assert!(!refused(&digits("\n"), &[Kind::Bytes]) && refused(&digits("0\n"), &[Kind::Bytes]));
    }
}
