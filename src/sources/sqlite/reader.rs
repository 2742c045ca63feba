//! A database at one moment: one read transaction, rows in the order of their keys.
//!
//! SQLite's own order is used where it provably is ours: rowids, and BINARY or RTRIM text in a UTF-8 database. Everything
//! else is sorted by a function that computes our key. The order is checked row by row either way.

use std::cell::{Cell as Slot, RefCell};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::copy::{self, Copied};
use super::functions;
use super::open::{self, Opened, Trace};
use super::options;
use super::pass::Pass;
use super::presence::Presence;
use super::rivals::{Judge, Judges};
use super::schema::{Schema, Table};
use super::seen::{Seen, second};
use crate::rows::{Batch, Digest, Piece, Relation, Row};
use crate::sources::private::Private;
use crate::sources::{
    Content, Definition, Error, Identity, Judging, Origin, Pieced, Reference, Result, Rival, SchemaObject, Snapshot, Unique, Unread,
};

/// A SQLite database as it was when it was opened.
pub struct SqliteSnapshot {
    path: PathBuf,
    wait: Duration,
    // Before the copy, so that it is closed before its files are removed.
    pub(super) connection: Connection,
    another: Slot<Option<Connection>>,
    /// The pages that the rows lie in, where nobody else can write to them. Behind the connections: it lets go last.
    pub(super) pages: Option<Copied>,
    _copy: Option<Private>,
    _presence: Presence,
    _trace: Option<Trace>,
    /// What fixed the moment: of the database itself, wherever its pages are read.
    consistency: serde_json::Value,
    pub(super) schema: Schema,
    relations: Vec<Relation>,
    uniques: Vec<Unique>,
    judges: RefCell<Judges>,
}

impl SqliteSnapshot {
    /// Opens it to read its rows, without making its application wait.
    pub(super) fn open(path: &Path, wait: Duration, scratch: &Path) -> Result<Self> {
        let (opened, seen) = Self::begin(path, wait, scratch)?;
        let consistency = consistency(&opened.connection, seen.as_ref());
        let mut opened = copy::let_go(opened, path, wait, scratch)?;
        if opened.another.is_none() {
            opened.another = seen.and_then(|seen| second(path, &seen));
        }
        Self::of(path, wait, opened, consistency)
    }

    /// Opens it for a look at what it is.
    pub(super) fn look(path: &Path, wait: Duration, scratch: &Path) -> Result<Self> {
        let (opened, seen) = Self::begin(path, wait, scratch)?;
        let consistency = consistency(&opened.connection, seen.as_ref());
        Self::of(path, wait, opened, consistency)
    }

    /// Begins to read, and says what the files looked like at that moment, where that proves something: as before, so that it was
    /// this file that was opened, and settled, so that any later write will be seen.
    fn begin(path: &Path, wait: Duration, scratch: &Path) -> Result<(Opened, Option<Seen>)> {
        let seen = || open::real(path).ok().and_then(|path| Seen::of(&path));
        let before = seen();
        let opened = open::read_only(path, wait, scratch)?;
        let proves = |before: &Seen| opened.copy.is_none() && seen().as_ref() == Some(before) && before.is_settled(scratch);
        let proven = before.filter(proves);
        Ok((opened, proven))
    }

    /// Ends the look: nobody waits for it any more, and no row can be read.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn end_look(&self) -> Result<()> {
        self.connection.execute_batch("COMMIT").map_err(|error| open::said(&self.path, self.wait, &error))
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
        Ok(Self {
            path: path.into(),
            wait,
            connection,
            another: Slot::new(opened.another),
            pages: opened.pages,
            _copy: opened.copy,
            _presence: opened.presence,
            _trace: opened.trace,
            consistency,
            schema,
            relations,
            uniques,
            judges: RefCell::default(),
        })
    }

    /// Asks the judge of a model, which is made where nobody asked before.
    pub(super) fn judged<T>(&self, model: &str, ask: impl FnOnce(&Table, Option<&Judge>) -> Result<T>) -> Result<T> {
        let table = self.table(model)?;
        let mut judges = self.judges.borrow_mut();
        if !judges.contains_key(model) {
            let judge = Judge::of(&self.connection, table, self.schema.encoding).map_err(|error| self.said(model, &error))?;
            judges.insert(model.to_owned(), judge);
        }
        ask(table, judges.get(model).and_then(Option::as_ref))
    }

    pub(super) fn table(&self, model: &str) -> Result<&Table> {
        let found = self.schema.tables.iter().find(|table| table.relation.name == model);
        found.ok_or_else(|| Error::Unfit { model: model.into(), why: "the database has no such table".into() })
    }

    pub(super) fn said(&self, model: &str, error: &rusqlite::Error) -> Error {
        match open::said(&self.path, self.wait, error) {
            Error::Database { what, why } => Error::Database { what: format!("{what}: {model}"), why },
            other => other,
        }
    }
}

fn pragma(connection: &Connection, name: &str) -> serde_json::Value {
    connection.query_row(&format!("PRAGMA main.{name}"), [], |row| row.get::<_, i64>(0)).map_or(serde_json::Value::Null, Into::into)
}

/// What fixes the moment. The change counter is read through `sqlite_dbpage` where the library has it; in WAL mode it does not move.
fn consistency(connection: &Connection, seen: Option<&Seen>) -> serde_json::Value {
    let first_page = "SELECT substr(data, 25, 4) FROM sqlite_dbpage('main') WHERE pgno = 1";
    let counter = connection.query_row(first_page, [], |row| row.get::<_, [u8; 4]>(0)).ok().map(u32::from_be_bytes);
    serde_json::json!({
        "change_counter": counter,
        "schema_cookie": pragma(connection, "schema_version"),
        "page_count": pragma(connection, "page_count"),
        "freelist_count": pragma(connection, "freelist_count"),
        "seen": seen.map(Seen::json),
    })
}

impl Snapshot for SqliteSnapshot {
    fn identity(&self) -> Identity {
        let application = pragma(&self.connection, "application_id");
        // What ANALYZE leaves is no other schema, and neither is what full text was told.
        let is_schema = |object: &&SchemaObject| !object.name.starts_with("sqlite_") && object.kind != options::KIND;
        let objects = self.schema.definition.objects.iter().filter(is_schema);
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

    fn another(&self) -> Option<Box<dyn Snapshot + Send>> {
        let (connection, pages) = (self.another.take()?, self.pages.clone());
        let presence = if pages.is_some() { Presence::of_nobody() } else { Presence::with(&self.path) };
        let opened = Opened { connection, another: None, pages, copy: None, presence, trace: None };
        let another = Self::of(&self.path, self.wait, opened, self.consistency.clone()).ok()?;
        Some(Box::new(another))
    }

    fn scan(&self, relation: &Relation, content: &dyn Content, each: &mut dyn FnMut(Row) -> ControlFlow<()>) -> Result<Vec<Unread>> {
        let mut give = |batch: &mut Batch| {
            let flow = batch.rows().try_for_each(|row| each(row.to_row()));
            batch.clear();
            flow
        };
        self.passes(Pass::new(self.table(&relation.name)?, content, true, &mut give))
    }

    fn scan_batches(
        &self,
        relation: &Relation,
        content: &dyn Content,
        give: &mut dyn FnMut(&mut Batch) -> ControlFlow<()>,
    ) -> Result<Vec<Unread>> {
        self.passes(Pass::new(self.table(&relation.name)?, content, false, give))
    }

    fn pieces(&self, relation: &Relation) -> Option<Digest> {
        self.layout(relation).map(|layout| layout.digest)
    }

    fn scan_pieces(
        &self,
        relation: &Relation,
        content: &dyn Content,
        known: &mut dyn FnMut(&Piece) -> bool,
        give: &mut dyn FnMut(Pieced<'_>) -> ControlFlow<()>,
    ) -> Result<Option<()>> {
        self.pieced(relation, content, known, give)
    }

    fn judges(&self, relation: &Relation) -> Result<bool> {
        self.judged(&relation.name, |_, judge| Ok(judge.is_some()))
    }

    fn rivals(&self, relation: &Relation, rows: &[Row]) -> Result<Vec<Rival>> {
        self.in_the_way(relation, rows)
    }

    fn judging<'s>(&'s self, relation: &Relation, origin: &Origin<'_>) -> Result<Option<Box<dyn Judging + 's>>> {
        self.trial(relation, origin)
    }
}
