//! The audit trail: who did what, when and why.

use super::listing::{fact, fact_time, moment};
use crate::console::model::Model;
use crate::console::model::records::Activity;
use crate::console::theme::Role;
use crate::console::widgets::canvas::Canvas;
use crate::console::widgets::format;
use crate::console::widgets::table::{Cell, Column, Room};

/// The list's columns.
pub const COLUMNS: &[Column] = &[
    Column::number("WHEN", 8),
    Column::text("WHO", Room::Share(1, 8)),
    Column::text("WHAT", Room::Share(2, 15)),
    Column::text("ON", Room::Share(2, 12)),
    Column::text("WHY", Room::Share(4, 10)).spare(1),
    Column::text("OUTCOME", Room::Fixed(9)),
];

/// The cells of a row.
pub fn cells(model: &Model, it: &Activity) -> Vec<Cell> {
    vec![
        moment(model, it.time),
        (it.operator.clone(), Role::Text),
        (it.action.clone(), Role::Strong),
        (format::short(&it.target).to_owned(), Role::Text),
        (it.reason.clone(), Role::Dim),
        (it.outcome.clone(), Role::Dim),
    ]
}

/// Draws a row's detail.
pub fn detail(model: &Model, it: &Activity, canvas: &mut Canvas<'_>) {
    canvas.put(0, 0, &it.action, Role::Strong);
    let mut y = fact_time(model, canvas, 2, "when", it.time);
    y = fact(canvas, y, "who", &it.operator);
    y = fact(canvas, y, "on", &it.target);
    y = fact(canvas, y, "why", &it.reason);
    fact(canvas, y, "outcome", &it.outcome);
}
