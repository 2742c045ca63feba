//! Copies of a database: of one with a rollback journal, so that its application writes on while we read, and of one whose
//! application died in a transaction, so that SQLite rolls back in the copy and the application's own files stay as they are.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, ffi};

use super::open::{Opened, begin, beside, connect, is_full, said};
use super::presence::Presence;
use super::salvage::is_damage;
use crate::sources::private::Private;
use crate::sources::{Error, Result};

/// Where the pages stand, below a private folder.
const NAME: &str = "database";

/// Bytes that the kernel is asked for at once.
const AT_ONCE: usize = 64 << 20;
/// Bytes that are held where it cannot copy by itself.
const BLOCK: usize = 1 << 20;

/// The pages of a private copy.
#[derive(Clone)]
pub struct Copied(Option<Arc<File>>);

impl Copied {
    /// The file they stand in.
    #[must_use]
    pub fn file(&self) -> Option<Arc<File>> {
        self.0.clone()
    }
}

impl Drop for Copied {
    /// The last one that lets go has the pages given back, which takes a while: a thread of its own does that, where there is one.
    fn drop(&mut self) {
        let file = self.0.take();
        let _ = std::thread::Builder::new().name("closing".into()).spawn(move || drop(file));
    }
}

/// Copies the pages of a database with a rollback journal and lets go of it: its application waits for the copy and not for
/// the reading. One in WAL mode stays open, since there a reader makes nobody wait.
///
/// # Errors
/// [`Error::NoRoom`] in `scratch`, and what SQLite says. A disk that cannot be read here is no error: its damage is met while reading.
pub fn let_go(opened: Opened, path: &Path, wait: Duration, scratch: &Path) -> Result<Opened> {
    let failed = |error: rusqlite::Error| said(path, wait, &error);
    let journal: String = opened.connection.query_row("PRAGMA main.journal_mode", [], |row| row.get(0)).map_err(failed)?;
    if opened.copy.is_some() || journal.eq_ignore_ascii_case("wal") {
        return Ok(opened);
    }
    let number = |pragma: &str| opened.connection.query_row(&format!("PRAGMA main.{pragma}"), [], |row| row.get::<_, u64>(0));
    let bytes = number("page_count").and_then(|pages| Ok(pages * number("page_size")?)).map_err(failed)?;
    room(path, scratch, bytes)?;
    match pages(&opened, path, bytes, scratch) {
        Ok(Some(([connection, another], file))) => {
            let presence = Presence::of_nobody();
            Ok(Opened { connection, another: Some(another), pages: Some(Copied(Some(Arc::new(file)))), copy: None, presence, trace: None })
        }
        Ok(None) => Err(Error::Locked { what: path.display().to_string(), waited: wait.as_secs() }),
        Err(Stopped::Sqlite(error)) if is_full(&error) => {
            Err(Error::Full { what: format!("a copy of {} in {}", path.display(), scratch.display()) })
        }
        Err(Stopped::Sqlite(error)) if is_damage(&error) => Ok(opened),
        Err(Stopped::Sqlite(error)) => Err(failed(error)),
        Err(Stopped::Io(source)) => Err(Error::Io { what: scratch.display().to_string(), source }),
    }
}

enum Stopped {
    Sqlite(rusqlite::Error),
    Io(io::Error),
}

impl From<rusqlite::Error> for Stopped {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// All pages at once, under the read lock that `from` holds; `None` where another process would not let us. Two connections read
/// the copy, and so may whoever looks at its pages.
///
/// The copy has no name any more before the first page is in it: whoever dies from then on leaves nothing behind.
fn pages(from: &Opened, path: &Path, bytes: u64, scratch: &Path) -> Result<Option<([Connection; 2], File)>, Stopped> {
    let folder = Private::new(scratch)?;
    let copy = folder.path().join(NAME);
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&copy)?;
    let mut to = connect(&copy, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let readers = [connect(&copy, OpenFlags::SQLITE_OPEN_READ_ONLY)?, connect(&copy, OpenFlags::SQLITE_OPEN_READ_ONLY)?];
    drop(folder);
    if !copied(from, path, &file, bytes) {
        file.set_len(0)?;
        to.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
        if Backup::new(&from.connection, &mut to)?.step(-1)? != StepResult::Done {
            return Ok(None);
        }
    }
    drop(to);
    for reader in &readers {
        begin(reader, Duration::ZERO)?;
    }
    Ok(Some((readers, file)))
}

/// Copies the file as it is, which takes a third of what SQLite takes for it page by page; false where that did not work out.
fn copied(opened: &Opened, path: &Path, to: &File, bytes: u64) -> bool {
    opened.presence.read(path, |from| copy_part(from, to, 0..bytes)).is_ok() && to.metadata().is_ok_and(|copy| copy.len() == bytes)
}

/// Copies a part of a file to where it is in it: by the kernel alone, where it can between these file systems.
fn copy_part(from: &File, to: &File, part: Range<u64>) -> io::Result<()> {
    let (mut at, mut there) = (part.start, part.start);
    while at < part.end {
        let left = usize::try_from(part.end - at).unwrap_or(usize::MAX).min(AT_ONCE);
        match rustix::fs::copy_file_range(from, Some(&mut at), to, Some(&mut there), left) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(_) => return copy_through(from, to, at..part.end),
        }
    }
    Ok(())
}

/// The same through memory of ours.
fn copy_through(from: &File, to: &File, part: Range<u64>) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    let mut at = part.start;
    while at < part.end {
        let length = usize::try_from(part.end - at).unwrap_or(BLOCK).min(BLOCK);
        from.read_exact_at(&mut block[..length], at)?;
        to.write_all_at(&block[..length], at)?;
        at += length as u64;
    }
    Ok(())
}

fn room(path: &Path, scratch: &Path, bytes: u64) -> Result<()> {
    if free(scratch).is_some_and(|free| free < bytes) { Err(no_room(path, scratch, bytes)) } else { Ok(()) }
}

fn free(folder: &Path) -> Option<u64> {
    rustix::fs::statvfs(folder).ok().map(|room| room.f_bavail * room.f_frsize)
}

fn no_room(path: &Path, scratch: &Path, needed: u64) -> Error {
    let (what, folder) = (path.display().to_string(), scratch.display().to_string());
    Error::NoRoom { what, folder, needed, free: free(scratch).unwrap_or(0) }
}

/// Copies the database and its journal and lets SQLite roll back there; `None` where the application came back meanwhile
/// and is recovering it itself.
pub fn recovered(path: &Path, wait: Duration, scratch: &Path, why: &rusqlite::Error) -> Result<Option<Opened>> {
    let failed = |source| Error::Io { what: path.display().to_string(), source };
    let rolls_back = why.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_READONLY_ROLLBACK);
    let before = moment(path).map_err(failed)?;
    if rolls_back && before.0[1].is_none() {
        return Ok(None);
    }
    let files = ["", "-journal", "-wal"];
    room(path, scratch, before.0.iter().flatten().map(|seen| seen.0).sum())?;
    let folder = Private::new(scratch).map_err(|source| Error::Io { what: scratch.display().to_string(), source })?;
    let copy = folder.path().join(NAME);
    for (suffix, seen) in files.into_iter().zip(before.0) {
        match seen.map(|_| copy_of(&beside(path, suffix), &beside(&copy, suffix))) {
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Some(Err(error)) => return Err(failed(error)),
            _ => {}
        }
    }
    if moment(path).map_err(failed)? != before {
        return Ok(None);
    }
    let connection = connect(&copy, OpenFlags::SQLITE_OPEN_READ_WRITE);
    let begun = connection.and_then(|connection| begin(&connection, wait).map(|()| connection));
    let connection = begun.map_err(|error| said(path, wait, &error))?;
    Ok(Some(Opened { connection, another: None, pages: None, copy: Some(folder), presence: Presence::of_nobody(), trace: None }))
}

/// Copies a file of a database that others of this process may have open.
fn copy_of(path: &Path, to: &Path) -> io::Result<()> {
    let to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    Presence::with(path).read(path, |from| copy_part(from, &to, 0..from.metadata()?.len()))
}

/// Size and modification time.
type Seen = (u64, i64, i64);

/// What changes when somebody writes the database or takes its journal away: times and sizes of the database, its journal and
/// its log, and the change counter.
fn moment(path: &Path) -> io::Result<([Option<Seen>; 3], [u8; 4])> {
    let mut counter = [0; 4];
    Presence::with(path).read(path, |file| file.read_exact_at(&mut counter, 24))?;
    let seen = |suffix: &str| fs::metadata(beside(path, suffix)).ok().map(|file| (file.len(), file.mtime(), file.mtime_nsec()));
    Ok((["", "-journal", "-wal"].map(seen), counter))
}
