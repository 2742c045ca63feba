//! One line of text that is edited.

use unicode_width::UnicodeWidthStr as _;

use super::canvas::Canvas;
use crate::console::terminal::input::{Code, Input, Key};
use crate::console::theme::Role;

/// A line with a cursor, counted in characters.
#[derive(Clone, Debug, Default)]
pub struct Line {
    text: String,
    at: usize,
}

impl Line {
    /// A line that holds this text, the cursor behind it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), at: text.chars().count() }
    }

    /// What it holds.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Takes an input; whether it was one for a line.
    pub fn input(&mut self, input: &Input) -> bool {
        match input {
            Input::Paste(text) => text.chars().filter(|character| !character.is_control()).for_each(|character| self.insert(character)),
            Input::Key(key) => return self.key(*key),
            Input::Click(..) | Input::Scroll(_) => return false,
        }
        true
    }

    fn key(&mut self, key: Key) -> bool {
        match (key.code, key.ctrl, key.alt) {
            (Code::Char(character), false, false) => self.insert(character),
            (Code::Backspace, ..) | (Code::Char('h'), true, _) if self.at > 0 => {
                self.at -= 1;
                self.remove();
            }
            (Code::Backspace, ..) => {}
            (Code::Delete, ..) => self.remove(),
            (Code::Left, ..) => self.at = self.at.saturating_sub(1),
            (Code::Right, ..) => self.at = (self.at + 1).min(self.text.chars().count()),
            (Code::Home, ..) | (Code::Char('a'), true, _) => self.at = 0,
            (Code::End, ..) | (Code::Char('e'), true, _) => self.at = self.text.chars().count(),
            (Code::Char('u'), true, _) => {
                self.text = self.text.chars().skip(self.at).collect();
                self.at = 0;
            }
            (Code::Char('w'), true, _) => {
                let before: String = self.text.chars().take(self.at).collect();
                let kept = before.trim_end().rsplit_once(' ').map_or(String::new(), |(kept, _)| format!("{kept} "));
                let after: String = self.text.chars().skip(self.at).collect();
                self.at = kept.chars().count();
                self.text = kept + &after;
            }
            _ => return false,
        }
        true
    }

    fn insert(&mut self, character: char) {
        // A line longer than this is no name, filter or schedule.
        if self.text.len() < 4096 {
            let place = self.place();
            self.text.insert(place, character);
            self.at += 1;
        }
    }

    fn remove(&mut self) {
        let place = self.place();
        if place < self.text.len() {
            self.text.remove(place);
        }
    }

    fn place(&self) -> usize {
        self.text.char_indices().nth(self.at).map_or(self.text.len(), |(place, _)| place)
    }

    /// Draws it, with the real cursor in it when it has the focus; long text scrolls.
    pub fn draw(&self, canvas: &mut Canvas<'_>, x: u16, y: u16, width: u16, focus: bool) {
        let mut start = 0;
        let before = &self.text[..self.place()];
        while before[start..].width() + 1 > usize::from(width.max(1)) {
            start += before[start..].chars().next().map_or(1, char::len_utf8);
        }
        let shown = &self.text[start..];
        canvas.put_within(x, y, width, &" ".repeat(usize::from(width)), Role::Input);
        canvas.put_within(x, y, width, shown, Role::Input);
        if focus {
            canvas.cursor(x + u16::try_from(before[start..].width()).unwrap_or(0), y);
        }
    }
}
