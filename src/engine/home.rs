//! The home: where the catalog, the digest cache, plans and keys of this machine stand.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A home folder and what stands in it.
#[derive(Clone, Debug)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// The home at `root`; nothing is made yet.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The catalog's file.
    #[must_use]
    pub fn catalog(&self) -> PathBuf {
        self.root.join("catalog.db")
    }

    /// The digest cache.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// Plans and their spools.
    #[must_use]
    pub fn plans(&self) -> PathBuf {
        self.root.join("plans")
    }

    /// Key files of this machine.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// The journals of restores that change files.
    #[must_use]
    pub fn journals(&self) -> PathBuf {
        self.root.join("journals")
    }

    /// Private files that live as long as a job.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        self.root.join("scratch")
    }

    /// The file that whoever judges dead restores holds locked.
    #[must_use]
    pub fn judging(&self) -> PathBuf {
        self.root.join("judging.lock")
    }

    /// True where a catalog stands.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.catalog().exists()
    }

    /// Makes the folders, readable by nobody else; an existing root keeps its mode.
    ///
    /// # Errors
    /// What the file system says.
    pub fn make(&self) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        for folder in [self.root.clone(), self.cache(), self.plans(), self.keys(), self.scratch()] {
            builder.create(&folder)?;
        }
        fs::set_permissions(self.keys(), fs::Permissions::from_mode(0o700))
    }
}
