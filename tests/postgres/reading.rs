//! Backups of a database that is in use: one moment, nobody waits, and what goes wrong is told and mended by the next one.

use std::io::Read;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use backstop::catalog::{BackupFilter, BackupType};
use backstop::engine::apps::AppRequest;
use backstop::error::{Explain, Status};
use backstop::rows::{Batch, Class, Digest, Large, Value};
use backstop::sources::database::Database as Source;
use backstop::sources::{Content, Glancing, Looking, Snapshot};

use crate::common::postgres::{Cluster, Database, Plan};
use crate::place::{Place, assert_equal, dumped};

fn backups(place: &Place) -> usize {
    place.engine.catalog().backups_page(&BackupFilter::default(), None, 100).unwrap().items.len()
}

fn snapshot(database: &Database) -> Box<dyn Snapshot> {
    Source::parse(&database.url()).unwrap().snapshot(Duration::from_secs(5), std::path::Path::new("/")).unwrap()
}

/// Waits until a query gives `wanted`.
pub fn until(database: &Database, query: &str, wanted: &str) {
    while database.psql(query).trim() != wanted {
        std::thread::yield_now();
    }
}

#[test]
fn another_connection_sees_the_same_moment_while_the_first_one_reads() {
    let cluster = Cluster::start();
    let database = cluster.database("twice");
    database.psql("CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000)");
    let one = snapshot(&database);
    database.psql("DELETE FROM t WHERE id % 2 = 0; INSERT INTO t VALUES (2000)");
    let other = one.another().unwrap();
    let ids = |snapshot: &dyn Snapshot, going: &mut dyn FnMut()| {
        let mut ids = Vec::new();
        snapshot
            .scan(&snapshot.relations()[0], &Looking, &mut |row| {
                ids.push(row.values[0].clone());
                going();
                ControlFlow::Continue(())
            })
            .unwrap();
        ids
    };
    let mut other = Some(other);
    let mut seen_by_other = Vec::new();
    let seen = ids(one.as_ref(), &mut || {
        // The first one is in the middle of its rows.
        if let Some(other) = other.take() {
            seen_by_other = std::thread::scope(|scope| scope.spawn(move || ids(other.as_ref(), &mut || ())).join().unwrap());
        }
    });
    assert!(seen.len() == 1000 && seen.iter().zip(&seen_by_other).all(|(one, other)| one.same(other)));
    assert_eq!(seen_by_other.len(), 1000);
    assert_eq!(database.psql("SELECT count(*) FROM t").trim(), "501");
}

#[test]
fn large_tables_are_told_from_small_ones_before_anything_is_read() {
    let cluster = Cluster::start();
    let database = cluster.database("sizes");
    database.psql(
        "CREATE TABLE empty (id integer PRIMARY KEY); CREATE TABLE rows (id integer PRIMARY KEY); CREATE TABLE texts (id integer PRIMARY KEY, note text);
         ALTER TABLE texts ALTER note SET STORAGE EXTERNAL; CREATE TABLE cut (id integer) PARTITION BY RANGE (id);
         INSERT INTO rows SELECT generate_series(1, 10000); INSERT INTO texts SELECT g, repeat('x', 100000) FROM generate_series(1, 30) g",
    );
    database.psql("VACUUM ANALYZE");
    let snapshot = snapshot(&database);
    let mut sizes: Vec<(u64, &str)> =
        snapshot.relations().iter().map(|relation| (snapshot.size(relation), relation.name.as_str())).collect();
    sizes.sort_unstable();
    let order: Vec<&str> = sizes.iter().map(|(_, name)| *name).collect();
    assert_eq!(order, ["empty", "rows", "texts", "cut"], "{sizes:?}");
}

#[test]
fn each_backup_holds_one_moment_while_writers_go_on() {
    let cluster = Cluster::start();
    let database = cluster.database("bank");
    database.psql(
        "CREATE TABLE left_account (id integer PRIMARY KEY, money bigint); CREATE TABLE right_account (id integer PRIMARY KEY, money bigint);
         INSERT INTO left_account SELECT g, 1000 FROM generate_series(1, 2000) g; INSERT INTO right_account SELECT g, 1000 FROM generate_series(1, 2000) g",
    );
    let place = Place::protecting(&database.url());
    let (ended, transfers) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = postgres::Client::connect(&database.url(), postgres::NoTls).unwrap();
            // A writer that had to wait for a lock would fail.
            client.batch_execute("SET lock_timeout = '1ms'").unwrap();
            let mut id = 0;
            while !ended.load(Ordering::Relaxed) {
                id = id % 2000 + 1;
                let sql = format!(
                    "BEGIN; UPDATE left_account SET money = money - 7 WHERE id = {id}; UPDATE right_account SET money = money + 7 WHERE id = {id}; COMMIT"
                );
                client.batch_execute(&sql).unwrap();
                transfers.fetch_add(1, Ordering::Relaxed);
            }
        });
        let copies = (0..4).map(|number| {
            let before = transfers.load(Ordering::Relaxed);
            while transfers.load(Ordering::Relaxed) < before + 50 {
                std::thread::yield_now();
            }
            place.back_up(if number == 0 { BackupType::Full } else { BackupType::Incremental }).unwrap();
            let copy = cluster.database(&format!("copy_{number}"));
            place.restore_to(copy.url()).unwrap();
            copy
        });
        let copies: Vec<Database> = copies.collect();
        ended.store(true, Ordering::Relaxed);
        for copy in copies {
            assert_eq!(copy.psql("SELECT sum(money) FROM (TABLE left_account UNION ALL TABLE right_account) AS a").trim(), "4000000");
        }
    });
}

#[test]
fn a_snapshot_sees_nothing_later_and_keeps_definitions_but_no_writer_waiting() {
    let cluster = Cluster::start();
    let database = cluster.database("moment");
    database.psql("CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'then'); CREATE SEQUENCE s");
    let held = snapshot(&database);
    database.psql("SET lock_timeout = '1s'; INSERT INTO t VALUES (2, 'later'); UPDATE t SET v = 'now'; SELECT nextval('s')");
    let refused =
        database.program("psql").args(["-c", "SET lock_timeout = '50ms'", "-c", "ALTER TABLE t ADD COLUMN x integer"]).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("lock timeout"));
    let mut seen = Vec::new();
    let relation = held.relations()[0].clone();
    let mut each = |row: backstop::rows::Row| {
        seen.push(row.values);
        std::ops::ControlFlow::Continue(())
    };
    held.scan(&relation, &Looking, &mut each).unwrap();
    assert!(matches!(&seen[..], [row] if matches!(&row[0], Value::Integer(1)) && row[1].same(&Value::text("then"))), "{seen:?}");
    assert_eq!(held.sequences().unwrap().called, [("\"public\".\"s\"".to_owned(), 1)], "sequences are read last");
    drop(held);
    database.psql("SET lock_timeout = '5s'; ALTER TABLE t ADD COLUMN x integer");
}

#[test]
fn who_waits_to_change_a_table_waits_for_the_reading_and_not_the_reading_for_him() {
    let cluster = Cluster::start();
    let database = cluster.database("queued");
    database.psql("CREATE TABLE a (id integer PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 100); CREATE TABLE b AS TABLE a; CREATE TABLE c AS TABLE a");
    let held = snapshot(&database);
    let other = held.another().unwrap();
    std::thread::scope(|scope| {
        for change in ["ALTER TABLE a ADD COLUMN x integer", "TRUNCATE b"] {
            scope.spawn(|| database.psql(change));
        }
        until(&database, "SELECT count(*) FROM pg_locks WHERE NOT granted", "2");
        let rows = |held: &dyn Snapshot| -> Vec<usize> {
            let relations = held.relations().iter();
            let counted = relations.map(|relation| {
                let mut rows = 0;
                held.scan(relation, &Looking, &mut |_| {
                    rows += 1;
                    ControlFlow::Continue(())
                })
                .map(|_| rows)
            });
            counted.collect::<Result<_, _>>().unwrap()
        };
        assert_eq!((rows(held.as_ref()), rows(other.as_ref())), (vec![100; 3], vec![100; 3]));
        // One that comes now would have to wait, and is done without; pg_dump says who is in the way.
        assert!(held.another().is_none());
        let refused = held.definition().unwrap_err();
        assert!(refused.to_string().contains("somebody waits to change a table"), "{refused}");
        drop((held, other));
    });
    // Who comes next waits for nobody.
    assert_eq!(snapshot(&database).relations()[0].columns.len(), 2);
}

#[test]
fn of_many_tables_the_server_keeps_room_for_the_locks_of_others() {
    let cluster = Plan::default().set("max_connections=10").set("max_locks_per_transaction=10").start();
    let locks = |database: &Database| {
        database.psql("SELECT count(*), count(DISTINCT pid) FROM pg_locks WHERE relation::regclass::text ~ '^t[0-9]+$'")
    };
    for (tables, expected) in [(8, "16|2"), (40, "40|1")] {
        let database = cluster.database(&format!("of{tables}"));
        database.psql(&(0..tables).map(|number| format!("CREATE TABLE t{number} (id integer PRIMARY KEY);")).collect::<String>());
        let held = snapshot(&database);
        assert_eq!(locks(&database), expected);
        drop(held);
        Place::protecting(&database.url()).back_up(BackupType::Full).unwrap();
    }
}

#[test]
fn backups_beside_one_who_changes_tables_all_the_time_end_and_are_whole_or_say_why() {
    let cluster = Cluster::start();
    let database = cluster.database("changing");
    database.psql("CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000); CREATE TABLE cache (v integer)");
    let place = Place::protecting(&database.url());
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = postgres::Client::connect(&database.url(), postgres::NoTls).unwrap();
            while !ended.load(Ordering::Relaxed) {
                client.batch_execute("TRUNCATE cache; ALTER TABLE cache ADD COLUMN x integer; ALTER TABLE cache DROP COLUMN x; INSERT INTO cache VALUES (1)").unwrap();
            }
        });
        for _ in 0..3 {
            if let Err(error) = place.back_up(BackupType::Full) {
                assert!(error.to_string().contains("somebody waits to change a table"), "{error}");
            }
        }
        ended.store(true, Ordering::Relaxed);
    });
    place.back_up(BackupType::Full).unwrap();
}

#[test]
fn a_scan_that_is_broken_off_leaves_the_snapshot_usable() {
    let cluster = Cluster::start();
    let database = cluster.database("broken_off");
    database.psql(
        "CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t SELECT g, repeat('x', 1000) FROM generate_series(1, 20000) g",
    );
    let held = snapshot(&database);
    let relation = held.relations()[0].clone();
    for wanted in [3_u32, 20_000] {
        let mut seen = 0;
        let mut each = |_| {
            seen += 1;
            if seen < wanted || wanted == 20_000 { std::ops::ControlFlow::Continue(()) } else { std::ops::ControlFlow::Break(()) }
        };
        held.scan(&relation, &Looking, &mut each).unwrap();
        assert_eq!(seen, wanted);
    }
}

/// Keeps nothing, and does something once some of a large value was read.
struct InTheMiddle<'d>(&'d dyn Fn() -> std::io::Result<()>);

impl Content for InTheMiddle<'_> {
    fn keep(&self, class: Class, value: &mut dyn Read) -> std::io::Result<Large> {
        let mut start = vec![0; 100_000];
        value.read_exact(&mut start)?;
        (self.0)()?;
        Looking.keep(class, &mut start.as_slice().chain(value))
    }
}

/// A table with values that are longer than any buffer, and what is in it.
fn with_long_values(cluster: &Cluster) -> (Database, Vec<[Value; 3]>) {
    let database = cluster.database("long_values");
    database.psql(
        r"CREATE TABLE t (id integer PRIMARY KEY, b bytea, v text);
          INSERT INTO t VALUES (1, '\x00ff', 'short'), (2, decode(repeat('00ff7f', 3000000), 'hex'), E'tab\t'), (3, NULL, 'short'),
            (4, '\x', repeat(E'tab\there\\\n', 300000)), (5, NULL, NULL)",
    );
    let (bytes, text) = ([0, 0xFF, 0x7F].repeat(3_000_000), b"tab\there\\\n".repeat(300_000));
    let large =
        |class, bytes: &[u8]| Value::Large(Large { class, length: bytes.len() as u64, content: Digest::of(bytes), chunks: Vec::new() });
    let rows = vec![
        [Value::Integer(1), Value::Blob(vec![0, 0xFF]), Value::text("short")],
        [Value::Integer(2), large(Class::Blob, &bytes), Value::text("tab\t")],
        [Value::Integer(3), Value::Null, Value::text("short")],
        [Value::Integer(4), Value::Blob(Vec::new()), large(Class::Text, &text)],
        [Value::Integer(5), Value::Null, Value::Null],
    ];
    (database, rows)
}

fn scanned(held: &dyn Snapshot, content: &dyn Content, most: usize) -> backstop::sources::Result<Vec<Vec<Value>>> {
    let mut seen = Vec::new();
    held.scan(&held.relations()[0], content, &mut |row| {
        seen.push(row.values);
        if seen.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(seen)
}

fn same(found: &[Vec<Value>], expected: &[[Value; 3]]) -> bool {
    found.len() == expected.len() && found.iter().flatten().zip(expected.iter().flatten()).all(|(a, b)| a.same(b))
}

#[test]
fn values_that_are_longer_than_any_buffer_are_read_as_they_come() {
    let cluster = Cluster::start();
    let (database, rows) = with_long_values(&cluster);
    let held = snapshot(&database);
    assert!(same(&scanned(held.as_ref(), &Looking, 100).unwrap(), &rows));
    let mut seen = Vec::new();
    let mut give = |batch: &mut Batch| {
        seen.extend(batch.rows().map(|row| row.to_row().values));
        batch.clear();
        ControlFlow::Continue(())
    };
    held.scan_batches(&held.relations()[0], &Looking, &mut give).unwrap();
    assert!(same(&seen, &rows));
    // Read no further than the second of them, and not even that.
    assert!(same(&scanned(held.as_ref(), &Looking, 2).unwrap(), &rows[..2]));
    assert_eq!(scanned(held.as_ref(), &Glancing, 100).unwrap().len(), rows.len());
    let fails = || Err(std::io::Error::other("there is no room"));
    let error = scanned(held.as_ref(), &InTheMiddle(&fails), 100).unwrap_err();
    assert!(error.to_string().contains("there is no room"), "{error}");
    assert!(same(&scanned(held.as_ref(), &Looking, 100).unwrap(), &rows), "after all of that");
    drop(held);
    let place = Place::protecting(&database.url());
    place.back_up(BackupType::Full).unwrap();
    let copy = cluster.database("copy");
    place.restore_to(copy.url()).unwrap();
    let digests = "SELECT id, md5(b), md5(v) FROM t ORDER BY id";
    assert_eq!(copy.psql(digests), database.psql(digests));
}

#[test]
fn rows_that_are_longer_than_any_buffer_come_back_without_a_key_too() {
    let cluster = Cluster::start();
    let database = cluster.database("long_rows");
    // One has no key at all, the other one that is too long for a row of ours.
    database.psql(
        r"CREATE TABLE bare (v text, b bytea, n int);
          INSERT INTO bare VALUES ('short', '\x00', 1), (repeat(E'tab\there\\\n', 300000), decode(repeat('00ff7f', 1000000), 'hex'), 2), (NULL, '\x', 3);
          INSERT INTO bare SELECT * FROM bare WHERE n = 2; INSERT INTO bare SELECT v, b, 4 FROM bare WHERE n = 2 LIMIT 1;
          CREATE TABLE named (name text PRIMARY KEY, v text, n int);
          INSERT INTO named VALUES (repeat('name', 10000), repeat('v', 3000000), 1), ('short', repeat('w', 3000000), 2)",
    );
    let place = Place::backed_up(&database);
    let digests = "SELECT string_agg(d, ' ' ORDER BY d) FROM (SELECT md5(concat_ws('-', v, b, n)) d FROM bare UNION ALL SELECT md5(concat_ws('-', name, v, n)) FROM named) d";
    let whole = database.psql(digests);
    let spoiled = [
        "DELETE FROM bare WHERE n = 2; UPDATE bare SET v = v || 'x' WHERE n = 4; UPDATE named SET v = v || 'x'",
        "INSERT INTO bare SELECT v, b, 5 FROM bare WHERE n = 4; DELETE FROM named WHERE n = 1",
    ];
    for spoil in spoiled {
        database.psql(spoil);
        let spoiled = database.psql(digests);
        let restore = place.restore_exactly().unwrap();
        assert_eq!(database.psql(digests), whole, "{spoil}");
        place.undo(&restore).unwrap();
        assert_eq!(database.psql(digests), spoiled, "{spoil}");
        place.restore_exactly().unwrap();
    }
    database.psql(spoiled[0]);
    place.back_up(BackupType::Incremental).unwrap();
    let copy = cluster.database("copy");
    place.restore_to(copy.url()).unwrap();
    assert_eq!(copy.psql(digests), database.psql(digests));
}

#[test]
fn a_backend_that_is_killed_in_the_middle_of_a_value_is_told() {
    let cluster = Cluster::start();
    let (database, rows) = with_long_values(&cluster);
    let held = snapshot(&database);
    let other = cluster.existing("postgres");
    let kill = || {
        other.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'backstop'");
        Ok(())
    };
    let error = scanned(held.as_ref(), &InTheMiddle(&kill), 100).unwrap_err();
    assert!(error.to_string().contains("terminat") || error.to_string().contains("connection"), "{error}");
    drop(held);
    assert!(same(&scanned(snapshot(&database).as_ref(), &Looking, 100).unwrap(), &rows));
}

#[test]
fn a_backend_that_is_killed_fails_the_backup_and_the_next_one_works() {
    let cluster = Cluster::start();
    let database = cluster.database("killed");
    database.psql("CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'x')");
    let place = Place::protecting(&database.url());
    let mut holder = postgres::Client::connect(&database.url(), postgres::NoTls).unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE").unwrap();
    std::thread::scope(|scope| {
        let making = scope.spawn(|| place.back_up(BackupType::Full));
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'backstop' AND wait_event_type = 'Lock'";
        until(&cluster.existing("postgres"), waiting, "1");
        cluster.existing("postgres").psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'backstop'");
        let error = making.join().unwrap().unwrap_err();
        assert!(error.to_string().contains("terminat") || error.to_string().contains("connection"), "{error}");
        assert_eq!(error.status(), Status::Failed);
    });
    assert_eq!(backups(&place), 0);
    holder.batch_execute("COMMIT").unwrap();
    assert_eq!(place.back_up(BackupType::Full).unwrap().records, 1);
}

#[test]
fn a_table_that_stays_locked_is_waited_for_as_long_as_the_setting_says() {
    let cluster = Cluster::start();
    let database = cluster.database("locked");
    database.psql("CREATE TABLE t (id integer PRIMARY KEY)");
    let place = Place::protecting(&database.url());
    place.wait_seconds(1);
    let mut holder = postgres::Client::connect(&database.url(), postgres::NoTls).unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE").unwrap();
    let error = place.back_up(BackupType::Full).unwrap_err();
    assert!(error.to_string().contains("lock"), "{error}");
    assert_eq!(backups(&place), 0);
    holder.batch_execute("COMMIT").unwrap();
    place.back_up(BackupType::Full).unwrap();
}

#[test]
fn rights_that_are_missing_are_told_and_the_backup_works_once_they_are_given() {
    let cluster = Cluster::start();
    let database = cluster.database("rights");
    database.psql(
        "CREATE ROLE backup LOGIN; CREATE TABLE open_one (id integer PRIMARY KEY); CREATE TABLE closed (id integer PRIMARY KEY);
         GRANT SELECT ON open_one TO backup; CREATE TABLE hidden (id integer PRIMARY KEY); INSERT INTO hidden VALUES (1);
         ALTER TABLE hidden ENABLE ROW LEVEL SECURITY; GRANT SELECT ON hidden TO backup; CREATE SEQUENCE s; GRANT SELECT ON s TO backup",
    );
    let place = Place::protecting(&database.url_of("backup"));
    let error = place.back_up(BackupType::Full).unwrap_err();
    assert!(error.to_string().contains("permission denied for table closed"), "{error}");
    assert_eq!(error.status(), Status::Refused);
    assert!(error.hint().unwrap().contains("pg_read_all_data"), "{:?}", error.hint());
    database.psql("GRANT SELECT ON closed TO backup");
    // Rows that a policy hides are an error and no silence.
    let error = place.back_up(BackupType::Full).unwrap_err();
    assert!(error.to_string().contains("row-level security") || error.to_string().contains("row security"), "{error}");
    assert_eq!(backups(&place), 0);
    database.psql("ALTER ROLE backup BYPASSRLS");
    assert_eq!(place.back_up(BackupType::Full).unwrap().records, 1);
}

#[test]
fn one_percent_changed_is_stored_and_no_more() {
    let cluster = Cluster::start();
    let database = cluster.database("increment");
    database.psql(
        "CREATE TABLE t (id integer PRIMARY KEY, v text, at timestamptz); INSERT INTO t SELECT g, md5(g::text), now() FROM generate_series(1, 40000) g",
    );
    let place = Place::protecting(&database.url());
    let full = place.back_up(BackupType::Full).unwrap();
    database
        .psql("UPDATE t SET v = md5(v) WHERE id % 100 = 0; DELETE FROM t WHERE id % 10000 = 1; INSERT INTO t VALUES (50000, 'new', NULL)");
    let increment = place.back_up(BackupType::Incremental).unwrap();
    assert_eq!(increment.records, 40_000 - 4 + 1);
    assert!(increment.bytes_stored * 33 < full.bytes_stored, "{} of {}", increment.bytes_stored, full.bytes_stored);
    let copy = cluster.database("copy");
    place.restore_to(copy.url()).unwrap();
    let digest = "SELECT md5(string_agg(t::text, E'\\n' ORDER BY id)) FROM t";
    assert_eq!(copy.psql(digest), database.psql(digest));
}

#[test]
fn a_database_is_read_over_as_many_connections_as_its_app_says() {
    let cluster = Plan::default().set("log_connections=on").start();
    let database = cluster.database("several");
    let tables: Vec<String> = (0..6).map(|n| format!("CREATE TABLE t{n} AS SELECT n FROM generate_series(1, 50) n")).collect();
    database.psql(&tables.join(";"));
    let place = Place::protecting(&database.url());
    let app = place.engine.catalog().apps().unwrap().remove(0);
    let opened = |connections: Option<u8>| {
        let request = AppRequest { name: app.name.clone(), database: app.database.clone(), connections, ..AppRequest::default() };
        place.engine.edit_app(&app, &request).unwrap();
        let before = authorized(&cluster, &database);
        place.back_up(BackupType::Full).unwrap();
        authorized(&cluster, &database) - before
    };
    let usual = opened(None);
    assert_eq!((opened(Some(1)), opened(Some(2)), opened(Some(5))), (usual - 1, usual, usual + 3));
}

/// How many connections the server's log tells of, the one that asks among them; what was written before that is read by then.
fn authorized(cluster: &Cluster, database: &Database) -> usize {
    let asked = format!("asked {}", cluster.log().len());
    database.psql(&format!("DO $$ BEGIN RAISE LOG '{asked}'; END $$"));
    while !cluster.log().contains(&asked) {
        std::thread::yield_now();
    }
    cluster.log().matches("connection authorized").count()
}

#[test]
fn two_connections_are_enough_for_a_backup() {
    let cluster = Cluster::start();
    let database = cluster.database("app");
    database.psql("CREATE TABLE a (id integer PRIMARY KEY); CREATE TABLE b (id integer PRIMARY KEY); INSERT INTO a VALUES (1); INSERT INTO b VALUES (2)");
    database.psql(
        "CREATE ROLE few LOGIN CONNECTION LIMIT 2; GRANT pg_read_all_data TO few; GRANT EXECUTE ON FUNCTION pg_control_system() TO few",
    );
    let place = Place::protecting(&database.url_of("few"));
    for (number, kind) in [BackupType::Full, BackupType::Incremental, BackupType::Incremental].into_iter().enumerate() {
        place.back_up(kind).unwrap();
        let copy = cluster.database(&format!("copy{number}"));
        place.restore_to(copy.url()).unwrap();
        assert_equal(&dumped(&cluster, &database), &dumped(&cluster, &copy));
        database.psql("INSERT INTO a SELECT max(id) + 1 FROM a; DELETE FROM b");
    }
}
