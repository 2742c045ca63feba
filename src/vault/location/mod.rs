//! One place that holds a copy of the vault: it can list, get, create and delete, and nothing more is asked of it.

use std::sync::Arc;

mod local;

pub use local::Local;

/// The locations of a vault; all hold the same.
pub type Locations = Vec<Arc<dyn Location>>;

/// What went wrong at a location.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object is not there.
    #[error("{name} is missing")]
    Missing {
        /// The object.
        name: String,
    },
    /// Another object has this name.
    #[error("{name} exists already with other content")]
    Exists {
        /// The object.
        name: String,
    },
    /// The name is none that this location can hold.
    #[error("“{name}” is no name of an object")]
    Name {
        /// The name.
        name: String,
    },
    /// The object is larger than what may be read at once.
    #[error("{name} is too large: {size} bytes")]
    TooLarge {
        /// The object.
        name: String,
        /// Bytes.
        size: u64,
    },
    /// The system said no.
    #[error("{what}: {source}")]
    Io {
        /// The object or folder.
        what: String,
        /// The system's error.
        source: std::io::Error,
    },
}

/// The result of asking a location.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name, from the vault's root, `/` between folders.
    pub name: String,
    /// Bytes.
    pub size: u64,
}

/// Room at a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Bytes in all.
    pub total: u64,
    /// Bytes left.
    pub free: u64,
}

/// Where a folder stands, by the numbers of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The file system.
    pub device: u64,
    /// The folder on it.
    pub inode: u64,
}

/// A place that holds a copy of a vault.
pub trait Location: Send + Sync {
    /// What people call it.
    fn name(&self) -> &str;
    /// Where it is, without secrets.
    fn place(&self) -> String;
    /// Makes the place itself, where that can be done; called once, when a vault is made or a location is added.
    ///
    /// # Errors
    /// It cannot be made.
    fn prepare(&self) -> Result<()>;
    /// All objects below the folder `prefix` (empty: all), unfinished ones left out, in no particular order.
    ///
    /// # Errors
    /// The place is not there, or cannot be listed whole.
    fn list(&self, prefix: &str) -> Result<Vec<Entry>>;
    /// The object's bytes, at most `limit` of them.
    ///
    /// # Errors
    /// It is missing, longer than `limit`, or cannot be read.
    fn get(&self, name: &str, limit: u64) -> Result<Vec<u8>>;
    /// `length` bytes from `offset`; fewer where the object ends before.
    ///
    /// # Errors
    /// It is missing or cannot be read.
    fn get_range(&self, name: &str, offset: u64, length: usize) -> Result<Vec<u8>>;
    /// Creates an object that lasts once this returns; one that has the same bytes already is fine. On failure there is none, or all of it.
    ///
    /// # Errors
    /// Another object has the name, or the place refuses.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()>;
    /// Deletes an object; one that is not there is fine.
    ///
    /// # Errors
    /// The place refuses.
    fn delete(&self, name: &str) -> Result<()>;
    /// What tells this place from another, whatever both are called; none where it cannot be told.
    ///
    /// # Errors
    /// The place is not there, or cannot be asked.
    fn spot(&self) -> Result<Option<Spot>>;
    /// The room it has, where that can be told.
    ///
    /// # Errors
    /// The place cannot be asked.
    fn capacity(&self) -> Result<Option<Capacity>>;
}
