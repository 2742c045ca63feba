//! A database at one moment: a transaction that holds the snapshot, and other connections that read within it.
//!
//! Tables are locked against changes of their definition before the snapshot is taken, as far as reading needs it
//! (ACCESS SHARE, what pg_dump takes): writers go on. Rows come through COPY in an order that the server makes by bytes.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::address::Address;
use super::catalog::{Catalog, LARGE_OBJECTS};
use super::counting;
use super::dump;
use super::large_objects;
use super::locks::{self, ATTEMPTS, Shared};
use super::pass::{self, Many, Single};
use super::refusals::{self, Judge};
use super::rivals::{self, Constraint};
use super::rules::Rules;
use super::session::Session;
use super::since::Marks;
use super::sql::literal;
use super::table::Table;
use super::written::{self, Asker};
use crate::rows::{Batch, Key, Relation, Row};
use crate::sources::{
    Asking, Content, Deed, Definition, Error, Identity, Judging, Origin, Reference, Result, Rival, SchemaObject, Sequences, Since,
    Snapshot, Tally, Unique, Unread, scan_in_batches,
};

/// A PostgreSQL database as it was when it was opened.
pub struct PostgresSnapshot {
    address: Address,
    /// Holds the snapshot and the locks, for every connection that reads within it.
    holder: Arc<Mutex<Session>>,
    /// Reads rows; a break cancels what it does, and then another takes its place.
    reader: RefCell<Option<Session>>,
    exported: String,
    /// The tables that each connection locks, as SQL.
    locked: Vec<String>,
    moment: Moment,
    marks: Marks,
    catalog: Catalog,
    relations: Vec<Relation>,
    /// What only the database can judge, once that was asked for.
    constraints: OnceCell<BTreeMap<String, Vec<Constraint>>>,
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
    /// Opens it for reading; definitions of tables cannot change while it is held. Where somebody came to change one before the first connection
    /// that reads had its locks, he is let through and all begins again.
    pub(super) fn open(address: &Address, wait: std::time::Duration) -> Result<Self> {
        let mut met = Ok(());
        for _ in 0..ATTEMPTS {
            let mut session = Session::open(address)?;
            session.run(&format!("SET lock_timeout = '{}ms'", wait.as_millis().max(1)))?;
            let locked = locks::take(&mut session)?;
            let held = Self::of(address, session, locked)?;
            match held.connection() {
                Err(error @ Error::Awaited { .. }) => met = Err(error),
                // That there is no connection to read by is told by who reads.
                reader => {
                    *held.reader.borrow_mut() = reader.ok();
                    return Ok(held);
                }
            }
        }
        met.and_then(|()| locks::never_quiet())
    }

    /// Opens it for a look at what it is; nothing is locked.
    pub(super) fn look(address: &Address) -> Result<Self> {
        let mut session = Session::open(address)?;
        session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        Self::of(address, session, Vec::new())
    }

    fn of(address: &Address, mut session: Session, locked: Vec<String>) -> Result<Self> {
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
        Ok(Self {
            address,
            holder: Arc::new(Mutex::new(session)),
            reader: RefCell::new(None),
            exported,
            locked,
            moment,
            marks,
            catalog,
            relations,
            constraints: OnceCell::new(),
        })
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

    /// What only the database can judge of a model. Where names cannot be written in its encoding, nothing is asked.
    fn constraints(&self, model: &str) -> Result<&[Constraint]> {
        let constraints = match self.constraints.get() {
            Some(constraints) => constraints,
            None => {
                let mut loaded = rivals::load(&mut self.holder(), &self.catalog.tables)?;
                if self.moment.encoding != "UTF8" {
                    loaded.values_mut().for_each(|constraints| constraints.retain(Constraint::is_ascii));
                }
                self.constraints.get_or_init(|| loaded)
            }
        };
        Ok(constraints.get(model).map_or(&[], Vec::as_slice))
    }

    /// Gives `take` the rows of `table` in the way of these; some of them twice, where not all could be asked about at once.
    fn rivals_of(&self, table: &Table, constraint: &Constraint, rows: &[Row], take: &mut dyn FnMut(Rival)) -> Result<()> {
        let ask = |rows: &[Row], take: &mut dyn FnMut(Rival)| {
            self.reading(|session| Ok((rivals::each(session, table, constraint, rows, take)?, ControlFlow::Continue(()))))
        };
        if ask(rows, take).is_ok() {
            return Ok(());
        }
        // An expression does not bear the values of one of them: the database says so of that row when it is written.
        for (given, row) in rows.iter().enumerate() {
            if ask(std::slice::from_ref(row), &mut |rival| take(Rival { given, ..rival })).is_err() {
                self.holder().run("SELECT 1")?;
            }
        }
        Ok(())
    }

    /// Asks what the server may object to, on a connection that reads within the snapshot; locks that the questions took are given back.
    pub(super) fn trying<T>(&self, work: impl FnOnce(&mut Session) -> Result<T>) -> Result<T> {
        self.reading(|session| {
            session.run("SAVEPOINT asked")?;
            let done = work(session)?;
            session.run("ROLLBACK TO asked; RELEASE asked")?;
            Ok((done, ControlFlow::Continue(())))
        })
    }

    fn holder(&self) -> MutexGuard<'_, Session> {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that reads within the snapshot, with locks of its own.
    fn connection(&self) -> Result<Session> {
        let mut session = self.within()?;
        match locks::share(&mut session, &self.locked) {
            Shared::Yes => Ok(session),
            Shared::TooMany => self.within(),
            Shared::Awaited => Err(locks::awaited(&self.address)),
            Shared::Lost(error) => Err(error),
        }
    }

    fn within(&self) -> Result<Session> {
        let mut session = Session::open(&self.address)?;
        session.run(&format!(
            "{}; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}",
            locks::HARDLY_WAIT,
            literal(self.exported.as_bytes())
        ))?;
        session.values_are(&self.moment.encoding);
        Ok(session)
    }
}

fn moment(session: &mut Session) -> Result<Moment> {
    let rows = session.rows(MOMENT)?;
    let text = |column: usize| rows.first().and_then(|row| row.get(column).cloned().flatten()).unwrap_or_default();
    Ok(Moment { version: text(0).parse().unwrap_or_default(), encoding: text(1), collate: text(2), ctype: text(3) })
}

pub(super) fn unreadable(table: &Table, source: std::io::Error) -> Error {
    Error::Io { what: table.relation.name.clone(), source }
}

/// Sees to it that rows come in the order of their keys.
pub(super) struct Order<'o> {
    model: &'o str,
    /// The last key; none is empty.
    last: Vec<u8>,
}

impl<'o> Order<'o> {
    pub(super) fn new(model: &'o str) -> Self {
        Self { model, last: Vec::new() }
    }

    /// Takes the key of the next row.
    pub(super) fn follows(&mut self, key: &Key) -> Result<()> {
        self.follows_as_bytes(key.as_bytes())
    }

    /// Takes the bytes of the key of the next row.
    pub(super) fn follows_as_bytes(&mut self, key: &[u8]) -> Result<()> {
        if *key <= *self.last {
            let why = "its rows do not come in the order of their keys, or two have one key; check its indexes (pg_amcheck)";
            return Err(Error::Database { what: self.model.to_owned(), why: why.into() });
        }
        self.last.clear();
        self.last.extend_from_slice(key);
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

    /// How many large objects there are is not asked for.
    fn size(&self, relation: &Relation) -> u64 {
        self.catalog.table(&relation.name).map_or(u64::MAX, |table| table.pages)
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
                let table = self.catalog.table(&relation.name)?;
                pass::over(session, table, &mut Single::new(table, content, each))?
            };
            Ok((Vec::new(), flow))
        })
    }

    fn scan_batches(
        &self,
        relation: &Relation,
        content: &dyn Content,
        give: &mut dyn FnMut(&mut Batch) -> ControlFlow<()>,
    ) -> Result<Vec<Unread>> {
        if relation.name == LARGE_OBJECTS {
            return scan_in_batches(self, relation, content, give);
        }
        let table = self.catalog.table(&relation.name)?;
        self.reading(|session| {
            let mut many = Many::new(table, content, give);
            let flow = pass::over(session, table, &mut many)?;
            if flow.is_continue() {
                many.give_rest();
            }
            Ok((Vec::new(), flow))
        })
    }

    /// One that the server does not give (it has no more connections) is done without.
    fn another(&self) -> Option<Box<dyn Snapshot + Send>> {
        let reader = RefCell::new(Some(self.connection().ok()?));
        let (address, holder, exported) = (self.address.clone(), self.holder.clone(), self.exported.clone());
        let (locked, moment, marks) = (self.locked.clone(), self.moment.clone(), self.marks.clone());
        let (catalog, relations) = (self.catalog.clone(), self.relations.clone());
        let constraints = OnceCell::new();
        Some(Box::new(Self { address, holder, reader, exported, locked, moment, marks, catalog, relations, constraints }))
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
        self.reading(|session| Ok((counting::tally(session, table, bounds)?, ControlFlow::Continue(()))))
    }

    fn scan_written(
        &self,
        relation: &Relation,
        since: &serde_json::Value,
        content: &dyn Content,
        give: &mut dyn FnMut(&mut Batch) -> ControlFlow<()>,
    ) -> Result<Vec<Unread>> {
        let Some(horizon) = self.marks.horizon(&relation.name, since) else { return self.scan_batches(relation, content, give) };
        let table = self.catalog.table(&relation.name)?;
        self.reading(|session| Ok((Vec::new(), written::scan_written(session, table, horizon, content, give)?)))
    }

    fn asking_since(&self, relation: &Relation, since: &serde_json::Value) -> Option<Box<dyn Asking + '_>> {
        let (horizon, table) = (self.marks.horizon(&relation.name, since)?, self.catalog.table(&relation.name).ok()?);
        written::numbers(table)?;
        Some(Box::new(Asker::new(self.holder.clone(), table, horizon)))
    }

    fn judges(&self, relation: &Relation) -> Result<bool> {
        Ok(!self.constraints(&relation.name)?.is_empty())
    }

    fn rivals(&self, relation: &Relation, rows: &[Row]) -> Result<Vec<Rival>> {
        let table = self.catalog.table(&relation.name)?;
        let mut found = Vec::new();
        for constraint in self.constraints(&relation.name)? {
            self.rivals_of(table, constraint, rows, &mut |rival| found.push(rival))?;
        }
        Ok(found)
    }

    fn compares(&self, relation: &Relation, columns: &[usize]) -> Result<bool> {
        let table = self.catalog.table(&relation.name)?;
        Ok(columns.iter().any(|column| !table.plain.contains(column)))
    }

    fn holders(&self, relation: &Relation, columns: &[usize], rows: &[Row], take: &mut dyn FnMut(Rival)) -> Result<()> {
        let table = self.catalog.table(&relation.name)?;
        self.rivals_of(table, &Constraint::of_columns(table, columns), rows, take)
    }

    fn judging<'s>(&'s self, relation: &Relation, origin: &Origin<'_>) -> Result<Option<Box<dyn Judging + 's>>> {
        if relation.name == LARGE_OBJECTS {
            return Ok(None);
        }
        let table = self.catalog.table(&relation.name)?;
        let rules = Rules::load(&mut self.holder(), table, origin)?;
        Ok(Some(Box::new(Judge::of(self, table, rules)?)))
    }

    fn forbids(&self, relation: &Relation, deed: Deed) -> Result<Option<String>> {
        if relation.name == LARGE_OBJECTS {
            return Ok(None);
        }
        refusals::forbids(self, self.catalog.table(&relation.name)?, deed)
    }

    fn alike(&self, relation: &Relation, columns: &[usize], rows: &[&Row]) -> Result<Vec<usize>> {
        let table = self.catalog.table(&relation.name)?;
        self.reading(|session| Ok((rivals::alike(session, table, columns, rows)?, ControlFlow::Continue(())))).or_else(|_| {
            // A value that the column does not take, or a type without an order: bytes decide.
            self.holder().run("SELECT 1").map(|()| (0..rows.len()).collect())
        })
    }
}
