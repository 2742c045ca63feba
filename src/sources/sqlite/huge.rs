//! Values that are too long to be held. Where a row is read, SQLite is told to load none of them and says so where one comes; from there on
//! a mark stands for each in the row, and the value itself comes in pieces.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::blob::Blob;
use rusqlite::functions::FunctionFlags;
use rusqlite::limits::Limit;
use rusqlite::types::{ToSql, ValueRef};
use rusqlite::{Connection, ErrorCode, MAIN_DB, params_from_iter};

use super::encoding::{Encoding, mark};
use super::functions::{digested, row};
use super::plan::all_columns;
use super::schema::Table;
use super::values::{Reading, quoted, read};
use crate::rows::{Class, Column, LARGE, Large, Relation, Value};
use crate::sources::{Content, Looking};

/// A value of more bytes is not held where it can be read in pieces.
pub const HUGE: u32 = 1 << 20;
/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

/// SQLite loads no longer value on this connection until it is dropped.
pub struct Limited<'c> {
    connection: &'c Connection,
    before: i32,
}

impl<'c> Limited<'c> {
    /// None of more than [`HUGE`] bytes.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn to_short(connection: &'c Connection) -> rusqlite::Result<Self> {
        Self::to(connection, HUGE.cast_signed())
    }

    /// As long as SQLite knows them.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn to_all(connection: &'c Connection) -> rusqlite::Result<Self> {
        Self::to(connection, i32::MAX)
    }

    fn to(connection: &'c Connection, most: i32) -> rusqlite::Result<Self> {
        Ok(Self { connection, before: connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, most)? })
    }
}

impl Drop for Limited<'_> {
    fn drop(&mut self) {
        // It was this before, so it can be.
        let _ = self.connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, self.before);
    }
}

/// Whether a value was too long.
#[must_use]
pub fn is_too_long(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::TooBig)
}

/// Digests of long values, by rowid and column.
type Digests = Arc<Mutex<HashMap<(i64, usize), Large>>>;

/// A table whose long values are read apart from their rows.
pub struct Apart<'c> {
    connection: &'c Connection,
    table: String,
    rowid: String,
    encoding: Encoding,
    mark: &'static [u8],
    digests: Digests,
}

impl<'c> Apart<'c> {
    /// `None` where SQLite does not give the values of this table in pieces: it is virtual, has no rowids or none that can be named, or
    /// computed columns.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn of(connection: &'c Connection, table: &Table, encoding: Encoding) -> rusqlite::Result<Option<Self>> {
        let (Some(rowid), Some(mark)) = (table.rowid.clone().filter(|_| !table.is_virtual), mark()) else { return Ok(None) };
        let computed = "SELECT 1 FROM pragma_table_xinfo(?, 'main') WHERE hidden IN (2, 3)";
        if connection.prepare(computed)?.exists([&table.relation.name])? {
            return Ok(None);
        }
        let digests = Digests::default();
        let known = digests.clone();
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
        connection.create_scalar_function("backstop_apart", 2, flags, move |context| {
            let place = (context.get::<i64>(0)?, context.get::<usize>(1)?);
            let known = known.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(&place).map_or(Err(rusqlite::Error::InvalidQuery), digested)
        })?;
        Ok(Some(Self { connection, table: table.relation.name.clone(), rowid, encoding, mark, digests }))
    }

    /// Whether SQLite gives so many columns: of a very wide table none more than it has.
    #[must_use]
    pub fn fits(&self, relation: &Relation) -> bool {
        self.connection.prepare(&format!("SELECT {} FROM {}", self.reads(relation, ""), quoted(&relation.name))).is_ok()
    }

    /// The expressions that read a row, separated by commas: a column each, of the table that `of` names (with its dot), then the rowid.
    #[must_use]
    pub fn reads(&self, relation: &Relation, of: &str) -> String {
        let hex: String = self.mark.iter().map(|byte| format!("{byte:02x}")).collect();
        let mark = |class: u8, column: &str| {
            format!("WHEN typeof({column}) = '{}' THEN x'{hex}ff{class:02x}'", ["blob", "text"][usize::from(class)])
        };
        let columns = relation.columns.iter().map(|column| {
            let (name, read) = (format!("{of}{}", quoted(&column.name)), self.encoding.reads_of(of, &column.name));
            if column.is_hidden() {
                return name;
            }
            format!("CASE WHEN octet_length({name}) > {HUGE} THEN CASE {} {} END ELSE {read} END", mark(0, &name), mark(1, &name))
        });
        columns.chain([format!("{of}{}", quoted(&self.rowid))]).collect::<Vec<_>>().join(", ")
    }

    /// What stands for a column in a key: a long value makes none.
    #[must_use]
    pub fn reads_key(&self, column: &str) -> String {
        let (name, read) = (quoted(column), self.encoding.reads(column));
        format!("CASE WHEN octet_length({name}) > {HUGE} THEN zeroblob({}) ELSE {read} END", LARGE + 1)
    }

    /// The expression of the digest that names a row. Its long values are to be [`Apart::digest`]ed before.
    #[must_use]
    pub fn row(&self, relation: &Relation) -> String {
        let columns = relation.visible().map(|place| {
            let column = &relation.columns[place].name;
            let (name, read) = (quoted(column), self.encoding.reads(column));
            format!("CASE WHEN octet_length({name}) > {HUGE} THEN backstop_apart({}, {place}) ELSE {read} END", quoted(&self.rowid))
        });
        row(&columns.collect::<Vec<_>>())
    }

    /// Digests the long values of the rows that this statement gives, which reads them by [`Apart::reads`].
    ///
    /// # Errors
    /// What SQLite says.
    pub fn digest(&self, relation: &Relation, sql: &str) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for (place, column) in relation.columns.iter().enumerate() {
                let Some(class) = self.class(row.get_ref(place)?) else { continue };
                let rowid: i64 = row.get(relation.columns.len())?;
                let large = self.keep(&column.name, rowid, class, &Looking).map_err(|error| match error {
                    Reading::Sqlite(error) => error,
                    Reading::Content(error) => rusqlite::Error::UserFunctionError(error.into()),
                })?;
                self.digests.lock().unwrap_or_else(PoisonError::into_inner).insert((rowid, place), large);
            }
        }
        Ok(())
    }

    /// What the value is that a mark stands for; `None` where the cell is itself.
    #[must_use]
    pub fn class(&self, cell: ValueRef<'_>) -> Option<Class> {
        let ValueRef::Blob(bytes) = cell else { return None };
        match bytes.strip_prefix(self.mark)? {
            [0xFF, 0] => Some(Class::Blob),
            [0xFF, 1] => Some(Class::Text),
            _ => None,
        }
    }

    /// Gives a long value to `content`, in pieces.
    ///
    /// # Errors
    /// What SQLite says, and what keeping it met.
    pub fn keep(&self, column: &str, rowid: i64, class: Class, content: &dyn Content) -> Result<Large, Reading> {
        let blob = self.connection.blob_open(MAIN_DB, self.table.as_str(), column, rowid, true).map_err(Reading::Sqlite)?;
        let met = RefCell::new(None);
        let mut bytes = BufReader::with_capacity(PIECE, Pieces { blob, met: &met });
        let kept = match class {
            Class::Text => content.keep(class, &mut self.encoding.decoding(&mut bytes)),
            Class::Blob => content.keep(class, &mut bytes),
        };
        drop(bytes);
        match met.into_inner() {
            Some(error) => Err(Reading::Sqlite(error)),
            None => kept.map_err(Reading::Content),
        }
    }
}

/// The bytes of a value as they are stored; what SQLite says of them is noted, since whoever keeps them passes on less.
struct Pieces<'b> {
    blob: Blob<'b>,
    met: &'b RefCell<Option<rusqlite::Error>>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.blob.read(to).map_err(|error| noted(self.met, error))
    }
}

/// Notes what SQLite itself says in an error of a stream, and gives its words on.
pub fn noted(met: &RefCell<Option<rusqlite::Error>>, error: io::Error) -> io::Error {
    match error.downcast::<rusqlite::Error>() {
        Ok(error) => {
            let words = error.to_string();
            *met.borrow_mut() = Some(error);
            io::Error::other(words)
        }
        Err(other) => other,
    }
}

/// Gives `take` the rows of `SELECT … FROM the table` and what `behind` says (with these values), large values looked at only; `None` where
/// all that was given comes again.
///
/// # Errors
/// What SQLite says, and what looking met.
pub fn look<V: ToSql>(
    (connection, table, encoding): (&Connection, &Table, Encoding),
    behind: &str,
    values: &[V],
    take: &mut dyn FnMut(Option<Vec<Value>>),
) -> Result<(), Reading> {
    let relation = &table.relation;
    // A virtual table asks its own for rows, and would take an end that we set for damage.
    let limited = (!table.is_virtual).then(|| Limited::to_short(connection)).transpose().map_err(Reading::Sqlite)?;
    let first = look_by((connection, relation, None), encoding, (behind, values), take);
    drop(limited);
    if !matches!(&first, Err(Reading::Sqlite(error)) if is_too_long(error)) {
        return first;
    }
    take(None);
    let apart = Apart::of(connection, table, encoding).map_err(Reading::Sqlite)?;
    let apart = apart.filter(|apart| apart.fits(relation));
    look_by((connection, relation, apart.as_ref()), encoding, (behind, values), take)
}

fn look_by<V: ToSql>(
    (connection, relation, apart): (&Connection, &Relation, Option<&Apart<'_>>),
    encoding: Encoding,
    (behind, values): (&str, &[V]),
    take: &mut dyn FnMut(Option<Vec<Value>>),
) -> Result<(), Reading> {
    let sql = format!("SELECT {} FROM main.{} {behind}", all_columns(relation, encoding, apart), quoted(&relation.name));
    let mut statement = connection.prepare_cached(&sql).map_err(Reading::Sqlite)?;
    let mut rows = statement.query(params_from_iter(values)).map_err(Reading::Sqlite)?;
    while let Some(row) = rows.next().map_err(Reading::Sqlite)? {
        let cell = |(place, column): (usize, &Column)| {
            let cell = row.get_ref(place).map_err(Reading::Sqlite)?;
            match apart.and_then(|apart| apart.class(cell).map(|class| (apart, class))) {
                None => read(cell, &Looking).map_err(Reading::Content),
                Some((apart, class)) => {
                    let rowid = row.get(relation.columns.len()).map_err(Reading::Sqlite)?;
                    apart.keep(&column.name, rowid, class, &Looking).map(Value::Large)
                }
            }
        };
        take(Some(relation.columns.iter().enumerate().map(cell).collect::<Result<_, _>>()?));
    }
    Ok(())
}
