//! Spoils a database everywhere: scattered updates, deletes and inserts in every table, the same for the same seed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value;

/// Values that a careless copy changes.
pub fn hostile(number: u64) -> Value {
    const TEXTS: [&str; 8] = ["", "a", "A  ", "1", "ä\u{1f980}", "x\0y", "it's \"q\"", "NULL"];
    let number = usize::try_from(number).unwrap();
    match number % 24 {
        0 => Value::Null,
        1 => Value::Integer(i64::MIN),
        2 => Value::Integer(i64::MAX),
        3 => Value::Integer(9_007_199_254_740_993),
        4 => Value::Real(-0.0),
        5 => Value::Real(f64::INFINITY),
        6 => Value::Real(f64::NEG_INFINITY),
        7 => Value::Real(0.1),
        8 => Value::Real(1.0),
        9 => Value::Real(5e-324),
        10 => Value::Blob(Vec::new()),
        11 => Value::Blob(vec![0, 255, 0]),
        12 => Value::Blob(vec![7; 17_000]),
        13 => Value::Text("long ".repeat(4000)),
        number @ 14..=21 => Value::Text(TEXTS[number - 14].to_owned()),
        _ => Value::Integer(i64::try_from(number / 24).unwrap() % 50),
    }
}

/// Numbers that look random.
pub struct Dice(AtomicU64);

impl Dice {
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)))
    }

    pub fn roll(&self) -> u64 {
        let mut number = self.0.load(Ordering::Relaxed);
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        self.0.store(number, Ordering::Relaxed);
        number >> 16
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The tables whose rows are an application's own, with the columns that can be written.
pub fn tables(connection: &Connection) -> Vec<(String, Vec<String>)> {
    let mut statement = connection
        .prepare(
            "SELECT l.name FROM pragma_table_list l JOIN sqlite_schema s ON s.name = l.name AND s.type = 'table' WHERE l.schema = 'main'
             AND l.type IN ('table', 'virtual') AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
             AND NOT (s.sql LIKE 'CREATE VIRTUAL%' AND (s.sql LIKE '%vocab%' OR s.sql LIKE '%fts4aux%' OR s.sql LIKE '%content%=%')) ORDER BY 1",
        )
        .unwrap();
    let names: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut columns = connection.prepare("SELECT name FROM pragma_table_xinfo(?, 'main') WHERE hidden = 0").unwrap();
    let columns_of = |name: String| {
        let columns = columns.query_map([&name], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        (name, columns)
    };
    names.into_iter().map(columns_of).collect()
}

/// Takes away what refers to nobody, until nothing does: a state with such records is not taken back.
pub fn settle(path: &Path) {
    let connection = Connection::open(path).unwrap();
    for setting in [DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY] {
        connection.set_db_config(setting, false).unwrap();
    }
    let mut changed = 1;
    while changed > 0 {
        changed = 0;
        for (table, _) in tables(&connection) {
            let violating = format!("SELECT rowid FROM pragma_foreign_key_check('{}')", table.replace('\'', "''"));
            changed += connection.execute(&format!("DELETE FROM {} WHERE rowid IN ({violating})", quoted(&table)), []).unwrap_or(0);
        }
    }
    // A reference to columns that are not unique is one that SQLite itself cannot check.
    connection.execute("DELETE FROM refers_loosely", []).unwrap();
}

/// Spoils every table. What a constraint refuses is passed over.
pub fn spoil(path: &Path, seed: u64) {
    let connection = Connection::open(path).unwrap();
    for setting in [DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY] {
        connection.set_db_config(setting, false).unwrap();
    }
    let dice = Dice::new(seed);
    let one_in = dice.clone();
    // Both are called for every row anew, since nothing says that they are deterministic.
    connection
        .create_scalar_function("one_in", 1, FunctionFlags::SQLITE_UTF8, move |context| {
            Ok(one_in.roll().is_multiple_of(context.get::<u64>(0)?))
        })
        .unwrap();
    let values = dice.clone();
    connection.create_scalar_function("hostile", 0, FunctionFlags::SQLITE_UTF8, move |_| Ok(hostile(values.roll()))).unwrap();
    connection.execute_batch("BEGIN").unwrap();
    for (table, columns) in tables(&connection) {
        let table = quoted(&table);
        let columns: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
        let all = columns.join(", ");
        let mut attempts = vec![format!("DELETE FROM {table} WHERE one_in(4)")];
        // Of a table with very many columns some are enough.
        attempts.extend(
            columns.iter().rev().take(30).map(|column| format!("UPDATE OR IGNORE {table} SET {column} = hostile() WHERE one_in(6)")),
        );
        attempts.push(format!("INSERT OR IGNORE INTO {table}({all}) SELECT {all} FROM {table} WHERE one_in(3)"));
        if columns.len() < 100 {
            let values = vec!["hostile()"; columns.len()].join(", ");
            attempts.extend((0..4).map(|_| format!("INSERT OR IGNORE INTO {table}({all}) VALUES ({values})")));
        }
        for attempt in attempts {
            let _ = connection.execute(&attempt, []);
            // A counter that has come to its end ends the transaction with it.
            if connection.is_autocommit() {
                connection.execute_batch("BEGIN").unwrap();
            }
        }
    }
    connection.execute_batch("COMMIT").unwrap();
}
