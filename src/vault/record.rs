//! Small sealed objects: manifests, index fragments, holds, deletions. One form: version ‖ sealed zstd.

use std::io::Read;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::crypto::{self, SealKey};
use super::error::{Error, Result};
use super::limits::ZSTD_LEVEL;
use super::names::VaultId;

const VERSION: u8 = 1;

/// What a record is: none can stand in for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// A backup.
    Manifest,
    /// An index fragment, named by its hash.
    Index,
    /// A hold.
    Hold,
    /// The end of a hold or of a deletion.
    Release,
    /// A deletion.
    Deletion,
}

impl RecordKind {
    fn word(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Index => "index",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Deletion => "deletion",
        }
    }
}

/// Seals records of one vault.
#[derive(Clone, Copy, Debug)]
pub struct Sealer<'k> {
    /// The key of records.
    pub key: &'k SealKey,
    /// The vault.
    pub vault: VaultId,
}

impl Sealer<'_> {
    /// Seals `plain` as the object `name` (empty where the name is the hash of the bytes).
    pub(super) fn seal(self, kind: RecordKind, name: &str, plain: &[u8]) -> Result<Vec<u8>> {
        let packed = zstd::bulk::compress(plain, ZSTD_LEVEL).map_err(Error::Reading)?;
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&crypto::seal(self.key, &self.about(kind, name), &packed)?);
        Ok(bytes)
    }

    /// Opens what [`Sealer::seal`] gave; never unpacks more than `limit` bytes.
    pub(super) fn open(self, kind: RecordKind, name: &str, bytes: &[u8], limit: u64) -> Result<Vec<u8>> {
        let damaged = |why: &str| Error::damaged(if name.is_empty() { kind.word() } else { name }, why);
        let (&version, sealed) = bytes.split_first().ok_or_else(|| damaged("it is empty"))?;
        if version != VERSION {
            return Err(damaged("it is of an unknown version"));
        }
        let packed = crypto::open(self.key, &self.about(kind, name), sealed).ok_or_else(|| damaged("its seal is broken"))?;
        let mut plain = Vec::new();
        let unpacked = zstd::Decoder::new(packed.as_slice()).and_then(|decoder| decoder.take(limit + 1).read_to_end(&mut plain));
        if unpacked.is_err() || plain.len() as u64 > limit {
            return Err(damaged("it does not unpack"));
        }
        Ok(plain)
    }

    pub(super) fn seal_json<T: Serialize>(self, kind: RecordKind, name: &str, value: &T) -> Result<Vec<u8>> {
        let plain = serde_json::to_vec(value).map_err(|error| Error::damaged(name, error.to_string()))?;
        self.seal(kind, name, &plain)
    }

    pub(super) fn open_json<T: DeserializeOwned>(self, kind: RecordKind, name: &str, bytes: &[u8], limit: u64) -> Result<T> {
        let plain = self.open(kind, name, bytes, limit)?;
        serde_json::from_slice(&plain).map_err(|error| Error::damaged(name, error.to_string()))
    }

    fn about(self, kind: RecordKind, name: &str) -> Vec<u8> {
        let mut about = vec![VERSION];
        about.extend_from_slice(kind.word().as_bytes());
        about.push(0);
        about.extend_from_slice(&self.vault.0);
        about.extend_from_slice(name.as_bytes());
        about
    }
}
