//! The stream between the server and the library, which holds the rows of a COPY back.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

use super::inbox::{Next, Shared, lock};

/// A stream to and from the server, however it got there.
pub(super) trait Way: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Way for S {}

/// The stream that the library sees. Where the next message is a row that is kept, it has nothing to read and wakes nobody: the client
/// takes the row, and asks again.
pub struct Tap {
    way: Box<dyn Way>,
    inbox: Shared,
    /// What a password's exchange can be bound to; the library asks once.
    binding: Cell<Option<ChannelBinding>>,
}

impl Tap {
    pub(super) fn new(way: impl Way + 'static, inbox: Shared) -> Self {
        Self { way: Box::new(way), inbox, binding: Cell::new(None) }
    }

    /// One whose stream is under TLS.
    pub(super) fn protected(way: impl Way + TlsStream + 'static, inbox: Shared) -> Self {
        let binding = Cell::new(Some(way.channel_binding()));
        Self { way: Box::new(way), inbox, binding }
    }
}

impl AsyncRead for Tap {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { way, inbox, .. } = &mut *self;
        let mut inbox = lock(inbox);
        loop {
            match inbox.next() {
                Next::Pass => {
                    to.put_slice(inbox.pass(to.remaining()));
                    return Poll::Ready(Ok(()));
                }
                Next::Row => return Poll::Pending,
                Next::More => {}
            }
            let mut read = ReadBuf::new(inbox.room());
            ready!(Pin::new(&mut *way).poll_read(context, &mut read))?;
            let count = read.filled().len();
            if count == 0 {
                inbox.close();
                to.put_slice(inbox.pass(to.remaining()));
                return Poll::Ready(Ok(()));
            }
            inbox.filled(count);
        }
    }
}

impl AsyncWrite for Tap {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.way).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.way).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.way).poll_shutdown(context)
    }
}

impl TlsStream for Tap {
    fn channel_binding(&self) -> ChannelBinding {
        self.binding.take().unwrap_or_else(ChannelBinding::none)
    }
}
