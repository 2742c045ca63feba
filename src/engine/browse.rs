//! Looking into a backup: a model's records, a page at a time, read from the vault.
//!
//! A page begins behind a place, which is the record's key in hexadecimal digits: the run's index leads there, so that the
//! last page of a large model costs what the first does.

use serde_json::Value as Json;

use crate::catalog::{Backup, Role};
use crate::rows::{Key, Relation, Row};

use super::Engine;
use super::error::{Error, Result};
use super::restore::record::{key_json, value_json};

/// A record as a backup holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRecord {
    /// Where it stands among the records of its model; pages begin behind one.
    pub place: String,
    /// Its key, as in previews.
    pub key: Json,
    /// Its columns with their values, in the table's order.
    pub fields: Vec<(String, Json)>,
}

/// A page of a model's records.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPage {
    /// The records, in the order of their keys.
    pub records: Vec<StoredRecord>,
    /// Whether none follows.
    pub end: bool,
}

impl Engine {
    /// At most `limit` records of a model in a backup, from behind the place `after` on.
    ///
    /// # Errors
    /// Not permitted, the backup has no such model, no such place, or its vault cannot be read.
    pub fn stored_page(&self, backup: &Backup, model: &str, after: Option<&str>, limit: usize) -> Result<StoredPage> {
        self.allow(Role::Operator, "backups rows", &backup.id)?;
        let stored = self.stored(backup)?;
        let models = || stored.manifest.models().map(|record| record.relation.name.as_str());
        let unknown = || Error::no_model(model, models(), &format!("backstop backups models {}", backup.id));
        let record = stored.relation(model).ok_or_else(unknown)?;
        let after = after.map(key_of).transpose()?;
        let mut rows: Box<dyn Iterator<Item = _>> = match &after {
            Some(key) => Box::new(stored.rows_from(record, key)?),
            None => Box::new(stored.rows(record)),
        };
        let mut records = Vec::new();
        while records.len() < limit {
            let Some(row) = rows.next().transpose()? else { return Ok(StoredPage { records, end: true }) };
            if after.as_ref().is_none_or(|key| row.key > *key) {
                records.push(shown(&record.relation, &row));
            }
        }
        let end = rows.next().transpose()?.is_none();
        Ok(StoredPage { records, end })
    }
}

fn shown(relation: &Relation, row: &Row) -> StoredRecord {
    let field = |column: usize| (relation.columns[column].name.clone(), value_json(&row.values[column]));
    StoredRecord {
        place: row.key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect(),
        key: key_json(relation, Some(row), &row.key),
        fields: relation.visible().map(field).collect(),
    }
}

fn key_of(place: &str) -> Result<Key> {
    let byte = |at: usize| place.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    let bytes: Option<Vec<u8>> = (0..place.len()).step_by(2).map(byte).collect();
    bytes.map(Key::from_bytes).ok_or_else(|| Error::Usage {
        why: format!("“{place}” is no place among records"),
        hint: "Take the place of a record that a page gave.".into(),
    })
}
