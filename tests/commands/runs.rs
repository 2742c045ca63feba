//! What runs: by schedule, watched, stopped by Ctrl-C, by SIGTERM and from another process.

use std::process::{Child, Command, Stdio};

use rusqlite::Connection;
use serde_json::Value;

use crate::common::program::Place;
use crate::common::terminal::Terminal;
use crate::{back_up, school, text, told};

/// A database large enough that a backup of it can be met while it runs.
fn large(place: &Place) {
    let path = place.path("large.db");
    let sql = "CREATE TABLE item (id INTEGER PRIMARY KEY, a TEXT, b TEXT, c REAL);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000)
         INSERT INTO item SELECT i, hex(randomblob(20)), hex(randomblob(40)), i * 0.5 FROM n";
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    place.protect("large", &path);
}

fn started(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap().success());
}

/// Asks until the list of jobs has one in this status; gives it.
fn job_that_is(place: &Place, status: &str) -> Value {
    loop {
        let jobs = place.json(&["jobs", "--status", status]);
        if let Some(job) = jobs.as_array().unwrap().first() {
            return job.clone();
        }
        std::thread::yield_now();
    }
}

#[test]
fn ctrl_c_stops_a_backup_cleanly() {
    let place = Place::new();
    large(&place);
    let mut terminal = Terminal::start(&place.command(&["backup", "--app", "large", "--type", "full"]), 100, 30);
    terminal.wait("records,").keys("\x03");
    assert_eq!(terminal.end(), 130);
    assert!(terminal.screen().contains("cancelled"), "{}", terminal.screen());
    assert_eq!(place.json(&["jobs"])[0]["status"], "cancelled");
    assert_eq!(place.json(&["backups"]).as_array().unwrap().len(), 0);
    assert!(place.json(&["alerts"]).as_array().unwrap().is_empty(), "a wish is no failure");
    place.expect(0, &["vault", "verify", "--level", "3"]);
}

#[test]
fn a_job_is_cancelled_from_another_process_and_followed_by_a_third() {
    let place = Place::new();
    large(&place);
    let backup = started(place.command(&["backup", "--app", "large", "--type", "full", "--json"]));
    let job = text(&job_that_is(&place, "running")["id"]);
    let follower = started(place.command(&["jobs", "log", &job, "--follow"]));
    place.expect(0, &["jobs", "cancel", &job, "--yes"]);
    let ended = backup.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    let document: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(document["error"]["status"], 130);
    let log = String::from_utf8(follower.wait_with_output().unwrap().stdout).unwrap();
    assert!(log.contains("cancelled"), "{log}");
    assert_eq!(place.json(&["jobs", "show", &job])["status"], "cancelled");
}

#[test]
fn progress_is_lines_of_json_for_scripts_and_nothing_off_a_terminal() {
    let place = Place::new();
    large(&place);
    let output = place.run(&["backup", "--app", "large", "--type", "full", "--progress", "json"]);
    let lines: Vec<Value> = String::from_utf8(output.stderr).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let done: Vec<u64> = lines.iter().map(|line| line["records"].as_u64().unwrap()).collect();
    assert!(done.len() > 1 && done.is_sorted() && lines.iter().all(|line| line["elapsed_seconds"].is_number()), "{lines:?}");
    assert_eq!(told(&place, 0, &["backup", "--app", "large", "--type", "full"]), "");
}

#[test]
fn a_schedule_runs_what_is_due_and_says_what_comes_next() {
    let place = Place::new();
    place.protect("school", &school(&place));
    place.expect(0, &["config", "create", "nightly", "--schedule", "0 2 * * *"]);
    let agenda = place.json(&["schedule"]);
    assert_eq!(
        (&agenda["scheduler"], &agenda["runs"][0]["name"], &agenda["runs"][0]["due"]),
        (&Value::Null, &"nightly".into(), &false.into())
    );
    assert!(place.expect(0, &["schedule"]).contains("backstop run"));
    assert_eq!(place.json(&["run", "--once"]), serde_json::json!([]));
    let overdue = "UPDATE configuration SET next_run_at = '2026-01-01T02:00:00.000Z'";
    Connection::open(place.home().join("catalog.db")).unwrap().execute(overdue, ()).unwrap();
    assert_eq!(place.json(&["schedule"])["runs"][0]["due"], true);
    let ran = place.json(&["run", "--once"]);
    assert_eq!((&ran[0]["configuration"], &ran[0]["backup"]["status"]), (&"nightly".into(), &"completed".into()));
    assert_eq!(place.json(&["run", "--once"]), serde_json::json!([]));
    assert_eq!(place.json(&["backups"])[0]["origin"], "scheduled");
}

#[test]
fn one_scheduler_runs_at_a_time_ends_on_sigterm_and_is_replaced_when_it_died() {
    let place = Place::new();
    place.protect("school", &school(&place));
    let first = started(place.command(&["run"]));
    let pid = loop {
        let agenda = place.json(&["schedule"]);
        if let Some(pid) = agenda["scheduler"]["pid"].as_u64() {
            break pid;
        }
        std::thread::yield_now();
    };
    assert_eq!(pid, u64::from(first.id()));
    assert!(told(&place, 4, &["run", "--once"]).contains(&pid.to_string()));
    signal("TERM", first.id());
    assert_eq!(first.wait_with_output().unwrap().status.code(), Some(0));
    place.expect(0, &["run", "--once"]);

    let mut second = started(place.command(&["run"]));
    while place.json(&["schedule"])["scheduler"].is_null() {
        std::thread::yield_now();
    }
    second.kill().unwrap();
    second.wait().unwrap();
    assert!(place.json(&["schedule"])["scheduler"].is_null());
    place.expect(0, &["run", "--once"]);
    back_up(&place, "full");
}
