//! A form: a field a line, explained and checked as you type.

use std::str::FromStr as _;

use super::canvas::{Canvas, Sign};
use super::line::Line;
use crate::console::component::{Component, Outcome};
use crate::console::effect::{Action, ConfigurationDraft};
use crate::console::message::Message;
use crate::console::model::Model;
use crate::console::terminal::input::{Code, Input, Key};
use crate::console::theme::Role;

/// Says what a field's text means, or why it cannot be used.
type Check = fn(&str) -> Result<String, String>;

struct Field {
    label: &'static str,
    line: Line,
    check: Check,
}

/// The form of a configuration.
pub struct Form {
    title: String,
    fields: Vec<Field>,
    at: usize,
    make: Box<dyn Fn(ConfigurationDraft) -> Action>,
}

const KINDS: [&str; 6] = ["full", "incremental", "differential", "database", "files", "configuration"];

impl Form {
    /// The form of a configuration, filled; `make` turns it into what is to be done.
    pub fn configuration(title: &str, draft: &ConfigurationDraft, make: impl Fn(ConfigurationDraft) -> Action + 'static) -> Self {
        let field = |label, text: &str, check: Check| Field { label, line: Line::new(text), check };
        let fields = vec![
            field("name", &draft.name, name),
            field("application", &draft.app, name),
            field("type", &draft.kind, kind),
            field("schedule", draft.schedule.as_deref().unwrap_or(""), schedule),
            field("keep for days", &draft.retention_days.to_string(), days),
            field("modules", &draft.modules.join(" "), |text| Ok(all_unless(text, "modules"))),
            field("models", &draft.models.join(" "), |text| Ok(all_unless(text, "models"))),
            field("quick (y/n)", if draft.quick { "y" } else { "n" }, quick),
            field("description", &draft.description, |_| Ok(String::new())),
        ];
        Self { title: title.to_owned(), fields, at: 0, make: Box::new(make) }
    }

    fn text(&self, at: usize) -> String {
        self.fields.get(at).map(|field| field.line.text().trim().to_owned()).unwrap_or_default()
    }

    fn draft(&self) -> ConfigurationDraft {
        let words = |at| self.text(at).split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
        ConfigurationDraft {
            name: self.text(0),
            app: self.text(1),
            kind: self.text(2),
            schedule: Some(self.text(3)).filter(|text| !text.is_empty()),
            retention_days: self.text(4).parse().unwrap_or(30),
            modules: words(5),
            models: words(6),
            quick: self.text(7) == "y",
            description: self.text(8),
        }
    }

    fn first_fault(&self) -> Option<usize> {
        self.fields.iter().position(|field| (field.check)(field.line.text().trim()).is_err())
    }
}

fn name(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("a name is needed".into()) } else { Ok(String::new()) }
}

fn kind(text: &str) -> Result<String, String> {
    if KINDS.contains(&text) { Ok(String::new()) } else { Err(format!("one of {}", KINDS.join(", "))) }
}

fn schedule(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok("runs only when asked".into());
    }
    croner::Cron::from_str(text)
        .map(|cron| cron.describe())
        .map_err(|error| format!("{error}: minute hour day month weekday, as in 0 2 * * *"))
}

fn days(text: &str) -> Result<String, String> {
    match text.parse::<u32>() {
        Ok(days) if (1..=36_500).contains(&days) => Ok(String::new()),
        _ => Err("a number of days, 1 to 36500".into()),
    }
}

fn quick(text: &str) -> Result<String, String> {
    match text {
        "y" => Ok("trusts the application's own timestamps".into()),
        "n" => Ok("reads and compares everything".into()),
        _ => Err("y or n".into()),
    }
}

fn all_unless(text: &str, what: &str) -> String {
    if text.is_empty() {
        format!("all {what}")
    } else {
        format!("{} {what}", text.split([' ', ',']).filter(|word| !word.is_empty()).count())
    }
}

impl Component for Form {
    fn is_modal(&self) -> bool {
        true
    }

    fn input(&mut self, input: &Input, _: &Model) -> Outcome {
        let last = self.fields.len();
        if let Input::Key(Key { code, ctrl, .. }) = input {
            match code {
                Code::Esc => return Outcome::Close,
                Code::Char('c') if *ctrl => return Outcome::Close,
                Code::Enter if self.at == last => match self.first_fault() {
                    None => return Outcome::Finish(Message::Act(Box::new((self.make)(self.draft())))),
                    Some(fault) => self.at = fault,
                },
                Code::Down | Code::Tab | Code::Enter => self.at = (self.at + 1) % (last + 1),
                Code::Up | Code::BackTab => self.at = (self.at + last) % (last + 1),
                _ => {
                    if let Some(field) = self.fields.get_mut(self.at) {
                        field.line.input(input);
                    }
                }
            }
        } else if let Some(field) = self.fields.get_mut(self.at) {
            field.line.input(input);
        }
        Outcome::Consumed
    }

    fn view(&self, _: &Model, canvas: &mut Canvas<'_>) {
        let width = 96.min(canvas.width().saturating_sub(2));
        let mut window = canvas.centred(width, self.fields.len() as u16 + 7);
        let mut inside = window.dialog(&self.title);
        let room = (inside.width() / 2).saturating_sub(16);
        for (at, field) in self.fields.iter().enumerate() {
            let y = at as u16 + 1;
            let focus = at == self.at;
            inside.put_within(0, y, 14, field.label, if focus { Role::Strong } else { Role::Dim });
            field.line.draw(&mut inside, 15, y, room, focus);
            let x = 15 + room + 2;
            match (field.check)(field.line.text().trim()) {
                Ok(meaning) => inside.put(x, y, &meaning, Role::Dim),
                Err(fault) => {
                    let sign = Sign::Critical.text(inside.unicode);
                    inside.put(x, y, &format!("{sign} {fault}"), Role::Critical)
                }
            };
        }
        let y = self.fields.len() as u16 + 2;
        inside.put(0, y, "[ Save ]", if self.at == self.fields.len() { Role::Button } else { Role::Text });
        inside.line(
            0,
            y + 2,
            &[(Role::Key, "Enter"), (Role::Dim, " next field, on Save saves   "), (Role::Key, "Esc"), (Role::Dim, " cancel")],
        );
    }
}
