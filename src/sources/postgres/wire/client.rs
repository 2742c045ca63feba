//! A connection that is asked and answers on the thread of the one who asks.

use std::future::poll_fn;
use std::io;
use std::ops::ControlFlow;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{AsyncMessage, CancelToken, Config, Connection, Error, SimpleQueryMessage};

use super::copy::{CopyIn, CopyOut};
use super::entry::{Entry, Making};
use super::inbox::Shared;

/// A connection to a server.
pub struct Client {
    // Before the connection, which ends once nobody can ask any more.
    inner: tokio_postgres::Client,
    driver: Driver,
    inbox: Shared,
}

/// A runtime of this thread.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

impl Client {
    /// Connects on this thread, as `config` says, by `entry`.
    ///
    /// # Errors
    /// What connecting met.
    pub fn connect(runtime: Runtime, mut config: Config, entry: Entry) -> Result<Self, Error> {
        Entry::prepare(&mut config);
        let inbox = Shared::default();
        let making = Making { entry, inbox: inbox.clone() };
        let (inner, poll) = runtime.block_on(async {
            match &making.entry {
                Entry::Socket(_) => config.connect_raw(tokio::io::empty(), making).await.map(polled),
                Entry::Plain | Entry::Tls { .. } => config.connect(making).await.map(polled),
            }
        })?;
        Ok(Self { inner, driver: Driver { runtime, connection: Some(poll), lost: None }, inbox })
    }

    /// What its queries are cancelled with.
    #[must_use]
    pub fn cancel_token(&self) -> CancelToken {
        self.inner.cancel_token()
    }

    /// Runs statements that give nothing.
    ///
    /// # Errors
    /// What the server says.
    pub fn batch_execute(&mut self, sql: &str) -> Result<(), Error> {
        self.driver.wait_for(self.inner.batch_execute(sql))
    }

    /// Runs statements, and gives their rows as text and how many each changed.
    ///
    /// # Errors
    /// What the server says.
    pub fn simple_query(&mut self, sql: &str) -> Result<Vec<SimpleQueryMessage>, Error> {
        self.driver.wait_for(self.inner.simple_query(sql))
    }

    /// Begins a `COPY … TO STDOUT`; `None` where `idle`, which is asked now and then, waits no longer for it to begin.
    ///
    /// # Errors
    /// What the server says.
    pub fn copy_out(&mut self, sql: &str, idle: &mut dyn FnMut() -> ControlFlow<()>) -> Result<Option<CopyOut<'_>>, Error> {
        CopyOut::begin(&self.inner, &mut self.driver, &self.inbox, sql, idle)
    }

    /// Begins a `COPY … FROM STDIN`.
    ///
    /// # Errors
    /// What the server says.
    pub fn copy_in(&mut self, sql: &str) -> Result<CopyIn<'_>, Error> {
        CopyIn::begin(&self.inner, &mut self.driver, sql)
    }
}

type Poller = Box<dyn FnMut(&mut Context<'_>) -> Poll<Option<Result<AsyncMessage, Error>>> + Send>;

/// The connection without its type.
fn polled<S, T>((client, mut connection): (tokio_postgres::Client, Connection<S, T>)) -> (tokio_postgres::Client, Poller)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    (client, Box::new(move |context| connection.poll_message(context)))
}

/// Keeps the connection going while something is waited for.
pub(super) struct Driver {
    runtime: Runtime,
    /// None once it has ended, so that whoever still waits for an answer is told.
    connection: Option<Poller>,
    /// Why it ended.
    lost: Option<Error>,
}

impl Driver {
    /// Waits for an answer.
    pub(super) fn wait_for<T>(&mut self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let mut answer = pin!(answer);
        self.wait(|context| answer.as_mut().poll(context))
    }

    /// Waits until `poll` has something. Where it only knows that the connection has ended, the answer is why.
    pub(super) fn wait<T>(&mut self, mut poll: impl FnMut(&mut Context<'_>) -> Poll<Result<T, Error>>) -> Result<T, Error> {
        let Self { runtime, connection, lost } = self;
        let answer = runtime.block_on(poll_fn(|context| {
            drive(connection, lost, context);
            poll(context)
        }));
        why(answer, lost)
    }

    /// The same, for so long at most; `None` where nothing has come by then.
    pub(super) fn wait_at_most<T>(
        &mut self,
        most: Duration,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<Result<T, Error>>,
    ) -> Option<Result<T, Error>> {
        let Self { runtime, connection, lost } = self;
        let answer = poll_fn(|context| {
            drive(connection, lost, context);
            poll(context)
        });
        let answer = runtime.block_on(async { tokio::time::timeout(most, answer).await }).ok()?;
        Some(why(answer, lost))
    }
}

/// The answer, or why there can be none any more.
fn why<T>(answer: Result<T, Error>, lost: &mut Option<Error>) -> Result<T, Error> {
    match answer {
        Err(error) if error.is_closed() => Err(lost.take().unwrap_or(error)),
        other => other,
    }
}

/// Goes on with the connection as far as that is possible now. Notices and notifications are nobody's.
fn drive(connection: &mut Option<Poller>, lost: &mut Option<Error>, context: &mut Context<'_>) {
    while let Some(poll) = connection {
        match poll(context) {
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(Some(Err(error))) => {
                *connection = None;
                *lost = Some(error);
            }
            Poll::Ready(None) => *connection = None,
            Poll::Pending => return,
        }
    }
}

impl Drop for Driver {
    /// Nobody asks any more: the connection takes its leave of the server.
    fn drop(&mut self) {
        let Self { runtime, connection, lost } = self;
        runtime.block_on(poll_fn(|context| {
            drive(connection, lost, context);
            if connection.is_none() { Poll::Ready(()) } else { Poll::Pending }
        }));
    }
}
