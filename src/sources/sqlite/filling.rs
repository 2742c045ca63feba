//! A table of a new database while its rows come: each lies there as it was in the backup.
//!
//! Rows can be older than the rules of their columns: a type or a NOT NULL that came later, by `writable_schema`. SQLite would refuse them, or
//! make numbers of texts without a word. A table that meets such a row is described without its rules until all rows are there.

use std::path::Path;

use rusqlite::{CachedStatement, Connection, ErrorCode, OptionalExtension, params_from_iter};

use super::affinity::Affinity;
use super::encoding::Encoding;
use super::huge::HUGE;
use super::loose::loosened;
use super::open::{is_full, words};
use super::pouring::Pouring;
use super::values::{Bound, quoted, quoted_list};
use crate::numbers::counted;
use crate::rows::{Batch, Cell, Relation};
use crate::sources::{Error, Resolve, Result};

/// KiB of pages that are held: for keys that come in any order, and for indexes that are made.
pub const CACHE: u32 = 48 << 10;
/// As long as a row is written with a value of more than [`BESIDE_NOTHING`] bytes: SQLite may hold it and the row made of it.
const CACHE_BESIDE_HUGE: u32 = 4 << 10;
const BESIDE_NOTHING: u64 = 16 << 20;

/// The new database.
#[derive(Clone, Copy)]
pub struct New<'n> {
    /// Its connection.
    pub connection: &'n Connection,
    /// The place that it will have.
    pub path: &'n Path,
    /// How it encodes text.
    pub encoding: Encoding,
}

/// How the table is described.
enum Described {
    /// As it is.
    Whole,
    /// Without its rules; the statement that it is made by.
    Loosely(String),
    /// As it is, since it cannot be described otherwise.
    Only,
}

/// A table that is being filled.
pub struct Filling {
    affinities: Vec<Affinity>,
    described: Described,
    /// Rows that SQLite would not take, and what it says of the first.
    refused: u64,
    why: String,
    /// Rows of which SQLite changed a value.
    changed: u64,
}

impl Filling {
    /// A table without a row.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn of(new: New<'_>, relation: &Relation) -> Result<Self> {
        let sql = "SELECT type = 'virtual', strict FROM pragma_table_list(?) WHERE schema = 'main'";
        let found = new.connection.query_row(sql, [&relation.name], |row| Ok((row.get(0)?, row.get(1)?))).optional();
        let (is_virtual, strict) = found.map_err(|error| new.said(&relation.name, &error))?.unwrap_or((true, false));
        let of = |declared: &str| if is_virtual { Affinity::None } else { Affinity::of(declared, strict) };
        let affinities = relation.columns.iter().map(|column| of(&column.declared)).collect();
        // What a virtual table's statement says is its module's to know.
        let described = if is_virtual { Described::Only } else { Described::Whole };
        Ok(Self { affinities, described, refused: 0, why: String::new(), changed: 0 })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// What fetching a value met, and what SQLite says that is not about a row.
    pub fn add(&mut self, new: New<'_>, relation: &Relation, batch: &mut Batch, content: &dyn Resolve) -> Result<()> {
        let model = &relation.name;
        let said = |error: rusqlite::Error| new.said(model, &error);
        let mut plain = new.connection.prepare_cached(&insert(relation, &vec!["?"; relation.columns.len()])).map_err(said)?;
        let (mut pouring, all) = (None, (0..relation.columns.len()).collect::<Vec<_>>());
        for row in batch.rows() {
            let length = |cell| if let Cell::Large(large) = cell { large.length } else { 0 };
            let longest = row.cells().map(length).max().unwrap_or(0);
            let huge = longest > BESIDE_NOTHING;
            if huge {
                new.cache(CACHE_BESIDE_HUGE).map_err(said)?;
                new.connection.cache_flush().and_then(|()| new.connection.release_memory()).map_err(said)?;
            }
            if longest > u64::from(HUGE) && pouring.is_none() {
                pouring = Some(Pouring::of(new.connection, relation).map_err(said)?);
            }
            let values = || match &pouring {
                Some(pouring) => pouring.values((relation, new.encoding), &row.cells().collect::<Vec<_>>(), &all, content),
                None => {
                    let bound = row.cells().map(|cell| Bound::new(cell, new.encoding, model, content)).collect::<Result<Vec<_>>>();
                    bound.map(|bound| (bound, Vec::new()))
                }
            };
            let (bound, mut poured) = values()?;
            let kept = matches!(self.described, Described::Loosely(_)) || self.keeps(&bound) || self.loosen(new, model).map_err(said)?;
            match new.write(&mut plain, relation, bound) {
                Ok(()) => self.changed += u64::from(!kept),
                Err(error) if !is_about_the_row(&error) => return Err(said(error)),
                Err(error) => {
                    poured.clear();
                    let again = if self.loosen(new, model).map_err(said)? {
                        let (bound, again) = values()?;
                        let written = new.write(&mut plain, relation, bound);
                        poured.extend(again.into_iter().filter(|_| written.is_ok()));
                        written
                    } else {
                        Err(error)
                    };
                    self.refuse(again).map_err(said)?;
                }
            }
            let rowid = new.connection.last_insert_rowid();
            for blob in poured {
                blob.write(new.connection, model, rowid, content).map_err(|error| error.about(model, |error| new.said(model, error)))?;
            }
            if huge {
                new.cache(CACHE).map_err(said)?;
            }
        }
        Ok(())
    }

    fn keeps(&self, values: &[Bound<'_>]) -> bool {
        self.affinities.iter().zip(values).all(|(affinity, value)| affinity.keeps(value))
    }

    fn refuse(&mut self, written: rusqlite::Result<()>) -> rusqlite::Result<()> {
        let Err(error) = written else { return Ok(()) };
        if !is_about_the_row(&error) {
            return Err(error);
        }
        if self.refused == 0 {
            self.why = words(&error);
        }
        self.refused += 1;
        Ok(())
    }

    /// Describes the table without its rules, where that can be; tried once.
    fn loosen(&mut self, new: New<'_>, model: &str) -> rusqlite::Result<bool> {
        if !matches!(self.described, Described::Whole) {
            return Ok(false);
        }
        self.described = Described::Only;
        let alias = "SELECT name FROM pragma_table_info(?1, 'main') WHERE pk = 1
             AND NOT EXISTS (SELECT 1 FROM pragma_index_list(?1, 'main') WHERE origin = 'pk')";
        let alias: Option<String> = new.connection.query_row(alias, [model], |row| row.get(0)).optional()?;
        let made = "SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?";
        let made: String = new.connection.query_row(made, [model], |row| row.get(0))?;
        let Some(loose) = loosened(&made, alias.as_deref()) else { return Ok(false) };
        // Full text writes down what it holds at a savepoint, which fails where an application's table has a name that FTS3 takes for its own.
        if new.connection.execute_batch("SAVEPOINT loosened").is_err() {
            return Ok(false);
        }
        describe(new.connection, model, &loose)?;
        // It is read when it is needed; indexes that it does not lead to make it fail.
        let read = new.connection.prepare(&format!("SELECT 1 FROM main.{}", quoted(model))).map(drop);
        if read.is_ok() {
            self.described = Described::Loosely(made);
        } else {
            new.connection.execute_batch("ROLLBACK TO loosened; PRAGMA writable_schema = RESET")?;
        }
        new.connection.execute_batch("RELEASE loosened")?;
        Ok(read.is_ok())
    }

    /// All rows are there: describes it as it is, and answers what is not as it was.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn finish(self, new: New<'_>, model: &str) -> Result<Vec<String>> {
        if let Described::Loosely(made) = &self.described {
            describe(new.connection, model, made).map_err(|error| new.said(model, &error))?;
        }
        let refused =
            (self.refused > 0).then(|| format!("{model}: {} could not be written: {}", counted(self.refused, "record"), self.why));
        let changed = (self.changed > 0).then(|| {
            let records = counted(self.changed, "record");
            format!("{model}: {records} came back with values that SQLite changed into what their columns are declared as")
        });
        Ok(refused.into_iter().chain(changed).collect())
    }

    /// Rows that are not there.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

impl New<'_> {
    /// Holds no more than so many KiB of pages from here on.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn cache(self, most: u32) -> rusqlite::Result<()> {
        self.connection.execute_batch(&format!("PRAGMA cache_size = -{most}"))
    }

    fn said(self, model: &str, error: &rusqlite::Error) -> Error {
        match is_full(error) {
            true => Error::Full { what: self.path.display().to_string() },
            false => Error::Unfit { model: model.into(), why: words(error) },
        }
    }

    fn write(self, plain: &mut CachedStatement<'_>, relation: &Relation, values: Vec<Bound<'_>>) -> rusqlite::Result<()> {
        // Each is let go once SQLite has its own copy of it: it makes one more of the whole row.
        if !values.iter().any(Bound::is_stored) {
            return plain.execute(params_from_iter(values)).map(drop);
        }
        let places: Vec<&str> = values.iter().map(Bound::place).collect();
        self.connection.prepare_cached(&insert(relation, &places))?.execute(params_from_iter(values)).map(drop)
    }
}

fn insert(relation: &Relation, places: &[&str]) -> String {
    let columns = quoted_list(relation.columns.iter().map(|column| column.name.as_str()));
    format!("INSERT OR ABORT INTO {}({columns}) VALUES ({})", quoted(&relation.name), places.join(", "))
}

/// Puts a statement into the place of the one that SQLite knows, and makes it read it. Virtual tables are opened anew by that: the
/// savepoint makes them write down what they hold.
fn describe(connection: &Connection, model: &str, sql: &str) -> rusqlite::Result<()> {
    connection.execute_batch("SAVEPOINT described; PRAGMA writable_schema = ON")?;
    connection.execute("UPDATE main.sqlite_schema SET sql = ? WHERE type = 'table' AND name = ?", [sql, model])?;
    connection.execute_batch("PRAGMA writable_schema = RESET; RELEASE described")
}

/// A rule that the row breaks, or a value that cannot be computed of it.
fn is_about_the_row(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::Unknown))
}
