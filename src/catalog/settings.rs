//! Settings, and the leases by which one process at a time does what only one may do.

use std::time::Duration;

use jiff::SignedDuration;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::claims::Claimant;
use super::{Catalog, Error, Reader, Result, Time};

/// The setting that tells what must be known of a home before its figures are believed; shown wherever they are.
pub const NOTICE: &str = "notice";

/// Who does what only one process may do, and until when unless renewed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Lease {
    /// What it is for.
    pub name: String,
    /// The holder's process id.
    pub pid: u32,
    /// What tells that process from a later one of the same number.
    pub process: String,
    /// Its number; it goes up with every change of holder.
    pub number: i64,
    /// Since when it is held.
    pub taken_at: Time,
    /// When it lapses, unless renewed.
    pub expires_at: Time,
}

/// The right that comes with a lease, as long as its number is the newest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseClaim {
    /// What it is for.
    pub name: String,
    /// Its number.
    pub number: i64,
}

impl Reader {
    /// The value of a setting, where one was set.
    pub fn setting<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let sql = "SELECT value FROM setting WHERE name = ?1";
        let text: Option<String> =
            self.read(|connection| Ok(connection.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()?))?;
        let unreadable = |source| Error::Setting { name: name.to_owned(), source };
        text.map(|text| serde_json::from_str(&text).map_err(unreadable)).transpose()
    }

    /// Every setting that was set, by name, as JSON text.
    pub fn settings(&self) -> Result<Vec<(String, String)>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT name, value FROM setting ORDER BY name")?;
            Ok(statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Who holds a lease or held it last; it has lapsed when its time is over.
    pub fn lease(&self, name: &str) -> Result<Option<Lease>> {
        self.read(|connection| lease(connection, name))
    }
}

fn lease(connection: &Connection, name: &str) -> Result<Option<Lease>> {
    let sql = "SELECT name, pid, process, number, taken_at, expires_at FROM lease WHERE name = ?1";
    let row = connection.prepare_cached(sql)?.query_row([name], |row| {
        Ok(Lease {
            name: row.get(0)?,
            pid: row.get(1)?,
            process: row.get(2)?,
            number: row.get(3)?,
            taken_at: row.get(4)?,
            expires_at: row.get(5)?,
        })
    });
    Ok(row.optional()?)
}

impl Catalog {
    /// Sets a setting.
    pub fn set_setting<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        let text = serde_json::to_string(value).map_err(|source| Error::Setting { name: name.to_owned(), source })?;
        let now = self.now();
        self.write(|change| {
            let sql = "INSERT INTO setting (name, value, changed_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at";
            change.execute(sql, params![name, text, now])?;
            Ok(())
        })
    }

    /// Removes a setting, so that its default holds again.
    pub fn clear_setting(&self, name: &str) -> Result<()> {
        self.write(|change| {
            change.execute("DELETE FROM setting WHERE name = ?1", [name])?;
            Ok(())
        })
    }

    /// Takes a lease that is free, has lapsed, or whose holder `alive` says is gone.
    pub fn take_lease(&self, name: &str, claimant: &Claimant, term: Duration, alive: impl Fn(&Claimant) -> bool) -> Result<LeaseClaim> {
        let now = self.now();
        let until = after(now, term);
        self.write(|change| {
            let held = lease(change, name)?;
            if let Some(held) = held.as_ref().filter(|held| held.expires_at > now) {
                let holder = Claimant { pid: held.pid, process: held.process.clone() };
                if holder != *claimant && alive(&holder) {
                    return Err(Error::LeaseHeld { name: name.to_owned(), pid: held.pid, until: held.expires_at.to_string() });
                }
            }
            let number = held.map_or(0, |held| held.number) + 1;
            let sql = "INSERT OR REPLACE INTO lease (name, pid, process, number, taken_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            change.execute(sql, params![name, claimant.pid, claimant.process, number, now, until])?;
            Ok(LeaseClaim { name: name.to_owned(), number })
        })
    }

    /// Renews a lease; false when another has taken it meanwhile.
    pub fn renew_lease(&self, claim: &LeaseClaim, term: Duration) -> Result<bool> {
        self.set_lease_end(claim, after(self.now(), term))
    }

    /// Gives a lease up, so that the next process need not wait; its number is not used again.
    pub fn release_lease(&self, claim: &LeaseClaim) -> Result<bool> {
        self.set_lease_end(claim, self.now())
    }

    fn set_lease_end(&self, claim: &LeaseClaim, end: Time) -> Result<bool> {
        self.write(|change| {
            let sql = "UPDATE lease SET expires_at = ?3 WHERE name = ?1 AND number = ?2";
            Ok(change.execute(sql, params![claim.name, claim.number, end])? == 1)
        })
    }
}

fn after(now: Time, term: Duration) -> Time {
    let term = SignedDuration::try_from(term).unwrap_or(SignedDuration::MAX);
    now.timestamp().checked_add(term).map_or(now, Time::from)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Home;
    use super::*;

    const TERM: Duration = Duration::from_secs(30);

    fn process(pid: u32) -> Claimant {
        Claimant { pid, process: format!("{pid}-1") }
    }

    #[test]
    fn a_setting_is_given_back_with_its_type() {
        let home = Home::new();
        assert_eq!(home.catalog.setting::<u32>("jobs.parallel").unwrap(), None);
        home.catalog.set_setting("jobs.parallel", &4).unwrap();
        assert_eq!(home.catalog.setting("jobs.parallel").unwrap(), Some(4));
        assert!(matches!(home.catalog.setting::<String>("jobs.parallel"), Err(Error::Setting { .. })));
        home.catalog.clear_setting("jobs.parallel").unwrap();
        assert!(home.catalog.settings().unwrap().is_empty());
    }

    #[test]
    fn a_lease_is_held_by_one_process_until_it_lapses() {
        let home = Home::new();
        let first = home.catalog.take_lease("scheduler", &process(1), TERM, |_| true).unwrap();
        assert!(matches!(home.catalog.take_lease("scheduler", &process(2), TERM, |_| true), Err(Error::LeaseHeld { pid: 1, .. })));
        home.advance(20);
        assert!(home.catalog.renew_lease(&first, TERM).unwrap());
        home.advance(20);
        assert!(home.catalog.take_lease("scheduler", &process(2), TERM, |_| true).is_err());
        home.advance(20);
        home.catalog.take_lease("scheduler", &process(2), TERM, |_| true).unwrap();
        assert!(!home.catalog.renew_lease(&first, TERM).unwrap());
    }

    #[test]
    fn a_lease_whose_holder_died_is_taken_over_at_once_and_a_released_one_too() {
        let home = Home::new();
        home.catalog.take_lease("scheduler", &process(1), TERM, |_| true).unwrap();
        let second = home.catalog.take_lease("scheduler", &process(2), TERM, |holder| holder.pid != 1).unwrap();
        assert!(home.catalog.release_lease(&second).unwrap());
        let third = home.catalog.take_lease("scheduler", &process(3), TERM, |_| true).unwrap();
        assert!(third.number > second.number);
    }
}
