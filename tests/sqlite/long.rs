//! Values that are too long to be held: they come in pieces, and go back in pieces, as they are.

use std::ops::ControlFlow;

use backstop::sources::Pieced;

use super::*;

/// More than is held, and more than a piece of it.
const LONG: usize = (1 << 20) + 12345;

/// A table of each kind, with long values between others: as the first row, the last one, several in a row.
const TABLES: &str = "
    CREATE TABLE plain (id INTEGER PRIMARY KEY, name TEXT, a BLOB, b BLOB);
    CREATE TABLE middle (id INTEGER PRIMARY KEY, a BLOB, n REAL, b TEXT, c INT);
    CREATE TABLE named (name TEXT PRIMARY KEY, a BLOB, b TEXT);
    CREATE TABLE nocase (name TEXT PRIMARY KEY COLLATE NOCASE, a BLOB, b TEXT);
    CREATE TABLE keyless (a BLOB, b TEXT);
    CREATE TABLE keyed_by_it (a BLOB UNIQUE NOT NULL, b TEXT);
    CREATE TABLE rowless (name TEXT PRIMARY KEY, a BLOB, b TEXT) WITHOUT ROWID;
    CREATE TABLE computed (id INTEGER PRIMARY KEY, a BLOB, b INT AS (length(a)) STORED);
    CREATE TABLE strict_ (id INTEGER PRIMARY KEY, a BLOB, b ANY) STRICT;
    CREATE TABLE checked (id INTEGER PRIMARY KEY, a BLOB CHECK (hex(substr(a, 1, 2)) <> '0000'));
    CREATE TABLE shadowed (rowid, oid, _rowid_, a BLOB);
    CREATE VIRTUAL TABLE words USING fts5(a);";

const ROWS: &str = "
    INSERT INTO plain SELECT i, 'n' || i, NULL, NULL FROM n;
    UPDATE plain SET a = (SELECT a FROM long), b = (SELECT b FROM long) WHERE id IN (1, 300, 400);
    UPDATE plain SET a = (SELECT t FROM long) WHERE id = 301;
    UPDATE plain SET b = (SELECT a FROM long) WHERE id = 302;
    INSERT INTO middle SELECT i, NULL, i / 3.0, i, i FROM n;
    UPDATE middle SET a = (SELECT a FROM long), b = (SELECT t FROM long) WHERE id IN (7, 8);
    INSERT INTO named SELECT 'n' || i, i, NULL FROM n; UPDATE named SET b = (SELECT t FROM long) WHERE a IN (10, 200);
    INSERT INTO named SELECT t, NULL, NULL FROM long; INSERT INTO named VALUES (NULL, 1, 2); INSERT INTO named SELECT NULL, b, t FROM long;
    INSERT INTO nocase SELECT * FROM named;
    INSERT INTO keyless SELECT i % 7, NULL FROM n; INSERT INTO keyless SELECT a, t FROM long; INSERT INTO keyless SELECT a, t FROM long; INSERT INTO keyless SELECT b, 1 FROM long;
    INSERT INTO keyed_by_it SELECT CAST(i AS BLOB), i FROM n; INSERT INTO keyed_by_it SELECT a, t FROM long; INSERT INTO keyed_by_it SELECT b, NULL FROM long;
    INSERT INTO rowless SELECT 'n' || i, i, NULL FROM n; UPDATE rowless SET a = (SELECT a FROM long) WHERE a = 5;
    INSERT INTO computed SELECT i, i FROM n; UPDATE computed SET a = (SELECT a FROM long) WHERE id = 3;
    INSERT INTO strict_ SELECT i, a, t FROM n, long WHERE i < 4; INSERT INTO checked SELECT i, a FROM n, long WHERE i < 4;
    INSERT INTO shadowed SELECT 1, 2, 3, a FROM long;
    INSERT INTO words SELECT t FROM long;";

fn database(folder: &Folder, encoding: &str, journal: &str) -> PathBuf {
    let path = folder.path("app.db");
    let db = Connection::open(&path).unwrap();
    db.execute_batch(&format!("PRAGMA encoding = '{encoding}'; PRAGMA journal_mode = {journal}; {TABLES}")).unwrap();
    db.execute_batch("CREATE TEMP TABLE long (a BLOB, b BLOB, t TEXT); CREATE TEMP TABLE n (i INT)").unwrap();
    let bytes = |seed: usize| (0..LONG).map(|place| u8::try_from((place * seed / 64 + place) % 251).unwrap() | 1).collect::<Vec<u8>>();
    let text: String = (0..LONG).map(|place| ['a', 'é', '€', '🦀', '\0', ' '][place * 7919 % 61 % 6]).collect();
    db.execute("INSERT INTO temp.long VALUES (?, ?, ?)", (bytes(3), bytes(5), text)).unwrap();
    db.execute_batch("WITH RECURSIVE c(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM c WHERE i < 400) INSERT INTO temp.n SELECT i FROM c")
        .unwrap();
    db.execute_batch(&format!("BEGIN; {ROWS} COMMIT")).unwrap();
    path
}

/// Of each table its rows, long values by their digests. Shares no code with the reader.
fn told(path: &Path) -> Vec<String> {
    let db = Connection::open(path).unwrap();
    let mut told = Vec::new();
    for table in
        ["plain", "middle", "named", "nocase", "keyless", "keyed_by_it", "rowless", "computed", "strict_", "checked", "shadowed", "words"]
    {
        let mut statement = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let width = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let cells = (0..width).map(|column| match row.get_ref(column).unwrap() {
                rusqlite::types::ValueRef::Text(bytes) => format!("text {} {}", bytes.len(), blake3::hash(bytes)),
                rusqlite::types::ValueRef::Blob(bytes) => format!("blob {} {}", bytes.len(), blake3::hash(bytes)),
                other => format!("{other:?}"),
            });
            told.push(format!("{table} {}", cells.collect::<Vec<_>>().join(", ")));
        }
    }
    told.sort();
    told
}

#[test]
fn long_values_of_every_kind_of_table_come_back_as_they_are() {
    for (encoding, journal) in [("UTF-8", "delete"), ("UTF-16le", "wal")] {
        let folder = Folder::new();
        let (path, target) = (database(&folder, encoding, journal), folder.path("copy.db"));
        assert_eq!(copy(&folder, &path, &target), Vec::<String>::new());
        assert!(told(&path) == told(&target), "{encoding}");
        assert_eq!(text(&target, "PRAGMA integrity_check"), "ok");
    }
}

#[test]
fn a_long_text_that_utf_8_cannot_say_comes_back_in_its_own_halves() {
    for (encoding, units) in [("UTF-16le", "00d8 4100 3ed8 80dd 00dc"), ("UTF-16be", "d800 0041 d83e dd80 dc00")] {
        let folder = Folder::new();
        let hex = units.replace(' ', "").repeat(LONG / 8);
        let sql = format!(
            "PRAGMA encoding = '{encoding}'; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, CAST(x'{hex}' AS TEXT))"
        );
        let (path, target) = (folder.database(&sql), folder.path("copy.db"));
        assert_eq!(copy(&folder, &path, &target), Vec::<String>::new());
        let stored = |path: &Path| {
            Connection::open(path).unwrap().query_row("SELECT CAST(v AS BLOB) FROM t", [], |row| row.get::<_, Vec<u8>>(0)).unwrap()
        };
        assert!(stored(&path).len() > LONG && stored(&path) == stored(&target), "{encoding}");
    }
}

#[test]
fn rows_behind_a_long_value_are_read_by_pieces_once_each() {
    let folder = Folder::new();
    let path = database(&folder, "UTF-8", "delete");
    let snapshot = folder.snapshot(&path);
    for model in ["plain", "middle", "checked"] {
        let relation = relation(snapshot.relations(), model);
        let whole = rows(&snapshot, model, &Looking).0;
        for skipped in 1..4 {
            let (mut asked, mut same, mut given) = (0, 0, Vec::new());
            let read = snapshot.scan_pieces(
                &relation,
                &Looking,
                &mut |_| {
                    asked += 1;
                    asked % skipped == 1
                },
                &mut |pieced| {
                    match pieced {
                        Pieced::Rows(batch) => {
                            given.extend(batch.rows().map(|row| row.to_row()));
                            batch.clear();
                        }
                        Pieced::Same(piece, _) => same += piece.rows,
                    }
                    ControlFlow::Continue(())
                },
            );
            assert!(read.unwrap().is_some());
            assert_eq!(given.len() as u64 + same, whole.len() as u64, "{model}");
            assert!(given.windows(2).all(|pair| pair[0].key < pair[1].key));
            let digests: Vec<_> = whole.iter().map(Row::digest).collect();
            assert!(given.iter().all(|row| digests.contains(&row.digest())), "{model}");
        }
    }
}

#[test]
fn a_long_value_that_is_damaged_costs_its_own_row() {
    let folder = Folder::new();
    let path = folder.database(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v);
         INSERT INTO t VALUES (1, zeroblob({LONG})), (2, NULL), (3, replace(hex(zeroblob({LONG})), '0', 'x')), (4, 'behind'), (5, zeroblob({LONG}))"
    ));
    let mut bytes = fs::read(&path).unwrap();
    let pages: Vec<usize> =
        (0..bytes.len() / 4096).filter(|page| bytes[page * 4096 + 4..(page + 1) * 4096].iter().all(|byte| *byte == b'x')).collect();
    bytes[pages[pages.len() / 2] * 4096..][..4].fill(0xFF);
    fs::write(&path, bytes).unwrap();
    let (rows, unread) = rows(&folder.snapshot(&path), "t", &Looking);
    let ids: Vec<_> = rows.iter().map(|row| row.values[0].clone()).collect();
    assert!(matches!(ids[..], [Value::Integer(1), Value::Integer(2), Value::Integer(4), Value::Integer(5)]), "{ids:?}");
    assert_eq!(unread.iter().map(|unread| unread.what.as_str()).collect::<Vec<_>>(), ["rowid 3 to 3"]);
}

fn long(kept: &Kept, class: Class, seed: u8) -> Value {
    let bytes: Vec<u8> = (0..LONG).map(|place| b'a' + u8::try_from((place / 1000 + usize::from(seed)) % 26).unwrap()).collect();
    Value::Large(kept.keep(class, &mut &bytes[..]).unwrap())
}

/// Tables in which something looks at a value, or stands behind it, beside those in which nothing does.
const LIVE: [&str; 7] = [
    "CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT, a BLOB, b BLOB)",
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a BLOB, b BLOB, n TEXT)",
    "CREATE TABLE t (n TEXT, a BLOB, id INTEGER, b BLOB)",
    "CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT, a BLOB, b BLOB); CREATE INDEX i ON t(b)",
    "CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT, a BLOB, b BLOB); CREATE INDEX i ON t(n) WHERE substr(b, 1, 1) <> x'00'",
    "CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT, a BLOB, b BLOB); CREATE INDEX i ON t(substr(a, 1, 8))",
    "CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT, a BLOB, b BLOB CHECK (substr(b, 1, 1) <> x'00'))",
];

#[test]
fn long_values_are_written_into_a_live_table_whatever_looks_at_them() {
    for sql in LIVE {
        let folder = Folder::new();
        let path = folder.database(&format!("{sql}; INSERT INTO t(id, n, a, b) VALUES (1, 'one', x'01', x'01'), (2, 'two', x'02', x'02')"));
        let (kept, mut writer) = (Kept::default(), Sqlite::new(&path).writer(NOW).unwrap());
        let t = relation(writer.relations(), "t");
        let place = |name: &str| t.columns.iter().position(|column| column.name == name).unwrap();
        let made = |values: [Value; 4]| {
            let mut all = vec![Value::Null; t.columns.len()];
            for (name, value) in ["id", "n", "a", "b"].into_iter().zip(values) {
                all[place(name)] = value;
            }
            row(&t, all)
        };
        let live = rows(&folder.snapshot(&path), "t", &kept).0;
        let first = live.iter().find(|row| row.values[place("id")].same(&Value::Integer(1))).unwrap();
        let mut changed = first.clone();
        (changed.values[place("a")], changed.values[place("b")]) = (long(&kept, Class::Text, 1), long(&kept, Class::Blob, 2));
        writer.update(&t, first, &Row::new(&t, changed.values, 0), &[place("a"), place("b")], &kept).unwrap();
        writer
            .insert(&t, &made([Value::Integer(3), Value::text("three"), long(&kept, Class::Blob, 3), long(&kept, Class::Blob, 4)]), &kept)
            .unwrap();
        writer.insert(&t, &made([Value::Integer(4), Value::Null, long(&kept, Class::Blob, 5), Value::Null]), &kept).unwrap();
        assert_eq!(writer.violations().unwrap(), []);
        writer.commit().unwrap();
        let found = |id: i64| {
            let cell = |value: rusqlite::types::ValueRef<'_>| match value {
                rusqlite::types::ValueRef::Blob(bytes) => format!("blob {}", blake3::hash(bytes)),
                rusqlite::types::ValueRef::Text(bytes) => format!("text {}", blake3::hash(bytes)),
                other => format!("{other:?}"),
            };
            let db = Connection::open(&path).unwrap();
            db.query_row("SELECT a, b FROM t WHERE id = ?", [id], |row| Ok([cell(row.get_ref(0)?), cell(row.get_ref(1)?)])).unwrap()
        };
        let told = |value: Value| match value {
            Value::Large(large) => format!("{} {}", if large.class == Class::Text { "text" } else { "blob" }, large.content),
            _ => "Null".into(),
        };
        assert_eq!(found(1), [told(long(&kept, Class::Text, 1)), told(long(&kept, Class::Blob, 2))], "{sql}");
        assert_eq!(found(3), [told(long(&kept, Class::Blob, 3)), told(long(&kept, Class::Blob, 4))], "{sql}");
        assert_eq!(found(4), [told(long(&kept, Class::Blob, 5)), "Null".into()], "{sql}");
        assert_eq!(text(&path, "PRAGMA integrity_check"), "ok", "{sql}");
    }
}

#[test]
fn a_long_value_that_a_check_refuses_is_not_written() {
    let folder = Folder::new();
    let path = folder.database("CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB CHECK (substr(b, 1, 1) = x'00'))");
    let (kept, mut writer) = (Kept::default(), Sqlite::new(&path).writer(NOW).unwrap());
    let t = relation(writer.relations(), "t");
    let refused = writer.insert(&t, &row(&t, vec![Value::Integer(1), long(&kept, Class::Blob, 1)]), &kept);
    assert!(refused.is_err_and(|error| error.to_string().contains("CHECK")));
}

/// Gives less than it should, or more.
struct Other<'k>(&'k Kept, usize);

impl Resolve for Other<'_> {
    fn fetch(&self, large: &Large, to: &mut dyn Write) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        self.0.fetch(large, &mut bytes)?;
        bytes.resize(self.1, 0);
        to.write_all(&bytes)
    }
}

#[test]
fn a_long_value_of_another_length_is_an_error() {
    for length in [LONG - 1, LONG + 1] {
        let folder = Folder::new();
        let path = folder.database("CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB)");
        let (kept, target) = (Kept::default(), folder.path("copy.db"));
        let definition = folder.snapshot(&path).definition().unwrap();
        let mut writer = Sqlite::new(&path).writer(NOW).unwrap();
        let t = relation(writer.relations(), "t");
        let given = row(&t, vec![Value::Integer(1), long(&kept, Class::Blob, 1)]);
        assert!(writer.insert(&t, &given, &Other(&kept, length)).is_err());
        let mut creator = Sqlite::new(&target).create(&definition).unwrap();
        assert!(creator.add(&t, &given, &Other(&kept, length)).is_err());
    }
}
