//! An empty database filled with a backup, in one transaction: what rows need, the rows, what is made upon them.
//!
//! What only a superuser may do, or what is given to a role that is not there, is undone by a savepoint and named.
//! Whatever else fails leaves the database empty.

use std::collections::BTreeSet;
use std::io;

use super::address::Address;
use super::catalog::{Catalog, LARGE_OBJECTS};
use super::copying::Copying;
use super::large_objects;
use super::missed::{Missed, is_missable, is_missed};
use super::objects::around_rows;
use super::session::{Objection, Session};
use super::sql::{idents, string};
use super::suitable;
use super::text::encode_row;
use crate::rows::{Batch, Relation, Row, Value};
use crate::sources::{Creator, Definition, Error, Resolve, Result, SchemaObject};

/// Besides what every session pins. Bodies of functions may name what is made later.
const SETTINGS: &str = "SET LOCAL check_function_bodies = off; SET LOCAL client_min_messages = warning; SET LOCAL lock_timeout = 0;
    SET LOCAL default_tablespace = ''";

/// Indexes are sorted in this much of the server's memory where it gives less by itself.
const INDEX_MEMORY: &str = "SELECT pg_catalog.set_config('maintenance_work_mem', '256MB', true)
    WHERE pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')) < pg_catalog.pg_size_bytes('256MB')";

/// Fills one database. Dropped before its end, it leaves nothing.
pub struct PostgresCreator {
    place: String,
    definition: Definition,
    hands: Hands,
    /// The tables as they were made.
    catalog: Catalog,
    roles: BTreeSet<String>,
    missed: Missed,
}

/// Who has the session.
enum Hands {
    Free(Box<Session>),
    Full(Copying),
    /// An error took it: the transaction has ended.
    Empty,
}

impl PostgresCreator {
    /// Checks that the database can take what `definition` describes and makes what its rows need.
    pub(super) fn begin(address: &Address, definition: &Definition) -> Result<Self> {
        let place = address.to_string();
        let mut session = Session::open(address)?;
        let mut missed = Missed::default();
        let encoding = suitable::check(&mut session, &place, definition, &mut missed)?;
        session.values_are(&encoding);
        let roles = session.rows("SELECT rolname FROM pg_catalog.pg_roles")?;
        let mut creator = Self {
            place,
            definition: definition.clone(),
            hands: Hands::Free(Box::new(session)),
            catalog: Catalog::default(),
            roles: roles.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect(),
            missed,
        };
        creator.run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")?;
        creator.run(SETTINGS)?;
        creator.run(INDEX_MEMORY)?;
        for object in around_rows(&definition.objects).0 {
            creator.make(object)?;
        }
        creator.catalog = Catalog::load(creator.session()?)?;
        Ok(creator)
    }

    /// The session, where no rows are on their way.
    fn session(&mut self) -> Result<&mut Session> {
        if let Hands::Full(_) = self.hands
            && let Hands::Full(copying) = std::mem::replace(&mut self.hands, Hands::Empty)
        {
            self.hands = Hands::Free(Box::new(copying.end()?));
        }
        match &mut self.hands {
            Hands::Free(session) => Ok(session),
            _ => Err(Error::Database { what: self.place.clone(), why: "the transaction that fills it has ended".into() }),
        }
    }

    fn run(&mut self, sql: &str) -> Result<()> {
        self.session()?.run(sql)
    }

    /// Makes an object, or notes why it could not be made.
    fn make(&mut self, object: &SchemaObject) -> Result<()> {
        if !is_missable(object) {
            let made = self.session()?.attempt(&object.sql);
            return made.map_err(|objection| self.refused(object, &objection));
        }
        match self.within_savepoint(object)? {
            Ok(()) => Ok(()),
            Err(objection) if is_missed(object, &objection, &self.missed) => {
                self.missed.add(called(object), &objection.words);
                Ok(())
            }
            Err(objection) => Err(self.refused(object, &objection)),
        }
    }

    /// Runs a statement; where it fails, the transaction goes on as if it had not been.
    fn within_savepoint(&mut self, object: &SchemaObject) -> Result<std::result::Result<(), Objection>> {
        let session = self.session()?;
        let done = session.attempt(&format!("SAVEPOINT made; {}\n; RELEASE made", object.sql));
        if done.as_ref().is_err_and(|objection| objection.code.is_some()) {
            session.run("ROLLBACK TO made; RELEASE made")?;
        }
        Ok(done)
    }

    fn refused(&self, object: &SchemaObject, objection: &Objection) -> Error {
        if objection.code == Some(postgres::error::SqlState::INSUFFICIENT_PRIVILEGE) {
            return Error::Unsuitable {
                what: self.place.clone(),
                why: format!("{} cannot be made: {}", called(object), objection.words),
                remedy: "Fill it as a superuser, or as the owner of the database where no superuser is needed.".into(),
            };
        }
        Error::Database { what: format!("{}: {}", self.place, called(object)), why: objection.words.clone() }
    }

    /// The stream that takes the rows of `relation`.
    fn copying(&mut self, relation: &Relation) -> Result<&mut Copying> {
        if !matches!(&self.hands, Hands::Full(copying) if copying.model() == relation.name) {
            self.session()?;
            let table = self.catalog.table(&relation.name)?;
            // Only its own table is told to be whole and old; a root gives its rows to others.
            let frozen = if table.partitioned { "" } else { " WITH (FREEZE)" };
            let columns = match relation.columns.as_slice() {
                [] => String::new(),
                columns => format!(" ({})", idents(columns.iter().map(|column| column.name.as_str()))),
            };
            let sql = format!("COPY {}{columns} FROM STDIN{frozen}", table.name);
            if let Hands::Free(session) = std::mem::replace(&mut self.hands, Hands::Empty) {
                self.hands = Hands::Full(Copying::begin(*session, &relation.name, sql));
            }
        }
        match &mut self.hands {
            Hands::Full(copying) => Ok(copying),
            _ => Err(Error::Database { what: self.place.clone(), why: "the transaction that fills it has ended".into() }),
        }
    }

    /// Rows of `relation` could not be encoded or sent: either a stored value cannot be read, or the rows are not taken; then the server has
    /// said why.
    fn given_up(&mut self, relation: &Relation, error: io::Error) -> Result<()> {
        let server = match std::mem::replace(&mut self.hands, Hands::Empty) {
            Hands::Full(copying) => copying.give_up().map(|session| self.hands = Hands::Free(Box::new(session))).err(),
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
            if !self.roles.contains(&owner) {
                self.missed.add(format!("owner of {name}"), &format!("role \"{owner}\" does not exist"));
                row.values[1] = Value::Null;
            }
        }
        if let Some(Value::Text(rights)) = row.values.get(2) {
            let rights = string(&String::from_utf8_lossy(rights));
            let sql = format!("SELECT {rights}::pg_catalog.aclitem[]");
            let object = SchemaObject { kind: "acl".into(), name: name.clone(), table: String::new(), sql };
            if let Err(objection) = self.within_savepoint(&object)? {
                self.missed.add(format!("rights of {name}"), &objection.words);
                row.values[2] = Value::Null;
            }
        }
        large_objects::insert(self.session()?, &row, content)
    }

    /// Puts every sequence where it stood.
    fn sequences(&mut self) -> Result<()> {
        let called = self.definition.sequences.iter().map(|sequence| (sequence, true));
        let unstarted = self.definition.unstarted.iter().map(|sequence| (sequence, false));
        let each = called.chain(unstarted).map(|((name, value), called)| {
            format!("SELECT pg_catalog.setval(tableoid::pg_catalog.regclass, '{value}', {called}) FROM {name};")
        });
        let all: Vec<String> = each.collect();
        all.chunks(500).try_for_each(|some| self.run(&some.concat()))
    }

    /// Fills the materialized views that were filled. One that needs another waits until that one is.
    fn refresh(&mut self) -> Result<()> {
        let named = self.definition.pragmas.iter().filter(|(name, _)| name == "refresh");
        let mut waiting: Vec<String> = named.map(|(_, view)| view.clone()).collect();
        while !waiting.is_empty() {
            let mut failed = Vec::new();
            for view in &waiting {
                let sql = format!("REFRESH MATERIALIZED VIEW {view}");
                let object = SchemaObject { kind: "materialized view data".into(), name: view.clone(), table: String::new(), sql };
                match self.within_savepoint(&object)? {
                    Err(objection) if objection.code.is_none() => return Err(self.refused(&object, &objection)),
                    Err(objection) => failed.push((view.clone(), objection.words)),
                    Ok(()) => {}
                }
            }
            if failed.len() == waiting.len() {
                for (view, words) in failed {
                    self.missed.add(format!("the rows of the materialized view {view}"), &words);
                }
                return Ok(());
            }
            waiting = failed.into_iter().map(|(view, _)| view).collect();
        }
        Ok(())
    }

    /// What is made upon the rows. Event triggers come last: they would fire for what is made after them.
    fn behind_rows(&mut self) -> Result<()> {
        let objects = around_rows(&self.definition.objects).1.to_vec();
        let events = objects.iter().position(|object| object.kind == "event trigger").unwrap_or(objects.len());
        objects[..events].iter().try_for_each(|object| self.make(object))?;
        self.sequences()?;
        self.refresh()?;
        objects[events..].iter().try_for_each(|object| self.make(object))
    }
}

/// What people call an object and what is said of it.
fn called(object: &SchemaObject) -> String {
    match object.kind.as_str() {
        "setting" | "default acl" => object.name.clone(),
        "owner" => format!("the owner of {}", object.name),
        "acl" => format!("the rights on {}", object.name),
        "comment" => format!("the comment on {}", object.name),
        kind => format!("the {kind} {}", object.name),
    }
}

impl Creator for PostgresCreator {
    fn add(&mut self, relation: &Relation, row: &Row, content: &dyn Resolve) -> Result<()> {
        if relation.name == LARGE_OBJECTS {
            return self.large_object(row, content);
        }
        let copying = self.copying(relation)?;
        let encoded = encode_row(row.values.iter().map(Value::cell), content, copying);
        encoded.or_else(|error| self.given_up(relation, error))
    }

    fn add_all(&mut self, relation: &Relation, batch: &mut Batch, content: &dyn Resolve) -> Result<()> {
        if relation.name == LARGE_OBJECTS {
            return batch.rows().try_for_each(|row| self.large_object(&row.to_row(), content));
        }
        let copying = self.copying(relation)?;
        let encoded = batch.rows().try_for_each(|row| encode_row(row.cells(), content, copying));
        encoded.or_else(|error| self.given_up(relation, error))
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<String>> {
        self.behind_rows()?;
        self.run("COMMIT")?;
        Ok(std::mem::take(&mut self.missed).told())
    }
}

impl Drop for PostgresCreator {
    /// Ends the transaction and waits until it has ended: nobody who comes next waits for its locks.
    fn drop(&mut self) {
        let session = match std::mem::replace(&mut self.hands, Hands::Empty) {
            Hands::Full(copying) => copying.give_up().ok(),
            Hands::Free(session) => Some(*session),
            Hands::Empty => None,
        };
        // Where even this fails, the connection is lost, and the transaction with it.
        drop(session.map(|mut session| session.run("ROLLBACK")));
    }
}
