//! The question before something that can harm: Cancel has the focus, Enter alone never confirms, and the confirming key is never the asking one.

use super::canvas::Canvas;
use super::line::Line;
use crate::console::component::{Component, Outcome};
use crate::console::message::{Message, Question};
use crate::console::model::Model;
use crate::console::terminal::input::{Code, Input};
use crate::console::theme::Role;

/// A question with the consequences in plain words.
pub struct Confirm {
    title: String,
    lines: Vec<String>,
    verb: String,
    then: Message,
    typed: Option<(String, Line)>,
    on_confirm: bool,
    note: Option<&'static str>,
}

impl Confirm {
    /// A question; `then` happens when it is confirmed.
    #[must_use]
    pub fn new(title: &str, lines: Vec<String>, verb: &str, then: Message) -> Self {
        Self { title: title.to_owned(), lines, verb: verb.to_owned(), then, typed: None, on_confirm: false, note: None }
    }

    /// Confirmed only by typing this name; pasting is refused.
    #[must_use]
    pub fn typed(mut self, name: String) -> Self {
        self.typed = Some((name, Line::default()));
        self
    }

    /// The command line that would do the same, where one is shown.
    fn command(&self) -> Option<&String> {
        self.lines.iter().rev().find(|line| line.starts_with("backstop "))
    }

    fn confirmed(&self) -> Outcome {
        Outcome::Finish(self.then.clone())
    }
}

impl From<Question> for Confirm {
    fn from(question: Question) -> Self {
        let typed = question.typed.map(|name| (name, Line::default()));
        Self { typed, ..Self::new(&question.title, question.lines, &question.verb, question.then) }
    }
}

impl Component for Confirm {
    fn is_modal(&self) -> bool {
        true
    }

    fn input(&mut self, input: &Input, _: &Model) -> Outcome {
        self.note = None;
        let Input::Key(key) = input else {
            if matches!(input, Input::Paste(_)) && self.typed.is_some() {
                self.note = Some("pasting is refused here: type it");
            }
            return Outcome::Consumed;
        };
        if key.code == Code::Esc || (key.ctrl && key.code == Code::Char('c')) {
            return Outcome::Close;
        }
        if key.ctrl && key.code == Code::Char('y') {
            return self.command().map_or(Outcome::Consumed, |line| Outcome::Emit(Message::Copy(line.clone())));
        }
        if let Some((name, line)) = &mut self.typed {
            if key.code == Code::Enter {
                if line.text() == name {
                    return self.confirmed();
                }
                self.note = Some("that is not the name");
            } else {
                line.input(input);
            }
            return Outcome::Consumed;
        }
        match key.code {
            Code::Enter if self.on_confirm => self.confirmed(),
            Code::Enter | Code::Char('n') => Outcome::Close,
            Code::Char('y') if !key.ctrl && !key.alt => self.confirmed(),
            Code::Tab | Code::BackTab | Code::Left | Code::Right | Code::Char('h' | 'l') => {
                self.on_confirm = !self.on_confirm;
                Outcome::Consumed
            }
            _ => Outcome::Consumed,
        }
    }

    fn view(&self, _: &Model, canvas: &mut Canvas<'_>) {
        let width = 72.min(canvas.width().saturating_sub(4));
        let inner = usize::from(width.saturating_sub(5)).max(1);
        let rows: usize = self.lines.iter().map(|line| super::text::wrap(line, inner).len()).sum();
        let mut window = canvas.centred(width, u16::try_from(rows + 7).unwrap_or(u16::MAX));
        let mut inside = window.dialog(&self.title);
        let mut y = 1;
        for line in &self.lines {
            y = inside.paragraph(0, y, line, if line.starts_with("backstop ") { Role::Dim } else { Role::Text });
        }
        y += 1;
        let copy =
            if self.command().is_some() { [(Role::Key, "Ctrl-y"), (Role::Dim, " copy the command   ")] } else { [(Role::Dim, ""); 2] };
        if let Some((name, line)) = &self.typed {
            let x = inside.line(0, y, &[(Role::Text, "Type "), (Role::Strong, name), (Role::Text, " to confirm: ")]);
            let room = inside.width().saturating_sub(x);
            line.draw(&mut inside, x, y, room, true);
            inside.line(
                0,
                y + 2,
                &[
                    (Role::Key, "Enter"),
                    (Role::Dim, " when typed   "),
                    (Role::Key, "Esc"),
                    (Role::Dim, " cancel   "),
                    copy[0],
                    copy[1],
                    (Role::Critical, self.note.unwrap_or("")),
                ],
            );
        } else {
            let (cancel, confirm) = if self.on_confirm { (Role::Text, Role::Button) } else { (Role::Button, Role::Text) };
            let x = inside.put(0, y, "[ Cancel ]", cancel);
            let verb = format!("[ {} ]", self.verb);
            inside.put(x + 3, y, &verb, confirm);
            inside.line(
                0,
                y + 2,
                &[
                    (Role::Key, "y"),
                    (Role::Dim, &format!(" {}   ", self.verb)),
                    (Role::Key, "Esc"),
                    (Role::Dim, " cancel   "),
                    copy[0],
                    copy[1],
                ],
            );
        }
    }
}
