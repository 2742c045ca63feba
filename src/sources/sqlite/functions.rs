//! The functions with which SQLite sorts rows into our order and finds large values: deterministic, on our connection only.

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;

use super::values::read;
use crate::rows::{Column, Digest, Fold, Key, KeyKind, Relation, RelationKind, Role, Value, row::compared_digest};
use crate::sources::Looking;

/// Registers `backstop_key(folds, value, …)` (NULL where the values make no key), `backstop_row(value, …)` and `backstop_content(value)`.
///
/// # Errors
/// What SQLite says.
pub fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function("backstop_key", -1, flags, key)?;
    connection.create_scalar_function("backstop_row", -1, flags, row)?;
    connection.create_scalar_function("backstop_content", 1, flags, content)
}

/// The first argument of `backstop_key`: a letter a column.
pub fn folds(folds: impl IntoIterator<Item = Fold>) -> String {
    folds
        .into_iter()
        .map(|fold| match fold {
            Fold::Binary => 'b',
            Fold::Nocase => 'n',
            Fold::Rtrim => 'r',
        })
        .collect()
}

fn key(context: &Context<'_>) -> rusqlite::Result<Option<Vec<u8>>> {
    let folds = context.get_raw(0).as_bytes()?.to_vec();
    let values = arguments(context, 1)?;
    let parts = values.iter().zip(folds).map(|(value, fold)| {
        let fold = match fold {
            b'n' => Fold::Nocase,
            b'r' => Fold::Rtrim,
            _ => Fold::Binary,
        };
        (value, fold)
    });
    Ok(Key::of(parts).map(|key| key.as_bytes().to_vec()))
}

/// The digest that names a row without a key, made as [`crate::rows::Row::new`] makes it.
fn row(context: &Context<'_>) -> rusqlite::Result<Vec<u8>> {
    let values = arguments(context, 0)?;
    let column = Column { name: String::new(), declared: String::new(), role: Role::Data, fold: Fold::Binary, not_null: false };
    let relation = Relation {
        name: String::new(),
        module: String::new(),
        kind: RelationKind::Table,
        columns: vec![column; values.len()],
        key: KeyKind::WholeRow,
    };
    Ok(compared_digest(&relation, &values).0.to_vec())
}

fn content(context: &Context<'_>) -> rusqlite::Result<Option<Vec<u8>>> {
    Ok(match context.get_raw(0) {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(Digest::of(bytes).0.to_vec()),
        _ => None,
    })
}

fn arguments(context: &Context<'_>, from: usize) -> rusqlite::Result<Vec<Value>> {
    (from..context.len())
        .map(|index| read(context.get_raw(index), &Looking).map_err(|error| rusqlite::Error::UserFunctionError(Box::new(error))))
        .collect()
}
