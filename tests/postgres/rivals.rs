//! What only the database takes for the same: the preview says so, and a restore that was allowed to replaces who is in the way.

use backstop::engine::restore::plan::OnCollision;
use backstop::engine::restore::strategy::Strategy;
use backstop::engine::restoring::PreviewRequest;

use crate::common::postgres::{Cluster, Database};
use crate::place::{Place, going};

/// A table, what the backup has of it, what was done since, and what it is afterwards where the holder gives way.
const EACH: [(&str, &str, &str, &str, &str); 8] = [
    (
        "letters",
        "email citext PRIMARY KEY, n int",
        "('Ann@x', 1), ('b', 2)",
        "UPDATE letters SET email = 'ann@X' WHERE n = 1",
        "Ann@x,1 b,2",
    ),
    (
        "other_key",
        "id int PRIMARY KEY, email citext UNIQUE",
        "(1, 'Ann'), (2, 'b')",
        "UPDATE other_key SET id = 7, email = 'ANN' WHERE id = 1",
        "1,Ann 2,b",
    ),
    ("scales", "amount numeric PRIMARY KEY, n int", "(1.0, 1), (2, 2)", "UPDATE scales SET amount = 1.00 WHERE n = 1", "1.0,1 2,2"),
    (
        "collated",
        "name text COLLATE any_case PRIMARY KEY, n int",
        "('Zoë', 1), ('b', 2)",
        "UPDATE collated SET name = 'ZOË' WHERE n = 1",
        "Zoë,1 b,2",
    ),
    (
        "expression",
        "id int PRIMARY KEY, name text; CREATE UNIQUE INDEX ON expression (lower(name), (id * 0))",
        "(1, 'Ann'), (2, 'b')",
        "UPDATE expression SET id = 7, name = 'ANN' WHERE id = 1",
        "1,Ann 2,b",
    ),
    (
        "partial",
        "id int PRIMARY KEY, seat int, gone boolean; CREATE UNIQUE INDEX ON partial (seat) WHERE NOT gone",
        "(1, 5, false), (2, 5, true)",
        "UPDATE partial SET gone = true WHERE id = 1; INSERT INTO partial VALUES (7, 5, false)",
        "1,5,f 2,5,t",
    ),
    (
        "excluded",
        "id int PRIMARY KEY, room int4, during int4range, EXCLUDE USING gist (during WITH &&) WHERE (room = 3)",
        "(1, 3, '[1,5)'), (2, 4, '[1,5)')",
        "DELETE FROM excluded WHERE id = 1; INSERT INTO excluded VALUES (7, 3, '[4,9)')",
        "1,3,[1,5) 2,4,[1,5)",
    ),
    (
        "spread",
        "id int, part int, email citext, PRIMARY KEY (id, part), UNIQUE (email, part)) PARTITION BY LIST (part);
         CREATE TABLE spread_1 PARTITION OF spread FOR VALUES IN (1); CREATE TABLE spread_2 PARTITION OF spread FOR VALUES IN (2",
        "(1, 1, 'Ann'), (2, 2, 'ann')",
        "UPDATE spread SET id = 7, email = 'ANN' WHERE id = 1",
        "1,1,Ann 2,2,ann",
    ),
];

fn rows(database: &Database, table: &str) -> String {
    let sql = format!("SELECT string_agg(trim(both '()' FROM t::text), ' ' ORDER BY t::text) FROM {table} t");
    database.psql(&sql).replace('"', "")
}

#[test]
fn what_the_database_alone_takes_for_the_same_is_a_collision_in_the_preview() {
    let cluster = Cluster::start();
    let database = cluster.database("rivals");
    database.psql("CREATE EXTENSION citext; CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)");
    for (table, columns, values, ..) in EACH {
        let closing = if columns.contains("CREATE UNIQUE") { "" } else { ")" };
        let columns = columns.replacen("; CREATE UNIQUE", "); CREATE UNIQUE", 1);
        database.psql(&format!("CREATE TABLE {table} ({columns}{closing}; INSERT INTO {table} VALUES {values}"));
    }
    let place = Place::backed_up(&database);
    for (table, _, _, changed, _) in EACH {
        database.psql(changed);
        let before = rows(&database, table);
        for (collisions, safe) in [(OnCollision::default(), false), (OnCollision::Skip, true)] {
            let plan = place.engine.preview(&asked(table, collisions), &mut going).unwrap();
            let model = &plan.models[0];
            assert_eq!((model.collisions, model.skip, plan.safe_to_restore), (1, 2, safe), "{table}: {:#?}", plan.findings);
        }
        assert_eq!(rows(&database, table), before);
    }
    for (table, _, _, _, restored) in EACH {
        let plan = place.engine.preview(&asked(table, OnCollision::Holder), &mut going).unwrap();
        assert!(plan.safe_to_restore && plan.models[0].delete == 1, "{table}: {:#?}", plan.findings);
        let spoiled = rows(&database, table);
        let restore = place.engine.restore(&plan.plan, Some("a test"), &mut going).unwrap().restore;
        assert_eq!(rows(&database, table), restored, "{table}");
        place.undo(&restore).unwrap();
        assert_eq!(rows(&database, table), spoiled, "{table}");
    }
}

fn asked(table: &str, collisions: OnCollision) -> PreviewRequest {
    let mut request = PreviewRequest { collisions, ..PreviewRequest::new(None, Strategy::Replace) };
    request.scope.models.insert(table.to_owned());
    request
}

#[test]
fn records_that_give_their_values_to_each_other_are_no_collision() {
    let cluster = Cluster::start();
    let database = cluster.database("exchange");
    database.psql(
        "CREATE EXTENSION citext; CREATE TABLE t (id int PRIMARY KEY, email citext UNIQUE, n int); INSERT INTO t VALUES (1, 'a', 1), (2, 'B', 2), (3, 'c', 3)",
    );
    let place = Place::backed_up(&database);
    database
        .psql("UPDATE t SET email = 'x' WHERE id = 1; UPDATE t SET email = 'A', n = 9 WHERE id = 2; UPDATE t SET email = 'b' WHERE id = 1");
    let restore = place.restore_exactly().unwrap();
    assert_eq!(rows(&database, "t"), "1,a,1 2,B,2 3,c,3");
    place.undo(&restore).unwrap();
    assert_eq!(rows(&database, "t"), "1,b,1 2,A,9 3,c,3");
}

#[test]
fn a_row_that_an_expression_does_not_bear_hides_no_collision_of_others() {
    let cluster = Cluster::start();
    let database = cluster.database("unborne");
    database.psql("CREATE TABLE t (id int PRIMARY KEY, n int, d int); INSERT INTO t VALUES (1, 10, 0), (2, 6, 3)");
    let place = Place::backed_up(&database);
    // What the backup has for 1 cannot be put into the index that there is now; 2 is in the way of what the backup has for 2.
    database.psql("DELETE FROM t; CREATE UNIQUE INDEX ON t ((n / d)); INSERT INTO t VALUES (7, 4, 2)");
    let plan = place.engine.preview(&asked("t", OnCollision::default()), &mut going).unwrap();
    assert_eq!((plan.models[0].total, plan.models[0].collisions), (2, 1), "{:#?}", plan.findings);
}

#[test]
fn where_null_is_a_value_like_any_other_two_of_them_are_a_collision() {
    let cluster = Cluster::start();
    let database = cluster.database("nulls");
    if database.psql("SHOW server_version_num").parse::<u32>().unwrap() < 150_000 {
        return;
    }
    database.psql("CREATE TABLE t (id int PRIMARY KEY, n int UNIQUE NULLS NOT DISTINCT); INSERT INTO t VALUES (1, NULL), (2, 5)");
    let place = Place::backed_up(&database);
    database.psql("UPDATE t SET id = 7 WHERE id = 1");
    let plan = place.engine.preview(&asked("t", OnCollision::Holder), &mut going).unwrap();
    assert_eq!((plan.models[0].delete, plan.safe_to_restore), (1, true), "{:#?}", plan.findings);
    place.engine.restore(&plan.plan, Some("a test"), &mut going).unwrap();
    assert_eq!(rows(&database, "t"), "1, 2,5");
}

/// What is referred to and what refers, written otherwise; and another way to write the former.
const REFERRED: [(&str, &str, &str, &str); 3] =
    [("citext", "'Ann'", "'aNN'", "'ANN'"), ("numeric", "1.0", "1.00", "1.000"), ("text COLLATE any_case", "'Zoë'", "'ZOË'", "'zoë'")];

#[test]
fn a_reference_that_is_written_otherwise_finds_its_parent() {
    let cluster = Cluster::start();
    for (number, (of, parent, child, other)) in REFERRED.into_iter().enumerate() {
        let database = cluster.database(&format!("referred{number}"));
        database.psql(&format!(
            "CREATE EXTENSION citext; CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
             CREATE TABLE parent (id int PRIMARY KEY, name {of} UNIQUE, n int); INSERT INTO parent VALUES (1, {parent}, 1), (2, '7', 2);
             CREATE TABLE child (id int PRIMARY KEY, name {of} REFERENCES parent (name)); INSERT INTO child VALUES (1, {child}), (2, '7'), (3, {other})"
        ));
        let place = Place::backed_up(&database);
        let whole = [rows(&database, "parent"), rows(&database, "child")];
        let blocked = |model: &str| {
            let plan = place.engine.preview(&asked(model, OnCollision::default()), &mut going).unwrap();
            (plan.models[0].blocked, plan.safe_to_restore)
        };
        // The parent is there; it is written otherwise now, in the letters of one that refers to it; it is gone and comes back too.
        let gone = "DELETE FROM child WHERE id <> 2; DELETE FROM parent WHERE id = 1";
        for done in ["DELETE FROM child WHERE id = 3", &format!("UPDATE parent SET name = {child} WHERE id = 1"), gone] {
            database.psql(done);
            if done == gone {
                // Without its parent it is what it was.
                assert_eq!(blocked("child"), (2, false), "{of}");
            }
            let restore = place.restore_exactly().unwrap();
            assert_eq!([rows(&database, "parent"), rows(&database, "child")], whole, "{of}: {done}");
            place.undo(&restore).unwrap();
            place.restore_exactly().unwrap();
        }
        assert_eq!(blocked("child"), (0, true), "{of}");
    }
}

#[test]
fn what_is_referred_to_may_go_from_one_parent_to_another_in_other_letters() {
    let cluster = Cluster::start();
    let database = cluster.database("taken");
    database.psql(
        "CREATE EXTENSION citext; CREATE TABLE parent (id int PRIMARY KEY, name citext UNIQUE); CREATE TABLE child (id int PRIMARY KEY, name citext REFERENCES parent (name));
         INSERT INTO parent VALUES (1, 'Ann'), (2, 'b'); INSERT INTO child VALUES (1, 'ann')",
    );
    let place = Place::backed_up(&database);
    database.psql("DELETE FROM child; UPDATE parent SET name = 'x' WHERE id = 1; UPDATE parent SET name = 'ANN' WHERE id = 2");
    // What is referred to is taken from one parent and given by another.
    place.restore_exactly().unwrap();
    assert_eq!((rows(&database, "parent"), rows(&database, "child")), ("1,Ann 2,b".into(), "1,ann".into()));
    database.psql("DELETE FROM child; UPDATE parent SET name = 'x' WHERE id = 1; UPDATE parent SET name = 'ANN' WHERE id = 2");
    assert_eq!(place.engine.preview(&asked("child", OnCollision::default()), &mut going).unwrap().models[0].blocked, 0);
}

#[test]
fn what_a_record_refers_to_in_other_letters_is_not_taken_from_it() {
    let cluster = Cluster::start();
    for (number, (of, parent, child, other)) in REFERRED.into_iter().enumerate() {
        let database = cluster.database(&format!("remaining{number}"));
        database.psql(&format!(
            "CREATE EXTENSION citext; CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
             CREATE TABLE parent (id int PRIMARY KEY, name {of} UNIQUE); INSERT INTO parent VALUES (2, '7');
             CREATE TABLE child (id int PRIMARY KEY, name {of} REFERENCES parent (name)); INSERT INTO child VALUES (2, '7')"
        ));
        let place = Place::backed_up(&database);
        let whole = [rows(&database, "parent"), rows(&database, "child")];
        let parents =
            || place.engine.preview(&PreviewRequest { exact: true, ..asked("parent", OnCollision::default()) }, &mut going).unwrap();
        // A parent that is new would go; one that has another value would get its own again.
        let renamed = format!("UPDATE child SET name = NULL; UPDATE parent SET name = {parent}; INSERT INTO child VALUES (3, {child})");
        for done in [format!("INSERT INTO parent VALUES (1, {parent}); INSERT INTO child VALUES (1, {child}), (3, {other})"), renamed] {
            database.psql(&done);
            let plan = parents();
            assert_eq!((plan.models[0].blocked, plan.safe_to_restore), (1, false), "{of}: {done}: {:#?}", plan.findings);
            // What refers goes or changes, too.
            place.restore_exactly().unwrap();
            assert_eq!([rows(&database, "parent"), rows(&database, "child")], whole, "{of}: {done}");
        }
        // Nothing refers to it any more.
        database.psql(&format!("INSERT INTO parent VALUES (1, {parent})"));
        assert!(parents().safe_to_restore, "{of}");
    }
}
