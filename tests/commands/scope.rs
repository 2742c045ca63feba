//! What a backup is about: modules and models, included and excluded, and what is dispensable.

use serde_json::{Value, json};

use crate::common::program::Place;
use crate::{back_up, school, sql, text, told};

fn protected() -> Place {
    let place = Place::new();
    place.protect("school", &school(&place));
    sql(
        &place,
        "CREATE TABLE mail_queue (id INTEGER PRIMARY KEY, body TEXT); CREATE TABLE mail_log (id INTEGER PRIMARY KEY); CREATE TABLE django_session (k TEXT PRIMARY KEY)",
    );
    place
}

fn models(place: &Place, backup: &str) -> Vec<String> {
    let models = place.json(&["backups", "models", backup]);
    let mut names: Vec<String> = models.as_array().unwrap().iter().map(|model| text(&model["model"])).collect();
    names.sort();
    names
}

/// The backup that these arguments make.
fn made(place: &Place, arguments: &[&str]) -> String {
    text(&place.json(&[&["backup", "--app", "school", "--type", "full"], arguments].concat())["backup"])
}

#[test]
fn modules_and_models_are_included_and_excluded_by_names_and_globs() {
    let place = protected();
    let of = |arguments: &[&str]| models(&place, &made(&place, arguments));
    assert_eq!(of(&["--modules", "hr"]), ["hr_class", "hr_pupil"]);
    assert_eq!(of(&["--models", "mail_*,log"]), ["log", "mail_log", "mail_queue"]);
    assert_eq!(of(&["--modules", "hr,mail", "--exclude-models", "*_log,hr_p*"]), ["hr_class", "mail_queue"]);
    assert_eq!(of(&["--exclude-modules", "h?", "--exclude-models", "mail_queue"]), ["django_session", "log", "mail_log"]);
    for (flag, name, meant) in [
        ("--models", "hr_pupli", "hr_pupil"),
        ("--modules", "mial", "mail"),
        ("--exclude-models", "hr_clas", "hr_class"),
        ("--exclude-modules", "hrr", "hr"),
    ] {
        let err = told(&place, 2, &["backup", "--app", "school", "--type", "full", flag, name]);
        assert!(err.contains(&format!("“{name}”")) && err.contains(&format!("Did you mean {meant}?")), "{err}");
    }
    assert!(told(&place, 2, &["backup", "--app", "school", "--type", "full", "--exclude-models", "*"]).contains("nothing of school"));
}

#[test]
fn what_was_left_out_is_told_wherever_the_backup_is_looked_at() {
    let place = protected();
    let backup = made(&place, &["--exclude-modules", "mail"]);
    let shown = place.json(&["backups", "show", &backup]);
    assert_eq!((&shown["narrowed"], &shown["scope"]["exclude_modules"]), (&json!(true), &json!(["mail"])));
    let left_out = [json!({"model": "mail_log", "why": "excluded"}), json!({"model": "mail_queue", "why": "excluded"})];
    assert_eq!(shown["scope"]["left_out"], json!(left_out));
    assert!(place.expect(0, &["backups", "show", &backup]).contains("without the modules mail; left out: mail_log, mail_queue"));
    let target = format!("sqlite:{}", place.path("copy.db").display());
    let copied = place.expect(3, &["restore", "to", &backup, "--target", &target]);
    assert!(copied.contains("left out: mail_log, mail_queue"), "{copied}");
    // What everything is in leaves nothing out, however it was asked for.
    let whole = made(&place, &["--models", "*"]);
    assert_eq!(place.json(&["backups", "show", &whole])["narrowed"], json!(false));
}

#[test]
fn a_configuration_includes_and_excludes_and_goes_on_when_what_it_excludes_is_gone() {
    let place = protected();
    sql(&place, "CREATE TABLE mail_box (id INTEGER PRIMARY KEY)");
    let one = place.json(&["config", "create", "night", "--app", "school", "--modules", "hr,mail", "--exclude-models", "mail_log"]);
    assert_eq!((&one["modules"], &one["exclude_models"]), (&json!(["hr", "mail"]), &json!(["mail_log"])));
    assert!(place.expect(0, &["config", "show", "night"]).contains("mail_log"));
    let run = || place.json(&["backup", "--config", "night"]);
    assert_eq!(models(&place, &text(&run()["backup"])), ["hr_class", "hr_pupil", "mail_box", "mail_queue"]);
    for wrong in [["--exclude-models", "mial_log"], ["--modules", "hhr"]] {
        assert!(told(&place, 2, &[&["config", "edit", "night"], &wrong[..]].concat()).contains("Did you mean"));
    }
    sql(&place, "DROP TABLE mail_log");
    let job = text(&run()["job"]);
    assert!(place.expect(0, &["jobs", "log", &job]).contains("“mail_log” is to be left out"));
    sql(&place, "DROP TABLE mail_queue; DROP TABLE mail_box");
    assert!(told(&place, 2, &["backup", "--config", "night"]).contains("no module “mail”"), "what is to be there and is not is a failure");
    let all = place.json(&["config", "edit", "night", "--everything"]);
    assert_eq!((&all["modules"], &all["exclude_models"]), (&json!([]), &json!([])));
}

#[test]
fn quick_leaves_out_what_is_named_as_dispensable_and_offers_what_could_be() {
    let place = protected();
    back_up(&place, "full");
    let err = told(&place, 2, &["backup", "--app", "school", "--type", "full", "--quick"]);
    let command = "backstop app edit school --dispensable django_session,log,mail_log";
    assert!(err.contains(command) && err.contains("Django's sessions"), "{err}");
    assert!(place.expect(0, &["app", "show", "school"]).contains(command));
    let suggested = |model: &Value| !model["suggestion"].is_null();
    let known = place.json(&["app", "models", "school"]);
    assert_eq!(known.as_array().unwrap().iter().filter(|model| suggested(model)).count(), 3);
    assert!(known.as_array().unwrap().iter().all(|model| model["dispensable"] == false), "offered is not assumed");

    place.expect(0, &["app", "edit", "school", "--dispensable", "*_log,django_session"]);
    let quick = made(&place, &["--quick"]);
    assert_eq!(models(&place, &quick), ["hr_class", "hr_pupil", "log", "mail_queue"]);
    assert_eq!(place.json(&["backups", "show", &quick])["scope"]["quick"], json!(true));
    assert!(place.json(&["app", "show", "school"])["suggested_dispensable"].as_array().unwrap().is_empty());

    assert_eq!(place.json(&["config", "create", "hourly", "--app", "school", "--quick"])["quick"], json!(true));
    let by_configuration = text(&place.json(&["backup", "--config", "hourly"])["backup"]);
    assert_eq!(models(&place, &by_configuration), models(&place, &quick));
    assert_eq!(place.json(&["config", "edit", "hourly", "--quick=no"])["quick"], json!(false));
    assert!(told(&place, 2, &["app", "edit", "school", "--dispensable", "djano_session"]).contains("Did you mean django_session?"));
}

#[test]
fn a_restore_is_narrowed_by_globs_too() {
    let place = protected();
    back_up(&place, "full");
    sql(&place, "DELETE FROM hr_pupil WHERE id > 35; DELETE FROM log");
    let preview = |arguments: &[&str]| place.json(&[&["restore", "preview", "latest"], arguments].concat());
    assert_eq!(preview(&["--model", "hr_*"])["effect"]["create"], 5);
    assert_eq!(preview(&["--module", "[hm]*"])["effect"]["create"], 5);
    assert!(told(&place, 2, &["restore", "preview", "latest", "--module", "hrr"]).contains("Did you mean hr?"));
    assert!(told(&place, 2, &["restore", "preview", "latest", "--model", "nothing_*"]).contains("nothing_*"));
}

#[test]
fn no_backup_is_since_one_that_holds_less_however_many_there_are() {
    let place = protected();
    let parent = |kind: &str| {
        let backup = text(&place.json(&["backup", "--app", "school", "--type", kind])["backup"]);
        (text(&place.json(&["backups", "show", &backup])["parent"]), backup)
    };
    let first = back_up(&place, "full");
    place.expect(0, &["app", "edit", "school", "--dispensable", "log"]);
    for at in 0..18 {
        sql(&place, &format!("UPDATE hr_pupil SET mark = {at} WHERE id = {at}"));
        made(&place, if at % 2 == 0 { &["--models", "hr_*"] } else { &["--quick"] });
    }
    let restore =
        place.json(&["restore", "run", &first, "--strategy", "replace", "--model", "hr_class", "--row", "hr_class:1=live", "--yes"]);
    assert_eq!(restore["status"], "completed");
    let (since, incremental) = parent("incremental");
    assert_eq!(since, first, "eighteen narrowed ones and a safety record stand in between");
    assert_eq!(parent("differential").0, first);
    let (since, whole) = parent("full");
    assert_ne!((&since, &since), (&first, &incremental), "the differential is the newest");
    made(&place, &["--models", "hr_*"]);
    assert_eq!(parent("differential").0, whole, "since the newest full that holds everything");
    let target = format!("sqlite:{}", place.path("copy.db").display());
    place.expect(0, &["restore", "to", "latest", "--target", &target]);
    let marks = |database: &str| -> String {
        let sql = "SELECT group_concat(id || ':' || mark) FROM (SELECT * FROM hr_pupil ORDER BY id)";
        rusqlite::Connection::open(place.path(database)).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(marks("copy.db"), marks("school.db"));
}

#[test]
fn files_that_changed_after_the_databases_moment_are_named() {
    let place = protected();
    std::fs::create_dir(place.path("media")).unwrap();
    let now = std::time::SystemTime::now();
    let hour = std::time::Duration::from_secs(3600);
    for (name, modified) in [("old.txt", now - hour), ("new.txt", now + hour)] {
        let path = place.path("media").join(name);
        std::fs::write(&path, name).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    }
    place.expect(0, &["app", "edit", "school", "--files", "media"]);
    let whole = back_up(&place, "full");
    let shown = place.json(&["backups", "show", &whole]);
    let closeness = &shown["closeness"];
    assert_eq!((&closeness["changed"], &closeness["files"]), (&json!(1), &json!(["media/new.txt"])));
    assert!(closeness["seconds"].as_f64().unwrap() >= 0.0);
    assert!(place.expect(0, &["backups", "show", &whole]).contains("1 changed in between: media/new.txt"));
    let alone = back_up(&place, "database");
    assert_eq!(place.json(&["backups", "show", &alone])["closeness"], Value::Null);
}
