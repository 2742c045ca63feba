//! Bytes into rows. The bytes may be anything: every length is checked before anything is allocated for it.

use crate::rows::bytes::{Cursor, unzigzag};
use crate::rows::{Change, Class, Damage, Key, KeyKind, Large, Relation, Row, Value, row::compared_digest};

use super::{
    BLOB, CELLS_MAX, CHANGES_MAX, DELETED, INTEGER, KEYED, LARGE_BLOB, LARGE_TEXT, MAGIC, PLAIN, REAL, RUNS, TEXT, VERSION, WHOLE,
};

const MISSING: Damage = Damage::Short { what: "segment" };

/// The changes that [`super::encode`] made these bytes of.
///
/// # Errors
/// What is wrong with the bytes; they are read to their end, and their keys ascend.
pub fn decode(relation: &Relation, bytes: &[u8]) -> Result<Vec<Change>, Damage> {
    let mut cursor = Cursor::open(bytes, "segment", MAGIC, VERSION)?;
    let changes = cursor.count(CHANGES_MAX)?;
    let columns = cursor.varint()?;
    check_columns(relation, columns)?;
    let actions = tags(&mut cursor, changes, DELETED)?;
    let ordinals = ordinals(&mut cursor, &actions)?;
    let deleted = deleted(&mut cursor, &actions)?;
    let rows = changes - deleted.len();
    let width = relation.columns.len();
    if rows > 1 && rows * width > CELLS_MAX {
        return Err(Damage::Limit { what: "cells of a segment", found: (rows * width) as u64, limit: CELLS_MAX as u64 });
    }
    let mut values: Vec<Vec<Value>> = (0..rows).map(|_| Vec::with_capacity(width)).collect();
    for _ in 0..width {
        column(&mut cursor, &mut values)?;
    }
    cursor.finish()?;
    assemble(relation, &actions, ordinals, deleted, values)
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

fn column(cursor: &mut Cursor<'_>, rows: &mut [Vec<Value>]) -> Result<(), Damage> {
    let tags = tags(cursor, rows.len(), LARGE_BLOB)?;
    let count = |wanted: &[u8]| tags.iter().filter(|tag| wanted.contains(tag)).count();
    let mut integers = integers(cursor, count(&[INTEGER]))?;
    let mut reals = Vec::new();
    for _ in 0..count(&[REAL]) {
        reals.push(f64::from_bits(u64::from_le_bytes(cursor.array()?)));
    }
    let mut lengths = Vec::new();
    for _ in 0..count(&[TEXT, BLOB]) {
        lengths.push(cursor.items(1)?);
    }
    let (mut reals, mut lengths) = (reals.into_iter(), lengths.into_iter());
    for (row, &tag) in rows.iter_mut().zip(&tags) {
        let short = Damage::Short { what: "column" };
        row.push(match tag {
            INTEGER => Value::Integer(integers.next().ok_or(short)?),
            REAL => Value::Real(reals.next().ok_or(short)?),
            TEXT => Value::Text(cursor.take(lengths.next().ok_or(short)?)?.to_vec()),
            BLOB => Value::Blob(cursor.take(lengths.next().ok_or(short)?)?.to_vec()),
            // NULL, and large values, which are filled in below: they stand behind the bytes of all the others.
            _ => Value::Null,
        });
    }
    for (row, &tag) in rows.iter_mut().zip(&tags) {
        let class = match tag {
            LARGE_TEXT => Class::Text,
            LARGE_BLOB => Class::Blob,
            _ => continue,
        };
        if let Some(value) = row.last_mut() {
            *value = Value::Large(large(cursor, class)?);
        }
    }
    Ok(())
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

fn assemble(
    relation: &Relation,
    actions: &[u8],
    mut ordinals: std::vec::IntoIter<u32>,
    mut deleted: std::vec::IntoIter<Key>,
    values: Vec<Vec<Value>>,
) -> Result<Vec<Change>, Damage> {
    let mut values = values.into_iter();
    let mut changes: Vec<Change> = Vec::with_capacity(actions.len());
    for &action in actions {
        let change = match action {
            DELETED => Change::Delete(deleted.next().ok_or(MISSING)?),
            named => {
                let values = values.next().ok_or(MISSING)?;
                let key = match (relation.key_of(&values), named) {
                    (Some(key), KEYED) => key,
                    (None, WHOLE) => Key::of_row(compared_digest(relation, &values), ordinals.next().ok_or(MISSING)?),
                    _ => return Err(Damage::Form { what: "key of a row" }),
                };
                Change::Upsert(Row { key, values })
            }
        };
        if changes.last().is_some_and(|before| before.key() >= change.key()) {
            return Err(Damage::Order { relation: relation.name.clone() });
        }
        changes.push(change);
    }
    Ok(changes)
}
