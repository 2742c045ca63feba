//! A database of whichever kind, by its URL.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::postgres::Postgres;
use super::sqlite::Sqlite;
use super::url::Url;
use super::{Creator, Definition, Result, Snapshot, Writer};

/// A database that can be protected.
#[derive(Clone, Debug, PartialEq)]
pub enum Database {
    /// A file of SQLite's.
    Sqlite(Sqlite),
    /// A database of a PostgreSQL server.
    Postgres(Postgres),
}

impl Database {
    /// The database that a URL names; nothing is opened.
    ///
    /// # Errors
    /// The URL is of no kind that is known.
    pub fn parse(url: &str) -> Result<Self> {
        Ok(match Url::parse(url)? {
            Url::Sqlite(path) => Self::Sqlite(Sqlite::new(path)),
            Url::Postgres(address) => Self::Postgres(Postgres::new(address)),
        })
    }

    /// What [`super::Identity::engine`] calls its kind.
    #[must_use]
    pub fn engine(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// The files of this machine that it is kept in, and that are no files of an application.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::Sqlite(database) => database.files().into(),
            Self::Postgres(_) => Vec::new(),
        }
    }

    /// Opens it for a look at what it is. `scratch` takes a copy where one is needed; `wait` is for locks.
    ///
    /// # Errors
    /// What opening it met.
    pub fn look(&self, wait: Duration, scratch: &Path) -> Result<Box<dyn Snapshot>> {
        Ok(match self {
            Self::Sqlite(database) => Box::new(database.look(wait, scratch)?),
            Self::Postgres(database) => Box::new(database.look()?),
        })
    }

    /// Opens it for reading, as it is at this moment.
    ///
    /// # Errors
    /// What opening it met.
    pub fn snapshot(&self, wait: Duration, scratch: &Path) -> Result<Box<dyn Snapshot>> {
        Ok(match self {
            Self::Sqlite(database) => Box::new(database.snapshot(wait, scratch)?),
            Self::Postgres(database) => Box::new(database.snapshot(wait)?),
        })
    }

    /// Opens it for writing, in one transaction.
    ///
    /// # Errors
    /// What opening it met.
    pub fn writer(&self, wait: Duration) -> Result<Box<dyn Writer>> {
        match self {
            Self::Sqlite(database) => database.writer(wait),
            Self::Postgres(database) => database.writer(wait),
        }
    }

    /// Begins a whole copy: in a file that is not there yet, or in a database that is there and empty. What costs time before the first
    /// row, and saves more later, is done where there are `many` of them.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn create(&self, definition: &Definition, many: bool) -> Result<Box<dyn Creator>> {
        match self {
            Self::Sqlite(database) => database.create(definition),
            Self::Postgres(database) => database.create(definition, many),
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(database) => write!(f, "sqlite:{}", database.path().display()),
            Self::Postgres(database) => database.fmt(f),
        }
    }
}
