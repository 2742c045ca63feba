//! A tree of files as a relation: one row an entry, its key the path below the root.
//!
//! [`Tree`] reads one, [`create`] fills a new folder from rows, [`Apply`] changes a live tree all at once.
//! Nothing here follows a symbolic link out of the root: every folder is opened name by name.

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

pub use apply::{Applied, Apply, Left, Operation, Sealed, State, discard, roll_forward, state};
pub use create::create;
pub use exclude::Exclude;
pub use relation::relation;

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
    definition: Definition,
    exclude: Exclude,
    one_file_system: bool,
    /// The one name below the root that is read, where a single file is meant.
    only: Option<Vec<u8>>,
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
        Ok(Self { root, relations: [relation(label)], definition: Definition::default(), exclude, one_file_system, only: None })
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

    /// The folder it stands in.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }
}

impl Snapshot for Tree {
    fn identity(&self) -> Identity {
        let name = self.only.as_deref().map(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes);
        let place = name.map_or_else(|| self.root.clone(), |name| self.root.join(name));
        Identity { engine: "files".into(), place: place.to_string_lossy().into_owned(), marks: String::new() }
    }

    fn relations(&self) -> &[Relation] {
        &self.relations
    }

    fn definition(&self) -> &Definition {
        &self.definition
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
}
