//! A bar of how far something is, and the sign of a state.

use super::canvas::{Canvas, Sign};
use crate::console::theme::Role;

/// Draws a bar of `width` columns.
pub fn draw(canvas: &mut Canvas<'_>, x: u16, y: u16, width: u16, done: u64, total: Option<u64>) {
    let filled =
        total.filter(|total| *total > 0).map_or(0, |total| (u128::from(done.min(total)) * u128::from(width) / u128::from(total)) as u16);
    let full = Sign::Full.text(canvas.unicode).repeat(usize::from(filled));
    let empty = Sign::Empty.text(canvas.unicode).repeat(usize::from(width - filled.min(width)));
    canvas.line(x, y, &[(Role::Running, &full), (Role::Rule, &empty)]);
}

/// The share done, in words.
#[must_use]
pub fn percent(done: u64, total: Option<u64>) -> String {
    match total {
        Some(total) if total > 0 => format!("{} %", u128::from(done.min(total)) * 100 / u128::from(total)),
        _ => String::new(),
    }
}

/// The sign and the role of a word of state.
#[must_use]
pub fn state(word: &str) -> (Sign, Role) {
    match word {
        "completed" | "good" | "done" | "resolved" | "enabled" => (Sign::Good, Role::Good),
        "partial" | "warning" | "warned" | "medium" | "acknowledged" => (Sign::Warning, Role::Warning),
        "failed" | "critical" | "blocking" | "missed" | "high" => (Sign::Critical, Role::Critical),
        "running" | "queued" => (Sign::Running, Role::Running),
        "cancelled" => (Sign::Failed, Role::Dim),
        _ => (Sign::Idle, Role::Dim),
    }
}

/// The sign and the role of a day of the calendar: what the worst of its backups came to.
#[must_use]
pub fn day(word: &str) -> (Sign, Role) {
    match word {
        "done" => (Sign::Day, Role::Good),
        "warned" => (Sign::Warning, Role::Warning),
        "failed" => (Sign::Critical, Role::Critical),
        "missed" => (Sign::Failed, Role::Critical),
        _ => (Sign::Idle, Role::Dim),
    }
}
