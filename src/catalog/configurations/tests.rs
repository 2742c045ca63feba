//! Configurations: kept, listed, due, and what is left of a deleted one.

use super::*;
use crate::catalog::page::assert_walks_an_index;
use crate::catalog::testing::Home;
use crate::catalog::{JobKind, NewBackup, NewJob, Origin, Status};

fn add(home: &Home, app: &str, name: &str) -> String {
    home.catalog.add_configuration(&NewConfiguration::new(name, app, BackupType::Full)).unwrap().id
}

#[test]
fn every_list_of_configurations_walks_an_index() {
    let home = Home::new();
    let full = ConfigurationFilter { enabled: Some(true), text: Some("x".to_owned()), ..ConfigurationFilter::default() };
    let filters = [
        ConfigurationFilter::default(),
        ConfigurationFilter { order: Order::Descending, adhoc: Some(false), ..full.clone() },
        ConfigurationFilter { app_id: Some(String::new()), kind: Some(BackupType::Full), ..full },
    ];
    home.catalog
        .read(|connection| {
            for filter in &filters {
                assert_walks_an_index(&list(filter).explain(connection, Configuration::COLUMNS));
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn configurations_are_listed_by_name() {
    let home = Home::new();
    let app = home.app("school");
    for name in ["weekly", "daily", "hourly"] {
        add(&home, &app, name);
    }
    let page = home.catalog.configurations_page(&ConfigurationFilter::default(), None, 2).unwrap();
    let rest = home.catalog.configurations_page(&ConfigurationFilter::default(), page.next.as_ref(), 2).unwrap();
    let names: Vec<String> = page.items.into_iter().chain(rest.items).map(|configuration| configuration.name).collect();
    assert_eq!((names, rest.next), (vec!["daily".to_owned(), "hourly".to_owned(), "weekly".to_owned()], None));
}

#[test]
fn only_what_is_enabled_and_due_is_due() {
    let home = Home::new();
    let app = home.app("school");
    let (due, later, off) = (add(&home, &app, "due"), add(&home, &app, "later"), add(&home, &app, "off"));
    home.catalog.set_configuration_run(&due, None, Some(home.catalog.now())).unwrap();
    home.catalog.set_configuration_run(&later, None, Some(home.later(60))).unwrap();
    home.catalog.set_configuration_enabled(&off, false, Some(home.catalog.now())).unwrap();
    let ids = |found: Vec<Configuration>| found.into_iter().map(|configuration| configuration.id).collect::<Vec<_>>();
    assert_eq!(ids(home.catalog.configurations_due(home.catalog.now(), 9).unwrap()), [due]);
    assert_eq!(ids(home.catalog.configurations_upcoming(home.catalog.now(), 9).unwrap()), [later]);
}

#[test]
fn a_deleted_configuration_frees_its_name_and_its_jobs_go_on_naming_it() {
    let home = Home::new();
    let app = home.app("school");
    let old = add(&home, &app, "daily");
    let new = NewJob { configuration_id: Some(old.clone()), ..NewJob::new(JobKind::Backup, Origin::Scheduled) };
    let job = home.catalog.add_job(&new).unwrap();
    home.catalog.delete_configuration(&old).unwrap();
    add(&home, &app, "daily");
    assert_eq!(home.catalog.job(&job.id).unwrap().configuration.as_deref(), Some("daily"));
    let again = NewConfiguration::new("daily", &app, BackupType::Full);
    assert!(matches!(home.catalog.add_configuration(&again), Err(Error::NameTaken { .. })));
}

#[test]
fn a_clean_up_takes_only_old_adhoc_configurations_without_jobs() {
    let home = Home::new();
    let app = home.app("school");
    let adhoc = |name: &str| {
        let new = NewConfiguration { adhoc: true, ..NewConfiguration::new(name, &app, BackupType::Full) };
        home.catalog.add_configuration(&new).unwrap().id
    };
    add(&home, &app, "daily");
    let used = adhoc("used");
    adhoc("unused");
    home.catalog.add_job(&NewJob { configuration_id: Some(used), ..NewJob::new(JobKind::Backup, Origin::Manual) }).unwrap();
    home.advance(60);
    let before = home.catalog.now();
    adhoc("young");
    assert_eq!(home.catalog.clean_up_configurations(before).unwrap(), ["unused"]);
}

#[test]
fn stats_count_each_outcome_of_a_configuration() {
    let home = Home::new();
    let app = home.app("school");
    let daily = add(&home, &app, "daily");
    let new = NewJob { configuration_id: Some(daily.clone()), ..NewJob::new(JobKind::Backup, Origin::Manual) };
    let job = home.catalog.add_job(&new).unwrap();
    home.catalog.cancel_job(&job.id).unwrap();
    home.catalog.add_job(&new).unwrap();
    let mut made = NewBackup::new(home.catalog.new_id(), &app, BackupType::Full, Status::Completed, home.catalog.now());
    (made.configuration_id, made.duration_seconds) = (Some(daily.clone()), 1.5);
    home.catalog.record_backup(&made).unwrap();
    let stats = home.catalog.configuration_stats(&daily).unwrap();
    assert_eq!((stats.jobs, stats.cancelled, stats.completed, stats.mean_seconds), (2, 1, 0, Some(1.5)));
    assert_eq!(stats.last_completed_at, Some(made.taken_at));
}
