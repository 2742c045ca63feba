//! What the server has sent and nobody has taken yet, cut into messages.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that are read at once, at most.
const ROOM: usize = 128 << 10;
/// A message that is longer is not gathered: where it is a row, it is taken piece by piece.
const LONG: usize = 1 << 20;
/// The tag of a message that has a row of a COPY.
const ROW: u8 = b'd';
/// A message's tag and its length, which counts itself.
const HEADER: usize = 5;

/// What becomes of the rows of a COPY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Rows {
    /// None is expected: they go where all messages go.
    #[default]
    Passed,
    /// They are kept until they are taken.
    Kept,
    /// Nobody wants them any more.
    Dropped,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Bytes to pass on.
    Pass,
    /// A row to be taken, or a piece of a long one.
    Row,
    /// Nothing, before more is read.
    More,
}

/// A row that is taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken<'i> {
    /// All of it.
    Whole(&'i [u8]),
    /// One that comes piece by piece.
    Long,
}

/// The bytes, and where they stand in the messages that they are.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// What was read lies in `begin..end`.
    bytes: Vec<u8>,
    begin: usize,
    end: usize,
    rows: Rows,
    /// Bytes left of the message that is passed on.
    passing: usize,
    /// Bytes left of the row that is dropped.
    dropping: usize,
    /// Bytes left of the long row that is taken.
    taking: usize,
}

/// The inbox of a connection: the stream fills it, the client empties it.
pub(super) type Shared = Arc<Mutex<Inbox>>;

/// The inbox. The stream and the client are on one thread, so nobody waits.
pub(super) fn lock(inbox: &Mutex<Inbox>) -> MutexGuard<'_, Inbox> {
    inbox.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inbox {
    /// Says what becomes of rows from now on.
    pub(super) fn set_rows(&mut self, rows: Rows) {
        self.rows = rows;
        self.end_long();
    }

    fn there(&self) -> usize {
        self.end - self.begin
    }

    /// What comes next; rows that nobody wants are gone then.
    pub(super) fn next(&mut self) -> Next {
        loop {
            let dropped = self.dropping.min(self.there());
            self.begin += dropped;
            self.dropping -= dropped;
            if self.there() == 0 {
                return Next::More;
            }
            if self.passing > 0 {
                return Next::Pass;
            }
            if self.taking > 0 {
                return Next::Row;
            }
            let Some((tag, length)) = self.header() else { return Next::More };
            match (tag, self.rows) {
                (ROW, Rows::Kept) => return if self.there() < length.min(LONG) { Next::More } else { Next::Row },
                (ROW, Rows::Dropped) => self.dropping = length,
                _ => self.passing = length,
            }
        }
    }

    /// The tag and the whole length of the message that comes next. What is no message is passed on for ever, for the library to judge.
    fn header(&self) -> Option<(u8, usize)> {
        let [tag, length @ ..] = self.bytes[self.begin..self.end].first_chunk::<HEADER>()?;
        let length = u32::from_be_bytes(*length) as usize;
        Some((*tag, if length < HEADER - 1 { usize::MAX } else { length + 1 }))
    }

    /// Passes on what can be, `room` bytes at most.
    pub(super) fn pass(&mut self, room: usize) -> &[u8] {
        let begin = self.begin;
        let passed = self.passing.min(self.there()).min(room);
        self.begin += passed;
        self.passing -= passed;
        &self.bytes[begin..begin + passed]
    }

    /// After the last byte: what is left is no whole message, and is passed on.
    pub(super) fn close(&mut self) {
        self.passing = self.there();
    }

    /// Takes the row that comes next.
    pub(super) fn row(&mut self) -> Option<Taken<'_>> {
        if self.next() != Next::Row || self.taking > 0 {
            return None;
        }
        let (begin, (_, length)) = (self.begin, self.header()?);
        if length > LONG {
            self.begin += HEADER;
            self.taking = length - HEADER;
            return Some(Taken::Long);
        }
        self.begin += length;
        Some(Taken::Whole(&self.bytes[begin + HEADER..begin + length]))
    }

    /// Takes what is there of a long row; none at its end.
    pub(super) fn piece(&mut self, to: &mut [u8]) -> Option<usize> {
        if self.taking == 0 {
            return None;
        }
        let taken = self.taking.min(self.there()).min(to.len());
        to[..taken].copy_from_slice(&self.bytes[self.begin..self.begin + taken]);
        self.begin += taken;
        self.taking -= taken;
        Some(taken)
    }

    /// Drops what is left of a long row.
    pub(super) fn end_long(&mut self) {
        self.dropping += std::mem::take(&mut self.taking);
    }

    /// Room for what is read next. It grows where one row fills it all, and shrinks after that.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.begin > 0 {
            self.bytes.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.there());
        }
        if self.bytes.len() > ROOM && self.end < ROOM {
            self.bytes.truncate(ROOM);
            self.bytes.shrink_to_fit();
        }
        if self.end == self.bytes.len() {
            self.bytes.resize((2 * self.end).max(ROOM), 0);
        }
        &mut self.bytes[self.end..]
    }

    /// Says how much of that room was filled.
    pub(super) fn filled(&mut self, count: usize) {
        self.end += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[tag], &length.to_be_bytes()[..], body].concat()
    }

    fn put(inbox: &mut Inbox, bytes: &[u8]) {
        let mut left = bytes;
        while !left.is_empty() {
            let room = inbox.room();
            let count = room.len().min(left.len());
            room[..count].copy_from_slice(&left[..count]);
            inbox.filled(count);
            left = &left[count..];
        }
    }

    /// What is passed on and the rows that are taken, in turn, when the stream comes in pieces of `size`.
    fn read(stream: &[u8], size: usize, rows: Rows) -> (Vec<u8>, Vec<Vec<u8>>) {
        let (mut inbox, mut passed, mut taken) = (Inbox::default(), Vec::new(), Vec::new());
        inbox.set_rows(rows);
        let mut pieces = stream.chunks(size);
        loop {
            match inbox.next() {
                Next::Pass => passed.extend_from_slice(inbox.pass(3)),
                Next::Row => match inbox.row() {
                    Some(Taken::Whole(row)) => taken.push(row.to_vec()),
                    Some(Taken::Long) => taken.push(Vec::new()),
                    None => {
                        let mut piece = [0; 100_000];
                        let count = inbox.piece(&mut piece).unwrap();
                        taken.last_mut().unwrap().extend_from_slice(&piece[..count]);
                    }
                },
                Next::More => {
                    assert_eq!(inbox.row(), None);
                    let Some(piece) = pieces.next() else { return (passed, taken) };
                    put(&mut inbox, piece);
                }
            }
        }
    }

    #[test]
    fn rows_are_held_back_or_dropped_and_all_else_is_passed_on_wherever_the_pieces_end() {
        let others = [message(b'H', b"\0\0\0"), message(b'N', b"notice"), message(b'c', b""), message(b'Z', b"I")];
        let rows = [message(b'd', b"one\n"), message(b'd', b""), message(b'd', &[b'x'; 50])];
        let stream = [&others[0], &rows[0], &rows[1], &others[1], &rows[2], &others[2], &others[3]].map(Vec::as_slice).concat();
        for size in 1..stream.len() {
            let (passed, taken) = read(&stream, size, Rows::Kept);
            assert_eq!((passed, taken), (others.concat(), vec![b"one\n".to_vec(), Vec::new(), vec![b'x'; 50]]));
            assert_eq!(read(&stream, size, Rows::Dropped), (others.concat(), Vec::new()));
            assert_eq!(read(&stream, size, Rows::Passed), (stream.clone(), Vec::new()));
        }
    }

    #[test]
    fn what_is_no_message_is_passed_on() {
        let stream = b"E\0\0\0\x01could not fork".to_vec();
        assert_eq!(read(&stream, 4, Rows::Kept).0, stream);
        let mut inbox = Inbox::default();
        put(&mut inbox, b"HTT");
        assert_eq!(inbox.next(), Next::More);
        inbox.close();
        assert_eq!(inbox.pass(100), b"HTT");
    }

    #[test]
    fn a_row_that_is_longer_than_the_room_makes_it_grow_for_a_while_and_a_long_one_comes_in_pieces() {
        for length in [5 * ROOM, LONG - HEADER, LONG - HEADER + 1, 5 * LONG] {
            let rows = [vec![b'x'; length], b"next\n".to_vec()];
            let stream = [message(b'd', &rows[0]), message(b'd', &rows[1]), message(b'c', b"")].concat();
            assert_eq!(read(&stream, ROOM / 3, Rows::Kept), (message(b'c', b""), rows.to_vec()), "{length}");
        }
        let (mut inbox, row) = (Inbox::default(), message(b'd', &[b'x'; 2 * ROOM]));
        inbox.set_rows(Rows::Kept);
        put(&mut inbox, &row[..ROOM]);
        assert_eq!((inbox.next(), inbox.room().len()), (Next::More, ROOM));
        put(&mut inbox, &row[ROOM..]);
        assert!(matches!(inbox.row(), Some(Taken::Whole(row)) if row.len() == 2 * ROOM));
        assert_eq!(inbox.room().len(), ROOM);
    }

    #[test]
    fn what_is_left_of_a_long_row_can_be_dropped() {
        let stream = [message(b'd', &[b'x'; 2 * LONG]), message(b'd', b"next\n"), message(b'c', b"")].concat();
        for rows in [Rows::Kept, Rows::Dropped] {
            let (mut inbox, mut passed) = (Inbox::default(), Vec::new());
            inbox.set_rows(Rows::Kept);
            for (place, piece) in stream.chunks(ROOM / 2).enumerate() {
                put(&mut inbox, piece);
                if place == 20 {
                    assert_eq!(inbox.row(), Some(Taken::Long));
                    assert_eq!(inbox.piece(&mut [0; 10]), Some(10));
                    if rows == Rows::Kept { inbox.end_long() } else { inbox.set_rows(rows) }
                }
                while inbox.next() == Next::Pass {
                    passed.extend_from_slice(inbox.pass(100));
                }
            }
            if rows == Rows::Kept {
                assert_eq!(inbox.row(), Some(Taken::Whole(b"next\n")));
                assert_eq!(inbox.next(), Next::Pass);
                passed.extend_from_slice(inbox.pass(100));
            }
            assert_eq!(passed, message(b'c', b""));
        }
    }
}
