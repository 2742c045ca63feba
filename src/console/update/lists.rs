//! What the commands on the rows of lists do.

use super::super::commands::Reason;
use super::super::effect::{Action, ConfigurationDraft, Effect};
use super::super::message::Message;
use super::super::model::Model;
use super::super::model::records::{Backup, Configuration, ListKind, Record};
use super::super::widgets::confirm::Confirm;
use super::super::widgets::form::Form;
use super::super::widgets::prompt::Prompt;
use super::{act, shell};

/// Whether a row is selected.
///
/// # Errors
///
/// None is.
pub fn has_row(model: &Model) -> Result<(), Reason> {
    if model.row().is_some() { Ok(()) } else { Err("nothing is selected".into()) }
}

fn on_list(model: &mut Model, change: impl FnOnce(&mut super::super::model::list::List)) -> Vec<Effect> {
    if let Some(kind) = model.current() {
        change(model.list_mut(kind));
    }
    Vec::new()
}

/// Marks the row and goes on to the next, as in file managers.
pub fn mark(model: &mut Model) -> Vec<Effect> {
    on_list(model, super::super::model::list::List::mark);
    shell::down(model)
}

/// Begins or ends a range of marks.
pub fn mark_range(model: &mut Model) -> Vec<Effect> {
    on_list(model, super::super::model::list::List::mark_range)
}

/// Marks all rows shown, or none.
pub fn mark_all(model: &mut Model) -> Vec<Effect> {
    on_list(model, super::super::model::list::List::mark_all)
}

/// Whether the list can be in another order.
///
/// # Errors
///
/// The catalog has an index for one order alone.
pub fn can_sort(model: &Model) -> Result<(), Reason> {
    match model.current().map(ListKind::orders) {
        Some([only]) => Err(format!("this list has an index for one order only, by {only}; O turns it round")),
        _ => Ok(()),
    }
}

/// Whether the list's order can be turned.
///
/// # Errors
///
/// It is too short for that to be of use, and is shown whole.
pub fn can_turn(model: &Model) -> Result<(), Reason> {
    match model.current() {
        Some(ListKind::Locations | ListKind::Policies) => Err("this list is shown whole, by name".into()),
        _ => Ok(()),
    }
}

/// Whether something is filtered.
///
/// # Errors
///
/// Nothing is.
pub fn has_filter(model: &Model) -> Result<(), Reason> {
    let filtered = model.current().is_some_and(|kind| !model.list(kind).filter.is_empty());
    if filtered { Ok(()) } else { Err("nothing is looked for; / begins a filter".into()) }
}

/// Sorts by the next order.
pub fn sort(model: &mut Model) -> Vec<Effect> {
    let Some(kind) = model.current() else { return Vec::new() };
    let list = model.list_mut(kind);
    list.order = (list.order + 1) % kind.orders().len();
    let query = list.restart();
    let order = kind.orders()[model.list(kind).order];
    model.say(format!("sorted by {order}"));
    vec![model.ask(query)]
}

/// Turns the order round.
pub fn turn(model: &mut Model) -> Vec<Effect> {
    let Some(kind) = model.current() else { return Vec::new() };
    let list = model.list_mut(kind);
    list.turned = !list.turned;
    let query = list.restart();
    vec![model.ask(query)]
}

/// Holds the rows still, or lets them follow again.
pub fn freeze(model: &mut Model) -> Vec<Effect> {
    let Some(kind) = model.current() else { return Vec::new() };
    let list = model.list_mut(kind);
    list.frozen = !list.frozen;
    let frozen = list.frozen;
    model.say(if frozen { "frozen: F lets the rows follow again" } else { "the rows follow again" });
    if frozen { Vec::new() } else { super::refresh(model) }
}

/// Copies the selected row's id.
pub fn copy_id(model: &mut Model) -> Vec<Effect> {
    let Some(id) = model.row().map(|row| row.id().to_owned()) else { return Vec::new() };
    model.say(format!("copied {id} (OSC 52; the terminal may refuse)"));
    vec![Effect::Copy(id)]
}

/// Copies the selected row as text.
pub fn copy_row(model: &mut Model) -> Vec<Effect> {
    let Some(row) = model.row() else { return Vec::new() };
    let text = row.fields().iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n");
    model.say("copied the row (OSC 52; the terminal may refuse)");
    vec![Effect::Copy(text)]
}

fn several(ids: &[String], what: &str) -> String {
    if ids.len() == 1 { format!("one {what}") } else { format!("{} {what}s", ids.len()) }
}

/// Acknowledges the chosen alerts; reversible, so nothing is asked.
pub fn acknowledge(model: &mut Model) -> Vec<Effect> {
    let ids = model.chosen();
    act(model, Action::Acknowledge { ids, notes: String::new() })
}

/// Asks for notes, then resolves the chosen alerts.
pub fn resolve(model: &mut Model) -> Vec<Effect> {
    let ids = model.chosen();
    let title = format!("Resolve {}", several(&ids, "alert"));
    let prompt = Prompt::new(title, "What was wrong, and what was done about it?", move |notes| {
        Message::Act(Box::new(Action::Resolve { ids: ids.clone(), notes }))
    });
    model.push(prompt);
    Vec::new()
}

/// Snoozes the chosen alerts for four hours.
pub fn snooze(model: &mut Model) -> Vec<Effect> {
    let ids = model.chosen();
    let title = format!("Snooze {}", several(&ids, "alert"));
    let prompt = Prompt::new(title, "For how many hours? (4 unless you type another number)", move |text| {
        let hours = text.trim().parse().unwrap_or(4_u32).clamp(1, 720);
        Message::Act(Box::new(Action::Snooze { ids: ids.clone(), hours }))
    })
    .optional();
    model.push(prompt);
    Vec::new()
}

fn backup(model: &Model) -> Option<&Backup> {
    match model.row() {
        Some(Record::Backup(backup)) => Some(backup),
        _ => None,
    }
}

/// Verifies the selected backup.
pub fn verify(model: &mut Model) -> Vec<Effect> {
    let Some(id) = backup(model).map(|backup| backup.id.clone()) else { return Vec::new() };
    model.say("verifying; the job shows under 3");
    act(model, Action::Verify { backup: id })
}

/// Protects the chosen backups, or releases them.
pub fn protect(model: &mut Model) -> Vec<Effect> {
    let Some(protected) = backup(model).map(|backup| backup.protected) else { return Vec::new() };
    let ids = model.chosen();
    act(model, if protected { Action::Unprotect { ids } } else { Action::Protect { ids } })
}

/// Asks to type the app's name, then deletes the chosen backups.
pub fn delete_backups(model: &mut Model) -> Vec<Effect> {
    let Some(app) = backup(model).map(|backup| backup.app.clone()) else { return Vec::new() };
    let ids = model.chosen();
    let lines = vec![
        format!("Deletes {}. What other backups build on stays until nothing needs it.", several(&ids, "backup")),
        format!("backstop backups delete {}", ids.join(" ")),
    ];
    let then = Message::Act(Box::new(Action::DeleteBackups { ids, reason: "deleted in the console".into() }));
    model.push(Confirm::new("Delete backups?", lines, "delete", then).typed(app));
    Vec::new()
}

fn configuration(model: &Model) -> Option<&Configuration> {
    match model.row() {
        Some(Record::Configuration(configuration)) => Some(configuration),
        _ => None,
    }
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
        quick: of.quick,
        description: of.description.clone(),
    }
}

/// Opens the form of a new configuration.
pub fn new_configuration(model: &mut Model) -> Vec<Effect> {
    let app = shell::selected_app(model).unwrap_or_default();
    let draft = ConfigurationDraft { app, kind: "incremental".into(), retention_days: 30, ..ConfigurationDraft::default() };
    model.push(Form::configuration("New configuration", &draft, |draft| Action::CreateConfiguration(Box::new(draft))));
    Vec::new()
}

/// Opens the form of the selected configuration.
pub fn edit_configuration(model: &mut Model) -> Vec<Effect> {
    let Some(of) = configuration(model) else { return Vec::new() };
    let (draft, id) = (draft(of), of.id.clone());
    let title = format!("Edit {}", of.name);
    model.push(Form::configuration(&title, &draft, move |draft| Action::EditConfiguration { id: id.clone(), draft: Box::new(draft) }));
    Vec::new()
}

/// Opens the form of a new configuration like the selected one.
pub fn clone_configuration(model: &mut Model) -> Vec<Effect> {
    let Some(of) = configuration(model) else { return Vec::new() };
    let mut draft = draft(of);
    draft.name += "-copy";
    model.push(Form::configuration("New configuration", &draft, |draft| Action::CreateConfiguration(Box::new(draft))));
    Vec::new()
}

/// Switches the chosen configurations on or off.
pub fn toggle_configurations(model: &mut Model) -> Vec<Effect> {
    let Some(enabled) = configuration(model).map(|of| of.enabled) else { return Vec::new() };
    let ids = model.chosen();
    act(model, if enabled { Action::DisableConfigurations { ids } } else { Action::EnableConfigurations { ids } })
}

/// Asks to type the name, then deletes the selected configuration.
pub fn delete_configuration(model: &mut Model) -> Vec<Effect> {
    let Some(of) = configuration(model) else { return Vec::new() };
    let (name, id) = (of.name.clone(), of.id.clone());
    let lines = vec!["Its backups stay; nothing runs by it any more.".into(), format!("backstop config delete {name}")];
    let then = Message::Act(Box::new(Action::DeleteConfiguration { id }));
    model.push(Confirm::new(&format!("Delete the configuration {name}?"), lines, "delete", then).typed(name));
    Vec::new()
}

/// Asks to copy to the selected location what it lacks.
pub fn catch_up(model: &mut Model) -> Vec<Effect> {
    let Some(Record::Location(location)) = model.row() else { return Vec::new() };
    let name = location.name.clone();
    let lines = vec![format!("{} objects are missing there.", location.backlog_objects), "backstop vault replicate".into()];
    let then = Message::Act(Box::new(Action::CatchUp { location: name.clone() }));
    model.push(Confirm::new(&format!("Copy to {name} what it lacks?"), lines, "copy", then));
    Vec::new()
}
