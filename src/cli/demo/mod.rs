//! The application of the demonstration: a school's administration in a real SQLite database, and its media files.
//!
//! It stands for what an operator protects; Backstop learns nothing here that it would not learn of any other
//! application. The same seed and day give the same records.

mod days;
pub mod history;
mod media;
mod mishap;
mod names;
mod random;
mod school;

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::error::Explain;

pub use days::{DayOfChanges, a_day_of_changes};
pub use media::{Media, build_media};
pub use mishap::{Spoiled, spoil};
pub use school::{RECORDS, build_school};

/// Why the demonstration's application cannot be built or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its database.
    #[error("the demonstration's database cannot be written: {0}")]
    Database(#[from] rusqlite::Error),
    /// Its media files.
    #[error("{} cannot be written: {why}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// Something is there already.
    #[error("{} exists already", path.display())]
    Exists {
        /// The database's file.
        path: PathBuf,
    },
}

impl Explain for Error {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Database(_) | Self::File { .. } => {
                "see whether the folder can be written and has room, or name another with --dir DIR".to_owned()
            }
            Self::Exists { .. } => "open it as it is, build it anew with --reset, or name another folder with --dir DIR".to_owned(),
        })
    }
}

/// The school's database as the school's own application opens it.
fn open(path: &Path) -> Result<Connection, Error> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}
