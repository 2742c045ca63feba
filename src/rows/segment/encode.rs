//! Rows into bytes: each row's cells go into the buffers of their columns as it comes, and at the end of a segment these are put
//! together.

use crate::rows::bytes::{push_string, push_varint, zigzag};
use crate::rows::cell::Cell;
use crate::rows::{Change, Class, Relation, RowRef, Value, key};

use super::{BLOB, DELETED, INTEGER, KEYED, LARGE_BLOB, LARGE_TEXT, MAGIC, NULL, PLAIN, REAL, RUNS, TEXT, VERSION, WHOLE};

/// The bytes of consecutive changes of `relation`.
///
/// Each row has one value a column, and the key that `relation` gives it; a [`super::super::run::RunWriter`] checks that.
#[must_use]
pub fn encode(relation: &Relation, changes: &[Change]) -> Vec<u8> {
    let mut encoder = Encoder::new(relation);
    for change in changes {
        match change {
            Change::Upsert(row) => encoder.cells(row.key.as_bytes(), row.values.iter().map(Value::cell)),
            Change::Delete(key) => encoder.delete(key.as_bytes()),
        }
    }
    encoder.finish()
}

/// Magic, version and two counts, and what says how the actions stand.
const HEAD_MOST: usize = 5 + 2 * 10 + 1;

/// Gathers the changes of one segment after the other; the memory stays.
pub struct Encoder {
    actions: Vec<u8>,
    ordinals: Vec<u8>,
    deleted: Vec<u8>,
    columns: Vec<Column>,
}

/// The parts of a column, as they stand in a segment.
#[derive(Default)]
struct Column {
    tags: Vec<u8>,
    before: i64,
    integers: Vec<u8>,
    reals: Vec<u8>,
    lengths: Vec<u8>,
    contents: Vec<u8>,
    large: Vec<u8>,
}

impl Encoder {
    /// For changes of `relation`.
    #[must_use]
    pub fn new(relation: &Relation) -> Self {
        let columns = relation.columns.iter().map(|_| Column::default()).collect();
        Self { actions: Vec::new(), ordinals: Vec::new(), deleted: Vec::new(), columns }
    }

    /// Changes gathered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.actions.len()
    }

    /// True where nothing is gathered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// Adds a row.
    pub fn row(&mut self, row: &RowRef<'_>) {
        self.cells(row.key, row.cells());
    }

    /// Adds the delete of a key.
    pub fn delete(&mut self, key: &[u8]) {
        self.actions.push(DELETED);
        push_string(&mut self.deleted, key);
    }

    fn cells<'c>(&mut self, key: &[u8], cells: impl Iterator<Item = Cell<'c>>) {
        match key::whole_row(key) {
            Some((_, ordinal)) => {
                self.actions.push(WHOLE);
                push_varint(&mut self.ordinals, u64::from(ordinal));
            }
            None => self.actions.push(KEYED),
        }
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.push(cell);
        }
    }

    /// Gives the bytes of the segment; the next one begins.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.most());
        bytes.extend_from_slice(&MAGIC);
        bytes.push(VERSION);
        push_varint(&mut bytes, self.actions.len() as u64);
        push_varint(&mut bytes, self.columns.len() as u64);
        push_tags(&mut bytes, &self.actions);
        bytes.extend_from_slice(&self.ordinals);
        bytes.extend_from_slice(&self.deleted);
        for part in [&mut self.actions, &mut self.ordinals, &mut self.deleted] {
            part.clear();
        }
        self.columns.iter_mut().for_each(|column| column.finish(&mut bytes));
        bytes
    }

    /// The most bytes that what is gathered comes to.
    fn most(&self) -> usize {
        let columns: usize = self.columns.iter().map(Column::most).sum();
        HEAD_MOST + self.actions.len() + self.ordinals.len() + self.deleted.len() + columns
    }
}

impl Column {
    fn push(&mut self, cell: Cell<'_>) {
        let tag = match cell {
            Cell::Null => NULL,
            Cell::Integer(number) => {
                push_varint(&mut self.integers, zigzag(number.wrapping_sub(self.before)));
                self.before = number;
                INTEGER
            }
            Cell::Real(number) => {
                self.reals.extend_from_slice(&number.to_bits().to_le_bytes());
                REAL
            }
            Cell::Text(content) => {
                self.content(content);
                TEXT
            }
            Cell::Blob(content) => {
                self.content(content);
                BLOB
            }
            Cell::Large(large) => {
                push_varint(&mut self.large, large.length);
                self.large.extend_from_slice(&large.content.0);
                push_varint(&mut self.large, large.chunks.len() as u64);
                large.chunks.iter().for_each(|chunk| self.large.extend_from_slice(&chunk.0));
                if large.class == Class::Text { LARGE_TEXT } else { LARGE_BLOB }
            }
        };
        self.tags.push(tag);
    }

    fn content(&mut self, content: &[u8]) {
        push_varint(&mut self.lengths, content.len() as u64);
        self.contents.extend_from_slice(content);
    }

    fn finish(&mut self, bytes: &mut Vec<u8>) {
        push_tags(bytes, &self.tags);
        self.tags.clear();
        self.before = 0;
        for part in [&mut self.integers, &mut self.reals, &mut self.lengths, &mut self.contents, &mut self.large] {
            bytes.extend_from_slice(part);
            part.clear();
        }
    }

    fn most(&self) -> usize {
        1 + self.tags.len() + self.integers.len() + self.reals.len() + self.lengths.len() + self.contents.len() + self.large.len()
    }
}

/// Run lengths where they are shorter, else a byte a row.
fn push_tags(bytes: &mut Vec<u8>, tags: &[u8]) {
    let start = bytes.len();
    bytes.push(RUNS);
    for run in tags.chunk_by(|a, b| a == b) {
        push_varint(bytes, run.len() as u64);
        bytes.push(run[0]);
    }
    if bytes.len() - start > 1 + tags.len() {
        bytes.truncate(start);
        bytes.push(PLAIN);
        bytes.extend_from_slice(tags);
    }
}
