//! SQLite as a source: what is read is what is there, what is made again is the same, and what is written is only what was meant.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use backstop::rows::{Class, Digest, KeyKind, Large, Relation, RelationKind, Row, Value};
use backstop::sources::sqlite::{Sqlite, SqliteSnapshot};
use backstop::sources::{Content, Creator, Error, Looking, Resolve, Snapshot, Unread, Writer};
use rusqlite::Connection;

#[path = "sqlite/long.rs"]
mod long;

const NOW: Duration = Duration::from_millis(0);

/// Keeps large values in memory, as a vault would.
#[derive(Default)]
struct Kept(Mutex<HashMap<Digest, Vec<u8>>>);

impl Content for Kept {
    fn keep(&self, class: Class, value: &mut dyn Read) -> std::io::Result<Large> {
        let mut bytes = Vec::new();
        value.read_to_end(&mut bytes)?;
        let large = Looking.keep(class, &mut &bytes[..])?;
        self.0.lock().unwrap().insert(large.content, bytes);
        Ok(large)
    }
}

impl Resolve for Kept {
    fn fetch(&self, large: &Large, to: &mut dyn Write) -> std::io::Result<()> {
        to.write_all(&self.0.lock().unwrap()[&large.content])
    }
}

struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn database(&self, sql: &str) -> PathBuf {
        let path = self.path("app.db");
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        path
    }

    fn snapshot(&self, path: &Path) -> SqliteSnapshot {
        Sqlite::new(path).snapshot(NOW, self.folder.path()).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn rows(snapshot: &dyn Snapshot, model: &str, content: &dyn Content) -> (Vec<Row>, Vec<Unread>) {
    let relation = relation(snapshot.relations(), model);
    let mut rows = Vec::new();
    let unread = snapshot
        .scan(&relation, content, &mut |row| {
            rows.push(row);
            ControlFlow::Continue(())
        })
        .unwrap();
    (rows, unread)
}

fn relation(relations: &[Relation], model: &str) -> Relation {
    relations.iter().find(|relation| relation.name == model).unwrap_or_else(|| panic!("no model {model}")).clone()
}

/// Snapshot to creator; what could not be made is answered.
fn copy(folder: &Folder, from: &Path, to: &Path) -> Vec<String> {
    let snapshot = folder.snapshot(from);
    let kept = Kept::default();
    let mut creator = Sqlite::new(to).create(&snapshot.definition().unwrap()).unwrap();
    for relation in snapshot.relations() {
        let (rows, unread) = rows(&snapshot, &relation.name, &kept);
        assert_eq!(unread, []);
        assert!(rows.windows(2).all(|pair| pair[0].key < pair[1].key), "{}", relation.name);
        rows.iter().for_each(|row| creator.add(relation, row, &kept).unwrap());
    }
    creator.finish().unwrap()
}

/// Everything a database says of itself: schema, pragmas, and every cell with its class and bytes. Shares no code with the reader.
fn told(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let strings = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let mut told = strings(
        "SELECT type || ' ' || name || ' ' || tbl_name || ' ' || coalesce(sql, '-') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY type, name",
    );
    for pragma in ["page_size", "encoding", "auto_vacuum", "user_version", "application_id", "journal_mode"] {
        told.extend(connection.query_row(&format!("PRAGMA {pragma}"), [], |row| Ok(format!("{pragma} {:?}", row.get_ref(0)?))));
    }
    let tables: Vec<(String, bool)> = {
        let mut statement = connection.prepare("SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual') AND name <> 'sqlite_schema' AND name NOT LIKE 'sqlite_stat%' ORDER BY name").unwrap();
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
    };
    for (table, without_rowid) in tables {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let mut columns: Vec<String> =
            strings(&format!("SELECT name FROM pragma_table_xinfo('{}') WHERE hidden <> 1", table.replace('\'', "''")));
        columns.extend((!without_rowid && !columns.iter().any(|name| name.eq_ignore_ascii_case("rowid"))).then(|| "rowid".to_owned()));
        let cells = columns.iter().map(|column| {
            format!(
                "typeof({0}) || ':' || hex(CAST({0} AS BLOB)) || ':' || CASE typeof({0}) WHEN 'real' THEN quote({0}) ELSE '' END",
                quoted(column)
            )
        });
        let cell = cells.collect::<Vec<_>>().join(" || ',' || ");
        told.extend(
            strings(&format!("SELECT {cell} AS told FROM {} ORDER BY told", quoted(&table)))
                .into_iter()
                .map(|row| format!("{table} {row}")),
        );
    }
    told
}

fn assert_same(a: &Path, b: &Path) {
    let (a, b) = (told(a), told(b));
    for (a, b) in a.iter().zip(&b) {
        assert_eq!(a, b);
    }
    assert_eq!(a.len(), b.len());
}

const HOSTILE: &str = r#"
PRAGMA page_size = 1024; PRAGMA auto_vacuum = 1; PRAGMA user_version = -7; PRAGMA application_id = 305419896;
CREATE TABLE "it's ""quoted""
and 🦀" ("a ""b""
c" INTEGER PRIMARY KEY, "select" TEXT, 'x y' BLOB);
INSERT INTO "it's ""quoted""
and 🦀" VALUES (-9223372036854775808, CAST(x'610062' AS TEXT), zeroblob(3)), (9223372036854775807, CAST(x'fffe41' AS TEXT), NULL), (0, '', x'');
CREATE TABLE numbers (v); -- no key, no affinity
INSERT INTO numbers VALUES (1), (1.0), ('1'), (x'31'), (NULL), (NULL), (1e999), (-1e999), (-0.0), (0.0), (9007199254740993), (1);
DELETE FROM numbers WHERE rowid = 2;
INSERT INTO numbers(rowid, v) VALUES (-5, 'negative'), (1000, 1.0);
CREATE TABLE words (w TEXT PRIMARY KEY, n);
INSERT INTO words VALUES ('b', 1), ('a', 2), (NULL, 3), (NULL, 3), (NULL, 4), ('', 5), ('ä', 6), (CAST(x'00' AS TEXT), 7), (x'00', 8);
CREATE TABLE folded (w TEXT COLLATE NOCASE PRIMARY KEY, r TEXT COLLATE RTRIM UNIQUE) WITHOUT ROWID;
INSERT INTO folded VALUES ('B', 'x '), ('a', 'y'), ('_', 'z  '), ('Z', NULL);
CREATE TABLE trimmed (r TEXT COLLATE RTRIM NOT NULL, n INT NOT NULL, PRIMARY KEY (r DESC, n));
INSERT INTO trimmed VALUES ('a  ', 1), ('a', 2), ('a!', 1), ('a' || char(9), 1);
CREATE TABLE pair (a, b, c, PRIMARY KEY (b, a)) WITHOUT ROWID;
INSERT INTO pair VALUES (2, 1, 'x'), (1, 1.5, 'y'), ('t', 1, 'z'), (x'00', 1, ''), (1, 'k', 0.5);
CREATE TABLE strict_one (id INTEGER PRIMARY KEY, t TEXT, a ANY) STRICT;
INSERT INTO strict_one VALUES (1, 'a', 1), (2, 'b', '1'), (3, NULL, 1.0);
CREATE TABLE made (id INTEGER PRIMARY KEY AUTOINCREMENT, a INT, twice INT GENERATED ALWAYS AS (a * 2) STORED, half AS (a / 2.0));
INSERT INTO made(a) VALUES (3), (4), (5); DELETE FROM made WHERE a = 5;
CREATE TABLE never (id INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE "rowid" (rowid TEXT, oid INT, v);
INSERT INTO "rowid"(_rowid_, rowid, oid, v) VALUES (7, 'seven', 1, 1), (3, 'three', 2, 2);
CREATE TABLE shadowed (rowid, oid, _rowid_);
INSERT INTO shadowed VALUES (1, 2, 3), (1, 2, 3), (0, 0, 0);
CREATE TABLE chosen (a TEXT, b INT NOT NULL, c INT NOT NULL, UNIQUE (b, c));
CREATE UNIQUE INDEX chosen_c ON chosen(c); INSERT INTO chosen VALUES ('x', 1, 2), ('y', 1, 1);
CREATE TABLE desc_key (id INTEGER PRIMARY KEY DESC, v); INSERT INTO desc_key VALUES (2, 'a'), (1, 'b'), (NULL, 'c');
CREATE TABLE big (id TEXT PRIMARY KEY, t TEXT, b BLOB);
INSERT INTO big VALUES ('k', hex(zeroblob(40000)), zeroblob(100000)), (hex(zeroblob(9000)), 'long key', NULL), ('j', 'small', x'01');
CREATE TABLE checked (v CHECK (v > 0)); PRAGMA ignore_check_constraints = ON; INSERT INTO checked VALUES (-1); PRAGMA ignore_check_constraints = OFF;
CREATE INDEX part ON words(n) WHERE n > 2; CREATE INDEX expr ON words(lower(w), n DESC);
CREATE VIEW first_view AS SELECT w FROM words; CREATE VIEW second AS SELECT * FROM first_view, numbers;
CREATE TRIGGER audit AFTER INSERT ON words BEGIN UPDATE numbers SET v = 'fired'; END;
CREATE TRIGGER instead INSTEAD OF INSERT ON first_view BEGIN SELECT 1; END;
CREATE VIRTUAL TABLE notes USING fts5(title, body UNINDEXED); INSERT INTO notes(rowid, title, body) VALUES (5, 'hello world', x'00ff'), (9, 'other', 3);
CREATE VIRTUAL TABLE posts_text USING fts5(t, content='big', content_rowid='rowid'); INSERT INTO posts_text(posts_text) VALUES ('rebuild');
CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1); INSERT INTO boxes VALUES (3, 0.1, 0.2), (1, -5, 5);
ANALYZE;
"#;

#[test]
fn a_hostile_database_comes_back_exactly() {
    let folder = Folder::new();
    let path = folder.database(HOSTILE);
    let target = folder.path("copy.db");
    assert_eq!(copy(&folder, &path, &target), Vec::<String>::new());
    assert_same(&path, &target);
    let found: i64 =
        Connection::open(&target).unwrap().query_row("SELECT rowid FROM notes WHERE notes MATCH 'world'", [], |row| row.get(0)).unwrap();
    assert_eq!(found, 5);
    assert_eq!(folder.names(), ["app.db", "copy.db"]);
}

#[test]
fn a_utf_16_database_in_wal_mode_comes_back_exactly() {
    let folder = Folder::new();
    let path = folder.database(
        "PRAGMA encoding = 'UTF-16le'; PRAGMA journal_mode = WAL; CREATE TABLE t (k TEXT PRIMARY KEY NOT NULL, v);
         INSERT INTO t VALUES ('\u{ff5e}', 1), ('\u{1f980}', 2), ('a', 3), ('Ā', 4);",
    );
    let target = folder.path("copy.db");
    assert_eq!(copy(&folder, &path, &target), Vec::<String>::new());
    assert_same(&path, &target);
}

#[test]
fn keys_are_what_the_table_says() {
    let folder = Folder::new();
    let path = folder.database(HOSTILE);
    let snapshot = folder.snapshot(&path);
    let key = |model: &str| relation(snapshot.relations(), model).key;
    assert_eq!(key("numbers"), KeyKind::WholeRow);
    assert_eq!(key("pair"), KeyKind::Columns(vec![1, 0]));
    assert_eq!(key("chosen"), KeyKind::Columns(vec![2]));
    let made = relation(snapshot.relations(), "made");
    assert_eq!(made.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["id", "a"]);
    let shadowing = relation(snapshot.relations(), "rowid");
    assert_eq!(shadowing.columns.last().map(|column| (column.name.as_str(), column.is_hidden())), Some(("_rowid_", true)));
    assert!(!relation(snapshot.relations(), "shadowed").columns.iter().any(backstop::rows::Column::is_hidden));
    let models = snapshot.relations().iter().filter(|relation| relation.kind == RelationKind::Table);
    let models: Vec<_> = models.map(|relation| relation.name.as_str()).collect();
    assert!(
        !models.iter().any(|name| name.starts_with("notes_") || name.starts_with("sqlite_") || *name == "posts_text" || *name == "second")
    );
}

#[test]
fn what_only_the_application_has_is_named_and_never_guessed() {
    let folder = Folder::new();
    let path = folder.path("app.db");
    let connection = Connection::open(&path).unwrap();
    connection.create_collation("swedish", |a: &str, b: &str| b.cmp(a)).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, w TEXT COLLATE swedish, u TEXT COLLATE swedish UNIQUE);
             CREATE INDEX i ON t(w); INSERT INTO t VALUES (1, 'a', 'a'), (2, 'b', 'b');
             PRAGMA writable_schema = ON;
             INSERT INTO sqlite_schema VALUES ('table', 'v', 'v', 0, 'CREATE VIRTUAL TABLE v USING vec0(e float[3])')",
        )
        .unwrap();
    drop(connection);
    let target = folder.path("copy.db");
    let missed = copy(&folder, &path, &target);
    assert_eq!(missed.len(), 3, "{missed:?}");
    assert!(missed.iter().any(|line| line.starts_with("v: ")) && missed.iter().any(|line| line.starts_with("index i of t")));
    let copied = Connection::open(&target).unwrap();
    assert_eq!(
        copied.query_row("SELECT sql FROM sqlite_schema WHERE name = 'v'", [], |row| row.get::<_, String>(0)).unwrap(),
        "CREATE VIRTUAL TABLE v USING vec0(e float[3])"
    );
}

#[test]
fn a_live_wal_database_is_read_without_a_trace_while_its_application_writes() {
    let folder = Folder::new();
    let path = folder.path("app.db");
    let app = Connection::open(&path).unwrap();
    app.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)",
    )
    .unwrap();
    let (names, main, log) = (folder.names(), fs::read(&path).unwrap(), fs::read(folder.path("app.db-wal")).unwrap());
    let snapshot = folder.snapshot(&path);
    app.execute_batch("INSERT INTO t VALUES (2)").unwrap();
    assert_eq!(rows(&snapshot, "t", &Looking).0.len(), 1, "the snapshot stays at its moment");
    drop(snapshot);
    assert_eq!(rows(&folder.snapshot(&path), "t", &Looking).0.len(), 2);
    assert_eq!(folder.names(), names);
    assert_eq!(fs::read(&path).unwrap(), main, "never checkpointed");
    assert!(fs::read(folder.path("app.db-wal")).unwrap().starts_with(&log));
}

#[test]
fn a_transaction_that_died_is_rolled_back_in_a_copy() {
    let folder = Folder::new();
    let path = folder.database("CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'whole')");
    let app = Connection::open(&path).unwrap();
    // Spilled pages and a journal with a header: what a killed process leaves.
    app.execute_batch("PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN IMMEDIATE; UPDATE t SET v = 'half'").unwrap();
    app.execute_batch("WITH RECURSIVE n(i) AS (VALUES (2) UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT i, hex(randomblob(500)) FROM n").unwrap();
    let died = folder.path("died.db");
    fs::copy(&path, &died).unwrap();
    fs::copy(folder.path("app.db-journal"), folder.path("died.db-journal")).unwrap();
    let before = fs::read(&died).unwrap();
    let snapshot = folder.snapshot(&died);
    let (rows, unread) = rows(&snapshot, "t", &Looking);
    assert_eq!((rows.len(), unread.len()), (1, 0));
    assert!(rows[0].values[1].same(&Value::text("whole")));
    assert_eq!(fs::read(&died).unwrap(), before);
    assert!(folder.path("died.db-journal").exists());
    drop(snapshot);
    assert!(!folder.names().iter().any(|name| name.starts_with("private-")));
}

#[test]
fn a_damaged_page_costs_only_its_own_rows() {
    let folder = Folder::new();
    let path = folder.database(
        "PRAGMA page_size = 1024; CREATE TABLE other (id INTEGER PRIMARY KEY); INSERT INTO other VALUES (1);
         CREATE TABLE t (id INTEGER PRIMARY KEY, v);
         WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO t SELECT i, hex(randomblob(50)) FROM n;
         CREATE TABLE w (k TEXT PRIMARY KEY, v); INSERT INTO w SELECT 'k' || id, v FROM t;",
    );
    let page = |table: &str, place: i64| -> u64 {
        let connection = Connection::open(&path).unwrap();
        connection
            .query_row(
                "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET ?",
                (table, place),
                |row| row.get::<_, i64>(0),
            )
            .unwrap()
            .cast_unsigned()
    };
    let pages = [page("t", 10), page("t", 40), page("w", 20)];
    let mut bytes = fs::read(&path).unwrap();
    for page in pages {
        let start = usize::try_from(page - 1).unwrap() * 1024;
        bytes[start..start + 1024].fill(0);
    }
    fs::write(&path, bytes).unwrap();
    let snapshot = folder.snapshot(&path);
    assert_eq!(rows(&snapshot, "other", &Looking).1, []);
    for (model, gaps) in [("t", 2), ("w", 1)] {
        let (rows, unread) = rows(&snapshot, model, &Looking);
        assert!((970..1000).contains(&rows.len()), "{model}: {}", rows.len());
        assert!(rows.windows(2).all(|pair| pair[0].key < pair[1].key));
        assert_eq!(unread.len(), gaps, "{unread:?}");
        assert!(unread.iter().all(|unread| unread.model == model && !unread.what.is_empty()));
    }
}

#[test]
fn what_is_not_a_database_is_said_so() {
    let folder = Folder::new();
    let open = |name: &str| Sqlite::new(folder.path(name)).validate(NOW, folder.folder.path());
    assert!(matches!(open("none.db"), Err(Error::Missing { .. })));
    assert!(matches!(open(""), Err(Error::NotA { .. })));
    fs::write(folder.path("empty.db"), "").unwrap();
    assert!(matches!(open("empty.db"), Err(Error::NotA { .. })));
    fs::write(folder.path("text.db"), "Dear reader, ".repeat(400)).unwrap();
    assert!(matches!(open("text.db"), Err(Error::NotA { .. })));
    let path = folder.database("CREATE TABLE t (v); INSERT INTO t VALUES (zeroblob(30000))");
    let bytes = fs::read(&path).unwrap();
    fs::write(folder.path("cut.db"), &bytes[..8192]).unwrap();
    let Err(Error::NotA { why, .. }) = open("cut.db") else { panic!("a cut database was taken") };
    assert!(why.contains("cut off"), "{why}");
    fs::write(folder.path("head.db"), &bytes[..50]).unwrap();
    assert!(matches!(open("head.db"), Err(Error::NotA { .. })));
    assert!(open("app.db").is_ok());
}

#[test]
fn values_that_are_written_with_little_else_in_memory_come_back_between_others() {
    for encoding in ["UTF-8", "UTF-16le"] {
        let folder = Folder::new();
        let sql = format!(
            "PRAGMA encoding = '{encoding}'; CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, v);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT i, i * 7919 % 2003, i FROM n;
             UPDATE t SET v = zeroblob(17 << 20) WHERE id = 900;
             UPDATE t SET v = replace(hex(zeroblob(9 << 20)), '0', 'x'), name = 'last' WHERE id = 2000"
        );
        let (from, to) = (folder.database(&sql), folder.path("new.db"));
        assert_eq!(copy(&folder, &from, &to), [""; 0]);
        let digests = |path: &Path| -> Vec<(i64, String, String, blake3::Hash)> {
            let db = Connection::open(path).unwrap();
            let mut statement = db.prepare("SELECT id, name, typeof(v), CAST(v AS BLOB) FROM t ORDER BY name").unwrap();
            let row =
                |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, blake3::hash(row.get_ref(3)?.as_blob().unwrap())));
            statement.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap()
        };
        assert!(digests(&from) == digests(&to), "{encoding}");
    }
}

#[test]
fn a_locked_database_is_waited_for_and_then_named() {
    let folder = Folder::new();
    let path = folder.database("CREATE TABLE t (v)");
    let app = Connection::open(&path).unwrap();
    app.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert!(matches!(Sqlite::new(&path).snapshot(NOW, folder.folder.path()), Err(Error::Locked { .. })));
    assert!(matches!(Sqlite::new(&path).writer(NOW), Err(Error::Locked { .. })));
    app.execute_batch("ROLLBACK").unwrap();
    assert!(Sqlite::new(&path).writer(NOW).is_ok());
}

#[test]
fn a_new_database_never_takes_the_place_of_another_and_nothing_is_left_of_an_unfinished_one() {
    let folder = Folder::new();
    let path = folder.database("CREATE TABLE t (v)");
    let definition = folder.snapshot(&path).definition().unwrap();
    assert!(matches!(Sqlite::new(&path).create(&definition), Err(Error::Exists { .. })));
    fs::write(folder.path("new.db-wal"), "").unwrap();
    assert!(matches!(Sqlite::new(folder.path("new.db")).create(&definition), Err(Error::Exists { .. })));
    fs::remove_file(folder.path("new.db-wal")).unwrap();
    let creator: Box<dyn Creator> = Sqlite::new(folder.path("new.db")).create(&definition).unwrap();
    drop(creator);
    assert_eq!(folder.names(), ["app.db"]);
}

const SHOP: &str = "
CREATE TABLE customer (id INTEGER PRIMARY KEY, mail TEXT UNIQUE COLLATE NOCASE, name);
CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, customer INT REFERENCES customer(id) ON DELETE CASCADE, v);
CREATE TABLE log (line); CREATE TABLE loose (a, b);
CREATE TRIGGER t1 AFTER UPDATE ON customer BEGIN INSERT INTO log VALUES ('updated'); END;
CREATE TRIGGER t2 AFTER DELETE ON customer BEGIN INSERT INTO log VALUES ('deleted'); END;
CREATE VIRTUAL TABLE found USING fts5(name, content='customer', content_rowid='id');
INSERT INTO customer VALUES (1, 'ada@x', 'Ada'), (2, 'bob@x', 'Bob'); INSERT INTO orders VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 99, 'orphan');
INSERT INTO loose VALUES (1, 2), (1, 2), (3, 4); INSERT INTO found(found) VALUES ('rebuild');
";

fn shop(folder: &Folder) -> PathBuf {
    folder.database(&format!("PRAGMA foreign_keys = OFF; {SHOP}"))
}

fn text(path: &Path, sql: &str) -> String {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

fn row(relation: &Relation, values: Vec<Value>) -> Row {
    Row::new(relation, values, 0)
}

#[test]
fn writing_fires_no_trigger_cascades_nothing_and_rebuilds_full_text() {
    let folder = Folder::new();
    let path = shop(&folder);
    let mut writer = Sqlite::new(&path).writer(NOW).unwrap();
    let customer = relation(writer.relations(), "customer");
    let ada = row(&customer, vec![Value::Integer(1), Value::text("ada@x"), Value::text("Ada")]);
    let changed = row(&customer, vec![Value::Integer(1), Value::text("ignored"), Value::text("Countess")]);
    assert!(writer.read(&customer, &ada).unwrap().is_some_and(|live| live.digest() == ada.digest()));
    writer.update(&customer, &ada, &changed, &[2], &Kept::default()).unwrap();
    assert_eq!(writer.violations().unwrap(), [], "the orphan was there before");
    let bob = row(&customer, vec![Value::Integer(2), Value::Null, Value::Null]);
    writer.delete(&customer, &bob).unwrap();
    let violations = writer.violations().unwrap();
    assert_eq!(
        violations.iter().map(|found| (found.model.as_str(), found.parent.as_str(), found.rows)).collect::<Vec<_>>(),
        [("orders", "customer", 1)]
    );
    writer.insert(&customer, &row(&customer, vec![Value::Integer(2), Value::Null, Value::text("Bo")]), &Kept::default()).unwrap();
    assert_eq!(writer.violations().unwrap(), []);
    writer.raise_sequence("orders", 40).unwrap();
    writer.raise_sequence("orders", 20).unwrap();
    writer.commit().unwrap();
    assert_eq!(text(&path, "SELECT group_concat(id || mail || name) FROM customer WHERE id = 1"), "1ada@xCountess");
    assert_eq!(text(&path, "SELECT count(*) || '' FROM log"), "0");
    assert_eq!(text(&path, "SELECT count(*) || '' FROM orders"), "3");
    assert_eq!(text(&path, "SELECT group_concat(rowid) FROM found('countess')"), "1");
    assert_eq!(text(&path, "SELECT seq || '' FROM sqlite_sequence WHERE name = 'orders'"), "40");
    assert_eq!(text(&path, "PRAGMA integrity_check"), "ok");
}

#[test]
fn one_fixed_reference_does_not_hide_another_that_breaks() {
    let folder = Folder::new();
    let path = shop(&folder);
    let mut writer = Sqlite::new(&path).writer(NOW).unwrap();
    let customer = relation(writer.relations(), "customer");
    writer.insert(&customer, &row(&customer, vec![Value::Integer(99), Value::Null, Value::Null]), &Kept::default()).unwrap();
    writer.delete(&customer, &row(&customer, vec![Value::Integer(1), Value::Null, Value::Null])).unwrap();
    assert_eq!(writer.violations().unwrap().iter().map(|found| found.rows).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_writer_that_is_dropped_changed_nothing() {
    let folder = Folder::new();
    let path = shop(&folder);
    let before = told(&path);
    let mut writer: Box<dyn Writer> = Sqlite::new(&path).writer(NOW).unwrap();
    let customer = relation(writer.relations(), "customer");
    writer.delete(&customer, &row(&customer, vec![Value::Integer(1), Value::Null, Value::Null])).unwrap();
    drop(writer);
    assert_eq!(told(&path), before);
}

#[test]
fn a_write_that_does_not_find_exactly_one_row_fails() {
    let folder = Folder::new();
    let path = shop(&folder);
    let mut writer = Sqlite::new(&path).writer(NOW).unwrap();
    let customer = relation(writer.relations(), "customer");
    let nobody = row(&customer, vec![Value::Integer(77), Value::Null, Value::Null]);
    assert!(writer.delete(&customer, &nobody).is_err());
    assert!(writer.update(&customer, &nobody, &nobody, &[1], &Kept::default()).is_err());
    let taken = row(&customer, vec![Value::Integer(7), Value::text("ADA@X"), Value::Null]);
    assert!(writer.insert(&customer, &taken, &Kept::default()).is_err(), "nothing is replaced");
}

#[test]
fn one_of_two_identical_rows_is_deleted_and_its_rowid_is_used_again_where_it_is_free() {
    let folder = Folder::new();
    let path = shop(&folder);
    let (live, _) = rows(&folder.snapshot(&path), "loose", &Looking);
    let mut writer = Sqlite::new(&path).writer(NOW).unwrap();
    let loose = relation(writer.relations(), "loose");
    let twin = live.iter().find(|row| row.values[2].same(&Value::Integer(2))).unwrap();
    writer.delete(&loose, twin).unwrap();
    assert!(writer.delete(&loose, twin).is_err(), "its equal stays");
    writer.insert(&loose, twin, &Kept::default()).unwrap();
    writer.insert(&loose, twin, &Kept::default()).unwrap();
    writer.commit().unwrap();
    assert_eq!(
        text(&path, "SELECT group_concat(rowid || ':' || a || b, ' ') FROM (SELECT rowid, * FROM loose ORDER BY rowid)"),
        "1:12 2:12 3:34 4:12"
    );
}

#[test]
fn virtual_tables_are_written_like_any_other() {
    let folder = Folder::new();
    let path = folder.database(HOSTILE);
    let mut writer = Sqlite::new(&path).writer(NOW).unwrap();
    let notes = relation(writer.relations(), "notes");
    let old = row(&notes, vec![Value::Integer(5), Value::text("hello world"), Value::Blob(vec![0, 255])]);
    let new = row(&notes, vec![Value::Integer(5), Value::text("changed"), Value::Null]);
    writer.update(&notes, &old, &new, &[1], &Kept::default()).unwrap();
    writer.delete(&notes, &row(&notes, vec![Value::Integer(9), Value::Null, Value::Null])).unwrap();
    let boxes = relation(writer.relations(), "boxes");
    writer.delete(&boxes, &row(&boxes, vec![Value::Integer(3), Value::Null, Value::Null])).unwrap();
    writer.commit().unwrap();
    assert_eq!(text(&path, "SELECT group_concat(rowid || hex(body)) FROM notes('changed')"), "500FF");
    assert_eq!(text(&path, "SELECT count(*) || '' FROM notes"), "1");
    assert_eq!(text(&path, "SELECT group_concat(id) FROM boxes"), "1");
}

#[test]
fn references_and_unique_columns_are_told() {
    let folder = Folder::new();
    let snapshot = folder.snapshot(&shop(&folder));
    assert_eq!(snapshot.references()[0].to_columns, ["id"]);
    assert_eq!(snapshot.uniques().iter().map(|unique| unique.columns.join(",")).collect::<Vec<_>>(), ["mail"]);
}

/// Gives the table `t` the statement `sql`, as an application does that knows SQLite's own recipe for it; its rows stay as they are.
fn declare(path: &Path, sql: &str) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("PRAGMA writable_schema = ON").unwrap();
    assert_eq!(connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 't'", [sql]).unwrap(), 1);
}

#[test]
fn rows_that_are_older_than_the_rules_of_their_columns_come_back_as_they_are() {
    let values = "('12'), (12), ('1e3'), (x'3132'), (NULL), (5.0), (-0.0), (1.5), (' 7 '), ('a'), (9e18)";
    for (made, declared) in [
        ("id integer primary key, a", "id integer primary key, a int"),
        ("id integer primary key, a", "id integer primary key, a int not null"),
        ("id integer primary key, a", "id integer primary key, a decimal(10, 2) default 1.5 check (a > 7)"),
        ("id integer primary key, a", "id integer primary key, a text"),
        ("id integer primary key, a", "id integer primary key, a real constraint c not null on conflict replace"),
        (
            "id integer primary key autoincrement, a, b unique, c unique",
            "id integer primary key autoincrement, a int, b text unique, c int unique not null",
        ),
        ("a unique", "a integer unique not null"),
        (
            "a, n default (abs(random())), primary key(a, n)",
            "a int, n int default (abs(random())), h as (a || '-' || n) not null, primary key(a, n)",
        ),
    ] {
        let folder = Folder::new();
        let more = "CREATE TABLE before (v); INSERT INTO before VALUES (1); CREATE VIRTUAL TABLE a_text USING fts5(a); INSERT INTO a_text VALUES ('one');
                    CREATE VIRTUAL TABLE z_text USING fts5(a); INSERT INTO z_text VALUES ('two'), ('three')";
        let path = folder.database(&format!("{more}; CREATE TABLE t({made}); INSERT INTO t(a) VALUES {values}"));
        declare(&path, &format!("CREATE TABLE t({declared})"));
        // An index that is in the order of the values as they are.
        Connection::open(&path).unwrap().execute_batch("CREATE INDEX i ON t(a); REINDEX").unwrap();
        let target = folder.path("copy.db");
        assert_eq!(copy(&folder, &path, &target), Vec::<String>::new(), "{declared}");
        assert_same(&path, &target);
        assert_eq!(text(&target, "SELECT group_concat(rowid) FROM z_text('three')"), "2");
        Connection::open(&target)
            .unwrap()
            .execute_batch("INSERT INTO a_text(a_text) VALUES ('integrity-check'); INSERT INTO z_text(z_text) VALUES ('integrity-check')")
            .unwrap();
        let checks = |path: &Path| text(path, "SELECT group_concat(integrity_check, '; ') FROM pragma_integrity_check");
        assert_eq!(checks(&path), checks(&target), "{declared}");
    }
}

#[test]
fn rows_of_strict_and_keyed_tables_that_are_older_than_their_rules_come_back_as_they_are() {
    for (made, declared) in [
        ("k primary key, a, b", "(k int primary key, a int not null, b any) without rowid, strict"),
        ("k primary key, a, b", "(k text primary key, a real not null, b any) strict, without rowid"),
    ] {
        let folder = Folder::new();
        let path = folder.database(&format!(
            "CREATE TABLE t({made}) WITHOUT ROWID; INSERT INTO t VALUES ('12', '1', '1'), (12, NULL, 1.0), ('x', x'00', NULL)"
        ));
        declare(&path, &format!("CREATE TABLE t{declared}"));
        let target = folder.path("copy.db");
        assert_eq!(copy(&folder, &path, &target), Vec::<String>::new(), "{declared}");
        assert_same(&path, &target);
    }
}

/// A database whose application has functions and collations of its own.
fn of_an_application(folder: &Folder, sql: &str) -> PathBuf {
    let path = folder.path("app.db");
    application(&path).execute_batch(sql).unwrap();
    path
}

fn application(path: &Path) -> Connection {
    let app = Connection::open(path).unwrap();
    app.create_collation("swed", |a: &str, b: &str| b.cmp(a)).unwrap();
    let flags = rusqlite::functions::FunctionFlags::SQLITE_UTF8 | rusqlite::functions::FunctionFlags::SQLITE_DETERMINISTIC;
    app.create_scalar_function("appf", 1, flags, |context| Ok(context.get::<i64>(0)? * 2)).unwrap();
    app
}

#[test]
fn a_column_that_only_the_application_can_compute_costs_no_other_table_anything() {
    for (column, missed) in [
        ("g AS (appf(a))", None),
        ("g INT GENERATED ALWAYS AS (appf(a)) VIRTUAL NOT NULL CHECK (g > 0)", None),
        ("g AS (appf(a)) STORED", Some("t: 2 records could not be written: it needs the function appf, which only the application has")),
        ("g AS (appf(a)) UNIQUE", Some("t: 2 records could not be written: it needs the function appf, which only the application has")),
    ] {
        let folder = Folder::new();
        let sql = format!(
            "CREATE TABLE good(a); INSERT INTO good VALUES (1); CREATE TABLE t(id INTEGER PRIMARY KEY, a, {column}, z); INSERT INTO t(a, z) VALUES (1, 'x'), (2, 'y')"
        );
        let (path, target) = (of_an_application(&folder, &sql), folder.path("copy.db"));
        assert_eq!(copy(&folder, &path, &target), missed.into_iter().collect::<Vec<_>>(), "{column}");
        assert_eq!(text(&target, "SELECT a || '' FROM good"), "1");
        let all = "SELECT coalesce(group_concat(id || a || g || z), '') FROM t";
        let computed: String = application(&target).query_row(all, [], |row| row.get(0)).unwrap();
        assert_eq!(computed, if missed.is_some() { "" } else { "112x,224y" }, "{column}");
        let sql = "SELECT sql FROM sqlite_schema WHERE name = 't'";
        assert_eq!(text(&target, sql), text(&path, sql));
        assert_eq!(application(&target).query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap(), "ok");
    }
}

#[test]
fn a_value_that_sqlite_would_change_and_that_cannot_be_kept_is_named() {
    let folder = Folder::new();
    let path = folder.database("CREATE TABLE t(a, g AS (a || 'x') STORED); INSERT INTO t VALUES ('12'), ('b'), ('1e3')");
    declare(&path, "CREATE TABLE t(a INT, g AS (a || 'x') STORED)");
    let missed = copy(&folder, &path, &folder.path("copy.db"));
    assert_eq!(missed, ["t: 2 records came back with values that SQLite changed into what their columns are declared as"]);
}

#[test]
fn rows_that_lie_in_an_order_that_only_the_application_has_are_read_and_written() {
    let folder = Folder::new();
    let path = of_an_application(
        &folder,
        "CREATE TABLE good(a); INSERT INTO good VALUES (1);
         CREATE TABLE t(k TEXT COLLATE swed PRIMARY KEY, v) WITHOUT ROWID;
         CREATE TABLE u(n, k TEXT COLLATE swed, m COLLATE swed, v COLLATE NOCASE UNIQUE, PRIMARY KEY(n, k DESC, m)) WITHOUT ROWID; CREATE INDEX i ON u(v, k);
         WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO t SELECT 'key ' || i, i FROM n;
         INSERT INTO u SELECT v % 7, k, k, k FROM t",
    );
    let target = folder.path("copy.db");
    let missed = copy(&folder, &path, &target);
    assert_eq!(missed.len(), 3, "{missed:?}");
    for named in ["index i of u: it needs the collation swed", "t: its unique key needs the collation swed", "u: its unique key needs"] {
        assert!(missed.iter().any(|line| line.starts_with(named)), "{missed:?}");
    }
    let app = application(&target);
    app.execute_batch("REINDEX").unwrap();
    assert_eq!(app.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap(), "ok");
    for table in ["t", "u"] {
        let all = |app: &Connection| -> Vec<String> {
            let mut statement = app.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).unwrap();
            let width = statement.column_count();
            let rows = statement
                .query_map([], |row| (0..width).map(|column| Ok(format!("{:?}", row.get_ref(column)?))).collect::<Result<Vec<_>, _>>());
            rows.unwrap().map(|row| row.unwrap().join("|")).collect()
        };
        assert_eq!(all(&app), all(&application(&path)));
    }
}

#[test]
fn counters_come_back_whatever_was_written_into_them() {
    let counting = "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, v); INSERT INTO a(v) VALUES ('x'), ('y'); CREATE TABLE b (id INTEGER PRIMARY KEY AUTOINCREMENT)";
    for (sql, rows) in [
        ("", "'a'2"),
        ("UPDATE sqlite_sequence SET seq = '77'", "'a''77'"),
        ("UPDATE sqlite_sequence SET seq = NULL", "'a'NULL"),
        (
            "UPDATE sqlite_sequence SET seq = 1.5; INSERT INTO sqlite_sequence VALUES (NULL, 1), ('it''s', x'00'), ('b', 3)",
            "'a'1.5,NULL1,'it''s'X'00','b'3",
        ),
        ("DROP TABLE a; DROP TABLE b", ""),
        ("DROP TABLE a; DROP TABLE b; INSERT INTO sqlite_sequence VALUES ('gone', 3)", "'gone'3"),
    ] {
        let folder = Folder::new();
        let (path, target) = (folder.database(&format!("{counting}; {sql}")), folder.path("copy.db"));
        assert_eq!(copy(&folder, &path, &target), Vec::<String>::new(), "{sql}");
        assert_same(&path, &target);
        assert_eq!(text(&target, "SELECT coalesce(group_concat(quote(name) || quote(seq)), '') FROM sqlite_sequence"), rows);
        assert_eq!(text(&target, "PRAGMA integrity_check"), "ok");
    }
}

#[test]
fn a_virtual_table_is_described_by_its_own_statement_whatever_its_rows_are() {
    let folder = Folder::new();
    // The copy meets a table that needs another description while both kinds of full text hold words that are not written down yet.
    let path = folder.database(
        "CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1, +name TEXT); INSERT INTO boxes VALUES (1, 0, 1, 'n');
         CREATE VIRTUAL TABLE five USING fts5(a, b UNINDEXED); INSERT INTO five VALUES ('12', 1.0), (7, '1');
         CREATE VIRTUAL TABLE four USING fts4(a INT NOT NULL); INSERT INTO four VALUES ('12'), ('words');
         CREATE TABLE t (a); INSERT INTO t VALUES ('12'); CREATE VIRTUAL TABLE z USING fts4(a); INSERT INTO z VALUES ('behind')",
    );
    declare(&path, "CREATE TABLE t (a INT)");
    let target = folder.path("copy.db");
    assert_eq!(copy(&folder, &path, &target), Vec::<String>::new());
    assert_same(&path, &target);
    for (found, sql) in [("1", "five('12')"), ("2", "four WHERE four MATCH 'words'"), ("1", "z WHERE z MATCH 'behind'")] {
        assert_eq!(text(&target, &format!("SELECT rowid || '' FROM {sql}")), found);
    }
}
