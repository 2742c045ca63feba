//! Whatever the schema and whatever the rows: a copy is what pg_dump says, an increment too, and a restore in place gives the first
//! state back.

use std::sync::atomic::{AtomicUsize, Ordering};

use backstop::catalog::BackupType;
use backstop::engine::apps::AppRequest;
use backstop::engine::backup::BackupRequest;
use backstop::engine::restore::strategy::Strategy as Taking;
use backstop::engine::restoring::{CopyTarget, PreviewRequest};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::common::postgres::{Cluster, Database};
use crate::place::{Place, assert_equal, dumped, going};
use crate::schemas::{Schema, schema};

/// One server and one engine for every case.
struct Scene {
    cluster: Cluster,
    place: Place,
    cases: AtomicUsize,
    restored: AtomicUsize,
}

/// What pg_dump says but for the numbers that sequences go on with: a restore into a live database only raises them.
fn without_sequences(dump: &str) -> String {
    let mut is_setting = false;
    let is_other = |line: &&str| {
        // The name may have more than one line.
        let set = is_setting || line.starts_with("SELECT pg_catalog.setval(");
        is_setting = set && !line.ends_with(");");
        !set
    };
    dump.lines().filter(is_other).collect::<Vec<_>>().join("\n")
}

impl Scene {
    fn back_up(&self, app: &str, kind: BackupType) -> String {
        self.place.engine.backup(&BackupRequest::new(Some(app.to_owned()), kind)).unwrap().backup
    }

    /// A backup gives what pg_dump says.
    fn check_copy(&self, app: &str, backup: &str, expected: &str) {
        let copy = self.cluster.database(&format!("{app} {backup}"));
        let copied = self.place.engine.restore_to(backup, Some(app), &[CopyTarget::Database(copy.url())]).unwrap();
        assert_eq!(copied.warnings, [""; 0]);
        assert_equal(expected, &dumped(&self.cluster, &copy));
        self.drop(&copy);
    }

    fn drop(&self, database: &Database) {
        self.cluster.existing("postgres").psql(&format!("DROP DATABASE \"{}\"", database.name()));
    }

    fn check(&self, schema: &Schema, is_beside: bool) {
        let app = format!("app{}", self.cases.fetch_add(1, Ordering::Relaxed));
        let live = self.cluster.database(&app);
        live.psql(&schema.sql());
        let good = dumped(&self.cluster, &live);
        self.place.many_rows(if is_beside { 0 } else { u64::MAX });
        self.place.engine.add_app(&AppRequest { name: app.clone(), database: Some(live.url()), ..AppRequest::default() }).unwrap();
        let first = self.back_up(&app, BackupType::Full);
        self.check_copy(&app, &first, &good);

        live.psql(&schema.changes());
        let changed = dumped(&self.cluster, &live);
        let second = self.back_up(&app, BackupType::Incremental);
        self.check_copy(&app, &second, &changed);
        self.check_in_place(&app, &live, &first, [&good, &changed]);
        self.drop(&live);
    }

    /// The first backup comes back in the live database, and is taken back.
    fn check_in_place(&self, app: &str, live: &Database, backup: &str, [good, changed]: [&str; 2]) {
        let request =
            PreviewRequest { backup: Some(backup.to_owned()), exact: true, ..PreviewRequest::new(Some(app.to_owned()), Taking::Replace) };
        let plan = self.place.engine.preview(&request, &mut going).unwrap();
        if !plan.safe_to_restore {
            return;
        }
        let now = || without_sequences(&dumped(&self.cluster, live));
        let [good, changed] = [good, changed].map(without_sequences);
        let done = self.place.engine.restore(&plan.plan, Some("a mishap"), &mut going).unwrap();
        assert_equal(&good, &now());
        self.place.engine.undo(&done.restore, Vec::new(), Some("it was meant"), &mut going).unwrap();
        assert_equal(&changed, &now());
        self.restored.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn any_schema_with_any_rows_comes_back_and_so_do_its_changes() {
    let cluster = Cluster::start();
    let place = Place::new();
    let scene = Scene { cluster, place, cases: AtomicUsize::new(0), restored: AtomicUsize::new(0) };
    let cases = std::env::var("PROPTEST_CASES").map_or(5, |cases| cases.parse().unwrap());
    let config = ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 30, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&(schema(), any::<bool>()), |(schema, is_beside)| {
            scene.check(&schema, is_beside);
            Ok(())
        })
        .unwrap();
    assert!(scene.restored.load(Ordering::Relaxed) > 0, "no case could be restored in place");
}
