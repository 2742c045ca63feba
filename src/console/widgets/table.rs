//! The one table: it draws the rows that are on the screen and asks for no other.

use super::canvas::{Canvas, Sign};
use crate::console::theme::Role;

/// How a column gets its room.
#[derive(Clone, Copy, Debug)]
pub enum Room {
    /// This many columns of the terminal.
    Fixed(u16),
    /// A share of what is left, and at least so many columns of the terminal.
    Share(u16, u16),
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
    /// When it is left out because there is no room for all: the highest first, 0 never.
    pub rank: u8,
}

impl Column {
    /// A column of text.
    #[must_use]
    pub const fn text(title: &'static str, room: Room) -> Self {
        Self { title, room, right: false, rank: 0 }
    }

    /// A column of numbers.
    #[must_use]
    pub const fn number(title: &'static str, width: u16) -> Self {
        Self { title, room: Room::Fixed(width), right: true, rank: 0 }
    }

    /// Left out where there is no room for all columns; the highest rank goes first.
    #[must_use]
    pub const fn spare(mut self, rank: u8) -> Self {
        self.rank = rank;
        self
    }

    /// The least room it is of use in.
    fn least(&self) -> u16 {
        match self.room {
            Room::Fixed(width) | Room::Share(_, width) => width,
        }
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

/// The columns that lead every row: the cursor, the mark, a space.
const LEAD: u16 = 3;
/// The columns between two.
const GAP: u16 = 2;

/// Which columns are shown: all that fit, the spare ones of the highest rank left out first.
fn shown(columns: &[Column], width: u16) -> Vec<bool> {
    let mut shown = vec![true; columns.len()];
    loop {
        let kept = columns.iter().zip(&shown).filter(|(_, shown)| **shown);
        let wanted: u16 = LEAD + kept.map(|(column, _)| column.least() + GAP).sum::<u16>();
        let spare = (0..columns.len()).filter(|at| shown[*at] && columns[*at].rank > 0).max_by_key(|at| columns[*at].rank);
        match spare {
            Some(at) if wanted > width + GAP => shown[at] = false,
            _ => return shown,
        }
    }
}

/// Where each column stands and how wide it is; none for those left out.
fn places(columns: &[Column], width: u16) -> Vec<Option<(u16, u16)>> {
    let shown = shown(columns, width);
    let kept = || columns.iter().zip(&shown).filter(|(_, shown)| **shown).map(|(column, _)| column);
    let taken: u16 = LEAD + kept().map(|column| column.least() + GAP).sum::<u16>();
    let mut shares: u16 = kept().map(|column| if let Room::Share(share, _) = column.room { share } else { 0 }).sum();
    let mut left = (width + GAP).saturating_sub(taken + 1);
    let mut x = LEAD;
    columns
        .iter()
        .zip(&shown)
        .map(|(column, shown)| {
            if !shown || x >= width {
                return None;
            }
            let wide = match column.room {
                Room::Fixed(wide) => wide,
                Room::Share(share, least) => {
                    let more = u16::try_from(u32::from(left) * u32::from(share) / u32::from(shares.max(1))).unwrap_or(left);
                    (left, shares) = (left - more, shares - share);
                    least + more
                }
            };
            let place = (x, wide.min(width - x));
            x = x.saturating_add(wide + GAP);
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
        draw(&mut canvas, &[Column::text("NAME", Room::Share(1, 8))], 1_000_000, 500_000, |at| {
            asked.set(asked.get() + 1);
            (RowLook::default(), vec![(at.to_string(), Role::Text)])
        });
        assert_eq!(asked.get(), 10);
    }

    #[test]
    fn what_can_be_spared_gives_way_before_a_name_is_cut() {
        let columns = [Column::text("NAME", Room::Share(1, 12)), Column::number("SIZE", 8).spare(1), Column::number("AGE", 8).spare(2)];
        let widths = |width| places(&columns, width).into_iter().map(|place| place.map(|(_, wide)| wide)).collect::<Vec<_>>();
        assert_eq!(widths(40), [Some(16), Some(8), Some(8)]);
        assert_eq!(widths(34), [Some(20), Some(8), None]);
        assert_eq!(widths(20), [Some(16), None, None]);
    }
}
