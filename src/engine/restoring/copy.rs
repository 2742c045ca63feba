//! `restore to`: a whole copy beside, never over: a new database file, a new folder.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{channel, sync_channel};

use super::filling;
use crate::catalog::{AuditOutcome, Role};
use crate::engine::Engine;
use crate::engine::backup::definition;
use crate::engine::error::{Doing, Error, Result};
use crate::engine::latest::{Part, Wanted};
use crate::engine::restore::Progress;
use crate::engine::selection::in_words;
use crate::engine::stored::StoredBackup;
use crate::rows::{Batch, RelationDigest, RelationKind, merge};
use crate::sources::database::Database;
use crate::sources::{Creator, Identity, files};
use crate::vault::{self, BackupId, Manifest, RelationRecord, SourceRecord};

/// Where a copy goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyTarget {
    /// The URL of a database that does not exist.
    Database(String),
    /// A folder that is new or empty; each tree goes into a folder of its label.
    Folder(PathBuf),
}

/// So many records and files that the backup lacks are named.
const MISSED_TOLD: usize = 20;

/// A database of so many records is filled as one of many, where the setting [`MANY_ROWS`] does not say otherwise.
const MANY: u64 = 500_000;

/// The setting that says how many records are many, for tests.
pub const MANY_ROWS: &str = "sources.many_rows";

/// A copy that was made.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct CopyResult {
    /// The backup.
    pub backup: String,
    /// Records written.
    pub records: u64,
    /// Files written.
    pub files: u64,
    /// How a place was filled, where there are several ways.
    pub ways: Vec<String>,
    /// What could not come back, by name.
    pub warnings: Vec<String>,
}

impl Engine {
    /// Writes what a backup holds to new places; every relation is checked against its digest before the copy is kept.
    ///
    /// # Errors
    /// A target that exists, stored data that is damaged, and what the target says; nothing half-made is left.
    pub fn restore_to(&self, backup: &str, app: Option<&str>, targets: &[CopyTarget]) -> Result<CopyResult> {
        self.restore_to_watched(backup, app, targets, &mut |_| true)
    }

    /// The same; `progress` is told how many records were copied, in the phase `copy`, and may end it.
    ///
    /// # Errors
    /// As [`Engine::restore_to`], and cancelling.
    pub fn restore_to_watched(
        &self,
        backup: &str,
        app: Option<&str>,
        targets: &[CopyTarget],
        progress: &mut Progress<'_>,
    ) -> Result<CopyResult> {
        refuse_twice(targets)?;
        let mut parts = targets.iter().map(|target| if matches!(target, CopyTarget::Database(_)) { Part::Database } else { Part::Files });
        let part = parts.next().filter(|first| parts.all(|part| part == *first));
        let backup = self.restorable(Some(backup), app, &Wanted { part, ..Wanted::default() }, None)?;
        self.allow(Role::Admin, "restore to", &backup.app)?;
        let vault = self.vault(&self.catalog().app(&backup.app_id)?.vault)?;
        let stored = StoredBackup::new(vault.clone(), vault.manifest(&BackupId(backup.id.clone()))?);
        let warnings = left_out(&stored.manifest);
        let mut result = CopyResult { backup: backup.id.clone(), warnings, ..CopyResult::default() };
        // Every target is begun before one is filled, and none is put into its place before all are filled.
        let mut copies = Vec::new();
        for target in targets {
            match target {
                CopyTarget::Database(url) => copies.push(begin_database(&stored, url, self.many_rows()?)?),
                CopyTarget::Folder(folder) => copies.extend(begin_files(&stored, folder)?),
            }
        }
        for (records, creator) in &mut copies {
            filling::fill(&stored, records, creator.as_mut(), progress, &mut result)?;
        }
        for (_, creator) in copies {
            let way = creator.way();
            result.warnings.extend(creator.finish()?);
            result.ways.extend(way);
        }
        self.audit("restore to", &backup.id, Some(&backup.app), AuditOutcome::Done, None)?;
        Ok(result)
    }

    fn many_rows(&self) -> Result<u64> {
        Ok(self.catalog().setting(MANY_ROWS)?.unwrap_or(MANY))
    }
}

/// What a whole copy lacks because the backup does: a copy must not look like more than it is.
fn left_out(manifest: &Manifest) -> Vec<String> {
    let scope = &manifest.scope;
    let narrowed =
        scope.narrowed.then(|| format!("the backup was narrowed, and the copy has no more than it: {}", in_words(scope).join("; ")));
    let missed = manifest.errors.iter().take(MISSED_TOLD).map(|missed| format!("{}: {}: {}", missed.model, missed.what, missed.why));
    let more = manifest.errors.len().saturating_sub(MISSED_TOLD);
    let rest = (more > 0).then(|| format!("{more} more could not be read when the backup was made"));
    narrowed.into_iter().chain(missed).chain(rest).collect()
}

fn refuse_twice(targets: &[CopyTarget]) -> Result<()> {
    let twice = (1..targets.len()).find(|&place| targets[..place].contains(&targets[place]));
    let Some(target) = twice.map(|place| &targets[place]) else { return Ok(()) };
    let name = match target {
        CopyTarget::Database(url) => url.clone(),
        CopyTarget::Folder(folder) => folder.display().to_string(),
    };
    let hint = "Give --target once for the database and once for the files.".to_owned();
    Err(Error::Usage { why: format!("the target {name} is given twice"), hint })
}

/// What is copied into one new place.
type Copying<'s> = (Vec<&'s RelationRecord>, Box<dyn Creator>);

fn begin_database<'s>(stored: &'s StoredBackup, url: &str, many: u64) -> Result<Copying<'s>> {
    let source = source_of(stored, RelationKind::Table, "no database")?;
    let described = definition::read(stored.vault(), &source.definition)?;
    let database = Database::parse(url)?;
    let engine = serde_json::from_value::<Identity>(source.identity.clone()).map(|identity| identity.engine).unwrap_or_default();
    if engine != database.engine() {
        return Err(Error::Refused {
            why: format!("the backup is of a {engine} database, and {database} is none"),
            hint: "Name a target of the same kind: a new SQLite file (sqlite:PATH), or an empty PostgreSQL database (postgresql://…)."
                .into(),
        });
    }
    let rows: u64 = source.relations.iter().map(|record| record.rows).sum();
    Ok((source.relations.iter().collect(), database.create(&described.definition, rows >= many)?))
}

/// A folder for each tree, below `folder`, which is made where it is not there.
fn begin_files<'s>(stored: &'s StoredBackup, folder: &Path) -> Result<Vec<Copying<'s>>> {
    source_of(stored, RelationKind::Files, "no files")?;
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(error).doing(|| format!("making the folder {}", folder.display()));
        }
        _ => {}
    }
    let trees = stored.manifest.relations().filter(|record| record.relation.kind == RelationKind::Files);
    trees.map(|record| Ok((vec![record], files::create(&folder.join(&record.relation.name))?))).collect()
}

fn source_of<'s>(stored: &'s StoredBackup, kind: RelationKind, nothing: &str) -> Result<&'s SourceRecord> {
    let is_files = |source: &SourceRecord| source.relations.iter().any(|record| record.relation.kind == RelationKind::Files);
    let holds = |source: &&SourceRecord| is_files(source) == (kind == RelationKind::Files);
    stored.manifest.sources.iter().find(holds).ok_or_else(|| Error::Refused {
        why: format!("the backup {} holds {nothing}", stored.manifest.id),
        hint: format!("See what it holds: backstop backups models {}", stored.manifest.id),
    })
}

impl CopyResult {
    /// A relation was copied.
    pub(super) fn count(&mut self, record: &RelationRecord, rows: u64) {
        match record.relation.kind {
            RelationKind::Table => self.records += rows,
            RelationKind::Files => self.files += rows,
            RelationKind::Derived => {}
        }
    }
}

/// Batches of rows that may wait between the thread that reads the vault and the one that writes.
const BATCHES: usize = 4;

/// Gives the rows of a relation in batches, which another thread reads meanwhile and fills again.
fn each_batch(stored: &StoredBackup, record: &RelationRecord, take: &mut dyn FnMut(&mut Batch) -> Result<()>) -> Result<()> {
    std::thread::scope(|scope| {
        let (to, batches) = sync_channel(BATCHES);
        let (back, emptied) = channel::<Batch>();
        let vault = stored.vault().as_ref();
        let reading = move || -> Result<()> {
            let mut rows = merge::Rows::new(vault, &record.relation, &record.runs);
            loop {
                let mut batch = emptied.try_recv().unwrap_or_default();
                rows.fill(&mut batch)?;
                // Nobody takes it where writing failed, which is told below.
                if batch.is_empty() || to.send(batch).is_err() {
                    return Ok(());
                }
            }
        };
        let reading = std::thread::Builder::new().name("reading".into()).spawn_scoped(scope, reading);
        let reading = reading.map_err(|error| Error::from(vault::Error::from(error)))?;
        let mut written = Ok(());
        for mut batch in &batches {
            written = take(&mut batch);
            if written.is_err() {
                break;
            }
            batch.clear();
            // The other side may have ended.
            let _ = back.send(batch);
        }
        drop(batches);
        let read = reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        written.and(read)
    })
}

/// Writes a relation and checks that what was given to be written is what the manifest says; answers how many rows were written.
pub(super) fn copy(
    stored: &StoredBackup,
    record: &RelationRecord,
    creator: &mut dyn Creator,
    pass: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<u64> {
    let mut digest = RelationDigest::default();
    each_batch(stored, record, &mut |batch| {
        batch.rows().for_each(|row| digest.push(row.digest));
        creator.add_all(&record.relation, batch, stored.vault().as_ref())?;
        pass(batch.len() as u64)
    })?;
    let (rows, found) = digest.finish();
    if (rows, found) != (record.rows, record.digest) {
        return Err(Error::Refused {
            why: format!("what is stored of {} is not what the backup says", record.relation.name),
            hint: "See what is lost: backstop vault verify --level 3".into(),
        });
    }
    Ok(rows - creator.refused(&record.relation).min(rows))
}
