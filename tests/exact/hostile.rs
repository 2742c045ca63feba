//! One database with everything in it that a backup may lose, through the binary: backed up, copied, changed, previewed,
//! spoiled, restored in place and taken back.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::common::program::Place;
use crate::compare::{What, assert_same, told};

const HOSTILE: &str = include_str!("hostile.sql");

/// Text that is none; a UTF-16 database holds such bytes as they are.
const INVALID: &str =
    "INSERT INTO cells(v) VALUES (CAST(x'fffe41' AS TEXT)), (CAST(x'c3' AS TEXT)), (CAST(x'eda080' AS TEXT)), (CAST(x'f8808080' AS TEXT));
    INSERT INTO keyed VALUES (CAST(x'ff00fe' AS TEXT), 4), (CAST(x'ff' AS TEXT), 5);
    INSERT INTO folded VALUES (CAST(x'c341' AS TEXT), CAST(x'c32020' AS TEXT)), (CAST(x'c361ff' AS TEXT), CAST(x'c3' AS TEXT) || char(0));
    INSERT INTO unnumbered VALUES (CAST(x'80' AS TEXT)), (CAST(x'80' AS TEXT));";

/// A place that protects a database made by `pragmas` and `sql`.
fn protected(pragmas: &str, sql: &[&str]) -> (Place, PathBuf) {
    let place = Place::new();
    let path = place.path("app.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(pragmas).unwrap();
    sql.iter().for_each(|sql| connection.execute_batch(sql).unwrap());
    connection.close().unwrap();
    place.protect("app", &path);
    (place, path)
}

/// Makes a backup and answers its id.
fn back_up(place: &Place, kind: &str) -> String {
    place.json(&["backup", "--app", "app", "--type", kind])["backup"].as_str().unwrap().to_owned()
}

/// The copy that a backup gives.
fn copy(place: &Place, backup: &str, status: i32) -> PathBuf {
    let path = place.path(&format!("{backup}.db"));
    place.expect(status, &["restore", "to", backup, "--target", &format!("sqlite:{}", path.display())]);
    path
}

fn assert_same_database(expected: &Path, found: &Path) {
    assert_same(&told(expected, What::All), &told(found, What::All));
}

#[test]
fn a_hostile_database_comes_back_exactly() {
    let (place, path) =
        protected("PRAGMA page_size = 1024; PRAGMA user_version = -7; PRAGMA application_id = 305419896", &[HOSTILE, INVALID]);
    let backup = back_up(&place, "full");
    assert_same_database(&path, &copy(&place, &backup, 0));
}
