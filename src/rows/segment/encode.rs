//! Rows into bytes.

use crate::rows::bytes::{push_string, push_varint, zigzag};
use crate::rows::{Change, Class, Relation, Row, Value};

use super::{BLOB, DELETED, INTEGER, KEYED, LARGE_BLOB, LARGE_TEXT, MAGIC, NULL, PLAIN, REAL, RUNS, TEXT, VERSION, WHOLE};

/// The bytes of consecutive changes of `relation`.
///
/// Each row has one value a column, and the key that `relation` gives it; a [`super::super::run::RunWriter`] checks that.
#[must_use]
pub fn encode(relation: &Relation, changes: &[Change]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64 * 1024);
    bytes.extend_from_slice(&MAGIC);
    bytes.push(VERSION);
    push_varint(&mut bytes, changes.len() as u64);
    push_varint(&mut bytes, relation.columns.len() as u64);
    push_actions(&mut bytes, changes);
    let rows: Vec<&Row> = changes.iter().filter_map(row).collect();
    for column in 0..relation.columns.len() {
        push_column(&mut bytes, &rows, column);
    }
    bytes
}

fn row(change: &Change) -> Option<&Row> {
    match change {
        Change::Upsert(row) => Some(row),
        Change::Delete(_) => None,
    }
}

fn push_actions(bytes: &mut Vec<u8>, changes: &[Change]) {
    let mut actions = Vec::with_capacity(changes.len());
    let mut ordinals = Vec::new();
    let mut deleted = Vec::new();
    for change in changes {
        match change {
            Change::Upsert(row) => match row.key.whole_row() {
                Some((_, ordinal)) => {
                    actions.push(WHOLE);
                    push_varint(&mut ordinals, u64::from(ordinal));
                }
                None => actions.push(KEYED),
            },
            Change::Delete(key) => {
                actions.push(DELETED);
                push_string(&mut deleted, key.as_bytes());
            }
        }
    }
    push_tags(bytes, &actions);
    bytes.extend_from_slice(&ordinals);
    bytes.extend_from_slice(&deleted);
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

fn push_column(bytes: &mut Vec<u8>, rows: &[&Row], column: usize) {
    let values = || rows.iter().map(|row| &row.values[column]);
    push_tags(bytes, &values().map(tag).collect::<Vec<_>>());
    let mut before = 0_i64;
    for value in values() {
        if let Value::Integer(number) = value {
            push_varint(bytes, zigzag(number.wrapping_sub(before)));
            before = *number;
        }
    }
    for value in values() {
        if let Value::Real(number) = value {
            bytes.extend_from_slice(&number.to_bits().to_le_bytes());
        }
    }
    for content in values().filter_map(content) {
        push_varint(bytes, content.len() as u64);
    }
    for content in values().filter_map(content) {
        bytes.extend_from_slice(content);
    }
    for value in values() {
        if let Value::Large(large) = value {
            push_varint(bytes, large.length);
            bytes.extend_from_slice(&large.content.0);
            push_varint(bytes, large.chunks.len() as u64);
            large.chunks.iter().for_each(|chunk| bytes.extend_from_slice(&chunk.0));
        }
    }
}

fn tag(value: &Value) -> u8 {
    match value {
        Value::Null => NULL,
        Value::Integer(_) => INTEGER,
        Value::Real(_) => REAL,
        Value::Text(_) => TEXT,
        Value::Blob(_) => BLOB,
        Value::Large(large) => match large.class {
            Class::Text => LARGE_TEXT,
            Class::Blob => LARGE_BLOB,
        },
    }
}

fn content(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Text(content) | Value::Blob(content) => Some(content),
        _ => None,
    }
}
