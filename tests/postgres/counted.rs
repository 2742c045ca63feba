//! Increments of tables whose keys are whole numbers: the server counts, and what was deleted is found without a key being sent. Each is
//! restored to a copy, which must be what pg_dump says; and rows that were not read are counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use backstop::catalog::BackupType;
use backstop::rows::Digest;
use backstop::vault::BackupId;

use crate::since::{Journey, told};

/// 6,000 rows, in three blocks of the cache and some twenty ranges of keys; and a row that is far away.
const LONG: &str =
    "CREATE TABLE long (id bigint PRIMARY KEY, t text); INSERT INTO long SELECT i, 'row ' || i FROM generate_series(1, 6000) i;
    INSERT INTO long VALUES (4000000000000000000, 'far')";

#[test]
fn what_was_deleted_is_found_wherever_it_was() {
    let mut journey = Journey::of(LONG);
    let mut left = 6001;
    let mut deleted = |journey: &mut Journey, which: &str, rows: u64| {
        left -= rows;
        assert_eq!(journey.after(&format!("DELETE FROM long WHERE {which}")), told([("long", left)]), "{which}");
    };
    deleted(&mut journey, "id = 3000", 1);
    deleted(&mut journey, "id IN (1, 4000000000000000000)", 2);
    deleted(&mut journey, "id IN (2, 6000)", 2);
    deleted(&mut journey, "id BETWEEN 1501 AND 1510", 10);
    deleted(&mut journey, "id % 500 = 7", 11);
    deleted(&mut journey, "id % 41 = 3 AND id > 5000", 25);
    // Whole ranges, and parts of those beside them.
    deleted(&mut journey, "id BETWEEN 2001 AND 3200 AND id <> 3000", 1199 - 3 - 4 + 4);
}

#[test]
fn what_came_back_or_went_elsewhere_is_read() {
    let mut journey = Journey::of(LONG);
    let again = "DELETE FROM long WHERE id IN (10, 11, 192, 3000); INSERT INTO long VALUES (10, 'again'), (3000, 'row 3000')";
    assert_eq!(journey.after(again), told([("long", 5997)]));
    // Two go and two come, in one range, with the same sum.
    let even =
        "DELETE FROM long WHERE id IN (100, 103); INSERT INTO long VALUES (11, 'new'), (192, 'new'); UPDATE long SET id = -5 WHERE id = 5";
    assert_eq!(journey.after(even), told([("long", 5996)]));
    let swapped =
        "DELETE FROM long WHERE id IN (201, 204); UPDATE long SET id = 204 WHERE id = 202; UPDATE long SET id = 201 WHERE id = 203";
    assert_eq!(journey.after(swapped), told([("long", 5995)]));
    let moved = "UPDATE long SET id = id + 100000 WHERE id BETWEEN 4000 AND 4100; UPDATE long SET t = 'x' WHERE id % 100 = 0; DELETE FROM long WHERE id % 780 = 11";
    journey.after(moved);
    assert_eq!(journey.increment()["long"], journey.database.psql("SELECT count(*) FROM long").parse::<u64>().unwrap());
    journey.after("DELETE FROM long WHERE id < 4000000000000000000");
    journey.after("INSERT INTO long SELECT i, 'new' FROM generate_series(1, 20) i");
    assert_eq!(journey.increment(), told([("long", 21)]));
    journey.after("DELETE FROM long");
    journey.after("INSERT INTO long VALUES (7, 'one')");
    assert_eq!(journey.increment(), told([("long", 1)]));
}

/// The digest cache of the only model, and what changed upon it.
fn caches(journey: &Journey) -> (PathBuf, PathBuf) {
    let app = std::fs::read_dir(journey.place.engine.home().cache()).unwrap().next().unwrap().unwrap().path();
    let files: Vec<PathBuf> = std::fs::read_dir(app).unwrap().map(|file| file.unwrap().path()).collect();
    let cache = files.iter().find(|file| file.extension().is_none()).unwrap().clone();
    let changes = cache.with_extension("changes");
    assert!(files.iter().all(|file| *file == cache || *file == changes), "nothing unfinished stays: {files:?}");
    (cache, changes)
}

#[test]
fn a_cache_that_is_torn_is_not_believed() {
    let mut journey = Journey::of(LONG);
    let (cache, changes) = caches(&journey);
    for (place, file) in [&cache, &cache, &cache, &changes, &changes, &changes].into_iter().enumerate() {
        let (id, part) = (100 * place + 7, [10, 50, 90][place % 3]);
        let left = 6000 - 3 * place as u64;
        assert_eq!(journey.after(&format!("DELETE FROM long WHERE id = {id}")), told([("long", left)]));
        let mut bytes = std::fs::read(file).unwrap();
        let at = bytes.len() * part / 100;
        bytes[at] ^= 1;
        std::fs::write(file, bytes).unwrap();
        let deleted = format!("DELETE FROM long WHERE id IN ({}, {})", id + 1, id + 20);
        assert_eq!(journey.after(&deleted), told([]), "{} torn at {part} %", file.display());
        assert!(!journey.increment().is_empty());
        assert!(cache.exists() && !changes.exists(), "what was compared whole is a cache anew");
    }
}

#[test]
fn a_cache_of_more_blocks_than_are_looked_at_is_not_believed_where_one_is_torn() {
    // Some eighty: where keys lie every second of them tells, and the others are read only while they are merged.
    let mut journey = Journey::of(
        "CREATE TABLE long (id bigint PRIMARY KEY, t text); INSERT INTO long SELECT i, 'row' FROM generate_series(1, 200000) i",
    );
    let (cache, _) = caches(&journey);
    assert_eq!(journey.after("DELETE FROM long WHERE id IN (7, 9)"), told([("long", 199_998)]));
    for part in [406, 418] {
        let mut bytes = std::fs::read(&cache).unwrap();
        let at = bytes.len() * part / 1000;
        bytes[at] ^= 1;
        std::fs::write(&cache, bytes).unwrap();
        assert_eq!(journey.after(&format!("DELETE FROM long WHERE id = {part}")), told([]), "torn at {part} of a thousand");
        assert!(is_upon_another(&journey), "it is compared, and no base made anew");
        assert!(!journey.increment().is_empty(), "it is made anew");
    }
}

/// Whether the only model's newest backup holds what changed since another one.
fn is_upon_another(journey: &Journey) -> bool {
    let engine = &journey.place.engine;
    let made = engine.catalog().newest_backups(None, &[BackupType::Incremental], false, 1).unwrap();
    let manifest = engine.vault("main").unwrap().manifest(&BackupId(made[0].id.clone())).unwrap();
    manifest.relations().all(|record| record.runs.len() > 1)
}

#[test]
fn what_changed_is_written_beside_the_cache_until_it_is_much() {
    let mut journey = Journey::of(LONG);
    let (cache, changes) = caches(&journey);
    let whole = std::fs::read(&cache).unwrap();
    assert!(!changes.exists());
    for (sql, same) in [
        ("DELETE FROM long WHERE id IN (5, 3000); UPDATE long SET t = 'x' WHERE id = 6", 5998),
        ("INSERT INTO long VALUES (5, 'again'), (7000, 'new'); UPDATE long SET t = 'row 6' WHERE id = 6", 5998),
        ("DELETE FROM long WHERE id IN (5, 7000)", 5999),
        (
            "UPDATE long SET t = 'y' WHERE id % 10 = 3; DELETE FROM long WHERE id % 700 = 1; INSERT INTO long VALUES (3000, 'row 3000')",
            5390,
        ),
    ] {
        assert_eq!(journey.after(sql), told([("long", same)]), "{sql}");
        assert_eq!(std::fs::read(&cache).unwrap(), whole, "the cache stays as it is");
        assert!(changes.exists());
    }
    let behind = std::fs::read(&changes).unwrap();
    assert_eq!(journey.after("UPDATE long SET t = 'z' WHERE id % 10 = 4"), told([("long", 5391)]));
    let (last, upon) = (std::fs::read(&changes).unwrap(), std::fs::read(&cache).unwrap());
    assert_eq!(upon, whole);
    assert_eq!(journey.after("UPDATE long SET t = 'z' WHERE id = 8"), told([("long", 5990)]));
    assert!(!changes.exists() && std::fs::read(&cache).unwrap() != whole, "of 6000 rows 1200 differ: it is written anew");

    assert_eq!(journey.after("UPDATE long SET t = 'z' WHERE id = 9"), told([("long", 5990)]));
    std::fs::write(&changes, behind).unwrap();
    assert_eq!(journey.after("DELETE FROM long WHERE id = 9"), told([]), "upon another cache");
    std::fs::write(&changes, last).unwrap();
    assert_eq!(journey.after("DELETE FROM long WHERE id = 10"), told([("long", 5989)]), "the cache is right without them");
    let earlier = std::fs::read(&changes).unwrap();
    assert_eq!(journey.after("DELETE FROM long WHERE id = 12"), told([("long", 5988)]));
    std::fs::write(&changes, earlier).unwrap();
    assert_eq!(journey.after("DELETE FROM long WHERE id = 15"), told([]), "of another moment");
    assert_eq!(journey.after("DELETE FROM long WHERE id = 16"), told([("long", 5986)]));
    std::fs::remove_file(&changes).unwrap();
    assert_eq!(journey.after("DELETE FROM long WHERE id = 17"), told([]), "it is behind without those that belong to it");
}

/// Keys of every whole type, alone and together, the least and the greatest among them.
const MIXED: &str = "CREATE DOMAIN number AS integer;
    CREATE TABLE big (id bigint PRIMARY KEY, t text);
    CREATE TABLE wide (a integer, b smallint, t text, PRIMARY KEY (b, a));
    CREATE TABLE object (o oid PRIMARY KEY, t text);
    CREATE TABLE domained (n number, b bigint, t text, PRIMARY KEY (n, b));
    CREATE TABLE alike (a integer, b integer, t text, PRIMARY KEY (a, b));
    INSERT INTO big SELECT (i - 500) * 18446744073709551, 'b' FROM generate_series(1, 999) i;
    INSERT INTO big VALUES (-9223372036854775808, 'least'), (9223372036854775807, 'greatest'), (-1, 'x'), (1, 'x');
    INSERT INTO wide SELECT i::bigint * 2000003 - 2147483648, i % 50 - 25, 'w' FROM generate_series(0, 1999) i;
    INSERT INTO wide VALUES (-2147483648, -32768, 'least'), (2147483647, 32767, 'greatest');
    INSERT INTO object SELECT (i::bigint * 2097151)::oid, 'o' FROM generate_series(0, 2000) i; INSERT INTO object VALUES (4294967295, 'greatest');
    INSERT INTO domained SELECT i / 3, i % 3 - 1, 'd' FROM generate_series(-900, 900) i ON CONFLICT DO NOTHING;
    INSERT INTO alike SELECT 1, i, 'a' FROM generate_series(1, 3000) i;
    CREATE TABLE even (id bigint PRIMARY KEY, t text);
    INSERT INTO even SELECT i, 'e' FROM generate_series(-7000, 6999) i;
    CREATE TABLE exact (id bigint PRIMARY KEY, t text);
    INSERT INTO exact SELECT i, 'n' FROM generate_series(9007199254739892, 9007199254740992) i;
    INSERT INTO exact SELECT -i, 'n' FROM generate_series(9007199254739892, 9007199254740991) i";

/// What a wish for a chance is answered with: the same every time.
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

#[test]
fn whatever_happens_to_keys_of_any_whole_type_an_increment_is_what_a_full_backup_would_be() {
    let mut journey = Journey::of(MIXED);
    let keys = BTreeMap::from([
        ("big", "(id)::text"),
        ("wide", "(a::bigint + b)::text"),
        ("object", "(o::bigint)::text"),
        ("domained", "(n + b)::text"),
        ("alike", "(a + b)::text"),
        ("even", "(id)::text"),
        ("exact", "(id)::text"),
    ]);
    let mut chance = Chance(7);
    for round in 0..6 {
        let mut sql = String::new();
        for (table, key) in &keys {
            // Of each round's rows some share of these sorts; in the last one nearly all go.
            let share = [900, 60, 400, 8, 2000, 2][round];
            let is = |chance: &mut Chance| format!("(hashtext({key} || '{}') & 2147483647) % {share} = 0", chance.next(1000));
            write!(sql, "DELETE FROM {table} WHERE {};", is(&mut chance)).unwrap();
            write!(sql, "UPDATE {table} SET t = 'round {round}' WHERE {};", is(&mut chance)).unwrap();
            write!(sql, "CREATE TEMP TABLE gone AS SELECT * FROM {table} WHERE {};", is(&mut chance)).unwrap();
            write!(sql, "DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM gone); INSERT INTO {table} SELECT * FROM gone;").unwrap();
            sql.push_str("DROP TABLE gone;");
        }
        let news = chance.next(100_000);
        write!(sql, "INSERT INTO big SELECT i * 1000003 + {news}, 'new' FROM generate_series(-9, 9) i ON CONFLICT DO NOTHING;").unwrap();
        write!(sql, "INSERT INTO wide SELECT i * {news} - 77, i, 'new' FROM generate_series(-9, 9) i ON CONFLICT DO NOTHING;").unwrap();
        write!(sql, "UPDATE domained SET n = n + 10000 WHERE n = {};", news % 300).unwrap();
        write!(sql, "UPDATE alike SET b = b + 10000 WHERE b = {};", news % 3000).unwrap();
        // Beyond what a real tells apart, and further than all that the backup before has.
        for far in ["9007199254740992", "-9007199254740992", "9223372036854775790", "-9223372036854775790"] {
            write!(
                sql,
                "INSERT INTO exact SELECT {far} + i, 'new' FROM generate_series({round}, {round} + 7, 3) i ON CONFLICT DO NOTHING;"
            )
            .unwrap();
            write!(sql, "INSERT INTO even SELECT {far} + i, 'new' FROM generate_series({round}, {round} + 7, 3) i ON CONFLICT DO NOTHING;")
                .unwrap();
        }
        let models = journey.after(&sql);
        let asked = models.keys().map(String::as_str).collect::<Vec<_>>();
        // Where nearly all went, a new base is made.
        if round < 5 {
            assert_eq!(asked, ["alike", "big", "domained", "even", "exact", "object", "wide"], "round {round}");
        }
        let [incremental, full] = [BackupType::Incremental, BackupType::Full].map(|kind| digests(&journey, kind));
        assert_eq!(incremental, full, "round {round}: what reading everything gives");
    }
}

/// What the newest increment, or a full backup that is made now, says of each model: its rows and their digest.
fn digests(journey: &Journey, kind: BackupType) -> Vec<(String, u64, Digest)> {
    let engine = &journey.place.engine;
    let made = engine.catalog().newest_backups(None, &[kind], false, 1).unwrap();
    let id = match kind {
        BackupType::Full => journey.place.back_up(kind).unwrap().backup,
        _ => made[0].id.clone(),
    };
    let manifest = engine.vault("main").unwrap().manifest(&BackupId(id)).unwrap();
    manifest.relations().map(|record| (record.relation.name.clone(), record.rows, record.digest)).collect()
}
