//! Whatever the schema and whatever the rows: a copy is the same, an increment too, and a preview says what SQL says.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use backstop::catalog::BackupType;
use backstop::clock::SystemClock;
use backstop::engine::apps::AppRequest;
use backstop::engine::backup::BackupRequest;
use backstop::engine::restore::strategy::Strategy as Taking;
use backstop::engine::restoring::{CopyTarget, PreviewRequest};
use backstop::engine::vaults::VaultRequest;
use backstop::engine::{Engine, Home};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params_from_iter};

use crate::common::known::{Known, secret};
use crate::compare::{What, assert_same, told};
use crate::spoil::{Dice, hostile, spoil};

const NAMES: [&str; 12] = ["a", "id", "select", "it's \"q\"", "two\nlines", "\u{1f980}", "[b]", "rowid", "Ä", "ä", "x y", "oid"];

#[derive(Clone, Debug)]
struct Column {
    name: &'static str,
    kind: usize,
    collation: &'static str,
    not_null: bool,
    /// Made from the column before it: kept, or computed each time.
    made: Option<bool>,
}

#[derive(Clone, Debug)]
struct Table {
    columns: Vec<Column>,
    /// How many columns the primary key has, from the first on; none where it is 0.
    key: usize,
    descends: bool,
    integer_key: bool,
    counts: bool,
    without_rowid: bool,
    strict: bool,
    unique: Option<(usize, &'static str)>,
    index: Option<usize>,
    /// The table that the last column refers to.
    refers: Option<usize>,
    /// It has a view, and triggers that no restore is to fire.
    is_watched: bool,
    rows: usize,
}

fn collation() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just(""), 1 => Just("COLLATE NOCASE"), 1 => Just("COLLATE RTRIM")]
}

fn column() -> impl Strategy<Value = Column> {
    let made = prop_oneof![5 => Just(None), 1 => any::<bool>().prop_map(Some)];
    (prop::sample::select(&NAMES[..]), 0..6_usize, collation(), prop::bool::weighted(0.2), made)
        .prop_map(|(name, kind, collation, not_null, made)| Column { name, kind, collation, not_null, made })
}

fn table() -> impl Strategy<Value = Table> {
    let shape = (prop::collection::vec(column(), 1..7), 0..4_usize, any::<bool>(), prop::bool::weighted(0.3));
    let kind = (prop::bool::weighted(0.3), prop::bool::weighted(0.2), any::<bool>(), prop::bool::weighted(0.4));
    let more = (
        prop::option::weighted(0.4, (0..6_usize, collation())),
        prop::option::weighted(0.3, 0..6_usize),
        prop::option::weighted(0.3, 0..5_usize),
        0..40_usize,
    );
    (shape, kind, more).prop_map(|((columns, key, descends, integer_key), kind, (unique, index, refers, rows))| {
        let (without_rowid, strict, counts, is_watched) = kind;
        Table { columns, key, descends, integer_key, counts, without_rowid, strict, unique, index, refers, is_watched, rows }
    })
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Table {
    fn name(place: usize) -> String {
        ["plain", "table", "it's \"q\"\n", "", "\u{1f980}\u{1f980}"][place].to_owned()
    }

    /// Makes it something that SQLite accepts: no name twice, no key of made columns, a key where there is no rowid.
    fn settle(&mut self) {
        let mut seen: Vec<String> = Vec::new();
        self.columns.retain(|column| {
            let new = !seen.contains(&column.name.to_ascii_lowercase());
            seen.push(column.name.to_ascii_lowercase());
            new
        });
        if self.without_rowid {
            self.key = self.key.max(1);
        }
        self.integer_key &= !self.without_rowid;
        if self.integer_key {
            self.key = 1;
        }
        self.key = self.key.min(self.columns.len());
        let kept = self.key.max(1);
        self.columns[..kept].iter_mut().for_each(|column| column.made = None);
    }

    fn sql(&self, place: usize, tables: usize) -> String {
        let loose = ["", "INTEGER", "TEXT", "BLOB", "REAL", "NUMERIC"];
        let strict = ["ANY", "INTEGER", "TEXT", "BLOB", "REAL", "ANY"];
        let mut parts = Vec::new();
        for (at, column) in self.columns.iter().enumerate() {
            let kind = if self.integer_key && at == 0 {
                "INTEGER"
            } else if self.strict {
                strict[column.kind]
            } else {
                loose[column.kind]
            };
            let mut part = format!("{} {kind}", quoted(column.name));
            if self.integer_key && at == 0 {
                part += if self.counts { " PRIMARY KEY AUTOINCREMENT" } else { " PRIMARY KEY" };
            } else if let Some(stored) = column.made {
                let before = quoted(self.columns[at - 1].name);
                write!(part, " AS (CAST({before} AS BLOB) || 'm') {}", if stored { "STORED" } else { "VIRTUAL" }).unwrap();
                if self.strict {
                    part = part.replacen(kind, "TEXT", 1);
                }
            } else {
                write!(part, " {}{}", column.collation, if column.not_null { " NOT NULL" } else { "" }).unwrap();
            }
            parts.push(part);
        }
        if self.key > 0 && !self.integer_key {
            let order = if self.descends { " DESC" } else { "" };
            let key: Vec<String> = self.columns[..self.key].iter().map(|column| format!("{}{order}", quoted(column.name))).collect();
            parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
        }
        if let Some(parent) = self.refers.filter(|_| self.columns.last().unwrap().made.is_none()) {
            parts.push(format!(
                "FOREIGN KEY ({}) REFERENCES {}",
                quoted(self.columns.last().unwrap().name),
                quoted(&Self::name(parent % tables))
            ));
        }
        let options: Vec<&str> = [(self.without_rowid, "WITHOUT ROWID"), (self.strict, "STRICT")]
            .into_iter()
            .filter(|(on, _)| *on)
            .map(|(_, option)| option)
            .collect();
        let mut sql = format!("CREATE TABLE {}({}) {};\n", quoted(&Self::name(place)), parts.join(", "), options.join(", "));
        let column = |at: usize| quoted(self.columns[at % self.columns.len()].name);
        if let Some((at, collation)) = self.unique {
            writeln!(sql, "CREATE UNIQUE INDEX u{place} ON {}({} {collation} DESC);", quoted(&Self::name(place)), column(at)).unwrap();
        }
        if let Some(at) = self.index {
            let (column, table) = (column(at), quoted(&Self::name(place)));
            writeln!(sql, "CREATE INDEX i{place} ON {table}(lower({column}), {column}) WHERE {column} IS NOT NULL;").unwrap();
        }
        sql
    }
}

/// Encodings of a database with text that is none in them.
const ENCODINGS: [(&str, [&str; 5]); 3] = [
    ("UTF-8", ["x'ff'", "x'fffe41'", "x'c3'", "x'eda080'", "x'610080'"]),
    ("UTF-16le", ["x'00d8'", "x'00dc4100'", "x'4100ffdb00d800dc'", "x'fffe4100'", "x'00d80000'"]),
    ("UTF-16be", ["x'd800'", "x'dc000041'", "x'0041dbffd800dc00'", "x'feff0041'", "x'd8000000'"]),
];

/// Makes the database of these tables, with rows of hostile values, and of text that is none.
fn build(path: &Path, tables: &[Table], encoding: usize, seed: u64) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    let (encoding, invalid) = ENCODINGS[encoding];
    connection.execute_batch(&format!("PRAGMA encoding = '{encoding}'; PRAGMA synchronous = OFF")).unwrap();
    let dice = Dice::new(seed);
    for (at, table) in tables.iter().enumerate() {
        let sql = table.sql(at, tables.len());
        connection.execute_batch(&sql).unwrap_or_else(|error| panic!("{error}\n{sql}"));
        let columns: Vec<&Column> = table.columns.iter().filter(|column| column.made.is_none()).collect();
        let names = columns.iter().map(|column| quoted(column.name)).collect::<Vec<_>>().join(", ");
        for _ in 0..table.rows {
            let places: Vec<String> = columns.iter().map(|_| place(dice.roll(), invalid)).collect();
            let values: Vec<_> = places.iter().filter(|place| *place == "?").map(|_| hostile(dice.roll())).collect();
            let insert = format!("INSERT OR IGNORE INTO {}({names}) VALUES ({})", quoted(&Table::name(at)), places.join(", "));
            // What a strict table refuses, or an INTEGER PRIMARY KEY, is passed over. A counter that has come to its end would end a
            // transaction with it.
            let _ = connection.execute(&insert, params_from_iter(values));
        }
    }
    tables.iter().enumerate().filter(|(_, table)| table.is_watched).for_each(|(at, _)| watch(&connection, at));
}

/// A hostile value that is bound, or text that is none, as it can be written alone.
fn place(number: u64, invalid: [&str; 5]) -> String {
    match usize::try_from(number % 60).unwrap() {
        at @ ..5 => format!("CAST({} AS TEXT)", invalid[at]),
        _ => "?".to_owned(),
    }
}

/// A view of a table, one of the view, and triggers of every sort that let nobody write.
fn watch(connection: &Connection, at: usize) {
    let table = quoted(&Table::name(at));
    let raise = "BEGIN SELECT RAISE(ABORT, 'no trigger fires in a restore'); END";
    let mut sql = format!(
        "CREATE VIEW v{at} AS SELECT * FROM {table}; CREATE VIEW \"view of v{at}\" AS SELECT count(*) AS many FROM v{at};
         CREATE TRIGGER w{at} INSTEAD OF DELETE ON v{at} {raise};"
    );
    for what in ["BEFORE INSERT", "AFTER UPDATE", "AFTER DELETE"] {
        write!(sql, "CREATE TRIGGER \"{what} {at}\" {what} ON {table} {raise};").unwrap();
    }
    connection.execute_batch(&sql).unwrap();
}

/// Every cell by class and bytes, with the rowid where it is asked for and rows have one. Asks SQLite itself, and the driver for the bits of reals.
fn cells(path: &Path, rowids: bool) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut lines: Vec<String> = ask(&connection, "SELECT type || ' ' || name || ' ' || coalesce(sql, '-') FROM sqlite_schema");
    for (table, columns) in all_columns(&connection) {
        let rowid = ["rowid", "oid", "_rowid_"].into_iter().find(|alias| !columns.iter().any(|column| column.eq_ignore_ascii_case(alias)));
        let rowid = rowid.filter(|_| rowids).filter(|rowid| connection.prepare(&format!("SELECT {rowid} FROM {}", quoted(&table))).is_ok());
        let mut asked: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
        asked.extend(rowid.map(ToOwned::to_owned));
        let told: Vec<String> =
            asked.iter().flat_map(|column| [format!("typeof({column}) || hex(CAST({column} AS BLOB))"), column.clone()]).collect();
        let mut statement = connection.prepare(&format!("SELECT {} FROM {}", told.join(", "), quoted(&table))).unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let mut line = table.clone();
            for at in 0..asked.len() {
                let bits = match row.get_ref_unwrap(2 * at + 1) {
                    ValueRef::Real(real) => real.to_bits(),
                    _ => 0,
                };
                write!(line, "|{}:{bits:x}", row.get::<_, String>(2 * at).unwrap()).unwrap();
            }
            lines.push(line);
        }
    }
    lines.sort();
    lines
}

fn ask(connection: &Connection, sql: &str) -> Vec<String> {
    connection.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn all_columns(connection: &Connection) -> Vec<(String, Vec<String>)> {
    let tables = ask(connection, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'");
    let columns = |table: &String| ask(connection, &format!("SELECT name FROM pragma_table_xinfo('{}')", table.replace('\'', "''")));
    tables.iter().map(|table| (table.clone(), columns(table))).collect()
}

/// What SQL itself says of each table of `backup` against `live`: new, conflicts, identical, live only.
fn difference(live: &Path, backup: &Path) -> BTreeMap<String, [u64; 4]> {
    let connection = Connection::open(live).unwrap();
    connection.execute("ATTACH ? AS b", [backup.to_str().unwrap()]).unwrap();
    let mut told = BTreeMap::new();
    for (table, _) in all_columns(&connection) {
        let pragma = |what: &str| {
            let sql = format!("SELECT name FROM pragma_table_xinfo('{}', 'main') WHERE {what}", table.replace('\'', "''"));
            ask(&connection, &sql).iter().map(|column| quoted(column)).collect::<Vec<_>>()
        };
        let (stored, mut key) = (pragma("hidden = 0"), pragma("pk > 0 ORDER BY pk"));
        if key.is_empty() {
            key = unique_key(&connection, &table);
        }
        let table_name = quoted(&table);
        // A row as one text: class, bytes, and of a real all its digits.
        let row = |of: &str| {
            let cell = |column: &String| {
                format!(
                    "typeof({of}.{column}) || hex(CAST({of}.{column} AS BLOB)) || CASE typeof({of}.{column}) WHEN 'real' THEN quote({of}.{column}) ELSE '' END"
                )
            };
            stored.iter().map(cell).collect::<Vec<_>>().join(" || ',' || ")
        };
        // What names no row: NULL, and what is too long for a key.
        let unusable = |of: &str| {
            let part = |column: &String| format!("{of}.{column} IS NULL OR octet_length({of}.{column}) > 16384");
            if key.is_empty() { "1".to_owned() } else { key.iter().map(part).collect::<Vec<_>>().join(" OR ") }
        };
        let equal = if key.is_empty() {
            "0".to_owned()
        } else {
            key.iter().map(|column| format!("b.{column} = l.{column}")).collect::<Vec<_>>().join(" AND ")
        };
        let (loose_b, loose_l) = (unusable("b"), unusable("l"));
        let count = |sql: &str| {
            connection.query_row(sql, [], |row| row.get::<_, Option<u64>>(0)).unwrap_or_else(|error| panic!("{error}: {sql}")).unwrap_or(0)
        };
        let both = format!("FROM b.{table_name} AS b JOIN main.{table_name} AS l ON {equal} WHERE NOT ({loose_b}) AND NOT ({loose_l})");
        let matched = count(&format!("SELECT count(*) {both}"));
        let mut same = count(&format!("SELECT count(*) {both} AND {} = {}", row("b"), row("l")));
        let conflicts = matched - same;
        same += count(&format!(
            "WITH bs(r, n) AS (SELECT {} AS r, count(*) FROM b.{table_name} AS b WHERE {loose_b} GROUP BY r), ls(r, n) AS (SELECT {} AS r, count(*) FROM main.{table_name} AS l WHERE {loose_l} GROUP BY r)
             SELECT sum(min(bs.n, ls.n)) FROM bs JOIN ls USING (r)",
            row("b"),
            row("l")
        ));
        let all = |of: &str| count(&format!("SELECT count(*) FROM {of}.{table_name}"));
        let figures = [all("b") - same - conflicts, conflicts, same, all("main") - same - conflicts];
        if figures != [0; 4] {
            told.insert(table.clone(), figures);
        }
    }
    told
}

/// The columns of the one unique index without NULLs that names rows where there is no primary key.
fn unique_key(connection: &Connection, table: &str) -> Vec<String> {
    let sql = format!(
        "SELECT x.name FROM pragma_index_list('{0}', 'main') i, pragma_index_xinfo(i.name, 'main') x, pragma_table_info('{0}', 'main') c
         WHERE i.\"unique\" AND NOT i.partial AND x.key AND c.name = x.name AND c.\"notnull\"",
        table.replace('\'', "''")
    );
    // Its collation decides which keys are equal.
    let collation = sql.replacen("SELECT x.name", "SELECT x.coll", 1);
    ask(connection, &sql)
        .iter()
        .zip(ask(connection, &collation))
        .map(|(column, collation)| format!("{} COLLATE {collation}", quoted(column)))
        .collect()
}

struct Scene {
    folder: tempfile::TempDir,
    engine: Engine,
    cases: AtomicUsize,
    restored: AtomicUsize,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::open(Home::at(folder.path().join("home")), Arc::new(SystemClock), Box::new(Known)).unwrap();
        let locations = [folder.path().join("vault").display().to_string()];
        engine.create_vault(&VaultRequest { name: "main", locations: &locations, passphrase: &secret(), recovery: false }).unwrap();
        Self { folder, engine, cases: AtomicUsize::new(0), restored: AtomicUsize::new(0) }
    }

    fn back_up(&self, app: &str, kind: BackupType) -> String {
        self.engine.backup(&BackupRequest::new(Some(app.to_owned()), kind)).unwrap().backup
    }

    fn copy(&self, app: &str, backup: &str) -> PathBuf {
        let path = self.folder.path().join(format!("{backup}.db"));
        let copied = self.engine.restore_to(backup, Some(app), &[CopyTarget::Database(format!("sqlite:{}", path.display()))]).unwrap();
        assert_eq!(copied.warnings, Vec::<String>::new());
        path
    }

    fn check(&self, tables: &[Table], encoding: usize, seed: u64) {
        let number = self.cases.fetch_add(1, Ordering::Relaxed);
        let app = format!("app{number}");
        let live = self.folder.path().join(format!("{app}.live"));
        build(&live, tables, encoding, seed);
        self.engine
            .add_app(&AppRequest { name: app.clone(), database: Some(format!("sqlite:{}", live.display())), ..AppRequest::default() })
            .unwrap();
        let first = self.back_up(&app, BackupType::Full);
        let copied = self.copy(&app, &first);
        assert_eq!(cells(&copied, true), cells(&live, true));
        // In UTF-16, SQLite itself puts other bytes into an index over lower() of a real when the row is inserted than its own check finds, and
        // each version others: such databases are not sound before they are backed up. (Their copies are, to the SQLite that made them.)
        let is_sound = encoding == 0 || tables.iter().all(|table| table.index.is_none());
        let is_asked = number.is_multiple_of(4) && is_sound;
        let assert_told = |copy: &Path| is_asked.then(|| assert_same(&told(&live, What::All), &told(copy, What::All)));
        assert_told(&copied);
        spoil(&live, seed + 1);
        let second = self.back_up(&app, BackupType::Incremental);
        let spoiled = self.copy(&app, &second);
        assert_eq!(cells(&spoiled, true), cells(&live, true));
        assert_told(&spoiled);
        self.check_preview(&app, &live, &first, &copied);
        for path in [live, copied, spoiled] {
            std::fs::remove_file(path).unwrap();
        }
    }

    fn check_preview(&self, app: &str, live: &Path, backup: &str, copied: &Path) {
        let mut going = |_: backstop::engine::restore::Step<'_>| true;
        let request =
            PreviewRequest { backup: Some(backup.to_owned()), exact: true, ..PreviewRequest::new(Some(app.to_owned()), Taking::Replace) };
        let plan = self.engine.preview(&request, &mut going).unwrap();
        let told =
            plan.models.iter().map(|model| (model.model.clone(), [model.new, model.conflicts, model.identical, model.live_only])).collect();
        assert_eq!(difference(live, copied), told);
        if plan.safe_to_restore {
            self.engine.restore(&plan.plan, Some("a mishap"), &mut going).unwrap();
            assert_eq!(cells(live, false), cells(copied, false));
            self.restored.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn any_schema_with_any_rows_comes_back_and_its_preview_says_what_sql_says() {
    let scene = Scene::new();
    let cases = std::env::var("PROPTEST_CASES").map_or(24, |cases| cases.parse().unwrap());
    let config = ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 60, ..ProptestConfig::default() };
    let schemas = prop::collection::vec(table(), 1..=5).prop_map(|mut tables| {
        tables.iter_mut().for_each(Table::settle);
        tables
    });
    TestRunner::new(config)
        .run(&(schemas, prop_oneof![3 => Just(0_usize), 1 => Just(1), 1 => Just(2)], 0..u64::from(u32::MAX)), |(tables, encoding, seed)| {
            scene.check(&tables, encoding, seed);
            Ok(())
        })
        .unwrap();
    assert!(scene.restored.load(Ordering::Relaxed) > 0, "no case could be restored in place");
}
