//! Opening a database that belongs to an application: read-only, without a trace, and with words for what stands in the way.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use super::copy::{self, Copied};
use super::presence::Presence;
use crate::sources::private::Private;
use crate::sources::{Error, Result};

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const EXPECTED: &str = "a SQLite database";

/// How often a dead transaction is copied while its application comes back.
const RECOVERIES: u32 = 5;

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
    /// A second connection that reads the same moment, where there is one.
    pub another: Option<Connection>,
    /// The pages themselves, where nobody else can write to them.
    pub pages: Option<Copied>,
    /// Holds the copy that a hot journal was rolled back in.
    pub copy: Option<Private>,
    /// Dropped after the connections.
    pub presence: Presence,
    /// Dropped after the connections, too.
    pub trace: Option<Trace>,
}

/// The files that SQLite makes beside a database in WAL mode that nobody has open. The one who opened it takes them away again,
/// unless somebody came meanwhile.
pub struct Trace(PathBuf);

impl Trace {
    fn new(path: &Path) -> Option<Self> {
        (!beside(path, "-wal").exists() && !beside(path, "-shm").exists()).then(|| Self(path.to_owned()))
    }
}

impl Drop for Trace {
    /// SQLite itself takes them away when the last connection that may write is closed, and leaves them where another one is
    /// open. In a log without a byte there is nothing to be checkpointed.
    fn drop(&mut self) {
        if !fs::metadata(beside(&self.0, "-wal")).is_ok_and(|log| log.len() == 0) {
            return;
        }
        let _presence = Presence::with(&self.0);
        let Ok(last) = connect(&self.0, OpenFlags::SQLITE_OPEN_READ_WRITE) else { return };
        // What cannot be taken away stays: it is in nobody's way.
        let _ = last.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
    }
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
        _ => Error::Database { what: shown, why: words(error) },
    }
}

/// SQLite's own words, without the statement: of a wide table it is longer than anybody reads.
pub fn words(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::Utf8Error(..) | rusqlite::Error::FromSqlConversionFailure(..) => {
            "a name or a statement of its schema is not UTF-8".into()
        }
        other => other.to_string(),
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

/// Reads the header.
fn header(path: &Path, owner: u32) -> Result<Header> {
    let read = Presence::with(path).read(path, |file| {
        let mut bytes = Vec::with_capacity(100);
        file.take(100).read_to_end(&mut bytes).map(|_| bytes)
    });
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return Err(not_ours(path, owner, "it may not be read")),
        Err(source) => return Err(Error::Io { what: path.display().to_string(), source }),
    };
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

/// The file itself, behind every link: SQLite keeps its journal and log beside that one.
///
/// # Errors
/// [`Error::Missing`], and what the file system says.
pub fn real(path: &Path) -> Result<PathBuf> {
    let what = || path.display().to_string();
    fs::canonicalize(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::Missing { what: what() },
        _ => Error::Io { what: what(), source },
    })
}

/// Opens `path` for reading and begins the one transaction in which all of it is read.
///
/// # Errors
/// What [`is_there`] and [`may_open`] say; [`Error::Locked`] after `wait`; what SQLite says.
pub fn read_only(path: &Path, wait: Duration, scratch: &Path) -> Result<Opened> {
    let path = &real(path)?;
    let owner = is_there(path)?.uid();
    may_open(path, owner)?;
    for _ in 0..RECOVERIES {
        let trace = Trace::new(path);
        let presence = Presence::with(path);
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        match connection.and_then(|connection| begin(&connection, wait).map(|()| connection)) {
            Ok(connection) => return Ok(Opened { connection, another: None, pages: None, copy: None, presence, trace }),
            Err(error) if is_hot(&error) || lacks_index(path, owner, &error) => {
                if let Some(opened) = copy::recovered(path, wait, scratch, &error)? {
                    return Ok(opened);
                }
            }
            Err(error) => return Err(refused(path, owner, wait, &error)),
        }
    }
    Err(Error::Locked { what: path.display().to_string(), waited: wait.as_secs() })
}

/// Why SQLite would not have it: the file's own header often knows better.
pub fn refused(path: &Path, owner: u32, wait: Duration, error: &rusqlite::Error) -> Error {
    match said(path, wait, error) {
        locked @ Error::Locked { .. } => locked,
        other => header(path, owner).map_or_else(|seen| seen, |header| cut_off(path, &header).unwrap_or(other)),
    }
}

/// A connection that has read nothing yet.
///
/// # Errors
/// What SQLite says.
pub fn connect(path: &Path, mode: OpenFlags) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

/// Begins to read. The first read, not BEGIN, fixes the moment.
///
/// # Errors
/// What SQLite says.
pub fn begin(connection: &Connection, wait: Duration) -> rusqlite::Result<()> {
    connection.busy_timeout(wait)?;
    connection
        .execute_batch("PRAGMA query_only = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = FILE; PRAGMA cell_size_check = ON; BEGIN")?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}

/// Another process died in a transaction, and only a connection that may write could roll it back; or the log's index cannot be made
/// where the database stands, as on media that cannot be written. A copy serves then.
fn is_hot(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        let hot = [ffi::SQLITE_READONLY_ROLLBACK, ffi::SQLITE_READONLY_RECOVERY, ffi::SQLITE_READONLY_CANTLOCK];
        let no_index_of_the_log = [ffi::SQLITE_READONLY_DIRECTORY, ffi::SQLITE_READONLY_CANTINIT];
        hot.contains(&error.extended_code) || no_index_of_the_log.contains(&error.extended_code)
    })
}

/// The log's index is not there, and cannot be made: SQLite says no more than that it cannot open a file.
fn lacks_index(path: &Path, owner: u32, error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::CannotOpen) && header(path, owner).is_ok_and(|header| header.wal)
}

/// A file shorter than its header says; in WAL mode the missing pages may stand in the log.
fn cut_off(path: &Path, header: &Header) -> Option<Error> {
    let length = fs::metadata(path).ok()?.len();
    let logged = fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    let expected = header.bytes.filter(|&expected| length < expected && !logged)?;
    Some(not_a(path, &format!("it is cut off: {length} of its {expected} bytes are there")))
}
