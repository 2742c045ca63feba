//! What a connection takes from around it: the PG* variables, the home folder, the user's name.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

/// The variables and the user of a process. Its `Debug` shows no values: one of them may be a password.
#[derive(Clone, Default)]
pub struct Surroundings {
    variables: BTreeMap<OsString, OsString>,
    user: Option<String>,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let wanted = |name: &OsStr| name == "HOME" || name == "SSL_CERT_FILE" || name.as_encoded_bytes().starts_with(b"PG");
        let mut variables: BTreeMap<_, _> = std::env::vars_os().filter(|(name, _)| wanted(name)).collect();
        if let (false, Some(home)) = (variables.contains_key(OsStr::new("HOME")), std::env::home_dir()) {
            variables.insert("HOME".into(), home.into());
        }
        Self { variables, user: whoami::username().ok() }
    }

    /// These and no others.
    #[must_use]
    pub fn of<N: Into<OsString>, V: Into<OsString>>(variables: impl IntoIterator<Item = (N, V)>, user: Option<&str>) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { variables, user: user.map(str::to_owned) }
    }

    /// The name of the system's user.
    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// A variable's bytes; an empty one is none.
    pub(super) fn bytes(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// A variable's text; one that is not UTF-8 is none.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.bytes(name).and_then(OsStr::to_str)
    }

    /// A path below the home folder.
    pub(super) fn at_home(&self, path: &str) -> Option<PathBuf> {
        self.bytes("HOME").map(|home| PathBuf::from(home).join(path))
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("variables", &self.variables.keys()).field("user", &self.user).finish()
    }
}
