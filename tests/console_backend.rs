//! The console's backend over a real engine: a home, a vault in two folders and a SQLite database of a music shop.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "common/known.rs"]
mod known;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use backstop::catalog::{AlertType, BackupType, JobKind, NOTICE, NewJob, Origin, RaiseAlert, Role, Severity};
use backstop::clock::ManualClock;
use backstop::console::backend::EngineBackend;
use backstop::console::effect::{Action, Answer, Backend, ConfigurationDraft, Outcome, Preview, Problem, Query, Side};
use backstop::console::model::detail::{Detail, Summary};
use backstop::console::model::filter::Filter;
use backstop::console::model::records::{ListKind, Record};
use backstop::engine::apps::AppRequest;
use backstop::engine::backup::BackupRequest;
use backstop::engine::restore::plan::{OnBlocked, OnCollision};
use backstop::engine::selection::Selection;
use backstop::engine::vaults::VaultRequest;
use backstop::engine::{Engine, Home};
use known::{Known, secret};

struct Shop {
    folder: tempfile::TempDir,
    engine: Engine,
    backend: EngineBackend,
}

impl Shop {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("shop.db");
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/chinook/Chinook_Sqlite.sqlite"), &database).unwrap();
        let clock = Arc::new(ManualClock::new("2026-11-21T20:41:00Z".parse().unwrap()));
        let engine = Engine::open(Home::at(folder.path().join("home")), clock, Box::new(Known)).unwrap();
        let locations = ["one", "two"].map(|name| folder.path().join(name).display().to_string());
        engine.create_vault(&VaultRequest { name: "main", locations: &locations, passphrase: &secret(), recovery: false }).unwrap();
        let database = Some(format!("sqlite:{}", database.display()));
        engine.add_app(&AppRequest { name: "shop".into(), database, ..AppRequest::default() }).unwrap();
        let backend = EngineBackend::new(engine.clone(), false).unwrap();
        Self { folder, engine, backend }
    }

    fn done(&self, action: &Action) -> String {
        match self.act(action).unwrap() {
            Outcome::Done(text) => text,
            other => panic!("{other:?}"),
        }
    }

    fn act(&self, action: &Action) -> Result<Outcome, Problem> {
        self.backend.act(action, &mut |_| ControlFlow::Continue(()))
    }

    fn sql(&self, sql: &str) {
        rusqlite::Connection::open(self.folder.path().join("shop.db")).unwrap().execute_batch(sql).unwrap();
    }

    fn back_up(&self) {
        self.done(&Action::BackUpApp { app: "shop".into(), kind: "incremental".into() });
    }

    fn page(&self, list: ListKind, filter: &str, after: Option<&Record>, limit: usize) -> (Vec<Record>, bool) {
        let query = Query::Page {
            list,
            filter: Filter::parse(filter),
            order: list.orders()[0],
            descending: list.newest_first(),
            after: after.cloned().map(Box::new),
            limit,
        };
        match self.backend.query(&query).unwrap() {
            Answer::Page { rows, end } => (rows, end),
            other => panic!("{other:?}"),
        }
    }

    fn list(&self, list: ListKind, filter: &str) -> Vec<Record> {
        self.page(list, filter, None, 100).0
    }

    fn detail(&self, list: ListKind, id: &str) -> Detail {
        match self.backend.query(&Query::Detail { list, id: id.into(), level: "debug" }).unwrap() {
            Answer::Detail(detail) => detail,
            other => panic!("{other:?}"),
        }
    }

    fn summary(&self) -> Summary {
        match self.backend.query(&Query::Summary).unwrap() {
            Answer::Summary(summary) => *summary,
            other => panic!("{other:?}"),
        }
    }
}

fn genre() -> Selection {
    Selection { models: vec!["Genre".into()], ..Selection::default() }
}

fn draft(schedule: &str) -> ConfigurationDraft {
    ConfigurationDraft {
        name: "nightly".into(),
        app: "shop".into(),
        kind: "incremental".into(),
        schedule: Some(schedule.into()),
        retention_days: 30,
        ..ConfigurationDraft::default()
    }
}

#[test]
fn the_summary_tells_what_is_at_risk_until_a_backup_is_there() {
    let shop = Shop::new();
    let before = shop.summary();
    assert!(before.initialised && before.verdict.contains("no good backup of shop"), "{}", before.verdict);
    assert_eq!((before.state.as_str(), before.role.as_str(), before.locations.len()), ("critical", "admin", 2));
    shop.back_up();
    let after = shop.summary();
    assert_eq!((after.state.as_str(), after.apps[0].calendar.len()), ("good", 30));
    assert_eq!(after.apps[0].calendar.last().unwrap(), "done");
    assert!(after.score > before.score && after.apps[0].last_good.is_some());
}

#[test]
fn pages_follow_each_other_without_a_gap_and_the_filter_holds() {
    let shop = Shop::new();
    for _ in 0..5 {
        shop.back_up();
    }
    let all = shop.list(ListKind::Backups, "");
    let mut walked: Vec<Record> = Vec::new();
    loop {
        let (rows, end) = shop.page(ListKind::Backups, "", walked.last(), 2);
        walked.extend(rows);
        if end {
            break;
        }
    }
    assert_eq!((all.len(), &walked), (5, &all));
    let first = all[0].id();
    assert_eq!(shop.list(ListKind::Backups, &format!("id:{first}")).len(), 1);
    assert_eq!(shop.list(ListKind::Jobs, "app:shop status:completed age<1d").len(), 5);
    assert_eq!(shop.list(ListKind::Jobs, "status:failed").len(), 0);
    assert_eq!(shop.list(ListKind::Activity, "action:backup").len(), 5);
    let detail = shop.detail(ListKind::Backups, first);
    assert!(detail.models.iter().any(|model| model.model == "Track" && model.records == 3503));
    assert_eq!(detail.chain.first().map(String::as_str), Some(all[1].id()));
    let Record::Backup(newest) = &all[0] else { panic!() };
    assert_eq!(newest.locations, [("one".to_owned(), true), ("two".to_owned(), true)]);
}

#[test]
fn a_backup_says_how_closely_its_files_and_its_database_belong_together() {
    let shop = Shop::new();
    let media = shop.folder.path().join("media");
    fs::create_dir(&media).unwrap();
    for name in ["cover.png", "draft.png"] {
        fs::write(media.join(name), "a picture").unwrap();
    }
    // The clock of this shop stands still: one of them was there before it, the other comes after it.
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    fs::File::options().write(true).open(media.join("cover.png")).unwrap().set_modified(long_ago).unwrap();
    let database = Some(format!("sqlite:{}", shop.folder.path().join("shop.db").display()));
    shop.back_up();
    let request = AppRequest { name: "shop".into(), database, files: vec![media.display().to_string()], ..AppRequest::default() };
    shop.engine.edit_app(&shop.engine.app(None).unwrap(), &request).unwrap();
    shop.back_up();
    let backups = shop.list(ListKind::Backups, "");
    let together = |backup: &Record| shop.detail(ListKind::Backups, backup.id()).together;
    assert_eq!(together(&backups[0]), "all files were read within 0.0 s of the database's moment; 1 changed in between: media/draft.png");
    assert_eq!(together(&backups[1]), "", "there are no files to belong to it");
}

#[test]
fn a_configuration_is_made_run_edited_disabled_and_deleted() {
    let shop = Shop::new();
    let problem = shop.act(&Action::CreateConfiguration(Box::new(draft("every night")))).unwrap_err();
    assert!(problem.message.contains("every night") && problem.hint.unwrap().contains("0 2 * * *"));
    shop.done(&Action::CreateConfiguration(Box::new(draft("0 2 * * *"))));
    let id = shop.list(ListKind::Configurations, "")[0].id().to_owned();
    assert_eq!(shop.detail(ListKind::Configurations, &id).next_runs.len(), 5);
    assert_eq!(shop.summary().next.unwrap().0, "nightly");
    shop.done(&Action::BackUp { configuration: id.clone() });
    assert_eq!(shop.list(ListKind::Configurations, "status:completed state:enabled").len(), 1);
    shop.done(&Action::EditConfiguration { id: id.clone(), draft: Box::new(draft("0 4 * * *")) });
    shop.done(&Action::DisableConfigurations { ids: vec![id.clone()] });
    let Record::Configuration(it) = shop.list(ListKind::Configurations, "").remove(0) else { panic!() };
    assert_eq!((it.schedule.as_deref(), it.enabled, it.next_run_at), (Some("0 4 * * *"), false, None));
    shop.done(&Action::EnableConfigurations { ids: vec![id.clone()] });
    shop.done(&Action::DeleteConfiguration { id });
    assert_eq!(shop.list(ListKind::Configurations, "").len(), 0);
}

#[test]
fn a_backup_is_verified_protected_and_deleted_only_when_released() {
    let shop = Shop::new();
    shop.back_up();
    let id = shop.list(ListKind::Backups, "")[0].id().to_owned();
    shop.done(&Action::Verify { backup: id.clone(), level: 3 });
    assert!(shop.summary().apps[0].proven_at.is_some());
    shop.done(&Action::Protect { ids: vec![id.clone()] });
    let delete = || shop.act(&Action::DeleteBackups { ids: vec![id.clone()], reason: "old".into() });
    assert!(delete().is_err());
    shop.done(&Action::Unprotect { ids: vec![id.clone()] });
    delete().unwrap();
    assert_eq!(shop.list(ListKind::Activity, "action:delete reason:old").len(), 1);
    assert!(shop.list(ListKind::Backups, "").is_empty() && shop.engine.vault("main").unwrap().backups().unwrap().is_empty());
}

#[test]
fn a_failed_job_raises_an_alert_that_is_answered_and_the_job_is_done_over() {
    let shop = Shop::new();
    let (database, aside) = (shop.folder.path().join("shop.db"), shop.folder.path().join("aside.db"));
    fs::rename(&database, &aside).unwrap();
    assert!(shop.act(&Action::BackUpApp { app: "shop".into(), kind: "full".into() }).is_err());
    let job = shop.list(ListKind::Jobs, "status:failed").remove(0);
    assert!(!shop.detail(ListKind::Jobs, job.id()).log.is_empty());
    let alert = shop.list(ListKind::Alerts, "status:active type:backup_failure").remove(0).id().to_owned();
    shop.done(&Action::Acknowledge { ids: vec![alert.clone()], notes: "looking".into() });
    let detail = shop.detail(ListKind::Alerts, &alert);
    assert!(detail.log.iter().any(|line| line.text.contains("acknowledged") && line.text.contains("looking")));
    assert!(detail.steps.iter().any(|step| step.contains(job.id())));
    fs::rename(&aside, &database).unwrap();
    shop.done(&Action::RetryJob { job: job.id().to_owned() });
    assert_eq!(shop.list(ListKind::Jobs, "origin:replay status:completed").len(), 1);
    assert_eq!(shop.list(ListKind::Alerts, "status:resolved").len(), 1);
}

#[test]
fn alerts_are_listed_by_their_state_across_pages() {
    let shop = Shop::new();
    let raise = |target: &str| {
        let raise = RaiseAlert::new(AlertType::LocationBehind, Severity::Warning, target, "it lacks a pack");
        shop.engine.catalog().raise_alert(&raise).unwrap().alert.id
    };
    let ids: Vec<String> = ["a", "b", "c", "d"].map(raise).to_vec();
    shop.done(&Action::Resolve { ids: vec![ids[3].clone()], notes: "connected".into() });
    shop.done(&Action::Snooze { ids: vec![ids[2].clone()], hours: 4 });
    let (first, end) = shop.page(ListKind::Alerts, "", None, 3);
    let (rest, last) = shop.page(ListKind::Alerts, "", first.last(), 3);
    let seen: Vec<&str> = first.iter().chain(&rest).map(Record::id).collect();
    assert_eq!(seen, [&ids[1], &ids[0], &ids[2], &ids[3]].map(String::as_str));
    assert!(!end && last);
}

#[test]
fn a_location_catches_up_and_how_it_stands_is_known_afterwards() {
    let shop = Shop::new();
    shop.back_up();
    let (place, away) = (shop.folder.path().join("two/packs"), shop.folder.path().join("away"));
    fs::rename(&place, &away).unwrap();
    let two = shop.list(ListKind::Locations, "name:two").remove(0).id().to_owned();
    assert!(!shop.done(&Action::CatchUp { location: two }).starts_with('0'));
    assert!(place.is_dir());
    let Record::Location(two) = shop.list(ListKind::Locations, "name:two").remove(0) else { panic!() };
    assert!(two.objects > 0 && two.backlog_objects == 0 && two.unreachable.is_none());
}

#[test]
fn what_an_operator_may_not_do_is_refused_and_written_down() {
    let shop = Shop::new();
    let catalog = shop.engine.catalog();
    catalog.set_operator("somebody-else", Role::Admin).unwrap();
    catalog.set_operator(shop.engine.operator(), Role::Viewer).unwrap();
    assert!(shop.act(&Action::CreateConfiguration(Box::new(draft("0 2 * * *")))).unwrap_err().message.contains("admin"));
    assert!(shop.act(&Action::BackUpApp { app: "shop".into(), kind: "full".into() }).is_err());
    assert_eq!(shop.list(ListKind::Activity, "outcome:refused").len(), 2);
    let read_only = EngineBackend::new(shop.engine.clone(), true).unwrap();
    let refused = read_only.act(&Action::CatchUp { location: "x".into() }, &mut |_| ControlFlow::Continue(()));
    assert!(refused.unwrap_err().message.contains("read-only"));
}

#[test]
fn a_deleted_record_is_previewed_restored_and_taken_away_again() {
    let shop = Shop::new();
    shop.back_up();
    let database = rusqlite::Connection::open(shop.folder.path().join("shop.db")).unwrap();
    database.execute("DELETE FROM Playlist WHERE PlaylistId = 2", ()).unwrap();
    let playlists = || database.query_row("SELECT count(*) FROM Playlist", (), |row| row.get::<_, i64>(0)).unwrap();
    let backup = shop.list(ListKind::Backups, "")[0].id().to_owned();
    let preview = Preview { backup, app: "shop".into(), strategy: "merge".into(), models: vec!["Playlist".into()], ..Preview::default() };
    let Outcome::Planned(plan) = shop.act(&Action::Preview(Box::new(preview))).unwrap() else { panic!() };
    assert_eq!((plan.sums().new, plan.sums().create, playlists()), (1, 1, 17));
    let rows = |from: usize, conflict: Option<usize>| {
        let query = Query::Rows { plan: plan.plan.clone(), model: "Playlist".into(), from, conflict, limit: 10 };
        match shop.backend.query(&query).unwrap() {
            Answer::Rows { rows, found: None, end: true, .. } => rows,
            other => panic!("{other:?}"),
        }
    };
    let seen = rows(0, None);
    assert_eq!((seen.len(), seen[0].state.as_str(), rows(1, None).len(), rows(0, Some(0)).len()), (1, "new", 0, 1));
    let run = Action::Restore { plan: plan.plan.clone(), app: "shop".into(), reason: "deleted by mistake".into() };
    let Outcome::Restored(result) = shop.act(&run).unwrap() else { panic!() };
    assert_eq!((result.records_created, playlists()), (1, 18));
    let undo = Preview { undo_of: Some(result.restore), app: "shop".into(), strategy: "merge".into(), ..Preview::default() };
    let Outcome::Planned(plan) = shop.act(&Action::Preview(Box::new(undo))).unwrap() else { panic!() };
    assert_eq!((plan.sums().delete, playlists()), (1, 18), "what an undo would do is shown first");
    shop.act(&Action::Restore { plan: plan.plan, app: "shop".into(), reason: "it was right".into() }).unwrap();
    assert_eq!(playlists(), 17);
    let restores = shop.list(ListKind::Restores, "");
    let [Record::Restore(undo), Record::Restore(first)] = restores.as_slice() else { panic!() };
    assert_eq!((undo.mode.as_str(), undo.reason.as_str()), ("undo", "it was right"));
    assert_eq!((first.undone_by.as_deref(), first.safety_backup.is_some()), (Some(undo.id.as_str()), true));
    assert!(shop.detail(ListKind::Restores, &first.id).log.iter().any(|line| line.text.contains("Playlist: created 1")));
}

#[test]
fn the_records_of_a_backup_are_read_in_pages_that_follow_each_other() {
    let shop = Shop::new();
    shop.back_up();
    shop.sql("DELETE FROM InvoiceLine WHERE TrackId = 7; DELETE FROM PlaylistTrack WHERE TrackId = 7; DELETE FROM Track WHERE TrackId = 7");
    shop.sql("UPDATE Track SET Composer = NULL WHERE TrackId = 9");
    shop.back_up();
    let newest = shop.list(ListKind::Backups, "")[0].id().to_owned();
    let page = |after: Option<String>| match shop
        .backend
        .query(&Query::Stored { backup: newest.clone(), model: "Track".into(), after, limit: 1000 })
        .unwrap()
    {
        Answer::Stored { rows, end } => (rows, end),
        other => panic!("{other:?}"),
    };
    let (mut rows, mut end) = page(None);
    while !end {
        let (more, last) = page(rows.last().map(|row| row.place.clone()));
        assert!(!more.is_empty());
        rows.extend(more);
        end = last;
    }
    let ids: Vec<i64> = rows.iter().map(|row| row.key["TrackId"].as_i64().unwrap()).collect();
    let expected: Vec<i64> = (1..=3503).filter(|id| *id != 7).collect();
    assert_eq!(ids, expected);
    let ninth = rows.iter().find(|row| row.key["TrackId"] == 9).unwrap();
    assert!(ninth.fields.iter().any(|(name, value)| name == "Composer" && value.is_null()));
    let catalog = shop.engine.catalog();
    catalog.set_operator("somebody-else", Role::Admin).unwrap();
    catalog.set_operator(shop.engine.operator(), Role::Viewer).unwrap();
    let query = Query::Stored { backup: newest.clone(), model: "Track".into(), after: None, limit: 1 };
    assert!(shop.backend.query(&query).unwrap_err().message.contains("operator"), "a viewer sees figures, no records");
}

#[test]
fn what_a_failed_backup_would_have_held_ends_its_alert_and_less_does_not() {
    let shop = Shop::new();
    shop.done(&Action::CreateConfiguration(Box::new(ConfigurationDraft { kind: "database".into(), ..draft("0 2 * * *") })));
    let configuration = shop.list(ListKind::Configurations, "")[0].id().to_owned();
    let (database, aside) = (shop.folder.path().join("shop.db"), shop.folder.path().join("aside.db"));
    fs::rename(&database, &aside).unwrap();
    assert!(shop.act(&Action::BackUp { configuration }).is_err());
    fs::rename(&aside, &database).unwrap();
    let open = || shop.list(ListKind::Alerts, "status:active").len();
    assert_eq!(open(), 1);
    let narrowed = BackupRequest { selection: genre(), ..BackupRequest::new(None, BackupType::Full) };
    shop.engine.backup(&narrowed).unwrap();
    assert_eq!(open(), 1, "one model does not make up for the database");
    shop.back_up();
    assert_eq!(open(), 0);
}

#[test]
fn a_narrowed_backup_that_is_done_over_is_as_narrow_as_it_was_to_be() {
    let shop = Shop::new();
    let (database, aside) = (shop.folder.path().join("shop.db"), shop.folder.path().join("aside.db"));
    fs::rename(&database, &aside).unwrap();
    let narrowed = BackupRequest { selection: genre(), ..BackupRequest::new(None, BackupType::Full) };
    assert!(shop.engine.backup(&narrowed).is_err());
    fs::rename(&aside, &database).unwrap();
    let failed = shop.list(ListKind::Jobs, "status:failed")[0].id().to_owned();
    shop.done(&Action::RetryJob { job: failed.clone() });
    let backup = shop.list(ListKind::Backups, "")[0].id().to_owned();
    assert_eq!(shop.detail(ListKind::Backups, &backup).models.len(), 1);
    let again = shop.list(ListKind::Jobs, "status:completed")[0].id().to_owned();
    assert_eq!(shop.engine.catalog().job(&again).unwrap().replay_of, Some(failed));
    assert!(shop.list(ListKind::Alerts, "status:active").is_empty());
}

#[test]
fn a_preview_left_behind_is_found_by_the_next_console_with_its_choices() {
    let shop = Shop::new();
    shop.back_up();
    shop.sql("UPDATE Genre SET Name = 'x' WHERE GenreId <= 3");
    let backup = shop.list(ListKind::Backups, "")[0].id().to_owned();
    let key = serde_json::json!({"GenreId": 2});
    let preview = Preview {
        backup,
        app: "shop".into(),
        strategy: "replace".into(),
        models: vec!["Genre".into()],
        rows: vec![("Genre".into(), key, Side::Live)],
        collisions: OnCollision::Holder,
        blocked: OnBlocked::Parents,
        ..Preview::default()
    };
    let Outcome::Planned(first) = shop.act(&Action::Preview(Box::new(preview.clone()))).unwrap() else { panic!() };
    let again = Preview { replaces: Some(first.plan.clone()), ..preview.clone() };
    let Outcome::Planned(second) = shop.act(&Action::Preview(Box::new(again))).unwrap() else { panic!() };
    let next = EngineBackend::new(shop.engine.clone(), false).unwrap();
    assert_eq!(shop.summary().open_plan.unwrap().plan, second.plan);
    let Answer::Plan(left) = next.query(&Query::Plan { plan: second.plan.clone() }).unwrap() else { panic!() };
    assert_eq!((&left.preview, left.summary.sums().update), (&preview, 2));
    assert!(left.backup.is_some() && left.models.iter().any(|model| model.model == "Genre"));
    assert!(shop.act(&Action::Restore { plan: first.plan, app: "shop".into(), reason: "x".into() }).is_err(), "it was replaced");
    shop.done(&Action::DropPlan { plan: second.plan.clone() });
    assert!(shop.summary().open_plan.is_none());
    assert!(fs::read_dir(shop.engine.home().plans()).unwrap().next().is_none(), "no file is left of plans that were dropped");
}

#[test]
fn what_runs_or_waits_comes_first_whoever_runs_it_and_can_be_cancelled() {
    let shop = Shop::new();
    let app_id = Some(shop.engine.app(None).unwrap().id);
    let waiting = NewJob { app_id, ..NewJob::new(JobKind::Backup, Origin::Scheduled) };
    let waiting = shop.engine.catalog().add_job(&waiting).unwrap().id;
    shop.back_up();
    shop.back_up();
    let jobs = shop.list(ListKind::Jobs, "");
    assert_eq!((jobs.len(), jobs[0].id()), (3, waiting.as_str()));
    let (first, _) = shop.page(ListKind::Jobs, "", None, 1);
    let (rest, end) = shop.page(ListKind::Jobs, "", first.last(), 5);
    assert_eq!((first.as_slice(), rest.as_slice(), end), (&jobs[..1], &jobs[1..], true));
    shop.done(&Action::CancelJob { job: waiting.clone() });
    assert_eq!(shop.list(ListKind::Jobs, "status:cancelled")[0].id(), waiting);
    assert_eq!(shop.list(ListKind::Activity, "action:cancel").len(), 1);
}

#[test]
fn a_verification_is_a_job_with_a_log_and_what_is_lost_is_an_alert_of_the_application() {
    let shop = Shop::new();
    shop.back_up();
    let backup = shop.list(ListKind::Backups, "")[0].id().to_owned();
    let mut seen = 0;
    let verify = Action::Verify { backup: backup.clone(), level: 2 };
    let sound = shop.backend.act(&verify, &mut |progress| {
        seen = progress.done;
        ControlFlow::Continue(())
    });
    assert!(matches!(sound.unwrap(), Outcome::Done(said) if said.contains("sound")) && seen > 0);
    let stopped = shop.backend.act(&verify, &mut |_| ControlFlow::Break(()));
    assert!(stopped.unwrap_err().message.contains("cancelled"));
    for location in ["one", "two"] {
        fs::remove_dir_all(shop.folder.path().join(location).join("packs")).unwrap();
    }
    assert!(shop.act(&verify).unwrap_err().message.contains("is damaged"));
    let statuses: Vec<String> = ["failed", "cancelled", "completed"]
        .iter()
        .map(|status| shop.list(ListKind::Jobs, &format!("type:verify status:{status}")).remove(0).id().to_owned())
        .collect();
    assert!(shop.detail(ListKind::Jobs, &statuses[0]).log.iter().any(|line| line.level == "error"));
    let alerts = shop.list(ListKind::Alerts, "type:integrity");
    let [Record::Alert(alert)] = alerts.as_slice() else { panic!("{alerts:?}") };
    assert_eq!((alert.app.as_deref(), alert.job.as_ref(), alert.backup.as_ref()), (Some("shop"), Some(&statuses[0]), Some(&backup)));
}

#[test]
fn logs_are_read_from_a_level_on_and_the_notice_and_the_models_are_known() {
    let shop = Shop::new();
    shop.back_up();
    let job = shop.list(ListKind::Jobs, "")[0].id().to_owned();
    let lines = |level| match shop.backend.query(&Query::Detail { list: ListKind::Jobs, id: job.clone(), level }).unwrap() {
        Answer::Detail(detail) => detail.log.len(),
        other => panic!("{other:?}"),
    };
    assert!(lines("debug") > lines("info") && lines("info") > lines("error"));
    assert_eq!(shop.summary().notice, None);
    shop.engine.catalog().set_setting(NOTICE, &"Demonstration: simulated").unwrap();
    assert_eq!(shop.summary().notice.as_deref(), Some("Demonstration: simulated"));
    let Answer::Known(apps) = shop.backend.query(&Query::Known).unwrap() else { panic!() };
    assert!(apps[0].name == "shop" && apps[0].models.iter().any(|model| model.model == "Track"));
    assert!(shop.done(&Action::CleanUpConfigurations).contains("nothing to clean up"));
}

#[test]
fn what_is_left_out_stands_beside_the_configuration_and_the_backup() {
    let shop = Shop::new();
    let leaving_out = ConfigurationDraft { exclude_models: vec!["*Track".into(), "Genre".into()], ..draft("0 2 * * *") };
    shop.done(&Action::CreateConfiguration(Box::new(leaving_out)));
    let configuration = shop.list(ListKind::Configurations, "")[0].id().to_owned();
    assert_eq!(shop.detail(ListKind::Configurations, &configuration).scope, ["without the models *Track, Genre"]);
    shop.done(&Action::BackUp { configuration });
    let backup = shop.list(ListKind::Backups, "")[0].id().to_owned();
    let wanted = ["without the models *Track, Genre", "left out: Genre, PlaylistTrack, Track"];
    assert_eq!(shop.detail(ListKind::Backups, &backup).scope, wanted);
    let unknown = ConfigurationDraft { exclude_models: vec!["Gnere".into()], name: "other".into(), ..draft("0 2 * * *") };
    let problem = shop.act(&Action::CreateConfiguration(Box::new(unknown))).unwrap_err();
    assert!(problem.message.contains("Gnere") && problem.hint.unwrap().contains("Genre"));
    let quick = ConfigurationDraft { quick: true, name: "quick".into(), ..draft("0 2 * * *") };
    let problem = shop.act(&Action::CreateConfiguration(Box::new(quick))).unwrap_err();
    assert!(problem.hint.unwrap().contains("app edit shop --dispensable"));
}
