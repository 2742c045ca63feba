//! Shortcuts of an increment are only ever shortcuts. The digest cache: damaged, behind, of something else or gone, the same backup
//! is made. A database that nobody wrote to is not read again; whatever was written to it, however, it is.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "common/known.rs"]
mod known;
#[path = "digest_cache/pieces.rs"]
mod pieces;

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use backstop::catalog::BackupType;
use backstop::clock::SystemClock;
use backstop::engine::apps::{AppRequest, Parts};
use backstop::engine::backup::BackupRequest;
use backstop::engine::backup::digests::Digests;
use backstop::engine::backup::relation::{Against, Storing};
use backstop::engine::progress::Progress;
use backstop::engine::selection::Selection;
use backstop::engine::vaults::VaultRequest;
use backstop::engine::{Engine, Home};
use backstop::rows::{Batch, Digest, RelationDigest, Run};
use backstop::sources::{Looking, Snapshot};
use backstop::vault::{BackupId, Manifest, RelationRecord};
use known::{Known, secret};
use rusqlite::Connection;

/// Two apps on one database with two tables of the same rows; both were backed up whole.
struct Place {
    folder: tempfile::TempDir,
    engine: Engine,
}

const TABLES: &str = "
    CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, price REAL);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)
        INSERT INTO item SELECT i, 'item ' || i * 7919 % 9001, i / 4.0 FROM n;
    CREATE TABLE twin(id INTEGER PRIMARY KEY, name TEXT, price REAL);
    INSERT INTO twin SELECT * FROM item;";
const SCATTERED: &str = "UPDATE item SET name = 'changed ' || name WHERE id % 97 = 3; DELETE FROM item WHERE id % 501 = 8;
    INSERT INTO item(name) VALUES ('new');";
const SCATTERED_AGAIN: &str = "UPDATE item SET price = price + 1 WHERE id % 89 = 5; DELETE FROM item WHERE id % 401 = 9;
    UPDATE twin SET price = price + 1 WHERE id % 89 = 5; INSERT INTO item(name) VALUES ('newer');";

/// What a relation became in the vault: two that are equal name the same chunks.
type Stored = (Vec<Run>, u64, Digest);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::open(Home::at(folder.path().join("home")), Arc::new(SystemClock), Box::new(Known)).unwrap();
        let place = Self { folder, engine };
        place.sql(TABLES);
        let (locations, passphrase) = ([place.text("vault")], secret());
        place.engine.create_vault(&VaultRequest { name: "main", locations: &locations, passphrase: &passphrase, recovery: false }).unwrap();
        for name in ["shop", "other"] {
            let database = Some(format!("sqlite:{}", place.text("shop.db")));
            place.engine.add_app(&AppRequest { name: name.into(), database, ..AppRequest::default() }).unwrap();
            place.back_up(name, BackupType::Full);
        }
        place
    }

    fn text(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn sql(&self, sql: &str) {
        Connection::open(self.text("shop.db")).unwrap().execute_batch(sql).unwrap();
    }

    fn back_up(&self, app: &str, kind: BackupType) -> BackupId {
        BackupId(self.engine.backup(&BackupRequest::new(Some(app.into()), kind)).unwrap().backup)
    }

    /// A new base, so that an increment never becomes one.
    fn anew(&self) -> BackupId {
        let request = BackupRequest { new_base: true, ..BackupRequest::new(Some("shop".into()), BackupType::Incremental) };
        BackupId(self.engine.backup(&request).unwrap().backup)
    }

    fn record(&self, backup: &BackupId, relation: &str) -> RelationRecord {
        let manifest = self.engine.vault("main").unwrap().manifest(backup).unwrap();
        manifest.relations().find(|record| record.relation.name == relation).unwrap().clone()
    }

    fn manifest(&self, backup: &BackupId) -> Manifest {
        self.engine.vault("main").unwrap().manifest(backup).unwrap()
    }

    /// Waits until the kernel's clock has left the moment of the last write: only then can it be told from a later one.
    fn settle(&self) {
        let changed = |file: fs::Metadata| file.ctime() * 1000 + file.ctime_nsec() / 1_000_000;
        let last = changed(fs::metadata(self.text("shop.db")).unwrap());
        while changed(tempfile::tempfile_in(self.folder.path()).unwrap().metadata().unwrap()) <= last + 300 {}
    }

    /// A backup of a database that is settled, with which an increment can be compared.
    fn begin(&self) -> BackupId {
        self.settle();
        let full = self.back_up("shop", BackupType::Full);
        assert!(!self.manifest(&full).consistency[0]["seen"].is_null(), "{}", self.manifest(&full).consistency);
        full
    }

    /// Bytes that an incremental backup reads, which must hold what a full one holds.
    fn read_by_an_incremental(&self) -> u64 {
        let incremental = self.manifest(&self.back_up("shop", BackupType::Incremental));
        let full = self.manifest(&self.back_up("shop", BackupType::Full));
        let rows = |manifest: &Manifest| {
            manifest.relations().map(|record| (record.relation.name.clone(), record.rows, record.digest)).collect::<Vec<_>>()
        };
        assert_eq!(rows(&incremental), rows(&full));
        assert!(full.figures.bytes_read > 0, "a full backup reads everything");
        assert_eq!(incremental.figures.records, full.figures.records);
        incremental.figures.bytes_read
    }

    /// Where the app's caches are.
    fn cache_folder(&self, app: &str) -> PathBuf {
        self.engine.home().cache().join(&self.engine.app(Some(app)).unwrap().id)
    }

    /// The file of a relation's cache.
    fn cache(&self, app: &str, relation: &str) -> PathBuf {
        let name = blake3::hash(format!("Table {relation}").as_bytes()).to_hex();
        let path = self.cache_folder(app).join(&name[..32]);
        assert!(path.exists(), "{relation} of {app} has a cache");
        path
    }

    /// Stores `item` as the next backup would, upon `since`.
    fn store(&self, since: &BackupId) -> (Stored, Against) {
        let (vault, app) = (self.engine.vault("main").unwrap(), self.engine.app(Some("shop")).unwrap());
        let sources = self.engine.open_sources(&app, Parts::ALL).unwrap();
        let snapshot = sources[0].as_ref();
        let relation = snapshot.relations().iter().find(|relation| relation.name == "item").unwrap();
        let (writer, progress, next) = (vault.writer().unwrap(), Progress::default(), BackupId("next".into()));
        let digests = Digests::new(&vault, &self.engine.home().cache(), &app.id);
        let storing = Storing {
            snapshot,
            relation,
            writer: &writer,
            vault: &vault,
            digests: &digests,
            backup: &next,
            proving: false,
            progress: &progress,
            stop: &AtomicBool::new(false),
            moment: None,
        };
        let outcome = storing.store(Some(&self.record(since, "item"))).unwrap();
        assert_eq!(progress.read().records, outcome.record.rows, "what is read twice counts once");
        ((outcome.record.runs, outcome.record.rows, outcome.record.digest), outcome.against)
    }
}

#[test]
fn whatever_became_of_the_cache_the_same_backup_is_made() {
    let place = Place::new();
    let path = place.cache("shop", "item");
    let behind = fs::read(&path).unwrap();
    place.sql(SCATTERED);
    let since = place.back_up("shop", BackupType::Incremental);
    place.back_up("other", BackupType::Incremental);
    let whole = fs::read(&path).unwrap();
    let another_app = fs::read(place.cache("other", "item")).unwrap();
    let another_table = fs::read(place.cache("shop", "twin")).unwrap();
    place.sql(SCATTERED_AGAIN);

    fs::remove_file(&path).unwrap();
    let (wanted, against) = place.store(&since);
    assert_eq!(against, Against::Vault);
    let changes = wanted.0.last().unwrap();
    assert!(wanted.0.len() == 3 && changes.rows > 80 && changes.deletes > 15, "{changes:?}");

    fs::write(&path, &whole).unwrap();
    let (stored, against) = place.store(&since);
    assert_eq!(stored, wanted, "a cache that is right");
    assert!(matches!(against, Against::Told(_)), "{against:?}");

    let mut wrong: Vec<(String, Vec<u8>)> = vec![
        ("behind".into(), behind),
        ("of another app".into(), another_app),
        ("of another table".into(), another_table),
        ("empty".into(), Vec::new()),
    ];
    for at in [0, 5, 40, whole.len() / 3, whole.len() / 2, whole.len() - 200, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        wrong.push((format!("flipped at {at}"), flipped));
    }
    for length in [3, whole.len() / 2, whole.len() - 1] {
        wrong.push((format!("cut to {length}"), whole[..length].to_vec()));
    }
    for (what, bytes) in wrong {
        fs::write(&path, bytes).unwrap();
        assert_eq!(place.store(&since), (wanted.clone(), Against::Vault), "{what}");
    }
}

#[test]
fn blocks_that_changed_places_are_noticed() {
    let place = Place::new();
    let path = place.cache("shop", "item");
    let whole = fs::read(&path).unwrap();
    let length = |at: usize| 4 + u32::from_le_bytes(whole[at..at + 4].try_into().unwrap()) as usize;
    let (first, second) = (length(0), length(length(0)));
    let swapped = [&whole[first..first + second], &whole[..first], &whole[first + second..]].concat();
    let dropped = [&whole[..first], &whole[first + second..]].concat();
    let since = place.back_up("shop", BackupType::Incremental);
    assert_eq!(place.store(&since).1, Against::Told(9000));
    for bytes in [swapped, dropped] {
        assert_ne!(bytes, whole);
        fs::write(&path, bytes).unwrap();
        assert_eq!(place.store(&since).1, Against::Vault);
    }
}

#[test]
fn the_next_backup_makes_a_lost_cache_anew_and_a_table_that_did_not_change_keeps_its_own() {
    let place = Place::new();
    let (item, twin) = (place.cache("shop", "item"), place.cache("shop", "twin"));
    let (item_before, twin_before) = (fs::read(&item).unwrap(), fs::read(&twin).unwrap());
    place.sql(SCATTERED);
    fs::remove_file(&item).unwrap();
    // As a backup leaves it that was killed.
    fs::write(place.cache_folder("shop").join("unfinished-Xy3"), "half of it").unwrap();
    let since = place.back_up("shop", BackupType::Incremental);
    assert_ne!(fs::read(&item).unwrap(), item_before);
    assert_eq!(fs::read(&twin).unwrap(), twin_before);
    assert!(matches!(place.store(&since).1, Against::Told(_)));
    let left: Vec<_> = fs::read_dir(place.cache_folder("shop")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "nothing unfinished stays: {left:?}");
}

#[test]
fn a_backup_that_leaves_something_out_leaves_the_caches_alone() {
    let place = Place::new();
    let since = place.back_up("shop", BackupType::Incremental);
    let path = place.cache("shop", "item");
    let before = fs::read(&path).unwrap();
    place.sql(SCATTERED);
    let selection = Selection { models: vec!["item".into()], ..Selection::default() };
    place.engine.backup(&BackupRequest { selection, ..BackupRequest::new(Some("shop".into()), BackupType::Incremental) }).unwrap();
    assert_eq!(fs::read(&path).unwrap(), before, "no increment is since that backup");
    assert!(matches!(place.store(&since).1, Against::Told(_)));
}

#[test]
fn a_database_that_nobody_wrote_to_is_not_read_again() {
    let place = Place::new();
    let full = place.manifest(&place.begin());
    for kind in [BackupType::Incremental, BackupType::Differential] {
        let still = place.manifest(&place.back_up("shop", kind));
        assert_eq!((still.figures.bytes_read, still.figures.records), (0, 18_000), "{kind}");
        assert_eq!(still.sources, full.sources, "{kind}");
        assert_eq!(still.consistency, full.consistency, "{kind}");
    }
    let selection = Selection { models: vec!["item".into()], ..Selection::default() };
    let narrowed = BackupRequest { selection, ..BackupRequest::new(Some("shop".into()), BackupType::Incremental) };
    let narrowed = place.manifest(&BackupId(place.engine.backup(&narrowed).unwrap().backup));
    assert_eq!((narrowed.figures.bytes_read, narrowed.figures.records), (0, 9000));
    assert!(narrowed.relations().map(|record| record.relation.name.as_str()).eq(["item"]));
    let anew = BackupRequest { new_base: true, ..BackupRequest::new(Some("shop".into()), BackupType::Incremental) };
    assert!(place.manifest(&BackupId(place.engine.backup(&anew).unwrap().backup)).figures.bytes_read > 0);
}

#[test]
fn a_database_in_wal_mode_is_not_read_again_while_its_log_is_empty() {
    let place = Place::new();
    let application = Connection::open(place.text("shop.db")).unwrap();
    application.execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0").unwrap();
    application.execute_batch(SCATTERED).unwrap();
    place.settle();
    place.back_up("shop", BackupType::Full);
    assert!(place.read_by_an_incremental() > 0, "a log proves nothing");
    application.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    place.begin();
    assert_eq!(place.read_by_an_incremental(), 0);
    application.execute_batch(SCATTERED_AGAIN).unwrap();
    assert!(place.read_by_an_incremental() > 0);
}

#[test]
fn whatever_is_written_however_is_read() {
    let place = Place::new();
    let path = PathBuf::from(place.text("shop.db"));
    let times = || {
        let file = fs::metadata(&path).unwrap();
        fs::FileTimes::new().set_accessed(file.accessed().unwrap()).set_modified(file.modified().unwrap())
    };
    let edit = |bytes: &mut Vec<u8>| {
        let at = bytes.windows(9).position(|window| window == b"to change").unwrap();
        bytes[at] = b'T';
    };
    place.sql("INSERT INTO twin(name) VALUES ('to change'), ('to change later')");
    let by_sql = || place.sql("UPDATE twin SET name = 'x' WHERE id = 8999");
    let beneath_sqlite = || {
        let (times, mut bytes) = (times(), fs::read(&path).unwrap());
        let before = bytes.clone();
        edit(&mut bytes);
        let at = bytes.iter().zip(&before).position(|(a, b)| a != b).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.write_all_at(&bytes[at..=at], at as u64).unwrap();
        file.set_times(times).unwrap();
    };
    let by_another_file = || {
        let (times, mut bytes) = (times(), fs::read(&path).unwrap());
        edit(&mut bytes);
        fs::write(place.text("new.db"), &bytes).unwrap();
        File::options().write(true).open(place.text("new.db")).unwrap().set_times(times).unwrap();
        fs::rename(place.text("new.db"), &path).unwrap();
    };
    let writes: [(&str, &dyn Fn()); 3] =
        [("by SQL", &by_sql), ("beneath SQLite, with its old times", &beneath_sqlite), ("by another file", &by_another_file)];
    for (what, write) in writes {
        place.begin();
        assert_eq!(place.read_by_an_incremental(), 0);
        write();
        assert!(place.read_by_an_incremental() > 0, "{what}");
    }
}

#[test]
fn what_the_vault_lost_is_read_and_stored_again() {
    let place = Place::new();
    place.begin();
    fs::remove_dir_all(PathBuf::from(place.text("vault")).join("packs")).unwrap();
    let again = place.back_up("shop", BackupType::Incremental);
    assert!(place.manifest(&again).figures.bytes_read > 0);
    let whole = place.store(&again);
    assert_eq!(whole.0.1, 9000);
}

#[test]
fn a_second_connection_sees_the_moment_of_the_first() {
    let place = Place::new();
    let app = place.engine.app(Some("shop")).unwrap();
    let digest = |snapshot: &dyn Snapshot| {
        let relation = snapshot.relations().iter().find(|relation| relation.name == "item").unwrap();
        let mut digest = RelationDigest::default();
        let mut take = |batch: &mut Batch| {
            batch.rows().for_each(|row| digest.push(row.digest));
            batch.clear();
            ControlFlow::Continue(())
        };
        assert!(snapshot.scan_batches(relation, &Looking, &mut take).unwrap().is_empty());
        digest.finish()
    };
    for (mode, write) in [("DELETE", SCATTERED), ("WAL", SCATTERED_AGAIN)] {
        let application = Connection::open(place.text("shop.db")).unwrap();
        application.pragma_update(None, "journal_mode", mode).unwrap();
        application.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        place.settle();
        let sources = place.engine.open_sources(&app, Parts::ALL).unwrap();
        let first = sources[0].as_ref();
        let second = first.another().unwrap_or_else(|| panic!("{mode} gives two"));
        assert!(first.another().is_none());
        application.execute_batch(write).unwrap();
        assert_eq!(digest(first), digest(second.as_ref()), "{mode}");
        let later = place.engine.open_sources(&app, Parts::ALL).unwrap();
        assert_ne!(digest(later[0].as_ref()), digest(first), "{mode}");
    }
}
