//! What the commands on the rows of lists do.

use super::super::commands::Reason;
use super::super::effect::{Action, Effect};
use super::super::message::{Message, Question};
use super::super::model::Model;
use super::super::model::records::{Backup, ListKind, Record};
use super::super::widgets::confirm::Confirm;
use super::super::widgets::format;
use super::super::widgets::palette::{Chooser, Item};
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
    format::counted(ids.len() as u64, what)
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

/// How deep a verification looks, with what that means; the usual one first.
const DEPTHS: [(u8, &str, &str); 4] = [
    (3, "every record", "reads all models, compares digests"),
    (2, "every chunk", "reads, decrypts, unpacks all objects"),
    (1, "every manifest and index", "reads what names the objects"),
    (0, "presence", "looks whether every object is there"),
];

/// Asks how deep to look, then verifies the selected backup.
pub fn verify(model: &mut Model) -> Vec<Effect> {
    let Some(id) = backup(model).map(|backup| backup.id.clone()) else { return Vec::new() };
    let item = |(level, label, doc): &(u8, &str, &str)| Item {
        label: (*label).to_owned(),
        key: format!("level {level}"),
        doc: (*doc).to_owned(),
        enabled: true,
        then: Message::Act(Box::new(Action::Verify { backup: id.clone(), level: *level })),
    };
    model.push(Chooser::new("Verify how deep?", DEPTHS.iter().map(item).collect()));
    Vec::new()
}

/// Protects the chosen backups, or releases them.
pub fn protect(model: &mut Model) -> Vec<Effect> {
    let Some(protected) = backup(model).map(|backup| backup.protected) else { return Vec::new() };
    let ids = model.chosen();
    act(model, if protected { Action::Unprotect { ids } } else { Action::Protect { ids } })
}

/// Whether backups are chosen that can be deleted.
///
/// # Errors
///
/// None is, or the selected one is protected.
pub fn can_delete(model: &Model) -> Result<(), Reason> {
    match backup(model) {
        Some(backup) if backup.protected => Err("it is protected; p releases it first".into()),
        Some(_) => Ok(()),
        None => Err("no backup is selected".into()),
    }
}

/// Asks for the reason and to type the app's name, then deletes the chosen backups.
pub fn delete_backups(model: &mut Model) -> Vec<Effect> {
    let Some((app, records)) = backup(model).map(|backup| (backup.app.clone(), backup.records)) else { return Vec::new() };
    let ids = model.chosen();
    let what = several(&ids, "backup");
    let of = if ids.len() == 1 { format!(" of {}", format::counted(records, "record")) } else { String::new() };
    let prompt = Prompt::new(format!("Delete {what}"), "Why? The reason stands in the audit trail.", move |reason| {
        Message::Ask(Box::new(Question {
            title: format!("Delete {what}?"),
            lines: vec![
                format!("Deletes {what}{of}: nothing can be restored from it any more. What other backups build on stays."),
                format!("backstop backups delete {} --reason {}", ids.join(" "), quoted(&reason)),
            ],
            verb: "delete".into(),
            typed: Some(app.clone()),
            then: Message::Act(Box::new(Action::DeleteBackups { ids: ids.clone(), reason })),
        }))
    });
    model.push(prompt);
    Vec::new()
}

/// A text as a shell takes it as one word.
#[must_use]
pub fn quoted(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./:=@%+,".contains(character);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Asks to copy to the selected location what it lacks.
pub fn catch_up(model: &mut Model) -> Vec<Effect> {
    let Some(Record::Location(location)) = model.row() else { return Vec::new() };
    let (id, name) = (location.id.clone(), location.name.clone());
    let lines = vec![format!("It lacks {}.", format::counted(location.backlog_objects, "object")), "backstop vault replicate".into()];
    let then = Message::Act(Box::new(Action::CatchUp { location: id }));
    model.push(Confirm::new(&format!("Copy to {name} what it lacks?"), lines, "copy", then));
    Vec::new()
}
