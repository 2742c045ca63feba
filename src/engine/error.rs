//! What stops the engine, in words an operator can act on.

use crate::error::{Explain, Status, closest};
use crate::rows::Damage;
use crate::{catalog, sources, vault};

use super::restore;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A source said no.
    #[error(transparent)]
    Source(#[from] sources::Error),
    /// The vault said no.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// The catalog said no.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// A restore said no.
    #[error(transparent)]
    Restore(#[from] restore::Error),
    /// A job's work panicked.
    #[error("a fault in Backstop itself stopped the work: {what}")]
    Broken {
        /// What the panic said.
        what: String,
    },
    /// Stored rows do not decode.
    #[error("the stored rows are damaged: {0}")]
    Damage(#[from] Damage),
    /// This operator may not do that.
    #[error("{operator} may not {action}: that takes the role {needed}, and theirs is {role}")]
    Denied {
        /// The login name.
        operator: String,
        /// Their role.
        role: String,
        /// What they wanted.
        action: String,
        /// The role it takes.
        needed: String,
    },
    /// Nothing has that name.
    #[error("there is no {what} “{name}”")]
    Unknown {
        /// Model, vault, location and the like.
        what: &'static str,
        /// The name asked for.
        name: String,
        /// What to do.
        hint: String,
    },
    /// It cannot be done so.
    #[error("{why}")]
    Refused {
        /// Why.
        why: String,
        /// What to do instead.
        hint: String,
    },
    /// The arguments do not fit together.
    #[error("{why}")]
    Usage {
        /// Why.
        why: String,
        /// What to write instead.
        hint: String,
    },
    /// The operator stopped it.
    #[error("cancelled; nothing that was stored before is lost, and nothing incomplete counts as a backup")]
    Cancelled,
    /// The system said no.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the path.
        what: String,
        /// The system's error.
        source: std::io::Error,
    },
}

impl Error {
    /// There is no model with this name; one of `models` may be meant, and `list` is the command that lists them.
    #[must_use]
    pub fn no_model<'n>(name: &str, models: impl IntoIterator<Item = &'n str>, list: &str) -> Self {
        let meant = closest(name, models).map_or_else(String::new, |near| format!("Did you mean {near}? "));
        Self::Usage { why: format!("there is no model “{name}”"), hint: format!("{meant}List them: {list}") }
    }
}

impl Explain for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Source(error) => vault_behind(error).map_or_else(|| error.hint(), Explain::hint),
            Self::Vault(error) => error.hint(),
            Self::Catalog(error) => error.hint(),
            Self::Restore(error) => error.hint(),
            Self::Damage(_) => Some("Look at what is lost: backstop vault verify --level 3".into()),
            Self::Denied { needed, .. } => Some(format!("Ask somebody with the role {needed}.")),
            Self::Unknown { hint, .. } | Self::Refused { hint, .. } | Self::Usage { hint, .. } => Some(hint.clone()),
            Self::Broken { .. } => Some("Try again; where it comes again, it is worth a report with the job's log.".into()),
            Self::Cancelled | Self::Io { .. } => None,
        }
    }

    fn status(&self) -> Status {
        match self {
            Self::Source(error) => error.status(),
            Self::Vault(error) => error.status(),
            Self::Catalog(error) => error.status(),
            Self::Restore(error) => error.status(),
            Self::Denied { .. } | Self::Refused { .. } => Status::Refused,
            Self::Usage { .. } => Status::Usage,
            Self::Cancelled => Status::Interrupted,
            Self::Unknown { .. } | Self::Broken { .. } | Self::Damage(_) | Self::Io { .. } => Status::Failed,
        }
    }
}

/// What the vault said where a source only passes it on: content is kept and fetched while rows are read and written.
fn vault_behind(error: &sources::Error) -> Option<&vault::Error> {
    match error {
        sources::Error::Io { source, .. } => source.get_ref()?.downcast_ref(),
        _ => None,
    }
}

/// The result of asking the engine.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Adds what was being done to a system error.
pub trait Doing<T> {
    /// `what` names the step and the path.
    ///
    /// # Errors
    /// The system's error, with `what` before it.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Doing<T> for std::io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { what: what(), source })
    }
}
