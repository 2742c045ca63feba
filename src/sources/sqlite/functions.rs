//! The functions with which SQLite sorts rows into our order and finds large values: deterministic, on our connection only.

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;

use super::encoding::{mark, odd_text};
use super::schema::{Table, is_own};
use super::values::read;
use crate::rows::{Class, Column, Digest, Fold, Key, KeyKind, Large, Relation, RelationKind, Role, Value, row::compared_digest};
use crate::sources::Looking;

/// A function takes at most 1000 arguments; what it has besides values is fewer than these.
const MOST_VALUES: usize = 990;

/// Registers `backstop_key(folds, value, …)` (NULL where the values make no key), `backstop_row(value, …)` and `backstop_content(value)`;
/// for rows too wide for a call, `backstop_packed_row(pack, …)` of what `backstop_pack(value, …)` gives.
///
/// # Errors
/// What SQLite says.
pub fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function("backstop_key", -1, flags, key)?;
    connection.create_scalar_function("backstop_row", -1, flags, |context| digest(&arguments(context, 0)?))?;
    connection.create_scalar_function("backstop_pack", -1, flags, |context| pack(&arguments(context, 0)?))?;
    connection.create_scalar_function("backstop_packed_row", -1, flags, packed_row)?;
    connection.create_scalar_function("backstop_content", 1, flags, content)
}

/// Stand-ins for collations that only the application has, as long as a table is read whose rows lie in their order: SQLite reads no such
/// table without them. Nothing is looked up and nothing sorted by them.
pub struct StandIns<'c> {
    connection: &'c Connection,
    names: Vec<String>,
}

impl<'c> StandIns<'c> {
    /// Those that the table needs.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn of(connection: &'c Connection, table: &Table) -> rusqlite::Result<Self> {
        let mut standing = Self { connection, names: Vec::new() };
        let rows = table.unique.iter().filter(|index| table.without_rowid && index.primary);
        for name in rows.flat_map(|index| &index.collations).filter(|name| !is_own(name)) {
            connection.create_collation(name.as_str(), |a: &str, b: &str| a.cmp(b))?;
            standing.names.push(name.clone());
        }
        Ok(standing)
    }
}

impl Drop for StandIns<'_> {
    fn drop(&mut self) {
        // One that stays is asked by nobody.
        self.names.iter().for_each(|name| drop(self.connection.remove_collation(name.as_str())));
    }
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

/// The expression of the digest that names a row of these columns, which are quoted.
pub fn row(columns: &[String]) -> String {
    if columns.len() <= MOST_VALUES {
        return format!("backstop_row({})", columns.join(", "));
    }
    let packs = columns.chunks(MOST_VALUES).map(|columns| format!("backstop_pack({})", columns.join(", ")));
    format!("backstop_packed_row({})", packs.collect::<Vec<_>>().join(", "))
}

/// Values as bytes, from this process to itself.
fn pack(values: &[Value]) -> rusqlite::Result<Vec<u8>> {
    serde_json::to_vec(&values.iter().map(Packed::of).collect::<Vec<_>>()).map_err(|error| rusqlite::Error::UserFunctionError(error.into()))
}

fn packed_row(context: &Context<'_>) -> rusqlite::Result<Vec<u8>> {
    let mut values = Vec::new();
    for place in 0..context.len() {
        let pack = context.get_raw(place).as_bytes()?;
        let pack: Vec<Packed> = serde_json::from_slice(pack).map_err(|error| rusqlite::Error::UserFunctionError(error.into()))?;
        values.extend(pack.into_iter().map(Packed::value));
    }
    digest(&values)
}

/// The digest that names a row without a key, made as [`crate::rows::Row::new`] makes it.
fn digest(values: &[Value]) -> rusqlite::Result<Vec<u8>> {
    let column = Column { name: String::new(), declared: String::new(), role: Role::Data, fold: Fold::Binary, not_null: false };
    let relation = Relation {
        name: String::new(),
        module: String::new(),
        kind: RelationKind::Table,
        columns: vec![column; values.len()],
        key: KeyKind::WholeRow,
    };
    Ok(compared_digest(&relation, values).0.to_vec())
}

/// A value that goes through SQLite as bytes; a real by its bits.
#[derive(serde::Serialize, serde::Deserialize)]
enum Packed {
    Null,
    Integer(i64),
    Real(u64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
    Large(bool, u64, Digest),
}

impl Packed {
    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Integer(number) => Self::Integer(*number),
            Value::Real(number) => Self::Real(number.to_bits()),
            Value::Text(bytes) => Self::Text(bytes.clone()),
            Value::Blob(bytes) => Self::Blob(bytes.clone()),
            Value::Large(large) => Self::Large(large.class == Class::Text, large.length, large.content),
        }
    }

    fn value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Integer(number) => Value::Integer(number),
            Self::Real(bits) => Value::Real(f64::from_bits(bits)),
            Self::Text(bytes) => Value::Text(bytes),
            Self::Blob(bytes) => Value::Blob(bytes),
            Self::Large(text, length, content) => {
                let class = if text { Class::Text } else { Class::Blob };
                Value::Large(Large { class, length, content, chunks: Vec::new() })
            }
        }
    }
}

fn content(context: &Context<'_>) -> rusqlite::Result<Option<Vec<u8>>> {
    Ok(match context.get_raw(0) {
        ValueRef::Text(bytes) => Some(Digest::of(bytes).0.to_vec()),
        ValueRef::Blob(bytes) => Some(Digest::of(odd_text(bytes).unwrap_or(bytes)).0.to_vec()),
        _ => None,
    })
}

fn arguments(context: &Context<'_>, from: usize) -> rusqlite::Result<Vec<Value>> {
    (from..context.len()).map(|index| argument(context.get_raw(index))).collect()
}

/// What stands before a long value that was digested, behind the mark: no text begins so.
const DIGESTED: u8 = 0xFE;

/// A long value that was digested, as an argument of these functions.
///
/// # Errors
/// No random bytes.
pub fn digested(large: &Large) -> rusqlite::Result<Vec<u8>> {
    let pack = pack(&[Value::Large(large.clone())])?;
    Ok([mark().unwrap_or_default(), &[DIGESTED], &pack].concat())
}

fn argument(cell: ValueRef<'_>) -> rusqlite::Result<Value> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| rusqlite::Error::UserFunctionError(error);
    if let ValueRef::Blob(bytes) = cell
        && let Some([DIGESTED, pack @ ..]) = odd_text(bytes)
    {
        let mut pack: Vec<Packed> = serde_json::from_slice(pack).map_err(|error| failed(error.into()))?;
        return pack.pop().map(Packed::value).ok_or_else(|| failed("no value is packed".into()));
    }
    read(cell, &Looking).map_err(|error| failed(error.into()))
}
