//! What a backup holds, as the restore's comparison asks for it.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use crate::engine::backup::definition;
use crate::engine::restore::lockstep::Lying;
use crate::engine::restore::{Rows, Stored, StoredRelation, Unreadable};
use crate::engine::stored::{StoredBackup, find, rows_of};
use crate::error::Explain;
use crate::rows::{Digest, Key, Large, RelationKind, Row, RowRef, merge};
use crate::sources::{Definition, Resolve};
use crate::vault::{self, RelationRecord, Vault};

/// Relations of one backup, read from the vault.
pub struct StoredSide {
    vault: Arc<Vault>,
    records: Vec<RelationRecord>,
    relations: Vec<StoredRelation>,
    /// The chunk that describes the database.
    described: Option<Digest>,
}

impl StoredSide {
    /// The relations of a backup that are of one of these kinds.
    pub fn of(stored: &StoredBackup, kinds: &[RelationKind]) -> Self {
        let records = stored.manifest.relations().filter(|record| kinds.contains(&record.relation.kind)).cloned().collect();
        let mut side = Self::new(stored.vault().clone(), records);
        let of_database = |relation: &RelationRecord| relation.relation.kind != RelationKind::Files;
        let database = stored.manifest.sources.iter().find(|source| source.relations.iter().any(of_database));
        side.described = database.map(|source| source.definition);
        for held in side.relations.iter_mut().filter(|held| held.relation.kind == RelationKind::Files) {
            let missed = stored.manifest.errors.iter().filter(|missed| missed.model == held.relation.name);
            held.unread = missed.map(|missed| missed.what.clone()).collect();
        }
        side
    }

    /// These relations.
    pub fn new(vault: Arc<Vault>, records: Vec<RelationRecord>) -> Self {
        let held = |record: &RelationRecord| StoredRelation {
            relation: record.relation.clone(),
            whole: record.whole,
            rows: record.rows,
            unread: BTreeSet::new(),
        };
        let relations = records.iter().map(held).collect();
        Self { vault, records, relations, described: None }
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

    fn lying<'a>(&'a self, model: &str) -> Option<Box<dyn Lying + 'a>> {
        let record = self.record(model).ok()?;
        let rows = merge::Rows::new(self.vault.as_ref(), &record.relation, &record.runs);
        Some(Box::new(InVault { model: &record.relation.name, rows }))
    }

    /// A description that cannot be read is none: the database is asked more then.
    fn definition(&self) -> Option<Definition> {
        Some(definition::read(&self.vault, &self.described?).ok()?.definition)
    }

    fn find(&self, model: &str, key: &Key) -> Result<Option<Row>, Unreadable> {
        find(&self.vault, self.record(model)?, key).map_err(|error| unreadable(model, &error))
    }
}

/// The rows of one relation as the vault holds them.
struct InVault<'a> {
    model: &'a str,
    rows: merge::Rows<'a, Vault>,
}

impl Lying for InVault<'_> {
    fn row(&self) -> Option<RowRef<'_>> {
        self.rows.row()
    }

    fn advance(&mut self) -> Result<(), Unreadable> {
        self.rows.advance().map_err(|error| unreadable(self.model, &error))
    }
}

fn unreadable(model: &str, error: &vault::Error) -> Unreadable {
    Unreadable { what: model.to_owned(), why: error.to_string(), hint: error.hint() }
}
