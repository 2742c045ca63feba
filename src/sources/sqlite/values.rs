//! Values between SQLite and rows, through the typed interface only, and the small pieces of SQL that name tables, columns and rows.

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

use crate::rows::{Batch, Cell, Class, Fold, LARGE, Large, Value};
use crate::sources::{Content, Error, Resolve, Result, value_of};

/// A name as SQL takes it, whatever is in it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names, quoted and separated by commas.
pub fn quoted_list<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// SQLite's name for what a key column's collation folds.
pub fn collation(fold: Fold) -> &'static str {
    match fold {
        Fold::Binary => "BINARY",
        Fold::Nocase => "NOCASE",
        Fold::Rtrim => "RTRIM",
    }
}

/// A cell as a row holds it.
pub fn read(cell: ValueRef<'_>, content: &dyn Content) -> std::io::Result<Value> {
    Ok(match cell {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(bytes) => value_of(Class::Text, bytes, content)?,
        ValueRef::Blob(bytes) => value_of(Class::Blob, bytes, content)?,
    })
}

/// Adds a cell to the row that is being added to a batch.
pub fn read_into(batch: &mut Batch, cell: ValueRef<'_>, content: &dyn Content) -> std::io::Result<()> {
    batch.cell(match cell {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) if bytes.len() > LARGE => {
            let class = if matches!(cell, ValueRef::Text(_)) { Class::Text } else { Class::Blob };
            batch.large(content.keep(class, &mut &bytes[..])?);
            return Ok(());
        }
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Integer(number),
        ValueRef::Real(number) => Cell::Real(number),
        ValueRef::Text(bytes) => Cell::Text(bytes),
        ValueRef::Blob(bytes) => Cell::Blob(bytes),
    });
    Ok(())
}

/// A value as a parameter of a statement.
pub enum Bound<'v> {
    /// What the row holds itself.
    Inline(Cell<'v>),
    /// What stood outside the row.
    Fetched(Class, Vec<u8>),
}

impl<'v> Bound<'v> {
    /// The value with its content fetched where it stands outside.
    ///
    /// # Errors
    /// What fetching met, and content of another length than its row says.
    pub fn new(cell: Cell<'v>, model: &str, content: &dyn Resolve) -> Result<Self> {
        let Cell::Large(large) = cell else { return Ok(Self::Inline(cell)) };
        fetch(large, content).map(|bytes| Self::Fetched(large.class, bytes)).map_err(|source| Error::Io { what: model.into(), source })
    }
}

/// Capacity is reserved as bytes arrive: a length that lies allocates nothing.
fn fetch(large: &Large, content: &dyn Resolve) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    content.fetch(large, &mut bytes)?;
    if bytes.len() as u64 == large.length {
        return Ok(bytes);
    }
    Err(std::io::Error::other(format!("content of {} bytes came where {} were kept", bytes.len(), large.length)))
}

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Inline(Cell::Integer(number)) => ValueRef::Integer(*number),
            Self::Inline(Cell::Real(number)) => ValueRef::Real(*number),
            Self::Inline(Cell::Text(bytes)) => ValueRef::Text(bytes),
            Self::Inline(Cell::Blob(bytes)) => ValueRef::Blob(bytes),
            Self::Fetched(Class::Text, bytes) => ValueRef::Text(bytes),
            Self::Fetched(Class::Blob, bytes) => ValueRef::Blob(bytes),
            Self::Inline(Cell::Large(large)) => ValueRef::Blob(&large.content.0),
            Self::Inline(Cell::Null) => ValueRef::Null,
        }))
    }
}

/// A condition that holds for one value: `column` compared under `collation` (the column's own where none is given).
///
/// A value that stands outside is found by its digest, through the function of [`super::functions`]; its parameter is the digest.
pub fn equals(column: &str, value: &Value, collation: Option<&str>) -> String {
    let column = quoted(column);
    match value {
        Value::Null => format!("{column} IS ?"),
        Value::Large(large) => {
            let class = match large.class {
                Class::Text => "text",
                Class::Blob => "blob",
            };
            format!("(typeof({column}) = '{class}' AND backstop_content({column}) = ?)")
        }
        _ => match collation {
            Some(collation) => format!("{column} = ? COLLATE {collation}"),
            None => format!("{column} = ?"),
        },
    }
}
