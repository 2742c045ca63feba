//! What the file system says of a database's file. Where it says the same twice, nothing was written in between.
//!
//! Every write that goes through the kernel sets a file's time of change to the moment it happens, and nobody can set that time.
//! The kernel's clock moves in steps, so a second write within one step leaves the time as it is: times are believed only once
//! they lie further back than any step. And they are believed of file systems on this machine only: others keep what they said.
//! A log that is not empty proves nothing: a transaction can stand in it whole and not be seen by anybody yet.
//! Beyond what this can tell: a disk that is written beneath its file system, and a program that keeps a file mapped and writes
//! to a page of it again before the kernel has written it out (SQLite does not write like that).

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::open::{begin, beside, connect, real};

/// Times further back than this are believed: the kernel's steps are of 10 ms at most.
const SETTLED_NANOSECONDS: i128 = 250_000_000;

/// Local file systems that note the kernel's time to the nanosecond: ext, XFS, Btrfs, tmpfs, F2FS, ZFS, bcachefs, overlays of them.
const BELIEVED: [u64; 8] = [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0xF2F5_2010, 0x2FC1_2FC1, 0xCA45_1A4E, 0x794C_7630];

/// Which file it is, how long, and when it was written and changed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Seen {
    /// Looks at the database at `path`, the file itself; `None` where what is seen proves nothing.
    pub fn of(path: &Path) -> Option<Self> {
        let system = rustix::fs::statfs(path).ok()?;
        #[allow(clippy::cast_sign_loss)]
        let kind = system.f_type as u64 & 0xFFFF_FFFF;
        BELIEVED.contains(&kind).then_some(())?;
        match std::fs::metadata(beside(path, "-wal")) {
            Ok(log) if log.size() == 0 => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            _ => return None,
        }
        std::fs::metadata(path).ok().map(|file| Self::stamp(&file))
    }

    fn stamp(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }

    /// True where any later write would be seen. The kernel's time is that of a file made in `scratch` now.
    pub fn is_settled(&self, scratch: &Path) -> bool {
        let now = tempfile::tempfile_in(scratch).and_then(|file| file.metadata());
        now.is_ok_and(|now| self.lies_before((now.ctime(), now.ctime_nsec())))
    }

    fn lies_before(&self, now: (i64, i64)) -> bool {
        let nanoseconds = |(seconds, rest): (i64, i64)| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        [self.modified, self.changed].into_iter().all(|time| nanoseconds(time) + SETTLED_NANOSECONDS < nanoseconds(now))
    }

    /// As a manifest keeps it.
    pub fn json(&self) -> serde_json::Value {
        let Self { device, inode, size, modified, changed } = self;
        serde_json::json!([device, inode, size, modified.0, modified.1, changed.0, changed.1])
    }
}

/// A second connection to a database in WAL mode. It sees the same moment as one that began before where the file looks as it did
/// then, and the log is empty: no transaction was written in between, and none waits in the log to be seen.
pub fn second(path: &Path, seen: &Seen) -> Option<Connection> {
    let path = real(path).ok()?;
    let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    begin(&connection, Duration::ZERO).ok()?;
    (Seen::of(&path).as_ref() == Some(seen)).then_some(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_believed_once_the_clock_left_it() {
        let seen = Seen { device: 1, inode: 2, size: 3, modified: (10, 0), changed: (100, 900_000_000) };
        assert!(!seen.lies_before((100, 900_000_000)) && !seen.lies_before((101, 150_000_000)));
        assert!(seen.lies_before((101, 150_000_001)));
        assert!(!seen.lies_before((50, 0)), "a clock that was set back");
        let written = Seen { modified: (200, 0), ..seen };
        assert!(!written.lies_before((200, 1)) && written.lies_before((201, 0)));
    }

    #[test]
    fn another_file_is_seen_and_a_log_proves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.db");
        std::fs::write(&path, "a database").unwrap();
        let seen = Seen::of(&path);
        assert!(seen.is_some());
        std::fs::write(beside(&path, "-wal"), "").unwrap();
        assert_eq!(Seen::of(&path), seen, "an empty log is as good as none");
        std::fs::write(beside(&path, "-wal"), "frames").unwrap();
        assert_eq!(Seen::of(&path), None);
        std::fs::remove_file(beside(&path, "-wal")).unwrap();
        std::fs::write(folder.path().join("other"), "a database").unwrap();
        std::fs::rename(folder.path().join("other"), &path).unwrap();
        assert_ne!(Seen::of(&path), seen);
    }
}
