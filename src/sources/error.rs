//! What can go wrong with a source, and what to do then.

use super::postgres;
use crate::error::{Explain, Status};
use crate::rows::Damage;

/// What went wrong with a source.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing at that place.
    #[error("{what} does not exist")]
    Missing {
        /// The path or URL, without secrets.
        what: String,
    },
    /// It is not what it was taken for.
    #[error("{what} is not {expected}: {why}")]
    NotA {
        /// The path or URL.
        what: String,
        /// What it should be.
        expected: &'static str,
        /// What was seen instead.
        why: String,
    },
    /// Somebody holds a lock for too long.
    #[error("{what} is locked by another process, for longer than {waited} seconds")]
    Locked {
        /// The path or URL.
        what: String,
        /// Seconds waited.
        waited: u64,
    },
    /// Somebody waits to change a table that is being read: each would wait for the other.
    #[error("{what}: somebody waits to change a table, and who reads it now would wait for him without end")]
    Awaited {
        /// The URL.
        what: String,
    },
    /// This user may not do that.
    #[error("{what} cannot be opened by this user: {why}")]
    NotOurs {
        /// The path or URL.
        what: String,
        /// Why.
        why: String,
        /// The command to use instead.
        remedy: String,
    },
    /// Nothing more can be written: a copy, or what has to be sorted outside memory.
    #[error("{what}: the disk or the temporary folder is full")]
    Full {
        /// What was being written or read.
        what: String,
    },
    /// Something is there already.
    #[error("{what} exists already")]
    Exists {
        /// The path or URL.
        what: String,
    },
    /// A copy that is needed has no room.
    #[error("{folder} has no room for a copy of {what}: {needed} bytes are needed, {free} are free")]
    NoRoom {
        /// What is to be copied: the path or URL.
        what: String,
        /// Where.
        folder: String,
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// The stored data cannot be put there.
    #[error("{model}: {why}")]
    Unfit {
        /// The model concerned.
        model: String,
        /// Why.
        why: String,
    },
    /// The database said no.
    #[error("{what}: {why}")]
    Database {
        /// The path or URL, and where it matters the model.
        what: String,
        /// The database's own words.
        why: String,
    },
    /// The file system said no.
    #[error("{what}: {source}")]
    Io {
        /// The path.
        what: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// The scheme of a URL is not known.
    #[error("“{url}” is not a database URL that Backstop knows")]
    Url {
        /// The URL, without secrets.
        url: String,
    },
    /// A database that was to be filled cannot be.
    #[error("{what} cannot take the backup: {why}")]
    Unsuitable {
        /// The URL, without secrets.
        what: String,
        /// Why.
        why: String,
        /// What to do.
        remedy: String,
    },
    /// A program that is needed is not installed.
    #[error("{what}: {why}")]
    Tool {
        /// The URL, without secrets.
        what: String,
        /// What is needed, and for what.
        why: String,
        /// The package that has it.
        remedy: String,
    },
    /// The address of a PostgreSQL database cannot be used.
    #[error("{url}: {why}")]
    Address {
        /// The URL, without secrets.
        url: String,
        /// Why.
        why: postgres::Fault,
    },
    /// No server lets this user in.
    #[error("{what}: {why}")]
    Connect {
        /// The URL, without secrets.
        what: String,
        /// Why.
        why: Box<postgres::Refusal>,
    },
}

impl From<Damage> for Error {
    fn from(damage: Damage) -> Self {
        Self::Database { what: "the source".into(), why: damage.to_string() }
    }
}

impl Explain for Error {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Missing { .. } => {
                "See whether it was moved, or its disk is not mounted; a relative path starts at the current folder.".into()
            }
            Self::NotA { .. } => "Name the database file itself. An encrypted database cannot be read.".into(),
            Self::Locked { .. } => "Find who holds it (fuser, lsof), or try again when the application is quiet.".into(),
            Self::Awaited { .. } => {
                "Try again: he is let through first. If it goes on, find who changes or empties tables all the time.".into()
            }
            Self::NotOurs { remedy, .. } => format!("Use: {remedy}"),
            Self::Unsuitable { remedy, .. } | Self::Tool { remedy, .. } => remedy.clone(),
            Self::Exists { .. } => "Name a place that does not exist yet, or move what is there away.".into(),
            Self::NoRoom { .. } => "Make room there, put the home on a larger disk, or let the application use WAL mode.".into(),
            Self::Url { .. } => "Write sqlite:PATH or postgresql://USER@HOST/DATABASE.".into(),
            Self::Address { why, .. } => why.hint(),
            Self::Connect { why, .. } => why.hint(),
            Self::Full { .. } => "Make room, or name another temporary folder with TMPDIR, then run it again.".into(),
            Self::Io { source, .. } if is_full(source) => "Make room there, then run it again.".into(),
            Self::Unfit { .. } | Self::Database { .. } | Self::Io { .. } => return None,
        })
    }

    fn status(&self) -> Status {
        match self {
            Self::Url { .. } | Self::Address { .. } => Status::Usage,
            Self::Exists { .. } | Self::NotOurs { .. } | Self::Unsuitable { .. } => Status::Refused,
            _ => Status::Failed,
        }
    }
}

/// No room, or none for this user or this process.
fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}
