//! Connecting: one place after another, with TLS or without as the mode says, each within its time.

mod certificate;
mod refusal;
mod tls;

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use tokio_postgres::{CancelToken, Config, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::Surroundings;
use super::address::password::{self, Password};
use super::address::target::{Mode, Place, Target, Wanted};
use super::wire::{Client, Entry, runtime};
use crate::sources::{Error, Result};
pub use refusal::Refusal;
use refusal::Try;

/// Cancels what a connection does, over a connection of its own that is made in the same way.
#[derive(Clone)]
pub struct Canceller {
    token: CancelToken,
    entry: Entry,
}

impl Canceller {
    /// Asks the server to cancel what runs. It may have ended by then, or the server be gone: nothing is answered.
    pub fn cancel(&self) {
        if let Ok(runtime) = runtime() {
            let _ = runtime.block_on(self.entry.clone().cancel(&self.token));
        }
    }
}

/// Opens a connection to the first place of `target` that is the wanted one; `url` names it in errors.
pub(super) fn open(url: &str, target: &Target, surroundings: &Surroundings) -> Result<(Client, Canceller)> {
    let needs_tls = target.mode > Mode::Disable && target.places.iter().any(|place| place.folder().is_none());
    let tls = if needs_tls { Some(tls::connector(target)) } else { None };
    let tls = tls.transpose().map_err(|why| Error::Address { url: url.to_owned(), why })?;
    let passes = match target.wanted {
        Wanted::PreferStandby => vec![Wanted::Standby, Wanted::Any],
        wanted => vec![wanted],
    };
    let mut refused = None;
    for wanted in passes {
        for place in &target.places {
            let door = Door { target, place, password: password::find(target, place, surroundings), tls: tls.as_ref() };
            match door.open(wanted) {
                Ok(opened) => return Ok(opened),
                // Another server would not think otherwise of this user.
                Err(refusal) if !passes_on(&refusal) => return Err(told(url, refusal)),
                Err(refusal) => refused = Some(refusal),
            }
        }
    }
    let nowhere = || Refusal::UnknownHost { host: String::new(), why: "the address names no server".into() };
    Err(told(url, refused.unwrap_or_else(nowhere)))
}

fn told(url: &str, why: Refusal) -> Error {
    Error::Connect { what: url.to_owned(), why: Box::new(why) }
}

/// Whether the next server of a list is to be tried.
fn passes_on(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::UnknownHost { .. }
            | Refusal::Nobody { .. }
            | Refusal::Silent { .. }
            | Refusal::Unreachable { .. }
            | Refusal::Stranger { .. }
            | Refusal::NotReady { .. }
            | Refusal::TooMany { .. }
            | Refusal::NotWanted { .. }
    )
}

/// One place, with what it takes to get in.
struct Door<'a> {
    target: &'a Target,
    place: &'a Place,
    password: Password,
    tls: Option<&'a MakeRustlsConnect>,
}

impl Door<'_> {
    fn open(&self, wanted: Wanted) -> Result<(Client, Canceller), Refusal> {
        let mut refused = None;
        for number in self.numbers()? {
            match self.by_mode(number) {
                Ok((mut client, canceller)) => {
                    if self.is_wanted(&mut client, wanted)? {
                        return Ok((client, canceller));
                    }
                    return Err(Refusal::NotWanted { place: self.attempt(false).place(), wanted: self.target.wanted });
                }
                Err(refusal) if !passes_on(&refusal) => return Err(refusal),
                Err(refusal) => refused = Some(refusal),
            }
        }
        Err(refused.unwrap_or_else(|| Refusal::UnknownHost { host: self.place.name(), why: "it has no address".into() }))
    }

    /// The addresses of the host; none for a socket, which counts as one.
    fn numbers(&self) -> Result<Vec<Option<IpAddr>>, Refusal> {
        if self.place.folder().is_some() {
            return Ok(vec![None]);
        }
        if let Some(number) = self.place.number {
            return Ok(vec![Some(number)]);
        }
        let unknown = |why: std::io::Error| {
            let why = why.to_string();
            let why = why.strip_prefix("failed to lookup address information: ").unwrap_or(&why).to_owned();
            Refusal::UnknownHost { host: self.place.name(), why }
        };
        let found = (self.place.host.as_str(), self.place.port).to_socket_addrs().map_err(unknown)?;
        Ok(found.map(|address: SocketAddr| Some(address.ip())).collect())
    }

    /// With TLS and without, in the order that libpq has for each mode.
    fn by_mode(&self, number: Option<IpAddr>) -> Result<(Client, Canceller), Refusal> {
        let Some(tls) = self.tls.filter(|_| number.is_some()) else { return self.plainly(number) };
        match self.target.mode {
            Mode::Disable => self.plainly(number),
            Mode::Allow => match self.plainly(number) {
                Err(Refusal::NoEntry { .. }) => self.protected(number, tls, false),
                other => other,
            },
            Mode::Prefer => match self.protected(number, tls, true) {
                Err(Refusal::NoEntry { .. } | Refusal::Tls { .. } | Refusal::Certificate { .. }) => self.plainly(number),
                other => other,
            },
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => self.protected(number, tls, false),
        }
    }

    fn plainly(&self, number: Option<IpAddr>) -> Result<(Client, Canceller), Refusal> {
        let socket = || Entry::Socket(Path::new(&self.place.host).join(format!(".s.PGSQL.{}", self.place.port)));
        self.within(number, number.map_or_else(socket, |_| Entry::Plain))
    }

    /// With TLS, or where that is `optional` and the server has none, without.
    fn protected(&self, number: Option<IpAddr>, tls: &MakeRustlsConnect, optional: bool) -> Result<(Client, Canceller), Refusal> {
        self.within(number, Entry::Tls { tls: tls.clone(), optional })
    }

    /// Connects on a thread of its own: a server that takes the connection and then says nothing must not hold us for ever.
    fn within(&self, number: Option<IpAddr>, entry: Entry) -> Result<(Client, Canceller), Refusal> {
        let attempt = self.attempt(matches!(entry, Entry::Tls { .. }));
        let unreachable = |why: std::io::Error| Refusal::Unreachable { place: attempt.place(), why: why.to_string() };
        let (config, by) = (self.config(number), entry.clone());
        let runtime = runtime().map_err(unreachable)?;
        let (answer, answered) = channel();
        let thread = thread::Builder::new().name("connecting".into());
        let begun = thread.spawn(move || {
            let _ = answer.send(Client::connect(runtime, config, by));
        });
        begun.map_err(unreachable)?;
        let outcome = match self.target.timeout {
            Some(timeout) => answered.recv_timeout(timeout),
            None => answered.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match outcome {
            Ok(Ok(client)) => {
                let token = client.cancel_token();
                Ok((client, Canceller { token, entry }))
            }
            Ok(Err(error)) => Err(attempt.refusal(&error)),
            Err(_) => Err(attempt.silent()),
        }
    }

    fn attempt(&self, tls: bool) -> Try<'_> {
        Try { target: self.target, place: self.place, origin: &self.password.origin, tls }
    }

    fn config(&self, number: Option<IpAddr>) -> Config {
        let target = self.target;
        let mut config = Config::new();
        config.user(&target.user).dbname(&target.database).application_name(&target.application);
        config.port(self.place.port).channel_binding(target.binding);
        if let Some(number) = number {
            config.host(self.place.name()).hostaddr(number);
        }
        if let Some(password) = &self.password.bytes {
            config.password(password.as_slice());
        }
        if let Some(options) = &target.options {
            config.options(options);
        }
        if let Some(timeout) = target.timeout {
            config.connect_timeout(timeout);
        }
        if let Some(wait) = target.unacknowledged {
            config.tcp_user_timeout(wait);
        }
        match target.keepalives {
            Some((idle, interval, count)) => {
                config.keepalives_idle(Duration::from_secs(idle)).keepalives_interval(Duration::from_secs(interval));
                config.keepalives_retries(count)
            }
            None => config.keepalives(false),
        };
        config
    }

    /// Whether this is the server of several that is wanted.
    fn is_wanted(&self, client: &mut Client, wanted: Wanted) -> Result<bool, Refusal> {
        if wanted == Wanted::Any {
            return Ok(true);
        }
        let ask = "SELECT pg_catalog.pg_is_in_recovery()::text, pg_catalog.current_setting('transaction_read_only')";
        let told = client.simple_query(ask).map_err(|error| self.attempt(self.tls.is_some()).refusal(&error))?;
        let row = told.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((row.get(0) == Some("true"), row.get(1) == Some("on"))),
            _ => None,
        });
        let (standby, read_only) = row.unwrap_or_default();
        Ok(match wanted {
            Wanted::Any | Wanted::PreferStandby => true,
            Wanted::ReadWrite => !read_only,
            Wanted::ReadOnly => read_only,
            Wanted::Primary => !standby,
            Wanted::Standby => standby,
        })
    }
}
