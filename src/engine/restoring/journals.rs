//! The journals of restores that change files, and what becomes of one that a crash left behind.
//!
//! ```text
//! journals/APP/lock                   held by whoever changes the app's files
//! journals/APP/RESTORE.MODEL.journal  one for each tree
//! journals/APP/RESTORE.undecided      from before the first journal until the decision; its text says who decides
//! ```
//!
//! The decision is the database's commit, or without one that every journal is sealed. What is decided is rolled forward. What
//! is not is discarded, unless the database may have committed just before the crash: then it is asked. The lock tells a dead
//! restore from one at work.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::engine::Home;
use crate::engine::error::{Doing, Result};
use crate::sources::files::{Left, State, discard, roll_forward, state, step};

const JOURNAL: &str = ".journal";
const UNDECIDED: &str = ".undecided";
const BY_DATABASE: &[u8] = b"database";
const BY_SEALS: &[u8] = b"seals";

/// The journals of one app, held: nobody else changes its files meanwhile.
#[derive(Debug)]
pub struct Journals {
    folder: PathBuf,
    _lock: File,
}

/// A restore that did not end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The restore's id.
    pub restore: String,
    /// Whether the decision is still to be made.
    pub undecided: bool,
    journals: Vec<PathBuf>,
}

/// What became of a pending restore's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// They are in place, but for these.
    Forward(Vec<Left>),
    /// They are as before.
    Discarded,
}

impl Journals {
    /// The journals of the app with this id; waits for whoever holds them.
    ///
    /// # Errors
    /// What the file system says.
    pub fn held(home: &Home, app: &str) -> Result<Self> {
        let folder = home.journals().join(app);
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.doing(|| format!("making {}", folder.display()))?;
        let lock = lock_in(&folder)?;
        flock(&lock, FlockOperation::LockExclusive).map_err(std::io::Error::from).doing(|| format!("locking {}", folder.display()))?;
        Ok(Self { folder, _lock: lock })
    }

    /// The journals of every app that nobody is at work on.
    ///
    /// # Errors
    /// What the file system says.
    pub fn abandoned(home: &Home) -> Result<Vec<(String, Self)>> {
        let mut all = Vec::new();
        for app in names(&home.journals())? {
            let folder = home.journals().join(&app);
            let lock = lock_in(&folder)?;
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => all.push((app, Self { folder, _lock: lock })),
                Err(Errno::WOULDBLOCK) => {}
                Err(error) => return Err(std::io::Error::from(error)).doing(|| format!("locking {}", folder.display())),
            }
        }
        Ok(all)
    }

    /// Whether the files of this restore still wait for their end.
    ///
    /// # Errors
    /// What the file system says.
    pub fn wait_for(home: &Home, app: &str, restore: &str) -> Result<bool> {
        let names = names(&home.journals().join(app))?;
        Ok(names.iter().any(|name| name.split_once('.').is_some_and(|(of, _)| of == restore)))
    }

    /// The journal of one tree of a restore, which is the model at this place of its plan.
    #[must_use]
    pub fn journal(&self, restore: &str, model: usize) -> PathBuf {
        self.folder.join(format!("{restore}.{model}{JOURNAL}"))
    }

    /// Begins a restore: nothing of it is decided, and the database decides where it is written too.
    ///
    /// # Errors
    /// What the file system says.
    pub fn begin(&self, restore: &str, database: bool) -> Result<()> {
        let path = self.undecided(restore);
        let who = if database { BY_DATABASE } else { BY_SEALS };
        let written = step().and_then(|()| OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path));
        let written = written.and_then(|mut file| file.write_all(who).and_then(|()| file.sync_all()));
        written.and_then(|()| self.flush()).doing(|| format!("writing {}", path.display()))
    }

    /// Notes that it is decided, or that nothing is left of it.
    ///
    /// # Errors
    /// What the file system says.
    pub fn decided(&self, restore: &str) -> Result<()> {
        let path = self.undecided(restore);
        match step().and_then(|()| std::fs::remove_file(&path)).and_then(|()| self.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.doing(|| format!("removing {}", path.display())),
        }
    }

    /// Notes that nothing is left of a restore that was not decided; as long as a journal is, it stays undecided.
    ///
    /// # Errors
    /// What the file system says.
    pub fn give_up(&self, restore: &str) -> Result<()> {
        let is_left = self.pending()?.iter().any(|pending| pending.restore == restore && !pending.journals.is_empty());
        if is_left { Ok(()) } else { self.decided(restore) }
    }

    /// The restores that did not end, oldest first.
    ///
    /// # Errors
    /// What the file system says.
    pub fn pending(&self) -> Result<Vec<Pending>> {
        let mut found = BTreeMap::<String, Pending>::new();
        for name in names(&self.folder)? {
            let Some((restore, _)) = name.split_once('.').filter(|_| name.ends_with(JOURNAL) || name.ends_with(UNDECIDED)) else {
                continue;
            };
            let new = || Pending { restore: restore.to_owned(), undecided: false, journals: Vec::new() };
            let pending = found.entry(restore.to_owned()).or_insert_with(new);
            pending.undecided |= name.ends_with(UNDECIDED);
            if name.ends_with(JOURNAL) {
                pending.journals.push(self.folder.join(name));
            }
        }
        Ok(found.into_values().collect())
    }

    /// Ends a pending restore; `committed` asks its database, where that must be known. None where nobody can tell.
    ///
    /// # Errors
    /// What going on met; it can be tried again.
    pub fn end(&self, pending: &Pending, committed: impl FnOnce() -> Result<Option<bool>>) -> Result<Option<Ended>> {
        let states = pending.journals.iter().map(|journal| state(journal)).collect::<Result<BTreeSet<State>, _>>()?;
        let forward = if states.contains(&State::Begun) {
            Some(true)
        } else if states.contains(&State::Staging) || states.is_empty() {
            Some(false)
        } else if pending.undecided {
            if self.is_by_database(&pending.restore)? { committed()? } else { Some(false) }
        } else {
            Some(true)
        };
        let Some(forward) = forward else { return Ok(None) };
        if forward {
            self.decided(&pending.restore)?;
        }
        let mut left = Vec::new();
        for journal in &pending.journals {
            if forward {
                left.append(&mut roll_forward(journal)?.left);
            } else {
                discard(journal)?;
            }
        }
        self.decided(&pending.restore)?;
        Ok(Some(if forward { Ended::Forward(left) } else { Ended::Discarded }))
    }

    fn is_by_database(&self, restore: &str) -> Result<bool> {
        let path = self.undecided(restore);
        Ok(std::fs::read(&path).doing(|| format!("reading {}", path.display()))? == BY_DATABASE)
    }

    fn undecided(&self, restore: &str) -> PathBuf {
        self.folder.join(format!("{restore}{UNDECIDED}"))
    }

    fn flush(&self) -> std::io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

fn lock_in(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    opened.doing(|| format!("opening {}", path.display()))
}

/// The names in a folder, sorted; none where it is not there.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.doing(|| format!("reading {}", folder.display()))?,
    };
    let mut names = entries
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<Vec<_>>>()
        .doing(|| format!("reading {}", folder.display()))?;
    names.sort();
    Ok(names)
}
