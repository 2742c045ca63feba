//! `restore to` an empty database: pg_dump says of the copy what it says of the original.

use std::io::Write;
use std::ops::ControlFlow;
use std::time::Duration;

use backstop::error::{Explain, Status};
use backstop::rows::{Class, Digest, Large, Value};
use backstop::sources::{Looking, Resolve, database};

use crate::common::postgres::{Cluster, Database};
use crate::place::{Place, assert_equal, dumped};
use crate::samples;

#[test]
fn a_database_with_one_of_everything_comes_back_as_pg_dump_has_it() {
    let cluster = Cluster::start();
    let original = samples::filled(&cluster, "hostile");
    let copy = cluster.database("copy");
    let result = Place::backed_up(&original).restore_to(copy.url()).unwrap();
    assert_eq!(result.warnings, [""; 0]);
    assert_equal(&dumped(&cluster, &original), &dumped(&cluster, &copy));
}

#[test]
fn a_role_that_is_missing_is_named_and_everything_else_comes_back() {
    let (cluster, other) = (Cluster::start(), Cluster::start());
    let original = samples::filled(&cluster, "hostile");
    let copy = other.database("copy");
    let result = Place::backed_up(&original).restore_to(copy.url()).unwrap();
    let told = result.warnings.join("\n");
    assert!(told.contains("role \"owner; of 'all'\" does not exist") && told.contains("role \"reader\" does not exist"), "{told}");
    assert!(told.contains("the owner of empty") && told.contains("the policy public.secured mine; only"), "{told}");
    // Everything that names no role is the same.
    let data = ["--inserts", "--data-only", "--table=every_type", "--table=measured*", "--table=keyless"];
    assert_eq!(rows(&cluster.dump(&original, &data)), rows(&other.dump(&copy, &data)));
    assert_eq!(copy.psql("SELECT count(*) FROM pg_largeobject_metadata"), "3");
    let filled = "SELECT n, m FROM a_second";
    assert_eq!(copy.psql(filled), original.psql(filled));
}

fn rows(dump: &str) -> Vec<&str> {
    let mut rows: Vec<&str> = dump.lines().filter(|line| line.starts_with("INSERT INTO ")).collect();
    rows.sort_unstable();
    rows
}

#[test]
fn a_backslash_stays_one_where_the_database_takes_it_for_more() {
    let cluster = Cluster::start();
    let original = cluster.database("escaping");
    original.psql(
        r"CREATE TYPE sort AS ENUM ('a\b'); CREATE TABLE t (id integer PRIMARY KEY, path text DEFAULT 'C:\new' CHECK (path <> 'a\b'), s sort);
          COMMENT ON TABLE t IS 'a\b'; CREATE VIEW v AS SELECT 'c\d'::text AS c; INSERT INTO t VALUES (1, DEFAULT, 'a\b'), (2, 'x\\y', NULL)",
    );
    original.psql("ALTER DATABASE escaping SET standard_conforming_strings = off");
    let copy = cluster.database("copy");
    let result = Place::backed_up(&original).restore_to(copy.url()).unwrap();
    assert_eq!(result.warnings, [""; 0]);
    assert_eq!(original.psql("SELECT * FROM t, v"), copy.psql("SELECT * FROM t, v"));
    copy.psql("ALTER DATABASE copy SET standard_conforming_strings = off");
    assert_equal(&dumped(&cluster, &original), &dumped(&cluster, &copy));
}

#[test]
fn what_stands_in_another_database_is_neither_read_nor_written() {
    let cluster = Cluster::start();
    let (far, original) = (cluster.database("far"), cluster.database("near"));
    far.psql("CREATE TABLE part (id integer, region text); INSERT INTO part VALUES (3, 'far')");
    let socket = original.psql("SHOW unix_socket_directories");
    original.psql(&format!(
        "CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{socket}', port '{}', dbname 'far');
         CREATE USER MAPPING FOR postgres SERVER far OPTIONS (user 'postgres');
         CREATE TABLE m (id integer, region text) PARTITION BY LIST (region); CREATE TABLE m_near PARTITION OF m FOR VALUES IN ('near');
         CREATE FOREIGN TABLE m_far PARTITION OF m FOR VALUES IN ('far') SERVER far OPTIONS (table_name 'part'); INSERT INTO m VALUES (1, 'near'), (2, 'near');
         CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
         CREATE TABLE n (id integer PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE n_here PARTITION OF n FOR VALUES FROM (0) TO (10);
         INSERT INTO n VALUES (1); ALTER TABLE n DROP CONSTRAINT n_pkey;
         CREATE FOREIGN TABLE n_gone PARTITION OF n FOR VALUES FROM (10) TO (20) SERVER nowhere",
        original.psql("SHOW port")
    ));
    let place = Place::backed_up(&original);
    let copy = cluster.database("copy");
    let result = place.restore_to(copy.url()).unwrap();
    assert_eq!(result.warnings, [""; 0]);
    assert_equal(&dumped(&cluster, &original), &dumped(&cluster, &copy));
    original.psql("DELETE FROM m_near WHERE id = 1; INSERT INTO m_near VALUES (4, 'near')");
    place.restore_exactly().unwrap();
    assert_equal(&dumped(&cluster, &copy), &dumped(&cluster, &original));
    assert_eq!(far.psql("TABLE part"), "3|far");
}

#[test]
fn an_index_that_cannot_be_made_is_named_and_costs_nothing_else() {
    let cluster = Cluster::start();
    let original = cluster.database("unqualified");
    original.psql(
        "CREATE FUNCTION inner_one(t text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower(t)';
         CREATE FUNCTION outer_one(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN inner_one(t); END';
         CREATE TABLE t (id integer PRIMARY KEY, v text UNIQUE); CREATE INDEX odd ON t (outer_one(v)); INSERT INTO t VALUES (1, 'a')",
    );
    let copy = cluster.database("copy");
    let result = Place::backed_up(&original).restore_to(copy.url()).unwrap();
    assert!(matches!(&result.warnings[..], [told] if told.contains("odd") && told.contains("inner_one")), "{:?}", result.warnings);
    original.psql("DROP INDEX odd");
    assert_equal(&dumped(&cluster, &original), &dumped(&cluster, &copy));
}

#[test]
fn a_table_that_is_named_like_the_large_objects_stands_beside_them() {
    let cluster = Cluster::start();
    let original = cluster.database("alike");
    original
        .psql("CREATE TABLE public.pg_largeobject (id integer PRIMARY KEY, v text); INSERT INTO public.pg_largeobject VALUES (1, 'mine')");
    original.psql("SELECT lo_from_bytea(4711, 'theirs')");
    let copy = cluster.database("copy");
    let result = Place::backed_up(&original).restore_to(copy.url()).unwrap();
    assert_eq!(result.warnings, [""; 0]);
    assert_equal(&dumped(&cluster, &original), &dumped(&cluster, &copy));
}

#[test]
fn materialized_views_are_filled_whatever_the_order_they_were_made_in() {
    let cluster = Cluster::start();
    let original = cluster.database("original");
    // The view was put upon a younger one: the numbers of the objects are not the order in which they can be filled.
    original.psql(
        "CREATE TABLE t (n integer); INSERT INTO t VALUES (1), (2);
         CREATE VIEW between_them AS SELECT n FROM t;
         CREATE MATERIALIZED VIEW older AS SELECT sum(n) AS n FROM between_them;
         CREATE MATERIALIZED VIEW younger AS SELECT n * 10 AS n FROM t;
         CREATE OR REPLACE VIEW between_them AS SELECT n FROM younger;
         REFRESH MATERIALIZED VIEW older;",
    );
    let copy = cluster.database("copy");
    assert_eq!(Place::backed_up(&original).restore_to(copy.url()).unwrap().warnings, [""; 0]);
    assert_eq!(copy.psql("SELECT n FROM older"), "30");
}

#[test]
fn a_database_that_cannot_take_the_backup_is_refused_and_stays_as_it_is() {
    let cluster = Cluster::start();
    let original = cluster.database("original");
    original.psql("CREATE TABLE t (n integer); INSERT INTO t VALUES (1);");
    let place = Place::backed_up(&original);
    let refused = |database: &Database, why: &str, hint: &str| {
        let before = cluster.dump(database, &["--schema-only", "--inserts"]).lines().count();
        let error = place.restore_to(database.url()).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert!(error.hint().unwrap_or_default().contains(hint), "{:?}", error.hint());
        assert_eq!(error.status(), Status::Refused);
        assert_eq!(cluster.dump(database, &["--schema-only", "--inserts"]).lines().count(), before);
    };
    let each = [
        ("a_table", "CREATE TABLE public.x (n integer)", "the table public.x"),
        ("a_type", "CREATE TYPE x AS ENUM ('a')", "the type public.x"),
        ("a_schema", "CREATE SCHEMA x", "the schema x"),
        ("an_extension", "CREATE EXTENSION hstore", "the extension hstore and "),
        ("a_function", "CREATE FUNCTION x() RETURNS integer LANGUAGE sql AS 'SELECT 1'", "the function public.x"),
        ("a_large_object", "SELECT lo_create(77)", "the large object 77"),
        ("an_operator_family", "CREATE OPERATOR FAMILY x USING btree", "the operator family x"),
    ];
    for (name, sql, found) in each {
        let occupied = cluster.database(name);
        occupied.psql(sql);
        refused(&occupied, &format!("it is not empty, it holds {found}"), "createdb --template=template0 --encoding='UTF8'");
    }
    let latin = cluster.database_in("latin", "LATIN1", "C");
    refused(&latin, "its encoding is LATIN1, the backup's is UTF8", "--encoding='UTF8' --lc-collate='C.UTF-8'");
}

#[test]
fn what_only_public_and_the_language_of_every_database_are_is_empty() {
    let cluster = Cluster::start();
    let original = cluster.database("original");
    original.psql("CREATE TABLE t (n integer); INSERT INTO t VALUES (1);");
    let copy = cluster.database("copy");
    copy.psql("DROP SCHEMA public; CREATE SCHEMA public; DROP EXTENSION plpgsql; CREATE EXTENSION plpgsql;");
    Place::backed_up(&original).restore_to(copy.url()).unwrap();
    assert_eq!(copy.psql("SELECT n FROM t"), "1");
}

#[test]
fn an_extension_that_the_server_lacks_is_named_before_anything_is_made() {
    let cluster = Cluster::start();
    let original = cluster.database("original");
    // Its files are there while the backup is made, as on another machine.
    original.psql("CREATE EXTENSION hstore; CREATE TABLE t (n integer);");
    original.psql("UPDATE pg_extension SET extname = 'no_such_thing' WHERE extname = 'hstore'");
    let place = Place::backed_up(&original);
    let copy = cluster.database("copy");
    let error = place.restore_to(copy.url()).unwrap_err();
    assert!(error.to_string().contains("the extension no_such_thing"), "{error}");
    assert!(error.hint().unwrap().contains("Install the packages"), "{:?}", error.hint());
    assert_eq!(copy.psql("SELECT count(*) FROM pg_class WHERE oid >= 16384"), "0");
}

#[test]
fn rows_that_break_a_constraint_come_back_and_the_constraint_is_named() {
    let cluster = Cluster::start();
    let original = cluster.database("original");
    original.psql(
        "CREATE TABLE parent (id integer PRIMARY KEY); CREATE TABLE child (id integer PRIMARY KEY, parent integer REFERENCES parent);
         SET session_replication_role = replica; INSERT INTO child VALUES (1, 7);",
    );
    let copy = cluster.database("copy");
    let warnings = Place::backed_up(&original).restore_to(copy.url()).unwrap().warnings;
    assert!(
        warnings.len() == 1 && warnings[0].contains("child_parent_fkey") && warnings[0].contains("violates foreign key"),
        "{warnings:?}"
    );
    assert_eq!(copy.psql("SELECT parent FROM child"), "7");
}

#[test]
fn a_user_without_the_rights_of_a_superuser_gets_all_but_what_needs_them() {
    let cluster = Cluster::start();
    cluster.existing("postgres").psql("CREATE ROLE plain LOGIN; CREATE ROLE other;");
    let original = cluster.database("original");
    original.psql(
        "CREATE EXTENSION hstore; COMMENT ON EXTENSION hstore IS 'ours'; CREATE TABLE t (n integer, h hstore); INSERT INTO t VALUES (1, 'a=>b');
         ALTER TABLE t OWNER TO other; CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
         CREATE EVENT TRIGGER ddl ON ddl_command_end EXECUTE FUNCTION e();",
    );
    let copy = cluster.database("copy");
    copy.psql("ALTER DATABASE copy OWNER TO plain");
    let result = Place::backed_up(&original).restore_to(copy.url_of("plain")).unwrap();
    let told = result.warnings.join("\n");
    assert!(told.contains("the owner of public.t") && told.contains("the event trigger ddl"), "{told}");
    assert_eq!(copy.psql("SELECT n, h -> 'a' FROM t"), "1|b");
}

#[test]
fn a_failure_in_the_middle_leaves_the_database_empty() {
    let cluster = Cluster::start();
    let original = cluster.database("original");
    // The check calls a function that finds its table by a path of the application's own: no restore can.
    original.psql(
        "CREATE TABLE allowed (n integer); INSERT INTO allowed VALUES (1);
         CREATE FUNCTION is_allowed(i integer) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN EXISTS (SELECT 1 FROM allowed WHERE n = i); END';
         CREATE TABLE t (n integer CHECK (is_allowed(n))); INSERT INTO t VALUES (1);",
    );
    let copy = cluster.database("copy");
    let error = Place::backed_up(&original).restore_to(copy.url()).unwrap_err();
    assert!(error.to_string().contains("copy") && error.to_string().contains(": t: ") && error.to_string().contains("allowed"), "{error}");
    assert_eq!(copy.psql("SELECT count(*) FROM pg_class WHERE oid >= 16384"), "0");
}

#[test]
fn a_database_in_another_encoding_comes_back_in_it() {
    let cluster = Cluster::start();
    let original = cluster.database_in("original", "LATIN1", "C");
    original.psql("CREATE TABLE \"Größe\" (\"naïve\" text PRIMARY KEY); INSERT INTO \"Größe\" VALUES ('Ærø'); COMMENT ON TABLE \"Größe\" IS 'déjà vu'; CREATE SEQUENCE \"zählt\"; SELECT nextval('\"zählt\"');");
    let copy = cluster.database_in("copy", "LATIN1", "C");
    assert_eq!(Place::backed_up(&original).restore_to(copy.url()).unwrap().warnings, [""; 0]);
    assert_equal(&dumped(&cluster, &original), &dumped(&cluster, &copy));
}

#[test]
fn a_database_that_sorts_otherwise_takes_the_backup_and_says_so() {
    let cluster = Cluster::start();
    let original = cluster.database("original");
    original.psql("CREATE TABLE t (n text PRIMARY KEY); INSERT INTO t VALUES ('a')");
    let copy = cluster.database_in("copy", "UTF8", "C");
    let warnings = Place::backed_up(&original).restore_to(copy.url()).unwrap().warnings;
    assert!(
        warnings.iter().any(|warning| warning == "the database sorts as C does, the one that was backed up did as C.UTF-8"),
        "{warnings:?}"
    );
}

/// A vault that gives a little of a large value, and then no more.
struct Damaged;

impl Resolve for Damaged {
    fn fetch(&self, _: &Large, to: &mut dyn Write) -> std::io::Result<()> {
        to.write_all(&[b'x'; 300_000])?;
        Err(std::io::Error::other("the chunk is damaged"))
    }
}

#[test]
fn a_copy_that_is_given_up_in_the_middle_of_a_table_leaves_nothing() {
    let cluster = Cluster::start();
    let original = cluster.database("original");
    original.psql(
        "CREATE TABLE t (n integer PRIMARY KEY, long text); INSERT INTO t SELECT g, repeat('x', 500) FROM generate_series(1, 5000) g",
    );
    let copy = cluster.database("copy");
    let opened = |url: String| database::Database::parse(&url).unwrap();
    let snapshot = opened(original.url()).snapshot(Duration::from_secs(9), std::path::Path::new("/")).unwrap();
    let definition = snapshot.definition().unwrap();
    let relation = &snapshot.relations()[0];
    for damaged in [false, true] {
        // Each attempt finds the database empty, whatever the one before had sent.
        let mut creator = opened(copy.url()).create(&definition, false).unwrap();
        let mut rows = 0;
        let mut each = |mut row: backstop::rows::Row| {
            rows += 1;
            if rows == 4000 && damaged {
                let large = Large { class: Class::Text, length: 500_000, content: Digest::of(b""), chunks: Vec::new() };
                row.values[1] = Value::Large(large);
                let error = creator.add(relation, &row, &Damaged).unwrap_err();
                assert!(error.to_string().contains("the chunk is damaged"), "{error}");
            } else {
                creator.add(relation, &row, &Damaged).unwrap();
            }
            if rows == 4000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        snapshot.scan(relation, &Looking, &mut each).unwrap();
        drop(creator);
        assert_eq!(copy.psql("SELECT count(*) FROM pg_class WHERE oid >= 16384"), "0");
    }
}
