//! An empty database filled with a backup: what rows need, the rows, what is made upon them. Small backups in one transaction,
//! large ones in a database beside it, over two connections ([`super::beside`]).
//!
//! What only a superuser may do, or what is given to a role that is not there, is undone by a savepoint and named.
//! Whatever else fails leaves the database empty.

use std::sync::Arc;

use super::address::Address;
use super::beside::{self, Beside};
use super::catalog::Catalog;
use super::hands::{Hands, Known, Pace, ended};
use super::missed::{Missed, is_missable, is_missed};
use super::objects::around_rows;
use super::session::{Objection, Session};
use super::suitable;
use super::together::{self, Stretch};
use crate::rows::{Batch, Relation, Row};
use crate::sources::{Creator, Definition, Error, Resolve, Result, SchemaObject};

/// Fills one database. Dropped before its end, it leaves nothing.
pub struct PostgresCreator {
    address: Address,
    place: String,
    definition: Definition,
    encoding: String,
    known: Known,
    /// Gone where the connection was given up for the database to be put in its place.
    hands: Option<Hands>,
    /// The database that is filled in the place of the target; else that is the target itself.
    beside: Option<Beside>,
    /// Of many rows: how they are written.
    way: Option<String>,
}

impl PostgresCreator {
    /// Checks that the database can take what `definition` describes and makes what its rows need. With `many` rows, they go over two
    /// connections into a database beside it, where the server and the database let that be done unseen.
    pub(super) fn begin(address: &Address, definition: &Definition, many: bool) -> Result<Self> {
        let place = address.to_string();
        let open = || -> Result<_> {
            let mut missed = Missed::default();
            let mut session = Session::open(address)?;
            let encoding = suitable::check(&mut session, &place, definition, &mut missed)?;
            beside::tell_leftovers(&mut session, &mut missed)?;
            Ok((session, encoding, missed))
        };
        let (mut session, mut encoding, mut missed) = open()?;
        if !many {
            return Self::fill(address, definition, session, encoding, missed, None);
        }
        let why = match beside::plain(&mut session) {
            Ok(Ok(plain)) => {
                // Nobody may be connected to a database that is copied.
                drop(session);
                let why = match Beside::make(address, plain) {
                    Ok((beside, inside)) => {
                        let mut creator = Self::fill(address, definition, inside, encoding, missed, Some(beside))?;
                        creator.way = Some(format!("{place} was filled beside it, over two connections, and put in its place"));
                        return Ok(creator);
                    }
                    Err(error) => error.to_string(),
                };
                (session, encoding, missed) = open()?;
                why
            }
            Ok(Err(why)) => why,
            Err(error) => error.to_string(),
        };
        let mut creator = Self::fill(address, definition, session, encoding, missed, None)?;
        creator.way = Some(format!("{place} was filled in one transaction, over one connection: {why}"));
        Ok(creator)
    }

    fn fill(
        address: &Address,
        definition: &Definition,
        mut session: Session,
        encoding: String,
        missed: Missed,
        beside: Option<Beside>,
    ) -> Result<Self> {
        let place = address.to_string();
        session.values_are(&encoding);
        let roles = session.rows("SELECT rolname FROM pg_catalog.pg_roles")?;
        let roles = roles.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
        let known = Known::new(roles, missed);
        let pace = if beside.is_some() { Pace::Steps } else { Pace::Whole };
        let hands = Some(Hands::begin(session, &place, pace, known.clone())?);
        let mut creator =
            Self { address: address.clone(), place, definition: definition.clone(), encoding, known, hands, beside, way: None };
        for object in around_rows(&definition.objects).0 {
            creator.make(object)?;
        }
        creator.known.catalog = Arc::new(Catalog::load(creator.hands()?.session()?)?);
        let known = creator.known.clone();
        creator.hands()?.know(known);
        creator.hands()?.step()?;
        Ok(creator)
    }

    fn hands(&mut self) -> Result<&mut Hands> {
        self.hands.as_mut().ok_or_else(|| ended(&self.place))
    }

    fn run(&mut self, sql: &str) -> Result<()> {
        self.hands()?.run(sql)
    }

    /// Another connection to the database beside, which knows what this one does.
    fn another_hands(&mut self) -> Result<Option<Hands>> {
        let Some(inside) = self.beside.as_ref().map(|beside| self.address.of_database(beside.name())) else { return Ok(None) };
        let mut session = Session::open(&inside)?;
        session.values_are(&self.encoding);
        Hands::begin(session, &self.place, Pace::Steps, self.known.clone()).map(Some)
    }

    /// Makes an object, or notes why it could not be made.
    fn make(&mut self, object: &SchemaObject) -> Result<()> {
        if !is_missable(object) {
            let made = self.hands()?.attempt(object)?;
            return made.map_err(|objection| self.refused(object, &objection));
        }
        match self.hands()?.within_savepoint(&object.sql)? {
            Ok(()) => Ok(()),
            Err(objection) if is_missed(object, &objection, &self.known.missed()) => {
                self.known.missed().add(called(object), &objection.words);
                Ok(())
            }
            Err(objection) => Err(self.refused(object, &objection)),
        }
    }

    fn refused(&self, object: &SchemaObject, objection: &Objection) -> Error {
        if objection.code == Some(tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE) {
            return Error::Unsuitable {
                what: self.place.clone(),
                why: format!("{} cannot be made: {}", called(object), objection.words),
                remedy: "Fill it as a superuser, or as the owner of the database where no superuser is needed.".into(),
            };
        }
        Error::Database { what: format!("{}: {}", self.place, called(object)), why: objection.words.clone() }
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
                match self.hands()?.within_savepoint(&sql)? {
                    Err(objection) if objection.code.is_none() => {
                        let object = SchemaObject { kind: "materialized view data".into(), name: view.clone(), table: String::new(), sql };
                        return Err(self.refused(&object, &objection));
                    }
                    Err(objection) => failed.push((view.clone(), objection.words)),
                    Ok(()) => {}
                }
            }
            if failed.len() == waiting.len() {
                let mut missed = self.known.missed();
                failed.into_iter().for_each(|(view, words)| missed.add(format!("the rows of the materialized view {view}"), &words));
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
        // One connection does where no second one is let in.
        match self.another_hands().ok().flatten() {
            Some(second) => self.make_together(&objects[..events], second)?,
            None => objects[..events].iter().try_for_each(|object| self.make(object))?,
        }
        self.sequences()?;
        self.refresh()?;
        objects[events..].iter().try_for_each(|object| self.make(object))
    }

    /// Makes objects over two connections, as far as they do not wait for each other. What the server refuses is made again alone,
    /// in its order: what is said of it then is the same as if there were one connection.
    fn make_together(&mut self, objects: &[SchemaObject], mut second: Hands) -> Result<()> {
        let sizes = together::sizes(self.hands()?.session()?)?;
        for stretch in together::stretches(objects) {
            self.hands()?.step()?;
            match stretch {
                Stretch::Alone(object) => {
                    self.make(object)?;
                    if object.kind == "setting" {
                        // Where it is refused, the other connection has noted it.
                        second.try_step(std::slice::from_ref(&object.sql))?;
                    }
                }
                Stretch::Together(units) => {
                    for refused in together::make([self.hands()?, &mut second], units, &sizes)? {
                        if let Some(undo) = &refused.undo {
                            self.run(undo)?;
                        }
                        refused.objects.iter().try_for_each(|object| self.make(object))?;
                    }
                }
            }
        }
        second.end()
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
        self.hands()?.add(relation, row, content)
    }

    fn add_all(&mut self, relation: &Relation, batch: &mut Batch, content: &dyn Resolve) -> Result<()> {
        self.hands()?.add_all(relation, batch, content)
    }

    fn another(&mut self) -> Option<Box<dyn Creator + Send>> {
        let hands = self.another_hands().ok().flatten()?;
        Some(Box::new(hands))
    }

    fn way(&self) -> Option<String> {
        self.way.clone()
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<String>> {
        self.behind_rows()?;
        self.hands.take().map_or(Ok(()), Hands::end)?;
        let mut told = std::mem::take(&mut *self.known.missed()).told();
        if let Some(beside) = self.beside.take() {
            told.extend(beside.put_in_place(&self.address, &self.definition)?);
        }
        Ok(told)
    }
}

impl Drop for PostgresCreator {
    /// The connection first: then nobody is in the database that is dropped.
    fn drop(&mut self) {
        drop(self.hands.take());
        drop(self.beside.take());
    }
}
