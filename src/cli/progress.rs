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

/// A reading with the time that goes with it.
#[derive(Serialize)]
struct Line<'r> {
    #[serde(flatten)]
    reading: &'r Reading,
    /// Seconds since it began.
    elapsed_seconds: f64,
    /// Seconds to its end, as far as that can be told.
    eta_seconds: Option<f64>,
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

    /// Shows `reading`, `elapsed` seconds after the begin; writes nothing where it is the one shown already.
    ///
    /// # Errors
    /// Standard error cannot be written.
    pub fn show(&mut self, reading: &Reading, elapsed: f64) -> io::Result<()> {
        if self.form == Form::Nothing || self.last.as_ref() == Some(reading) {
            return Ok(());
        }
        match self.form {
            // To the first column, the text, and what the last line left behind it away.
            Form::Bar => write!(self.to, "\r{}\u{1b}[K", bar(reading, eta(reading, elapsed)))?,
            Form::Json | Form::Nothing => {
                let elapsed_seconds = (elapsed * 1000.0).round() / 1000.0;
                let line = Line { reading, elapsed_seconds, eta_seconds: eta(reading, elapsed).map(f64::round) };
                let line = serde_json::to_string(&line).map_err(io::Error::other)?;
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

/// Seconds to the end, if it goes on as it went: not told in the first moments, when that would be a guess.
#[allow(clippy::cast_precision_loss)]
fn eta(reading: &Reading, elapsed: f64) -> Option<f64> {
    let known = reading.records > 0 && reading.records < reading.expected && elapsed >= 1.0;
    known.then(|| elapsed * (reading.expected - reading.records) as f64 / reading.records as f64)
}

/// Narrower than any terminal that has 60 columns, whatever the figures.
fn bar(reading: &Reading, eta: Option<f64>) -> String {
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
    let eta = eta.map(|seconds| format!("  {} left", units::duration(seconds.round()))).unwrap_or_default();
    format!("{phase}  [{cells}] {percent:>3} %  {figures}{eta}")
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
        readings.iter().for_each(|reading| line.show(reading, 0.5).unwrap());
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
        assert_eq!(
            lines[1],
            serde_json::json!({"phase": "reading", "records": 2, "expected": 60_000, "bytes": 3 << 20, "elapsed_seconds": 0.5, "eta_seconds": null})
        );
    }

    #[test]
    fn more_than_expected_is_no_more_than_all() {
        let bar = |reading: &Reading| bar(reading, eta(reading, 10.0));
        assert!(bar(&reading(70_000)).contains("100 %"));
        assert!(bar(&Reading { records: u64::MAX, expected: u64::MAX, ..reading(0) }).contains("100 %"));
        assert_eq!(bar(&Reading { expected: 0, ..reading(1) }), "reading  1 record, 3.0 MiB");
        assert!(bar(&reading(20_000)).ends_with("20s left"), "{}", bar(&reading(20_000)));
    }
}
