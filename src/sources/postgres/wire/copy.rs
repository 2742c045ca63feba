//! Rows from the server, and to it.

use std::io::{self, Cursor, Write};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::Poll;

use futures_util::{SinkExt, Stream};
use tokio_postgres::{CopyInSink, CopyOutStream, Error};

use super::client::Driver;
use super::inbox::{Rows, Shared, lock};

/// Bytes that are sent to the server at once, about.
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
    pub(super) fn begin(client: &tokio_postgres::Client, driver: &'c mut Driver, inbox: &'c Shared, sql: &str) -> Result<Self, Error> {
        lock(inbox).set_rows(Rows::Kept);
        match driver.wait_for(client.copy_out(sql)) {
            Ok(stream) => Ok(Self { driver, inbox, stream: Box::pin(stream), ended: false }),
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
    pub fn wait(&mut self) -> Result<bool, Error> {
        let Self { driver, inbox, stream, ended } = self;
        if *ended {
            return Ok(false);
        }
        let more = driver.wait(|context| {
            if lock(inbox).has_row() {
                return Poll::Ready(Ok(true));
            }
            match stream.as_mut().poll_next(context) {
                Poll::Ready(Some(other)) => Poll::Ready(other.map(|_| true)),
                Poll::Ready(None) => Poll::Ready(Ok(false)),
                Poll::Pending => Poll::Pending,
            }
        });
        *ended = !matches!(more, Ok(true));
        more
    }

    /// Gives the rows that have come to `each`, with their ends.
    ///
    /// # Errors
    /// What `each` says, which ends it.
    pub fn rows<E>(&mut self, each: &mut dyn FnMut(&[u8]) -> Result<ControlFlow<()>, E>) -> Result<ControlFlow<()>, E> {
        let mut inbox = lock(self.inbox);
        while let Some(row) = inbox.row() {
            if each(row)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
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
