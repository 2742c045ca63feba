//! What a walk must not open: by device and inode, and by its name in its folder, since a database's log comes and goes.
//!
//! Closing any file drops every lock that this process holds on it (POSIX), so that a database that is read as a file
//! while SQLite has it open would be written by two processes at once.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::beneath::stat;

type Inode = (u64, u64);

/// What stands apart.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// By what is there now; hard links and other mounts of it too.
    inodes: HashSet<Inode>,
    /// By the folder and the name.
    names: HashSet<(Inode, Vec<u8>)>,
}

/// What of it could stand in one folder.
pub(super) struct Within<'m> {
    marks: &'m Marks,
    folder: Inode,
}

impl Marks {
    pub fn of(places: &[PathBuf]) -> Self {
        let mut marks = Self::default();
        for place in places {
            marks.inodes.extend(inode(place));
            // A link is left to be read as a link: what it points to is what stands apart.
            let real = fs::canonicalize(place).unwrap_or_else(|_| place.clone());
            let name = real.file_name().map(OsStr::as_bytes);
            let folder = real.parent().and_then(inode);
            marks.names.extend(folder.zip(name).map(|(folder, name)| (folder, name.to_vec())));
        }
        marks
    }

    /// Whether the entry at `path` below `root` stands apart, or a folder that it is in does.
    pub fn take(&self, root: &Path, path: &[u8]) -> bool {
        let mut at = root.to_owned();
        let mut folder = inode(root);
        !self.names.is_empty()
            && path.split(|&byte| byte == b'/').any(|name| {
                at.push(OsStr::from_bytes(name));
                let by_name = folder.is_some_and(|folder| self.names.contains(&(folder, name.to_vec())));
                folder = fs::symlink_metadata(&at).ok().map(|there| (there.dev(), there.ino()));
                by_name || folder.is_some_and(|there| self.inodes.contains(&there))
            })
    }

    pub fn within(&self, folder: &OwnedFd) -> io::Result<Within<'_>> {
        let there = rustix::fs::fstat(folder)?;
        Ok(Within { marks: self, folder: (there.st_dev, there.st_ino) })
    }
}

fn inode(path: &Path) -> Option<Inode> {
    fs::metadata(path).ok().map(|there| (there.dev(), there.ino()))
}

impl Within<'_> {
    /// Whether the entry with this name and inode number stands apart; the number alone is another file's on another disk.
    pub fn has(&self, folder: &OwnedFd, name: &[u8], inode: u64) -> bool {
        let by_name = self.marks.names.contains(&(self.folder, name.to_vec()));
        let may_be = || self.marks.inodes.iter().any(|(_, known)| *known == inode);
        by_name || may_be() && stat(folder, name).is_ok_and(|there| self.marks.inodes.contains(&(there.st_dev, there.st_ino)))
    }
}
