//! The settings of a connection by their libpq names, with the variable that stands in for each.

use std::collections::BTreeMap;

use super::fault::Fault;
use super::surroundings::Surroundings;

/// A setting's name and the variable that gives it where nothing else does.
const KNOWN: &[(&str, Option<&str>)] = &[
    ("application_name", None),
    ("channel_binding", Some("PGCHANNELBINDING")),
    ("connect_timeout", Some("PGCONNECT_TIMEOUT")),
    ("dbname", Some("PGDATABASE")),
    ("gssencmode", None),
    ("host", Some("PGHOST")),
    ("hostaddr", Some("PGHOSTADDR")),
    ("keepalives", None),
    ("keepalives_count", None),
    ("keepalives_idle", None),
    ("keepalives_interval", None),
    ("options", Some("PGOPTIONS")),
    ("passfile", Some("PGPASSFILE")),
    ("port", Some("PGPORT")),
    ("service", None),
    ("servicefile", None),
    ("sslcert", Some("PGSSLCERT")),
    ("sslkey", Some("PGSSLKEY")),
    ("sslmode", Some("PGSSLMODE")),
    ("sslrootcert", Some("PGSSLROOTCERT")),
    ("target_session_attrs", Some("PGTARGETSESSIONATTRS")),
    ("tcp_user_timeout", None),
    ("user", Some("PGUSER")),
];

/// Settings that are secret.
const SECRET: &[&str] = &["password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret"];

/// Files among the settings.
const FILES: &[&str] = &["passfile", "servicefile", "sslcert", "sslkey", "sslrootcert"];

/// The names of all settings.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|(name, _)| *name)
}

/// Settings by name; none of them is secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    values: BTreeMap<&'static str, String>,
}

impl Settings {
    /// The value of `name`; an empty one is none.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Sets `name`, as an address or a service file writes it.
    pub(super) fn set(&mut self, name: &str, value: String) -> Result<(), Fault> {
        if SECRET.contains(&name) {
            return Err(Fault::Secret);
        }
        // JDBC's way to say it, which libpq understands too.
        let (name, value) = if name == "ssl" && value == "true" { ("sslmode", "require".to_owned()) } else { (name, value) };
        let known = names().find(|known| *known == name).ok_or_else(|| Fault::Unknown { name: name.to_owned() })?;
        self.values.insert(known, value);
        Ok(())
    }

    /// Takes from `other` what is not there yet.
    pub(super) fn fill(&mut self, other: Settings) {
        for (name, value) in other.values {
            if self.get(name).is_none() {
                self.values.insert(name, value);
            }
        }
    }

    /// Takes from the PG* variables what is not there yet.
    pub(super) fn fill_from(&mut self, surroundings: &Surroundings) {
        for (name, variable) in KNOWN {
            let given = variable.and_then(|variable| surroundings.text(variable));
            if let (None, Some(value)) = (self.get(name), given) {
                self.values.insert(name, value.to_owned());
            }
        }
    }

    /// Gives each host a port of its own.
    pub(super) fn settle_ports(&mut self) {
        let hosts = self.get("host").or_else(|| self.get("hostaddr")).map_or(1, |hosts| hosts.split(',').count());
        let port = self.get("port").unwrap_or("5432");
        if !port.contains(',') {
            self.values.insert("port", vec![port; hosts].join(","));
        }
    }

    /// Makes relative paths absolute: the address means the same from every folder.
    pub(super) fn settle_paths(&mut self) {
        for name in FILES {
            if let Some(value) = self.get(name).filter(|value| !is_system(name, value)) {
                let path = std::path::absolute(value).map_or_else(|_| value.to_owned(), |path| path.to_string_lossy().into_owned());
                self.values.insert(name, path);
            }
        }
    }

    /// Without those that are empty.
    pub(super) fn only_given(mut self) -> Self {
        self.values.retain(|_, value| !value.is_empty());
        self
    }

    /// Sets what has a value already or not.
    pub(super) fn put(&mut self, name: &'static str, value: impl Into<String>) {
        self.values.insert(name, value.into());
    }

    /// Every setting that has a value, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.values.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (*name, value.as_str()))
    }
}

/// Whether a setting asks for the system's certificates, which are no file.
fn is_system(name: &str, value: &str) -> bool {
    name == "sslrootcert" && value == "system"
}
