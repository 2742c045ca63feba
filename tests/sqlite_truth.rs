//! What a SQLite database says is true where it is awkward: behind a link, beside a dead transaction, with a damaged index,
//! with an application that writes meanwhile, and with constraints that would rather replace than refuse.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use backstop::rows::{Large, Relation, Row, Value};
use backstop::sources::sqlite::{Sqlite, SqliteSnapshot};
use backstop::sources::{Error, Looking, Resolve, Snapshot, Unread};
use rusqlite::Connection;

const NOW: Duration = Duration::from_millis(0);

struct Nothing;

impl Resolve for Nothing {
    fn fetch(&self, _: &Large, _: &mut dyn std::io::Write) -> std::io::Result<()> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    /// A folder with an empty one called `scratch` in it.
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::create_dir(folder.path("scratch")).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn database(&self, sql: &str) -> PathBuf {
        let path = self.path("app.db");
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        path
    }

    fn open(&self, path: &Path) -> Result<SqliteSnapshot, Error> {
        Sqlite::new(path).snapshot(NOW, &self.path("scratch"))
    }

    /// What stands in the scratch folder.
    fn scratch(&self) -> usize {
        fs::read_dir(self.path("scratch")).unwrap().count()
    }
}

fn relation(relations: &[Relation], model: &str) -> Relation {
    relations.iter().find(|relation| relation.name == model).unwrap().clone()
}

fn rows(snapshot: &dyn Snapshot, model: &str) -> (Vec<Row>, Vec<Unread>) {
    let mut rows = Vec::new();
    let unread = snapshot
        .scan(&relation(snapshot.relations(), model), &Looking, &mut |row| {
            rows.push(row);
            ControlFlow::Continue(())
        })
        .unwrap();
    (rows, unread)
}

/// Puts a page back as it was before `sql` ran: the page of an index then lacks what the table has.
fn forget(path: &Path, index: &str, sql: &str) {
    let connection = Connection::open(path).unwrap();
    let (page, size): (u64, u64) = connection
        .query_row("SELECT rootpage, page_size FROM sqlite_schema, pragma_page_size WHERE name = ?", [index], |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()))
        })
        .unwrap();
    let place = usize::try_from((page - 1) * size).unwrap()..usize::try_from(page * size).unwrap();
    let before = fs::read(path).unwrap();
    connection.execute_batch(sql).unwrap();
    drop(connection);
    let mut bytes = fs::read(path).unwrap();
    bytes[place.clone()].copy_from_slice(&before[place]);
    fs::write(path, bytes).unwrap();
}

fn texts(rows: &[Row], column: usize) -> Vec<String> {
    let text = |row: &Row| match &row.values[column] {
        Value::Text(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        other => format!("{other:?}"),
    };
    rows.iter().map(text).collect()
}

#[test]
fn a_transaction_that_died_is_rolled_back_where_the_database_is_named_by_a_link() {
    let folder = Folder::new();
    let path = folder.database(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v, much);
         WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO t SELECT i, 'whole', zeroblob(500) FROM n",
    );
    let app = Connection::open(&path).unwrap();
    // Spilled pages and a journal with a header: what a killed process leaves.
    app.execute_batch("PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN IMMEDIATE; UPDATE t SET v = 'halff'").unwrap();
    fs::copy(&path, folder.path("died.db")).unwrap();
    fs::copy(folder.path("app.db-journal"), folder.path("died.db-journal")).unwrap();
    fs::create_dir(folder.path("srv")).unwrap();
    let link = folder.path("srv/shop.db");
    std::os::unix::fs::symlink("../died.db", &link).unwrap();

    let snapshot = folder.open(&link).unwrap();
    let (rows, unread) = rows(&snapshot, "t");
    assert_eq!((texts(&rows, 1), unread), (vec!["whole".to_owned(); 500], Vec::new()));
    assert!(folder.path("died.db-journal").exists(), "the application's own files stay");
    assert_eq!(snapshot.identity().place, format!("sqlite:{}", link.display()), "it is called as it was named");
    drop(snapshot);
    assert_eq!(folder.scratch(), 0);
}

const WORDS: &str = "CREATE TABLE w (k TEXT PRIMARY KEY, v);
    WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 9) INSERT INTO w SELECT 'k' || i, 'v' || i FROM n;";

#[test]
fn rows_that_an_index_lacks_are_read_all_the_same_and_the_index_is_named() {
    let folder = Folder::new();
    let path = folder.database(WORDS);
    forget(&path, "sqlite_autoindex_w_1", "INSERT INTO w VALUES ('k0', 'new'), ('k55', 'new')");
    let (rows, unread) = rows(&folder.open(&path).unwrap(), "w");
    assert_eq!(texts(&rows, 0), ["k0", "k1", "k2", "k3", "k4", "k5", "k55", "k6", "k7", "k8", "k9"]);
    assert_eq!(unread.len(), 1, "{unread:?}");
    assert!(unread[0].why.contains("sqlite_autoindex_w_1"), "{unread:?}");
}

#[test]
fn the_table_is_believed_where_its_index_has_other_values() {
    let folder = Folder::new();
    let path = folder.database(WORDS);
    forget(&path, "sqlite_autoindex_w_1", "UPDATE w SET k = 'k5+' WHERE k = 'k5'");
    let (rows, _) = rows(&folder.open(&path).unwrap(), "w");
    assert_eq!(texts(&rows, 0), ["k1", "k2", "k3", "k4", "k5+", "k6", "k7", "k8", "k9"]);
}

#[test]
fn a_table_without_a_key_is_never_read_from_an_index_that_covers_it() {
    let folder = Folder::new();
    let path = folder.database(
        "CREATE TABLE loose (a, b, c GENERATED ALWAYS AS (1)); CREATE INDEX cover ON loose(a, b); INSERT INTO loose VALUES (1, 2), (3, 4)",
    );
    forget(&path, "cover", "INSERT INTO loose VALUES (5, 6)");
    let (rows, unread) = rows(&folder.open(&path).unwrap(), "loose");
    assert_eq!((rows.len(), unread), (3, Vec::new()));
}

#[test]
fn an_application_with_a_rollback_journal_writes_while_its_database_is_read() {
    let folder = Folder::new();
    let path = folder.database(
        "PRAGMA user_version = 7; CREATE TABLE t (id INTEGER PRIMARY KEY, v);
         WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO t SELECT i, hex(randomblob(100)) FROM n",
    );
    let app = Connection::open(&path).unwrap();
    app.busy_timeout(NOW).unwrap();
    let cookie: i64 = app.query_row("PRAGMA schema_version", [], |row| row.get(0)).unwrap();
    let snapshot = folder.open(&path).unwrap();
    assert_eq!(folder.scratch(), 0, "a crash from here on leaves nothing");
    let mut seen = 0;
    let unread = snapshot
        .scan(&relation(snapshot.relations(), "t"), &Looking, &mut |_| {
            seen += 1;
            if seen == 1000 {
                app.execute_batch("DELETE FROM t WHERE id > 2000; VACUUM").unwrap();
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((seen, unread), (3000, Vec::new()));
    let consistency = snapshot.consistency();
    assert_eq!(consistency["schema_cookie"], cookie, "of the database and not of a copy: {consistency}");
    assert!(snapshot.definition().unwrap().pragmas.contains(&("journal_mode".into(), "delete".into())));
    assert_eq!(rows(&folder.open(&path).unwrap(), "t").0.len(), 2000);
}

#[test]
fn a_copy_for_which_there_is_no_room_is_refused_with_the_folder_and_the_size() {
    let folder = Folder::new();
    let path = folder.database("CREATE TABLE t (v); INSERT INTO t VALUES (1)");
    // A terabyte by its header, a few pages on the disk.
    let pages: u32 = 1 << 28;
    let mut bytes = fs::read(&path).unwrap();
    bytes[28..32].copy_from_slice(&pages.to_be_bytes());
    fs::write(&path, bytes).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(u64::from(pages) * 4096).unwrap();
    let Err(error) = folder.open(&path) else { panic!("it has no room") };
    let said = error.to_string();
    assert!(said.contains("scratch") && said.contains(&(u64::from(pages) * 4096).to_string()), "{said}");
    assert_eq!(folder.scratch(), 0);
    assert!(Sqlite::new(&path).validate(NOW, &folder.path("scratch")).is_ok(), "looking at it takes no copy");
}

#[test]
fn a_constraint_that_replaces_refuses_here() {
    let folder = Folder::new();
    let path = folder.database(
        "CREATE TABLE c (id INTEGER PRIMARY KEY, mail TEXT UNIQUE ON CONFLICT REPLACE, n INT NOT NULL ON CONFLICT IGNORE);
         INSERT INTO c VALUES (1, 'a@x', 1), (2, 'b@x', 2)",
    );
    let mut writer = Sqlite::new(&path).writer(NOW).unwrap();
    let c = relation(writer.relations(), "c");
    let row = |id: i64, mail: &str, n: Value| Row::new(&c, vec![Value::Integer(id), Value::text(mail), n], 0);
    assert!(writer.insert(&c, &row(3, "a@x", Value::Integer(3)), &Nothing).is_err());
    assert!(writer.insert(&c, &row(3, "c@x", Value::Null), &Nothing).is_err());
    let second = row(2, "b@x", Value::Integer(2));
    assert!(writer.update(&c, &second, &row(2, "a@x", Value::Integer(2)), &[1], &Nothing).is_err());
    writer.commit().unwrap();
    let told: String = Connection::open(&path).unwrap().query_row("SELECT group_concat(id || mail) FROM c", [], |row| row.get(0)).unwrap();
    assert_eq!(told, "1a@x,2b@x");
}
