//! Runs the real binary with a home of its own and nothing of the tester's environment.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The passphrase of every vault in these tests.
pub const PASSPHRASE: &str = "a passphrase for tests only";

/// A folder with a home in it; gone when dropped.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// The binary with `arguments`, in this home.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_backstop"));
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.folder.path()).env("LANG", "C.UTF-8").env("TERM", "xterm-256color");
        command.env("BACKSTOP_HOME", self.home()).env("BACKSTOP_PASSPHRASE", PASSPHRASE);
        command.stdin(std::process::Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs it, expects `status`, and gives standard output.
    pub fn expect(&self, status: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(status), "backstop {arguments:?}\n{out}\n{err}");
        out.into_owned()
    }

    /// Runs it with `--json`, expects success, and gives the document.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let mut with_json = arguments.to_vec();
        with_json.push("--json");
        serde_json::from_str(&self.expect(0, &with_json)).unwrap()
    }

    /// A vault in one location and an app on `database`.
    pub fn protect(&self, name: &str, database: &Path) {
        let location = self.path("vault");
        self.expect(0, &["vault", "init", "--location", location.to_str().unwrap()]);
        self.expect(0, &["app", "add", name, "--database", &format!("sqlite:{}", database.display())]);
    }
}
