//! What a database says of itself, asked by programs that are not ours: SQLite's command line and Python's own driver.
//!
//! The command line tells class and bytes of every cell (`typeof`, `hex(CAST(… AS BLOB))`) and every rowid; Python tells the
//! bits of the reals. Neither links the library that made the copy.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What of two databases is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Everything: cells, rowids, schema, pragmas, counters, statistics.
    All,
    /// What a restore into a live database answers for: the cells, and the rowids that have a name.
    Cells,
}

/// Runs a script through `sqlite3` and gives its lines. What it complains of is one of them.
pub fn sqlite3(database: &Path, script: &str) -> Vec<String> {
    let mut child = Command::new("sqlite3")
        .args(["-batch", "-init", "/dev/null"])
        .arg(database)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tests need sqlite3; tests/run installs it");
    let mut input = child.stdin.take().unwrap();
    let script = format!("PRAGMA query_only = ON;\n{script}\n");
    let writing = std::thread::spawn(move || input.write_all(script.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().map(ToOwned::to_owned).collect()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text that the command line told as hexadecimal digits.
fn unhex(digits: &str) -> String {
    let bytes = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap());
    String::from_utf8(bytes.collect()).unwrap()
}

struct Table {
    name: String,
    columns: Vec<String>,
    has_rowids: bool,
}

impl Table {
    /// The name that reads the rowid, where the rows have one.
    fn rowid(&self) -> Option<&'static str> {
        let free = |alias: &&str| !self.columns.iter().any(|column| column.eq_ignore_ascii_case(alias));
        ["rowid", "oid", "_rowid_"].into_iter().find(free).filter(|_| self.has_rowids)
    }
}

/// Every table but those that a virtual table keeps for itself, with all columns that can be read.
fn tables(database: &Path) -> Vec<Table> {
    let listed = "SELECT hex(CAST(l.name AS BLOB)), l.wr, l.type = 'virtual' AND (s.sql LIKE '%vocab%' OR s.sql LIKE '%aux%'), hex(CAST(x.name AS BLOB))
        FROM pragma_table_list l JOIN sqlite_schema s ON s.name = l.name AND s.type = 'table' JOIN pragma_table_xinfo(l.name, 'main') x
        WHERE l.schema = 'main' AND l.type IN ('table', 'virtual') AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND (x.hidden <> 1 OR x.name = 'lang')
        ORDER BY l.name, x.cid;";
    let encoding = sqlite3(database, "PRAGMA encoding;").remove(0);
    let name_of = |digits: &str| match encoding.as_str() {
        "UTF-8" => unhex(digits),
        other => unhex16(digits, other == "UTF-16le"),
    };
    let mut tables: Vec<Table> = Vec::new();
    for line in sqlite3(database, listed) {
        let parts: Vec<&str> = line.split('|').collect();
        let [name, without_rowid, is_told, column] = parts.as_slice() else { panic!("{line}") };
        let name = name_of(name);
        if tables.last().is_none_or(|last| last.name != name) {
            let has_rowids = *without_rowid == "0" && *is_told == "0";
            tables.push(Table { name, columns: Vec::new(), has_rowids });
        }
        tables.last_mut().unwrap().columns.push(name_of(column));
    }
    tables
}

fn unhex16(digits: &str, little: bool) -> String {
    let bytes: Vec<u8> = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect();
    let unit = |pair: &[u8]| if little { u16::from_le_bytes([pair[0], pair[1]]) } else { u16::from_be_bytes([pair[0], pair[1]]) };
    String::from_utf16(&bytes.chunks(2).map(unit).collect::<Vec<_>>()).unwrap()
}

/// Class and bytes of a cell; of a long one, their digest.
fn cell(column: &str) -> String {
    let bytes = format!("CAST({column} AS BLOB)");
    format!("typeof({column}) || ':' || CASE WHEN length({bytes}) > 4000 THEN hex(sha3({bytes})) ELSE hex({bytes}) END")
}

/// Where a table begins, in what the command line prints.
const BEGINS: &str = "table ";

fn cells(database: &Path, what: What) -> Vec<String> {
    let mut script = String::new();
    let tables = tables(database);
    for (place, table) in tables.iter().enumerate() {
        let mut columns: Vec<String> = table.columns.iter().map(|column| cell(&quoted(column))).collect();
        if let Some(rowid) = table.rowid().filter(|_| what == What::All) {
            columns[0] = format!("{rowid} || '#' || {}", columns[0]);
        }
        writeln!(script, ".print {BEGINS}{place}\nSELECT {} FROM main.{};", columns.join(", "), quoted(&table.name)).unwrap();
    }
    let mut told = Vec::new();
    let mut name = "";
    for line in sqlite3(database, &script) {
        match line.strip_prefix(BEGINS).and_then(|place| place.parse::<usize>().ok()) {
            Some(place) => name = &tables[place].name,
            None => told.push(format!("{name:?} {line}")),
        }
    }
    told.sort();
    told
}

/// The schema's own text, the pragmas that are data, counters and statistics, and SQLite's own checks.
fn frame(database: &Path) -> Vec<String> {
    let mut script = "SELECT type, hex(CAST(name AS BLOB)), hex(CAST(tbl_name AS BLOB)), rootpage > 0, hex(CAST(sql AS BLOB)) \
         FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\' ORDER BY type, name;\n"
        .to_owned();
    for pragma in ["page_size", "encoding", "auto_vacuum", "user_version", "application_id", "journal_mode", "foreign_key_check"] {
        script += &format!(".print {pragma}\nPRAGMA {pragma};\n");
    }
    script += "PRAGMA integrity_check(1000000);\n";
    let mut told = sqlite3(database, &script);
    for table in ["sqlite_sequence", "sqlite_stat1", "sqlite_stat4"] {
        let lines = sqlite3(database, &format!("SELECT typeof(name) FROM sqlite_schema WHERE name = '{table}';"));
        if !lines.is_empty() {
            let mut lines = sqlite3(database, &format!(".mode quote\nSELECT * FROM {table};"));
            lines.sort();
            told.extend(lines.into_iter().map(|line| format!("{table}: {line}")));
        }
    }
    told
}

/// Every cell with the bits of its reals.
fn bits(database: &Path) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exact/cells.py");
    let output = Command::new("python3").arg(script).arg(database).output().expect("the tests need python3; tests/run installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(ToOwned::to_owned).collect()
}

/// All that the two programs say of a database.
pub fn told(database: &Path, what: What) -> Vec<String> {
    let mut told = cells(database, what);
    told.extend(bits(database));
    if what == What::All {
        told.extend(frame(database));
    }
    told
}

/// Two tellings are the same; otherwise the first lines that differ are shown.
pub fn assert_same(expected: &[String], found: &[String]) {
    let without = |all: &[String], others: &[String]| -> Vec<String> {
        let others: std::collections::HashSet<&String> = others.iter().collect();
        all.iter().filter(|line| !others.contains(line)).take(40).map(|line| line.chars().take(400).collect()).collect()
    };
    let (missing, more) = (without(expected, found), without(found, expected));
    assert!(missing.is_empty() && more.is_empty(), "it lacks\n{}\nand has\n{}", missing.join("\n"), more.join("\n"));
    assert_eq!(expected.len(), found.len());
}
