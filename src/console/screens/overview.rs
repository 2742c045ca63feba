//! The overview: the verdict first, the evidence under it; read in five seconds.

use super::{alerts, storage};
use crate::console::model::Model;
use crate::console::model::detail::AppHealth;
use crate::console::theme::Role;
use crate::console::widgets::canvas::Canvas;
use crate::console::widgets::table::{self, Cell, Column, Room, RowLook};
use crate::console::widgets::{format, gauge};

const COLUMNS: &[Column] = &[
    Column::text("APPLICATION", Room::Share(3)),
    Column::number("LAST GOOD", 10),
    Column::number("PROVEN", 9),
    Column::number("IN", 8),
    Column::number("NEXT", 12),
    Column::text("30 DAYS", Room::Fixed(30)).from(100),
];

/// Draws it.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    let summary = &model.summary;
    if !model.known {
        canvas.put(2, 1, "…", Role::Dim);
        return;
    }
    let (sign, role) = gauge::state(&summary.state);
    let sign = sign.text(canvas.unicode);
    let mut y = canvas.paragraph(1, 0, &format!("{sign} {}", summary.verdict), role);
    if let Some(score) = summary.score {
        canvas.line(
            3,
            y,
            &[
                (Role::Strong, &format!("Health {score} of 100")),
                (Role::Dim, if summary.reasons.is_empty() { "" } else { ":  " }),
                (Role::Dim, &summary.reasons.join("   ")),
            ],
        );
        y += 1;
    }
    if let Some(notice) = &summary.notice {
        y = canvas.paragraph(3, y, notice, Role::Warning);
    }
    if let Some(plan) = model.left_behind() {
        canvas.line(
            3,
            y,
            &[
                (Role::Warning, "A preview was left behind: "),
                (Role::Text, &plan.app),
                (Role::Key, "  P"),
                (Role::Dim, " opens it as it was left, "),
                (Role::Key, "X"),
                (Role::Dim, " drops it"),
            ],
        );
        y += 1;
    }
    y = apps(model, canvas, y + 1) + 1;
    y = running(model, canvas, y);
    y = newest(model, canvas, y);
    places(model, canvas, y);
}

fn apps(model: &Model, canvas: &mut Canvas<'_>, y: u16) -> u16 {
    let apps = &model.summary.apps;
    let rows = u16::try_from(apps.len()).unwrap_or(u16::MAX).min(canvas.height().saturating_sub(y) / 2);
    let width = canvas.width();
    let mut part = canvas.part(0, y, width, rows + 1);
    let cursor = model.walk.cursor.at.min(apps.len().saturating_sub(1));
    let top = crate::console::model::list::scroll(0, cursor, apps.len(), usize::from(rows));
    table::draw(&mut part, COLUMNS, apps.len(), top, |at| (RowLook { selected: at == cursor, marked: false }, cells(model, &apps[at])));
    y + rows + 1
}

fn cells(model: &Model, it: &AppHealth) -> Vec<Cell> {
    let unicode = model.setup.caps.unicode;
    let (sign, role) = gauge::state(&it.state);
    let ago = |time: Option<_>| time.map(|time| format::relative(model.now, time));
    let next = match it.next_run {
        Some(at) if at < model.now => (format!("late {}", format::relative(model.now, at)), Role::Critical),
        at => (ago(at).unwrap_or_else(|| "–".into()), Role::Dim),
    };
    let calendar: String = it.calendar.iter().map(|day| if day.is_empty() { " " } else { gauge::state(day).0.text(unicode) }).collect();
    vec![
        (format!("{} {}", sign.text(unicode), it.app), role),
        (ago(it.last_good).unwrap_or_else(|| "never".into()), Role::Text),
        (ago(it.proven_at).unwrap_or_else(|| "never".into()), Role::Text),
        (it.proven_seconds.map_or_else(|| "–".into(), format::duration), Role::Dim),
        next,
        (calendar, Role::Dim),
    ]
}

fn running(model: &Model, canvas: &mut Canvas<'_>, mut y: u16) -> u16 {
    if model.summary.running.is_empty() {
        return y;
    }
    canvas.put(3, y, "RUNNING", Role::Head);
    for job in model.summary.running.iter().take(4) {
        y += 1;
        let name = format!("{} {}", job.app, job.kind);
        let sign = gauge::state("running").0.text(canvas.unicode);
        canvas.put(1, y, sign, Role::Running);
        canvas.put_within(3, y, 26, &name, Role::Text);
        let width = canvas.width().saturating_sub(58).min(40);
        gauge::draw(canvas, 30, y, width, job.done_records, job.total_records);
        canvas.line(
            32 + width,
            y,
            &[(Role::Text, &gauge::percent(job.done_records, job.total_records)), (Role::Dim, "  "), (Role::Dim, &job.phase)],
        );
    }
    y + 2
}

fn newest(model: &Model, canvas: &mut Canvas<'_>, mut y: u16) -> u16 {
    if model.summary.alerts.is_empty() {
        return y;
    }
    let right = canvas.width().saturating_sub(1);
    canvas.put(3, y, "ALERTS", Role::Head);
    canvas.put_right(right, y, 8, "SINCE", Role::Head);
    for alert in model.summary.alerts.iter().take(3) {
        y += 1;
        let (sign, role) = gauge::state(&alert.severity);
        let sign = sign.text(canvas.unicode);
        canvas.put(1, y, sign, role);
        canvas.put_within(3, y, 18, &alerts::kind(alert), role);
        canvas.put_within(22, y, 20, &alerts::about(alert), Role::Text);
        canvas.put_within(43, y, right.saturating_sub(53), &alert.message, Role::Text);
        let since = alert.first_at.map(|at| format::relative(model.now, at)).unwrap_or_default();
        canvas.put_right(right, y, 8, &since, Role::Dim);
    }
    y + 2
}

fn places(model: &Model, canvas: &mut Canvas<'_>, mut y: u16) {
    if model.summary.locations.is_empty() || y + 1 >= canvas.height() {
        return;
    }
    canvas.put(3, y, "LOCATIONS", Role::Head);
    for location in &model.summary.locations {
        y += 1;
        let (sign, role, word) = storage::state(location);
        let sign = sign.text(canvas.unicode);
        canvas.put(1, y, sign, role);
        canvas.put_within(3, y, 14, &location.name, Role::Text);
        canvas.put_within(18, y, 30, &location.place, Role::Dim);
        canvas.put_within(50, y, 14, &word, role);
        canvas.put_within(65, y, 10, &storage::full(location), Role::Text);
    }
}
