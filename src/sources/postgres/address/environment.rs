//! The PG* variables with which pg_dump reaches the place that a connection of ours reaches.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use tokio_postgres::config::ChannelBinding;

use super::password;
use super::surroundings::Surroundings;
use super::target::{Roots, Target, Wanted};

/// Where systems keep the certificates they trust: a libpq before 16 wants to be told the file.
const SYSTEM_ROOTS: [&str; 4] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"];

/// The variables for `target`. A password is among them where it stands in no password file.
pub(super) fn of(target: &Target, surroundings: &Surroundings) -> Vec<(OsString, OsString)> {
    let each = |text: &dyn Fn(&super::target::Place) -> String| target.places.iter().map(text).collect::<Vec<_>>().join(",");
    let mut all = Variables::default();
    all.add("PGHOST", each(&|place| place.host.clone()));
    if target.places.iter().any(|place| place.number.is_some()) {
        all.add("PGHOSTADDR", each(&|place| place.number.map_or_else(String::new, |number| number.to_string())));
    }
    all.add("PGPORT", each(&|place| place.port.to_string()));
    all.add("PGUSER", &target.user);
    all.add("PGDATABASE", &target.database);
    all.add("PGAPPNAME", &target.application);
    all.add("PGCONNECT_TIMEOUT", target.timeout.map_or(0, |timeout| timeout.as_secs()).to_string());
    all.add("PGSSLMODE", target.mode.name());
    all.add("PGGSSENCMODE", "disable");
    let binding = match target.binding {
        ChannelBinding::Disable => Some("disable"),
        ChannelBinding::Require => Some("require"),
        _ => None,
    };
    all.maybe("PGCHANNELBINDING", binding);
    all.maybe("PGTARGETSESSIONATTRS", (target.wanted != Wanted::Any).then(|| target.wanted.name()));
    all.maybe("PGOPTIONS", target.options.as_ref());
    all.maybe("PGSSLROOTCERT", roots(&target.roots, surroundings));
    all.maybe("PGSSLCERT", target.certificate.as_ref());
    all.maybe("PGSSLKEY", target.key.as_ref());
    all.maybe("PGPASSFILE", target.passfile.as_ref());
    // One that is not in the password file goes along by itself.
    let elsewhere = target.places.first().map(|place| password::find(target, place, surroundings));
    if let Some(password) = elsewhere.filter(|found| !matches!(found.origin, password::Origin::File(_))).and_then(|found| found.bytes) {
        all.add("PGPASSWORD", OsString::from_vec(password.to_vec()));
    }
    all.0
}

#[derive(Default)]
struct Variables(Vec<(OsString, OsString)>);

impl Variables {
    fn add(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.push((name.into(), value.into()));
    }

    fn maybe(&mut self, name: &str, value: Option<impl Into<OsString>>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }
}

fn roots(roots: &Roots, surroundings: &Surroundings) -> Option<PathBuf> {
    match roots {
        Roots::Named(path) => Some(path.clone()),
        Roots::Usual(path) => path.clone(),
        Roots::System => {
            let named = surroundings.bytes("SSL_CERT_FILE").map(PathBuf::from);
            let found = || SYSTEM_ROOTS.iter().map(Path::new).find(|path| path.is_file()).map(Path::to_owned);
            Some(named.or_else(found).unwrap_or_else(|| "system".into()))
        }
    }
}
