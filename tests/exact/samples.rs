//! Databases that somebody else made, through the binary: their copies are the same, and so are those of what they became.

use std::path::{Path, PathBuf};

use rstest::rstest;

use crate::common::program::Place;
use crate::compare::{What, assert_same, sqlite3, told};
use crate::hostile::{back_up, change, copy};
use crate::spoil::spoil;

/// Fills the place's database, and answers how many rows it has.
fn chinook(database: &Path) -> usize {
    std::fs::copy(data("chinook/Chinook_Sqlite.sqlite"), database).unwrap();
    15_607
}

fn northwind(database: &Path) -> usize {
    for script in ["northwind/create.sql", "northwind/update.sql"] {
        let sql = std::fs::read_to_string(data(script)).unwrap();
        change(database, &["PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; BEGIN", &sql, "COMMIT"]);
    }
    3_310
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// All that is told of a database, and what its views make of it.
fn told_with_views(database: &Path) -> Vec<String> {
    let mut all = told(database, What::All);
    for view in sqlite3(database, "SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY name") {
        let rows = sqlite3(database, &format!(".mode quote\nSELECT * FROM \"{view}\""));
        all.extend(rows.into_iter().map(|row| format!("view {view}: {row}")));
    }
    all
}

#[rstest]
#[case::chinook(chinook)]
#[case::northwind(northwind)]
fn a_sample_database_comes_back_exactly_and_so_does_what_becomes_of_it(#[case] fill: fn(&Path) -> usize) {
    let place = Place::new();
    let database = place.path("app.db");
    let rows = fill(&database);
    place.protect("app", &database);
    let good = told_with_views(&database);
    assert_eq!(good.iter().filter(|line| line.starts_with('"')).count(), rows, "the database is filled");
    assert_same(&good, &told_with_views(&copy(&place, &back_up(&place, "full"))));
    spoil(&database, 1);
    let spoiled = told_with_views(&database);
    assert!(spoiled != good);
    assert_same(&spoiled, &told_with_views(&copy(&place, &back_up(&place, "incremental"))));
}
