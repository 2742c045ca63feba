//! The demonstration, through the real binary: what it shows really happened, and its mishap can be looked at.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::program::Place;
use serde_json::Value;

/// A built demonstration, and how a command is told to work on it.
struct Demo {
    place: Place,
    built: Value,
}

impl Demo {
    fn build() -> Self {
        let place = Place::new();
        let dir = place.path("demo");
        let built = place.json(&["demo", "--dir", dir.to_str().unwrap()]);
        Self { place, built }
    }

    fn text(&self, name: &str) -> &str {
        self.built[name].as_str().unwrap()
    }

    fn expect(&self, status: i32, arguments: &[&str]) -> String {
        let there = ["--home", self.text("home"), "--passphrase-file", self.text("passphrase_file")];
        self.place.expect(status, &[arguments, &there].concat())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.expect(0, &[arguments, &["--json"]].concat())).unwrap()
    }
}

/// The times of what was done, of every table of the catalog, that are still to come.
fn in_the_future(demo: &Demo) -> Vec<String> {
    let catalog = rusqlite::Connection::open(std::path::Path::new(demo.text("home")).join("catalog.db")).unwrap();
    let done = "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table'
        AND (c.name IN ('time', 'created_at', 'started_at', 'finished_at', 'taken_at', 'verified_at', 'first_at', 'last_at', 'last_run_at', 'changed_at', 'checked_at'))";
    let mut find = catalog.prepare(done).unwrap();
    let columns: Vec<(String, String)> = find.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
    assert!(columns.len() > 15, "{columns:?}");
    let now = jiff::Timestamp::now().to_string();
    let late = |(table, column): &(String, String)| {
        let sql = format!("SELECT count(*) FROM {table} WHERE {column} > ?1");
        catalog.query_row(&sql, [&now], |row| row.get::<_, i64>(0)).unwrap() > 0
    };
    columns.iter().filter(|at| late(at)).map(|(table, column)| format!("{table}.{column}")).collect()
}

fn with<'v>(list: &'v Value, field: &str, value: &str) -> Vec<&'v Value> {
    list.as_array().unwrap().iter().filter(|item| item[field] == value).collect()
}

#[test]
fn a_month_of_real_backups_a_failure_and_a_mishap() {
    let demo = Demo::build();
    let backups = demo.json(&["backups", "list"]);
    let school = with(&backups, "app", "school");
    assert_eq!(school.len(), 30);
    assert!(with(&backups, "type", "full").len() >= 4 && with(&backups, "type", "incremental").len() > 20);
    let newest = school[0];
    assert!(newest["records"].as_u64().unwrap() > 60_000 && newest["files"].as_u64().unwrap() > 200, "{newest}");
    assert!(demo.json(&["backups", "models", newest["id"].as_str().unwrap()]).as_array().unwrap().len() >= 12);

    // The failure is one: a job that ran and found its database gone, and the alert that it raised.
    let jobs = demo.json(&["jobs", "list"]);
    assert_eq!(with(&jobs, "status", "failed").len(), 2, "of the canteen's last two nights");
    assert_eq!(with(&demo.json(&["alerts", "list"]), "status", "active").len(), 1);
    demo.expect(1, &["health"]);

    // Nothing of it lies in the future, nor was anything due meanwhile.
    assert_eq!(in_the_future(&demo), Vec::<String>::new());
    assert!(demo.json(&["schedule"])["runs"].as_array().unwrap().iter().all(|run| run["due"] == false));

    // Both locations hold all of it.
    demo.expect(0, &["vault", "verify", "--level", "3"]);
    demo.expect(0, &["audit", "--verify"]);

    // The mishap is what a restore would put right.
    let spoiled = &demo.built["spoiled"];
    let preview = demo.json(&["restore", "preview", newest["id"].as_str().unwrap(), "--strategy", "replace"]);
    let model = |name: &str| with(&preview["models"], "model", name)[0].clone();
    assert_eq!(model("hr_employee")["conflicts"], spoiled["salaries"]);
    assert_eq!(model("students_guardian")["conflicts"], spoiled["emails"]);
    assert_eq!(model("students_enrolment")["new"], spoiled["enrolments"]);
    assert_eq!(model("students_grade")["new"], spoiled["grades"]);
}

#[test]
fn one_that_stands_is_opened_as_it_is_and_nothing_else_is_touched() {
    let demo = Demo::build();
    let dir = demo.place.path("demo");
    let backups = demo.json(&["backups", "list"]);
    let again = demo.place.json(&["demo", "--dir", dir.to_str().unwrap()]);
    assert_eq!((&again["spoiled"], &again["home"]), (&Value::Null, &demo.built["home"]));
    assert_eq!(demo.json(&["backups", "list"]), backups);

    // One whose building was interrupted is built anew.
    std::fs::remove_file(dir.join("built")).unwrap();
    assert!(demo.place.json(&["demo", "--dir", dir.to_str().unwrap()])["spoiled"].is_object());

    // A folder of somebody's is left alone, whatever is asked.
    let own = demo.place.path("own");
    std::fs::create_dir(&own).unwrap();
    std::fs::write(own.join("letter.txt"), "dear").unwrap();
    for arguments in [vec!["demo", "--no-console"], vec!["demo", "--no-console", "--reset"]] {
        demo.place.expect(4, &[arguments.as_slice(), &["--dir", own.to_str().unwrap()]].concat());
    }
    assert_eq!(std::fs::read_to_string(own.join("letter.txt")).unwrap(), "dear");
    assert!(!demo.place.home().exists(), "the demonstration has a home of its own");
}
