//! Asking for text: notes and reasons over several lines, and the line to filter by.

use ratatui_textarea::{Input as AreaInput, Key as AreaKey, TextArea};

use super::canvas::Canvas;
use super::line::Line;
use crate::console::component::{Component, Outcome};
use crate::console::message::Message;
use crate::console::model::Model;
use crate::console::terminal::input::{Code, Input, Key};
use crate::console::theme::Role;

/// Asks for a text; Enter hands it on, Alt-Enter begins another line.
pub struct Prompt {
    title: String,
    question: String,
    area: TextArea<'static>,
    make: Box<dyn Fn(String) -> Message>,
    required: bool,
    note: &'static str,
}

impl Prompt {
    /// A prompt; `make` turns the text into what happens.
    pub fn new(title: impl Into<String>, question: &str, make: impl Fn(String) -> Message + 'static) -> Self {
        Self {
            title: title.into(),
            question: question.to_owned(),
            area: TextArea::default(),
            make: Box::new(make),
            required: true,
            note: "",
        }
    }

    /// May be left empty.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.required = false;
        self
    }
}

fn area_input(key: Key) -> AreaInput {
    let code = match key.code {
        Code::Char(character) => AreaKey::Char(character),
        Code::Enter => AreaKey::Enter,
        Code::Backspace => AreaKey::Backspace,
        Code::Delete => AreaKey::Delete,
        Code::Up => AreaKey::Up,
        Code::Down => AreaKey::Down,
        Code::Left => AreaKey::Left,
        Code::Right => AreaKey::Right,
        Code::Home => AreaKey::Home,
        Code::End => AreaKey::End,
        Code::PageUp => AreaKey::PageUp,
        Code::PageDown => AreaKey::PageDown,
        _ => AreaKey::Null,
    };
    AreaInput { key: code, ctrl: key.ctrl, alt: key.alt, shift: false }
}

impl Component for Prompt {
    fn is_modal(&self) -> bool {
        true
    }

    fn input(&mut self, input: &Input, _: &Model) -> Outcome {
        self.note = "";
        match input {
            Input::Key(Key { code: Code::Esc, .. } | Key { code: Code::Char('c'), ctrl: true, .. }) => return Outcome::Close,
            Input::Key(Key { code: Code::Enter, alt: false, .. }) => {
                let text = self.area.lines().join("\n").trim().to_owned();
                if text.is_empty() && self.required {
                    self.note = "a few words are needed";
                } else {
                    return Outcome::Finish((self.make)(text));
                }
            }
            Input::Key(Key { code: Code::Enter, .. }) => self.area.insert_newline(),
            Input::Key(key) => {
                self.area.input(area_input(*key));
            }
            Input::Paste(text) => {
                self.area.insert_str(text);
            }
            Input::Click(..) | Input::Scroll(_) => {}
        }
        Outcome::Consumed
    }

    fn view(&self, _: &Model, canvas: &mut Canvas<'_>) {
        let width = 72.min(canvas.width().saturating_sub(4));
        let lines = self.area.lines();
        let rows = u16::try_from(lines.len()).unwrap_or(1).clamp(1, 6);
        let mut window = canvas.centred(width, rows + 7);
        let mut inside = window.dialog(&self.title);
        let y = inside.paragraph(0, 1, &self.question, Role::Text) + 1;
        let at = self.area.cursor();
        let (row, column) = (at.0, at.1);
        let top = (row + 1).saturating_sub(usize::from(rows));
        for line in 0..rows {
            let text = lines.get(top + usize::from(line)).map_or("", String::as_str);
            let mut shown = Line::new(text);
            let focus = top + usize::from(line) == row;
            if focus {
                for _ in column..text.chars().count() {
                    shown.input(&Input::Key(Key::plain(Code::Left)));
                }
            }
            let room = inside.width();
            shown.draw(&mut inside, 0, y + line, room, focus);
        }
        inside.put(0, y + rows, self.note, Role::Critical);
        let keys = [
            (Role::Key, "Enter"),
            (Role::Dim, " done   "),
            (Role::Key, "Alt-Enter"),
            (Role::Dim, " new line   "),
            (Role::Key, "Esc"),
            (Role::Dim, " cancel"),
        ];
        inside.line(0, y + rows + 1, &keys);
    }
}

/// The line to filter by: the list follows every key.
pub struct FilterLine {
    line: Line,
    before: String,
}

impl FilterLine {
    /// A line that begins with the filter there is.
    #[must_use]
    pub fn new(filter: &str) -> Self {
        Self { line: Line::new(filter), before: filter.to_owned() }
    }
}

impl Component for FilterLine {
    fn is_modal(&self) -> bool {
        true
    }

    fn input(&mut self, input: &Input, _: &Model) -> Outcome {
        match input {
            Input::Key(Key { code: Code::Enter, .. }) => return Outcome::Close,
            Input::Key(Key { code: Code::Esc, .. } | Key { code: Code::Char('c'), ctrl: true, .. }) => {
                return Outcome::Finish(Message::Filter(self.before.clone()));
            }
            _ => {}
        }
        let before = self.line.text().to_owned();
        self.line.input(input);
        if self.line.text() == before { Outcome::Consumed } else { Outcome::Emit(Message::Filter(self.line.text().to_owned())) }
    }

    fn view(&self, _: &Model, canvas: &mut Canvas<'_>) {
        let y = canvas.height().saturating_sub(1);
        let width = canvas.width();
        let mut row = canvas.part(0, y, width, 1);
        row.clear();
        let x = row.put(1, 0, "filter: ", Role::Key);
        self.line.draw(&mut row, x, 0, (width / 2).max(10), true);
        row.put(x + (width / 2).max(10) + 2, 0, "words  field:value  size>1G  age<2d", Role::Dim);
    }
}
