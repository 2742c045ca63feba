//! Private folders for copies of a source: removed when they are dropped, and where their process died, when a home is opened.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

/// What the names of such folders begin with: nothing else is ever cleared.
const PREFIX: &str = "private-";

/// A folder that only its owner reads. While it is held, no other process clears it.
#[derive(Debug)]
pub struct Private {
    // Removed before it is let go.
    folder: TempDir,
    _held: File,
}

impl Private {
    /// A new one in the folder `scratch`.
    ///
    /// # Errors
    /// What the file system says.
    pub fn new(scratch: &Path) -> io::Result<Self> {
        // Nobody clears between making the folder and holding it.
        let gate = File::open(scratch)?;
        flock(&gate, FlockOperation::LockShared)?;
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(scratch)?;
        let held = File::open(folder.path())?;
        flock(&held, FlockOperation::LockExclusive)?;
        Ok(Self { folder, _held: held })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the private folders in `scratch` that no living process holds.
///
/// # Errors
/// What the file system says.
pub fn clear(scratch: &Path) -> io::Result<()> {
    let gate = File::open(scratch)?;
    if flock(&gate, FlockOperation::NonBlockingLockExclusive).is_err() {
        // Somebody makes one just now; the next to come clears.
        return Ok(());
    }
    for entry in fs::read_dir(scratch)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        // Gone meanwhile is as good as cleared.
        let Ok(folder) = File::open(entry.path()) else { continue };
        if flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
