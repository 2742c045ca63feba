//! The overview: the verdict first, the evidence under it, the next step at the foot; read in five seconds.

use jiff::SignedDuration;

use super::{alerts, jobs, storage};
use crate::console::model::Model;
use crate::console::model::detail::AppHealth;
use crate::console::model::list::scroll;
use crate::console::theme::Role;
use crate::console::widgets::canvas::{Canvas, Sign};
use crate::console::widgets::table::{self, Cell, Column, Room, RowLook};
use crate::console::widgets::{format, gauge};

const COLUMNS: &[Column] = &[
    Column::text("APPLICATION", Room::Share(1, 14)),
    Column::number("LAST GOOD", 12),
    Column::number("POINT AGE", 9),
    Column::number("PROVEN", 11),
    Column::number("IN", 6).spare(1),
    Column::number("NEXT", 12),
];

/// The rows that the calendar and the locations take at the foot, at most.
const FOOT: u16 = 8;

/// Draws it.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    if !model.known {
        canvas.put(1, 0, "reading the catalog…", Role::Dim);
        return;
    }
    let mut y = verdict(model, canvas) + 1;
    y = apps(model, canvas, y) + 1;
    y = running(model, canvas, y);
    let rows = model.summary.locations.len().max(model.summary.apps.len());
    let foot = (u16::try_from(rows).unwrap_or(FOOT) + 1).min(FOOT);
    y = newest(model, canvas, y, foot);
    let (width, height) = (canvas.width(), canvas.height());
    let mut part = canvas.part(0, y, width, height.saturating_sub(y));
    let split = if width >= 110 { width / 2 + 4 } else { 36 };
    places(model, &mut part.part(0, 0, split, height));
    calendar(model, &mut part.part(split, 0, width - split, height));
}

/// The sentence, what the score is made of, and what waits; gives the row after it.
fn verdict(model: &Model, canvas: &mut Canvas<'_>) -> u16 {
    let summary = &model.summary;
    let (sign, role) = gauge::state(&summary.state);
    let mut y = canvas.paragraph(1, 0, &format!("{} {}", sign.text(canvas.unicode), summary.verdict), role);
    if let Some(score) = summary.score {
        let reasons = if summary.reasons.is_empty() { String::new() } else { format!(":  {}", summary.reasons.join("   ")) };
        y = canvas.paragraph(3, y, &format!("Health {score} of 100{reasons}"), Role::Text);
    }
    if let Some(notice) = &summary.notice {
        y = canvas.paragraph(3, y, notice, Role::Warning);
    }
    if let Some(plan) = model.left_behind() {
        canvas.line(
            1,
            y,
            &[
                (Role::Warning, Sign::Warning.text(canvas.unicode)),
                (Role::Text, " A preview was left behind: "),
                (Role::Strong, &plan.app),
                (Role::Key, "   P"),
                (Role::Dim, " opens it as it was left   "),
                (Role::Key, "X"),
                (Role::Dim, " drops it"),
            ],
        );
        y += 1;
    }
    y
}

fn apps(model: &Model, canvas: &mut Canvas<'_>, y: u16) -> u16 {
    let apps = &model.summary.apps;
    let rows = u16::try_from(apps.len()).unwrap_or(u16::MAX).min(canvas.height().saturating_sub(y) / 3);
    let proven = apps.iter().any(|app| app.proven_seconds.is_some());
    let columns: Vec<Column> = COLUMNS.iter().filter(|column| proven || column.title != "IN").copied().collect();
    // Farther apart the eye loses the line between a name and its figures.
    let width = canvas.width().min(96);
    let cursor = model.at_app.at.min(apps.len().saturating_sub(1));
    let top = scroll(model.at_app.top, cursor, apps.len(), usize::from(rows));
    table::draw(&mut canvas.part(0, y, width, rows + 1), &columns, apps.len(), top, |at| {
        let mut cells = cells(model, &apps[at]);
        if !proven {
            cells.remove(4);
        }
        (RowLook { selected: at == cursor, marked: false }, cells)
    });
    let hidden = apps.len().saturating_sub(usize::from(rows));
    if hidden > 0 {
        canvas.put(3, y + rows + 1, &format!("{hidden} more: j and k move through them"), Role::Dim);
        return y + rows + 2;
    }
    y + rows + 1
}

fn cells(model: &Model, it: &AppHealth) -> Vec<Cell> {
    let (sign, role) = gauge::state(&it.state);
    let never = || "never".to_owned();
    let next = match it.next_run {
        // A run is begun by whoever keeps the schedule; a minute is no delay.
        Some(at) if model.now.duration_since(at) > SignedDuration::from_mins(1) => {
            (format!("late {}", format::relative(model.now, at)), Role::Critical)
        }
        Some(at) => (format::relative(model.now, at), Role::Text),
        None => ("–".into(), Role::Dim),
    };
    vec![
        (format!("{} {}", sign.text(model.setup.caps.unicode), it.app), role),
        (it.last_good.map_or_else(never, |at| format::day_time(at, model.utc)), Role::Dim),
        (it.last_good.map_or_else(never, |at| format::relative(model.now, at)), if it.state == "good" { Role::Text } else { role }),
        (it.proven_at.map_or_else(never, |at| format::ago(model.now, at)), Role::Text),
        (it.proven_seconds.map_or_else(|| "–".into(), format::duration), Role::Dim),
        next,
    ]
}

fn running(model: &Model, canvas: &mut Canvas<'_>, mut y: u16) -> u16 {
    if model.summary.running.is_empty() {
        return y;
    }
    canvas.put(3, y, "RUNNING", Role::Head);
    let end = canvas.width().saturating_sub(1);
    for job in model.summary.running.iter().take(4) {
        y += 1;
        let sign = gauge::state("running").0.text(canvas.unicode);
        canvas.put(1, y, sign, Role::Running);
        canvas.put_within(3, y, 26, &format!("{} {}", job.app, job.kind), Role::Text);
        if job.total_records.is_some() {
            let width = canvas.width().saturating_sub(60).min(40);
            gauge::draw(canvas, 30, y, width, job.done_records, job.total_records);
            canvas.put_right(37 + width, y, 6, &gauge::percent(job.done_records, job.total_records), Role::Text);
            let pace = jobs::pace(job);
            let told = if pace.is_empty() { &job.phase } else { &pace };
            canvas.put_within(39 + width, y, end.saturating_sub(39 + width), told, Role::Dim);
        } else {
            // How much there will be is not known: a bar would be made up.
            let told = format!("{}   {}   {}", format::counted(job.done_records, "record"), job.phase, jobs::pace(job));
            canvas.put_within(30, y, end.saturating_sub(30), &told, Role::Dim);
        }
    }
    y + 2
}

fn newest(model: &Model, canvas: &mut Canvas<'_>, mut y: u16, foot: u16) -> u16 {
    let alerts = &model.summary.alerts;
    let room = usize::from(canvas.height().saturating_sub(y + foot + 2)).clamp(1, 8);
    if alerts.is_empty() {
        return y;
    }
    let right = canvas.width().saturating_sub(1);
    canvas.put(3, y, "ALERTS", Role::Head);
    canvas.put_right(right.saturating_sub(9), y, 8, "SINCE", Role::Head);
    canvas.put(right.saturating_sub(7), y, "STATE", Role::Head);
    for alert in alerts.iter().take(room) {
        y += 1;
        let (sign, role) = gauge::state(&alert.severity);
        let sign = sign.text(canvas.unicode);
        canvas.put(1, y, sign, role);
        canvas.put_within(3, y, 16, &alerts::kind(alert), role);
        let (about, x) = if right > 108 { (alerts::about(alert), 46) } else { (alert.app.clone().unwrap_or_default(), 33) };
        canvas.put_within(20, y, x - 21, &about, Role::Text);
        let count = if alert.count > 1 { format!("×{} ", alert.count) } else { String::new() };
        canvas.put_within(x, y, right.saturating_sub(x + 18), &format!("{count}{}", alert.message), Role::Text);
        let since = alert.first_at.map(|at| format::relative(model.now, at)).unwrap_or_default();
        canvas.put_right(right.saturating_sub(9), y, 8, &since, Role::Dim);
        canvas.put_within(right.saturating_sub(7), y, 7, alerts::state(alert), Role::Dim);
    }
    if alerts.len() > room {
        canvas.put_right(right, y + 1, 30, &format!("{} more under 6", alerts.len() - room), Role::Dim);
    }
    y + 2
}

fn places(model: &Model, canvas: &mut Canvas<'_>) {
    if model.summary.locations.is_empty() {
        return;
    }
    canvas.put(3, 0, "LOCATIONS", Role::Head);
    let end = canvas.width().saturating_sub(2);
    let wide = canvas.width() > 50;
    for (y, location) in (1..).zip(&model.summary.locations) {
        let (sign, role, word) = storage::state(location);
        let sign = sign.text(canvas.unicode);
        canvas.put(1, y, sign, role);
        canvas.put_within(3, y, 12, &location.name, Role::Text);
        let x = canvas.put_within(16, y, 14, &word, role) + 2;
        if wide {
            canvas.put_within(x, y, end.saturating_sub(x + 7), &location.place, Role::Dim);
        }
        canvas.put_right(end, y, 6, &storage::full(location), Role::Text);
    }
}

/// A day a sign, the newest last: the worst that the backups of that day came to.
fn calendar(model: &Model, canvas: &mut Canvas<'_>) {
    let apps = &model.summary.apps;
    let days = apps.iter().map(|app| app.calendar.len()).max().unwrap_or(0);
    let name = canvas.width().saturating_sub(32).min(20);
    if days == 0 || usize::from(canvas.width()) < days + usize::from(name) {
        return;
    }
    let first = model.now.checked_sub(SignedDuration::from_hours(24 * (days as i64 - 1))).unwrap_or(model.now);
    let (from, to) = (format::day(first, true), format::day(model.now, true));
    let rule = Sign::Rule.text(canvas.unicode).repeat(days.saturating_sub(from.len() + to.len() + 2));
    canvas.line(name, 0, &[(Role::Head, &from), (Role::Rule, " "), (Role::Rule, &rule), (Role::Rule, " "), (Role::Head, &to)]);
    for (y, app) in (1..).zip(apps) {
        canvas.put_within(0, y, name.saturating_sub(1), &app.app, Role::Text);
        let mut x = name + u16::try_from(days - app.calendar.len()).unwrap_or(0);
        for day in &app.calendar {
            let (sign, role) = gauge::day(day);
            let sign = sign.text(canvas.unicode);
            x = canvas.put(x, y, sign, role);
        }
    }
}
