//! `restore to`: a whole copy beside, never over: a new database file, a new folder.

use std::path::PathBuf;

use crate::catalog::{AuditOutcome, Role};
use crate::engine::Engine;
use crate::engine::apps::sqlite;
use crate::engine::backup::definition;
use crate::engine::error::{Error, Result};
use crate::engine::latest::{Part, Wanted};
use crate::engine::stored::StoredBackup;
use crate::rows::{RelationDigest, RelationKind};
use crate::sources::{Creator, files};
use crate::vault::{BackupId, RelationRecord, SourceRecord};

/// Where a copy goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyTarget {
    /// The URL of a database that does not exist.
    Database(String),
    /// A folder that is new or empty; each tree goes into a folder of its label.
    Folder(PathBuf),
}

/// A copy that was made.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct CopyResult {
    /// The backup.
    pub backup: String,
    /// Records written.
    pub records: u64,
    /// Files written.
    pub files: u64,
    /// What could not come back, by name.
    pub warnings: Vec<String>,
}

impl Engine {
    /// Writes what a backup holds to new places; every relation is checked against its digest before the copy is kept.
    ///
    /// # Errors
    /// A target that exists, stored data that is damaged, and what the target says; nothing half-made is left.
    pub fn restore_to(&self, backup: &str, app: Option<&str>, targets: &[CopyTarget]) -> Result<CopyResult> {
        let mut parts = targets.iter().map(|target| if matches!(target, CopyTarget::Database(_)) { Part::Database } else { Part::Files });
        let part = parts.next().filter(|first| parts.all(|part| part == *first));
        let backup = self.restorable(Some(backup), app, &Wanted { part, ..Wanted::default() }, None)?;
        self.allow(Role::Admin, "restore to", &backup.app)?;
        let vault = self.vault(&self.catalog().app(&backup.app_id)?.vault)?;
        let stored = StoredBackup::new(vault.clone(), vault.manifest(&BackupId(backup.id.clone()))?);
        let mut result = CopyResult { backup: backup.id.clone(), ..CopyResult::default() };
        for target in targets {
            match target {
                CopyTarget::Database(url) => copy_database(&stored, url, &mut result)?,
                CopyTarget::Folder(folder) => copy_files(&stored, folder, &mut result)?,
            }
        }
        self.audit("restore to", &backup.id, Some(&backup.app), AuditOutcome::Done, None)?;
        Ok(result)
    }
}

fn copy_database(stored: &StoredBackup, url: &str, result: &mut CopyResult) -> Result<()> {
    let source = source_of(stored, RelationKind::Table, "no database")?;
    let described = definition::read(stored.vault(), &source.definition)?;
    let mut creator = sqlite(url)?.create(&described.definition)?;
    for record in &source.relations {
        result.records += copy(stored, record, creator.as_mut())?;
    }
    result.warnings.extend(creator.finish()?);
    Ok(())
}

fn copy_files(stored: &StoredBackup, folder: &std::path::Path, result: &mut CopyResult) -> Result<()> {
    source_of(stored, RelationKind::Files, "no files")?;
    let trees = stored.manifest.relations().filter(|record| record.relation.kind == RelationKind::Files);
    for record in trees {
        let mut creator = files::create(&folder.join(&record.relation.name))?;
        result.files += copy(stored, record, creator.as_mut())?;
        result.warnings.extend(creator.finish()?);
    }
    Ok(())
}

fn source_of<'s>(stored: &'s StoredBackup, kind: RelationKind, nothing: &str) -> Result<&'s SourceRecord> {
    let holds = |source: &&SourceRecord| source.relations.iter().any(|record| record.relation.kind == kind);
    stored.manifest.sources.iter().find(holds).ok_or_else(|| Error::Refused {
        why: format!("the backup {} holds {nothing}", stored.manifest.id),
        hint: format!("See what it holds: backstop backups models {}", stored.manifest.id),
    })
}

/// Writes a relation and checks that what was written is what the manifest says.
fn copy(stored: &StoredBackup, record: &RelationRecord, creator: &mut dyn Creator) -> Result<u64> {
    let mut digest = RelationDigest::default();
    for row in stored.rows(record) {
        let row = row?;
        digest.push(row.digest());
        creator.add(&record.relation, &row, stored.vault().as_ref())?;
    }
    let (rows, found) = digest.finish();
    if (rows, found) != (record.rows, record.digest) {
        return Err(Error::Refused {
            why: format!("what is stored of {} is not what the backup says", record.relation.name),
            hint: "See what is lost: backstop vault verify --level 3".into(),
        });
    }
    Ok(rows)
}
