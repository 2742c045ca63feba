//! One connection that fills a database: its statements, and the rows that another thread sends over it.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::catalog::{Catalog, LARGE_OBJECTS};
use super::copying::Copying;
use super::large_objects;
use super::missed::Missed;
use super::session::{Objection, Session};
use super::sql::{idents, string};
use super::text::encode_row;
use crate::rows::{Batch, Relation, Row, Value};
use crate::sources::{Creator, Error, Resolve, Result, SchemaObject};

/// Every transaction of a connection that fills.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// Besides what every session pins. Bodies of functions may name what is made later.
const SETTINGS: &str =
    "SET check_function_bodies = off; SET client_min_messages = warning; SET lock_timeout = 0; SET default_tablespace = ''";

/// Indexes are sorted in this much of the server's memory where it gives less by itself.
const INDEX_MEMORY: &str = "SELECT pg_catalog.set_config('maintenance_work_mem', '256MB', false)
    WHERE pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')) < pg_catalog.pg_size_bytes('256MB')";

/// How what one connection does is made to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// All of it at its end, or nothing.
    Whole,
    /// Step by step: nobody takes the database for more than one that is being filled.
    Steps,
}

/// What several connections that fill one database know of it.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// What could not be made.
    missed: Arc<Mutex<Missed>>,
    /// The models that rows were given of.
    begun: Arc<Mutex<BTreeSet<String>>>,
    /// The tables as they were made.
    pub catalog: Arc<Catalog>,
    roles: Arc<BTreeSet<String>>,
}

/// A connection that fills a database; it is in a transaction at any time. Dropped, it takes back what does not last yet.
pub struct Hands {
    place: String,
    held: Held,
    pace: Pace,
    known: Known,
}

impl Known {
    /// Of a server with these roles.
    pub fn new(roles: BTreeSet<String>, missed: Missed) -> Self {
        Self { roles: Arc::new(roles), missed: Arc::new(Mutex::new(missed)), ..Self::default() }
    }

    /// Whether these are the first rows of a model.
    fn begins(&self, model: &str) -> bool {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).insert(model.to_owned())
    }

    /// What could not be made.
    pub fn missed(&self) -> MutexGuard<'_, Missed> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who has the session.
enum Held {
    Free(Box<Session>),
    Full(Copying),
    /// An error took it: the transaction has ended.
    Lost,
}

impl Hands {
    /// Begins the first transaction; `place` names the database in errors.
    pub(super) fn begin(mut session: Session, place: &str, pace: Pace, known: Known) -> Result<Self> {
        session.run(SETTINGS)?;
        session.run(INDEX_MEMORY)?;
        if pace == Pace::Steps {
            // What puts the database into its place is flushed, and all before it with it.
            session.run("SET synchronous_commit = off")?;
        }
        session.run(BEGIN)?;
        Ok(Self { place: place.to_owned(), held: Held::Free(Box::new(session)), pace, known })
    }

    /// Tells it what is known now.
    pub(super) fn know(&mut self, known: Known) {
        self.known = known;
    }

    /// The session, where no rows are on their way.
    pub(super) fn session(&mut self) -> Result<&mut Session> {
        if let Held::Full(_) = self.held
            && let Held::Full(copying) = std::mem::replace(&mut self.held, Held::Lost)
        {
            self.held = Held::Free(Box::new(copying.end()?));
        }
        match &mut self.held {
            Held::Free(session) => Ok(session),
            _ => Err(ended(&self.place)),
        }
    }

    pub(super) fn run(&mut self, sql: &str) -> Result<()> {
        self.session()?.run(sql)
    }

    /// Makes what was done so far last, where it does so step by step.
    pub(super) fn step(&mut self) -> Result<()> {
        match self.pace {
            Pace::Whole => self.session().map(drop),
            Pace::Steps => self.run(&format!("COMMIT; {BEGIN}")),
        }
    }

    /// Runs statements as one step; where the server refuses one, it is as if none had been.
    pub(super) fn try_step(&mut self, statements: &[String]) -> Result<bool> {
        let session = self.session()?;
        for sql in statements {
            match session.attempt(sql) {
                Ok(()) => {}
                Err(objection) if objection.code.is_none() => {
                    return Err(Error::Database { what: self.place.clone(), why: objection.words });
                }
                Err(_) => return session.run(&format!("ROLLBACK; {BEGIN}")).map(|()| false),
            }
        }
        // A constraint may be looked at as late as this.
        match session.attempt("COMMIT") {
            Err(objection) if objection.code.is_none() => Err(Error::Database { what: self.place.clone(), why: objection.words }),
            done => session.run(BEGIN).map(|()| done.is_ok()),
        }
    }

    /// Makes all of it last and gives the connection up.
    pub(super) fn end(mut self) -> Result<()> {
        self.run("COMMIT")
    }

    /// Runs a statement; where it fails, the transaction goes on as if it had not been.
    pub(super) fn within_savepoint(&mut self, sql: &str) -> Result<std::result::Result<(), Objection>> {
        let session = self.session()?;
        let done = session.attempt(&format!("SAVEPOINT made; {sql}\n; RELEASE made"));
        if done.as_ref().is_err_and(|objection| objection.code.is_some()) {
            session.run("ROLLBACK TO made; RELEASE made")?;
        }
        Ok(done)
    }

    /// The stream that takes the rows of `relation`.
    fn copying(&mut self, relation: &Relation) -> Result<&mut Copying> {
        if !matches!(&self.held, Held::Full(copying) if copying.model() == relation.name) {
            self.step()?;
            let catalog = Arc::clone(&self.known.catalog);
            let table = catalog.table(&relation.name)?;
            // Only its own table is told to be whole and old; a root gives its rows to others.
            let is_first = self.known.begins(&relation.name);
            let is_frozen = !table.partitioned && (is_first || self.pace == Pace::Whole);
            if is_frozen && self.pace == Pace::Steps {
                // Rows may be told so where the transaction that adds them has made the table's file.
                self.run(&format!("TRUNCATE ONLY {}", table.name))?;
            }
            let frozen = if is_frozen { " WITH (FREEZE)" } else { "" };
            let columns = match relation.columns.as_slice() {
                [] => String::new(),
                columns => format!(" ({})", idents(columns.iter().map(|column| column.name.as_str()))),
            };
            let sql = format!("COPY {}{columns} FROM STDIN{frozen}", table.name);
            if let Held::Free(session) = std::mem::replace(&mut self.held, Held::Lost) {
                self.held = Held::Full(Copying::begin(*session, &relation.name, sql));
            }
        }
        match &mut self.held {
            Held::Full(copying) => Ok(copying),
            _ => Err(ended(&self.place)),
        }
    }

    /// Rows of `relation` could not be encoded or sent: either a stored value cannot be read, or the rows are not taken; then the
    /// server has said why.
    fn given_up(&mut self, relation: &Relation, error: io::Error) -> Result<()> {
        let server = match std::mem::replace(&mut self.held, Held::Lost) {
            Held::Full(copying) => copying.give_up().map(|session| self.held = Held::Free(Box::new(session))).err(),
            _ => None,
        };
        Err(server.unwrap_or(Error::Io { what: relation.name.clone(), source: error }))
    }

    /// Makes a large object with what describes it, as far as the roles are there that it names.
    fn large_object(&mut self, row: &Row, content: &dyn Resolve) -> Result<()> {
        let mut row = row.clone();
        let name = match row.values.first() {
            Some(Value::Integer(oid)) => format!("large object {oid}"),
            _ => "a large object".to_owned(),
        };
        if let Some(Value::Text(owner)) = row.values.get(1) {
            let owner = String::from_utf8_lossy(owner).into_owned();
            if !self.known.roles.contains(&owner) {
                self.known.missed().add(format!("owner of {name}"), &format!("role \"{owner}\" does not exist"));
                row.values[1] = Value::Null;
            }
        }
        if let Some(Value::Text(rights)) = row.values.get(2) {
            let rights = string(&String::from_utf8_lossy(rights));
            if let Err(objection) = self.within_savepoint(&format!("SELECT {rights}::pg_catalog.aclitem[]"))? {
                self.known.missed().add(format!("rights of {name}"), &objection.words);
                row.values[2] = Value::Null;
            }
        }
        large_objects::insert(self.session()?, &row, content)
    }

    /// Makes an object where the server lets it, else says what it has against it.
    pub(super) fn attempt(&mut self, object: &SchemaObject) -> Result<std::result::Result<(), Objection>> {
        Ok(self.session()?.attempt(&object.sql))
    }
}

pub(super) fn ended(place: &str) -> Error {
    Error::Database { what: place.to_owned(), why: "the transaction that fills it has ended".into() }
}

/// A further connection, over which rows of other tables go at the same time.
impl Creator for Hands {
    fn add(&mut self, relation: &Relation, row: &Row, content: &dyn Resolve) -> Result<()> {
        match relation.name == LARGE_OBJECTS {
            true => self.large_object(row, content),
            false => {
                let encoded = encode_row(row.values.iter().map(Value::cell), content, self.copying(relation)?);
                encoded.or_else(|error| self.given_up(relation, error))
            }
        }
    }

    fn add_all(&mut self, relation: &Relation, batch: &mut Batch, content: &dyn Resolve) -> Result<()> {
        if relation.name == LARGE_OBJECTS {
            return batch.rows().try_for_each(|row| self.large_object(&row.to_row(), content));
        }
        let copying = self.copying(relation)?;
        let encoded = batch.rows().try_for_each(|row| encode_row(row.cells(), content, copying));
        encoded.or_else(|error| self.given_up(relation, error))
    }

    /// What could not be made is told by the first connection.
    fn finish(self: Box<Self>) -> Result<Vec<String>> {
        self.end().map(|()| Vec::new())
    }
}

impl Drop for Hands {
    /// Ends the transaction and waits until it has ended: nobody who comes next waits for its locks.
    fn drop(&mut self) {
        let session = match std::mem::replace(&mut self.held, Held::Lost) {
            Held::Full(copying) => copying.give_up().ok(),
            Held::Free(session) => Some(*session),
            Held::Lost => None,
        };
        // Where even this fails, the connection is lost, and the transaction with it.
        drop(session.map(|mut session| session.run("ROLLBACK")));
    }
}
