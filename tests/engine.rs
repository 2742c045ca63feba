//! The whole path through the engine: protect, back up, spoil, preview, restore, undo; and a copy that is equal.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "common/known.rs"]
mod known;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use backstop::catalog::{BackupType, JobFilter, JobKind, PlanState, Role, Status};
use backstop::clock::{Clock, ManualClock, SystemClock};
use backstop::engine::apps::AppRequest;
use backstop::engine::backup::BackupRequest;
use backstop::engine::jobs::JobRequest;
use backstop::engine::restore::strategy::Strategy;
use backstop::engine::restoring::{CopyTarget, PreviewRequest};
use backstop::engine::selection::Selection;
use backstop::engine::vaults::VaultRequest;
use backstop::engine::{Engine, Error, Home, Result};
use known::{Known, secret};
use rusqlite::Connection;

struct Place {
    folder: tempfile::TempDir,
    engine: Engine,
}

fn chinook() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/chinook");
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).find(|path| ends(path, "sqlite") || ends(path, "db")).unwrap()
}

fn ends(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|extension| extension == ending)
}

impl Place {
    /// Chinook, protected, in a vault with two locations, with one full backup.
    fn protected() -> Self {
        Self::at(Arc::new(SystemClock))
    }

    fn at(clock: Arc<dyn Clock>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(chinook(), folder.path().join("chinook.db")).unwrap();
        let engine = Engine::open(Home::at(folder.path().join("home")), clock, Box::new(Known)).unwrap();
        let place = Self { folder, engine };
        let locations = [place.path("one"), place.path("two")];
        let passphrase = secret();
        place.engine.create_vault(&VaultRequest { name: "main", locations: &locations, passphrase: &passphrase, recovery: false }).unwrap();
        let database = Some(format!("sqlite:{}", place.path("chinook.db")));
        place.engine.add_app(&AppRequest { name: "chinook".into(), database, ..AppRequest::default() }).unwrap();
        place.back_up(BackupType::Full);
        place
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn back_up(&self, kind: BackupType) -> backstop::engine::backup::BackupResult {
        self.engine.backup(&BackupRequest::new(None, kind)).unwrap()
    }

    fn sql(&self, sql: &str) {
        Connection::open(self.path("chinook.db")).unwrap().execute_batch(sql).unwrap();
    }

    /// Every cell of a table by storage class and bytes, read by SQLite's own functions.
    fn dump(&self, database: &str) -> Vec<String> {
        let connection = Connection::open(self.path(database)).unwrap();
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
        let tables: Vec<String> =
            connection.prepare(sql).unwrap().query_map((), |row| row.get(0)).unwrap().map(Result::unwrap_sql).collect();
        let mut lines = Vec::new();
        for table in tables {
            let sql = format!("SELECT * FROM \"{table}\" ORDER BY rowid");
            let mut statement = connection.prepare(&sql).unwrap();
            let columns = statement.column_count();
            let mut rows = statement.query(()).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let cells: Vec<String> = (0..columns).map(|column| format!("{:?}", row.get_ref(column).unwrap())).collect();
                lines.push(format!("{table}: {}", cells.join("|")));
            }
        }
        lines
    }
}

trait UnwrapSql<T> {
    fn unwrap_sql(self) -> T;
}

impl<T> UnwrapSql<T> for rusqlite::Result<T> {
    fn unwrap_sql(self) -> T {
        self.unwrap()
    }
}

fn going(_: backstop::engine::restore::Step<'_>) -> bool {
    true
}

const SPOIL: &str = "UPDATE Customer SET Email = '' WHERE CustomerId <= 5;
    UPDATE Customer SET Phone = NULL, FirstName = 'Wrong' WHERE CustomerId BETWEEN 10 AND 12;
    DELETE FROM InvoiceLine WHERE InvoiceId = 7; DELETE FROM Invoice WHERE InvoiceId = 7;
    INSERT INTO Genre VALUES (999, 'Only live');";

#[test]
fn spoiled_records_are_shown_restored_and_the_restore_is_taken_back() {
    let place = Place::protected();
    let good = place.dump("chinook.db");
    place.sql(SPOIL);
    let spoiled = place.dump("chinook.db");
    let lines_of_7 = good.iter().filter(|line| !spoiled.contains(line) && line.starts_with("InvoiceLine")).count() as u64;

    let plan = place.engine.preview(&PreviewRequest::new(None, Strategy::Replace), &mut going).unwrap();
    assert_eq!(place.dump("chinook.db"), spoiled, "a preview touches nothing");
    assert_eq!((plan.summary.new_records, plan.summary.conflicts, plan.summary.live_only_records), (1 + lines_of_7, 8, 1));
    assert!(plan.safe_to_restore, "{:?}", plan.findings);
    let rows = place.engine.plan_rows(&plan.plan, "Customer", 0, 100).unwrap();
    assert_eq!(rows.len(), 8);

    let done = place.engine.restore(&plan.plan, Some("a colleague spoiled them"), &mut going).unwrap();
    assert_eq!((done.records_created, done.records_updated, done.records_deleted), (1 + lines_of_7, 8, 0));
    let mut expected = good.clone();
    expected.push("Genre: Integer(999)|Text([79, 110, 108, 121, 32, 108, 105, 118, 101])".into());
    let (mut restored, mut expected) = (place.dump("chinook.db"), expected);
    restored.sort();
    expected.sort();
    assert_eq!(restored, expected);

    let again = place.engine.restore(&plan.plan, None, &mut going).unwrap_err();
    assert!(matches!(again, Error::Refused { .. }), "a plan is executed once: {again}");

    place.engine.undo(&done.restore, Vec::new(), Some("it was meant"), &mut going).unwrap();
    let (mut undone, mut spoiled) = (place.dump("chinook.db"), spoiled);
    undone.sort();
    spoiled.sort();
    assert_eq!(undone, spoiled);
    assert!(place.engine.undo(&done.restore, Vec::new(), None, &mut going).is_err(), "a restore is taken back once");
}

#[test]
fn a_change_after_the_preview_stops_the_restore_and_nothing_is_changed() {
    let place = Place::protected();
    place.sql(SPOIL);
    let plan = place.engine.preview(&PreviewRequest::new(None, Strategy::Replace), &mut going).unwrap();
    place.sql("UPDATE Customer SET Email = 'new@live.example' WHERE CustomerId = 3");
    let before = place.dump("chinook.db");
    let error = place.engine.restore(&plan.plan, None, &mut going).unwrap_err();
    assert!(error.to_string().contains("changed after the preview"), "{error}");
    assert_eq!(place.dump("chinook.db"), before);
}

#[test]
fn a_copy_holds_every_cell_and_an_existing_target_is_refused() {
    let place = Place::protected();
    let target = CopyTarget::Database(format!("sqlite:{}", place.path("copy.db")));
    place.engine.restore_to("latest", None, std::slice::from_ref(&target)).unwrap();
    assert_eq!(place.dump("copy.db"), place.dump("chinook.db"));
    assert!(place.engine.restore_to("latest", None, &[target]).is_err());
}

#[test]
fn what_changed_is_stored_and_a_chain_of_increments_comes_back_exactly() {
    let place = Place::protected();
    for round in 0..12 {
        place.sql(&format!("UPDATE Track SET Composer = 'round {round}' WHERE TrackId % 97 = {round}; DELETE FROM PlaylistTrack WHERE TrackId = {round} + 100;"));
        let kind = if round % 4 == 3 { BackupType::Full } else { BackupType::Incremental };
        let result = place.back_up(kind);
        assert_eq!(result.status, backstop::catalog::Status::Completed);
        assert!(result.bytes_stored < 40_000, "round {round} stored {} bytes", result.bytes_stored);
    }
    let target = CopyTarget::Database(format!("sqlite:{}", place.path("copy.db")));
    place.engine.restore_to("latest", None, &[target]).unwrap();
    assert_eq!(place.dump("copy.db"), place.dump("chinook.db"));
}

#[test]
fn a_database_that_is_gone_fails_the_job_and_raises_an_alert_that_the_next_backup_ends() {
    let place = Place::protected();
    std::fs::rename(place.path("chinook.db"), place.path("away.db")).unwrap();
    let error = place.engine.backup(&BackupRequest::new(None, BackupType::Full)).unwrap_err();
    assert!(error.to_string().contains("does not exist"), "{error}");
    let open = place.engine.catalog().open_alerts(10).unwrap();
    assert_eq!(open.len(), 1);
    std::fs::rename(place.path("away.db"), place.path("chinook.db")).unwrap();
    place.back_up(BackupType::Full);
    assert!(place.engine.catalog().open_alerts(10).unwrap().is_empty());
}

#[test]
fn tables_in_a_group_are_restored_like_any_other() {
    let place = Place::protected();
    place.sql("CREATE TABLE note_text (id INTEGER PRIMARY KEY, text TEXT); CREATE TABLE note_author (id INTEGER PRIMARY KEY, name TEXT)");
    place.sql("INSERT INTO note_text VALUES (1, 'loud'), (2, 'quiet'); INSERT INTO note_author VALUES (1, 'Ana')");
    place.back_up(BackupType::Full);
    let before = place.dump("chinook.db");
    place.sql("UPDATE note_text SET text = ''; DELETE FROM note_author");
    let plan = place.engine.preview(&PreviewRequest::new(None, Strategy::Replace), &mut going).unwrap();
    let done = place.engine.restore(&plan.plan, Some("a test"), &mut going).unwrap();
    assert_eq!((done.records_created, done.records_updated), (1, 2));
    let (mut restored, mut before) = (place.dump("chinook.db"), before);
    restored.sort();
    before.sort();
    assert_eq!(restored, before);
}

impl Place {
    fn count(&self, table: &str) -> i64 {
        let connection = Connection::open(self.path("chinook.db")).unwrap();
        connection.query_row(&format!("SELECT count(*) FROM {table}"), (), |row| row.get(0)).unwrap()
    }

    fn plan(&self) -> backstop::engine::restore::plan::PlanSummary {
        self.engine.preview(&PreviewRequest::new(None, Strategy::Replace), &mut going).unwrap()
    }
}

#[test]
fn two_who_run_one_plan_at_once_execute_it_once() {
    let place = Place::protected();
    place.sql("CREATE TABLE log(line TEXT); INSERT INTO log VALUES ('one'), ('two')");
    place.back_up(BackupType::Full);
    place.sql("DELETE FROM log");
    let plan = place.plan().plan;
    let done = std::thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| place.engine.restore(&plan, None, &mut going).is_ok()));
        both.map(|one| one.join().unwrap())
    });
    assert_eq!(done.iter().filter(|done| **done).count(), 1);
    assert_eq!(place.count("log"), 2);
    assert_eq!(place.engine.catalog().plan(&plan).unwrap().state, PlanState::Executed);
}

#[test]
fn what_was_cancelled_says_so_raises_no_alert_and_can_be_run_again() {
    let place = Place::protected();
    place.sql("UPDATE Track SET Composer = 'spoiled'");
    let plan = place.plan().plan;
    let error = place.engine.restore(&plan, None, &mut |_| false).unwrap_err();
    assert!(error.to_string().contains("cancelled"), "{error}");
    let filter = JobFilter { kind: Some(JobKind::Restore), ..JobFilter::default() };
    assert_eq!(place.engine.catalog().jobs_page(&filter, None, 9).unwrap().items[0].status, Status::Cancelled);
    assert!(place.engine.catalog().open_alerts(9).unwrap().is_empty());
    place.engine.restore(&plan, None, &mut going).unwrap();
}

#[test]
fn work_that_panics_fails_its_job_and_keeps_no_other_from_its_turn() {
    let place = Place::protected();
    let app = place.engine.app(None).unwrap();
    let request = JobRequest::new(JobKind::Verify, &app);
    let error = place.engine.run_job::<()>(&request, |_| panic!("out of luck")).unwrap_err();
    assert!(error.to_string().contains("out of luck"), "{error}");
    let filter = JobFilter { kind: Some(JobKind::Verify), ..JobFilter::default() };
    let job = &place.engine.catalog().jobs_page(&filter, None, 9).unwrap().items[0];
    assert_eq!((job.status, job.error.as_deref()), (Status::Failed, Some(error.to_string().as_str())));
    assert_eq!(place.engine.running_here(), 0);
    place.back_up(BackupType::Full);
}

#[test]
fn a_restore_is_taken_back_until_its_safety_record_goes() {
    let clock = Arc::new(ManualClock::new("2026-11-21T02:00:00Z".parse().unwrap()));
    let place = Place::at(clock.clone());
    place.sql(SPOIL);
    let done = place.engine.restore(&place.plan().plan, None, &mut going).unwrap();
    clock.advance(jiff::SignedDuration::from_hours(24 * 30 + 1));
    let refused = place.engine.preview_undo(&done.restore, Vec::new(), &mut going).unwrap_err();
    assert!(refused.to_string().contains("until 2026-12-21"), "{refused}");
    clock.set("2026-12-20T02:00:00Z".parse().unwrap());
    place.engine.undo(&done.restore, Vec::new(), None, &mut going).unwrap();
}

#[test]
fn an_undo_that_was_planned_twice_is_done_once() {
    let place = Place::protected();
    place.sql(SPOIL);
    let done = place.engine.restore(&place.plan().plan, None, &mut going).unwrap();
    let plans = [(); 2].map(|()| place.engine.preview_undo(&done.restore, Vec::new(), &mut going).unwrap().plan);
    place.engine.restore(&plans[0], None, &mut going).unwrap();
    let refused = place.engine.restore(&plans[1], None, &mut going).unwrap_err();
    assert!(refused.to_string().contains("taken back"), "{refused}");
}

#[test]
fn who_only_looks_sees_figures_and_no_records_of_a_plan() {
    let place = Place::protected();
    place.sql("DELETE FROM InvoiceLine WHERE InvoiceId = 7; DELETE FROM Invoice WHERE InvoiceId = 7");
    let mut request = PreviewRequest::new(None, Strategy::Replace);
    request.scope.models.insert("InvoiceLine".into());
    let plan = place.engine.preview(&request, &mut going).unwrap();
    assert!(plan.findings.iter().any(|finding| !finding.keys.is_empty()), "the plan itself names them");
    let known = place.engine.catalog().plan(&plan.plan).unwrap().summary.0;
    assert!(known["findings"].as_array().unwrap().iter().all(|finding| finding["keys"] == serde_json::json!([])), "{known}");
    let backup = place.engine.catalog().backup(&plan.backup).unwrap();
    place.engine.catalog().set_operator("somebody else", Role::Admin).unwrap();
    place.engine.catalog().set_operator(place.engine.operator(), Role::Viewer).unwrap();
    let denied = |error: Error| assert!(matches!(error, Error::Denied { .. }), "{error}");
    denied(place.engine.plan_summary(&plan.plan).unwrap_err());
    denied(place.engine.plan_request(&plan.plan).unwrap_err());
    denied(place.engine.plan_rows(&plan.plan, "InvoiceLine", 0, 9).unwrap_err());
    denied(place.engine.stored_rows(&backup, "Invoice", 9).unwrap_err());
}

#[test]
fn a_backup_that_the_catalog_never_heard_of_is_listed_again_by_the_next() {
    let place = Place::protected();
    let unnoted = place.back_up(BackupType::Incremental).backup;
    // As after a crash between the manifest and the catalog's note.
    place.engine.catalog().forget_backup(&unnoted).unwrap();
    let next = place.back_up(BackupType::Incremental).backup;
    let found = place.engine.catalog().backup(&unnoted).unwrap();
    assert_eq!((found.app.as_str(), found.kind), ("chinook", BackupType::Incremental));
    assert_eq!(place.engine.catalog().backup(&next).unwrap().parent.as_deref(), Some(unnoted.as_str()), "and serves");
}

fn genre() -> Selection {
    Selection { models: vec!["Genre".into()], ..Selection::default() }
}

#[test]
fn a_copy_of_a_narrowed_backup_says_that_it_is_no_more() {
    let place = Place::protected();
    let request = BackupRequest { selection: genre(), ..BackupRequest::new(None, BackupType::Full) };
    let narrowed = place.engine.backup(&request).unwrap().backup;
    let target = CopyTarget::Database(format!("sqlite:{}", place.path("copy.db")));
    let copied = place.engine.restore_to(&narrowed, None, &[target]).unwrap();
    assert_eq!(
        copied.warnings,
        [
            "the backup was narrowed, and the copy has no more than it: only the models Genre; left out: Album, Artist, Customer, Employee, Invoice, InvoiceLine, MediaType, Playlist, PlaylistTrack, Track"
        ]
    );
}

#[test]
fn what_a_copy_cannot_have_of_one_table_is_named_and_all_else_is_there() {
    let place = Place::protected();
    let app = Connection::open(place.path("chinook.db")).unwrap();
    app.create_collation("swed", |a: &str, b: &str| b.cmp(a)).unwrap();
    app.create_scalar_function("appf", 1, rusqlite::functions::FunctionFlags::SQLITE_DETERMINISTIC, |_| Ok(1)).unwrap();
    app.execute_batch(
        "CREATE TABLE computed (a, g AS (appf(a)) STORED); INSERT INTO computed VALUES (1), (2);
         CREATE TABLE ordered (k TEXT COLLATE swed PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO ordered VALUES ('a', 1), ('b', 2);
         CREATE TABLE older (id INTEGER PRIMARY KEY, a); INSERT INTO older VALUES (1, NULL), (2, '12');
         PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE older(id INTEGER PRIMARY KEY, a INT NOT NULL)' WHERE name = 'older'",
    )
    .unwrap();
    let backup = place.back_up(BackupType::Incremental);
    assert_eq!(backup.status, Status::Completed);
    let target = CopyTarget::Database(format!("sqlite:{}", place.path("copy.db")));
    let copied = place.engine.restore_to("latest", None, &[target]).unwrap();
    let named = |line: &str| copied.warnings.iter().any(|warning| warning.starts_with(line));
    assert!(
        named("computed: 2 records could not be written") && named("ordered: its unique key needs the collation swed"),
        "{:?}",
        copied.warnings
    );
    assert_eq!(copied.warnings.len(), 2);
    let copy = Connection::open(place.path("copy.db")).unwrap();
    let told = |database: &Connection, sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let older = "SELECT count(*) FROM older WHERE typeof(a) = iif(id = 1, 'null', 'text')";
    assert_eq!((told(&copy, older), told(&app, older)), (2, 2));
    copy.execute_batch("DROP TABLE computed; DROP TABLE ordered").unwrap();
    app.execute_batch("DROP TABLE computed; DROP TABLE ordered").unwrap();
    assert_eq!(place.dump("copy.db"), place.dump("chinook.db"));
    let known: u64 = place.dump("chinook.db").len() as u64;
    assert_eq!(copied.records, known + 2, "what was left out is not counted");
}
