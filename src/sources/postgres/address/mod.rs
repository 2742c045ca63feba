//! Where a PostgreSQL database is: a URL without secrets, which means the same from everywhere and at any time.
//!
//! What the URL leaves open is taken from the PG* variables as libpq would, once: an address that is kept does not go
//! elsewhere because a variable changes. A service is kept by its name, as its file may change.

mod environment;
mod fault;
pub(in crate::sources::postgres) mod password;
mod service;
mod settings;
mod surroundings;
pub(in crate::sources::postgres) mod target;
mod uri;

use std::ffi::OsString;
use std::fmt;

use postgres::Client;

use super::connect::{self, Canceller};
use crate::sources::url::without_secrets;
use crate::sources::{Error, Result};
pub use fault::Fault;
use settings::Settings;
pub use surroundings::Surroundings;
use target::{Target, usual_folder};

/// The address of a PostgreSQL database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    settings: Settings,
}

impl Address {
    /// Reads `postgresql://USER@HOST:PORT/DATABASE?SETTING=VALUE…`, as libpq does, in the surroundings of this process.
    ///
    /// # Errors
    /// [`Error::Address`]: it cannot be read, holds a password, or has a setting that is not known or not possible.
    pub fn parse(url: &str) -> Result<Self> {
        Self::parse_in(url, &Surroundings::of_process())
    }

    /// The same in other surroundings.
    ///
    /// # Errors
    /// As [`Address::parse`].
    pub fn parse_in(url: &str, surroundings: &Surroundings) -> Result<Self> {
        let text = url.split_once(':').map_or("", |(_, text)| text);
        let read = uri::read(text).and_then(|settings| settled(settings, surroundings));
        let settings = read.map_err(|why| Error::Address { url: without_secrets(url), why })?;
        Ok(Self { settings })
    }

    /// A connection, and what cancels its queries.
    ///
    /// # Errors
    /// [`Error::Connect`] with the reason why no server let this user in, [`Error::Address`] for a service, certificate or key that cannot be used.
    pub fn open(&self) -> Result<(Client, Canceller)> {
        self.open_in(&Surroundings::of_process())
    }

    /// The same in other surroundings.
    ///
    /// # Errors
    /// As [`Address::open`].
    pub fn open_in(&self, surroundings: &Surroundings) -> Result<(Client, Canceller)> {
        connect::open(&self.to_string(), &self.target(surroundings)?, surroundings)
    }

    /// The PG* variables with which libpq's programs reach the same place. A password may be among them.
    ///
    /// # Errors
    /// [`Error::Address`] for a service that cannot be used.
    pub fn environment(&self) -> Result<Vec<(OsString, OsString)>> {
        self.environment_in(&Surroundings::of_process())
    }

    /// The same in other surroundings.
    ///
    /// # Errors
    /// As [`Address::environment`].
    pub fn environment_in(&self, surroundings: &Surroundings) -> Result<Vec<(OsString, OsString)>> {
        Ok(environment::of(&self.target(surroundings)?, surroundings))
    }

    /// Where it leads now: a service is looked up each time.
    fn target(&self, surroundings: &Surroundings) -> Result<Target> {
        let find = || {
            let Some(name) = self.settings.get("service") else { return Target::of(&self.settings, surroundings) };
            let service = service::find(name, self.settings.get("servicefile"), surroundings)?;
            let mut settings = self.settings.clone();
            settings.fill(service.settings);
            complete(&mut settings, surroundings)?;
            Ok(Target { password: service.password, ..Target::of(&settings, surroundings)? })
        };
        find().map_err(|why| Error::Address { url: self.to_string(), why })
    }
}

impl fmt::Display for Address {
    /// The URL that is kept and shown; parsed again, it gives the same address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&uri::write(&self.settings))
    }
}

/// The settings with all that decides where they lead, checked.
fn settled(mut settings: Settings, surroundings: &Surroundings) -> Result<Settings, Fault> {
    let names_a_place = settings.get("host").or_else(|| settings.get("hostaddr")).is_some();
    if let (None, false, Some(service)) = (settings.get("service"), names_a_place, surroundings.text("PGSERVICE")) {
        settings.put("service", service);
    }
    if settings.get("service").is_some() {
        if let (None, Some(file)) = (settings.get("servicefile"), surroundings.text("PGSERVICEFILE")) {
            settings.put("servicefile", file);
        }
        settings.settle_paths();
        return Ok(settings.only_given());
    }
    complete(&mut settings, surroundings)?;
    Target::of(&settings, surroundings)?;
    Ok(settings.only_given())
}

/// Fills in what variables and defaults say.
fn complete(settings: &mut Settings, surroundings: &Surroundings) -> Result<(), Fault> {
    settings.fill_from(surroundings);
    if settings.get("user").is_none() {
        settings.put("user", surroundings.user().ok_or(Fault::NoUser)?);
    }
    if let (None, Some(user)) = (settings.get("dbname"), settings.get("user")) {
        settings.put("dbname", user.to_owned());
    }
    settings.settle_ports();
    if settings.get("host").or_else(|| settings.get("hostaddr")).is_none() {
        let port = settings.get("port").and_then(|port| port.parse().ok()).unwrap_or(5432);
        settings.put("host", usual_folder(port));
    }
    settings.settle_paths();
    Ok(())
}
