//! Which databases this process has open. With the first file of a database that it closes, a process gives up every lock that it
//! holds on it (POSIX): a file that is opened beside SQLite is closed once no connection of ours is there any more.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The device and the number of a file on it.
type Inode = (u64, u64);

/// Connections to a database, and files that were opened beside them.
#[derive(Default)]
struct Held {
    connections: usize,
    files: Vec<Arc<File>>,
}

static OPEN: Mutex<BTreeMap<Inode, Held>> = Mutex::new(BTreeMap::new());

fn open() -> MutexGuard<'static, BTreeMap<Inode, Held>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// That a connection to a database is open, or about to be: made before it, dropped after it.
#[derive(Debug)]
pub struct Presence(Option<Inode>);

impl Presence {
    /// With the database at `path`; one that is not there cannot be opened either.
    #[must_use]
    pub fn with(path: &Path) -> Self {
        let mut open = open();
        let inode = fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
        if let Some(inode) = inode {
            open.entry(inode).or_default().connections += 1;
        }
        Self(inode)
    }

    /// With a private copy, which nobody else opens.
    #[must_use]
    pub fn of_nobody() -> Self {
        Self(None)
    }

    /// Lets `read` have the file itself, at `path`, which is not closed before the last connection.
    ///
    /// # Errors
    /// It cannot be read, or is another one by now; and what `read` says.
    pub fn read<T>(&self, path: &Path, read: impl FnOnce(&File) -> io::Result<T>) -> io::Result<T> {
        let file = {
            let mut open = open();
            let file = Arc::new(File::open(path)?);
            let metadata = file.metadata()?;
            let inode = (metadata.dev(), metadata.ino());
            // Whichever it is, somebody may have it open.
            if let Some(held) = open.get_mut(&inode) {
                held.files.push(file.clone());
            }
            (self.0 == Some(inode)).then_some(file).ok_or(io::ErrorKind::NotFound)?
        };
        read(&file)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut open = open();
        let Some(inode) = self.0 else { return };
        if let Some(held) = open.get_mut(&inode) {
            held.connections -= 1;
            if held.connections == 0 {
                // Closed here, before anybody can open a connection again.
                open.remove(&inode);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rusqlite::{Connection, OpenFlags};

    use super::*;
    use crate::sources::sqlite::open::{begin, connect};

    /// Whether another process may write to it.
    fn may_write(path: &Path) -> bool {
        let code = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('PRAGMA user_version = 7')";
        std::process::Command::new("python3").args(["-c", code]).arg(path).stderr(std::process::Stdio::null()).status().unwrap().success()
    }

    #[test]
    fn a_file_beside_a_connection_does_not_cost_it_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t(a)").unwrap();
        let reading = || {
            let presence = Presence::with(&path);
            let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
            begin(&connection, Duration::ZERO).unwrap();
            (connection, presence)
        };
        let (first, second) = (reading(), reading());
        let read = |presence: &Presence| presence.read(&path, File::metadata).unwrap().len();
        assert_eq!((read(&first.1), read(&second.1)), (8192, 8192));
        assert!(!may_write(&path));
        drop(first);
        assert!(!may_write(&path), "the other connection reads on");
        drop(second);
        assert!(may_write(&path));
    }

    #[test]
    fn a_file_that_took_its_place_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.db");
        fs::write(&path, "one").unwrap();
        let presence = Presence::with(&path);
        fs::write(folder.path().join("new"), "another").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        assert!(presence.read(&path, |_| Ok(())).is_err());
        assert!(Presence::with(&folder.path().join("none")).read(&path, |_| Ok(())).is_err());
    }
}
