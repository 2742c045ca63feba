//! Since what: the newest backup that can serve as the base of a relation's changes.
//!
//! Decided for each relation: the newest completed or partial backup that holds it whole (for a differential, the newest
//! full). Tenant, export, safety and narrowed backups are never asked.

use std::sync::Arc;

use crate::catalog::{self, BackupType, Catalog};
use crate::rows::Relation;
use crate::vault::{BackupId, Manifest, RelationRecord, Vault};

/// The backups of one app that may serve, newest first, read from the vault as they are asked for.
pub struct Basis {
    vault: Arc<Vault>,
    candidates: Vec<BackupId>,
    read: Vec<Manifest>,
}

/// The types of backup that hold whole relations.
pub(super) const SERVING: [BackupType; 6] = [
    BackupType::Full,
    BackupType::Differential,
    BackupType::Incremental,
    BackupType::Database,
    BackupType::Files,
    BackupType::Configuration,
];

/// Manifests read at the most for one backup: with a healthy history the first one serves.
const MOST_MANIFESTS: usize = 16;

impl Basis {
    /// What may serve a backup of type `kind`, of the app's backups. However many others were made meanwhile, none stands in its way.
    ///
    /// # Errors
    /// What the catalog says.
    pub fn of_app(vault: Arc<Vault>, catalog: &Catalog, app: &str, kind: BackupType) -> catalog::Result<Self> {
        let kinds: &[BackupType] = if kind == BackupType::Differential { &[BackupType::Full] } else { &SERVING };
        let newest = catalog.newest_backups(Some(app), kinds, false, MOST_MANIFESTS)?;
        Ok(Self { vault, candidates: newest.into_iter().map(|backup| BackupId(backup.id)).collect(), read: Vec::new() })
    }

    /// None at all: everything becomes a new base.
    #[must_use]
    pub fn nothing(vault: Arc<Vault>) -> Self {
        Self { vault, candidates: Vec::new(), read: Vec::new() }
    }

    /// The newest record of `relation` that holds it whole; `None` where a new base must be written.
    ///
    /// Nothing stops a backup here: a manifest that cannot be read is passed over, and its relations then start anew.
    pub fn of(&mut self, relation: &Relation) -> Option<RelationRecord> {
        let at = self.place_of(relation)?;
        whole_record(&self.read[at], relation).cloned()
    }

    /// What fixed the moments of the sources of the backup that [`Basis::of`] gives the record of.
    pub fn moment_of(&mut self, relation: &Relation) -> Option<serde_json::Value> {
        let at = self.place_of(relation)?;
        Some(self.read[at].consistency.clone())
    }

    fn place_of(&mut self, relation: &Relation) -> Option<usize> {
        let mut at = 0;
        while at < self.read.len() || self.read_next() {
            if whole_record(&self.read[at], relation).is_some() {
                return Some(at);
            }
            at += 1;
        }
        None
    }

    /// The records of all these relations, where the newest backup that holds any of them whole holds them all, as they look now, and
    /// is one that `is_same` says yes to.
    pub fn all_of(&mut self, relations: &[&Relation], is_same: &dyn Fn(&Manifest) -> bool) -> Option<Vec<RelationRecord>> {
        let mut at = 0;
        while at < self.read.len() || self.read_next() {
            let manifest = &self.read[at];
            let records: Vec<_> = relations.iter().filter_map(|relation| whole_record(manifest, relation).zip(Some(relation))).collect();
            if !records.is_empty() {
                let all = records.len() == relations.len() && records.iter().all(|(record, now)| record.relation.is_shaped_like(now));
                let as_now = |(record, now): (&RelationRecord, &&Relation)| RelationRecord { relation: (*now).clone(), ..record.clone() };
                return (all && is_same(manifest)).then(|| records.into_iter().map(as_now).collect());
            }
            at += 1;
        }
        None
    }

    /// The backup that is named as the parent: the newest that served.
    #[must_use]
    pub fn parent(&self) -> Option<BackupId> {
        self.read.first().map(|manifest| manifest.id.clone())
    }

    fn read_next(&mut self) -> bool {
        while !self.candidates.is_empty() {
            let id = self.candidates.remove(0);
            if let Ok(manifest) = self.vault.manifest(&id) {
                self.read.push(manifest);
                return true;
            }
        }
        false
    }
}

fn whole_record<'m>(manifest: &'m Manifest, relation: &Relation) -> Option<&'m RelationRecord> {
    if manifest.scope.narrowed {
        return None;
    }
    let mut records = manifest.relations();
    records.find(|record| record.whole && record.relation.kind == relation.kind && record.relation.name == relation.name)
}
