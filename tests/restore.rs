//! A restore changes what its plan says and nothing else, stops when the data moved, and can be taken back.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Cursor, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use backstop::engine::restore::judge::{Verdict, judge};
use backstop::engine::restore::plan::{Choice, OnBlocked, OnCollision, OnRefused, Plan, Request};
use backstop::engine::restore::run::{Done, Point, prepare};
use backstop::engine::restore::safety::{Images, Safety};
use backstop::engine::restore::spool::SpoolReader;
use backstop::engine::restore::strategy::{Side, Strategy};
use backstop::engine::restore::{Error, Rows, Stored, StoredRelation, Unreadable, preview::preview, undo};
use backstop::rows::{Class, Digest, Key, Large, Relation, Row};
use backstop::sources::files::relation::path_of;
use backstop::sources::files::{Options, Tree};
use backstop::sources::sqlite::Sqlite;
use backstop::sources::{Content, Definition, Identity, Looking, Reference, Resolve, Snapshot, Unique, Unread};
use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::json;

/// What is stored, in memory: rows by model and key, large values by their digest.
#[derive(Default)]
struct Memory {
    relations: Vec<StoredRelation>,
    rows: BTreeMap<String, BTreeMap<Key, Row>>,
    large: RefCell<HashMap<Digest, Vec<u8>>>,
}

impl Memory {
    fn of(database: &Database) -> Self {
        Self::of_snapshot(&database.snapshot())
    }

    fn of_snapshot(snapshot: &dyn Snapshot) -> Self {
        let mut memory = Self::default();
        for relation in snapshot.relations() {
            let mut rows = Vec::new();
            snapshot
                .scan(relation, &memory, &mut |row| {
                    rows.push(row);
                    ControlFlow::Continue(())
                })
                .unwrap();
            rows.into_iter().for_each(|row| memory.put(relation, row));
            memory.holds(relation);
        }
        memory
    }

    fn holds(&mut self, relation: &Relation) {
        if self.relations.iter().all(|held| held.relation.name != relation.name) {
            let rows = self.rows.get(&relation.name).map_or(0, |rows| rows.len() as u64);
            self.relations.push(StoredRelation { relation: relation.clone(), whole: true, rows, unread: BTreeSet::new() });
        }
    }

    fn put(&mut self, relation: &Relation, row: Row) {
        self.rows.entry(relation.name.clone()).or_default().insert(row.key.clone(), row);
    }
}

impl Content for Memory {
    fn keep(&self, class: Class, value: &mut dyn Read) -> std::io::Result<Large> {
        let mut bytes = Vec::new();
        value.read_to_end(&mut bytes)?;
        let content = Digest::of(&bytes);
        let length = bytes.len() as u64;
        self.large.borrow_mut().insert(content, bytes);
        Ok(Large { class, length, content, chunks: vec![content] })
    }
}

impl Resolve for Memory {
    fn fetch(&self, large: &Large, to: &mut dyn Write) -> std::io::Result<()> {
        to.write_all(self.large.borrow().get(&large.content).ok_or(std::io::ErrorKind::NotFound)?)
    }
}

impl Stored for Memory {
    fn relations(&self) -> &[StoredRelation] {
        &self.relations
    }

    fn rows<'a>(&'a self, model: &str) -> Result<Rows<'a>, Unreadable> {
        Ok(Box::new(self.rows.get(model).into_iter().flat_map(|rows| rows.values().cloned()).map(Ok)))
    }

    fn find(&self, model: &str, key: &Key) -> Result<Option<Row>, Unreadable> {
        Ok(self.rows.get(model).and_then(|rows| rows.get(key)).cloned())
    }
}

struct Database {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Database {
    fn new(sql: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.db");
        let database = Self { folder, path };
        database.run(sql);
        database
    }

    fn run(&self, sql: &str) {
        Connection::open(&self.path).unwrap().execute_batch(sql).unwrap();
    }

    fn ask(&self, sql: &str) -> i64 {
        Connection::open(&self.path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn snapshot(&self) -> impl Snapshot + use<> {
        Sqlite::new(&self.path).snapshot(Duration::from_secs(5), self.folder.path()).unwrap()
    }

    /// Every row of every model, as text: what "exactly the same database" means here.
    fn image(&self) -> String {
        let snapshot = self.snapshot();
        let mut image = String::new();
        for relation in snapshot.relations() {
            snapshot
                .scan(relation, &Looking, &mut |row| {
                    image += &format!("{} {:?}\n", relation.name, row.values);
                    ControlFlow::Continue(())
                })
                .unwrap();
        }
        image
    }
}

struct Planned {
    plan: Plan,
    spool: Vec<u8>,
}

fn scramble(bytes: &[u8]) -> Result<Vec<u8>, String> {
    Ok(bytes.iter().map(|byte| byte ^ 0x5A).collect())
}

fn request(strategy: Strategy) -> Request {
    Request::new("plan-1", "backup-1", "shop", "2026-11-21T02:00:00.000Z", strategy)
}

fn plan(database: &Database, stored: &Memory, request: Request) -> Planned {
    let mut spool = Vec::new();
    let plan = preview(request, stored, &[&database.snapshot()], &mut spool, &scramble, &mut |_| true).unwrap();
    Planned { plan, spool }
}

impl Planned {
    fn reader(&self) -> SpoolReader<'_> {
        SpoolReader::new(&self.plan.request.plan, &self.plan.blocks, Box::new(Cursor::new(&self.spool)), &scramble)
    }

    /// The safety record: before- and after-images, as a vault would keep them.
    fn safety(&self, database: &Database) -> (Memory, Memory) {
        let (mut before, mut after) = (Memory::default(), Memory::default());
        let mut reader = self.reader();
        let kept = Memory::default();
        let images = Images::gather(&self.plan, &mut reader, &[&database.snapshot()], &kept).unwrap();
        for relation in images.models() {
            images
                .each(&relation.name, &mut |image| {
                    image.before.into_iter().for_each(|row| before.put(relation, row));
                    image.after.into_iter().for_each(|row| after.put(relation, row));
                    Ok(())
                })
                .unwrap();
            before.holds(relation);
            after.holds(relation);
        }
        before.large = kept.large;
        (before, after)
    }

    fn execute(&self, database: &Database, content: &Memory, mut hook: impl FnMut(Point) -> Result<(), Error>) -> Result<Done, Error> {
        let writer = Sqlite::new(&database.path).writer(Duration::from_secs(5)).unwrap();
        prepare(&self.plan, &mut self.reader(), 0, writer, content, &mut |_| true, &mut hook)?.commit(&mut hook)
    }

    fn undone(&self, database: &Database, safety: &(Memory, Memory), choices: Vec<Choice>) -> Planned {
        let mut spool = Vec::new();
        let request = Request { choices, ..Request::new("undo-1", "safety-1", "shop", "now", Strategy::Replace) };
        let safety = Safety { before: &safety.0, after: &safety.1 };
        let plan = undo::preview(request, safety, &[&database.snapshot()], &mut spool, &scramble, &mut |_| true).unwrap();
        Planned { plan, spool }
    }
}

const SHOP: &str = "
    CREATE TABLE customer(id INTEGER PRIMARY KEY, email TEXT UNIQUE, name TEXT);
    CREATE TABLE orders(id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customer(id) ON DELETE CASCADE, total REAL, note TEXT);
    CREATE TABLE log(line TEXT);
    CREATE TABLE spy(what TEXT);
    CREATE TRIGGER watch AFTER UPDATE ON customer BEGIN INSERT INTO spy VALUES (new.name); END;
    INSERT INTO customer VALUES (1, 'a@x', 'Ana'), (2, 'b@x', 'Ben'), (3, 'c@x', 'Cid'), (4, 'd@x', '');
    INSERT INTO orders VALUES (10, 1, 1.5, 'first'), (11, 2, 2.5, NULL), (12, 3, 3.5, 'third');
    INSERT INTO log VALUES ('one'), ('one'), ('two');";

const INCIDENT: &str = "
    DELETE FROM orders WHERE id = 10; DELETE FROM customer WHERE id = 1;
    UPDATE customer SET name = NULL WHERE id = 2; UPDATE customer SET name = 'Cyd' WHERE id = 3; UPDATE customer SET name = 'Dan' WHERE id = 4;
    INSERT INTO customer VALUES (5, 'e@x', 'Eva'); INSERT INTO orders VALUES (13, 5, 9, zeroblob(40000)); DELETE FROM log WHERE line = 'one'; DELETE FROM spy;";

fn shop() -> (Database, Memory) {
    let database = Database::new(SHOP);
    let stored = Memory::of(&database);
    database.run(INCIDENT);
    (database, stored)
}

#[test]
fn the_figures_of_a_preview_are_exact_and_nothing_is_touched() {
    let (database, stored) = shop();
    let before = database.image();
    let merge = plan(&database, &stored, request(Strategy::Merge)).plan;
    let json = serde_json::to_value(merge.summary()).unwrap();
    let customer = &json["models"][0];
    for (name, figure) in [
        ("total", 4),
        ("new", 1),
        ("existing", 3),
        ("identical", 0),
        ("conflicts", 3),
        ("live_only", 1),
        ("create", 1),
        ("update", 1),
        ("skip", 2),
        ("delete", 0),
    ] {
        assert_eq!(customer[name], figure, "{name}");
    }
    assert_eq!(customer["fields"][0], serde_json::json!({"field": "name", "conflicts": 3, "fill": 1, "change": 1, "blank": 1}));
    assert_eq!(json["summary"]["total_records"], 10);
    assert!(merge.is_safe(), "{:?}", merge.findings);
    assert_eq!(database.image(), before);
}

#[test]
fn replace_gives_the_records_back_and_undo_the_exact_database() {
    let (database, stored) = shop();
    let before = database.image();
    let planned = plan(&database, &stored, Request { exact: true, ..request(Strategy::Replace) });
    let safety = planned.safety(&database);
    let done = planned.execute(&database, &stored, |_| Ok(())).unwrap();
    assert_eq!((done.records_created, done.records_updated, done.records_deleted), (4, 3, 2));
    assert_eq!(
        Memory::of(&database).rows.iter().map(|(name, rows)| (name.clone(), rows.len())).collect::<Vec<_>>(),
        [("customer".to_owned(), 4), ("log".to_owned(), 3), ("orders".to_owned(), 3)],
        "no trigger fired into spy"
    );
    assert_eq!(judge(Safety { before: &safety.0, after: &safety.1 }, &[&database.snapshot()]).unwrap(), Verdict::Committed);
    let undo = planned.undone(&database, &safety, vec![]);
    assert!(undo.plan.is_safe(), "{:?}", undo.plan.findings);
    undo.execute(&database, &safety.0, |_| Ok(())).unwrap();
    assert_eq!(database.image(), before);
}

#[test]
fn a_failure_at_any_point_leaves_the_database_as_it_was() {
    let (database, stored) = shop();
    let before = database.image();
    let planned = plan(&database, &stored, Request { exact: true, ..request(Strategy::Replace) });
    let safety = planned.safety(&database);
    for fails_at in 0.. {
        let mut point = 0;
        let result = planned.execute(&database, &stored, |_| {
            point += 1;
            if point > fails_at { Err(Error::Cancelled) } else { Ok(()) }
        });
        if result.is_ok() {
            assert!(fails_at > 10, "deletes, updates and inserts were points too");
            break;
        }
        assert_eq!(database.image(), before, "failed at point {fails_at}");
        assert_eq!(judge(Safety { before: &safety.0, after: &safety.1 }, &[&database.snapshot()]).unwrap(), Verdict::RolledBack);
    }
}

#[test]
fn a_change_after_the_preview_stops_the_restore_and_is_named() {
    let (database, stored) = shop();
    let planned = plan(&database, &stored, request(Strategy::Replace));
    database.run("UPDATE customer SET name = 'Bob' WHERE id = 2");
    let before = database.image();
    let error = planned.execute(&database, &stored, |_| Ok(())).unwrap_err();
    assert!(matches!(&error, Error::Stale { count: 1, records } if records[0].contains("{\"id\":2}")), "{error}");
    assert_eq!(database.image(), before);
}

#[test]
fn undo_is_refused_for_records_edited_since_unless_they_are_chosen() {
    let (database, stored) = shop();
    let planned = plan(&database, &stored, request(Strategy::Replace));
    let safety = planned.safety(&database);
    planned.execute(&database, &stored, |_| Ok(())).unwrap();
    database.run("UPDATE customer SET name = 'Benno' WHERE id = 2");
    assert!(!planned.undone(&database, &safety, vec![]).plan.is_safe());
    let choice = |side| Choice { model: "customer".into(), key: serde_json::json!({"id": 2}), field: None, side };
    let kept = planned.undone(&database, &safety, vec![choice(Side::Live)]);
    kept.execute(&database, &safety.0, |_| Ok(())).unwrap();
    assert_eq!(database.ask("SELECT count(*) FROM customer WHERE name = 'Benno'"), 1);
    assert_eq!(database.ask("SELECT count(*) FROM customer WHERE name = 'Cyd'"), 1);
    let taken = planned.undone(&database, &safety, vec![choice(Side::Backup)]);
    assert!(taken.plan.is_safe());
    taken.execute(&database, &safety.0, |_| Ok(())).unwrap();
    assert_eq!(database.ask("SELECT count(*) FROM customer WHERE id = 2 AND name IS NULL"), 1);
}

#[test]
fn a_collision_blocks_until_it_is_skipped_or_its_holder_replaced() {
    let (database, stored) = shop();
    database.run("UPDATE customer SET email = 'a@x' WHERE id = 5; DELETE FROM orders WHERE id = 13");
    let blocked = plan(&database, &stored, request(Strategy::Merge)).plan;
    assert_eq!((blocked.models[0].collisions, blocked.is_safe()), (1, false));
    let finding = blocked.findings.iter().find(|finding| finding.option == "collisions").unwrap();
    assert_eq!((&finding.keys, &finding.holders), (&vec![json!({"id": 1})], &vec![json!({"id": 5})]));
    let orders = blocked.models.iter().find(|model| model.model == "orders").unwrap();
    assert_eq!(orders.blocked, 1, "its order cannot be put back without it");
    let skip = Request { collisions: OnCollision::Skip, blocked: OnBlocked::Skip, ..request(Strategy::Merge) };
    let planned = plan(&database, &stored, skip);
    assert!(planned.plan.is_safe(), "{:?}", planned.plan.findings);
    planned.execute(&database, &stored, |_| Ok(())).unwrap();
    let holder = plan(&database, &stored, Request { collisions: OnCollision::Holder, ..request(Strategy::Merge) });
    assert!(holder.plan.is_safe(), "{:?}", holder.plan.findings);
    assert_eq!(holder.execute(&database, &stored, |_| Ok(())).unwrap().records_deleted, 1);
    assert_eq!(database.ask("SELECT id FROM customer WHERE email = 'a@x'"), 1);
}

#[test]
fn records_that_exchange_a_unique_value_do_not_collide() {
    let database = Database::new(SHOP);
    let stored = Memory::of(&database);
    database.run("UPDATE customer SET email = NULL WHERE id = 1; UPDATE customer SET email = 'a@x' WHERE id = 2; UPDATE customer SET email = 'b@x' WHERE id = 1");
    let planned = plan(&database, &stored, request(Strategy::Replace));
    assert!(planned.plan.is_safe(), "{:?}", planned.plan.findings);
    assert_eq!(planned.execute(&database, &stored, |_| Ok(())).unwrap().records_updated, 2);
    assert_eq!(database.ask("SELECT count(*) FROM customer WHERE (id, email) IN (VALUES (1, 'a@x'), (2, 'b@x'))"), 2);
}

#[test]
fn a_unique_value_is_compared_as_its_index_compares() {
    let database = Database::new(
        "CREATE TABLE c(id INTEGER PRIMARY KEY, email TEXT COLLATE NOCASE UNIQUE);
         CREATE TABLE k(code TEXT NOT NULL PRIMARY KEY, n); CREATE UNIQUE INDEX k_nocase ON k(code COLLATE NOCASE);
         INSERT INTO c VALUES (1, 'ana@x'); INSERT INTO k VALUES ('a', 1)",
    );
    let stored = Memory::of(&database);
    database.run("DELETE FROM c; INSERT INTO c VALUES (9, 'ANA@x'); DELETE FROM k; INSERT INTO k VALUES ('A', 2)");
    let planned = plan(&database, &stored, request(Strategy::Merge));
    let collisions: Vec<u64> = planned.plan.models.iter().map(|model| model.collisions).collect();
    assert_eq!((collisions, planned.plan.is_safe()), (vec![1, 1], false));
}

#[test]
fn a_parent_is_found_by_a_reference_as_its_unique_column_compares() {
    let database = Database::new(
        "CREATE TABLE parent(id INTEGER PRIMARY KEY, code TEXT COLLATE NOCASE UNIQUE);
         CREATE TABLE child(id INTEGER PRIMARY KEY, code TEXT REFERENCES parent(code));
         INSERT INTO parent VALUES (1, 'ABC'); INSERT INTO child VALUES (1, 'abc')",
    );
    let stored = Memory::of(&database);
    database.run("DELETE FROM child");
    let planned = plan(&database, &stored, request(Strategy::Merge));
    assert!(planned.plan.is_safe(), "{:?}", planned.plan.findings);
    assert_eq!(planned.execute(&database, &stored, |_| Ok(())).unwrap().records_created, 1);
}

#[test]
fn a_holder_that_came_after_the_preview_is_not_replaced() {
    let database =
        Database::new("CREATE TABLE c(id INTEGER PRIMARY KEY, email TEXT UNIQUE ON CONFLICT REPLACE); INSERT INTO c VALUES (1, 'a@x')");
    let stored = Memory::of(&database);
    database.run("DELETE FROM c");
    let planned = plan(&database, &stored, request(Strategy::Merge));
    database.run("INSERT INTO c VALUES (7, 'a@x')");
    let before = database.image();
    assert!(planned.execute(&database, &stored, |_| Ok(())).is_err());
    assert_eq!(database.image(), before);
}

#[test]
fn a_record_without_its_parent_is_blocked_until_the_parent_comes_too() {
    let (database, stored) = shop();
    let mut narrow = request(Strategy::Merge);
    narrow.scope.models.insert("orders".into());
    let orders = |plan: &Plan| plan.models.iter().find(|model| model.model == "orders").unwrap().clone();
    let blocked = plan(&database, &stored, narrow.clone()).plan;
    assert_eq!((orders(&blocked).blocked, orders(&blocked).create, blocked.is_safe()), (1, 0, false));
    let planned = plan(&database, &stored, Request { blocked: OnBlocked::Parents, ..narrow });
    assert!(planned.plan.is_safe(), "{:?}", planned.plan.findings);
    assert_eq!(planned.execute(&database, &stored, |_| Ok(())).unwrap().records_created, 2);
}

#[test]
fn a_live_record_outside_the_plan_keeps_its_parent() {
    let database = Database::new(SHOP);
    let stored = Memory::of(&database);
    database.run("INSERT INTO customer VALUES (6, 'f@x', 'Fay'); INSERT INTO orders VALUES (14, 6, 1, 'new')");
    let mut narrow = Request { exact: true, ..request(Strategy::Replace) };
    narrow.scope.models.insert("customer".into());
    let planned = plan(&database, &stored, narrow).plan;
    assert_eq!((planned.models[0].blocked, planned.models[0].delete, planned.is_safe()), (1, 0, false));
}

#[test]
fn a_parent_goes_with_all_its_children_however_many() {
    let database = Database::new(SHOP);
    let stored = Memory::of(&database);
    database.run("INSERT INTO customer VALUES (6, 'f@x', 'Fay'); WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 399) INSERT INTO orders SELECT i, 6, 1, '' FROM n");
    let planned = plan(&database, &stored, Request { exact: true, ..request(Strategy::Replace) });
    assert!(planned.plan.is_safe(), "{:?}", planned.plan.findings);
    assert_eq!(planned.execute(&database, &stored, |_| Ok(())).unwrap().records_deleted, 301);
}

#[test]
fn a_choice_turns_a_record_and_a_page_shows_it() {
    let (database, stored) = shop();
    let choice = |id: i64, field: Option<&str>| Choice {
        model: "customer".into(),
        key: serde_json::json!({"id": id}),
        field: field.map(Into::into),
        side: Side::Backup,
    };
    let planned = plan(&database, &stored, Request { choices: vec![choice(3, None), choice(4, Some("name"))], ..request(Strategy::Merge) });
    let rows = planned.plan.rows(&mut planned.reader(), "customer", 1, 2).unwrap();
    assert_eq!(
        rows[1],
        serde_json::json!({"key": {"id": 3}, "state": "conflict", "fields": [{"field": "name", "backup": "Cid", "live": "Cyd", "result": "Cid"}]})
    );
    assert_eq!(planned.plan.models[0].update, 3);
}

#[test]
fn a_spool_that_was_changed_is_not_believed() {
    let (database, stored) = shop();
    let mut planned = plan(&database, &stored, request(Strategy::Merge));
    planned.plan.request.plan = "plan-2".into();
    assert!(matches!(planned.plan.rows(&mut planned.reader(), "customer", 0, 9), Err(Error::Spool(_))));
}

#[test]
fn a_changed_schema_blocks_its_model() {
    let (database, stored) = shop();
    database.run("ALTER TABLE orders DROP COLUMN note; DROP TABLE log");
    let plan = plan(&database, &stored, request(Strategy::Merge)).plan;
    assert!(!plan.is_safe());
    let json = serde_json::to_value(plan.summary()).unwrap();
    assert_eq!(json["summary"]["total_records"], 10, "{json:#}");
}

#[test]
fn text_and_a_blob_of_the_same_bytes_come_back_as_what_each_was() {
    let database = Database::new("CREATE TABLE t(id INTEGER PRIMARY KEY, a, b); INSERT INTO t VALUES (1, 'one', 'two')");
    let stored = Memory::of(&database);
    database.run("UPDATE t SET a = printf('%.20000c', 'z'), b = CAST(printf('%.20000c', 'z') AS BLOB)");
    let before = database.image();
    let planned = plan(&database, &stored, request(Strategy::Replace));
    let safety = planned.safety(&database);
    planned.execute(&database, &stored, |_| Ok(())).unwrap();
    planned.undone(&database, &safety, vec![]).execute(&database, &safety.0, |_| Ok(())).unwrap();
    assert_eq!(database.ask("SELECT count(*) FROM t WHERE typeof(a) = 'text' AND typeof(b) = 'blob'"), 1);
    assert_eq!(database.image(), before);
}

#[test]
fn a_column_added_since_is_neither_an_edit_nor_taken_back() {
    let (database, stored) = shop();
    let planned = plan(&database, &stored, request(Strategy::Replace));
    let safety = planned.safety(&database);
    planned.execute(&database, &stored, |_| Ok(())).unwrap();
    database.run("ALTER TABLE customer ADD c DEFAULT 0; UPDATE customer SET name = 'Benno' WHERE id = 2");
    let refused = planned.undone(&database, &safety, vec![]).plan;
    let edited = refused.findings.iter().find(|finding| finding.message.contains("changed since")).unwrap();
    assert_eq!((edited.count, refused.is_safe()), (1, false), "{:?}", refused.findings);
    let back = Choice { model: "customer".into(), key: serde_json::json!({"id": 2}), field: None, side: Side::Backup };
    planned.undone(&database, &safety, vec![back]).execute(&database, &safety.0, |_| Ok(())).unwrap();
    assert_eq!(database.ask("SELECT count(*) FROM customer WHERE id = 2 AND name IS NULL AND c = 0"), 1);
    assert_eq!(database.ask("SELECT count(*) FROM customer WHERE c IS NULL"), 0);
}

#[test]
fn a_restore_is_judged_by_the_columns_that_it_knew() {
    let (database, stored) = shop();
    let planned = plan(&database, &stored, request(Strategy::Replace));
    let safety = planned.safety(&database);
    planned.execute(&database, &stored, |_| Ok(())).unwrap();
    database.run("ALTER TABLE customer ADD c DEFAULT 0");
    assert_eq!(judge(Safety { before: &safety.0, after: &safety.1 }, &[&database.snapshot()]).unwrap(), Verdict::Committed);
}

#[test]
fn parents_that_would_lose_columns_are_not_taken_along() {
    let (database, stored) = shop();
    database.run("DROP TRIGGER watch; ALTER TABLE customer DROP COLUMN name");
    let mut narrow = Request { blocked: OnBlocked::Parents, ..request(Strategy::Merge) };
    narrow.scope.models.insert("orders".into());
    let plan = plan(&database, &stored, narrow).plan;
    assert_eq!((plan.models[0].create, plan.is_safe()), (0, false));
    assert!(plan.findings.iter().any(|finding| finding.model == "customer" && finding.message.contains("name")), "{:?}", plan.findings);
}

fn logged(lines: &str) -> (Database, Memory) {
    let database = Database::new("CREATE TABLE log(line TEXT)");
    database.run(&format!("INSERT INTO log VALUES {lines}"));
    let stored = Memory::of(&database);
    (database, stored)
}

#[test]
fn one_of_two_equal_rows_comes_back_and_goes_again() {
    for deleted in [1, 2] {
        let (database, stored) = logged("('one'), ('one')");
        database.run(&format!("DELETE FROM log WHERE rowid = {deleted}"));
        let planned = plan(&database, &stored, request(Strategy::Replace));
        let safety = planned.safety(&database);
        planned.execute(&database, &stored, |_| Ok(())).unwrap();
        assert_eq!(database.ask("SELECT count(*) FROM log WHERE line = 'one'"), 2);
        assert_eq!(judge(Safety { before: &safety.0, after: &safety.1 }, &[&database.snapshot()]).unwrap(), Verdict::Committed);
        planned.undone(&database, &safety, vec![]).execute(&database, &safety.0, |_| Ok(())).unwrap();
        assert_eq!(database.ask("SELECT count(*) FROM log WHERE line = 'one'"), 1);
    }
}

#[test]
fn equal_rows_too_many_are_deleted_and_one_that_went_meanwhile_stops_it() {
    let (database, stored) = logged("('one')");
    database.run("INSERT INTO log VALUES ('one'), ('one')");
    let exact = || Request { exact: true, ..request(Strategy::Replace) };
    let planned = plan(&database, &stored, exact());
    for meanwhile in [1, 3] {
        database.run(&format!("DELETE FROM log WHERE rowid = {meanwhile}"));
        let error = planned.execute(&database, &stored, |_| Ok(())).unwrap_err();
        assert!(matches!(error, Error::Stale { .. }), "{error}");
        assert_eq!(database.ask("SELECT count(*) FROM log"), 2);
        database.run(&format!("INSERT INTO log(rowid, line) VALUES ({meanwhile}, 'one')"));
    }
    let safety = planned.safety(&database);
    assert_eq!(planned.execute(&database, &stored, |_| Ok(())).unwrap().records_deleted, 2);
    assert_eq!(database.ask("SELECT count(*) FROM log"), 1);
    planned.undone(&database, &safety, vec![]).execute(&database, &safety.0, |_| Ok(())).unwrap();
    assert_eq!(database.ask("SELECT count(*) FROM log"), 3);
}

#[test]
fn equal_rows_that_came_back_meanwhile_are_not_put_back_once_more() {
    let (database, stored) = logged("('one'), ('one')");
    database.run("DELETE FROM log");
    let planned = plan(&database, &stored, request(Strategy::Replace));
    database.run("INSERT INTO log VALUES ('one')");
    let error = planned.execute(&database, &stored, |_| Ok(())).unwrap_err();
    assert!(matches!(error, Error::Stale { .. }), "{error}");
    assert_eq!(database.ask("SELECT count(*) FROM log"), 1);
}

/// A tree of which the folder `locked` and the file `secret` cannot be read.
struct Locked(Tree);

impl Snapshot for Locked {
    fn identity(&self) -> Identity {
        self.0.identity()
    }

    fn relations(&self) -> &[Relation] {
        self.0.relations()
    }

    fn definition(&self) -> backstop::sources::Result<Definition> {
        self.0.definition()
    }

    fn references(&self) -> &[Reference] {
        &[]
    }

    fn uniques(&self) -> &[Unique] {
        &[]
    }

    fn consistency(&self) -> serde_json::Value {
        self.0.consistency()
    }

    fn scan(
        &self,
        relation: &Relation,
        content: &dyn Content,
        each: &mut dyn FnMut(Row) -> ControlFlow<()>,
    ) -> backstop::sources::Result<Vec<Unread>> {
        let hidden = |row: &Row| path_of(row).is_some_and(|path| path == b"secret" || path.starts_with(b"locked/"));
        self.0.scan(relation, content, &mut |row| if hidden(&row) { ControlFlow::Continue(()) } else { each(row) })?;
        let unread = |what: &str| Unread { model: relation.name.clone(), what: what.into(), why: "permission denied".into() };
        Ok(vec![unread("locked"), unread("secret")])
    }

    fn entry(&self, path: &[u8], content: &dyn Content) -> backstop::sources::Result<Option<Row>> {
        self.0.entry(path, content)
    }
}

#[test]
fn an_entry_that_cannot_be_read_is_neither_gone_nor_as_it_was_and_nothing_is_done_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let tree = || Tree::new("media", dir.path(), &Options::default()).unwrap();
    std::fs::create_dir(dir.path().join("locked")).unwrap();
    for name in ["locked/in", "secret", "torn", "lost", "same"] {
        std::fs::write(dir.path().join(name), name).unwrap();
    }
    let mut stored = Memory::of_snapshot(&tree());
    stored.relations[0].unread.insert("torn".into());
    std::fs::remove_file(dir.path().join("torn")).unwrap();
    std::fs::remove_file(dir.path().join("lost")).unwrap();
    let live = Locked(tree());
    let request = Request { exact: true, ..request(Strategy::Replace) };
    let plan = preview(request, &stored, &[&live], &mut Vec::new(), &scramble, &mut |_| true).unwrap();
    let media = &plan.models[0];
    // The root, `locked` and `same` are identical, `lost` is new; of `locked/in`, `secret` and `torn` nothing is said.
    assert_eq!((media.total, media.new, media.create, media.delete, media.live_only), (4, 1, 1, 0, 0), "{media:?}");
    assert!(plan.is_safe());
    let said: Vec<&str> = plan.findings.iter().map(|finding| finding.message.as_str()).collect();
    assert!(said.iter().any(|message| message.contains("2 of the live entries cannot be read")), "{said:?}");
    assert!(said.iter().any(|message| message.contains("could not be read whole")), "{said:?}");
}

/// A row of a random table: key, and values of which some are NULL or empty.
fn table() -> impl proptest::strategy::Strategy<Value = BTreeMap<i64, (Option<String>, Option<i64>)>> {
    prop::collection::btree_map(0..30_i64, (prop::option::of("[ab]{0,1}"), prop::option::of(0..3_i64)), 0..20)
}

fn fill(path: &Path, table: &BTreeMap<i64, (Option<String>, Option<i64>)>) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("DROP TABLE IF EXISTS t; CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b)").unwrap();
    for (id, (a, b)) in table {
        connection.execute("INSERT INTO t VALUES (?1, ?2, ?3)", (id, a, b)).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn figures_and_result_are_those_that_sql_gives(backup in table(), live in table(), replace: bool) {
        let database = Database::new("");
        fill(&database.path, &backup);
        let stored = Memory::of(&database);
        database.run("CREATE TABLE b AS SELECT * FROM t");
        let held = Connection::open(&database.path).unwrap();
        held.execute_batch("DELETE FROM t").unwrap();
        for (id, (a, b)) in &live {
            held.execute("INSERT INTO t VALUES (?1, ?2, ?3)", (id, a, b)).unwrap();
        }
        drop(held);
        let before = database.image();
        let strategy = if replace { Strategy::Replace } else { Strategy::Merge };
        let planned = plan(&database, &stored, request(strategy));
        let figures = planned.plan.models.iter().find(|model| model.model == "t").unwrap();
        let same = "b.a IS t.a AND b.b IS t.b";
        let count = |sql: &str| u64::try_from(database.ask(sql)).unwrap();
        prop_assert_eq!(figures.new, count("SELECT count(*) FROM b WHERE id NOT IN (SELECT id FROM t)"));
        prop_assert_eq!(figures.live_only, count("SELECT count(*) FROM t WHERE id NOT IN (SELECT id FROM b)"));
        prop_assert_eq!(figures.identical, count(&format!("SELECT count(*) FROM b JOIN t USING (id) WHERE {same}")));
        prop_assert_eq!(figures.conflicts, count(&format!("SELECT count(*) FROM b JOIN t USING (id) WHERE NOT ({same})")));
        let pick = |column: &str| if replace {
            format!("b.{column}")
        } else {
            format!("CASE WHEN t.{column} IS NULL OR t.{column} = '' THEN CASE WHEN b.{column} IS NULL OR b.{column} = '' THEN t.{column} ELSE b.{column} END ELSE t.{column} END")
        };
        let wanted = format!("CREATE TABLE w AS SELECT id, {} AS a, {} AS b FROM b JOIN t USING (id) UNION ALL SELECT * FROM b WHERE id NOT IN (SELECT id FROM t) UNION ALL SELECT * FROM t WHERE id NOT IN (SELECT id FROM b)", pick("a"), pick("b"));
        let safety = planned.safety(&database);
        Connection::open(&database.path).unwrap().execute_batch(&wanted).unwrap();
        planned.execute(&database, &stored, |_| Ok(())).unwrap();
        prop_assert_eq!(count("SELECT count(*) FROM (SELECT * FROM w EXCEPT SELECT * FROM t)") + count("SELECT count(*) FROM (SELECT * FROM t EXCEPT SELECT * FROM w)"), 0);
        database.run("DROP TABLE w");
        planned.undone(&database, &safety, vec![]).execute(&database, &safety.0, |_| Ok(())).unwrap();
        prop_assert_eq!(database.image(), before);
    }
}

/// What SQLite refuses, or keeps as something else: a table as it was, as it is now, and why its first record cannot be put back.
const REFUSED: [(&str, &str, &str); 5] = [
    (
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v)",
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v, CONSTRAINT fit CHECK (v <> 'one'))",
        "CHECK constraint failed: fit",
    ),
    (
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v)",
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v CHECK (abs(v) = 2))",
        "CHECK constraint failed: abs(v) = 2",
    ),
    (
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v)",
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v INTEGER) STRICT",
        "cannot store TEXT value in INTEGER column t.v",
    ),
    (
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v)",
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v, w AS (v || 'x') NOT NULL CHECK (w <> 'onex'))",
        "CHECK constraint failed: w <> 'onex'",
    ),
    ("CREATE TABLE t(id INTEGER PRIMARY KEY, v)", "CREATE TABLE t(id INTEGER PRIMARY KEY, v CHECK (v IN ('one', 2)))", ""),
];

#[test]
fn what_sqlite_would_refuse_is_refused_by_the_preview_and_nothing_else_is() {
    for (was, is, why) in REFUSED {
        let database = Database::new(&format!("{was}; INSERT INTO t VALUES (1, 'one'), (2, 2)"));
        let stored = Memory::of(&database);
        database.run(&format!("DROP TABLE t; {is}"));
        let before = database.image();
        let planned = plan(&database, &stored, request(Strategy::Replace));
        let refused = u64::from(!why.is_empty());
        assert_eq!(
            (planned.plan.models[0].refused, planned.plan.is_safe()),
            (refused, why.is_empty()),
            "{is}: {:#?}",
            planned.plan.findings
        );
        if why.is_empty() {
            continue;
        }
        let finding = planned.plan.findings.iter().find(|finding| finding.option == "refused").unwrap();
        assert!(finding.message.contains(why), "{}", finding.message);
        let planned = plan(&database, &stored, Request { refused: OnRefused::Skip, ..request(Strategy::Replace) });
        assert!(planned.plan.is_safe(), "{:#?}", planned.plan.findings);
        assert_eq!(database.image(), before);
        planned.execute(&database, &stored, |_| Ok(())).unwrap();
        assert_eq!(database.ask("SELECT sum(id) FROM t"), 2, "{is}");
    }
}

#[test]
fn a_value_that_its_column_would_make_another_one_of_is_refused() {
    let database = Database::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT, w NOT NULL DEFAULT 1); INSERT INTO t(id, v) VALUES (1, '007'), (2, 'two')",
    );
    let stored = Memory::of(&database);
    database.run("DROP TABLE t; CREATE TABLE t(id INTEGER PRIMARY KEY, v INTEGER, w NOT NULL DEFAULT 1)");
    let planned = plan(&database, &stored, request(Strategy::Replace));
    assert_eq!((planned.plan.models[0].refused, planned.plan.models[0].create), (1, 1), "{:#?}", planned.plan.findings);
    assert!(planned.plan.findings.iter().any(|finding| finding.message.contains("v: would not stay as it is (INTEGER)")));
}

#[test]
fn a_record_that_is_older_than_the_rules_of_its_table_is_updated_where_they_let_it() {
    let database = Database::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v, w); INSERT INTO t VALUES (1, -1, 'good'), (2, 2, 'good'), (3, -1, 'best')",
    );
    let stored = Memory::of(&database);
    let rows = "(1, -1, 'bad'), (2, 2, 'bad'), (3, -1, 'bad')";
    let table = "CREATE TABLE t(id INTEGER PRIMARY KEY, v CHECK (v > 0), w CONSTRAINT fit CHECK (w <> 'best'))";
    database.run(&format!("DROP TABLE t; {table}; PRAGMA ignore_check_constraints = ON; INSERT INTO t VALUES {rows}"));
    let planned = plan(&database, &stored, Request { refused: OnRefused::Skip, ..request(Strategy::Replace) });
    assert_eq!((planned.plan.models[0].refused, planned.plan.models[0].update), (1, 2), "{:#?}", planned.plan.findings);
    assert!(planned.plan.findings.iter().any(|finding| finding.message.contains("CHECK constraint failed: fit")));
    planned.execute(&database, &stored, |_| Ok(())).unwrap();
    assert_eq!(database.ask("SELECT count(*) FROM t WHERE w = 'good'"), 2);
}
