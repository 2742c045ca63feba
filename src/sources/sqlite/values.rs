//! Values between SQLite and rows, through the typed interface only, and the small pieces of SQL that name tables, columns and rows.

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

use super::encoding::{Encoding, odd_text};
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

/// A condition for which all of these hold. Joined in pairs: SQLite takes no more than a thousand in a row.
pub fn all_of(mut conditions: Vec<String>) -> String {
    while conditions.len() > 1 {
        conditions = conditions
            .chunks(2)
            .map(|pair| if pair.len() == 2 { format!("({} AND {})", pair[0], pair[1]) } else { pair[0].clone() })
            .collect();
    }
    conditions.pop().unwrap_or_else(|| "1".into())
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
        ValueRef::Blob(bytes) => match odd_text(bytes) {
            Some(text) => value_of(Class::Text, text, content)?,
            None => value_of(Class::Blob, bytes, content)?,
        },
    })
}

/// What reading or writing a cell met.
pub enum Reading {
    /// SQLite's words.
    Sqlite(rusqlite::Error),
    /// What keeping or fetching a large one met.
    Content(std::io::Error),
}

impl Reading {
    /// As an error about a model; `said` puts SQLite's words into one.
    pub fn about(self, model: &str, said: impl FnOnce(&rusqlite::Error) -> Error) -> Error {
        match self {
            Self::Sqlite(error) => said(&error),
            Self::Content(source) => Error::Io { what: model.into(), source },
        }
    }
}

/// Adds a cell to the row that is being added to a batch.
pub fn read_into(batch: &mut Batch, cell: ValueRef<'_>, content: &dyn Content) -> std::io::Result<()> {
    let cell = match cell {
        ValueRef::Blob(bytes) => odd_text(bytes).map_or(cell, ValueRef::Text),
        _ => cell,
    };
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
    /// A text as the bytes that the database stores, since SQLite would not convert it into them.
    Stored(Vec<u8>),
    /// So many zeros, which are written over later.
    Zeros(i32),
}

impl<'v> Bound<'v> {
    /// The value with its content fetched where it stands outside.
    ///
    /// # Errors
    /// What fetching met, and content of another length than its row says.
    pub fn new(cell: Cell<'v>, encoding: Encoding, model: &str, content: &dyn Resolve) -> Result<Self> {
        let Cell::Large(large) = cell else { return Ok(Self::inline(cell, encoding)) };
        let bytes = fetch(large, content).map_err(|source| Error::Io { what: model.into(), source })?;
        let stored = (large.class == Class::Text).then(|| encoding.stored(&bytes)).flatten();
        Ok(stored.map_or_else(|| Self::Fetched(large.class, bytes), Self::Stored))
    }

    /// The value as its row holds it.
    pub fn inline(cell: Cell<'v>, encoding: Encoding) -> Self {
        let stored = if let Cell::Text(text) = cell { encoding.stored(text) } else { None };
        stored.map_or(Self::Inline(cell), Self::Stored)
    }

    /// What stands for it in a statement.
    pub fn place(&self) -> &'static str {
        if self.is_stored() { "CAST(? AS TEXT)" } else { "?" }
    }

    /// True where it is a text in the bytes of the database.
    pub fn is_stored(&self) -> bool {
        matches!(self, Self::Stored(_))
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
            Self::Zeros(length) => return Ok(ToSqlOutput::ZeroBlob(*length)),
            Self::Inline(Cell::Integer(number)) => ValueRef::Integer(*number),
            Self::Inline(Cell::Real(number)) => ValueRef::Real(*number),
            Self::Inline(Cell::Text(bytes)) => ValueRef::Text(bytes),
            Self::Inline(Cell::Blob(bytes)) => ValueRef::Blob(bytes),
            Self::Fetched(Class::Text, bytes) => ValueRef::Text(bytes),
            Self::Fetched(Class::Blob, bytes) | Self::Stored(bytes) => ValueRef::Blob(bytes),
            Self::Inline(Cell::Large(large)) => ValueRef::Blob(&large.content.0),
            Self::Inline(Cell::Null) => ValueRef::Null,
        }))
    }
}

/// A condition that holds for one value: `column` compared under `collation` (the column's own where none is given).
///
/// A value that stands outside is found by its digest, through the function of [`super::functions`]; its parameter is the digest.
pub fn equals(column: &str, value: &Value, collation: Option<&str>, encoding: Encoding) -> String {
    let (read, column) = (encoding.reads(column), quoted(column));
    let place = Bound::inline(value.cell(), encoding).place();
    match value {
        Value::Null => format!("{column} IS ?"),
        Value::Large(large) => {
            let class = match large.class {
                Class::Text => "text",
                Class::Blob => "blob",
            };
            format!("(typeof({column}) = '{class}' AND backstop_content({read}) = ?)")
        }
        _ => match collation {
            Some(collation) => format!("{column} = {place} COLLATE {collation}"),
            None => format!("{column} = {place}"),
        },
    }
}
