//! Reads a run: one part of its index and one segment in memory at a time.

use super::{ChunkKind, Fetch, Run, SegmentRef, index};
use crate::rows::key::Key;
use crate::rows::schema::Relation;
use crate::rows::segment::Decoded;
use crate::rows::{Batch, Change, ChangeRef, Damage};

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
///
/// As an iterator it gives changes that stand by themselves; [`RunReader::head`] shows the one it stands at where it lies.
pub struct RunReader<'a, F: Fetch + ?Sized> {
    relation: &'a Relation,
    segments: Segments<'a, F>,
    changes: Decoded,
    /// The change it stands at, where it has begun.
    at: usize,
    begun: bool,
    /// What is still to come, while the run is read whole and without an error.
    left: Option<(u64, u64)>,
}

impl<'a, F: Fetch + ?Sized> RunReader<'a, F> {
    /// All changes of `run`; nothing is fetched yet.
    #[must_use]
    pub fn new(fetch: &'a F, relation: &'a Relation, run: &'a Run) -> Self {
        let segments = Segments::new(fetch, run);
        Self { relation, segments, changes: Decoded::default(), at: 0, begun: false, left: Some((run.rows, run.deletes)) }
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
        let found = self.changes.get(self.at).filter(|change| *change.key() == *key.as_bytes()).map(|change| change.to_change());
        self.begun = found.is_some();
        Ok(found)
    }

    /// The change it stands at; `None` before the first and behind the last.
    #[must_use]
    pub fn head(&self) -> Option<ChangeRef<'_>> {
        self.changes.get(self.at).filter(|_| self.begun)
    }

    /// Goes on to the next change, or the first.
    ///
    /// # Errors
    /// What fetching met, damage included.
    pub fn advance(&mut self) -> Result<(), F::Error> {
        self.at += usize::from(self.begun);
        self.begun = true;
        while self.at >= self.changes.len() {
            self.at = 0;
            self.changes.clear();
            let Some(segment) = self.segments.next() else { return self.end() };
            if let Err(error) = segment.and_then(|segment| self.load(&segment)) {
                self.left = None;
                // The next call goes on behind this.
                self.changes.clear();
                self.begun = false;
                return Err(error);
            }
        }
        Ok(self.count()?)
    }

    /// Adds copies of the row it stands at and those behind it to `batch`, as far as they are there and have keys before `end`, and stands at
    /// the last of them then.
    ///
    /// # Errors
    /// There are more than the run says.
    pub fn copy_rows(&mut self, end: Option<&[u8]>, batch: &mut Batch) -> Result<(), Damage> {
        let more = self.changes.copy_rows(self.at, end, batch).saturating_sub(1);
        self.at += more;
        self.count_of(more as u64, 0)
    }

    /// Exchanges the empty `batch` for the rows of the next segment that has any; it stays empty behind the last one. For whoever reads
    /// the whole run so, from its beginning.
    ///
    /// # Errors
    /// What fetching met, damage included.
    pub fn fill(&mut self, batch: &mut Batch) -> Result<(), F::Error> {
        while batch.is_empty() {
            let Some(segment) = self.segments.next() else { return self.end() };
            let loaded = segment.and_then(|segment| self.load(&segment)).and_then(|()| Ok(self.count_all()?));
            if loaded.is_err() {
                self.left = None;
                self.changes.clear();
            }
            loaded?;
            self.changes.exchange(batch);
        }
        Ok(())
    }

    /// Stands before the first change at or after `key`.
    fn seek(&mut self, key: &Key) -> Result<(), F::Error> {
        self.left = None;
        self.changes.clear();
        (self.at, self.begun) = (0, false);
        self.segments.seek(key)?;
        if let Some(segment) = self.segments.next() {
            self.load(&segment?)?;
            self.at = self.changes.find(key);
        }
        Ok(())
    }

    /// The changes of one segment, which must be what its reference says.
    fn load(&mut self, segment: &SegmentRef) -> Result<(), F::Error> {
        let bytes = self.segments.fetch.get(ChunkKind::Segment, &segment.chunk)?;
        self.changes.fill(self.relation, &bytes)?;
        let found = self.changes.len() as u64;
        if found != segment.rows {
            return Err(Damage::Mismatch { what: "rows of a segment", found, wanted: segment.rows }.into());
        }
        let key = |place: Option<usize>| place.and_then(|place| self.changes.get(place)).map(|change| change.key());
        let ends = (key(Some(0)), key(self.changes.len().checked_sub(1)));
        if ends != (Some(segment.first.as_bytes()), Some(segment.last.as_bytes())) {
            return Err(Damage::Form { what: "reference to a segment" }.into());
        }
        Ok(())
    }

    /// Counts the change it stands at.
    fn count(&mut self) -> Result<(), Damage> {
        match self.changes.get(self.at) {
            Some(ChangeRef::Upsert(_)) => self.count_of(1, 0),
            Some(ChangeRef::Delete(_)) => self.count_of(0, 1),
            None => Ok(()),
        }
    }

    /// Counts all changes of the segment.
    fn count_all(&mut self) -> Result<(), Damage> {
        let rows = self.changes.rows() as u64;
        self.count_of(rows, self.changes.len() as u64 - rows)
    }

    fn count_of(&mut self, rows: u64, deletes: u64) -> Result<(), Damage> {
        let Some((all_rows, all_deletes)) = self.left else { return Ok(()) };
        self.left = all_rows.checked_sub(rows).zip(all_deletes.checked_sub(deletes));
        if self.left.is_some() { Ok(()) } else { Err(Damage::Form { what: "count of a run" }) }
    }

    /// A run that ends before its counts are used up has lost rows.
    fn end(&mut self) -> Result<(), F::Error> {
        let missing = self.left.take().map_or(0, |(rows, deletes)| rows.saturating_add(deletes));
        if missing == 0 {
            return Ok(());
        }
        let wanted = self.segments.run.rows.saturating_add(self.segments.run.deletes);
        Err(Damage::Mismatch { what: "records of a run", found: wanted - missing, wanted }.into())
    }
}

impl<F: Fetch + ?Sized> Iterator for RunReader<'_, F> {
    type Item = Result<Change, F::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.advance() {
            Ok(()) => self.head().map(|change| Ok(change.to_change())),
            Err(error) => Some(Err(error)),
        }
    }
}
