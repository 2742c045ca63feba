//! What the program needs in memory: commands that are allowed less than what they move.

use std::process::Command;

use rusqlite::Connection;

use crate::common::program::{PASSPHRASE, Place};

/// MiB of one value; and what a command may have of its own (`ulimit -d`), which is less.
const VALUE: i64 = 256;
const ALLOWED: i64 = 200;

/// Runs the binary with no more memory of its own than that.
fn within(place: &Place, arguments: &[&str]) {
    let limited = format!("ulimit -d {}; exec \"$0\" \"$@\"", ALLOWED << 10);
    let mut command = Command::new("sh");
    command.args(["-c", &limited, env!("CARGO_BIN_EXE_backstop")]).args(arguments).env("BACKSTOP_HOME", place.home());
    let output = command.env("BACKSTOP_PASSPHRASE", PASSPHRASE).env("HOME", place.path("")).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "backstop {arguments:?}\n{out}\n{err}");
}

#[test]
fn a_value_longer_than_the_memory_is_backed_up_compared_and_restored() {
    let place = Place::new();
    let (path, copy) = (place.path("app.db"), place.path("copy.db"));
    let app = Connection::open(&path).unwrap();
    let length = VALUE << 20;
    app.execute_batch(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, v BLOB); INSERT INTO t VALUES (1, 'one', zeroblob({length}))"
    ))
    .unwrap();
    place.protect("shop", &path);
    let whole = |path: &std::path::Path| {
        let asked = format!("SELECT count(*) FROM t WHERE name = 'one' AND length(v) = {length} AND typeof(v) = 'blob'");
        Connection::open(path).unwrap().query_row(&asked, [], |row| row.get::<_, i64>(0)).unwrap() == 1
    };
    within(&place, &["backup", "--app", "shop", "--type", "full"]);
    within(&place, &["restore", "to", "latest", "--app", "shop", "--target", &format!("sqlite:{}", copy.display())]);
    assert!(whole(&copy));
    app.execute_batch("UPDATE t SET name = 'two'").unwrap();
    within(&place, &["backup", "--app", "shop", "--type", "incremental"]);
    app.execute_batch(&format!("UPDATE t SET name = 'one', v = zeroblob({})", length - 1)).unwrap();
    within(&place, &["restore", "run", "latest", "--app", "shop", "--strategy", "replace", "--reason", "too short", "--yes"]);
    app.execute_batch("UPDATE t SET name = 'one'").unwrap();
    assert!(whole(&path));
}
