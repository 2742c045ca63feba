//! Virtual tables: which of them hold records of their own, and which are made from others.

/// What a virtual table is to a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Virtual {
    /// Full text that keeps what it indexes: a model, keyed by its rowid.
    FullText,
    /// Full text over this table or view: rebuilt.
    External(String),
    /// Full text that keeps only its index: nothing to read back.
    Contentless,
    /// A spatial index: a model, keyed by its first column.
    RTree,
    /// Of another module.
    Other(String),
}

/// Tells what a `CREATE VIRTUAL TABLE` statement makes.
#[must_use]
pub fn recognise(sql: &str) -> Virtual {
    let words = words(sql);
    let Some(using) = words.iter().position(|word| !word.quoted && word.text.eq_ignore_ascii_case("using")) else {
        return Virtual::Other(String::new());
    };
    let module = words.get(using + 1).map(|word| word.text.to_ascii_lowercase()).unwrap_or_default();
    match module.as_str() {
        "fts3" | "fts4" | "fts5" => match content_option(&words[using + 2..]) {
            None => Virtual::FullText,
            Some(content) if content.is_empty() => Virtual::Contentless,
            Some(content) => Virtual::External(content),
        },
        "rtree" | "rtree_i32" => Virtual::RTree,
        _ => Virtual::Other(module),
    }
}

/// The value of the argument `content=…`.
fn content_option(words: &[Word]) -> Option<String> {
    let at = words.windows(3).position(|three| {
        matches!(three[0].text.as_str(), "(" | ",") && !three[0].quoted && three[1].text.eq_ignore_ascii_case("content") && three[2].is("=")
    })?;
    let value = words.get(at + 3)?;
    Some(if !value.quoted && matches!(value.text.as_str(), "," | ")") { String::new() } else { value.text.clone() })
}

struct Word {
    text: String,
    quoted: bool,
}

impl Word {
    fn is(&self, sign: &str) -> bool {
        !self.quoted && self.text == sign
    }
}

/// Words, quoted words without their quotes, and signs; comments are passed over.
fn words(sql: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = sql.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '"' | '\'' | '`' | '[' => {
                let (text, length) = unquote(rest, if first == '[' { ']' } else { first });
                words.push(Word { text, quoted: true });
                length
            }
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            _ if is_word(first) => {
                let length = rest.find(|character| !is_word(character)).unwrap_or(rest.len());
                words.push(Word { text: rest[..length].into(), quoted: false });
                length
            }
            _ => {
                words.push(Word { text: first.into(), quoted: false });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_text_is_told_by_where_its_content_is() {
        for (sql, expected) in [
            ("CREATE VIRTUAL TABLE notes USING fts5(title, body)", Virtual::FullText),
            (
                "create virtual table \"a using fts5(\" using FTS5 ( t, content = 'posts' , content_rowid=id)",
                Virtual::External("posts".into()),
            ),
            ("CREATE VIRTUAL TABLE x USING fts5(a, content='')", Virtual::Contentless),
            ("CREATE VIRTUAL TABLE x USING fts5(a, content=)", Virtual::Contentless),
            ("CREATE VIRTUAL TABLE x USING fts5(content, body)", Virtual::FullText),
            ("CREATE VIRTUAL TABLE x /* using rtree */ USING fts4(content=\"po\"\"sts\", a)", Virtual::External("po\"sts".into())),
            ("CREATE VIRTUAL TABLE x USING rtree(id, a, b)", Virtual::RTree),
            ("CREATE VIRTUAL TABLE x USING vec0(e float[3])", Virtual::Other("vec0".into())),
        ] {
            assert_eq!(recognise(sql), expected, "{sql}");
        }
    }
}
