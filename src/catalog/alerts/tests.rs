use super::super::page::assert_walks_an_index;
use super::super::testing::Home;
use super::*;

fn failure(severity: Severity) -> RaiseAlert {
    RaiseAlert::new(AlertType::BackupFailure, severity, "payroll", "connection refused")
}

#[test]
fn the_same_again_is_counted_and_not_a_second_alert() {
    let home = Home::new();
    let first = home.catalog.raise_alert(&failure(Severity::Error)).unwrap();
    home.advance(60);
    let again = home.catalog.raise_alert(&failure(Severity::Error)).unwrap();
    assert_eq!((first.news, again.news), (News::New, News::Repeated));
    assert_eq!((again.alert.id, again.alert.count), (first.alert.id.clone(), 2));
    assert_eq!(again.alert.first_at, first.alert.first_at);
    let other = RaiseAlert { configuration_id: None, target: "shop".to_owned(), ..failure(Severity::Error) };
    assert_ne!(home.catalog.raise_alert(&other).unwrap().alert.id, first.alert.id);
}

#[test]
fn it_is_reopened_within_a_day_and_new_after_one() {
    let home = Home::new();
    let first = home.catalog.raise_alert(&failure(Severity::Error)).unwrap().alert.id;
    home.catalog.resolve_alerts(&[&first], "ana", Some("disk replaced")).unwrap();
    home.advance(23 * 3600);
    let reopened = home.catalog.raise_alert(&failure(Severity::Error)).unwrap();
    assert_eq!((reopened.news, &reopened.alert.id, reopened.alert.resolved_at), (News::Reopened, &first, None));
    home.catalog.resolve_alerts(&[&first], "ana", None).unwrap();
    home.advance(24 * 3600);
    let new = home.catalog.raise_alert(&failure(Severity::Error)).unwrap();
    assert_eq!(new.news, News::New);
    assert_ne!(new.alert.id, first);
    assert_eq!(home.catalog.alert(&first).unwrap().notes.as_deref(), Some("disk replaced"));
}

#[test]
fn an_acknowledged_alert_stays_so_until_it_becomes_graver() {
    let home = Home::new();
    let id = home.catalog.raise_alert(&failure(Severity::Warning)).unwrap().alert.id;
    home.catalog.acknowledge_alerts(&[&id], "ana", Some("on it")).unwrap();
    let repeated = home.catalog.raise_alert(&failure(Severity::Warning)).unwrap().alert;
    assert_eq!((repeated.status, repeated.acknowledged_by.as_deref()), (AlertStatus::Acknowledged, Some("ana")));
    let graver = home.catalog.raise_alert(&failure(Severity::Critical)).unwrap();
    assert_eq!((graver.news, graver.alert.status), (News::Graver, AlertStatus::Active));
    let events: Vec<AlertEventKind> = home.catalog.alert_events(&id, 10).unwrap().into_iter().map(|event| event.event).collect();
    use AlertEventKind::{Acknowledged, Raised, Repeated};
    assert_eq!(events, [Raised, Acknowledged, Repeated, Repeated]);
}

#[test]
fn a_snoozed_alert_wakes_when_its_time_is_over() {
    let home = Home::new();
    let id = home.catalog.raise_alert(&failure(Severity::Error)).unwrap().alert.id;
    home.catalog.snooze_alerts(&[&id], home.later(600), "ana", None).unwrap();
    assert_eq!(home.catalog.alert_counts().unwrap(), AlertCounts::default());
    assert!(home.catalog.wake_alerts().unwrap().is_empty());
    home.advance(600);
    assert_eq!(home.catalog.wake_alerts().unwrap(), [id]);
    assert_eq!(home.catalog.alert_counts().unwrap(), AlertCounts { error: 1, active: 1, ..AlertCounts::default() });
}

#[test]
fn a_condition_that_ends_resolves_its_alert() {
    let home = Home::new();
    let id = home.catalog.raise_alert(&failure(Severity::Error)).unwrap().alert.id;
    let end = || home.catalog.end_condition(AlertType::BackupFailure, "payroll", None, "a backup completed").unwrap();
    assert_eq!(end(), Some(id.clone()));
    assert_eq!(end(), None);
    let alert = home.catalog.alert(&id).unwrap();
    assert_eq!((alert.status, alert.resolved_by), (AlertStatus::Resolved, None));
}

#[test]
fn alerts_are_answered_all_or_none() {
    let home = Home::new();
    let open = home.catalog.raise_alert(&failure(Severity::Error)).unwrap().alert.id;
    let over = RaiseAlert { target: "shop".to_owned(), ..failure(Severity::Error) };
    let over = home.catalog.raise_alert(&over).unwrap().alert.id;
    home.catalog.resolve_alerts(&[&over], "ana", None).unwrap();
    assert!(matches!(home.catalog.acknowledge_alerts(&[&open, &over], "ana", None), Err(Error::WrongState { .. })));
    assert_eq!(home.catalog.alert(&open).unwrap().status, AlertStatus::Active);
}

#[test]
fn the_gravest_open_alert_comes_first() {
    let home = Home::new();
    for (target, severity) in [("a", Severity::Warning), ("b", Severity::Critical), ("c", Severity::Info), ("d", Severity::Error)] {
        home.catalog.raise_alert(&RaiseAlert { target: target.to_owned(), ..failure(severity) }).unwrap();
    }
    let targets: Vec<String> = home.catalog.open_alerts(3).unwrap().into_iter().map(|alert| alert.target).collect();
    assert_eq!(targets, ["b", "d", "a"]);
}

#[test]
fn every_list_of_alerts_walks_an_index() {
    let home = Home::new();
    let full = AlertFilter { since: Some(home.catalog.now()), text: Some("x".to_owned()), ..AlertFilter::default() };
    let filters = [
        AlertFilter::default(),
        AlertFilter { app_id: Some(String::new()), ..full.clone() },
        AlertFilter { status: Some(AlertStatus::Active), severity: Some(Severity::Error), order: Order::Ascending, ..full },
    ];
    home.catalog
        .read(|connection| {
            for filter in &filters {
                assert_walks_an_index(&list(filter).explain(connection, Alert::COLUMNS));
            }
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", gravest())).unwrap();
            let steps = statement.query_map([5], |row| row.get(3)).unwrap().collect::<rusqlite::Result<Vec<String>>>().unwrap();
            assert_walks_an_index(&steps);
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_alert_that_ended_by_itself_can_still_be_closed_with_a_note_and_one_that_a_person_closed_not_again() {
    let home = Home::new();
    let raised = home.catalog.raise_alert(&failure(Severity::Error)).unwrap();
    home.catalog.end_condition(AlertType::BackupFailure, "payroll", None, "a later backup completed").unwrap();
    home.catalog.resolve_alerts(&[&raised.alert.id], "ana", Some("the volume was not mounted")).unwrap();
    let found = home.catalog.alert(&raised.alert.id).unwrap();
    assert_eq!((found.resolved_by.as_deref(), found.notes.as_deref()), (Some("ana"), Some("the volume was not mounted")));
    assert!(home.catalog.resolve_alerts(&[&raised.alert.id], "ben", None).is_err());
}
