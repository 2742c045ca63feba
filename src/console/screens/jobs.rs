//! The jobs: running ones with how far they are, then history; those of other processes look the same.

use super::listing::{fact, fact_time, log, moment, state};
use crate::console::model::Model;
use crate::console::model::detail::Detail;
use crate::console::model::records::Job;
use crate::console::theme::Role;
use crate::console::widgets::canvas::Canvas;
use crate::console::widgets::table::{Cell, Column, Room};
use crate::console::widgets::{format, gauge};

/// The list's columns.
pub const COLUMNS: &[Column] = &[
    Column::text("JOB", Room::Fixed(7)),
    Column::text("APPLICATION", Room::Share(2, 9)),
    Column::text("CONFIGURATION", Room::Share(2, 14)).spare(1),
    Column::text("STATE", Room::Fixed(14)),
    Column::number("RECORDS", 9).spare(2),
    Column::number("STARTED", 8),
];

/// The cells of a row.
pub fn cells(model: &Model, it: &Job) -> Vec<Cell> {
    let (mut text, role) = state(model, &it.status);
    if it.status == "running" {
        text = format!("{text} {}", gauge::percent(it.done_records, it.total_records));
    }
    vec![
        (it.kind.clone(), Role::Text),
        (it.app.clone(), Role::Text),
        (it.configuration.clone().unwrap_or_else(|| it.origin.clone()), Role::Dim),
        (text, role),
        (format::count(it.done_records), Role::Text),
        moment(model, it.started_at.or(it.created_at)),
    ]
}

/// Draws a row's detail.
pub fn detail(model: &Model, it: &Job, more: Option<&Detail>, canvas: &mut Canvas<'_>) {
    let (text, role) = state(model, &it.status);
    canvas.line(0, 0, &[(role, &text), (Role::Strong, &format!("  {} of {}", it.kind, it.app))]);
    let mut y = 2;
    if it.status == "running" {
        let width = canvas.width().saturating_sub(24).min(40);
        canvas.put_within(0, y, 12, &it.phase, Role::Dim);
        gauge::draw(canvas, 13, y, width, it.done_records, it.total_records);
        canvas.put(15 + width, y, &gauge::percent(it.done_records, it.total_records), Role::Text);
        y += 1;
    }
    if let Some(error) = &it.error {
        y = canvas.paragraph(0, y, error, Role::Critical);
        if let Some(hint) = &it.hint {
            y = canvas.paragraph(0, y, hint, Role::Text);
        }
        y += 1;
    }
    y = fact(canvas, y, "id", &it.id);
    y = fact(canvas, y, "config", it.configuration.as_deref().unwrap_or(""));
    y = fact(canvas, y, "origin", &it.origin);
    y = fact(canvas, y, "operator", &it.operator);
    y = fact(canvas, y, "reason", &it.reason);
    y = fact(canvas, y, "records", &format::count(it.done_records));
    y = fact(canvas, y, "read", &format::bytes(it.done_bytes));
    y = fact_time(model, canvas, y, "started", it.started_at);
    y = fact_time(model, canvas, y, "ended", it.finished_at);
    if let (Some(from), Some(to)) = (it.started_at, it.finished_at) {
        y = fact(canvas, y, "took", &format::duration(to.duration_since(from).as_secs_f64()));
    }
    y = fact(canvas, y, "backup", it.backup.as_deref().unwrap_or(""));
    y = fact(canvas, y, "restore", it.restore.as_deref().unwrap_or(""));
    if let Some(more) = more {
        log(model, canvas, y + 1, "LOG", &more.log);
    }
}
