//! Finding things by a few letters: every command, screen, configuration and backup. Help is the same list, of one screen's commands.

use super::canvas::Canvas;
use super::format;
use super::line::Line;
use crate::console::commands::{self, Command};
use crate::console::component::{Component, Outcome};
use crate::console::message::Message;
use crate::console::model::list::{Cursor, Motion};
use crate::console::model::records::{ListKind, Record};
use crate::console::model::{Model, Screen};
use crate::console::terminal::input::{Code, Input};
use crate::console::theme::Role;

/// The rows of a chooser that are shown at once.
const SHOWN: usize = 14;

/// Something that can be chosen.
pub struct Item {
    /// Its name.
    pub label: String,
    /// Its key, or what kind of thing it is.
    pub key: String,
    /// What it does, or why it cannot be done now.
    pub doc: String,
    /// Whether it can be chosen now.
    pub enabled: bool,
    /// What happens when it is chosen.
    pub then: Message,
}

impl Item {
    /// A command as an item.
    #[must_use]
    pub fn command(model: &Model, command: &'static Command) -> Self {
        let available = command.available(model);
        Self {
            label: command.title.to_owned(),
            key: command.keys.join(" "),
            enabled: available.is_ok(),
            doc: available.err().map_or_else(|| command.doc.to_owned(), |reason| format!("not now: {reason}")),
            then: Message::Run(command.id),
        }
    }
}

/// Whether what is chosen about has settled by itself.
type Settled = fn(&Model) -> bool;

/// A list that is narrowed by typing.
pub struct Chooser {
    title: &'static str,
    line: Line,
    items: Vec<Item>,
    found: Vec<usize>,
    cursor: Cursor,
    moot: Option<(Settled, Message)>,
}

impl Chooser {
    /// A chooser of these.
    #[must_use]
    pub fn new(title: &'static str, items: Vec<Item>) -> Self {
        let found = (0..items.len()).collect();
        Self { title, line: Line::default(), items, found, cursor: Cursor::default(), moot: None }
    }

    /// The same, that asks no more and does `then` once `settled` says yes.
    #[must_use]
    pub fn until(mut self, settled: Settled, then: Message) -> Self {
        self.moot = Some((settled, then));
        self
    }

    fn search(&mut self) {
        let wanted = self.line.text().to_lowercase();
        let score = |item: &Item| {
            let label = score(&item.label.to_lowercase(), &wanted).map(|score| score * 2);
            label.max(score_words(&item.doc.to_lowercase(), &wanted))
        };
        let mut scored: Vec<(i32, usize)> = self.items.iter().enumerate().filter_map(|(at, item)| Some((score(item)?, at))).collect();
        scored.sort_by_key(|(score, at)| (-score, *at));
        self.found = scored.into_iter().map(|(_, at)| at).collect();
        self.cursor = Cursor::default();
    }
}

/// How well `wanted` fits into `text` as a subsequence: letters in a row and at the beginning of words count most; `None` when it does not fit.
fn score(text: &str, wanted: &str) -> Option<i32> {
    let mut score = 0;
    let mut letters = wanted.chars().filter(|letter| !letter.is_whitespace()).peekable();
    let (mut before, mut row) = (' ', 0);
    for character in text.chars() {
        match letters.peek() {
            None => break,
            Some(letter) if *letter == character => {
                letters.next();
                row += 1;
                score += row * 2 + if before.is_alphanumeric() { 0 } else { 6 };
            }
            Some(_) => row = 0,
        }
        before = character;
    }
    letters.peek().is_none().then_some(score)
}

/// Sentences are searched for the words themselves: a subsequence fits into nearly every sentence.
fn score_words(text: &str, wanted: &str) -> Option<i32> {
    wanted.split_whitespace().all(|word| text.contains(word)).then_some(1)
}

impl Component for Chooser {
    fn is_modal(&self) -> bool {
        true
    }

    fn input(&mut self, input: &Input, _: &Model) -> Outcome {
        let before = self.line.text().to_owned();
        if let Input::Key(key) = input {
            let motion = match (key.code, key.ctrl) {
                (Code::Esc, _) | (Code::Char('c'), true) => return Outcome::Close,
                (Code::Enter, _) => {
                    let item = self.found.get(self.cursor.at).and_then(|at| self.items.get(*at));
                    return item.map_or(Outcome::Close, |item| Outcome::Finish(item.then.clone()));
                }
                (Code::Down | Code::Tab, _) | (Code::Char('n' | 'j'), true) => Some(Motion::Down),
                (Code::Up | Code::BackTab, _) | (Code::Char('p' | 'k'), true) => Some(Motion::Up),
                (Code::PageDown, _) => Some(Motion::PageDown),
                (Code::PageUp, _) => Some(Motion::PageUp),
                _ => None,
            };
            if let Some(motion) = motion {
                self.cursor.step(motion, self.found.len(), SHOWN);
                return Outcome::Consumed;
            }
        }
        self.line.input(input);
        if self.line.text() != before {
            self.search();
        }
        Outcome::Consumed
    }

    fn settled(&self, model: &Model) -> Option<Message> {
        self.moot.as_ref().filter(|(settled, _)| settled(model)).map(|(_, then)| then.clone())
    }

    fn view(&self, _: &Model, canvas: &mut Canvas<'_>) {
        let width = 100.min(canvas.width().saturating_sub(4));
        let rows = SHOWN.min(self.items.len().max(1)).min(usize::from(canvas.height().saturating_sub(8)));
        let mut window = canvas.centred(width, u16::try_from(rows).unwrap_or(0) + 6);
        let mut inside = window.dialog(self.title);
        let (inner, wide) = (inside.width(), inside.width() >= 70);
        let x = inside.put(0, 0, "> ", Role::Key);
        self.line.draw(&mut inside, x, 0, inner.saturating_sub(x), true);
        let top = crate::console::model::list::scroll(self.cursor.top, self.cursor.at, self.found.len(), rows);
        for (row, at) in self.found.iter().skip(top).take(rows).enumerate() {
            let Some(item) = self.items.get(*at) else { continue };
            let y = u16::try_from(row).unwrap_or(0) + 1;
            let role = if item.enabled { Role::Text } else { Role::Dim };
            inside.put_within(1, y, 10, &item.key, Role::Key);
            inside.put_within(12, y, 24, &item.label, role);
            if wide {
                inside.put(38, y, &item.doc, Role::Dim);
            }
            if top + row == self.cursor.at {
                inside.highlight(y, Role::Selected);
            }
        }
        // The line above has room for the beginning only.
        if let Some(item) = self.found.get(self.cursor.at).and_then(|at| self.items.get(*at)) {
            inside.paragraph(1, u16::try_from(rows).unwrap_or(0) + 2, &item.doc, Role::Text);
        }
        if self.found.is_empty() {
            inside.put(12, 1, "nothing fits", Role::Dim);
        }
    }
}

/// The palette: every command that can run now first, then screens' rows that are loaded.
#[must_use]
pub fn open(model: &Model) -> Chooser {
    let scopes = model.scopes();
    let mut items: Vec<Item> = commands::all()
        .filter(|command| scopes.contains(&command.scope) && command.is_shown(model))
        .map(|command| Item::command(model, command))
        .collect();
    items.sort_by_key(|item| !item.enabled);
    for (kind, screen) in [(ListKind::Configurations, Screen::Configurations), (ListKind::Backups, Screen::Backups)] {
        for row in &model.list(kind).rows {
            let (label, doc) = match row {
                Record::Configuration(it) => (it.name.clone(), format!("configuration of {}", it.app)),
                Record::Backup(it) => {
                    let taken = it.taken_at.map(|at| format::absolute(at, model.utc)).unwrap_or_default();
                    (format!("{} {}", it.app, taken), format!("{} backup {}", it.kind, it.id))
                }
                _ => continue,
            };
            items.push(Item { label, key: String::new(), doc, enabled: true, then: Message::Find(screen, row.id().to_owned()) });
        }
    }
    Chooser::new("Commands", items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_in_a_row_and_at_word_beginnings_fit_best() {
        assert!(score("back up now", "bun") > score("cancel job but now", "bun"));
        assert!(score("restore", "rst").is_some());
        assert!(score("restore", "rx").is_none());
    }
}
