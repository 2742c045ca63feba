//! Many rows of one relation in a few buffers: their canonical bytes one after the other, and their keys. A batch that is
//! emptied keeps its memory, so that from a source to a segment no row allocates anything.

use std::ops::Range;

use super::cell::{Cell, Cells};
use super::hashing::{Hashing, padded};
use super::key::{self, Key};
use super::row::{Change, Row, RowDigest};
use super::schema::{KeyKind, Relation};
use super::value::Value;
use super::{Damage, Large};

/// A batch is full at this many bytes, or this many rows.
const FULL_WEIGHT: usize = 256 << 10;
const FULL_ROWS: usize = 2048;

/// A row where it lies in its batch.
#[derive(Clone, Copy, Debug)]
pub struct RowRef<'b> {
    /// The bytes of its key.
    pub key: &'b [u8],
    /// Its digest ([`Row::digest`]).
    pub digest: RowDigest,
    /// Bytes it takes, about ([`Row::weight`]).
    pub weight: usize,
    canonical: &'b [u8],
    outside: &'b [Value],
}

/// What a change run holds for a key, where it lies.
#[derive(Clone, Copy, Debug)]
pub enum ChangeRef<'b> {
    /// The row as it is now.
    Upsert(RowRef<'b>),
    /// The row with this key is gone.
    Delete(&'b [u8]),
}

impl<'b> ChangeRef<'b> {
    /// The key it speaks of.
    #[must_use]
    pub fn key(&self) -> &'b [u8] {
        match self {
            Self::Upsert(row) => row.key,
            Self::Delete(key) => key,
        }
    }

    /// The change, as one of its own.
    #[must_use]
    pub fn to_change(&self) -> Change {
        match self {
            Self::Upsert(row) => Change::Upsert(row.to_row()),
            Self::Delete(key) => Change::Delete(Key::from_bytes(key.to_vec())),
        }
    }
}

impl<'b> RowRef<'b> {
    /// Its values, one a column.
    #[must_use]
    pub fn cells(&self) -> Cells<'b> {
        Cells::new(self.canonical, self.outside)
    }

    /// The row, as one of its own.
    #[must_use]
    pub fn to_row(&self) -> Row {
        Row { key: Key::from_bytes(self.key.to_vec()), values: self.cells().map(Cell::to_value).collect() }
    }
}

/// Where a row ends in the buffers; it begins where the one before ends.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    /// Of its canonical bytes, without the zeros behind them.
    canonical: usize,
    key: usize,
    outside: usize,
    weight: usize,
}

/// Rows of one relation, in the order in which they were added. Their keys are those that their values make.
#[derive(Debug, Default)]
pub struct Batch {
    /// Canonical bytes; each row's begin at a multiple of the hash's block, with zeros between.
    canonical: Vec<u8>,
    keys: Vec<u8>,
    /// What does not stand in canonical bytes: large values.
    outside: Vec<Value>,
    ends: Vec<End>,
    digests: Vec<RowDigest>,
    /// Where the cells of the row that is being added begin.
    cells: Vec<usize>,
    /// What they weigh.
    adding: usize,
    weight: usize,
    hashing: Option<Box<Hashing>>,
}

impl Batch {
    /// Rows in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True without rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// True where it is to be given on.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.canonical.len() >= FULL_WEIGHT || self.ends.len() >= FULL_ROWS
    }

    /// True where a value of a row stands outside it.
    #[must_use]
    pub fn has_large(&self) -> bool {
        !self.outside.is_empty()
    }

    /// Bytes that its rows take, about ([`Row::weight`]).
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Takes all rows out; the memory stays.
    pub fn clear(&mut self) {
        self.canonical.clear();
        self.keys.clear();
        self.outside.clear();
        self.ends.clear();
        self.digests.clear();
        self.weight = 0;
    }

    /// Begins a row: its cells follow, in the order of the columns, then [`Batch::end`].
    pub fn begin(&mut self) {
        let last = self.last();
        self.canonical.resize(padded(last.canonical), 0);
        self.keys.truncate(last.key);
        self.outside.truncate(last.outside);
        self.cells.clear();
        self.adding = 0;
    }

    /// Adds a cell to the row.
    #[inline]
    pub fn cell(&mut self, cell: Cell<'_>) {
        // What it is is asked once, and each of the usual ones has code of its own.
        match cell {
            Cell::Integer(number) => self.add(Cell::Integer(number)),
            Cell::Text(bytes) => self.add(Cell::Text(bytes)),
            other => self.add(other),
        }
    }

    #[inline(always)]
    fn add(&mut self, cell: Cell<'_>) {
        self.cells.push(self.canonical.len());
        self.adding += cell.weight();
        cell.push_canonical(&mut self.canonical);
        if cell.is_outside() {
            self.outside.push(cell.to_value());
        }
    }

    /// Adds a large value to the row.
    pub fn large(&mut self, large: Large) {
        self.cells.push(self.canonical.len());
        let cell = Cell::Large(&large);
        self.adding += cell.weight();
        cell.push_canonical(&mut self.canonical);
        self.outside.push(Value::Large(large));
    }

    /// Ends the row, as one of `relation`: its key is made of its values. Where they make none, it is named by its digest and the
    /// ordinal that `ordinal` gives for that (as [`Row::new`]).
    ///
    /// # Errors
    /// It has not one cell for each column.
    pub fn end(&mut self, relation: &Relation, ordinal: impl FnOnce(RowDigest) -> u32) -> Result<(), Damage> {
        if self.cells.len() != relation.columns.len() {
            return Err(Damage::Unfit { relation: relation.name.clone(), why: "it has not one value for each column" });
        }
        let last = self.last();
        if !self.push_key(relation) {
            self.keys.truncate(last.key);
            let digest = self.compared(relation);
            self.keys.extend_from_slice(Key::of_row(digest, ordinal(digest)).as_bytes());
        }
        let canonical = self.canonical.len();
        let weight = self.adding + self.keys.len() - last.key;
        self.ends.push(End { canonical, key: self.keys.len(), outside: self.outside.len(), weight });
        self.weight += weight;
        Ok(())
    }

    /// Adds a row of `relation` that stands by itself.
    ///
    /// # Errors
    /// It has not one value for each column, or another key than its values make.
    pub fn push(&mut self, relation: &Relation, row: &Row) -> Result<(), Damage> {
        self.begin();
        row.values.iter().for_each(|value| self.cell(value.cell()));
        self.end(relation, |_| row.key.whole_row().map_or(0, |(_, ordinal)| ordinal))?;
        if self.last_key() == Some(row.key.as_bytes()) {
            return Ok(());
        }
        self.pop();
        Err(Damage::Unfit { relation: relation.name.clone(), why: "its key is not the one that its values make" })
    }

    /// Adds a copy of a row of another batch of the same relation.
    pub fn copy(&mut self, row: RowRef<'_>) {
        self.begin();
        if self.digests.len() == self.ends.len() {
            self.digests.push(row.digest);
        }
        self.canonical.extend_from_slice(row.canonical);
        self.keys.extend_from_slice(row.key);
        self.outside.extend_from_slice(row.outside);
        self.ends.push(End { canonical: self.canonical.len(), key: self.keys.len(), outside: self.outside.len(), weight: row.weight });
        self.weight += row.weight;
    }

    /// Adds copies of the rows of another batch of the same relation that stand at these places; it has digested them.
    pub fn copy_all(&mut self, other: &Self, places: Range<usize>) {
        let Some(last) = places.end.checked_sub(1).filter(|last| places.contains(last)).map(|last| other.ends[last]) else { return };
        self.begin();
        if self.digests.len() == self.ends.len() {
            self.digests.extend_from_slice(&other.digests[places.clone()]);
        }
        // Rows begin at multiples of a block on both sides, so what lies between them can come along.
        let first = other.before(places.start);
        let canonical = padded(first.canonical)..last.canonical;
        let moved = |end: usize, from: usize, to: usize| end - from + to;
        let (begun, keys, outside) = (self.canonical.len(), self.keys.len(), self.outside.len());
        self.canonical.extend_from_slice(&other.canonical[canonical.clone()]);
        self.keys.extend_from_slice(&other.keys[first.key..last.key]);
        self.outside.extend_from_slice(&other.outside[first.outside..last.outside]);
        self.ends.extend(other.ends[places.clone()].iter().map(|end| End {
            canonical: moved(end.canonical, canonical.start, begun),
            key: moved(end.key, first.key, keys),
            outside: moved(end.outside, first.outside, outside),
            weight: end.weight,
        }));
        self.weight += other.ends[places].iter().map(|end| end.weight).sum::<usize>();
    }

    /// Takes the last row out again.
    pub fn pop(&mut self) {
        if let Some(end) = self.ends.pop() {
            self.weight -= end.weight;
            self.digests.truncate(self.ends.len());
            self.begin();
        }
    }

    /// The key of the last row.
    #[must_use]
    pub fn last_key(&self) -> Option<&[u8]> {
        let begin = self.ends.len().checked_sub(2).map_or(0, |before| self.ends[before].key);
        self.ends.last().map(|end| &self.keys[begin..end.key])
    }

    /// The rows, digested.
    pub fn rows(&mut self) -> impl Iterator<Item = RowRef<'_>> {
        self.digest();
        (0..self.ends.len()).map(|place| self.row(place))
    }

    /// Computes the digests of all rows that have none yet; [`Batch::get`] gives them.
    pub fn digest(&mut self) {
        let known = self.digests.len();
        let count = self.ends.len() - known;
        if count == 0 {
            return;
        }
        self.canonical.resize(padded(self.last().canonical), 0);
        self.digests.resize(self.ends.len(), RowDigest([0; 16]));
        let mut hashing = self.hashing.take().unwrap_or_else(|| Box::new(Hashing::plain()));
        let (canonical, ends, digests) = (&self.canonical, &self.ends, &mut self.digests);
        let input = |place: usize| {
            let begin = (known + place).checked_sub(1).map_or(0, |before| padded(ends[before].canonical));
            &canonical[begin..padded(ends[known + place].canonical)]
        };
        hashing.many(count, input, |place, hash| digests[known + place] = RowDigest::cut(hash));
        self.hashing = Some(hashing);
    }

    /// The row at `place`, where [`Batch::digest`] was called since it was added.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<RowRef<'_>> {
        (place < self.digests.len()).then(|| self.row(place))
    }

    fn row(&self, place: usize) -> RowRef<'_> {
        let begin = self.before(place);
        let end = self.ends[place];
        RowRef {
            key: &self.keys[begin.key..end.key],
            digest: self.digests[place],
            weight: end.weight,
            canonical: &self.canonical[padded(begin.canonical)..end.canonical],
            outside: &self.outside[begin.outside..end.outside],
        }
    }

    fn last(&self) -> End {
        self.before(self.ends.len())
    }

    /// Where the row ends that stands before `place`.
    fn before(&self, place: usize) -> End {
        place.checked_sub(1).map_or_else(End::default, |before| self.ends[before])
    }

    /// Adds the key that the row's values make; false where they make none.
    fn push_key(&mut self, relation: &Relation) -> bool {
        let KeyKind::Columns(columns) = &relation.key else { return false };
        let mut keys = std::mem::take(&mut self.keys);
        let made = columns.iter().all(|&column| {
            let fold = relation.columns[column].fold;
            // What stands outside makes no key, so nothing is looked for there.
            let cell = self.cells.get(column).and_then(|&begin| Cells::new(&self.canonical[begin..], &[]).next());
            cell.is_some_and(|cell| key::push_part(&mut keys, cell, fold))
        });
        self.keys = keys;
        made
    }

    /// The digest of the values that a preview compares.
    fn compared(&self, relation: &Relation) -> RowDigest {
        let last = self.last();
        let cells = Cells::new(&self.canonical[padded(last.canonical)..], &self.outside[last.outside..]);
        super::row::digest_of(relation.columns.iter().zip(cells).filter(|(column, _)| !column.is_hidden()).map(|(_, cell)| cell))
    }
}
