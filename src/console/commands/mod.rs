//! The one registry of commands: dispatch, footer, help, palette, read-only mode and the documentation are all built from it.

mod everywhere;
mod registry;

use super::effect::Effect;
use super::model::Model;
use everywhere::EVERYWHERE;
use registry::REGISTRY;

/// Why a command cannot run now.
pub type Reason = String;

macro_rules! scopes {
    ($($scope:ident = $name:literal),+ $(,)?) => {
        /// Where a command's keys apply.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the names say it")]
        pub enum Scope { $($scope),+ }

        impl Scope {
            /// The scope of this name in `keys.toml`.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$scope),)+ _ => None }
            }

            /// Its name in `keys.toml` and in the help.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$scope => $name),+ }
            }
        }
    };
}

scopes! {
    Everywhere = "everywhere", List = "list", Overview = "overview", Configurations = "configurations", Jobs = "jobs", Backups = "backups",
    Restore = "restore", Models = "restore-models", Preview = "restore-preview", Records = "restore-records", Result = "restore-result",
    Alerts = "alerts", Archive = "archive", Storage = "storage", Activity = "activity", Restores = "restores", Browse = "browse", Welcome = "welcome",
}

/// How much a command can harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Danger {
    /// Not at all.
    None,
    /// It asks before.
    Confirm,
    /// It asks to type a name before.
    Typed,
}

/// One command.
#[derive(Debug)]
pub struct Command {
    /// Its name, for keys.toml and tests.
    pub id: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// What it does, in a sentence.
    pub doc: &'static str,
    /// Where its keys apply.
    pub scope: Scope,
    /// Its keys.
    pub keys: &'static [&'static str],
    /// Whether it changes anything outside the console.
    pub mutates: bool,
    /// How much it can harm.
    pub danger: Danger,
    /// The footer's word for it, where the footer shows it.
    pub hint: Option<&'static str>,
    /// Whether it can run now.
    pub enabled: fn(&Model) -> Result<(), Reason>,
    /// Runs it.
    pub run: fn(&mut Model) -> Vec<Effect>,
}

impl Command {
    const fn new(
        id: &'static str,
        title: &'static str,
        doc: &'static str,
        scope: Scope,
        keys: &'static [&'static str],
        run: fn(&mut Model) -> Vec<Effect>,
    ) -> Self {
        Self { id, title, doc, scope, keys, mutates: false, danger: Danger::None, hint: None, enabled: |_| Ok(()), run }
    }

    const fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    const fn when(mut self, enabled: fn(&Model) -> Result<(), Reason>) -> Self {
        self.enabled = enabled;
        self
    }

    const fn mutates(mut self, danger: Danger) -> Self {
        self.mutates = true;
        self.danger = danger;
        self
    }

    /// Whether it is listed at all: a read-only console hides every change.
    #[must_use]
    pub fn is_shown(&self, model: &Model) -> bool {
        !(self.mutates && model.setup.read_only)
    }

    /// Whether it can run now, read-only mode included.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    pub fn available(&self, model: &Model) -> Result<(), Reason> {
        if self.mutates && model.setup.read_only {
            return Err("this console is read-only".into());
        }
        (self.enabled)(model)
    }
}

/// Every command there is.
pub fn all() -> impl Iterator<Item = &'static Command> {
    REGISTRY.iter().chain(EVERYWHERE)
}

/// The command of this id.
#[must_use]
pub fn named(id: &str) -> Option<&'static Command> {
    all().find(|command| command.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_command_explains_itself_once() {
        let mut ids = BTreeSet::new();
        for command in all() {
            assert!(command.doc.ends_with('.'), "{}", command.id);
            assert!(ids.insert(command.id), "{} stands twice", command.id);
            assert!(command.mutates || command.danger == Danger::None, "{} is dangerous and changes nothing", command.id);
        }
    }

    #[test]
    fn a_key_means_one_thing_in_a_scope() {
        let mut keys = BTreeSet::new();
        for command in all() {
            for key in command.keys {
                assert!(keys.insert((command.scope, *key)), "{key} in {} twice", command.scope.name());
            }
        }
    }

    #[test]
    fn no_dangerous_command_lies_where_a_torn_escape_sequence_or_a_movement_can_hit_it() {
        for command in all().filter(|command| command.danger != Danger::None) {
            for key in command.keys {
                assert!(!["[", "O", "A", "B", "C", "D", "~", "h", "j", "k", "l"].contains(key), "{}: {key}", command.id);
            }
        }
    }
}
