//! The three journeys that decide the console, through the real binary in a real terminal, at both sizes that count.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::path::PathBuf;

use common::program::Place;
use common::terminal::Terminal;
use rstest::rstest;
use rusqlite::Connection;
use serde_json::Value;

/// A shop's database, protected, with a configuration that has run once.
struct Shop {
    place: Place,
    database: PathBuf,
}

impl Shop {
    fn new() -> Self {
        let place = Place::new();
        let database = place.path("shop.db");
        let connection = Connection::open(&database).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE sales_customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT);
                 CREATE TABLE sales_order (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES sales_customer (id), total NUMERIC);
                 WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
                 INSERT INTO sales_customer SELECT i, 'Customer ' || i, 'c' || i || '@shop.example' FROM n;
                 INSERT INTO sales_order SELECT id, id, id * 1.5 FROM sales_customer;",
            )
            .unwrap();
        place.protect("shop", &database);
        place.expect(0, &["config", "create", "nightly", "--app", "shop", "--type", "full", "--schedule", "0 2 * * *"]);
        place.expect(0, &["backup", "--config", "nightly"]);
        Self { place, database }
    }

    fn console(&self, columns: u16, rows: u16) -> Terminal {
        Terminal::start(&self.place.command(&[]), columns, rows)
    }

    fn spoil(&self) {
        let connection = Connection::open(&self.database).unwrap();
        connection.execute_batch("UPDATE sales_customer SET email = NULL WHERE id <= 7; DELETE FROM sales_order WHERE id = 9").unwrap();
    }

    /// Everything that the application has, as text.
    fn rows(&self) -> String {
        let connection = Connection::open(&self.database).unwrap();
        let all = "SELECT group_concat(id || name || coalesce(email, '∅')) FROM sales_customer
                   UNION ALL SELECT group_concat(id || ' ' || total) FROM sales_order";
        let mut statement = connection.prepare(all).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }
}

fn ended(console: &mut Terminal) {
    assert_eq!(console.keys("q").end(), 0);
    assert!(!console.is_full_screen(), "the terminal is given back");
}

#[rstest]
#[case(80, 24)]
#[case(120, 40)]
fn on_call_from_the_alert_to_its_end(#[case] columns: u16, #[case] rows: u16) {
    let shop = Shop::new();
    let away = shop.place.path("away.db");
    std::fs::rename(&shop.database, &away).unwrap();
    shop.place.expect(1, &["backup", "--config", "nightly"]);

    let mut console = shop.console(columns, rows);
    console
        .wait("is at risk")
        .keys("6")
        .wait("acknowledge")
        .wait("▸  ▲ backup failure")
        .keys("\r")
        .wait("WHAT TO DO")
        .wait("does not exist");
    console.keys("a").wait("acknowledged");
    std::fs::rename(&away, &shop.database).unwrap();
    console.keys("r").wait("y ").keys("y").wait("completed");
    console
        .keys("6")
        .wait("backup failure")
        .keys("x")
        .wait("What was wrong")
        .keys("the volume was not mounted\r")
        .wait("resolved")
        .wait_until("no dialog", |screen| !screen.contains("What was wrong"));
    ended(&mut console);

    let alerts = shop.place.json(&["alerts", "list", "--all"]);
    assert_eq!((&alerts[0]["status"], &alerts[0]["notes"]), (&"resolved".into(), &"the volume was not mounted".into()));
    assert_eq!(shop.place.json(&["jobs", "list"])[0]["status"], "completed");
    shop.place.expect(0, &["health"]);
}

#[rstest]
#[case(80, 24)]
#[case(120, 40)]
fn spoiled_records_come_back_and_the_restore_can_be_taken_back(#[case] columns: u16, #[case] rows: u16) {
    let shop = Shop::new();
    let whole = shop.rows();
    shop.spoil();
    let spoiled = shop.rows();

    let mut console = shop.console(columns, rows);
    console.wait("shop").keys("4").wait("completed").keys("R").wait("sales_customer").keys("\r").wait("merge");
    console.keys("\r").wait("Nothing has been touched");
    let preview = console.screen();
    assert!(preview.contains("sales_order") && preview.contains("+1") && preview.contains("~7"), "{preview}");
    assert_eq!(shop.rows(), spoiled, "a preview touches nothing");
    console.keys("c").wait("reason").keys("a wrong update\r").wait("type").keys("shop\r").wait("created");
    assert_eq!(shop.rows(), whole);
    console.keys("u").wait("7 values that the restore filled: emptied again").keys("c").wait("reason").keys("it was meant\r").wait("type");
    console.keys("shop\r").wait("1  deleted");
    assert_eq!(shop.rows(), spoiled);
    ended(&mut console);

    let restores = shop.place.json(&["restores", "list"]);
    let ended: Vec<&Value> = restores.as_array().unwrap().iter().map(|restore| &restore["status"]).collect();
    assert_eq!(ended, ["completed", "completed"]);
}

#[rstest]
#[case(80, 24)]
#[case(120, 40)]
fn the_morning_look_says_whether_all_is_well(#[case] columns: u16, #[case] rows: u16) {
    let shop = Shop::new();
    shop.place.expect(0, &["backups", "verify", "latest"]);
    let mut console = shop.console(columns, rows);
    console.wait("Every application has a good backup").wait("shop").wait("vault");
    ended(&mut console);
}
