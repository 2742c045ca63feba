//! The counters of AUTOINCREMENT: rows of `sqlite_sequence`, in which an application may write what it likes.

use rusqlite::{Connection, Result, params};

use crate::sources::Definition;

/// Each table with its number, where it has one.
///
/// # Errors
/// What SQLite says.
pub fn numbers(connection: &Connection) -> Result<Vec<(String, i64)>> {
    if !is_there(connection)? {
        return Ok(Vec::new());
    }
    let mut statement = connection
        .prepare("SELECT name, seq FROM main.sqlite_sequence WHERE typeof(name) = 'text' AND typeof(seq) = 'integer' ORDER BY rowid")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// All rows as SQL, where numbers do not tell all: one is no number, or no table is left that would make a copy have the table of counters.
///
/// # Errors
/// What SQLite says.
pub fn verbatim(connection: &Connection) -> Result<Option<Vec<String>>> {
    let odd = "SELECT 1 FROM main.sqlite_sequence WHERE typeof(name) <> 'text' OR typeof(seq) <> 'integer'";
    let needed = "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND sql LIKE '%autoincrement%'";
    let exists = |sql: &str| connection.prepare(sql)?.exists([]);
    if !is_there(connection)? || (exists(needed)? && !exists(odd)?) {
        return Ok(None);
    }
    let mut statement = connection.prepare("SELECT quote(name) || ', ' || quote(seq) FROM main.sqlite_sequence ORDER BY rowid")?;
    statement.query_map([], |row| row.get(0))?.collect::<Result<_>>().map(Some)
}

fn is_there(connection: &Connection) -> Result<bool> {
    connection.prepare("SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_sequence'")?.exists([])
}

/// Makes the table of counters, where the tables of a new database will not.
///
/// # Errors
/// What SQLite says.
pub fn make(connection: &Connection, definition: &Definition) -> Result<()> {
    if definition.counters.is_none() {
        return Ok(());
    }
    // SQLite makes it for the first table that counts, and keeps it when that goes.
    connection.execute_batch("CREATE TABLE counting (id INTEGER PRIMARY KEY AUTOINCREMENT); DROP TABLE counting")
}

/// Sets them, once the rows are there.
///
/// # Errors
/// What SQLite says.
pub fn set(connection: &Connection, definition: &Definition) -> Result<()> {
    if !is_there(connection)? {
        return Ok(());
    }
    connection.execute_batch("DELETE FROM main.sqlite_sequence")?;
    if let Some(rows) = &definition.counters {
        return rows
            .iter()
            .try_for_each(|row| connection.execute(&format!("INSERT INTO main.sqlite_sequence(name, seq) VALUES ({row})"), []).map(drop));
    }
    let mut insert = connection.prepare("INSERT INTO main.sqlite_sequence(name, seq) VALUES (?, ?)")?;
    definition.sequences.iter().try_for_each(|(table, value)| insert.execute(params![table, value]).map(drop))
}
