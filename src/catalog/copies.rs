//! Which location holds which backup.

use rusqlite::params;

use super::{Catalog, CopyState, Reader, Result, Time};

/// A location's copy of a backup.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BackupCopy {
    /// The location's id.
    pub location_id: String,
    /// The location's name.
    pub location: String,
    /// Whether it is whole there.
    pub state: CopyState,
    /// Since when.
    pub changed_at: Time,
}

impl Reader {
    /// The copies of a backup, in the order its locations are read in.
    pub fn backup_copies(&self, id: &str) -> Result<Vec<BackupCopy>> {
        self.read(|connection| {
            let sql = "SELECT l.id, l.name, p.state, p.changed_at FROM backup_location p JOIN location l ON l.id = p.location_id
                 WHERE p.backup_id = ?1 ORDER BY l.position, l.id";
            let mut statement = connection.prepare_cached(sql)?;
            let copies = statement.query_map([id], |row| {
                Ok(BackupCopy { location_id: row.get(0)?, location: row.get(1)?, state: row.get(2)?, changed_at: row.get(3)? })
            })?;
            Ok(copies.collect::<rusqlite::Result<_>>()?)
        })
    }
}

impl Catalog {
    /// Notes whether a location holds a backup.
    pub fn set_backup_copy(&self, id: &str, location_id: &str, state: CopyState) -> Result<()> {
        let now = self.now();
        self.write(|change| {
            change.execute(
                "INSERT INTO backup_location (backup_id, location_id, state, changed_at) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET state = excluded.state, changed_at = excluded.changed_at WHERE state <> excluded.state",
                params![id, location_id, state, now],
            )?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Home;
    use super::super::{BackupType, NewBackup, Status};
    use super::*;

    #[test]
    fn a_copy_is_since_when_its_state_changed() {
        let home = Home::new();
        let app = home.app("school");
        let made = NewBackup::new(home.catalog.new_id(), app, BackupType::Full, Status::Completed, home.catalog.now());
        home.catalog.record_backup(&made).unwrap();
        let location = home.catalog.locations(&home.vault()).unwrap()[0].id.clone();
        home.catalog.set_backup_copy(&made.id, &location, CopyState::Missing).unwrap();
        let since = home.catalog.now();
        home.advance(60);
        home.catalog.set_backup_copy(&made.id, &location, CopyState::Missing).unwrap();
        assert_eq!(home.catalog.backup_copies(&made.id).unwrap()[0].changed_at, since);
        home.catalog.set_backup_copy(&made.id, &location, CopyState::Present).unwrap();
        assert_eq!(home.catalog.backup_copies(&made.id).unwrap()[0].state, CopyState::Present);
    }
}
