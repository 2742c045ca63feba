//! Rows put aside within a writer's transaction: in a temporary table of our connection, where every value keeps its storage
//! class and a large one is moved by SQLite itself. The application's file sees a delete and an insert.

use super::values::{quoted, quoted_list};
use crate::rows::Relation;

fn table(relation: &Relation) -> String {
    format!("temp.{}", quoted(&format!("backstop aside {}", relation.name)))
}

/// Makes the place for rows of a model, once. Its columns have no type, so no value is converted.
pub fn make(relation: &Relation) -> String {
    let columns = (0..relation.columns.len()).map(|column| format!(", c{column}")).collect::<String>();
    format!("CREATE TABLE IF NOT EXISTS {} (key BLOB PRIMARY KEY{columns})", table(relation))
}

/// Puts rows aside; a condition follows. Its parameter is the row's key.
pub fn keep(relation: &Relation) -> String {
    let columns = quoted_list(relation.columns.iter().map(|column| column.name.as_str()));
    format!("INSERT INTO {} SELECT ?, {columns} FROM main.{}", table(relation), quoted(&relation.name))
}

/// Puts a row back into the columns `into`, with new values in `changed` (those of `into` alone, each with what stands for it
/// in a statement). Its parameters are these values in the order of `into`, then the key.
pub fn give_back(relation: &Relation, into: &[usize], changed: &[(usize, &str)]) -> String {
    let names = quoted_list(into.iter().map(|&column| relation.columns[column].name.as_str()));
    let place = |column: usize| changed.iter().find(|(changed, _)| *changed == column).map(|(_, place)| (*place).to_owned());
    let values = into.iter().map(|&column| place(column).unwrap_or_else(|| format!("c{column}")));
    let values = values.collect::<Vec<_>>().join(", ");
    format!("INSERT OR ABORT INTO main.{}({names}) SELECT {values} FROM {} WHERE key = ?", quoted(&relation.name), table(relation))
}

fn twins(relation: &Relation) -> String {
    format!("temp.{}", quoted(&format!("backstop twins {}", relation.name)))
}

/// Makes the place for rows that are equal in all that can be seen of them, empty.
pub fn make_twins(relation: &Relation) -> String {
    let columns = (0..relation.columns.len()).map(|column| format!("c{column}")).collect::<Vec<_>>().join(", ");
    format!("CREATE TABLE {} ({columns})", twins(relation))
}

/// Copies equal rows there; a condition follows.
pub fn keep_twins(relation: &Relation) -> String {
    let columns = quoted_list(relation.columns.iter().map(|column| column.name.as_str()));
    format!("INSERT INTO {} SELECT {columns} FROM main.{}", twins(relation), quoted(&relation.name))
}

/// Puts one of them back.
pub fn one_twin_back(relation: &Relation) -> String {
    format!("{} LIMIT 1", twin_back(relation))
}

/// Puts the others back, and the place away.
pub fn other_twins_back(relation: &Relation) -> String {
    format!("{} LIMIT -1 OFFSET 1; DROP TABLE {}", twin_back(relation), twins(relation))
}

fn twin_back(relation: &Relation) -> String {
    let columns = quoted_list(relation.columns.iter().map(|column| column.name.as_str()));
    format!("INSERT OR ABORT INTO main.{}({columns}) SELECT * FROM {}", quoted(&relation.name), twins(relation))
}
