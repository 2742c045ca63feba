//! A database at one moment: one read transaction, rows in the order of their keys.
//!
//! SQLite's own order is used where it provably is ours: rowids, and BINARY or RTRIM text in a UTF-8 database. Everything
//! else is sorted by a function that computes our key. The order is checked row by row either way.

use std::cell::{Cell as Slot, RefCell};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Params, Statement, params_from_iter};

use super::copy::{self, Copied};
use super::encoding::Encoding;
use super::functions::{self, StandIns};
use super::open::{self, Opened, Trace};
use super::options;
use super::plan::Plan;
use super::presence::Presence;
use super::rivals::{Ask, Judge, Judges};
use super::salvage::{self, Readable};
use super::schema::{Schema, Table, UniqueIndex};
use super::seen::{Seen, second};
use super::values::{Reading, cells, quoted, quoted_list, read_into};
use crate::rows::{Batch, Digest, Fold, Piece, Relation, Row, RowDigest};
use crate::sources::private::Private;
use crate::sources::{
    Content, Definition, Error, Identity, Looking, Pieced, Reference, Result, Rival, SchemaObject, Snapshot, Unique, Unread,
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

/// Why a pass over a table ended early.
pub(super) enum Stopped {
    Damage(String),
    Failed(Error),
}

/// One pass: where it stands, so that a second one goes on behind it.
pub(super) struct Pass<'p> {
    table: &'p Table,
    content: &'p dyn Content,
    give: &'p mut dyn FnMut(&mut Batch) -> ControlFlow<()>,
    pub(super) batch: Batch,
    /// Whether a row with a large value is given at once: who holds such values back holds those of one row only.
    one_by_one: bool,
    /// The last key, of a row that was given or stands in the batch; none is empty.
    last: Vec<u8>,
    pub(super) unread: Vec<Unread>,
    pub(super) broken_off: bool,
    /// Rows that the statements gave.
    pub(super) seen: u64,
    /// True for the second pass, which sees again what the first one gave.
    again: bool,
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
    fn judged<T>(&self, model: &str, ask: impl FnOnce(&Table, Option<&Judge>) -> Result<T>) -> Result<T> {
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

    fn said(&self, model: &str, error: &rusqlite::Error) -> Error {
        match open::said(&self.path, self.wait, error) {
            Error::Database { what, why } => Error::Database { what: format!("{what}: {model}"), why },
            other => other,
        }
    }

    /// All rows: in one pass, or where there is damage in two.
    fn passes(&self, mut pass: Pass<'_>) -> Result<Vec<Unread>> {
        let _standing = StandIns::of(&self.connection, pass.table).map_err(|error| self.said(&pass.table.relation.name, &error))?;
        match self.pass(&mut pass, &Readable::All) {
            Ok(()) => {}
            Err(Stopped::Damage(why)) => self.salvage(&mut pass, &why)?,
            Err(Stopped::Failed(error)) => return Err(error),
        }
        if !pass.broken_off && !pass.batch.is_empty() {
            let _ = (pass.give)(&mut pass.batch);
        }
        Ok(pass.unread)
    }

    /// The rows without a usable key, then those with one: the order of their keys.
    fn pass(&self, pass: &mut Pass<'_>, from: &Readable) -> Result<(), Stopped> {
        let index = if matches!(from, Readable::All) { self.index(pass)? } else { None };
        let plan = Plan::new(pass.table, self.schema.encoding, from, index.as_ref().map(|(index, _)| *index));
        for sql in plan.unkeyed.iter().chain(&plan.keyed) {
            if !pass.broken_off {
                let mut statement = self.connection.prepare(sql).map_err(|error| self.stopped(&pass.table.relation.name, &error))?;
                self.rows(&mut statement, [], pass)?;
            }
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

    pub(super) fn stopped(&self, model: &str, error: &rusqlite::Error) -> Stopped {
        if salvage::is_damage(error) { Stopped::Damage(error.to_string()) } else { Stopped::Failed(self.said(model, error)) }
    }

    /// The rows that a statement gives.
    pub(super) fn rows(&self, statement: &mut Statement<'_>, parameters: impl Params, pass: &mut Pass<'_>) -> Result<(), Stopped> {
        let (table, content) = (pass.table, pass.content);
        let model = &table.relation.name;
        let stopped = |error: rusqlite::Error| self.stopped(model, &error);
        let width = table.relation.columns.len();
        let mut rows = statement.query(parameters).map_err(stopped)?;
        // Rows without a usable key are counted where they are equal.
        let mut before: Option<(RowDigest, u32)> = None;
        while let Some(row) = rows.next().map_err(stopped)? {
            pass.seen += 1;
            pass.batch.begin();
            for column in 0..width {
                let cell = row.get_ref(column).map_err(stopped)?;
                let read = read_into(&mut pass.batch, cell, content);
                read.map_err(|source| Stopped::Failed(Error::Io { what: model.clone(), source }))?;
            }
            let ended = pass.batch.end(&table.relation, |digest| {
                let ordinal = before.filter(|(last, _)| *last == digest).map_or(0, |(_, ordinal)| ordinal + 1);
                before = Some((digest, ordinal));
                ordinal
            });
            ended.map_err(|damage| Stopped::Failed(damage.into()))?;
            if pass.added().map_err(Stopped::Failed)?.is_break() {
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
        let columns = quoted_list(pass.table.relation.columns.iter().map(|column| column.name.as_str()));
        let found = salvage::find(&self.connection, &model, &columns, rowid).map_err(|error| self.said(&model, &error))?;
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
}

impl<'p> Pass<'p> {
    pub(super) fn new(
        table: &'p Table,
        content: &'p dyn Content,
        one_by_one: bool,
        give: &'p mut dyn FnMut(&mut Batch) -> ControlFlow<()>,
    ) -> Self {
        let (batch, last, unread) = (Batch::default(), Vec::new(), Vec::new());
        Self { table, content, give, batch, one_by_one, last, unread, broken_off: false, seen: 0, again: false }
    }

    /// Something about the whole model that makes it not whole.
    fn note(&mut self, why: String) {
        self.unread.push(Unread { model: self.table.relation.name.clone(), what: String::new(), why });
    }

    /// The last row of the batch came from the database: it stands behind the one before, or it goes.
    fn added(&mut self) -> Result<ControlFlow<()>> {
        let key = self.batch.last_key().unwrap_or_default();
        if *key <= *self.last {
            let equal = *key == *self.last;
            self.batch.pop();
            return self.out_of_order(equal).map(ControlFlow::Continue);
        }
        self.last.clear();
        self.last.extend_from_slice(key);
        Ok(if self.batch.is_full() || (self.one_by_one && self.batch.has_large()) {
            (self.give)(&mut self.batch)
        } else {
            ControlFlow::Continue(())
        })
    }

    /// A second pass passes over what was given; otherwise equal keys are a broken unique index, and a smaller one is no order at all.
    fn out_of_order(&mut self, equal: bool) -> Result<()> {
        if self.again {
            return Ok(());
        }
        let model = self.table.relation.name.clone();
        if !equal {
            let why = "its rows do not come in the order of their keys; check the database (PRAGMA integrity_check)";
            return Err(Error::Database { what: model, why: why.into() });
        }
        if self.unread.is_empty() {
            let why = "two records have one key; check the database (PRAGMA integrity_check)";
            self.unread.push(Unread { model, what: String::new(), why: why.into() });
        }
        Ok(())
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
        let said = |error: rusqlite::Error| self.said(&relation.name, &error);
        let read = self.schema.encoding.reads_all(relation.columns.iter().map(|column| column.name.as_str()));
        self.judged(&relation.name, |table, judge| {
            let (Some(judge), mut found) = (judge, Vec::new()) else { return Ok(Vec::new()) };
            for (given, row) in rows.iter().enumerate() {
                // What cannot be computed for this row is told when it is written.
                for Ask { columns, condition, values } in judge.asks(table, row).unwrap_or_default() {
                    let sql = format!("SELECT {read} FROM main.{} WHERE {condition}", quoted(&relation.name));
                    let mut statement = self.connection.prepare_cached(&sql).map_err(said)?;
                    let mut holders = statement.query(params_from_iter(values)).map_err(said)?;
                    while let Some(holder) = holders.next().map_err(said)? {
                        let values = cells(holder, relation.columns.len(), &Looking).map_err(|error| match error {
                            Reading::Sqlite(error) => said(error),
                            Reading::Content(source) => Error::Io { what: relation.name.clone(), source },
                        })?;
                        found.push(Rival { given, holder: Row::new(&table.relation, values, 0), columns: columns.to_vec() });
                    }
                }
            }
            Ok(found)
        })
    }
}
