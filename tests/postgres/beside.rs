//! `restore to` of many rows: a database beside the target is filled, and takes its place when it is whole; until then, whoever dies,
//! the target is empty.

use std::process::{Child, Output, Stdio};
use std::sync::Arc;

use backstop::clock::SystemClock;
use backstop::engine::restoring::MANY_ROWS;
use backstop::engine::{Engine, Error, Home};
use rustix::process::{Pid, Signal, kill_process};

use crate::common::known::Known;
use crate::common::postgres::{Cluster, Database, quoted};
use crate::common::program;
use crate::place::{Place, assert_equal, dumped};
use crate::reading::until;
use crate::samples;

/// What tells a database from another one of its name.
fn number(database: &Database) -> String {
    database.psql("SELECT oid FROM pg_database WHERE datname = current_database()")
}

fn databases(cluster: &Cluster) -> String {
    cluster.existing("postgres").psql("SELECT datname FROM pg_database ORDER BY 1")
}

fn is_empty(database: &Database) -> bool {
    database.psql("SELECT count(*) FROM pg_class WHERE oid >= 16384") == "0"
}

#[test]
fn every_sample_comes_back_in_the_database_and_beside_it() {
    let cluster = Cluster::start();
    for name in samples::ALL {
        let original = samples::filled(&cluster, name);
        let place = Place::backed_up(&original);
        let there = dumped(&cluster, &original);
        for (way, many, is_another) in [("within", u64::MAX, false), ("beside", 0, true)] {
            let copy = cluster.database(&format!("{name} {way}"));
            let (before, all) = (number(&copy), databases(&cluster));
            place.many_rows(many);
            let done = place.restore_to(copy.url()).unwrap();
            assert_eq!(done.warnings, [""; 0]);
            assert_eq!(done.ways.join("").contains("was filled beside it"), is_another, "{:?}", done.ways);
            assert_equal(&there, &dumped(&cluster, &copy));
            assert_eq!(number(&copy) != before, is_another, "{name} {way}");
            assert_eq!(databases(&cluster), all);
            assert_eq!(copy.psql("SELECT count(*) FROM pg_shdescription WHERE description LIKE 'Backstop%'"), "0");
        }
    }
}

#[test]
fn what_cannot_be_made_is_named_as_it_is_in_one_transaction() {
    let cluster = Cluster::start();
    cluster.existing("postgres").psql("CREATE ROLE gone");
    let original = cluster.database("original");
    original.psql(
        "CREATE TABLE parent (id integer PRIMARY KEY); CREATE TABLE child (id integer PRIMARY KEY, parent integer REFERENCES parent);
         CREATE TABLE split (id integer NOT NULL, parent integer REFERENCES parent) PARTITION BY RANGE (id);
         CREATE TABLE split_1 PARTITION OF split FOR VALUES FROM (0) TO (10); CREATE TABLE split_2 PARTITION OF split FOR VALUES FROM (10) TO (20);
         ALTER TABLE split ADD PRIMARY KEY (id); CREATE INDEX ON split (parent); CLUSTER child USING child_pkey;
         CREATE TABLE twice (a integer, b integer); ALTER TABLE twice ADD CONSTRAINT a_once UNIQUE (a); COMMENT ON CONSTRAINT a_once ON twice IS 'one';
         ALTER TABLE child OWNER TO gone;
         SELECT lo_create(77); ALTER LARGE OBJECT 77 OWNER TO gone;
         INSERT INTO parent SELECT generate_series(1, 9); INSERT INTO split SELECT g, g % 9 + 1 FROM generate_series(1, 19) g;
         SET session_replication_role = replica; INSERT INTO child VALUES (1, 77); UPDATE split SET parent = 99 WHERE id = 12;
         INSERT INTO twice VALUES (1, 1);
         UPDATE pg_index SET indisunique = false WHERE indexrelid = 'a_once'::regclass; INSERT INTO twice VALUES (1, 2);
         UPDATE pg_index SET indisunique = true WHERE indexrelid = 'a_once'::regclass;",
    );
    let place = Place::backed_up(&original);
    let original_dump = |copy: &Database| dumped(&cluster, copy);
    original.psql("ALTER TABLE child OWNER TO postgres; ALTER LARGE OBJECT 77 OWNER TO postgres; DROP ROLE gone");
    let filled = ["within", "beside"].map(|way| {
        let copy = cluster.database(way);
        place.many_rows(if way == "beside" { 0 } else { u64::MAX });
        let mut warnings = place.restore_to(copy.url()).unwrap().warnings;
        warnings.sort();
        (warnings, original_dump(&copy))
    });
    let [within, beside] = filled;
    assert_equal(&within.1, &beside.1);
    assert_eq!(within.0, beside.0);
    let told = beside.0.join("\n");
    for name in ["child_parent_fkey", "split_parent_fkey", "a_once", "the owner of public.child", "owner of large object 77"] {
        assert!(told.contains(name), "{name}: {told}");
    }
}

#[test]
fn a_failure_among_the_rows_leaves_the_target_as_it_was_and_nothing_beside_it() {
    let cluster = Cluster::start();
    let original = cluster.database("original");
    original.psql(
        "CREATE TABLE allowed (n integer); INSERT INTO allowed VALUES (1); CREATE TABLE more (n integer); INSERT INTO more SELECT generate_series(1, 900);
         CREATE FUNCTION is_allowed(i integer) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN EXISTS (SELECT 1 FROM allowed WHERE n = i); END';
         CREATE TABLE t (n integer CHECK (is_allowed(n))); INSERT INTO t VALUES (1);",
    );
    let copy = cluster.database("copy");
    let (before, all) = (number(&copy), databases(&cluster));
    let place = Place::backed_up(&original);
    place.many_rows(0);
    let error = place.restore_to(copy.url()).unwrap_err();
    assert!(error.to_string().contains(": t: ") && error.to_string().contains("allowed"), "{error}");
    assert!(is_empty(&copy));
    assert_eq!((number(&copy), databases(&cluster)), (before, all));
}

#[test]
fn a_copy_that_is_not_wished_any_more_leaves_the_target_empty() {
    let cluster = Cluster::start();
    let original = cluster.database("original");
    original.psql(
        "CREATE TABLE t (n integer); INSERT INTO t SELECT generate_series(1, 9000); CREATE TABLE u (n integer); INSERT INTO u VALUES (1)",
    );
    let copy = cluster.database("copy");
    let (before, all) = (number(&copy), databases(&cluster));
    let place = Place::backed_up(&original);
    for many in [0, u64::MAX] {
        place.many_rows(many);
        assert!(matches!(place.stop_restore_to(copy.url()), Err(Error::Cancelled)));
        assert!(is_empty(&copy));
        assert_eq!((number(&copy), databases(&cluster)), (before.clone(), all.clone()));
    }
}

#[test]
fn a_target_that_is_more_than_its_content_is_filled_itself() {
    let cluster = Cluster::start();
    cluster.existing("postgres").psql("CREATE ROLE modest LOGIN; CREATE ROLE maker LOGIN CREATEDB");
    let original = cluster.database("original");
    original.psql("CREATE TABLE t (n integer PRIMARY KEY); INSERT INTO t VALUES (1)");
    let place = Place::backed_up(&original);
    place.many_rows(0);
    let about = "SELECT datacl, datconnlimit, shobj_description(oid, 'pg_database'), (SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = oid), datdba::regrole
        FROM pg_database WHERE datname = current_database()";
    for (user, sql, why_not) in [
        ("postgres", "GRANT CONNECT ON DATABASE % TO modest", Some("rights were given on it")),
        ("postgres", "ALTER DATABASE % SET work_mem = '5MB'", Some("it has settings of its own")),
        ("postgres", "COMMENT ON DATABASE % IS 'ours'", Some("it has a comment")),
        ("postgres", "ALTER DATABASE % CONNECTION LIMIT 9", Some("its connections are limited")),
        ("modest", "ALTER DATABASE % OWNER TO modest", Some("this role may not make and rename it")),
        ("maker", "ALTER DATABASE % OWNER TO maker", None),
        ("postgres", "ALTER DATABASE % OWNER TO maker", None),
    ] {
        let copy = cluster.database("copy");
        copy.psql(&sql.replace('%', "copy"));
        let (before, was) = (number(&copy), copy.psql(about));
        let ways = place.restore_to(copy.url_of(user)).unwrap().ways.join("");
        let told = why_not.map_or("was filled beside it".into(), |why| format!("in one transaction, over one connection: {why}"));
        assert!(ways.ends_with(&told) || why_not.is_none() && ways.contains(&told), "{ways}");
        assert_eq!(copy.psql("SELECT n FROM t"), "1", "{sql}");
        assert_eq!((number(&copy) != before, copy.psql(about)), (why_not.is_none(), was), "{sql}");
        cluster.existing("postgres").psql("DROP DATABASE copy");
    }
}

#[test]
fn names_of_any_length_and_letters_are_put_back() {
    let cluster = Cluster::start();
    for (name, encoding, locale) in [
        ("x".repeat(63).as_str(), "UTF8", "C.UTF-8"),
        ("it's; \"quoted\" -- (restoring it)", "UTF8", "C.UTF-8"),
        ("Größe ♥ der größten aller Datenbanken, ja", "UTF8", "C.UTF-8"),
        ("latin", "LATIN1", "C"),
    ] {
        let original = cluster.database_in("original", encoding, locale);
        original.psql("CREATE TABLE \"Größe\" (n text PRIMARY KEY); INSERT INTO \"Größe\" VALUES ('Ærø')");
        let copy = cluster.database_in(name, encoding, locale);
        let (before, all) = (number(&copy), databases(&cluster));
        let place = Place::backed_up(&original);
        place.many_rows(0);
        assert_eq!(place.restore_to(copy.url()).unwrap().warnings, [""; 0]);
        assert_ne!(number(&copy), before);
        assert_equal(&dumped(&cluster, &original), &dumped(&cluster, &copy));
        assert_eq!(databases(&cluster), all);
        cluster.existing("postgres").psql(&format!("DROP DATABASE original; DROP DATABASE {}", quoted(name)));
    }
}

/// A function that waits where it is asked in a database that is being filled, until there is a role that lets it go on.
const GATE: &str = "CREATE FUNCTION passes() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
      WHILE current_database() LIKE '%(restoring %' AND NOT EXISTS (SELECT 1 FROM pg_authid WHERE rolname = 'open') LOOP PERFORM pg_sleep(0.01); END LOOP;
      RETURN true; END $$; CREATE TABLE other (n integer); INSERT INTO other SELECT generate_series(1, 100);";

/// The rows of a table wait at the gate, and see when it is opened.
const ROWS: &str = "ALTER FUNCTION passes() VOLATILE; CREATE TABLE t (n integer CHECK (passes())); INSERT INTO t VALUES (1)";
/// What is made upon them does.
const INDEX: &str = "CREATE TABLE t (n integer); INSERT INTO t VALUES (1); CREATE INDEX ON t ((passes()))";

/// So many connections wait at the gate.
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE '%(restoring %' AND wait_event = 'PgSleep'";

/// The program, with a backup of a database that cannot be filled beside its target before the gate is opened.
struct Gated {
    cluster: Cluster,
    program: program::Place,
    copy: Database,
    /// All databases as they were.
    databases: String,
}

impl Gated {
    fn new(sql: &str) -> Self {
        let (cluster, program) = (Cluster::start(), program::Place::new());
        let original = cluster.database("original");
        original.psql(&format!("{GATE} {sql}"));
        let copy = cluster.database("copy");
        program.expect(0, &["vault", "init", "--location", program.path("vault").to_str().unwrap()]);
        program.expect(0, &["app", "add", "app", "--database", &original.url()]);
        program.expect(0, &["backup", "--app", "app", "--type", "full"]);
        let databases = databases(&cluster);
        let gated = Self { cluster, program, copy, databases };
        gated.many_rows(0);
        gated
    }

    fn many_rows(&self, rows: u64) {
        let engine = Engine::open(Home::at(self.program.home()), Arc::new(SystemClock), Box::new(Known)).unwrap();
        engine.catalog().set_setting(MANY_ROWS, &rows).unwrap();
    }

    fn server(&self) -> Database {
        self.cluster.existing("postgres")
    }

    /// Runs it until it waits at the gate.
    fn at_the_gate(&self) -> Child {
        let mut command = self.program.command(&["restore", "to", "latest", "--app", "app", "--target", &self.copy.url()]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        until(&self.server(), WAITING, "1");
        child
    }

    fn again(&self) -> String {
        let output = self.program.run(&["restore", "to", "latest", "--app", "app", "--target", &self.copy.url()]);
        let told = said(&output);
        // With warnings, where there is something to be named.
        assert!(matches!(output.status.code(), Some(0 | 3)), "{told}");
        told
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_connection_that_is_ended_by_the_server_leaves_the_target_empty_and_nothing_beside_it() {
    for sql in [ROWS, INDEX] {
        let gated = Gated::new(sql);
        let before = number(&gated.copy);
        let child = gated.at_the_gate();
        // While the server looks for deadlocks, it says of nobody that he waits.
        while !gated.server().psql(&WAITING.replace("count(*)", "pg_terminate_backend(pid)")).contains('t') {
            std::thread::yield_now();
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(is_empty(&gated.copy));
        assert_eq!((number(&gated.copy), databases(&gated.cluster)), (before, gated.databases.clone()));
    }
}

#[test]
fn a_program_that_is_killed_leaves_the_target_empty_and_the_next_one_names_what_it_left() {
    for sql in [ROWS, INDEX] {
        let gated = Gated::new(sql);
        let mut child = gated.at_the_gate();
        kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
        child.wait().unwrap();
        assert!(is_empty(&gated.copy));
        let left = gated.server().psql("SELECT datname FROM pg_database WHERE datname LIKE 'copy (restoring %'");
        assert!(
            gated
                .server()
                .psql("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname LIKE 'copy (restoring %'")
                .contains("Backstop")
        );
        // Its connections wait for the gate still: it could be one that somebody fills.
        gated.many_rows(u64::MAX);
        assert!(!gated.again().contains(&left));
        gated.server().psql("DROP DATABASE copy; CREATE DATABASE copy TEMPLATE template0");
        gated.server().psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE '%(restoring %'");
        until(&gated.server(), "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE '%(restoring %'", "0");
        let remedy = format!("DROP DATABASE {}", quoted(&left));
        assert!(gated.again().replace('\n', " ").contains(&remedy), "{remedy}");
        gated.server().psql(&remedy);
        assert_eq!(databases(&gated.cluster), gated.databases);
    }
}

/// What the removal of a database takes and nothing before it does: it waits as long as somebody else has it.
const NO_REMOVAL: &str = "BEGIN; LOCK TABLE pg_catalog.pg_db_role_setting IN SHARE MODE";

/// A removal that waits.
const REMOVING: &str = "FROM pg_stat_activity WHERE query LIKE 'DROP DATABASE%' AND wait_event_type = 'Lock'";

#[test]
fn a_program_that_is_killed_once_the_database_has_its_place_leaves_it_whole_and_the_empty_one_is_named_or_gone() {
    for is_asked_for in [false, true] {
        let gated = Gated::new(ROWS);
        let (server, original) = (gated.server(), gated.cluster.existing("original"));
        let before = number(&gated.copy);
        let mut child = gated.at_the_gate();
        let mut other = postgres::Client::connect(&server.url(), postgres::NoTls).unwrap();
        other.batch_execute(NO_REMOVAL).unwrap();
        server.psql("CREATE ROLE open");
        until(&server, &format!("SELECT count(*) {REMOVING}"), "1");
        kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
        child.wait().unwrap();
        if !is_asked_for {
            // As if it had died before it asked for the removal; else the server goes on with that by itself.
            server.psql(&format!("SELECT pg_terminate_backend(pid) {REMOVING}"));
            until(&server, &format!("SELECT count(*) {REMOVING}"), "0");
        }
        drop(other);
        assert_ne!(number(&gated.copy), before, "the renaming was done");
        assert_equal(&dumped(&gated.cluster, &original), &dumped(&gated.cluster, &gated.copy));
        let left = "SELECT coalesce(string_agg(datname, ', '), '') FROM pg_database WHERE datname LIKE 'copy (%'";
        if is_asked_for {
            until(&server, left, "");
        }
        let left = server.psql(left);
        assert_eq!(left.is_empty(), is_asked_for, "{left}");
        if !is_asked_for {
            assert_eq!(number(&gated.cluster.existing(&left)), before);
            let remedy = format!("DROP DATABASE {}", quoted(&left));
            server.psql("DROP DATABASE copy; CREATE DATABASE copy TEMPLATE template0");
            assert!(gated.again().replace('\n', " ").contains(&remedy), "{remedy}");
            server.psql(&remedy);
        }
        assert_eq!(databases(&gated.cluster), gated.databases);
    }
}

#[test]
fn a_target_that_somebody_uses_meanwhile_is_not_replaced() {
    let connected = |gated: &Gated| {
        let client = postgres::Client::connect(&gated.copy.url(), postgres::NoTls).unwrap();
        (Some(client), "is being accessed by other users")
    };
    let filled = |gated: &Gated| {
        gated.copy.psql("CREATE TABLE mine (n integer)");
        (None, "it is not empty, it holds the table public.mine")
    };
    let given = |gated: &Gated| {
        gated.copy.psql("GRANT CONNECT ON DATABASE copy TO pg_monitor");
        (None, "rights were given on it")
    };
    for uses in [&connected as &dyn Fn(&Gated) -> (Option<postgres::Client>, &'static str), &filled, &given] {
        let gated = Gated::new(ROWS);
        let before = number(&gated.copy);
        let child = gated.at_the_gate();
        let (client, why) = uses(&gated);
        gated.server().psql("CREATE ROLE open");
        let output = child.wait_with_output().unwrap();
        drop(client);
        assert_eq!(output.status.code(), Some(4), "{}", said(&output));
        assert!(said(&output).replace('\n', " ").contains(why), "{}", said(&output));
        assert_eq!((number(&gated.copy), databases(&gated.cluster)), (before, gated.databases.clone()));
        assert_eq!(gated.copy.psql("SELECT count(*) FROM pg_class WHERE relname = 't'"), "0");
    }
}
