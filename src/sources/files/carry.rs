//! Carries out a sealed journal. Every step may have happened already: it can be begun again after a crash anywhere.
//!
//! The order: folders, renames, deletions, renames onto what a deletion had to empty, then owners, modes and times. Each folder is flushed
//! when the next one's turn comes.

use std::io;

use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;

use super::apply::{Applied, Left, take_away};
use super::beneath::{Root, failed, flush_folder, is_no_folder, open_folder, stat};
use super::entry::{set, set_of_open};
use super::journal::{Record, Records};
use super::relation::{Attributes, Kind, ROOT, shown, split};
use super::steps::step;
use crate::sources::Result;

/// Does what the journal says to the tree at `root`.
pub(super) fn carry_out(root: &Root, journal: &Records) -> Result<Applied> {
    let mut carrier = Carrier { root, applied: Applied::default(), unflushed: None, waiting: false };
    carrier.each(journal.forward(), Carrier::make_folder)?;
    carrier.each(journal.forward(), Carrier::rename)?;
    carrier.each(journal.backward(), Carrier::remove)?;
    if carrier.waiting {
        carrier.each(journal.forward(), Carrier::rename_onto_folder)?;
    }
    carrier.each(journal.backward(), Carrier::set_attributes)?;
    root.flush().map_err(|error| failed(ROOT, error))?;
    Ok(carrier.applied)
}

struct Carrier<'j> {
    root: &'j Root,
    applied: Applied,
    unflushed: Option<Vec<u8>>,
    /// Whether a rename waits for a folder to be emptied.
    waiting: bool,
}

impl Carrier<'_> {
    fn each(
        &mut self,
        records: impl Iterator<Item = io::Result<Record>>,
        carry: fn(&mut Self, &Record, &[u8]) -> io::Result<()>,
    ) -> Result<()> {
        for record in records {
            let record = record.map_err(|error| failed(ROOT, error))?;
            let path: &[u8] = match &record {
                Record::Folder { path } | Record::Rename { path, .. } | Record::Remove { path } | Record::Attributes { path, .. } => path,
                Record::Root(_) | Record::Sealed | Record::Begun => continue,
            };
            carry(self, &record, path).map_err(|error| failed(path, error))?;
        }
        self.changed(None).map_err(|error| failed(ROOT, error))
    }

    /// The names in `folder` change; those of the folder before are flushed.
    fn changed(&mut self, folder: Option<&[u8]>) -> io::Result<()> {
        if self.unflushed.as_deref() == folder {
            return Ok(());
        }
        match std::mem::replace(&mut self.unflushed, folder.map(<[u8]>::to_vec)).map(|before| self.root.folder(&before)) {
            Some(Ok(before)) => flush_folder(before),
            Some(Err(error)) if !is_no_folder(&error) => Err(error),
            // What is gone needs no flush.
            Some(Err(_)) | None => Ok(()),
        }
    }

    fn leave(&mut self, path: &[u8], why: &str) {
        self.applied.left.push(Left { what: shown(path), why: why.into() });
    }

    fn make_folder(&mut self, record: &Record, path: &[u8]) -> io::Result<()> {
        let Record::Folder { .. } = record else { return Ok(()) };
        if self.root.folder(path).is_ok() {
            return Ok(());
        }
        let (parent, name) = split(path);
        let folder = match self.root.folder_made(parent) {
            Err(error) if is_no_folder(&error) => {
                self.leave(path, "the folder was not made: a part of its path became a file or a link");
                return Ok(());
            }
            folder => folder?,
        };
        self.changed(Some(parent))?;
        // What is no folder makes room.
        match step().and_then(|()| Ok(rustix::fs::unlinkat(&folder, name, AtFlags::empty())?)) {
            Err(error) if !is_no_folder(&error) => return Err(error),
            _ => step()?,
        }
        Ok(rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o700))?)
    }

    fn rename(&mut self, record: &Record, path: &[u8]) -> io::Result<()> {
        let Record::Rename { temporary, .. } = record else { return Ok(()) };
        self.applied.placed += 1;
        let (from, staged) = split(temporary);
        let from = match self.root.folder(from) {
            Err(error) if is_no_folder(&error) => return Ok(()),
            from => from?,
        };
        if stat(&from, staged).is_err_and(|error| is_no_folder(&error)) {
            return Ok(());
        }
        let (parent, name) = split(path);
        let to = match self.root.folder_made(parent) {
            Err(error) if is_no_folder(&error) => {
                self.applied.placed -= 1;
                self.leave(path, "it was not put in place: a part of its path became a file or a link");
                return take_away(self.root, temporary);
            }
            to => to?,
        };
        self.changed(Some(parent))?;
        step()?;
        match rustix::fs::renameat(from, staged, to, name) {
            Err(Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST) => self.waiting = true,
            renamed => renamed?,
        }
        Ok(())
    }

    fn remove(&mut self, record: &Record, path: &[u8]) -> io::Result<()> {
        let Record::Remove { .. } = record else { return Ok(()) };
        self.applied.removed += 1;
        let (parent, name) = split(path);
        let folder = match self.root.folder(parent) {
            Err(error) if is_no_folder(&error) => return Ok(()),
            folder => folder?,
        };
        self.changed(Some(parent))?;
        step()?;
        let mut gone = rustix::fs::unlinkat(&folder, name, AtFlags::empty());
        if matches!(gone, Err(Errno::ISDIR | Errno::PERM)) {
            gone = rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR);
        }
        match gone {
            Err(Errno::NOENT) => Ok(()),
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::BUSY) => {
                self.applied.removed -= 1;
                self.leave(path, "the folder was not removed: something is left in it");
                Ok(())
            }
            gone => Ok(gone?),
        }
    }

    fn rename_onto_folder(&mut self, record: &Record, path: &[u8]) -> io::Result<()> {
        let Record::Rename { temporary, .. } = record else { return Ok(()) };
        let Some(_) = self.root.stat(temporary)? else { return Ok(()) };
        let (parent, name) = split(path);
        let folder = self.root.folder(parent)?;
        self.changed(Some(parent))?;
        step()?;
        match rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::BUSY) => {
                self.applied.placed -= 1;
                self.leave(path, "it was not put in place: a folder with something in it stands there");
                return take_away(self.root, temporary);
            }
            Err(Errno::NOENT) => {}
            removed => removed?,
        }
        let (from, staged) = split(temporary);
        step()?;
        Ok(rustix::fs::renameat(self.root.folder(from)?, staged, folder, name)?)
    }

    fn set_attributes(&mut self, record: &Record, path: &[u8]) -> io::Result<()> {
        let Record::Attributes { kind, attributes, .. } = record else { return Ok(()) };
        step()?;
        match self.set(*kind, attributes, path) {
            Ok(()) => self.applied.attributes += 1,
            Err(error) if is_no_folder(&error) => self.leave(path, "owner, mode and time were not set: it is not there any more"),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn set(&self, kind: Kind, attributes: &Attributes, path: &[u8]) -> io::Result<()> {
        if kind == Kind::Dir {
            let folder = open_folder(self.root.folder(path)?, ROOT)?;
            set_of_open(&folder, attributes)?;
            return Ok(rustix::fs::fsync(folder)?);
        }
        let (parent, name) = split(path);
        set(&self.root.folder(parent)?, name, kind, attributes)
    }
}
