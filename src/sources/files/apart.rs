//! What a walk must not open: by device and inode, and by its name in its folder, since a database's log comes and goes.
//!
//! Closing any file drops every lock that this process holds on it (POSIX), so that a database that is read as a file
//! while SQLite has it open would be written by two processes at once.

use std::collections::{HashMap, HashSet};
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
    /// By what was there, and where: hard links and other mounts of it too. What was removed since has given its number to another file.
    inodes: HashMap<Inode, PathBuf>,
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
            marks.inodes.extend(inode(place).map(|there| (there, place.clone())));
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
                by_name || folder.is_some_and(|there| self.is_marked(there))
            })
    }

    /// Whether this is what stands at a place, still.
    fn is_marked(&self, there: Inode) -> bool {
        self.inodes.get(&there).is_some_and(|place| inode(place) == Some(there))
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
        let may_be = || self.marks.inodes.keys().any(|(_, known)| *known == inode);
        by_name || may_be() && stat(folder, name).is_ok_and(|there| self.marks.is_marked((there.st_dev, there.st_ino)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_the_number_of_one_that_is_gone_does_not_stand_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("media")).unwrap();
        for name in ["app.db", "app.db-journal"] {
            fs::write(path(name), "pages").unwrap();
        }
        fs::hard_link(path("app.db"), path("media/linked")).unwrap();
        let marks = Marks::of(&[path("app.db"), path("app.db-journal")]);
        // As when a journal is removed and the next file gets its number.
        fs::rename(path("app.db-journal"), path("media/letter.txt")).unwrap();
        let media = path("media");
        assert!(marks.take(&media, b"linked") && !marks.take(&media, b"letter.txt"));
        let opened = OwnedFd::from(fs::File::open(&media).unwrap());
        let within = marks.within(&opened).unwrap();
        let has = |name: &str| within.has(&opened, name.as_bytes(), fs::metadata(media.join(name)).unwrap().ino());
        assert!(has("linked") && !has("letter.txt"));
    }
}
