//! What the commands inside a backup do: its models, their records, one record's fields.

use super::super::commands::Reason;
use super::super::effect::{Effect, Query};
use super::super::model::Model;
use super::super::model::browse::{Browse, Depth, StoredRow};
use super::super::model::list::Motion;
use super::super::model::records::Record;
use super::super::screens::BrowseView;
use super::super::widgets::format;
use super::lists::quoted;

/// Whether the selected backup can be looked into.
///
/// # Errors
///
/// It holds nothing, or none is selected.
pub fn can_begin(model: &Model) -> Result<(), Reason> {
    match model.row() {
        Some(Record::Backup(it)) if it.status == "completed" || it.status == "partial" => Ok(()),
        Some(Record::Backup(it)) => Err(format!("this backup is {}; it holds nothing", it.status)),
        _ => Err("no backup is selected".into()),
    }
}

/// Looks into the selected backup.
pub fn begin(model: &mut Model) -> Vec<Effect> {
    let Some(Record::Backup(it)) = model.row() else { return Vec::new() };
    let taken = it.taken_at.map(|at| format::absolute(at, model.utc)).unwrap_or_default();
    let title = format!("{} backup of {}, {taken}", it.kind, it.app);
    let id = it.id.clone();
    model.browse = Some(Browse::new(id.clone(), title));
    model.push(BrowseView);
    vec![model.ask(Query::Models { backup: id })]
}

/// Goes deeper.
pub fn open(model: &mut Model) -> Vec<Effect> {
    let query = model.browse.as_mut().and_then(Browse::open);
    query.map(|query| model.ask(query)).into_iter().collect()
}

/// Goes back by one, in the end out of the backup.
pub fn back(model: &mut Model) -> Vec<Effect> {
    if !model.browse.as_mut().is_some_and(Browse::back) {
        model.browse = None;
        model.stack.pop();
        return super::detail(model);
    }
    Vec::new()
}

/// Moves.
pub fn step(model: &mut Model, motion: Motion) -> Vec<Effect> {
    let visible = model.visible();
    let query = model.browse.as_mut().and_then(|browse| browse.step(motion, visible));
    query.map(|query| model.ask(query)).into_iter().collect()
}

fn turn(model: &mut Model, motion: Motion) -> Vec<Effect> {
    let visible = model.visible();
    let query = model.browse.as_mut().and_then(|browse| browse.turn(motion, visible));
    query.map(|query| model.ask(query)).into_iter().collect()
}

/// Goes to the next record.
pub fn next(model: &mut Model) -> Vec<Effect> {
    turn(model, Motion::Down)
}

/// Goes to the previous record.
pub fn previous(model: &mut Model) -> Vec<Effect> {
    turn(model, Motion::Up)
}

/// Takes records of the model.
pub fn answered(model: &mut Model, rows: Vec<StoredRow>, end: bool) {
    if let Some(browse) = &mut model.browse {
        browse.answered(rows, end);
    }
}

/// Takes why there are none.
pub fn failed(model: &mut Model, problem: String) {
    if let Some(browse) = &mut model.browse {
        (browse.loading, browse.problem) = (false, Some(problem));
    }
}

/// Whether a record is selected.
///
/// # Errors
///
/// None is.
pub fn has_record(model: &Model) -> Result<(), Reason> {
    let selected = model.browse.as_ref().filter(|browse| browse.depth != Depth::Models).and_then(Browse::row);
    selected.map(|_| ()).ok_or_else(|| "no record is selected".into())
}

/// Copies the record as JSON.
pub fn copy(model: &mut Model) -> Vec<Effect> {
    let Some(row) = model.browse.as_ref().and_then(Browse::row) else { return Vec::new() };
    let text = serde_json::Value::Object(row.fields.iter().cloned().collect()).to_string();
    model.say("copied the record as JSON (OSC 52; the terminal may refuse)");
    vec![Effect::Copy(text)]
}

/// Copies the command line that shows the same.
pub fn copy_command(model: &mut Model) -> Vec<Effect> {
    let Some(browse) = &model.browse else { return Vec::new() };
    let line = match (browse.depth, browse.model()) {
        (Depth::Models, _) | (_, None) => format!("backstop backups models {}", browse.backup),
        (_, Some(scope)) => format!("backstop backups rows {} {}", browse.backup, quoted(&scope.model)),
    };
    super::copied(model, line)
}
