//! Incremental backups for which the server tells what changed: whatever happened meanwhile, what they hold is what pg_dump says, and
//! the rows that were not read are counted, so that reading all of them would be noticed.

use std::collections::BTreeMap;

use backstop::catalog::{BackupType, Level};
use rustix::process::{Pid, Signal, kill_process};

use crate::common::postgres::{Cluster, Database, Plan};
use crate::place::{Place, assert_equal, dumped};
use crate::{around, open};

/// A database with a history, and the backups made of it.
pub struct Journey {
    pub place: Place,
    pub database: Database,
    cluster: Cluster,
    copies: u32,
}

/// 200 rows in `plain`, 100 in two partitions of `parted`, and models of which nothing can be told.
const MADE: &str = "
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE TABLE plain (id integer PRIMARY KEY, t text, m mood, many mood[], same text);
    INSERT INTO plain SELECT i, 'row ' || i, 'sad', '{ok,sad}' FROM generate_series(1, 200) i;
    CREATE TABLE parted (id integer, part integer, t text, PRIMARY KEY (part, id)) PARTITION BY LIST (part);
    CREATE TABLE part1 PARTITION OF parted FOR VALUES IN (1); CREATE TABLE part2 PARTITION OF parted FOR VALUES IN (2);
    INSERT INTO parted SELECT i, 1 + i % 2, 'row ' || i FROM generate_series(1, 100) i;
    CREATE TABLE part3 (t text, part integer NOT NULL, id integer NOT NULL, PRIMARY KEY (part, id));
    INSERT INTO part3 SELECT 'old', 3, i FROM generate_series(1, 20) i;
    CREATE TABLE keyless (t text); INSERT INTO keyless VALUES ('a'), ('a');
    CREATE TABLE by_text (k text PRIMARY KEY); INSERT INTO by_text VALUES ('a');
    CREATE TABLE named (id integer PRIMARY KEY, r regclass); INSERT INTO named VALUES (1, 'plain'::regclass);
    CREATE TYPE pair AS (a integer, b mood); CREATE TABLE composed (id integer PRIMARY KEY, p pair); INSERT INTO composed VALUES (1, (1, 'ok'));
    CREATE DOMAIN feeling AS mood; CREATE TABLE domains (id integer PRIMARY KEY, f feeling); INSERT INTO domains VALUES (1, 'ok');";

impl Journey {
    fn begin() -> Self {
        Self::of(MADE)
    }

    pub fn of(made: &str) -> Self {
        let cluster = Plan::default().set("max_prepared_transactions=5").start();
        let database = cluster.database("app");
        database.psql(made);
        let place = Place::backed_up(&database);
        Self { place, database, cluster, copies: 0 }
    }

    /// Does something, makes an increment and compares a copy made of it; the rows of each model that were told to be as they were.
    pub fn after(&mut self, sql: &str) -> BTreeMap<String, u64> {
        self.database.psql(sql);
        self.increment()
    }

    pub fn increment(&mut self) -> BTreeMap<String, u64> {
        self.back_up(BackupType::Incremental)
    }

    fn back_up(&mut self, kind: BackupType) -> BTreeMap<String, u64> {
        let made = self.place.back_up(kind).unwrap();
        let now = dumped(&self.cluster, &self.database);
        self.copies += 1;
        let copy = self.cluster.database(&format!("copy{}", self.copies));
        self.place.restore_to(copy.url()).unwrap();
        assert_equal(&now, &dumped(&self.cluster, &copy));
        let log = self.place.engine.catalog().job_log(&made.job, 0, Level::Debug, 1000).unwrap();
        let told = log.iter().filter_map(|line| {
            let (model, rest) = line.text.split_once(": ")?;
            let same = rest.split_once(", ")?.1.strip_suffix(" of them told to be as they were")?;
            Some((model.to_owned(), same.parse().unwrap()))
        });
        told.collect()
    }
}

/// What is told of these models.
pub fn told<const N: usize>(models: [(&str, u64); N]) -> BTreeMap<String, u64> {
    models.into_iter().map(|(model, rows)| (model.to_owned(), rows)).collect()
}

fn all_but<const N: usize>(models: [(&str, u64); N]) -> BTreeMap<String, u64> {
    let mut all = told([("plain", 200), ("parted", 100), ("part3", 20), ("domains", 1)]);
    all.extend(told(models));
    all.retain(|_, rows| *rows < u64::MAX);
    all
}

/// Nothing is told of this model: it was compared whole.
const WHOLE: u64 = u64::MAX;

#[test]
fn what_transactions_wrote_is_read_and_nothing_else() {
    let mut journey = Journey::begin();
    assert_eq!(journey.increment(), all_but([]), "nothing happened");
    let changes = "UPDATE plain SET t = 'x' WHERE id <= 10; DELETE FROM plain WHERE id BETWEEN 11 AND 15;
        INSERT INTO plain SELECT i, 'new' FROM generate_series(1001, 1005) i; UPDATE parted SET part = 2 WHERE id = 1; UPDATE parted SET part = 1 WHERE id = 2";
    assert_eq!(journey.after(changes), all_but([("plain", 185), ("parted", 98)]));
    let points = "BEGIN; UPDATE plain SET t = 'kept' WHERE id = 20; SAVEPOINT a; UPDATE plain SET t = 'lost' WHERE id = 21; ROLLBACK TO a;
        SAVEPOINT b; UPDATE plain SET t = 'kept' WHERE id = 22; RELEASE b; COMMIT; BEGIN; UPDATE plain SET t = 'lost'; ROLLBACK;";
    assert_eq!(journey.after(points), all_but([("plain", 198)]));
    let blocks = "DO $$ BEGIN FOR i IN 30..39 LOOP BEGIN UPDATE plain SET t = 'block' WHERE id = i;
        IF i % 2 = 0 THEN RAISE division_by_zero; END IF; EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$";
    assert_eq!(journey.after(blocks), all_but([("plain", 195)]));
    let there_and_back =
        "UPDATE plain SET id = id + 5000 WHERE id = 40; UPDATE plain SET id = 40 WHERE id = 5040; DELETE FROM plain WHERE id = 41;
        INSERT INTO plain SELECT 41, 'row 41', 'sad', '{ok,sad}'; SELECT * FROM plain FOR UPDATE";
    assert_eq!(journey.after(there_and_back), all_but([("plain", 198)]));
    assert_eq!(journey.after("VACUUM; VACUUM FREEZE"), all_but([]));
    assert_eq!(journey.increment(), all_but([]));
}

#[test]
fn a_differential_is_since_the_full_and_a_full_is_told_nothing() {
    let mut journey = Journey::begin();
    journey.after("UPDATE plain SET t = 'x' WHERE id <= 10; DELETE FROM parted WHERE id = 1");
    journey.after("UPDATE plain SET t = 'y' WHERE id BETWEEN 6 AND 20");
    journey.database.psql("INSERT INTO plain VALUES (2001, 'new')");
    // The cache is the newest increment's: it serves where nothing happened since the full.
    assert_eq!(journey.back_up(BackupType::Differential), told([("part3", 20), ("domains", 1)]));
    assert_eq!(journey.back_up(BackupType::Full), told([]), "every row is read");
    assert_eq!(journey.after("DELETE FROM plain WHERE id = 1"), all_but([("plain", 200), ("parted", 99)]));
}

#[test]
fn what_was_open_across_a_backup_is_read_by_the_next() {
    let mut journey = Journey::begin();
    let home = tempfile::tempdir().unwrap();
    let mut other = open(&journey.database.url(), &around(home.path(), &[])).unwrap();
    other.batch_execute("BEGIN; UPDATE plain SET t = 'open' WHERE id = 1; SAVEPOINT a; UPDATE plain SET t = 'open' WHERE id = 2").unwrap();
    let mut prepared = open(&journey.database.url(), &around(home.path(), &[])).unwrap();
    prepared.batch_execute("BEGIN; UPDATE plain SET t = 'prepared' WHERE id = 3; PREPARE TRANSACTION 'p'").unwrap();
    // What was written after the oldest one that is open is read again, whether it was there or not.
    assert_eq!(journey.after("UPDATE plain SET t = 'beside' WHERE id = 9"), all_but([("plain", 199)]));
    assert_eq!(journey.increment(), all_but([("plain", 199)]));
    other.batch_execute("SAVEPOINT b; UPDATE plain SET t = 'late' WHERE id = 4; COMMIT").unwrap();
    assert_eq!(journey.increment(), all_but([("plain", 196)]));
    // The prepared one was the oldest then: what the other wrote before it began is known to have been there.
    assert_eq!(journey.after("COMMIT PREPARED 'p'"), all_but([("plain", 197)]));
    assert_eq!(journey.increment(), all_but([]));
}

#[test]
fn what_changes_without_a_transaction_in_the_rows_is_compared_whole() {
    let mut journey = Journey::begin();
    for rewrite in ["VACUUM FULL plain", "CLUSTER plain USING plain_pkey", "ALTER TABLE plain ALTER t TYPE varchar(99)"] {
        assert_eq!(journey.after(rewrite), all_but([("plain", WHOLE)]), "{rewrite}");
        assert_eq!(journey.increment(), all_but([]), "after {rewrite}");
    }
    assert_eq!(journey.after("ALTER TABLE plain ADD COLUMN extra integer DEFAULT 7"), all_but([("plain", WHOLE)]));
    assert_eq!(journey.increment(), all_but([]));
    let labels = "ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'";
    assert_eq!(journey.after(labels), all_but([("plain", WHOLE), ("domains", WHOLE)]));
    let back =
        "ALTER TYPE mood RENAME VALUE 'fine' TO 'ok'; ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'; ALTER TABLE named RENAME TO renamed";
    assert_eq!(journey.after(back), all_but([("plain", WHOLE), ("domains", WHOLE)]));
    let attached = "ALTER TABLE parted ATTACH PARTITION part3 FOR VALUES IN (3)";
    assert_eq!(journey.after(attached), all_but([("parted", WHOLE), ("part3", WHOLE)]));
    let rows = all_but([("parted", 120), ("part3", WHOLE)]);
    assert_eq!(journey.increment(), rows);
    journey.after("ALTER TABLE parted DETACH PARTITION part1; UPDATE part1 SET t = 'apart'");
    // So much is gone that the next backup has a new base.
    journey.increment();
    assert_eq!(journey.increment(), all_but([("parted", 70), ("part3", WHOLE), ("part1", 50)]));
    let frozen = "BEGIN; TRUNCATE plain; COPY plain (id, t) FROM STDIN WITH (FREEZE);\n1\tfrozen\n2\tfrozen\n\\.\nCOMMIT; TRUNCATE part2";
    journey.after(frozen);
    journey.increment();
    assert_eq!(journey.increment(), all_but([("plain", 2), ("parted", 20), ("part3", WHOLE), ("part1", 50)]));
}

#[test]
fn a_server_that_was_restarted_or_crashed_is_not_believed() {
    let mut journey = Journey::begin();
    assert_eq!(journey.increment(), all_but([]));
    journey.cluster.restart();
    assert_eq!(journey.increment(), told([]), "restarted");
    assert_eq!(journey.increment(), all_but([]));
    // One backend is killed: the server ends all of them, recovers from its log, and goes on without being started again.
    let home = tempfile::tempdir().unwrap();
    let mut other = open(&journey.database.url(), &around(home.path(), &[])).unwrap();
    let backend: i32 = crate::one(&mut other, "SELECT pg_backend_pid()").parse().unwrap();
    let started = journey.database.psql("SELECT pg_postmaster_start_time()");
    let ready = || journey.cluster.log().matches("ready to accept connections").count();
    let before = ready();
    kill_process(Pid::from_raw(backend).unwrap(), Signal::KILL).unwrap();
    while ready() == before {
        std::thread::yield_now();
    }
    assert_eq!(journey.database.psql("SELECT pg_postmaster_start_time()"), started);
    assert_eq!(journey.increment(), told([]), "crashed");
    assert_eq!(journey.increment(), all_but([]));
    assert!(journey.place.back_up(BackupType::Full).is_ok());
}
