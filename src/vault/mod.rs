//! The vault: sealed, content-addressed storage, the same at every location. `docs/FORMAT.md` has the bytes.
//!
//! What holds everywhere here: a backup exists when its manifest does, and the manifest is written last; every pack is decoded from its
//! final bytes before it counts; a chunk counts as present only while its pack is known to be whole; what is read is checked against
//! the limits before anything is allocated, and against its name before it is believed. Uses [`crate::rows`]; the engine uses it.

use std::sync::{Arc, Mutex, RwLock};

mod chunker;
mod codec;
mod crypto;
mod error;
mod holds;
mod impact;
mod index;
mod keys;
mod limits;
pub mod location;
mod manifest;
mod names;
mod pack;
mod reader;
mod record;
mod recovery;
mod replicate;
mod sealing;
mod secret;
mod setup;
mod sites;
mod slots;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use error::{Error, Result};
pub use holds::{Deletion, Hold};
pub use keys::{Cost, SlotKind};
pub use location::{Capacity, Entry, Local, Location, Locations, Spot};
pub use manifest::{Closeness, LeftOut, Manifest, Missed, Outcome, RelationRecord, Scope, SourceRecord, Totals};
pub use names::{BackupId, BackupName, VaultId};
pub use pack::ChunkKind;
pub use recovery::RecoveryWords;
pub use replicate::{CatchUp, LocationStatus};
pub use secret::Secret;
pub use setup::{NewKeys, Unlock, must_differ};
pub use slots::{KeySlot, new_key};
pub use verify::{Finding, VerifyEvent, VerifyReport};
pub use writer::{Committed, Figures, Put, Writer};

use crate::clock::SharedClock;
use index::Index;
use keys::Keys;
use manifest as manifests;
use record::Sealer;
use sites::Sites;

/// An open vault.
pub struct Vault {
    id: VaultId,
    keys: Arc<Keys>,
    /// Wrapped again for every key that is added.
    master: crypto::SealKey,
    clock: SharedClock,
    sites: Arc<Sites>,
    index: RwLock<Index>,
    /// Tombstones, holds and releases that were opened already: they never change.
    records: Mutex<holds::Cache>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Vault {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> VaultId {
        self.id
    }

    /// The key that decides where segments end.
    #[must_use]
    pub fn boundary_key(&self) -> [u8; 32] {
        *self.keys.boundary()
    }

    /// Seals bytes that stay on this machine; `kind` says what they are (a plan, a digest cache).
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn seal(&self, kind: &str, bytes: &[u8]) -> Result<Vec<u8>> {
        crypto::seal(&self.keys.local, &self.about_local(kind), bytes)
    }

    /// Opens what [`Vault::seal`] gave for the same kind.
    ///
    /// # Errors
    /// The bytes are damaged, or were sealed as something else or for another vault.
    pub fn open_sealed(&self, kind: &str, bytes: &[u8]) -> Result<Vec<u8>> {
        crypto::open(&self.keys.local, &self.about_local(kind), bytes).ok_or_else(|| Error::damaged(kind, "its seal is broken"))
    }

    fn about_local(&self, kind: &str) -> Vec<u8> {
        [b"local\0", self.id.0.as_slice(), kind.as_bytes()].concat()
    }

    fn sealer(&self) -> Sealer<'_> {
        Sealer { key: &self.keys.record, vault: self.id }
    }

    /// All backups that are not deleted, the oldest first, from every location that can be read.
    ///
    /// # Errors
    /// No location can be read.
    pub fn backups(&self) -> Result<Vec<BackupName>> {
        let deleted = self.deleted()?;
        let mut names = self.all_backups()?;
        names.retain(|name| !deleted.iter().any(|deletion| deletion.backup == name.id));
        Ok(names)
    }

    fn all_backups(&self) -> Result<Vec<BackupName>> {
        let mut names: Vec<_> = self.sites.list_all("backups")?.keys().filter_map(|object| BackupName::parse(object)).collect();
        names.sort();
        Ok(names)
    }

    /// The manifest of a backup, deleted ones included while they are there; a damaged copy heals from another location.
    ///
    /// # Errors
    /// There is none, or it is damaged everywhere.
    pub fn manifest(&self, id: &BackupId) -> Result<Manifest> {
        let name = self.all_backups()?.into_iter().find(|name| name.id == *id);
        self.manifest_named(&name.ok_or_else(|| Error::NoBackup { id: id.to_string() })?)
    }

    fn manifest_named(&self, name: &BackupName) -> Result<Manifest> {
        let object = name.object();
        let opens = |bytes: &[u8]| self.sealer().open(record::RecordKind::Manifest, &object, bytes, limits::MAX_MANIFEST).is_ok();
        let bytes = self.sites.get_whole(&object, limits::MAX_MANIFEST, false, &opens)?;
        manifests::Manifest::open(self.sealer(), name, &bytes)
    }
}
