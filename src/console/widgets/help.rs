//! The help: this screen's commands with their keys, narrowed by typing; Enter runs one.

use super::palette::{Chooser, Item};
use crate::console::commands;
use crate::console::model::Model;

/// The help of the screen: its own commands first, those of everywhere last.
#[must_use]
pub fn open(model: &Model) -> Chooser {
    let items = model
        .scopes()
        .into_iter()
        .flat_map(|scope| commands::all().filter(move |command| command.scope == scope))
        .filter(|command| command.is_shown(model))
        .map(|command| Item::command(model, command))
        .collect();
    Chooser::new("Help: type to filter, Enter runs", items)
}
