//! Opening a database that belongs to an application: read-only, without a trace, and with words for what stands in the way.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use crate::sources::{Error, Result};

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const EXPECTED: &str = "a SQLite database";

/// What the first 100 bytes of the file say (sqlite.org/fileformat2.html, section 1.3).
#[derive(Clone, Copy, Debug)]
struct Header {
    /// True for a database in WAL mode.
    wal: bool,
    /// Bytes the file must have, where the header's own count can be believed.
    bytes: Option<u64>,
}

/// A database open for reading, and where it is a copy, the folder that is removed with it.
pub struct Opened {
    /// Closed before the copy is removed.
    pub connection: Connection,
    /// Holds the copy that a hot journal was rolled back in.
    pub copy: Option<tempfile::TempDir>,
}

/// The file that `suffix` names beside the database.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Puts SQLite's error into ours; `waited` is the busy timeout.
pub fn said(what: &Path, waited: Duration, error: &rusqlite::Error) -> Error {
    let shown = what.display().to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Locked { what: shown, waited: waited.as_secs() },
        _ if is_full(error) => Error::Full { what: shown },
        Some(ErrorCode::NotADatabase) => Error::NotA { what: shown, expected: EXPECTED, why: "it is encrypted or something else".into() },
        _ => Error::Database { what: shown, why: error.to_string() },
    }
}

/// True where SQLite could not write, be it only a temporary file to sort in: a limit of the process looks like a full disk.
pub fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.code == ErrorCode::DiskFull || error.extended_code == ffi::SQLITE_IOERR_WRITE)
}

/// Refuses what can be seen not to be a database without opening it.
///
/// # Errors
/// [`Error::Missing`] and [`Error::NotA`].
pub fn is_there(path: &Path) -> Result<fs::Metadata> {
    let shown = || path.display().to_string();
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Error::Missing { what: shown() }),
        Err(source) => return Err(Error::Io { what: shown(), source }),
    };
    match (metadata.is_file(), metadata.len()) {
        (false, _) => Err(not_a(path, "it is not a file")),
        (true, 0) => Err(not_a(path, "it is empty")),
        _ => Ok(metadata),
    }
}

/// Refuses a user whose opening would leave `-wal` and `-shm` files that the application cannot write.
///
/// # Errors
/// [`Error::NotOurs`] with the command to use instead, and what [`header`] says.
pub fn may_open(path: &Path, owner: u32) -> Result<()> {
    let user = rustix::process::geteuid();
    if user.is_root() || user.as_raw() == owner || (beside(path, "-wal").exists() && beside(path, "-shm").exists()) {
        return Ok(());
    }
    if !header(path, owner)?.wal {
        return Ok(());
    }
    Err(not_ours(path, owner, "it is in WAL mode, and files made by another user beside it would lock its application out"))
}

/// Reads the header. Closing the file gives up every lock that this process holds on it (POSIX), so this is done only
/// where no connection of ours can be open: for another user's file, and after SQLite refused it.
fn header(path: &Path, owner: u32) -> Result<Header> {
    let failed = |source| Error::Io { what: path.display().to_string(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return Err(not_ours(path, owner, "it may not be read")),
        Err(source) => return Err(failed(source)),
    };
    let mut bytes = Vec::with_capacity(100);
    file.take(100).read_to_end(&mut bytes).map_err(failed)?;
    match bytes.len() {
        _ if !bytes.starts_with(&MAGIC[..bytes.len().min(16)]) => {
            Err(not_a(path, "it does not begin like one; it is encrypted or something else"))
        }
        100 => Ok(parse(&bytes)),
        short => Err(not_a(path, &format!("it is cut off after {short} bytes"))),
    }
}

fn parse(bytes: &[u8]) -> Header {
    let number = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let page = match u16::from_be_bytes([bytes[16], bytes[17]]) {
        1 => 65_536,
        size => u64::from(size),
    };
    let counted = number(24) == number(92) && number(28) > 0;
    Header { wal: bytes[18] == 2 || bytes[19] == 2, bytes: counted.then(|| page * u64::from(number(28))) }
}

fn not_a(path: &Path, why: &str) -> Error {
    Error::NotA { what: path.display().to_string(), expected: EXPECTED, why: why.into() }
}

fn not_ours(path: &Path, owner: u32, why: &str) -> Error {
    Error::NotOurs { what: path.display().to_string(), why: why.into(), remedy: format!("sudo -u {} backstop …", user_name(owner)) }
}

/// The login name of a user, or `'#1000'`, which sudo takes as well.
fn user_name(uid: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = fields.find(|user| user.get(2).and_then(|id| id.parse().ok()) == Some(uid));
    found.map_or_else(|| format!("'#{uid}'"), |user| user[0].to_owned())
}

/// Opens `path` for reading and begins the one transaction in which all of it is read.
///
/// # Errors
/// What [`is_there`] and [`may_open`] say; [`Error::Locked`] after `wait`; what SQLite says.
pub fn read_only(path: &Path, wait: Duration, scratch: &Path) -> Result<Opened> {
    let owner = is_there(path)?.uid();
    may_open(path, owner)?;
    match begin(path, wait, OpenFlags::SQLITE_OPEN_READ_ONLY) {
        Ok(connection) => Ok(Opened { connection, copy: None }),
        Err(error) if is_hot(&error) => recovered_copy(path, wait, scratch),
        Err(error) => Err(refused(path, owner, wait, &error)),
    }
}

/// Why SQLite would not have it: the file's own header often knows better.
pub fn refused(path: &Path, owner: u32, wait: Duration, error: &rusqlite::Error) -> Error {
    match said(path, wait, error) {
        locked @ Error::Locked { .. } => locked,
        other => header(path, owner).map_or_else(|seen| seen, |header| cut_off(path, &header).unwrap_or(other)),
    }
}

/// The first read, not BEGIN, fixes the moment.
fn begin(path: &Path, wait: Duration, mode: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(wait)?;
    connection
        .execute_batch("PRAGMA query_only = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = FILE; PRAGMA cell_size_check = ON; BEGIN")?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// Another process died in a transaction: only a connection that may write could roll it back.
fn is_hot(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        [ffi::SQLITE_READONLY_ROLLBACK, ffi::SQLITE_READONLY_RECOVERY, ffi::SQLITE_READONLY_CANTLOCK].contains(&error.extended_code)
    })
}

/// A file shorter than its header says; in WAL mode the missing pages may stand in the log.
fn cut_off(path: &Path, header: &Header) -> Option<Error> {
    let length = fs::metadata(path).ok()?.len();
    let logged = fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    let expected = header.bytes.filter(|&expected| length < expected && !logged)?;
    Some(not_a(path, &format!("it is cut off: {length} of its {expected} bytes are there")))
}

/// Copies the database and its journal and lets SQLite roll back there; the application's own files stay as they are.
fn recovered_copy(path: &Path, wait: Duration, scratch: &Path) -> Result<Opened> {
    let failed = |source| Error::Io { what: path.display().to_string(), source };
    let folder = tempfile::Builder::new().prefix("recovery-").tempdir_in(scratch).map_err(failed)?;
    let copy = folder.path().join("database");
    let before = moment(path).map_err(failed)?;
    for suffix in ["", "-journal", "-wal"] {
        match fs::copy(beside(path, suffix), beside(&copy, suffix)) {
            Err(error) if suffix.is_empty() || error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    if moment(path).map_err(failed)? != before {
        // The application came back and is recovering it itself.
        return Err(Error::Locked { what: path.display().to_string(), waited: wait.as_secs() });
    }
    let connection = begin(&copy, wait, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|error| said(path, wait, &error))?;
    Ok(Opened { connection, copy: Some(folder) })
}

/// Size and modification time.
type Seen = (u64, i64, i64);

/// What changes when somebody writes the database or takes its journal away: times and sizes of both, and the change counter.
fn moment(path: &Path) -> std::io::Result<([Option<Seen>; 2], [u8; 4])> {
    let mut counter = [0; 4];
    File::open(path)?.read_exact_at(&mut counter, 24)?;
    let seen =
        ["", "-journal"].map(|suffix| fs::metadata(beside(path, suffix)).ok().map(|file| (file.len(), file.mtime(), file.mtime_nsec())));
    Ok((seen, counter))
}
