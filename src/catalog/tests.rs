//! What holds for the catalog as a whole: readers, processes, ids, paging of any list.

use proptest::prelude::*;

use super::testing::Home;
use super::*;

#[test]
fn a_commit_elsewhere_shows_in_the_data_version_and_a_look_does_not() {
    let home = Home::new();
    let reader = home.catalog.reader().unwrap();
    let before = reader.data_version().unwrap();
    reader.apps().unwrap();
    assert_eq!(reader.data_version().unwrap(), before);
    let other = Catalog::open(home.catalog.path(), home.clock.clone()).unwrap();
    other.set_setting("theme", &"dark").unwrap();
    assert_ne!(reader.data_version().unwrap(), before);
    assert_eq!(reader.setting::<String>("theme").unwrap().as_deref(), Some("dark"));
}

#[test]
fn reading_makes_no_catalog_and_refuses_one_of_another_version() {
    let home = Home::new();
    let nowhere = home.catalog.path().with_file_name("other.db");
    assert!(matches!(Reader::open(&nowhere), Err(Error::Missing { .. })));
    assert!(!nowhere.exists());
    assert!(Reader::open(home.catalog.path()).unwrap().apps().unwrap().is_empty());
    rusqlite::Connection::open(&nowhere).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(matches!(Reader::open(&nowhere), Err(Error::Older { found: 0, .. })));
}

#[test]
fn the_catalog_sees_its_own_commits_at_once() {
    let home = Home::new();
    let before = home.catalog.data_version().unwrap();
    home.app("school");
    assert_ne!(home.catalog.data_version().unwrap(), before);
    assert_eq!(home.catalog.apps().unwrap().len(), 1);
}

#[test]
fn a_question_is_stopped_from_another_thread() {
    let home = Home::new();
    let reader = home.catalog.reader().unwrap();
    let handle = reader.interrupt_handle();
    let endless = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";
    let error = std::thread::scope(|scope| {
        let question = scope.spawn(|| reader.read(|connection| Ok(connection.query_row(endless, (), |row| row.get::<_, i64>(0))?)));
        while !question.is_finished() {
            handle.interrupt();
            std::thread::yield_now();
        }
        question.join().unwrap().unwrap_err()
    });
    assert!(error.is_interrupted());
}

#[test]
fn many_processes_opening_a_new_home_at_once_make_one_catalog() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    std::thread::scope(|scope| {
        let openers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| Catalog::open(&path, std::sync::Arc::new(crate::clock::SystemClock)))).collect();
        for opener in openers {
            opener.join().unwrap().unwrap();
        }
    });
}

#[test]
fn ids_grow_even_when_the_clock_steps_back() {
    let home = Home::new();
    let mut ids = vec![home.catalog.new_id(), home.catalog.new_id()];
    home.advance(-3600);
    ids.push(home.catalog.new_id());
    home.advance(7200);
    ids.push(home.catalog.new_id());
    assert!(ids.is_sorted_by(|one, other| one < other), "{ids:#?}");
}

#[test]
fn a_change_that_fails_half_way_leaves_nothing() {
    let home = Home::new();
    let failed: Result<()> = home.catalog.write(|change| {
        change.execute("INSERT INTO setting VALUES ('half', '1', 'now')", ())?;
        Err(Error::Missing { path: "stop".into() })
    });
    assert!(failed.is_err());
    assert!(home.catalog.settings().unwrap().is_empty());
}

#[test]
fn what_names_nothing_is_refused_by_its_foreign_key() {
    let home = Home::new();
    let new = NewJob { app_id: Some("nobody".to_owned()), ..NewJob::new(JobKind::Backup, Origin::Manual) };
    assert!(home.catalog.add_job(&new).is_err());
    assert!(home.catalog.log("no such job", Level::Info, "text").is_err());
}

#[test]
fn lists_print_the_keys_that_scripts_rely_on() {
    let home = Home::new();
    let app = home.app("school");
    let new = NewBackup::new(home.catalog.new_id(), &app, BackupType::Full, Status::Completed, home.catalog.now());
    let json = serde_json::to_value(home.catalog.record_backup(&new).unwrap()).unwrap();
    for (key, value) in [("id", new.id.as_str()), ("app", "school"), ("type", "full"), ("status", "completed")] {
        assert_eq!(json[key], value, "{key}");
    }
    assert_eq!(json["taken_at"], "2026-11-21T12:00:00.000Z");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever the times (equal ones too), the filter, the direction and the size of a page: each row once, in order.
    #[test]
    fn pages_give_what_one_great_page_gives(
        steps in prop::collection::vec((0_i64..3, any::<bool>(), any::<bool>()), 1..40),
        size in 1_usize..9,
        ascending: bool,
        of_app: bool,
        failed: bool,
    ) {
        let home = Home::new();
        let apps = [home.app("school"), home.app("shop")];
        for (step, other, fails) in steps {
            home.advance(step);
            let status = if fails { Status::Failed } else { Status::Completed };
            let app = &apps[usize::from(other)];
            home.catalog.record_backup(&NewBackup::new(home.catalog.new_id(), app, BackupType::Full, status, home.catalog.now())).unwrap();
        }
        let filter = BackupFilter {
            app_id: of_app.then(|| apps[0].clone()),
            status: failed.then_some(Status::Failed),
            order: if ascending { Order::Ascending } else { Order::Descending },
            ..BackupFilter::default()
        };
        let all = home.catalog.backups_page(&filter, None, PAGE_LIMIT).unwrap();
        prop_assert!(all.next.is_none());
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let page = home.catalog.backups_page(&filter, after.as_ref(), size).unwrap();
            prop_assert!(page.items.len() <= size);
            paged.extend(page.items);
            after = page.next;
            if after.is_none() { break }
        }
        prop_assert_eq!(&paged, &all.items);
        let keys: Vec<_> = paged.iter().map(|backup| (backup.taken_at, backup.id.clone())).collect();
        let sorted = if ascending { keys.is_sorted() } else { keys.iter().rev().is_sorted() };
        prop_assert!(sorted);
    }
}
