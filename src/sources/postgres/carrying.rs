//! Foreign keys that act: what a deletion or a change would carry on to records that nobody previewed stops it.

use super::guards::ForeignKey;
use super::table::Table;
use super::writer::PostgresWriter;
use crate::sources::{Error, Result};

impl PostgresWriter {
    /// A change of what others refer to is not made where they would be changed with it.
    ///
    /// # Errors
    /// [`Error::Unfit`] then, and what the server says.
    pub(super) fn refuse_carrying(&mut self, table: &Table, keys: &[ForeignKey], columns: &[usize], condition: &str) -> Result<()> {
        let changed = |name: &String| columns.iter().any(|&column| table.relation.columns[column].name == *name);
        for key in keys.iter().filter(|key| key.is_parent && key.acts_on_update && key.to_columns.iter().any(changed)) {
            let sql = format!(
                "SELECT count(*) FROM {} AS c, (SELECT * FROM {} WHERE {condition}) AS p WHERE {}",
                key.child,
                table.source(),
                key.joins("c", "p")
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
