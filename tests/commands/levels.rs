//! Levels of tenants nest: a record that says only which department it is of belongs to that department's company.

use serde_json::{Value, json};

use crate::common::program::Place;
use crate::tenants::{ask, document, effect, full, held, of_tenants, sql, with};
use crate::{text, told};

/// Companies 7 and 9, their divisions, whose key is called as what refers to it, and those divisions' departments: a visit says its
/// department alone, a task its division. A division and a department are nobody's. What a team is stands nowhere, and a room says
/// nothing of a company.
const FIRMS: &str = "
    CREATE TABLE company (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE division (division_id INTEGER PRIMARY KEY, company_id INTEGER REFERENCES company, name TEXT);
    CREATE TABLE department (id INTEGER PRIMARY KEY, division_id INTEGER REFERENCES division, name TEXT);
    CREATE TABLE guest (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE visit (id INTEGER PRIMARY KEY, department_id INTEGER REFERENCES department, guest_id INTEGER REFERENCES guest,
        code TEXT UNIQUE, note TEXT);
    CREATE TABLE task (id INTEGER PRIMARY KEY, division_id INTEGER REFERENCES division, note TEXT);
    CREATE TABLE badge (id INTEGER PRIMARY KEY, dept INTEGER REFERENCES department);
    CREATE TABLE log (id INTEGER PRIMARY KEY, department_id TEXT, what TEXT);
    CREATE TABLE room (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE desk (id INTEGER PRIMARY KEY, room_id INTEGER REFERENCES room);
    CREATE TABLE rota (id INTEGER PRIMARY KEY, team_id INTEGER);
    CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT);
    INSERT INTO company VALUES (7, 'Seven'), (9, 'Nine');
    INSERT INTO division VALUES (1, 7, 'north'), (2, 7, 'south'), (3, 9, 'all'), (4, NULL, 'none');
    INSERT INTO department VALUES (1, 1, 'sales'), (2, 2, 'store'), (3, 3, 'sales'), (4, 4, 'lost'), (5, NULL, 'lost');
    INSERT INTO guest VALUES (1, 'Ana'), (2, 'Ben');
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30)
        INSERT INTO visit SELECT i, iif(i % 3, i % 3, 3), iif(i % 3, 1, 2), 'c' || i, 'n' || i FROM n;
    PRAGMA foreign_keys = off;
    INSERT INTO visit VALUES (31, NULL, 2, NULL, 'nobody'), (32, 4, 2, NULL, 'nobody'), (33, 99, 2, NULL, 'nobody'), (34, 5, 2, NULL, 'nobody');
    INSERT INTO task VALUES (1, 1, 'a'), (2, 3, 'b'), (3, 2, 'c');
    INSERT INTO badge VALUES (1, 1), (2, 3);
    INSERT INTO log VALUES (1, '2', 'x'), (2, '3', 'y'), (3, '99', 'z');
    INSERT INTO room VALUES (1, 'hall'); INSERT INTO desk VALUES (1, 1); INSERT INTO rota VALUES (1, 1); INSERT INTO setting VALUES ('mode', 'fast');";

const LEVELS: [&str; 6] = ["company_id", "division_id", "department_id", "badge=dept", "room_id", "team_id"];

fn firms() -> Place {
    with(FIRMS, &LEVELS)
}

fn preview(place: &Place, backup: &str, arguments: &[&str]) -> Value {
    place.json(&[&["restore", "preview", backup, "--strategy", "replace"], arguments].concat())
}

/// The keys that block a plan.
fn blocked(preview: &Value) -> Vec<Value> {
    let findings = preview["findings"].as_array().unwrap().iter().filter(|finding| finding["level"] == "blocking");
    findings.flat_map(|finding| finding["keys"].as_array().unwrap().iter().map(|key| json!([finding["model"], key["id"]]))).collect()
}

#[test]
fn a_company_has_what_its_departments_have() {
    let place = firms();
    let made = of_tenants(&place, &["7"]);
    let wanted = ["badge 1", "company 1", "department 2", "division 2", "guest 1", "log 1", "task 2", "visit 20"];
    assert_eq!(held(&place, &text(&made["backup"])), wanted);
    let left_out = json!([
        "left out (no foreign key says which record a team_id means): rota",
        "left out (no tenant column): room, setting",
        "left out (room, which room_id refers to, does not lead to a company_id): desk",
    ]);
    assert_eq!(made["warnings"], left_out);
    let target = format!("sqlite:{}", place.path("copy.db").display());
    place.expect(3, &["restore", "to", &text(&made["backup"]), "--target", &target]);
    assert_eq!(ask::<i64>(&place, "copy.db", "SELECT count(*) FROM visit WHERE department_id IN (1, 2)"), 20);
    assert_eq!(ask::<i64>(&place, "copy.db", "SELECT count(*) FROM pragma_foreign_key_check"), 0);

    let division = of_tenants(&place, &["division_id=1"]);
    let wanted = ["badge 1", "company 1", "department 1", "division 1", "guest 1", "log 0", "task 1", "visit 10"];
    assert_eq!(held(&place, &text(&division["backup"])), wanted, "a level in the middle has what is below it");
}

#[test]
fn each_company_is_listed_and_backed_up_with_what_its_departments_have() {
    let place = firms();
    assert_eq!(place.json(&["app", "tenants", "firms"]), json!([{"id": "7"}, {"id": "9"}]));
    let departments = place.json(&["app", "tenants", "firms", "--level", "department_id"]);
    assert_eq!(departments.as_array().unwrap().len(), 5, "those that have a record of their own: {departments}");
    // A division without a record of its own is none.
    sql(&place, "PRAGMA foreign_keys = off; INSERT INTO task VALUES (4, 55, 'd')");
    let divisions = place.json(&["app", "tenants", "firms", "--level", "division_id"]);
    assert_eq!(divisions.as_array().unwrap().len(), 4, "{divisions}");
    let said = told(&place, 2, &["app", "tenants", "firms", "--level", "dept"]);
    assert!(said.contains("“dept” is no level") && said.contains("company_id, division_id, department_id, room_id, team_id"), "{said}");
    place.json(&["config", "create", "each", "--app", "firms", "--type", "tenant", "--tenants", "all"]);
    let made = document(&place, 3, &["backup", "--config", "each"]);
    let records: Vec<&Value> = made["tenants"].as_array().unwrap().iter().map(|it| &it["records"]).collect();
    assert_eq!(records, [&json!(30), &json!(17)]);
}

#[test]
fn a_model_whose_owner_is_not_in_the_backup_is_left_out_and_that_is_said() {
    let place = firms();
    let narrow = ["backup", "--app", "firms", "--type", "tenant", "--tenant", "7", "--models"];
    let made = document(&place, 3, &[&narrow[..], &["visit,task,division"]].concat());
    assert_eq!(held(&place, &text(&made["backup"])), ["division 2", "task 2"]);
    let warned = made["warnings"].to_string();
    assert!(warned.contains("left out (the backup is not about department, which says whose its records are): visit"), "{warned}");
    let made = place.json(&[&narrow[..], &["visit,department,division"]].concat());
    assert_eq!(effect(&preview(&place, &text(&made["backup"]), &[])), [0, 0, 0]);
    sql(&place, "DELETE FROM visit WHERE id IN (10, 12)");
    assert_eq!(effect(&preview(&place, &text(&made["backup"]), &[])), [1, 0, 0]);

    let narrowed = text(&place.json(&["backup", "--app", "firms", "--type", "full", "--models", "visit"])["backup"]);
    let told = told(&place, 2, &["restore", "preview", &narrowed, "--tenant", "7"]);
    assert!(told.contains("department, which department_id refers to, is not there"), "{told}");
}

#[test]
fn a_company_is_restored_with_what_its_departments_have_and_nobody_else_is_touched() {
    let place = firms();
    let whole = full(&place);
    let own = text(&of_tenants(&place, &["7"])["backup"]);
    sql(
        &place,
        "PRAGMA foreign_keys = off; UPDATE visit SET note = 'spoiled' WHERE id <= 6 OR id > 30; DELETE FROM visit WHERE id IN (10, 12);
         INSERT INTO visit VALUES (107, 1, 1, NULL, 'new'), (109, 3, 1, NULL, 'new'), (110, NULL, 1, NULL, 'new'), (111, 4, 1, NULL, 'new');
         DELETE FROM guest WHERE id = 1; DELETE FROM department WHERE id = 2",
    );
    // What was of a department that is gone is nobody's now, and was the company's: it is compared like any.
    for backup in [&whole, &own] {
        let preview = preview(&place, backup, &["--tenant", "7"]);
        assert_eq!((effect(&preview), &preview["safe_to_restore"]), ([3, 4, 0], &json!(true)), "{preview}");
        assert_eq!(preview["summary"]["live_only_records"], 1, "what is another's, or nobody's, is not spoken of");
    }
    let said = preview(&place, &whole, &["--tenant", "7"])["findings"].to_string();
    assert!(said.contains("(room, which room_id refers to, does not lead to a company_id): desk"), "{said}");

    let run = ["restore", "run", &whole, "--tenant", "7", "--strategy", "replace", "--exact", "--yes", "--confirm", "firms"];
    let done = place.json(&run);
    assert_eq!(["records_created", "records_updated", "records_deleted"].map(|key| done[key].as_u64().unwrap()), [3, 4, 1]);
    let notes = |note: &str| {
        let ids = format!("SELECT group_concat(id) FROM (SELECT id FROM visit WHERE note = '{note}' ORDER BY id)");
        ask::<String>(&place, "firms.db", &ids)
    };
    assert_eq!((notes("spoiled"), notes("new")), ("3,6,31,32,33,34".into(), "109,110,111".into()));
    assert_eq!(ask::<i64>(&place, "firms.db", "SELECT count(*) FROM visit WHERE id IN (10, 12)"), 1);
}

#[test]
fn a_department_that_another_company_has_now_takes_its_records_along() {
    let place = firms();
    let whole = full(&place);
    sql(
        &place,
        "UPDATE department SET division_id = 3 WHERE id = 1; UPDATE visit SET note = 'spoiled' WHERE id = 1; DELETE FROM visit WHERE id = 4;
         UPDATE visit SET department_id = 2 WHERE id = 7",
    );
    let moved = preview(&place, &whole, &["--tenant", "7"]);
    assert_eq!((effect(&moved), &moved["safe_to_restore"]), ([0, 0, 0], &json!(false)), "{moved}");
    // The department itself; a visit of it, one that would come back to it, and one that would go back to it.
    let wanted = [json!(["department", 1]), json!(["visit", 1]), json!(["visit", 4]), json!(["visit", 7])];
    assert_eq!(blocked(&moved), wanted, "{moved}");
    let both = preview(&place, &whole, &["--tenant", "7", "--tenant", "9"]);
    assert_eq!((effect(&both), &both["safe_to_restore"]), ([1, 3, 0], &json!(true)));
}

#[test]
fn a_department_that_another_company_has_since_the_preview_stops_the_restore() {
    let place = firms();
    let whole = full(&place);
    sql(&place, "UPDATE visit SET note = 'spoiled' WHERE id = 1");
    let plan = text(&preview(&place, &whole, &["--tenant", "7"])["plan"]);
    sql(&place, "UPDATE department SET division_id = 3 WHERE id = 1");
    let said = told(&place, 4, &["restore", "run", "--plan", &plan, "--yes", "--confirm", "firms"]);
    assert!(said.contains("another tenant's now"), "{said}");
    assert_eq!(ask::<String>(&place, "firms.db", "SELECT note FROM visit WHERE id = 1"), "spoiled");
}

#[test]
fn what_came_with_a_department_of_another_company_is_not_deleted() {
    let place = firms();
    let whole = full(&place);
    sql(&place, "UPDATE department SET division_id = 1 WHERE id = 3");
    let exact = preview(&place, &whole, &["--tenant", "7", "--exact"]);
    assert_eq!((effect(&exact), &exact["safe_to_restore"]), ([0, 0, 0], &json!(false)), "{exact}");
    let of_visits = exact["findings"].as_array().unwrap().iter().find(|finding| finding["model"] == "visit").unwrap();
    assert_eq!((&of_visits["level"], &of_visits["count"]), (&json!("blocking"), &json!(10)));
}

#[test]
fn what_stands_in_the_way_is_not_taken_from_a_department_of_another_company() {
    let place = firms();
    let whole = full(&place);
    sql(&place, "DELETE FROM visit WHERE id = 1; INSERT INTO visit VALUES (200, 3, 2, 'c1', 'taken')");
    let of_seven = ["--tenant", "7", "--collisions", "holder"];
    let preview = |arguments: &[&str]| preview(&place, &whole, arguments);
    assert_eq!((effect(&preview(&of_seven)), &preview(&of_seven)["safe_to_restore"]), ([0, 0, 0], &json!(false)));
    sql(&place, "UPDATE visit SET department_id = 2 WHERE id = 200");
    assert_eq!(effect(&preview(&of_seven)), [1, 0, 1], "what is its own gives way");
}

#[test]
fn a_models_own_name_for_a_column_needs_the_level_before_it() {
    let place = firms();
    let said = told(&place, 2, &["app", "edit", "firms", "--tenant-column", "badge=dept", "--tenant-column", "company_id"]);
    assert!(said.contains("“badge=dept” names the column of one model, and no level stands before it"), "{said}");
    assert!(said.contains("--tenant-column COLUMN --tenant-column badge=dept"), "{said}");
    let help = place.expect(0, &["app", "edit", "--help"]).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("MODEL=COL is what the column of the level before it is called in one model"), "{help}");
}
