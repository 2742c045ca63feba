//! The archive policies: which old records leave the application for the vault.

use super::listing::{fact, fact_time, moment};
use crate::console::model::Model;
use crate::console::model::records::Policy;
use crate::console::theme::Role;
use crate::console::widgets::canvas::Canvas;
use crate::console::widgets::format;
use crate::console::widgets::table::{Cell, Column, Room};

/// The list's columns.
pub const COLUMNS: &[Column] = &[
    Column::text("POLICY", Room::Share(2, 12)),
    Column::text("APP", Room::Share(1, 8)),
    Column::text("MODEL", Room::Share(2, 12)),
    Column::number("AFTER", 6),
    Column::number("DUE", 9),
    Column::number("ARCHIVED", 11).spare(1),
    Column::number("LAST", 8).spare(2),
];

/// The cells of a row.
pub fn cells(model: &Model, it: &Policy) -> Vec<Cell> {
    let role = if it.enabled { Role::Text } else { Role::Dim };
    vec![
        (it.name.clone(), role),
        (it.app.clone(), role),
        (it.model.clone(), role),
        (format!("{}d", it.after_days), Role::Dim),
        (it.due.map_or_else(|| "–".to_owned(), format::count), Role::Text),
        (format::count(it.archived), Role::Text),
        moment(model, it.last_run_at),
    ]
}

/// Draws a row's detail.
pub fn detail(model: &Model, it: &Policy, canvas: &mut Canvas<'_>) {
    canvas.put(0, 0, &it.name, Role::Strong);
    let mut y = fact(canvas, 2, "application", &it.app);
    y = fact(canvas, y, "model", &it.model);
    y = fact(canvas, y, "archives", &format!("after {}", format::counted(it.after_days.into(), "day")));
    y = fact(canvas, y, "state", if it.enabled { "enabled" } else { "disabled" });
    y = fact(canvas, y, "due", &it.due.map(format::count).unwrap_or_default());
    y = fact(canvas, y, "archived", &format::count(it.archived));
    fact_time(model, canvas, y, "last run", it.last_run_at);
}
