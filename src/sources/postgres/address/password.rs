//! Where a password comes from: `PGPASSWORD`, a service file, or a password file such as `~/.pgpass`. None is kept.

use std::fmt;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::surroundings::Surroundings;
use super::target::{Place, Target};

/// Where a password was found, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The variable PGPASSWORD.
    Variable,
    /// A service file.
    Service(PathBuf),
    /// A password file.
    File(PathBuf),
    /// None: the password file has no line for this database.
    NoLine(PathBuf),
    /// None: the password file does not exist.
    NoFile(PathBuf),
    /// None: others may read the password file, so it is not used.
    Loose(PathBuf),
    /// None: the password file cannot be read.
    Unreadable(PathBuf, String),
    /// None: there is not even a home folder to look in.
    Nowhere,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable => write!(f, "the variable PGPASSWORD"),
            Self::Service(path) | Self::File(path) => write!(f, "{}", path.display()),
            Self::NoLine(path) => write!(f, "{} has no line for it", path.display()),
            Self::NoFile(path) => write!(f, "{} does not exist", path.display()),
            Self::Loose(path) => write!(f, "{} is not used, as others than its owner may read it", path.display()),
            Self::Unreadable(path, why) => write!(f, "{} cannot be read: {why}", path.display()),
            Self::Nowhere => write!(f, "there is no home folder with a .pgpass"),
        }
    }
}

/// A password, where there is one, and where it comes from.
pub(in crate::sources::postgres) struct Password {
    pub(in crate::sources::postgres) bytes: Option<Zeroizing<Vec<u8>>>,
    pub(in crate::sources::postgres) origin: Origin,
}

/// The password of `target` at `place`.
pub(in crate::sources::postgres) fn find(target: &Target, place: &Place, surroundings: &Surroundings) -> Password {
    if let Some((password, path)) = &target.password {
        return Password { bytes: Some(Zeroizing::new(password.as_bytes().to_vec())), origin: Origin::Service(path.clone()) };
    }
    if let Some(password) = surroundings.bytes("PGPASSWORD") {
        return Password { bytes: Some(Zeroizing::new(password.as_bytes().to_vec())), origin: Origin::Variable };
    }
    let Some(path) = target.passfile.clone() else { return Password { bytes: None, origin: Origin::Nowhere } };
    let (bytes, origin) = match read(&path) {
        Err(origin) => (None, origin),
        Ok(text) => match line_for(&text, &[&place.pass_name(), &place.port.to_string(), &target.database, &target.user]) {
            Some(password) => (Some(password), Origin::File(path)),
            None => (None, Origin::NoLine(path)),
        },
    };
    Password { bytes, origin }
}

/// The text of a password file that only its owner can read.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Origin> {
    let unreadable = |why: String| Origin::Unreadable(path.to_owned(), why);
    let told = |why: std::io::Error| match why.kind() {
        ErrorKind::NotFound => Origin::NoFile(path.to_owned()),
        _ => unreadable(why.to_string()),
    };
    let facts = fs::metadata(path).map_err(told)?;
    if !facts.is_file() {
        return Err(unreadable("it is no plain file".into()));
    }
    if facts.mode() & 0o077 != 0 {
        return Err(Origin::Loose(path.to_owned()));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(facts.len() as usize + 1));
    File::open(path).and_then(|mut file| file.read_to_end(&mut text)).map_err(told)?;
    Ok(text)
}

/// The password of the first line whose four fields are `wanted` or `*`.
fn line_for(text: &[u8], wanted: &[&str; 4]) -> Option<Zeroizing<Vec<u8>>> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"#")).find_map(|line| {
        let mut rest = line.strip_suffix(b"\r").unwrap_or(line);
        for wanted in wanted {
            let field;
            (field, rest) = cut(rest)?;
            if field != b"*" && *plain(field) != wanted.as_bytes() {
                return None;
            }
        }
        // A colon in the password may stand bare: it is the last field.
        (!rest.is_empty()).then(|| plain(rest))
    })
}

/// A line's first field, still escaped, and what follows its colon.
fn cut(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut escaped = false;
    for (at, byte) in line.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b':' => return Some((&line[..at], &line[at + 1..])),
            _ => {}
        }
    }
    None
}

/// A field without its backslashes.
fn plain(field: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(field.len()));
    let mut rest = field.iter();
    while let Some(byte) = rest.next() {
        bytes.push(if *byte == b'\\' { *rest.next().unwrap_or(byte) } else { *byte });
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, wanted: [&str; 4]) -> Option<String> {
        line_for(text.as_bytes(), &wanted).map(|password| String::from_utf8(password.to_vec()).unwrap())
    }

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let text = "#db:5432:school:ada:comment\n\nnot a line\ndb:5432:school:bob:no\ndb:*:*:ada:first\r\n*:*:*:ada:second\n";
        assert_eq!(found(text, ["db", "5432", "school", "ada"]).as_deref(), Some("first"));
        assert_eq!(found(text, ["other", "5432", "school", "ada"]).as_deref(), Some("second"));
        assert_eq!(found(text, ["db", "5433", "school", "bob"]), None);
    }

    #[test]
    fn colons_and_backslashes_are_escaped() {
        let text = r"fe80\:\:1:5432:a\\b:\*:p\:a\\s:s";
        assert_eq!(found(text, ["fe80::1", "5432", r"a\b", "*"]).as_deref(), Some(r"p:a\s:s"));
        assert_eq!(found(text, ["fe80::1", "5432", r"a\b", "ada"]), None);
        assert_eq!(found("db:1:d:u:", ["db", "1", "d", "u"]), None);
    }
}
