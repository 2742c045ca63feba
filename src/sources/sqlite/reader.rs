//! A database at one moment: one read transaction, rows in the order of their keys.
//!
//! SQLite's own order is used where it provably is ours: rowids, and BINARY or RTRIM text in a UTF-8 database. Everything
//! else is sorted by a function that computes our key. The order is checked row by row either way.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::copy;
use super::encoding::Encoding;
use super::functions;
use super::open::{self, Opened, Trace};
use super::plan::Plan;
use super::salvage::{self, Readable};
use super::schema::{Schema, Table, UniqueIndex};
use super::values::{Bound, equals, quoted, quoted_list, read};
use crate::rows::{Digest, Fold, Key, Relation, Row, RowDigest, Value, row::compared_digest};
use crate::sources::private::Private;
use crate::sources::{Content, Definition, Error, Identity, Reference, Result, SchemaObject, Snapshot, Unique, Unread};

/// A SQLite database as it was when it was opened.
pub struct SqliteSnapshot {
    path: PathBuf,
    wait: Duration,
    // Before the copy, so that it is closed before its files are removed.
    connection: Connection,
    _copy: Option<Private>,
    _trace: Option<Trace>,
    /// What fixed the moment: of the database itself, wherever its pages are read.
    consistency: serde_json::Value,
    schema: Schema,
    relations: Vec<Relation>,
    uniques: Vec<Unique>,
}

/// Why a pass over a table ended early.
enum Stopped {
    Damage(String),
    Failed(Error),
}

/// Makes a row of the values and gives it on.
type Take<'t> = dyn FnMut(&mut Pass<'_>, Vec<Value>) -> Result<ControlFlow<()>> + 't;

/// One pass: where it stands, so that a second one goes on behind it.
struct Pass<'p> {
    table: &'p Table,
    content: &'p dyn Content,
    each: &'p mut dyn FnMut(Row) -> ControlFlow<()>,
    last: Option<Key>,
    unread: Vec<Unread>,
    broken_off: bool,
    /// Rows that the statements gave.
    seen: u64,
    /// True for the second pass, which sees again what the first one gave.
    again: bool,
}

impl SqliteSnapshot {
    /// Opens it to read its rows, without making its application wait.
    pub(super) fn open(path: &Path, wait: Duration, scratch: &Path) -> Result<Self> {
        let opened = open::read_only(path, wait, scratch)?;
        let consistency = consistency(&opened.connection);
        Self::of(path, wait, copy::let_go(opened, path, wait, scratch)?, consistency)
    }

    /// Opens it for a look at what it is.
    pub(super) fn look(path: &Path, wait: Duration, scratch: &Path) -> Result<Self> {
        Self::of(path, wait, open::read_only(path, wait, scratch)?, serde_json::Value::Null)
    }

    fn of(path: &Path, wait: Duration, opened: Opened, consistency: serde_json::Value) -> Result<Self> {
        let connection = opened.connection;
        let said = |error| open::said(path, wait, &error);
        // A name that is no column must be an error here and not a piece of text.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false).map_err(said)?;
        functions::register(&connection).map_err(said)?;
        let schema = Schema::load(&connection).map_err(said)?;
        schema.encoding.register(&connection).map_err(said)?;
        let relations = schema.tables.iter().map(|table| table.relation.clone()).collect();
        let uniques = schema.uniques();
        Ok(Self { path: path.into(), wait, connection, _copy: opened.copy, _trace: opened.trace, consistency, schema, relations, uniques })
    }

    fn table(&self, model: &str) -> Result<&Table> {
        let found = self.schema.tables.iter().find(|table| table.relation.name == model);
        found.ok_or_else(|| Error::Unfit { model: model.into(), why: "the database has no such table".into() })
    }

    fn said(&self, model: &str, error: &rusqlite::Error) -> Error {
        match open::said(&self.path, self.wait, error) {
            Error::Database { what, why } => Error::Database { what: format!("{what}: {model}"), why },
            other => other,
        }
    }

    /// The rows without a usable key, then those with one: the order of [`Key`].
    fn pass(&self, pass: &mut Pass<'_>, from: &Readable) -> Result<(), Stopped> {
        let index = if matches!(from, Readable::All) { self.index(pass)? } else { None };
        let plan = Plan::new(pass.table, self.schema.encoding, from, index.as_ref().map(|(index, _)| *index));
        if let Some(sql) = plan.unkeyed {
            self.unkeyed(pass, &sql)?;
        }
        if let Some(sql) = plan.keyed.filter(|_| !pass.broken_off) {
            self.keyed(pass, &sql)?;
        }
        if let Some((index, rows)) = index.filter(|(_, rows)| !pass.broken_off && pass.seen != *rows) {
            pass.note(format!("the index {} is damaged: it led to {} of {rows} records", index.name, pass.seen));
        }
        Ok(())
    }

    /// The index in whose order the rows come, and how many there are. A damaged one that lacks rows would lose them without a
    /// word: both are counted first, which reads the pages that are read next anyway, and the table is read without it then.
    fn index<'t>(&self, pass: &mut Pass<'t>) -> Result<Option<(&'t UniqueIndex, u64)>, Stopped> {
        let table = pass.table;
        let computed = table.relation.key_columns().iter().any(|&part| table.relation.columns[part].fold == Fold::Nocase);
        let own_order =
            self.schema.encoding == Encoding::Utf8 && !computed && !table.rowid_is_key && !table.is_virtual && table.rowid.is_some();
        let Some(index) = table.key_index().filter(|_| own_order) else { return Ok(None) };
        let name = &table.relation.name;
        let count = |how: &str| {
            let counted =
                self.connection.query_row(&format!("SELECT count(*) FROM {} {how}", quoted(name)), [], |row| row.get::<_, u64>(0));
            counted.map_err(|error| self.stopped(name, &error))
        };
        let (rows, entries) = (count("NOT INDEXED")?, count(&format!("INDEXED BY {}", quoted(&index.name)))?);
        if rows == entries {
            return Ok(Some((index, rows)));
        }
        pass.note(format!("the index {} is damaged: it has {entries} of {rows} records; the table was read without it", index.name));
        Ok(None)
    }

    fn stopped(&self, model: &str, error: &rusqlite::Error) -> Stopped {
        if salvage::is_damage(error) { Stopped::Damage(error.to_string()) } else { Stopped::Failed(self.said(model, error)) }
    }

    fn unkeyed(&self, pass: &mut Pass<'_>, sql: &str) -> Result<(), Stopped> {
        let mut before: Option<(RowDigest, u32)> = None;
        self.rows(sql, pass, &mut |pass, values| {
            let relation = &pass.table.relation;
            let digest = compared_digest(relation, &values);
            let ordinal = before.filter(|(last, _)| *last == digest).map_or(0, |(_, ordinal)| ordinal + 1);
            before = Some((digest, ordinal));
            pass.push(Row { key: Key::of_row(digest, ordinal), values })
        })
    }

    fn keyed(&self, pass: &mut Pass<'_>, sql: &str) -> Result<(), Stopped> {
        self.rows(sql, pass, &mut |pass, values| {
            let row = Row::new(&pass.table.relation, values, 0);
            pass.push(row)
        })
    }

    fn rows(&self, sql: &str, pass: &mut Pass<'_>, take: &mut Take<'_>) -> Result<(), Stopped> {
        let model = pass.table.relation.name.clone();
        let stopped = |error: rusqlite::Error| self.stopped(&model, &error);
        let mut statement = self.connection.prepare(sql).map_err(stopped)?;
        let width = pass.table.relation.columns.len();
        let mut rows = statement.query([]).map_err(stopped)?;
        while let Some(row) = rows.next().map_err(stopped)? {
            pass.seen += 1;
            let values = cells(row, width, pass.content).map_err(|error| match error {
                Cell::Sqlite(error) => stopped(error),
                Cell::Content(source) => Stopped::Failed(Error::Io { what: model.clone(), source }),
            })?;
            if take(pass, values).map_err(Stopped::Failed)?.is_break() {
                pass.broken_off = true;
                break;
            }
        }
        Ok(())
    }

    /// After damage: finds what can be read, goes on behind the last row given, and names what is lost.
    fn salvage(&self, pass: &mut Pass<'_>, why: &str) -> Result<()> {
        let model = pass.table.relation.name.clone();
        let unread = |what: String, why: &str| Unread { model: model.clone(), what, why: why.into() };
        let Some(rowid) = pass.table.rowid.as_deref().filter(|_| !pass.table.is_virtual) else {
            pass.unread.push(unread(String::new(), &format!("{why}; the records behind the damage were not read")));
            return Ok(());
        };
        let found =
            salvage::find(&self.connection, &model, &self.own_columns(pass.table), rowid).map_err(|error| self.said(&model, &error))?;
        for (first, last) in &found.lost {
            pass.unread.push(unread(salvage::between(rowid, *first, *last), why));
        }
        if found.lost.is_empty() {
            pass.unread.push(unread(String::new(), &format!("{why}; an index is damaged, its table was read without it")));
        }
        pass.again = true;
        match self.pass(pass, &Readable::Ranges(found.ranges)) {
            Ok(()) => Ok(()),
            Err(Stopped::Damage(why)) => {
                pass.unread.push(unread(String::new(), &why));
                Ok(())
            }
            Err(Stopped::Failed(error)) => Err(error),
        }
    }

    fn own_columns(&self, table: &Table) -> String {
        quoted_list(table.relation.columns.iter().map(|column| column.name.as_str()))
    }
}

impl Pass<'_> {
    /// Something about the whole model that makes it not whole.
    fn note(&mut self, why: String) {
        self.unread.push(Unread { model: self.table.relation.name.clone(), what: String::new(), why });
    }

    fn push(&mut self, row: Row) -> Result<ControlFlow<()>> {
        if let Some(last) = &self.last
            && row.key <= *last
        {
            return self.out_of_order(&row);
        }
        row.key.remember_in(&mut self.last);
        Ok((self.each)(row))
    }

    /// A second pass passes over what was given; otherwise equal keys are a broken unique index, and a smaller one is no order at all.
    fn out_of_order(&mut self, row: &Row) -> Result<ControlFlow<()>> {
        let model = self.table.relation.name.clone();
        if self.again {
            return Ok(ControlFlow::Continue(()));
        }
        if self.last.as_ref() != Some(&row.key) {
            let why = "its rows do not come in the order of their keys; check the database (PRAGMA integrity_check)";
            return Err(Error::Database { what: model, why: why.into() });
        }
        if self.unread.is_empty() {
            let why = "two records have one key; check the database (PRAGMA integrity_check)";
            self.unread.push(Unread { model, what: String::new(), why: why.into() });
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn pragma(connection: &Connection, name: &str) -> serde_json::Value {
    connection.query_row(&format!("PRAGMA main.{name}"), [], |row| row.get::<_, i64>(0)).map_or(serde_json::Value::Null, Into::into)
}

/// What fixes the moment. The change counter is read through `sqlite_dbpage` where the library has it; in WAL mode it does not move.
fn consistency(connection: &Connection) -> serde_json::Value {
    let first_page = "SELECT substr(data, 25, 4) FROM sqlite_dbpage('main') WHERE pgno = 1";
    let counter = connection.query_row(first_page, [], |row| row.get::<_, [u8; 4]>(0)).ok().map(u32::from_be_bytes);
    serde_json::json!({
        "change_counter": counter,
        "schema_cookie": pragma(connection, "schema_version"),
        "page_count": pragma(connection, "page_count"),
        "freelist_count": pragma(connection, "freelist_count"),
    })
}

/// What reading a cell met.
pub(super) enum Cell {
    Sqlite(rusqlite::Error),
    Content(std::io::Error),
}

/// The first `width` cells of a row.
pub(super) fn cells(row: &rusqlite::Row<'_>, width: usize, content: &dyn Content) -> Result<Vec<Value>, Cell> {
    (0..width).map(|index| read(row.get_ref(index).map_err(Cell::Sqlite)?, content).map_err(Cell::Content)).collect()
}

impl Snapshot for SqliteSnapshot {
    fn identity(&self) -> Identity {
        let application = pragma(&self.connection, "application_id");
        // What ANALYZE leaves is no other schema.
        let objects = self.schema.definition.objects.iter().filter(|object| !object.name.starts_with("sqlite_"));
        let mut objects: Vec<_> = objects.map(|object| (&object.kind, &object.name, &object.sql)).collect();
        objects.sort();
        let schema = Digest::of(serde_json::json!(objects).to_string().as_bytes());
        let place = format!("sqlite:{}", self.path.display());
        Identity { engine: "sqlite".into(), place, marks: format!("application_id={application} schema={schema}") }
    }

    fn relations(&self) -> &[Relation] {
        &self.relations
    }

    fn definition(&self) -> Result<Definition> {
        Ok(self.schema.definition.clone())
    }

    fn triggers(&self) -> Result<Vec<SchemaObject>> {
        Ok(self.schema.definition.objects.iter().filter(|object| object.kind == "trigger").cloned().collect())
    }

    fn references(&self) -> &[Reference] {
        &self.schema.references
    }

    fn uniques(&self) -> &[Unique] {
        &self.uniques
    }

    fn consistency(&self) -> serde_json::Value {
        self.consistency.clone()
    }

    fn scan(&self, relation: &Relation, content: &dyn Content, each: &mut dyn FnMut(Row) -> ControlFlow<()>) -> Result<Vec<Unread>> {
        let table = self.table(&relation.name)?;
        let mut pass = Pass { table, content, each, last: None, unread: Vec::new(), broken_off: false, seen: 0, again: false };
        match self.pass(&mut pass, &Readable::All) {
            Ok(()) => {}
            Err(Stopped::Damage(why)) => self.salvage(&mut pass, &why)?,
            Err(Stopped::Failed(error)) => return Err(error),
        }
        Ok(pass.unread)
    }

    fn holds(&self, model: &str, columns: &[String], values: &[Value], content: &dyn Content) -> Result<Option<Row>> {
        let table = self.table(model)?;
        if values.iter().any(Value::is_null) {
            return Ok(None);
        }
        if columns.is_empty() || columns.len() != values.len() {
            return Err(Error::Unfit { model: model.into(), why: "as many values as columns are looked up, and at least one".into() });
        }
        let encoding = self.schema.encoding;
        let read = encoding.reads_all(table.relation.columns.iter().map(|column| column.name.as_str()));
        let condition = condition(table, columns, values, encoding);
        let sql = format!("SELECT {read} FROM {} WHERE {condition} LIMIT 1", quoted(model));
        let said = |error: rusqlite::Error| self.said(model, &error);
        let mut statement = self.connection.prepare_cached(&sql).map_err(said)?;
        let found = statement.query_row(params_from_iter(values.iter().map(|value| Bound::inline(value, encoding))), |row| {
            Ok(cells(row, table.relation.columns.len(), content))
        });
        match found.optional().map_err(said)? {
            None => Ok(None),
            Some(Ok(values)) => Ok(Some(Row::new(&table.relation, values, 0))),
            Some(Err(Cell::Sqlite(error))) => Err(said(error)),
            Some(Err(Cell::Content(source))) => Err(Error::Io { what: model.into(), source }),
        }
    }
}

/// Compares as the unique index over these columns does, else as the columns themselves do.
fn condition(table: &Table, columns: &[String], values: &[Value], encoding: Encoding) -> String {
    let index: Option<&UniqueIndex> = table.unique.iter().find(|index| index.columns == columns);
    let parts = columns.iter().zip(values).enumerate().map(|(place, (column, value))| {
        let collation = index.and_then(|index| index.collations.get(place)).map(|collation| quoted(collation));
        equals(column, value, collation.as_deref(), encoding)
    });
    parts.collect::<Vec<_>>().join(" AND ")
}
