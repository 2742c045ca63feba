//! Reading around damaged pages: which stretches of a table's rowids can still be read.

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::open::is_full;
use super::values::quoted;

/// Stretches beyond this many are given up: SQLite joins at most 500 queries into one.
const MOST_RANGES: usize = 250;

/// What a pass reads.
pub enum Readable {
    /// The whole table, by whatever index serves.
    All,
    /// These stretches, each by its first rowid and its number of rows, without any index.
    Ranges(Vec<(i64, u64)>),
}

impl Readable {
    /// What stands behind FROM.
    ///
    /// Every column keeps its name by AS: SQLite calls each alias of the rowid `rowid` in a joined query.
    pub fn source(&self, table: &str, columns: &[String], rowid: Option<&str>) -> String {
        let (Self::Ranges(ranges), Some(rowid)) = (self, rowid) else { return table.into() };
        let rowid = quoted(rowid);
        let named = columns.iter().map(|column| format!("{column} AS {column}")).collect::<Vec<_>>().join(", ");
        let parts = ranges.iter().map(|(first, rows)| {
            // The smallest integer has no literal of its own.
            let first = if *first == i64::MIN { "(-9223372036854775807 - 1)".to_owned() } else { first.to_string() };
            let stretch = format!("{table} NOT INDEXED WHERE {rowid} >= {first} ORDER BY {rowid} LIMIT {rows}");
            format!("SELECT * FROM (SELECT {named} FROM {stretch})")
        });
        let joined = parts.collect::<Vec<_>>().join(" UNION ALL ");
        if joined.is_empty() { format!("(SELECT {named} FROM {table} WHERE 0)") } else { format!("({joined})") }
    }
}

/// What was found.
pub struct Found {
    /// Stretches that can be read, ascending: the first rowid and the number of rows. Asking for what ends at
    /// a rowid would step into the damaged page behind it.
    pub ranges: Vec<(i64, u64)>,
    /// Stretches in which rows may be lost.
    pub lost: Vec<(i64, i64)>,
}

/// True for an error that a damaged page or a bad place of the disk makes; not where a temporary file could not be written.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    let damaged = matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::SystemIoFailure));
    damaged && !is_full(error)
}

/// A stretch in people's words.
pub fn between(rowid: &str, first: i64, last: i64) -> String {
    match (first, last) {
        (i64::MIN, i64::MAX) => String::new(),
        (i64::MIN, last) => format!("{rowid} up to {last}"),
        (first, i64::MAX) => format!("{rowid} {first} and later"),
        (first, last) => format!("{rowid} {first} to {last}"),
    }
}

/// Walks the table by its rowids, every column of every row, and gallops over what cannot be read.
///
/// # Errors
/// What SQLite says, damage apart.
pub fn find(connection: &Connection, table: &str, columns: &str, rowid: &str) -> rusqlite::Result<Found> {
    let (table, rowid) = (quoted(table), quoted(rowid));
    let walk = format!("SELECT {rowid}, {columns} FROM {table} NOT INDEXED WHERE {rowid} >= ? ORDER BY {rowid}");
    let mut found = Found { ranges: Vec::new(), lost: Vec::new() };
    let mut start = i64::MIN;
    loop {
        let (last, rows, damaged) = walk_from(connection, &walk, start)?;
        if rows > 0 {
            found.ranges.push((start, rows));
        }
        let Some(gap) = last.map_or(Some(start), |last| last.checked_add(1)).filter(|_| damaged) else { return Ok(found) };
        let probe = format!("{walk} LIMIT 1");
        match behind(connection, &probe, gap)?.filter(|_| found.ranges.len() < MOST_RANGES) {
            Some(next) => {
                found.lost.push((gap, next.saturating_sub(1)));
                start = next;
            }
            None => {
                found.lost.push((gap, i64::MAX));
                return Ok(found);
            }
        }
    }
}

/// The last rowid that could be read from `start` on, how many there were, and whether damage ended it.
fn walk_from(connection: &Connection, sql: &str, start: i64) -> rusqlite::Result<(Option<i64>, u64, bool)> {
    let (mut last, mut count) = (None, 0);
    let mut step = || -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([start])?;
        while let Some(row) = rows.next()? {
            last = Some(row.get(0)?);
            count += 1;
        }
        Ok(())
    };
    match step() {
        Ok(()) => Ok((last, count, false)),
        Err(error) if is_damage(&error) => Ok((last, count, true)),
        Err(error) => Err(error),
    }
}

/// The first place behind `gap` from which a row can be read: doubling steps, then halving back.
fn behind(connection: &Connection, probe: &str, gap: i64) -> rusqlite::Result<Option<i64>> {
    // From the very beginning the steps start at 0 upwards as well: rowids are seldom negative.
    let low = gap == i64::MIN && readable(connection, probe, 0)? == Probe::Damaged;
    let origin = if low { 0 } else { gap };
    let (mut damaged, mut step) = (origin, 1_i64);
    let mut good = loop {
        let place = origin.saturating_add(step);
        match readable(connection, probe, place)? {
            Probe::Damaged if place == i64::MAX => return Ok(None),
            Probe::Damaged => damaged = place,
            Probe::Row | Probe::End => break place,
        }
        step = step.saturating_mul(2);
    };
    while i128::from(good) - i128::from(damaged) > 1 {
        let middle = i64::midpoint(damaged, good);
        match readable(connection, probe, middle)? {
            Probe::Damaged => damaged = middle,
            Probe::Row | Probe::End => good = middle,
        }
    }
    Ok((readable(connection, probe, good)? == Probe::Row).then_some(good))
}

#[derive(PartialEq, Eq)]
enum Probe {
    Row,
    End,
    Damaged,
}

fn readable(connection: &Connection, probe: &str, place: i64) -> rusqlite::Result<Probe> {
    let mut statement = connection.prepare_cached(probe)?;
    match statement.query_row(params![place], |_| Ok(())).optional() {
        Ok(found) => Ok(found.map_or(Probe::End, |()| Probe::Row)),
        Err(error) if is_damage(&error) => Ok(Probe::Damaged),
        Err(error) => Err(error),
    }
}
