//! Asks the server for what was written since a horizon ([`super::since`]), and for the keys of the rest where counting it
//! ([`super::counting`]) does not say which rows those are.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use super::pass::Many;
use super::reader::Order;
use super::session::Session;
use super::sql::ident;
use super::table::Table;
use super::text::Kind;
use super::values;
use crate::rows::{Batch, Fold, Key, KeyKind, Row, Value};
use crate::sources::{Asking, Content, Error, Result, Since};

/// Gives the rows of a table in the order of their keys; of those that no transaction wrote from `horizon` on, the key.
///
/// # Errors
/// What the server says, and values that are not what they should be.
pub fn scan(
    session: &mut Session,
    table: &Table,
    horizon: u32,
    content: &dyn Content,
    each: &mut dyn FnMut(Since) -> ControlFlow<()>,
) -> Result<ControlFlow<()>> {
    let relation = &table.relation;
    let age = age(session, horizon)?;
    let mut order = Order::new(&relation.name);
    values::each(session, (table, 1), &statement(table, age), content, &mut |flag, values| {
        let same = is_same(flag).ok_or_else(|| odd(table))?;
        let Row { key, values } = Row::new(relation, values, 0);
        order.follows(&key)?;
        Ok(each(if same { Since::Same(key) } else { Since::Row(Row { key, values }) }))
    })
}

fn is_same(flag: &[u8]) -> Option<bool> {
    match flag {
        b"t" => Some(true),
        b"f" => Some(false),
        _ => None,
    }
}

/// Ages count from one number for the whole transaction.
fn age(session: &mut Session, horizon: u32) -> Result<i64> {
    let age = session.one(&format!("SELECT pg_catalog.age('{horizon}'::pg_catalog.xid)"))?;
    age.and_then(|age| age.parse().ok()).ok_or_else(|| Error::Database { what: "age()".into(), why: "it gave no number".into() })
}

/// A number that is none of a transaction (of a row that was repaired by hand) has the greatest age there is: such a row is read.
fn is_old(age: i64) -> String {
    match age {
        // The remainder makes the greatest age none, and leaves every other one as it is: one look at the age says it.
        0.. => format!("pg_catalog.age(xmin) % 2147483647 > {age}"),
        // No transaction came since.
        _ => format!("pg_catalog.age(xmin) > {age} AND pg_catalog.age(xmin) < 2147483647"),
    }
}

/// What [`is_old`] denies.
fn is_written(age: i64) -> String {
    match age {
        0.. => format!("pg_catalog.age(xmin) % 2147483647 <= {age}"),
        _ => format!("(pg_catalog.age(xmin) <= {age} OR pg_catalog.age(xmin) = 2147483647)"),
    }
}

/// Ages are looked at once for a row: `OFFSET` keeps the server from doing it again for each column.
fn statement(table: &Table, age: i64) -> String {
    let mut same = "same".to_owned();
    while table.relation.column(&same).is_some() {
        same.push('_');
    }
    let same = ident(&same);
    let key = table.relation.key_columns();
    let columns = table.relation.columns.iter().enumerate().map(|(place, column)| {
        let name = ident(&column.name);
        if key.contains(&place) { name } else { format!("CASE WHEN {same} THEN NULL ELSE {name} END") }
    });
    let columns: Vec<String> = columns.collect();
    let ages = is_old(age);
    let (all, source, order) = (table.columns(), table.source(), table.order.join(", "));
    let told = format!("SELECT {ages} AS {same}, {all} FROM {source} ORDER BY {order} OFFSET 0");
    format!("COPY (SELECT {same}, {} FROM ({told}) told) TO STDOUT", columns.join(", "))
}

/// The columns of a key that is made of whole numbers.
pub fn numbers(table: &Table) -> Option<&[usize]> {
    let KeyKind::Columns(columns) = &table.relation.key else { return None };
    columns.iter().all(|&column| table.kinds.get(column) == Some(&Kind::Integer)).then_some(columns.as_slice())
}

/// What is said of an answer that cannot be.
pub fn odd(table: &Table) -> Error {
    Error::Database { what: table.relation.name.clone(), why: "counting its rows gave what it should not".into() }
}

/// Gives the rows of a table that transactions from `horizon` on wrote, in the order of their keys, many at a time.
///
/// # Errors
/// What the server says, and values that are not what they should be.
pub fn scan_written(
    session: &mut Session,
    table: &Table,
    horizon: u32,
    content: &dyn Content,
    give: &mut dyn FnMut(&mut Batch) -> ControlFlow<()>,
) -> Result<ControlFlow<()>> {
    let (all, source, order) = (table.columns(), table.source(), table.order.join(", "));
    let written = is_written(age(session, horizon)?);
    // Rows are passed over where they lie, and the few that are left are sorted: without OFFSET they may be fetched in the order of the key.
    let sql = format!("COPY (SELECT {all} FROM (SELECT {all} FROM {source} WHERE {written} OFFSET 0) written ORDER BY {order}) TO STDOUT");
    let mut many = Many::new(table, content, give);
    let flow = session.copy_lines(&table.relation.name, &sql, &mut many)?;
    if flow.is_continue() {
        many.give_rest();
    }
    Ok(flow)
}

/// Asks for keys on the connection that holds the snapshot: it has nothing else to do while rows are read on another.
pub struct Asker<'t> {
    holder: Arc<Mutex<Session>>,
    table: &'t Table,
    horizon: u32,
}

impl<'t> Asker<'t> {
    /// One that asks for keys of rows older than `horizon`.
    pub fn new(holder: Arc<Mutex<Session>>, table: &'t Table, horizon: u32) -> Self {
        Self { holder, table, horizon }
    }
}

impl Asking for Asker<'_> {
    fn same_between(&mut self, from: Option<i64>, to: Option<i64>) -> Result<Vec<Key>> {
        let table = self.table;
        let columns = numbers(table).unwrap_or_default();
        let names: Vec<String> = columns.iter().filter_map(|&column| Some(ident(&table.relation.columns.get(column)?.name))).collect();
        let first = names.first().ok_or_else(|| odd(table))?;
        let mut session = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        let mut conditions = vec![is_old(age(&mut session, self.horizon)?)];
        conditions.extend(from.map(|from| format!("{first} >= '{from}'::pg_catalog.int8")));
        conditions.extend(to.map(|to| format!("{first} < '{to}'::pg_catalog.int8")));
        let (names, source, order) = (names.join(", "), table.source(), table.order.join(", "));
        let rows = session.rows(&format!("SELECT {names} FROM {source} WHERE {} ORDER BY {order}", conditions.join(" AND ")))?;
        let key = |row: Vec<Option<String>>| {
            let parts =
                row.into_iter().map(|part| Some((Value::Integer(part?.parse().ok()?), Fold::Binary))).collect::<Option<Vec<_>>>()?;
            Key::of(parts.iter().map(|(value, fold)| (value, *fold)))
        };
        rows.into_iter().map(|row| key(row).ok_or_else(|| odd(table))).collect()
    }
}
