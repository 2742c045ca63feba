//! What of a source is not rows: its schema, foreign keys and unique columns, as one chunk of the vault.

use serde::{Deserialize, Serialize};

use crate::engine::error::{Error, Result};
use crate::rows::Digest;
use crate::sources::{Definition, Reference, Snapshot, Unique};
use crate::vault::{ChunkKind, Vault, Writer};

/// What stands in a source's schema chunk, as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    /// What is needed to make an empty copy.
    pub definition: Definition,
    /// Foreign keys.
    pub references: Vec<Reference>,
    /// Unique columns.
    pub uniques: Vec<Unique>,
}

/// Keeps what `snapshot` is besides its rows. `definition` was asked for before they were read, sequences are after them.
///
/// # Errors
/// What the vault says.
pub fn store(writer: &Writer<'_>, snapshot: &dyn Snapshot, mut definition: Definition) -> Result<Digest> {
    let sequences = snapshot.sequences()?;
    definition.sequences.extend(sequences.called);
    definition.unstarted.extend(sequences.unstarted);
    let described = Described { definition, references: snapshot.references().to_vec(), uniques: snapshot.uniques().to_vec() };
    let bytes = serde_json::to_vec(&described).map_err(|error| unreadable(&error))?;
    Ok(writer.put(ChunkKind::Schema, bytes)?.id)
}

/// Reads it back.
///
/// # Errors
/// What the vault says.
pub fn read(vault: &Vault, chunk: &Digest) -> Result<Described> {
    serde_json::from_slice(&vault.read(ChunkKind::Schema, chunk)?).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> Error {
    Error::Refused {
        why: format!("the schema's description cannot be read: {error}"),
        hint: "Check the vault: backstop vault verify --level 3".into(),
    }
}
