//! Rows that the server would refuse when they are written: it is asked before, in the snapshot that is read, and nothing is made for it.
//!
//! A value is cast to what its column is of now and must come out as it went in; a row is shown to every condition that is upon it. What is asked
//! goes out for many at once; where the server objects, halves are asked about, down to the one that it objects to.

use std::collections::{HashMap, HashSet};

use super::reader::PostgresSnapshot;
use super::rules::{Rule, Rules};
use super::session::{Objection, Session};
use super::sql::{ident, idents, value};
use super::table::Table;
use crate::rows::Value;
use crate::sources::{Deed, Error, Judging, Result, Written};

/// Values whose verdict is kept in mind, of all columns.
const REMEMBERED: usize = 50_000;

/// Asks about the rows of one table.
pub struct Judge<'s> {
    snapshot: &'s PostgresSnapshot,
    table: Table,
    rules: Rules,
    /// Why a value of a column is none; empty where it is one.
    verdicts: HashMap<Named, String>,
    /// A name that no column has.
    number: String,
}

/// A value, by its column and the digest of what it is in SQL.
type Named = (usize, blake3::Hash);

/// What is asked about: its number, and its values as SQL.
type Line = (usize, String);

/// What the server says of one that was asked about.
enum Told<'t> {
    /// What the question gives for it.
    Answer(&'t str),
    /// It does not bear the question.
    Objection(&'t str),
}

impl<'s> Judge<'s> {
    /// Conditions that the server cannot be asked about (they name the whole row) are left to it.
    ///
    /// # Errors
    /// What the server says.
    pub fn of(snapshot: &'s PostgresSnapshot, table: &Table, mut rules: Rules) -> Result<Self> {
        let mut number = "given".to_owned();
        while table.relation.columns.iter().any(|column| column.name == number) {
            number.push('_');
        }
        let all = std::mem::take(&mut rules.rules);
        let mut judge = Self { snapshot, table: table.clone(), rules, verdicts: HashMap::new(), number };
        let columns: String = table.relation.columns.iter().map(|column| format!(", {}", ident(&column.name))).collect();
        let none = format!("SELECT 0 AS {}{columns} FROM {} WHERE false", judge.number, table.source());
        for rule in all {
            let sql = judge.broken(&[&rule], &none);
            let can = snapshot.trying(|session| match session.ask(&sql) {
                Ok(_) => Ok(true),
                Err(objection) => of_a_row(table, objection).map(|_| false),
            })?;
            judge.rules.rules.extend(can.then_some(rule));
        }
        Ok(judge)
    }

    /// Asks of rows, each with its number, which of the conditions is the first that is false.
    fn broken(&self, rules: &[&Rule], rows: &str) -> String {
        let (number, computed) = (&self.number, self.rules.computed.concat());
        let whens: String =
            rules.iter().enumerate().map(|(place, rule)| format!(" WHEN ({}) IS FALSE THEN {place}", rule.condition)).collect();
        let told = format!("SELECT {number}, CASE{whens} END AS broken FROM (SELECT *{computed} FROM ({rows}) AS of_rows) AS of_all");
        format!("SELECT {number}, broken FROM ({told}) AS told WHERE broken IS NOT NULL")
    }

    /// Values must be what their columns are of now.
    fn values(&mut self, column: usize, rows: &[Written<'_>], refused: &mut Vec<(usize, String)>) -> Result<()> {
        let of = &self.table.relation.columns[column];
        let written = rows.iter().enumerate().filter(|(_, row)| row.columns.contains(&column));
        let written: Vec<(usize, Named, String)> = written
            .filter_map(|(place, row)| value(&row.after.values[column]).map(|sql| (place, (column, blake3::hash(sql.as_bytes())), sql)))
            .collect();
        let (mut asked, mut lines): (Vec<Named>, Vec<Line>) = (Vec::new(), Vec::new());
        for (_, name, sql) in &written {
            if !self.verdicts.contains_key(name) {
                self.verdicts.insert(*name, String::new());
                lines.push((asked.len(), format!("CAST({sql} AS {}), CAST({sql} AS pg_catalog.text)", of.declared)));
                asked.push(*name);
            }
        }
        let ask = |lines: &str| {
            format!("SELECT n, '' FROM (VALUES {lines}) AS given(n, now, was) WHERE pg_catalog.format('%s', now) <> coalesce(was, '')")
        };
        let verdicts = &mut self.verdicts;
        self.snapshot.trying(|session| {
            halves(session, &self.table, &lines, &ask, &mut |number, told| {
                let words = match told {
                    Told::Answer(_) => format!("would not stay as it is ({})", of.declared),
                    Told::Objection(words) => words.to_owned(),
                };
                verdicts.extend(asked.get(number).map(|name| (*name, format!("{}: {words}", of.name))));
            })
        })?;
        let bad = |name| verdicts.get(name).filter(|words| !words.is_empty()).cloned();
        refused.extend(written.iter().filter_map(|(place, name, _)| Some((*place, bad(name)?))));
        Ok(())
    }

    /// Rows must not make a condition false. One with values that stand outside it where a condition looks is left to the server.
    fn conditions(&self, rules: &[&Rule], rows: &[(usize, &Written<'_>)], refused: &mut Vec<(usize, String)>) -> Result<()> {
        let relation = &self.table.relation;
        let looked = |column: &usize| !self.rules.computed.is_empty() || rules.iter().any(|rule| rule.columns.contains(column));
        let columns: Vec<usize> = (0..relation.columns.len()).filter(looked).collect();
        let cell = |row: &Written<'_>, column: usize| {
            let sql = value(&row.after.values[column])?;
            Some(format!("CAST({sql} AS {}){}", relation.columns[column].declared, self.table.types[column].collation))
        };
        let line = |(place, row): &(usize, &Written<'_>)| {
            let cells: Option<Vec<String>> = columns.iter().map(|&column| cell(row, column)).collect();
            Some((*place, cells?.join(", ")))
        };
        let lines: Vec<Line> = rows.iter().filter(|_| !rules.is_empty()).filter_map(line).collect();
        let names = std::iter::once(self.number.as_str()).chain(columns.iter().map(|&column| relation.columns[column].name.as_str()));
        let names = idents(names);
        let ask = |lines: &str| self.broken(rules, &format!("SELECT * FROM (VALUES {lines}) AS of_values({names})"));
        self.snapshot.trying(|session| {
            halves(session, &self.table, &lines, &ask, &mut |place, told| {
                let rule = |number: &str| number.parse().ok().and_then(|number: usize| rules.get(number)).map(|rule| rule.words.clone());
                refused.push(match told {
                    Told::Answer(number) => (place, rule(number).unwrap_or_default()),
                    Told::Objection(words) => (place, words.to_owned()),
                });
            })
        })
    }
}

impl Judging for Judge<'_> {
    fn refused(&mut self, rows: &[Written<'_>]) -> Result<Vec<(usize, String)>> {
        let columns = &self.table.relation.columns;
        let mut refused = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            let empty = row.columns.iter().find(|&&column| columns[column].not_null && matches!(row.after.values[column], Value::Null));
            refused.extend(empty.map(|&column| (place, format!("{} must have a value", columns[column].name))));
        }
        if self.verdicts.len() > REMEMBERED {
            self.verdicts.clear();
        }
        for column in self.rules.suspects.clone() {
            self.values(column, rows, &mut refused)?;
        }
        let met: HashSet<usize> = refused.iter().map(|(place, _)| *place).collect();
        for whole in [true, false] {
            let rules: Vec<&Rule> = self.rules.rules.iter().filter(|rule| !whole || !rule.known).collect();
            let left = rows.iter().enumerate().filter(|(place, row)| row.whole == whole && !met.contains(place));
            self.conditions(&rules, &left.collect::<Vec<_>>(), &mut refused)?;
        }
        refused.sort_by_key(|(place, _)| *place);
        refused.dedup_by_key(|(place, _)| *place);
        Ok(refused)
    }
}

/// Gives `take` what the server says of each line of which it says anything.
fn halves(
    session: &mut Session,
    table: &Table,
    lines: &[Line],
    ask: &dyn Fn(&str) -> String,
    take: &mut dyn FnMut(usize, Told<'_>),
) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let put = |(number, values): &Line| if values.is_empty() { format!("({number})") } else { format!("({number}, {values})") };
    let all: Vec<String> = lines.iter().map(put).collect();
    let objection = match session.ask(&ask(&all.join(", "))) {
        Ok(answers) => {
            for answer in answers {
                let [Some(number), Some(told)] = answer.as_slice() else { continue };
                if let Ok(number) = number.parse() {
                    take(number, Told::Answer(told));
                }
            }
            return Ok(());
        }
        Err(objection) => objection,
    };
    let Some(words) = of_a_row(table, objection)? else { return Ok(()) };
    if let [(number, _)] = lines {
        take(*number, Told::Objection(&words));
        return Ok(());
    }
    let (some, others) = lines.split_at(lines.len() / 2);
    halves(session, table, some, ask, take)?;
    halves(session, table, others, ask, take)
}

/// The words of an objection to a row or a value; none where it is to something else, about which the server is left to say so later.
fn of_a_row(table: &Table, objection: Objection) -> Result<Option<String>> {
    let Objection { code, words } = objection;
    let code = code.map(|code| code.code().to_owned()).unwrap_or_default();
    // Data that are none, a constraint, what a function raises.
    let of_a_row = ["22", "23", "P0"].iter().any(|class| code.starts_with(class));
    let over = code.is_empty() || ["08", "53", "57", "58", "XX"].iter().any(|class| code.starts_with(class));
    match (of_a_row, over) {
        (_, true) => Err(Error::Database { what: table.relation.name.clone(), why: words }),
        (true, false) => Ok(Some(words)),
        (false, false) => Ok(None),
    }
}

/// Why no row of a table may be changed or deleted: it is published, and nothing says which row was meant. The server tells it where a statement
/// is begun, which `EXPLAIN` does and no more.
///
/// # Errors
/// What the server says that is not about this.
pub fn forbids(snapshot: &PostgresSnapshot, table: &Table, deed: Deed) -> Result<Option<String>> {
    let some = (0..table.relation.columns.len()).find(|column| !table.always.contains(column));
    let sql = match (deed, some) {
        (Deed::Delete, _) => format!("EXPLAIN DELETE FROM {}", table.source()),
        (Deed::Update, Some(column)) => {
            let name = ident(&table.relation.columns[column].name);
            format!("EXPLAIN UPDATE {} SET {name} = {name}", table.source())
        }
        (Deed::Update, None) => return Ok(None),
    };
    snapshot.trying(|session| match session.ask(&sql) {
        Ok(_) => Ok(None),
        Err(objection) => {
            let told = objection.code.as_ref().is_some_and(|code| matches!(code.code(), "55000" | "42P10"));
            let words = objection.words.clone();
            of_a_row(table, objection).map(|_| told.then_some(words))
        }
    })
}
