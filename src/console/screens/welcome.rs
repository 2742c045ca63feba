//! The first screen on a machine that protects nothing yet.

use crate::console::model::Model;
use crate::console::theme::Role;
use crate::console::widgets::canvas::Canvas;

/// The commands that protect a database, in their order.
const PROTECT: [&str; 3] = [
    "backstop vault init --location DIR --location ANOTHER_DIR",
    "backstop app add NAME --database sqlite:PATH",
    "backstop backup --app NAME --type full",
];

/// The command that opens a vault which stands already.
const OPEN: &str = "backstop vault init --existing --location DIR";

/// The commands that are still to be given before a database is protected.
#[must_use]
pub fn commands(model: &Model) -> &'static [&'static str] {
    if model.summary.has_vault { &PROTECT[1..] } else { &PROTECT }
}

/// Draws it.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    let said =
        if model.summary.has_vault { "There is a vault, and nothing is protected in it yet." } else { "Nothing is protected here yet." };
    canvas.put(2, 1, said, Role::Strong);
    let mut y = 3;
    if !model.setup.read_only {
        canvas.line(2, y, &[(Role::Key, "d"), (Role::Text, "  Try it on a demonstration: a month of backups, and a mishap to undo.")]);
        canvas.put(5, y + 1, "Nothing of yours is touched. The same from the shell: backstop demo", Role::Dim);
        y += 3;
    }
    canvas.line(2, y, &[(Role::Key, "y"), (Role::Text, "  Protect a database of yours. y copies these commands, q quits:")]);
    for command in commands(model) {
        y += 1;
        canvas.put(7, y, command, Role::Dim);
    }
    y += 1;
    canvas.put(5, y, "A PostgreSQL database is named so: --database postgresql://USER@HOST/NAME", Role::Dim);
    if !model.summary.has_vault {
        canvas.put(5, y + 2, "Open a vault that exists, with its passphrase or its recovery key:", Role::Text);
        canvas.put(7, y + 3, OPEN, Role::Dim);
    }
}
