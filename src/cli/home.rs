//! Where the home is: `--home`, `$BACKSTOP_HOME`, the machine's, else the person's own.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Explain, Status};

/// The home of the machine, shared by the group `backstop`.
pub const SYSTEM_HOME: &str = "/var/lib/backstop";

/// Why no home can be named.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine's home is there, but not for this user.
    #[error("{} is the home of this machine, and this user may not read it: {why}", home.display())]
    NotOurs {
        /// The home.
        home: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// There is a file where the home should be.
    #[error("{} cannot be the home: it is not a folder", home.display())]
    NotAFolder {
        /// The path given.
        home: PathBuf,
    },
    /// Nothing says where the user's files are.
    #[error("there is no home to use: neither --home, BACKSTOP_HOME, XDG_DATA_HOME nor HOME is set")]
    Nowhere,
}

impl Explain for Error {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotOurs { .. } => {
                "join the group `backstop` (sudo usermod -aG backstop $USER, then log in again), use sudo, or name another home with --home DIR"
                    .to_owned()
            }
            Self::NotAFolder { .. } | Self::Nowhere => "name a folder with --home DIR or in BACKSTOP_HOME".to_owned(),
        })
    }

    fn status(&self) -> Status {
        match self {
            Self::NotOurs { .. } => Status::Refused,
            Self::NotAFolder { .. } | Self::Nowhere => Status::Usage,
        }
    }
}

/// What the choice of a home depends on, besides `--home`.
pub struct Surroundings<'a> {
    /// Reads a variable of the environment.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// Where the machine's home stands.
    pub system_home: &'a Path,
    /// Whether this is root.
    pub root: bool,
}

impl Surroundings<'_> {
    /// Chooses the home. It need not exist: [`prepare`] makes it.
    pub fn home(&self, given: Option<&Path>) -> Result<PathBuf, Error> {
        let home = self.choose(given)?;
        match fs::read_dir(&home) {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(Error::NotAFolder { home }),
            _ => Ok(home),
        }
    }

    fn choose(&self, given: Option<&Path>) -> Result<PathBuf, Error> {
        if let Some(home) = given.map(Path::to_path_buf).or_else(|| self.path("BACKSTOP_HOME")) {
            return Ok(home);
        }
        match fs::read_dir(self.system_home) {
            Ok(_) => return Ok(self.system_home.to_path_buf()),
            Err(why) if why.kind() == io::ErrorKind::PermissionDenied => {
                return Err(Error::NotOurs { home: self.system_home.to_path_buf(), why });
            }
            Err(_) if self.root => return Ok(self.system_home.to_path_buf()),
            Err(_) => {}
        }
        // XDG: a relative path there is invalid and to be ignored.
        let data = self.path("XDG_DATA_HOME").filter(|path| path.is_absolute());
        let data = data.or_else(|| self.path("HOME").map(|home| home.join(".local/share")));
        data.map(|data| data.join("backstop")).ok_or(Error::Nowhere)
    }

    fn path(&self, variable: &str) -> Option<PathBuf> {
        (self.variable)(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
    }
}

/// Makes the home where it is not: 0700 for a person's own, 2770 for the machine's (its group sees the same catalog).
pub fn prepare(home: &Path, system_home: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    if home.is_dir() {
        return Ok(());
    }
    if let Some(parent) = home.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::DirBuilder::new().mode(0o700).create(home)?;
    if home == system_home {
        fs::set_permissions(home, fs::Permissions::from_mode(0o2770))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(given: Option<&str>, variables: &[(&str, &str)], system_home: &Path, root: bool) -> Result<PathBuf, Error> {
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        Surroundings { variable: &variable, system_home, root }.home(given.map(Path::new))
    }

    #[test]
    fn the_first_that_is_set_wins() {
        let folder = tempfile::tempdir().unwrap();
        let none = folder.path().join("none");
        let all = [("BACKSTOP_HOME", "/b"), ("XDG_DATA_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(chosen(Some("/given"), &all, folder.path(), false).unwrap(), Path::new("/given"));
        assert_eq!(chosen(None, &all, folder.path(), false).unwrap(), Path::new("/b"));
        assert_eq!(chosen(None, &all[1..], folder.path(), false).unwrap(), folder.path());
        assert_eq!(chosen(None, &all[1..], &none, false).unwrap(), Path::new("/x/backstop"));
        assert_eq!(chosen(None, &all[2..], &none, false).unwrap(), Path::new("/h/.local/share/backstop"));
        assert_eq!(chosen(None, &all[1..], &none, true).unwrap(), none);
        assert!(matches!(chosen(None, &[("XDG_DATA_HOME", "relative")], &none, false), Err(Error::Nowhere)));
    }

    #[test]
    fn a_file_is_no_home() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = chosen(Some(file.path().to_str().unwrap()), &[], Path::new("/none"), false).unwrap_err();
        assert!(matches!(error, Error::NotAFolder { .. }));
        assert_eq!(error.status(), Status::Usage);
    }

    #[test]
    fn a_home_that_is_not_ours_names_the_group_and_sudo() {
        let error = Error::NotOurs { home: SYSTEM_HOME.into(), why: io::ErrorKind::PermissionDenied.into() };
        let hint = error.hint().unwrap();
        assert!(hint.contains("group `backstop`") && hint.contains("sudo"));
        assert_eq!(error.status(), Status::Refused);
    }

    #[test]
    fn a_persons_own_home_is_made_for_them_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let own = folder.path().join("share/backstop");
        prepare(&own, Path::new(SYSTEM_HOME)).unwrap();
        prepare(&own, Path::new(SYSTEM_HOME)).unwrap();
        assert_eq!(mode(&own), 0o700);
        let system = folder.path().join("system");
        prepare(&system, &system).unwrap();
        assert_eq!(mode(&system), 0o2770);
    }
}
