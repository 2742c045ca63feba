//! An engine that protects one PostgreSQL database.

use std::sync::Arc;

use backstop::catalog::BackupType;
use backstop::clock::SystemClock;
use backstop::engine::apps::{AppRequest, LOCK_WAIT_SECONDS};
use backstop::engine::backup::{BackupRequest, BackupResult};
use backstop::engine::restore::Step;
use backstop::engine::restore::strategy::Strategy;
use backstop::engine::restoring::{CopyResult, CopyTarget, MANY_ROWS, PreviewRequest};
use backstop::engine::vaults::VaultRequest;
use backstop::engine::{Engine, Home, Result};

use crate::common::known::{Known, secret};
use crate::common::postgres::{Cluster, Database};

pub fn going(_: Step<'_>) -> bool {
    true
}

pub struct Place {
    _folder: tempfile::TempDir,
    pub engine: Engine,
}

impl Place {
    /// It has a vault and protects nothing.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::open(Home::at(folder.path().join("home")), Arc::new(SystemClock), Box::new(Known)).unwrap();
        let locations = [folder.path().join("vault").display().to_string()];
        let passphrase = secret();
        engine.create_vault(&VaultRequest { name: "main", locations: &locations, passphrase: &passphrase, recovery: false }).unwrap();
        Self { _folder: folder, engine }
    }

    /// It protects the database at `url`, and has no backup yet.
    pub fn protecting(url: &str) -> Self {
        let place = Self::new();
        place.engine.add_app(&AppRequest { name: "app".into(), database: Some(url.to_owned()), ..AppRequest::default() }).unwrap();
        place
    }

    /// It protects the database, and has a full backup of it.
    pub fn backed_up(database: &Database) -> Self {
        let place = Self::protecting(&database.url());
        place.back_up(BackupType::Full).unwrap();
        place
    }

    pub fn back_up(&self, kind: BackupType) -> Result<BackupResult> {
        self.engine.backup(&BackupRequest::new(None, kind))
    }

    /// A copy that its operator does not wish any more once it runs.
    pub fn stop_restore_to(&self, url: String) -> Result<CopyResult> {
        self.engine.restore_to_watched("latest", None, &[CopyTarget::Database(url)], &mut |_| false)
    }

    pub fn restore_to(&self, url: String) -> Result<CopyResult> {
        self.engine.restore_to("latest", None, &[CopyTarget::Database(url)])
    }

    /// Everything as the latest backup has it: what differs is replaced, what is only live deleted.
    pub fn restore_exactly(&self) -> Result<String> {
        let request = PreviewRequest { exact: true, ..PreviewRequest::new(None, Strategy::Replace) };
        let plan = self.engine.preview(&request, &mut going)?;
        assert!(plan.safe_to_restore, "{:#?}", plan.findings);
        Ok(self.engine.restore(&plan.plan, Some("a test"), &mut going)?.restore)
    }

    pub fn undo(&self, restore: &str) -> Result<()> {
        self.engine.undo(restore, Vec::new(), Some("a test"), &mut going).map(drop)
    }

    /// From how many records on a database is filled as one of many.
    pub fn many_rows(&self, rows: u64) {
        self.engine.catalog().set_setting(MANY_ROWS, &rows).unwrap();
    }

    /// How long a locked table is waited for.
    pub fn wait_seconds(&self, seconds: u64) {
        self.engine.catalog().set_setting(LOCK_WAIT_SECONDS, &seconds).unwrap();
    }
}

/// What pg_dump says of a database, the rows of each table in one order: a table has none.
pub fn dumped(cluster: &Cluster, database: &Database) -> String {
    let all = cluster.dump(database, &[]);
    let mut told: Vec<&str> = Vec::new();
    // Where the rows of the table begin that is being told. Each is one line, whatever its values are.
    let mut rows = None;
    // The key behind these words is another one each time.
    for line in all.split('\n').filter(|line| !line.starts_with("\\restrict ") && !line.starts_with("\\unrestrict ")) {
        if rows.is_some() && line == "\\." {
            told[rows.take().unwrap_or_default()..].sort_unstable();
        } else if rows.is_none() && line.ends_with(" FROM stdin;") {
            rows = Some(told.len() + 1);
        }
        told.push(line);
    }
    told.join("\n")
}

#[track_caller]
pub fn assert_equal(original: &str, copy: &str) {
    let differ = original.lines().zip(copy.lines()).position(|(one, other)| one != other);
    if let Some(line) = differ.or((original.len() != copy.len()).then(|| original.lines().count().min(copy.lines().count()))) {
        let around = |text: &str| text.lines().skip(line.saturating_sub(5)).take(12).collect::<Vec<_>>().join("\n");
        panic!("line {line} differs\n--- original\n{}\n--- copy\n{}", around(original), around(copy));
    }
}
