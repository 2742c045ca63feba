//! What lost chunks mean to people: models, records and files, not packs.

use std::collections::{BTreeMap, HashSet};

use super::Vault;
use super::error::Result;
use super::manifest::{Manifest, RelationRecord};
use super::names::BackupName;
use super::pack::ChunkKind;
use super::reader::has_lists;
use crate::numbers::counted;
use crate::rows::run::{Run, RunReader, Segments};
use crate::rows::{Change, Digest, Large, RelationKind, Row, Value};

/// Files and records named one by one, a model; the rest are counted.
const NAMED: usize = 20;

/// What a backup refers to, found by walking it.
#[derive(Debug, Default)]
pub(super) struct Reached {
    /// Every chunk.
    pub chunks: HashSet<(ChunkKind, Digest)>,
}

impl Vault {
    /// Every chunk that a backup refers to; contents of files and large values only where `deep` (their rows are then read).
    pub(super) fn reached(&self, manifest: &Manifest, deep: bool) -> Reached {
        let mut reached = Reached::default();
        for source in &manifest.sources {
            reached.chunks.insert((ChunkKind::Schema, source.definition));
            for record in &source.relations {
                for run in &record.runs {
                    reached.chunks.extend(run.index.iter().map(|chunk| (ChunkKind::Index, *chunk)));
                    let segments = Segments::new(self, run).filter_map(Result::ok);
                    reached.chunks.extend(segments.map(|segment| (ChunkKind::Segment, segment.chunk)));
                    if deep {
                        self.reach_contents(record, run, &mut reached);
                    }
                }
            }
        }
        reached
    }

    fn reach_contents(&self, record: &RelationRecord, run: &Run, reached: &mut Reached) {
        for change in RunReader::new(self, &record.relation, run).filter_map(Result::ok) {
            let Change::Upsert(row) = change else { continue };
            for large in larges(&row) {
                if has_lists(large) {
                    reached.chunks.extend(large.chunks.iter().map(|chunk| (ChunkKind::List, *chunk)));
                }
                // A list that cannot be read is found as a lost chunk of its own.
                let _ = self.pieces(large, &mut |chunk| {
                    reached.chunks.insert((ChunkKind::Content, chunk));
                    Ok(())
                });
            }
        }
    }

    /// What the loss of these chunks means, over all backups: one sentence a model, the newest backup that misses it named.
    pub(super) fn lost_in_words(&self, lost: &HashSet<Digest>, backups: &[BackupName]) -> Vec<String> {
        let mut sentences: BTreeMap<String, String> = BTreeMap::new();
        for name in backups {
            let Ok(manifest) = self.manifest_named(name) else {
                sentences.insert(name.id.to_string(), format!("backup {}: its manifest", name.id));
                continue;
            };
            for source in &manifest.sources {
                if lost.contains(&source.definition) {
                    sentences.insert(format!("{} definition", manifest.app), format!("{}: the definition of the database", manifest.app));
                }
                for record in &source.relations {
                    for (what, words) in self.lost_of(record, lost) {
                        let model = format!("{} {}", manifest.app, record.relation.name);
                        sentences.insert(format!("{model} {what}"), format!("{}: {words}", record.relation.name));
                    }
                }
            }
        }
        sentences.into_values().collect()
    }

    /// What a relation loses: pairs of a name to count it once, and words.
    fn lost_of(&self, record: &RelationRecord, lost: &HashSet<Digest>) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut rows = 0;
        let mut contents = Vec::new();
        for run in &record.runs {
            if run.index.iter().any(|chunk| lost.contains(chunk)) {
                found.push(("index".into(), format!("up to {}", counted(run.rows, "record"))));
                continue;
            }
            rows += self.lost_rows(run, lost);
            contents.extend(self.lost_contents(record, run, lost));
        }
        if rows > 0 {
            found.push(("rows".into(), counted(rows, "record")));
        }
        contents.sort();
        contents.dedup();
        let more = contents.len().saturating_sub(NAMED);
        found.extend(contents.into_iter().take(NAMED).map(|name| (name.clone(), name)));
        if more > 0 {
            found.push(("more".into(), format!("and {more} more")));
        }
        found
    }

    fn lost_rows(&self, run: &Run, lost: &HashSet<Digest>) -> u64 {
        let segments = Segments::new(self, run).filter_map(Result::ok);
        segments.filter(|segment| lost.contains(&segment.chunk)).map(|segment| segment.rows).sum()
    }

    /// The files, or records with a large value, whose content is lost, from the segments that can be read.
    fn lost_contents(&self, record: &RelationRecord, run: &Run, lost: &HashSet<Digest>) -> Vec<String> {
        let mut found = Vec::new();
        for segment in Segments::new(self, run).filter_map(Result::ok).filter(|segment| !lost.contains(&segment.chunk)) {
            let Ok(bytes) = self.read(ChunkKind::Segment, &segment.chunk) else { continue };
            let Ok(changes) = crate::rows::segment::decode(&record.relation, &bytes) else { continue };
            for change in changes {
                let Change::Upsert(row) = change else { continue };
                if larges(&row).any(|large| self.is_lost(large, lost)) {
                    found.push(named(record, &row));
                }
            }
        }
        found
    }

    fn is_lost(&self, large: &Large, lost: &HashSet<Digest>) -> bool {
        let mut hit = large.chunks.iter().any(|chunk| lost.contains(chunk));
        let walked = self.pieces(large, &mut |chunk| {
            hit |= lost.contains(&chunk);
            Ok(())
        });
        hit || walked.is_err()
    }
}

fn larges(row: &Row) -> impl Iterator<Item = &Large> {
    row.values.iter().filter_map(|value| match value {
        Value::Large(large) => Some(large),
        _ => None,
    })
}

/// A file by its path, a record by the values of its key.
fn named(record: &RelationRecord, row: &Row) -> String {
    let word = |value: &Value| match value {
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(bytes) | Value::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Null | Value::Large(_) => "?".into(),
    };
    let key: Vec<_> = record.relation.key_columns().iter().filter_map(|&column| row.values.get(column)).map(word).collect();
    let what = if record.relation.kind == RelationKind::Files { "file" } else { "record" };
    if key.is_empty() { format!("a {what} without a key") } else { format!("{what} {}", key.join(", ")) }
}
