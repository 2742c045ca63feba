//! The line at the foot: the keys that do something here, most used first, as many as fit; then the last message.

use super::canvas::{Canvas, Sign};
use super::text;
use crate::console::commands;
use crate::console::keymap::Found;
use crate::console::model::walk::Step;
use crate::console::model::{Model, Screen};
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
    let (own, always) = hints(model);
    // Help and palette stand last, and a narrow line never loses them: what is the screen's own gives way.
    let kept: u16 = always.iter().map(wide).sum();
    let mut x = 1;
    for (hints, end) in [(own, end.saturating_sub(kept)), (always, end)] {
        for hint in hints {
            if x + wide(&hint) > end + 2 {
                break;
            }
            x = canvas.line(x, 0, &[(Role::Key, &hint.0), (Role::Text, " "), (Role::Dim, &hint.1)]) + 2;
        }
    }
}

/// A key and what it does.
type Hint = (String, String);

fn wide((keys, hint): &Hint) -> u16 {
    u16::try_from(text::width(keys) + text::width(hint) + 3).unwrap_or(u16::MAX)
}

/// The hints of what is on the screen, and those that stand everywhere.
fn hints(model: &Model) -> (Vec<Hint>, Vec<Hint>) {
    if !model.pending.is_empty()
        && let Found::Prefix(following) = model.setup.keymap.find(&model.scopes(), &model.pending)
    {
        return (following.into_iter().map(|(keys, command)| (keys, command.title.to_lowercase())).collect(), Vec::new());
    }
    let scopes = model.scopes();
    let told = |command: &commands::Command| Some((model.setup.keymap.keys(command)?, command.hint?.to_owned()));
    let always = ["palette", "help"];
    let mut own: Vec<Hint> = commands::all()
        .filter(|command| scopes.contains(&command.scope) && !always.contains(&command.id) && command.available(model).is_ok())
        .filter_map(told)
        .collect();
    // What Enter does here stands first where it does something.
    if let Some(at) =
        commands::named("open").and_then(|open| model.setup.keymap.keys(open)).and_then(|key| own.iter().position(|it| it.0 == key))
    {
        let (key, _) = own.remove(at);
        if let Some(word) = opens(model) {
            own.insert(0, (key, word.to_owned()));
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    own.retain(|(keys, _)| seen.insert(keys.clone()));
    (own, always.into_iter().filter_map(|id| told(commands::named(id)?)).collect())
}

/// What Enter does here, in a word; nothing where it does nothing.
fn opens(model: &Model) -> Option<&'static str> {
    if model.stack.len() > 1 {
        return None;
    }
    if model.screen != Screen::Restore {
        return (model.row().is_some() || model.screen == Screen::Overview).then_some("open");
    }
    match model.walk.step {
        Step::What => model.row().map(|_| "take it"),
        Step::Scope => Some("strategy"),
        Step::Strategy => Some("compare"),
        Step::Preview => model.walk.plan.as_ref().map(|_| "records"),
        Step::Records => Some("fields"),
        Step::Confirm => Some("confirm"),
        Step::Record | Step::Progress | Step::Result => None,
    }
}
