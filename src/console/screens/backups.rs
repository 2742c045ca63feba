//! The backups: what there is to restore from, and where it lies.

use super::listing::{fact, fact_time, moment, state};
use crate::console::model::Model;
use crate::console::model::detail::{Detail, ScopeModel};
use crate::console::model::records::Backup;
use crate::console::theme::Role;
use crate::console::widgets::canvas::{Canvas, Sign};
use crate::console::widgets::format;
use crate::console::widgets::table::{Cell, Column, Room};

/// The list's columns.
pub const COLUMNS: &[Column] = &[
    Column::number("TAKEN", 8),
    Column::text("APPLICATION", Room::Share(2, 9)),
    Column::text("TYPE", Room::Fixed(13)),
    Column::text("STATE", Room::Fixed(11)),
    Column::number("RECORDS", 9).spare(1),
    Column::number("STORED", 7),
    Column::text("AT", Room::Fixed(5)),
];

/// The cells of a row.
pub fn cells(model: &Model, it: &Backup) -> Vec<Cell> {
    let unicode = model.setup.caps.unicode;
    let places: Vec<&str> = it.locations.iter().map(|(_, whole)| if *whole { Sign::Good } else { Sign::Failed }.text(unicode)).collect();
    let role = if it.locations.iter().all(|(_, whole)| *whole) { Role::Good } else { Role::Warning };
    let protected = if it.protected { format!("{} {}", it.kind, Sign::Protected.text(unicode)) } else { it.kind.clone() };
    vec![
        moment(model, it.taken_at),
        (it.app.clone(), Role::Text),
        (protected, Role::Dim),
        state(model, &it.status),
        (format::count(it.records), Role::Text),
        (format::bytes(it.bytes_stored), Role::Text),
        (places.join(" "), role),
    ]
}

/// Draws a row's detail.
pub fn detail(model: &Model, it: &Backup, more: Option<&Detail>, canvas: &mut Canvas<'_>) {
    let (text, role) = state(model, &it.status);
    canvas.line(0, 0, &[(role, &text), (Role::Strong, &format!("  {} backup of {}", it.kind, it.app))]);
    let mut y = fact(canvas, 2, "id", &it.id);
    y = fact_time(model, canvas, y, "taken", it.taken_at);
    y = fact(canvas, y, "config", it.configuration.as_deref().unwrap_or(""));
    y = fact(canvas, y, "origin", &it.origin);
    y = fact(canvas, y, "reason", &it.reason);
    y = fact(canvas, y, "holds", &format!("{}, {}", format::counted(it.records, "record"), format::counted(it.files, "file")));
    y = fact(canvas, y, "together", more.map_or("", |more| &more.together));
    for (at, line) in more.iter().flat_map(|more| more.scope.iter()).enumerate() {
        y = fact(canvas, y, if at == 0 { "scope" } else { "" }, line);
    }
    let size =
        format!("{} read, {} new, {} stored", format::bytes(it.bytes_read), format::bytes(it.bytes_new), format::bytes(it.bytes_stored));
    y = fact(canvas, y, "size", &size);
    y = fact(canvas, y, "took", &format::duration(it.duration_seconds));
    y = fact(canvas, y, "protected", if it.protected { "yes: retention leaves it" } else { "" });
    y = fact_time(model, canvas, y, "verified", it.verified_at);
    y = fact(canvas, y, "checksum", &it.checksum);
    y = fact(canvas, y, "builds on", it.parent.as_deref().unwrap_or(""));
    for (name, whole) in &it.locations {
        let (sign, role, word) = if *whole { (Sign::Good, Role::Good, "whole") } else { (Sign::Failed, Role::Warning, "behind") };
        canvas.put_within(0, y, 12, "at", Role::Dim);
        canvas.line(
            13,
            y,
            &[(role, sign.text(model.setup.caps.unicode)), (Role::Text, " "), (Role::Text, name), (Role::Dim, "  "), (Role::Dim, word)],
        );
        y += 1;
    }
    if let Some(more) = more.filter(|more| !more.models.is_empty()) {
        models(canvas, y + 1, &more.models);
    }
}

/// Draws a backup's models in as many columns as there is room for, and how many there was none for.
fn models(canvas: &mut Canvas<'_>, y: u16, models: &[ScopeModel]) {
    let columns = usize::from(canvas.width() / 38).max(1);
    let wide = canvas.width() / u16::try_from(columns).unwrap_or(1);
    let rows = usize::from(canvas.height().saturating_sub(y + 1)).min(models.len().div_ceil(columns));
    let hidden = models.len().saturating_sub(rows * columns);
    let title = if hidden > 0 { format!("MODELS  ({hidden} of {} have no room here)", models.len()) } else { "MODELS".to_owned() };
    canvas.put(0, y, &title, Role::Head);
    for (at, scope) in models.iter().take(rows * columns).enumerate() {
        let x = u16::try_from(at / rows.max(1)).unwrap_or(0) * wide;
        let line = y + 1 + u16::try_from(at % rows.max(1)).unwrap_or(0);
        canvas.put_within(x, line, wide.saturating_sub(13), &scope.model, Role::Text);
        canvas.put_right(x + wide - 2, line, 10, &format::count(scope.records), Role::Text);
    }
}
