//! Files and database are both as before or both as after, wherever the machine stops while they are restored.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;

use crate::catalog::{App, BackupType, RestoreFilter, Status};
use crate::clock::SystemClock;
use crate::engine::apps::AppRequest;
use crate::engine::backup::BackupRequest;
use crate::engine::restore::plan::Scope;
use crate::engine::restore::strategy::Strategy;
use crate::engine::restoring::PreviewRequest;
use crate::engine::restoring::journals::Journals;
use crate::engine::vaults::VaultRequest;
use crate::engine::{Engine, Home, Passphrases, Result};
use crate::rows::RelationKind;
use crate::sources::files::crash_after;
use crate::vault::Secret;

struct Known;

impl Passphrases for Known {
    fn passphrase(&self, _: &str) -> Result<Secret> {
        Ok(Secret::new("a passphrase for tests only".into()))
    }
}

struct Scene {
    dir: tempfile::TempDir,
    engine: Engine,
    app: App,
}

fn open(home: &Path) -> Engine {
    Engine::open(Home::at(home), Arc::new(SystemClock), Box::new(Known)).unwrap()
}

impl Scene {
    /// An app with a database and two trees, backed up while all was well.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(&dir.path().join("home"));
        let secret = Secret::new("a passphrase for tests only".into());
        let place = dir.path().join("vault").display().to_string();
        engine.create_vault(&VaultRequest { name: "main", locations: &[place], passphrase: &secret, recovery: false }).unwrap();
        for path in ["media/changed", "media/deep/er/gone", "more/gone"] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, vec![7; 20_000]).unwrap();
        }
        let sql = "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'good'), (2, 'same')";
        Connection::open(dir.path().join("app.db")).unwrap().execute_batch(sql).unwrap();
        let database = Some(format!("sqlite:{}", dir.path().join("app.db").display()));
        let files = ["media", "more"].map(|name| dir.path().join(name).display().to_string()).to_vec();
        let app = engine.add_app(&AppRequest { name: "app".into(), database, files, ..AppRequest::default() }).unwrap();
        engine.backup(&BackupRequest::new(None, BackupType::Full)).unwrap();
        Self { dir, engine, app }
    }

    fn spoil(&self) {
        let at = |path: &str| self.dir.path().join(path);
        let _ = fs::remove_dir_all(at("media/deep"));
        let _ = fs::remove_file(at("more/gone"));
        fs::write(at("media/changed"), "spoiled").unwrap();
        fs::set_permissions(at("media/changed"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(at("media/extra"), "live only").unwrap();
        Connection::open(at("app.db")).unwrap().execute_batch("UPDATE t SET v = 'bad' WHERE id = 1").unwrap();
    }

    /// What the table and the trees hold; times left out.
    fn state(&self, with_database: bool) -> Vec<String> {
        let connection = Connection::open(self.dir.path().join("app.db")).unwrap();
        let value: String = connection.query_row("SELECT v FROM t WHERE id = 1", (), |row| row.get(0)).unwrap();
        let mut state = vec![value];
        state.truncate(usize::from(with_database));
        ["media", "more"].iter().for_each(|name| walk(&self.dir.path().join(name), &mut state));
        state
    }

    /// Takes the catalog back to where the process of the last restore was at work, and is gone.
    fn die(&self) -> String {
        let restore = self.engine.catalog().restores_page(&RestoreFilter::default(), None, 100).unwrap().items;
        let restore = restore.into_iter().max_by_key(|restore| restore.id.clone()).unwrap().id;
        let sql = "UPDATE job SET status = 'running', pid = 1, process = 'gone', finished_at = NULL, message = NULL, restore_id = NULL
                 WHERE id = (SELECT job_id FROM restore WHERE id = :id);
             UPDATE plan SET state = 'open' WHERE id = (SELECT plan_id FROM restore WHERE id = :id);
             DELETE FROM restore_change WHERE restore_id = :id;
             UPDATE restore SET status = 'running', created = 0, updated = 0, skipped = 0, deleted = 0, undo_until = NULL,
                 finished_at = NULL, duration_seconds = NULL, error = NULL WHERE id = :id";
        let catalog = Connection::open(self.dir.path().join("home/catalog.db")).unwrap();
        catalog.execute_batch(&sql.replace(":id", &format!("'{restore}'"))).unwrap();
        restore
    }

    fn request(only: Option<RelationKind>) -> PreviewRequest {
        let scope = Scope { only, ..Scope::default() };
        PreviewRequest { exact: true, scope, ..PreviewRequest::new(None, Strategy::Replace) }
    }
}

fn walk(folder: &Path, state: &mut Vec<String>) {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        if path.is_dir() {
            state.push(format!("{} {mode:o}", path.display()));
            walk(&path, state);
        } else {
            state.push(format!("{} {mode:o} {:?}", path.display(), blake3::hash(&fs::read(&path).unwrap())));
        }
    }
}

/// Stops the restore after each number of steps, opens the home anew, and looks. Answers how often all was as before, and as after.
fn crash_everywhere(only: Option<RelationKind>) -> (u32, u32) {
    let scene = Scene::new();
    let with_database = only.is_none();
    let good = scene.state(with_database);
    let (mut before, mut after) = (0, 0);
    for steps in 0.. {
        scene.spoil();
        let spoiled = scene.state(with_database);
        let plan = scene.engine.preview(&Scene::request(only), &mut |_| true).unwrap();
        crash_after(Some(steps));
        let result = scene.engine.restore(&plan.plan, None, &mut |_| true);
        let crashed = crash_after(None) == Some(0);
        let restore = scene.die();
        drop(open(&scene.dir.path().join("home")));
        // What only the database can decide waits for whoever has the vault open.
        scene.engine.bury_the_dead().unwrap();
        let now = scene.state(with_database);
        assert!(now == spoiled || now == good, "after {steps} steps: {now:#?}");
        assert!(result.is_err() || now == good, "what was reported is there");
        let judged = scene.engine.catalog().restore(&restore).unwrap();
        let wanted = if now == good { Status::Completed } else { Status::Failed };
        assert_eq!(judged.status, wanted, "after {steps} steps: {:?}", judged.error);
        assert!(Journals::held(scene.engine.home(), &scene.app.id).unwrap().pending().unwrap().is_empty());
        before += u32::from(now == spoiled);
        after += u32::from(now == good);
        if !crashed {
            assert_eq!(result.unwrap().status, Status::Completed);
            break;
        }
    }
    (before, after)
}

#[test]
fn a_crash_at_any_step_leaves_files_and_database_both_as_before_or_both_as_after() {
    let (before, after) = crash_everywhere(None);
    assert!(before > 15 && after > 15, "{before} as before, {after} as after");
}

#[test]
fn a_crash_at_any_step_of_an_app_with_files_alone_leaves_them_as_before_or_as_after() {
    let (before, after) = crash_everywhere(Some(RelationKind::Files));
    assert!(before > 15 && after > 15, "{before} as before, {after} as after");
}
