//! What the commands on single records and fields of a restore do: which side wins; and those on records that cannot be put back as
//! they are: what becomes of them.

use super::super::commands::Reason;
use super::super::effect::{Effect, Side};
use super::super::model::Model;
use super::super::model::list::Cursor;
use super::super::model::plan::PlanRow;
use super::super::model::walk::{Step, Walk};
use super::restore;
use crate::engine::restore::plan::{OnBlocked, OnCollision};

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

/// Whether there are records whose unique value another one holds, or something was chosen for them.
///
/// # Errors
///
/// There are none, or they are an undo's.
pub fn has_collisions(model: &Model) -> Result<(), Reason> {
    restore::has_strategies(model)?;
    let found = model.walk.plan.as_ref().is_some_and(|plan| plan.sums().collisions > 0);
    if found || model.walk.collisions != OnCollision::default() { Ok(()) } else { Err("no record takes what another one holds".into()) }
}

/// Has records whose unique value another one holds block the restore, be left out, or the holder be deleted.
pub fn next_collisions(model: &mut Model) -> Vec<Effect> {
    let (next, said) = match model.walk.collisions {
        OnCollision::Block => (OnCollision::Skip, "collisions are left out"),
        OnCollision::Skip => (OnCollision::Holder, "who holds the value is deleted"),
        OnCollision::Holder => (OnCollision::Block, "collisions block the restore"),
    };
    model.walk.collisions = next;
    let effects = restore::compare(model);
    model.say(said);
    effects
}

/// Whether there are records whose parent is missing, or something was chosen for them.
///
/// # Errors
///
/// There are none, or they are an undo's.
pub fn has_blocked(model: &Model) -> Result<(), Reason> {
    restore::has_strategies(model)?;
    let found = model.walk.plan.as_ref().is_some_and(|plan| plan.sums().blocked > 0);
    if found || model.walk.blocked != OnBlocked::default() { Ok(()) } else { Err("no record lacks what it refers to".into()) }
}

/// Has records whose parent is missing block the restore, be left out, or their parents be taken too.
pub fn next_blocked(model: &mut Model) -> Vec<Effect> {
    let (next, said) = match model.walk.blocked {
        OnBlocked::Block => (OnBlocked::Skip, "records without a parent are left out"),
        OnBlocked::Skip => (OnBlocked::Parents, "missing parents are taken too"),
        OnBlocked::Parents => (OnBlocked::Block, "records without a parent block it"),
    };
    model.walk.blocked = next;
    let effects = restore::compare(model);
    model.say(said);
    effects
}
