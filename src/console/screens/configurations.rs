//! The configurations: what is backed up, how and when.

use super::listing::{fact, fact_time, moment, state};
use crate::console::model::Model;
use crate::console::model::detail::Detail;
use crate::console::model::records::Configuration;
use crate::console::theme::Role;
use crate::console::widgets::canvas::Canvas;
use crate::console::widgets::format;
use crate::console::widgets::table::{Cell, Column, Room};

/// The list's columns.
pub const COLUMNS: &[Column] = &[
    Column::text("NAME", Room::Share(2, 15)),
    Column::text("APP", Room::Share(1, 8)),
    Column::text("TYPE", Room::Fixed(12)).spare(2),
    Column::text("LAST", Room::Fixed(11)),
    Column::number("NEXT", 10),
    Column::number("KEEP", 5).spare(1),
];

/// The cells of a row.
pub fn cells(model: &Model, it: &Configuration) -> Vec<Cell> {
    let role = if it.enabled { Role::Text } else { Role::Dim };
    let next = if it.enabled { moment(model, it.next_run_at) } else { ("off".into(), Role::Dim) };
    let last = it.last_status.as_deref().map_or_else(|| ("never".into(), Role::Dim), |status| state(model, status));
    vec![
        (it.name.clone(), role),
        (it.app.clone(), role),
        (it.kind.clone(), Role::Dim),
        last,
        next,
        (format!("{}d", it.retention_days), Role::Dim),
    ]
}

/// Draws a row's detail.
pub fn detail(model: &Model, it: &Configuration, more: Option<&Detail>, canvas: &mut Canvas<'_>) {
    canvas.put(0, 0, &it.name, Role::Strong);
    let mut y = fact(canvas, 2, "application", &it.app);
    y = fact(canvas, y, "type", &it.kind);
    y = fact(canvas, y, "state", if it.enabled { "enabled" } else { "disabled" });
    y = fact(canvas, y, "schedule", it.schedule.as_deref().unwrap_or("only when asked"));
    y = fact(canvas, y, "", more.map_or("", |more| &more.schedule));
    y = fact(canvas, y, "keeps", &format::counted(it.retention_days.into(), "day"));
    // Nothing is said before it is known.
    let covers = more.map(|more| if more.scope.is_empty() { "everything".to_owned() } else { more.scope.join("; ") });
    y = fact(canvas, y, "covers", &covers.unwrap_or_default());
    y = fact(canvas, y, "description", &it.description);
    y = fact_time(model, canvas, y, "last run", it.last_run_at);
    y = fact_time(model, canvas, y, "next run", it.next_run_at);
    if let Some(more) = more.filter(|more| !more.next_runs.is_empty()) {
        canvas.put(0, y + 1, "COMING RUNS", Role::Head);
        for (line, time) in more.next_runs.iter().take(5).enumerate() {
            canvas.put(0, y + 2 + line as u16, &format::absolute(*time, model.utc), Role::Text);
        }
    }
}
