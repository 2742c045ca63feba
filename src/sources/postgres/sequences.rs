//! Sequences: read last, since they stand outside every snapshot.

use super::session::Session;
use super::sql::{qualified, string};
use crate::sources::{Result, Sequences};

const SEQUENCES: &str = "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND (NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.objid = c.oid AND d.deptype = 'e')
        OR c.oid IN (SELECT unnest(extconfig) FROM pg_catalog.pg_extension))
    ORDER BY 1, 2";

/// How many are asked for in one statement.
const AT_ONCE: usize = 200;

/// Where every sequence stands.
///
/// # Errors
/// What the server says: each must be readable.
pub fn read(session: &mut Session) -> Result<Sequences> {
    let mut names = Vec::new();
    for row in session.rows(SEQUENCES)? {
        if let [Some(schema), Some(name)] = row.as_slice() {
            names.push(qualified(schema, name));
        }
    }
    let mut sequences = Sequences::default();
    for names in names.chunks(AT_ONCE) {
        let each = names.iter().map(|name| format!("SELECT {}, last_value, is_called FROM {name}", string(name)));
        for row in session.rows(&each.collect::<Vec<_>>().join(" UNION ALL "))? {
            let [Some(name), Some(value), Some(called)] = row.as_slice() else { continue };
            let Ok(value) = value.parse() else { continue };
            let list = if called == "t" { &mut sequences.called } else { &mut sequences.unstarted };
            list.push((name.clone(), value));
        }
    }
    Ok(sequences)
}
