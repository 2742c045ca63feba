//! A folder on a disk of this machine. Every object is flushed before it counts.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::Advice;

use super::{Capacity, Entry, Error, Location, Result, Spot};

const UNFINISHED: &str = ".tmp-";

/// What is smaller is read again soon, and takes little room.
const LARGE: usize = 1 << 20;

/// A folder.
#[derive(Debug)]
pub struct Local {
    name: String,
    root: PathBuf,
}

impl Local {
    /// The folder `root`, called `name`; nothing is touched yet.
    #[must_use]
    pub fn new(name: impl Into<String>, root: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), root: root.into() }
    }

    /// A name from a listing or a manifest may be hostile: nothing but plain parts is taken.
    fn path(&self, name: &str) -> Result<PathBuf> {
        let plain = |part: &str| {
            !part.is_empty() && !part.starts_with('.') && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        if name.split('/').all(plain) { Ok(self.root.join(name)) } else { Err(Error::Name { name: name.into() }) }
    }

    /// Makes the folders between the root and an object. The root itself is not made: a disk that is not mounted must not be filled in its place.
    fn make_folders(&self, folder: &Path) -> std::io::Result<()> {
        if folder == self.root || folder.is_dir() {
            return Ok(());
        }
        let Some(parent) = folder.parent() else { return Ok(()) };
        self.make_folders(parent)?;
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        flush_folder(parent)
    }

    fn walk(&self, folder: &Path, prefix: &str, found: &mut Vec<Entry>) -> std::io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let full = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
            if kind.is_dir() {
                self.walk(&entry.path(), &full, found)?;
            } else if kind.is_file() && !name.starts_with(UNFINISHED) {
                match entry.metadata() {
                    Ok(data) => found.push(Entry { name: full, size: data.len() }),
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// A name of its own each time, so that writers never share an unfinished file; a failed flush is never tried again on the same one.
    fn write_new(folder: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| std::io::Error::other("no random bytes"))?;
        let unfinished = folder.join(format!("{UNFINISHED}{:016x}", u64::from_le_bytes(random)));
        let written = (|| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            if bytes.len() >= LARGE {
                forget(&file);
            }
            fs::rename(&unfinished, path)
        })();
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written
    }
}

impl Location for Local {
    fn name(&self) -> &str {
        &self.name
    }

    fn place(&self) -> String {
        self.root.display().to_string()
    }

    fn prepare(&self) -> Result<()> {
        let io = |source| Error::Io { what: self.place(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.root).map_err(io)?;
        self.root.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), flush_folder).map_err(io)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        let folder = if prefix.is_empty() { self.root.clone() } else { self.path(prefix)? };
        let io = |what: &Path, source| Error::Io { what: what.display().to_string(), source };
        let mut found = Vec::new();
        match self.walk(&folder, prefix, &mut found) {
            Ok(()) => Ok(found),
            Err(error) if error.kind() == ErrorKind::NotFound && !prefix.is_empty() && !folder.exists() => {
                fs::read_dir(&self.root).map(|_| Vec::new()).map_err(|source| io(&self.root, source))
            }
            Err(error) => Err(io(&folder, error)),
        }
    }

    fn get(&self, name: &str, limit: u64) -> Result<Vec<u8>> {
        let path = self.path(name)?;
        let file = File::open(&path).map_err(|source| missing_or(name, source))?;
        let size = file.metadata().map_err(|source| missing_or(name, source))?.len();
        if size > limit {
            return Err(Error::TooLarge { name: name.into(), size });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        file.take(limit).read_to_end(&mut bytes).map_err(|source| missing_or(name, source))?;
        Ok(bytes)
    }

    fn get_range(&self, name: &str, offset: u64, length: usize) -> Result<Vec<u8>> {
        let path = self.path(name)?;
        let read = || {
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::with_capacity(length);
            file.take(length as u64).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|source| missing_or(name, source))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path(name)?;
        let io = |source| Error::Io { what: name.into(), source };
        let folder = path.parent().unwrap_or(&self.root);
        match fs::read(&path) {
            Ok(there) if there == bytes => File::open(&path).and_then(|file| file.sync_all()).map_err(io)?,
            Ok(_) => return Err(Error::Exists { name: name.into() }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.make_folders(folder).map_err(io)?;
                Self::write_new(folder, &path, bytes).map_err(io)?;
            }
            Err(error) => return Err(io(error)),
        }
        flush_folder(folder).map_err(io)
    }

    fn delete(&self, name: &str) -> Result<()> {
        let path = self.path(name)?;
        let io = |source| Error::Io { what: name.into(), source };
        match fs::remove_file(&path) {
            Ok(()) => flush_folder(path.parent().unwrap_or(&self.root)).map_err(io),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(io(error)),
        }
    }

    fn spot(&self) -> Result<Option<Spot>> {
        let folder = fs::metadata(&self.root).map_err(|source| Error::Io { what: self.place(), source })?;
        Ok(Some(Spot { device: folder.dev(), inode: folder.ino() }))
    }

    fn capacity(&self) -> Result<Option<Capacity>> {
        let room = rustix::fs::statvfs(&self.root).map_err(|errno| Error::Io { what: self.place(), source: errno.into() })?;
        Ok(Some(Capacity { total: room.f_blocks * room.f_frsize, free: room.f_bavail * room.f_frsize }))
    }
}

fn missing_or(name: &str, source: std::io::Error) -> Error {
    if source.kind() == ErrorKind::NotFound { Error::Missing { name: name.into() } } else { Error::Io { what: name.into(), source } }
}

/// What is on the disk need not stay in memory: the applications' pages are of more use there, and what is written next takes the same room,
/// which costs less than to be given room of its own.
fn forget(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, Advice::DontNeed);
}

fn flush_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
