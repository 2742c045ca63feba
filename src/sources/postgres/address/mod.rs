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

use super::connect::{self, Canceller};
use super::wire::Client;
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

    /// The address of another database of the same server.
    #[must_use]
    pub fn of_database(&self, name: &str) -> Self {
        let mut settings = self.settings.clone();
        settings.put("dbname", name);
        Self { settings }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Explain, Status};

    /// As the user ada, with these variables.
    fn around(variables: &[(&str, &str)]) -> Surroundings {
        Surroundings::of(variables.iter().copied(), Some("ada"))
    }

    fn kept(url: &str, variables: &[(&str, &str)]) -> String {
        Address::parse_in(url, &around(variables)).unwrap().to_string()
    }

    fn fault(url: &str) -> Error {
        Address::parse_in(url, &around(&[])).unwrap_err()
    }

    #[test]
    fn what_is_kept_says_where_it_leads() {
        for (url, shown) in [
            ("postgres://bob@db.school:5433/shop", "postgresql://bob@db.school:5433/shop"),
            ("POSTGRESQL://db.school", "postgresql://ada@db.school:5432/ada"),
            ("postgresql://a,b:6000/d", "postgresql://ada@a:5432,b:6000/d"),
            ("postgresql://a,b/d?port=6000", "postgresql://ada@a:6000,b:6000/d"),
            ("postgresql://[fe80::1]/d", "postgresql://ada@[fe80::1]:5432/d"),
            ("postgresql://%2Frun%2Fpg:6000/d", "postgresql://ada@/d?host=/run/pg&port=6000"),
            ("postgresql:///d?host=/run/pg", "postgresql://ada@/d?host=/run/pg&port=5432"),
            ("postgresql://h/a%20b%3Fc?user=a%40b", "postgresql://a%40b@h:5432/a%20b%3Fc"),
            ("postgresql://h/d?ssl=true", "postgresql://ada@h:5432/d?sslmode=require"),
            ("postgresql://h/d?sslrootcert=system&connect_timeout=3", "postgresql://ada@h:5432/d?connect_timeout=3&sslrootcert=system"),
            ("postgresql://h/d?sslrootcert=/etc/ca.crt", "postgresql://ada@h:5432/d?sslrootcert=/etc/ca.crt"),
            ("postgresql://bob:@h/d?options=-c%20role%3Dx", "postgresql://bob@h:5432/d?options=-c%20role%3Dx"),
        ] {
            assert_eq!(kept(url, &[]), shown);
            assert_eq!(kept(shown, &[]), shown);
        }
    }

    #[test]
    fn variables_fill_in_what_the_url_leaves_open_and_change_nothing_later() {
        let variables = [("PGHOST", "db.school"), ("PGPORT", "6000"), ("PGUSER", "bob"), ("PGDATABASE", "shop"), ("PGSSLMODE", "require")];
        let address = "postgresql://bob@db.school:6000/shop?sslmode=require";
        assert_eq!(kept("postgresql://", &variables), address);
        assert_eq!(kept("postgresql://eve@/", &variables), address.replace("bob", "eve"));
        let others =
            [("PGHOST", "other"), ("PGPORT", "1"), ("PGUSER", "eve"), ("PGDATABASE", "x"), ("PGSSLMODE", "disable"), ("PGSERVICE", "x")];
        assert_eq!(kept(address, &others), address);
        let socket = kept("postgresql://", &[]);
        assert!(socket.starts_with("postgresql://ada@/ada?host=/"), "{socket}");
        assert_eq!(kept(&socket, &others[..4]), socket);
    }

    #[test]
    fn a_service_is_kept_by_its_name() {
        assert_eq!(kept("postgresql:///?service=school", &[("PGHOST", "x")]), "postgresql:///?service=school");
        let variables = [("PGSERVICE", "school"), ("PGSERVICEFILE", "/etc/services")];
        assert_eq!(kept("postgresql://bob@", &variables), "postgresql://bob@/?service=school&servicefile=/etc/services");
    }

    #[test]
    fn relative_files_are_of_this_folder() {
        let here = std::env::current_dir().unwrap();
        let shown = kept("postgresql://h/d?sslrootcert=ca.crt", &[]);
        assert_eq!(shown, format!("postgresql://ada@h:5432/d?sslrootcert={}/ca.crt", here.display()));
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        for url in [
            "postgresql://ada:s3cret@h/d",
            "postgresql://ada:s3cret%40x@h/d?sslmode=require",
            "postgresql://ada@h/d?password=s3cret",
            "postgresql://ada@h/d?sslpassword=s3cret",
            "postgresql://ada:s3cret@x@h/d",
            "postgresql:ada:s3cret@h/d",
        ] {
            let error = fault(url);
            assert_eq!(error.status(), Status::Usage);
            let all = format!("{error} {error:?} {}", error.hint().unwrap());
            assert!(!all.contains("s3cret"), "{all}");
        }
        assert!(fault("postgresql://ada:s3cret@h/d").hint().unwrap().contains("~/.pgpass"));
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (url, why) in [
            ("postgresql:h/d", "“//” is missing"),
            ("postgresql://h/d?sslmod=require", "“sslmod” is no setting"),
            ("postgresql://h/d?sslmode=always", "sslmode cannot be “always”: it is disable, allow, "),
            ("postgresql://h:0/d", "port cannot be “0”"),
            ("postgresql://h:70000/d", "port cannot be “70000”"),
            ("postgresql://[fe80::1/d", "“]” is missing"),
            ("postgresql://h/d%2", "“%” stands before"),
            ("postgresql://h/d%00", "%00"),
            ("postgresql://h/d?connect_timeout=soon", "connect_timeout cannot be “soon”"),
            ("postgresql://h/d?hostaddr=h", "hostaddr cannot be “h”"),
            ("postgresql://a,b/d?hostaddr=10.0.0.1", "different numbers of servers"),
            ("postgresql://a,b/d?port=1,2,3", "neither one port nor one for each host"),
            ("postgresql://h/d?gssencmode=require", "Kerberos"),
            ("postgresql://h/d?sslmode=require&sslrootcert=system", "sslrootcert=system goes with"),
            ("postgresql://h/d?sslcrl=x", "“sslcrl” is no setting"),
        ] {
            let error = fault(url);
            assert!(error.to_string().contains(why), "{url}: {error}");
            assert!(error.hint().is_some_and(|hint| !hint.is_empty()));
        }
        assert!(fault("postgresql://h/d?sslmod=x").hint().unwrap().contains("sslmode?"));
        assert!(matches!(Address::parse_in("postgresql://h/d", &Surroundings::default()), Err(Error::Address { why: Fault::NoUser, .. })));
    }
}
