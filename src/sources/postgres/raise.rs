//! Sequences after an insert of rows that have their numbers already: raised where they stand behind, never lowered.

use std::collections::BTreeMap;

use super::catalog::Catalog;
use super::session::Session;
use super::sql::{qualified, string};
use crate::sources::Result;

/// The sequences that fill columns of a table, by ownership (serial, identity), with the column and the direction.
const OWNED: &str = "SELECT n.nspname, s.relname, a.attname, q.seqincrement > 0 FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
    JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
      AND d.deptype IN ('a', 'i') AND d.refobjid = %";

/// Raises each sequence that fills a column into which a higher number was inserted.
///
/// # Errors
/// What the server says.
pub fn sequences(session: &mut Session, catalog: &Catalog, highest: &BTreeMap<(String, usize), i64>) -> Result<()> {
    let models: std::collections::BTreeSet<&String> = highest.keys().map(|(model, _)| model).collect();
    for model in models {
        let table = catalog.table(model)?;
        for row in session.rows(&OWNED.replace('%', &table.oid))? {
            let [Some(schema), Some(name), Some(column), Some(ascends)] = row.as_slice() else { continue };
            let inserted = table.relation.column(column).and_then(|column| highest.get(&(model.clone(), column)));
            let (Some(&inserted), "t") = (inserted, ascends.as_str()) else { continue };
            let sequence = qualified(schema, name);
            // A sequence that has given nothing yet stands before its first value.
            let sql = format!(
                "SELECT pg_catalog.setval(c.oid::pg_catalog.regclass, '{inserted}') FROM {sequence} AS s, pg_catalog.pg_class c
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = {} AND n.nspname = {}
                   AND (s.last_value < '{inserted}' OR (s.last_value = '{inserted}' AND NOT s.is_called))",
                string(name),
                string(schema)
            );
            session.run(&sql)?;
        }
    }
    Ok(())
}
