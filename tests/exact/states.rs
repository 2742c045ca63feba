//! What a database may be in while it is backed up: an unread log, a dead transaction, media that cannot be written, a writer
//! at full speed; and what is no database at all.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rstest::rstest;
use rusqlite::{Connection, ErrorCode};

use crate::common::program::Place;
use crate::compare::{What, assert_same, told};
use crate::hostile::{back_up, copy, protected};

const ROWS: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT UNIQUE, v);
    WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT i, 'key ' || i, hex(randomblob(100)) FROM n;";

/// The database's files with their bytes.
fn files(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let entries = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let own = entries.filter(|entry| entry.file_name().unwrap().to_str().unwrap().starts_with(name));
    own.map(|entry| (entry.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(entry).unwrap())).collect()
}

/// The files but for the index of the log, in which readers leave their marks.
fn data(path: &Path) -> BTreeMap<String, Vec<u8>> {
    files(path).into_iter().filter(|(name, _)| !name.ends_with("-shm")).collect()
}

/// Runs a script in a process that is killed once it has said `ready`.
fn killed_in(path: &Path, script: &str) {
    let mut child = Command::new("sqlite3").arg(path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(format!("{script}\nSELECT 'ready';\n").as_bytes()).unwrap();
    input.flush().unwrap();
    let ready = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap).any(|line| line == "ready");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(ready, "it ended before it was killed");
}

#[test]
fn a_log_that_was_never_checkpointed_is_read_and_every_file_stays_as_it_was() {
    let (place, path) = protected(&["PRAGMA journal_mode = WAL", ROWS]);
    let app = Connection::open(&path).unwrap();
    app.execute_batch("PRAGMA wal_autocheckpoint = 0; UPDATE t SET v = 'in the log' WHERE id % 3 = 0; DELETE FROM t WHERE id % 7 = 0; CREATE TABLE new (v)").unwrap();
    let before = data(&path);
    assert!(before["app.db-wal"].len() > 10_000);
    let copied = copy(&place, &back_up(&place, "full"));
    assert_eq!(data(&path), before);
    assert_same(&told(&path, What::All), &told(&copied, What::All));
    // Its owner died and left the log behind.
    drop(app);
    killed_in(&path, "PRAGMA wal_autocheckpoint = 0; UPDATE t SET v = 'of the dead' WHERE id % 5 = 0; BEGIN; DELETE FROM t;");
    let before = data(&path);
    assert!(before.contains_key("app.db-wal"));
    let copied = copy(&place, &back_up(&place, "incremental"));
    assert_eq!(data(&path), before);
    assert_same(&told(&path, What::All), &told(&copied, What::All));
}

#[test]
fn a_log_database_that_was_closed_cleanly_gets_no_files_that_stay() {
    let (place, path) = protected(&["PRAGMA journal_mode = WAL", ROWS]);
    let before = files(&path);
    assert_eq!(before.len(), 1);
    let copied = copy(&place, &back_up(&place, "full"));
    assert_eq!(files(&path), before);
    assert_same(&told(&path, What::All), &told(&copied, What::All));
}

#[test]
fn a_transaction_whose_process_was_killed_is_not_in_the_backup() {
    let (place, path) = protected(&[ROWS]);
    let good = told(&path, What::All);
    killed_in(&path, "PRAGMA cache_size = 5; BEGIN IMMEDIATE; UPDATE t SET v = 'half done', k = k || '!'; DELETE FROM t WHERE id % 2;");
    let before = files(&path);
    assert!(before["app.db-journal"].len() > 1000, "a journal with a header is there");
    assert_same(&good, &told(&copy(&place, &back_up(&place, "full")), What::All));
    assert_eq!(files(&path), before);
    // The application comes back, rolls back itself, goes on.
    Connection::open(&path).unwrap().execute_batch("UPDATE t SET v = 'after' WHERE id = 1").unwrap();
    assert_same(&told(&path, What::All), &told(&copy(&place, &back_up(&place, "incremental")), What::All));
}

/// A user that is not root, where this one is: what may not be written is then seen.
const NOBODY: u32 = 65534;

fn is_root() -> bool {
    rustix_uid() == 0
}

fn rustix_uid() -> u32 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid()
}

/// A place whose everything belongs to a user that is not root, and the program where that user may run it.
struct Nobody {
    place: Place,
    program: PathBuf,
}

impl Nobody {
    fn new() -> Self {
        let place = Place::new();
        let program = place.path("backstop");
        let built = Path::new(env!("CARGO_BIN_EXE_backstop"));
        if fs::hard_link(built, &program).is_err() {
            fs::copy(built, &program).unwrap();
        }
        fs::create_dir(place.path("data")).unwrap();
        let nobody = Self { place, program };
        nobody.give("");
        nobody.give("data");
        nobody
    }

    /// Gives something to the user.
    fn give(&self, name: &str) {
        if is_root() {
            chown(self.place.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }

    /// Runs the program as that user and gives its status and what it complained of.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let plain = self.place.command(arguments);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--clear-groups".into()]).arg(&self.program);
            command
        } else {
            Command::new(&self.program)
        };
        command.args(plain.get_args()).env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = command.current_dir(self.place.path("")).stdin(Stdio::null()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    fn expect(&self, status: i32, arguments: &[&str]) -> String {
        let (ended, said) = self.run(arguments);
        assert_eq!(ended, status, "{arguments:?}: {said}");
        said
    }
}

#[rstest]
#[case("PRAGMA journal_mode = DELETE")]
#[case("PRAGMA journal_mode = WAL")]
fn a_database_on_media_that_cannot_be_written_is_read(#[case] journal: &str) {
    let nobody = Nobody::new();
    let path = nobody.place.path("data/app.db");
    Connection::open(&path).unwrap().execute_batch(&format!("{journal}; {ROWS}")).unwrap();
    nobody.give("data/app.db");
    let good = told(&path, What::All);
    let before = files(&path);
    for (name, mode) in [("data/app.db", 0o444), ("data", 0o555)] {
        fs::set_permissions(nobody.place.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    nobody.expect(0, &["vault", "init", "--location", "vault"]);
    nobody.expect(0, &["app", "add", "app", "--database", "sqlite:data/app.db"]);
    nobody.expect(0, &["backup", "--app", "app", "--type", "full"]);
    nobody.expect(0, &["restore", "to", "latest", "--target", "sqlite:copy.db"]);
    assert_eq!(files(&path), before);
    fs::set_permissions(nobody.place.path("data"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_same(&good, &told(&nobody.place.path("copy.db"), What::All));
}

#[test]
fn a_log_whose_index_is_gone_is_read_where_none_can_be_made() {
    let nobody = Nobody::new();
    let path = nobody.place.path("data/app.db");
    Connection::open(&path).unwrap().execute_batch(&format!("PRAGMA journal_mode = WAL; {ROWS}")).unwrap();
    killed_in(&path, "PRAGMA wal_autocheckpoint = 0; UPDATE t SET v = 'in the log' WHERE id % 5 = 0;");
    fs::remove_file(nobody.place.path("data/app.db-shm")).unwrap();
    let before = files(&path);
    assert!(before["app.db-wal"].len() > 10_000);
    // Whoever looks at it with SQLite makes the index anew: that is done to a copy.
    fs::create_dir(nobody.place.path("seen")).unwrap();
    before.iter().for_each(|(name, bytes)| fs::write(nobody.place.path(&format!("seen/{name}")), bytes).unwrap());
    for (name, mode) in [("data/app.db", 0o444), ("data/app.db-wal", 0o444), ("data", 0o555)] {
        nobody.give(name);
        fs::set_permissions(nobody.place.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    nobody.expect(0, &["vault", "init", "--location", "vault"]);
    nobody.expect(0, &["app", "add", "app", "--database", "sqlite:data/app.db"]);
    nobody.expect(0, &["backup", "--app", "app", "--type", "full"]);
    nobody.expect(0, &["restore", "to", "latest", "--target", "sqlite:copy.db"]);
    fs::set_permissions(nobody.place.path("data"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(files(&path), before);
    assert_same(&told(&nobody.place.path("seen/app.db"), What::All), &told(&nobody.place.path("copy.db"), What::All));
}

#[test]
fn another_users_database_is_refused_where_opening_it_would_lock_its_application_out() {
    if !is_root() {
        // Only root can make a file that belongs to somebody else.
        return;
    }
    let nobody = Nobody::new();
    let path = nobody.place.path("data/app.db");
    Connection::open(&path).unwrap().execute_batch(&format!("PRAGMA journal_mode = DELETE; {ROWS}")).unwrap();
    nobody.expect(0, &["vault", "init", "--location", "vault"]);
    nobody.expect(0, &["app", "add", "app", "--database", "sqlite:data/app.db"]);
    nobody.expect(0, &["backup", "--app", "app", "--type", "full"]);
    Connection::open(&path).unwrap().execute_batch("PRAGMA journal_mode = WAL").unwrap();
    let before = files(&path);
    let said = nobody.expect(4, &["backup", "--app", "app", "--type", "full"]);
    assert!(said.contains("WAL mode") && said.contains("sudo -u root backstop"), "{said}");
    assert_eq!(files(&path), before);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let said = nobody.expect(4, &["backup", "--app", "app", "--type", "full"]);
    assert!(said.contains("may not be read") && said.contains("sudo -u root backstop"), "{said}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    Connection::open(&path).unwrap().execute_batch("PRAGMA journal_mode = DELETE").unwrap();
    nobody.expect(0, &["backup", "--app", "app", "--type", "incremental"]);
    let jobs: serde_json::Value = serde_json::from_str(&nobody.expect(0, &["jobs", "--json"])).unwrap();
    let states: Vec<&str> = jobs.as_array().unwrap().iter().map(|job| job["status"].as_str().unwrap()).collect();
    assert_eq!(states.iter().filter(|state| **state == "failed").count(), 2, "{states:?}");
}

const ACCOUNTS: u32 = 200;

/// Moves money between accounts until it is told to stop; gives how often the database was busy.
fn transfers(path: &Path, timeout: Duration, stop: &AtomicBool, done: &AtomicU64) -> u64 {
    let mut app = Connection::open(path).unwrap();
    app.busy_timeout(timeout).unwrap();
    let (mut busy, mut number) = (0, 1_u32);
    while !stop.load(Ordering::Relaxed) {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (from, to, amount) = ((number >> 8) % ACCOUNTS, (number >> 16) % ACCOUNTS, number % 90);
        let mut transfer = || -> rusqlite::Result<()> {
            let transaction = app.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            transaction.execute("UPDATE account SET balance = balance - ? WHERE id = ?", (amount, from))?;
            transaction.execute("UPDATE account SET balance = balance + ? WHERE id = ?", (amount, to))?;
            transaction.execute("INSERT INTO transfer(a, b, amount) VALUES (?, ?, ?)", (from, to, amount))?;
            transaction.execute("UPDATE counter SET transfers = transfers + 1", [])?;
            transaction.commit()
        };
        match transfer() {
            Ok(()) => drop(done.fetch_add(1, Ordering::Relaxed)),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => busy += 1,
            Err(error) => panic!("{error}"),
        }
    }
    busy
}

#[rstest]
#[case("WAL", Duration::ZERO)]
#[case("DELETE", Duration::from_secs(60))]
fn every_backup_beside_a_writer_is_one_moment_and_the_writer_goes_on(#[case] journal: &str, #[case] timeout: Duration) {
    let accounts = format!(
        "PRAGMA journal_mode = {journal}; CREATE TABLE account (id INTEGER PRIMARY KEY, balance INT NOT NULL, note);
         CREATE TABLE transfer (id INTEGER PRIMARY KEY AUTOINCREMENT, a INT, b INT, amount INT); CREATE TABLE counter (transfers INT); INSERT INTO counter VALUES (0);
         WITH n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {ACCOUNTS} - 1) INSERT INTO account SELECT i, 1000, hex(randomblob(2000)) FROM n;"
    );
    let (place, path) = protected(&[&accounts]);
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let (copies, busy) = std::thread::scope(|scope| {
        let writing = scope.spawn(|| transfers(&path, timeout, &stop, &done));
        let mut copies = Vec::new();
        for kind in ["full", "incremental", "incremental", "full", "incremental"] {
            let before = done.load(Ordering::Relaxed);
            let backup = back_up(&place, kind);
            assert!(done.load(Ordering::Relaxed) > before, "the writer went on during a backup");
            copies.push(copy(&place, &backup));
        }
        stop.store(true, Ordering::Relaxed);
        (copies, writing.join().unwrap())
    });
    assert_eq!(busy, 0, "the writer was never turned away");
    let mut last = 0;
    for copy in copies {
        let copy = Connection::open(copy).unwrap();
        let ask = |sql: &str| copy.query_row(sql, [], |row| row.get::<_, u64>(0)).unwrap();
        assert_eq!(ask("SELECT sum(balance) FROM account"), u64::from(ACCOUNTS) * 1000);
        let transfers = ask("SELECT transfers FROM counter");
        assert_eq!(ask("SELECT count(*) FROM transfer"), transfers);
        assert_eq!(ask("SELECT seq FROM sqlite_sequence"), transfers);
        assert!(transfers >= last);
        last = transfers;
    }
    assert!(last > 0);
}

/// Bytes that look random.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        u8::try_from(state >> 56).unwrap()
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn what_stands_in_its_place_and_is_no_database_fails_clearly_and_the_next_backup_works() {
    let (place, path) = protected(&[ROWS]);
    back_up(&place, "full");
    let whole = fs::read(&path).unwrap();
    let half = whole.len() / 4096 / 2 * 4096;
    let mut scrambled = whole.clone();
    // As of a database whose pages are encrypted: the first bytes are a salt, and the rest looks random.
    scrambled.iter_mut().zip(noise(whole.len())).for_each(|(byte, noise)| *byte ^= noise);
    let mut clear_header = scrambled.clone();
    clear_header[..100].copy_from_slice(&whole[..100]);
    for (bytes, why) in [
        (Some(noise(40_960)), "it does not begin like one; it is encrypted or something else"),
        (Some(scrambled), "it does not begin like one; it is encrypted or something else"),
        (Some(clear_header), ""),
        (Some(whole[..half].to_vec()), "it is cut off"),
        (Some(whole[..4096 * 3 + 100].to_vec()), "it is cut off"),
        (Some(whole[..60].to_vec()), "it is cut off after 60 bytes"),
        (Some(Vec::new()), "it is empty"),
        (None, "does not exist"),
    ] {
        fs::remove_file(&path).unwrap();
        if let Some(bytes) = &bytes {
            fs::write(&path, bytes).unwrap();
        }
        let backups = place.json(&["backups"]).as_array().unwrap().len();
        let output = place.run(&["backup", "--app", "app", "--type", "incremental"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{why}: {said}");
        assert!(said.starts_with("error: ") && said.contains("app.db") && said.contains(why) && said.lines().count() <= 2, "{why}: {said}");
        assert_eq!(place.json(&["backups"]).as_array().unwrap().len(), backups);
        let job = place.json(&["jobs", "--limit", "1"])[0].clone();
        assert!(job["status"] == "failed" && job["error"].as_str().unwrap().contains(why), "{job}");
        let alerts = place.json(&["alerts", "list"]);
        assert!(
            alerts.as_array().unwrap().iter().any(|alert| alert["type"] == "backup_failure" && alert["status"] == "active"),
            "{alerts}"
        );
        assert_eq!(bytes.is_some(), path.exists());
        fs::write(&path, &whole).unwrap();
        assert_same(&told(&path, What::All), &told(&copy(&place, &back_up(&place, "incremental")), What::All));
        let active = place.json(&["alerts", "list"]);
        assert!(active.as_array().unwrap().iter().all(|alert| alert["type"] != "backup_failure"), "{active}");
    }
    let left: Vec<_> = fs::read_dir(place.home().join("scratch")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
