//! What the commands on configurations do.

use super::super::commands::Reason;
use super::super::effect::{Action, ConfigurationDraft, Effect, Query};
use super::super::message::{Message, Question};
use super::super::model::Model;
use super::super::model::records::{Configuration, Record};
use super::super::widgets::confirm::Confirm;
use super::super::widgets::form::Form;
use super::lists::quoted;
use super::{act, shell};

fn configuration(model: &Model) -> Option<&Configuration> {
    match model.row() {
        Some(Record::Configuration(configuration)) => Some(configuration),
        _ => None,
    }
}

/// Whether a configuration is selected.
///
/// # Errors
///
/// None is.
pub fn has_one(model: &Model) -> Result<(), Reason> {
    configuration(model).map(|_| ()).ok_or_else(|| "no configuration is selected".into())
}

fn draft(of: &Configuration) -> ConfigurationDraft {
    ConfigurationDraft {
        name: of.name.clone(),
        app: of.app.clone(),
        kind: of.kind.clone(),
        schedule: of.schedule.clone(),
        retention_days: of.retention_days,
        modules: of.modules.clone(),
        models: of.models.clone(),
        exclude_modules: of.exclude_modules.clone(),
        exclude_models: of.exclude_models.clone(),
        tenants: of.tenants.clone(),
        quick: of.quick,
        description: of.description.clone(),
    }
}

/// Opens a form, and asks for what it checks names against.
fn open(model: &mut Model, form: Form) -> Vec<Effect> {
    model.push(form);
    vec![model.ask(Query::Known)]
}

/// Opens the form of a new configuration.
pub fn new(model: &mut Model) -> Vec<Effect> {
    let app = shell::selected_app(model).unwrap_or_default();
    let draft = ConfigurationDraft { app, kind: "incremental".into(), retention_days: 30, ..ConfigurationDraft::default() };
    open(model, Form::configuration(&draft, None))
}

/// Opens the form of the selected configuration.
pub fn edit(model: &mut Model) -> Vec<Effect> {
    let Some((draft, id)) = configuration(model).map(|of| (draft(of), of.id.clone())) else { return Vec::new() };
    open(model, Form::configuration(&draft, Some(id)))
}

/// Opens the form of a new configuration like the selected one.
pub fn clone(model: &mut Model) -> Vec<Effect> {
    let Some(mut draft) = configuration(model).map(draft) else { return Vec::new() };
    draft.name += "-copy";
    open(model, Form::configuration(&draft, None))
}

/// Opens the form again that could not be kept: what was typed is not lost.
pub fn again(model: &mut Model, action: &Action, problem: &str) -> bool {
    let form = match action {
        Action::CreateConfiguration(draft) => Form::configuration(draft, None),
        Action::EditConfiguration { id, draft } => Form::configuration(draft, Some(id.clone())),
        _ => return false,
    };
    model.push(form.because(problem.to_owned()));
    true
}

/// Switches the chosen configurations on or off.
pub fn toggle(model: &mut Model) -> Vec<Effect> {
    let Some(enabled) = configuration(model).map(|of| of.enabled) else { return Vec::new() };
    let ids = model.chosen();
    act(model, if enabled { Action::DisableConfigurations { ids } } else { Action::EnableConfigurations { ids } })
}

/// Asks to type the name, then deletes the selected configuration.
pub fn delete(model: &mut Model) -> Vec<Effect> {
    let Some((name, id)) = configuration(model).map(|of| (of.name.clone(), of.id.clone())) else { return Vec::new() };
    let question = Question {
        title: format!("Delete the configuration {name}?"),
        lines: vec!["Its backups stay; nothing runs by it any more.".into(), format!("backstop config delete {}", quoted(&name))],
        verb: "delete".into(),
        typed: Some(name),
        then: Message::Act(Box::new(Action::DeleteConfiguration { id })),
    };
    model.push(Confirm::from(question));
    Vec::new()
}

/// Asks, then removes old ad-hoc configurations.
pub fn clean_up(model: &mut Model) -> Vec<Effect> {
    let question = Question {
        title: "Clean up ad-hoc configurations?".into(),
        lines: vec![
            "Removes those that were made for one backup, are older than seven days, and that no job refers to.".into(),
            "backstop config cleanup".into(),
        ],
        verb: "clean up".into(),
        typed: None,
        then: Message::Act(Box::new(Action::CleanUpConfigurations)),
    };
    model.push(Confirm::from(question));
    Vec::new()
}
