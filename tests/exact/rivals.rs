//! Unique indexes over expressions and over a part of the rows: the preview says who is in the way, and the holder gives way where asked.

use serde_json::json;

use crate::compare::sqlite3;
use crate::hostile::{back_up, change, protected};

/// A table, its index, what the backup has, and what was done since.
const EACH: [(&str, &str, &str, &str); 4] = [
    (
        "(id INTEGER PRIMARY KEY, name TEXT)",
        "(lower(name), id * 0)",
        "(1, 'Ann'), (2, 'b')",
        "UPDATE t SET id = 7, name = 'ANN' WHERE id = 1",
    ),
    (
        "(id INTEGER PRIMARY KEY, seat TEXT COLLATE NOCASE, gone INT)",
        "(seat) WHERE gone = '0' /* not (yet) */",
        "(1, 'A5', 0), (2, 'a5', 1)",
        "UPDATE t SET gone = 1 WHERE id = 1; INSERT INTO t VALUES (7, 'a5', 0)",
    ),
    (
        "(id TEXT PRIMARY KEY, n REAL, twice AS (n * 2) STORED) WITHOUT ROWID",
        "(twice COLLATE BINARY desc) WHERE n IS NOT NULL",
        "('one', 1), ('two', 2), ('none', NULL)",
        "UPDATE t SET id = 'other' WHERE n = 1",
    ),
    (
        "(a TEXT, b BLOB)",
        "(length(b), hex(b)) WHERE a IN ('x', 'y')",
        "('x', x'00ff'), ('z', x'00ff')",
        "UPDATE t SET a = 'y' WHERE a = 'x'",
    ),
];

#[test]
fn an_index_over_expressions_or_a_part_of_the_rows_makes_a_collision_in_the_preview() {
    for (columns, index, rows, changed) in EACH {
        let insert = if columns.contains("twice") { "INSERT INTO t(id, n)" } else { "INSERT INTO t" };
        let made = format!("CREATE TABLE t{columns}; CREATE UNIQUE INDEX \"i (\" ON t{index}; {insert} VALUES {rows}");
        let (place, database) = protected(&[&made]);
        let backup = back_up(&place, "full");
        let all = || sqlite3(&database, "SELECT * FROM t ORDER BY 1, 2");
        let good = all();
        change(&database, &[changed]);
        let spoiled = all();
        let preview = ["restore", "preview", &backup, "--model", "t", "--strategy", "replace"];
        let plan = place.json(&preview);
        assert_eq!(
            (plan["models"][0]["collisions"].as_u64(), plan["safe_to_restore"].as_bool()),
            (Some(1), Some(false)),
            "{index}: {plan}"
        );
        let row = &plan["findings"].as_array().unwrap().iter().find(|finding| finding["option"] == "collisions").unwrap();
        assert_eq!((row["keys"][0].is_object(), row["holders"][0].is_object()), (true, true), "{index}: {plan}");
        let plan = place.json(&[&preview[..], &["--collisions", "holder"]].concat());
        assert_eq!(plan["safe_to_restore"], true, "{index}: {plan}");
        let restore =
            place.json(&["restore", "run", "--plan", plan["plan"].as_str().unwrap(), "--reason", "a test", "--confirm", "app", "--yes"]);
        assert_eq!(all(), good, "{index}");
        place.expect(0, &["restore", "undo", restore["restore"].as_str().unwrap(), "--reason", "a test", "--yes"]);
        assert_eq!(all(), spoiled, "{index}");
    }
}

/// Unique indexes over expressions, one of a part of the rows, and an index that is not unique; a value that stands outside its row, and one
/// that its column forbids.
const PEOPLE: &str = "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, gone INT, note TEXT CHECK (note <> 'no'));
    CREATE UNIQUE INDEX i ON t(lower(name)) WHERE gone = 0; CREATE INDEX j ON t(upper(name) || ''); CREATE UNIQUE INDEX k ON t(gone + 0, lower(name));
    INSERT INTO t VALUES (1, 'Ann', 0, ''), (2, 'Bob', 0, ''), (3, 'Cid', 1, ''), (4, 'Dan', 0, ''), (6, NULL, 0, ''), (7, 'Fay', 0, '');
    INSERT INTO t VALUES (5, 'Eve', 0, replace(hex(zeroblob(40000)), '0', 'x')); PRAGMA ignore_check_constraints = ON; INSERT INTO t VALUES (8, 'Gus', 0, 'no')";

/// Two names are exchanged; all others are gone, and others of their names have come, of whom only the last two are in anybody's way.
const OTHERS: &str = "UPDATE t SET name = NULL WHERE id = 1; UPDATE t SET name = 'Ann' WHERE id = 2; UPDATE t SET name = 'Bob' WHERE id = 1;
    DELETE FROM t WHERE id > 2; INSERT INTO t(id, name, gone) VALUES (13, 'CID', 0), (14, 'dan', 1), (16, NULL, 0), (17, 'fAY', 0), (18, 'GUS', 0)";

#[test]
fn only_who_is_in_the_way_is_a_collision_among_many_rows() {
    let (place, database) = protected(&[PEOPLE]);
    let backup = back_up(&place, "full");
    change(&database, &[OTHERS]);
    let preview = ["restore", "preview", &backup, "--model", "t", "--strategy", "replace"];
    let plan = place.json(&preview);
    let finding = plan["findings"].as_array().unwrap().iter().find(|finding| finding["option"] == "collisions").unwrap();
    assert_eq!(plan["models"][0]["collisions"], 2, "{plan}");
    let (keys, holders) = (json!([{"id": 7}, {"id": 8}]), json!([{"id": 17}, {"id": 18}]));
    assert_eq!((&finding["keys"], &finding["holders"]), (&keys, &holders), "{plan}");
    let plan = place.json(&[&preview[..], &["--collisions", "skip"]].concat());
    place.json(&["restore", "run", "--plan", plan["plan"].as_str().unwrap(), "--reason", "a test", "--confirm", "app", "--yes"]);
    let all = "1 Ann 0, 2 Bob 0, 3 Cid 1, 4 Dan 0, 5 Eve 0, 6  0, 13 CID 0, 14 dan 1, 16  0, 17 fAY 0, 18 GUS 0";
    let found = "SELECT group_concat(id || ' ' || ifnull(name, '') || ' ' || gone, ', ') FROM (SELECT * FROM t ORDER BY id)";
    assert_eq!(sqlite3(&database, found), [all]);
}

/// Behind a zero byte NOCASE looks at lengths alone: a table, what the backup has, what was done since, and how many collisions that makes.
const ZEROS: [(&str, &str, &str, u64); 4] = [
    ("k TEXT COLLATE NOCASE PRIMARY KEY, v", "('n' || char(0) || 'AA', 1), ('b', 2)", "('N' || char(0) || 'BB', 9)", 0),
    (
        "k TEXT COLLATE NOCASE, v, PRIMARY KEY (k, v COLLATE NOCASE)",
        "('n' || char(0) || 'AA', 'x'), ('b', 2)",
        "('N' || char(0) || 'BB', 'X')",
        0,
    ),
    ("v INTEGER PRIMARY KEY, k TEXT COLLATE NOCASE UNIQUE", "(1, 'n' || char(0) || 'AA'), (2, 'b')", "(9, 'N' || char(0) || 'BB')", 1),
    ("v INTEGER PRIMARY KEY, k TEXT COLLATE NOCASE UNIQUE", "(1, 'n' || char(0) || 'AA'), (2, 'b')", "(9, 'N' || char(0) || 'B')", 0),
];

#[test]
fn texts_that_differ_behind_a_zero_byte_alone_are_the_same_to_a_collation_without_case() {
    for (columns, rows, other, collisions) in ZEROS {
        for without in ["", " WITHOUT ROWID"] {
            let (place, database) = protected(&[&format!("CREATE TABLE t({columns}){without}; INSERT INTO t VALUES {rows}")]);
            let backup = back_up(&place, "full");
            let all = || sqlite3(&database, "SELECT v, hex(k) FROM t ORDER BY 1, 2");
            let good = all();
            change(&database, &[&format!("DELETE FROM t WHERE k <> 'b'; INSERT INTO t VALUES {other}")]);
            let preview = ["restore", "preview", &backup, "--strategy", "replace", "--exact"];
            let plan = place.json(&preview[..5]);
            assert_eq!(plan["models"][0]["collisions"], collisions, "{columns}{without}: {plan}");
            let plan = place.json(&preview);
            place.json(&["restore", "run", "--plan", plan["plan"].as_str().unwrap(), "--reason", "a test", "--confirm", "app", "--yes"]);
            assert_eq!(all(), good, "{columns}{without}");
        }
    }
}

#[test]
fn a_reference_that_differs_behind_a_zero_byte_alone_finds_its_parent() {
    let made = "CREATE TABLE parent(k TEXT COLLATE NOCASE PRIMARY KEY); CREATE TABLE t(id INTEGER PRIMARY KEY, k REFERENCES parent);
        INSERT INTO parent VALUES ('x' || char(0) || 'A'); INSERT INTO t VALUES (1, 'X' || char(0) || 'B')";
    let (place, database) = protected(&[made]);
    let backup = back_up(&place, "full");
    change(&database, &["DELETE FROM t"]);
    let plan = place.json(&["restore", "preview", &backup, "--model", "t", "--strategy", "replace"]);
    assert_eq!((plan["models"][0]["blocked"].as_u64(), plan["safe_to_restore"].as_bool()), (Some(0), Some(true)), "{plan}");
    place.json(&["restore", "run", "--plan", plan["plan"].as_str().unwrap(), "--reason", "a test", "--confirm", "app", "--yes"]);
    assert_eq!(sqlite3(&database, "SELECT id, hex(k) FROM t"), ["1|580042"]);
}
