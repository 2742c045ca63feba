//! Folders opened name by name from a root, so that no symbolic link leads out of it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::relation::{ROOT, shown, split};
use crate::sources::{Error, Result};

/// The folder at `path`, its links resolved.
pub(super) fn real_folder(path: &Path) -> Result<PathBuf> {
    let what = || path.to_string_lossy().into_owned();
    let real = path.canonicalize().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Error::Missing { what: what() },
        _ => Error::Io { what: what(), source },
    })?;
    if !real.is_dir() {
        return Err(Error::NotA { what: what(), expected: "a folder", why: "it is a file".into() });
    }
    Ok(real)
}

/// What the system said about `path`.
pub(super) fn failed(path: &[u8], source: impl Into<io::Error>) -> Error {
    Error::Io { what: shown(path), source: source.into() }
}

/// A folder below which everything happens.
#[derive(Debug)]
pub(super) struct Root {
    fd: OwnedFd,
}

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Root {
    /// Opens the folder at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let fd = rustix::fs::open(path, OFlags::RDONLY | FOLDER, Mode::empty());
        Ok(Self { fd: fd.map_err(|source| Error::Io { what: path.to_string_lossy().into_owned(), source: source.into() })? })
    }

    /// Opens the folder at the relative `path`; fails where a part of it is missing or is no folder.
    pub fn folder(&self, path: &[u8]) -> io::Result<OwnedFd> {
        let mut folder = enter(&self.fd, ROOT)?;
        if path != ROOT {
            for name in path.split(|&byte| byte == b'/') {
                folder = enter(&folder, name)?;
            }
        }
        Ok(folder)
    }

    /// Opens the folder at `path` and makes what is missing of it.
    pub fn folder_made(&self, path: &[u8]) -> io::Result<OwnedFd> {
        match self.folder(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        let mut folder = enter(&self.fd, ROOT)?;
        for name in path.split(|&byte| byte == b'/') {
            match rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            folder = enter(&folder, name)?;
        }
        Ok(folder)
    }

    /// The deepest folder on the way to the entry `path` that is there, as a path.
    pub fn deepest<'p>(&self, path: &'p [u8]) -> io::Result<&'p [u8]> {
        let mut folder = split(path).0;
        loop {
            match self.folder(folder) {
                Ok(_) => return Ok(folder),
                Err(_) if folder == ROOT => return Ok(ROOT),
                Err(error) if is_no_folder(&error) => folder = split(folder).0,
                Err(error) => return Err(error),
            }
        }
    }

    /// What stands at `path`; none where nothing does.
    pub fn stat(&self, path: &[u8]) -> io::Result<Option<Stat>> {
        let (parent, name) = split(path);
        match self.folder(parent).and_then(|parent| stat(&parent, name)) {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if is_no_folder(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes everything on this file system last.
    pub fn flush(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.fd)?)
    }
}

/// True where a part of a path is missing or is something else than a folder.
pub(super) fn is_no_folder(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

/// Opens the folder `name` without following a link; for walking only, not for reading.
fn enter(folder: impl AsFd, name: &[u8]) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(folder, name, OFlags::PATH | FOLDER, Mode::empty())?)
}

/// Opens the folder `name` for reading its entries or for flushing it.
pub(super) fn open_folder(folder: impl AsFd, name: &[u8]) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(folder, name, OFlags::RDONLY | FOLDER, Mode::empty())?)
}

/// What stands under `name`, links not followed.
pub(super) fn stat(folder: impl AsFd, name: &[u8]) -> io::Result<Stat> {
    Ok(rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Makes the names in a folder last.
pub(super) fn flush_folder(folder: impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::fsync(open_folder(folder, ROOT)?)?)
}

/// What kind of thing it is.
pub(super) fn type_of(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}
