//! The form of a configuration: a field a line, explained and checked as you type.

use std::collections::BTreeSet;

use super::canvas::{Canvas, Sign};
use super::format;
use super::line::Line;
use crate::console::component::{Component, Outcome};
use crate::console::effect::{Action, ConfigurationDraft, KnownApp};
use crate::console::message::Message;
use crate::console::model::Model;
use crate::console::model::detail::ScopeModel;
use crate::console::terminal::input::{Code, Input, Key};
use crate::console::theme::Role;
use crate::engine::backup::TYPES;
use crate::engine::names::Names;
use crate::engine::schedule::Schedule;
use crate::engine::selection::{Chooser, Selection};
use crate::sources::files::CONFIGURATION;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Name,
    App,
    Kind,
    Schedule,
    Days,
    Modules,
    Models,
    NotModules,
    NotModels,
    Quick,
    Tenants,
    Description,
}

const FIELDS: [(What, &str); 12] = [
    (What::Name, "name"),
    (What::App, "application"),
    (What::Kind, "type"),
    (What::Schedule, "schedule"),
    (What::Days, "keep for days"),
    (What::Modules, "modules"),
    (What::Models, "models"),
    (What::NotModules, "not modules"),
    (What::NotModels, "not models"),
    (What::Quick, "quick"),
    (What::Tenants, "tenants"),
    (What::Description, "description"),
];

/// The runs of a schedule that are shown.
const RUNS: usize = 5;

/// The form of a configuration.
pub struct Form {
    title: String,
    lines: Vec<Line>,
    at: usize,
    /// The configuration that is edited; none: a new one.
    id: Option<String>,
    /// Why it could not be kept as it is.
    problem: Option<String>,
}

impl Form {
    /// The form of a new configuration, or of the one with this id.
    #[must_use]
    pub fn configuration(draft: &ConfigurationDraft, id: Option<String>) -> Self {
        let text = |name| match name {
            What::Name => draft.name.clone(),
            What::App => draft.app.clone(),
            What::Kind => draft.kind.clone(),
            What::Schedule => draft.schedule.clone().unwrap_or_default(),
            What::Days => draft.retention_days.to_string(),
            What::Modules => draft.modules.join(" "),
            What::Models => draft.models.join(" "),
            What::NotModules => draft.exclude_modules.join(" "),
            What::NotModels => draft.exclude_models.join(" "),
            What::Quick => if draft.quick { "yes" } else { "no" }.to_owned(),
            What::Tenants => draft.tenants.join(" "),
            What::Description => draft.description.clone(),
        };
        let title = if id.is_some() { format!("Edit {}", draft.name) } else { "New configuration".to_owned() };
        Self { title, lines: FIELDS.iter().map(|(name, _)| Line::new(&text(*name))).collect(), at: 0, id, problem: None }
    }

    /// The same, with why it could not be kept.
    #[must_use]
    pub fn because(mut self, problem: String) -> Self {
        self.problem = Some(problem);
        self
    }

    fn text(&self, name: What) -> &str {
        let at = FIELDS.iter().position(|(field, _)| *field == name).unwrap_or(0);
        self.lines.get(at).map_or("", |line| line.text().trim())
    }

    fn words(&self, name: What) -> Vec<String> {
        self.text(name).split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    fn draft(&self) -> ConfigurationDraft {
        ConfigurationDraft {
            name: self.text(What::Name).to_owned(),
            app: self.text(What::App).to_owned(),
            kind: self.text(What::Kind).to_owned(),
            schedule: Some(self.text(What::Schedule).to_owned()).filter(|text| !text.is_empty()),
            retention_days: self.text(What::Days).parse().unwrap_or_default(),
            modules: self.words(What::Modules),
            models: self.words(What::Models),
            exclude_modules: self.words(What::NotModules),
            exclude_models: self.words(What::NotModels),
            quick: self.text(What::Quick) == "yes",
            tenants: self.words(What::Tenants),
            description: self.text(What::Description).to_owned(),
        }
    }

    fn app<'m>(&self, model: &'m Model) -> Option<&'m KnownApp> {
        model.known_apps.iter().find(|app| app.name == self.text(What::App))
    }

    /// What a field's text means, or why it cannot be used.
    fn judge(&self, name: What, model: &Model) -> Result<String, String> {
        let text = self.text(name);
        match name {
            What::Name if text.is_empty() => Err("a name is needed".into()),
            What::Name | What::Description => Ok(String::new()),
            What::App => match (self.app(model), model.known_apps.is_empty()) {
                (Some(_), _) => Ok(String::new()),
                (None, true) if !text.is_empty() => Ok(String::new()),
                _ => Err("no application is called so".into()),
            },
            What::Kind => TYPES
                .iter()
                .find(|kind| kind.as_str() == text)
                .map_or_else(|| Err("no such type".into()), |kind| Ok(meaning(kind.as_str()).to_owned())),
            What::Schedule if text.is_empty() => Ok("runs only when asked".into()),
            What::Schedule => match Schedule::parse(text) {
                Ok(schedule) => Ok(schedule.in_words()),
                Err(_) => Err("minute hour day month weekday, as in 0 2 * * *".into()),
            },
            What::Days => match text.parse::<u32>() {
                Ok(0) => Ok("kept until somebody deletes them".into()),
                Ok(1..=36_500) => Ok(String::new()),
                _ => Err("a number of days, 0 to 36500".into()),
            },
            What::Modules => self.known(name, model, "all modules", |scope| &scope.module),
            What::Models => self.known(name, model, "all models", |scope| &scope.model),
            What::NotModules => self.known(name, model, "none is left out", |scope| &scope.module),
            What::NotModels => self.known(name, model, "none is left out", |scope| &scope.model),
            What::Quick => match text {
                "yes" if self.app(model).is_some_and(|app| app.dispensable.is_empty()) => {
                    Err(format!("say what is: backstop app edit {} --dispensable …", self.text(What::App)))
                }
                "yes" => Ok("leaves out what is dispensable".into()),
                "no" => Ok("leaves nothing out".into()),
                _ => Err("yes or no".into()),
            },
            What::Tenants => match (self.text(What::Kind) == "tenant", text.is_empty()) {
                (true, true) => Err("all, or ids: a backup each".into()),
                (true, false) => Ok("a backup each".into()),
                (false, true) => Ok("everybody's records".into()),
                (false, false) => Err("only with the type tenant".into()),
            },
        }
    }

    /// What names and globs of names come to.
    fn known(&self, field: What, model: &Model, none: &str, name: fn(&ScopeModel) -> &String) -> Result<String, String> {
        let words = self.words(field);
        if words.is_empty() {
            return Ok(none.to_owned());
        }
        let known: BTreeSet<&str> =
            self.app(model).map_or(&[] as &[ScopeModel], |app| &app.models).iter().map(|it| name(it).as_str()).collect();
        let (known, names) = (known.into_iter().collect::<Vec<_>>(), Names::new(&words));
        match names.idle(&known).next().filter(|_| !known.is_empty()) {
            Some(word) => Err(format!("there is no “{word}”")),
            None if known.is_empty() => Ok(format!("{} named", words.len())),
            None => Ok(format!("{} of {}", known.iter().filter(|known| names.take(known)).count(), known.len())),
        }
    }

    /// Which models it covers, as far as the newest backup tells.
    fn covers(&self, model: &Model) -> String {
        let Some(app) = self.app(model).filter(|app| !app.models.is_empty()) else {
            return "what it covers is known from the first backup on; now: backstop app models".to_owned();
        };
        let selection = Selection {
            modules: self.words(What::Modules),
            models: self.words(What::Models),
            exclude_modules: self.words(What::NotModules),
            exclude_models: self.words(What::NotModels),
            quick: self.text(What::Quick) == "yes",
            tenants: self.words(What::Tenants),
        };
        let chooser = Chooser::new(&selection, if selection.quick { &app.dispensable } else { &[] });
        let is_table = |scope: &ScopeModel| !["files", CONFIGURATION].contains(&scope.module.as_str());
        let is_covered = |scope: &&ScopeModel| chooser.why_not(&scope.module, &scope.model, is_table(scope)).is_none();
        let covered: Vec<&ScopeModel> = app.models.iter().filter(is_covered).collect();
        let records: u64 = covered.iter().map(|scope| scope.records).sum();
        let names: Vec<&str> = covered.iter().map(|scope| scope.model.as_str()).collect();
        {
            let (all, records) = (format::counted(app.models.len() as u64, "model"), format::counted(records, "record"));
            format!("{} of {all}, {records}: {}", covered.len(), names.join(", "))
        }
    }

    fn runs(&self, model: &Model) -> String {
        let Some(schedule) = Schedule::parse(self.text(What::Schedule)).ok() else { return String::new() };
        let runs: Vec<String> = schedule
            .next(model.now, RUNS)
            .into_iter()
            .map(|at| format::absolute(at, model.utc).chars().skip(5).take(11).collect())
            .collect();
        runs.join(", ")
    }

    fn first_fault(&self, model: &Model) -> Option<usize> {
        FIELDS.iter().position(|(name, _)| self.judge(*name, model).is_err())
    }

    /// What can be chosen for a field that is not typed freely.
    fn choices(name: What, model: &Model) -> Vec<String> {
        match name {
            What::App => model.known_apps.iter().map(|app| app.name.clone()).collect(),
            What::Kind => TYPES.iter().map(ToString::to_string).collect(),
            What::Quick => vec!["no".into(), "yes".into()],
            _ => Vec::new(),
        }
    }

    fn choose(&mut self, choices: &[String], by: isize) {
        let Some(line) = self.lines.get_mut(self.at) else { return };
        let count = isize::try_from(choices.len()).unwrap_or(1);
        let at = choices.iter().position(|choice| choice == line.text()).and_then(|at| isize::try_from(at).ok()).unwrap_or(-by);
        if let Some(choice) = usize::try_from((at + by).rem_euclid(count)).ok().and_then(|at| choices.get(at)) {
            *line = Line::new(choice);
        }
    }

    fn key(&mut self, key: Key, model: &Model) -> Outcome {
        let last = FIELDS.len();
        let choices = FIELDS.get(self.at).map_or_else(Vec::new, |(name, _)| Self::choices(*name, model));
        match key.code {
            Code::Esc => return Outcome::Close,
            Code::Char('c') if key.ctrl => return Outcome::Close,
            Code::Enter if self.at == last => match self.first_fault(model) {
                None => return Outcome::Finish(Message::Act(Box::new(self.action()))),
                Some(fault) => self.at = fault,
            },
            Code::Down | Code::Tab | Code::Enter => self.at = (self.at + 1) % (last + 1),
            Code::Up | Code::BackTab => self.at = (self.at + last) % (last + 1),
            Code::Right | Code::Char(' ') if !choices.is_empty() => self.choose(&choices, 1),
            Code::Left if !choices.is_empty() => self.choose(&choices, -1),
            _ => {
                if let Some(line) = self.lines.get_mut(self.at) {
                    line.input(&Input::Key(key));
                }
            }
        }
        Outcome::Consumed
    }

    fn action(&self) -> Action {
        let draft = Box::new(self.draft());
        match &self.id {
            Some(id) => Action::EditConfiguration { id: id.clone(), draft },
            None => Action::CreateConfiguration(draft),
        }
    }
}

fn meaning(kind: &str) -> &'static str {
    match kind {
        "full" => "everything read and compared",
        "differential" => "what changed since the last full",
        "incremental" => "what changed since the last backup",
        "database" => "the database alone",
        "files" => "the files alone",
        "tenant" => "the records of some tenants",
        _ => "",
    }
}

impl Component for Form {
    fn is_modal(&self) -> bool {
        true
    }

    fn input(&mut self, input: &Input, model: &Model) -> Outcome {
        match input {
            Input::Key(key) => return self.key(*key, model),
            other => {
                if let Some(line) = self.lines.get_mut(self.at) {
                    line.input(other);
                }
            }
        }
        Outcome::Consumed
    }

    fn view(&self, model: &Model, canvas: &mut Canvas<'_>) {
        let width = 100.min(canvas.width().saturating_sub(2));
        let rows = u16::try_from(FIELDS.len()).unwrap_or(12);
        let mut window = canvas.centred(width, rows + 9);
        let mut inside = window.dialog(&self.title);
        let room = (inside.width() / 2).saturating_sub(16);
        for (at, (name, label)) in FIELDS.iter().enumerate() {
            let y = u16::try_from(at).unwrap_or(0);
            let focus = at == self.at;
            inside.put_within(0, y, 14, label, if focus { Role::Strong } else { Role::Dim });
            if let Some(line) = self.lines.get(at) {
                line.draw(&mut inside, 15, y, room, focus);
            }
            let x = 15 + room + 2;
            let end = inside.width();
            match self.judge(*name, model) {
                Ok(meaning) => inside.put_within(x, y, end.saturating_sub(x), &meaning, Role::Dim),
                Err(fault) => {
                    let text = format!("{} {fault}", Sign::Critical.text(inside.unicode));
                    inside.put_within(x, y, end.saturating_sub(x), &text, Role::Critical)
                }
            };
        }
        let end = inside.width();
        for (line, label, text) in [(1, "next runs", self.runs(model)), (2, "covers", self.covers(model))] {
            inside.put_within(0, rows + line, 10, label, Role::Dim);
            // Five runs in 80 columns need all the room there is.
            inside.put_within(11, rows + line, end.saturating_sub(11), &text, Role::Text);
        }
        if let Some(problem) = &self.problem {
            let text = format!("{} {problem}", Sign::Critical.text(inside.unicode));
            inside.put_within(0, rows + 3, end, &text, Role::Critical);
        }
        inside.put(0, rows + 4, "[ Save ]", if self.at == FIELDS.len() { Role::Button } else { Role::Text });
        let keys = [
            (Role::Key, "Enter"),
            (Role::Dim, " next field, on Save saves   "),
            (Role::Key, "Space"),
            (Role::Dim, " choose   "),
            (Role::Key, "Esc"),
            (Role::Dim, " cancel"),
        ];
        inside.line(0, rows + 6, &keys);
    }
}
