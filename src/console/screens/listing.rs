//! Every list: its table, the line that tells the filter and the marks, and from 110 columns on the detail beside it.

use jiff::Timestamp;

use super::{cells, columns, detail};
use crate::console::model::Model;
use crate::console::model::detail::LogLine;
use crate::console::model::list::{List, scroll};
use crate::console::model::records::{ListKind, Record};
use crate::console::theme::Role;
use crate::console::widgets::canvas::{Canvas, Sign};
use crate::console::widgets::table::{self, Cell, RowLook};
use crate::console::widgets::{format, gauge, text};

/// Draws a list.
pub fn draw(model: &Model, kind: ListKind, canvas: &mut Canvas<'_>) {
    let list = model.list(kind);
    let (width, height) = (canvas.width(), canvas.height());
    let wide = model.is_wide();
    let left = if wide { width * 11 / 20 } else { width };
    status(list, &mut canvas.part(0, height.saturating_sub(1), left, 1));
    let under = if wide { 0 } else { foot(list, &mut canvas.part(0, 0, width, height.saturating_sub(1))) };
    let mut body = canvas.part(0, 0, left, height.saturating_sub(1 + under));
    if list.rows.is_empty() {
        nothing(list, &mut body);
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

/// Without a detail beside the list: what the selected row's columns cut short, in full at the foot; gives the rows it took.
fn foot(list: &List, canvas: &mut Canvas<'_>) -> u16 {
    const ROWS: usize = 2;
    let said = match list.selected() {
        Some(Record::Alert(it)) => it.message.as_str(),
        Some(Record::Job(it)) => it.error.as_deref().unwrap_or(""),
        Some(Record::Activity(it)) => it.reason.as_str(),
        _ => return 0,
    };
    // The rows stay reserved while the selection moves: a list that jumps cannot be read.
    let y = canvas.height().saturating_sub(u16::try_from(ROWS).unwrap_or(0));
    let width = usize::from(canvas.width().saturating_sub(4));
    for (row, line) in text::wrap(&text::sanitise(said), width).iter().take(ROWS).enumerate() {
        canvas.put(3, y + u16::try_from(row).unwrap_or(0), line, Role::Dim);
    }
    u16::try_from(ROWS).unwrap_or(0) + 1
}

/// Draws what stands where rows will stand.
fn nothing(list: &List, canvas: &mut Canvas<'_>) {
    if let Some(problem) = &list.problem {
        let sign = Sign::Critical.text(canvas.unicode);
        canvas.paragraph(2, 1, &format!("{sign} {problem}"), Role::Critical);
    } else if list.loading {
        canvas.put(2, 1, "reading…", Role::Dim);
    } else if !list.filter.is_empty() {
        canvas.put(2, 1, "Nothing passes the filter.", Role::Strong);
        canvas.put(2, 3, "Esc clears it; / changes it.", Role::Dim);
    } else {
        let (none, what, how) = empty(list.kind);
        canvas.put(2, 1, none, Role::Strong);
        let y = canvas.paragraph(2, 3, what, Role::Text);
        canvas.paragraph(2, y + 1, how, Role::Dim);
    }
}

/// Of an empty list: that it is, what will stand there, and how to get it.
fn empty(kind: ListKind) -> (&'static str, &'static str, &'static str) {
    match kind {
        ListKind::Configurations => (
            "No configurations yet.",
            "A configuration says what of an application is backed up, how, when, and how long it is kept.",
            "c makes one.",
        ),
        ListKind::Jobs => (
            "Nothing has run yet.",
            "Every backup, restore and verification stands here, with its log and its outcome.",
            "1, then b, backs up.",
        ),
        ListKind::Backups => (
            "No backups yet.",
            "Every backup stands here, with what it holds and where it lies; each restores by itself.",
            "Run a configuration: 2, then b.",
        ),
        ListKind::Alerts => {
            ("No alerts. Nothing needs you.", "What needs a person stands here: a failed backup, a location that is behind.", "")
        }
        ListKind::Policies => (
            "No archive policies.",
            "A policy says which old records leave an application for the vault, where they can still be found.",
            "This version does not archive yet.",
        ),
        ListKind::Locations => (
            "No locations.",
            "Every place that holds a copy of the vault stands here, with what it lacks and how full it is.",
            "backstop vault init --location DIR",
        ),
        ListKind::Activity => ("Nothing was done yet.", "Who did what, when and why stands here; nothing is ever taken out of it.", ""),
        ListKind::Restores => (
            "Nothing was restored yet.",
            "Every restore stands here, with who did it, why, and until when it can be taken back.",
            "5 begins one.",
        ),
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
    fact(canvas, y, name, &format!("{} ({})", format::absolute(time, model.utc), format::ago(model.now, time)))
}

/// Draws a log's last lines into what is left of a detail; long ones go on under themselves.
pub fn log(model: &Model, canvas: &mut Canvas<'_>, y: u16, title: &str, lines: &[LogLine]) -> u16 {
    if lines.is_empty() || y + 2 >= canvas.height() {
        return y;
    }
    canvas.put(0, y, title, Role::Head);
    let room = usize::from(canvas.height() - y - 1);
    let wide = usize::from(canvas.width().saturating_sub(12));
    // From the end: the newest lines are the ones that matter when there is no room for all.
    let mut shown: Vec<(usize, String)> = Vec::new();
    for (at, line) in lines.iter().enumerate().rev() {
        let pieces = text::wrap(&text::sanitise(&line.text), wide);
        if shown.len() + pieces.len() > room {
            break;
        }
        shown.extend(pieces.into_iter().rev().map(|piece| (at, piece)));
    }
    let (mut at, mut before) = (y + 1, None);
    for (of, piece) in shown.into_iter().rev() {
        let line = &lines[of];
        let role = match line.level.as_str() {
            "error" => Role::Critical,
            "warning" => Role::Warning,
            _ => Role::Text,
        };
        if before != Some(of) {
            let time = line.time.map(|time| format::absolute(time, model.utc)).unwrap_or_default();
            let sign = match role {
                Role::Critical => Sign::Critical.text(canvas.unicode),
                Role::Warning => Sign::Warning.text(canvas.unicode),
                _ => " ",
            };
            canvas.line(0, at, &[(Role::Dim, time.get(11..19).unwrap_or("")), (Role::Text, " "), (role, sign)]);
        }
        canvas.put(11, at, &piece, role);
        before = Some(of);
        at += 1;
    }
    at
}
