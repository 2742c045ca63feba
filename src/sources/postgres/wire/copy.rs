//! Rows from the server, and to it.

use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{SinkExt, Stream};
use tokio_postgres::{CopyInSink, CopyOutStream, Error};

use super::client::Driver;
use super::inbox::{Next, Rows, Shared, Taken, lock};
use crate::sources;

/// Whoever waits for lines is asked this often whether he still does.
const PATIENCE: Duration = Duration::from_millis(250);

/// Bytes that are sent to the server at once, about, and of a long row read.
const PIECE: usize = 64 << 10;

/// A `COPY … TO STDOUT` that runs. Dropped before its end, it waits for that: whoever wants it to come soon cancels the statement.
pub struct CopyOut<'c> {
    driver: &'c mut Driver,
    inbox: &'c Shared,
    /// All but the rows.
    stream: Pin<Box<CopyOutStream>>,
    ended: bool,
}

impl<'c> CopyOut<'c> {
    /// Where the server sorts first, it says nothing before that is done; `None` where `idle` would not wait for it. The connection is then of use
    /// to nobody.
    pub(super) fn begin(
        client: &tokio_postgres::Client,
        driver: &'c mut Driver,
        inbox: &'c Shared,
        sql: &str,
        idle: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Option<Self>, Error> {
        lock(inbox).set_rows(Rows::Kept);
        let mut answer = pin!(client.copy_out(sql));
        let begun = loop {
            match driver.wait_at_most(PATIENCE, |context| answer.as_mut().poll(context)) {
                Some(begun) => break begun,
                None if idle().is_break() => return Ok(None),
                None => {}
            }
        };
        match begun {
            Ok(stream) => Ok(Some(Self { driver, inbox, stream: Box::pin(stream), ended: false })),
            Err(error) => {
                lock(inbox).set_rows(Rows::Passed);
                Err(error)
            }
        }
    }

    /// Waits for rows; false at the end.
    ///
    /// # Errors
    /// What the server says.
    fn wait(&mut self) -> Result<bool, Error> {
        let Self { driver, inbox, stream, ended } = self;
        if *ended {
            return Ok(false);
        }
        let more = driver.wait(|context| more(inbox, stream, context));
        *ended = !matches!(more, Ok(true));
        more
    }

    /// The same; `None` where nothing came for [`PATIENCE`].
    fn wait_a_while(&mut self) -> Option<Result<bool, Error>> {
        let Self { driver, inbox, stream, ended } = self;
        if *ended {
            return Some(Ok(false));
        }
        let more = driver.wait_at_most(PATIENCE, |context| more(inbox, stream, context))?;
        *ended = !matches!(more, Ok(true));
        Some(more)
    }

    /// Gives its rows to `lines`, until they break it off.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn rows(&mut self, lines: &mut dyn Lines) -> Result<ControlFlow<()>, Stopped> {
        loop {
            let flow = match self.wait_a_while().transpose().map_err(Stopped::Server)? {
                None => lines.idle(),
                Some(true) => self.there(lines)?,
                Some(false) => return Ok(ControlFlow::Continue(())),
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
    }

    /// Gives those that are there. The inbox stays locked meanwhile: nobody else wants it.
    fn there(&mut self, lines: &mut dyn Lines) -> Result<ControlFlow<()>, Stopped> {
        let mut inbox = lock(self.inbox);
        loop {
            let row = match inbox.row() {
                None => return Ok(ControlFlow::Continue(())),
                Some(Taken::Whole(row)) => row,
                Some(Taken::Long) => {
                    drop(inbox);
                    return self.long(lines);
                }
            };
            // The protocol has a message for each row.
            let Some((b'\n', line)) = row.split_last() else { return Err(Stopped::NoLine) };
            if lines.line(line).map_err(Stopped::Here)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }

    fn long(&mut self, lines: &mut dyn Lines) -> Result<ControlFlow<()>, Stopped> {
        let mut row = LongRow { copy: self, failed: None };
        let given = lines.long(&mut BufReader::with_capacity(PIECE, &mut row));
        let failed = row.failed.take();
        lock(self.inbox).end_long();
        match failed {
            Some(error) => Err(Stopped::Server(error)),
            None => given.map_err(Stopped::Here),
        }
    }
}

/// Whether a row has come, or the end.
fn more(inbox: &Shared, stream: &mut Pin<Box<CopyOutStream>>, context: &mut Context<'_>) -> Poll<Result<bool, Error>> {
    if lock(inbox).next() == Next::Row {
        return Poll::Ready(Ok(true));
    }
    match stream.as_mut().poll_next(context) {
        Poll::Ready(Some(other)) => Poll::Ready(other.map(|_| true)),
        Poll::Ready(None) => Poll::Ready(Ok(false)),
        Poll::Pending => Poll::Pending,
    }
}

/// Takes the lines of a COPY.
pub trait Lines {
    /// Takes a line, which comes without its end.
    ///
    /// # Errors
    /// What is wrong with it.
    fn line(&mut self, line: &[u8]) -> sources::Result<ControlFlow<()>>;

    /// Takes a line, with its end, that is too long to be held. What is not read of it is passed over.
    ///
    /// # Errors
    /// As [`Lines::line`].
    fn long(&mut self, line: &mut dyn BufRead) -> sources::Result<ControlFlow<()>>;

    /// Hears that no line came for a while, as where the server sorts first; a break ends the waiting.
    fn idle(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Why a COPY ended early.
#[derive(Debug)]
pub enum Stopped {
    /// The server says so.
    Server(Error),
    /// It sent what is no line.
    NoLine,
    /// Who took its lines says so.
    Here(sources::Error),
}

/// A row that is read as it comes.
struct LongRow<'r, 'c> {
    copy: &'r mut CopyOut<'c>,
    /// What the server says instead of the rest.
    failed: Option<Error>,
}

impl Read for LongRow<'_, '_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            match lock(self.copy.inbox).piece(to) {
                None => return Ok(0),
                Some(0) if !to.is_empty() => {}
                Some(count) => return Ok(count),
            }
            match self.copy.wait() {
                Ok(true) => {}
                Ok(false) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(error) => {
                    self.failed = Some(error);
                    return Err(io::Error::other("the server broke off in the middle of a row"));
                }
            }
        }
    }
}

impl Drop for CopyOut<'_> {
    fn drop(&mut self) {
        lock(self.inbox).set_rows(Rows::Dropped);
        while let Ok(true) = self.wait() {}
        lock(self.inbox).set_rows(Rows::Passed);
    }
}

/// A `COPY … FROM STDIN` that runs. Dropped without [`CopyIn::finish`], it fails.
pub struct CopyIn<'c> {
    driver: &'c mut Driver,
    sink: Pin<Box<CopyInSink<Cursor<Vec<u8>>>>>,
    piece: Vec<u8>,
}

impl<'c> CopyIn<'c> {
    pub(super) fn begin(client: &tokio_postgres::Client, driver: &'c mut Driver, sql: &str) -> Result<Self, Error> {
        let sink = driver.wait_for(client.copy_in(sql))?;
        Ok(Self { driver, sink: Box::pin(sink), piece: Vec::new() })
    }

    /// Ends it, and says how many rows were taken.
    ///
    /// # Errors
    /// What the server says against the rows.
    pub fn finish(mut self) -> Result<u64, Error> {
        self.send()?;
        self.driver.wait_for(self.sink.as_mut().finish())
    }

    fn send(&mut self) -> Result<(), Error> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = Cursor::new(std::mem::take(&mut self.piece));
        self.driver.wait_for(self.sink.send(piece))
    }
}

impl Write for CopyIn<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        self.piece.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send().map_err(io::Error::other)
    }
}
