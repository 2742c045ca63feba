//! Writes a run: changes in key order become segments, their references an index.
//!
//! Memory: one segment of changes (at most [`SEGMENT_WEIGHT_MAX`] bytes and a row) and one part of the index.

use super::{ChunkKind, Run, RunKind, SegmentRef, Store, index};
use crate::rows::cutter::{Cutter, KeyHash, SEGMENT_WEIGHT, TARGET_MAX, target_for};
use crate::rows::key::Key;
use crate::rows::schema::Relation;
use crate::rows::segment::{CELLS_MAX, Encoder};
use crate::rows::value::Digest;
use crate::rows::{Batch, Change, ChangeRef, Damage};

/// A segment ends here whatever its keys say: rows 64 times as heavy as those that the target was made for would fill the memory.
const SEGMENT_WEIGHT_MAX: usize = 4 << 20;
/// References that a part of the index aims at: about 32 KiB.
const INDEX_TARGET: u32 = 256;

/// Takes the changes of a relation in strictly ascending key order and stores them.
pub struct RunWriter<'a, S: Store + ?Sized> {
    store: &'a S,
    relation: &'a Relation,
    hash: KeyHash,
    cutter: Option<Cutter>,
    /// Rows that came before the target was known.
    unmeasured: Batch,
    /// One row at a time, where rows do not come in batches.
    single: Batch,
    hashes: Vec<u64>,
    segment: Encoder,
    /// What stands for each change in its segment's digest, one after the other: 1 and the row's digest, or 0 and the beginning of
    /// the key's hash.
    marks: Vec<u8>,
    /// The first key of the segment.
    first: Vec<u8>,
    weight: usize,
    last: Option<Vec<u8>>,
    segments: Vec<SegmentRef>,
    segments_weight: usize,
    index_hash: KeyHash,
    index_cutter: Cutter,
    run: Run,
}

impl<'a, S: Store + ?Sized> RunWriter<'a, S> {
    /// A run whose segments aim at `target` rows.
    #[must_use]
    pub fn new(store: &'a S, relation: &'a Relation, kind: RunKind, boundary_key: &[u8; 32], target: u32) -> Self {
        let mut writer = Self::measuring(store, relation, kind, boundary_key);
        writer.aim(target);
        writer
    }

    /// A run whose target is made from the weight of its first rows: for a relation's first base run. The run says which it was.
    #[must_use]
    pub fn measuring(store: &'a S, relation: &'a Relation, kind: RunKind, boundary_key: &[u8; 32]) -> Self {
        let index_key = blake3::keyed_hash(boundary_key, b"run index");
        Self {
            store,
            relation,
            hash: KeyHash::new(boundary_key, &relation.name),
            cutter: None,
            unmeasured: Batch::default(),
            single: Batch::default(),
            hashes: Vec::new(),
            segment: Encoder::new(relation),
            marks: Vec::new(),
            first: Vec::new(),
            weight: 0,
            last: None,
            segments: Vec::new(),
            segments_weight: 0,
            index_hash: KeyHash::new(index_key.as_bytes(), &relation.name),
            index_cutter: Cutter::new(INDEX_TARGET),
            run: Run { kind, target: 0, index: Vec::new(), rows: 0, deletes: 0, bytes: 0 },
        }
    }

    /// Whether the run is a base.
    #[must_use]
    pub fn kind(&self) -> RunKind {
        self.run.kind
    }

    /// Takes the next change.
    ///
    /// # Errors
    /// A key out of order, a row that is not one of the relation, or what storing met.
    pub fn push(&mut self, change: &Change) -> Result<(), S::Error> {
        let row = match change {
            Change::Upsert(row) => row,
            Change::Delete(key) => return self.take(ChangeRef::Delete(key.as_bytes())),
        };
        let mut single = std::mem::take(&mut self.single);
        single.clear();
        let taken = single.push(self.relation, row).map_err(S::Error::from);
        let taken = taken.and_then(|()| single.rows().try_for_each(|row| self.take(ChangeRef::Upsert(row))));
        self.single = single;
        taken
    }

    /// Takes the next change, of a batch of rows of this relation.
    ///
    /// # Errors
    /// As [`RunWriter::push`].
    pub fn take(&mut self, change: ChangeRef<'_>) -> Result<(), S::Error> {
        let key = match &change {
            ChangeRef::Upsert(row) => row.key,
            ChangeRef::Delete(key) => key,
        };
        let hash = self.hash.one(key);
        self.take_hashed(change, hash)
    }

    /// Takes the rows of a batch of this relation, all of them.
    ///
    /// # Errors
    /// As [`RunWriter::push`].
    pub fn take_all(&mut self, batch: &mut Batch) -> Result<(), S::Error> {
        let mut hashes = std::mem::take(&mut self.hashes);
        self.hash.many(batch.rows().map(|row| row.key), &mut hashes);
        let taken = batch.rows().zip(&hashes).try_for_each(|(row, &hash)| self.take_hashed(ChangeRef::Upsert(row), hash));
        self.hashes = hashes;
        taken
    }

    fn take_hashed(&mut self, change: ChangeRef<'_>, hash: u64) -> Result<(), S::Error> {
        let key = match &change {
            ChangeRef::Upsert(row) => row.key,
            ChangeRef::Delete(key) => key,
        };
        self.check(&change, key)?;
        match &mut self.last {
            Some(last) => {
                last.clear();
                last.extend_from_slice(key);
            }
            None => self.last = Some(key.to_vec()),
        }
        if self.cutter.is_some() {
            return self.append(change, hash);
        }
        match change {
            ChangeRef::Upsert(row) => {
                self.unmeasured.copy(row);
                let enough = self.unmeasured.weight() >= SEGMENT_WEIGHT || self.unmeasured.len() >= TARGET_MAX as usize;
                if enough { self.measured() } else { Ok(()) }
            }
            ChangeRef::Delete(_) => {
                self.measured()?;
                self.append(change, hash)
            }
        }
    }

    /// Stores what is left and gives the run; one without changes has an empty index.
    ///
    /// # Errors
    /// What storing met.
    pub fn finish(mut self) -> Result<Run, S::Error> {
        if self.cutter.is_none() {
            self.measured()?;
        }
        let last = self.last.take().unwrap_or_default();
        self.end_segment(&last)?;
        self.end_index()?;
        Ok(self.run)
    }

    fn aim(&mut self, target: u32) {
        let cutter = Cutter::new(target);
        self.run.target = cutter.target();
        self.cutter = Some(cutter);
    }

    fn measured(&mut self) -> Result<(), S::Error> {
        let mut rows = std::mem::take(&mut self.unmeasured);
        self.aim(target_for(rows.weight().div_ceil(rows.len().max(1))));
        rows.rows().try_for_each(|row| {
            let hash = self.hash.one(row.key);
            self.append(ChangeRef::Upsert(row), hash)
        })
    }

    fn check(&self, change: &ChangeRef<'_>, key: &[u8]) -> Result<(), S::Error> {
        if self.last.as_ref().is_some_and(|last| **last >= *key) {
            return Err(Damage::Order { relation: self.relation.name.clone() }.into());
        }
        match change {
            ChangeRef::Delete(_) if self.run.kind == RunKind::Base => {
                Err(Damage::Unfit { relation: self.relation.name.clone(), why: "a base run holds no deletes" }.into())
            }
            _ => Ok(()),
        }
    }

    fn append(&mut self, change: ChangeRef<'_>, hash: u64) -> Result<(), S::Error> {
        let key = match change {
            ChangeRef::Upsert(row) => {
                self.run.rows += 1;
                self.weight += row.weight;
                self.mark(1, row.digest.0);
                self.segment.row(&row);
                row.key
            }
            ChangeRef::Delete(key) => {
                self.run.deletes += 1;
                self.weight += key.len() + 2;
                self.mark(0, Digest::of(key).0);
                self.segment.delete(key);
                key
            }
        };
        if self.segment.len() == 1 {
            self.first.clear();
            self.first.extend_from_slice(key);
        }
        let mut ends = self.cutter.as_mut().is_some_and(|cutter| cutter.ends_after(hash));
        let cells = (self.segment.len() + 1) * self.relation.columns.len();
        ends |= self.weight >= SEGMENT_WEIGHT_MAX || cells > CELLS_MAX;
        if ends { self.end_segment(key) } else { Ok(()) }
    }

    fn mark<const N: usize>(&mut self, kind: u8, digest: [u8; N]) {
        self.marks.push(kind);
        self.marks.extend_from_slice(&digest[..16]);
    }

    /// Stores the segment, which ends with the key `last`.
    fn end_segment(&mut self, last: &[u8]) -> Result<(), S::Error> {
        let digest = Digest::of(&self.marks);
        self.marks.clear();
        self.weight = 0;
        if self.segment.is_empty() {
            return Ok(());
        }
        if let Some(cutter) = &mut self.cutter {
            cutter.restart();
        }
        let rows = self.segment.len() as u64;
        let bytes = self.segment.finish();
        let chunk = self.put(ChunkKind::Segment, bytes)?;
        self.segments_weight += self.first.len() + last.len() + 70;
        let ends = self.index_cutter.ends_after(self.index_hash.one(last)) || self.segments_weight >= SEGMENT_WEIGHT_MAX;
        let (first, last) = (Key::from_bytes(self.first.clone()), Key::from_bytes(last.to_vec()));
        self.segments.push(SegmentRef { first, last, rows, chunk, digest });
        if ends { self.end_index() } else { Ok(()) }
    }

    fn end_index(&mut self) -> Result<(), S::Error> {
        let segments = std::mem::take(&mut self.segments);
        self.segments_weight = 0;
        self.index_cutter.restart();
        if segments.is_empty() {
            return Ok(());
        }
        let chunk = self.put(ChunkKind::Index, index::encode(&segments))?;
        self.run.index.push(chunk);
        Ok(())
    }

    fn put(&mut self, kind: ChunkKind, bytes: Vec<u8>) -> Result<Digest, S::Error> {
        self.run.bytes += bytes.len() as u64;
        self.store.put(kind, bytes)
    }
}
