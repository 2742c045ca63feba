//! What stands together on one disk is kept apart: an app's files from its database and from the vault, one location from another.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "common/known.rs"]
mod known;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backstop::catalog::{BackupType, Level, Status};
use backstop::clock::SystemClock;
use backstop::engine::apps::AppRequest;
use backstop::engine::backup::{BackupRequest, BackupResult};
use backstop::engine::restore::strategy::Strategy;
use backstop::engine::restoring::{CopyTarget, PreviewRequest};
use backstop::engine::vaults::VaultRequest;
use backstop::engine::{Engine, Home, Result};
use backstop::error::Explain;
use known::{Known, secret};
use rusqlite::Connection;

struct Place {
    folder: tempfile::TempDir,
    engine: Engine,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("srv")).unwrap();
        let engine = Self::open(&folder.path().join("srv/home"));
        Self { folder, engine }
    }

    fn open(home: &Path) -> Engine {
        Engine::open(Home::at(home), Arc::new(SystemClock), Box::new(Known)).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn create_vault(&self, locations: &[&str]) -> Result<()> {
        let locations: Vec<String> = locations.iter().map(|name| self.path(name).display().to_string()).collect();
        let passphrase = secret();
        self.engine.create_vault(&VaultRequest { name: "main", locations: &locations, passphrase: &passphrase, recovery: false }).map(drop)
    }

    fn protect(&self, database: &str, files: Option<&str>) {
        let database = Some(format!("sqlite:{}", self.path(database).display()));
        let files = files.map(|name| self.path(name).display().to_string()).into_iter().collect();
        self.engine.add_app(&AppRequest { name: "shop".into(), database, files, ..AppRequest::default() }).unwrap();
    }

    fn back_up(&self) -> BackupResult {
        self.engine.backup(&BackupRequest::new(None, BackupType::Full)).unwrap()
    }
}

fn going(_: backstop::engine::restore::Step<'_>) -> bool {
    true
}

/// Every file below `folder`, relative to it.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|below| format!("{name}/{below}")));
        } else {
            found.insert(name);
        }
    }
    found
}

/// The locks that this process holds on a file, as the system lists them.
fn locks_on(path: &Path) -> usize {
    let (own, inode) = (std::process::id().to_string(), fs::metadata(path).unwrap().ino().to_string());
    let locks = fs::read_to_string("/proc/locks").unwrap();
    let ours = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.contains(&own.as_str()) && fields.iter().any(|field| field.ends_with(&format!(":{inode}")))
    };
    locks.lines().filter(ours).count()
}

#[test]
fn a_folder_that_holds_the_database_the_home_and_the_vault_is_backed_up_without_them_and_no_lock_is_lost() {
    let place = Place::new();
    let live = Connection::open(place.path("srv/shop.db")).unwrap();
    live.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'a')").unwrap();
    fs::create_dir(place.path("srv/media")).unwrap();
    fs::write(place.path("srv/media/photo.jpg"), "a photo").unwrap();
    fs::write(place.path("srv/shop.db.note"), "not the database").unwrap();
    fs::hard_link(place.path("srv/shop.db"), place.path("srv/media/the same.db")).unwrap();
    place.create_vault(&["srv/vault"]).unwrap();
    place.protect("srv/shop.db", Some("srv"));

    live.execute_batch("BEGIN IMMEDIATE; UPDATE t SET v = 'b'").unwrap();
    let held = locks_on(&place.path("srv/shop.db-shm"));
    assert!(held > 0, "the test sees its own locks");
    let result = place.back_up();
    assert_eq!(locks_on(&place.path("srv/shop.db-shm")), held, "a file was opened and closed beside SQLite");
    live.execute_batch("COMMIT").unwrap();

    assert_eq!((result.status, result.warnings.as_slice()), (Status::Completed, [].as_slice()));
    place.engine.restore_to("latest", None, &[CopyTarget::Folder(place.path("copy"))]).unwrap();
    assert_eq!(files(&place.path("copy/srv")), ["media/photo.jpg", "shop.db.note"].map(str::to_owned).into());
    let log = place.engine.catalog().job_log(&result.job, 0, Level::Info, 1000).unwrap();
    let line = log.iter().find(|line| line.text.contains("left out")).unwrap_or_else(|| panic!("{log:?}"));
    for name in ["shop.db", "shop.db-wal", "home", "vault", "media/the same.db"] {
        assert!(line.text.contains(name), "{}", line.text);
    }
}

#[test]
fn a_restore_of_files_leaves_alone_what_is_a_protected_database_by_now() {
    let place = Place::new();
    let sql = |sql: &str| Connection::open(place.path("srv/shop.db")).unwrap().execute_batch(sql).unwrap();
    sql("CREATE TABLE t (v); INSERT INTO t VALUES ('then')");
    fs::write(place.path("srv/note"), "then").unwrap();
    place.create_vault(&["vault"]).unwrap();
    let files = vec![place.path("srv").display().to_string()];
    place.engine.add_app(&AppRequest { name: "media".into(), files, ..AppRequest::default() }).unwrap();
    place.back_up();
    place.protect("srv/shop.db", None);
    sql("UPDATE t SET v = 'now'");
    fs::write(place.path("srv/note"), "now").unwrap();

    let request = PreviewRequest { exact: true, ..PreviewRequest::new(Some("media".into()), Strategy::Replace) };
    let plan = place.engine.preview(&request, &mut going).unwrap();
    let done = place.engine.restore(&plan.plan, None, &mut going).unwrap();
    assert_eq!((done.records_updated, done.records_deleted), (1, 0));
    assert_eq!(fs::read_to_string(place.path("srv/note")).unwrap(), "then");
    let now: String = Connection::open(place.path("srv/shop.db")).unwrap().query_row("SELECT v FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(now, "now");
}

#[test]
fn one_folder_is_not_two_locations() {
    let place = Place::new();
    fs::create_dir(place.path("disk")).unwrap();
    std::os::unix::fs::symlink("disk", place.path("link")).unwrap();
    for twice in [["disk", "disk"], ["disk", "link"], ["disk", "srv/../disk"]] {
        let error = place.create_vault(&twice).unwrap_err();
        assert_eq!((error.status(), error.hint().is_some()), (backstop::error::Status::Usage, true), "{error}");
        assert!(place.engine.catalog().vaults().unwrap().is_empty());
    }
    place.create_vault(&["disk", "other"]).unwrap();
}

#[test]
fn records_that_exchange_a_unique_value_keep_their_large_values() {
    let place = Place::new();
    let sql = |sql: &str| Connection::open(place.path("shop.db")).unwrap().execute_batch(sql).unwrap();
    let told = || -> Vec<(i64, String, Vec<u8>)> {
        let connection = Connection::open(place.path("shop.db")).unwrap();
        let mut statement = connection.prepare("SELECT rowid, code, body FROM page ORDER BY rowid").unwrap();
        statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap().map(|row| row.unwrap()).collect()
    };
    sql("CREATE TABLE page (id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, body BLOB);
         INSERT INTO page VALUES (1, 'one', randomblob(40000)), (2, 'two', randomblob(40000))");
    place.create_vault(&["vault"]).unwrap();
    place.protect("shop.db", None);
    place.back_up();
    let good = told();
    sql("UPDATE page SET code = 'x' WHERE id = 1; UPDATE page SET code = 'one' WHERE id = 2; UPDATE page SET code = 'two' WHERE id = 1");
    let spoiled = told();
    let plan = place.engine.preview(&PreviewRequest::new(None, Strategy::Replace), &mut going).unwrap();
    let done = place.engine.restore(&plan.plan, None, &mut going).unwrap();
    assert_eq!((done.records_updated, told() == good), (2, true));
    place.engine.undo(&done.restore, Vec::new(), None, &mut going).unwrap();
    assert!(told() == spoiled);
}

#[test]
fn what_a_process_that_died_left_in_the_scratch_folder_is_cleared_when_the_home_is_opened() {
    let place = Place::new();
    let scratch = place.path("srv/home/scratch");
    let left = scratch.join("private-left");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("database"), "rows").unwrap();
    let held = scratch.join("private-held");
    fs::create_dir(&held).unwrap();
    let lock = fs::File::open(&held).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    drop(Place::open(&place.path("srv/home")));
    assert_eq!((left.exists(), held.exists()), (false, true));
    drop(lock);
    drop(Place::open(&place.path("srv/home")));
    assert!(!held.exists());
}
