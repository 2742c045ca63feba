//! Names of databases as people write them: `sqlite:PATH`, `postgresql://USER@HOST/DATABASE`.

use std::fmt;
use std::path::{Path, PathBuf};

use super::postgres::Address;
use super::{Error, Result};

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Url {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A database of a PostgreSQL server.
    Postgres(Address),
}

impl Url {
    /// Reads `sqlite:PATH`, where a relative path starts at the current folder, or a PostgreSQL URL as [`Address::parse`] does.
    ///
    /// # Errors
    /// [`Error::Url`] for every other scheme and for a SQLite database without a file; [`Error::Address`] for a PostgreSQL URL
    /// that cannot be used. The URL in it has lost its password.
    pub fn parse(url: &str) -> Result<Self> {
        let refused = || Error::Url { url: without_secrets(url) };
        let (scheme, path) = url.split_once(':').ok_or_else(refused)?;
        if ["postgresql", "postgres"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Address::parse(url).map(Self::Postgres);
        }
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
            Self::Postgres(_) => None,
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(address) => address.fmt(f),
        }
    }
}

/// The URL without its query, and without what stands between `:` and `@`: either may hold a password.
///
/// It is for URLs that could not be read, so it rather takes away too much: a bare `?` in a password does not show the rest of it.
pub(super) fn without_secrets(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => url.split_once(':').map_or((String::new(), url), |(scheme, rest)| (format!("{scheme}:"), rest)),
    };
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    if let Some((user, place)) = before.rsplit_once('@') {
        return format!("{scheme}{}@{place}", user.split(':').next().unwrap_or_default());
    }
    let (host, port) = before.split_once(':').unwrap_or((before, ""));
    if scheme.ends_with("//") && query.contains('@') && !port.starts_with(|first: char| first.is_ascii_digit()) {
        return format!("{scheme}{host}");
    }
    format!("{scheme}{before}")
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
            ("postgre://ada:s3cret@db:5432/app?password=x", "postgre://ada@db:5432/app"),
            ("postgre://db:5432/app?user=a@b&password=x", "postgre://db:5432/app"),
            ("postgre://ada:s3?cret@db/app", "postgre://ada"),
            ("postgre:ada:s3cret@db/app", "postgre:ada@db/app"),
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
