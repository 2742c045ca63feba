//! Writes a run: changes in key order become segments, their references an index.
//!
//! Memory: one segment of changes (at most [`SEGMENT_WEIGHT_MAX`] bytes and a row) and one part of the index.

use super::{ChunkKind, Run, RunKind, SegmentRef, Store, index};
use crate::rows::cutter::{Cutter, SEGMENT_WEIGHT, TARGET_MAX, target_for};
use crate::rows::key::Key;
use crate::rows::row::compared_digest;
use crate::rows::schema::Relation;
use crate::rows::segment::{self, CELLS_MAX};
use crate::rows::value::Digest;
use crate::rows::{Change, Damage, Row, RowDigest};

/// A segment ends here whatever its keys say: rows 64 times as heavy as those that the target was made for would fill the memory.
const SEGMENT_WEIGHT_MAX: usize = 4 << 20;
/// References that a part of the index aims at: about 32 KiB.
const INDEX_TARGET: u32 = 256;

/// Takes the changes of a relation in strictly ascending key order and stores them.
pub struct RunWriter<'a, S: Store + ?Sized> {
    store: &'a S,
    relation: &'a Relation,
    boundary_key: [u8; 32],
    cutter: Option<Cutter>,
    /// What came before the target was known, with what stands for it in a segment's digest.
    unmeasured: Vec<(Change, Mark)>,
    waiting: Vec<Change>,
    /// The marks of what waits, one after the other.
    marks: Vec<u8>,
    weight: usize,
    last: Option<Key>,
    segments: Vec<SegmentRef>,
    segments_weight: usize,
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
            boundary_key: *boundary_key,
            cutter: None,
            unmeasured: Vec::new(),
            waiting: Vec::new(),
            marks: Vec::new(),
            weight: 0,
            last: None,
            segments: Vec::new(),
            segments_weight: 0,
            index_cutter: Cutter::new(index_key.as_bytes(), &relation.name, INDEX_TARGET),
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
    pub fn push(&mut self, change: Change) -> Result<(), S::Error> {
        let mark = match &change {
            Change::Upsert(row) => mark(1, row.digest().0),
            Change::Delete(key) => mark(0, Digest::of(key.as_bytes()).0),
        };
        self.push_marked(change, mark)
    }

    /// Takes the next row, whose digest ([`Row::digest`]) is known already: it is not computed again.
    ///
    /// # Errors
    /// As [`RunWriter::push`].
    pub fn push_digested(&mut self, row: Row, digest: RowDigest) -> Result<(), S::Error> {
        self.push_marked(Change::Upsert(row), mark(1, digest.0))
    }

    fn push_marked(&mut self, change: Change, mark: Mark) -> Result<(), S::Error> {
        self.check(&change)?;
        match &change {
            Change::Upsert(_) => self.run.rows += 1,
            Change::Delete(_) => self.run.deletes += 1,
        }
        change.key().remember_in(&mut self.last);
        if self.cutter.is_some() {
            return self.append(change, &mark);
        }
        self.weight += weight(&change);
        self.unmeasured.push((change, mark));
        if self.weight >= SEGMENT_WEIGHT || self.unmeasured.len() >= TARGET_MAX as usize {
            self.measured()?;
        }
        Ok(())
    }

    /// Stores what is left and gives the run; one without changes has an empty index.
    ///
    /// # Errors
    /// What storing met.
    pub fn finish(mut self) -> Result<Run, S::Error> {
        if self.cutter.is_none() {
            self.measured()?;
        }
        self.end_segment()?;
        self.end_index()?;
        Ok(self.run)
    }

    fn aim(&mut self, target: u32) {
        let cutter = Cutter::new(&self.boundary_key, &self.relation.name, target);
        self.run.target = cutter.target();
        self.cutter = Some(cutter);
    }

    fn measured(&mut self) -> Result<(), S::Error> {
        self.aim(target_for(self.weight.div_ceil(self.unmeasured.len().max(1))));
        self.weight = 0;
        for (change, mark) in std::mem::take(&mut self.unmeasured) {
            self.append(change, &mark)?;
        }
        Ok(())
    }

    fn check(&self, change: &Change) -> Result<(), S::Error> {
        let unfit = |why| Err(Damage::Unfit { relation: self.relation.name.clone(), why }.into());
        if self.last.as_ref().is_some_and(|last| last >= change.key()) {
            return Err(Damage::Order { relation: self.relation.name.clone() }.into());
        }
        match change {
            Change::Upsert(row) if row.values.len() != self.relation.columns.len() => unfit("it has not one value for each column"),
            Change::Upsert(row) if !is_keyed(self.relation, row) => unfit("its key is not the one that its values make"),
            Change::Delete(_) if self.run.kind == RunKind::Base => unfit("a base run holds no deletes"),
            _ => Ok(()),
        }
    }

    fn append(&mut self, change: Change, mark: &Mark) -> Result<(), S::Error> {
        self.weight += weight(&change);
        self.marks.extend_from_slice(mark);
        let mut ends = self.cutter.as_mut().is_some_and(|cutter| cutter.ends_after(change.key()));
        self.waiting.push(change);
        let cells = (self.waiting.len() + 1) * self.relation.columns.len();
        ends |= self.weight >= SEGMENT_WEIGHT_MAX || cells > CELLS_MAX;
        if ends { self.end_segment() } else { Ok(()) }
    }

    fn end_segment(&mut self) -> Result<(), S::Error> {
        let changes = std::mem::take(&mut self.waiting);
        let digest = Digest::of(&self.marks);
        self.marks.clear();
        self.weight = 0;
        let (Some(first), Some(last)) = (changes.first(), changes.last()) else {
            return Ok(());
        };
        if let Some(cutter) = &mut self.cutter {
            cutter.restart();
        }
        let bytes = segment::encode(self.relation, &changes);
        let chunk = self.put(ChunkKind::Segment, &bytes)?;
        let (first, last) = (first.key().clone(), last.key().clone());
        self.segments_weight += first.as_bytes().len() + last.as_bytes().len() + 70;
        let ends = self.index_cutter.ends_after(&last) || self.segments_weight >= SEGMENT_WEIGHT_MAX;
        self.segments.push(SegmentRef { first, last, rows: changes.len() as u64, chunk, digest });
        if ends { self.end_index() } else { Ok(()) }
    }

    fn end_index(&mut self) -> Result<(), S::Error> {
        let segments = std::mem::take(&mut self.segments);
        self.segments_weight = 0;
        self.index_cutter.restart();
        if segments.is_empty() {
            return Ok(());
        }
        let chunk = self.put(ChunkKind::Index, &index::encode(&segments))?;
        self.run.index.push(chunk);
        Ok(())
    }

    fn put(&mut self, kind: ChunkKind, bytes: &[u8]) -> Result<Digest, S::Error> {
        self.run.bytes += bytes.len() as u64;
        self.store.put(kind, bytes)
    }
}

fn weight(change: &Change) -> usize {
    match change {
        Change::Upsert(row) => row.weight(),
        Change::Delete(key) => key.as_bytes().len() + 2,
    }
}

/// Readers make keys from values: a key that they would not find must not be written.
fn is_keyed(relation: &Relation, row: &Row) -> bool {
    match relation.key_of(&row.values) {
        Some(key) => key == row.key,
        None => row.key.whole_row().is_some_and(|(digest, _)| digest == compared_digest(relation, &row.values)),
    }
}

/// What stands for a change in its segment's digest: 1 and the row's digest, or 0 and the beginning of the key's hash.
type Mark = [u8; 17];

fn mark<const N: usize>(kind: u8, digest: [u8; N]) -> Mark {
    let mut mark = [kind; 17];
    mark[1..].copy_from_slice(&digest[..16]);
    mark
}
