//! What goes wrong in everyday use is one clear sentence, what to do, the right exit status, and nothing half-done.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::program::Place;
use common::terminal::Terminal;
use rusqlite::Connection;
use serde_json::Value;

fn school(place: &Place) -> PathBuf {
    let path = place.path("school.db");
    let sql = "CREATE TABLE pupil (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO pupil SELECT i, 'pupil ' || i FROM n";
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    path
}

/// A place with a protected school.
fn protected() -> Place {
    let place = Place::new();
    let database = school(&place);
    place.protect("school", &database);
    place
}

/// What a command says that ends with `status`: one sentence that is wrong, one of what to do.
fn said_by(command: &mut Command, status: i32) -> (String, String) {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{command:?}\n{text}");
    let lines: Vec<&str> = text.lines().collect();
    let [wrong, todo] = lines.as_slice() else { panic!("{command:?} does not say it in two lines:\n{text}") };
    (wrong.strip_prefix("error: ").unwrap().to_owned(), todo.strip_prefix("hint: ").unwrap().to_owned())
}

fn said(place: &Place, status: i32, arguments: &[&str]) -> (String, String) {
    said_by(&mut place.command(arguments), status)
}

const FULL: [&str; 5] = ["backup", "--app", "school", "--type", "full"];

/// A backup works, and gives back what the database is.
fn the_next_backup_works(place: &Place) {
    let made = place.json(&FULL);
    let copy = place.path("copy.db");
    let target = format!("sqlite:{}", copy.display());
    place.expect(0, &["restore", "to", made["backup"].as_str().unwrap(), "--app", "school", "--target", &target]);
    assert_eq!(names(&copy), names(&place.path("school.db")));
    std::fs::remove_file(copy).unwrap();
}

fn names(database: &Path) -> Vec<String> {
    let connection = Connection::open(database).unwrap();
    let mut names = connection.prepare("SELECT name FROM pupil ORDER BY id").unwrap();
    names.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn what_is_no_database_is_told_by_what_it_is_instead() {
    let place = protected();
    let whole = std::fs::read(place.path("school.db")).unwrap();
    std::fs::write(place.path("empty.db"), "").unwrap();
    std::fs::write(place.path("cut.db"), &whole[..5000]).unwrap();
    std::fs::create_dir(place.path("folder.db")).unwrap();
    for (name, why) in [("empty.db", "it is empty"), ("cut.db", "5000 of its"), ("folder.db", "not a file")] {
        let (wrong, todo) = said(&place, 1, &["app", "add", "x", "--database", &format!("sqlite:{name}")]);
        assert!(wrong.contains(name) && wrong.contains("is not a SQLite database") && wrong.contains(why), "{wrong}");
        assert!(todo.contains("database file"), "{todo}");
    }
    assert_eq!(place.json(&["app", "list"]).as_array().unwrap().len(), 1);
}

#[test]
fn a_locked_database_is_waited_for_and_then_told() {
    let place = protected();
    place.json(&FULL);
    let setting = "INSERT INTO setting (name, value, changed_at) VALUES ('sources.lock_wait_seconds', '1', '2026-01-01T00:00:00Z')";
    Connection::open(place.home().join("catalog.db")).unwrap().execute_batch(setting).unwrap();
    let application = Connection::open(place.path("school.db")).unwrap();
    application.execute_batch("UPDATE pupil SET name = 'spoiled' WHERE id = 3; BEGIN EXCLUSIVE").unwrap();
    let (wrong, todo) = said(&place, 1, &FULL);
    assert!(wrong.contains("school.db is locked by another process"), "{wrong}");
    assert!(todo.contains("who holds it"), "{todo}");
    assert_eq!(place.json(&["jobs", "--limit", "1"])[0]["status"], "failed");
    application.execute_batch("COMMIT").unwrap();
    let plan = place.json(&["restore", "preview", "--app", "school", "--strategy", "replace"])["plan"].as_str().unwrap().to_owned();
    // A reader is let in now, a writer is not.
    application.execute_batch("BEGIN IMMEDIATE").unwrap();
    let run = ["restore", "run", "--plan", &plan, "--reason", "a mishap", "--yes"];
    let (wrong, _) = said(&place, 1, &run);
    assert!(wrong.contains("is locked by another process"), "{wrong}");
    application.execute_batch("COMMIT").unwrap();
    assert_eq!(names(&place.path("school.db"))[2], "spoiled");
    place.expect(0, &run);
    the_next_backup_works(&place);
}

#[test]
fn a_file_that_vanishes_while_files_are_read_stops_nothing_and_is_never_there_by_half() {
    let place = Place::new();
    let media = place.path("media");
    std::fs::create_dir(&media).unwrap();
    let mut random = 1_u64;
    let mut noise = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) as u8
    };
    let large: Vec<u8> = (0..40 << 20).map(|_| noise()).collect();
    std::fs::write(media.join("a-large-one"), &large).unwrap();
    std::fs::write(media.join("m-stays"), "it stays").unwrap();
    std::fs::write(media.join("z-vanishes"), "it vanishes").unwrap();
    place.expect(0, &["vault", "init", "--location", "vault"]);
    place.expect(0, &["app", "add", "media", "--files", "media"]);
    let packs = place.path("vault/packs");
    let child =
        place.command(&["backup", "--app", "media", "--type", "full", "--json"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    // The first pack is written while the large file is being read.
    while !packs.exists() {
        std::thread::yield_now();
    }
    std::fs::remove_file(media.join("z-vanishes")).unwrap();
    let output = child.wait_with_output().unwrap();
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    let ended = output.status.code().unwrap();
    match ended {
        0 => assert_eq!(made["status"], "completed"),
        3 => assert!(made["status"] == "partial" && made["warnings"].to_string().contains("z-vanishes"), "{made}"),
        other => panic!("it ended with {other}: {made}"),
    }
    // A copy says what the backup lacks.
    place.expect(ended, &["restore", "to", "latest", "--target", "out"]);
    assert!(std::fs::read(place.path("out/media/a-large-one")).unwrap() == large);
    assert_eq!(std::fs::read_to_string(place.path("out/media/m-stays")).unwrap(), "it stays");
    assert!(!place.path("out/media/z-vanishes").exists());
    place.expect(0, &["backup", "--app", "media", "--type", "files"]);
}

#[test]
fn a_wrong_passphrase_is_told_and_a_missing_one_names_the_ways_to_give_it() {
    let place = protected();
    let (wrong, todo) = said_by(place.command(&FULL).env("BACKSTOP_PASSPHRASE", "another one, which is wrong"), 1);
    assert_eq!(wrong, "wrong passphrase");
    assert!(todo.contains("recovery key"), "{todo}");
    let (wrong, todo) = said_by(place.command(&FULL).env_remove("BACKSTOP_PASSPHRASE"), 2);
    assert!(wrong.contains("passphrase is needed"), "{wrong}");
    assert!(todo.contains("--passphrase-file") && todo.contains("BACKSTOP_PASSPHRASE"), "{todo}");
    the_next_backup_works(&place);
}

/// Turns a byte in the middle of every pack of a location.
fn damage(location: &Path) {
    let folders = std::fs::read_dir(location.join("packs")).unwrap().map(|entry| entry.unwrap().path());
    for pack in folders.flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path())) {
        let mut bytes = std::fs::read(&pack).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::remove_file(&pack).unwrap();
        std::fs::write(&pack, bytes).unwrap();
    }
}

#[test]
fn a_damaged_pack_without_a_second_copy_is_never_given_back_as_data_and_the_next_backup_is_whole() {
    let place = protected();
    place.json(&FULL);
    damage(&place.path("vault"));
    let (wrong, todo) = said(&place, 1, &["restore", "to", "latest", "--target", "sqlite:copy.db"]);
    assert!(wrong.contains("damaged"), "{wrong}");
    assert!(!todo.is_empty() && !place.path("copy.db").exists());
    let verdict = place.run(&["vault", "verify", "--level", "3"]);
    assert_eq!(verdict.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&verdict.stderr).contains("lost: pupil: "), "it does not say what is lost: {verdict:?}");
    the_next_backup_works(&place);
}

#[test]
fn a_damaged_pack_with_a_second_copy_is_read_from_there() {
    let place = Place::new();
    let database = format!("sqlite:{}", school(&place).display());
    place.expect(0, &["vault", "init", "--location", "one", "--location", "two"]);
    place.expect(0, &["app", "add", "school", "--database", &database]);
    place.json(&FULL);
    damage(&place.path("one"));
    place.expect(0, &["restore", "to", "latest", "--target", "sqlite:copy.db"]);
    assert_eq!(names(&place.path("copy.db")), names(&place.path("school.db")));
}

/// The binary with no file larger than `kib`: to a program that writes, a full disk.
fn on_a_full_disk(place: &Place, kib: u32, arguments: &[&str]) -> Command {
    let plain = place.command(arguments);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -f {}; exec \"$0\" \"$@\"", kib * 2)]).arg(plain.get_program()).args(plain.get_args());
    command.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(plain.get_current_dir().unwrap());
    command
}

#[test]
fn a_full_disk_is_an_error_and_not_the_end_of_the_process() {
    let place = protected();
    let grow = "CREATE TABLE scan (id INTEGER PRIMARY KEY, page BLOB);
         WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 48) INSERT INTO scan SELECT i, randomblob(500000) FROM n";
    Connection::open(place.path("school.db")).unwrap().execute_batch(grow).unwrap();
    // The catalog and its log fit, a copy for an application that would wait does not.
    let (wrong, todo) = said_by(&mut on_a_full_disk(&place, 6 << 10, &FULL), 1);
    assert!(wrong.contains("a copy of") && wrong.contains("scratch") && todo.contains("Make room"), "{wrong}");
    // Without one, a pack does not.
    Connection::open(place.path("school.db")).unwrap().execute_batch("PRAGMA journal_mode = WAL").unwrap();
    let (wrong, todo) = said_by(&mut on_a_full_disk(&place, 6 << 10, &FULL), 1);
    assert!(wrong.contains("File too large") || wrong.contains("No space left"), "{wrong}");
    assert!(!todo.is_empty());
    assert_eq!(place.json(&["backups"]).as_array().unwrap().len(), 0);
    let job = place.json(&["jobs", "--limit", "1"])[0].clone();
    assert!(job["status"] == "failed" && !job["error"].as_str().unwrap().contains("interrupted"), "{job}");
    the_next_backup_works(&place);
    let copy = ["restore", "to", "latest", "--target", "sqlite:second.db"];
    let (wrong, todo) = said_by(&mut on_a_full_disk(&place, 6 << 10, &copy), 1);
    assert!(wrong.contains("second.db: the disk or the temporary folder is full") && todo.contains("Make room"), "{wrong}");
    let left: Vec<_> = std::fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        left.iter().all(|name| {
            let name = name.to_string_lossy();
            name != "second.db" && !name.ends_with(".partial")
        }),
        "{left:?}"
    );
    place.expect(0, &copy);
    place.expect(0, &["vault", "verify", "--level", "3"]);
}

#[test]
fn no_room_to_sort_in_is_not_taken_for_a_damaged_table() {
    let place = protected();
    // Without a key its rows are sorted outside memory.
    let grow = "PRAGMA journal_mode = WAL; CREATE TABLE scan (page BLOB); WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 48) INSERT INTO scan SELECT randomblob(500000) FROM n";
    Connection::open(place.path("school.db")).unwrap().execute_batch(grow).unwrap();
    let (wrong, todo) = said_by(&mut on_a_full_disk(&place, 6 << 10, &FULL), 1);
    assert!(wrong.contains("the disk or the temporary folder is full") && todo.contains("TMPDIR"), "{wrong}");
    assert_eq!(place.json(&["backups"]).as_array().unwrap().len(), 0);
    the_next_backup_works(&place);
}

#[test]
fn a_terminal_that_is_too_small_says_so_and_can_be_left() {
    let place = protected();
    let mut terminal = Terminal::start(&place.command(&[]), 20, 5);
    terminal.wait("needs").keys("q");
    assert_eq!(terminal.end(), 0);
    assert!(!terminal.is_full_screen());
}

#[test]
fn without_a_terminal_the_health_summary_stands_there_and_what_to_do_instead() {
    let place = protected();
    place.json(&FULL);
    let output = place.run(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("healthy: 1 of 1 backups completed"), "{output:?}");
    let (wrong, todo) = said(&place, 2, &[]);
    assert!(wrong.contains("needs a terminal") && todo.contains("backstop --help"), "{wrong}, {todo}");
    assert_eq!(said(&place, 2, &["console"]), (wrong, todo));
    assert!(!place.path("nowhere").exists());
    said(&place, 2, &["--home", "nowhere"]);
    assert!(!place.path("nowhere").exists(), "looking makes no home");
}

#[test]
fn a_name_that_does_not_exist_is_told_with_the_one_that_may_be_meant() {
    let place = protected();
    place.expect(0, &["config", "create", "nightly", "--schedule", "0 2 * * *"]);
    place.json(&FULL);
    for (arguments, meant) in [
        (vec!["backup", "--app", "scool", "--type", "full"], "school"),
        (vec!["backup", "--app", "school", "--type", "full", "--models", "pupils"], "pupil"),
        (vec!["backup", "--app", "school", "--type", "full", "--models", "pupil,pupli"], "pupil"),
        (vec!["backup", "--config", "nigthly"], "nightly"),
        (vec!["backups", "rows", "latest", "pupils"], "pupil"),
    ] {
        let (wrong, todo) = said(&place, 2, &arguments);
        assert!(wrong.starts_with("there is no "), "{wrong}");
        assert!(
            todo.to_lowercase().contains(&format!("did you mean {meant}")) || todo.contains(&format!("did you mean '{meant}'")),
            "{todo}"
        );
    }
    let (wrong, _) = said(&place, 2, &["restore", "preview", "--model", "pupils"]);
    assert!(wrong.contains("pupils has no records in this backup; did you mean pupil?"), "{wrong}");
    for arguments in [["backups", "show"], ["restores", "show"], ["jobs", "show"], ["restore", "preview"], ["backups", "verify"]] {
        let (wrong, todo) = said(&place, 2, &[arguments.as_slice(), &["0199"]].concat());
        assert!(wrong.contains("'0199'") && todo.contains("list them with: backstop "), "{wrong}, {todo}");
    }
    assert_eq!(place.json(&["backups"]).as_array().unwrap().len(), 1);
}

#[test]
fn what_is_given_twice_is_refused() {
    let place = protected();
    std::fs::create_dir(place.path("media")).unwrap();
    let database = format!("sqlite:{}", place.path("school.db").display());
    for (arguments, word) in [
        (vec!["app", "add", "school", "--database", &database], "'school'"),
        (vec!["app", "add", "x", "--files", "media", "--files", "media"], "two folders have the label “media”"),
        (vec!["app", "add", "x", "--files", "one=media", "--files", "two=./media"], "media is given twice"),
        (vec!["vault", "init", "other", "--location", "new", "--location", "./new"], "new is given twice"),
        (vec!["backup", "--app", "school", "--app", "school", "--type", "full"], "--app"),
        (vec!["restore", "to", "latest", "--target", "sqlite:a.db", "--target", "sqlite:a.db"], "a.db"),
    ] {
        let (wrong, _) = said(&place, 2, &arguments);
        assert!(wrong.contains(word), "{wrong}");
    }
    assert!(!place.path("new").exists() && !place.path("a.db").exists());
    assert_eq!(place.json(&["app", "list"]).as_array().unwrap().len(), 1);
    place.json(&FULL);
    place.expect(0, &["restore", "to", "latest", "--target", "sqlite:a.db"]);
    let (wrong, todo) = said(&place, 4, &["restore", "to", "latest", "--target", "sqlite:a.db"]);
    assert!(wrong.contains("exists already") && todo.contains("does not exist"), "{wrong}");
}
