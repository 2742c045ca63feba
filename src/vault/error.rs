//! What can go wrong with a vault.

use super::location;
use crate::error::{Explain, Status};

/// What went wrong with a vault.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A location said no.
    #[error("location {name}: {source}")]
    Location {
        /// The location's name.
        name: String,
        /// What it said.
        source: location::Error,
    },
    /// No location can be read.
    #[error("no location of the vault can be read: {}", sentence(reasons))]
    Unreachable {
        /// Location and reason.
        reasons: Vec<(String, String)>,
    },
    /// A vault cannot be made where other things are.
    #[error("{place} is not empty")]
    NotEmpty {
        /// The place.
        place: String,
    },
    /// There is a vault already.
    #[error("{place} holds a vault already")]
    HoldsVault {
        /// The place.
        place: String,
    },
    /// No slot opens with this passphrase or recovery key.
    #[error("wrong {what}{}", if *damaged > 0 { " (or it belongs to a key slot that is damaged everywhere)" } else { "" })]
    WrongKey {
        /// `passphrase` or `recovery key`.
        what: &'static str,
        /// Slots that could not be tried.
        damaged: usize,
    },
    /// All key slots of that kind are damaged, at every location that can be read.
    #[error("the vault's key slot for the {what} is damaged at every location that can be read")]
    DamagedSlot {
        /// `passphrase` or `recovery key`.
        what: &'static str,
    },
    /// The vault has no such key.
    #[error("the vault has no {what}")]
    NoSlot {
        /// `passphrase` or `recovery key`.
        what: &'static str,
    },
    /// The words are no recovery key.
    #[error("this is no recovery key: {why}")]
    Words {
        /// Why, without the words.
        why: String,
    },
    /// An empty passphrase protects nothing.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// An object is not what it should be, at every location that has it.
    #[error("{object} is damaged: {why}")]
    Damaged {
        /// The object.
        object: String,
        /// What is wrong with it.
        why: String,
    },
    /// Something of a later version.
    #[error("{object} needs “{feature}”, which this version of Backstop does not know")]
    Unsupported {
        /// The object.
        object: String,
        /// What it needs.
        feature: String,
    },
    /// Content is at no location.
    #[error("content {what} is lost: {why}")]
    Lost {
        /// Its name.
        what: String,
        /// What was tried.
        why: String,
    },
    /// Too few locations took it.
    #[error("only {have} of the {need} locations that are needed could keep it: {}", sentence(reasons))]
    NotDurable {
        /// Locations that have it.
        have: usize,
        /// Locations that must have it.
        need: usize,
        /// Location and reason.
        reasons: Vec<(String, String)>,
    },
    /// A backup would refer to what is lost.
    #[error("the backup refers to stored data of {model} that is lost")]
    Incomplete {
        /// The model.
        model: String,
    },
    /// No such backup.
    #[error("the vault has no backup {id}")]
    NoBackup {
        /// Its id.
        id: String,
    },
    /// Nothing to undo.
    #[error("{what} is not there")]
    NoRecord {
        /// A hold or a deletion.
        what: String,
    },
    /// Larger than the format allows.
    #[error("{what} is larger than the format allows: {size} of {limit} bytes")]
    TooLarge {
        /// What.
        what: String,
        /// Bytes.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// Without this key nobody could open the vault any more.
    #[error("{slot} is the last key that opens the vault from anywhere")]
    LastKey {
        /// The slot.
        slot: String,
    },
    /// A key that stays somewhere opens the vault as before.
    #[error("the key would stay at locations that cannot be reached now: {}", sentence(reasons))]
    KeyStays {
        /// Location and reason.
        reasons: Vec<(String, String)>,
    },
    /// The key cannot be derived.
    #[error("the key cannot be derived: {why}")]
    Derivation {
        /// Why.
        why: String,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
    /// What was to be kept could not be read.
    #[error("reading the content to keep: {0}")]
    Reading(std::io::Error),
}

/// The result of asking a vault.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(super) fn damaged(object: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Damaged { object: object.into(), why: why.into() }
    }
}

impl Explain for Error {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Location { .. } | Self::Unreachable { .. } => "Check that the disk or store is there: backstop vault status.".into(),
            Self::NotEmpty { .. } => "Name an empty or a new folder.".into(),
            Self::HoldsVault { .. } => "Open it with: backstop vault init --existing. Or name another folder.".into(),
            Self::WrongKey { .. } => "Try again, or use the recovery key.".into(),
            Self::DamagedSlot { .. } => "Attach another location of this vault, or use the other key.".into(),
            Self::NoSlot { .. } => "Use the key that the vault was made with.".into(),
            Self::Words { .. } => "Enter the 24 words in their order, separated by blanks.".into(),
            Self::EmptyPassphrase => "Choose a passphrase of several words.".into(),
            Self::Damaged { .. } | Self::Lost { .. } => {
                "Attach a location that still has it, then: backstop vault verify. The next backup stores again what is lost.".into()
            }
            Self::Unsupported { .. } => "Use the version of Backstop that wrote it, or a later one.".into(),
            Self::NotDurable { .. } => "Free space or attach the missing location, then run the backup again.".into(),
            Self::Incomplete { .. } => "Run a full backup with a new base: backstop backup --new-base.".into(),
            Self::NoBackup { .. } => "List them: backstop backups.".into(),
            Self::LastKey { .. } => "Add another passphrase or a recovery key first: backstop vault keys.".into(),
            Self::KeyStays { .. } => "Make every location of the vault reachable, then remove the key.".into(),
            Self::NoRecord { .. } | Self::TooLarge { .. } | Self::Random | Self::Derivation { .. } | Self::Reading(_) => return None,
        })
    }

    fn status(&self) -> Status {
        match self {
            Self::NotEmpty { .. } | Self::HoldsVault { .. } | Self::LastKey { .. } | Self::KeyStays { .. } => Status::Refused,
            Self::Words { .. } | Self::EmptyPassphrase | Self::NoBackup { .. } | Self::NoRecord { .. } => Status::Usage,
            _ => Status::Failed,
        }
    }
}

fn sentence(reasons: &[(String, String)]) -> String {
    reasons.iter().map(|(name, why)| format!("{name}: {why}")).collect::<Vec<_>>().join("; ")
}
