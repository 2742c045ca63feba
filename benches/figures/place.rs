//! Where a measurement happens: folders, and the programs that are run in them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A number from the environment.
pub fn setting(name: &str, otherwise: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a whole number, not {text}")))
}

/// The folder that everything is written to.
pub struct Place {
    root: PathBuf,
    _own: Option<tempfile::TempDir>,
}

impl Place {
    pub fn new() -> Self {
        if let Some(given) = std::env::var_os("BENCH_DIR") {
            let root = std::path::absolute(given).unwrap();
            std::fs::create_dir_all(&root).unwrap();
            return Self { root, _own: None };
        }
        let own = tempfile::Builder::new().prefix("backstop-figures-").tempdir().unwrap();
        Self { root: own.path().to_owned(), _own: Some(own) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// An empty folder: what an earlier round left is removed.
    pub fn fresh(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        if path.exists() {
            std::fs::remove_dir_all(&path).unwrap();
        }
        std::fs::create_dir_all(&path).unwrap();
        path
    }
}

/// Backstop with a home of its own and nothing of the caller's environment.
pub fn backstop(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("BENCH_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_backstop").into()));
    command.args(arguments).env_clear();
    command
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("LANG", "C.UTF-8")
        .env("TERM", "xterm-256color");
    command.env("BACKSTOP_HOME", home).env("BACKSTOP_PASSPHRASE", "a passphrase for figures only");
    command
}

pub fn program(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments);
    command
}

pub fn is_installed(name: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

/// Bytes of all files below `path`.
pub fn size_of(path: &Path) -> u64 {
    let metadata = std::fs::symlink_metadata(path).unwrap();
    if !metadata.is_dir() {
        return metadata.len();
    }
    std::fs::read_dir(path).unwrap().map(|entry| size_of(&entry.unwrap().path())).sum()
}
