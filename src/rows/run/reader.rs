//! Reads a run: one part of its index and one segment in memory at a time.

use super::{ChunkKind, Fetch, Run, SegmentRef, index};
use crate::rows::key::Key;
use crate::rows::schema::Relation;
use crate::rows::{Change, Damage, segment};

/// The segments of a run, in key order. After an error it goes on with the next part of the index, so that a verification can say all that is lost.
pub struct Segments<'a, F: Fetch + ?Sized> {
    fetch: &'a F,
    run: &'a Run,
    part: usize,
    refs: std::vec::IntoIter<SegmentRef>,
    last: Option<Key>,
}

impl<'a, F: Fetch + ?Sized> Segments<'a, F> {
    /// All segments of `run`.
    #[must_use]
    pub fn new(fetch: &'a F, run: &'a Run) -> Self {
        Self { fetch, run, part: 0, refs: Vec::new().into_iter(), last: None }
    }

    /// Begins with the first segment that holds keys at or after `key`; the index is searched by halves.
    fn seek(&mut self, key: &Key) -> Result<(), F::Error> {
        let (mut low, mut high) = (0, self.run.index.len());
        let mut found = Vec::new();
        while low < high {
            let middle = low + (high - low) / 2;
            let refs = self.load(middle)?;
            if refs.last().is_some_and(|segment| segment.last < *key) {
                low = middle + 1;
            } else {
                high = middle;
                found = refs;
            }
        }
        let begin = found.partition_point(|segment| segment.last < *key);
        found.drain(..begin);
        self.part = low + 1;
        self.refs = found.into_iter();
        self.last = None;
        Ok(())
    }

    fn load(&self, part: usize) -> Result<Vec<SegmentRef>, F::Error> {
        let bytes = self.fetch.get(ChunkKind::Index, &self.run.index[part])?;
        Ok(index::decode(&bytes)?)
    }
}

impl<F: Fetch + ?Sized> Iterator for Segments<'_, F> {
    type Item = Result<SegmentRef, F::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(segment) = self.refs.next() {
                if self.last.as_ref().is_some_and(|last| *last >= segment.first) {
                    return Some(Err(Damage::Form { what: "order of a run's index" }.into()));
                }
                self.last = Some(segment.last.clone());
                return Some(Ok(segment));
            }
            if self.part >= self.run.index.len() {
                return None;
            }
            self.part += 1;
            match self.load(self.part - 1) {
                Ok(refs) => self.refs = refs.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// The changes of a run, in key order. After an error it goes on with the next segment; whoever needs every row stops there.
pub struct RunReader<'a, F: Fetch + ?Sized> {
    relation: &'a Relation,
    segments: Segments<'a, F>,
    changes: std::vec::IntoIter<Change>,
    /// What is still to come, while the run is read whole and without an error.
    left: Option<(u64, u64)>,
}

impl<'a, F: Fetch + ?Sized> RunReader<'a, F> {
    /// All changes of `run`; nothing is fetched yet.
    #[must_use]
    pub fn new(fetch: &'a F, relation: &'a Relation, run: &'a Run) -> Self {
        let segments = Segments::new(fetch, run);
        Self { relation, segments, changes: Vec::new().into_iter(), left: Some((run.rows, run.deletes)) }
    }

    /// Begins at `key`, or at the first key after it.
    ///
    /// # Errors
    /// What fetching met, damage included.
    pub fn from(mut self, key: &Key) -> Result<Self, F::Error> {
        self.seek(key)?;
        Ok(self)
    }

    /// What the run holds for `key`; the reader stands behind it then.
    ///
    /// # Errors
    /// What fetching met, damage included.
    pub fn find(&mut self, key: &Key) -> Result<Option<Change>, F::Error> {
        self.seek(key)?;
        if self.changes.as_slice().first().is_some_and(|change| change.key() == key) {
            return Ok(self.changes.next());
        }
        Ok(None)
    }

    fn seek(&mut self, key: &Key) -> Result<(), F::Error> {
        self.left = None;
        self.changes = Vec::new().into_iter();
        self.segments.seek(key)?;
        let Some(segment) = self.segments.next() else {
            return Ok(());
        };
        let mut changes = self.load(&segment?)?;
        let begin = changes.partition_point(|change| change.key() < key);
        changes.drain(..begin);
        self.changes = changes.into_iter();
        Ok(())
    }

    /// The changes of one segment, which must be what its reference says.
    fn load(&self, segment: &SegmentRef) -> Result<Vec<Change>, F::Error> {
        let bytes = self.segments.fetch.get(ChunkKind::Segment, &segment.chunk)?;
        let changes = segment::decode(self.relation, &bytes)?;
        if changes.len() as u64 != segment.rows {
            return Err(Damage::Mismatch { what: "rows of a segment", found: changes.len() as u64, wanted: segment.rows }.into());
        }
        let ends = (changes.first().map(Change::key), changes.last().map(Change::key));
        if ends != (Some(&segment.first), Some(&segment.last)) {
            return Err(Damage::Form { what: "reference to a segment" }.into());
        }
        Ok(changes)
    }

    fn count(&mut self, change: &Change) -> Result<(), Damage> {
        let Some((rows, deletes)) = &mut self.left else {
            return Ok(());
        };
        let left = match change {
            Change::Upsert(_) => rows,
            Change::Delete(_) => deletes,
        };
        match left.checked_sub(1) {
            Some(less) => *left = less,
            None => {
                self.left = None;
                return Err(Damage::Form { what: "count of a run" });
            }
        }
        Ok(())
    }

    /// A run that ends before its counts are used up has lost rows.
    fn end(&mut self) -> Option<Result<Change, F::Error>> {
        let (rows, deletes) = self.left.take()?;
        let missing = rows.saturating_add(deletes);
        if missing == 0 {
            return None;
        }
        let wanted = self.segments.run.rows.saturating_add(self.segments.run.deletes);
        Some(Err(Damage::Mismatch { what: "records of a run", found: wanted - missing, wanted }.into()))
    }
}

impl<F: Fetch + ?Sized> Iterator for RunReader<'_, F> {
    type Item = Result<Change, F::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(change) = self.changes.next() {
                return Some(self.count(&change).map(|()| change).map_err(Into::into));
            }
            let Some(segment) = self.segments.next() else {
                return self.end();
            };
            match segment.and_then(|segment| self.load(&segment)) {
                Ok(changes) => self.changes = changes.into_iter(),
                Err(error) => {
                    self.left = None;
                    return Some(Err(error));
                }
            }
        }
    }
}
