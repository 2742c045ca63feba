//! A SQLite database: backed up first, unchanged, and after changes; previewed and restored; beside what is used today.
//!
//! Each round starts from the same database and does every step of every contender in turn, so that a busy moment of the machine
//! meets all of them. Inputs are in the page cache; what is still to be written to disk is waited for between steps.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::corpus;
use super::measure::{Cost, MIB, Table, run};
use super::place::{Place, backstop, is_installed, program, setting, size_of};

const TODAY: &str = ".backup + restic";
const OPENED: &str = "backstop: the vault opened and nothing else";
const RESTORED: &str = "backstop: restore to a new file";
const FROM_DUMP: &str = "sqlite3 new.db < dump.sql";

struct Round<'r> {
    place: &'r Place,
    table: &'r mut Table,
    app: PathBuf,
    home: PathBuf,
    vault: PathBuf,
    copy: PathBuf,
    repository: PathBuf,
}

pub fn database() {
    let place = Place::new();
    let mib = setting("BENCH_MIB", 1024);
    let original = place.path(&format!("original-{mib}.db"));
    if !original.exists() {
        let unfinished = place.path("original.new");
        let _ = fs::remove_file(&unfinished);
        corpus::make(&unfinished, mib);
        fs::rename(&unfinished, &original).unwrap();
    }
    println!("## A SQLite database of {:.0} MiB, 22 tables\n", size_of(&original) as f64 / MIB);
    let mut table = Table::default();
    for _ in 0..setting("BENCH_RUNS", 3) {
        Round::new(&place, &mut table, &original).all();
    }
    table.print();
    judge(&table);
}

impl<'r> Round<'r> {
    fn new(place: &'r Place, table: &'r mut Table, original: &Path) -> Self {
        let work = place.fresh("work");
        let app = work.join("app.db");
        fs::copy(original, &app).unwrap();
        let [home, vault, copy, repository] = ["home", "vault", "copy", "repository"].map(|name| work.join(name));
        fs::create_dir(&copy).unwrap();
        fs::create_dir(&home).unwrap();
        Self { place, table, app, home, vault, copy, repository }
    }

    fn all(&mut self) {
        run(&mut backstop(&self.home, &["vault", "init", "--location", text(&self.vault)]));
        run(&mut backstop(&self.home, &["app", "add", "ledger", "--database", &format!("sqlite:{}", text(&self.app))]));
        if is_installed("restic") {
            run(&mut self.restic(&["init"]));
        }
        let first = self.backup("first", "full");
        self.today("first");
        let opened = self.step(&["vault", "keys", "list"]);
        self.table.add(OPENED, opened, None);
        self.backup("unchanged", "incremental");
        self.backup("unchanged", "full");
        self.today("unchanged");
        corpus::change(&self.app, 0);
        self.backup("1 % changed", "incremental");
        self.today("1 % changed");
        corpus::change(&self.app, 1);
        self.backup("1 % changed again", "full");
        let preview = self.step(&["restore", "preview", &first, "--strategy", "replace", "--json"]);
        self.table.add("backstop: preview of the first against now", preview, None);
        self.without_cache();
        self.restore();
    }

    /// The local digests are gone: what changed is found by reading the vault.
    fn without_cache(&mut self) {
        corpus::change(&self.app, 2);
        let _ = fs::remove_dir_all(self.home.join("cache"));
        let cost = self.step(&["backup", "--app", "ledger", "--type", "incremental", "--json"]);
        self.table.add("backstop: 1 % changed, incremental, digest cache lost", cost, None);
    }

    /// Back into an empty file, which must then hold the same rows.
    fn restore(&mut self) {
        let to = self.place.path("work/restored.db");
        let cost = self.step(&["restore", "to", "latest", "--target", &format!("sqlite:{}", text(&to)), "--app", "ledger"]);
        self.table.add(RESTORED, cost, None);
        if is_installed("sqlite3") {
            let sums = [&self.app, &to].map(|path| run(&mut program("sqlite3", &[text(path), ".sha3sum"])).output);
            assert_eq!(sums[0], sums[1], "the restored database differs");
            fs::remove_file(&to).unwrap();
            self.filled_from_dump();
        }
    }

    /// The same database from the statements that SQLite's command line makes of it.
    fn filled_from_dump(&mut self) {
        let [dump, to] = ["work/dump.sql", "work/from-dump.db"].map(|name| self.place.path(name));
        run(&mut program("sqlite3", &[text(&self.app), &format!(".output {}", text(&dump)), ".dump"]));
        // Statistics of a kind that the command line may not have been made with.
        run(&mut program("sed", &["-i", "/^INSERT INTO sqlite_stat4/d", text(&dump)]));
        self.settle();
        let cost = run(&mut program("sqlite3", &[text(&to), &format!(".read {}", text(&dump))]));
        self.table.add(FROM_DUMP, cost, None);
        for path in [dump, to] {
            fs::remove_file(path).unwrap();
        }
    }

    fn backup(&mut self, state: &str, kind: &str) -> String {
        let before = size_of(&self.vault);
        let cost = self.step(&["backup", "--app", "ledger", "--type", kind, "--json"]);
        let made: Value = serde_json::from_str(&cost.output).unwrap();
        let stored = size_of(&self.vault) - before;
        self.table.add(&format!("backstop: {state}, {kind}"), cost, Some(stored));
        made["backup"].as_str().unwrap().to_owned()
    }

    fn step(&self, arguments: &[&str]) -> Cost {
        self.settle();
        run(&mut backstop(&self.home, arguments))
    }

    /// What an operator does today: a consistent copy, then a snapshot of it.
    fn today(&mut self, state: &str) {
        if !is_installed("sqlite3") {
            return;
        }
        let to = self.copy.join("app.db");
        let _ = fs::remove_file(&to);
        self.settle();
        let copy = run(&mut program("sqlite3", &[text(&self.app), &format!(".backup {}", text(&to))]));
        self.table.add(&format!("sqlite3 .backup: {state}"), copy.clone(), Some(size_of(&to)));
        if is_installed("restic") {
            let before = size_of(&self.repository);
            let snapshot = run(&mut self.restic(&["backup", text(&self.copy)]));
            let stored = size_of(&self.repository) - before;
            let both = Cost {
                wall: copy.wall + snapshot.wall,
                cpu: copy.cpu + snapshot.cpu,
                peak: copy.peak.max(snapshot.peak),
                output: String::new(),
            };
            self.table.add(&format!("{TODAY}: {state}"), both, Some(stored));
        }
    }

    fn restic(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = program("restic", &["--quiet", "--repo", text(&self.repository)]);
        command.args(arguments).env("RESTIC_PASSWORD", "a passphrase for figures only");
        command.env("RESTIC_CACHE_DIR", self.place.path("work/restic-cache"));
        command
    }

    /// Bytes not yet on disk would be charged to the next step; the database may have left the page cache.
    fn settle(&self) {
        run(&mut program("sync", &[]));
        std::io::copy(&mut fs::File::open(&self.app).unwrap(), &mut std::io::sink()).unwrap();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The goals, and what was measured.
fn judge(table: &Table) {
    println!("\n| goal | measured | |\n|---|---:|---|");
    let line = |what: &str, measured: Option<f64>, limit: f64, unit: &str| {
        let Some(measured) = measured else { return println!("| {what} | – | not measured |") };
        println!("| {what}: under {limit}{unit} | {measured:.3}{unit} | {} |", if measured < limit { "reached" } else { "MISSED" });
    };
    let ratio = |a: Option<f64>, b: Option<f64>| Some(a? / b?);
    let peak = |name: &str| table.peak(name).map(|bytes| bytes / MIB);
    let first = "backstop: first, full";
    line("memory of a full backup", peak(first), 256.0, " MiB");
    line("memory of an incremental", peak("backstop: 1 % changed, incremental"), 256.0, " MiB");
    line("memory of a preview", peak("backstop: preview of the first against now"), 256.0, " MiB");
    line("memory of a restore", peak(RESTORED), 256.0, " MiB");
    let stored = |name: &str| ratio(table.stored(name), table.stored(first));
    line("an incremental after 1 % stores, of the first", stored("backstop: 1 % changed, incremental"), 0.02, "");
    line("a full after 1 % stores, of the first", stored("backstop: 1 % changed again, full"), 0.02, "");
    let against = |ours: &str, theirs: &str| ratio(table.wall(ours), table.wall(&format!("{TODAY}: {theirs}")));
    line("the first full's time, of .backup + restic", against(first, "first"), 0.6, "");
    line(
        "an incremental's time after 1 %, of .backup + restic unchanged",
        against("backstop: 1 % changed, incremental", "unchanged"),
        0.5,
        "",
    );
    let beyond = table.wall("backstop: unchanged, incremental").zip(table.wall(OPENED)).map(|(all, opened)| all - opened);
    line("an unchanged database, beyond opening the vault", beyond, 0.2, " s");
    line("restore to a new file, of sqlite3 < dump.sql", ratio(table.wall(RESTORED), table.wall(FROM_DUMP)), 0.4, "");
    line("the first full stores, of restic", ratio(table.stored(first), table.stored(&format!("{TODAY}: first"))), 1.0, "");
    println!();
}
