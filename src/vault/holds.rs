//! Holds and deletions: sealed, so that nobody without the key can forge one; never changed, so that they end by a release.

use std::collections::HashMap;
use std::sync::PoisonError;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Vault;
use super::crypto::random;
use super::error::{Error, Result};
use super::limits::MAX_RECORD;
use super::names::{BackupId, hex};
use super::record::RecordKind;
use crate::clock::rfc3339;

/// Records that were opened already, by object name.
#[derive(Debug, Default)]
pub(super) struct Cache(HashMap<String, serde_json::Value>);

/// The protection of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Its id.
    pub id: String,
    /// The backup.
    pub backup: BackupId,
    /// Why.
    pub reason: String,
    /// Since when.
    pub at: String,
}

/// A backup's deletion, which can be undone until a prune has passed over it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// Its id.
    pub id: String,
    /// The backup.
    pub backup: BackupId,
    /// Why.
    pub reason: String,
    /// Since when.
    pub at: String,
}

#[derive(Serialize, Deserialize)]
struct Release {
    ends: String,
    at: String,
}

impl Vault {
    /// Protects a backup.
    ///
    /// # Errors
    /// There is no such backup, or too few locations take the hold.
    pub fn hold(&self, backup: &BackupId, reason: &str) -> Result<Hold> {
        self.must_exist(backup)?;
        let hold = Hold { id: hex(&random::<8>()?), backup: backup.clone(), reason: reason.into(), at: rfc3339(self.clock.now()) };
        self.put_record(RecordKind::Hold, &format!("holds/{backup}-{}", hold.id), &hold)?;
        Ok(hold)
    }

    /// Ends every hold of a backup.
    ///
    /// # Errors
    /// There is none, or too few locations take the release.
    pub fn release(&self, backup: &BackupId) -> Result<()> {
        let ids: Vec<_> = self.holds()?.into_iter().filter(|hold| hold.backup == *backup).map(|hold| hold.id).collect();
        self.end(&ids, || format!("a hold of backup {backup}"))
    }

    /// The holds that stand.
    ///
    /// # Errors
    /// No location can be read, or a record is damaged everywhere.
    pub fn holds(&self) -> Result<Vec<Hold>> {
        let mut holds: Vec<Hold> = self.records(RecordKind::Hold, "holds")?;
        let ended = self.ended()?;
        holds.retain(|hold| !ended.contains(&hold.id));
        Ok(holds)
    }

    /// Deletes a backup: it is no longer listed; its data stays until a prune.
    ///
    /// # Errors
    /// There is no such backup, or too few locations take the deletion.
    pub fn delete_backup(&self, backup: &BackupId, reason: &str) -> Result<Deletion> {
        self.must_exist(backup)?;
        let deletion = Deletion { id: hex(&random::<8>()?), backup: backup.clone(), reason: reason.into(), at: rfc3339(self.clock.now()) };
        self.put_record(RecordKind::Deletion, &format!("deleted/{backup}-{}", deletion.id), &deletion)?;
        Ok(deletion)
    }

    /// Undoes a backup's deletion.
    ///
    /// # Errors
    /// It is not deleted, or too few locations take the release.
    pub fn undelete(&self, backup: &BackupId) -> Result<()> {
        let ids: Vec<_> = self.deleted()?.into_iter().filter(|deletion| deletion.backup == *backup).map(|deletion| deletion.id).collect();
        self.end(&ids, || format!("a deletion of backup {backup}"))
    }

    /// The deletions that stand.
    ///
    /// # Errors
    /// No location can be read, or a record is damaged everywhere.
    pub fn deleted(&self) -> Result<Vec<Deletion>> {
        let mut deleted: Vec<Deletion> = self.records(RecordKind::Deletion, "deleted")?;
        let ended = self.ended()?;
        deleted.retain(|deletion| !ended.contains(&deletion.id));
        Ok(deleted)
    }

    fn must_exist(&self, backup: &BackupId) -> Result<()> {
        let known = self.all_backups()?.iter().any(|name| name.id == *backup);
        if known { Ok(()) } else { Err(Error::NoBackup { id: backup.to_string() }) }
    }

    fn end(&self, ids: &[String], what: impl Fn() -> String) -> Result<()> {
        if ids.is_empty() {
            return Err(Error::NoRecord { what: what() });
        }
        for ends in ids {
            let release = Release { ends: ends.clone(), at: rfc3339(self.clock.now()) };
            self.put_record(RecordKind::Release, &format!("releases/{ends}-{}", hex(&random::<8>()?)), &release)?;
        }
        Ok(())
    }

    fn ended(&self) -> Result<Vec<String>> {
        Ok(self.records::<Release>(RecordKind::Release, "releases")?.into_iter().map(|release| release.ends).collect())
    }

    /// Every record of a folder. A damaged one is an error: a deletion or hold that cannot be read must not be taken for none.
    fn records<T: DeserializeOwned>(&self, kind: RecordKind, folder: &str) -> Result<Vec<T>> {
        let mut found = Vec::new();
        for name in self.sites.list_all(folder)?.into_keys() {
            let value = self.record(kind, &name)?;
            found.push(serde_json::from_value(value).map_err(|error| Error::damaged(&name, error.to_string()))?);
        }
        Ok(found)
    }

    fn record(&self, kind: RecordKind, name: &str) -> Result<serde_json::Value> {
        if let Some(value) = self.records.lock().unwrap_or_else(PoisonError::into_inner).0.get(name) {
            return Ok(value.clone());
        }
        let opens = |bytes: &[u8]| self.sealer().open(kind, name, bytes, MAX_RECORD).is_ok();
        let bytes = self.sites.get_whole(name, MAX_RECORD, true, &opens)?;
        let value: serde_json::Value = self.sealer().open_json(kind, name, &bytes, MAX_RECORD)?;
        self.records.lock().unwrap_or_else(PoisonError::into_inner).0.insert(name.to_owned(), value.clone());
        Ok(value)
    }

    fn put_record<T: Serialize>(&self, kind: RecordKind, name: &str, value: &T) -> Result<()> {
        self.sites.look();
        let bytes = self.sealer().seal_json(kind, name, value)?;
        let mut reasons = self.sites.reasons();
        let mut have = 0;
        for (_, location) in self.sites.usable() {
            match location.put(name, &bytes) {
                Ok(()) => have += 1,
                Err(error) => reasons.push((location.name().to_owned(), error.to_string())),
            }
        }
        let need = self.sites.required();
        if have >= need { Ok(()) } else { Err(Error::NotDurable { have, need, reasons }) }
    }
}
