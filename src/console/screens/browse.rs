//! Inside a backup: its models, a model's records, one record with its fields.

use crate::console::model::Model;
use crate::console::model::browse::{Browse, Depth, StoredRow};
use crate::console::model::list::scroll;
use crate::console::model::plan::plain;
use crate::console::theme::Role;
use crate::console::widgets::canvas::Canvas;
use crate::console::widgets::format;
use crate::console::widgets::table::{self, Cell, Column, Room, RowLook};

/// Draws what is looked at.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    let Some(browse) = &model.browse else { return };
    let name = browse.model().filter(|_| browse.depth != Depth::Models).map_or("", |scope| scope.model.as_str());
    canvas.line(1, 0, &[(Role::Dim, &browse.title), (Role::Text, "   "), (Role::Strong, name)]);
    let (width, height) = (canvas.width(), canvas.height());
    let mut part = canvas.part(0, 2, width, height.saturating_sub(2));
    match browse.depth {
        Depth::Models => models(browse, &mut part),
        Depth::Records => records(browse, &mut part),
        Depth::Record => record(browse, &mut part),
    }
}

fn rows_of(canvas: &Canvas<'_>) -> usize {
    usize::from(canvas.height().saturating_sub(1))
}

fn models(browse: &Browse, canvas: &mut Canvas<'_>) {
    const COLUMNS: &[Column] =
        &[Column::text("MODEL", Room::Share(2, 20)), Column::text("MODULE", Room::Share(1, 10)), Column::number("RECORDS", 12)];
    let at = browse.at_model;
    let top = scroll(at.top, at.at, browse.models.len(), rows_of(canvas));
    table::draw(canvas, COLUMNS, browse.models.len(), top, |row| {
        let it = &browse.models[row];
        let cells = vec![(it.model.clone(), Role::Text), (it.module.clone(), Role::Dim), (format::count(it.records), Role::Text)];
        (RowLook { selected: row == at.at, marked: false }, cells)
    });
}

fn records(browse: &Browse, canvas: &mut Canvas<'_>) {
    const COLUMNS: &[Column] = &[Column::text("RECORD", Room::Share(1, 12)), Column::text("FIELDS", Room::Share(4, 30))];
    if browse.rows.is_empty() {
        let said = match (&browse.problem, browse.loading) {
            (Some(problem), _) => problem.as_str(),
            (None, true) => "…",
            (None, false) => "This model had no records.",
        };
        canvas.paragraph(2, 0, said, Role::Dim);
        return;
    }
    let at = browse.at_row;
    let top = scroll(at.top, at.at, browse.rows.len(), rows_of(canvas));
    table::draw(canvas, COLUMNS, browse.rows.len(), top, |row| {
        (RowLook { selected: row == at.at, marked: false }, cells(&browse.rows[row]))
    });
}

fn cells(row: &StoredRow) -> Vec<Cell> {
    let is_key = |name: &str| row.key.get(name).is_some();
    let fields: Vec<String> = row.fields.iter().filter(|(name, _)| !is_key(name)).map(|(_, value)| plain(value)).collect();
    vec![(plain(&row.key), Role::Text), (fields.join("  "), Role::Dim)]
}

fn record(browse: &Browse, canvas: &mut Canvas<'_>) {
    const COLUMNS: &[Column] = &[Column::text("FIELD", Room::Share(1, 16)), Column::text("VALUE", Room::Share(4, 30))];
    let Some(row) = browse.row() else { return };
    let at = browse.at_field;
    let top = scroll(at.top, at.at, row.fields.len(), rows_of(canvas));
    table::draw(canvas, COLUMNS, row.fields.len(), top, |field| {
        let (name, value) = &row.fields[field];
        let role = if value.is_null() { Role::Dim } else { Role::Text };
        (RowLook { selected: field == at.at, marked: false }, vec![(name.clone(), Role::Dim), (plain(value), role)])
    });
}
