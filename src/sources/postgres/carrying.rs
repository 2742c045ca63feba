//! Foreign keys that act: what a deletion or a change would carry on to records that nobody previewed stops it.

use super::batch::Batch;
use super::guards::ForeignKey;
use super::sql::ident;
use super::table::Table;
use super::writer::PostgresWriter;
use crate::sources::{Error, Result};

impl PostgresWriter {
    /// Why a deletion cannot be made: it would delete or change other records by itself.
    ///
    /// # Errors
    /// What the server says.
    pub(super) fn refuse_actions(&mut self, table: &Table, batch: &Batch) -> Result<Option<Error>> {
        let keys = self.known.get(&table.relation.name).and_then(|known| known.keys.clone()).unwrap_or_default();
        for key in keys.iter().filter(|key| key.is_parent && key.acts_on_delete) {
            if !key.is_own() {
                self.session.run(&format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", key.child))?;
            }
            let joined = |one: &str, other: &str| {
                let pairs = key.columns.iter().zip(&key.to_columns);
                pairs.map(|(from, to)| format!("{one}.{} = {other}.{}", ident(from), ident(to))).collect::<Vec<_>>().join(" AND ")
            };
            let own = if key.is_own() { format!(" AND NOT ({})", batch.condition("c")) } else { String::new() };
            let sql = format!(
                "SELECT count(*) FROM {} AS c WHERE EXISTS (SELECT 1 FROM {} AS p WHERE {} AND ({})){own}",
                key.child,
                key.parent,
                joined("c", "p"),
                batch.condition("p")
            );
            let count = self.session.one(&sql)?.unwrap_or_default();
            if count != "0" {
                let why =
                    format!("{count} records of {} refer to records that are to be deleted, and would be changed with them", key.child);
                return Ok(Some(Error::Unfit { model: table.relation.name.clone(), why }));
            }
        }
        Ok(None)
    }

    /// A change of what others refer to is not made where they would be changed with it.
    ///
    /// # Errors
    /// [`Error::Unfit`] then, and what the server says.
    pub(super) fn refuse_carrying(&mut self, table: &Table, keys: &[ForeignKey], columns: &[usize], condition: &str) -> Result<()> {
        let changed = |name: &String| columns.iter().any(|&column| table.relation.columns[column].name == *name);
        for key in keys.iter().filter(|key| key.is_parent && key.acts_on_update && key.to_columns.iter().any(changed)) {
            let pairs = key.columns.iter().zip(&key.to_columns).map(|(from, to)| format!("c.{} = p.{}", ident(from), ident(to)));
            let sql = format!(
                "SELECT count(*) FROM {} AS c, (SELECT * FROM {} WHERE {condition}) AS p WHERE {}",
                key.child,
                table.source(),
                pairs.collect::<Vec<_>>().join(" AND ")
            );
            let count = self.session.one(&sql)?.unwrap_or_default();
            if count != "0" {
                let why = format!("{count} records of {} refer to a value that is to be changed, and would be changed with it", key.child);
                return Err(Error::Unfit { model: table.relation.name.clone(), why });
            }
        }
        Ok(())
    }
}
