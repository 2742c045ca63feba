use proptest::prelude::*;

use super::*;

/// The statements of a text that is whole.
fn cut(text: &str) -> Vec<&str> {
    let pieces: Vec<Piece<'_>> = pieces(text).collect::<Result<_, _>>().unwrap();
    let joined: String = pieces.iter().flat_map(|piece| [piece.before, piece.statement]).collect();
    assert_eq!(joined, text);
    pieces.into_iter().map(|piece| piece.statement).filter(|statement| !statement.is_empty()).collect()
}

/// Each stands for one statement, whatever is in it.
const HOSTILE: [&str; 24] = [
    "SELECT 1;",
    "CREATE TABLE public.\"a;b\"\"c\nd\" (id integer DEFAULT ';'::text);",
    "COMMENT ON TABLE t IS '\n--\n-- Name: x; Type: TABLE; Schema: public; Owner: y\n--\n\nDROP TABLE t;\n';",
    "COMMENT ON TABLE t IS 'it''s; \\';",
    "COMMENT ON TABLE t IS E'it\\'s; \\\\';",
    "SELECT E'a' -- ;\n  -- between; '\n  'b\\';' , 'c';",
    "SELECT 'a' 'b;';",
    "SELECT U&'\\0061;' , U&\"d\\0061;\" UESCAPE '!';",
    "SELECT e'\\';', B'01', N'x;', X'1f';",
    "CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $odd$ BEGIN; $$ ; $tag$ $inner$ END; $odd$;",
    "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $_$ SELECT '$$' || $$;$$ $_$;",
    "CREATE FUNCTION f(i integer) RETURNS integer LANGUAGE sql AS 'SELECT $1;';",
    "SELECT $1;",
    "SELECT a$b$c, a$$ FROM t$x$;",
    "CREATE FUNCTION f(i integer) RETURNS integer\n    LANGUAGE sql\n    BEGIN ATOMIC\n SELECT CASE WHEN (i > 0) THEN CASE i WHEN 1 THEN 2 END ELSE 3 END AS begin;\n SELECT ( SELECT CASE WHEN true THEN 1 END);\n SELECT 'END;'::text AS \"end\";\nEND;",
    "CREATE OR REPLACE PROCEDURE p()\n BEGIN ATOMIC\nEND;",
    "CREATE FUNCTION public.begin(\"end\" text DEFAULT 'x;') RETURNS integer LANGUAGE sql RETURN 1;",
    "CREATE VIEW v AS SELECT CASE WHEN a THEN 1 ELSE 2 END AS begin, atomic FROM t;",
    "CREATE RULE r AS ON INSERT TO v DO INSTEAD ( INSERT INTO t VALUES (1, 'a;b'::text);\n UPDATE t SET b = ')'::text;\n NOTIFY \"it; \";\n);",
    "SELECT /* a; /* b; */ ' */ 1 /**/ - -1 --; '\n;",
    "SELECT ARRAY['a;', '['][1];",
    "GRANT ALL ON TABLE \"😀;\" TO \"naïve;\";",
    "CREATE OPERATOR public.</% (FUNCTION = f);",
    ";",
];

#[test]
fn each_hostile_statement_is_one() {
    for statement in &HOSTILE {
        assert_eq!(cut(statement), [*statement]);
    }
}

#[test]
fn what_stands_between_statements_is_kept_apart() {
    let text = "\\restrict x\n-- one; 'two\n\nSELECT 1;\n/* ; */ SELECT 2;\\unrestrict x;\n -- end";
    let pieces: Vec<_> = pieces(text).collect::<Result<_, _>>().unwrap();
    let statements: Vec<_> = pieces.iter().map(|piece| (piece.before, piece.statement)).collect();
    assert_eq!(
        statements,
        [("\\restrict x\n-- one; 'two\n\n", "SELECT 1;"), ("\n/* ; */ ", "SELECT 2;"), ("\\unrestrict x;\n -- end", "")]
    );
}

#[test]
fn a_text_that_ends_inside_something_is_unfinished() {
    for text in ["SELECT 1", "SELECT ';", "SELECT \";", "SELECT $a$;", "/* ;", "SELECT /* ;", "SELECT (;", "SELECT E'\\';", "SELECT $"] {
        let found: Result<Vec<_>, _> = pieces(text).collect();
        assert_eq!(found, Err(Unfinished), "{text}");
    }
    for statement in HOSTILE.iter().filter(|statement| statement.len() > 1) {
        let cut_off: Result<Vec<_>, _> = pieces(&statement[..statement.len() - 1]).collect();
        assert!(cut_off.is_err(), "{statement}");
    }
}

/// A token that may stand anywhere in a statement; its own semicolons, quotes and comments end nothing.
fn token() -> impl Strategy<Value = String> {
    let inside = "[a-zA-Z;'\"$\\\\\\-/*()\n 😀é]{0,12}";
    prop_oneof![
        "[a-z_é][a-z0-9_$é]{0,6}".prop_filter("E is no name before a string", |word| word != "e"),
        Just("CASE".to_owned()),
        Just("END".to_owned()),
        Just("BEGIN".to_owned()),
        "[0-9]{1,3}",
        "[+*<>=,.:@#%&|~-]",
        inside.prop_map(|text| format!("'{}'", text.replace('\'', "''"))),
        inside.prop_map(|text| format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))),
        inside.prop_map(|text| format!("\"{}\"", text.replace('"', "\"\""))),
        inside.prop_map(|text| format!("$t${}$t$", text.replace('$', ""))),
        "[a-z;'\"$\\\\(]{0,8}".prop_map(|text| format!("/* {text} /* ; */ */")),
        "[a-z;'\"$\\\\(/*-]{0,8}".prop_map(|text| format!("-- {text}\n")),
        inside.prop_map(|text| format!("('{}';)", text.replace('\'', "''"))),
    ]
}

fn statement() -> impl Strategy<Value = String> {
    let tokens = prop::collection::vec(token(), 0..12).prop_map(|tokens| tokens.join(" , "));
    (prop_oneof![Just("SELECT"), Just("CREATE VIEW"), Just("ALTER")], tokens).prop_map(|(verb, tokens)| format!("{verb} {tokens};"))
}

fn between() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("\n".to_owned()),
        Just("\n\n--\n-- Name: it's; Type: X; Schema: -; Owner: $$\n--\n\n".to_owned()),
        Just(String::new()),
        Just("\n\\restrict ';\n".to_owned())
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_statement_is_never_cut(made in prop::collection::vec((between(), statement()), 0..6)) {
        let text: String = made.iter().flat_map(|(between, statement)| [between.as_str(), statement.as_str()]).collect();
        let wanted: Vec<&str> = made.iter().map(|(_, statement)| statement.as_str()).collect();
        prop_assert_eq!(cut(&text), wanted);
    }

    #[test]
    fn the_pieces_of_any_text_join_to_it_or_it_is_unfinished(text in "[a-e;'\"$\\\\\\-/*()\n \\[\\]]{0,60}") {
        let mut joined = String::new();
        for piece in pieces(&text) {
            let Ok(piece) = piece else { return Ok(()) };
            joined.push_str(piece.before);
            joined.push_str(piece.statement);
        }
        prop_assert_eq!(joined, text);
    }
}
