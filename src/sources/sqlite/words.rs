//! The words of a statement of a schema, as SQLite takes them apart.

use std::ops::Range;

/// A word of a statement, or a sign.
pub struct Word {
    /// It, without its quotes.
    pub text: String,
    /// Whether it stood in quotes.
    pub quoted: bool,
    /// Where it stands in the statement, with its quotes.
    pub at: Range<usize>,
}

impl Word {
    /// Whether it is this sign, or this word in whatever letters.
    pub fn is(&self, sign: &str) -> bool {
        !self.quoted && self.text.eq_ignore_ascii_case(sign)
    }
}

/// Words, quoted words without their quotes, and signs; comments are passed over.
pub fn words(sql: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = sql.trim_start();
    while let Some(first) = rest.chars().next() {
        let from = sql.len() - rest.len();
        let taken = match first {
            '"' | '\'' | '`' | '[' => {
                let (text, length) = unquote(rest, if first == '[' { ']' } else { first });
                words.push(Word { text, quoted: true, at: from..from + length });
                length
            }
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            _ if is_word(first) => {
                let length = rest.find(|character| !is_word(character)).unwrap_or(rest.len());
                words.push(Word { text: rest[..length].into(), quoted: false, at: from..from + length });
                length
            }
            _ => {
                words.push(Word { text: first.into(), quoted: false, at: from..from + first.len_utf8() });
                first.len_utf8()
            }
        };
        rest = rest[taken..].trim_start();
    }
    words
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$' || !character.is_ascii()
}

/// The text of a quoted word, and how many bytes it takes with its quotes.
fn unquote(sql: &str, close: char) -> (String, usize) {
    let mut text = String::new();
    let mut characters = sql.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character != close {
            text.push(character);
        } else if close != ']' && characters.peek().is_some_and(|(_, next)| *next == close) {
            text.push(close);
            characters.next();
        } else {
            return (text, at + 1);
        }
    }
    (text, sql.len())
}
