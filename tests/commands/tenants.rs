//! Tenants: a backup of some, a restore of some from any backup, and nothing of anybody else's, on a database of two companies.

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::common::program::Place;
use crate::{text, told};

/// Companies 7 and 9 with what they own, what they share, and two models that say nothing of whose their records are.
const FIRMS: &str = "
    CREATE TABLE company (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE region (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE country (id INTEGER PRIMARY KEY, name TEXT, region_id INTEGER REFERENCES region);
    CREATE TABLE category (id INTEGER PRIMARY KEY, name TEXT, parent_id INTEGER REFERENCES category);
    CREATE TABLE department (id INTEGER PRIMARY KEY, company_id INTEGER REFERENCES company, name TEXT);
    CREATE TABLE customer (id INTEGER PRIMARY KEY, company_id INTEGER REFERENCES company, country_id INTEGER REFERENCES country,
        name TEXT UNIQUE, photo BLOB);
    CREATE TABLE purchase (id INTEGER PRIMARY KEY, company_id INTEGER REFERENCES company, customer_id INTEGER REFERENCES customer,
        department_id INTEGER REFERENCES department, category_id INTEGER REFERENCES category, note TEXT);
    CREATE TABLE line (id INTEGER PRIMARY KEY, purchase_id INTEGER REFERENCES purchase, item TEXT);
    CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT);
    INSERT INTO company VALUES (7, 'Seven'), (9, 'Nine');
    INSERT INTO region VALUES (1, 'north'), (2, 'south');
    INSERT INTO country VALUES (1, 'Iceland', 1), (2, 'Malta', 2), (3, 'Nowhere', NULL);
    INSERT INTO category VALUES (1, 'all', NULL), (2, 'food', 1), (3, 'bread', 2), (4, 'toys', 1);
    INSERT INTO department VALUES (1, 7, 'sales'), (2, 7, 'store'), (3, 9, 'sales');
    INSERT INTO customer VALUES (1, 7, 1, 'Ana', randomblob(50000)), (2, 7, NULL, 'Ben', NULL), (3, 9, 2, 'Cleo', randomblob(50000));
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30)
        INSERT INTO purchase SELECT i, iif(i % 3, 7, 9), iif(i % 3, 1 + i % 2, 3), iif(i % 3, 1 + i % 2, 3), iif(i % 3, 3, 4), 'n' || i FROM n;
    INSERT INTO line VALUES (1, 1, 'flour'), (2, 3, 'ball'); INSERT INTO setting VALUES ('mode', 'fast');";

fn firms() -> Place {
    with(FIRMS, &["company_id", "department_id"])
}

/// An app `firms` with these tables, and these tenant columns.
pub fn with(tables: &str, columns: &[&str]) -> Place {
    let place = Place::new();
    let path = place.path("firms.db");
    Connection::open(&path).unwrap().execute_batch(tables).unwrap();
    place.protect("firms", &path);
    let flags: Vec<&str> = columns.iter().flat_map(|column| ["--tenant-column", column]).collect();
    place.expect(0, &[&["app", "edit", "firms"], &flags[..]].concat());
    place
}

pub fn sql(place: &Place, sql: &str) {
    Connection::open(place.path("firms.db")).unwrap().execute_batch(sql).unwrap();
}

pub fn ask<T: rusqlite::types::FromSql>(place: &Place, database: &str, sql: &str) -> T {
    Connection::open(place.path(database)).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

/// What a command prints that ends with `status`.
pub fn document(place: &Place, status: i32, arguments: &[&str]) -> Value {
    let output = place.run(&[arguments, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

pub fn of_tenants(place: &Place, tenants: &[&str]) -> Value {
    let flags: Vec<&str> = tenants.iter().flat_map(|tenant| ["--tenant", tenant]).collect();
    document(place, 3, &[&["backup", "--app", "firms", "--type", "tenant"], &flags[..]].concat())
}

pub fn full(place: &Place) -> String {
    text(&place.json(&["backup", "--app", "firms", "--type", "full"])["backup"])
}

pub fn held(place: &Place, backup: &str) -> Vec<String> {
    let models = place.json(&["backups", "models", backup]);
    let mut held: Vec<String> =
        models.as_array().unwrap().iter().map(|model| format!("{} {}", text(&model["model"]), model["rows"])).collect();
    held.sort();
    held
}

#[test]
fn a_tenants_backup_holds_its_records_what_they_refer_to_and_its_own() {
    let place = firms();
    let made = of_tenants(&place, &["7"]);
    let backup = text(&made["backup"]);
    // Iceland and its region, bread up to everything; the customer without a country refers to none.
    let wanted = ["category 3", "company 1", "country 1", "customer 2", "department 2", "purchase 20", "region 1"];
    assert_eq!(held(&place, &backup), wanted);
    assert_eq!(made["warnings"], json!(["left out (no tenant column): line, setting"]));
    let shown = place.json(&["backups", "show", &backup]);
    assert_eq!((&shown["type"], &shown["narrowed"], &shown["scope"]["tenants"]), (&json!("tenant"), &json!(true), &json!(["7"])));
    assert_eq!(shown["scope"]["left_out"][0], json!({"model": "line", "why": "no tenant column"}));
    assert!(place.expect(0, &["backups", "show", &backup]).contains("only the tenants 7; left out: line, setting"));
    assert!(place.expect(0, &["jobs", "log", &text(&made["job"])]).contains("left out (no tenant column): line, setting"));

    let target = format!("sqlite:{}", place.path("copy.db").display());
    place.expect(3, &["restore", "to", &backup, "--target", &target]);
    let whole = "SELECT count(*) FROM pragma_foreign_key_check";
    assert_eq!(ask::<i64>(&place, "copy.db", whole), 0, "nothing that its records refer to is missing");
    let photo = "SELECT photo FROM customer WHERE id = 1";
    assert_eq!(ask::<Vec<u8>>(&place, "copy.db", photo), ask::<Vec<u8>>(&place, "firms.db", photo));
    assert_eq!(ask::<i64>(&place, "copy.db", "SELECT count(*) FROM purchase WHERE company_id <> 7"), 0);
    // The other one's photo is not in the vault: 50,000 random bytes cannot hide.
    assert!(made["bytes_stored"].as_u64().unwrap() < 90_000, "{}", made["bytes_stored"]);
    assert_eq!(held(&place, &text(&of_tenants(&place, &["7", "9"])["backup"]))[2], "country 2");
}

#[test]
fn a_department_is_a_level_of_its_own() {
    let place = firms();
    let backup = text(&of_tenants(&place, &["department_id=2"])["backup"]);
    let wanted = ["category 3", "company 1", "customer 1", "department 1", "purchase 10"];
    assert_eq!(held(&place, &backup), wanted, "the customer and the company, since they are referred to");
    assert_eq!(place.json(&["app", "tenants", "firms"]), json!([{"id": "7"}, {"id": "9"}]));
    let departments = json!([{"id": "department_id=1"}, {"id": "department_id=2"}, {"id": "department_id=3"}]);
    assert_eq!(place.json(&["app", "tenants", "firms", "--level", "department_id"]), departments);
}

#[test]
fn what_cannot_be_a_tenant_is_said_with_what_to_do() {
    let place = firms();
    let backup = |arguments: &[&str]| told(&place, 2, &[&["backup", "--app", "firms"], arguments].concat());
    assert!(backup(&["--type", "tenant", "--tenant", "8"]).contains("tenant “8”"));
    assert!(backup(&["--type", "tenant"]).contains("backstop app tenants firms"));
    assert!(backup(&["--type", "full", "--tenant", "7"]).contains("holds every tenant"));
    assert!(told(&place, 2, &["app", "edit", "firms", "--tenant-column", "compnay_id"]).contains("Did you mean company_id?"));
    assert!(
        told(&place, 2, &["app", "edit", "firms", "--tenant-column", "company_id", "--tenant-column", "lien=item"])
            .contains("Did you mean line?")
    );
    sql(&place, "ALTER TABLE customer RENAME COLUMN company_id TO firm; INSERT INTO customer VALUES (4, 9, NULL, 'Dan', NULL)");
    place.expect(0, &["app", "edit", "firms", "--tenant-column", "company_id", "--tenant-column", "customer=firm"]);
    assert!(held(&place, &text(&of_tenants(&place, &["9"])["backup"])).contains(&"customer 2".into()), "a column for one model");
    place.expect(0, &["app", "edit", "firms", "--no-tenant-columns"]);
    assert!(backup(&["--type", "tenant", "--tenant", "7"]).contains("backstop app edit firms --tenant-column"));
    full(&place);
    assert!(told(&place, 2, &["restore", "preview", "--tenant", "7"]).contains("--tenant-column"));
}

/// Both companies' records are spoiled, and some of what they share.
const SPOIL: &str =
    "PRAGMA foreign_keys = off; UPDATE purchase SET note = 'spoiled' WHERE id <= 6; DELETE FROM purchase WHERE id IN (10, 12);
    INSERT INTO purchase VALUES (107, 7, 1, 1, 3, 'new'), (109, 9, 3, 3, 4, 'new');
    DELETE FROM country WHERE id = 1; DELETE FROM region WHERE id = 1;
    UPDATE category SET name = 'renamed' WHERE id = 3; UPDATE setting SET value = 'slow'";

pub fn effect(preview: &Value) -> [u64; 3] {
    ["create", "update", "delete"].map(|key| preview["effect"][key].as_u64().unwrap())
}

#[test]
fn a_tenant_is_restored_from_any_backup_and_nobody_else_is_touched() {
    let place = firms();
    let whole = full(&place);
    let own = text(&of_tenants(&place, &["7"])["backup"]);
    sql(&place, SPOIL);
    for backup in [&whole, &own] {
        let preview = place.json(&["restore", "preview", backup, "--tenant", "7", "--strategy", "replace"]);
        // Purchases 1, 2, 4, 5 were spoiled and 10 is gone; so are Iceland and its region. Bread keeps its new name.
        assert_eq!(effect(&preview), [3, 4, 0], "{preview}");
        assert_eq!(preview["summary"]["live_only_records"], 1, "the new purchase of the other one is not spoken of");
        let models = preview["models"].as_array().unwrap();
        let of = |name: &str| models.iter().find(|model| model["model"] == name);
        assert!(of("setting").is_none() && of("line").is_none());
        assert_eq!((&of("category").unwrap()["conflicts"], &of("category").unwrap()["strategy"]), (&json!(1), &json!("skip")));
    }
    // A model that holds nothing of theirs may be gone.
    sql(&place, "ALTER TABLE setting RENAME TO options");
    assert_eq!(place.json(&["restore", "preview", &whole, "--tenant", "7"])["safe_to_restore"], json!(true));
    // What a backup of tenants holds is all that it speaks of, also where nobody is named.
    assert_eq!(effect(&place.json(&["restore", "preview", &own, "--strategy", "replace"])), [3, 4, 0]);
    assert!(told(&place, 2, &["restore", "preview", &own, "--tenant", "9"]).contains("holds the tenants 7, not 9"));
    assert!(told(&place, 2, &["restore", "preview", &whole, "--tenant", "8"]).contains("tenant “8”"));

    let run = ["restore", "run", &whole, "--tenant", "7", "--strategy", "replace", "--exact", "--yes", "--confirm", "firms"];
    let done = place.json(&run);
    assert_eq!(["records_created", "records_updated", "records_deleted"].map(|key| done[key].as_u64().unwrap()), [3, 4, 1]);
    let spoiled = "SELECT group_concat(id) FROM (SELECT id FROM purchase WHERE note = 'spoiled' ORDER BY id)";
    assert_eq!(ask::<String>(&place, "firms.db", spoiled), "3,6");
    assert_eq!(ask::<i64>(&place, "firms.db", "SELECT count(*) FROM purchase WHERE id IN (10, 12, 107, 109)"), 2);
    assert_eq!(ask::<String>(&place, "firms.db", "SELECT name || id FROM category WHERE id = 3"), "renamed3");
    let both = place.json(&["restore", "preview", &whole, "--tenant", "7", "--tenant", "9", "--strategy", "replace"]);
    assert_eq!(effect(&both), [1, 2, 0]);
}

#[test]
fn a_record_that_another_tenant_has_now_blocks_and_can_be_left_out() {
    let place = firms();
    let whole = full(&place);
    sql(&place, "UPDATE purchase SET company_id = 9 WHERE id = 1; UPDATE purchase SET company_id = 7, note = 'mine' WHERE id = 6");
    let preview = place.json(&["restore", "preview", &whole, "--tenant", "7", "--strategy", "replace", "--rows", "purchase"]);
    assert_eq!((&preview["safe_to_restore"], effect(&preview)), (&json!(false), [0, 0, 0]));
    let blocking = preview["findings"].as_array().unwrap().iter().find(|finding| finding["level"] == "blocking").unwrap();
    assert_eq!((&blocking["count"], &blocking["keys"]), (&json!(1), &json!([{"id": 1}])), "{blocking}");
    assert!(text(&blocking["message"]).contains("another tenant"));
    assert_eq!((&preview["rows"][0]["key"], &preview["rows"][0]["moved"]), (&json!({"id": 1}), &json!(true)));
    told(&place, 4, &["restore", "run", &whole, "--tenant", "7", "--strategy", "replace", "--yes"]);
    let left_out = ["restore", "preview", &whole, "--tenant", "7", "--strategy", "replace", "--row", "purchase:1=live"];
    assert_eq!(place.json(&left_out)["safe_to_restore"], json!(true));
    // What was the other one's in the backup is not deleted as a record that this one has too many.
    let exact = place.json(&[&left_out[..], &["--exact"]].concat());
    assert_eq!((&exact["safe_to_restore"], effect(&exact)), (&json!(false), [0, 0, 0]), "{exact}");
    let blocking = exact["findings"].as_array().unwrap().iter().find(|finding| finding["level"] == "blocking").unwrap();
    assert_eq!((&blocking["keys"], text(&blocking["message"]).contains("another tenant")), (&json!([{"id": 6}]), true));
    // Both together: nobody else is concerned.
    let both = place.json(&["restore", "preview", &whole, "--tenant", "7", "--tenant", "9", "--strategy", "replace"]);
    assert_eq!((&both["safe_to_restore"], effect(&both)), (&json!(true), [0, 2, 0]));
}

#[test]
fn what_stands_in_a_tenants_way_is_not_taken_from_another() {
    let place = firms();
    let whole = full(&place);
    sql(&place, "PRAGMA foreign_keys = off; DELETE FROM customer WHERE id = 2; INSERT INTO customer VALUES (4, 9, NULL, 'Ben', NULL)");
    let holder = ["restore", "preview", &whole, "--tenant", "7", "--collisions", "holder"];
    let preview = place.json(&holder);
    assert_eq!((&preview["safe_to_restore"], effect(&preview)), (&json!(false), [0, 0, 0]), "{preview}");
    // A parent that is another tenant's is not put back with a child.
    sql(&place, "UPDATE purchase SET customer_id = 3 WHERE id = 1");
    let crossed = full(&place);
    sql(&place, "PRAGMA foreign_keys = off; DELETE FROM purchase WHERE id = 1; DELETE FROM customer WHERE id = 3");
    let preview = place.json(&["restore", "preview", &crossed, "--tenant", "7", "--blocked", "parents"]);
    assert_eq!((&preview["safe_to_restore"], effect(&preview)), (&json!(false), [0, 0, 0]), "{preview}");
}

#[test]
fn a_configuration_backs_up_each_tenant_in_turn_and_one_that_fails_stops_no_other() {
    let place = firms();
    let one = place.json(&["config", "create", "each", "--app", "firms", "--type", "tenant", "--tenants", "all"]);
    assert_eq!(one["tenants"], json!(["all"]));
    let made = document(&place, 3, &["backup", "--config", "each"]);
    let of = |made: &Value| {
        let tenants = made["tenants"].as_array().unwrap().clone();
        tenants.iter().map(|it| format!("{} {} {}", text(&it["tenant"]), text(&it["status"]), it["records"])).collect::<Vec<_>>()
    };
    assert_eq!(of(&made), ["7 completed 30", "9 completed 17"]);
    assert_eq!((&made["records"], place.json(&["backups"]).as_array().unwrap().len()), (&json!(47), 2));

    place.expect(0, &["config", "edit", "each", "--tenants", "8,9"]);
    let made = document(&place, 3, &["backup", "--config", "each"]);
    assert_eq!((of(&made), &made["status"]), (vec!["8 failed 0".to_owned(), "9 completed 17".into()], &json!("partial")));
    let open = || place.json(&["alerts"]).as_array().unwrap().len();
    assert_eq!(open(), 1, "the other tenant's backup does not make up for it");
    sql(&place, "INSERT INTO company VALUES (8, 'Eight')");
    document(&place, 3, &["backup", "--config", "each"]);
    assert_eq!(open(), 0);
    assert!(told(&place, 2, &["config", "edit", "each", "--type", "full"]).contains("holds every tenant"));
    assert!(told(&place, 2, &["config", "create", "none", "--app", "firms", "--type", "tenant"]).contains("whose"));
}

#[test]
fn a_tenants_backup_serves_no_increment_and_is_latest_for_nobody_else() {
    let place = firms();
    let whole = full(&place);
    let own = text(&of_tenants(&place, &["7"])["backup"]);
    sql(&place, "UPDATE purchase SET note = 'changed' WHERE id = 3");
    let preview = |arguments: &[&str]| text(&place.json(&[&["restore", "preview"], arguments].concat())["backup"]);
    assert_eq!(preview(&["latest"]), whole);
    assert_eq!((preview(&["latest", "--model", "purchase"]), preview(&["latest", "--tenant", "9"])), (whole.clone(), whole.clone()));
    assert_eq!(preview(&["latest", "--tenant", "7"]), own);
    let next = place.json(&["backup", "--app", "firms", "--type", "incremental"]);
    assert_eq!(place.json(&["backups", "show", &text(&next["backup"])])["parent"], json!(whole));
    assert!(next["bytes_stored"].as_u64().unwrap() < 20_000, "{next}");
    let target = format!("sqlite:{}", place.path("copy.db").display());
    place.expect(0, &["restore", "to", "latest", "--target", &target]);
    assert_eq!(ask::<i64>(&place, "copy.db", "SELECT count(*) FROM purchase"), 30);
}

#[test]
fn a_customer_of_northwind_is_backed_up_and_restored_as_sql_itself_counts_it() {
    let place = Place::new();
    let connection = Connection::open(place.path("firms.db")).unwrap();
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/northwind");
    for script in ["create.sql", "update.sql"] {
        connection.execute_batch(&std::fs::read_to_string(data.join(script)).unwrap()).unwrap();
    }
    drop(connection);
    place.protect("firms", &place.path("firms.db"));
    place.expect(0, &["app", "edit", "firms", "--tenant-column", "CustomerID"]);
    let of_alfki = "FROM Orders WHERE CustomerID = 'ALFKI'";
    let bosses = format!(
        "WITH RECURSIVE who(id) AS (SELECT EmployeeID {of_alfki} UNION SELECT ReportsTo FROM who JOIN Employees ON EmployeeID = id)
         SELECT count(*) FROM who WHERE id IS NOT NULL"
    );
    let count = |sql: &str| ask::<i64>(&place, "firms.db", sql);
    let wanted = [
        format!("Customers {}", count("SELECT count(*) FROM Customers WHERE CustomerID = 'ALFKI'")),
        format!("Employees {}", count(&bosses)),
        format!("Orders {}", count(&format!("SELECT count(*) {of_alfki}"))),
        format!("Shippers {}", count(&format!("SELECT count(DISTINCT ShipVia) {of_alfki}"))),
    ];
    let made = of_tenants(&place, &["ALFKI"]);
    let held = held(&place, &text(&made["backup"]));
    assert_eq!(held.iter().filter(|model| !model.ends_with(" 0")).collect::<Vec<_>>(), wanted.iter().collect::<Vec<_>>());
    let whole = full(&place);
    sql(&place, "PRAGMA foreign_keys = off; DELETE FROM Orders WHERE CustomerID IN ('ALFKI', 'ANATR'); UPDATE Shippers SET Phone = 'x'");
    let done = place.json(&["restore", "run", &whole, "--tenant", "ALFKI", "--strategy", "replace", "--yes"]);
    assert_eq!((&done["records_created"], &done["records_updated"]), (&json!(6), &json!(0)));
    assert_eq!(count("SELECT count(*) FROM Orders WHERE CustomerID IN ('ALFKI', 'ANATR')"), 6);
}
