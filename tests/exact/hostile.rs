//! One database with everything in it that a backup may lose, through the binary: backed up, copied, changed, previewed,
//! spoiled, restored in place and taken back.

use std::path::{Path, PathBuf};

use rstest::rstest;
use rusqlite::Connection;
use serde_json::Value;

use crate::common::program::Place;
use crate::compare::{What, assert_same, told};
use crate::spoil::{settle, spoil};

const HOSTILE: &str = include_str!("hostile.sql");

/// Text that is none in UTF-16 (halves of pairs, in either order of bytes), and what UTF-8 has no bytes for.
const INVALID_16: &str = "INSERT INTO cells(v) SELECT CAST(column1 AS TEXT) FROM (VALUES (x'00d8'), (x'd800'), (x'00dc4100'), (x'dc000041'), (x'4100ffdb00d800dc'),
    (x'0041dbffd800dc00'), (x'ffff'), (x'fffe'), (x'feff'), (x'fffe4100'), (x'feff0041'), (x'00d80000'), (CAST(zeroblob(20000) || x'00d8d800' AS BLOB)));
    INSERT INTO keyed(k, v) VALUES (CAST(x'00d84100' AS TEXT), 4), (CAST(x'00d84200' AS TEXT), 5), (CAST(x'd8000041' AS TEXT), 6), (CAST(x'd8000042' AS TEXT), 7);
    INSERT INTO unnumbered(v) VALUES (CAST(x'00dc' AS TEXT)), (CAST(x'dc00' AS TEXT)), (CAST(x'00dc' AS TEXT));
    INSERT INTO shadowed VALUES (CAST(x'00dc' AS TEXT), CAST(x'dc00' AS TEXT), 1);";

/// Text that is none. In a UTF-16 database other bytes are.
const INVALID: &str =
    "INSERT INTO cells(v) VALUES (CAST(x'fffe41' AS TEXT)), (CAST(x'c3' AS TEXT)), (CAST(x'eda080' AS TEXT)), (CAST(x'f8808080' AS TEXT));
    INSERT INTO keyed VALUES (CAST(x'ff00fe' AS TEXT), 4), (CAST(x'ff' AS TEXT), 5);
    INSERT INTO folded VALUES (CAST(x'c341' AS TEXT), CAST(x'c32020' AS TEXT)), (CAST(x'c361ff' AS TEXT), CAST(x'c3' AS TEXT) || char(0));
    INSERT INTO unnumbered VALUES (CAST(x'80' AS TEXT)), (CAST(x'80' AS TEXT));";

/// What a restore into a live database refuses, and says so: a reference to nobody, and a row that breaks a check.
const UNFIT: &str = "DELETE FROM tree WHERE id = 6; DELETE FROM points_nowhere WHERE id = 2; DELETE FROM checked WHERE v < 0;
    DELETE FROM refers_loosely";

/// A place that protects a database made by `sql`.
pub fn protected(sql: &[&str]) -> (Place, PathBuf) {
    let place = Place::new();
    let path = place.path("app.db");
    change(&path, sql);
    place.protect("app", &path);
    (place, path)
}

/// Full text over other tables is spoiled with them, as it is where triggers keep it.
const REBUILD: &str = "INSERT INTO posts_text(posts_text) VALUES ('rebuild'); INSERT INTO view_text(view_text) VALUES ('rebuild');
    INSERT INTO old_posts(old_posts) VALUES ('rebuild')";

pub fn change(path: &Path, sql: &[&str]) {
    let connection = Connection::open(path).unwrap();
    sql.iter().for_each(|sql| connection.execute_batch(sql).unwrap());
    connection.close().unwrap();
}

/// Makes a backup and answers its id.
pub fn back_up(place: &Place, kind: &str) -> String {
    place.json(&["backup", "--app", "app", "--type", kind])["backup"].as_str().unwrap().to_owned()
}

/// The copy that a backup gives.
pub fn copy(place: &Place, backup: &str) -> PathBuf {
    let path = place.path(&format!("{backup}.db"));
    place.expect(0, &["restore", "to", backup, "--target", &format!("sqlite:{}", path.display())]);
    path
}

fn preview(place: &Place) -> Value {
    place.json(&["restore", "preview", "--app", "app", "--strategy", "replace", "--exact"])
}

fn assert_same_database(expected: &Path, found: &Path) {
    assert_same(&told(expected, What::All), &told(found, What::All));
}

#[rstest]
#[case("PRAGMA page_size = 512; PRAGMA auto_vacuum = FULL; PRAGMA user_version = -7; PRAGMA application_id = 305419896", INVALID)]
#[case("PRAGMA encoding = 'UTF-16le'; PRAGMA page_size = 65536; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL", INVALID_16)]
#[case("PRAGMA encoding = 'UTF-16be'; PRAGMA user_version = 2147483647; PRAGMA application_id = -1", INVALID_16)]
fn a_hostile_database_comes_back_exactly_and_so_do_its_changes(#[case] pragmas: &str, #[case] more: &str) {
    let (place, path) = protected(&[pragmas, HOSTILE, more]);
    let before = told(&path, What::All);
    assert_same(&before, &told(&copy(&place, &back_up(&place, "full")), What::All));
    let plan = preview(&place);
    let summary = &plan["summary"];
    assert_eq!(
        (&summary["new_records"], &summary["conflicts"], &summary["live_only_records"], &summary["identical_records"]),
        (&0.into(), &0.into(), &0.into(), &summary["total_records"])
    );
    assert!(summary["total_records"].as_u64().unwrap() > 300, "{summary}");
    for round in 1..=2 {
        spoil(&path, round);
        change(&path, &[REBUILD]);
        assert_same_database(&path, &copy(&place, &back_up(&place, "incremental")));
    }
    assert!(told(&path, What::All) != before);
}

#[rstest]
#[case("", INVALID, 3)]
#[case("", "", 4)]
#[case("PRAGMA encoding = 'UTF-16le'; PRAGMA journal_mode = WAL", INVALID_16, 5)]
fn a_spoiled_database_is_restored_in_place_cell_for_cell_and_the_restore_taken_back(
    #[case] pragmas: &str,
    #[case] more: &str,
    #[case] seed: u64,
) {
    let (place, path) = protected(&[pragmas, HOSTILE, more, UNFIT]);
    let good = told(&path, What::Cells);
    back_up(&place, "full");
    spoil(&path, seed);
    settle(&path);
    change(&path, &[REBUILD]);
    let spoiled = told(&path, What::Cells);
    let plan = preview(&place);
    assert_eq!(plan["safe_to_restore"], true, "{}", plan["findings"]);
    let run = ["restore", "run", "--plan", plan["plan"].as_str().unwrap(), "--reason", "a mishap", "--yes", "--confirm", "app"];
    let done = place.json(&run);
    assert_same(&good, &told(&path, What::Cells));
    place.json(&["restore", "undo", done["restore"].as_str().unwrap(), "--reason", "it was meant", "--yes"]);
    assert_same(&spoiled, &told(&path, What::Cells));
}

#[test]
fn tables_with_as_many_columns_as_there_can_be_come_back_exactly() {
    let columns = |count: usize| (0..count).map(|column| format!("c{column}")).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "CREATE TABLE wide ({0}); INSERT INTO wide(c0, c1999) VALUES (1, 2), (1, 2), (-0.0, x'00'), (NULL, NULL);
         CREATE TABLE wide_rowid ({1}); INSERT INTO wide_rowid(rowid, c0, c1998) VALUES (-7, 1, 2), (9, 1, 2);
         CREATE TABLE wide_key (id INTEGER PRIMARY KEY, {1}); INSERT INTO wide_key(id, c5, c1998) VALUES (-5, 'x', 9e999);
         CREATE TABLE wide_nulls ({1}, k TEXT PRIMARY KEY); INSERT INTO wide_nulls(c7, k) VALUES (1, NULL), (1, NULL), (2, 'k');",
        columns(2000),
        columns(1999)
    );
    let (place, path) = protected(&[&sql]);
    let good = told(&path, What::Cells);
    assert_same(&good, &told(&copy(&place, &back_up(&place, "full")), What::Cells));
    spoil(&path, 1);
    let plan = preview(&place)["plan"].as_str().unwrap().to_owned();
    place.json(&["restore", "run", "--plan", &plan, "--reason", "a mishap", "--yes", "--confirm", "app"]);
    assert_same(&good, &told(&path, What::Cells));
}

#[test]
fn a_value_of_a_hundred_megabytes_comes_back_exactly() {
    let (place, path) = protected(&["CREATE TABLE scan (id INTEGER PRIMARY KEY, page BLOB, text);
        INSERT INTO scan VALUES (1, randomblob(100000000), 'x'), (2, NULL, hex(randomblob(2000000)))"]);
    let backup = back_up(&place, "full");
    assert_same_database(&path, &copy(&place, &backup));
}

#[test]
fn every_page_size_comes_back() {
    let place = Place::new();
    place.expect(0, &["vault", "init", "--location", "vault"]);
    for size in ["512", "1024", "2048", "8192", "16384", "32768", "65536"] {
        let (path, copy) = (place.path(&format!("{size}.db")), place.path(&format!("{size}.copy")));
        let sql = "CREATE TABLE t (k TEXT PRIMARY KEY, v); WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
            INSERT INTO t SELECT 'k' || i, CASE WHEN i % 50 THEN i ELSE zeroblob(i * 500) END FROM n";
        change(&path, &[&format!("PRAGMA page_size = {size}"), sql]);
        place.expect(0, &["app", "add", size, "--database", &format!("sqlite:{}", path.display())]);
        place.expect(0, &["backup", "--app", size, "--type", "full"]);
        place.expect(0, &["restore", "to", "latest", "--app", size, "--target", &format!("sqlite:{}", copy.display())]);
        assert_same_database(&path, &copy);
    }
}

#[rstest]
#[case::nothing_at_all("PRAGMA user_version = 5; CREATE TABLE t (a); DROP TABLE t")]
#[case::views_alone("CREATE VIEW v AS SELECT 1 AS one; CREATE VIEW w AS SELECT * FROM v")]
#[case::an_index_alone(
    "CREATE VIRTUAL TABLE only USING fts5(body, content=''); INSERT INTO only(rowid, body) VALUES (1, 'words');
    CREATE VIRTUAL TABLE terms USING fts5vocab(only, instance)"
)]
#[case::a_table_named_like_a_part_of_an_index("CREATE TABLE doc_content (id INTEGER PRIMARY KEY, body); INSERT INTO doc_content VALUES (1, 'hello'), (2, 'world');
    CREATE VIRTUAL TABLE doc USING fts5(body, content='doc_content', content_rowid='id'); INSERT INTO doc(doc) VALUES ('rebuild');
    CREATE TABLE old_stat (v); INSERT INTO old_stat VALUES ('mine'); CREATE VIRTUAL TABLE old USING fts3(t); INSERT INTO old VALUES ('text')")]
fn what_has_no_ordinary_table_comes_back_too(#[case] sql: &str) {
    let (place, path) = protected(&[sql]);
    assert_same_database(&path, &copy(&place, &back_up(&place, "full")));
    assert_same_database(&path, &copy(&place, &back_up(&place, "incremental")));
}

#[test]
fn full_text_that_only_its_application_can_read_comes_back_with_the_tables_it_keeps() {
    let (place, path) =
        protected(&["CREATE VIRTUAL TABLE five USING fts5(t, tokenize = 'porter'); INSERT INTO five VALUES ('words kept'), ('others');
        CREATE VIRTUAL TABLE four USING fts4(t, tokenize=porter); INSERT INTO four VALUES ('more words');
        CREATE TABLE plain (v); INSERT INTO plain VALUES (1);"]);
    let rename = |path: &Path, from: &str, to: &str| {
        let sql = format!(
            "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, '{from}', '{to}') WHERE name IN ('five', 'four')"
        );
        change(path, &[&sql]);
    };
    let good = told(&path, What::All);
    // As if the application had registered a tokenizer of this name.
    rename(&path, "porter", "swedish");
    let copied = copy(&place, &back_up(&place, "full"));
    rename(&copied, "swedish", "porter");
    assert_same(&good, &told(&copied, What::All));
}

#[test]
fn a_schema_that_is_not_utf_8_is_refused_in_words() {
    let place = Place::new();
    let path = place.path("app.db");
    let statement: String = b"CREATE TABLE t (a DEFAULT '\xe9')".iter().map(|byte| format!("{byte:02x}")).collect();
    let latin = format!("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = CAST(x'{statement}' AS TEXT)");
    change(&path, &["CREATE TABLE t (a)", &latin]);
    place.expect(0, &["vault", "init", "--location", "vault"]);
    let output = place.run(&["app", "add", "app", "--database", &format!("sqlite:{}", path.display())]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("app.db") && said.contains("of its schema is not UTF-8"), "{said}");
}
