//! The records of a model that differ, and one of them field by field: backup, live, result.

use crate::console::effect::Side;
use crate::console::model::Model;
use crate::console::model::list::scroll;
use crate::console::model::plan::{PlanRow, RowField, plain};
use crate::console::model::walk::Walk;
use crate::console::theme::Role;
use crate::console::widgets::canvas::{Canvas, Sign};
use crate::console::widgets::format;
use crate::console::widgets::table::{self, Cell, Column, Room, RowLook};
use crate::console::widgets::text;

const RECORDS: &[Column] = &[
    Column::text("RECORD", Room::Share(2, 14)),
    Column::text("STATE", Room::Fixed(9)),
    Column::text("DIFFERS IN", Room::Share(3, 14)),
    Column::text("FROM BACKUP", Room::Fixed(14)),
];

const FIELDS: &[Column] = &[
    Column::text("FIELD", Room::Share(2, 12)),
    Column::text("BACKUP", Room::Share(3, 10)),
    Column::text("LIVE, now", Room::Share(3, 10)),
    Column::text("RESULT", Room::Share(3, 10)),
];

/// Draws the records; on a wide terminal with the selected one's fields beside them.
pub fn records(model: &Model, canvas: &mut Canvas<'_>) {
    let walk = &model.walk;
    let records = &walk.records;
    let name = walk.model().map_or("", |model| model.model.as_str());
    let total = records.total();
    let word = if total == 1 { "record differs" } else { "records differ" };
    let x = canvas.line(
        1,
        0,
        &[
            (Role::Strong, name),
            (Role::Text, &format!("   {} {word}", format::count(total as u64))),
            (Role::Dim, &format!("   at {}", format::count((records.at() + 1).min(total) as u64))),
        ],
    );
    stale(walk, canvas, x + 2);
    let (width, height) = (canvas.width(), canvas.height());
    let left = if model.is_wide() { width / 2 } else { width };
    let mut part = canvas.part(0, 2, left, height.saturating_sub(2));
    let top = scroll(records.top(), records.at(), total, usize::from(part.height().saturating_sub(1)));
    table::draw(&mut part, RECORDS, total, top, |at| {
        let selected = at == records.at();
        match records.row(at) {
            Some(row) => (RowLook { selected, marked: is_chosen(walk, name, row) }, cells(walk, name, row)),
            None => (RowLook { selected, marked: false }, vec![("…".into(), Role::Dim)]),
        }
    });
    if model.is_wide()
        && let Some(row) = walk.row()
    {
        let mut beside = canvas.part(left + 1, 2, width.saturating_sub(left + 1), height.saturating_sub(2));
        fields(walk, name, row, None, &mut beside);
    }
}

fn stale(walk: &Walk, canvas: &mut Canvas<'_>, from: u16) {
    if walk.stale {
        let end = canvas.width().saturating_sub(1);
        let sign = Sign::Warning.text(canvas.unicode);
        canvas.put_right(end, 0, end.saturating_sub(from), &format!("{sign} Esc compares again with the choices"), Role::Warning);
    }
}

fn is_chosen(walk: &Walk, name: &str, row: &PlanRow) -> bool {
    walk.row_choice(name, &row.key).is_some() || walk.field_choices.iter().any(|(of, key, ..)| of == name && *key == row.key)
}

fn cells(walk: &Walk, name: &str, row: &PlanRow) -> Vec<Cell> {
    let differs = match row.state.as_str() {
        "conflict" => row.fields.iter().map(|field| field.field.as_str()).collect::<Vec<_>>().join(", "),
        "new" => "not there any more".to_owned(),
        _ => "not in the backup".to_owned(),
    };
    vec![(plain(&row.key), Role::Text), state(row), (differs, Role::Dim), side(walk, name, row)]
}

fn state(row: &PlanRow) -> Cell {
    let role = match row.state.as_str() {
        "new" => Role::Added,
        "conflict" => Role::Warning,
        _ => Role::Dim,
    };
    (row.state.replace('_', " "), role)
}

/// What of a record is taken from the backup.
fn side(walk: &Walk, name: &str, row: &PlanRow) -> Cell {
    match walk.row_choice(name, &row.key) {
        Some(Side::Backup) => ("all, chosen".into(), Role::Changed),
        Some(Side::Live) => ("none, chosen".into(), Role::Marked),
        None if row.collision => ("collision".into(), Role::Critical),
        None if row.blocked => ("no parent".into(), Role::Critical),
        None if row.refused.is_some() => ("refused".into(), Role::Critical),
        None if row.state == "live_only" => ("–".into(), Role::Dim),
        None if row.state == "new" => ("all".into(), Role::Added),
        None => {
            let taken = row.fields.iter().filter(|field| shown(walk, name, row, field).0 != &field.live).count();
            (format!("{taken} of {}", row.fields.len()), if taken == 0 { Role::Dim } else { Role::Changed })
        }
    }
}

/// What a field will hold, and whether somebody chose that.
fn shown<'a>(walk: &Walk, name: &str, row: &PlanRow, field: &'a RowField) -> (&'a serde_json::Value, bool) {
    match walk.field_choice(name, &row.key, &field.field).or(walk.row_choice(name, &row.key)) {
        Some(Side::Backup) => (&field.backup, true),
        Some(Side::Live) => (&field.live, true),
        None => (&field.result, false),
    }
}

/// Draws one record, field by field, and the selected field's values in full under them.
pub fn record(walk: &Walk, canvas: &mut Canvas<'_>) {
    let Some(name) = walk.model().map(|model| model.model.as_str()) else { return };
    let Some(row) = walk.row() else {
        canvas.put(1, 0, "reading…", Role::Dim);
        return;
    };
    let (word, role) = state(row);
    let place = format!("   record {} of {}", format::count(walk.records.at() as u64 + 1), format::count(walk.records.total() as u64));
    let key = plain(&row.key);
    let x = canvas.line(
        1,
        0,
        &[(Role::Strong, name), (Role::Text, "  "), (Role::Text, &key), (Role::Text, "   "), (role, &word), (Role::Dim, &place)],
    );
    stale(walk, canvas, x + 2);
    if let Some(said) = in_the_way(row) {
        canvas.put(1, 1, &said, Role::Critical);
    }
    let (width, height) = (canvas.width(), canvas.height());
    let full = row.fields.get(walk.at_field.at).map(|field| in_full(walk, name, row, field, usize::from(width.saturating_sub(14))));
    let full = full.unwrap_or_default();
    let under = u16::try_from(full.len()).unwrap_or(0).min(height / 2);
    fields(walk, name, row, Some(walk.at_field.at), &mut canvas.part(0, 2, width, height.saturating_sub(3 + under)));
    for (line, (title, role, text)) in full.iter().take(usize::from(under)).enumerate() {
        let y = height.saturating_sub(under) + u16::try_from(line).unwrap_or(0);
        canvas.put_within(3, y, 9, title, Role::Dim);
        canvas.put(13, y, text, *role);
    }
}

/// Why a record cannot be put back as it is.
fn in_the_way(row: &PlanRow) -> Option<String> {
    let holder = row.holder.as_ref().map_or_else(|| "another record".to_owned(), plain);
    match (row.collision, row.blocked) {
        (true, _) => Some(format!("{holder} holds a unique value of it")),
        (false, true) => Some("what it refers to is missing, or something refers to it that stays".to_owned()),
        (false, false) => row.refused.as_ref().map(|why| format!("the database would refuse it: {why}")),
    }
}

fn fields(walk: &Walk, name: &str, row: &PlanRow, at_field: Option<usize>, canvas: &mut Canvas<'_>) {
    if row.fields.is_empty() {
        let said = match row.state.as_str() {
            "new" => "The backup has this record and the live data do not: it is put back whole.",
            _ => "The live data have this record and the backup does not: it stays.",
        };
        canvas.paragraph(3, 0, said, Role::Text);
        return;
    }
    let at = at_field.unwrap_or(0);
    let top = scroll(walk.at_field.top, at, row.fields.len(), usize::from(canvas.height().saturating_sub(1)));
    table::draw(canvas, FIELDS, row.fields.len(), top, |at| {
        let field = &row.fields[at];
        let (result, chosen) = shown(walk, name, row, field);
        let role = if *result == field.live { Role::Dim } else { Role::Changed };
        (
            RowLook { selected: at_field == Some(at), marked: chosen },
            vec![
                (field.field.clone(), Role::Text),
                (plain(&field.backup), Role::Text),
                (plain(&field.live), Role::Text),
                (plain(result), role),
            ],
        )
    });
}

/// A field's values over as many lines as they need, when the columns cut one of them.
fn in_full(walk: &Walk, name: &str, row: &PlanRow, field: &RowField, width: usize) -> Vec<(&'static str, Role, String)> {
    let values = [
        ("BACKUP", Role::Text, plain(&field.backup)),
        ("LIVE", Role::Text, plain(&field.live)),
        ("RESULT", Role::Changed, plain(shown(walk, name, row, field).0)),
    ];
    // Under this every column shows the value whole.
    if values.iter().all(|(.., value)| text::width(value) <= 16) {
        return Vec::new();
    }
    let mut lines = Vec::new();
    for (title, role, value) in values {
        let mut pieces = text::wrap(&text::sanitise(&value), width);
        pieces.truncate(3);
        lines.extend(pieces.into_iter().enumerate().map(|(at, piece)| (if at == 0 { title } else { "" }, role, piece)));
    }
    lines
}
