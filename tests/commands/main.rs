//! The commands as people and scripts use them, through the real binary.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod apps;
mod backups;
mod documents;
mod levels;
mod memory;
mod runs;
mod scope;
mod tenants;
mod vaults;

use std::path::PathBuf;

use common::program::Place;
use rusqlite::Connection;
use serde_json::Value;

/// A school of 40 pupils in two classes.
fn school(place: &Place) -> PathBuf {
    let path = place.path("school.db");
    let database = Connection::open(&path).unwrap();
    database
        .execute_batch(
            "CREATE TABLE hr_class (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
             CREATE TABLE hr_pupil (id INTEGER PRIMARY KEY, class INTEGER NOT NULL REFERENCES hr_class, name TEXT, mail TEXT, mark REAL);
             INSERT INTO hr_class VALUES (1, 'a'), (2, 'b');
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
             INSERT INTO hr_pupil SELECT i, 1 + i % 2, 'pupil ' || i, 'p' || i || '@school', 4.5 FROM n;
             CREATE TABLE log (at TEXT, what TEXT);
             INSERT INTO log VALUES ('2026-01-01', 'begun')",
        )
        .unwrap();
    path
}

fn sql(place: &Place, sql: &str) {
    Connection::open(place.path("school.db")).unwrap().execute_batch(sql).unwrap();
}

fn back_up(place: &Place, kind: &str) -> String {
    text(&place.json(&["backup", "--app", "school", "--type", kind])["backup"])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// Standard error of a command that is to end with `status`.
fn told(place: &Place, status: i32, arguments: &[&str]) -> String {
    let output = place.run(arguments);
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "backstop {arguments:?}\n{err}");
    err
}
