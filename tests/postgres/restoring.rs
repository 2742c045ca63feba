//! Restores into a live database, and back: pg_dump says before and after what was changed.

use backstop::catalog::BackupType;
use backstop::engine::restore::strategy::Strategy;
use backstop::engine::restoring::PreviewRequest;
use rstest::rstest;

use crate::common::postgres::{Cluster, Database};
use crate::place::{Place, assert_equal, dumped, going};
use crate::samples;

/// Everything that pg_dump says of a database, its lines sorted: rows that were written again stand elsewhere, and values may go over
/// several lines.
fn sorted(cluster: &Cluster, database: &Database) -> String {
    let all = dumped(cluster, database);
    let mut lines: Vec<&str> = all.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[test]
fn spoiled_records_of_every_kind_come_back_and_the_restore_is_taken_back() {
    let cluster = Cluster::start();
    let database = samples::filled(&cluster, "hostile");
    let place = Place::backed_up(&database);
    let good = sorted(&cluster, &database);
    database.psql(SPOIL);
    let spoiled = sorted(&cluster, &database);

    let restore = place.restore_exactly().unwrap();
    assert_equal(&good, &sorted(&cluster, &database));
    place.undo(&restore).unwrap();
    assert_equal(&spoiled, &sorted(&cluster, &database));
}

/// Changes in every kind of table; sequences are left alone, since a restore only raises them.
const SPOIL: &str = r#"
    ALTER EVENT TRIGGER on_refresh DISABLE; ALTER EVENT TRIGGER "stop; ddl" DISABLE;
    ALTER TABLE every_type DISABLE TRIGGER USER; ALTER TABLE keyless DISABLE TRIGGER USER; ALTER TABLE measured DISABLE TRIGGER USER;
    UPDATE every_type SET long = 'spoiled', exact = 1.00, feeling = 'alpha', many = '{}', raw = '\x00', flag = NOT flag, array2 = NULL WHERE id = 1;
    UPDATE every_type SET long = long || 'x' WHERE id = 3;
    DELETE FROM every_type WHERE id = 2;
    INSERT INTO every_type (id, label) VALUES (-77, 'live only');
    DELETE FROM keyless WHERE ctid IN (SELECT ctid FROM keyless WHERE a = 1 LIMIT 2);
    INSERT INTO keyless VALUES (NULL, NULL), (8, E'tab\t\\N');
    DELETE FROM no_columns WHERE ctid IN (SELECT ctid FROM no_columns LIMIT 1);
    UPDATE measured SET n = 900 WHERE n = 1; DELETE FROM measured WHERE n = 4; UPDATE measured SET at = '2028-01-01' WHERE n = 3;
    DELETE FROM to_hashed; UPDATE hashed SET t = NULL WHERE id % 3 = 0; DELETE FROM hashed WHERE id % 4 = 0;
    UPDATE ONLY parent SET t = 'spoiled'; DELETE FROM grandchild; INSERT INTO child VALUES (5, 'five', 'x');
    UPDATE unlogged SET t = NULL; UPDATE wide SET c800 = 8 WHERE c1 = 2; DELETE FROM wide WHERE c1 = 1;
    UPDATE "odd; schema"."a; Type: INDEX; Schema: b; Owner: c" SET id = 8;
    UPDATE "a.b" SET id = 2; UPDATE always_identity SET base = 0 WHERE base = 2; DELETE FROM of_type WHERE a = 2;
    UPDATE with_case SET ci = 'z' WHERE name = 'zoë'; DELETE FROM with_case WHERE name = 'Émile';
    BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO hen VALUES (5, 5); INSERT INTO egg VALUES (5, 5); COMMIT;
    UPDATE tree SET up = 3, label = NULL WHERE id = 2; UPDATE tree SET up = NULL WHERE id = 1; UPDATE tree SET label = 'z' WHERE id = 4;
    DELETE FROM secured WHERE id = 1; UPDATE secured SET who = 'z' WHERE id = 2;
    SELECT lo_put(4713, 1, '\x0102'), lo_unlink(4711), lo_from_bytea(4799, '\xabcd');
    ALTER TABLE every_type ENABLE TRIGGER USER; ALTER TABLE every_type DISABLE TRIGGER off_one;
    ALTER TABLE keyless ENABLE ALWAYS TRIGGER "loud; one"; ALTER TABLE measured ENABLE TRIGGER USER;
    ALTER EVENT TRIGGER on_refresh ENABLE; ALTER EVENT TRIGGER "stop; ddl" ENABLE;
"#;

#[test]
fn the_sample_database_is_restored_record_by_record() {
    let cluster = Cluster::start();
    let database = samples::filled(&cluster, "pagila");
    let place = Place::backed_up(&database);
    let good = dumped(&cluster, &database);
    database.psql(
        "ALTER TABLE film DISABLE TRIGGER USER; ALTER TABLE customer DISABLE TRIGGER USER;
         UPDATE film SET rental_rate = rental_rate + 1, title = 'X' || title WHERE film_id % 100 = 0;
         UPDATE customer SET email = NULL WHERE customer_id < 10;
         DELETE FROM payment WHERE rental_id % 100 = 0; DELETE FROM rental WHERE rental_id % 100 = 0;
         INSERT INTO category (category_id, name) VALUES (99, 'New');
         ALTER TABLE film ENABLE TRIGGER USER; ALTER TABLE customer ENABLE TRIGGER USER",
    );
    let spoiled = dumped(&cluster, &database);
    let plan = place.engine.preview(&PreviewRequest::new(None, Strategy::Merge), &mut going).unwrap();
    let sql = |sql: &str| database.psql(sql).trim().parse::<u64>().unwrap();
    let film = plan.models.iter().find(|model| model.model == "film").unwrap();
    assert_eq!((film.total, film.conflicts), (sql("SELECT count(*) FROM film"), 10));
    let rental = plan.models.iter().find(|model| model.model == "rental").unwrap();
    assert_eq!(rental.new, rental.total - sql("SELECT count(*) FROM rental"));
    assert_equal(&spoiled, &dumped(&cluster, &database));

    let restore = place.restore_exactly().unwrap();
    assert_equal(&good, &dumped(&cluster, &database));
    place.undo(&restore).unwrap();
    assert_equal(&spoiled, &dumped(&cluster, &database));
}

#[test]
fn a_sequence_behind_the_restored_numbers_is_raised_so_that_the_next_insert_works() {
    let cluster = Cluster::start();
    let database = cluster.database("numbered");
    database.psql(
        "CREATE TABLE serial_one (id serial PRIMARY KEY, t text); CREATE TABLE identity_one (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text);
         INSERT INTO serial_one (t) SELECT 'x' FROM generate_series(1, 50); INSERT INTO identity_one (t) SELECT 'x' FROM generate_series(1, 50)",
    );
    let place = Place::backed_up(&database);
    database.psql("TRUNCATE serial_one, identity_one RESTART IDENTITY");
    place.restore_exactly().unwrap();
    database.psql("INSERT INTO serial_one (t) VALUES ('next'); INSERT INTO identity_one (t) VALUES ('next')");
    assert_eq!(database.psql("SELECT max(id) FROM serial_one UNION ALL SELECT max(id) FROM identity_one").trim(), "51\n51");
}

#[test]
fn records_that_exchange_unique_values_are_put_right() {
    let cluster = Cluster::start();
    let database = cluster.database("exchange");
    database.psql(
        "CREATE TABLE seat (id integer PRIMARY KEY, number integer NOT NULL UNIQUE, guest text UNIQUE);
         CREATE TABLE ticket (id integer PRIMARY KEY, guest text REFERENCES seat (guest));
         CREATE TABLE room (id integer PRIMARY KEY, name text UNIQUE);
         CREATE TABLE stay (id integer PRIMARY KEY, room integer REFERENCES room ON DELETE CASCADE);
         INSERT INTO seat VALUES (1, 10, NULL), (2, 20, NULL), (3, 30, NULL); INSERT INTO room VALUES (1, 'a'), (2, 'b'); INSERT INTO stay VALUES (1, 1), (2, 2)",
    );
    let place = Place::backed_up(&database);
    let good = dumped(&cluster, &database);
    database.psql("UPDATE room SET name = NULL; UPDATE room SET name = 'b' WHERE id = 1; UPDATE room SET name = 'a' WHERE id = 2;");
    place.restore_exactly().unwrap();
    assert_equal(&good, &dumped(&cluster, &database));
}

#[test]
fn a_record_that_would_take_others_along_is_not_deleted() {
    let cluster = Cluster::start();
    let database = cluster.database("cascade");
    database.psql(
        "CREATE TABLE owner (id integer PRIMARY KEY); CREATE TABLE pet (id integer PRIMARY KEY, owner integer REFERENCES owner ON DELETE CASCADE);
         INSERT INTO owner VALUES (1)",
    );
    let place = Place::backed_up(&database);
    database.psql("INSERT INTO owner VALUES (2)");
    let request = PreviewRequest { exact: true, ..PreviewRequest::new(None, Strategy::Replace) };
    let plan = place.engine.preview(&request, &mut going).unwrap();
    assert_eq!(plan.effect.delete, 1);
    // It comes after the preview: nobody has seen that it would go too.
    database.psql("INSERT INTO pet VALUES (1, 2)");
    let error = place.engine.restore(&plan.plan, Some("a test"), &mut going).unwrap_err();
    assert!(error.to_string().contains("refer to records that are to be deleted"), "{error}");
    assert_eq!(database.psql("SELECT (SELECT count(*) FROM owner), (SELECT count(*) FROM pet)").trim(), "2|1");
}

#[test]
fn whether_a_record_would_take_others_along_is_asked_as_the_server_compares() {
    let cluster = Cluster::start();
    let database = cluster.database("letters");
    database.psql(
        "CREATE EXTENSION citext; CREATE TABLE owner (name citext PRIMARY KEY);
         CREATE TABLE pet (id integer PRIMARY KEY, owner citext REFERENCES owner ON DELETE CASCADE); INSERT INTO owner VALUES ('ann')",
    );
    let place = Place::backed_up(&database);
    database.psql("INSERT INTO owner VALUES ('bob')");
    let request = PreviewRequest { exact: true, ..PreviewRequest::new(None, Strategy::Replace) };
    let plan = place.engine.preview(&request, &mut going).unwrap();
    database.psql("INSERT INTO pet VALUES (1, 'BOB')");
    let error = place.engine.restore(&plan.plan, Some("a test"), &mut going).unwrap_err();
    assert!(error.to_string().contains("1 records of pet refer to records that are to be deleted"), "{error}");
    assert_eq!(database.psql("SELECT (SELECT count(*) FROM owner), (SELECT count(*) FROM pet)").trim(), "2|1");
}

#[test]
fn a_change_after_the_preview_stops_the_restore() {
    let cluster = Cluster::start();
    let database = cluster.database("stale");
    database.psql("CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'good'), (2, 'good')");
    let place = Place::backed_up(&database);
    database.psql("UPDATE t SET v = 'bad'");
    let plan = place.engine.preview(&PreviewRequest::new(None, Strategy::Replace), &mut going).unwrap();
    database.psql("UPDATE t SET v = 'worse' WHERE id = 2");
    let error = place.engine.restore(&plan.plan, Some("a test"), &mut going).unwrap_err();
    assert!(error.to_string().contains("1 record changed after the preview"), "{error}");
    assert_eq!(database.psql("SELECT string_agg(v, ',' ORDER BY id) FROM t").trim(), "bad,worse");
    assert!(place.back_up(BackupType::Incremental).is_ok());
}

#[rstest]
#[case(
    "chinook",
    "UPDATE track SET composer = NULL WHERE track_id % 7 = 0; DELETE FROM playlist_track WHERE playlist_id = 1; DELETE FROM playlist WHERE playlist_id = 1;
     UPDATE employee SET reports_to = employee_id; INSERT INTO artist VALUES (9999, 'live only')"
)]
#[case(
    "northwind",
    "UPDATE employees SET reportsto = employeeid, photo = NULL WHERE employeeid > 3; DELETE FROM \"Order Details\" WHERE orderid % 3 = 0;
     DELETE FROM orders WHERE orderid % 3 = 0; UPDATE products SET unitprice = unitprice * 1.1; UPDATE categories SET picture = picture || '\\x00';
     INSERT INTO customerdemographics VALUES ('x', 'live only'); INSERT INTO customercustomerdemo SELECT customerid, 'x' FROM customers"
)]
fn another_sample_database_is_copied_and_restored_exactly(#[case] sample: &str, #[case] changes: &str) {
    let cluster = Cluster::start();
    let database = samples::filled(&cluster, sample);
    let place = Place::backed_up(&database);
    let good = dumped(&cluster, &database);
    let copy = cluster.database("copy");
    place.restore_to(copy.url()).unwrap();
    assert_equal(&good, &dumped(&cluster, &copy));

    database.psql(changes);
    let spoiled = dumped(&cluster, &database);
    assert!(spoiled != good);
    let restore = place.restore_exactly().unwrap();
    assert_equal(&good, &dumped(&cluster, &database));
    place.undo(&restore).unwrap();
    assert_equal(&spoiled, &dumped(&cluster, &database));
}

#[test]
fn a_restore_whose_connection_is_killed_changed_nothing_and_can_be_run_again() {
    let cluster = Cluster::start();
    let database = cluster.database("killed");
    database.psql(
        "CREATE TABLE first (id integer PRIMARY KEY, v text); CREATE TABLE second (id integer PRIMARY KEY, v text);
         INSERT INTO first SELECT g, 'good' FROM generate_series(1, 2000) g; INSERT INTO second SELECT * FROM first",
    );
    let place = Place::backed_up(&database);
    let good = dumped(&cluster, &database);
    database.psql("UPDATE first SET v = 'bad'; DELETE FROM second WHERE id % 2 = 0");
    let spoiled = dumped(&cluster, &database);
    let plan = place.engine.preview(&PreviewRequest::new(None, Strategy::Replace), &mut going).unwrap();
    // It has read the first table, and waits for the second.
    let mut holder = ::postgres::Client::connect(&database.url(), ::postgres::NoTls).unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE second IN ROW EXCLUSIVE MODE").unwrap();
    std::thread::scope(|scope| {
        let restoring = scope.spawn(|| place.engine.restore(&plan.plan, Some("a test"), &mut going));
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'backstop' AND wait_event_type = 'Lock'";
        let server = cluster.existing("postgres");
        while server.psql(waiting).trim() != "1" {
            std::thread::yield_now();
        }
        server.psql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'backstop' AND wait_event_type = 'Lock'",
        );
        assert!(restoring.join().unwrap().is_err());
    });
    holder.batch_execute("COMMIT").unwrap();
    assert_equal(&spoiled, &dumped(&cluster, &database));
    place.engine.restore(&plan.plan, Some("once more"), &mut going).unwrap();
    assert_equal(&good, &dumped(&cluster, &database));
}

#[test]
fn a_key_that_only_the_database_takes_for_the_same_is_told_and_nothing_is_changed() {
    let cluster = Cluster::start();
    let database = cluster.database("equal");
    database.psql("CREATE TABLE n (k numeric PRIMARY KEY, v text); INSERT INTO n VALUES (1.0, 'a')");
    let place = Place::backed_up(&database);
    database.psql("DELETE FROM n");
    let plan = place.engine.preview(&PreviewRequest::new(None, Strategy::Replace), &mut going).unwrap();
    // Somebody is faster than the restore.
    database.psql("INSERT INTO n VALUES (1.00, 'b')");
    let error = place.engine.restore(&plan.plan, Some("a test"), &mut going).unwrap_err();
    assert!(error.to_string().contains("duplicate key"), "{error}");
    assert_eq!(database.psql("SELECT k, v FROM n").trim(), "1.00|b");
}

#[test]
fn a_newer_column_that_must_have_a_value_blocks_what_would_be_inserted_without_one() {
    let cluster = Cluster::start();
    let database = cluster.database("newer");
    database.psql("CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')");
    let place = Place::backed_up(&database);
    database.psql("DELETE FROM t; ALTER TABLE t ADD COLUMN w integer NOT NULL DEFAULT 3");
    let plan = place.engine.preview(&PreviewRequest::new(None, Strategy::Merge), &mut going).unwrap();
    assert!(!plan.safe_to_restore);
    assert!(plan.findings.iter().any(|finding| finding.message.contains("columns that must have a value: w")), "{:?}", plan.findings);
}

#[test]
fn a_key_may_be_of_any_type_that_the_database_can_order() {
    let cluster = Cluster::start();
    let database = cluster.database("keys");
    database.psql(
        "CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; CREATE EXTENSION hstore SCHEMA ext; CREATE EXTENSION ltree SCHEMA ext;
         CREATE TYPE pair AS (a int, b text); CREATE TYPE mood AS ENUM ('sad', 'fine', 'great'); CREATE DOMAIN code AS ext.citext CHECK (VALUE <> '');
         CREATE TYPE span AS RANGE (subtype = numeric)",
    );
    let types = [
        ("pair", "(1,a)", "(1,\"it''s \\\\\")", "(2,)"),
        ("mood", "sad", "fine", "great"),
        ("code", "Ann", "bob", "Zoë"),
        ("ext.ltree", "a", "a.b", "a.b.c"),
        ("ext.hstore", "a=>1", "b=>\"it''s\"", "c=>NULL"),
        ("span", "[1,2)", "[1.0,3)", "empty"),
        ("numeric", "1.0", "NaN", "-0.5"),
        ("interval", "1 day", "25:00", "-1 mon"),
        ("float8", "-0", "NaN", "1e300"),
        ("jsonb", "{\"a\": 1}", "[1, null]", "\"x\""),
        ("inet", "10.0.0.1/8", "::1", "10.0.0.1"),
        ("bit varying(8)", "", "1", "10"),
        ("money", "1", "-2", "3"),
        ("text[]", "{}", "{a,NULL,\"b,c\"}", "{{x},{y}}"),
        ("timestamptz", "infinity", "2020-01-01 12:00+05", "4713-01-01 BC"),
        ("name", "a", "it''s", "z"),
        ("\"char\"", "a", "b", ""),
        ("bpchar", "a", "b ", "c  d"),
        ("pg_lsn", "0/1", "16/B374D848", "1/0"),
        ("tsvector", "a:1", "it''''s", "b c"),
        ("macaddr8", "08:00:2b:01:02:03:04:05", "00:00:00:00:00:00:00:01", "ff:ff:ff:ff:ff:ff:ff:ff"),
    ];
    for (number, (of, one, two, _)) in types.iter().enumerate() {
        database.psql(&format!(
            "CREATE TABLE t{number} (k {of}, part int, v text, PRIMARY KEY (k, part)); CREATE TABLE s{number} (k {of} PRIMARY KEY, v text)"
        ));
        database.psql(&format!(
            "INSERT INTO t{number} VALUES ('{one}', 1, 'a'), ('{two}', 2, 'b'); INSERT INTO s{number} VALUES ('{one}', 'a'), ('{two}', 'b')"
        ));
    }
    let place = Place::protecting(&database.url());
    let first = place.back_up(BackupType::Full).unwrap().backup;
    let good = sorted(&cluster, &database);
    for (number, (_, _, _, three)) in types.iter().enumerate() {
        for table in [format!("t{number}"), format!("s{number}")] {
            let part = if table.starts_with('t') { "3, " } else { "" };
            database.psql(&format!(
                "UPDATE {table} SET v = 'spoiled' WHERE v = 'a'; DELETE FROM {table} WHERE v = 'b'; INSERT INTO {table} VALUES ('{three}', {part}'new')"
            ));
        }
    }
    let spoiled = sorted(&cluster, &database);
    place.back_up(BackupType::Incremental).unwrap();
    let request = PreviewRequest { exact: true, backup: Some(first), ..PreviewRequest::new(None, Strategy::Replace) };
    let plan = place.engine.preview(&request, &mut going).unwrap();
    assert!(plan.safe_to_restore, "{:#?}", plan.findings);
    let restore = place.engine.restore(&plan.plan, Some("a test"), &mut going).unwrap().restore;
    assert_equal(&good, &sorted(&cluster, &database));
    place.undo(&restore).unwrap();
    assert_equal(&spoiled, &sorted(&cluster, &database));
}

#[test]
fn what_referred_to_a_new_record_refers_elsewhere_again_before_that_goes() {
    let cluster = Cluster::start();
    for (number, action) in ["CASCADE", "SET NULL", "RESTRICT", "NO ACTION"].into_iter().enumerate() {
        let schema = format!(
            "CREATE TABLE p (id int PRIMARY KEY, up int REFERENCES p ON DELETE {action}); CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE {action});
             INSERT INTO p VALUES (1, NULL), (3, 1); INSERT INTO c VALUES (1, 1)"
        );
        let spoil = "INSERT INTO p VALUES (2, NULL); UPDATE c SET p = 2; UPDATE p SET up = 2 WHERE id = 3";
        comes_back_and_is_undone(&cluster, &format!("elsewhere{number}"), &schema, spoil);
    }
}

#[test]
fn records_go_from_tables_that_refer_to_each_other_in_a_row() {
    let cluster = Cluster::start();
    let schema = "CREATE TABLE c (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY, c int REFERENCES c);
         CREATE TABLE a (id int PRIMARY KEY, b int REFERENCES b); INSERT INTO c VALUES (1)";
    let spoil =
        "INSERT INTO b VALUES (1, NULL); INSERT INTO a VALUES (1, 1); INSERT INTO c VALUES (2); INSERT INTO b VALUES (2, 2), (3, 1)";
    comes_back_and_is_undone(&cluster, "three", schema, spoil);
}

/// The database is spoiled, restored and spoiled again by undoing.
#[track_caller]
fn comes_back_and_is_undone(cluster: &Cluster, name: &str, schema: &str, spoil: &str) {
    let database = cluster.database(name);
    database.psql(schema);
    let place = Place::backed_up(&database);
    let before = dumped(cluster, &database);
    database.psql(spoil);
    let spoiled = dumped(cluster, &database);
    let restore = place.restore_exactly().unwrap();
    assert_equal(&before, &dumped(cluster, &database));
    place.undo(&restore).unwrap();
    assert_equal(&spoiled, &dumped(cluster, &database));
}

#[test]
fn new_records_that_refer_to_each_other_go_together() {
    let cluster = Cluster::start();
    for (number, action) in ["CASCADE", "SET NULL", "RESTRICT", "NO ACTION"].into_iter().enumerate() {
        let schema = format!(
            "CREATE TABLE a (id int PRIMARY KEY, b int); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a ON DELETE {action});
             ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b ON DELETE {action}; INSERT INTO a VALUES (1, NULL); INSERT INTO b VALUES (1, 1)"
        );
        let spoil = "INSERT INTO a VALUES (2, NULL), (3, 1); INSERT INTO b VALUES (2, 2), (3, 3); UPDATE a SET b = id WHERE id < 4; INSERT INTO a VALUES (4, 3)";
        comes_back_and_is_undone(&cluster, &format!("together{number}"), &schema, spoil);
    }
}

#[test]
fn a_new_record_that_others_refer_to_gives_a_unique_value_back() {
    let cluster = Cluster::start();
    for (number, action) in ["CASCADE", "SET NULL", "RESTRICT", "NO ACTION"].into_iter().enumerate() {
        // What lets the new record go is another record's update.
        let schema = format!(
            "CREATE TABLE p (id int PRIMARY KEY, name text NOT NULL UNIQUE);
             CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE {action}); INSERT INTO p VALUES (1, 'v'); INSERT INTO c VALUES (1, 1)"
        );
        let spoil = "UPDATE p SET name = 'was v'; INSERT INTO p VALUES (2, 'v'); UPDATE c SET p = 2";
        comes_back_and_is_undone(&cluster, &format!("given{number}"), &schema, spoil);
        // It is the very update that takes the value, or one of a record that is made anew.
        let schema = format!(
            "CREATE TABLE p (id int PRIMARY KEY, name text UNIQUE, up int REFERENCES p ON DELETE {action}); INSERT INTO p VALUES (1, 'v', NULL), (2, 'w', NULL)"
        );
        let spoil = "UPDATE p SET name = 'was v' WHERE id = 1; DELETE FROM p WHERE id = 2; INSERT INTO p VALUES (3, 'v', 1), (4, 'w', 3); UPDATE p SET up = 4 WHERE id = 1";
        comes_back_and_is_undone(&cluster, &format!("taken{number}"), &schema, spoil);
    }
}
