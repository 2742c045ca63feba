//! One pass over a table: its rows in the order of their keys, each checked to be behind the one before, whatever is met on the way: damage,
//! and values that are too long to be held.

use std::ops::ControlFlow;

use rusqlite::types::ValueRef;
use rusqlite::{Params, Statement};

use super::encoding::Encoding;
use super::functions::StandIns;
use super::huge::{Apart, Limited, is_too_long};
use super::plan::Plan;
use super::reader::SqliteSnapshot;
use super::salvage::{self, Readable};
use super::schema::{Table, UniqueIndex};
use super::values::{Reading, quoted, quoted_list, read_into};
use crate::rows::{Batch, Class, Fold, RowDigest, key};
use crate::sources::{Content, Error, Result, Unread};

/// Why a pass over a table ended early.
pub(super) enum Stopped {
    Damage(String),
    /// A value is too long to be held.
    TooLong,
    Failed(Error),
}

/// One pass: where it stands, so that a second one goes on behind it.
pub(super) struct Pass<'p> {
    long: Long<'p>,
    pub(super) table: &'p Table,
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
    /// True for the pass behind damage, which sees again what the one before gave.
    again: bool,
    /// The last key that was given when a long value was met: all up to it is seen again.
    given: Vec<u8>,
}

/// What is done with values that are too long to be held.
enum Long<'c> {
    /// None was met: SQLite is told to stop at the first.
    Unseen,
    /// They are read apart from their rows.
    Apart(Apart<'c>),
    /// They are held, since SQLite gives them in no other way.
    Held,
}

impl SqliteSnapshot {
    /// All rows: in one pass, or where there is damage in two.
    pub(super) fn passes<'p>(&'p self, mut pass: Pass<'p>) -> Result<Vec<Unread>> {
        let _standing = StandIns::of(&self.connection, pass.table).map_err(|error| self.said(&pass.table.relation.name, &error))?;
        match self.pass(&mut pass, &Readable::All) {
            Ok(()) => {}
            Err(Stopped::Damage(why)) => self.salvage(&mut pass, &why)?,
            Err(stopped) => return Err(stopped.failed(&pass.table.relation.name)),
        }
        if !pass.broken_off && !pass.batch.is_empty() {
            let _ = (pass.give)(&mut pass.batch);
        }
        Ok(pass.unread)
    }

    /// The rows of a table: first as if none held a long value; where one does, once more from there on.
    fn pass<'p>(&'p self, pass: &mut Pass<'p>, from: &Readable) -> Result<(), Stopped> {
        if matches!((from, &pass.long), (Readable::Ranges(_), Long::Apart(_))) {
            pass.long = Long::Held;
        }
        let index = if matches!(from, Readable::All) { self.index(pass)? } else { None };
        let first = self.ordered(pass, from, index);
        match first {
            Err(Stopped::TooLong) if matches!(pass.long, Long::Unseen) => {
                self.met_long(pass, matches!(from, Readable::All))?;
                self.ordered(pass, from, index)
            }
            done => done,
        }
    }

    /// Goes over to reading long values in another way, behind the last row that was given.
    pub(super) fn met_long<'p>(&'p self, pass: &mut Pass<'p>, whole: bool) -> Result<(), Stopped> {
        let model = &pass.table.relation.name;
        let stopped = |error: rusqlite::Error| self.stopped(model, &error);
        pass.long = Long::Held;
        pass.given.clone_from(&pass.last);
        if whole && let Some(apart) = Apart::of(&self.connection, pass.table, self.schema.encoding).map_err(stopped)? {
            pass.long = if apart.fits(&pass.table.relation) { Long::Apart(apart) } else { Long::Held };
        }
        Ok(())
    }

    /// The rows without a usable key, then those with one: the order of their keys.
    fn ordered<'p>(&'p self, pass: &mut Pass<'p>, from: &Readable, index: Option<(&UniqueIndex, u64)>) -> Result<(), Stopped> {
        let (table, model) = (pass.table, &pass.table.relation.name);
        let stopped = |error: rusqlite::Error| self.stopped(model, &error);
        let plan = Plan::new(table, self.schema.encoding, from, index.map(|(index, _)| index), (pass.apart(), pass.behind()));
        if let (Some(apart), Some(sql)) = (pass.apart(), &plan.deciding) {
            apart.digest(&table.relation, sql).map_err(stopped)?;
        }
        pass.seen = 0;
        for sql in plan.unkeyed.iter().chain(&plan.keyed) {
            if !pass.broken_off {
                let mut statement = self.connection.prepare(sql).map_err(stopped)?;
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
        match error {
            _ if salvage::is_damage(error) => Stopped::Damage(error.to_string()),
            _ if is_too_long(error) => Stopped::TooLong,
            _ => Stopped::Failed(self.said(model, error)),
        }
    }

    /// The rows that a statement gives.
    pub(super) fn rows(&self, statement: &mut Statement<'_>, parameters: impl Params, pass: &mut Pass<'_>) -> Result<(), Stopped> {
        let (table, content) = (pass.table, pass.content);
        let model = &table.relation.name;
        let stopped = |error: rusqlite::Error| self.stopped(model, &error);
        let width = table.relation.columns.len();
        let _limited = pass.is_limited().then(|| Limited::to_short(&self.connection)).transpose().map_err(stopped)?;
        let mut rows = statement.query(parameters).map_err(stopped)?;
        // Rows without a usable key are counted where they are equal.
        let mut before: Option<(RowDigest, u32)> = None;
        while let Some(row) = rows.next().map_err(stopped)? {
            pass.seen += 1;
            pass.batch.begin();
            for column in 0..width {
                let cell = row.get_ref(column).map_err(stopped)?;
                let read = match pass.long_class(cell) {
                    None => read_into(&mut pass.batch, cell, content).map_err(Reading::Content),
                    Some((apart, class)) => row
                        .get(width)
                        .map_err(Reading::Sqlite)
                        .and_then(|rowid| apart.keep(&table.relation.columns[column].name, rowid, class, content))
                        .map(|large| pass.batch.large(large)),
                };
                read.map_err(|error| match error {
                    Reading::Sqlite(error) => stopped(error),
                    content => Stopped::Failed(content.about(model, |error| self.said(model, error))),
                })?;
            }
            let ended = pass.batch.end(&table.relation, |digest| {
                let ordinal = before.filter(|(last, _)| *last == digest).map_or(0, |(_, ordinal)| ordinal + 1);
                before = Some((digest, ordinal));
                ordinal
            });
            ended.map_err(|damage| Stopped::Failed(damage.into()))?;
            if pass.added().map_err(Stopped::Failed)? {
                // Whoever takes them may ask this connection for more.
                let _unlimited = Limited::to_all(&self.connection).map_err(stopped)?;
                if (pass.give)(&mut pass.batch).is_break() {
                    pass.broken_off = true;
                    break;
                }
            }
        }
        Ok(())
    }

    /// After damage: finds what can be read, goes on behind the last row given, and names what is lost.
    fn salvage<'p>(&'p self, pass: &mut Pass<'p>, why: &str) -> Result<()> {
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
            Err(stopped) => Err(stopped.failed(&model)),
        }
    }
}

impl Stopped {
    /// What is no damage, as an error.
    pub(super) fn failed(self, model: &str) -> Error {
        match self {
            Self::Failed(error) => error,
            Self::Damage(why) => Error::Database { what: model.into(), why },
            Self::TooLong => Error::Database { what: model.into(), why: "a value is longer than SQLite gives any".into() },
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
        // A virtual table asks its own for rows, and would take an end that we set for damage.
        let long = if table.is_virtual { Long::Held } else { Long::Unseen };
        let (batch, last, unread, given) = (Batch::default(), Vec::new(), Vec::new(), Vec::new());
        Self { long, table, content, give, batch, one_by_one, last, unread, broken_off: false, seen: 0, again: false, given }
    }

    /// Something about the whole model that makes it not whole.
    fn note(&mut self, why: String) {
        self.unread.push(Unread { model: self.table.relation.name.clone(), what: String::new(), why });
    }

    fn is_limited(&self) -> bool {
        matches!(self.long, Long::Unseen)
    }

    /// How long values are read, where they come apart from their rows.
    pub(super) fn apart(&self) -> Option<&Apart<'p>> {
        if let Long::Apart(apart) = &self.long { Some(apart) } else { None }
    }

    /// The long value that a cell stands for.
    fn long_class(&self, cell: ValueRef<'_>) -> Option<(&Apart<'p>, Class)> {
        let apart = self.apart()?;
        apart.class(cell).map(|class| (apart, class))
    }

    /// The rowid of the last row that was given when a long value was met, where that is the key.
    pub(super) fn behind(&self) -> Option<i64> {
        let mut last = [0];
        (self.table.rowid_is_key && key::integers(&self.given, &mut last)).then_some(last[0])
    }

    /// The last row of the batch came from the database: it stands behind the one before, or it goes. True where the batch is to be given.
    fn added(&mut self) -> Result<bool> {
        let key = self.batch.last_key().unwrap_or_default();
        if *key <= *self.last {
            let (equal, given) = (*key == *self.last, *key <= *self.given);
            self.batch.pop();
            if given {
                return Ok(false);
            }
            return self.out_of_order(equal).map(|()| false);
        }
        self.last.clear();
        self.last.extend_from_slice(key);
        Ok(self.batch.is_full() || (self.one_by_one && self.batch.has_large()))
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
