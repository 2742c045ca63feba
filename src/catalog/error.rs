//! What can go wrong with the catalog, as facts.

use std::path::PathBuf;

use crate::error::{Explain, Status};

use super::Kind;

/// The result of anything asked of the catalog.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong with the catalog.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite could not do it.
    #[error("the catalog could not be used: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A migration could not be carried out.
    #[error("the catalog {path} could not be brought to version {version}: {source}")]
    Migration {
        /// The catalog.
        path: PathBuf,
        /// The version this program writes.
        version: i64,
        /// Why.
        source: Box<rusqlite_migration::Error>,
    },
    /// The catalog's file could not be made or copied.
    #[error("{path} could not be {action}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was to be done with it.
        action: &'static str,
        /// Why it could not.
        source: std::io::Error,
    },
    /// A newer program has written the catalog.
    #[error("the catalog {path} has version {found}, this program knows versions up to {known}")]
    Newer {
        /// The catalog.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// The catalog is to be read only, and has not been migrated yet.
    #[error("the catalog {path} has version {found}, this program reads version {known}")]
    Older {
        /// The catalog.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The version this program reads.
        known: i64,
    },
    /// There is no catalog to read.
    #[error("there is no catalog at {path}")]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// Nothing has this name or id.
    #[error("there is no {kind} '{text}'")]
    NotFound {
        /// What was looked for.
        kind: Kind,
        /// What it was called.
        text: String,
    },
    /// Nothing has this name, but one that is like it.
    #[error("there is no {kind} '{text}'")]
    Misnamed {
        /// What was looked for.
        kind: Kind,
        /// What it was called.
        text: String,
        /// What may be meant.
        near: String,
    },
    /// More than one thing has an id that begins so.
    #[error("'{text}' could be any of these {}: {}", .kind.plural(), .candidates.join(", "))]
    Ambiguous {
        /// What was looked for.
        kind: Kind,
        /// What it was called.
        text: String,
        /// The first few that fit.
        candidates: Vec<String>,
    },
    /// The name belongs to another already.
    #[error("there is already {} {kind} '{name}'", kind.article())]
    NameTaken {
        /// What was to be named.
        kind: Kind,
        /// The name.
        name: String,
    },
    /// A job that may not run beside this one is running.
    #[error("job {running} is running and may not be joined by another of the same app")]
    AppBusy {
        /// The job that runs.
        running: String,
    },
    /// The job was claimed anew, or has ended, since this claim was made.
    #[error("job {job} no longer belongs to claim {claim}")]
    Superseded {
        /// The job.
        job: String,
        /// The claim that is too old.
        claim: i64,
    },
    /// Another process holds the lease.
    #[error("process {pid} holds the lease '{name}' until {until}")]
    LeaseHeld {
        /// The lease.
        name: String,
        /// Who holds it.
        pid: u32,
        /// Until when, unless renewed.
        until: String,
    },
    /// What is asked does not fit the state something is in.
    #[error("{kind} {id} is {state}")]
    WrongState {
        /// What it is.
        kind: Kind,
        /// Which one.
        id: String,
        /// Its state.
        state: String,
    },
    /// Others still refer to it.
    #[error("{kind} '{name}' is still used: {used_by}")]
    InUse {
        /// What was to be taken away.
        kind: Kind,
        /// Its name.
        name: String,
        /// What uses it.
        used_by: String,
    },
    /// A stored value is none that this program knows.
    #[error("the setting '{name}' holds a value that cannot be read: {source}")]
    Setting {
        /// The setting.
        name: String,
        /// Why.
        source: serde_json::Error,
    },
}

impl Error {
    /// Whether the disk under the catalog is full: said to the operator, never a reason to stop a backup.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        self.sqlite_code() == Some(rusqlite::ErrorCode::DiskFull)
    }

    /// Whether the statement was interrupted on purpose.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.sqlite_code() == Some(rusqlite::ErrorCode::OperationInterrupted)
    }

    fn sqlite_code(&self) -> Option<rusqlite::ErrorCode> {
        match self {
            Self::Sqlite(error) => error.sqlite_error_code(),
            _ => None,
        }
    }
}

impl Explain for Error {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Sqlite(_) => return self.sqlite_hint(),
            Self::Migration { .. } => {
                "the copy made before the migration stands beside the catalog, its name ends in .before and the version".to_owned()
            }
            Self::Io { .. } => "check the rights on the home's folder and the space on its disk".to_owned(),
            Self::Newer { .. } => "use the newer backstop that wrote it, or another home with --home".to_owned(),
            Self::Older { .. } => "open it once without --read-only: it is copied, then migrated".to_owned(),
            Self::Missing { .. } => "name the home with --home, or start with: backstop demo, or: backstop vault init".to_owned(),
            Self::NotFound { kind, .. } | Self::InUse { kind, .. } => format!("list them with: {}", kind.list_command()),
            Self::Misnamed { kind, near, .. } => format!("did you mean '{near}'? list them with: {}", kind.list_command()),
            Self::Ambiguous { .. } => "give more of the id".to_owned(),
            Self::NameTaken { .. } => "choose another name".to_owned(),
            Self::AppBusy { running } => format!("wait for it, or stop it with: backstop jobs cancel {running}"),
            Self::Superseded { job, .. } => format!("see what became of it with: backstop jobs show {job}"),
            Self::LeaseHeld { .. } => "it is taken over by itself once its holder has gone".to_owned(),
            Self::WrongState { .. } | Self::Setting { .. } => return None,
        })
    }

    fn status(&self) -> Status {
        match self {
            Self::AppBusy { .. } | Self::InUse { .. } | Self::WrongState { .. } | Self::LeaseHeld { .. } => Status::Refused,
            Self::NotFound { .. } | Self::Misnamed { .. } | Self::Ambiguous { .. } | Self::NameTaken { .. } => Status::Usage,
            _ => Status::Failed,
        }
    }
}

impl Error {
    fn sqlite_hint(&self) -> Option<String> {
        use rusqlite::ErrorCode;
        Some(match self.sqlite_code()? {
            ErrorCode::DiskFull => "the disk of the home is full: make room, then try again".to_owned(),
            ErrorCode::DatabaseBusy => "another process has kept the catalog busy: try again".to_owned(),
            ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt => {
                "move the catalog aside and build it anew from the vault with: backstop vault init --existing".to_owned()
            }
            ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied => {
                "check the rights on the home's folder and on catalog.db".to_owned()
            }
            _ => return None,
        })
    }
}
