//! Writes to one table that wait to be sent together: a round trip for many, not for each.

use super::session::Session;
use super::table::Table;
use super::text::encode_row;
use crate::rows::{Large, Row, Value};
use crate::sources::{Error, Resolve, Result};
use std::io::Write as _;

/// Bytes of statements or lines that are sent at once.
const BYTES: usize = 1 << 20;
/// Statements that are sent at once.
const STATEMENTS: usize = 500;

/// Writes of one sort to one table.
#[derive(Debug, Default)]
pub struct Batch {
    model: String,
    writes: Writes,
}

#[derive(Debug, Default)]
enum Writes {
    #[default]
    None,
    /// Lines of COPY, and how many.
    Insert(Vec<u8>, u64),
    /// Statements, each for one row.
    Update(Vec<String>, usize),
    /// Conditions, each for one row.
    Delete(Vec<String>, usize),
}

/// Has no content: rows with values that stand outside them are not sent in batches.
struct Nothing;

impl Resolve for Nothing {
    fn fetch(&self, large: &Large, _: &mut dyn std::io::Write) -> std::io::Result<()> {
        Err(std::io::Error::other(format!("a value of {} bytes stands outside its row", large.length)))
    }
}

impl Batch {
    /// The model whose writes wait.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        (!matches!(self.writes, Writes::None)).then_some(&self.model)
    }

    /// Whether rows are to be deleted.
    #[must_use]
    pub fn deletes(&self) -> bool {
        matches!(self.writes, Writes::Delete(..))
    }

    /// Whether rows are to be updated.
    #[must_use]
    pub fn updates(&self) -> bool {
        matches!(self.writes, Writes::Update(..))
    }

    /// Whether an insert into the model can wait here.
    #[must_use]
    pub fn takes_insert(&self, model: &str) -> bool {
        matches!(self.writes, Writes::None) || self.model == model && matches!(self.writes, Writes::Insert(..))
    }

    /// Whether an update of the model can wait here.
    #[must_use]
    pub fn takes_update(&self, model: &str) -> bool {
        matches!(self.writes, Writes::None) || self.model == model && matches!(self.writes, Writes::Update(..))
    }

    /// Whether a deletion from the model can wait here.
    #[must_use]
    pub fn takes_delete(&self, model: &str) -> bool {
        matches!(self.writes, Writes::None) || self.model == model && matches!(self.writes, Writes::Delete(..))
    }

    /// Adds a row to be inserted.
    ///
    /// # Errors
    /// A value stands outside the row.
    pub fn insert(&mut self, model: &str, row: &Row) -> std::io::Result<()> {
        self.model = model.to_owned();
        if !matches!(self.writes, Writes::Insert(..)) {
            self.writes = Writes::Insert(Vec::new(), 0);
        }
        if let Writes::Insert(lines, rows) = &mut self.writes {
            encode_row(row.values.iter().map(Value::cell), &Nothing, lines)?;
            *rows += 1;
        }
        Ok(())
    }

    /// Adds a statement that updates one row.
    pub fn update(&mut self, model: &str, statement: &str) {
        self.model = model.to_owned();
        if !matches!(self.writes, Writes::Update(..)) {
            self.writes = Writes::Update(Vec::new(), 0);
        }
        if let Writes::Update(statements, bytes) = &mut self.writes {
            statements.push(statement.to_owned());
            *bytes += statement.len();
        }
    }

    /// Adds a row to be deleted.
    pub fn delete(&mut self, model: &str, condition: String) {
        self.model = model.to_owned();
        if !matches!(self.writes, Writes::Delete(..)) {
            self.writes = Writes::Delete(Vec::new(), 0);
        }
        if let Writes::Delete(conditions, bytes) = &mut self.writes {
            *bytes += condition.len();
            conditions.push(condition);
        }
    }

    /// Whether it is to be sent.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match &self.writes {
            Writes::None => false,
            Writes::Insert(lines, _) => lines.len() >= BYTES,
            Writes::Update(writes, bytes) | Writes::Delete(writes, bytes) => writes.len() >= STATEMENTS || *bytes >= BYTES,
        }
    }

    /// Puts where the rows stand that are to be deleted into a table of the session's own, instead of deleting them; how many.
    ///
    /// # Errors
    /// What the server says, and conditions that find other rows than meant.
    pub fn list(&self, session: &mut Session, table: &Table, insert: &str) -> Result<u64> {
        let Writes::Delete(conditions, _) = &self.writes else { return Ok(0) };
        let sql = format!("{insert} FROM {} WHERE ({})", table.source(), conditions.join(") OR ("));
        let found = session.changed(&self.model, &sql)?.iter().sum();
        self.meant(conditions.len() as u64, found).map(|()| found)
    }

    /// Sends everything; each write must change one row.
    ///
    /// # Errors
    /// What the server says, and writes that changed other rows than meant.
    pub fn send(&self, session: &mut Session, table: &Table) -> Result<()> {
        let model = &self.model;
        let (meant, done) = match &self.writes {
            Writes::None => return Ok(()),
            Writes::Insert(lines, rows) => (*rows, copy(session, table, lines)?),
            Writes::Update(statements, _) => {
                let changed = session.changed(model, &statements.join(";"))?;
                if changed.len() != statements.len() || changed.iter().any(|&rows| rows != 1) {
                    return Err(Error::Unfit {
                        model: model.clone(),
                        why: "an update found other rows than the one that was meant".into(),
                    });
                }
                (statements.len() as u64, changed.iter().sum())
            }
            Writes::Delete(conditions, _) => {
                let sql = format!("DELETE FROM {} WHERE ({})", table.source(), conditions.join(") OR ("));
                (conditions.len() as u64, session.changed(model, &sql)?.iter().sum())
            }
        };
        self.meant(meant, done)
    }

    fn meant(&self, meant: u64, done: u64) -> Result<()> {
        if meant == done {
            return Ok(());
        }
        Err(Error::Unfit { model: self.model.clone(), why: format!("{done} rows were found where {meant} were meant") })
    }
}

fn copy(session: &mut Session, table: &Table, lines: &[u8]) -> Result<u64> {
    let model = &table.relation.name;
    let mut to = session.copy_in(model, &format!("COPY {} FROM STDIN", table.target()))?;
    to.write_all(lines).map_err(|source| Error::Io { what: model.clone(), source })?;
    let done = to.finish();
    done.map_err(|error| session.said(model, &error))
}
