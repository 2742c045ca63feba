//! The alerts: what needs a person, with what happened and what to do.

use super::listing::{fact, fact_time, log, moment};
use crate::console::model::Model;
use crate::console::model::detail::Detail;
use crate::console::model::records::Alert;
use crate::console::theme::Role;
use crate::console::widgets::canvas::Canvas;
use crate::console::widgets::gauge;
use crate::console::widgets::table::{Cell, Column, Room};

/// The list's columns.
pub const COLUMNS: &[Column] = &[
    Column::text("ALERT", Room::Fixed(18)),
    Column::text("ABOUT", Room::Share(1, 8)).spare(2),
    Column::text("MESSAGE", Room::Share(4, 16)),
    Column::number("SEEN", 4).spare(1),
    Column::number("SINCE", 8),
    Column::text("STATE", Room::Fixed(8)),
];

/// What an alert is about.
#[must_use]
pub fn about(it: &Alert) -> String {
    [it.app.as_deref(), it.configuration.as_deref()].into_iter().flatten().collect::<Vec<_>>().join("/")
}

/// An alert's state in a short word.
#[must_use]
pub fn state(it: &Alert) -> &str {
    if it.status == "acknowledged" { "acked" } else { &it.status }
}

/// An alert's kind in words.
#[must_use]
pub fn kind(it: &Alert) -> String {
    it.kind.replace(['_', '-'], " ")
}

/// The cells of a row.
pub fn cells(model: &Model, it: &Alert) -> Vec<Cell> {
    let (sign, role) = gauge::state(&it.severity);
    let seen = if it.count > 1 { format!("×{}", it.count) } else { String::new() };
    let role = if it.status == "resolved" { Role::Dim } else { role };
    vec![
        (format!("{} {}", sign.text(model.setup.caps.unicode), kind(it)), role),
        (it.app.clone().unwrap_or_else(|| "–".into()), Role::Text),
        (it.message.clone(), Role::Text),
        (seen, Role::Dim),
        moment(model, it.first_at),
        (state(it).to_owned(), Role::Dim),
    ]
}

/// Draws a row's detail.
pub fn detail(model: &Model, it: &Alert, more: Option<&Detail>, canvas: &mut Canvas<'_>) {
    let (sign, role) = gauge::state(&it.severity);
    let sign = sign.text(canvas.unicode);
    canvas.line(
        0,
        0,
        &[(role, &format!("{sign} {}", it.severity)), (Role::Strong, &format!("  {}  ", kind(it))), (Role::Text, &about(it))],
    );
    let mut y = canvas.paragraph(0, 2, &it.message, Role::Text) + 1;
    y = fact(canvas, y, "state", &it.status);
    y = fact(canvas, y, "seen", &if it.count == 1 { "once".into() } else { format!("{} times", it.count) });
    y = fact_time(model, canvas, y, "first", it.first_at);
    y = fact_time(model, canvas, y, "last", it.last_at);
    y = fact(canvas, y, "measured", it.measured.as_deref().unwrap_or(""));
    y = fact(canvas, y, "threshold", it.threshold.as_deref().unwrap_or(""));
    y = fact(canvas, y, "acked by", it.acknowledged_by.as_deref().unwrap_or(""));
    y = fact_time(model, canvas, y, "quiet until", it.snoozed_until.filter(|_| it.status == "snoozed"));
    y = fact(canvas, y, "notes", &it.notes);
    y = fact(canvas, y, "job", it.job.as_deref().unwrap_or(""));
    let Some(more) = more else { return };
    if !more.steps.is_empty() {
        canvas.put(0, y + 1, "WHAT TO DO", Role::Head);
        y += 2;
        for (at, step) in more.steps.iter().enumerate() {
            y = canvas.paragraph(0, y, &format!("{}. {step}", at + 1), Role::Text);
        }
    }
    log(model, canvas, y + 1, "WHAT HAPPENED", &more.log);
}
