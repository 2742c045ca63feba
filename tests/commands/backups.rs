//! Backups: which one `latest` is, compared, deleted, done over.

use crate::common::program::Place;
use crate::{back_up, school, sql, text, told};

#[test]
fn latest_is_the_newest_that_covers_what_is_asked_for() {
    let place = Place::new();
    place.protect("school", &school(&place));
    let full = back_up(&place, "full");
    let narrowed = text(&place.json(&["backup", "--app", "school", "--type", "database", "--models", "hr_class"])["backup"]);
    let previewed = |arguments: &[&str]| text(&place.json(&[&["restore", "preview", "latest"], arguments].concat())["backup"]);
    assert_eq!(previewed(&[]), full);
    assert_eq!(previewed(&["--model", "hr_class"]), narrowed);
    assert_eq!(previewed(&["--model", "hr_class", "--model", "hr_pupil"]), full);
    assert_eq!(previewed(&["--module", "hr"]), full);
    assert_eq!(text(&place.json(&["backups", "show", "latest"])["id"]), full);

    // The safety record of a restore is newer, and never meant.
    sql(&place, "DELETE FROM log");
    place.expect(0, &["restore", "run", "latest", "--yes", "--reason", "the log is back"]);
    assert_eq!(text(&place.json(&["backups", "show", "latest"])["id"]), full);

    // Nor is one that was deleted; where none covers all, the newest is better than none.
    place.expect(0, &["backups", "delete", &full, "--yes"]);
    assert_eq!(text(&place.json(&["backups", "show", "latest"])["id"]), narrowed);
}

#[test]
fn an_id_may_be_shortened_as_long_as_it_is_unique() {
    let place = Place::new();
    place.protect("school", &school(&place));
    let (first, second) = (back_up(&place, "full"), back_up(&place, "full"));
    assert_eq!(text(&place.json(&["backups", "show", &second[..20]])["id"]), second);
    let common = first.chars().zip(second.chars()).take_while(|(a, b)| a == b).count();
    let err = told(&place, 2, &["backups", "show", &first[..common]]);
    assert!(err.contains(&first) && err.contains(&second), "{err}");
}

#[test]
fn two_backups_are_compared_model_by_model() {
    let place = Place::new();
    place.protect("school", &school(&place));
    let first = back_up(&place, "full");
    sql(&place, "UPDATE hr_pupil SET mark = 1 WHERE id <= 3; DELETE FROM hr_pupil WHERE id = 40; INSERT INTO hr_class VALUES (3, 'c')");
    let second = back_up(&place, "incremental");
    for arguments in [vec!["backups", "diff", &second], vec!["backups", "diff", "latest", &first]] {
        let models = place.json(&arguments);
        let of = |name: &str| models.as_array().unwrap().iter().find(|model| model["model"] == name).unwrap().clone();
        let counts = |name: &str| ["added", "changed", "removed", "same"].map(|count| of(name)[count].as_u64().unwrap());
        assert_eq!(counts("hr_pupil"), [0, 3, 1, 36]);
        assert_eq!(counts("hr_class"), [1, 0, 0, 2]);
        assert_eq!(counts("log"), [0, 0, 0, 1]);
    }
    let text = place.expect(0, &["backups", "diff", &second]);
    assert!(text.contains("hr_class") && !text.contains("log"), "{text}");
    told(&place, 1, &["backups", "diff", &first]);
}

#[test]
fn a_deleted_backup_comes_back_until_it_is_pruned() {
    let place = Place::new();
    place.protect("school", &school(&place));
    let backup = back_up(&place, "full");
    told(&place, 4, &["backups", "delete", &backup]);
    place.expect(0, &["backups", "protect", &backup]);
    told(&place, 4, &["backups", "delete", &backup, "--yes"]);
    place.expect(0, &["backups", "unprotect", &backup]);
    place.expect(0, &["backups", "delete", &backup, "--yes", "--reason", "made by mistake"]);
    assert_eq!(place.json(&["backups"]).as_array().unwrap().len(), 0);
    place.expect(0, &["backups", "undelete", &backup]);
    assert_eq!(place.json(&["backups"])[0]["id"], backup.as_str());
    place.expect(0, &["backups", "verify", &backup]);
}

#[test]
fn a_failed_backup_is_done_over_as_it_was_asked_for() {
    let place = Place::new();
    let database = school(&place);
    place.protect("school", &database);
    let aside = place.path("aside.db");
    std::fs::rename(&database, &aside).unwrap();
    told(&place, 1, &["backup", "--app", "school", "--type", "full", "--models", "hr_class", "--reason", "before the migration"]);
    let job = text(&place.json(&["jobs"])[0]["id"]);
    std::fs::rename(&aside, &database).unwrap();
    let made = place.json(&["jobs", "retry", &job]);
    assert_eq!(made["records"], 2);
    let again = place.json(&["jobs", "show", made["job"].as_str().unwrap()]);
    assert_eq!((&again["origin"], &again["replay_of"], &again["reason"]), (&"replay".into(), &job.into(), &"before the migration".into()));
    let log = place.expect(0, &["jobs", "log", made["job"].as_str().unwrap(), "--follow"]);
    assert!(log.contains("2 records"), "{log}");
}

#[test]
fn the_manifest_names_the_configuration_for_other_machines() {
    let place = Place::new();
    place.protect("school", &school(&place));
    place.expect(0, &["config", "create", "nightly"]);
    place.json(&["backup", "--config", "nightly"]);
    let other = place.path("other");
    let other = other.to_str().unwrap();
    let vault = place.path("vault");
    place.expect(0, &["vault", "init", "--existing", "--location", vault.to_str().unwrap(), "--home", other]);
    assert_eq!(place.json(&["backups", "--home", other])[0]["configuration"], "nightly");
}
