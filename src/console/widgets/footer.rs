//! The line at the foot: the keys that do something here, most used first, as many as fit; then the last message.

use super::canvas::{Canvas, Sign};
use super::text;
use crate::console::commands;
use crate::console::keymap::Found;
use crate::console::model::Model;
use crate::console::theme::Role;

/// Draws the footer into one line.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    let width = canvas.width();
    let mut end = width.saturating_sub(1);
    if let Some(toast) = &model.toast {
        let sign = if toast.bad { format!("{} ", Sign::Critical.text(canvas.unicode)) } else { String::new() };
        let said = format!("{sign}{}", toast.text);
        let room = (u16::try_from(text::width(&said)).unwrap_or(u16::MAX)).min(width.saturating_sub(2) / if toast.bad { 1 } else { 2 });
        let role = if toast.bad { Role::Critical } else { Role::Good };
        canvas.put_within(end.saturating_sub(room), 0, room, &said, role);
        end = end.saturating_sub(room + 2);
    }
    let mut x = 1;
    for (keys, hint) in hints(model) {
        let wide = u16::try_from(text::width(&keys) + text::width(&hint) + 3).unwrap_or(u16::MAX);
        if x + wide > end {
            return;
        }
        x = canvas.line(x, 0, &[(Role::Key, &keys), (Role::Text, " "), (Role::Dim, &hint)]) + 2;
    }
}

fn hints(model: &Model) -> Vec<(String, String)> {
    if !model.pending.is_empty()
        && let Found::Prefix(following) = model.setup.keymap.find(&model.scopes(), &model.pending)
    {
        return following.into_iter().map(|(keys, command)| (keys, command.title.to_lowercase())).collect();
    }
    let scopes = model.scopes();
    let hinted =
        |command: &&commands::Command| scopes.contains(&command.scope) && command.hint.is_some() && command.available(model).is_ok();
    let mut hints: Vec<(String, String)> = Vec::new();
    // Help and palette stand first so that a narrow line never loses them; the screen's own follow.
    for id in ["help", "palette"] {
        hints.extend(commands::named(id).and_then(|command| Some((model.setup.keymap.keys(command)?, command.hint?.to_owned()))));
    }
    let own = commands::all().filter(hinted).filter(|command| command.id != "help" && command.id != "palette");
    hints.extend(own.filter_map(|command| Some((model.setup.keymap.keys(command)?, command.hint?.to_owned()))));
    let mut seen = std::collections::BTreeSet::new();
    hints.retain(|(keys, _)| seen.insert(keys.clone()));
    hints
}
