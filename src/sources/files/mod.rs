//! A tree of files as a relation: one row an entry, its key the path below the root.
//!
//! [`Tree`] reads one, [`create`] fills a new folder from rows, [`Apply`] changes a live tree all at once.
//! Nothing here follows a symbolic link out of the root: every folder is opened name by name.

mod apart;
pub mod apply;
mod beneath;
mod carry;
#[cfg(test)]
mod crash_tests;
mod create;
mod entry;
mod exclude;
mod journal;
pub mod relation;
mod steps;
mod walk;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub use apply::{Applied, Apply, Left, Operation, Sealed, State, discard, roll_forward, state};
pub use create::create;
pub use exclude::Exclude;
pub use relation::relation;
pub(crate) use steps::step;

#[cfg(test)]
pub(crate) use steps::crash_after;

use apart::Marks;

use super::{Content, Definition, Error, Identity, Reference, Result, Snapshot, Unique, Unread};
use crate::rows::{Relation, Row};

/// What of a tree is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Globs of what is left out.
    pub exclude: Vec<String>,
    /// Whether what is mounted below the root is left out.
    pub one_file_system: bool,
}

/// The module of configuration files.
pub const CONFIGURATION: &str = "configuration";

/// A tree of files, to be read.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    relations: [Relation; 1],
    exclude: Exclude,
    one_file_system: bool,
    /// The one name below the root that is read, where a single file is meant.
    only: Option<Vec<u8>>,
    /// What is never read as a file, wherever it stands.
    apart: Marks,
    /// What of that the last scan met.
    left_out: Mutex<Vec<String>>,
}

impl Tree {
    /// The tree at `root`, under this label. A root that is a symbolic link stands for the folder it points to.
    ///
    /// # Errors
    /// [`Error::Missing`] and [`Error::NotA`] where there is no folder, and for a glob that cannot be read.
    pub fn new(label: &str, root: &Path, options: &Options) -> Result<Self> {
        let root = beneath::real_folder(root)?;
        let exclude = Exclude::new(&options.exclude)?;
        let one_file_system = options.one_file_system;
        let relations = [relation(label)];
        Ok(Self { root, relations, exclude, one_file_system, only: None, apart: Marks::default(), left_out: Mutex::default() })
    }

    /// What stands at `path`, a folder or a single file, as configuration: a module of its own.
    ///
    /// # Errors
    /// As [`Tree::new`]; nothing stands there.
    pub fn configuration(label: &str, path: &Path) -> Result<Self> {
        let options = Options::default();
        let is_file = std::fs::metadata(path).is_ok_and(|there| !there.is_dir());
        let mut tree = match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) if is_file => {
                let only = Some(std::os::unix::ffi::OsStrExt::as_bytes(name).to_vec());
                Self { only, ..Self::new(label, folder, &options)? }
            }
            _ => Self::new(label, path, &options)?,
        };
        CONFIGURATION.clone_into(&mut tree.relations[0].module);
        Ok(tree)
    }

    /// The tree without what stands at `places` (files, and folders with all that is in them), by whatever name it is met:
    /// databases, which a reader beside SQLite would rob of their locks, and vaults and homes, which are no data of an app.
    #[must_use]
    pub fn without(self, places: &[PathBuf]) -> Self {
        Self { apart: Marks::of(places), ..self }
    }

    /// The folder it stands in.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }
}

impl Snapshot for Tree {
    fn identity(&self) -> Identity {
        // Where a single file is meant, its folder is the place: names are put in place and taken away there.
        let marks = self.only.as_deref().map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default();
        Identity { engine: "files".into(), place: self.root.to_string_lossy().into_owned(), marks }
    }

    fn relations(&self) -> &[Relation] {
        &self.relations
    }

    fn definition(&self) -> Result<Definition> {
        Ok(Definition::default())
    }

    fn references(&self) -> &[Reference] {
        &[]
    }

    fn uniques(&self) -> &[Unique] {
        &[]
    }

    /// A tree has no moment of its own: each file is read as it is when its turn comes.
    fn consistency(&self) -> serde_json::Value {
        serde_json::json!({ "moment": "each file when it is read" })
    }

    fn scan(&self, relation: &Relation, content: &dyn Content, each: &mut dyn FnMut(Row) -> ControlFlow<()>) -> Result<Vec<Unread>> {
        if relation.name != self.relations[0].name {
            return Err(Error::Missing { what: format!("the tree “{}”", relation.name) });
        }
        walk::Walk::new(self, content)?.run(each)
    }

    fn left_out(&self) -> Vec<String> {
        self.left_out.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn entry(&self, path: &[u8], content: &dyn Content) -> Result<Option<Row>> {
        if relation::is_inside(path) {
            return walk::entry(self, content, path);
        }
        Err(Error::Unfit { model: self.relations[0].name.clone(), why: "a path leads out of the tree".into() })
    }

    fn covers(&self, row: &Row) -> bool {
        let left_out = |path: &[u8]| self.exclude.takes(path, relation::is_folder(row)) || self.apart.take(&self.root, path);
        !relation::path_of(row).is_some_and(left_out)
    }
}
