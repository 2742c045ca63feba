//! The statements of pg_dump as objects of a schema: what each makes, and whether the rows come before it.

use super::statements::{Piece, Unfinished, continues_word, pieces, quoted};
use crate::sources::SchemaObject;

/// What pg_dump says of a statement in the comment before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Header {
    name: String,
    kind: String,
    schema: String,
}

impl Header {
    /// The last header among the comments, where there is one. A name may hold anything but the end of a line, also what
    /// looks like the rest of a header: what fits the statement is meant.
    fn last(before: &str, statement: &str) -> Option<Self> {
        let line =
            before.lines().rev().find_map(|line| line.strip_prefix("-- Name: ").or_else(|| line.strip_prefix("-- Data for Name: ")))?;
        let mut read = None;
        for (place, _) in line.match_indices(TYPE) {
            let Some((kind, rest)) = line[place + TYPE.len()..].split_once("; Schema: ") else { continue };
            if kind.is_empty() || !kind.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b' ') {
                continue;
            }
            let schema = rest.rfind("; Owner: ").map_or(rest, |end| &rest[..end]);
            read = Some(Self { name: line[..place].into(), kind: kind.into(), schema: schema.into() });
            if fits(kind, statement) {
                break;
            }
        }
        read
    }

    fn qualified(&self) -> String {
        match self.schema.as_str() {
            "-" => self.name.clone(),
            schema => format!("{schema}.{}", self.name),
        }
    }
}

const TYPE: &str = "; Type: ";

/// Whether a statement can be the first one of an object of this kind.
fn fits(kind: &str, statement: &str) -> bool {
    let begins = |words: &[&str]| words.iter().any(|word| statement.starts_with(word));
    match kind {
        "ACL" => begins(&["GRANT ", "REVOKE ", "SET SESSION "]),
        "COMMENT" | "SECURITY LABEL" => statement.strip_prefix(kind).is_some_and(|rest| rest.starts_with(" ")),
        "DEFAULT ACL" => begins(&["ALTER DEFAULT PRIVILEGES "]),
        "RULE" => begins(&["CREATE RULE ", "CREATE OR REPLACE VIEW "]),
        "SHELL TYPE" => begins(&["CREATE TYPE "]),
        "INDEX" => begins(&["CREATE INDEX ", "CREATE UNIQUE INDEX "]),
        "TABLE" => begins(&["CREATE TABLE ", "CREATE UNLOGGED TABLE "]),
        "TRIGGER" => begins(&["CREATE TRIGGER ", "CREATE CONSTRAINT TRIGGER "]),
        "PROCEDURAL LANGUAGE" => begins(&["CREATE "]),
        _ => {
            ["CREATE ", "CREATE OR REPLACE ", "ALTER "]
                .iter()
                .any(|verb| statement.strip_prefix(verb).is_some_and(|rest| rest.starts_with(kind)))
                || (!begins(&["CREATE "]) && begins(&["ALTER "]))
        }
    }
}

/// The objects of a dump of a schema, in its order. Settings of the session that are not part of an object are left out.
///
/// # Errors
/// A text that ends inside a statement.
pub fn objects(dump: &str) -> Result<Vec<SchemaObject>, Unfinished> {
    let mut header = Header::default();
    let mut objects = Vec::new();
    for piece in pieces(dump) {
        let Piece { before, statement } = piece?;
        if let Some(next) = Header::last(before, statement) {
            header = next;
        }
        if !statement.is_empty() && !is_preamble(statement) {
            objects.push(object(&header, statement));
        }
    }
    Ok(objects)
}

/// What pg_dump sets for the whole of its text; a restore pins these by itself.
fn is_preamble(statement: &str) -> bool {
    let kept = |name: &str| statement.starts_with(&format!("SET {name} "));
    statement.starts_with("SELECT pg_catalog.set_config(")
        || (statement.starts_with("SET ") && !kept("default_tablespace") && !kept("default_table_access_method") && !kept("SESSION"))
}

fn object(header: &Header, statement: &str) -> SchemaObject {
    let kind = match statement {
        set if set.starts_with("SET default_") => "setting".to_owned(),
        alter if alter.starts_with("ALTER ") && gives_owner(alter) => "owner".to_owned(),
        _ => header.kind.to_lowercase(),
    };
    let table = if header.kind == "TABLE" { header.qualified() } else { String::new() };
    let name = if kind == "setting" { statement.trim_end_matches(';').to_owned() } else { header.qualified() };
    SchemaObject { kind, name, table, sql: statement.to_owned() }
}

/// Whether an ALTER ends with OWNER TO and one name.
fn gives_owner(statement: &str) -> bool {
    statement.rfind(" OWNER TO ").is_some_and(|at| {
        let name = statement[at + " OWNER TO ".len()..].trim_end_matches(';');
        match name.strip_prefix('"') {
            Some(_) => quoted(name.as_bytes(), 0, b'"') == Some(name.len()),
            None => name.bytes().all(continues_word),
        }
    })
}

/// Kinds of objects that are made when the rows are there. pg_dump puts all of them, and what it says about them, behind
/// everything that the rows need.
const BEHIND_ROWS: [&str; 18] = [
    "check constraint",
    "constraint",
    "default acl",
    "event trigger",
    "fk constraint",
    "index",
    "index attach",
    "materialized view data",
    "policy",
    "publication",
    "publication table",
    "publication tables in schema",
    "row security",
    "rule",
    "statistics",
    "subscription",
    "subscription table",
    "trigger",
];

/// The objects that the rows need, and those that are made when the rows are there.
#[must_use]
pub fn around_rows(objects: &[SchemaObject]) -> (&[SchemaObject], &[SchemaObject]) {
    let boundary = objects.iter().position(|object| BEHIND_ROWS.contains(&object.kind.as_str()));
    objects.split_at(boundary.unwrap_or(objects.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = r#"--
-- PostgreSQL database dump
--

\restrict abc

-- Dumped by pg_dump version 15.18

SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);

--
-- Name: public; Type: SCHEMA; Schema: -; Owner: app
--

-- *not* creating schema, since initdb creates it


ALTER SCHEMA public OWNER TO app;

SET default_tablespace = '';

--
-- Name: a; Type: INDEX; Schema: b; Owner: c; Type: TABLE; Schema: odd; x; Owner: app
--

CREATE TABLE "odd; x"."a; Type: INDEX; Schema: b; Owner: c" (
    id integer
);


ALTER TABLE "odd; x"."a; Type: INDEX; Schema: b; Owner: c" OWNER TO "o; wner";

--
-- Name: TABLE t; Type: COMMENT; Schema: public; Owner: app
--

COMMENT ON TABLE public.t IS '
--
-- Name: i; Type: INDEX; Schema: public; Owner: app
--

CREATE INDEX;
';


--
-- Name: t t_pkey; Type: CONSTRAINT; Schema: public; Owner: app
--

ALTER TABLE ONLY public.t
    ADD CONSTRAINT t_pkey PRIMARY KEY (id);


--
-- Name: TABLE t; Type: ACL; Schema: public; Owner: app
--

SET SESSION AUTHORIZATION x;
GRANT SELECT ON TABLE public.t TO y;
RESET SESSION AUTHORIZATION;


--
-- PostgreSQL database dump complete
--

\unrestrict abc
"#;

    #[test]
    fn a_dump_is_read_as_objects_with_their_kinds_and_names() {
        let objects = objects(DUMP).unwrap();
        let told: Vec<_> = objects.iter().map(|object| (object.kind.as_str(), object.name.as_str(), object.table.as_str())).collect();
        let odd = "odd; x.a; Type: INDEX; Schema: b; Owner: c";
        let expected = [
            ("owner", "public", ""),
            ("setting", "SET default_tablespace = ''", ""),
            ("table", odd, odd),
            ("owner", odd, odd),
            ("comment", "public.TABLE t", ""),
            ("constraint", "public.t t_pkey", ""),
            ("acl", "public.TABLE t", ""),
            ("acl", "public.TABLE t", ""),
            ("acl", "public.TABLE t", ""),
        ];
        assert_eq!(told, expected);
        let (before, behind) = around_rows(&objects);
        assert_eq!((before.len(), behind.len()), (5, 4));
        assert!(objects[4].sql.starts_with("COMMENT ON TABLE") && objects[4].sql.ends_with("CREATE INDEX;\n';"));
    }

    #[test]
    fn a_dump_that_was_cut_off_is_refused() {
        let end = DUMP.find("PRIMARY KEY").unwrap();
        assert_eq!(objects(&DUMP[..end]), Err(Unfinished));
    }
}
