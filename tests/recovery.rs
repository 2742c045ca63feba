//! A restore whose process died is judged by its records: rolled back, committed, or an alert that names them.
//!
//! Each test makes a real restore, then takes the catalog back to where the process would have died and gives the
//! application the database of that moment.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::path::PathBuf;

use common::program::Place;
use rusqlite::Connection;
use serde_json::Value;

/// A school of which a restore mended three records and brought back one.
struct Interrupted {
    place: Place,
    restore: String,
    spoiled: Vec<u8>,
}

impl Interrupted {
    /// The process died after the database was committed, and before the catalog knew.
    fn new() -> Self {
        let place = Place::new();
        let database = place.path("school.db");
        let sql = "CREATE TABLE pupil (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
             WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO pupil SELECT i, 'pupil ' || i FROM n";
        Connection::open(&database).unwrap().execute_batch(sql).unwrap();
        place.protect("school", &database);
        place.json(&["backup", "--app", "school", "--type", "full"]);
        let spoil = "UPDATE pupil SET name = 'spoiled' WHERE id IN (3, 5, 8); DELETE FROM pupil WHERE id = 13";
        Connection::open(&database).unwrap().execute_batch(spoil).unwrap();
        let spoiled = std::fs::read(&database).unwrap();
        let done = place.json(&["restore", "run", "--app", "school", "--strategy", "replace", "--reason", "a mishap", "--yes"]);
        let made = Self { restore: done["restore"].as_str().unwrap().to_owned(), place, spoiled };
        made.kill(&made.restore);
        made
    }

    fn database(&self) -> PathBuf {
        self.place.path("school.db")
    }

    /// The database as it was before the restore.
    fn as_before(&self) {
        std::fs::write(self.database(), &self.spoiled).unwrap();
    }

    /// The database of a process that died while it wrote: changed pages, and the journal that takes them back.
    fn in_the_middle(&self) {
        self.as_before();
        let journal = self.place.path("school.db-journal");
        let writer = Connection::open(self.database()).unwrap();
        let sql = "PRAGMA cache_size = 5; BEGIN; UPDATE pupil SET name = 'half'; CREATE TABLE filler (bytes BLOB);
             INSERT INTO filler SELECT randomblob(4000) FROM pupil";
        writer.execute_batch(sql).unwrap();
        let (half, undone_by) = (std::fs::read(self.database()).unwrap(), std::fs::read(&journal).unwrap());
        drop(writer);
        assert!(half != self.spoiled && !undone_by.is_empty());
        std::fs::write(self.database(), half).unwrap();
        std::fs::write(journal, undone_by).unwrap();
    }

    /// Takes the catalog back to where the restore's process was still at work, a process that is gone.
    fn kill(&self, restore: &str) {
        let sql = "UPDATE job SET status = 'running', pid = 1, process = 'gone', finished_at = NULL, message = NULL, restore_id = NULL
                 WHERE id = (SELECT job_id FROM restore WHERE id = :id);
             UPDATE plan SET state = 'executing' WHERE id = (SELECT plan_id FROM restore WHERE id = :id);
             UPDATE restore SET undone_by = NULL WHERE undone_by = :id;
             DELETE FROM restore_change WHERE restore_id = :id;
             UPDATE restore SET status = 'running', created = 0, updated = 0, skipped = 0, deleted = 0, undo_until = NULL,
                 finished_at = NULL, duration_seconds = NULL WHERE id = :id";
        self.catalog(&sql.replace(":id", &format!("'{restore}'")));
    }

    fn catalog(&self, sql: &str) {
        Connection::open(self.place.home().join("catalog.db")).unwrap().execute_batch(sql).unwrap();
    }

    fn sql(&self, sql: &str) {
        Connection::open(self.database()).unwrap().execute_batch(sql).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let connection = Connection::open(self.database()).unwrap();
        let mut names = connection.prepare("SELECT name FROM pupil ORDER BY id").unwrap();
        names.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// The restore as the program shows it.
    fn judged(&self) -> Value {
        self.place.json(&["restores", "show", &self.restore])
    }

    fn job(&self, restore: &Value) -> Value {
        self.place.json(&["jobs", "show", restore["job"].as_str().unwrap()])
    }

    fn alert(&self) -> Value {
        let alerts = self.place.json(&["alerts", "list"]);
        assert_eq!(alerts.as_array().unwrap().len(), 1, "{alerts}");
        alerts[0].clone()
    }

    fn audited(&self) -> Value {
        let entries = self.place.json(&["audit"]);
        let of_restores = entries.as_array().unwrap().iter().filter(|entry| entry["action"].as_str().unwrap().starts_with("restore "));
        of_restores.max_by_key(|entry| entry["time"].as_str().unwrap().to_owned()).unwrap().clone()
    }
}

fn says(value: &Value, words: &str) {
    assert!(value.as_str().unwrap_or_default().contains(words), "{value} does not say “{words}”");
}

#[test]
fn all_records_as_after_mean_that_it_was_committed_and_can_be_undone() {
    let dead = Interrupted::new();
    let restore = dead.judged();
    assert_eq!((&restore["status"], &restore["created"], &restore["updated"]), (&"completed".into(), &1.into(), &3.into()));
    assert!(restore["undo_until"].is_string() && restore["error"].is_null(), "{restore}");
    let job = dead.job(&restore);
    assert_eq!(job["status"], "failed");
    says(&job["error"], "after it was committed");
    assert_eq!((&dead.alert()["severity"], &dead.audited()["outcome"]), (&"warning".into(), &"done".into()));
    dead.place.expect(0, &["restore", "undo", &dead.restore, "--reason", "it was right before", "--yes"]);
    assert_eq!(dead.names()[2], "spoiled");
    dead.place.expect(0, &["audit", "--verify"]);
}

#[test]
fn all_records_as_before_mean_that_nothing_was_changed_and_the_plan_can_be_run_again() {
    let dead = Interrupted::new();
    dead.as_before();
    let restore = dead.judged();
    assert_eq!((&restore["status"], &restore["updated"]), (&"failed".into(), &0.into()));
    says(&restore["error"], "nothing was changed");
    says(&dead.job(&restore)["error"], "nothing was changed");
    assert_eq!((&dead.alert()["severity"], &dead.audited()["outcome"]), (&"error".into(), &"failed".into()));
    let output = dead.place.run(&["restore", "undo", &dead.restore, "--reason", "none", "--yes"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    dead.place.expect(0, &["restore", "run", "--plan", restore["plan"].as_str().unwrap(), "--reason", "again", "--yes"]);
    assert_eq!(dead.names()[2], "pupil 3");
}

#[test]
fn a_journal_that_the_dead_process_left_is_no_change() {
    let dead = Interrupted::new();
    dead.in_the_middle();
    let restore = dead.judged();
    assert_eq!(restore["status"], "failed");
    says(&restore["error"], "nothing was changed");
    assert!(dead.place.path("school.db-journal").exists(), "the application's journal was taken away by a look");
    // Whoever writes next rolls it back: the application, or the same plan once more.
    dead.place.expect(0, &["restore", "run", "--plan", restore["plan"].as_str().unwrap(), "--reason", "again", "--yes"]);
    assert_eq!((&*dead.names()[2], &*dead.names()[0]), ("pupil 3", "pupil 1"));
}

#[test]
fn records_that_are_neither_raise_an_alert_that_names_them() {
    let dead = Interrupted::new();
    dead.sql("UPDATE pupil SET name = 'edited since' WHERE id = 5");
    let restore = dead.judged();
    assert_eq!(restore["status"], "partial");
    says(&restore["error"], r#"0 are as before it, 3 as after it, 1 as neither; not as after it: pupil {"id":5}"#);
    assert_eq!(dead.alert()["severity"], "critical");
    says(&dead.alert()["message"], r#"{"id":5}"#);
    assert_eq!(dead.names()[4], "edited since");
    // What was written can be taken back, but for the record that somebody edited since.
    let undo = |arguments: &[&str]| dead.place.run(&[&["restore", "undo", &dead.restore, "--reason", "back", "--yes"], arguments].concat());
    assert_eq!(undo(&[]).status.code(), Some(4));
    assert_eq!(undo(&["--row", "pupil:5=live"]).status.code(), Some(0));
    assert_eq!((&*dead.names()[2], &*dead.names()[4]), ("spoiled", "edited since"));
}

#[test]
fn where_nothing_is_as_after_it_the_restore_failed_whatever_else_was_edited() {
    let dead = Interrupted::new();
    dead.as_before();
    dead.sql("UPDATE pupil SET name = 'edited since' WHERE id = 5");
    let restore = dead.judged();
    assert_eq!(restore["status"], "failed");
    says(&restore["error"], "3 are as before it, 0 as after it, 1 as neither");
    assert_eq!(dead.alert()["severity"], "critical");
}

#[test]
fn before_its_safety_record_a_restore_has_touched_nothing() {
    let dead = Interrupted::new();
    dead.as_before();
    dead.catalog("UPDATE restore SET safety_backup = NULL");
    // No vault is needed to know that.
    let output = dead.place.command(&["restores", "show", &dead.restore, "--json"]).env_remove("BACKSTOP_PASSPHRASE").output().unwrap();
    let restore: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(restore["status"], "failed");
    says(&restore["error"], "before it touched anything; nothing was changed");
}

#[test]
fn without_a_passphrase_the_judgement_waits_and_says_so() {
    let dead = Interrupted::new();
    let locked = |arguments: &[&str]| {
        let mut command = dead.place.command(arguments);
        let output = command.env_remove("BACKSTOP_PASSPHRASE").output().unwrap();
        (output.status.code(), serde_json::from_slice::<Value>(&output.stdout).unwrap())
    };
    for _ in 0..2 {
        let (_, restore) = locked(&["restores", "show", &dead.restore, "--json"]);
        assert_eq!(restore["status"], "running");
        says(&restore["error"], "is not judged yet: the vault “main” is locked");
    }
    let (status, health) = locked(&["health", "--json"]);
    let findings = health["findings"].as_array().unwrap();
    assert_eq!(status, Some(1));
    assert!(findings.iter().any(|finding| finding["message"].as_str().unwrap().contains("is not judged yet")), "{health}");
    let (_, alerts) = locked(&["alerts", "list", "--json"]);
    assert_eq!((alerts.as_array().unwrap().len(), &alerts[0]["count"]), (1, &1.into()));
    let mut wrong = dead.place.command(&["restores", "show", &dead.restore, "--json"]);
    let wrong: Value = serde_json::from_slice(&wrong.env("BACKSTOP_PASSPHRASE", "not this one").output().unwrap().stdout).unwrap();
    says(&wrong["error"], "is not judged yet");
    assert_eq!(dead.judged()["status"], "completed");
}

#[test]
fn processes_that_open_at_once_judge_it_once() {
    let dead = Interrupted::new();
    let opened: Vec<_> =
        (0..4).map(|_| dead.place.command(&["jobs", "--json"]).stdout(std::process::Stdio::null()).spawn().unwrap()).collect();
    opened.into_iter().for_each(|mut child| assert!(child.wait().unwrap().success()));
    assert_eq!(dead.judged()["status"], "completed");
    assert_eq!(dead.alert()["count"], 1);
    let log = dead.place.json(&["jobs", "log", dead.judged()["job"].as_str().unwrap()]);
    let judged = log.as_array().unwrap().iter().filter(|line| line["text"].as_str().unwrap().contains("after it was committed"));
    assert_eq!(judged.count(), 1, "{log}");
}

#[test]
fn an_undo_that_died_is_judged_like_any_restore() {
    let dead = Interrupted::new();
    let undo = dead.place.json(&["restore", "undo", &dead.restore, "--reason", "back", "--yes"])["restore"].as_str().unwrap().to_owned();
    dead.kill(&undo);
    assert_eq!(dead.place.json(&["restores", "show", &undo])["status"], "completed");
    assert_eq!(dead.judged()["undone_by"], undo.as_str());
}

#[test]
fn a_process_that_died_after_its_restore_was_noted_leaves_nothing_to_judge() {
    let dead = Interrupted::new();
    dead.judged();
    dead.catalog("UPDATE job SET status = 'running', pid = 1, process = 'gone', error = NULL, hint = NULL WHERE kind = 'restore'");
    let job = dead.job(&dead.judged());
    assert_eq!((&job["status"], &job["error"]), (&"completed".into(), &Value::Null));
    says(&job["message"], "the process died after its restore was completed");
}
