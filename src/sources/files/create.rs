//! Fills a new folder from rows: `restore to`.
//!
//! Folders are made private and get owner, mode and times at the end, the deepest first: what is made in one changes its time,
//! and one that may not be written to could not be filled. One flush of the file system at the end makes it all last.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::AtFlags;

use super::beneath::{Root, failed, open_folder};
use super::entry::{make, needs_root, set_of_open};
use super::journal::{Record, Records};
use super::relation::{Entry, Kind, ROOT, shown, split};
use crate::rows::{Relation, Row};
use crate::sources::{Creator, Error, Resolve, Result};

/// Begins to fill the folder `to`, which must be new or empty. Its parent must be there.
///
/// # Errors
/// [`Error::Exists`] where something is in it already.
pub fn create(to: &Path) -> Result<Box<dyn Creator>> {
    let what = || to.to_string_lossy().into_owned();
    let io = |source: io::Error| Error::Io { what: what(), source };
    let made = match std::fs::create_dir(to) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(source) => return Err(io(source)),
    };
    let empty = made || std::fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_none());
    if !empty {
        return Err(Error::Exists { what: what() });
    }
    let place = to.canonicalize().map_err(io)?;
    let folders = Records::new(tempfile::tempfile_in(&place).map_err(io)?);
    let root = Root::open(&place)?;
    Ok(Box::new(Create { root, place, made, finished: false, folders, links: HashMap::new(), left_out: Vec::new() }))
}

struct Create {
    root: Root,
    place: PathBuf,
    made: bool,
    finished: bool,
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

    fn finish(mut self: Box<Self>) -> Result<Vec<String>> {
        self.finish_folders()?;
        let place = self.place.to_string_lossy();
        self.root.flush().map_err(|error| failed(place.as_bytes(), error))?;
        if let Some(Ok(parent)) = self.place.parent().map(std::fs::File::open) {
            parent.sync_all().map_err(|error| failed(place.as_bytes(), error))?;
        }
        self.finished = true;
        Ok(std::mem::take(&mut self.left_out))
    }
}

impl Drop for Create {
    /// Takes away what was made. What cannot be taken away stays: the error that led here is the one to tell.
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        if self.made {
            let _ = std::fs::remove_dir_all(&self.place);
            return;
        }
        for entry in std::fs::read_dir(&self.place).into_iter().flatten().flatten() {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let _ = if is_folder { std::fs::remove_dir_all(entry.path()) } else { std::fs::remove_file(entry.path()) };
        }
    }
}
