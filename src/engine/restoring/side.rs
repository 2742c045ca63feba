//! What a backup holds, as the restore's comparison asks for it.

use std::io;
use std::sync::Arc;

use crate::engine::restore::{Rows, Stored, StoredRelation, Unreadable};
use crate::engine::stored::{StoredBackup, find, rows_of};
use crate::error::Explain;
use crate::rows::{Key, Large, RelationKind, Row};
use crate::sources::Resolve;
use crate::vault::{self, RelationRecord, Vault};

/// Relations of one backup, read from the vault.
pub struct StoredSide {
    vault: Arc<Vault>,
    records: Vec<RelationRecord>,
    relations: Vec<StoredRelation>,
}

impl StoredSide {
    /// The tables of a backup.
    pub fn tables(stored: &StoredBackup) -> Self {
        let records = stored.manifest.relations().filter(|record| record.relation.kind == RelationKind::Table).cloned().collect();
        Self::new(stored.vault().clone(), records)
    }

    /// These relations.
    pub fn new(vault: Arc<Vault>, records: Vec<RelationRecord>) -> Self {
        let relations = records
            .iter()
            .map(|record| StoredRelation { relation: record.relation.clone(), whole: record.whole, rows: record.rows })
            .collect();
        Self { vault, records, relations }
    }

    fn record(&self, model: &str) -> Result<&RelationRecord, Unreadable> {
        let found = self.records.iter().find(|record| record.relation.name == model);
        found.ok_or_else(|| Unreadable { what: model.to_owned(), why: "the backup does not hold it".into(), hint: None })
    }
}

impl Resolve for StoredSide {
    fn fetch(&self, large: &Large, to: &mut dyn io::Write) -> io::Result<()> {
        self.vault.fetch(large, to).map_err(io::Error::other)
    }
}

impl Stored for StoredSide {
    fn relations(&self) -> &[StoredRelation] {
        &self.relations
    }

    fn rows<'a>(&'a self, model: &str) -> Result<Rows<'a>, Unreadable> {
        let record = self.record(model)?;
        let name = record.relation.name.clone();
        let rows = rows_of(&self.vault, &record.relation, &record.runs);
        Ok(Box::new(rows.map(move |row| row.map_err(|error| unreadable(&name, &error)))))
    }

    fn find(&self, model: &str, key: &Key) -> Result<Option<Row>, Unreadable> {
        find(&self.vault, self.record(model)?, key).map_err(|error| unreadable(model, &error))
    }
}

fn unreadable(model: &str, error: &vault::Error) -> Unreadable {
    Unreadable { what: model.to_owned(), why: error.to_string(), hint: error.hint() }
}
