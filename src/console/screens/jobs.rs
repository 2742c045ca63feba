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

/// How fast a job goes, and how long it still takes.
#[must_use]
pub fn pace(it: &Job) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let whole = |number: f64| number.max(0.0) as u64;
    let records = it.records_per_second.map(|pace| format!("{} records/s", format::count(whole(pace))));
    let bytes = it.bytes_per_second.filter(|pace| *pace >= 1.0).map(|pace| format!("{}/s", format::bytes(whole(pace))));
    let left = it.seconds_left.map(|seconds| format!("{} left", format::duration(seconds)));
    [records, bytes, left].into_iter().flatten().collect::<Vec<_>>().join("   ")
}

/// Draws a row's detail.
pub fn detail(model: &Model, it: &Job, more: Option<&Detail>, canvas: &mut Canvas<'_>) {
    let (text, role) = state(model, &it.status);
    canvas.line(0, 0, &[(role, &text), (Role::Strong, &format!("  {} of {}", it.kind, it.app))]);
    let mut y = 2;
    if it.status == "running" {
        let width = canvas.width().saturating_sub(24).min(40);
        canvas.put_within(0, y, 12, &it.phase, Role::Dim);
        if it.total_records.is_some() {
            gauge::draw(canvas, 13, y, width, it.done_records, it.total_records);
            canvas.put(15 + width, y, &gauge::percent(it.done_records, it.total_records), Role::Text);
        }
        y = fact(canvas, y + 1, "pace", &pace(it));
    }
    if it.stopping {
        canvas.put(0, y, "It was asked to stop; it does so at its next safe point.", Role::Warning);
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
    y = fact(canvas, y, "runs in", &it.elsewhere.map(|pid| format!("process {pid}")).unwrap_or_default());
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
        log(model, canvas, y + 1, &format!("LOG from {} on (L)", model.log_level()), &more.log);
    }
}
