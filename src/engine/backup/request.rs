//! What a backup is asked for, and what it gives.

use super::in_turn::InTurn;
use crate::catalog::{BackupType, Origin, Status};
use crate::engine::apps::Parts;
use crate::engine::error::{Error, Result};
use crate::engine::selection::Selection;

/// The types of backup that can be made.
pub const TYPES: [BackupType; 7] = [
    BackupType::Full,
    BackupType::Differential,
    BackupType::Incremental,
    BackupType::Database,
    BackupType::Files,
    BackupType::Configuration,
    BackupType::Tenant,
];

/// What is to be backed up, and why.
#[derive(Clone, Debug)]
pub struct BackupRequest {
    /// The app's name or id; the only one, where none is given.
    pub app: Option<String>,
    /// The configuration's id, where one asked for it.
    pub configuration: Option<String>,
    /// The type.
    pub kind: BackupType,
    /// What of the app it is about.
    pub selection: Selection,
    /// Why.
    pub origin: Origin,
    /// The reason given.
    pub reason: Option<String>,
    /// Whether everything is stored anew.
    pub new_base: bool,
    /// Whether it is protected at once.
    pub protect: bool,
    /// The job that this backup does over.
    pub replay_of: Option<String>,
    /// Whether each tenant has a backup of its own, one after the other.
    pub in_turn: bool,
}

impl BackupRequest {
    /// A backup of this type that a person asked for.
    #[must_use]
    pub fn new(app: Option<String>, kind: BackupType) -> Self {
        Self {
            app,
            configuration: None,
            kind,
            selection: Selection::default(),
            origin: Origin::Manual,
            reason: None,
            new_base: false,
            protect: false,
            replay_of: None,
            in_turn: false,
        }
    }

    pub(super) fn parts(&self) -> Result<Parts> {
        match self.kind {
            BackupType::Full | BackupType::Differential | BackupType::Incremental => Ok(Parts::ALL),
            BackupType::Database | BackupType::Tenant => Ok(Parts { database: true, files: false }),
            BackupType::Files | BackupType::Configuration => Ok(Parts { database: false, files: true }),
            other => Err(Error::Usage {
                why: format!("backups of the type {other} are not there yet"),
                hint: format!("Use one of: {}.", TYPES.map(|kind| kind.to_string()).join(", ")),
            }),
        }
    }
}

/// A backup that was made; the JSON of `backstop backup`.
#[derive(Clone, Debug, serde::Serialize)]
pub struct BackupResult {
    /// The job.
    pub job: String,
    /// The backup.
    pub backup: String,
    /// completed or partial.
    pub status: Status,
    /// Records in it.
    pub records: u64,
    /// Files in it.
    pub files: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes that the vault did not hold before.
    pub bytes_new: u64,
    /// Bytes they take in the vault.
    pub bytes_stored: u64,
    /// Stored over new; 1 where nothing was new.
    pub compression_ratio: f64,
    /// Seconds from start to end.
    pub duration_seconds: f64,
    /// Of the manifest.
    pub checksum: String,
    /// What is missing, and where.
    pub warnings: Vec<String>,
    /// What became of each tenant, where they were backed up in turn; the other members are their sums then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<InTurn>,
}
