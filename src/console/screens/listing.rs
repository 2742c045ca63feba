//! Every list: its table, the line that tells the filter and the marks, and from 110 columns on the detail beside it.

use jiff::Timestamp;

use super::{cells, columns, detail};
use crate::console::model::Model;
use crate::console::model::detail::LogLine;
use crate::console::model::list::{List, scroll};
use crate::console::model::records::ListKind;
use crate::console::theme::Role;
use crate::console::widgets::canvas::{Canvas, Sign};
use crate::console::widgets::table::{self, Cell, RowLook};
use crate::console::widgets::{format, gauge};

/// Draws a list.
pub fn draw(model: &Model, kind: ListKind, canvas: &mut Canvas<'_>) {
    let list = model.list(kind);
    let (width, height) = (canvas.width(), canvas.height());
    let wide = model.is_wide();
    let left = if wide { width * 11 / 20 } else { width };
    status(list, &mut canvas.part(0, height.saturating_sub(1), left, 1));
    let mut body = canvas.part(0, 0, left, height.saturating_sub(1));
    if list.rows.is_empty() {
        let text = match (&list.problem, list.loading, list.filter.is_empty()) {
            (Some(problem), ..) => problem.as_str(),
            (None, true, _) => "…",
            (None, false, false) => "Nothing passes the filter. Esc clears it.",
            (None, false, true) => empty(kind),
        };
        body.paragraph(2, 1, text, Role::Dim);
        return;
    }
    let cursor = list.cursor();
    let visible = usize::from(body.height().saturating_sub(1));
    let top = scroll(cursor.top, cursor.at, list.rows.len(), visible);
    table::draw(&mut body, columns(kind), list.rows.len(), top, |at| {
        let row = &list.rows[at];
        (RowLook { selected: at == cursor.at, marked: list.marks.contains(row.id()) }, cells(model, row))
    });
    if wide && let Some(row) = list.selected() {
        detail(model, row, &mut canvas.part(left + 2, 0, width.saturating_sub(left + 3), height));
    }
}

fn empty(kind: ListKind) -> &'static str {
    match kind {
        ListKind::Configurations => "No configurations yet. c makes one.",
        ListKind::Jobs => "Nothing has run yet.",
        ListKind::Backups => "No backups yet. Run a configuration: 2, then b.",
        ListKind::Alerts => "No alerts. Nothing needs you.",
        ListKind::Policies => "No archive policies. `backstop archive add` makes one.",
        ListKind::Locations => "No locations. `backstop vault init` makes a vault.",
        ListKind::Activity => "Nothing was done yet.",
        ListKind::Restores => "Nothing was restored yet. 5 begins.",
    }
}

fn status(list: &List, canvas: &mut Canvas<'_>) {
    let mut pieces = Vec::new();
    if !list.filter.is_empty() {
        pieces.push((Role::Key, format!("filter: {}", list.filter)));
    }
    if !list.marks.is_empty() {
        let hidden = list.hidden_marks();
        let hidden = if hidden > 0 { format!(" ({hidden} not shown)") } else { String::new() };
        pieces.push((Role::Marked, format!("{} selected{hidden}", list.marks.len())));
    }
    if list.frozen {
        pieces.push((Role::Warning, "frozen".into()));
    }
    if list.order > 0 || list.turned {
        let order = list.kind.orders().get(list.order).copied().unwrap_or_default();
        pieces.push((Role::Dim, format!("by {order}{}", if list.turned { ", turned" } else { "" })));
    }
    let mut x = 3;
    for (role, text) in pieces {
        x = canvas.put(x, 0, &text, role) + 2;
    }
}

/// A state's sign and word as a cell.
#[must_use]
pub fn state(model: &Model, word: &str) -> Cell {
    let (sign, role) = gauge::state(word);
    (format!("{} {word}", sign.text(model.setup.caps.unicode)), role)
}

/// A moment as a cell: relative.
#[must_use]
pub fn moment(model: &Model, time: Option<Timestamp>) -> Cell {
    (time.map_or_else(|| "–".to_owned(), |time| format::relative(model.now, time)), Role::Dim)
}

/// Draws a row of `name value` in a detail; gives the next row.
pub fn fact(canvas: &mut Canvas<'_>, y: u16, name: &str, value: &str) -> u16 {
    if value.is_empty() {
        return y;
    }
    canvas.put_within(0, y, 12, name, Role::Dim);
    canvas.paragraph(13, y, value, Role::Text)
}

/// Draws a moment in a detail: absolute and relative.
pub fn fact_time(model: &Model, canvas: &mut Canvas<'_>, y: u16, name: &str, time: Option<Timestamp>) -> u16 {
    let Some(time) = time else { return y };
    let relative = format::relative(model.now, time);
    let ago = if relative == "now" || relative.starts_with("in ") { relative } else { format!("{relative} ago") };
    fact(canvas, y, name, &format!("{} ({ago})", format::absolute(time, model.utc)))
}

/// Draws a log's last lines into what is left of a detail.
pub fn log(model: &Model, canvas: &mut Canvas<'_>, y: u16, title: &str, lines: &[LogLine]) -> u16 {
    if lines.is_empty() || y + 2 >= canvas.height() {
        return y;
    }
    canvas.put(0, y, title, Role::Head);
    let room = usize::from(canvas.height() - y - 1);
    let mut at = y + 1;
    for line in &lines[lines.len().saturating_sub(room)..] {
        let time = line.time.map(|time| format::absolute(time, model.utc)).unwrap_or_default();
        let role = match line.level.as_str() {
            "error" => Role::Critical,
            "warning" => Role::Warning,
            _ => Role::Text,
        };
        let sign = if role == Role::Text { " " } else { Sign::Critical.text(canvas.unicode) };
        canvas.line(
            0,
            at,
            &[(Role::Dim, time.get(11..19).unwrap_or("")), (Role::Text, " "), (role, sign), (Role::Text, " "), (role, &line.text)],
        );
        at += 1;
    }
    at
}
