//! The locations: where backups are kept, how full they are, what they lack.

use super::listing::{fact, fact_time, moment};
use crate::console::model::Model;
use crate::console::model::records::Location;
use crate::console::theme::Role;
use crate::console::widgets::canvas::{Canvas, Sign};
use crate::console::widgets::table::{Cell, Column, Room};
use crate::console::widgets::{format, gauge};

/// The list's columns.
pub const COLUMNS: &[Column] = &[
    Column::text("LOCATION", Room::Share(1, 12)),
    Column::text("PLACE", Room::Share(2, 14)),
    Column::text("STATE", Room::Fixed(14)),
    Column::number("HOLDS", 7),
    Column::number("FULL", 5),
    Column::number("VERIFIED", 8).spare(1),
];

/// A location's state: its sign, what it is, in a word.
#[must_use]
pub fn state(it: &Location) -> (Sign, Role, String) {
    if it.unreachable.is_some() {
        (Sign::Critical, Role::Critical, "unreachable".into())
    } else if it.backlog_objects > 0 {
        (Sign::Warning, Role::Warning, format!("{} behind", format::count(it.backlog_objects)))
    } else {
        (Sign::Good, Role::Good, "whole".into())
    }
}

/// How full it is.
#[must_use]
pub fn full(it: &Location) -> String {
    match (it.total, it.free) {
        (Some(total), Some(free)) => gauge::percent(total.saturating_sub(free), Some(total)),
        _ => "–".into(),
    }
}

/// The cells of a row.
pub fn cells(model: &Model, it: &Location) -> Vec<Cell> {
    let (sign, role, word) = state(it);
    vec![
        (it.name.clone(), Role::Text),
        (it.place.clone(), Role::Dim),
        (format!("{} {word}", sign.text(model.setup.caps.unicode)), role),
        (format::bytes(it.bytes), Role::Text),
        (full(it), Role::Text),
        moment(model, it.verified_at),
    ]
}

/// Draws a row's detail.
pub fn detail(model: &Model, it: &Location, canvas: &mut Canvas<'_>) {
    let (sign, role, word) = state(it);
    let sign = sign.text(canvas.unicode);
    canvas.line(0, 0, &[(role, &format!("{sign} {word}")), (Role::Strong, &format!("  {}", it.name))]);
    let mut y = fact(canvas, 2, "place", &it.place);
    y = fact(canvas, y, "problem", it.unreachable.as_deref().unwrap_or(""));
    y = fact(canvas, y, "holds", &format!("{} in {}", format::bytes(it.bytes), format::counted(it.objects, "object")));
    if it.backlog_objects > 0 {
        y = fact(canvas, y, "lacks", &format!("{} in {}", format::bytes(it.backlog_bytes), format::counted(it.backlog_objects, "object")));
    }
    if let (Some(total), Some(free)) = (it.total, it.free) {
        y = fact(canvas, y, "free", &format!("{} of {}", format::bytes(free), format::bytes(total)));
    }
    fact_time(model, canvas, y, "verified", it.verified_at);
}
