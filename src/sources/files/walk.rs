//! Reads a tree in the order of its paths, with the names of one chain of folders in memory.
//!
//! Paths compare as bytes, so `a` comes before `a-b` and both before `a/b` (`-` is less than `/`): a folder's own row and its entries
//! need not stand together. In each folder a folder therefore stands twice, as `name` for its row and as `name/` for what is in it.
//! No name holds a `/`, so no other name begins with `name/`, and sorting these gives the order of the whole paths.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;

use rustix::fs::{Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::Tree;
use super::beneath::{Root, failed, is_no_folder, open_folder, stat, type_of};
use super::relation::{Kind, ROOT, shown, split};
use crate::rows::{Class, LARGE, Row, Value};
use crate::sources::{Content, Error, Result, Unread};

/// How often a file that changes while it is read is read again.
const READS: u32 = 3;

struct Folder {
    fd: OwnedFd,
    /// What paths in it begin with: empty for the root, else with a slash at the end.
    prefix: Vec<u8>,
    /// What is still to come, the next one last.
    names: Vec<Vec<u8>>,
}

/// Why an entry gives no row.
enum Failure {
    /// It is left out, and the rest goes on.
    Entry(io::Error),
    /// Its content could not be kept: nothing more can be.
    Kept(Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Entry(error)
    }
}

impl From<Errno> for Failure {
    fn from(error: Errno) -> Self {
        Self::Entry(error.into())
    }
}

/// One reading of a tree.
pub(super) struct Walk<'t> {
    tree: &'t Tree,
    content: &'t dyn Content,
    device: u64,
    chain: Vec<Folder>,
    unread: Vec<Unread>,
}

/// The one entry at `path`, read as a walk would; none where nothing stands there.
pub(super) fn entry(tree: &Tree, content: &dyn Content, path: &[u8]) -> Result<Option<Row>> {
    let root = Root::open(&tree.root)?;
    let device = root.stat(ROOT).map_err(|source| failed(ROOT, source))?.map_or(0, |root| root.st_dev);
    let walk = Walk { tree, content, device, chain: Vec::new(), unread: Vec::new() };
    let (parent, name) = split(path);
    match root.folder(parent).map_err(Failure::Entry).and_then(|folder| walk.read(&folder, name, path)) {
        Ok((values, true)) => Ok(Some(Row::new(&tree.relations[0], values, 0))),
        Ok((_, false)) => Err(failed(path, io::Error::other("it changes while it is read"))),
        Err(Failure::Entry(error)) if is_no_folder(&error) => Ok(None),
        Err(Failure::Entry(error)) => Err(failed(path, error)),
        Err(Failure::Kept(error)) => Err(error),
    }
}

impl<'t> Walk<'t> {
    /// Opens the root.
    pub fn new(tree: &'t Tree, content: &'t dyn Content) -> Result<Self> {
        let place = tree.root.to_string_lossy();
        let fd = rustix::fs::open(&tree.root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let fd = fd.map_err(|source| match source {
            Errno::NOENT => Error::Missing { what: place.clone().into_owned() },
            _ => failed(place.as_bytes(), source),
        })?;
        let device = rustix::fs::fstat(&fd).map_err(|source| failed(place.as_bytes(), source))?.st_dev;
        let mut walk = Self { tree, content, device, chain: Vec::new(), unread: Vec::new() };
        let mut names = walk.names_in(&fd, b"").map_err(|source| failed(place.as_bytes(), source))?;
        match &tree.only {
            // The folder around a single file is not part of it.
            Some(only) => names.retain(|name| name == only),
            None => names.push(ROOT.to_vec()),
        }
        walk.push(fd, Vec::new(), names);
        Ok(walk)
    }

    /// Pushes every row.
    pub fn run(mut self, each: &mut dyn FnMut(Row) -> ControlFlow<()>) -> Result<Vec<Unread>> {
        while let Some(folder) = self.chain.last_mut() {
            let Some(name) = folder.names.pop() else {
                self.chain.pop();
                continue;
            };
            if let Some(name) = name.strip_suffix(b"/") {
                self.descend(name);
            } else if let Some(row) = self.row(&name)?
                && each(row).is_break()
            {
                break;
            }
        }
        Ok(self.unread)
    }

    fn push(&mut self, fd: OwnedFd, prefix: Vec<u8>, mut names: Vec<Vec<u8>>) {
        names.sort_unstable_by(|a, b| b.cmp(a));
        self.chain.push(Folder { fd, prefix, names });
    }

    /// The names in a folder that are not left out; those of folders a second time, with a slash.
    fn names_in(&self, fd: &OwnedFd, prefix: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(fd)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let is_folder = match entry.file_type() {
                FileType::Unknown => stat(fd, name).is_ok_and(|stat| type_of(&stat) == FileType::Directory),
                known => known == FileType::Directory,
            };
            if self.tree.exclude.leaves_out(&[prefix, name].concat(), is_folder) {
                continue;
            }
            names.push(name.to_vec());
            if is_folder {
                names.push([name, b"/"].concat());
            }
        }
        Ok(names)
    }

    fn descend(&mut self, name: &[u8]) {
        let Some(folder) = self.chain.last() else { return };
        let path = [&folder.prefix, name].concat();
        let prefix = [&path[..], b"/"].concat();
        let opened = open_folder(&folder.fd, name).and_then(|fd| {
            let foreign = self.tree.one_file_system && rustix::fs::fstat(&fd)?.st_dev != self.device;
            let names = if foreign { Vec::new() } else { self.names_in(&fd, &prefix)? };
            Ok((fd, names))
        });
        match opened {
            Ok((fd, names)) => self.push(fd, prefix, names),
            Err(error) if is_no_folder(&error) && self.unread.last().is_some_and(|last| last.what == shown(&path)) => {}
            Err(error) => self.note(&path, format!("what is in this folder was not read: {error}")),
        }
    }

    fn note(&mut self, path: &[u8], why: String) {
        self.unread.push(Unread { model: self.tree.relations[0].name.clone(), what: shown(path), why });
    }

    fn row(&mut self, name: &[u8]) -> Result<Option<Row>> {
        let Some(folder) = self.chain.last() else { return Ok(None) };
        let path = [&folder.prefix, name].concat();
        match self.read(&folder.fd, name, &path) {
            Ok((values, steady)) => {
                if !steady {
                    self.note(&path, "it changed each time it was read: what was kept may be of different moments".into());
                }
                Ok(Some(Row::new(&self.tree.relations[0], values, 0)))
            }
            Err(Failure::Entry(error)) => {
                self.note(&path, error.to_string());
                Ok(None)
            }
            Err(Failure::Kept(error)) => Err(error),
        }
    }

    /// The values of an entry, and whether it stood still meanwhile.
    fn read(&self, folder: &OwnedFd, name: &[u8], path: &[u8]) -> Result<(Vec<Value>, bool), Failure> {
        let found = stat(folder, name)?;
        let kind = Kind::of(type_of(&found)).ok_or_else(|| io::Error::other("its kind is not known"))?;
        match kind {
            Kind::File => {
                let (stat, content, steady) = self.read_file(folder, name, path)?;
                Ok((self.values(path, kind, &stat, content, Value::Null), steady))
            }
            Kind::Symlink => {
                let target = rustix::fs::readlinkat(folder, name, Vec::new())?.into_bytes();
                Ok((self.values(path, kind, &found, Value::Null, Value::Text(target)), true))
            }
            _ => Ok((self.values(path, kind, &found, Value::Null, Value::Null), true)),
        }
    }

    fn read_file(&self, folder: &OwnedFd, name: &[u8], path: &[u8]) -> Result<(Stat, Value, bool), Failure> {
        let mut reads = 0;
        loop {
            let file = std::fs::File::from(open_file(folder, name)?);
            let before = rustix::fs::fstat(&file)?;
            if type_of(&before) != FileType::RegularFile {
                return Err(Failure::Entry(io::Error::other("it became something else than a file")));
            }
            let size = u64::try_from(before.st_size).unwrap_or(0);
            let content = self.keep((&file).take(size), path)?;
            let after = rustix::fs::fstat(&file)?;
            reads += 1;
            let steady = unchanged(&before, &after);
            if steady || reads == READS {
                return Ok((before, content, steady));
            }
        }
    }

    /// The content inside the row where it is small, else kept. A failure to read the file is told from a failure to keep it.
    fn keep(&self, mut file: impl Read, path: &[u8]) -> Result<Value, Failure> {
        let mut head = Vec::new();
        (&mut file).take(LARGE as u64 + 1).read_to_end(&mut head)?;
        if head.len() <= LARGE {
            return Ok(Value::Blob(head));
        }
        let mut reader = Watched { file: (&head[..]).chain(file), failed: false };
        match self.content.keep(Class::Blob, &mut reader) {
            Ok(large) => Ok(Value::Large(large)),
            Err(error) if reader.failed => Err(Failure::Entry(error)),
            Err(error) => Err(Failure::Kept(failed(path, error))),
        }
    }

    /// In the order of the relation's columns.
    fn values(&self, path: &[u8], kind: Kind, stat: &Stat, content: Value, target: Value) -> Vec<Value> {
        let is = |wanted: bool, value: i64| if wanted { Value::Integer(value) } else { Value::Null };
        let is_dir = kind == Kind::Dir;
        let is_device = matches!(kind, Kind::CharDevice | Kind::BlockDevice);
        let nanoseconds = i64::try_from(stat.st_mtime_nsec).unwrap_or(0);
        // The device's number stands in it only below another mount: it may change with each start of the machine.
        let link = match (is_dir || stat.st_nlink < 2, stat.st_dev == self.device) {
            (true, _) => Value::Null,
            (false, true) => Value::text(&stat.st_ino.to_string()),
            (false, false) => Value::text(&format!("{}:{}", stat.st_dev, stat.st_ino)),
        };
        vec![
            Value::Text(path.to_vec()),
            Value::text(kind.name()),
            Value::Integer(i64::from(stat.st_mode & 0o7777)),
            Value::Integer(i64::from(stat.st_uid)),
            Value::Integer(i64::from(stat.st_gid)),
            is(!is_dir, stat.st_mtime),
            is(!is_dir, nanoseconds),
            is(kind == Kind::File, stat.st_size),
            content,
            target,
            is(is_device, stat.st_rdev.cast_signed()),
            is(is_dir, stat.st_mtime),
            is(is_dir, nanoseconds),
            link,
        ]
    }
}

/// Opens a file for reading; its access time stays as it is where we may ask for that.
fn open_file(folder: &OwnedFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    // NONBLOCK: a pipe that took the file's place must not stop the backup.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::openat(folder, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => rustix::fs::openat(folder, name, flags, Mode::empty()),
        opened => opened,
    }
}

fn unchanged(a: &Stat, b: &Stat) -> bool {
    let marks = |stat: &Stat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec);
    marks(a) == marks(b)
}

/// Remembers whether it was the file that could not be read.
struct Watched<R> {
    file: R,
    failed: bool,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer);
        self.failed |= read.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Interrupted);
        read
    }
}
