//! Fills a new folder from rows: `restore to`.
//!
//! It is filled under another name beside its place and put there in one step, so that what a crash leaves is never taken
//! for the whole.
//!
//! Folders are made private and get owner, mode and times at the end, the deepest first: what is made in one changes its time,
//! and one that may not be written to could not be filled. One flush of the file system at the end makes it all last.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::AtFlags;

use super::beneath::{Root, failed, open_folder};
use super::entry::{make, needs_root, set_of_open};
use super::journal::{Record, Records};
use super::relation::{Entry, Kind, ROOT, shown, split};
use crate::rows::{Relation, Row};
use crate::sources::{Creator, Error, Resolve, Result, partial};

/// Begins to fill the folder `to`, which must be new or empty. Its parent must be there.
///
/// # Errors
/// [`Error::Exists`] where something is in it already.
pub fn create(to: &Path) -> Result<Box<dyn Creator>> {
    let io = |source: io::Error| Error::Io { what: shown_path(to), source };
    match std::fs::read_dir(to).map(|mut entries| entries.next().is_none()) {
        Ok(true) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Ok(false) => return Err(Error::Exists { what: shown_path(to) }),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(Error::Exists { what: shown_path(to) }),
        Err(source) => return Err(io(source)),
    }
    let to = std::path::absolute(to).map_err(io)?;
    let parent = to.parent().unwrap_or(Path::new("/"));
    partial::sweep(parent);
    let building = tempfile::Builder::new().prefix(partial::PREFIX).suffix(partial::SUFFIX).tempdir_in(parent).map_err(io)?;
    let held = File::open(building.path()).map_err(io)?;
    partial::hold(&held).map_err(io)?;
    let folders = Records::new(tempfile::tempfile_in(building.path()).map_err(io)?);
    let root = Root::open(building.path())?;
    Ok(Box::new(Create { root, building, _held: held, to, folders, links: HashMap::new(), left_out: Vec::new() }))
}

fn shown_path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

struct Create {
    root: Root,
    /// Where it is filled; removed when dropped.
    building: tempfile::TempDir,
    _held: File,
    /// Its place.
    to: PathBuf,
    folders: Records,
    /// The first name of each file that has several: about 150 bytes a file with several names.
    links: HashMap<Vec<u8>, Vec<u8>>,
    left_out: Vec<String>,
}

impl Create {
    fn put(&mut self, entry: &Entry<'_>, content: &dyn Resolve) -> io::Result<()> {
        if entry.kind == Kind::Dir {
            self.root.folder_made(entry.path)?;
            let (path, kind, attributes) = (entry.path.to_vec(), entry.kind, entry.attributes);
            return self.folders.append(&Record::Attributes { path, kind, attributes });
        }
        let (parent, name) = split(entry.path);
        let folder = self.root.folder_made(parent)?;
        if let Some(first) = entry.link.and_then(|link| self.links.get(link)) {
            let (parent, first) = split(first);
            let from = self.root.folder(parent)?;
            return Ok(rustix::fs::linkat(from, first, folder, name, AtFlags::empty())?);
        }
        match make(&folder, name, entry, content) {
            Err(error) if needs_root(&error, entry.kind) => {
                self.left_out.push(format!("{}: only root can make a device", shown(entry.path)));
                return Ok(());
            }
            made => drop(made?),
        }
        if let Some(link) = entry.link {
            self.links.insert(link.to_vec(), entry.path.to_vec());
        }
        Ok(())
    }

    fn finish_folders(&self) -> Result<()> {
        for record in self.folders.backward() {
            let Record::Attributes { path, attributes, .. } = record.map_err(|error| failed(ROOT, error))? else { continue };
            let folder = self.root.folder(&path).and_then(|folder| open_folder(folder, ROOT));
            folder.and_then(|folder| set_of_open(folder, &attributes)).map_err(|error| failed(&path, error))?;
        }
        Ok(())
    }
}

impl Creator for Create {
    fn add(&mut self, relation: &Relation, row: &Row, content: &dyn Resolve) -> Result<()> {
        let entry = Entry::of(relation, row)?;
        self.put(&entry, content).map_err(|error| failed(entry.path, error))
    }

    fn finish(self: Box<Self>) -> Result<Vec<String>> {
        self.finish_folders()?;
        let Self { root, building, _held, to, left_out, .. } = *self;
        let io = |source: io::Error| Error::Io { what: shown_path(&to), source };
        root.flush().map_err(io)?;
        // An empty folder at its place is replaced; one that was filled meanwhile is not.
        std::fs::rename(building.path(), &to).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory => Error::Exists { what: shown_path(&to) },
            _ => io(error),
        })?;
        // It is not there any more under the name it would be removed by.
        let _ = building.keep();
        to.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all()).map_err(io)?;
        Ok(left_out)
    }
}
