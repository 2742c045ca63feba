//! What an application told a full-text table once and for all (`INSERT INTO notes(notes, rank) VALUES ('rank', 'bm25(2.0)')`): no statement of the
//! schema says it, and no row of the table.

use rusqlite::{Connection, Result, params};

use super::values::quoted;
use crate::sources::SchemaObject;

/// What such an option is called among what a database is made of: its name, its table, and as statement its value in SQL.
pub const KIND: &str = "option";

/// The version of its own format is the module's to choose.
const FTS5: &str = "SELECT k, quote(v) FROM main.% WHERE typeof(k) = 'text' AND k <> 'version' ORDER BY k";

/// FTS4 keeps the one option that it has beside its statistics.
const FTS4: &str = "SELECT 'automerge', quote(value) FROM main.% WHERE id = 2";

/// The options of a full-text table of this module.
///
/// # Errors
/// What SQLite says.
pub fn of(connection: &Connection, table: &str, module: &str) -> Result<Vec<SchemaObject>> {
    let (part, sql) = if module == "fts5" { ("config", FTS5) } else { ("stat", FTS4) };
    let own = format!("{table}_{part}");
    if !connection.prepare("SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE")?.exists([&own])? {
        return Ok(Vec::new());
    }
    let option = |name, value| SchemaObject { kind: KIND.into(), name, table: table.to_owned(), sql: value };
    let mut statement = connection.prepare(&sql.replace('%', &quoted(&own)))?;
    statement.query_map([], |row| Ok(option(row.get(0)?, row.get(1)?)))?.collect()
}

/// Tells a new table the same. A value is no statement: one that is neither a number nor a text in quotes is refused.
///
/// # Errors
/// What SQLite says.
pub fn set(connection: &Connection, option: &SchemaObject, module: &str) -> Result<()> {
    let (name, table, value) = (&option.name, quoted(&option.table), option.sql.as_str());
    let text = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')).map(|value| value.replace("''", "'"));
    let number = value.parse::<i64>().ok();
    let told = format!("INSERT INTO main.{table}({table}, rank) VALUES (?, ?)");
    match (module, text, number) {
        ("fts5", Some(text), _) => connection.execute(&told, params![name, text])?,
        ("fts5", _, Some(number)) => connection.execute(&told, params![name, number])?,
        (_, None, Some(number)) => {
            connection.execute(&format!("INSERT INTO main.{table}({table}) VALUES (?)"), [format!("{name}={number}")])?
        }
        _ => return Err(rusqlite::Error::InvalidQuery),
    };
    Ok(())
}
