//! A backup as something to read: its relations' rows merged from their runs, and the contents that stand outside them.

use std::io;
use std::sync::Arc;

use crate::rows::merge;
use crate::rows::run::{Run, RunReader};
use crate::rows::{Change, Class, Key, Large, Relation, Row};
use crate::sources::{Content, Resolve};
use crate::vault::{self, Manifest, RelationRecord, Vault, Writer};

impl Content for Writer<'_> {
    fn keep(&self, class: Class, value: &mut dyn io::Read) -> io::Result<Large> {
        Writer::keep(self, class, value).map_err(io::Error::other)
    }
}

impl Resolve for Vault {
    fn fetch(&self, large: &Large, to: &mut dyn io::Write) -> io::Result<()> {
        Vault::fetch(self, large, to).map_err(io::Error::other)
    }
}

/// One backup, read from its vault.
pub struct StoredBackup {
    /// Its manifest.
    pub manifest: Manifest,
    vault: Arc<Vault>,
}

impl StoredBackup {
    /// The backup that `manifest` speaks of.
    #[must_use]
    pub fn new(vault: Arc<Vault>, manifest: Manifest) -> Self {
        Self { manifest, vault }
    }

    /// The vault it is in, which resolves its large values.
    #[must_use]
    pub fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    /// The relation with this name.
    #[must_use]
    pub fn relation(&self, name: &str) -> Option<&RelationRecord> {
        self.manifest.relations().find(|record| record.relation.name == name)
    }

    /// Its rows in key order from `key` on; what stands before it is not read.
    ///
    /// # Errors
    /// What reading the vault met.
    pub fn rows_from<'a>(
        &'a self,
        record: &'a RelationRecord,
        key: &Key,
    ) -> Result<impl Iterator<Item = Result<Row, vault::Error>> + 'a, vault::Error> {
        let begin = |run| RunReader::new(self.vault.as_ref(), &record.relation, run).from(key);
        Ok(merge::rows(record.runs.iter().rev().map(begin).collect::<Result<Vec<_>, _>>()?))
    }

    /// Its rows in key order.
    pub fn rows<'a>(&'a self, record: &'a RelationRecord) -> impl Iterator<Item = Result<Row, vault::Error>> + 'a {
        rows_of(&self.vault, &record.relation, &record.runs)
    }
}

/// The row with this key, as the newest run that speaks of it has it.
///
/// # Errors
/// What reading the vault met.
pub fn find(vault: &Vault, record: &RelationRecord, key: &Key) -> Result<Option<Row>, vault::Error> {
    for run in record.runs.iter().rev() {
        match RunReader::new(vault, &record.relation, run).find(key)? {
            Some(Change::Upsert(row)) => return Ok(Some(row)),
            Some(Change::Delete(_)) => return Ok(None),
            None => {}
        }
    }
    Ok(None)
}

/// The rows that `runs` (base first) make together, in key order.
pub fn rows_of<'a>(vault: &'a Vault, relation: &'a Relation, runs: &'a [Run]) -> impl Iterator<Item = Result<Row, vault::Error>> + 'a {
    merge::rows(runs.iter().rev().map(|run| RunReader::new(vault, relation, run)).collect())
}
