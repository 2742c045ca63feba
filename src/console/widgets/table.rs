//! The one table: it draws the rows that are on the screen and asks for no other.

use super::canvas::{Canvas, Sign};
use crate::console::theme::Role;

/// How a column gets its room.
#[derive(Clone, Copy, Debug)]
pub enum Room {
    /// This many columns of the terminal.
    Fixed(u16),
    /// A share of what is left, at least this much.
    Share(u16),
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its title.
    pub title: &'static str,
    /// Its room.
    pub room: Room,
    /// Whether it is a number, that ends at its edge.
    pub right: bool,
    /// The width of the table under which it is left out.
    pub from: u16,
}

impl Column {
    /// A column of text.
    #[must_use]
    pub const fn text(title: &'static str, room: Room) -> Self {
        Self { title, room, right: false, from: 0 }
    }

    /// A column of numbers.
    #[must_use]
    pub const fn number(title: &'static str, width: u16) -> Self {
        Self { title, room: Room::Fixed(width), right: true, from: 0 }
    }

    /// Only in tables at least this wide.
    #[must_use]
    pub const fn from(mut self, width: u16) -> Self {
        self.from = width;
        self
    }
}

/// A cell: its text and what it is.
pub type Cell = (String, Role);

/// What a row shows beside its cells.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowLook {
    /// Whether it is the selected one.
    pub selected: bool,
    /// Whether it is marked.
    pub marked: bool,
}

/// Draws the head and the rows from `top`; `row` gives a row's look and cells, and is asked only for rows on the screen.
pub fn draw(canvas: &mut Canvas<'_>, columns: &[Column], length: usize, top: usize, row: impl Fn(usize) -> (RowLook, Vec<Cell>)) {
    let places = places(columns, canvas.width());
    for (column, place) in columns.iter().zip(&places) {
        if let Some((x, width)) = *place {
            if column.right {
                canvas.put_right(x + width, 0, width, column.title, Role::Head);
            } else {
                canvas.put_within(x, 0, width, column.title, Role::Head);
            }
        }
    }
    for line in 1..canvas.height() {
        let at = top + usize::from(line) - 1;
        if at >= length {
            return;
        }
        let (look, cells) = row(at);
        row_at(canvas, columns, &places, line, &cells);
        if look.marked {
            let mark = Sign::Mark.text(canvas.unicode);
            canvas.put(1, line, mark, Role::Marked);
        }
        if look.selected {
            let cursor = Sign::Cursor.text(canvas.unicode);
            canvas.put(0, line, cursor, Role::Strong);
            canvas.highlight(line, Role::Selected);
        }
    }
}

/// Draws one row without a look, in the places that a table of these columns has: for sums under a table.
pub fn row(canvas: &mut Canvas<'_>, columns: &[Column], y: u16, cells: &[Cell]) {
    let places = places(columns, canvas.width());
    row_at(canvas, columns, &places, y, cells);
}

fn row_at(canvas: &mut Canvas<'_>, columns: &[Column], places: &[Option<(u16, u16)>], y: u16, cells: &[Cell]) {
    for ((column, place), (text, role)) in columns.iter().zip(places).zip(cells) {
        let Some((x, width)) = *place else { continue };
        if column.right {
            canvas.put_right(x + width, y, width, text, *role);
        } else {
            canvas.put_within(x, y, width, text, *role);
        }
    }
}

/// Where each column stands and how wide it is; none for those left out. Two columns of the terminal lead, one stands between.
fn places(columns: &[Column], width: u16) -> Vec<Option<(u16, u16)>> {
    let shown = |column: &&Column| column.from <= width;
    let fixed: u16 = columns.iter().filter(shown).map(|column| 2 + if let Room::Fixed(width) = column.room { width } else { 0 }).sum();
    let shares: u16 = columns.iter().filter(shown).map(|column| if let Room::Share(share) = column.room { share } else { 0 }).sum();
    let left = width.saturating_sub(fixed + 2);
    let mut x = 3;
    columns
        .iter()
        .map(|column| {
            if column.from > width || x >= width {
                return None;
            }
            let wide = match column.room {
                Room::Fixed(wide) => wide,
                Room::Share(share) => u16::try_from(u32::from(left) * u32::from(share) / u32::from(shares.max(1))).unwrap_or(left),
            };
            let place = (x, wide.min(width - x));
            x = x.saturating_add(wide).saturating_add(2);
            Some(place)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::terminal::caps::Depth;
    use crate::console::theme::Theme;
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use std::cell::Cell as Counter;

    #[test]
    fn only_rows_on_the_screen_are_asked_for() {
        let asked = Counter::new(0);
        let mut buffer = Buffer::empty(Rect::new(0, 0, 40, 11));
        let theme = Theme::fitting(Depth::Mono);
        let mut cursor = None;
        let mut canvas = Canvas::new(&mut buffer, &theme, true, &mut cursor);
        draw(&mut canvas, &[Column::text("NAME", Room::Share(1))], 1_000_000, 500_000, |at| {
            asked.set(asked.get() + 1);
            (RowLook::default(), vec![(at.to_string(), Role::Text)])
        });
        assert_eq!(asked.get(), 10);
    }
}
