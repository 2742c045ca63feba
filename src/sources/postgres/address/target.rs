//! Settings read: which places, as whom, how protected.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::config::ChannelBinding;
use zeroize::Zeroizing;

use super::fault::Fault;
use super::settings::Settings;
use super::surroundings::Surroundings;

/// Where servers keep their sockets unless told otherwise: Debian and most others, then PostgreSQL's own default.
const SOCKET_FOLDERS: [&str; 3] = ["/var/run/postgresql", "/run/postgresql", "/tmp"];

/// How long a server may take to let somebody in, in seconds, unless the address says otherwise.
const TIMEOUT: u64 = 10;

/// One server that may be the one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sources::postgres) struct Place {
    /// The host's name, or the folder of its socket.
    pub(in crate::sources::postgres) host: String,
    /// Its number, where the address gives it: the name is then not looked up.
    pub(in crate::sources::postgres) number: Option<IpAddr>,
    pub(in crate::sources::postgres) port: u16,
}

impl Place {
    /// The folder of the socket, where it is one.
    pub(in crate::sources::postgres) fn folder(&self) -> Option<&Path> {
        (self.number.is_none() && self.host.starts_with('/')).then(|| Path::new(&self.host))
    }

    /// What a password file calls it.
    pub(in crate::sources::postgres) fn pass_name(&self) -> String {
        match self.folder() {
            Some(_) if SOCKET_FOLDERS.contains(&self.host.as_str()) => "localhost".into(),
            _ => self.name(),
        }
    }

    /// Its name, or else its number.
    pub(in crate::sources::postgres) fn name(&self) -> String {
        match (self.host.as_str(), self.number) {
            ("", Some(number)) => number.to_string(),
            (host, _) => host.to_owned(),
        }
    }
}

/// How much TLS is asked for, as libpq's `sslmode` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sources::postgres) enum Mode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// Which certificates are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sources::postgres) enum Roots {
    /// Those of the system.
    System,
    /// Those in a file that was named.
    Named(PathBuf),
    /// Those in the file that libpq looks for, where it is there.
    Usual(Option<PathBuf>),
}

/// Which server of several is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The first that answers.
    Any,
    /// One that takes writes.
    ReadWrite,
    /// One that takes none.
    ReadOnly,
    /// One that is no standby.
    Primary,
    /// A standby.
    Standby,
    /// A standby, else any.
    PreferStandby,
}

/// Where a connection goes and how.
#[derive(Clone)]
pub(in crate::sources::postgres) struct Target {
    pub(in crate::sources::postgres) places: Vec<Place>,
    pub(in crate::sources::postgres) user: String,
    pub(in crate::sources::postgres) database: String,
    pub(in crate::sources::postgres) mode: Mode,
    pub(in crate::sources::postgres) roots: Roots,
    /// Our own certificate.
    pub(in crate::sources::postgres) certificate: Option<PathBuf>,
    pub(in crate::sources::postgres) key: Option<PathBuf>,
    pub(in crate::sources::postgres) binding: ChannelBinding,
    pub(in crate::sources::postgres) wanted: Wanted,
    /// For each place; none is for ever.
    pub(in crate::sources::postgres) timeout: Option<Duration>,
    pub(in crate::sources::postgres) options: Option<String>,
    pub(in crate::sources::postgres) application: String,
    /// Seconds of silence before the first probe, seconds between probes, how many.
    pub(in crate::sources::postgres) keepalives: Option<(u64, u64, u32)>,
    pub(in crate::sources::postgres) unacknowledged: Option<Duration>,
    pub(in crate::sources::postgres) passfile: Option<PathBuf>,
    /// The password of a service file, and that file.
    pub(in crate::sources::postgres) password: Option<(Zeroizing<String>, PathBuf)>,
}

impl Target {
    /// What `settings` say, which lack nothing but what has a default.
    pub(super) fn of(settings: &Settings, surroundings: &Surroundings) -> Result<Self, Fault> {
        let user = settings.get("user").ok_or(Fault::NoUser)?.to_owned();
        let (mode, roots) = protection(settings, surroundings)?;
        if !matches!(settings.get("gssencmode"), None | Some("disable" | "prefer")) {
            return Err(Fault::Unfit("gssencmode asks for encryption by Kerberos, which Backstop does not have"));
        }
        let usual = |name: &str| surroundings.at_home(&format!(".postgresql/{name}")).filter(|path| path.exists());
        let certificate = settings.get("sslcert").map(PathBuf::from).or_else(|| usual("postgresql.crt"));
        let key = settings.get("sslkey").map(PathBuf::from).or_else(|| usual("postgresql.key"));
        let passfile = settings.get("passfile").map(PathBuf::from).or_else(|| surroundings.at_home(".pgpass"));
        let timeout = number(settings, "connect_timeout")?.unwrap_or(TIMEOUT);
        Ok(Self {
            places: places(settings)?,
            database: settings.get("dbname").unwrap_or(&user).to_owned(),
            user,
            mode,
            roots,
            certificate,
            key,
            binding: choice(settings, "channel_binding", "disable, prefer or require", ChannelBinding::Prefer, &BINDINGS)?,
            wanted: choice(settings, "target_session_attrs", WANTED_NAMES, Wanted::Any, &WANTED)?,
            timeout: (timeout > 0).then(|| Duration::from_secs(timeout)),
            options: settings.get("options").map(str::to_owned),
            application: settings.get("application_name").unwrap_or("backstop").to_owned(),
            keepalives: keepalives(settings)?,
            unacknowledged: number(settings, "tcp_user_timeout")?.filter(|wait| *wait > 0).map(Duration::from_millis),
            passfile,
            password: None,
        })
    }
}

const MODE_NAMES: &str = "disable, allow, prefer, require, verify-ca or verify-full";
const MODES: [(&str, Mode); 6] = [
    ("disable", Mode::Disable),
    ("allow", Mode::Allow),
    ("prefer", Mode::Prefer),
    ("require", Mode::Require),
    ("verify-ca", Mode::VerifyCa),
    ("verify-full", Mode::VerifyFull),
];
const BINDINGS: [(&str, ChannelBinding); 3] =
    [("disable", ChannelBinding::Disable), ("prefer", ChannelBinding::Prefer), ("require", ChannelBinding::Require)];
const WANTED_NAMES: &str = "any, read-write, read-only, primary, standby or prefer-standby";
const WANTED: [(&str, Wanted); 6] = [
    ("any", Wanted::Any),
    ("read-write", Wanted::ReadWrite),
    ("read-only", Wanted::ReadOnly),
    ("primary", Wanted::Primary),
    ("standby", Wanted::Standby),
    ("prefer-standby", Wanted::PreferStandby),
];

impl Mode {
    /// Its name in `sslmode`.
    pub(in crate::sources::postgres) fn name(self) -> &'static str {
        MODES.iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }
}

impl Wanted {
    /// Its name in `target_session_attrs`.
    pub(in crate::sources::postgres) fn name(self) -> &'static str {
        WANTED.iter().find(|(_, wanted)| *wanted == self).map_or("", |(name, _)| name)
    }
}

/// One of the values that a setting can have.
fn choice<T: Copy>(settings: &Settings, name: &'static str, expected: &'static str, usual: T, known: &[(&str, T)]) -> Result<T, Fault> {
    let Some(value) = settings.get(name) else { return Ok(usual) };
    let found = known.iter().find(|(known, _)| *known == value).map(|(_, choice)| *choice);
    found.ok_or_else(|| Fault::Value { name, value: value.to_owned(), expected })
}

fn number(settings: &Settings, name: &'static str) -> Result<Option<u64>, Fault> {
    let parse = |value: &str| value.trim().parse().map_err(|_| Fault::Value { name, value: value.to_owned(), expected: "a whole number" });
    settings.get(name).map(parse).transpose()
}

/// Probes begin after a minute: a router that forgets silent connections would otherwise cut a long backup.
fn keepalives(settings: &Settings) -> Result<Option<(u64, u64, u32)>, Fault> {
    let or = |name, usual| number(settings, name).map(|given| given.filter(|value| *value > 0).unwrap_or(usual));
    let probes = (or("keepalives_idle", 60)?, or("keepalives_interval", 15)?, or("keepalives_count", 4)?.min(100) as u32);
    Ok((number(settings, "keepalives")? != Some(0)).then_some(probes))
}

/// How much TLS, and whom it trusts: the system's certificates prove nothing unless the name is checked too, so they ask for all of it.
fn protection(settings: &Settings, surroundings: &Surroundings) -> Result<(Mode, Roots), Fault> {
    let usual = || Roots::Usual(surroundings.at_home(".postgresql/root.crt"));
    let roots = match settings.get("sslrootcert") {
        None => usual(),
        Some("system") => Roots::System,
        Some(path) => Roots::Named(PathBuf::from(path)),
    };
    let default = if roots == Roots::System { Mode::VerifyFull } else { Mode::Prefer };
    let mode = choice(settings, "sslmode", MODE_NAMES, default, &MODES)?;
    if roots == Roots::System && mode != Mode::VerifyFull {
        return Err(Fault::Unfit(
            "sslrootcert=system goes with sslmode=verify-full alone: anybody can have a certificate that the system trusts",
        ));
    }
    Ok((mode, roots))
}

fn places(settings: &Settings) -> Result<Vec<Place>, Fault> {
    let hosts: Vec<&str> = settings.get("host").map_or_else(Vec::new, |hosts| hosts.split(',').collect());
    let numbers: Vec<&str> = settings.get("hostaddr").map_or_else(Vec::new, |numbers| numbers.split(',').collect());
    let ports: Vec<&str> = settings.get("port").map_or_else(Vec::new, |ports| ports.split(',').collect());
    let count = hosts.len().max(numbers.len()).max(1);
    if !(hosts.is_empty() || numbers.is_empty() || hosts.len() == numbers.len()) {
        return Err(Fault::Unfit("host and hostaddr name different numbers of servers"));
    }
    if !(ports.len() <= 1 || ports.len() == count) {
        return Err(Fault::Unfit("port names neither one port nor one for each host"));
    }
    (0..count).map(|at| place(hosts.get(at), numbers.get(at), ports.get(at).or(ports.first()))).collect()
}

fn place(host: Option<&&str>, number: Option<&&str>, port: Option<&&str>) -> Result<Place, Fault> {
    let port = port.copied().filter(|port| !port.is_empty()).unwrap_or("5432");
    let parsed = port.trim().parse().ok().filter(|port| *port > 0);
    let port = parsed.ok_or_else(|| Fault::Value { name: "port", value: port.to_owned(), expected: "a number from 1 to 65535" })?;
    let is_number = |text: &str| Fault::Value { name: "hostaddr", value: text.to_owned(), expected: "an IP address" };
    let number = number.filter(|text| !text.is_empty()).map(|text| text.parse().map_err(|_| is_number(text))).transpose()?;
    let host = match (host.copied().unwrap_or_default(), number) {
        ("", None) => usual_folder(port),
        (host, _) if host.starts_with('@') => {
            return Err(Fault::Value { name: "host", value: host.to_owned(), expected: "a name, a number or the folder of a socket" });
        }
        (host, _) => host.to_owned(),
    };
    Ok(Place { host, number, port })
}

/// The folder that has a socket for this port; where none has, the one that most servers use here.
pub(in crate::sources::postgres) fn usual_folder(port: u16) -> String {
    let mut folders = SOCKET_FOLDERS.iter().map(Path::new);
    let live = folders.clone().find(|folder| folder.join(format!(".s.PGSQL.{port}")).exists());
    live.or_else(|| folders.find(|folder| folder.is_dir())).map_or_else(|| "/tmp".into(), |folder| folder.display().to_string())
}
