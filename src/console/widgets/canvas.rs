//! A piece of the screen to draw on: everything is cut to it and made harmless, so that no text can tear the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::text;
use crate::console::theme::{Role, Theme};

/// Signs that stand beside a colour, with their ASCII stand-ins of the same width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Sign {
    Good,
    Warning,
    Critical,
    Running,
    Idle,
    Failed,
    Cursor,
    Mark,
    Full,
    Empty,
    Rule,
    None,
    Protected,
    Day,
}

impl Sign {
    /// The sign as text.
    #[must_use]
    pub fn text(self, unicode: bool) -> &'static str {
        let (sign, ascii) = match self {
            Self::Good => ("✓", "+"),
            Self::Warning => ("●", "*"),
            Self::Critical => ("▲", "!"),
            Self::Running | Self::Cursor => ("▸", ">"),
            Self::Idle | Self::None | Self::Empty => ("·", "."),
            Self::Failed => ("✗", "x"),
            Self::Mark => ("◆", "#"),
            Self::Full => ("█", "#"),
            Self::Rule => ("─", "-"),
            Self::Protected => ("◈", "P"),
            Self::Day => ("■", "="),
        };
        if unicode { sign } else { ascii }
    }
}

/// A piece of the screen; positions are counted from its upper left corner.
pub struct Canvas<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
    /// How roles look.
    pub theme: &'a Theme,
    /// Whether the terminal shows Unicode.
    pub unicode: bool,
    cursor: &'a mut Option<Position>,
}

impl<'a> Canvas<'a> {
    /// The whole of a buffer; `cursor` takes where the real cursor goes.
    pub fn new(buffer: &'a mut Buffer, theme: &'a Theme, unicode: bool, cursor: &'a mut Option<Position>) -> Self {
        let area = buffer.area;
        Self { buffer, area, theme, unicode, cursor }
    }

    /// Its columns.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.area.width
    }

    /// Its rows.
    #[must_use]
    pub fn height(&self) -> u16 {
        self.area.height
    }

    /// A part of it, cut to what there is.
    pub fn part(&mut self, x: u16, y: u16, width: u16, height: u16) -> Canvas<'_> {
        let x = x.min(self.area.width);
        let y = y.min(self.area.height);
        let area = Rect::new(self.area.x + x, self.area.y + y, width.min(self.area.width - x), height.min(self.area.height - y));
        Canvas { buffer: self.buffer, area, theme: self.theme, unicode: self.unicode, cursor: self.cursor }
    }

    /// A part of it in the middle.
    pub fn centred(&mut self, width: u16, height: u16) -> Canvas<'_> {
        let (width, height) = (width.min(self.area.width), height.min(self.area.height));
        self.part((self.area.width - width) / 2, (self.area.height - height) / 2, width, height)
    }

    /// Writes text at a place, at most to the edge; gives the column after it.
    pub fn put(&mut self, x: u16, y: u16, text: &str, role: Role) -> u16 {
        self.put_within(x, y, self.area.width.saturating_sub(x), text, role)
    }

    /// Writes text into `columns`, cut with an ellipsis; gives the column after it.
    pub fn put_within(&mut self, x: u16, y: u16, columns: u16, text: &str, role: Role) -> u16 {
        if x >= self.area.width || y >= self.area.height {
            return x;
        }
        let columns = usize::from(columns.min(self.area.width - x));
        let safe = text::sanitise(text);
        let cut = text::truncate(&safe, columns, self.unicode);
        let style = self.theme.style(role);
        let (end, _) = self.buffer.set_stringn(self.area.x + x, self.area.y + y, &cut, columns, style);
        end.saturating_sub(self.area.x)
    }

    /// Writes text that ends before column `end`.
    pub fn put_right(&mut self, end: u16, y: u16, columns: u16, text: &str, role: Role) {
        let safe = text::sanitise(text);
        let wide = u16::try_from(text::width(&safe)).unwrap_or(u16::MAX).min(columns);
        self.put_within(end.saturating_sub(wide), y, wide, &safe, role);
    }

    /// Writes pieces one after the other; gives the column after them.
    pub fn line(&mut self, x: u16, y: u16, pieces: &[(Role, &str)]) -> u16 {
        pieces.iter().fold(x, |x, (role, text)| self.put(x, y, text, *role))
    }

    /// Writes text over as many lines as it needs; gives the row after it.
    pub fn paragraph(&mut self, x: u16, y: u16, text: &str, role: Role) -> u16 {
        let columns = usize::from(self.area.width.saturating_sub(x + 1));
        let mut y = y;
        for line in text::wrap(text, columns) {
            if y >= self.area.height {
                return y;
            }
            self.put(x, y, &line, role);
            y += 1;
        }
        y
    }

    /// Lays a role's style over a row.
    pub fn highlight(&mut self, y: u16, role: Role) {
        if y < self.area.height {
            let row = Rect::new(self.area.x, self.area.y + y, self.area.width, 1);
            self.buffer.set_style(row, self.theme.style(role));
        }
    }

    /// Draws a rule over the whole width.
    pub fn rule(&mut self, y: u16) {
        let rule = Sign::Rule.text(self.unicode).repeat(usize::from(self.area.width));
        self.put(0, y, &rule, Role::Rule);
    }

    /// Empties it: what lies under a dialog does not shine through.
    pub fn clear(&mut self) {
        for y in self.area.top()..self.area.bottom() {
            for x in self.area.left()..self.area.right() {
                if let Some(cell) = self.buffer.cell_mut((x, y)) {
                    cell.reset();
                }
            }
        }
    }

    /// Empties it and draws a frame with a title round it; gives what is inside.
    pub fn dialog(&mut self, title: &str) -> Canvas<'_> {
        self.clear();
        let (width, height) = (self.area.width, self.area.height);
        let side = if self.unicode { "│" } else { "|" };
        let corners = if self.unicode { ["┌", "┐", "└", "┘"] } else { ["+"; 4] };
        self.rule(0);
        self.rule(height.saturating_sub(1));
        for y in 0..height {
            self.put(0, y, side, Role::Rule);
            self.put(width.saturating_sub(1), y, side, Role::Rule);
        }
        for (corner, (x, y)) in corners.iter().zip([
            (0, 0),
            (width.saturating_sub(1), 0),
            (0, height.saturating_sub(1)),
            (width.saturating_sub(1), height.saturating_sub(1)),
        ]) {
            self.put(x, y, corner, Role::Rule);
        }
        self.put_within(2, 0, width.saturating_sub(4), &format!(" {title} "), Role::Strong);
        self.part(2, 1, width.saturating_sub(4), height.saturating_sub(2))
    }

    /// Says where the real cursor goes.
    pub fn cursor(&mut self, x: u16, y: u16) {
        if x < self.area.width && y < self.area.height {
            *self.cursor = Some(Position::new(self.area.x + x, self.area.y + y));
        }
    }
}
