//! One pass over a table: the rows without a usable key, then those with one, each sort in the order of its keys.

use std::io::BufRead;
use std::ops::ControlFlow;

use super::long;
use super::reader::{Order, unreadable};
use super::session::Session;
use super::table::Table;
use super::text::Decoder;
use super::wire::Lines;
use crate::rows::{Batch, Change, Key, KeyKind, Row, RowDigest, Value, row::compared_digest, segment};
use crate::sources::sorted::Sorted;
use crate::sources::{Content, Error, Looking, Result};

/// Takes the lines of a table: those of rows that have a key as they come, and of others by their names.
pub(super) trait Sink: Lines {
    /// Takes the `ordinal`-th of the rows with this digest.
    ///
    /// # Errors
    /// A line that is none of the table, and one that does not follow the last one.
    fn named(&mut self, digest: RowDigest, ordinal: u32, line: &[u8]) -> Result<ControlFlow<()>>;
    /// The same of one that was too long to be held as a line.
    ///
    /// # Errors
    /// It does not follow the last one.
    fn named_row(&mut self, ordinal: u32, row: Row) -> Result<ControlFlow<()>>;
    /// What keeps the values of such.
    fn content(&self) -> &dyn Content;
}

/// Gives all lines of a table to `sink`.
///
/// # Errors
/// What the server says, and what `sink` says.
pub(super) fn over(session: &mut Session, table: &Table, sink: &mut dyn Sink) -> Result<ControlFlow<()>> {
    for unkeyed in [true, false] {
        let Some(sql) = statement(table, unkeyed) else { continue };
        let flow = if unkeyed { sorted(session, table, &sql, sink)? } else { session.copy_lines(&table.relation.name, &sql, sink)? };
        if flow.is_break() {
            return Ok(flow);
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Gives rows on, each by itself.
pub(super) struct Single<'p> {
    table: &'p Table,
    content: &'p dyn Content,
    each: &'p mut dyn FnMut(Row) -> ControlFlow<()>,
    order: Order<'p>,
    decoder: Decoder,
}

impl<'p> Single<'p> {
    /// Gives them to `each`.
    pub(super) fn new(table: &'p Table, content: &'p dyn Content, each: &'p mut dyn FnMut(Row) -> ControlFlow<()>) -> Self {
        Self { table, content, each, order: Order::new(&table.relation.name), decoder: Decoder::default() }
    }

    fn values(&mut self, line: &[u8]) -> Result<Vec<Value>> {
        self.decoder.row(line, &self.table.kinds, self.content).map_err(|source| unreadable(self.table, source))
    }

    fn keyed(&mut self, values: Vec<Value>) -> Result<ControlFlow<()>> {
        self.row(Row::new(&self.table.relation, values, 0))
    }

    fn row(&mut self, row: Row) -> Result<ControlFlow<()>> {
        self.order.follows(&row.key)?;
        Ok((self.each)(row))
    }
}

impl Lines for Single<'_> {
    fn line(&mut self, line: &[u8]) -> Result<ControlFlow<()>> {
        let values = self.values(line)?;
        self.keyed(values)
    }

    fn long(&mut self, line: &mut dyn BufRead) -> Result<ControlFlow<()>> {
        let (table, mut values) = (self.table, Vec::with_capacity(self.table.kinds.len()));
        let read = long::cells(line, &table.kinds, self.content, &mut |cell| values.push(cell.to_value()));
        read.map_err(|source| unreadable(table, source))?;
        self.keyed(values)
    }
}

impl Sink for Single<'_> {
    fn named(&mut self, digest: RowDigest, ordinal: u32, line: &[u8]) -> Result<ControlFlow<()>> {
        let values = self.values(line)?;
        self.row(Row { key: Key::of_row(digest, ordinal), values })
    }

    fn named_row(&mut self, ordinal: u32, row: Row) -> Result<ControlFlow<()>> {
        let digest = compared_digest(&self.table.relation, &row.values);
        self.row(Row { key: Key::of_row(digest, ordinal), ..row })
    }

    fn content(&self) -> &dyn Content {
        self.content
    }
}

/// Gives rows on in batches: a line is decoded into one, with no memory of its own.
pub(super) struct Many<'p> {
    table: &'p Table,
    content: &'p dyn Content,
    give: &'p mut dyn FnMut(&mut Batch) -> ControlFlow<()>,
    batch: Batch,
    order: Order<'p>,
    decoder: Decoder,
}

impl<'p> Many<'p> {
    /// Gives them to `give`.
    pub(super) fn new(table: &'p Table, content: &'p dyn Content, give: &'p mut dyn FnMut(&mut Batch) -> ControlFlow<()>) -> Self {
        let (batch, order) = (Batch::default(), Order::new(&table.relation.name));
        Self { table, content, give, batch, order, decoder: Decoder::default() }
    }

    fn decode(&mut self, line: &[u8]) -> Result<()> {
        let Self { table, content, batch, decoder, .. } = self;
        batch.begin();
        decoder.row_into(batch, line, &table.kinds, *content).map_err(|source| unreadable(table, source))
    }

    /// The cells of a row are all in the batch.
    fn end(&mut self, ordinal: u32) -> Result<ControlFlow<()>> {
        let Self { table, give, batch, order, .. } = self;
        batch.end(&table.relation, |_| ordinal)?;
        order.follows_as_bytes(batch.last_key().unwrap_or_default())?;
        Ok(if batch.is_full() { give(batch) } else { ControlFlow::Continue(()) })
    }

    /// Gives what is left, after the last line.
    pub(super) fn give_rest(mut self) {
        if !self.batch.is_empty() {
            let _ = (self.give)(&mut self.batch);
        }
    }
}

impl Lines for Many<'_> {
    fn line(&mut self, line: &[u8]) -> Result<ControlFlow<()>> {
        self.decode(line)?;
        self.end(0)
    }

    fn long(&mut self, line: &mut dyn BufRead) -> Result<ControlFlow<()>> {
        let Self { table, content, batch, .. } = self;
        batch.begin();
        long::cells(line, &table.kinds, *content, &mut |cell| batch.cell(cell)).map_err(|source| unreadable(table, source))?;
        self.end(0)
    }

    /// Whoever takes batches may end that when one is given: what is there is, be it nothing.
    fn idle(&mut self) -> ControlFlow<()> {
        (self.give)(&mut self.batch)
    }
}

impl Sink for Many<'_> {
    fn named(&mut self, _: RowDigest, ordinal: u32, line: &[u8]) -> Result<ControlFlow<()>> {
        self.decode(line)?;
        self.end(ordinal)
    }

    fn named_row(&mut self, ordinal: u32, row: Row) -> Result<ControlFlow<()>> {
        self.batch.begin();
        row.values.iter().for_each(|value| self.batch.cell(value.cell()));
        self.end(ordinal)
    }

    fn content(&self) -> &dyn Content {
        self.content
    }
}

/// The statement that gives the rows without a usable key, or those with one; none where there can be none.
fn statement(table: &Table, unkeyed: bool) -> Option<String> {
    let mut conditions: Vec<String> = Vec::new();
    if !table.condition.is_empty() {
        conditions.push(format!("({})", table.condition));
    }
    let keyless = table.relation.key == KeyKind::WholeRow;
    if !keyless && !table.long.is_empty() {
        let fits: Vec<String> = table.long.iter().map(|bytes| format!("{bytes} <= {}", crate::rows::LARGE)).collect();
        let fits = fits.join(" AND ");
        conditions.push(if unkeyed { format!("NOT ({fits})") } else { fits });
    } else if unkeyed != keyless {
        return None;
    }
    let order = if unkeyed { String::new() } else { format!(" ORDER BY {}", table.order.join(", ")) };
    let condition = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    Some(format!("COPY (SELECT {} FROM {}{condition}{order}) TO STDOUT", table.columns(), table.rows()))
}

/// Rows that are named by their digest, in its order.
fn sorted(session: &mut Session, table: &Table, sql: &str, sink: &mut dyn Sink) -> Result<ControlFlow<()>> {
    let relation = &table.relation;
    let failed = |error| unsorted(table, &error);
    let sorted = Sorted::new().map_err(failed)?;
    let mut to_sort = ToSort { table, sink: &mut *sink, sorted, lines: 0, decoder: Decoder::default() };
    let mut flow = session.copy_lines(&relation.name, sql, &mut to_sort)?;
    let sorted = to_sort.sorted;
    if flow.is_break() {
        return Ok(flow);
    }
    let given = sorted.each(|digest, ordinal, (is_row, bytes)| {
        flow = if is_row {
            let mut rows = segment::decode(relation, bytes).map_err(|damage| Sorting::Source(damage.into()))?;
            let Some(Change::Upsert(row)) = rows.pop() else { return Ok(false) };
            sink.named_row(ordinal, row)
        } else {
            sink.named(digest, ordinal, bytes)
        }
        .map_err(Sorting::Source)?;
        Ok(flow.is_continue())
    });
    match given {
        Ok(()) => Ok(flow),
        Err(Sorting::Source(error)) => Err(error),
        Err(Sorting::Sqlite(error)) => Err(failed(error)),
    }
}

fn unsorted(table: &Table, error: &rusqlite::Error) -> Error {
    Error::Database { what: format!("sorting {}", table.relation.name), why: error.to_string() }
}

/// After so many lines that are only put aside, whoever will take them is asked whether he still wants them.
const ASKED_EVERY: usize = 4096;

/// Rows on their way to be sorted: as lines, or as rows where those are too long, whose large values are kept by then.
struct ToSort<'s> {
    table: &'s Table,
    /// Who will take them, and keeps large values now.
    sink: &'s mut dyn Sink,
    sorted: Sorted,
    lines: usize,
    decoder: Decoder,
}

impl Lines for ToSort<'_> {
    fn line(&mut self, line: &[u8]) -> Result<ControlFlow<()>> {
        let table = self.table;
        let values = self.decoder.row(line, &table.kinds, &Looking).map_err(|source| unreadable(table, source))?;
        let digest = compared_digest(&table.relation, &values);
        self.sorted.push(digest, false, line).map_err(|error| unsorted(table, &error))?;
        self.lines += 1;
        // Nothing is given before all of it is sorted.
        Ok(if self.lines.is_multiple_of(ASKED_EVERY) { self.idle() } else { ControlFlow::Continue(()) })
    }

    fn long(&mut self, line: &mut dyn BufRead) -> Result<ControlFlow<()>> {
        let (table, mut values) = (self.table, Vec::with_capacity(self.table.kinds.len()));
        let read = long::cells(line, &table.kinds, self.sink.content(), &mut |cell| values.push(cell.to_value()));
        read.map_err(|source| unreadable(table, source))?;
        let digest = compared_digest(&table.relation, &values);
        let row = Row { key: Key::of_row(digest, 0), values };
        let bytes = segment::encode(&table.relation, &[Change::Upsert(row)]);
        self.sorted.push(digest, true, &bytes).map_err(|error| unsorted(table, &error)).map(ControlFlow::Continue)
    }

    fn idle(&mut self) -> ControlFlow<()> {
        self.sink.idle()
    }
}

/// What ends the sorting early.
enum Sorting {
    Source(Error),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Sorting {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}
