//! The restore log: what was restored or taken back, by whom, why, and until when it can be taken back.

use super::listing::{fact, fact_time, log, moment, state};
use crate::console::model::Model;
use crate::console::model::detail::Detail;
use crate::console::model::records::Restore;
use crate::console::theme::Role;
use crate::console::widgets::canvas::Canvas;
use crate::console::widgets::format;
use crate::console::widgets::table::{Cell, Column, Room};

/// The list's columns.
pub const COLUMNS: &[Column] = &[
    Column::number("WHEN", 8),
    Column::text("APPLICATION", Room::Share(2, 11)),
    Column::text("MODE", Room::Fixed(8)).spare(1),
    Column::text("STATE", Room::Fixed(11)),
    Column::number("EFFECT", 14),
    Column::text("UNDO", Room::Fixed(10)),
    Column::text("WHY", Room::Share(3, 12)).spare(2),
];

/// Whether and until when it can be taken back.
fn undo(model: &Model, it: &Restore) -> Cell {
    match (&it.undone_by, it.undo_until) {
        (Some(_), _) => ("taken back".into(), Role::Dim),
        (None, Some(until)) if until > model.now => {
            (format!("{} left", format::relative(model.now, until).trim_start_matches("in ")), Role::Text)
        }
        _ => ("–".into(), Role::Dim),
    }
}

/// The cells of a row.
pub fn cells(model: &Model, it: &Restore) -> Vec<Cell> {
    vec![
        moment(model, it.started_at),
        (it.app.clone(), Role::Text),
        (it.mode.clone(), Role::Dim),
        state(model, &it.status),
        (format!("+{} ~{} -{}", it.created, it.updated, it.deleted), Role::Text),
        undo(model, it),
        (it.reason.clone(), Role::Dim),
    ]
}

/// Draws a row's detail.
pub fn detail(model: &Model, it: &Restore, more: Option<&Detail>, canvas: &mut Canvas<'_>) {
    let (text, role) = state(model, &it.status);
    canvas.line(0, 0, &[(role, &text), (Role::Strong, &format!("  {} of {}", it.mode, it.app))]);
    let mut y = 2;
    if let Some(error) = &it.error {
        y = canvas.paragraph(0, y, error, Role::Critical) + 1;
    }
    y = fact(canvas, y, "id", &it.id);
    y = fact_time(model, canvas, y, "began", it.started_at);
    y = fact(canvas, y, "took", &it.duration_seconds.map(format::duration).unwrap_or_default());
    y = fact(canvas, y, "who", &it.operator);
    y = fact(canvas, y, "why", &it.reason);
    let effect = format!("{} created, {} updated, {} deleted, {} left", it.created, it.updated, it.deleted, it.skipped);
    y = fact(canvas, y, "did", &effect);
    y = fact(canvas, y, "from backup", &it.backup);
    y = fact(canvas, y, "copied to", &it.target);
    y = fact(canvas, y, "takes back", it.undo_of.as_deref().unwrap_or(""));
    y = fact(canvas, y, "undone by", it.undone_by.as_deref().unwrap_or(""));
    y = fact(canvas, y, "safety", it.safety_backup.as_deref().unwrap_or(""));
    y = fact_time(model, canvas, y, "undo until", it.undo_until);
    if let Some(more) = more {
        log(model, canvas, y + 1, "MODELS", &more.log);
    }
}
