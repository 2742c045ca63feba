//! The text that pg_dump gives, as single statements.
//!
//! A semicolon ends a statement only where the server would see one: outside quotes of every form, comments,
//! parentheses and the body of a function in SQL.

/// A statement with the blanks and comments before it; the last piece of a text has no statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'t> {
    /// Blanks, comments, and the lines that are meant for psql.
    pub before: &'t str,
    /// The statement, with its semicolon.
    pub statement: &'t str,
}

/// Cuts a text at the ends of its statements. What the pieces hold, joined, is the text.
pub fn pieces(text: &str) -> Pieces<'_> {
    Pieces { rest: text }
}

/// The pieces of a text, one after the other.
pub struct Pieces<'t> {
    rest: &'t str,
}

impl<'t> Iterator for Pieces<'t> {
    type Item = Result<Piece<'t>, Unfinished>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some(begin) = lead(self.rest.as_bytes()) else { return Some(self.give_up()) };
        let (before, behind) = self.rest.split_at(begin);
        if behind.is_empty() {
            self.rest = behind;
            return Some(Ok(Piece { before, statement: behind }));
        }
        let Some(end) = Statement::new(behind.as_bytes()).end() else { return Some(self.give_up()) };
        let (statement, rest) = behind.split_at(end);
        self.rest = rest;
        Some(Ok(Piece { before, statement }))
    }
}

impl Pieces<'_> {
    fn give_up<T>(&mut self) -> Result<T, Unfinished> {
        self.rest = "";
        Err(Unfinished)
    }
}

/// The text ends inside a statement, a quote or a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished;

/// Where the first statement begins: behind blanks, comments and lines for psql. `None` where a comment does not end.
fn lead(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at = match text.get(at) {
            Some(byte) if byte.is_ascii_whitespace() || *byte == 0x0B => at + 1,
            Some(b'\\') => line_end(text, at),
            _ => match comment(text, at) {
                Comment::None => return Some(at),
                Comment::To(end) => end,
                Comment::Unfinished => return None,
            },
        };
    }
}

enum Comment {
    None,
    To(usize),
    Unfinished,
}

/// The comment that begins at `at`; comments between `/*` and `*/` stand inside each other.
fn comment(text: &[u8], at: usize) -> Comment {
    if text[at..].starts_with(b"--") {
        return Comment::To(line_end(text, at));
    }
    if !text[at..].starts_with(b"/*") {
        return Comment::None;
    }
    let (mut depth, mut here) = (0_usize, at);
    while here < text.len() {
        match &text[here..] {
            [b'/', b'*', ..] => (depth, here) = (depth + 1, here + 2),
            [b'*', b'/', ..] if depth == 1 => return Comment::To(here + 2),
            [b'*', b'/', ..] => (depth, here) = (depth - 1, here + 2),
            _ => here += 1,
        }
    }
    Comment::Unfinished
}

fn line_end(text: &[u8], at: usize) -> usize {
    memchr::memchr2(b'\n', b'\r', &text[at..]).map_or(text.len(), |end| at + end + 1)
}

/// Reads one statement, from its first word on.
struct Statement<'t> {
    text: &'t [u8],
    at: usize,
    parentheses: usize,
    /// The words seen so far, while they may still say that a routine is made.
    words: Words,
    body: Body,
}

/// Whether a statement makes a function or procedure.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    Begin,
    Create,
    Or,
    Replace,
    Routine,
    Other,
}

/// Where in a routine's body in SQL, `BEGIN ATOMIC … END`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    Outside,
    /// The word BEGIN was the last one.
    Begun,
    /// Inside, with so many CASE open.
    Inside(usize),
}

impl<'t> Statement<'t> {
    fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0, parentheses: 0, words: Words::Begin, body: Body::Outside }
    }

    /// Behind the semicolon that ends it; `None` where the text ends before.
    fn end(mut self) -> Option<usize> {
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b'\'' => self.string(false)?,
                b'"' => self.at = quoted(self.text, self.at, b'"')?,
                b'$' => self.dollar()?,
                b'-' | b'/' => match comment(self.text, self.at) {
                    Comment::None => self.at += 1,
                    Comment::To(end) => self.at = end,
                    Comment::Unfinished => return None,
                },
                b'(' | b'[' => {
                    self.parentheses += 1;
                    self.at += 1;
                }
                b')' | b']' => {
                    self.parentheses = self.parentheses.saturating_sub(1);
                    self.at += 1;
                }
                b';' if self.parentheses == 0 && !matches!(self.body, Body::Inside(_)) => return Some(self.at + 1),
                b'0'..=b'9' => self.number(),
                _ if begins_word(byte) => self.word()?,
                _ => self.at += 1,
            }
        }
        None
    }

    /// A string, and what continues it on a later line. A backslash counts only where E stands before the string.
    fn string(&mut self, escapes: bool) -> Option<()> {
        loop {
            self.at = if escapes { escaped(self.text, self.at)? } else { quoted(self.text, self.at, b'\'')? };
            match continued(self.text, self.at) {
                Some(next) => self.at = next,
                None => return Some(()),
            }
        }
    }

    /// A text between `$tag$` and `$tag$`, or a parameter.
    fn dollar(&mut self) -> Option<()> {
        let tag = self.text[self.at + 1..].iter().position(|byte| !continues_word(*byte) || *byte == b'$')?;
        let behind = self.at + 1 + tag;
        let first = self.text[self.at + 1];
        if self.text[behind] != b'$' || first.is_ascii_digit() {
            self.at = if first.is_ascii_digit() { behind } else { self.at + 1 };
            return Some(());
        }
        let quote = &self.text[self.at..=behind];
        let end = memchr::memmem::find(&self.text[behind + 1..], quote)?;
        self.at = behind + 1 + end + quote.len();
        Some(())
    }

    fn number(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    fn word(&mut self) -> Option<()> {
        let begin = self.at;
        while self.text.get(self.at).copied().is_some_and(continues_word) {
            self.at += 1;
        }
        let word = &self.text[begin..self.at];
        if word.eq_ignore_ascii_case(b"e") && self.text.get(self.at) == Some(&b'\'') {
            return self.string(true);
        }
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        self.words = match self.words {
            Words::Begin if is("create") => Words::Create,
            Words::Create if is("or") => Words::Or,
            Words::Or if is("replace") => Words::Replace,
            Words::Create | Words::Replace if is("function") || is("procedure") => Words::Routine,
            Words::Routine => Words::Routine,
            _ => Words::Other,
        };
        if self.words == Words::Routine && self.parentheses == 0 {
            // A column may be called begin; CASE and END are reserved, and quoted where they are names.
            self.body = match self.body {
                Body::Outside | Body::Begun if is("begin") => Body::Begun,
                Body::Begun if is("atomic") => Body::Inside(0),
                Body::Begun => Body::Outside,
                Body::Inside(cases) if is("case") => Body::Inside(cases + 1),
                Body::Inside(0) if is("end") => Body::Outside,
                Body::Inside(cases) if is("end") => Body::Inside(cases - 1),
                unchanged => unchanged,
            };
        }
        Some(())
    }
}

fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

pub fn continues_word(byte: u8) -> bool {
    begins_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// Behind the quote that ends what begins at `at`; a doubled one stands for itself.
pub fn quoted(text: &[u8], at: usize, quote: u8) -> Option<usize> {
    let mut from = at + 1;
    loop {
        let end = from + memchr::memchr(quote, text.get(from..)?)?;
        match text.get(end + 1) {
            Some(next) if *next == quote => from = end + 2,
            _ => return Some(end + 1),
        }
    }
}

/// The same where a backslash takes the meaning of what follows it.
fn escaped(text: &[u8], at: usize) -> Option<usize> {
    let mut from = at + 1;
    loop {
        let end = from + memchr::memchr2(b'\'', b'\\', text.get(from..)?)?;
        match (text[end], text.get(end + 1)) {
            (b'\\', Some(_)) | (_, Some(b'\'')) => from = end + 2,
            (b'\\', None) => return None,
            _ => return Some(end + 1),
        }
    }
}

/// The quote that continues a string which ended before `at`: blanks with the end of a line stand between.
fn continued(text: &[u8], at: usize) -> Option<usize> {
    let mut here = at;
    let mut lines = false;
    loop {
        match text.get(here)? {
            b'\n' | b'\r' => lines = true,
            b' ' | b'\t' | 0x0B | 0x0C => {}
            b'-' if text[here..].starts_with(b"--") => {
                here = line_end(text, here);
                lines = true;
                continue;
            }
            b'\'' if lines => return Some(here),
            _ => return None,
        }
        here += 1;
    }
}

#[cfg(test)]
mod tests;
