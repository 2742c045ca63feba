//! Manifests: one a backup, and the only thing that makes a backup exist.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{Error, Result};
use super::limits::MAX_MANIFEST;
use super::names::{BackupId, BackupName};
use super::record::{RecordKind, Sealer};
use crate::rows::run::Run;
use crate::rows::{Digest, Relation, RelationKind};

/// Features that this version reads.
const KNOWN_FEATURES: [&str; 0] = [];

/// How a backup ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All of it.
    #[default]
    Completed,
    /// Something could not be read; the error list names it.
    Partial,
}

/// Something that is not in the backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// The model.
    pub model: String,
    /// The record or file; empty where it is not known.
    pub what: String,
    /// Why.
    pub why: String,
}

/// A model that was left out on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The model.
    pub model: String,
    /// Why.
    pub why: String,
}

/// What was asked for, as it was written; empty lists mean all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Modules.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Models.
    #[serde(default)]
    pub models: Vec<String>,
    /// Modules that are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_modules: Vec<String>,
    /// Models that are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_models: Vec<String>,
    /// Whether what was dispensable is left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub quick: bool,
    /// The tenants whose records it holds, and what those refer to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<String>,
    /// The columns that told whose a record is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenant_columns: Vec<String>,
    /// The models that were there and were left out on purpose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// True where anything was left out on purpose (models, a tenant, an export): never the base of an increment.
    #[serde(default)]
    pub narrowed: bool,
}

/// How closely the files of a backup belong to its database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Closeness {
    /// Seconds from the database's moment to the end of the last walk.
    pub seconds: f64,
    /// Files that changed in between.
    pub changed: u64,
    /// Some of them: label and path.
    pub files: Vec<String>,
}

/// How much it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Records.
    pub records: u64,
    /// Files.
    pub files: u64,
    /// Bytes read from the sources.
    pub bytes_read: u64,
    /// Bytes that the vault did not hold before.
    pub bytes_new: u64,
    /// What those take in the vault.
    pub bytes_stored: u64,
}

/// A model as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RelationRecord {
    /// What it looks like.
    pub relation: Relation,
    /// Its whole ancestry: the base run first.
    pub runs: Vec<Run>,
    /// Rows after merging.
    pub rows: u64,
    /// Digest over them (`rows::row::RelationDigest`).
    pub digest: Digest,
    /// False where rows are missing: never the base of an increment.
    pub whole: bool,
}

/// A source as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// What it is, as the source says it.
    pub identity: Value,
    /// The chunk (kind Schema, JSON) that holds its definition, references and unique columns.
    pub definition: Digest,
    /// Its models.
    pub relations: Vec<RelationRecord>,
}

/// A backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its id.
    pub id: BackupId,
    /// The app's name.
    pub app: String,
    /// The configuration's name.
    pub configuration: String,
    /// The type: full, incremental, differential.
    pub kind: String,
    /// The backup that it builds on.
    #[serde(default)]
    pub parent: Option<BackupId>,
    /// Why it ran.
    pub origin: String,
    /// When it began (RFC 3339).
    pub started: String,
    /// When it ended.
    pub finished: String,
    /// The moment it holds.
    pub taken_at: String,
    /// The host that wrote it.
    pub host: String,
    /// The version of Backstop that wrote it.
    pub tool: String,
    /// The reason given.
    #[serde(default)]
    pub reason: Option<String>,
    /// What fixes the moment, as the sources say it.
    #[serde(default)]
    pub consistency: Value,
    /// How closely database and files belong together; none where one of them is not in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closeness: Option<Closeness>,
    /// The sources.
    pub sources: Vec<SourceRecord>,
    /// How it ended.
    pub outcome: Outcome,
    /// What is not in it.
    #[serde(default)]
    pub errors: Vec<Missed>,
    /// What was asked for.
    #[serde(default)]
    pub scope: Scope,
    /// The restore that it was made before.
    #[serde(default)]
    pub safety: Option<String>,
    /// How much it was.
    #[serde(default)]
    pub figures: Totals,
    /// Features that a reader must know.
    #[serde(default)]
    pub features: Vec<String>,
    /// BLAKE3 of this host's previous record, as stored: a chain that shows removed ones. Set by the commit.
    #[serde(default)]
    pub previous: Option<Digest>,
    /// The head of the audit chain.
    #[serde(default)]
    pub audit_head: Option<String>,
    /// The home's exported configuration.
    #[serde(default)]
    pub home: Option<Value>,
    /// What a later version added and this one keeps.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Manifest {
    /// The name that it is listed under: its moment to the second, and its id.
    #[must_use]
    pub fn name(&self) -> BackupName {
        let digits: String = self.taken_at.chars().take(19).filter(|letter| !"-:".contains(*letter)).collect();
        let time = if digits.len() == 15 && digits.is_ascii() { format!("{digits}Z") } else { "00000000T000000Z".into() };
        BackupName { time, id: self.id.clone() }
    }

    /// The sealed bytes. Canonical: JSON with sorted names.
    pub(super) fn seal(&self, sealer: Sealer<'_>) -> Result<Vec<u8>> {
        let object = self.name().object();
        let mut value = serde_json::to_value(self).map_err(|error| Error::damaged(&object, error.to_string()))?;
        value.sort_all_objects();
        let plain = value.to_string().into_bytes();
        if plain.len() as u64 > MAX_MANIFEST {
            return Err(Error::TooLarge { what: "the manifest".into(), size: plain.len() as u64, limit: MAX_MANIFEST });
        }
        sealer.seal(RecordKind::Manifest, &object, &plain)
    }

    pub(super) fn open(sealer: Sealer<'_>, name: &BackupName, bytes: &[u8]) -> Result<Self> {
        let object = name.object();
        let manifest: Self = sealer.open_json(RecordKind::Manifest, &object, bytes, MAX_MANIFEST)?;
        match manifest.features.iter().find(|feature| !KNOWN_FEATURES.contains(&feature.as_str())) {
            Some(feature) => Err(Error::Unsupported { object, feature: feature.clone() }),
            None => Ok(manifest),
        }
    }

    /// Every relation with its source's place in the list.
    pub fn relations(&self) -> impl Iterator<Item = &RelationRecord> {
        self.sources.iter().flat_map(|source| &source.relations)
    }

    /// Those that people see: what a database keeps for itself is none of them.
    pub fn models(&self) -> impl Iterator<Item = &RelationRecord> {
        self.relations().filter(|record| record.relation.kind != RelationKind::Derived)
    }
}
