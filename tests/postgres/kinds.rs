//! Types of columns, each with values that a careless copy changes and an expression for as many others as there are rows.

/// Types that a database makes for itself.
pub const TYPES: &str = r#"
CREATE TYPE mood AS ENUM ('zeta', 'alpha', 'it''s; a \ mood', E'two\nlines', '😀');
CREATE TYPE pair AS (a integer, "b; c" text);
CREATE DOMAIN positive AS integer CONSTRAINT "more; than" CHECK (VALUE > 0);
CREATE DOMAIN code AS varchar(30) COLLATE "C" CHECK (VALUE <> 'x');
CREATE DOMAIN grid AS integer[] CHECK (array_ndims(VALUE) IS DISTINCT FROM 3);
CREATE TYPE nest AS (p pair, "list" text[], d positive, m mood[]);
CREATE TYPE span AS RANGE (subtype = float8);
CREATE COLLATION ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
"#;

/// A type of columns.
pub struct Kind {
    name: &'static str,
    collation: &'static str,
    /// What it writes and reads in an odd way.
    odd: &'static [&'static str],
    /// A value for the number `(n)`.
    any: &'static str,
    /// Whether it can be a key.
    pub sorts: bool,
}

const fn kind(name: &'static str, odd: &'static [&'static str], any: &'static str) -> Kind {
    Kind { name, collation: "", odd, any, sorts: true }
}

const fn unsorted(name: &'static str, odd: &'static [&'static str], any: &'static str) -> Kind {
    Kind { name, collation: "", odd, any, sorts: false }
}

const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "A",
    "A  ",
    "\\N",
    "\\.",
    "NULL",
    "tab\there",
    "two\nlines",
    "\r\n",
    "\r",
    "back\\slash",
    "\\x00",
    "it's \"q\"",
    "😀ä",
    "a\u{308}",
    ";\n-- x",
    "INSERT INTO x VALUES (1);",
    "{a,b}",
    "(a,b)",
    "\u{1}\u{7f}\u{8}\u{c}\u{b}",
    "\u{feff}",
    "$$",
    "',E'",
    "\\\\",
    "\\",
];

/// Every type.
pub const KINDS: &[Kind] = &[
    kind("integer", &["0", "-2147483648", "2147483647"], "(n) % 100000"),
    kind("bigint", &["-9223372036854775808", "9223372036854775807", "9007199254740993"], "(n)::bigint * 1000003"),
    kind("smallint", &["-32768", "32767"], "(n) % 32000"),
    kind("oid", &["0", "4294967295"], "(n)::bigint & 65535"),
    kind("numeric", &["NaN", "1.0", "1.00", "-0.000", "1e1000", "1e-1000", "12345678901234567890.123456789", "0"], "(n) / 7.0"),
    kind("numeric(12,4)", &["NaN", "99999999.9999", "-0.0001", "0"], "(n) % 100000 / 8.0"),
    kind("real", &["NaN", "-Infinity", "-0", "0", "1e-45", "3.4028235e38", "0.1"], "(n) / 7.0"),
    kind("double precision", &["NaN", "Infinity", "-0", "5e-324", "1.7976931348623157e308", "0.1"], "(n) / 7.0"),
    kind("money", &["-92233720368547758.08", "0.01"], "(n) % 1000"),
    kind("boolean", &["t", "f"], "(n) % 2 = 0"),
    kind("text", TEXTS, "'row ' || (n)"),
    kind("text", TEXTS, "repeat(E'long \\\\ \\t' || (n), 1 + 700 * ((n) % 97 = 0)::integer)"),
    Kind { collation: "COLLATE \"C\"", ..kind("text", TEXTS, "'Row ' || (n)") },
    Kind { collation: "COLLATE ignore_case", ..kind("text", TEXTS, "'Row ' || (n)") },
    kind("varchar(10)", &["", "          ", "\\N", "ä\\\t😀"], "((n) % 100000)::text"),
    kind("char(5)", &["", "a", "ä\\", "\\N"], "((n) % 1000)::text"),
    kind("\"char\"", &["", "a", "\\"], "chr(33 + abs((n) % 90))"),
    kind("name", &["", "x", "\\."], "'n' || (n)"),
    kind("bytea", &["\\x", "\\x00ff5c0a", "\\x5c4e", "\\x5c2e0a"], "decode(md5((n)::text), 'hex')"),
    kind("bytea", &["\\x", "\\x00"], "decode(repeat(md5((n)::text), 1 + 400 * ((n) % 89 = 0)::integer), 'hex')"),
    kind(
        "date",
        &["4713-01-01 BC", "infinity", "-infinity", "5874897-12-31", "0001-12-31 BC", "2024-02-29"],
        "date '2000-01-01' + (n) % 10000",
    ),
    kind("time", &["24:00", "00:00", "23:59:59.999999"], "time '00:00' + (n) % 1000 * interval '1 ms'"),
    kind(
        "time with time zone",
        &["24:00:00-15:59", "00:00+00", "12:00+02", "10:00+00"],
        "'12:00:00+01'::timetz + (n) % 1000 * interval '1 s'",
    ),
    kind(
        "timestamp",
        &["4713-01-01 00:00 BC", "infinity", "-infinity", "294276-12-31 23:59:59.999999"],
        "timestamp '2000-01-01' + (n) % 9999 * interval '1 us'",
    ),
    kind(
        "timestamp with time zone",
        &["4713-01-01 00:00+00 BC", "infinity", "0001-01-01 00:00+05:53:28", "2020-03-29 02:30+01"],
        "timestamptz '2000-01-01 00:00+00' + (n) % 9999 * interval '1 h'",
    ),
    kind("timestamp(0)", &["infinity", "2020-01-01"], "timestamp '2000-01-01' + (n) % 9999 * interval '1 s'"),
    kind(
        "interval",
        &["178000000 years", "-178000000 years", "1 mon -1 day +00:00:00.000001", "30 days", "1 mon", "720:00", "0"],
        "(n) % 10000 * interval '1 min'",
    ),
    kind("uuid", &["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"], "md5((n)::text)::uuid"),
    unsorted("json", &["{\"a\" : 1, \"a\":2 }", "null", " [ ] ", "\"\\u00e9\\\\\""], "json_build_object('n', (n))"),
    kind(
        "jsonb",
        &["{\"b\": 1e400, \"a\": \"\\u00e9\"}", "null", "[]", "\"it's\\n\"", "1", "1.0"],
        "jsonb_build_object('n', (n), 'list', jsonb_build_array(NULL, (n) / 2.0))",
    ),
    kind("integer[]", &["{}", "{1,NULL,3}", "{{1,2},{3,NULL}}", "[2:3][-1:0]={{1,2},{3,4}}"], "ARRAY[(n), NULL, (n) + 1]"),
    kind(
        "text[]",
        &["{}", "{NULL,\"NULL\",\"\"}", "{\"a,b\",\"\\\"q\\\"\",\"back\\\\\\\\slash\",\"two\nlines\"}", "{{x},{\"\\t\"}}"],
        "ARRAY['row ' || (n), E'\\\\N', NULL]",
    ),
    kind("numeric[]", &["{NaN,1.0,-0.00}"], "ARRAY[(n) / 7.0]"),
    kind(
        "timestamptz[]",
        &["{infinity,\"4713-01-01 00:00+00 BC\"}"],
        "ARRAY[timestamptz '2000-01-01 00:00+00' + (n) % 99 * interval '1 s']",
    ),
    kind("jsonb[]", &["{\"{\\\"a\\\": [1, null]}\",NULL}"], "ARRAY[to_jsonb((n))]"),
    kind("mood", &["zeta", "alpha", "it's; a \\ mood", "two\nlines", "😀"], "(enum_range(NULL::mood))[1 + abs((n) % 5)]"),
    kind("mood[]", &["{}", "{😀,\"two\nlines\",NULL}"], "ARRAY[(enum_range(NULL::mood))[1 + abs((n) % 5)]]"),
    kind("pair", &["(,)", "(1,\"\")", "(-1,\"it's, \"\"odd\"\" \\\\ \n\")", "(2147483647,NULL)"], "ROW((n), 'pair ' || (n))::pair"),
    kind("pair[]", &["{}", "{\"(1,x)\",NULL,\"(,)\"}"], "ARRAY[ROW((n), E'a\\tb')::pair, NULL]"),
    kind(
        "nest",
        &["(,,,)", "(\"(1,\"\"a b\"\")\",\"{x,NULL}\",3,{alpha})"],
        "ROW(ROW((n), 'x')::pair, ARRAY['y', NULL], 1 + abs((n) % 99), NULL)::nest",
    ),
    kind("positive", &["1", "2147483647"], "1 + abs((n) % 100000)"),
    kind("code", &["", "\\N", "a;\n"], "'code ' || (n)"),
    kind("grid", &["{}", "{{1,NULL}}"], "ARRAY[ARRAY[(n), 0], ARRAY[1, NULL]]"),
    kind("int4range", &["empty", "(,)", "[1,5)", "[-2147483648,2147483647)"], "int4range((n) % 1000, (n) % 1000 + 5)"),
    kind("numrange", &["empty", "[1.0,1.00]", "(,5)"], "numrange((n) / 7.0, NULL)"),
    kind(
        "tstzrange",
        &["empty", "[-infinity,infinity]", "(\"0001-01-01 00:00+00 BC\",)"],
        "tstzrange(timestamptz '2000-01-01 00:00+00' + (n) % 99 * interval '1 s', NULL)",
    ),
    kind("span", &["empty", "[0.1,)", "[-Infinity,1e300]"], "span((n) % 1000 / 7.0::float8, NULL)"),
    kind("inet", &["10.0.0.1/8", "::1", "::ffff:1.2.3.4/64", "0.0.0.0/0"], "inet '10.0.0.0' + (n) % 60000 + 60000"),
    kind("cidr", &["10.0.0.0/8", "::/0"], "set_masklen('10.0.0.0'::cidr, abs((n) % 25) + 8)"),
    kind("macaddr", &["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"], "('08:00:2b:01:02:' || lpad(to_hex(abs((n) % 256)), 2, '0'))::macaddr"),
    kind("bit(5)", &["00000", "11111"], "(abs((n) % 32))::bit(5)"),
    kind("bit varying", &["", "0", "00", "1"], "((n)::bit(32))::varbit"),
    kind("pg_lsn", &["0/0", "FFFFFFFF/FFFFFFFF"], "('1/' || to_hex(abs((n) % 60000)))::pg_lsn"),
    kind("tsvector", &["", "'it''s':1A a:2"], "to_tsvector('simple', 'row ' || (n))"),
    unsorted("xml", &["<a>&lt;</a>", "text"], "xmlelement(name a, (n))"),
    unsorted("point", &["(1e-300,-0)", "(NaN,Infinity)"], "point((n), 0.1)"),
    unsorted("path", &["[(0,0),(1,1)]", "((0,0),(1,1),(1,0))"], "path(polygon(box(point(0, 0), point((n), 1))))"),
];

impl Kind {
    /// What a column of it is declared as.
    pub fn declared(&self) -> String {
        format!("{} {}", self.name, self.collation)
    }

    /// One of its odd values.
    pub fn literal(&self, at: usize) -> String {
        format!("'{}'::{}", self.odd[at % self.odd.len()].replace('\'', "''"), self.name)
    }

    /// A value chosen by the number `(n)`: an odd one as often as any other, and now and then none.
    pub fn value(&self, salt: u32, may_be_null: bool) -> String {
        let choice = format!("(hashint4((n) # {}) & 2147483647)", salt & 0xFFFF);
        let odd: Vec<String> = (0..self.odd.len()).map(|at| format!("WHEN {} THEN {}", 2 * at, self.literal(at))).collect();
        let any = format!("CAST({} AS {})", self.any, self.name);
        let null = if may_be_null { format!("WHEN {choice} % 13 = 0 THEN NULL") } else { "WHEN false THEN NULL".into() };
        format!("CASE {null} ELSE CASE {choice} / 16 % {} {} ELSE {any} END END", 2 * self.odd.len(), odd.join(" "))
    }
}
