//! Records that the server would not take as the database is now: the preview says so, with the server's own judgement.

use backstop::engine::restore::plan::{OnRefused, PlanSummary};
use backstop::engine::restore::strategy::{Side, Strategy};
use backstop::engine::restoring::PreviewRequest;

use crate::common::postgres::{Cluster, Database};
use crate::place::{Place, going};

/// A table and what the backup has of it, what was done since, and why a record is refused; where nothing is said, none is.
const EACH: [(&str, &str, &str, &str); 23] = [
    (
        "label",
        "CREATE TYPE label_mood AS ENUM ('sad', 'it''s fine'); CREATE TABLE label (id int PRIMARY KEY, m label_mood); INSERT INTO label VALUES (1, 'sad'), (2, 'it''s fine')",
        "ALTER TYPE label_mood RENAME VALUE 'sad' TO 'blue'; DELETE FROM label",
        "m: invalid input value for enum public.label_mood: \"sad\"",
    ),
    (
        "labels",
        "CREATE TYPE labels_mood AS ENUM ('sad', 'fine'); CREATE TABLE labels (id int PRIMARY KEY, m labels_mood[]); INSERT INTO labels VALUES (1, '{sad}'), (2, '{fine,fine}')",
        "ALTER TYPE labels_mood RENAME VALUE 'sad' TO 'blue'; UPDATE labels SET m = NULL",
        "m: invalid input value for enum",
    ),
    (
        "domain",
        "CREATE DOMAIN domain_code AS text; CREATE TABLE domain (id int PRIMARY KEY, code domain_code); INSERT INTO domain VALUES (1, 'x'), (2, 'long')",
        "UPDATE domain SET code = 'other'; ALTER DOMAIN domain_code ADD CONSTRAINT is_long CHECK (length(VALUE) > 2)",
        "code: value for domain public.domain_code violates check constraint \"is_long\"",
    ),
    (
        "nothing",
        "CREATE DOMAIN nothing_code AS text; CREATE TABLE nothing (id int PRIMARY KEY, code nothing_code); INSERT INTO nothing VALUES (1, NULL), (2, 'x'), (3, '')",
        "DELETE FROM nothing; ALTER DOMAIN nothing_code SET NOT NULL",
        "code: domain public.nothing_code does not allow null values",
    ),
    (
        "shorter",
        "CREATE TABLE shorter (id int PRIMARY KEY, v varchar(10)); INSERT INTO shorter VALUES (1, 'abcdef'), (2, 'abc')",
        "DELETE FROM shorter; ALTER TABLE shorter ALTER v TYPE varchar(4)",
        "v: would not stay as it is (character varying(4))",
    ),
    (
        "rounded",
        "CREATE TABLE rounded (id int PRIMARY KEY, v numeric); INSERT INTO rounded VALUES (1, 1.2345), (2, 1.23)",
        "DELETE FROM rounded WHERE id = 1; ALTER TABLE rounded ALTER v TYPE numeric(10,2)",
        "v: would not stay as it is (numeric(10,2))",
    ),
    (
        "narrower",
        "CREATE TABLE narrower (id int PRIMARY KEY, v bigint); INSERT INTO narrower VALUES (1, 70000), (2, 7)",
        "UPDATE narrower SET v = 1; ALTER TABLE narrower ALTER v TYPE smallint",
        "v: value \"70000\" is out of range for type smallint",
    ),
    (
        "checked",
        "CREATE TABLE checked (id int PRIMARY KEY, v int); INSERT INTO checked VALUES (1, -1), (2, 2)",
        "DELETE FROM checked; ALTER TABLE checked ADD CONSTRAINT \"is Positive\" CHECK (v > 0)",
        "breaks the constraint is Positive: CHECK ((v > 0))",
    ),
    (
        "not_valid",
        "CREATE TABLE not_valid (id int PRIMARY KEY, v int, w int); INSERT INTO not_valid VALUES (1, -1, 5), (2, 2, 5)",
        "UPDATE not_valid SET w = NULL; ALTER TABLE not_valid ADD CONSTRAINT positive CHECK (v > 0) NOT VALID",
        "breaks the constraint positive",
    ),
    (
        "computed",
        "CREATE TABLE computed (id int PRIMARY KEY, v int, twice int GENERATED ALWAYS AS (v * 2) STORED); INSERT INTO computed VALUES (1, -1), (2, 2)",
        "DELETE FROM computed; ALTER TABLE computed ADD CONSTRAINT positive CHECK (twice > 0)",
        "breaks the constraint positive",
    ),
    (
        "divided",
        "CREATE TABLE divided (id int PRIMARY KEY, v int); INSERT INTO divided VALUES (1, 0), (2, 2)",
        "DELETE FROM divided; ALTER TABLE divided ADD CHECK (10 / v > 0)",
        "division by zero",
    ),
    (
        "collated",
        "CREATE COLLATION any_letters (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         CREATE TABLE collated (id int PRIMARY KEY, v text COLLATE any_letters); INSERT INTO collated VALUES (1, 'OFF'), (2, 'on')",
        "DELETE FROM collated; ALTER TABLE collated ADD CONSTRAINT is_on CHECK (v <> 'off')",
        "breaks the constraint is_on",
    ),
    (
        "filled",
        "CREATE TABLE filled (id int PRIMARY KEY, v text); INSERT INTO filled VALUES (1, NULL), (2, '')",
        "DELETE FROM filled; ALTER TABLE filled ALTER v SET NOT NULL",
        "v must have a value",
    ),
    (
        "detached",
        "CREATE TABLE detached (id int, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id); CREATE TABLE detached_1 PARTITION OF detached FOR VALUES FROM (0) TO (2);
         CREATE TABLE detached_2 PARTITION OF detached FOR VALUES FROM (2) TO (9) PARTITION BY LIST (id); CREATE TABLE detached_21 PARTITION OF detached_2 FOR VALUES IN (2);
         INSERT INTO detached VALUES (1, 'a'), (2, 'b')",
        "DROP TABLE detached_1",
        "goes to no partition that there is",
    ),
    (
        "apart",
        "CREATE TABLE apart (id int PRIMARY KEY, v int) PARTITION BY HASH (id); CREATE TABLE apart_1 PARTITION OF apart FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE apart_2 PARTITION OF apart FOR VALUES WITH (MODULUS 2, REMAINDER 1); INSERT INTO apart VALUES (1, 1), (3, 1)",
        "DO $$ BEGIN EXECUTE 'ALTER TABLE ' || (SELECT tableoid::regclass FROM apart WHERE id = 1) || ' ADD CONSTRAINT much CHECK (v > 0 OR id = 3)'; END $$; UPDATE apart SET v = 5;
         ALTER TABLE apart ADD CONSTRAINT more CHECK (v > 1 OR id = 3)",
        "breaks the constraint more",
    ),
    (
        "of_part",
        "CREATE TABLE of_part (id int PRIMARY KEY, v int) PARTITION BY LIST (id); CREATE TABLE of_part_1 PARTITION OF of_part FOR VALUES IN (1);
         CREATE TABLE of_part_2 PARTITION OF of_part DEFAULT; INSERT INTO of_part VALUES (1, 1), (2, 1)",
        "UPDATE of_part SET v = 5; ALTER TABLE of_part_1 ADD CONSTRAINT more CHECK (v > 1)",
        "breaks the constraint more",
    ),
    // What did not change, or changed in another way, refuses nothing.
    (
        "same",
        "CREATE TYPE same_mood AS ENUM ('sad', 'fine'); CREATE DOMAIN same_code AS varchar(5) NOT NULL CHECK (VALUE <> '');
         CREATE TABLE same (id int PRIMARY KEY, v int CHECK (v > 0), m same_mood, c same_code, CONSTRAINT both_of CHECK (v > 0 OR m IS NULL)); INSERT INTO same VALUES (1, 1, 'sad', 'a')",
        "DELETE FROM same; ALTER TYPE same_mood ADD VALUE 'new' BEFORE 'sad'",
        "",
    ),
    (
        "wider",
        "CREATE TABLE wider (id int PRIMARY KEY, v varchar(3), n numeric(4,2), i int); INSERT INTO wider VALUES (1, 'abc', 1.25, 7)",
        "DELETE FROM wider; ALTER TABLE wider ALTER v TYPE text, ALTER n TYPE numeric(10,2), ALTER i TYPE bigint",
        "",
    ),
    (
        "met",
        "CREATE TABLE met (id int PRIMARY KEY, v int, t text[], j jsonb, b bytea, f float8, ok boolean); INSERT INTO met VALUES (1, 1, '{a,NULL}', '{\"a\": 1}', '\\x00ff', 0.1, true)",
        "DELETE FROM met; ALTER TABLE met ADD CHECK (v > 0 AND ok AND cardinality(t) = 2 AND f < 1 AND length(b) = 2 AND j ? 'a'), ADD CHECK (v > 0 OR v IS NULL)",
        "",
    ),
    (
        "whole",
        "CREATE TABLE whole (id int PRIMARY KEY, v int); INSERT INTO whole VALUES (1, -1), (2, 2)",
        "DELETE FROM whole; CREATE FUNCTION is_whole(r whole) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT r.v > -5'; ALTER TABLE whole ADD CHECK (is_whole(whole)), ADD CONSTRAINT zero CHECK (v > 0)",
        "breaks the constraint zero",
    ),
    (
        "told",
        "CREATE FUNCTION is_told(v int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'; CREATE DOMAIN told_domain AS int CHECK (is_told(VALUE));
         CREATE TABLE told (id int PRIMARY KEY, v int CONSTRAINT is_it CHECK (is_told(v)), w told_domain); INSERT INTO told VALUES (1, 1, 2), (2, 2, 2)",
        "DELETE FROM told; CREATE OR REPLACE FUNCTION is_told(v int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT v > 1'",
        "breaks the constraint is_it",
    ),
    (
        "untouched",
        "CREATE DOMAIN untouched_code AS text; CREATE TABLE untouched (id int PRIMARY KEY, code untouched_code, v int); INSERT INTO untouched VALUES (1, 'x', 1)",
        "ALTER DOMAIN untouched_code ADD CONSTRAINT is_long CHECK (length(VALUE) > 2) NOT VALID; UPDATE untouched SET v = 2",
        "",
    ),
    (
        "kept_parts",
        "CREATE TABLE kept_parts (id int PRIMARY KEY, v int) PARTITION BY RANGE (id); CREATE TABLE kept_parts_1 PARTITION OF kept_parts FOR VALUES FROM (MINVALUE) TO (5);
         CREATE TABLE \"kept Parts 2\" PARTITION OF kept_parts DEFAULT; INSERT INTO kept_parts VALUES (1, 1), (7, 7)",
        "DELETE FROM kept_parts; CREATE TABLE kept_parts_3 PARTITION OF kept_parts FOR VALUES FROM (10) TO (20)",
        "",
    ),
];

fn of(table: &str) -> PreviewRequest {
    let mut request = PreviewRequest::new(None, Strategy::Replace);
    request.scope.models.insert(table.to_owned());
    request
}

fn preview(place: &Place, request: &PreviewRequest) -> PlanSummary {
    place.engine.preview(request, &mut going).unwrap()
}

fn rows(database: &Database, table: &str) -> String {
    database.psql(&format!("SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM {table} t"))
}

#[test]
fn what_the_server_would_refuse_is_refused_by_the_preview_and_nothing_else_is() {
    let cluster = Cluster::start();
    let database = cluster.database("refused");
    for (_, made, ..) in EACH {
        database.psql(made);
    }
    let place = Place::backed_up(&database);
    let before: Vec<String> = EACH.iter().map(|(table, ..)| rows(&database, table)).collect();
    for ((table, _, changed, why), before) in EACH.into_iter().zip(before) {
        database.psql(changed);
        let now = rows(&database, table);
        let plan = preview(&place, &of(table));
        let model = plan.models.iter().find(|model| model.model == table).unwrap();
        assert_eq!((model.refused, plan.safe_to_restore), (u64::from(!why.is_empty()), why.is_empty()), "{table}: {:#?}", plan.findings);
        if why.is_empty() {
            place.engine.restore(&plan.plan, Some("a test"), &mut going).unwrap();
            assert_eq!(rows(&database, table), before, "{table}");
            continue;
        }
        let finding = plan.findings.iter().find(|finding| finding.option == "refused").unwrap();
        assert!(finding.message.contains(why), "{table}: {}", finding.message);
        assert_eq!(finding.keys, [serde_json::json!({"id": 1})], "{table}");
        // It is as the preview says: the record alone is refused.
        let restored = preview(&place, &PreviewRequest { refused: OnRefused::Skip, ..of(table) });
        assert!(restored.safe_to_restore, "{table}: {:#?}", restored.findings);
        assert_eq!(rows(&database, table), now, "{table}: a preview changes nothing");
        place.engine.restore(&restored.plan, Some("a test"), &mut going).unwrap();
    }
}

#[test]
fn a_record_that_mixes_both_sides_is_shown_to_conditions_that_both_were_under() {
    let cluster = Cluster::start();
    let database = cluster.database("mixed");
    database.psql("CREATE TABLE t (id int PRIMARY KEY, a int, b int, CONSTRAINT one CHECK (a IS NULL OR b IS NULL)); INSERT INTO t VALUES (1, 1, NULL), (2, 2, NULL)");
    let place = Place::backed_up(&database);
    database.psql("UPDATE t SET a = NULL, b = 5 WHERE id = 1; UPDATE t SET a = NULL WHERE id = 2");
    let request = PreviewRequest { strategy: Strategy::Merge, ..of("t") };
    let plan = preview(&place, &request);
    assert_eq!((plan.models[0].refused, plan.models[0].update, plan.safe_to_restore), (1, 1, false), "{:#?}", plan.findings);
    assert_eq!(preview(&place, &of("t")).models[0].refused, 0);
}

#[test]
fn what_refers_to_a_refused_record_is_not_put_back_without_it() {
    let cluster = Cluster::start();
    let database = cluster.database("children");
    database.psql(
        "CREATE TABLE p (id int PRIMARY KEY, v int); CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p); INSERT INTO p VALUES (1, -1), (2, 2);
         INSERT INTO c VALUES (1, 1), (2, 2)",
    );
    let place = Place::backed_up(&database);
    database.psql("DELETE FROM c; DELETE FROM p; ALTER TABLE p ADD CHECK (v > 0)");
    let plan = preview(&place, &PreviewRequest { refused: OnRefused::Skip, ..PreviewRequest::new(None, Strategy::Replace) });
    let figures: Vec<_> = plan.models.iter().map(|model| (model.create, model.refused, model.blocked)).collect();
    assert_eq!((figures, plan.safe_to_restore), (vec![(1, 0, 1), (1, 1, 0)], false), "{:#?}", plan.findings);
}

#[test]
fn an_undo_says_what_the_server_would_refuse_too() {
    let cluster = Cluster::start();
    let database = cluster.database("undone");
    database.psql("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1), (2, 2)");
    let place = Place::backed_up(&database);
    database.psql("UPDATE t SET v = -v");
    let restore = place.restore_exactly().unwrap();
    database.psql("ALTER TABLE t ADD CONSTRAINT fit CHECK (v > 0 OR id = 2)");
    let plan = place.engine.preview_undo(&restore, Vec::new(), &mut going).unwrap();
    assert_eq!((plan.models[0].refused, plan.safe_to_restore), (1, false), "{:#?}", plan.findings);
    let finding = plan.findings.iter().find(|finding| finding.message.contains("breaks the constraint fit")).unwrap();
    assert_eq!(finding.option, "row");
    let left =
        backstop::engine::restore::plan::Choice { model: "t".into(), key: serde_json::json!({"id": 1}), field: None, side: Side::Live };
    assert!(place.engine.preview_undo(&restore, vec![left], &mut going).unwrap().safe_to_restore);
}

#[test]
fn rows_that_a_publication_cannot_name_are_neither_updated_nor_deleted() {
    let cluster = Cluster::start();
    let database = cluster.database("published");
    database.psql(
        "CREATE TABLE keyless (v int); INSERT INTO keyless VALUES (1); CREATE TABLE silent (id int PRIMARY KEY, v int); INSERT INTO silent VALUES (1, 1);
         CREATE TABLE parts (id int PRIMARY KEY, v int) PARTITION BY LIST (id); CREATE TABLE part_1 PARTITION OF parts DEFAULT; INSERT INTO parts VALUES (1, 1);
         ALTER TABLE silent REPLICA IDENTITY NOTHING; ALTER TABLE part_1 REPLICA IDENTITY NOTHING",
    );
    let place = Place::backed_up(&database);
    database.psql("INSERT INTO keyless VALUES (2); UPDATE silent SET v = 2; UPDATE parts SET v = 2");
    let safe = |table: &str| {
        let plan = preview(&place, &PreviewRequest { exact: true, ..of(table) });
        let told = plan.findings.iter().find(|finding| finding.message.contains("replica identity"));
        assert_eq!(plan.safe_to_restore, told.is_none(), "{table}: {:#?}", plan.findings);
        plan.safe_to_restore
    };
    let all = ["keyless", "silent", "parts"];
    assert_eq!(all.map(safe), [true, true, true]);
    database.psql("CREATE PUBLICATION inserts FOR ALL TABLES WITH (publish = 'insert')");
    assert_eq!(all.map(safe), [true, true, true]);
    database.psql("CREATE PUBLICATION updates FOR TABLE silent, parts WITH (publish = 'update')");
    assert_eq!(all.map(safe), [true, false, false]);
    database.psql("CREATE PUBLICATION everything FOR ALL TABLES");
    assert_eq!(all.map(safe), [false, false, false]);
    database.psql(
        "ALTER TABLE keyless REPLICA IDENTITY FULL; ALTER TABLE silent REPLICA IDENTITY DEFAULT; ALTER TABLE part_1 REPLICA IDENTITY FULL",
    );
    assert_eq!(all.map(safe), [true, true, true]);
    place.restore_exactly().unwrap();
    assert_eq!((rows(&database, "keyless").trim(), rows(&database, "silent").trim()), ("(1)", "(1,1)"));
}
