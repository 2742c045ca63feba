//! How a stream to the server begins: over TCP, where TLS may be asked for, or through a socket.
//!
//! To the library every entry is a TLS connector, plain ones too: that is the place where it lets a stream be put around its own.

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;

use tokio::io::{AsyncReadExt, AsyncWriteExt, Empty};
use tokio::net::UnixStream;
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{CancelToken, Config, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::inbox::Shared;
use super::tap::Tap;

type Connector = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;

/// The message that asks a server for TLS: its length and its number.
const ASKS_FOR_TLS: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// A way to a server.
#[derive(Clone)]
pub enum Entry {
    /// TCP without TLS.
    Plain,
    /// TCP with TLS, or where the server has none and that is allowed, without.
    Tls {
        /// What makes TLS connections.
        tls: MakeRustlsConnect,
        /// Whether there may be none.
        optional: bool,
    },
    /// A socket, by its path.
    Socket(std::path::PathBuf),
}

impl Entry {
    /// Has the library leave TLS to the entry.
    pub(super) fn prepare(config: &mut Config) {
        config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
    }

    /// Asks the server, over a connection of its own, to cancel what `token` stands for.
    ///
    /// # Errors
    /// What connecting met.
    pub async fn cancel(self, token: &CancelToken) -> Result<(), tokio_postgres::Error> {
        let way = Making { entry: self, inbox: Shared::default() };
        match &way.entry {
            Self::Socket(_) => token.cancel_query_raw(tokio::io::empty(), way).await,
            Self::Plain | Self::Tls { .. } => token.cancel_query(way).await,
        }
    }
}

/// An entry that is being made, with the inbox of the stream that it becomes.
#[derive(Clone)]
pub(super) struct Making {
    pub(super) entry: Entry,
    pub(super) inbox: Shared,
}

/// What goes wrong: as it is, so that its cause can be told from it.
type Failure = Box<dyn Error + Send + Sync>;
type Made = Pin<Box<dyn Future<Output = Result<Tap, Failure>> + Send>>;

impl MakeTlsConnect<Socket> for Making {
    type Stream = Tap;
    type TlsConnect = Over;
    type Error = Infallible;

    fn make_tls_connect(&mut self, host: &str) -> Result<Over, Infallible> {
        let (tls, optional) = match &mut self.entry {
            Entry::Tls { tls, optional } => (Some(MakeTlsConnect::<Socket>::make_tls_connect(tls, host)?), *optional),
            Entry::Plain | Entry::Socket(_) => (None, true),
        };
        Ok(Over { tls, optional, inbox: self.inbox.clone() })
    }
}

/// What is put over a TCP connection.
pub(super) struct Over {
    tls: Option<Connector>,
    optional: bool,
    inbox: Shared,
}

impl TlsConnect<Socket> for Over {
    type Stream = Tap;
    type Error = Failure;
    type Future = Made;

    fn connect(self, mut socket: Socket) -> Made {
        let Self { tls, optional, inbox } = self;
        Box::pin(async move {
            let Some(tls) = tls else { return Ok(Tap::new(socket, inbox)) };
            socket.write_all(&ASKS_FOR_TLS).await?;
            let has_tls = socket.read_u8().await? == b'S';
            match (has_tls, optional) {
                (true, _) => Ok(Tap::protected(tls.connect(socket).await?, inbox)),
                (false, true) => Ok(Tap::new(socket, inbox)),
                (false, false) => Err("server does not support TLS".into()),
            }
        })
    }
}

/// A socket is opened here: the library, which has no name of a host for it, would put nothing around its own.
impl TlsConnect<Empty> for Making {
    type Stream = Tap;
    type Error = Failure;
    type Future = Made;

    fn connect(self, _: Empty) -> Made {
        Box::pin(async move {
            let Entry::Socket(path) = self.entry else { return Err("this is no entry by a socket".into()) };
            Ok(Tap::new(UnixStream::connect(path).await?, self.inbox))
        })
    }
}
