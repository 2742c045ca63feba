//! SQLite databases: read without a trace, written in one transaction, made anew.
//!
//! The application's file is opened read-only, never checkpointed, and read in one transaction. Values move through
//! the typed interface only. Two connections of one process to one file share POSIX locks: what opens the file beside SQLite does so
//! through `presence`, which does not close it while a connection of ours is open.

mod affinity;
mod aside;
mod copy;
mod counters;
mod creator;
mod derived;
mod encoding;
mod filling;
mod functions;
mod huge;
mod leaves;
mod loose;
mod open;
mod options;
mod pass;
mod pieced;
mod plan;
mod pouring;
mod presence;
mod reader;
mod refusals;
mod rivals;
mod salvage;
mod schema;
mod seen;
mod values;
mod words;
mod writer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Creator, Definition, Error, Identity, Result, Writer};
pub use reader::SqliteSnapshot;

/// What the names of a database's files end with.
const SUFFIXES: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// A SQLite database by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sqlite {
    path: PathBuf,
}

impl Sqlite {
    /// The database at `path`; nothing is opened.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        // Absolute, so that a name like `file:x` is never taken for a URI.
        Self { path: std::path::absolute(&path).unwrap_or(path) }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True where something is at its path.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.path.symlink_metadata().is_ok()
    }

    /// The files that SQLite keeps it in, whether they are there or not: itself, its journal and its log. Where it is named by a
    /// link, they stand beside what the link points to.
    #[must_use]
    pub fn files(&self) -> [PathBuf; 4] {
        let path = open::real(&self.path).unwrap_or_else(|_| self.path.clone());
        SUFFIXES.map(|suffix| open::beside(&path, suffix))
    }

    /// Opens it and reads its schema, for a look at what it is: an application with a rollback journal waits while this is held.
    ///
    /// `scratch` takes a copy where a dead transaction must be rolled back.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::NotA`], [`Error::NotOurs`], [`Error::Locked`] after `wait`, and what SQLite says.
    pub fn look(&self, wait: Duration, scratch: &Path) -> Result<SqliteSnapshot> {
        SqliteSnapshot::look(&self.path, wait, scratch)
    }

    /// What it is.
    ///
    /// # Errors
    /// As [`Sqlite::look`].
    pub fn validate(&self, wait: Duration, scratch: &Path) -> Result<Identity> {
        self.look(wait, scratch).map(|snapshot| super::Snapshot::identity(&snapshot))
    }

    /// Opens it for reading, as it is at this moment. It is neither checkpointed nor written.
    ///
    /// Where a reader would make its application wait (a rollback journal), its pages are copied into `scratch` first and read
    /// there. A journal that a dead process left is copied with the database and rolled back there.
    ///
    /// # Errors
    /// As [`Sqlite::look`], and [`Error::NoRoom`] for a copy.
    pub fn snapshot(&self, wait: Duration, scratch: &Path) -> Result<SqliteSnapshot> {
        SqliteSnapshot::open(&self.path, wait, scratch)
    }

    /// Opens it for writing and takes the write lock. No trigger and no foreign-key action runs.
    ///
    /// # Errors
    /// As [`Sqlite::look`].
    pub fn writer(&self, wait: Duration) -> Result<Box<dyn Writer>> {
        writer::SqliteWriter::open(&self.path, wait).map(|writer| Box::new(writer) as Box<dyn Writer>)
    }

    /// Begins a new database with the tables of `definition`, under a temporary name beside its path.
    ///
    /// # Errors
    /// [`Error::Exists`] where the path, or a log or journal of an earlier database there, exists; what SQLite says.
    pub fn create(&self, definition: &Definition) -> Result<Box<dyn Creator>> {
        if let Some(taken) = SUFFIXES.iter().map(|suffix| open::beside(&self.path, suffix)).find(|path| path.symlink_metadata().is_ok()) {
            return Err(Error::Exists { what: taken.display().to_string() });
        }
        creator::SqliteCreator::begin(&self.path, definition).map(|creator| Box::new(creator) as Box<dyn Creator>)
    }
}
