//! Tables and facts as text: columns aligned by what a terminal shows, not by bytes.

use unicode_width::UnicodeWidthStr;

use super::text::clean;

/// On which side a column's shorter cells are filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers and sizes.
    Right,
}

/// Rows under a heading. Cells are cleaned as they come in.
#[derive(Clone, Debug)]
pub struct Table {
    heading: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns and no rows.
    #[must_use]
    pub fn new(columns: &[(&str, Align)]) -> Self {
        Self { heading: columns.iter().map(|(name, align)| (name.to_uppercase(), *align)).collect(), rows: Vec::new() }
    }

    /// Adds a row; missing cells are empty, further ones are left out.
    pub fn row<I>(&mut self, cells: I)
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut cells: Vec<String> = cells.into_iter().map(|cell| clean(cell.as_ref()).into_owned()).collect();
        cells.resize(self.heading.len(), String::new());
        self.rows.push(cells);
    }

    /// Whether there is nothing under the heading.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines: the heading first. No line ends with blanks.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let heading: Vec<String> = self.heading.iter().map(|(name, _)| name.clone()).collect();
        let widths: Vec<usize> =
            (0..heading.len()).map(|column| self.rows.iter().chain([&heading]).map(|row| row[column].width()).max().unwrap_or(0)).collect();
        std::iter::once(&heading).chain(&self.rows).map(|row| self.line(row, &widths)).collect()
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, width), (_, align)) in row.iter().zip(widths).zip(&self.heading) {
            let fill = " ".repeat(width.saturating_sub(cell.width()));
            match align {
                Align::Left => line.extend([cell.as_str(), &fill]),
                Align::Right => line.extend([&fill, cell.as_str()]),
            }
            line.push_str("  ");
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// One object as lines of name and value, the values under each other.
#[must_use]
pub fn facts(pairs: &[(&str, String)]) -> Vec<String> {
    let widest = pairs.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| {
        let fill = " ".repeat(widest.saturating_sub(name.width()));
        format!("{name}{fill}  {}", clean(value)).trim_end().to_owned()
    };
    pairs.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_and_combining_characters_keep_the_columns_aligned() {
        let mut table = Table::new(&[("name", Align::Left), ("records", Align::Right), ("", Align::Left)]);
        table.row(["王小明", "7", "a"]);
        table.row(["Zoe\u{308}", "1,204", "b"]);
        assert_eq!(table.lines(), ["NAME    RECORDS", "王小明        7  a", "Zoe\u{308}       1,204  b"]);
    }

    #[test]
    fn a_line_break_in_a_cell_does_not_break_the_table() {
        let mut table = Table::new(&[("model", Align::Left)]);
        table.row(["a\nb\u{1b}[2J"]);
        assert_eq!(table.lines(), ["MODEL", "a\\nb\\u{1b}[2J"]);
    }

    #[test]
    fn facts_stand_under_each_other() {
        assert_eq!(facts(&[("id", "7".into()), ("status", "done".into())]), ["id      7", "status  done"]);
    }
}
