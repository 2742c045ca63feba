//! Text of a UTF-16 database that UTF-8 cannot say: halves of surrogate pairs, U+FFFE and U+FFFF.
//!
//! SQLite's own conversion turns them into something else, in both directions. Such a text leaves the database as the bytes that it
//! is stored in, behind a mark that no blob has, and goes back by a CAST. In a row it stands as UTF-8 with each half encoded like a
//! character (WTF-8), which no other text of a UTF-16 database is.

use std::io::{self, BufRead, Read};
use std::sync::OnceLock;

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};

use super::values::quoted;

/// How a database encodes its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8: bytes go through as they are.
    #[default]
    Utf8,
    /// UTF-16, the lower byte first.
    Utf16Le,
    /// UTF-16, the higher byte first.
    Utf16Be,
}

impl Encoding {
    /// The encoding that `PRAGMA encoding` names so.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "UTF-16le" => Self::Utf16Le,
            "UTF-16be" => Self::Utf16Be,
            _ => Self::Utf8,
        }
    }

    /// The expression that reads a column exactly.
    #[must_use]
    pub fn reads(self, column: &str) -> String {
        self.reads_of("", column)
    }

    /// The same, of the table that `of` names (with its dot).
    #[must_use]
    pub fn reads_of(self, of: &str, column: &str) -> String {
        let column = format!("{of}{}", quoted(column));
        match self {
            Self::Utf8 => column,
            _ => format!(
                "CASE WHEN typeof({column}) = 'text' AND backstop_is_odd(CAST({column} AS BLOB)) THEN backstop_odd(CAST({column} AS BLOB)) ELSE {column} END"
            ),
        }
    }

    /// Those of several columns, separated by commas.
    #[must_use]
    pub fn reads_all<'n>(self, columns: impl IntoIterator<Item = &'n str>) -> String {
        columns.into_iter().map(|column| self.reads(column)).collect::<Vec<_>>().join(", ")
    }

    /// The bytes in which the database stores a text that SQLite would not convert into them; `None` for every other text.
    #[must_use]
    pub fn stored(self, text: &[u8]) -> Option<Vec<u8>> {
        // Whatever is odd has a byte that begins a character of U+D000 or above.
        if self == Self::Utf8 || !text.iter().any(|byte| matches!(byte, 0xED | 0xEF)) {
            return None;
        }
        let units = units_of(text)?;
        is_odd(units.iter().copied()).then(|| units.iter().flat_map(|unit| self.bytes_of(*unit)).collect())
    }

    /// A text as a row holds it, from the bytes that the database stores.
    #[must_use]
    pub fn decoding(self, stored: &mut dyn BufRead) -> Decoding<'_> {
        Decoding { encoding: self, stored, begun: Vec::new(), decoded: Vec::new(), taken: 0 }
    }

    fn bytes_of(self, unit: u16) -> [u8; 2] {
        if self == Self::Utf16Be { unit.to_be_bytes() } else { unit.to_le_bytes() }
    }

    fn units(self, stored: &[u8]) -> impl Iterator<Item = u16> {
        let unit = move |pair: &[u8]| match self {
            Self::Utf16Be => u16::from_be_bytes([pair[0], pair[1]]),
            _ => u16::from_le_bytes([pair[0], pair[1]]),
        };
        stored.chunks_exact(2).map(unit)
    }

    /// Registers what [`Encoding::reads`] uses.
    ///
    /// # Errors
    /// What SQLite says, and no random bytes.
    pub fn register(self, connection: &Connection) -> rusqlite::Result<()> {
        if self == Self::Utf8 {
            return Ok(());
        }
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
        let mark = mark().ok_or_else(|| rusqlite::Error::UserFunctionError("the system gave no random bytes".into()))?;
        let stored = |context: &Context<'_>| -> rusqlite::Result<Vec<u8>> { Ok(context.get_raw(0).as_bytes()?.to_vec()) };
        connection.create_scalar_function("backstop_is_odd", 1, flags, move |context| Ok(is_odd(self.units(&stored(context)?))))?;
        connection
            .create_scalar_function("backstop_odd", 1, flags, move |context| Ok([mark, &encoded(self.units(&stored(context)?))].concat()))
    }
}

/// A text that is decoded while it is read.
pub struct Decoding<'s> {
    encoding: Encoding,
    stored: &'s mut dyn BufRead,
    /// What cannot be decoded without what follows: a part of a unit, or the first half of a pair.
    begun: Vec<u8>,
    decoded: Vec<u8>,
    /// So much of that was taken.
    taken: usize,
}

impl Decoding<'_> {
    /// Decodes the next piece; false at the end.
    fn next(&mut self) -> io::Result<bool> {
        let piece = self.stored.fill_buf()?;
        let (read, mut stored) = (piece.len(), std::mem::take(&mut self.begun));
        stored.extend_from_slice(piece);
        self.stored.consume(read);
        if read == 0 && stored.is_empty() {
            return Ok(false);
        }
        let mut whole = stored.len() - stored.len() % 2;
        let waits = |unit: u16| (0xD800..0xDC00).contains(&unit);
        if read > 0 && self.encoding.units(&stored[..whole]).last().is_some_and(waits) {
            whole -= 2;
        }
        self.decoded = encoded(self.encoding.units(&stored[..whole]));
        self.taken = 0;
        if read > 0 {
            // At the end, half a unit is none.
            self.begun = stored.split_off(whole);
        }
        Ok(true)
    }
}

impl Read for Decoding<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.encoding == Encoding::Utf8 {
            return self.stored.read(to);
        }
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

/// What an odd text stands behind; made at random once, so that no blob of any database begins with it.
pub fn mark() -> Option<&'static [u8]> {
    static MARK: OnceLock<Option<[u8; 24]>> = OnceLock::new();
    let made = MARK.get_or_init(|| {
        let mut mark = [0; 24];
        getrandom::fill(&mut mark).ok().map(|()| mark)
    });
    made.as_ref().map(<[u8; 24]>::as_slice)
}

/// The odd text that a blob which was read stands for.
#[must_use]
pub fn odd_text(blob: &[u8]) -> Option<&[u8]> {
    blob.strip_prefix(mark()?)
}

fn is_odd(units: impl Iterator<Item = u16>) -> bool {
    char::decode_utf16(units).any(|character| !matches!(character, Ok(character) if !matches!(character, '\u{fffe}' | '\u{ffff}')))
}

/// UTF-8, with each half of a pair like a character.
fn encoded(units: impl Iterator<Item = u16>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for character in char::decode_utf16(units) {
        match character {
            Ok(character) => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(half) => {
                let [high, low] = half.unpaired_surrogate().to_be_bytes();
                bytes.extend_from_slice(&[0xE0 | (high >> 4), 0x80 | ((high & 0x0F) << 2) | (low >> 6), 0x80 | (low & 0x3F)]);
            }
        }
    }
    bytes
}

/// The inverse of [`encoded`]; `None` for what it never gives.
fn units_of(text: &[u8]) -> Option<Vec<u16>> {
    let mut units = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let valid = match std::str::from_utf8(rest) {
            Ok(valid) => valid,
            Err(error) => std::str::from_utf8(&rest[..error.valid_up_to()]).ok()?,
        };
        units.extend(valid.encode_utf16());
        rest = &rest[valid.len()..];
        if let [first, second, third, behind @ ..] = rest {
            if *first != 0xED || !(0xA0..=0xBF).contains(second) || !(0x80..=0xBF).contains(third) {
                return None;
            }
            units.push(0xD000 | (u16::from(second & 0x3F) << 6) | u16::from(third & 0x3F));
            rest = behind;
        } else if !rest.is_empty() {
            return None;
        }
    }
    Some(units)
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn what_utf_8_cannot_say_comes_back_and_nothing_else_is_touched() {
        for units in
            [vec![0xD800], vec![0x41, 0xDC00, 0x41], vec![0xDBFF, 0xD800, 0xDC00], vec![0xFFFF], vec![0xFFFE, 0x42], vec![0, 0xDFFF, 0]]
        {
            for encoding in [Encoding::Utf16Le, Encoding::Utf16Be] {
                let bytes: Vec<u8> = units.iter().flat_map(|unit| encoding.bytes_of(*unit)).collect();
                assert!(is_odd(encoding.units(&bytes)));
                assert_eq!(encoding.stored(&encoded(encoding.units(&bytes))), Some(bytes));
            }
        }
        for text in ["", "a", "\u{d7ff}\u{e000}\u{fffd}\u{feff}", "\u{1f980}"] {
            assert!(!is_odd(text.encode_utf16()));
            assert_eq!(encoded(text.encode_utf16()), text.as_bytes());
            assert_eq!(Encoding::Utf16Le.stored(text.as_bytes()), None);
        }
        assert_eq!(Encoding::Utf16Le.stored(&[0xED, 0xFF]), None);
        assert_eq!(Encoding::Utf8.stored("\u{ffff}".as_bytes()), None);
    }

    #[test]
    fn a_text_is_the_same_in_whatever_pieces_it_comes() {
        let units = [0xD800, 0x41, 0xD83E, 0xDD80, 0xDC00, 0x42, 0xFFFE, 0xE9, 0xDBFF, 0xD83E, 0xDD80, 0x43, 0xD83E];
        for encoding in [Encoding::Utf16Le, Encoding::Utf16Be] {
            let stored: Vec<u8> = units.iter().flat_map(|unit| encoding.bytes_of(*unit)).collect();
            for end in [0, 1, 2, 3] {
                let stored = &stored[..stored.len() - end];
                for size in 1..8 {
                    let mut text = Vec::new();
                    encoding.decoding(&mut BufReader::with_capacity(size, stored)).read_to_end(&mut text).unwrap();
                    assert_eq!(text, encoded(encoding.units(stored)), "{size} {end}");
                }
            }
        }
    }
}
