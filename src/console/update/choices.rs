//! What the commands on single records and fields of a restore do: which side wins.

use super::super::commands::Reason;
use super::super::effect::{Effect, Side};
use super::super::model::Model;
use super::super::model::list::Cursor;
use super::super::model::plan::PlanRow;
use super::super::model::walk::{Step, Walk};
use super::restore;

/// Whether a record is selected.
///
/// # Errors
///
/// None is.
pub fn has_record(model: &Model) -> Result<(), Reason> {
    match model.walk.row() {
        Some(row) if row.state == "live_only" => Err("this record is only in the live data; nothing of the backup can be taken".into()),
        Some(_) => Ok(()),
        None => Err("no record is selected".into()),
    }
}

/// The model and the record that are looked at.
fn record(walk: &Walk) -> Option<(String, PlanRow)> {
    Some((walk.model()?.model.clone(), walk.row()?.clone()))
}

/// Turns the record, or in the record the field, to the other side.
pub fn turn(model: &mut Model) -> Vec<Effect> {
    let walk = &mut model.walk;
    let Some((name, row)) = record(walk) else { return Vec::new() };
    let turned = |side: Option<Side>, backup_wins: bool| match side {
        Some(Side::Backup) => Side::Live,
        None if backup_wins => Side::Live,
        Some(Side::Live) | None => Side::Backup,
    };
    if walk.step == Step::Record {
        if let Some(field) = row.fields.get(walk.at_field.at) {
            let side = turned(walk.field_choice(&name, &row.key, &field.field), field.result == field.backup);
            walk.choose_field(&name, &row.key, &field.field, side);
        }
    } else {
        let wins = row.fields.iter().all(|field| field.result == field.backup);
        let side = turned(walk.row_choice(&name, &row.key), wins);
        walk.choose_row(&name, &row.key, side);
    }
    Vec::new()
}

fn choose(model: &mut Model, side: Side) -> Vec<Effect> {
    if let Some((name, row)) = record(&model.walk) {
        model.walk.choose_row(&name, &row.key, side);
    }
    Vec::new()
}

/// Takes the record from the backup.
pub fn take_backup(model: &mut Model) -> Vec<Effect> {
    choose(model, Side::Backup)
}

/// Keeps the record as it is now.
pub fn keep_live(model: &mut Model) -> Vec<Effect> {
    choose(model, Side::Live)
}

/// Goes to the next record in conflict, wherever it is.
pub fn next_conflict(model: &mut Model) -> Vec<Effect> {
    match model.walk.records.next_conflict() {
        Ok(place) => go(model, place),
        Err(Some(place)) => {
            model.walk.at_field = Cursor::default();
            model.walk.records.seek();
            restore::window(model, None, Some(place))
        }
        Err(None) => {
            model.say("no conflict follows");
            Vec::new()
        }
    }
}

/// Goes to the next record.
pub fn next_record(model: &mut Model) -> Vec<Effect> {
    let place = model.walk.records.at() + 1;
    go(model, place)
}

/// Goes to the record before.
pub fn previous_record(model: &mut Model) -> Vec<Effect> {
    let place = model.walk.records.at().saturating_sub(1);
    go(model, place)
}

fn go(model: &mut Model, place: usize) -> Vec<Effect> {
    let visible = model.visible();
    model.walk.at_field = Cursor::default();
    let wanted = model.walk.records.select(place, visible);
    restore::window(model, wanted, None)
}
