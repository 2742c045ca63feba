//! Rows on their way into a table: encoded on our thread, sent by another, so that neither waits for the other long.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use super::session::Session;
use super::text::Lines;
use crate::sources::{Error, Result};

/// Bytes that are sent at once.
const PIECE: usize = 128 * 1024;
/// What a piece has room for: its last value goes beyond its size.
const ROOM: usize = PIECE + (16 << 10);
/// So many pieces wait to be sent.
const WAITING: usize = 8;

enum Message {
    Piece(Vec<u8>),
    /// All was given: what does not end with this is given up.
    End,
}

/// A `COPY … FROM STDIN` that runs; it has the session until it ends.
pub struct Copying {
    model: String,
    piece: Vec<u8>,
    sender: SyncSender<Message>,
    /// Pieces that were sent, to be filled again.
    sent: Receiver<Vec<u8>>,
    thread: JoinHandle<(Session, Result<()>)>,
}

impl Copying {
    /// Begins one, by its statement.
    pub fn begin(session: Session, model: &str, sql: String) -> Self {
        let (sender, receiver) = sync_channel(WAITING);
        let (back, sent) = channel();
        let name = model.to_owned();
        let thread = std::thread::spawn(move || send(session, &name, &sql, &receiver, &back));
        Self { model: model.to_owned(), piece: Vec::with_capacity(ROOM), sender, sent, thread }
    }

    /// The model whose rows it takes.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Sends what is left and gives the session back.
    ///
    /// # Errors
    /// What the server says against the rows.
    pub fn end(mut self) -> Result<Session> {
        // Where the other thread has gone, it says why.
        let _ = self.flush().and_then(|()| self.send(Message::End));
        self.join()
    }

    /// Takes what was sent back.
    ///
    /// # Errors
    /// What the server says against the rows that it got.
    pub fn give_up(self) -> Result<Session> {
        self.join()
    }

    fn join(self) -> Result<Session> {
        drop(self.sender);
        let Ok((session, sent)) = self.thread.join() else {
            return Err(Error::Database { what: self.model, why: "the thread that sends its rows has died".into() });
        };
        sent.map(|()| session)
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut next = self.sent.try_recv().unwrap_or_else(|_| Vec::with_capacity(ROOM));
        next.clear();
        let piece = std::mem::replace(&mut self.piece, next);
        self.send(Message::Piece(piece))
    }

    fn send(&self, message: Message) -> io::Result<()> {
        self.sender.send(message).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

impl Lines for Copying {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.piece
    }

    fn put(&mut self) -> io::Result<()> {
        if self.piece.len() >= PIECE { self.flush() } else { Ok(()) }
    }
}

fn send(mut session: Session, model: &str, sql: &str, pieces: &Receiver<Message>, back: &Sender<Vec<u8>>) -> (Session, Result<()>) {
    let begun = session.copy_in(model, sql).map(|writer| feed(writer, pieces, back));
    let sent = begun.and_then(|fed| fed.map_err(|error| session.said_on_the_way(model, error)));
    (session, sent)
}

/// Dropped without its end, the statement fails, and with it the transaction.
fn feed(mut writer: super::wire::CopyIn<'_>, pieces: &Receiver<Message>, back: &Sender<Vec<u8>>) -> io::Result<()> {
    while let Ok(message) = pieces.recv() {
        match message {
            Message::Piece(piece) => {
                writer.write_all(&piece)?;
                // Nobody fills it again where this was the last.
                let _ = back.send(piece);
            }
            Message::End => return writer.finish().map(drop).map_err(io::Error::other),
        }
    }
    Ok(())
}
