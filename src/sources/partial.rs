//! Copies that are being made: under a name that nobody takes for the thing itself, until they are whole.
//!
//! Whoever makes one holds it locked. What a dead process left can be locked by anybody, and is taken away by the next
//! one that makes a copy beside it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// What the names of unfinished copies begin with.
pub const PREFIX: &str = ".backstop-";

/// What they end with.
pub const SUFFIX: &str = ".partial";

/// Locks an unfinished copy, a file or a folder, for as long as `file` is open.
///
/// # Errors
/// Somebody else holds it, or the file system cannot lock.
pub fn hold(file: &File) -> io::Result<()> {
    Ok(flock(file, FlockOperation::NonBlockingLockExclusive)?)
}

/// Takes away the unfinished copies in `folder` that nobody works at. What cannot be taken away is left: it is in nobody's way.
pub fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if !name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX)) {
            continue;
        }
        let path = entry.path();
        let Ok(file) = File::open(&path) else { continue };
        if hold(&file).is_err() {
            continue;
        }
        let _ = if entry.file_type().is_ok_and(|kind| kind.is_dir()) { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        for log in ["-wal", "-shm", "-journal"] {
            let _ = fs::remove_file(folder.join(format!("{}{log}", name.to_string_lossy())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_holds_is_taken_away_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at(".backstop-a.partial")).unwrap();
        fs::write(at(".backstop-a.partial/file"), "x").unwrap();
        let held = File::create(at(".backstop-b.partial")).unwrap();
        hold(&held).unwrap();
        fs::write(at("school.db"), "x").unwrap();
        sweep(folder.path());
        assert!(!at(".backstop-a.partial").exists() && at(".backstop-b.partial").exists() && at("school.db").exists());
        drop(held);
        sweep(folder.path());
        assert!(!at(".backstop-b.partial").exists());
    }
}
