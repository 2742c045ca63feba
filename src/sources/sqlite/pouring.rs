//! Long blobs that are written in pieces: their row is made with as many zeros, and these are then written over. SQLite holds no such zeros where
//! nothing stands behind them in the row; else, and of texts, it makes the whole row in memory.

use std::cell::RefCell;
use std::io::{self, Write};

use rusqlite::blob::Blob;
use rusqlite::{Connection, MAIN_DB};

use super::encoding::Encoding;
use super::huge::{HUGE, noted};
use super::schema::Table;
use super::values::{Bound, Reading, quoted};
use crate::rows::{Cell, Class, Large, Relation};
use crate::sources::{Definition, Resolve, Result};

/// Which columns of a table take their blobs in pieces.
pub struct Pouring(Vec<bool>);

/// A blob that is still to be written over its zeros.
pub struct Poured {
    column: String,
    large: Large,
}

/// The values of some columns, for a statement, and what is to be written once it was run.
pub type Values<'v> = (Vec<Bound<'v>>, Vec<Poured>);

impl Pouring {
    /// None where SQLite cannot (virtual tables, without rowids, with computed columns), and where something looks at a value when its
    /// row is made: an index over it, over an expression, or over a part of the rows.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn of(connection: &Connection, relation: &Relation) -> rusqlite::Result<Self> {
        let name = &relation.name;
        let none = || Self(vec![false; relation.columns.len()]);
        let stands = "SELECT 1 FROM pragma_table_list(?1) WHERE schema = 'main' AND type = 'table' AND NOT wr
             AND NOT EXISTS (SELECT 1 FROM pragma_table_xinfo(?1, 'main') WHERE hidden IN (2, 3))
             AND NOT EXISTS (SELECT 1 FROM pragma_index_list(?1, 'main') WHERE partial)";
        if !connection.prepare(stands)?.exists([name])? {
            return Ok(none());
        }
        let indexed = "SELECT i.cid, i.name FROM pragma_index_list(?1, 'main') l, pragma_index_xinfo(l.name, 'main') i WHERE i.key";
        let mut indexed = connection.prepare(indexed)?;
        let indexed = indexed.query_map([name], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?)))?;
        let indexed = indexed.collect::<rusqlite::Result<Vec<_>>>()?;
        if indexed.iter().any(|(column, _)| *column == -2) {
            return Ok(none());
        }
        let is_free = |column: &str| !indexed.iter().any(|(_, name)| name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(column)));
        Ok(Self(relation.columns.iter().map(|column| !column.is_hidden() && is_free(&column.name)).collect()))
    }

    /// The same for a live table, whose rules are asked for each row.
    ///
    /// # Errors
    /// As [`Pouring::of`].
    pub fn of_live(connection: &Connection, table: &Table, definition: &Definition) -> rusqlite::Result<Self> {
        let relation = &table.relation;
        let made = definition.objects.iter().find(|object| object.kind == "table" && object.name == relation.name);
        let checks = made.is_none_or(|made| made.sql.to_ascii_uppercase().contains("CHECK"));
        if checks || table.rowid.is_none() { Ok(Self(vec![false; relation.columns.len()])) } else { Self::of(connection, relation) }
    }

    /// The values of these columns, given as their row has them: of what can be poured, zeros.
    ///
    /// # Errors
    /// What fetching the others met.
    pub fn values<'v>(
        &self,
        (relation, encoding): (&Relation, Encoding),
        cells: &[Cell<'v>],
        columns: &[usize],
        content: &dyn Resolve,
    ) -> Result<Values<'v>> {
        let (mut all, mut poured, mut is_end) = (Vec::with_capacity(columns.len()), Vec::new(), true);
        for (place, &cell) in cells.iter().enumerate().rev() {
            let is_given = columns.contains(&place);
            let pours = self.pours(place, cell).filter(|_| is_end && is_given);
            is_end &= pours.is_some() || matches!(cell, Cell::Null) || relation.columns[place].is_hidden();
            if !is_given {
                continue;
            }
            all.push(match pours {
                None => Bound::new(cell, encoding, &relation.name, content)?,
                Some((large, length)) => {
                    poured.push(Poured { column: relation.columns[place].name.clone(), large: large.clone() });
                    Bound::Zeros(length)
                }
            });
        }
        all.reverse();
        Ok((all, poured))
    }

    fn pours<'v>(&self, place: usize, cell: Cell<'v>) -> Option<(&'v Large, i32)> {
        let Cell::Large(large) = cell else { return None };
        let length = i32::try_from(large.length).ok().filter(|_| large.length > u64::from(HUGE) && large.class == Class::Blob)?;
        self.0.get(place).is_some_and(|pours| *pours).then_some((large, length))
    }
}

impl Poured {
    /// Writes it over the zeros of the row with this rowid.
    ///
    /// # Errors
    /// What SQLite says, what fetching it met, and content of another length than its row says.
    pub fn write(&self, connection: &Connection, model: &str, rowid: i64, content: &dyn Resolve) -> Result<(), Reading> {
        let blob = connection.blob_open(MAIN_DB, model, self.column.as_str(), rowid, false).map_err(Reading::Sqlite)?;
        let met = RefCell::new(None);
        let mut zeros = Zeros { blob, left: self.large.length, met: &met };
        let fetched = content.fetch(&self.large, &mut zeros);
        let left = zeros.left;
        drop(zeros);
        match (met.into_inner(), fetched) {
            (Some(error), _) => Err(Reading::Sqlite(error)),
            (None, Err(error)) => Err(Reading::Content(error)),
            (None, Ok(())) if left > 0 => {
                let came = self.large.length - left;
                Err(Reading::Content(io::Error::other(format!("content of {came} bytes came where {} were kept", self.large.length))))
            }
            (None, Ok(())) => Ok(()),
        }
    }
}

/// The rowid of the one row that this condition holds for.
///
/// # Errors
/// What SQLite says.
pub fn rowid_of(connection: &Connection, table: &Table, condition: &str, values: &[Bound<'_>]) -> rusqlite::Result<i64> {
    let rowid = quoted(table.rowid.as_deref().unwrap_or("rowid"));
    let sql = format!("SELECT {rowid} FROM main.{} WHERE {condition}", quoted(&table.relation.name));
    connection.query_row(&sql, rusqlite::params_from_iter(values), |row| row.get(0))
}

/// What is left of the zeros of a value; what SQLite says of it is noted, since whoever writes passes on less.
struct Zeros<'b> {
    blob: Blob<'b>,
    left: u64,
    met: &'b RefCell<Option<rusqlite::Error>>,
}

impl Write for Zeros<'_> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let written = self.blob.write(from).map_err(|error| noted(self.met, error))?;
        self.left -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
