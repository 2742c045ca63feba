//! A running job on standard error: a bar on a terminal, lines of JSON for scripts, or nothing.

use std::io::{self, Write};

use serde::Serialize;

use super::args::ProgressForm;
use super::text::clean;
use super::units;

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// What it does now.
    pub phase: String,
    /// Records read so far.
    pub records: u64,
    /// Records expected; 0 where that is not known.
    pub expected: u64,
    /// Bytes read so far.
    pub bytes: u64,
}

/// How a job's progress is shown, and where.
pub struct ProgressLine<'w> {
    form: Form,
    to: &'w mut dyn Write,
    last: Option<Reading>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Bar,
    Json,
    Nothing,
}

impl<'w> ProgressLine<'w> {
    /// Shows progress on `to`, which is a terminal or not. Nothing is shown with `-q`.
    pub fn new(form: ProgressForm, quiet: bool, terminal: bool, to: &'w mut dyn Write) -> Self {
        let form = match form {
            ProgressForm::Json => Form::Json,
            ProgressForm::Auto if terminal && !quiet => Form::Bar,
            ProgressForm::Auto | ProgressForm::None => Form::Nothing,
        };
        Self { form, to, last: None }
    }

    /// Shows `reading`; writes nothing where it is the one shown already.
    ///
    /// # Errors
    /// Standard error cannot be written.
    pub fn show(&mut self, reading: &Reading) -> io::Result<()> {
        if self.form == Form::Nothing || self.last.as_ref() == Some(reading) {
            return Ok(());
        }
        match self.form {
            // To the first column, the text, and what the last line left behind it away.
            Form::Bar => write!(self.to, "\r{}\u{1b}[K", bar(reading))?,
            Form::Json | Form::Nothing => {
                let line = serde_json::to_string(reading).map_err(io::Error::other)?;
                writeln!(self.to, "{line}")?;
            }
        }
        self.last = Some(reading.clone());
        self.to.flush()
    }

    /// Takes the bar away, so that what follows stands on a clean line.
    ///
    /// # Errors
    /// Standard error cannot be written.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.form == Form::Bar && self.last.take().is_some() {
            write!(self.to, "\r\u{1b}[K")?;
        }
        self.to.flush()
    }
}

/// Narrower than any terminal that has 60 columns, whatever the figures.
fn bar(reading: &Reading) -> String {
    const CELLS: u64 = 16;
    let phase: String = clean(&reading.phase).chars().take(14).collect();
    let figures = format!("{}, {}", units::counted(reading.records, "record"), units::size(reading.bytes));
    if reading.expected == 0 {
        return format!("{phase}  {figures}");
    }
    // More than expected may come: the table grew meanwhile.
    let done = reading.records.min(reading.expected);
    let full = u128::from(done) * u128::from(CELLS) / u128::from(reading.expected);
    let cells: String = (0..u128::from(CELLS)).map(|cell| if cell < full { '#' } else { '.' }).collect();
    let percent = u128::from(done) * 100 / u128::from(reading.expected);
    format!("{phase}  [{cells}] {percent:>3} %  {figures}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(records: u64) -> Reading {
        Reading { phase: "reading".to_owned(), records, expected: 60_000, bytes: 3 << 20 }
    }

    fn shown(form: ProgressForm, terminal: bool, readings: &[Reading]) -> String {
        let mut written = Vec::new();
        let mut line = ProgressLine::new(form, false, terminal, &mut written);
        readings.iter().for_each(|reading| line.show(reading).unwrap());
        line.finish().unwrap();
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn a_bar_stands_on_a_terminal_and_is_taken_away() {
        let text = shown(ProgressForm::Auto, true, &[reading(30_000), reading(30_000)]);
        assert_eq!(text, "\rreading  [########........]  50 %  30,000 records, 3.0 MiB\u{1b}[K\r\u{1b}[K");
    }

    #[test]
    fn nothing_is_shown_where_nobody_looks() {
        assert_eq!(shown(ProgressForm::Auto, false, &[reading(1)]), "");
        assert_eq!(shown(ProgressForm::None, true, &[reading(1)]), "");
    }

    #[test]
    fn scripts_get_a_line_of_json_for_each_change() {
        let text = shown(ProgressForm::Json, false, &[reading(1), reading(1), reading(2)]);
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1], serde_json::json!({"phase": "reading", "records": 2, "expected": 60_000, "bytes": 3 << 20}));
    }

    #[test]
    fn more_than_expected_is_no_more_than_all() {
        assert!(bar(&reading(70_000)).contains("100 %"));
        assert!(bar(&Reading { records: u64::MAX, expected: u64::MAX, ..reading(0) }).contains("100 %"));
        assert_eq!(bar(&Reading { expected: 0, ..reading(1) }), "reading  1 record, 3.0 MiB");
    }
}
