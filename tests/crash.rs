//! The real binary is killed at the moments that matter; what it had said is true afterwards, and the next run works.
//!
//! A moment is something that can be seen from outside: a job in the catalog, a pack in the vault, a journal beside the
//! database. Whether a kill came before, in the middle or after is read from what is there then, and each loop says at its
//! end that it saw all of them. `BACKSTOP_CRASH_ROUNDS` sets how often each moment is tried.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use common::program::Place;
use rusqlite::types::Value as Cell;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

fn rounds() -> usize {
    std::env::var("BACKSTOP_CRASH_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap())
}

/// Every cell of the table, by storage class and bytes.
fn dump(database: &Path) -> Vec<Vec<Cell>> {
    let connection = Connection::open(database).unwrap();
    let mut statement = connection.prepare("SELECT id, name, mark, photo FROM pupil ORDER BY id").unwrap();
    statement.query_map((), |row| (0..4).map(|column| row.get(column)).collect()).unwrap().map(Result::unwrap).collect()
}

/// A school large enough that writing it takes longer than looking for a moment.
struct School {
    place: Place,
}

impl School {
    fn new(journal: &str) -> Self {
        let school = Self { place: Place::new() };
        school.sql(&format!(
            "PRAGMA journal_mode = {journal};
             CREATE TABLE pupil (id INTEGER PRIMARY KEY, name TEXT NOT NULL, mark REAL, photo BLOB);
             WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
             INSERT INTO pupil SELECT i, 'pupil ' || i, i / 7.0, randomblob(300) FROM n"
        ));
        school.place.protect("school", &school.database());
        school
    }

    fn database(&self) -> PathBuf {
        self.place.path("school.db")
    }

    fn sql(&self, sql: &str) {
        Connection::open(self.database()).unwrap().execute_batch(sql).unwrap();
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        self.place.command(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Starts the program, kills it as soon as `seen`, and gives what it printed: all of it where it was faster.
    fn killed(&self, arguments: &[&str], mut seen: impl FnMut() -> bool) -> Option<Value> {
        let mut child = self.spawn(&[arguments, &["--json"]].concat());
        while child.try_wait().unwrap().is_none() && !seen() {}
        // SIGKILL; one that has ended already is not there to be killed.
        let _ = child.kill();
        let output = child.wait_with_output().unwrap();
        serde_json::from_slice(&output.stdout).ok()
    }

    /// How many objects the vault has below `folder`, unfinished ones included.
    fn objects(&self, folder: &str) -> usize {
        fn count(folder: &Path) -> usize {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| if entry.file_type().is_ok_and(|kind| kind.is_dir()) { count(&entry.path()) } else { 1 }).sum()
        }
        count(&self.place.path("vault").join(folder))
    }

    /// The backups whose manifest stands in the vault, whether the catalog heard of them or not.
    fn manifests(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.place.path("vault/backups")).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().into_string().unwrap());
        names.filter_map(|name| Some(name.split_once('-').filter(|(time, _)| !time.starts_with('.'))?.1.to_owned())).collect()
    }

    /// A look into the catalog that disturbs nobody.
    fn catalog(&self) -> Connection {
        Connection::open_with_flags(self.place.home().join("catalog.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
    }

    fn count(&self, catalog: &Connection, sql: &str) -> u64 {
        catalog.query_row(sql, (), |row| row.get(0)).unwrap_or(0)
    }

    fn backups(&self) -> Vec<Value> {
        self.place.json(&["backups"]).as_array().unwrap().clone()
    }

    /// The database that a backup gives back.
    fn restored(&self, backup: &str) -> Vec<Vec<Cell>> {
        let copy = self.place.path(&format!("{backup}.db"));
        self.place.expect(0, &["restore", "to", backup, "--target", &format!("sqlite:{}", copy.display())]);
        dump(&copy)
    }
}

#[test]
fn a_backup_that_is_killed_is_reported_whole_or_not_at_all_and_the_next_one_works() {
    let school = School::new("DELETE");
    let (mut ends, mut dumps) = (BTreeSet::new(), BTreeMap::new());
    for round in 0..rounds() {
        for moment in ["job", "pack", "index", "manifest", "backup", "never"] {
            school.sql(&format!("UPDATE pupil SET name = '{moment} {round} ' || id, photo = randomblob(300) WHERE id % 2 = 0"));
            let before: Vec<Value> = school.backups();
            let stood = school.manifests();
            let (objects, catalog) = (["packs", "index", "backups"].map(|folder| school.objects(folder)), school.catalog());
            let jobs = school.count(&catalog, "SELECT count(*) FROM job WHERE status <> 'queued'");
            let printed = school.killed(&["backup", "--app", "school", "--type", "full"], || match moment {
                "job" => school.count(&catalog, "SELECT count(*) FROM job WHERE status <> 'queued'") > jobs,
                "pack" => school.objects("packs") > objects[0],
                "index" => school.objects("index") > objects[1],
                "manifest" => school.objects("backups") > objects[2],
                "backup" => school.count(&catalog, "SELECT count(*) FROM backup") > before.len() as u64,
                _ => false,
            });
            let known: Vec<Value> = school.backups();
            // What it said is there, and what is there is what the database was.
            if let Some(printed) = &printed {
                assert!(known.iter().any(|backup| backup["id"] == printed["backup"]), "{moment}: {printed}");
            }
            dumps.extend(school.manifests().difference(&stood).map(|made| (made.clone(), dump(&school.database()))));
            // The next backup takes in one whose process died before the catalog heard of it.
            for backup in known.iter().filter(|backup| !before.contains(backup)) {
                assert_eq!(backup["status"], "completed");
                assert!(dumps.contains_key(backup["id"].as_str().unwrap()), "{moment}: {backup}");
            }
            let job = school.place.json(&["jobs", "--limit", "1"])[0].clone();
            let made = known.iter().any(|backup| backup["job"] == job["id"]);
            assert_eq!(job["status"], if made { "completed" } else { "failed" }, "{moment}: {job}");
            if !made {
                assert!(job["error"].as_str().unwrap().starts_with("interrupted: "), "{job}");
            }
            ends.insert((made, printed.is_some()));
        }
    }
    assert!(ends.contains(&(false, false)) && ends.contains(&(true, true)), "no kill hit before, or none after: {ends:?}");
    let alerts = school.place.json(&["alerts", "list", "--all"]);
    assert_eq!((&alerts[0]["type"], &alerts[0]["status"]), (&"backup_failure".into(), &"resolved".into()), "{alerts}");
    let last = school.place.json(&["backup", "--app", "school", "--type", "incremental"]);
    dumps.insert(last["backup"].as_str().unwrap().to_owned(), dump(&school.database()));
    assert_eq!(school.backups().len(), dumps.len(), "what stands in the vault is listed");
    for (backup, held) in &dumps {
        assert!(school.restored(backup) == *held, "{backup} gives back another database");
    }
    school.place.expect(0, &["vault", "verify", "--level", "3"]);
    school.place.expect(0, &["audit", "--verify"]);
}

/// The database is exactly as before or exactly as after, and the restore log says which.
fn restores_and_undos_are_killed(journal: &str, kills: usize) -> BTreeSet<(&'static str, String)> {
    let school = School::new(journal);
    school.place.json(&["backup", "--app", "school", "--type", "full"]);
    let whole = dump(&school.database());
    school.sql("UPDATE pupil SET name = 'spoiled', photo = zeroblob(200) WHERE id % 3 = 0; DELETE FROM pupil WHERE id % 100 = 7");
    let spoiled = dump(&school.database());
    let mut ends = BTreeSet::new();
    let log = if journal == "WAL" { "school.db-wal" } else { "school.db-journal" };
    let log = school.place.path(log);
    let mut committed: Option<String> = None;
    for moment in ["begun", "safe", "writing", "committed", "ended", "never"].iter().cycle().take(kills * rounds()) {
        let catalog = school.catalog();
        let begun = school.count(&catalog, "SELECT count(*) FROM restore");
        let safe = school.count(&catalog, "SELECT count(*) FROM restore WHERE safety_backup IS NOT NULL");
        let ended = school.count(&catalog, "SELECT count(*) FROM restore WHERE status <> 'running'");
        let (arguments, kind) = match &committed {
            None => (vec!["restore", "run", "--app", "school", "--strategy", "replace", "--reason", "a mishap", "--yes"], "restore"),
            Some(restore) => (vec!["restore", "undo", restore.as_str(), "--reason", "back", "--yes"], "undo"),
        };
        let (before, after) = if kind == "restore" { (&spoiled, &whole) } else { (&whole, &spoiled) };
        let mut wrote = false;
        let printed = school.killed(&arguments, || {
            let writes = std::fs::metadata(&log).is_ok_and(|log| log.len() > 0);
            wrote |= writes;
            match *moment {
                "begun" => school.count(&catalog, "SELECT count(*) FROM restore") > begun,
                "safe" => school.count(&catalog, "SELECT count(*) FROM restore WHERE safety_backup IS NOT NULL") > safe,
                "writing" => wrote,
                "committed" => wrote && !writes,
                "ended" => school.count(&catalog, "SELECT count(*) FROM restore WHERE status <> 'running'") > ended,
                _ => false,
            }
        });
        let restores = school.place.json(&["restores"]);
        let entry = restores.as_array().unwrap().iter().max_by_key(|entry| entry["id"].as_str().unwrap()).unwrap();
        let status = if restores.as_array().unwrap().len() as u64 > begun { entry["status"].as_str().unwrap() } else { "none" };
        let now = dump(&school.database());
        match status {
            "completed" => assert!(now == *after, "{kind} killed at {moment}: the log says {entry}"),
            "failed" | "none" => assert!(now == *before, "{kind} killed at {moment}: the log says {entry}"),
            other => panic!("{kind} killed at {moment} is {other}: {entry}"),
        }
        assert!(printed.is_none() || status == "completed", "{kind} at {moment} said {printed:?}, and the log {entry}");
        ends.insert((kind, status.to_owned()));
        if status == "completed" {
            committed = if kind == "restore" { Some(entry["id"].as_str().unwrap().to_owned()) } else { None };
        }
    }
    if let Some(restore) = committed {
        school.place.expect(0, &["restore", "undo", &restore, "--reason", "back", "--yes"]);
    }
    assert!(dump(&school.database()) == spoiled);
    let intact: String = Connection::open(school.database()).unwrap().query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(intact, "ok");
    school.place.json(&["backup", "--app", "school", "--type", "incremental"]);
    school.place.expect(0, &["audit", "--verify"]);
    ends
}

#[test]
fn a_restore_or_an_undo_that_is_killed_is_all_or_nothing_and_the_log_says_which() {
    let ends = restores_and_undos_are_killed("DELETE", 12);
    for kind in ["restore", "undo"] {
        let seen = |status: &str| ends.contains(&(kind, status.to_owned()));
        assert!(seen("failed") && seen("completed"), "no kill of a {kind} hit before its end, or none after: {ends:?}");
    }
}

#[test]
fn so_it_is_with_a_write_ahead_log() {
    let ends = restores_and_undos_are_killed("WAL", 6);
    assert!(ends.iter().any(|(_, status)| status == "failed") && ends.iter().any(|(_, status)| status == "completed"), "{ends:?}");
}

#[test]
fn a_copy_that_is_killed_leaves_nothing_that_looks_whole_and_can_be_made_again() {
    let place = Place::new();
    let media = place.path("media");
    for folder in 0..40 {
        std::fs::create_dir_all(media.join(format!("{folder}"))).unwrap();
        (0..40).for_each(|file| std::fs::write(media.join(format!("{folder}/{file}")), format!("{file}").repeat(100)).unwrap());
    }
    let school = School { place };
    school.sql("CREATE TABLE pupil (id INTEGER PRIMARY KEY, name TEXT, mark REAL, photo BLOB)");
    school.sql(
        "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO pupil SELECT i, 'p', 1.5, zeroblob(9) FROM n",
    );
    school.place.expect(0, &["vault", "init", "--location", "vault"]);
    let database = format!("sqlite:{}", school.database().display());
    school.place.expect(0, &["app", "add", "school", "--database", &database, "--files", "media"]);
    school.place.json(&["backup", "--app", "school", "--type", "full"]);
    let (copy, out) = (school.place.path("out.db"), school.place.path("out"));
    let unfinished = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(".partial")).count()
    };
    let target = format!("sqlite:{}", copy.display());
    let arguments = ["restore", "to", "latest", "--target", &target, "--target", "out"];
    let made = school.killed(&arguments, || unfinished(&out) > 0);
    assert!(made.is_none() && unfinished(&out) > 0, "it was not killed in the middle");
    assert!(!copy.exists() && !out.join("media").exists());
    school.place.expect(0, &arguments);
    assert!(dump(&copy) == dump(&school.database()));
    assert_eq!(std::fs::read_dir(out.join("media")).unwrap().count(), 40);
    assert_eq!(unfinished(&out) + unfinished(copy.parent().unwrap()), 0, "what the dead one left is still there");
}
