//! Changes a live tree all at once: contents are staged beside their targets, then a journal of renames is carried out.
//!
//! ```text
//! begin → stage … → seal      everything is flushed, the tree is as before: the database commits now
//!               sealed → commit   folders, renames, deletions, owners and modes and times; then the journal goes
//! ```
//!
//! After a crash [`state`] says how far it came. Until it was sealed there is only [`discard`], once the renames began there is only
//! [`roll_forward`], in between the database decides. Staged files are called `.backstop-…` and are named in the journal before they are made.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::beneath::{Root, failed, flush_folder, is_no_folder, real_folder, type_of};
use super::carry::carry_out;
use super::entry::make;
use super::journal::{Record, Records};
use super::relation::{Entry, Kind, ROOT, is_inside, shown, split};
use super::steps::step;
use crate::rows::{Relation, Row};
use crate::sources::{Error, Resolve, Result};

/// One thing to be done to a tree. They come in the order of their paths.
#[derive(Clone, Copy, Debug)]
pub enum Operation<'r> {
    /// The entry becomes this row, content and all.
    Put(&'r Row),
    /// The entry has this row's content already; owner, mode and time become the row's.
    Attributes(&'r Row),
    /// The entry at this path goes; a folder only if nothing is left in it.
    Remove(&'r [u8]),
}

/// What was done to a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Entries that were put in place, folders left out.
    pub placed: u64,
    /// Entries that were removed.
    pub removed: u64,
    /// Folders and entries whose owner, mode and time were set.
    pub attributes: u64,
    /// What could not be done because something stands in the way.
    pub left: Vec<Left>,
}

/// Something that could not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The path below the root.
    pub what: String,
    /// Why.
    pub why: String,
}

/// How far an application came, after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It was still being staged; the tree is as before.
    Staging,
    /// All was staged; the tree is as before.
    Sealed,
    /// The renames began.
    Begun,
}

/// Stages changes to a tree. Dropped without [`Apply::seal`], what was staged is taken away.
#[derive(Debug)]
pub struct Apply {
    root: Root,
    relation: Relation,
    journal: Records,
    place: PathBuf,
    tag: String,
    staged: u64,
    /// Folders that come where something else is now: few.
    replaced: HashSet<Vec<u8>>,
    /// The first staged name of each file that has several.
    links: HashMap<Vec<u8>, Vec<u8>>,
    /// The folder with staged files that is not flushed yet.
    unflushed: Option<Vec<u8>>,
    sealed: bool,
}

/// A staged change that is flushed and can be carried out. Dropped, it stays as it is, for [`roll_forward`] or [`discard`].
#[derive(Debug)]
pub struct Sealed {
    root: Root,
    journal: Records,
    place: PathBuf,
}

impl Apply {
    /// Begins a change of the tree at `root`, whose rows are those of `relation`. The journal must not be there yet.
    ///
    /// # Errors
    /// [`Error::Exists`] where there is a journal, [`Error::Missing`] where there is no tree.
    pub fn begin(root: &Path, relation: &Relation, journal: &Path) -> Result<Self> {
        let place = real_folder(root)?;
        let root = Root::open(&place)?;
        let io = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => Error::Exists { what: journal.to_string_lossy().into_owned() },
            _ => in_journal(journal, source),
        };
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(journal).map_err(io)?;
        let mut records = Records::new(file);
        records.append(&Record::Root(place.into_os_string().into_vec())).map_err(io)?;
        records.flush().and_then(|()| flush_parent(journal)).map_err(io)?;
        let mut random = [0; 6];
        getrandom::fill(&mut random).map_err(|error| in_journal(journal, io::Error::other(error.to_string())))?;
        let tag = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self {
            root,
            relation: relation.clone(),
            journal: records,
            place: journal.into(),
            tag,
            staged: 0,
            replaced: HashSet::new(),
            links: HashMap::new(),
            unflushed: None,
            sealed: false,
        })
    }

    /// Stages one operation; the tree itself stays as it is.
    ///
    /// # Errors
    /// [`Error::Unfit`] where the row or the path cannot be used, and what writing it met.
    pub fn stage(&mut self, operation: Operation<'_>, content: &dyn Resolve) -> Result<()> {
        match operation {
            Operation::Put(row) => {
                let relation = self.relation.clone();
                let entry = Entry::of(&relation, row)?;
                if entry.kind == Kind::Dir { self.stage_folder(&entry) } else { self.stage_entry(&entry, content) }
            }
            Operation::Attributes(row) => {
                let relation = self.relation.clone();
                let entry = Entry::of(&relation, row)?;
                self.stage_attributes(&entry)
            }
            Operation::Remove(path) if path == ROOT || !is_inside(path) => Err(self.unfit(path, "this path cannot be removed")),
            Operation::Remove(path) => self.record(path, &Record::Remove { path: path.to_vec() }),
        }
    }

    /// Flushes everything that was staged. From here on a crash loses nothing of it.
    ///
    /// # Errors
    /// What flushing met; what was staged is taken away then.
    pub fn seal(mut self) -> Result<Sealed> {
        self.flush_staged(None).map_err(|error| failed(ROOT, error))?;
        self.record(ROOT, &Record::Sealed)?;
        step().and_then(|()| self.journal.flush()).map_err(|error| in_journal(&self.place, error))?;
        self.sealed = true;
        Sealed::open(&self.place)
    }

    fn stage_folder(&mut self, entry: &Entry<'_>) -> Result<()> {
        self.place_for(entry.path)?;
        let live = self.root.stat(entry.path).map_err(|error| failed(entry.path, error))?;
        if live.is_some_and(|live| !type_of(&live).is_dir()) {
            self.replaced.insert(entry.path.to_vec());
        }
        self.record(entry.path, &Record::Folder { path: entry.path.to_vec() })?;
        self.record_attributes(entry)
    }

    fn stage_attributes(&mut self, entry: &Entry<'_>) -> Result<()> {
        let live = self.root.stat(entry.path).map_err(|error| failed(entry.path, error))?;
        if live.and_then(|live| Kind::of(type_of(&live))) != Some(entry.kind) {
            return Err(self.unfit(entry.path, "it is not there any more, or something else is"));
        }
        self.record_attributes(entry)
    }

    fn record_attributes(&mut self, entry: &Entry<'_>) -> Result<()> {
        let (path, kind, attributes) = (entry.path.to_vec(), entry.kind, entry.attributes);
        self.record(entry.path, &Record::Attributes { path, kind, attributes })
    }

    fn stage_entry(&mut self, entry: &Entry<'_>, content: &dyn Resolve) -> Result<()> {
        let folder = self.place_for(entry.path)?.to_vec();
        self.staged += 1;
        let name = format!(".backstop-{}-{}", self.tag, self.staged);
        let temporary = if folder == ROOT { name.as_bytes().to_vec() } else { [&folder, b"/".as_slice(), name.as_bytes()].concat() };
        self.flush_staged(Some(&folder)).map_err(|error| failed(&folder, error))?;
        self.record(entry.path, &Record::Rename { temporary: temporary.clone(), path: entry.path.to_vec() })?;
        self.make(&folder, name.as_bytes(), entry, content).map_err(|error| failed(entry.path, error))?;
        if let Some(link) = entry.link {
            self.links.entry(link.to_vec()).or_insert(temporary);
        }
        Ok(())
    }

    fn make(&self, folder: &[u8], name: &[u8], entry: &Entry<'_>, content: &dyn Resolve) -> io::Result<()> {
        let folder = self.root.folder(folder)?;
        step()?;
        if let Some(first) = entry.link.and_then(|link| self.links.get(link)) {
            let (parent, first) = split(first);
            match rustix::fs::linkat(self.root.folder(parent)?, first, &folder, name, AtFlags::empty()) {
                // Below another mount it cannot be one file: it becomes a copy.
                Err(Errno::XDEV | Errno::MLINK) => {}
                linked => return Ok(linked?),
            }
        }
        make(&folder, name, entry, content)?.map_or(Ok(()), |file| file.sync_all())
    }

    /// The folder that is there already and nearest to where `path` will be; refuses a way through what is no folder and stays none.
    fn place_for<'p>(&self, path: &'p [u8]) -> Result<&'p [u8]> {
        let folder = self.root.deepest(path).map_err(|error| failed(path, error))?;
        if folder != split(path).0 {
            let begin = if folder == ROOT { 0 } else { folder.len() + 1 };
            let name = path[begin..].split(|&byte| byte == b'/').next().unwrap_or_default();
            let next = &path[..begin + name.len()];
            let live = self.root.stat(next).map_err(|error| failed(path, error))?;
            if live.is_some() && !self.replaced.contains(next) {
                return Err(self.unfit(path, "a part of its path is now a file or a link"));
            }
        }
        Ok(folder)
    }

    fn flush_staged(&mut self, next: Option<&[u8]>) -> io::Result<()> {
        if self.unflushed.as_deref() == next {
            return Ok(());
        }
        if let Some(folder) = std::mem::replace(&mut self.unflushed, next.map(<[u8]>::to_vec)) {
            step()?;
            flush_folder(self.root.folder(&folder)?)?;
        }
        Ok(())
    }

    fn record(&mut self, path: &[u8], record: &Record) -> Result<()> {
        step().and_then(|()| self.journal.append(record)).map_err(|error| failed(path, error))
    }

    fn unfit(&self, path: &[u8], why: &str) -> Error {
        Error::Unfit { model: self.relation.name.clone(), why: format!("{}: {why}", shown(path)) }
    }
}

impl Drop for Apply {
    /// What cannot be taken away now is still named in the journal, for [`discard`].
    fn drop(&mut self) {
        if !self.sealed {
            let _ = discard(&self.place);
        }
    }
}

impl Sealed {
    fn open(journal: &Path) -> Result<Self> {
        let (records, root) = open(journal)?;
        let root = root.ok_or_else(|| in_journal(journal, io::Error::other("it names no root")))?;
        Ok(Self { root: Root::open(&root)?, journal: records, place: journal.into() })
    }

    /// Carries it all out, and ends the journal.
    ///
    /// # Errors
    /// What the system says. The journal stays then: [`roll_forward`] goes on from there.
    pub fn commit(mut self) -> Result<Applied> {
        let in_journal = |error| in_journal(&self.place, error);
        step().and_then(|()| self.journal.append(&Record::Begun)).map_err(in_journal)?;
        step().and_then(|()| self.journal.flush()).map_err(in_journal)?;
        let applied = carry_out(&self.root, &self.journal)?;
        end(&self.place)?;
        Ok(applied)
    }

    /// Takes away what was staged; the tree stays as it is.
    ///
    /// # Errors
    /// What the system says.
    pub fn discard(self) -> Result<()> {
        discard(&self.place)
    }
}

/// How far the application with this journal came.
///
/// # Errors
/// What reading the journal met.
pub fn state(journal: &Path) -> Result<State> {
    let (records, _) = open(journal)?;
    let last = records.backward().next().transpose().map_err(|error| in_journal(journal, error))?;
    Ok(match last {
        Some(Record::Begun) => State::Begun,
        Some(Record::Sealed) => State::Sealed,
        _ => State::Staging,
    })
}

/// Carries out what was sealed, from wherever it was interrupted, and ends the journal.
///
/// # Errors
/// [`Error::NotA`] where it was never sealed; what the system says, and then it can be asked for again.
pub fn roll_forward(journal: &Path) -> Result<Applied> {
    if state(journal)? == State::Staging {
        return Err(refused(journal, "a finished journal", "what it stages is not complete; it can only be discarded"));
    }
    Sealed::open(journal)?.commit()
}

/// Takes away what was staged, and ends the journal; the tree stays as it was.
///
/// # Errors
/// [`Error::NotA`] where the renames began; what the system says, and then it can be asked for again.
pub fn discard(journal: &Path) -> Result<()> {
    if state(journal)? == State::Begun {
        return Err(refused(journal, "a journal that can be discarded", "its renames began; it can only be rolled forward"));
    }
    let (records, root) = open(journal)?;
    if let Some(root) = root {
        let root = Root::open(&root)?;
        for record in records.forward() {
            let Record::Rename { temporary, .. } = record.map_err(|error| in_journal(journal, error))? else { continue };
            take_away(&root, &temporary).map_err(|error| failed(&temporary, error))?;
        }
    }
    end(journal)
}

/// Removes a staged entry, if it is there.
pub(super) fn take_away(root: &Root, temporary: &[u8]) -> io::Result<()> {
    let (parent, name) = split(temporary);
    let gone = root.folder(parent).and_then(|folder| {
        step()?;
        Ok(rustix::fs::unlinkat(folder, name, AtFlags::empty())?)
    });
    gone.or_else(|error| if is_no_folder(&error) { Ok(()) } else { Err(error) })
}

fn open(journal: &Path) -> Result<(Records, Option<PathBuf>)> {
    let io = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => Error::Missing { what: journal.to_string_lossy().into_owned() },
        _ => in_journal(journal, source),
    };
    let records = OpenOptions::new().read(true).write(true).open(journal).and_then(Records::open).map_err(io)?;
    let root = match records.forward().next().transpose().map_err(io)? {
        Some(Record::Root(path)) => Some(PathBuf::from(std::ffi::OsStr::from_bytes(&path))),
        _ => None,
    };
    Ok((records, root))
}

fn end(journal: &Path) -> Result<()> {
    let ended = step().and_then(|()| std::fs::remove_file(journal)).and_then(|()| flush_parent(journal));
    ended.map_err(|error| in_journal(journal, error))
}

fn flush_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

fn in_journal(journal: &Path, source: io::Error) -> Error {
    Error::Io { what: format!("the journal {}", journal.to_string_lossy()), source }
}

fn refused(journal: &Path, expected: &'static str, why: &str) -> Error {
    Error::NotA { what: journal.to_string_lossy().into_owned(), expected, why: why.into() }
}
