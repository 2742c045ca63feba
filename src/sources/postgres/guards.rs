//! What must not act while a restore writes, and is put back into the very state it had: triggers, rules, and foreign keys
//! that would be checked before the last record is in its place.
//!
//! The triggers by which PostgreSQL itself keeps foreign keys stay on. A foreign key that cannot wait for the end of the
//! transaction is made to, by its owner's right, and is as before when it ends.

use tokio_postgres::error::SqlState;

use super::session::{Objection, Session};
use super::sql::{ident, qualified};
use crate::sources::{Error, Result};

/// Triggers and rules of a table and of its partitions, with their states. Copies of a root's triggers on its partitions count as
/// internal before PostgreSQL 15; those of foreign keys are left out.
const ACTORS: &str = "WITH member AS (SELECT %::pg_catalog.oid AS oid
      UNION SELECT relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree(%::pg_catalog.oid::pg_catalog.regclass))
    SELECT n.nspname, c.relname, 'TRIGGER', t.tgname, t.tgenabled FROM member m JOIN pg_catalog.pg_class c ON c.oid = m.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid
    WHERE t.tgenabled <> 'D' AND (NOT t.tgisinternal OR (t.tgparentid <> 0 AND (t.tgconstraint = 0 OR EXISTS
      (SELECT 1 FROM pg_catalog.pg_constraint k WHERE k.oid = t.tgconstraint AND k.contype = 't'))))
    UNION ALL SELECT n.nspname, c.relname, 'RULE', r.rulename, r.ev_enabled FROM member m JOIN pg_catalog.pg_class c ON c.oid = m.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_rewrite r ON r.ev_class = c.oid
    WHERE r.ev_enabled <> 'D' AND r.ev_type IN ('2', '3', '4')
    ORDER BY 1, 2, 3, 4";

/// Foreign keys of a table or upon it, its partitions among both, with what they do.
const KEYS: &str = "WITH member AS (SELECT %::pg_catalog.oid AS oid
      UNION SELECT relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree(%::pg_catalog.oid::pg_catalog.regclass))
    SELECT c.oid, n.nspname, t.relname, c.conname, c.condeferrable, c.condeferred, c.confdeltype, c.confupdtype,
      c.conrelid IN (SELECT oid FROM member), c.confrelid IN (SELECT oid FROM member), pn.nspname, pt.relname,
      (SELECT pg_catalog.json_agg(a.attname ORDER BY k.place) FROM unnest(c.conkey) WITH ORDINALITY AS k(attnum, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum),
      (SELECT pg_catalog.json_agg(a.attname ORDER BY k.place) FROM unnest(c.confkey) WITH ORDINALITY AS k(attnum, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.attnum),
      (SELECT pg_catalog.json_agg(pg_catalog.concat(
          (SELECT ' COLLATE ' || pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(l.collname) FROM pg_catalog.pg_collation l
            JOIN pg_catalog.pg_namespace cn ON cn.oid = l.collnamespace WHERE l.oid = a.attcollation),
          ' OPERATOR(', pg_catalog.quote_ident(n.nspname), '.', o.oprname, ')') ORDER BY k.place)
        FROM unnest(c.confkey, c.conpfeqop) WITH ORDINALITY AS k(attnum, equal, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.attnum
        JOIN pg_catalog.pg_operator o ON o.oid = k.equal JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace)
    FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class t ON t.oid = c.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
    JOIN pg_catalog.pg_class pt ON pt.oid = c.confrelid JOIN pg_catalog.pg_namespace pn ON pn.oid = pt.relnamespace
    WHERE c.contype = 'f' AND c.conparentid = 0
      AND (c.conrelid IN (SELECT oid FROM member) OR c.confrelid IN (SELECT oid FROM member)) ORDER BY c.oid";

/// A foreign key of a table that is written, or upon it.
#[derive(Clone, Debug)]
pub struct ForeignKey {
    number: String,
    /// The table that refers, as SQL.
    pub child: String,
    /// The table referred to, as SQL.
    pub parent: String,
    schema: String,
    name: String,
    deferrable: bool,
    deferred: bool,
    /// Whether a deletion of the parent changes or deletes rows that refer to it, or is refused at once as long as they do.
    pub acts_on_delete: bool,
    /// Whether a change of the parent changes rows that refer to it.
    pub acts_on_update: bool,
    /// Whether the table that was asked for refers.
    pub is_child: bool,
    /// Whether the table that was asked for is referred to.
    pub is_parent: bool,
    /// The columns that refer.
    pub columns: Vec<String>,
    /// Those referred to.
    pub to_columns: Vec<String>,
    /// How the server compares each of these with the one that refers, as SQL that stands between them.
    equals: Vec<String>,
}

/// What is to be put back before the transaction ends.
#[derive(Debug, Default)]
pub struct Guards {
    back: Vec<String>,
    waiting: Vec<String>,
}

impl Guards {
    /// Turns event triggers off, so that the statements which turn others off set nothing off: only a superuser may, and where another
    /// user restores they act.
    ///
    /// # Errors
    /// What the server says.
    pub fn silence_events(&mut self, session: &mut Session) -> Result<()> {
        let enabled = session.rows(
            "SELECT evtname, evtenabled FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D'
             AND (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) ORDER BY evtname",
        )?;
        for row in enabled {
            let [Some(name), Some(state)] = row.as_slice() else { continue };
            session.run(&format!("ALTER EVENT TRIGGER {} DISABLE", ident(name)))?;
            self.back.push(format!("ALTER EVENT TRIGGER {} {}", ident(name), enabled_as(state)));
        }
        Ok(())
    }

    /// Turns the triggers and rules of a table off.
    ///
    /// # Errors
    /// What the server says: only the owner of a table may.
    pub fn silence(&mut self, session: &mut Session, oid: &str) -> Result<()> {
        for row in session.rows(&ACTORS.replace('%', oid))? {
            let [Some(schema), Some(name), Some(kind), Some(actor), Some(state)] = row.as_slice() else { continue };
            let (table, actor) = (qualified(schema, name), ident(actor));
            session.run(&format!("ALTER TABLE ONLY {table} DISABLE {kind} {actor}"))?;
            self.back.push(format!("ALTER TABLE ONLY {table} {} {kind} {actor}", enabled_as(state)));
        }
        Ok(())
    }

    /// Lets a column be written that the database fills always.
    ///
    /// # Errors
    /// What the server says.
    pub fn let_be_written(&mut self, session: &mut Session, table: &str, column: &str) -> Result<()> {
        let back = format!("ALTER TABLE {table} ALTER COLUMN {} SET GENERATED ALWAYS", ident(column));
        if !self.back.contains(&back) {
            session.run(&format!("ALTER TABLE {table} ALTER COLUMN {} SET GENERATED BY DEFAULT", ident(column)))?;
            self.back.push(back);
        }
        Ok(())
    }

    /// Lets a foreign key be checked at the end.
    ///
    /// # Errors
    /// What the server says.
    pub fn let_wait(&mut self, session: &mut Session, key: &ForeignKey) -> Result<()> {
        if self.waiting.contains(&key.number) {
            return Ok(());
        }
        let name = ident(&key.name);
        if key.deferrable {
            session.run(&format!("SET CONSTRAINTS {} DEFERRED", qualified(&key.schema, &key.name)))?;
        } else {
            let alter = format!("ALTER TABLE {} ALTER CONSTRAINT {name} DEFERRABLE INITIALLY DEFERRED", key.child);
            if !altered(session, &alter)? {
                // It is checked at once then, as it was made to be.
                return Ok(());
            }
            self.back.push(format!("ALTER TABLE {} ALTER CONSTRAINT {name} NOT DEFERRABLE", key.child));
        }
        self.waiting.push(key.number.clone());
        Ok(())
    }

    /// Checks what waits, and puts everything back.
    ///
    /// # Errors
    /// What the server says: a foreign key that is violated.
    pub fn put_back(&mut self, session: &mut Session) -> Result<()> {
        session.run("SET CONSTRAINTS ALL IMMEDIATE")?;
        for statement in self.back.drain(..).rev() {
            session.run(&statement)?;
        }
        self.waiting.clear();
        Ok(())
    }
}

/// Alters a constraint; false where checks of its table wait that cannot be made by now.
fn altered(session: &mut Session, alter: &str) -> Result<bool> {
    session.run("SAVEPOINT altered")?;
    // A table with checks that wait for the end is not altered. Those that hold already are made here, and wait again from then on.
    for before in ["", "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED;"] {
        match session.attempt(&format!("{before}{alter}")) {
            Ok(()) => return session.run("RELEASE altered").map(|()| true),
            Err(Objection { code: Some(SqlState::OBJECT_IN_USE | SqlState::FOREIGN_KEY_VIOLATION), .. }) => {
                session.run("ROLLBACK TO altered")?;
            }
            Err(Objection { words, .. }) => return Err(Error::Database { what: "a foreign key".into(), why: words }),
        }
    }
    session.run("RELEASE altered").map(|()| false)
}

fn enabled_as(state: &str) -> &'static str {
    match state {
        "A" => "ENABLE ALWAYS",
        "R" => "ENABLE REPLICA",
        _ => "ENABLE",
    }
}

/// The foreign keys of a table and upon it.
///
/// # Errors
/// What the server says.
pub fn foreign_keys(session: &mut Session, oid: &str) -> Result<Vec<ForeignKey>> {
    let rows = session.rows(&KEYS.replace('%', oid))?;
    let keys = rows.into_iter().map(|row| {
        let text = |column: usize| row.get(column).cloned().flatten().unwrap_or_default();
        let acts = |column: usize| !matches!(text(column).as_str(), "a" | "r");
        // RESTRICT does not wait for the end, so a deletion waits for what refers, as where it would take that along.
        let stops = |column: usize| text(column) != "a";
        ForeignKey {
            number: text(0),
            child: qualified(&text(1), &text(2)),
            parent: qualified(&text(10), &text(11)),
            schema: text(1),
            name: text(3),
            deferrable: text(4) == "t",
            deferred: text(5) == "t",
            acts_on_delete: stops(6),
            acts_on_update: acts(7),
            is_child: text(8) == "t",
            is_parent: text(9) == "t",
            columns: names(&text(12)),
            to_columns: names(&text(13)),
            equals: names(&text(14)),
        }
    });
    Ok(keys.collect())
}

fn names(list: &str) -> Vec<String> {
    serde_json::from_str(list).unwrap_or_default()
}

impl ForeignKey {
    /// Whether it is checked at the end by itself.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.deferrable && self.deferred
    }

    /// Whether it can be checked at the end without being changed.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        self.deferrable
    }

    /// That a row of `child` refers to one of `parent`, as SQL: two names that stand for rows. It is compared as the server itself
    /// compares: `=` alone is not found for the types of extensions, or is another one.
    #[must_use]
    pub fn joins(&self, child: &str, parent: &str) -> String {
        let columns = self.columns.iter().zip(&self.to_columns).zip(&self.equals);
        let equal = columns.map(|((from, to), equal)| format!("{parent}.{}{equal} {child}.{}", ident(to), ident(from)));
        equal.collect::<Vec<_>>().join(" AND ")
    }

    /// Whether both tables are one.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.is_child && self.is_parent
    }
}
