//! What commands print: one document with `--json`, text for people otherwise, and every error in one form.
//!
//! Results go to standard output, everything else to standard error. A reader that went away (`| head`) is no error.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;

use super::table::Table;
use super::text::clean;
use crate::error::{Explain, Status};

/// Why a command ends without its result: what the operator reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What is wrong and why, in one sentence.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The exit status.
    pub status: Status,
}

impl Failure {
    /// A failure of the command line's own making.
    #[must_use]
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, status }
    }

    /// The same, saying what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The document that stands on standard output with `--json`.
    #[must_use]
    pub fn document(&self) -> serde_json::Value {
        json!({"error": {"message": self.message, "hint": self.hint, "status": self.status.code()}})
    }

    /// The lines that stand on standard error.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let message = format!("error: {}", clean(&self.message));
        let hint = self.hint.iter().map(|hint| format!("hint: {}", clean(hint)));
        std::iter::once(message).chain(hint).collect()
    }
}

impl<E: Explain> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(because) = cause {
            let why = because.to_string();
            // Many errors already say their cause; twice would only be longer.
            if !message.contains(&why) {
                message = format!("{message}: {why}");
            }
            cause = because.source();
        }
        Self { message, hint: error.hint(), status: error.status() }
    }
}

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Colour {
    /// Decides for a stream that is a terminal or not.
    #[must_use]
    pub fn wanted(self, terminal: bool, no_color: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => terminal && !no_color,
        }
    }
}

/// How results and messages are written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// One JSON document instead of text.
    pub json: bool,
    /// Only results and errors.
    pub quiet: bool,
    /// Emphasis on standard output.
    pub colour_out: bool,
    /// Emphasis on standard error.
    pub colour_err: bool,
}

/// Standard output and standard error, in the style asked for.
pub struct Output<'a> {
    style: Style,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
}

impl<'a> Output<'a> {
    /// Writes results to `out` and everything else to `err`.
    pub fn new(style: Style, out: &'a mut dyn Write, err: &'a mut dyn Write) -> Self {
        Self { style, out, err }
    }

    /// Whether one JSON document is wanted.
    #[must_use]
    pub fn json(&self) -> bool {
        self.style.json
    }

    /// Prints a result: `document` with `--json`, the lines that `text` gives otherwise.
    pub fn result<T: Serialize>(&mut self, document: &T, text: impl FnOnce(&T) -> Vec<String>) -> io::Result<()> {
        if self.style.json { self.document(document) } else { self.lines(&text(document)) }
    }

    /// Prints a list: an array with `--json`; a table otherwise, or `nothing` where it would be empty.
    pub fn list<T: Serialize>(&mut self, items: &[T], nothing: &str, table: impl FnOnce(&[T]) -> Table) -> io::Result<()> {
        if self.style.json {
            return self.document(&items);
        }
        if items.is_empty() { self.note(nothing) } else { self.table(&table(items)) }
    }

    /// Prints one JSON document.
    pub fn document<T: Serialize + ?Sized>(&mut self, document: &T) -> io::Result<()> {
        let text = serde_json::to_string_pretty(document).map_err(io::Error::other)?;
        gone_is_fine(writeln!(self.out, "{text}"))
    }

    /// Prints a table, its heading in bold where colour is wanted.
    pub fn table(&mut self, table: &Table) -> io::Result<()> {
        let mut lines = table.lines();
        if let Some(heading) = lines.first_mut().filter(|_| self.style.colour_out) {
            *heading = format!("\u{1b}[1m{heading}\u{1b}[0m");
        }
        self.lines(&lines)
    }

    /// Prints lines that are clean already (of tables, facts, or fixed words).
    pub fn lines<S: AsRef<str>>(&mut self, lines: &[S]) -> io::Result<()> {
        lines.iter().try_for_each(|line| gone_is_fine(writeln!(self.out, "{}", line.as_ref())))
    }

    /// Says something in passing, on standard error; not with `-q`.
    pub fn note(&mut self, text: &str) -> io::Result<()> {
        if self.style.quiet { Ok(()) } else { gone_is_fine(writeln!(self.err, "{}", clean(text))) }
    }

    /// Warns, on standard error.
    pub fn warn(&mut self, text: &str) -> io::Result<()> {
        let word = if self.style.colour_err { "\u{1b}[33mwarning:\u{1b}[0m" } else { "warning:" };
        gone_is_fine(writeln!(self.err, "{word} {}", clean(text)))
    }

    /// Says why the command failed: its lines on standard error, and with `--json` its document on standard output.
    pub fn failure(&mut self, failure: &Failure) -> io::Result<()> {
        if self.style.json {
            self.document(&failure.document())?;
        }
        for line in failure.lines() {
            let line = match line.strip_prefix("error:").filter(|_| self.style.colour_err) {
                Some(rest) => format!("\u{1b}[1;31merror:\u{1b}[0m{rest}"),
                None => line,
            };
            gone_is_fine(writeln!(self.err, "{line}"))?;
        }
        Ok(())
    }
}

/// `| head` closes its end when it has enough: that is the reader's right.
fn gone_is_fine(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::Align;
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{what} cannot be opened")]
    struct Closed {
        what: &'static str,
        #[source]
        why: io::Error,
    }

    impl Explain for Closed {
        fn hint(&self) -> Option<String> {
            Some("run it as its owner".to_owned())
        }
        fn status(&self) -> Status {
            Status::Refused
        }
    }

    fn printed(style: Style, print: impl FnOnce(&mut Output<'_>)) -> (String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        print(&mut Output::new(style, &mut out, &mut err));
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    fn closed() -> Failure {
        Closed { what: "a\u{1b}b.db", why: io::Error::other("no right") }.into()
    }

    #[test]
    fn an_error_says_what_why_and_what_to_do() {
        let (out, err) = printed(Style::default(), |output| output.failure(&closed()).unwrap());
        assert_eq!(out, "");
        assert_eq!(err, "error: a\\u{1b}b.db cannot be opened: no right\nhint: run it as its owner\n");
    }

    #[test]
    fn with_json_a_failure_is_one_document_and_its_sentence_stays_on_standard_error() {
        let (out, err) = printed(Style { json: true, ..Style::default() }, |output| output.failure(&closed()).unwrap());
        let document: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(document["error"]["status"], 4);
        assert_eq!(document["error"]["hint"], "run it as its owner");
        assert!(err.starts_with("error: "));
    }

    #[test]
    fn an_empty_list_is_an_empty_array_for_scripts_and_a_sentence_for_people() {
        let show = |output: &mut Output<'_>| {
            output.list::<u8>(&[], "no backups yet", |_| Table::new(&[("id", Align::Left)])).unwrap();
        };
        assert_eq!(printed(Style { json: true, ..Style::default() }, show), ("[]\n".into(), String::new()));
        assert_eq!(printed(Style::default(), show), (String::new(), "no backups yet\n".into()));
    }

    #[test]
    fn no_color_is_honoured_unless_colour_is_asked_for() {
        assert!(Colour::Auto.wanted(true, false));
        assert!(!Colour::Auto.wanted(true, true));
        assert!(!Colour::Auto.wanted(false, false));
        assert!(Colour::Always.wanted(false, true));
    }

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        assert!(gone_is_fine(Err(io::ErrorKind::BrokenPipe.into())).is_ok());
        assert!(gone_is_fine(Err(io::ErrorKind::StorageFull.into())).is_err());
    }
}
