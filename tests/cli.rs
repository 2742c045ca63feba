//! The program as scripts use it: its documents, its exit statuses, and what is left in the vault.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::path::{Path, PathBuf};

use common::program::Place;
use rusqlite::Connection;
use serde_json::Value;

fn school(place: &Place) -> PathBuf {
    let path = place.path("school.db");
    let database = Connection::open(&path).unwrap();
    database.execute_batch("CREATE TABLE pupil (id INTEGER PRIMARY KEY, name TEXT NOT NULL, mark REAL)").unwrap();
    for id in 0..500 {
        database.execute("INSERT INTO pupil VALUES (?1, ?2, 4.5)", (id, format!("pupil {id}"))).unwrap();
    }
    path
}

fn full(place: &Place) -> Value {
    place.json(&["backup", "--app", "school", "--type", "full"])
}

#[test]
fn a_second_backup_stores_what_changed_and_both_can_be_read() {
    let place = Place::new();
    let database = school(&place);
    place.protect("school", &database);
    let first = full(&place);
    assert_eq!((&first["status"], &first["records"]), (&"completed".into(), &500.into()));
    Connection::open(&database).unwrap().execute("UPDATE pupil SET name = 'Zoë' WHERE id = 7", ()).unwrap();
    let second = place.json(&["backup", "--app", "school", "--type", "incremental"]);
    assert!(second["bytes_new"].as_u64() < first["bytes_new"].as_u64(), "{first} {second}");

    let listed = place.json(&["backups"]);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(listed[0]["id"], second["backup"]);
    assert_eq!(place.json(&["backups", "models", "latest"])[0]["rows"], 500);
    let name = |backup: &Value| place.json(&["backups", "rows", backup["backup"].as_str().unwrap(), "pupil"])[7]["name"].clone();
    assert_eq!((name(&first), name(&second)), ("pupil 7".into(), "Zoë".into()));
    place.expect(0, &["backups", "verify", "latest"]);
    place.expect(0, &["health"]);
    place.expect(0, &["audit", "--verify"]);
}

#[test]
fn a_failure_is_one_document_with_its_status_and_a_hint() {
    let place = Place::new();
    let database = school(&place);
    place.protect("school", &database);
    std::fs::write(place.path("text.db"), "no database at all, however long this line may be").unwrap();
    for (status, arguments) in [
        (1, vec!["app", "add", "x", "--database", "sqlite:missing.db"]),
        (1, vec!["app", "add", "x", "--database", "sqlite:text.db"]),
        (2, vec!["backup", "--app", "unknown", "--type", "full"]),
        (1, vec!["backups", "show", "latest"]),
        (2, vec!["config", "create", "daily", "--schedule", "every day"]),
        (4, vec!["app", "remove", "school"]),
    ] {
        let document = place.expect(status, &[arguments.as_slice(), &["--json"]].concat());
        let document: Value = serde_json::from_str(&document).unwrap();
        assert_eq!(document["error"]["status"], status, "{arguments:?}");
        assert!(document["error"]["hint"].is_string(), "{document}");
    }
    let wrong = place.command(&["vault", "status"]).env("BACKSTOP_PASSPHRASE", "another one, which is wrong").output().unwrap();
    assert!(!wrong.status.success());
    place.expect(2, &[]);
    place.expect(1, &["health", "--home", "empty"]);
}

#[test]
fn a_configuration_names_its_next_run_and_can_be_run() {
    let place = Place::new();
    place.protect("school", &school(&place));
    let made = place.json(&["config", "create", "nightly", "--schedule", "0 2 * * *"]);
    assert!(made["next_run_at"].as_str().unwrap().contains("T02:00"));
    place.json(&["backup", "--config", "nightly", "--protect"]);
    assert_eq!(place.json(&["backups"])[0]["protected"], true);
    assert!(place.json(&["config", "show", "nightly"])["last_run_at"].is_string());
}

#[test]
fn damage_is_found_and_heals_where_there_is_a_second_location() {
    for (locations, status) in [(1, 1), (2, 3)] {
        let place = Place::new();
        let (one, two) = (place.path("one"), place.path("two"));
        let mut init = vec!["vault", "init", "--location", one.to_str().unwrap()];
        if locations == 2 {
            init.extend(["--location", two.to_str().unwrap()]);
        }
        place.expect(0, &init);
        let url = format!("sqlite:{}", school(&place).display());
        place.expect(0, &["app", "add", "school", "--database", &url]);
        full(&place);
        damage(&one.join("packs"));
        place.expect(status, &["vault", "verify", "--level", "3"]);
        place.expect(if locations == 2 { 0 } else { 1 }, &["vault", "verify", "--level", "3"]);
    }
}

/// Turns a byte in the middle of every file below `folder`.
fn damage(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            damage(&path);
            continue;
        }
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn spoiled_files_are_previewed_restored_and_spoiled_again() {
    let place = Place::new();
    let media = place.path("media");
    std::fs::create_dir_all(media.join("photos")).unwrap();
    for name in ["photos/one.jpg", "photos/two.jpg", "note.txt"] {
        std::fs::write(media.join(name), name.repeat(4000)).unwrap();
    }
    let (database, vault) = (school(&place), place.path("vault"));
    place.expect(0, &["vault", "init", "--location", vault.to_str().unwrap()]);
    let url = format!("sqlite:{}", database.display());
    place.expect(0, &["app", "add", "school", "--database", &url, "--files", media.to_str().unwrap()]);
    full(&place);
    std::fs::remove_file(media.join("photos/one.jpg")).unwrap();
    std::fs::write(media.join("photos/two.jpg"), "spoiled").unwrap();
    Connection::open(&database).unwrap().execute("DELETE FROM pupil WHERE id = 3", ()).unwrap();

    let both = place.json(&["restore", "preview", "--strategy", "replace"]);
    assert_eq!((&both["summary"]["new_records"], &both["summary"]["conflicts"]), (&2.into(), &1.into()), "{both:#}");
    let narrowed = ["restore", "preview", "--strategy", "replace", "--files", "photos/*.jpg", "--rows", "media"];
    let plan = place.json(&narrowed);
    assert_eq!((&plan["models"][0]["module"], &plan["models"][0]["model"]), (&"files".into(), &"media".into()));
    assert_eq!((plan["models"].as_array().unwrap().len(), &plan["effect"]["create"], &plan["effect"]["update"]), (1, &1.into(), &1.into()));
    assert_eq!((&plan["rows"][0]["key"]["path"], &plan["rows"][0]["state"]), (&"photos/one.jpg".into(), &"new".into()));
    place.expect(2, &["restore", "preview", "--files", "*.gif"]);

    let done = place.json(&["restore", "run", "--plan", plan["plan"].as_str().unwrap(), "--reason", "lost photos", "--yes"]);
    assert_eq!((&done["status"], &done["records_created"]), (&"completed".into(), &1.into()));
    assert_eq!(std::fs::read_to_string(media.join("photos/two.jpg")).unwrap(), "photos/two.jpg".repeat(4000));
    place.json(&["restore", "undo", done["restore"].as_str().unwrap(), "--yes"]);
    assert_eq!(std::fs::read_to_string(media.join("photos/two.jpg")).unwrap(), "spoiled");
    assert!(!media.join("photos/one.jpg").exists());
    let database_only = place.json(&["restore", "preview", "--database-only"]);
    assert_eq!(database_only["models"].as_array().unwrap().len(), 1);
}
