//! Databases that somebody else made, and one of ours with one of everything, as psql takes them into an empty database.

use std::path::Path;

use crate::common::postgres::{Cluster, Database};

/// The roles of `hostile.sql`, which no database can hold: they are the server's.
const ROLES: &str = "CREATE ROLE \"owner; of 'all'\"; CREATE ROLE reader;";

/// Every sample.
pub const ALL: [&str; 4] = ["hostile", "pagila", "chinook", "northwind"];

/// A new database of a sample's name with what the sample has.
pub fn filled(cluster: &Cluster, sample: &str) -> Database {
    if sample == "hostile" {
        cluster.existing("postgres").psql(ROLES);
    }
    let database = cluster.database(sample);
    database.psql(&script(sample));
    database
}

fn script(sample: &str) -> String {
    match sample {
        "pagila" => file("data/pagila/schema.sql") + &file("data/pagila/data.sql"),
        "chinook" => chinook(),
        "northwind" => northwind(),
        own => file(&format!("postgres/{own}.sql")),
    }
}

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)).unwrap()
}

/// The script makes a database of its own, which it then asks psql to enter.
fn chinook() -> String {
    let is_about_the_database = |line: &&str| ["DROP DATABASE", "CREATE DATABASE", "\\c "].iter().any(|words| line.starts_with(words));
    let script = file("data/chinook/Chinook_PostgreSql.sql");
    script.lines().filter(|line| !is_about_the_database(line)).collect::<Vec<_>>().join("\n")
}

/// Our tables with the rows of the script for SQLite, which writes bytes, numbers that are to be chosen and one name in its own way.
fn northwind() -> String {
    let mut rows = Vec::new();
    let mut statements = 0;
    let mut inside = false;
    let script = file("data/northwind/create.sql");
    for line in script.lines() {
        statements += usize::from(line.starts_with("INSERT INTO "));
        inside |= line.starts_with("INSERT INTO ");
        if inside {
            rows.push(
                line.replace(",X'", ",'\\x").replace("VALUES(null,", "VALUES(DEFAULT,").replace("[Order Details]", "\"Order Details\""),
            );
        }
        inside &= !line.trim_end().ends_with(");");
    }
    assert_eq!(statements, 3310);
    let tables = file("postgres/northwind.sql");
    let (before, after) = tables.split_once("-- rows\n").unwrap();
    format!("{before}{}\n{after}", rows.join("\n"))
}
