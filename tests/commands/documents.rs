//! The documents that scripts rely on, key by key; and the preview's arguments.

use serde_json::Value;

use crate::common::program::Place;
use crate::{back_up, school, sql, text, told};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn has(value: &Value, wanted: &[&str]) {
    let there = keys(value);
    let missing: Vec<&&str> = wanted.iter().filter(|key| !there.contains(key)).collect();
    assert!(missing.is_empty(), "{missing:?} missing in {value}");
}

/// Ten pupils deleted, five marks changed, a mail blanked, a pupil that is new.
fn spoiled(place: &Place) -> String {
    place.protect("school", &school(place));
    let backup = back_up(place, "full");
    sql(
        place,
        "DELETE FROM hr_pupil WHERE id > 30; UPDATE hr_pupil SET mark = 1 WHERE id <= 5; UPDATE hr_pupil SET mail = '' WHERE id = 6;
         INSERT INTO hr_pupil VALUES (99, 1, 'new', NULL, NULL)",
    );
    backup
}

fn model<'d>(preview: &'d Value, name: &str) -> &'d Value {
    preview["models"].as_array().unwrap().iter().find(|model| model["model"] == name).unwrap()
}

#[test]
fn the_preview_is_the_contract_key_by_key() {
    let place = Place::new();
    let backup = spoiled(&place);
    let preview = place.json(&["restore", "preview", &backup]);
    let wanted = ["plan", "backup", "app", "taken_at", "strategy", "summary", "effect", "safe_to_restore", "findings", "models"];
    assert_eq!(keys(&preview), wanted);
    let summary = ["total_records", "new_records", "existing_records", "identical_records", "conflicts", "live_only_records"];
    assert_eq!(keys(&preview["summary"]), summary);
    assert_eq!(keys(&preview["effect"]), ["create", "update", "skip", "delete"]);
    has(&preview["findings"][0], &["level", "model", "message"]);
    let pupil = model(&preview, "hr_pupil");
    has(
        pupil,
        &["module", "model", "strategy", "total", "new", "existing", "identical", "conflicts", "live_only", "collisions", "blocked"],
    );
    has(pupil, &["create", "update", "skip", "delete", "fields"]);
    assert_eq!((&preview["strategy"], &pupil["module"]), (&"merge".into(), &"hr".into()));
    let counts = ["total", "new", "existing", "identical", "conflicts", "live_only"].map(|key| pupil[key].as_u64().unwrap());
    assert_eq!(counts, [40, 10, 30, 24, 6, 1]);
    let effect = ["create", "update", "skip", "delete"].map(|key| pupil[key].as_u64().unwrap());
    assert_eq!(effect, [10, 1, 29, 0]);
    let mark = pupil["fields"].as_array().unwrap().iter().find(|field| field["field"] == "mark").unwrap();
    assert_eq!(mark, &serde_json::json!({"field": "mark", "conflicts": 5, "fill": 0, "change": 5, "blank": 0}));
    assert_eq!(preview["summary"]["total_records"], 43);
    assert!(model(&preview, "log")["identical"] == 1, "identical models are listed too");
}

#[test]
fn a_preview_is_narrowed_to_models_modules_records_and_fields() {
    let place = Place::new();
    let backup = spoiled(&place);
    let preview = |arguments: &[&str]| place.json(&[&["restore", "preview", &backup], arguments].concat());
    let effect = |arguments: &[&str]| {
        let preview = preview(arguments);
        ["create", "update", "delete"].map(|key| preview["effect"][key].as_u64().unwrap())
    };
    assert_eq!(preview(&["--module", "hr"])["models"].as_array().unwrap().len(), 2);
    assert_eq!(preview(&["--model", "log"])["models"].as_array().unwrap().len(), 1);
    assert_eq!(effect(&["--model", "hr_pupil=skip"]), [10, 0, 0]);
    assert_eq!(effect(&["--strategy", "replace"]), [10, 6, 0]);
    assert_eq!(effect(&["--strategy", "replace", "--exact"]), [10, 6, 1]);
    assert_eq!(effect(&["--strategy", "replace", "--ignore", "hr_pupil:mark"]), [10, 1, 0]);
    assert_eq!(effect(&["--strategy", "replace", "--record", "hr_pupil:2", "--record", "hr_pupil:35"]), [1, 1, 0]);
    assert_eq!(effect(&["--row", "hr_pupil:2=backup", "--row", "hr_pupil:31=live"]), [9, 2, 0]);
    assert_eq!(effect(&["--strategy", "replace", "--field", "hr_pupil:2:mark=live"]), [10, 5, 0]);
    for wrong in [["--ignore", "hr_pupil:nothing"], ["--record", "hr_nobody:1"], ["--row", "hr_nobody:1=backup"]] {
        assert!(!told(&place, 2, &["restore", "preview", &backup, wrong[0], wrong[1]]).is_empty());
    }
    for later in [["--where", "hr_pupil:id = 1"], ["--equal", "semantic"]] {
        assert!(told(&place, 2, &["restore", "preview", &backup, later[0], later[1]]).contains("unexpected argument"));
    }
}

#[test]
fn the_records_that_differ_are_shown_with_every_kind_of_value() {
    let place = Place::new();
    let backup = spoiled(&place);
    let shown = place.json(&["restore", "preview", &backup, "--strategy", "replace", "--rows", "hr_pupil", "--limit", "7"]);
    let rows = shown["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 7);
    assert_eq!((&rows[0]["key"], &rows[0]["state"]), (&serde_json::json!({"id": 1}), &"conflict".into()));
    assert_eq!(rows[0]["fields"], serde_json::json!([{"field": "mark", "backup": 4.5, "live": 1.0, "result": 4.5}]));
    assert_eq!(rows[6]["state"], "new");
    let all = place.json(&["restore", "preview", &backup, "--rows", "hr_pupil"]);
    assert_eq!(all["rows"].as_array().unwrap().last().unwrap()["state"], "live_only");
}

#[test]
fn a_holder_is_deleted_only_with_the_apps_name() {
    let place = Place::new();
    let backup = spoiled(&place);
    sql(&place, "DELETE FROM hr_pupil; DELETE FROM hr_class; INSERT INTO hr_class VALUES (7, 'a')");
    let preview = place.json(&["restore", "preview", &backup]);
    assert_eq!((&preview["safe_to_restore"], &model(&preview, "hr_class")["collisions"]), (&false.into(), &1.into()));
    let said = place.expect(0, &["restore", "preview", &backup]);
    assert!(said.contains("holds: id 1 (id 7 holds it). --collisions skip"), "{said}");
    let row = &place.json(&["restore", "preview", &backup, "--rows", "hr_class"])["rows"][0];
    assert_eq!(
        (&row["key"], &row["collision"], &row["holder"]),
        (&serde_json::json!({"id": 1}), &true.into(), &serde_json::json!({"id": 7}))
    );
    told(&place, 4, &["restore", "run", &backup, "--yes"]);
    let left_out = place.json(&["restore", "preview", &backup, "--collisions", "skip", "--blocked", "skip"]);
    assert_eq!(left_out["safe_to_restore"], true);
    let run = ["restore", "run", &backup, "--collisions", "holder", "--yes", "--reason", "class a was made anew"];
    assert!(told(&place, 4, &run).contains("--confirm school"));
    let done = place.json(&[run.as_slice(), &["--confirm", "school"]].concat());
    assert_eq!((&done["records_created"], &done["records_deleted"]), (&42.into(), &1.into()));
}

#[test]
fn the_other_documents_have_what_scripts_rely_on() {
    let place = Place::new();
    let backup = spoiled(&place);
    let made =
        place.json(&["backup", "--app", "school", "--type", "incremental", "--verify", "--protect", "--new-base", "--reason", "why not"]);
    let wanted = ["job", "backup", "status", "records", "files", "bytes_read", "bytes_new", "bytes_stored"];
    has(&made, &wanted);
    has(&made, &["compression_ratio", "duration_seconds", "checksum", "warnings"]);
    let kept = place.json(&["backups", "show", made["backup"].as_str().unwrap()]);
    assert_eq!((&kept["protected"], &kept["reason"], &kept["verified_level"]), (&true.into(), &"why not".into(), &3.into()));

    let done = place.json(&["restore", "run", &backup, "--yes", "--reason", "spoiled"]);
    has(&done, &["restore", "status", "records_created", "records_updated", "records_skipped", "records_deleted"]);
    has(&done, &["safety_backup", "duration_seconds"]);
    let restore = text(&done["restore"]);
    has(&place.json(&["restore", "undo", &restore, "--preview"]), &["plan", "summary", "effect", "models"]);
    let undone = place.json(&["restore", "undo", &restore[..20], "--yes"]);
    assert_eq!((&undone["records_deleted"], &undone["records_updated"]), (&done["records_created"], &done["records_updated"]));
    has(&place.json(&["restores", "show", &restore]), &["id", "reason", "operator", "undo_until"]);

    let health = place.json(&["health"]);
    has(&health, &["system_health", "backup_summary", "recent_backups", "findings"]);
    has(&health["system_health"], &["backup_system_healthy", "last_successful_backup"]);
    has(&health["backup_summary"], &["total_backups", "successful_backups", "health_score"]);
    for list in [["backups", "list"], ["restores", "list"], ["jobs", "list"], ["app", "list"]] {
        let items = place.json(&list);
        assert!(!items.as_array().unwrap().is_empty() && items.as_array().unwrap().iter().all(|item| item["id"].is_string()), "{list:?}");
    }
}

#[test]
fn alerts_are_answered_by_id_and_all_at_once() {
    let place = Place::new();
    place.protect("school", &school(&place));
    std::fs::remove_file(place.path("school.db")).unwrap();
    told(&place, 1, &["backup", "--app", "school", "--type", "full"]);
    let alert = place.json(&["alerts"])[0].clone();
    assert_eq!((&alert["type"], &alert["status"]), (&"backup_failure".into(), &"active".into()));
    let id = text(&alert["id"]);
    assert_eq!(place.json(&["alerts", "ack", &id[..20], "--notes", "on it"])[0]["status"], "acknowledged");
    has(&place.json(&["alerts", "show", &id]), &["events", "notes", "severity"]);
    assert_eq!(place.json(&["alerts", "snooze", &id, "--for", "2d"])[0]["status"], "snoozed");
    place.json(&["alerts", "resolve", &id, "--notes", "put back"]);
    assert!(place.json(&["alerts"]).as_array().unwrap().is_empty());
    assert_eq!(place.json(&["alerts", "--all"])[0]["status"], "resolved");
    told(&place, 1, &["backup", "--app", "school", "--type", "full"]);
    assert_eq!(place.json(&["alerts", "resolve", "--all", "--severity", "info"]).as_array().unwrap().len(), 0);
    assert_eq!(place.json(&["alerts", "resolve", "--all", "--type", "backup_failure"]).as_array().unwrap().len(), 1);
    told(&place, 2, &["alerts", "ack"]);
}
