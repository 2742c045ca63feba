-- A database with everything in it that SQLite accepts and a backup may lose. One statement may not depend on the encoding:
-- the script is run into UTF-8, UTF-16LE and UTF-16BE databases. It ends without an open transaction.
PRAGMA foreign_keys = OFF;

-- Cells: every storage class in columns without and with a type, which converts what it can and keeps the rest.
CREATE TABLE cells (id INTEGER PRIMARY KEY, v);
INSERT INTO cells(v) VALUES
  (NULL), (0), (-1), (9223372036854775807), (-9223372036854775808), (9007199254740993), (0.0), (-0.0), (1.0), (0.1), (1e308), (5e-324),
  (2.2250738585072014e-308), (1.7976931348623157e308), (9223372036854775807.0), (9e999), (-9e999), (''), (' '), ('text'), (x''), (x'00'), (x'74657874'),
  ('a' || char(0) || 'b'), (char(0)), ('ends with ' || char(0)), (CAST(x'6100620000' AS TEXT)), ('ä€🦀'), ('a' || char(10) || 'b' || char(13) || char(9)),
  ('NULL'), ('1'), ('1.0'), ('0x10'), ('1e3'), (' 1 '), ('it''s "quoted" \N \t'), (char(27) || '[31mred'), (char(65279) || 'bom'), (zeroblob(20000)),
  (hex(zeroblob(10000))), (CAST(zeroblob(17000) AS TEXT)), ('{"a":[1,2,{"b":null}]}'), (1e15), (123456789012345678), (3.0e5), (0.30000000000000004);
CREATE TABLE typed (i INTEGER, r REAL, n NUMERIC, t TEXT, b BLOB, d DATETIME, o "any thing (1, 2)", x);
INSERT INTO typed SELECT v, v, v, v, v, v, v, v FROM cells;
INSERT INTO typed VALUES (1, 1, 1, 1, 1, 1, 1, 1), (1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5), ('1', '1', '1', '1', '1', '1', '1', '1'),
  (1e400, 1e400, 1e400, 1e400, 1e400, 1e400, 1e400, 1e400), ('abc', 'abc', 'abc', 'abc', 'abc', 'abc', 'abc', 'abc'), (x'31', x'31', x'31', x'31', x'31', x'31', x'31', x'31');
CREATE TABLE documents (id INTEGER PRIMARY KEY, j JSON, at DATE DEFAULT (date('2026-11-21')), flag BOOLEAN);
INSERT INTO documents(j, flag) VALUES ('{"a": 1}', 1), (json('[1,2.50,"x"]'), 0), ('not json', 'true'), (NULL, NULL);

-- Rowids: negative, the least, the greatest, with and without a name of their own.
CREATE TABLE numbered (id INTEGER PRIMARY KEY, v);
INSERT INTO numbered VALUES (-9223372036854775808, 'least'), (-1, 'negative'), (0, 'zero'), (9223372036854775807, 'greatest');
CREATE TABLE unnumbered (v);
INSERT INTO unnumbered(rowid, v) VALUES (-9223372036854775808, 'least'), (-7, 'negative'), (0, 'zero'), (3, 'twin'), (4, 'twin'), (9223372036854775807, 'greatest');
CREATE TABLE keyed (k TEXT PRIMARY KEY, v);
INSERT INTO keyed(rowid, k, v) VALUES (-9223372036854775808, 'c', 1), (-7, 'b', 2), (9223372036854775807, 'a', 3);
CREATE TABLE late_alias (v, id INTEGER, PRIMARY KEY (id));
INSERT INTO late_alias(v) VALUES ('x'), ('y');
CREATE TABLE descending_alias (id INTEGER PRIMARY KEY DESC, v);
INSERT INTO descending_alias VALUES (2, 'a'), (1, 'b'), (NULL, 'c'), ('text', 'd');
CREATE TABLE int_key (id INT PRIMARY KEY, v);
INSERT INTO int_key VALUES (1, 'a'), (2.5, 'b'), ('x', 'c'), (x'01', 'd'), (NULL, 'e'), (9007199254740993, 'f'), (9007199254740992, 'g');
CREATE TABLE "rowid" (rowid TEXT, oid INT, v);
INSERT INTO "rowid"(_rowid_, rowid, oid, v) VALUES (7, 'seven', 1, 1), (-3, 'three', 2, 2);
CREATE TABLE shadowed (rowid, oid, _rowid_);
INSERT INTO shadowed VALUES (1, 2, 3), (1, 2, 3), (0, 0, 0), (NULL, NULL, NULL);
CREATE TABLE emptied (id INTEGER PRIMARY KEY AUTOINCREMENT, v);
INSERT INTO emptied(v) VALUES (1), (2), (3); DELETE FROM emptied;
CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, v);
INSERT INTO counted VALUES (5, 'a'), (700, 'b'); DELETE FROM counted WHERE id = 700;
CREATE TABLE never_counted (id INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE no_rows (a, b);

-- Keys: NULLs in them, equal numbers of two classes, collations, their mixtures, without rowids.
CREATE TABLE nulls (k TEXT PRIMARY KEY, v);
INSERT INTO nulls VALUES (NULL, 1), (NULL, 1), (NULL, 1), (NULL, 2), ('', 3), ('a', 4), (NULL, NULL);
CREATE TABLE null_parts (a, b, c, v, PRIMARY KEY (b, a, c));
INSERT INTO null_parts VALUES (1, NULL, 1, 'x'), (1, NULL, 1, 'x'), (NULL, NULL, NULL, NULL), (NULL, NULL, NULL, NULL), (1, 1, 1, 'whole'), (1, 1, NULL, 'y');
CREATE TABLE classes (k PRIMARY KEY, v);
INSERT INTO classes VALUES (1, 'integer'), ('1', 'text'), (x'31', 'blob'), (1.5, 'real'), (9007199254740993, 'odd'), (9007199254740992.0, 'even'),
  (9e999, 'inf'), (-9e999, '-inf'), (-0.0, 'zero'), ('', 'no text'), (x'', 'no blob'), (char(0), 'nul'), ('a' || char(0), 'a nul'), ('a', 'a'), (hex(zeroblob(9000)), 'too long'), (zeroblob(17000), 'too long');
CREATE TABLE folded (w TEXT COLLATE NOCASE PRIMARY KEY, r TEXT COLLATE RTRIM UNIQUE) WITHOUT ROWID;
INSERT INTO folded VALUES ('B', 'x '), ('a', 'y'), ('_', 'z  '), ('Z', NULL), ('Ä', 'A'), ('ä', 'B'), ('[', '['), ('@', '@'), ('n' || char(0) || 'UL', 'n' || char(0)), ('🦀', 'é');
CREATE TABLE folded_nulls (w TEXT COLLATE NOCASE, r TEXT COLLATE RTRIM, v, PRIMARY KEY (w, r));
INSERT INTO folded_nulls VALUES ('A', 'x ', 1), ('a', NULL, 2), ('A', NULL, 2), (NULL, NULL, 3), (NULL, NULL, 3), ('b', '', 4), ('B', ' y', 5);
CREATE TABLE mixed_fold (a TEXT COLLATE NOCASE, b TEXT COLLATE RTRIM, c TEXT COLLATE BINARY, v, PRIMARY KEY (c DESC, a, b DESC)) WITHOUT ROWID;
INSERT INTO mixed_fold VALUES ('X', 'y  ', 'c', 1), ('x', 'z', 'c', 2), ('x', 'y', 'C', 3), (1, 2, 3, 4), (1.5, x'20', '', 5);
CREATE TABLE trimmed (r TEXT COLLATE RTRIM NOT NULL, n INT NOT NULL, PRIMARY KEY (r DESC, n));
INSERT INTO trimmed VALUES ('a  ', 1), ('a', 2), ('a!', 1), ('a' || char(9), 1), ('  ', 1), ('a' || char(160), 1);
CREATE TABLE pair (a, b, c, PRIMARY KEY (b, a)) WITHOUT ROWID;
INSERT INTO pair VALUES (2, 1, 'x'), (1, 1.5, 'y'), ('t', 1, 'z'), (x'00', 1, ''), (1, 'k', 0.5);
CREATE TABLE pk_number (id INTEGER PRIMARY KEY, v) WITHOUT ROWID;
INSERT INTO pk_number VALUES (2, 'a'), ('text', 'b'), (1.5, 'c'), (-9e999, 'd');
CREATE TABLE chosen (a TEXT, b INT NOT NULL, c INT NOT NULL, UNIQUE (b, c));
CREATE UNIQUE INDEX chosen_c ON chosen(c DESC);
INSERT INTO chosen VALUES ('x', 1, 2), ('y', 1, 1), ('z', 3, -0.0);
CREATE TABLE other_fold (k TEXT NOT NULL, v);
CREATE UNIQUE INDEX other_fold_k ON other_fold(k COLLATE NOCASE);
INSERT INTO other_fold VALUES ('a', 1), ('B', 2), ('_', 3);
CREATE TABLE repeated_part (a, b, PRIMARY KEY (a, a, b)) WITHOUT ROWID;
INSERT INTO repeated_part VALUES (1, 2), (1, 3);
CREATE TABLE replacing (k TEXT NOT NULL ON CONFLICT IGNORE PRIMARY KEY ON CONFLICT REPLACE, u UNIQUE ON CONFLICT IGNORE, f UNIQUE ON CONFLICT FAIL, r, CHECK (r <> 1) ON CONFLICT ROLLBACK);
INSERT INTO replacing VALUES ('a', 1, 1, 2), ('b', 2, 2, NULL), ('c', NULL, NULL, 0);

-- Kinds of tables and columns.
CREATE TABLE strict_one (id INTEGER PRIMARY KEY, i INT, n INTEGER, r REAL, t TEXT, b BLOB, a ANY) STRICT;
INSERT INTO strict_one VALUES (1, 1, 2, 3, 'a', x'00', 1), (2, NULL, NULL, -0.0, 'b', x'', '1'), (3, 0, 0, 9e999, '', NULL, 1.0), (4, 1, 1, 1.5, 'x', x'01', x'31'), (5, 1, 1, 1, 't', NULL, NULL);
CREATE TABLE strict_loose (k ANY PRIMARY KEY, v TEXT) STRICT, WITHOUT ROWID;
INSERT INTO strict_loose VALUES (1, 'integer'), ('1', 'text'), (x'31', 'blob'), (1.5, 'real');
CREATE TABLE made (id INTEGER PRIMARY KEY, first AS (a * 2), a INT, twice INT GENERATED ALWAYS AS (a * 2) STORED, half AS (a / 2.0) VIRTUAL, b TEXT, joined TEXT AS (b || a) STORED UNIQUE);
INSERT INTO made(a, b) VALUES (3, 'x'), (4, 'y'), (NULL, NULL), (-5, 'é');
CREATE INDEX made_half ON made(half);
CREATE TABLE made_key (a INT NOT NULL, b INT AS (a + 1) STORED NOT NULL UNIQUE, c);
INSERT INTO made_key(a, c) VALUES (1, 'x'), (2, 'y');
CREATE TABLE altered (id INTEGER PRIMARY KEY, old TEXT, gone TEXT);
INSERT INTO altered VALUES (1, 'before', 'gone'), (2, NULL, 'gone');
ALTER TABLE altered ADD COLUMN added INTEGER NOT NULL DEFAULT 7;
ALTER TABLE altered ADD COLUMN later TEXT DEFAULT 'it''s';
ALTER TABLE altered ADD COLUMN doubled AS (added * 2);
ALTER TABLE altered RENAME COLUMN old TO "re named";
ALTER TABLE altered DROP COLUMN gone;
INSERT INTO altered("re named", added, later) VALUES ('after', 8, NULL);
CREATE TABLE taken AS SELECT v AS "v 1", id, typeof(v) FROM cells;
CREATE TABLE defaults (a DEFAULT (1 + 2), b DEFAULT (lower('ABC') || abs(-1)), c DEFAULT CURRENT_TIMESTAMP, d DEFAULT -5, e DEFAULT x'00ff', f DEFAULT 'q''q', g DEFAULT NULL, h DEFAULT "a word", i DEFAULT 9e999, n CONSTRAINT named NOT NULL ON CONFLICT ABORT DEFAULT true);
INSERT INTO defaults(c) VALUES ('then'); INSERT INTO defaults(a, n) VALUES (NULL, 0);
CREATE TABLE checked (v CHECK (v > 0), w TEXT NOT NULL, CONSTRAINT both CHECK (length(w) < 10 OR v IS NULL));
PRAGMA ignore_check_constraints = ON; INSERT INTO checked VALUES (-1, 'far too long for this check'), (1, 'fine'); PRAGMA ignore_check_constraints = OFF;
CREATE TABLE commented ( -- a comment with 'quotes" and ;
  a /* another */ INTEGER, "b" [c d], `e` TEXT
  , CHECK (a > -100) -- the end
);
INSERT INTO commented VALUES (1, 'x', 'y');

-- References: to itself, in circles, to nobody, violated, compound, deferred, by another collation.
CREATE TABLE tree (id INTEGER PRIMARY KEY, parent REFERENCES tree(id) ON DELETE CASCADE ON UPDATE SET NULL, name);
INSERT INTO tree VALUES (1, 2, 'chicken'), (2, 1, 'egg'), (3, 3, 'itself'), (4, NULL, 'root'), (5, 4, 'leaf'), (6, 99, 'orphan');
CREATE TABLE husband (id INTEGER PRIMARY KEY, wife NOT NULL REFERENCES wife(id) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE wife (id INTEGER PRIMARY KEY, husband NOT NULL REFERENCES husband(id) ON DELETE SET DEFAULT);
INSERT INTO husband VALUES (1, 10), (2, 20); INSERT INTO wife VALUES (10, 1), (20, 2);
CREATE TABLE points_nowhere (id INTEGER PRIMARY KEY, other REFERENCES "no such table"(id), third INT REFERENCES cells);
INSERT INTO points_nowhere VALUES (1, NULL, 1), (2, 5, NULL);
CREATE TABLE compound (a TEXT, b TEXT, v, FOREIGN KEY (b, a) REFERENCES folded_parent(x, y) ON DELETE SET NULL MATCH FULL);
CREATE TABLE folded_parent (x TEXT COLLATE NOCASE, y TEXT COLLATE RTRIM, UNIQUE (x, y));
INSERT INTO folded_parent VALUES ('Key', 'other  '), (NULL, 'x'); INSERT INTO compound VALUES ('other', 'KEY', 1), (NULL, 'nobody', 2);
-- One that refers to columns that are not unique cannot be checked by SQLite itself.
CREATE TABLE not_unique (a, b); INSERT INTO not_unique VALUES (1, 1), (1, 2);
CREATE TABLE refers_loosely (v REFERENCES not_unique(a)); INSERT INTO refers_loosely VALUES (1);

-- Indexes.
CREATE INDEX part ON nulls(v) WHERE v > 2 AND k IS NOT NULL;
CREATE UNIQUE INDEX part_unique ON cells(v) WHERE id < 3;
CREATE INDEX expression ON cells(lower(CAST(v AS TEXT)), id DESC, v COLLATE NOCASE);
CREATE UNIQUE INDEX expression_unique ON tree(id + 1000);
CREATE INDEX descending ON typed(t DESC, i COLLATE RTRIM DESC, r ASC);
CREATE INDEX "an ""index"" 'of' [all]; -- not an end
🦀" ON keyed(v, k);
CREATE INDEX over_made ON made(twice, joined COLLATE NOCASE);

-- Views and triggers, of what is there and of what is not; nothing of them may run in a restore.
CREATE TABLE fired (what);
INSERT INTO fired VALUES ('before the backup');
CREATE VIEW plain AS SELECT id, v FROM cells WHERE id < 5;
CREATE VIEW "named columns"("a ""b""", [c d]) AS SELECT 1, '2' UNION ALL SELECT x, n FROM typed;
CREATE VIEW of_missing AS SELECT * FROM "was dropped" JOIN plain USING (id);
CREATE VIEW of_view AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT n.i, plain.* FROM n, plain;
CREATE TRIGGER after_insert AFTER INSERT ON numbered WHEN new.id > 0 BEGIN INSERT INTO fired VALUES ('insert ' || new.id); UPDATE numbered SET v = 'spoiled'; END;
CREATE TRIGGER "before ""it""
" BEFORE UPDATE OF v, id ON numbered FOR EACH ROW BEGIN SELECT raise(ABORT, 'nobody changes it'); END;
CREATE TRIGGER no_delete BEFORE DELETE ON keyed BEGIN SELECT RAISE(IGNORE); END;
CREATE TRIGGER instead INSTEAD OF INSERT ON plain BEGIN INSERT INTO cells(v) VALUES (new.v); END;
CREATE TRIGGER instead_of_delete INSTEAD OF DELETE ON of_view BEGIN DELETE FROM cells WHERE id = old.id; END;
CREATE TRIGGER of_what_is_not AFTER DELETE ON cells BEGIN INSERT INTO "was dropped" VALUES (old.v); END;

-- Virtual tables.
CREATE VIRTUAL TABLE notes USING fts5(title, body UNINDEXED, tokenize = 'porter unicode61', prefix = '2 3');
INSERT INTO notes(rowid, title, body) VALUES (5, 'hello worlds', x'00ff'), (9, 'other', 3), (-4, NULL, 1.5), (9223372036854775807, 'the last é🦀', '');
CREATE VIRTUAL TABLE notes_lean USING fts5(a, b, detail = none, columnsize = 0);
INSERT INTO notes_lean VALUES ('one two', 'three'), ('two', NULL);
CREATE TABLE posts (id INTEGER PRIMARY KEY, title, body);
INSERT INTO posts VALUES (1, 'first post', 'words in it'), (7, 'second', 'more words'), (-2, NULL, 'negative');
CREATE VIRTUAL TABLE posts_text USING fts5(title, body, content = 'posts', content_rowid = 'id');
INSERT INTO posts_text(posts_text) VALUES ('rebuild');
CREATE TRIGGER posts_text_kept AFTER INSERT ON posts BEGIN INSERT INTO posts_text(rowid, title, body) VALUES (new.id, new.title, new.body); END;
CREATE VIEW posts_view AS SELECT id, upper(title) AS title, body FROM posts;
CREATE VIRTUAL TABLE view_text USING fts5(title, content = "posts_view", content_rowid = id);
INSERT INTO view_text(view_text) VALUES ('rebuild');
CREATE VIRTUAL TABLE only_index USING fts5(a, b, content = '');
INSERT INTO only_index(rowid, a, b) VALUES (1, 'kept nowhere', 'else'), (500, 'kept', 'but here');
CREATE VIRTUAL TABLE notes_terms USING fts5vocab(notes, instance);
CREATE VIRTUAL TABLE posts_terms USING fts5vocab('posts_text', 'instance');
CREATE VIRTUAL TABLE only_terms USING fts5vocab('only_index', 'instance');
CREATE VIRTUAL TABLE old_notes USING fts3(title, body, tokenize=porter);
INSERT INTO old_notes(rowid, title, body) VALUES (3, 'three words here', x'6162'), (-8, NULL, 'minus'), (44, 4.5, 7);
CREATE VIRTUAL TABLE older USING fts4(title, secret, notindexed=secret, prefix="2", order=desc, tokenize=unicode61 "remove_diacritics=0");
INSERT INTO older(docid, title, secret) VALUES (1, 'ünïcode words', 'hidden'), (2, 'more', NULL);
CREATE VIRTUAL TABLE tongues USING fts4(t, languageid="lang");
INSERT INTO tongues(docid, t, lang) VALUES (1, 'eins zwei', 3), (2, 'one two', 0), (3, 'un deux', 7);
CREATE VIRTUAL TABLE old_posts USING fts4(content="posts", title, body);
INSERT INTO old_posts(old_posts) VALUES ('rebuild');
CREATE VIRTUAL TABLE old_index USING fts4(content="", a, b);
INSERT INTO old_index(docid, a, b) VALUES (1, 'nothing kept', 'here'), (99, 'nothing', 'there');
CREATE VIRTUAL TABLE old_terms USING fts4aux(older);
CREATE VIRTUAL TABLE old_index_terms USING fts4aux(old_index);
CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1, y0, y1, +name TEXT, +payload);
INSERT INTO boxes VALUES (3, 0.1, 0.2, -1, 1, 'three', x'00ff'), (1, -5, 5, 1e10, 1e11, NULL, -0.0), (-9, -9e999, 9e999, 0, 0, 'a' || char(0) || 'b', 7), (9223372036854775807, 16777217, 16777219, 0, 1, '', NULL);
CREATE VIRTUAL TABLE boxes_i USING rtree_i32(id, a, b);
INSERT INTO boxes_i VALUES (1, -2147483648, 2147483647), (2, 5, 5);

-- Names.
CREATE TABLE "it's ""quoted""
and 🦀" ("a ""b""
c" INTEGER PRIMARY KEY, "select" TEXT, 'x y' BLOB, [br'ack"et], `back``tick` DEFAULT 'd', "d.e", "f;g", "%s", "$1", "?1", ":n", "@v", "-- no", "/* no", "	tab", " ", "Ä", "ä");
INSERT INTO "it's ""quoted""
and 🦀" VALUES (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18), (2, 'x', x'00', NULL, 1.5, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'last');
CREATE TABLE "table" ("select" INTEGER PRIMARY KEY, "from", "where" UNIQUE, "order" NOT NULL, "group" REFERENCES "table"("where"), "index");
INSERT INTO "table" VALUES (1, 2, 3, 4, 3, 6), (2, NULL, 'w', '', 'w', NULL);
CREATE TABLE "" ("" INTEGER, a, "A b");
INSERT INTO "" VALUES (1, 2, 3), (NULL, NULL, NULL);
CREATE TABLE "  " (" ", "" PRIMARY KEY);
INSERT INTO "  " VALUES (1, 'k'), (2, NULL);
CREATE TABLE "main" ("temp" PRIMARY KEY, "key", "c0", "at_", "row_", "backstop_key");
INSERT INTO "main" VALUES ('x', 1, 2, 3, 4, 5);
CREATE TABLE "temp" (id INTEGER PRIMARY KEY, v); INSERT INTO "temp" VALUES (1, 'not temporary');
CREATE TABLE "sqlitefoo" (v); INSERT INTO "sqlitefoo" VALUES ('reserved names begin otherwise');
CREATE TABLE "x_data" (v); INSERT INTO "x_data" VALUES ('looks like the shadow of a table');
CREATE TABLE "../../etc/passwd" ("/" PRIMARY KEY, "..", "\0"); INSERT INTO "../../etc/passwd" VALUES (1, 2, 3);
CREATE TABLE "Ünïcødé" ("ÿ" PRIMARY KEY COLLATE NOCASE, v); INSERT INTO "Ünïcødé" VALUES ('Ä', 1), ('ä', 2);
CREATE TABLE "ünïcødé" ("ÿ" PRIMARY KEY, v); INSERT INTO "ünïcødé" VALUES ('not the same table', 1);

-- What the query planner knows; an application may have edited it.
ANALYZE;
UPDATE sqlite_stat1 SET stat = '1000 3 1' WHERE idx = 'chosen_c';
INSERT INTO sqlite_stat1 VALUES ('no such table', NULL, '5');
