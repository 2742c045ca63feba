//! Every tenant of an app: those that have a record of their own, else all that any record names.

use rusqlite::params;

use super::side::Side;
use super::ways::Columns;
use super::{Levels, Tenant, id_of};
use crate::engine::restore::{Result, scratch};
use crate::sources::Reference;

/// So many are listed at the most: a backup for each of more than that is a mistake of another kind.
pub const MOST: usize = 10_000;

/// The tenants of a level, in the order of their ids; one more than [`MOST`] where there are more.
///
/// # Errors
/// What reading or the scratch space met.
pub fn tenants(side: &dyn Side, levels: &Levels, level: usize, references: &[Reference]) -> Result<Vec<Tenant>> {
    let Columns { named, own, .. } = Columns::of(levels, side.relations(), references);
    let is_of = |columns: &[(usize, usize)]| columns.iter().any(|(_, of)| *of == level);
    let by = if own.iter().any(|columns| is_of(columns)) { own } else { named };
    let db = scratch::open("CREATE TABLE tenant(id TEXT PRIMARY KEY) WITHOUT ROWID; BEGIN;")?;
    let mut insert = db.prepare("INSERT OR IGNORE INTO tenant VALUES (?1)")?;
    for (model, columns) in by.iter().enumerate().filter(|(_, columns)| is_of(columns)) {
        side.rows(model, &mut |row| {
            for &(column, _) in columns.iter().filter(|(_, of)| *of == level) {
                if let Some(id) = row.values.get(column).and_then(id_of) {
                    insert.execute(params![id])?;
                }
            }
            Ok(true)
        })?;
    }
    let mut find = db.prepare("SELECT id FROM tenant ORDER BY CAST(id AS INTEGER), id LIMIT ?1")?;
    let found = find.query_map([scratch::place(MOST + 1)], |row| Ok(Tenant { level, id: row.get(0)? }))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}
