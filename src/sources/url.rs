//! Names of databases as people write them: `sqlite:PATH`.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{Error, Result};

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Url {
    /// A SQLite file.
    Sqlite(PathBuf),
}

impl Url {
    /// Reads `sqlite:PATH`; a relative path starts at the current folder.
    ///
    /// # Errors
    /// [`Error::Url`] for every other scheme and for a SQLite database without a file; the URL in it has lost its password.
    pub fn parse(url: &str) -> Result<Self> {
        let refused = || Error::Url { url: without_secrets(url) };
        let (scheme, path) = url.split_once(':').ok_or_else(refused)?;
        if !scheme.eq_ignore_ascii_case("sqlite") || path.is_empty() || path.starts_with(":memory:") || path.contains('\0') {
            return Err(refused());
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }

    /// The file, where the database is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

/// The URL with what stands between `:` and `@` of its authority taken out, and without its query, which may hold a password too.
fn without_secrets(url: &str) -> String {
    let url = url.split_once('?').map_or(url, |(before, _)| before);
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    match rest.rsplit_once('@') {
        Some((user, place)) => format!("{scheme}://{}@{place}", user.split(':').next().unwrap_or_default()),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_url_names_a_file() {
        assert_eq!(Url::parse("sqlite:db.sqlite3").unwrap(), Url::Sqlite("db.sqlite3".into()));
        assert_eq!(Url::parse("sqlite:/srv/a b?.db").unwrap().path(), Some(Path::new("/srv/a b?.db")));
        assert_eq!(Url::parse("SQLite:x").unwrap().to_string(), "sqlite:x");
    }

    #[test]
    fn other_schemes_are_refused_and_lose_their_password() {
        for (url, shown) in [
            ("postgresql://ada:s3cret@db:5432/app?password=x", "postgresql://ada@db:5432/app"),
            ("mysql://u:p@ss@host/d", "mysql://u@host/d"),
            ("sqlite:", "sqlite:"),
            ("sqlite::memory:", "sqlite::memory:"),
            ("db.sqlite3", "db.sqlite3"),
        ] {
            let Err(Error::Url { url }) = Url::parse(url) else { panic!("{url} was taken") };
            assert_eq!(url, shown);
        }
    }
}
