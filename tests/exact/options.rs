//! What full text was told once and for all stands in no statement and in no row; it comes back all the same.

use crate::compare::sqlite3;
use crate::hostile::{back_up, change, copy, protected};

/// Full text of each kind: with content of its own, of another table, of none; FTS4.
const MADE: [&str; 4] = [
    "CREATE VIRTUAL TABLE own USING fts5(title, body); INSERT INTO own VALUES ('cat', 'x y z cat cat'), ('dog', 'cat cat cat cat'), ('cat cat', 'q');
     INSERT INTO own(own, rank) VALUES ('rank', 'bm25(0.1, 50.0)'), ('automerge', 8), ('pgsz', 1000), ('secure-delete', 1)",
    "CREATE TABLE posts(id INTEGER PRIMARY KEY, body); INSERT INTO posts VALUES (1, 'cat cat'), (2, 'cat and dog');
     CREATE VIRTUAL TABLE \"of 'posts'\" USING fts5(body, content = posts, content_rowid = id); INSERT INTO \"of 'posts'\"(\"of 'posts'\") VALUES ('rebuild');
     INSERT INTO \"of 'posts'\"(\"of 'posts'\", rank) VALUES ('rank', 'bm25(''2'')'), ('crisismerge', 20)",
    "CREATE VIRTUAL TABLE bare USING fts5(body, content = ''); INSERT INTO bare(rowid, body) VALUES (1, 'cat'); INSERT INTO bare(bare, rank) VALUES ('usermerge', 6)",
    "CREATE VIRTUAL TABLE old USING fts4(body); INSERT INTO old VALUES ('cat'); INSERT INTO old(old) VALUES ('automerge=4')",
];

/// What each was told, and in which order it gives its rows.
const TOLD: &str = "SELECT 'own', k, quote(v) FROM own_config; SELECT 'posts', k, quote(v) FROM \"of 'posts'_config\"; SELECT 'bare', k, quote(v) FROM bare_config;
    SELECT 'old', quote(value) FROM old_stat WHERE id = 2; SELECT rowid FROM own WHERE own MATCH 'cat' ORDER BY rank;
    SELECT rowid FROM \"of 'posts'\" WHERE body MATCH 'cat' ORDER BY rowid";

#[test]
fn what_full_text_was_told_comes_back() {
    let (place, database) = protected(&MADE);
    let told = sqlite3(&database, TOLD);
    assert_eq!(told.len(), 5 + 3 + 2 + 1 + 3 + 2, "{told:#?}");
    let backup = back_up(&place, "full");
    let copied = copy(&place, &backup);
    assert_eq!(sqlite3(&copied, TOLD), told);
    // What it was told since is no other schema.
    change(&database, &["INSERT INTO own(own, rank) VALUES ('rank', 'bm25()'); DELETE FROM posts WHERE id = 2"]);
    let plan = place.json(&["restore", "preview", &backup, "--model", "posts", "--strategy", "replace"]);
    assert_eq!(plan["safe_to_restore"], true, "{plan}");
}
