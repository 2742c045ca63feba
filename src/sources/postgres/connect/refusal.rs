//! Why a server let nobody in, told from codes rather than words, as servers speak many languages.

use std::error::Error as _;
use std::io::ErrorKind;

use rustls::CertificateError;
use tokio_postgres::error::{DbError, SqlState};

use crate::sources::postgres::address::password::Origin;
use crate::sources::postgres::address::target::{Place, Target, Wanted};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The name of the host means nothing.
    #[error("the host “{host}” is not known ({why})")]
    UnknownHost {
        /// The name.
        host: String,
        /// The resolver's words.
        why: String,
    },
    /// Nothing listens there.
    #[error("nothing accepts connections at {place}")]
    Nobody {
        /// Host and port, or the socket.
        place: String,
    },
    /// There is no answer in time.
    #[error("{place} did not answer within {seconds} seconds")]
    Silent {
        /// Host and port, or the socket.
        place: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The system did not get through to it.
    #[error("{place} cannot be reached: {why}")]
    Unreachable {
        /// Host and port, or the socket.
        place: String,
        /// The system's words.
        why: String,
    },
    /// Something answers, but not as PostgreSQL.
    #[error("what answers at {place} ended the conversation or is no PostgreSQL server ({why})")]
    Stranger {
        /// Host and port, or the socket.
        place: String,
        /// What was met.
        why: String,
    },
    /// The server has no such database.
    #[error("the server has no database “{database}”")]
    NoDatabase {
        /// Its name.
        database: String,
    },
    /// The password is wrong, or the user has none.
    #[error("the server does not accept the password of user “{user}” from {origin}")]
    Password {
        /// The user.
        user: String,
        /// Where it was found.
        origin: Origin,
    },
    /// The server wants a password, and there is none.
    #[error("the server wants a password of user “{user}”, and PGPASSWORD is not set and {origin}")]
    NoPassword {
        /// The user.
        user: String,
        /// Why none was found.
        origin: Origin,
    },
    /// pg_hba.conf does not let this user in from here.
    #[error("the server's pg_hba.conf does not let user “{user}” into “{database}” from here {how} ({said})")]
    NoEntry {
        /// The user.
        user: String,
        /// The database.
        database: String,
        /// With or without TLS.
        how: &'static str,
        /// The server's words.
        said: String,
    },
    /// The server knows no such user.
    #[error("the server has no user “{user}”")]
    NoUser {
        /// The user.
        user: String,
    },
    /// Another way of telling who somebody is went wrong: peer, ident, certificates.
    #[error("the server does not take us for user “{user}” ({said})")]
    NotThatUser {
        /// The user.
        user: String,
        /// The server's words.
        said: String,
    },
    /// The user may not connect to that database.
    #[error("user “{user}” may not connect to “{database}” ({said})")]
    NotAllowed {
        /// The user.
        user: String,
        /// The database.
        database: String,
        /// The server's words.
        said: String,
    },
    /// TLS is asked for, and the server has none.
    #[error("sslmode={mode} asks for TLS, and the server at {place} has none")]
    NoTls {
        /// Host and port.
        place: String,
        /// The mode.
        mode: &'static str,
    },
    /// The server's certificate is not one that counts.
    #[error("the certificate of {place} {}", in_words(.flaw))]
    Certificate {
        /// Host and port.
        place: String,
        /// What is wrong with it.
        flaw: CertificateError,
    },
    /// The server's password is to be bound to the TLS connection, and is not.
    #[error("channel_binding=require is asked for, and {place} does not bind the password to the TLS connection")]
    Unbound {
        /// Host and port, or the socket.
        place: String,
    },
    /// The server wants Kerberos or the like.
    #[error("{place} wants a way of proving who user “{user}” is that Backstop does not have, such as Kerberos")]
    Method {
        /// Host and port, or the socket.
        place: String,
        /// The user.
        user: String,
    },
    /// TLS went wrong otherwise.
    #[error("TLS with {place} failed: {why}")]
    Tls {
        /// Host and port.
        place: String,
        /// What was met.
        why: String,
    },
    /// All its connections are taken.
    #[error("the server has no connection left ({said})")]
    TooMany {
        /// The server's words.
        said: String,
    },
    /// It starts, stops or recovers.
    #[error("the server takes no connections just now ({said})")]
    NotReady {
        /// The server's words.
        said: String,
    },
    /// It is not the server of several that is wanted.
    #[error("target_session_attrs={} is wanted, and {place} is not that", .wanted.name())]
    NotWanted {
        /// Host and port, or the socket.
        place: String,
        /// What is wanted.
        wanted: Wanted,
    },
    /// Anything else that the server says.
    #[error("the server says: {said}")]
    Said {
        /// Its words, and the error's code.
        said: String,
    },
}

impl Refusal {
    /// What the operator can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownHost { .. } => "See how the name is written, and whether this machine can resolve it (getent hosts NAME).",
            Self::Nobody { place } if place.starts_with("the socket") => {
                "See whether PostgreSQL runs (pg_lsclusters, systemctl status postgresql), and what its port and unix_socket_directories are."
            }
            Self::Nobody { .. } => {
                "See whether PostgreSQL runs there (pg_isready -h HOST -p PORT), and whether its listen_addresses names that address."
            }
            Self::Silent { .. } => {
                "See whether the host is up and no firewall drops what is sent to that port; connect_timeout=SECONDS in the address waits longer."
            }
            Self::Unreachable { .. } => "See that the network and the socket's folder can be reached by this user.",
            Self::Stranger { .. } => "See whether the port is PostgreSQL's, and what the server's log says.",
            Self::NoDatabase { .. } => "List the server's databases with psql -l, and see how the name is written.",
            Self::Password { .. } => "Put the right one there. Passwords are looked for in the service file, in PGPASSWORD, then in ~/.pgpass.",
            Self::NoPassword { origin: Origin::Loose(path), .. } => return format!("Use: chmod 600 {}", path.display()),
            Self::NoPassword { .. } => {
                "Write the line HOST:PORT:DATABASE:USER:PASSWORD into ~/.pgpass of the user that runs Backstop (chmod 600), or set PGPASSWORD."
            }
            Self::NoEntry { how: WITHOUT, .. } => {
                "Let it use TLS (sslmode=require in the address), or add a line for this user to pg_hba.conf and reload the server."
            }
            Self::NoEntry { .. } => "Add a line for this user, database and address to pg_hba.conf, and reload the server.",
            Self::NoUser { .. } => "Write an existing user before the host: postgresql://USER@HOST/DATABASE; psql -c '\\du' lists them.",
            Self::NotThatUser { .. } => {
                "With peer authentication the system's user must have that name: run it as that user (sudo -u USER backstop …), or let pg_hba.conf ask for a password. Where it wants a certificate: sslcert, sslkey."
            }
            Self::NotAllowed { .. } => "Use: GRANT CONNECT ON DATABASE … TO …, as the database's owner.",
            Self::NoTls { .. } => "Set ssl = on at the server, or, on a network that you trust, sslmode=prefer in the address.",
            Self::Certificate { flaw, .. } => return for_flaw(flaw).into(),
            Self::Unbound { .. } => "It takes TLS, SCRAM passwords, and no proxy in between that ends the TLS connection.",
            Self::Method { .. } => "Let pg_hba.conf ask this user for a password (scram-sha-256) or a certificate.",
            Self::Tls { .. } => "See the server's log: it may want a certificate of ours (sslcert, sslkey) or speak only versions before TLS 1.2.",
            Self::TooMany { .. } => "Raise max_connections, or end connections that idle (pg_stat_activity); the next backup tries again.",
            Self::NotReady { .. } => "Wait until it is ready (pg_isready), then run it again.",
            Self::NotWanted { .. } => "Name the other servers too, or change target_session_attrs in the address.",
            Self::Said { .. } => "The server's log says more.",
        }
        .into()
    }
}

const WITHOUT: &str = "without TLS";

fn in_words(flaw: &CertificateError) -> String {
    match flaw {
        CertificateError::UnknownIssuer => "is not signed by any that is trusted".into(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired".into(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet".into(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            format!("is not for “{}” but for {}", expected.to_str(), presented.join(", "))
        }
        CertificateError::NotValidForName => "is for another name".into(),
        other => format!("cannot be verified: {other}"),
    }
}

fn for_flaw(flaw: &CertificateError) -> &'static str {
    match flaw {
        CertificateError::UnknownIssuer => {
            "Name the file with the right authority: sslrootcert=FILE in the address, or ~/.postgresql/root.crt. If nothing changed on purpose, somebody may stand in between."
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "Give the server a new certificate, and see that the clocks are right."
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "See that the clocks of both machines are right.",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "Use the name that the certificate has as the host, or sslmode=verify-ca, which does not compare names."
        }
        _ => "Give the server a certificate of X.509 version 3 whose chain leads to the one that is trusted.",
    }
}

/// What one try to connect was about.
pub(super) struct Try<'a> {
    pub(super) target: &'a Target,
    pub(super) place: &'a Place,
    pub(super) origin: &'a Origin,
    pub(super) tls: bool,
}

impl Try<'_> {
    /// Where it went.
    pub(super) fn place(&self) -> String {
        match self.place.folder() {
            Some(folder) => format!("the socket {}/.s.PGSQL.{}", folder.display(), self.place.port),
            None => format!("{} port {}", self.place.name(), self.place.port),
        }
    }

    /// The reason that stands behind the library's error.
    pub(super) fn refusal(&self, error: &tokio_postgres::Error) -> Refusal {
        if let Some(said) = error.as_db_error() {
            return self.said(said);
        }
        let place = self.place();
        let causes = std::iter::successors(error.source(), |cause| (*cause).source());
        let words = causes.map(ToString::to_string).last().unwrap_or_else(|| error.to_string());
        if let Some(system) = error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>()) {
            if let Some(tls) = system.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                return match tls {
                    rustls::Error::InvalidCertificate(flaw) => Refusal::Certificate { place, flaw: flaw.clone() },
                    other => Refusal::Tls { place, why: other.to_string() },
                };
            }
            return match system.kind() {
                ErrorKind::ConnectionRefused | ErrorKind::NotFound => Refusal::Nobody { place },
                ErrorKind::TimedOut => self.silent(),
                ErrorKind::UnexpectedEof
                | ErrorKind::ConnectionReset
                | ErrorKind::BrokenPipe
                | ErrorKind::InvalidData
                | ErrorKind::InvalidInput => Refusal::Stranger { place, why: words },
                _ => Refusal::Unreachable { place, why: words },
            };
        }
        match words.as_str() {
            "server does not support TLS" => Refusal::NoTls { place, mode: self.target.mode.name() },
            "password missing" => Refusal::NoPassword { user: self.target.user.clone(), origin: self.origin.clone() },
            "server did not use channel binding" => Refusal::Unbound { place },
            "unsupported authentication method" | "unsupported SASL mechanism" => Refusal::Method { place, user: self.target.user.clone() },
            _ => Refusal::Stranger { place, why: words },
        }
    }

    /// No answer in time.
    pub(super) fn silent(&self) -> Refusal {
        Refusal::Silent { place: self.place(), seconds: self.target.timeout.map_or(0, |timeout| timeout.as_secs()) }
    }

    /// What the server says, by its code and, where that has several meanings, by the function of the server that says it.
    fn said(&self, error: &DbError) -> Refusal {
        let (user, database) = (self.target.user.clone(), self.target.database.clone());
        let said = error.message().to_owned();
        let code = error.code();
        match error.routine().unwrap_or_default() {
            _ if *code == SqlState::INVALID_PASSWORD => Refusal::Password { user, origin: self.origin.clone() },
            "InitializeSessionUserId" => Refusal::NoUser { user },
            // The file's name is in these words in every language.
            _ if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION && said.contains("pg_hba.conf") => {
                Refusal::NoEntry { user, database, how: if self.tls { "with TLS" } else { WITHOUT }, said }
            }
            _ if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => Refusal::NotThatUser { user, said },
            _ if *code == SqlState::INVALID_CATALOG_NAME => Refusal::NoDatabase { database },
            _ if *code == SqlState::INSUFFICIENT_PRIVILEGE => Refusal::NotAllowed { user, database, said },
            _ if *code == SqlState::TOO_MANY_CONNECTIONS => Refusal::TooMany { said },
            _ if *code == SqlState::CANNOT_CONNECT_NOW => Refusal::NotReady { said },
            _ => Refusal::Said { said: format!("{said} ({})", code.code()) },
        }
    }
}
