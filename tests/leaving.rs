//! Jobs and the end of a process: leaving the console while one runs in it, and one whose process died beside it; through the
//! real binary in a pseudo-terminal.
//!
//! The job is held up by a lock on its database until the test lets it go on.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::program::Place;
use common::terminal::Terminal;
use rusqlite::Connection;

/// A console in which a backup waits for the lock that comes with it.
fn backing_up(place: &Place) -> (Terminal, Connection) {
    let path = place.path("school.db");
    let lock = Connection::open(&path).unwrap();
    lock.execute_batch("CREATE TABLE pupil (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO pupil VALUES (1, 'Zoë')").unwrap();
    place.protect("school", &path);
    lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut terminal = Terminal::start(&place.command(&[]), 120, 40);
    terminal.wait("school").keys("b").wait("Back up school now?").keys("y").wait("1 running");
    (terminal, lock)
}

fn signal(terminal: &Terminal, name: &str) {
    let sent = std::process::Command::new("kill").args([name, &terminal.pid().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn status_of_the_job(place: &Place) -> String {
    place.json(&["jobs"])[0]["status"].as_str().unwrap().to_owned()
}

#[test]
fn a_dropped_line_does_not_stop_a_backup() {
    let place = Place::new();
    let (mut terminal, lock) = backing_up(&place);
    signal(&terminal, "-HUP");
    assert_eq!(status_of_the_job(&place), "running", "another process sees it go on");
    lock.execute_batch("COMMIT").unwrap();
    assert_eq!(terminal.end(), 0);
    assert_eq!(status_of_the_job(&place), "completed");
    assert_eq!(place.json(&["backups"]).as_array().unwrap().len(), 1);
}

#[test]
fn a_request_to_terminate_gives_the_terminal_back_and_cancels_what_runs() {
    let place = Place::new();
    let (mut terminal, lock) = backing_up(&place);
    assert!(terminal.is_full_screen());
    signal(&terminal, "-TERM");
    terminal.wait_until("the terminal back", |_| true);
    lock.execute_batch("COMMIT").unwrap();
    assert_eq!(terminal.end(), 130);
    assert!(!terminal.is_full_screen());
    assert_eq!(status_of_the_job(&place), "cancelled");
    assert!(place.json(&["backups"]).as_array().unwrap().is_empty(), "nothing incomplete counts as a backup");
}

#[test]
fn whoever_quits_and_waits_may_still_cancel() {
    let place = Place::new();
    let (mut terminal, lock) = backing_up(&place);
    terminal.keys("q").wait("wait, then quit").keys("\r").wait("waiting for 1 job to end");
    assert!(!terminal.is_full_screen());
    terminal.keys("\x03").wait("^C");
    lock.execute_batch("COMMIT").unwrap();
    terminal.end();
    assert_eq!(status_of_the_job(&place), "cancelled");
}

#[test]
fn a_job_whose_process_is_killed_is_ended_and_told_by_the_console_that_stands_open() {
    let place = Place::new();
    let path = place.path("school.db");
    let lock = Connection::open(&path).unwrap();
    lock.execute_batch("CREATE TABLE pupil (id INTEGER PRIMARY KEY)").unwrap();
    place.protect("school", &path);
    lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut terminal = Terminal::start(&place.command(&[]), 120, 40);
    terminal.wait("school");
    let mut other = place.command(&["backup", "--app", "school", "--type", "full", "-q"]).spawn().unwrap();
    terminal.wait("1 running");
    other.kill().unwrap();
    other.wait().unwrap();
    terminal.wait("backup failure").wait_until("no running job", |screen| !screen.contains("1 running"));
    assert_eq!(terminal.keys("q").end(), 0);
    assert_eq!(status_of_the_job(&place), "failed");
}

#[test]
fn the_suspend_key_and_the_suspend_signal_ask_first() {
    let place = Place::new();
    let (mut terminal, lock) = backing_up(&place);
    signal(&terminal, "-TSTP");
    terminal.wait("Suspend with jobs running here?").keys("n");
    lock.execute_batch("COMMIT").unwrap();
    terminal.wait_until("the end of the job", |screen| !screen.contains("1 running"));
    terminal.keys("q");
    assert_eq!(terminal.end(), 0);
    assert_eq!(status_of_the_job(&place), "completed");
}
