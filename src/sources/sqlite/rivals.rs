//! Rows in each other's way by a unique index over an expression, or over a part of the rows: SQLite computes both for a row that is
//! not there yet, in a table of the same definition in memory.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params_from_iter, types::Value as Found};

use super::encoding::Encoding;
use super::huge::look;
use super::reader::SqliteSnapshot;
use super::schema::Table;
use super::values::{Bound, quoted, quoted_list};
use super::words::{Word, words};
use crate::rows::{Relation, Row, Value};
use crate::sources::{Result, Rival};

/// A unique index that more than the values of columns decide.
struct Constraint {
    /// The columns that it looks at, by their places in the model.
    columns: Vec<usize>,
    /// What is unique, and which rows it is about: SQL.
    terms: Vec<String>,
    condition: String,
}

/// A table with such indexes.
pub struct Judge {
    constraints: Vec<Constraint>,
    /// It has the table, empty.
    memory: Connection,
}

/// A question that finds who is in a row's way.
pub struct Ask<'j> {
    /// The columns that decide it.
    pub columns: &'j [usize],
    /// The condition.
    pub condition: String,
    /// The values of its parameters.
    pub values: Vec<Found>,
}

/// The judges of a database's tables, each made when it is first asked for; none for a table without such an index.
pub type Judges = HashMap<String, Option<Judge>>;

const INDEXES: &str = "SELECT s.sql FROM pragma_index_list(?1, 'main') i JOIN main.sqlite_schema s ON s.type = 'index' AND s.name = i.name
    WHERE i.\"unique\" AND (i.partial OR EXISTS (SELECT 1 FROM pragma_index_info(i.name, 'main') WHERE cid = -2))";

impl Judge {
    /// None where the table has no such index; what SQLite cannot compute here (a function of the application's) is left to it when rows
    /// are written.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn of(connection: &Connection, table: &Table, encoding: Encoding) -> rusqlite::Result<Option<Self>> {
        let name = &table.relation.name;
        let mut indexes = connection.prepare(INDEXES)?;
        let indexes = indexes.query_map([name], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
        let constraints: Vec<Constraint> = indexes.iter().filter_map(|sql| constraint(sql, table)).collect();
        // Texts of UTF-16 are converted on their way: what is computed of them here need not be what the database computes.
        if constraints.is_empty() || encoding != Encoding::Utf8 {
            return Ok(None);
        }
        let made: String =
            connection.query_row("SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?1", [name], |row| row.get(0))?;
        let memory = Connection::open_in_memory()?;
        let built = memory.execute_batch(&format!("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF; {made}"));
        Ok(built.is_ok().then_some(Self { constraints, memory }))
    }

    /// A question for each index that is about the row.
    ///
    /// # Errors
    /// What SQLite says of the row's values.
    pub fn asks(&self, table: &Table, row: &Row) -> rusqlite::Result<Vec<Ask<'_>>> {
        let relation = &table.relation;
        let data: Vec<usize> = (0..relation.columns.len()).filter(|&column| !relation.columns[column].is_hidden()).collect();
        if data.iter().any(|&column| matches!(row.values[column], Value::Large(_))) {
            return Ok(Vec::new());
        }
        let name = quoted(&relation.name);
        let names = quoted_list(data.iter().map(|&column| relation.columns[column].name.as_str()));
        let places = vec!["?"; data.len()].join(", ");
        self.memory.execute(&format!("DELETE FROM {name}"), [])?;
        let values = data.iter().map(|&column| Bound::inline(row.values[column].cell(), Encoding::Utf8));
        self.memory.prepare_cached(&format!("INSERT INTO {name}({names}) VALUES ({places})"))?.execute(params_from_iter(values))?;
        let mut asked = Vec::new();
        for Constraint { columns, terms, condition } in &self.constraints {
            let sql = format!("SELECT {} FROM {name} WHERE {condition}", terms.join(", "));
            let width = terms.len();
            let given = self.memory.prepare_cached(&sql)?.query_row([], |row| (0..width).map(|term| row.get(term)).collect()).optional()?;
            let given: Vec<Found> = given.unwrap_or_default();
            if given.is_empty() || given.contains(&Found::Null) {
                continue;
            }
            let equal: Vec<String> = terms.iter().map(|term| format!("{term} = ?")).collect();
            asked.push(Ask { columns, condition: format!("{condition} AND {}", equal.join(" AND ")), values: given });
        }
        Ok(asked)
    }
}

/// What `CREATE UNIQUE INDEX … ON … (terms) WHERE condition` says.
fn constraint(sql: &str, table: &Table) -> Option<Constraint> {
    let words = words(sql);
    let open =
        words.iter().position(|word| word.is("on"))? + words.iter().skip_while(|word| !word.is("on")).position(|word| word.is("("))?;
    let (mut depth, mut terms, mut first) = (0_usize, Vec::new(), open + 1);
    let mut close = None;
    for (place, word) in words.iter().enumerate().skip(open) {
        depth = if word.is("(") {
            depth + 1
        } else if word.is(")") {
            depth - 1
        } else {
            depth
        };
        if depth == 0 || (depth == 1 && word.is(",")) {
            terms.push(term(sql, words.get(first..place)?)?);
            first = place + 1;
        }
        if depth == 0 {
            close = Some(place);
            break;
        }
    }
    let behind = words.get(close? + 1..)?;
    let condition = match behind.split_first() {
        Some((word, rest)) if word.is("where") => format!("({}\n)", &sql[rest.first()?.at.start..]),
        Some(_) => return None,
        None => "true".to_owned(),
    };
    let named = |column: &str| words[open..].iter().any(|word| word.text.eq_ignore_ascii_case(column));
    let columns = table.relation.columns.iter().enumerate().filter(|(_, column)| named(&column.name));
    Some(Constraint { columns: columns.map(|(place, _)| place).collect(), terms, condition })
}

/// What is unique, without its order.
fn term(sql: &str, words: &[Word]) -> Option<String> {
    let words = match words.split_last()? {
        (last, before) if last.is("asc") || last.is("desc") => before,
        _ => words,
    };
    Some(format!("({}\n)", &sql[words.first()?.at.start..words.last()?.at.end]))
}

impl SqliteSnapshot {
    /// The rows that stand in the way of these.
    pub(super) fn in_the_way(&self, relation: &Relation, rows: &[Row]) -> Result<Vec<Rival>> {
        self.judged(&relation.name, |table, judge| {
            let (Some(judge), mut found) = (judge, Vec::new()) else { return Ok(Vec::new()) };
            for (given, row) in rows.iter().enumerate() {
                // What cannot be computed for this row is told when it is written.
                for Ask { columns, condition, values } in judge.asks(table, row).unwrap_or_default() {
                    let (mut holders, whose) = (Vec::new(), (&self.connection, table, self.schema.encoding));
                    look(whose, &format!("WHERE {condition}"), &values, &mut |values| match values {
                        Some(values) => holders.push(Row::new(&table.relation, values, 0)),
                        None => holders.clear(),
                    })
                    .map_err(|error| error.about(&relation.name, |error| self.said(&relation.name, error)))?;
                    found.extend(holders.into_iter().map(|holder| Rival { given, holder, columns: columns.to_vec() }));
                }
            }
            Ok(found)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{KeyKind, Relation, RelationKind};

    #[test]
    fn an_index_is_taken_apart_wherever_its_commas_and_brackets_stand() {
        let relation =
            Relation { name: "t".into(), module: String::new(), kind: RelationKind::Table, columns: vec![], key: KeyKind::WholeRow };
        let table = Table { relation, rowid: None, rowid_is_key: false, is_virtual: false, without_rowid: false, unique: Vec::new() };
        let sql = "CREATE UNIQUE INDEX \"on (\" ON t (lower(a, ')'), b COLLATE NOCASE desc, (c)/* , */) WHERE d IN (1, 2) -- end";
        let found = constraint(sql, &table).unwrap();
        assert_eq!(found.terms, ["(lower(a, ')')\n)", "(b COLLATE NOCASE\n)", "((c)\n)"]);
        assert_eq!(found.condition, "(d IN (1, 2) -- end\n)");
        assert_eq!(constraint("CREATE UNIQUE INDEX i ON t(a+1)", &table).unwrap().condition, "true");
        assert!(constraint("CREATE UNIQUE INDEX i ON t", &table).is_none());
    }
}
