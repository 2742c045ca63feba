//! Rows of a COPY as values, one row at a time: of one that is too long to be held, large values are kept while they come.

use std::io::{BufRead, Read};
use std::ops::ControlFlow;

use super::long;
use super::reader::unreadable;
use super::session::Session;
use super::table::Table;
use super::text::{Decoder, broken};
use super::wire::Lines;
use crate::rows::Value;
use crate::sources::{Content, Result};

/// Fields that stand before those of the table are no longer than this.
const BEFORE_MAX: u64 = 1 << 10;

/// Takes the fields before those of the table, as they came, and the values.
type Each<'e> = dyn FnMut(&[u8], Vec<Value>) -> Result<ControlFlow<()>> + 'e;

/// The same, where every row is taken.
type Take<'t> = dyn FnMut(&[u8], Vec<Value>) -> Result<()> + 't;

/// Gives `each` the rows of a `COPY … TO STDOUT` of so many fields of ours and then the columns of a table. A break cancels the statement, and
/// so the transaction.
///
/// # Errors
/// What the server says, values that are not what they should be, and what `each` says.
pub fn each(
    session: &mut Session,
    (table, before): (&Table, usize),
    sql: &str,
    content: &dyn Content,
    each: &mut Each<'_>,
) -> Result<ControlFlow<()>> {
    session.copy_lines(&table.relation.name, sql, &mut Values { table, before, content, decoder: Decoder::default(), each })
}

/// The same, of every row: there is no break, which would end the transaction. Large values are looked at only.
///
/// # Errors
/// As [`each`].
pub fn all(session: &mut Session, (table, before): (&Table, usize), sql: &str, take: &mut Take<'_>) -> Result<()> {
    let take = &mut |fields: &[u8], values| take(fields, values).map(ControlFlow::Continue);
    each(session, (table, before), sql, &crate::sources::Looking, take).map(drop)
}

struct Values<'v> {
    table: &'v Table,
    before: usize,
    content: &'v dyn Content,
    decoder: Decoder,
    each: &'v mut Each<'v>,
}

impl Lines for Values<'_> {
    fn line(&mut self, line: &[u8]) -> Result<ControlFlow<()>> {
        let table = self.table;
        let (fields, line) = self.split(line).ok_or_else(|| unreadable(table, broken("a row lacks what was asked for")))?;
        let values = self.decoder.row(line, &table.kinds, self.content).map_err(|source| unreadable(table, source))?;
        (self.each)(fields, values)
    }

    fn long(&mut self, line: &mut dyn BufRead) -> Result<ControlFlow<()>> {
        let (table, mut fields) = (self.table, Vec::new());
        for _ in 0..self.before {
            line.take(BEFORE_MAX).read_until(b'\t', &mut fields).map_err(|source| unreadable(table, source))?;
        }
        fields.pop_if(|end| *end == b'\t');
        let mut values = Vec::with_capacity(table.kinds.len());
        let read = long::cells(line, &table.kinds, self.content, &mut |cell| values.push(cell.to_value()));
        read.map_err(|source| unreadable(table, source))?;
        (self.each)(&fields, values)
    }
}

impl Values<'_> {
    fn split<'l>(&self, line: &'l [u8]) -> Option<(&'l [u8], &'l [u8])> {
        let Some(last) = self.before.checked_sub(1) else { return Some((&[], line)) };
        match memchr::memchr_iter(b'\t', line).nth(last) {
            Some(end) => Some((&line[..end], &line[end + 1..])),
            // A table may have no columns.
            None => self.table.kinds.is_empty().then_some((line, &[])),
        }
    }
}
