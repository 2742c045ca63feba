//! Vaults and their locations: where they are, and what was last seen of them.

use rusqlite::{Connection, named_params, params};

use super::record::{Record, record};
use super::{Catalog, Error, Kind, Reader, Result, Time};

record! {
    /// An encrypted store that backups go to.
    Vault {
        /// Its id.
        id: String = "v.id",
        /// Its name; the first is `main`.
        name: String = "v.name",
        /// A command that prints its passphrase.
        passphrase_command: Option<String> = "v.passphrase_command",
        /// Whether a recovery key was made.
        recovery: bool = "v.recovery",
        /// When it was made known here.
        created_at: Time = "v.created_at",
    }
}

record! {
    /// A place that holds a copy of a vault, and what was last seen of it.
    Location {
        /// Its id.
        id: String = "l.id",
        /// The vault's id.
        vault_id: String = "l.vault_id",
        /// Its name within the vault.
        name: String = "l.name",
        /// Where it is: a folder or a URL without secrets.
        place: String = "l.place",
        /// Its turn when something is read.
        position: i64 = "l.position",
        /// Whether it could be reached; none before the first look.
        reachable: Option<bool> = "l.reachable",
        /// Why it could not be reached.
        error: Option<String> = "l.error",
        /// The size of its disk, in bytes.
        total_bytes: Option<u64> = "l.total_bytes",
        /// What is free of it, in bytes.
        free_bytes: Option<u64> = "l.free_bytes",
        /// The objects it holds.
        objects: Option<u64> = "l.objects",
        /// Their size in bytes.
        bytes: Option<u64> = "l.bytes",
        /// The objects it still lacks.
        backlog_objects: u64 = "l.backlog_objects",
        /// Their size in bytes.
        backlog_bytes: u64 = "l.backlog_bytes",
        /// When it was last looked at.
        checked_at: Option<Time> = "l.checked_at",
        /// When it was added.
        created_at: Time = "l.created_at",
    }
}

/// A vault to be made known.
#[derive(Clone, Debug)]
pub struct NewVault {
    /// The id that its `vault.json` says.
    pub id: String,
    /// Its name.
    pub name: String,
    /// A command that prints its passphrase.
    pub passphrase_command: Option<String>,
    /// Whether a recovery key exists.
    pub recovery: bool,
    /// Its locations, in the order they are read in.
    pub locations: Vec<NewLocation>,
}

/// A location to be added to a vault.
#[derive(Clone, Debug)]
pub struct NewLocation {
    /// Its name within the vault.
    pub name: String,
    /// Where it is.
    pub place: String,
}

/// What was seen of a location.
#[derive(Clone, Debug, Default)]
pub struct LocationState {
    /// Why it could not be reached; none when it could.
    pub error: Option<String>,
    /// The size of its disk, in bytes.
    pub total_bytes: Option<u64>,
    /// What is free of it, in bytes.
    pub free_bytes: Option<u64>,
    /// The objects it holds.
    pub objects: Option<u64>,
    /// Their size in bytes.
    pub bytes: Option<u64>,
    /// The objects it still lacks.
    pub backlog_objects: u64,
    /// Their size in bytes.
    pub backlog_bytes: u64,
}

impl Reader {
    /// Every vault, by name.
    pub fn vaults(&self) -> Result<Vec<Vault>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("SELECT {} FROM vault v ORDER BY v.name", Vault::COLUMNS))?;
            Ok(statement.query_map((), Vault::from_row)?.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The vault of this id.
    pub fn vault(&self, id: &str) -> Result<Vault> {
        self.read(|connection| {
            let sql = format!("SELECT {} FROM vault v WHERE v.id = ?1", Vault::COLUMNS);
            let missing = || Error::NotFound { kind: Kind::Vault, text: id.to_owned() };
            super::one(connection, &sql, id)?.ok_or_else(missing)
        })
    }

    /// The locations of a vault, in the order they are read in.
    pub fn locations(&self, vault_id: &str) -> Result<Vec<Location>> {
        self.read(|connection| locations(connection, vault_id))
    }
}

fn locations(connection: &Connection, vault_id: &str) -> Result<Vec<Location>> {
    let sql = format!("SELECT {} FROM location l WHERE l.vault_id = ?1 ORDER BY l.position, l.id", Location::COLUMNS);
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_map([vault_id], Location::from_row)?.collect::<rusqlite::Result<_>>()?)
}

impl Catalog {
    /// Makes a vault and its locations known.
    pub fn add_vault(&self, new: &NewVault) -> Result<Vault> {
        let now = self.now();
        let ids: Vec<String> = new.locations.iter().map(|_| self.new_id()).collect();
        self.write(|change| {
            let inserted = change.execute(
                "INSERT INTO vault (id, name, passphrase_command, recovery, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![new.id, new.name, new.passphrase_command, new.recovery, now],
            );
            super::taken(inserted, Kind::Vault, &new.name)?;
            for (id, location) in ids.iter().zip(&new.locations) {
                insert_location(change, id, &new.id, location, now)?;
            }
            Ok(())
        })?;
        self.vault(&new.id)
    }

    /// Adds a location to a vault and gives its id.
    pub fn add_location(&self, vault_id: &str, location: &NewLocation) -> Result<String> {
        let (id, now) = (self.new_id(), self.now());
        self.write(|change| insert_location(change, &id, vault_id, location, now))?;
        Ok(id)
    }

    /// Takes a location away; what is stored there stays there.
    pub fn remove_location(&self, id: &str) -> Result<()> {
        self.write(|change| {
            let removed = change.execute("DELETE FROM location WHERE id = ?1", [id])?;
            super::found(removed, Kind::Location, id)
        })
    }

    /// Notes whether a recovery key of the vault exists, and the command that prints its passphrase.
    pub fn set_vault_keys(&self, id: &str, recovery: bool, passphrase_command: Option<&str>) -> Result<()> {
        self.write(|change| {
            let sql = "UPDATE vault SET recovery = ?2, passphrase_command = ?3 WHERE id = ?1";
            super::found(change.execute(sql, params![id, recovery, passphrase_command])?, Kind::Vault, id)
        })
    }

    /// Notes what was seen of a location; figures that could not be read keep their last value.
    pub fn set_location_state(&self, id: &str, state: &LocationState) -> Result<()> {
        let now = self.now();
        self.write(|change| {
            let updated = change.execute(
                "UPDATE location SET reachable = :error IS NULL, error = :error, total_bytes = coalesce(:total, total_bytes),
                     free_bytes = coalesce(:free, free_bytes), objects = coalesce(:objects, objects), bytes = coalesce(:bytes, bytes),
                     backlog_objects = :backlog_objects, backlog_bytes = :backlog_bytes, checked_at = :now
                 WHERE id = :id",
                named_params! {
                    ":id": id, ":error": state.error, ":total": state.total_bytes, ":free": state.free_bytes,
                    ":objects": state.objects, ":bytes": state.bytes, ":backlog_objects": state.backlog_objects,
                    ":backlog_bytes": state.backlog_bytes, ":now": now,
                },
            )?;
            super::found(updated, Kind::Location, id)
        })
    }
}

fn insert_location(connection: &Connection, id: &str, vault_id: &str, location: &NewLocation, now: Time) -> Result<()> {
    let inserted = connection.execute(
        "INSERT INTO location (id, vault_id, name, place, position, created_at)
         VALUES (?1, ?2, ?3, ?4, (SELECT coalesce(max(position), 0) + 1 FROM location WHERE vault_id = ?2), ?5)",
        params![id, vault_id, location.name, location.place, now],
    );
    super::taken(inserted, Kind::Location, &location.name).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, new_vault};
    use super::*;

    #[test]
    fn locations_are_read_in_the_order_they_were_added_in() {
        let home = Home::new();
        let vault = home.catalog.add_vault(&new_vault("main", &["local", "b2", "a"])).unwrap();
        let names: Vec<String> = home.catalog.locations(&vault.id).unwrap().into_iter().map(|location| location.name).collect();
        assert_eq!(names, ["local", "b2", "a"]);
    }

    #[test]
    fn a_location_out_of_reach_keeps_the_figures_last_seen() {
        let home = Home::new();
        let vault = home.catalog.add_vault(&new_vault("main", &["local"])).unwrap();
        let id = home.catalog.locations(&vault.id).unwrap()[0].id.clone();
        let seen = LocationState { free_bytes: Some(7), objects: Some(3), ..LocationState::default() };
        home.catalog.set_location_state(&id, &seen).unwrap();
        let lost = LocationState { error: Some("unplugged".to_owned()), backlog_objects: 2, ..LocationState::default() };
        home.catalog.set_location_state(&id, &lost).unwrap();

        let location = home.catalog.locations(&vault.id).unwrap().remove(0);
        assert_eq!((location.reachable, location.free_bytes, location.backlog_objects), (Some(false), Some(7), 2));
    }

    #[test]
    fn a_vault_whose_location_is_named_twice_is_not_half_added() {
        let home = Home::new();
        let error = home.catalog.add_vault(&new_vault("main", &["local", "local"])).unwrap_err();
        assert!(matches!(error, Error::NameTaken { kind: Kind::Location, .. }));
        assert!(home.catalog.vaults().unwrap().is_empty());
    }
}
