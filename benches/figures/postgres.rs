//! The ledger as a PostgreSQL database on a server of its own: backed up first, unchanged and after changes, and restored into an
//! empty database; beside pg_dump and pg_restore.
//!
//! The server works for every contender, and its processor time is in nobody's; wall time is what is compared.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::cluster::{Cluster, Database, Plan, bin};
use super::corpus::{self, Kind, TABLES, Table};
use super::measure::{self, Cost, MIB, run};
use super::place::{Place, backstop, setting, size_of};

/// What an administrator of a small server gives one, and nothing that only a bench would.
const SETTINGS: [&str; 4] = ["shared_buffers=512MB", "max_wal_size=4GB", "maintenance_work_mem=128MB", "max_connections=40"];

struct Round<'r> {
    table: &'r mut measure::Table,
    app: Database,
    empty: [Database; 2],
    home: PathBuf,
    vault: PathBuf,
    dump: PathBuf,
}

pub fn postgres() {
    let place = Place::new();
    let mib = setting("BENCH_MIB", 1024);
    let source = place.path(&format!("original-{mib}.db"));
    if !source.exists() {
        corpus::make(&source, mib);
    }
    let cluster = SETTINGS.iter().fold(Plan::default(), |plan, setting| plan.set(*setting)).start();
    let original = cluster.database("original");
    load(&source, &original);
    let size: f64 = original.psql("SELECT pg_database_size(current_database())").parse().unwrap();
    println!("## A PostgreSQL database of {:.0} MiB, 22 tables\n\n{}\n", size / MIB, original.psql("SELECT version()"));
    let mut table = measure::Table::default();
    for number in 0..setting("BENCH_RUNS", 3) {
        Round::new(&place, &mut table, &cluster, number).all();
    }
    table.print();
    judge(&table);
}

impl<'r> Round<'r> {
    fn new(place: &'r Place, table: &'r mut measure::Table, cluster: &Cluster, number: u64) -> Self {
        let app = format!("app{number}");
        cluster.existing("postgres").psql(&format!("CREATE DATABASE {app} TEMPLATE original"));
        let empty = ["ours", "theirs"].map(|whose| cluster.database(&format!("{whose}{number}")));
        let work = place.fresh("work");
        let [home, vault, dump] = ["home", "vault", "dump"].map(|name| work.join(name));
        std::fs::create_dir(&home).unwrap();
        Self { table, app: cluster.existing(&app), empty, home, vault, dump }
    }

    fn all(&mut self) {
        run(&mut backstop(&self.home, &["vault", "init", "--location", text(&self.vault)]));
        run(&mut backstop(&self.home, &["app", "add", "ledger", "--database", &self.app.url()]));
        self.dump("-Fc");
        self.dump("-Fc -Z1");
        self.backup("first", "full");
        self.backup("unchanged", "incremental");
        change(&self.app, 0);
        self.backup("1 % changed", "incremental");
        self.dump("-Fc -Z1");
        change(&self.app, 1);
        self.backup("1 % changed again", "full");
        self.restore();
    }

    fn backup(&mut self, state: &str, kind: &str) {
        let before = size_of(&self.vault);
        let cost = self.step(&["backup", "--app", "ledger", "--type", kind, "--json"]);
        let stored = size_of(&self.vault) - before;
        self.table.add(&format!("backstop: {state}, {kind}"), cost, Some(stored));
    }

    /// The last one stays, to be restored.
    fn dump(&mut self, how: &str) {
        self.settle();
        let cost = run(self.app.program("pg_dump").args(how.split(' ')).arg("-f").arg(&self.dump));
        self.table.add(&format!("pg_dump {how}"), cost, Some(size_of(&self.dump)));
    }

    /// Into empty databases; ours must then hold the same rows.
    fn restore(&mut self) {
        let [ours, theirs] = self.empty.clone();
        let cost = self.step(&["restore", "to", "latest", "--target", &ours.url(), "--app", "ledger"]);
        self.table.add("backstop: restore to an empty database", cost, None);
        self.settle();
        let cost = run(theirs.program("pg_restore").args(["-j2", "--dbname", theirs.name()]).arg(&self.dump));
        self.table.add("pg_restore -j2", cost, None);
        for table in TABLES {
            let sum = format!("SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {} t", table.name);
            assert_eq!(self.app.psql(&sum), ours.psql(&sum), "{} differs", table.name);
        }
    }

    fn step(&self, arguments: &[&str]) -> Cost {
        self.settle();
        run(&mut backstop(&self.home, arguments))
    }

    /// What the server has not written yet would be charged to the next step.
    fn settle(&self) {
        self.app.psql("CHECKPOINT");
        run(&mut super::place::program("sync", &[]));
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn definition(table: &Table) -> String {
    let columns = table.columns.iter().map(|(name, kind)| match kind {
        Kind::Id => format!("{name} bigint PRIMARY KEY"),
        Kind::Ref(_) => format!("{name} bigint NOT NULL"),
        Kind::Integer => format!("{name} integer NOT NULL"),
        Kind::Blob => format!("{name} bytea"),
        Kind::Decimal => format!("{name} numeric(20, 2) NOT NULL"),
        Kind::Time => format!("{name} timestamp NOT NULL"),
        Kind::Date => format!("{name} date NOT NULL"),
        Kind::Uuid => format!("{name} uuid NOT NULL"),
        Kind::Text | Kind::Code | Kind::Note => format!("{name} text NOT NULL"),
    });
    format!("CREATE TABLE {} ({});", table.name, columns.collect::<Vec<_>>().join(", "))
}

/// The same rows as the SQLite database has.
fn load(source: &Path, database: &Database) {
    let source = Connection::open(source).unwrap();
    for table in TABLES {
        database.psql(&definition(table));
        let mut psql = database.program("psql");
        psql.args(["--quiet", "--set=ON_ERROR_STOP=1", "--command", &format!("COPY {} FROM STDIN", table.name)]);
        let mut psql = psql.stdin(Stdio::piped()).spawn().unwrap();
        let mut to = std::io::BufWriter::with_capacity(1 << 20, psql.stdin.take().unwrap());
        let mut query = source.prepare(&format!("SELECT * FROM {} ORDER BY id", table.name)).unwrap();
        let mut rows = query.query([]).unwrap();
        let mut line = String::new();
        while let Some(row) = rows.next().unwrap() {
            line.clear();
            for column in 0..table.columns.len() {
                line.push_str(if column > 0 { "\t" } else { "" });
                cell(row.get_ref(column).unwrap(), &mut line);
            }
            line.push('\n');
            to.write_all(line.as_bytes()).unwrap();
        }
        drop(to);
        assert!(psql.wait().unwrap().success());
    }
    for table in TABLES {
        for (column, kind) in table.columns {
            if let Kind::Ref(parent) = kind {
                database.psql(&format!("ALTER TABLE {} ADD FOREIGN KEY ({column}) REFERENCES {parent}", table.name));
            }
        }
    }
    database.psql(&corpus::INDEXES.replace("ANALYZE", ""));
    database.psql("VACUUM FREEZE ANALYZE");
}

/// No text of the corpus has anything to escape.
fn cell(value: ValueRef<'_>, line: &mut String) {
    match value {
        ValueRef::Integer(number) => write!(line, "{number}").unwrap(),
        ValueRef::Text(text) => line.push_str(std::str::from_utf8(text).unwrap()),
        ValueRef::Blob(bytes) => {
            line.push_str("\\\\x");
            bytes.iter().for_each(|byte| write!(line, "{byte:02x}").unwrap());
        }
        ValueRef::Null | ValueRef::Real(_) => panic!("the corpus has none"),
    }
}

/// Changes rows anywhere, as for SQLite: 1 % updated, 0.5 % added, 0.1 % deleted.
fn change(database: &Database, phase: u64) {
    for table in TABLES {
        let name = table.name;
        let last: u64 = database.psql(&format!("SELECT max(id) FROM {name}")).parse().unwrap();
        if last < 1000 {
            continue;
        }
        let fit = |kind: &Kind| matches!(kind, Kind::Note | Kind::Text | Kind::Code | Kind::Decimal);
        let (column, kind) = table.columns.iter().rev().find(|(_, kind)| fit(kind)).unwrap();
        let new = if let Kind::Decimal = kind { format!("id + {phase}.25") } else { format!("'changed {phase} ' || id") };
        database.psql(&format!("UPDATE {name} SET {column} = {new} WHERE id % 100 = {}", (37 + 13 * phase) % 100));
        if corpus::LEAVES.contains(&name) {
            database.psql(&format!("DELETE FROM {name} WHERE id % 780 = {}", (11 + 13 * phase) % 780));
        }
        let columns: Vec<String> =
            table.columns.iter().map(|(name, kind)| if let Kind::Id = kind { format!("id + {last}") } else { (*name).into() }).collect();
        database.psql(&format!("INSERT INTO {name} SELECT {} FROM {name} WHERE id % 200 = {}", columns.join(", "), (3 + phase) % 200));
    }
}

/// The goals, and what was measured.
fn judge(table: &measure::Table) {
    println!("\n| goal | measured | |\n|---|---:|---|");
    let line = |what: &str, measured: Option<f64>, limit: f64| {
        let Some(measured) = measured else { return println!("| {what} | – | not measured |") };
        println!("| {what}: at most {limit} | {measured:.3} | {} |", if measured <= limit { "reached" } else { "MISSED" });
    };
    let ratio = |a: Option<f64>, b: Option<f64>| Some(a? / b?);
    let (first, changed) = ("backstop: first, full", "backstop: 1 % changed, incremental");
    let restored = "backstop: restore to an empty database";
    for (what, step) in [("a full backup", first), ("an incremental", changed), ("a restore", restored)] {
        line(&format!("memory of {what}, MiB"), table.peak(step).map(|bytes| bytes / MIB), 256.0);
    }
    line("the first full's time, of pg_dump -Fc -Z1", ratio(table.wall(first), table.wall("pg_dump -Fc -Z1")), 0.6);
    line("the first full stores, of pg_dump -Fc", ratio(table.stored(first), table.stored("pg_dump -Fc")), 1.0);
    line("an incremental after 1 % stores, of the first", ratio(table.stored(changed), table.stored(first)), 0.02);
    line("a full after 1 % stores, of the first", ratio(table.stored("backstop: 1 % changed again, full"), table.stored(first)), 0.02);
    line("an incremental's time after 1 %, of the first full", ratio(table.wall(changed), table.wall(first)), 0.3);
    line("restore to an empty database, of pg_restore -j2", ratio(table.wall(restored), table.wall("pg_restore -j2")), 1.0);
    println!("\nWith {}.\n", bin().display());
}
