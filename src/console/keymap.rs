//! The keys: the registry's own, changed by the operator's `keys.toml`.

use std::collections::BTreeMap;

use super::commands::{self, Command, Scope};
use super::terminal::input::Key;

/// Which keys run which command.
#[derive(Clone, Debug)]
pub struct Keymap {
    bindings: Vec<(Scope, Vec<Key>, &'static Command)>,
}

/// What a sequence of keys means.
pub enum Found {
    /// This command.
    Command(&'static Command),
    /// The beginning of several.
    Prefix(Vec<(String, &'static Command)>),
    /// Nothing.
    Nothing,
}

impl Default for Keymap {
    fn default() -> Self {
        let bindings = commands::all()
            .flat_map(|command| command.keys.iter().filter_map(move |keys| Some((command.scope, sequence(keys)?, command))))
            .collect();
        Self { bindings }
    }
}

impl Keymap {
    /// The registry's keys with the operator's: a table a scope, `"keys" = "command-id"`, or `"none"` to take keys away.
    /// What cannot be used is told and left out; the rest holds, because a console that does not start helps nobody.
    #[must_use]
    pub fn with(text: &str) -> (Self, Vec<String>) {
        let mut keymap = Self::default();
        let mut problems = Vec::new();
        let tables: BTreeMap<String, BTreeMap<String, String>> = match toml::from_str(text) {
            Ok(tables) => tables,
            Err(error) => return (keymap, vec![format!("keys.toml cannot be read: {}", error.message())]),
        };
        for (table, entries) in tables {
            let Some(scope) = Scope::named(&table) else {
                problems.push(format!("keys.toml: there is no part '{table}'"));
                continue;
            };
            for (keys, id) in entries {
                let Some(keys) = sequence(&keys) else {
                    problems.push(format!("keys.toml: '{keys}' in [{table}] is no key"));
                    continue;
                };
                if id == "none" {
                    keymap.bindings.retain(|(at, bound, _)| *at != scope || *bound != keys);
                } else if let Some(command) = commands::all().find(|command| command.id == id) {
                    keymap.bindings.retain(|(at, bound, _)| *at != scope || *bound != keys);
                    keymap.bindings.insert(0, (scope, keys, command));
                } else {
                    problems.push(format!("keys.toml: there is no command '{id}'"));
                }
            }
        }
        (keymap, problems)
    }

    /// What the keys mean in these scopes, the nearest first.
    #[must_use]
    pub fn find(&self, scopes: &[Scope], keys: &[Key]) -> Found {
        let mut following = Vec::new();
        for scope in scopes {
            for (at, bound, command) in &self.bindings {
                if at != scope || !bound.starts_with(keys) {
                    continue;
                }
                if bound.len() == keys.len() {
                    return Found::Command(command);
                }
                following.push((written(&bound[keys.len()..]), *command));
            }
        }
        if following.is_empty() { Found::Nothing } else { Found::Prefix(following) }
    }

    /// The first keys of a command, as written.
    #[must_use]
    pub fn keys(&self, command: &Command) -> Option<String> {
        self.bindings.iter().find(|(_, _, bound)| bound.id == command.id).map(|(_, keys, _)| written(keys))
    }
}

/// Reads keys separated by spaces.
fn sequence(text: &str) -> Option<Vec<Key>> {
    let keys: Option<Vec<Key>> = text.split(' ').map(Key::parse).collect();
    keys.filter(|keys| !keys.is_empty())
}

fn written(keys: &[Key]) -> String {
    keys.iter().map(Key::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_registry_can_be_read() {
        for command in commands::all() {
            for keys in command.keys {
                assert!(sequence(keys).is_some(), "{}: {keys}", command.id);
            }
        }
    }

    #[test]
    fn the_operators_keys_replace_take_away_and_make_chords() {
        let (keymap, problems) =
            Keymap::with("[everywhere]\n\"g g\" = \"quit\"\nq = \"none\"\nx = \"nonsense\"\n[nowhere]\na = \"quit\"\n");
        assert_eq!(problems.len(), 2);
        let find = |keys: &str| keymap.find(&[Scope::Everywhere], &sequence(keys).unwrap());
        assert!(matches!(find("g g"), Found::Command(command) if command.id == "quit"));
        assert!(matches!(find("q"), Found::Nothing));
    }
}
