//! A database at one moment: a transaction that holds the snapshot, and other connections that read within it.
//!
//! Tables are locked against changes of their definition before the snapshot is taken, as far as reading needs it
//! (ACCESS SHARE, what pg_dump takes): writers go on. Rows come through COPY in an order that the server makes by bytes.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::address::Address;
use super::catalog::{Catalog, LARGE_OBJECTS, Table};
use super::dump;
use super::large_objects;
use super::session::Session;
use super::since::Marks;
use super::sql::{ident, literal, value};
use super::text::Decoder;
use super::written::{self, Asker};
use crate::rows::{Key, KeyKind, Relation, Row, Value, row::compared_digest};
use crate::sources::sorted::Sorted;
use crate::sources::{
    Asking, Content, Definition, Error, Identity, Looking, Reference, Result, SchemaObject, Sequences, Since, Snapshot, Tally, Unique,
    Unread,
};

/// Attempts to lock all tables before one that came meanwhile makes it fail.
const ATTEMPTS: usize = 5;

/// A PostgreSQL database as it was when it was opened.
pub struct PostgresSnapshot {
    address: Address,
    /// Holds the snapshot and the locks, for every connection that reads within it.
    holder: Arc<Mutex<Session>>,
    /// Reads rows; a break cancels what it does, and then another takes its place.
    reader: RefCell<Option<Session>>,
    exported: String,
    moment: Moment,
    marks: Marks,
    catalog: Catalog,
    relations: Vec<Relation>,
}

/// What is known of the server and the database.
#[derive(Clone, Debug, Default)]
struct Moment {
    version: u32,
    encoding: String,
    collate: String,
    ctype: String,
}

const MOMENT: &str =
    "SELECT pg_catalog.current_setting('server_version_num'), pg_catalog.pg_encoding_to_char(d.encoding), d.datcollate, d.datctype
    FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()";

impl PostgresSnapshot {
    /// Opens it for reading; definitions of tables cannot change while it is held.
    pub(super) fn open(address: &Address, wait: std::time::Duration) -> Result<Self> {
        let mut session = Session::open(address)?;
        session.run(&format!("SET lock_timeout = '{}ms'", wait.as_millis().max(1)))?;
        lock_all(&mut session)?;
        Self::of(address, session)
    }

    /// Opens it for a look at what it is; nothing is locked.
    pub(super) fn look(address: &Address) -> Result<Self> {
        let mut session = Session::open(address)?;
        session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        Self::of(address, session)
    }

    fn of(address: &Address, mut session: Session) -> Result<Self> {
        let exported = session.one("SELECT pg_catalog.pg_export_snapshot()")?.unwrap_or_default();
        let moment = moment(&mut session)?;
        if moment.version < 130_000 {
            let why = format!("the server's version is {}; Backstop reads PostgreSQL 13 and later", moment.version / 10_000);
            return Err(Error::Database { what: address.to_string(), why });
        }
        let catalog = Catalog::load(&mut session)?;
        let marks = Marks::load(&mut session, &catalog.tables)?;
        let mut relations: Vec<Relation> = catalog.tables.iter().map(|table| table.relation.clone()).collect();
        if large_objects::are_there(&mut session)? {
            relations.push(large_objects::relation());
            relations.sort_by(|a, b| a.name.cmp(&b.name));
        }
        let address = address.clone();
        Ok(Self { address, holder: Arc::new(Mutex::new(session)), reader: RefCell::new(None), exported, moment, marks, catalog, relations })
    }

    /// Does something on a connection that reads within the snapshot.
    fn reading<T>(&self, work: impl FnOnce(&mut Session) -> Result<(T, ControlFlow<()>)>) -> Result<T> {
        let mut reader = match self.reader.borrow_mut().take() {
            Some(reader) => reader,
            None => self.connection()?,
        };
        let (done, flow) = work(&mut reader)?;
        if flow.is_continue() {
            *self.reader.borrow_mut() = Some(reader);
        }
        Ok(done)
    }

    fn holder(&self) -> MutexGuard<'_, Session> {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connection(&self) -> Result<Session> {
        let mut session = Session::open(&self.address)?;
        session.run(&format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}",
            literal(self.exported.as_bytes())
        ))?;
        session.values_are(&self.moment.encoding);
        Ok(session)
    }

    fn scan_table(
        &self,
        session: &mut Session,
        table: &Table,
        content: &dyn Content,
        each: &mut dyn FnMut(Row) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let mut order = Order::new(&table.relation.name);
        let mut decoder = Decoder::default();
        for unkeyed in [true, false] {
            let Some(sql) = statement(table, unkeyed) else { continue };
            let flow = if unkeyed {
                sorted(session, table, &sql, content, &mut order, each)?
            } else {
                session.copy_out(&table.relation.name, &sql, &mut |line| {
                    let values = decoder.row(line, &table.kinds, content).map_err(|source| unreadable(table, source))?;
                    let row = Row::new(&table.relation, values, 0);
                    order.follows(&row.key)?;
                    Ok(each(row))
                })?
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Locks every table before the transaction sees anything, so that what it sees has the definition that it will have.
fn lock_all(session: &mut Session) -> Result<()> {
    let mut wanted = Catalog::names(session)?;
    for _ in 0..ATTEMPTS {
        session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", wanted.join(", "));
        // A table that was dropped meanwhile cannot be locked: the list is made again.
        let locked = if wanted.is_empty() { Ok(()) } else { session.run(&lock) };
        let now = if locked.is_ok() { Catalog::names(session)? } else { Vec::new() };
        if locked.is_ok() && now == wanted {
            return Ok(());
        }
        session.run("ROLLBACK")?;
        let now = Catalog::names(session)?;
        if now == wanted {
            locked?;
        }
        wanted = now;
    }
    let why = "its tables are made and dropped so fast that no moment could be held; try again when the application is quiet";
    Err(Error::Database { what: "the database".into(), why: why.into() })
}

fn moment(session: &mut Session) -> Result<Moment> {
    let rows = session.rows(MOMENT)?;
    let text = |column: usize| rows.first().and_then(|row| row.get(column).cloned().flatten()).unwrap_or_default();
    Ok(Moment { version: text(0).parse().unwrap_or_default(), encoding: text(1), collate: text(2), ctype: text(3) })
}

/// The statement that gives the rows without a usable key, or those with one; none where there can be none.
fn statement(table: &Table, unkeyed: bool) -> Option<String> {
    let mut conditions: Vec<String> = Vec::new();
    if !table.condition.is_empty() {
        conditions.push(format!("({})", table.condition));
    }
    let keyless = table.relation.key == KeyKind::WholeRow;
    if !keyless && !table.long.is_empty() {
        let fits: Vec<String> = table.long.iter().map(|bytes| format!("{bytes} <= {}", crate::rows::LARGE)).collect();
        let fits = fits.join(" AND ");
        conditions.push(if unkeyed { format!("NOT ({fits})") } else { fits });
    } else if unkeyed != keyless {
        return None;
    }
    let order = if unkeyed { String::new() } else { format!(" ORDER BY {}", table.order.join(", ")) };
    let condition = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    Some(format!("COPY (SELECT {} FROM {}{condition}{order}) TO STDOUT", table.columns(), table.source()))
}

/// Rows that are named by their digest, in its order.
fn sorted(
    session: &mut Session,
    table: &Table,
    sql: &str,
    content: &dyn Content,
    order: &mut Order<'_>,
    each: &mut dyn FnMut(Row) -> ControlFlow<()>,
) -> Result<ControlFlow<()>> {
    let relation = &table.relation;
    let failed = |error: rusqlite::Error| Error::Database { what: format!("sorting {}", relation.name), why: error.to_string() };
    let mut sorted = Sorted::new().map_err(failed)?;
    let mut decoder = Decoder::default();
    session.copy_all(&relation.name, sql, &mut |line| {
        let values = decoder.row(line, &table.kinds, &Looking).map_err(|source| unreadable(table, source))?;
        sorted.push(compared_digest(relation, &values), line).map_err(failed)
    })?;
    let mut flow = ControlFlow::Continue(());
    let given = sorted.each(|digest, ordinal, line| {
        let values = decoder.row(line, &table.kinds, content).map_err(|source| Sorting::Source(unreadable(table, source)))?;
        let row = Row { key: Key::of_row(digest, ordinal), values };
        order.follows(&row.key).map_err(Sorting::Source)?;
        flow = each(row);
        Ok(flow.is_continue())
    });
    match given {
        Ok(()) => Ok(flow),
        Err(Sorting::Source(error)) => Err(error),
        Err(Sorting::Sqlite(error)) => Err(failed(error)),
    }
}

enum Sorting {
    Source(Error),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Sorting {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

pub(super) fn unreadable(table: &Table, source: std::io::Error) -> Error {
    Error::Io { what: table.relation.name.clone(), source }
}

/// Sees to it that rows come in the order of their keys.
pub(super) struct Order<'o> {
    model: &'o str,
    last: Option<Key>,
}

impl<'o> Order<'o> {
    pub(super) fn new(model: &'o str) -> Self {
        Self { model, last: None }
    }

    /// Takes the key of the next row.
    pub(super) fn follows(&mut self, key: &Key) -> Result<()> {
        if self.last.as_ref().is_some_and(|last| key <= last) {
            let why = "its rows do not come in the order of their keys, or two have one key; check its indexes (pg_amcheck)";
            return Err(Error::Database { what: self.model.to_owned(), why: why.into() });
        }
        key.remember_in(&mut self.last);
        Ok(())
    }
}

/// What the database is made of, from pg_dump, and what besides decides how it is made anew.
fn definition(address: &Address, exported: &str, moment: &Moment, holder: &Mutex<Session>) -> Result<Definition> {
    let objects = dump::schema(address, exported, moment.version / 10_000)?;
    let mut pragmas: Vec<(String, String)> = [
        ("engine", "postgres"),
        ("server_version_num", &moment.version.to_string()),
        ("encoding", &moment.encoding),
        ("collate", &moment.collate),
        ("ctype", &moment.ctype),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let populated = holder.lock().unwrap_or_else(PoisonError::into_inner).rows(
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'm' AND c.relispopulated AND n.nspname !~ '^pg_' ORDER BY c.oid",
    )?;
    pragmas.extend(populated.into_iter().filter_map(|row| {
        let [schema, name] = <[Option<String>; 2]>::try_from(row).ok()?;
        Some(("refresh".to_owned(), super::sql::qualified(&schema?, &name?)))
    }));
    Ok(Definition { objects, pragmas, ..Definition::default() })
}

impl Snapshot for PostgresSnapshot {
    fn identity(&self) -> Identity {
        Identity { engine: "postgres".into(), place: self.address.to_string(), marks: self.marks.identity() }
    }

    fn relations(&self) -> &[Relation] {
        &self.relations
    }

    /// A server may have no connection to spare: one that reads nothing makes room for pg_dump.
    fn definition(&self) -> Result<Definition> {
        drop(self.reader.borrow_mut().take());
        definition(&self.address, &self.exported, &self.moment, &self.holder)
    }

    /// Rows go first where there are not connections for both.
    fn describing(&self) -> Box<dyn FnOnce() -> Result<Definition> + Send + '_> {
        let mut reader = self.reader.borrow_mut();
        if reader.is_none() {
            *reader = self.connection().ok();
        }
        let (address, exported, moment, holder) = (&self.address, &self.exported, &self.moment, &self.holder);
        Box::new(|| definition(address, exported, moment, holder))
    }

    /// Sequences stand outside every snapshot: read after the rows, none is behind what a row holds.
    fn sequences(&self) -> Result<Sequences> {
        super::sequences::read(&mut self.holder())
    }

    fn triggers(&self) -> Result<Vec<SchemaObject>> {
        Ok(self.catalog.triggers.clone())
    }

    fn references(&self) -> &[Reference] {
        &self.catalog.references
    }

    fn uniques(&self) -> &[Unique] {
        &self.catalog.uniques
    }

    fn consistency(&self) -> serde_json::Value {
        serde_json::to_value(&self.marks).unwrap_or_default()
    }

    fn scan(&self, relation: &Relation, content: &dyn Content, each: &mut dyn FnMut(Row) -> ControlFlow<()>) -> Result<Vec<Unread>> {
        self.reading(|session| {
            let flow = if relation.name == LARGE_OBJECTS {
                large_objects::scan(session, content, &mut Order::new(LARGE_OBJECTS), each)?
            } else {
                self.scan_table(session, self.catalog.table(&relation.name)?, content, each)?
            };
            Ok((Vec::new(), flow))
        })
    }

    /// One that the server does not give (it has no more connections) is done without.
    fn another(&self) -> Option<Box<dyn Snapshot + Send>> {
        let reader = RefCell::new(Some(self.connection().ok()?));
        let (address, holder, exported) = (self.address.clone(), self.holder.clone(), self.exported.clone());
        let (moment, marks) = (self.moment.clone(), self.marks.clone());
        let (catalog, relations) = (self.catalog.clone(), self.relations.clone());
        Some(Box::new(Self { address, holder, reader, exported, moment, marks, catalog, relations }))
    }

    fn tells_since(&self, relation: &Relation, since: &serde_json::Value) -> bool {
        self.marks.horizon(&relation.name, since).is_some()
    }

    fn scan_since(
        &self,
        relation: &Relation,
        since: &serde_json::Value,
        content: &dyn Content,
        each: &mut dyn FnMut(Since) -> ControlFlow<()>,
    ) -> Result<Vec<Unread>> {
        let Some(horizon) = self.marks.horizon(&relation.name, since) else {
            return self.scan(relation, content, &mut |row| each(Since::Row(row)));
        };
        let table = self.catalog.table(&relation.name)?;
        self.reading(|session| Ok((Vec::new(), written::scan(session, table, horizon, content, each)?)))
    }

    fn tally_since(&self, relation: &Relation, since: &serde_json::Value, bounds: &[i64]) -> Result<Option<Vec<Tally>>> {
        if !self.tells_since(relation, since) {
            return Ok(None);
        }
        let table = self.catalog.table(&relation.name)?;
        self.reading(|session| Ok((written::tally(session, table, bounds)?, ControlFlow::Continue(()))))
    }

    fn scan_written(
        &self,
        relation: &Relation,
        since: &serde_json::Value,
        content: &dyn Content,
        each: &mut dyn FnMut(Row) -> ControlFlow<()>,
    ) -> Result<Vec<Unread>> {
        let Some(horizon) = self.marks.horizon(&relation.name, since) else { return self.scan(relation, content, each) };
        let table = self.catalog.table(&relation.name)?;
        self.reading(|session| Ok((Vec::new(), written::scan_written(session, table, horizon, content, each)?)))
    }

    fn asking_since(&self, relation: &Relation, since: &serde_json::Value) -> Option<Box<dyn Asking + '_>> {
        let (horizon, table) = (self.marks.horizon(&relation.name, since)?, self.catalog.table(&relation.name).ok()?);
        written::numbers(table)?;
        Some(Box::new(Asker::new(self.holder.clone(), table, horizon)))
    }

    fn holds(&self, model: &str, columns: &[String], values: &[Value], content: &dyn Content) -> Result<Option<Row>> {
        let table = self.catalog.table(model)?;
        if columns.is_empty() || columns.len() != values.len() {
            return Err(Error::Unfit { model: model.into(), why: "as many values as columns are looked up, and at least one".into() });
        }
        let equal = columns.iter().zip(values).map(|(column, sought)| {
            let sought = (!sought.is_null()).then(|| value(sought)).flatten()?;
            Some(format!("{} = {sought}", ident(column)))
        });
        let Some(equal) = equal.collect::<Option<Vec<_>>>() else { return Ok(None) };
        let sql = format!("COPY (SELECT {} FROM {} WHERE {} LIMIT 1) TO STDOUT", table.columns(), table.source(), equal.join(" AND "));
        self.reading(|session| {
            let (mut found, mut decoder) = (None, Decoder::default());
            session.copy_all(model, &sql, &mut |line| {
                let values = decoder.row(line, &table.kinds, content).map_err(|source| unreadable(table, source))?;
                found = Some(Row::new(&table.relation, values, 0));
                Ok(())
            })?;
            Ok((found, ControlFlow::Continue(())))
        })
    }
}
