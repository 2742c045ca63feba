//! Bytes into rows. The bytes may be anything: every length is checked before anything is allocated for it.

use crate::rows::bytes::{Cursor, unzigzag};
use crate::rows::{Batch, Cell, Change, ChangeRef, Class, Damage, Key, KeyKind, Large, Relation, key};

use super::{BLOB, CELLS_MAX, CHANGES_MAX, DELETED, INTEGER, LARGE_BLOB, LARGE_TEXT, MAGIC, PLAIN, REAL, RUNS, TEXT, VERSION, WHOLE};

const MISSING: Damage = Damage::Short { what: "segment" };

/// The changes of one segment, in key order, where they were decoded.
#[derive(Debug, Default)]
pub struct Decoded {
    rows: Batch,
    /// For each change the place of its row, or of its key among the deleted ones.
    order: Vec<Place>,
    deleted: Vec<Key>,
    /// The key of the last change while they are decoded.
    last: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Row(usize),
    Deleted(usize),
}

impl Decoded {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// True where there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// How many of them are rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Gives the rows for an empty batch, and has no change then.
    pub fn exchange(&mut self, batch: &mut Batch) {
        std::mem::swap(&mut self.rows, batch);
        self.clear();
    }

    /// The change at `place`.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<ChangeRef<'_>> {
        match *self.order.get(place)? {
            Place::Row(row) => self.rows.get(row).map(ChangeRef::Upsert),
            Place::Deleted(key) => self.deleted.get(key).map(|key| ChangeRef::Delete(key.as_bytes())),
        }
    }

    /// Adds copies of its rows to `batch`, from the one at `place` on, as far as they stand side by side and have keys before `end`: as many
    /// as it gives, one at least where a row stands there.
    pub fn copy_rows(&self, place: usize, end: Option<&[u8]>, batch: &mut Batch) -> usize {
        let Some(&Place::Row(first)) = self.order.get(place) else { return 0 };
        // Between deleted ones rows are taken one by one: there are few.
        let until = match end {
            _ if !self.deleted.is_empty() => place + 1,
            Some(end) => self.find_from(place + 1, end),
            None => self.len(),
        };
        batch.copy_all(&self.rows, first..first + until - place);
        until - place
    }

    /// The place of the first change whose key is `key` or comes after it.
    #[must_use]
    pub fn find(&self, key: &Key) -> usize {
        self.find_from(0, key.as_bytes())
    }

    /// The same, where it is known to stand at `low` or behind it.
    fn find_from(&self, mut low: usize, key: &[u8]) -> usize {
        let mut high = self.len();
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle).is_some_and(|change| *change.key() < *key) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Takes all out; the memory stays.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.order.clear();
        self.deleted.clear();
    }

    /// Decodes what [`super::encode`] made, into the memory that is there.
    ///
    /// # Errors
    /// What is wrong with the bytes; they are read to their end, and their keys ascend.
    pub fn fill(&mut self, relation: &Relation, bytes: &[u8]) -> Result<(), Damage> {
        self.clear();
        let mut cursor = Cursor::open(bytes, "segment", MAGIC, VERSION)?;
        let changes = cursor.count(CHANGES_MAX)?;
        let columns = cursor.varint()?;
        check_columns(relation, columns)?;
        let actions = tags(&mut cursor, changes, DELETED)?;
        let mut ordinals = ordinals(&mut cursor, &actions)?;
        let mut deleted = deleted(&mut cursor, &actions)?;
        let rows = changes - deleted.len();
        let width = relation.columns.len();
        if rows > 1 && rows * width > CELLS_MAX {
            return Err(Damage::Limit { what: "cells of a segment", found: (rows * width) as u64, limit: CELLS_MAX as u64 });
        }
        let mut columns = (0..width).map(|_| Column::read(&mut cursor, rows)).collect::<Result<Vec<_>, _>>()?;
        cursor.finish()?;
        for &action in &actions {
            if action == DELETED {
                let key = deleted.next().ok_or(MISSING)?;
                follow(relation, &mut self.last, &self.order, key.as_bytes())?;
                self.order.push(Place::Deleted(self.deleted.len()));
                self.deleted.push(key);
            } else {
                self.row(relation, &mut columns, if action == WHOLE { Some(ordinals.next().ok_or(MISSING)?) } else { None })?;
            }
        }
        self.rows.digest();
        Ok(())
    }

    fn row(&mut self, relation: &Relation, columns: &mut [Column<'_>], ordinal: Option<u32>) -> Result<(), Damage> {
        self.rows.begin();
        columns.iter_mut().try_for_each(|column| column.next(&mut self.rows))?;
        self.rows.end(relation, |_| ordinal.unwrap_or_default())?;
        let key = self.rows.last_key().unwrap_or_default();
        if key::whole_row(key).is_some() != ordinal.is_some() {
            return Err(Damage::Form { what: "key of a row" });
        }
        follow(relation, &mut self.last, &self.order, key)?;
        self.order.push(Place::Row(self.rows.len() - 1));
        Ok(())
    }
}

/// The next key stands behind the last one, and is the last one then.
fn follow(relation: &Relation, last: &mut Vec<u8>, before: &[Place], key: &[u8]) -> Result<(), Damage> {
    if !before.is_empty() && **last >= *key {
        return Err(Damage::Order { relation: relation.name.clone() });
    }
    last.clear();
    last.extend_from_slice(key);
    Ok(())
}

/// The changes that [`super::encode`] made these bytes of, each by itself.
///
/// # Errors
/// As [`Decoded::fill`].
pub fn decode(relation: &Relation, bytes: &[u8]) -> Result<Vec<Change>, Damage> {
    let mut decoded = Decoded::default();
    decoded.fill(relation, bytes)?;
    Ok((0..decoded.len()).filter_map(|place| decoded.get(place)).map(|change| change.to_change()).collect())
}

/// The relation comes from a manifest: its key may only name columns that it has.
fn check_columns(relation: &Relation, columns: u64) -> Result<(), Damage> {
    let wanted = relation.columns.len() as u64;
    if columns != wanted {
        return Err(Damage::Mismatch { what: "columns of a segment", found: columns, wanted });
    }
    if let KeyKind::Columns(key) = &relation.key
        && let Some(&column) = key.iter().find(|&&column| column as u64 >= wanted)
    {
        return Err(Damage::Limit { what: "column of a key", found: column as u64, limit: wanted });
    }
    Ok(())
}

fn tags(cursor: &mut Cursor<'_>, rows: usize, highest: u8) -> Result<Vec<u8>, Damage> {
    let mut tags = Vec::with_capacity(rows);
    match cursor.byte()? {
        PLAIN => tags.extend_from_slice(cursor.take(rows)?),
        RUNS => {
            while tags.len() < rows {
                let length = cursor.count(rows - tags.len())?;
                let tag = cursor.byte()?;
                if length == 0 {
                    return Err(Damage::Form { what: "run of tags" });
                }
                tags.resize(tags.len() + length, tag);
            }
        }
        found => return Err(Damage::Limit { what: "form of tags", found: found.into(), limit: PLAIN.into() }),
    }
    match tags.iter().find(|&&tag| tag > highest) {
        Some(&tag) => Err(Damage::Limit { what: "tag", found: tag.into(), limit: highest.into() }),
        None => Ok(tags),
    }
}

fn ordinals(cursor: &mut Cursor<'_>, actions: &[u8]) -> Result<std::vec::IntoIter<u32>, Damage> {
    let mut ordinals = Vec::new();
    for _ in actions.iter().filter(|&&action| action == WHOLE) {
        let found = cursor.varint()?;
        ordinals.push(u32::try_from(found).map_err(|_| Damage::Limit { what: "ordinal", found, limit: u32::MAX.into() })?);
    }
    Ok(ordinals.into_iter())
}

fn deleted(cursor: &mut Cursor<'_>, actions: &[u8]) -> Result<std::vec::IntoIter<Key>, Damage> {
    let mut deleted = Vec::new();
    for _ in actions.iter().filter(|&&action| action == DELETED) {
        deleted.push(Key::from_bytes(cursor.string()?.to_vec()));
    }
    Ok(deleted.into_iter())
}

/// A column's parts, from which its cells are taken row by row.
struct Column<'b> {
    tags: std::vec::IntoIter<u8>,
    integers: std::vec::IntoIter<i64>,
    reals: std::slice::Iter<'b, [u8; 8]>,
    lengths: std::vec::IntoIter<usize>,
    /// Contents of texts and blobs, one behind the other.
    contents: &'b [u8],
    large: std::vec::IntoIter<Large>,
}

impl<'b> Column<'b> {
    fn read(cursor: &mut Cursor<'b>, rows: usize) -> Result<Self, Damage> {
        let tags = tags(cursor, rows, LARGE_BLOB)?;
        let count = |wanted: &[u8]| tags.iter().filter(|tag| wanted.contains(tag)).count();
        let integers = integers(cursor, count(&[INTEGER]))?;
        let reals = cursor.take(8 * count(&[REAL]))?.as_chunks().0.iter();
        let mut lengths = vec![0; count(&[TEXT, BLOB])];
        let mut all = 0_usize;
        for length in &mut lengths {
            *length = cursor.items(1)?;
            all = all.saturating_add(*length);
        }
        let contents = cursor.take(all)?;
        let mut values = Vec::new();
        for &tag in tags.iter().filter(|&&tag| tag >= LARGE_TEXT) {
            values.push(large(cursor, if tag == LARGE_TEXT { Class::Text } else { Class::Blob })?);
        }
        Ok(Self { tags: tags.into_iter(), integers, reals, lengths: lengths.into_iter(), contents, large: values.into_iter() })
    }

    /// Adds the cell of the next row to it.
    fn next(&mut self, row: &mut Batch) -> Result<(), Damage> {
        let short = Damage::Short { what: "column" };
        let cell = match self.tags.next() {
            Some(INTEGER) => self.integers.next().map(Cell::Integer),
            Some(REAL) => self.reals.next().map(|bytes| Cell::Real(f64::from_bits(u64::from_le_bytes(*bytes)))),
            Some(TEXT) => self.content().map(Cell::Text),
            Some(BLOB) => self.content().map(Cell::Blob),
            Some(LARGE_TEXT | LARGE_BLOB) => {
                row.large(self.large.next().ok_or(short)?);
                return Ok(());
            }
            tag => tag.map(|_| Cell::Null),
        };
        row.cell(cell.ok_or(short)?);
        Ok(())
    }

    /// The next text or blob.
    fn content(&mut self) -> Option<&'b [u8]> {
        let (content, rest) = self.contents.split_at_checked(self.lengths.next()?)?;
        self.contents = rest;
        Some(content)
    }
}

fn integers(cursor: &mut Cursor<'_>, count: usize) -> Result<std::vec::IntoIter<i64>, Damage> {
    let mut integers = Vec::new();
    let mut before = 0_i64;
    for _ in 0..count {
        before = before.wrapping_add(unzigzag(cursor.varint()?));
        integers.push(before);
    }
    Ok(integers.into_iter())
}

fn large(cursor: &mut Cursor<'_>, class: Class) -> Result<Large, Damage> {
    let length = cursor.varint()?;
    let content = cursor.digest()?;
    let count = cursor.items(32)?;
    let mut chunks = Vec::with_capacity(count);
    for _ in 0..count {
        chunks.push(cursor.digest()?);
    }
    Ok(Large { class, length, content, chunks })
}
