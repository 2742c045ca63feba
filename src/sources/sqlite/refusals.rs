//! Rows that SQLite would refuse when they are written, or keep as something else: each is written into a table of the same definition in
//! memory, which holds it alone.

use rusqlite::{Connection, ErrorCode, params_from_iter};

use super::encoding::Encoding;
use super::open::words;
use super::reader::SqliteSnapshot;
use super::values::{Bound, quoted, quoted_list, read};
use crate::rows::{Relation, Row, Value};
use crate::sources::{Judging, Looking, Origin, Result, Written};

/// A table that takes one row at a time.
struct Trial {
    relation: Relation,
    /// The columns that are data, by their places in the model.
    data: Vec<usize>,
    memory: Connection,
    /// Whether the rows come from a table of this very definition.
    same: bool,
}

impl SqliteSnapshot {
    /// None of a table that nothing can be tried for: a virtual one, one whose functions the application has alone, texts of UTF-16.
    pub(super) fn trial<'s>(&'s self, relation: &Relation, origin: &Origin<'_>) -> Result<Option<Box<dyn Judging + 's>>> {
        let table = self.table(&relation.name)?;
        if table.is_virtual || self.schema.encoding != Encoding::Utf8 {
            return Ok(None);
        }
        let sql = "SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?1";
        let made: rusqlite::Result<String> = self.connection.query_row(sql, [&relation.name], |row| row.get(0));
        let made = made.map_err(|error| self.said(&relation.name, &error))?;
        let is_it = |kind: &str, name: &str, sql: &str| kind == "table" && name == relation.name && sql == made;
        let objects = origin.definition.map_or(&[][..], |definition| &definition.objects);
        let same = objects.iter().any(|object| is_it(&object.kind, &object.name, &object.sql));
        let data = (0..relation.columns.len()).filter(|&column| !relation.columns[column].is_hidden()).collect();
        let built = Connection::open_in_memory().and_then(|memory| {
            memory.execute_batch(&format!("PRAGMA foreign_keys = OFF; {made}"))?;
            Ok(memory)
        });
        let trial = built.ok().map(|memory| Trial { relation: table.relation.clone(), data, memory, same });
        Ok(trial.map(|trial| Box::new(trial) as Box<dyn Judging + 's>))
    }
}

impl Trial {
    fn insert(&self, row: &Row) -> rusqlite::Result<()> {
        let names = quoted_list(self.data.iter().map(|&column| self.relation.columns[column].name.as_str()));
        let sql = format!("INSERT INTO {}({names}) VALUES ({})", quoted(&self.relation.name), vec!["?"; self.data.len()].join(", "));
        let values = self.data.iter().map(|&column| Bound::inline(row.values[column].cell(), Encoding::Utf8));
        self.memory.prepare_cached(&sql)?.execute(params_from_iter(values)).map(drop)
    }

    /// Puts the row there that is updated: it may be older than the rules of its table.
    fn put(&self, row: &Row) -> rusqlite::Result<()> {
        self.insert(row).or_else(|_| {
            self.memory.execute_batch("PRAGMA ignore_check_constraints = ON")?;
            let put = self.insert(row);
            self.memory.execute_batch("PRAGMA ignore_check_constraints = OFF")?;
            put
        })
    }

    fn write(&self, row: &Written<'_>) -> rusqlite::Result<()> {
        let columns: Vec<usize> = row.columns.iter().copied().filter(|column| self.data.contains(column)).collect();
        if row.before.is_none() {
            return self.insert(row.after);
        }
        let set: Vec<String> = columns.iter().map(|&column| format!("{} = ?", quoted(&self.relation.columns[column].name))).collect();
        let values = columns.iter().map(|&column| Bound::inline(row.after.values[column].cell(), Encoding::Utf8));
        let sql = format!("UPDATE {} SET {}", quoted(&self.relation.name), set.join(", "));
        self.memory.prepare_cached(&sql)?.execute(params_from_iter(values)).map(drop)
    }

    /// The first column that would not be what was written.
    fn changed(&self, row: &Written<'_>) -> rusqlite::Result<Option<usize>> {
        let names = quoted_list(self.data.iter().map(|&column| self.relation.columns[column].name.as_str()));
        let sql = format!("SELECT {names} FROM {}", quoted(&self.relation.name));
        self.memory.prepare_cached(&sql)?.query_row([], |found| {
            let cell = |place| found.get_ref(place).ok().and_then(|cell| read(cell, &Looking).ok());
            let kept: Vec<Value> = (0..self.data.len()).map_while(cell).collect();
            let differs = |(column, kept): &(&usize, &Value)| row.columns.contains(column) && !kept.same(&row.after.values[**column]);
            Ok(self.data.iter().zip(&kept).find(differs).map(|(column, _)| *column))
        })
    }

    /// Why the row is refused. What SQLite cannot do here it is left to say when the row is written.
    fn refuses(&self, row: &Written<'_>) -> Option<String> {
        self.memory.prepare_cached(&format!("DELETE FROM {}", quoted(&self.relation.name))).and_then(|mut empty| empty.execute([])).ok()?;
        if let Some(before) = row.before {
            self.put(before).ok()?;
        }
        match self.write(row) {
            Ok(()) => {
                let column = &self.relation.columns[self.changed(row).ok()??];
                Some(format!("{}: would not stay as it is ({})", column.name, column.declared))
            }
            Err(error) => {
                let about_it = matches!(error.sqlite_error_code(), Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch));
                about_it.then(|| words(&error))
            }
        }
    }
}

impl Judging for Trial {
    fn refused(&mut self, rows: &[Written<'_>]) -> Result<Vec<(usize, String)>> {
        let outside = |row: &Row| row.values.iter().any(|value| matches!(value, Value::Large(_)));
        let asked = rows.iter().enumerate().filter(|(_, row)| !(self.same && row.whole));
        let asked = asked.filter(|(_, row)| !outside(row.after) && !row.before.is_some_and(outside));
        Ok(asked.filter_map(|(place, row)| Some((place, self.refuses(row)?))).collect())
    }
}
