//! Connecting: one place after another, with TLS or without as the mode says, each within its time.

mod certificate;
mod refusal;
mod tls;

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use postgres::config::SslMode;
use postgres::{CancelToken, Client, Config, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::Surroundings;
use super::address::password::{self, Password};
use super::address::target::{Mode, Place, Target, Wanted};
use crate::sources::{Error, Result};
pub use refusal::Refusal;
use refusal::Try;

/// Cancels what a connection does, over a connection of its own that is made in the same way.
#[derive(Clone)]
pub struct Canceller {
    token: CancelToken,
    tls: Option<MakeRustlsConnect>,
}

impl Canceller {
    /// Asks the server to cancel what runs. It may have ended by then, or the server be gone: nothing is answered.
    pub fn cancel(&self) {
        let _ = match &self.tls {
            Some(tls) => self.token.cancel_query(tls.clone()),
            None => self.token.cancel_query(NoTls),
        };
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
                Err(Refusal::NoEntry { .. }) => self.protected(number, tls, SslMode::Require),
                other => other,
            },
            Mode::Prefer => match self.protected(number, tls, SslMode::Prefer) {
                Err(Refusal::NoEntry { .. } | Refusal::Tls { .. } | Refusal::Certificate { .. }) => self.plainly(number),
                other => other,
            },
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => self.protected(number, tls, SslMode::Require),
        }
    }

    fn plainly(&self, number: Option<IpAddr>) -> Result<(Client, Canceller), Refusal> {
        let config = self.config(number, SslMode::Disable);
        let client = self.within(&self.attempt(false), move || config.connect(NoTls))?;
        Ok((client.0, Canceller { token: client.1, tls: None }))
    }

    fn protected(&self, number: Option<IpAddr>, tls: &MakeRustlsConnect, mode: SslMode) -> Result<(Client, Canceller), Refusal> {
        let config = self.config(number, mode);
        let connector = tls.clone();
        let client = self.within(&self.attempt(true), move || config.connect(connector))?;
        Ok((client.0, Canceller { token: client.1, tls: Some(tls.clone()) }))
    }

    /// Connects on a thread of its own: a server that takes the connection and then says nothing must not hold us for ever.
    fn within(
        &self,
        attempt: &Try<'_>,
        connect: impl FnOnce() -> Result<Client, postgres::Error> + Send + 'static,
    ) -> Result<(Client, CancelToken), Refusal> {
        let (answer, answered) = channel();
        let thread = thread::Builder::new().name("connecting".into());
        let begun = thread.spawn(move || {
            let _ = answer.send(connect());
        });
        begun.map_err(|why| Refusal::Unreachable { place: attempt.place(), why: why.to_string() })?;
        let outcome = match self.target.timeout {
            Some(timeout) => answered.recv_timeout(timeout),
            None => answered.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match outcome {
            Ok(Ok(client)) => {
                let token = client.cancel_token();
                Ok((client, token))
            }
            Ok(Err(error)) => Err(attempt.refusal(&error)),
            Err(_) => Err(attempt.silent()),
        }
    }

    fn attempt(&self, tls: bool) -> Try<'_> {
        Try { target: self.target, place: self.place, origin: &self.password.origin, tls }
    }

    fn config(&self, number: Option<IpAddr>, mode: SslMode) -> Config {
        let target = self.target;
        let mut config = Config::new();
        config.user(&target.user).dbname(&target.database).application_name(&target.application);
        config.port(self.place.port).ssl_mode(mode).channel_binding(target.binding);
        match number {
            Some(number) => config.host(&self.place.name()).hostaddr(number),
            None => config.host_path(&self.place.host),
        };
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
