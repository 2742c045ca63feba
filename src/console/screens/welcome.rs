//! The first screen on a machine that protects nothing yet.

use crate::console::theme::Role;
use crate::console::widgets::canvas::Canvas;

/// The three ways to begin, each with its commands.
const WAYS: [(&str, &[&str]); 3] = [
    ("Try it on a demonstration; nothing of yours is touched.", &["backstop demo"]),
    (
        "Protect a database of yours.",
        &["backstop vault init --location DIR", "backstop app add NAME --database sqlite:PATH", "backstop backup --app NAME --type full"],
    ),
    ("Open a vault that exists.", &["backstop vault init --existing --location DIR", "backstop app adopt"]),
];

/// Draws it.
pub fn draw(canvas: &mut Canvas<'_>) {
    canvas.put(2, 1, "Nothing is protected here yet.", Role::Strong);
    let mut y = 3;
    for (at, (what, commands)) in WAYS.iter().enumerate() {
        canvas.line(2, y, &[(Role::Key, &format!("{}  ", at + 1)), (Role::Text, what)]);
        y += 1;
        for command in *commands {
            canvas.put(7, y, command, Role::Dim);
            y += 1;
        }
        y += 1;
    }
}
