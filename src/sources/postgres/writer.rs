//! Changes to a live database, in one transaction, with neither triggers, rules nor foreign-key actions.
//!
//! A table is locked against other writers when it is first read: what was seen then stays true. Writes go out in
//! batches, each checked to have changed as many rows as it should. PostgreSQL keeps the foreign keys itself; what a
//! deletion would take along that nobody previewed stops the restore.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::address::Address;
use super::aside::Aside;
use super::batch::Batch;
use super::catalog::{Catalog, LARGE_OBJECTS};
use super::guards::{ForeignKey, Guards, foreign_keys};
use super::large_objects;
use super::leaving::Leaving;
use super::places::{any_key, by_key, by_values};
use super::raise;
use super::session::Session;
use super::sql::{ident, idents, value};
use super::table::Table;
use super::text::{Through, encode_row};
use super::values;
use crate::rows::{Key, Relation, Row, RowDigest, Value, row::compared_digest};
use crate::sources::{Error, Resolve, Result, Violation, Writer};

pub(super) struct PostgresWriter {
    pub(super) session: Session,
    pub(super) catalog: Catalog,
    relations: Vec<Relation>,
    guards: Guards,
    /// What is known of each table that was read or written.
    pub(super) known: BTreeMap<String, Known>,
    batch: Batch,
    /// The largest whole number that was inserted into each column: by model and column.
    highest: BTreeMap<(String, usize), i64>,
    pub(super) aside: Vec<Aside>,
    pub(super) leaving: Leaving,
}

/// A table that is locked.
#[derive(Default)]
pub(super) struct Known {
    /// The foreign keys that concern it; none before it is written.
    pub(super) keys: Option<Vec<ForeignKey>>,
}

/// Where a row is.
pub(super) struct Found {
    row: Row,
    pub(super) condition: String,
}

impl PostgresWriter {
    pub(super) fn open(address: &Address, wait: Duration) -> Result<Self> {
        let mut session = Session::open(address)?;
        if session.one("SELECT pg_catalog.pg_is_in_recovery()")?.as_deref() == Some("t") {
            let why = "the server is a standby, which cannot be written to".to_owned();
            return Err(Error::Database { what: address.to_string(), why });
        }
        session.run(&format!(
            "SET lock_timeout = '{}ms'; BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL synchronous_commit = on",
            wait.as_millis().max(1)
        ))?;
        let encoding = session.one("SELECT pg_catalog.getdatabaseencoding()")?.unwrap_or_default();
        session.values_are(&encoding);
        let catalog = Catalog::load(&mut session)?;
        let mut relations: Vec<Relation> = catalog.tables.iter().map(|table| table.relation.clone()).collect();
        relations.push(large_objects::relation());
        let (guards, batch) = (Guards::default(), Batch::default());
        let (known, highest, aside, leaving) = (BTreeMap::new(), BTreeMap::new(), Vec::new(), Leaving::default());
        Ok(Self { session, catalog, relations, guards, known, batch, highest, aside, leaving })
    }

    pub(super) fn table(&self, relation: &Relation) -> Result<Table> {
        self.catalog.table(&relation.name).cloned()
    }

    /// Locks the table against other writers; its definition must be the one that was seen.
    fn lock(&mut self, table: &Table) -> Result<()> {
        let model = &table.relation.name;
        if self.known.contains_key(model) {
            return Ok(());
        }
        self.session.run(&format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", table.name))?;
        let now = Catalog::look_again(&mut self.session, &table.oid)?;
        if now.as_ref().map(|now| &now.relation) != Some(&table.relation) {
            return Err(Error::Unfit { model: model.clone(), why: "its columns were changed just now; preview again".into() });
        }
        self.known.insert(model.clone(), Known::default());
        Ok(())
    }

    /// Makes the table ready to be written: nothing of the application acts, foreign keys upon and of it can wait where they must.
    pub(super) fn prepare(&mut self, table: &Table, waiting: impl Fn(&ForeignKey) -> bool) -> Result<Vec<ForeignKey>> {
        self.lock(table)?;
        if self.known.values().all(|known| known.keys.is_none()) {
            self.guards.silence_events(&mut self.session)?;
        }
        let known = self.known.entry(table.relation.name.clone()).or_default();
        let keys = match &known.keys {
            Some(keys) => keys.clone(),
            None => {
                self.guards.silence(&mut self.session, &table.oid)?;
                known.keys.insert(foreign_keys(&mut self.session, &table.oid)?).clone()
            }
        };
        for key in keys.iter().filter(|key| !key.waits()) {
            // What may wait by itself costs nothing; where references go round, no order of writes is right.
            if key.may_wait() || key.is_own() || waiting(key) || self.goes_round(key) {
                self.guards.let_wait(&mut self.session, key)?;
            }
        }
        Ok(keys)
    }

    /// Whether what a foreign key refers to leads back, by other foreign keys, to what refers.
    fn goes_round(&self, key: &ForeignKey) -> bool {
        let model = |name: &str| self.catalog.tables.iter().find(|table| table.name == name).map(|table| table.relation.name.as_str());
        let (Some(child), Some(parent)) = (model(&key.child), model(&key.parent)) else { return false };
        let (mut seen, mut next) = (BTreeSet::from([parent]), vec![parent]);
        while let Some(model) = next.pop() {
            let onward = self.catalog.references.iter().filter(|reference| reference.from == model).map(|reference| reference.to.as_str());
            next.extend(onward.filter(|to| seen.insert(to)));
        }
        seen.contains(child)
    }

    /// Where the row that `like` names is now: by its key, else where all its values are.
    fn find(&mut self, table: &Table, like: &Row) -> Result<Option<Found>> {
        self.flush()?;
        self.lock(table)?;
        let relation = &table.relation;
        if let Some(condition) = by_key(table, like) {
            let found = self.select(table, "", &condition, None)?;
            return Ok(found.map(|(_, row)| Found { row, condition }));
        }
        let sought = compared_digest(relation, &like.values);
        let found = self.select(table, "tableoid::pg_catalog.oid, ctid", &by_values(table, like), Some(sought))?;
        Ok(found.map(|(place, row)| Found { row, condition: place }))
    }

    /// The first row under a condition, and where it stands: with the digest where one is given.
    fn select(&mut self, table: &Table, places: &str, condition: &str, sought: Option<RowDigest>) -> Result<Option<(String, Row)>> {
        let relation = &table.relation;
        // A table may have no columns.
        let selected = [places, &table.columns()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
        // Where a row stands is known of a table alone.
        let source = if places.is_empty() { table.rows() } else { table.source() };
        let still = if places.is_empty() { String::new() } else { self.not_leaving(&relation.name) };
        let sql = format!("COPY (SELECT {selected} FROM {source} WHERE {condition}{still}) TO STDOUT");
        let mut found = None;
        let before = if places.is_empty() { 0 } else { 2 };
        values::all(&mut self.session, (table, before), &sql, &mut |place, values| {
            if found.is_none() && sought.is_none_or(|sought| compared_digest(relation, &values) == sought) {
                found = Some((if places.is_empty() { String::new() } else { place_of(place) }, Row::new(relation, values, 0)));
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The rows that have the keys of `likes`, byte for byte.
    fn by_keys(&mut self, table: &Table, likes: &[&Row]) -> Result<HashMap<Key, Row>> {
        let Some(condition) = any_key(table, likes) else { return Ok(HashMap::new()) };
        let relation = &table.relation;
        let sql = format!("COPY (SELECT {} FROM {} WHERE {condition}) TO STDOUT", table.columns(), table.rows());
        let mut found = HashMap::new();
        values::all(&mut self.session, (table, 0), &sql, &mut |_, values| {
            let row = Row::new(relation, values, 0);
            found.insert(row.key.clone(), row);
            Ok(())
        })?;
        Ok(found)
    }

    pub(super) fn must_find(&mut self, table: &Table, like: &Row) -> Result<Found> {
        self.find(table, like)?.ok_or_else(|| not_one(&table.relation, 0))
    }

    /// Sends what waits.
    pub(super) fn flush(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        let Some(model) = batch.model() else { return Ok(()) };
        let table = self.catalog.table(model)?.clone();
        if batch.deletes() && self.acts_on_delete(model) { self.let_leave(&table, &batch) } else { self.send(&table, batch) }
    }

    /// Sends what waits, and makes place for a write that goes without a batch.
    pub(super) fn flush_before(&mut self) -> Result<()> {
        self.flush()?;
        self.make_room()
    }

    fn note(&mut self, relation: &Relation, row: &Row) {
        for (column, held) in row.values.iter().enumerate() {
            if let Value::Integer(number) = held {
                let highest = self.highest.entry((relation.name.clone(), column)).or_insert(*number);
                *highest = (*highest).max(*number);
            }
        }
    }
}

/// The condition for where a row stands, from the two columns before the others; the rest of the line.
fn place_of(fields: &[u8]) -> String {
    let mut fields = fields.splitn(2, |&byte| byte == b'\t');
    let mut next = || String::from_utf8_lossy(fields.next().unwrap_or_default()).into_owned();
    format!("tableoid = {} AND ctid = '{}'", next(), next())
}

pub(super) fn not_one(relation: &Relation, rows: u64) -> Error {
    Error::Unfit { model: relation.name.clone(), why: format!("{rows} rows were found where one was meant") }
}

impl Writer for PostgresWriter {
    fn relations(&self) -> &[Relation] {
        &self.relations
    }

    fn read(&mut self, relation: &Relation, like: &Row) -> Result<Option<Row>> {
        if relation.name == LARGE_OBJECTS {
            return large_objects::read(&mut self.session, like);
        }
        let table = self.table(relation)?;
        let ordinal = like.key.whole_row().map_or(0, |(_, ordinal)| ordinal);
        Ok(self.find(&table, like)?.map(|found| Row::new(relation, found.row.values, ordinal)))
    }

    fn read_all(&mut self, relation: &Relation, likes: &[&Row]) -> Result<Vec<Option<Row>>> {
        if relation.name == LARGE_OBJECTS || likes.is_empty() {
            return likes.iter().map(|like| self.read(relation, like)).collect();
        }
        let table = self.table(relation)?;
        self.flush()?;
        self.lock(&table)?;
        let mut found = self.by_keys(&table, likes)?;
        let mut rows: Vec<Option<Row>> = likes.iter().map(|like| found.remove(&like.key)).collect();
        for (row, like) in rows.iter_mut().zip(likes).filter(|(row, _)| row.is_none()) {
            if by_key(&table, like).is_none() {
                *row = self.read(relation, like)?;
            }
        }
        Ok(rows)
    }

    fn count(&mut self, relation: &Relation, found: &mut HashMap<RowDigest, u64>) -> Result<()> {
        let table = self.table(relation)?;
        self.flush()?;
        self.lock(&table)?;
        let sql = format!("COPY (SELECT {} FROM {}) TO STDOUT", table.columns(), table.rows());
        values::all(&mut self.session, (&table, 0), &sql, &mut |_, values| {
            if let Some(count) = found.get_mut(&compared_digest(relation, &values)) {
                *count += 1;
            }
            Ok(())
        })?;
        Ok(())
    }

    fn insert(&mut self, relation: &Relation, row: &Row, content: &dyn Resolve) -> Result<()> {
        if relation.name == LARGE_OBJECTS {
            return large_objects::insert(&mut self.session, row, content);
        }
        let table = self.table(relation)?;
        if !self.batch.takes_insert(&relation.name) {
            self.flush()?;
        }
        self.prepare(&table, |_| false)?;
        self.note(relation, row);
        if row.values.iter().any(|value| matches!(value, Value::Large(_))) {
            self.flush_before()?;
            let sql = format!("COPY {} FROM STDIN", table.target());
            return send_row(&mut self.session, &table, &sql, row, content);
        }
        self.batch.insert(&relation.name, row).map_err(|source| Error::Io { what: relation.name.clone(), source })?;
        if self.batch.is_full() { self.flush() } else { Ok(()) }
    }

    fn update(&mut self, relation: &Relation, like: &Row, row: &Row, columns: &[usize], content: &dyn Resolve) -> Result<()> {
        if relation.name == LARGE_OBJECTS {
            return large_objects::update(&mut self.session, like, row, columns, content);
        }
        let table = self.table(relation)?;
        let refers = |key: &ForeignKey| {
            let sets = |name: &String| columns.iter().any(|&column| relation.columns[column].name == *name);
            key.is_child && key.columns.iter().any(sets) || key.is_parent && key.to_columns.iter().any(sets)
        };
        if !self.batch.takes_update(&relation.name) {
            self.flush()?;
        }
        let keys = self.prepare(&table, refers)?;
        for &column in columns.iter().filter(|column| table.always.contains(column)) {
            self.flush()?;
            self.guards.let_be_written(&mut self.session, &table.name, &relation.columns[column].name)?;
        }
        let condition = match by_key(&table, like) {
            Some(condition) => condition,
            None => self.must_find(&table, like)?.condition,
        };
        if keys.iter().any(|key| key.is_parent && key.acts_on_update) {
            self.flush_before()?;
            self.refuse_carrying(&table, &keys, columns, &condition)?;
        }
        let set =
            columns.iter().map(|&column| Some(format!("{} = {}", ident(&relation.columns[column].name), value(&row.values[column])?)));
        match set.collect::<Option<Vec<_>>>() {
            Some(set) => {
                self.batch.update(&relation.name, &format!("UPDATE {} SET {} WHERE {condition}", table.source(), set.join(", ")));
                if self.batch.is_full() { self.flush() } else { Ok(()) }
            }
            None => {
                self.flush_before()?;
                self.update_large(&table, row, columns, &condition, content)
            }
        }
    }

    fn put_aside(&mut self, relation: &Relation, like: &Row) -> Result<()> {
        self.keep_aside(relation, like)
    }

    fn put_back(&mut self, relation: &Relation, like: &Row, row: &Row, columns: &[usize], content: &dyn Resolve) -> Result<()> {
        self.take_back(relation, like, (row, columns), content)
    }

    fn delete(&mut self, relation: &Relation, like: &Row) -> Result<()> {
        if relation.name == LARGE_OBJECTS {
            return large_objects::delete(&mut self.session, like);
        }
        let table = self.table(relation)?;
        if !self.batch.takes_delete(&relation.name) {
            self.flush()?;
        }
        // What refers to it may be changed to refer elsewhere later on.
        self.prepare(&table, |key| key.is_parent)?;
        let condition = match by_key(&table, like) {
            Some(condition) => condition,
            None => self.must_find(&table, like)?.condition,
        };
        self.batch.delete(&relation.name, condition);
        // A row found by its place alone is deleted before another one is looked for: the two could be the same.
        if self.batch.is_full() || by_key(&table, like).is_none() { self.flush() } else { Ok(()) }
    }

    /// PostgreSQL keeps foreign keys itself: those that wait are checked here.
    fn violations(&mut self) -> Result<Vec<Violation>> {
        self.settle()?;
        self.session.run("SET CONSTRAINTS ALL IMMEDIATE")?;
        raise::sequences(&mut self.session, &self.catalog, &self.highest)?;
        Ok(Vec::new())
    }

    fn commit(mut self: Box<Self>) -> Result<()> {
        self.settle()?;
        let Self { guards, session, .. } = &mut *self;
        guards.put_back(session)?;
        session.run("COMMIT")
    }
}

impl PostgresWriter {
    /// Writes columns of a row of which some stand outside it: the row goes through a table of the session's own.
    pub(super) fn update_large(
        &mut self,
        table: &Table,
        row: &Row,
        columns: &[usize],
        condition: &str,
        content: &dyn Resolve,
    ) -> Result<()> {
        let names = idents(columns.iter().map(|&column| table.relation.columns[column].name.as_str()));
        self.session
            .run(&format!("CREATE TEMPORARY TABLE backstop_row ON COMMIT DROP AS SELECT {names} FROM {} WITH NO DATA", table.name))?;
        let part = Row { key: row.key.clone(), values: columns.iter().map(|&column| row.values[column].clone()).collect() };
        send_row(&mut self.session, table, "COPY pg_temp.backstop_row FROM STDIN", &part, content)?;
        let sql = format!("UPDATE {} SET ({names}) = (SELECT {names} FROM pg_temp.backstop_row) WHERE {condition}", table.source());
        let changed = self.session.changed(&table.relation.name, &sql)?;
        self.session.run("DROP TABLE pg_temp.backstop_row")?;
        if changed == [1] { Ok(()) } else { Err(not_one(&table.relation, changed.iter().sum())) }
    }
}

/// Sends one row by a COPY statement, its large values as they are fetched.
fn send_row(session: &mut Session, table: &Table, sql: &str, row: &Row, content: &dyn Resolve) -> Result<()> {
    let model = &table.relation.name;
    let mut to = Through::new(session.copy_in(model, sql)?);
    let encoded = encode_row(row.values.iter().map(Value::cell), content, &mut to);
    let to = encoded.and_then(|()| to.end()).map_err(|source| Error::Io { what: model.clone(), source })?;
    match to.finish() {
        Ok(1) => Ok(()),
        Ok(rows) => Err(not_one(&table.relation, rows)),
        Err(error) => Err(session.said(model, &error)),
    }
}
