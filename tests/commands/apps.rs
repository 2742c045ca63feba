//! Apps and configurations: configuration files, editing, names that are nearly right, presets.

use crate::common::program::Place;
use crate::common::terminal::Terminal;
use crate::{back_up, school, sql, text, told};

/// The school with a folder of configuration files and a single one.
fn configured(place: &Place) {
    place.protect("school", &school(place));
    std::fs::create_dir_all(place.path("etc/conf.d")).unwrap();
    std::fs::write(place.path("etc/conf.d/a.toml"), "a = 1").unwrap();
    std::fs::write(place.path("etc/app.ini"), "[app]").unwrap();
    std::fs::write(place.path("etc/other.ini"), "not ours").unwrap();
    place.expect(0, &["app", "edit", "school", "--config", "etc/conf.d", "--config", "ini=etc/app.ini"]);
}

#[test]
fn configuration_files_are_backed_up_alone_and_with_everything() {
    let place = Place::new();
    configured(&place);
    let models = |backup: &str| {
        let models = place.json(&["backups", "models", backup]);
        models.as_array().unwrap().iter().map(|model| format!("{}/{}", text(&model["module"]), text(&model["model"]))).collect::<Vec<_>>()
    };
    let alone = back_up(&place, "configuration");
    assert_eq!(models(&alone), ["configuration/conf.d", "configuration/ini"]);
    assert!(models(&back_up(&place, "full")).contains(&"configuration/ini".to_owned()));
    std::fs::write(place.path("etc/app.ini"), "[app]\nnew = 1").unwrap();
    assert!(models(&back_up(&place, "incremental")).contains(&"configuration/conf.d".to_owned()));

    let target = place.path("copy");
    place.expect(0, &["restore", "to", "latest", "--target", target.to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(target.join("ini/app.ini")).unwrap(), "[app]\nnew = 1");
    assert_eq!(std::fs::read_to_string(target.join("conf.d/a.toml")).unwrap(), "a = 1");
    assert!(!target.join("ini/other.ini").exists());
}

#[test]
fn a_type_that_the_app_has_nothing_of_is_refused_with_the_command_to_add_it() {
    let place = Place::new();
    place.protect("school", &school(&place));
    for (kind, flag) in [("configuration", "--config"), ("files", "--files")] {
        let err = told(&place, 2, &["backup", "--app", "school", "--type", kind]);
        assert!(err.contains("school has no") && err.contains(&format!("app edit school {flag}")), "{err}");
    }
    let err = told(&place, 2, &["app", "edit", "school", "--config", "x=/etc/hostname", "--config", "x=/etc/passwd"]);
    assert!(err.contains("label"), "{err}");
    assert!(told(&place, 1, &["app", "edit", "school", "--config", "missing.ini"]).contains("missing.ini"));
}

#[test]
fn an_app_is_edited_and_what_is_not_named_stays() {
    let place = Place::new();
    configured(&place);
    let edited = place.json(&["app", "edit", "school", "--name", "academy"]);
    assert_eq!(edited["name"], "academy");
    assert_eq!(edited["config_paths"].as_array().unwrap().len(), 2);
    assert_eq!(place.json(&["app", "edit", "academy", "--no-config"])["config_paths"].as_array().unwrap().len(), 0);
    told(&place, 2, &["app", "edit", "academy", "--no-database"]);
    assert!(place.json(&["app", "show", "academy"])["database"].is_string());
}

#[test]
fn a_name_that_is_nearly_right_is_recognised() {
    let place = Place::new();
    place.protect("school", &school(&place));
    assert!(told(&place, 2, &["backup", "--app", "shcool", "--type", "full"]).contains("did you mean 'school'?"));
    back_up(&place, "full");
    assert!(told(&place, 2, &["backups", "rows", "latest", "hr_pupli"]).contains("Did you mean hr_pupil?"));
    place.expect(0, &["config", "create", "nightly"]);
    assert!(told(&place, 2, &["config", "show", "nigthly"]).contains("did you mean 'nightly'?"));
    assert!(!told(&place, 2, &["app", "show", "warehouse"]).contains("did you mean"));
}

#[test]
fn a_configuration_begins_with_a_preset_and_says_how_it_fared() {
    let place = Place::new();
    place.protect("school", &school(&place));
    let presets = place.json(&["config", "presets"]);
    assert!(presets.as_array().unwrap().iter().any(|preset| preset["name"] == "nightly"), "{presets}");
    let made = place.json(&["config", "create", "every-night", "--preset", "nightly", "--retention-days", "9"]);
    assert_eq!((&made["type"], &made["schedule"], &made["retention_days"]), (&"full".into(), &"0 2 * * *".into(), &9.into()));
    told(&place, 1, &["config", "create", "x", "--preset", "nothing-like-it"]);
    place.json(&["backup", "--config", "every-night"]);
    sql(&place, "DELETE FROM log");
    place.json(&["backup", "--config", "every-night"]);
    let stats = place.json(&["config", "stats", "every-night"]);
    assert_eq!((&stats[0]["jobs"], &stats[0]["completed"], &stats[0]["failed"]), (&2.into(), &2.into(), &0.into()));
    assert!(stats[0]["last_completed_at"].is_string());
}

#[test]
fn on_a_terminal_a_configuration_is_asked_for() {
    let place = Place::new();
    place.protect("school", &school(&place));
    told(&place, 2, &["config", "create"]);
    let mut terminal = Terminal::start(&place.command(&["config", "create"]), 100, 30);
    terminal.wait("Name of the configuration for school").keys("evening\r");
    terminal.wait("preset").keys("\r");
    terminal.wait("Type").keys("incremental\r");
    terminal.wait("Schedule").keys("0 18 * * *\r");
    assert_eq!(terminal.end(), 0);
    let made = place.json(&["config", "show", "evening"]);
    assert_eq!((&made["type"], &made["schedule"]), (&"incremental".into(), &"0 18 * * *".into()));
}

/// A school that is made with Django: what Django says of its apps stands in two tables of its own.
const DJANGO: &str = "CREATE TABLE django_content_type (id INTEGER PRIMARY KEY, app_label TEXT, model TEXT);
    INSERT INTO django_content_type(app_label, model) VALUES ('school_hr', 'pupil'), ('school', 'hr'), ('sessions', 'session');
    CREATE TABLE django_migrations (id INTEGER PRIMARY KEY, app TEXT, name TEXT);
    INSERT INTO django_migrations(app, name) VALUES ('school_hr', '0001_initial'), ('mail', '0001_initial');
    CREATE TABLE school_hr_pupil (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO school_hr_pupil VALUES (1, 'Ana');
    CREATE TABLE school_hr_pupil_friends (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER); CREATE TABLE school_hr (id INTEGER PRIMARY KEY);
    CREATE TABLE django_session (session_key TEXT PRIMARY KEY); CREATE TABLE mail_queue (id INTEGER PRIMARY KEY);";

#[test]
fn modules_are_djangos_apps_unless_the_operator_says_otherwise() {
    let place = Place::new();
    place.protect("school", &school(&place));
    sql(&place, DJANGO);
    let modules = || {
        let models = place.json(&["app", "models", "school"]);
        let named = |model: &serde_json::Value| format!("{}:{}", text(&model["module"]), text(&model["model"]));
        models.as_array().unwrap().iter().map(named).collect::<Vec<_>>()
    };
    let by_django = ["mail:mail_queue", "school:school_hr", "school_hr:school_hr_pupil", "school_hr:school_hr_pupil_friends"];
    assert!(by_django.iter().all(|model| modules().contains(&(*model).to_owned())), "{:?}", modules());
    assert!(modules().contains(&"sessions:django_session".to_owned()) && modules().contains(&"hr:hr_class".to_owned()));

    place.expect(0, &["app", "edit", "school", "--module", "people=*_pupil,hr_class", "--module", "people=school_hr_pupil_*"]);
    assert_eq!(modules().iter().filter(|model| model.starts_with("people:")).count(), 4, "{:?}", modules());
    let app = place.json(&["app", "show", "school"]);
    assert_eq!(app["modules"], serde_json::json!([{"module": "people", "models": ["*_pupil", "hr_class", "school_hr_pupil_*"]}]));
    back_up(&place, "full");
    let preview = place.json(&["restore", "preview", "--module", "people"]);
    assert_eq!(preview["models"].as_array().unwrap().len(), 3, "{preview}");
    // A name that stays as it was is not looked for again; one that is new is.
    sql(&place, "DROP TABLE school_hr_pupil_friends");
    place.expect(0, &["app", "edit", "school", "--name", "academy"]);
    assert!(told(&place, 2, &["app", "edit", "academy", "--module", "people=hr_pupli"]).contains("Did you mean hr_pupil?"));
    told(&place, 2, &["app", "edit", "academy", "--module", "people"]);
    place.expect(0, &["app", "edit", "academy", "--no-modules"]);
    assert!(!place.expect(0, &["app", "models", "academy"]).contains("people"));
}

#[test]
fn content_types_that_cannot_be_read_fail_no_backup() {
    let place = Place::new();
    place.protect("school", &school(&place));
    sql(
        &place,
        "CREATE TABLE django_content_type (app_label BLOB, model INTEGER); INSERT INTO django_content_type VALUES (x'ff', 7), (NULL, NULL)",
    );
    back_up(&place, "full");
    sql(&place, "DROP TABLE django_content_type; CREATE VIEW django_content_type AS SELECT * FROM nowhere");
    back_up(&place, "full");
}
