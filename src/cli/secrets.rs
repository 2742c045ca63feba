//! The vault's passphrase: from a file, the environment or a prompt; never an argument, never shown, wiped after use.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::{Explain, Status};

/// A secret that is wiped when it is dropped.
pub type Passphrase = Zeroizing<String>;

/// Longer than any passphrase or key file, shorter than a file named by mistake.
const LONGEST: u64 = 64 * 1024;

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("the passphrase file {} cannot be read: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// What is there cannot be a passphrase.
    #[error("the passphrase in {place} cannot be used: {why}")]
    Unusable {
        /// Where it comes from.
        place: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// None is given and nobody can be asked.
    #[error("a passphrase is needed, none is given, and there is no terminal to ask on")]
    NoneGiven,
    /// The two that were typed differ.
    #[error("the two passphrases differ")]
    Differ,
    /// The prompt was left.
    #[error("no passphrase was typed: {0}")]
    Prompt(io::Error),
}

impl Explain for Error {
    fn hint(&self) -> Option<String> {
        let ways = "give --passphrase-file FILE, or set BACKSTOP_PASSPHRASE_FILE or BACKSTOP_PASSPHRASE";
        Some(match self {
            Self::File { .. } | Self::Unusable { .. } => "the file holds the passphrase alone, as one line of UTF-8 text".to_owned(),
            Self::NoneGiven | Self::Prompt(_) => ways.to_owned(),
            Self::Differ => "start again; nothing was made".to_owned(),
        })
    }

    fn status(&self) -> Status {
        match self {
            Self::Prompt(why) if why.kind() == io::ErrorKind::Interrupted => Status::Interrupted,
            Self::NoneGiven | Self::Unusable { .. } | Self::Differ | Self::Prompt(_) => Status::Usage,
            Self::File { .. } => Status::Failed,
        }
    }
}

/// Whether the passphrase opens something or is a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It opens a vault that exists: asked for once.
    Open,
    /// It is set for a new vault: asked for twice.
    New,
}

/// Asks a question and gives back what was typed.
pub type Ask<'a> = dyn Fn(&str) -> io::Result<String> + 'a;

/// The ways to a passphrase, in their order.
pub struct Ways<'a> {
    /// `--passphrase-file`.
    pub file: Option<&'a Path>,
    /// Reads a variable of the environment.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// Asks on the terminal, where there is one.
    pub ask: Option<&'a Ask<'a>>,
}

impl Ways<'_> {
    /// The passphrase by the first way that is set.
    pub fn passphrase(&self, vault: &str, purpose: Purpose) -> Result<Passphrase, Error> {
        let named = self.file.map(Path::to_path_buf).or_else(|| self.set("BACKSTOP_PASSPHRASE_FILE").map(PathBuf::from));
        if let Some(path) = named {
            return from_file(&path);
        }
        if let Some(value) = self.set("BACKSTOP_PASSPHRASE") {
            let place = "BACKSTOP_PASSPHRASE";
            let value = value.into_string().map_err(|_| Error::Unusable { place: place.to_owned(), why: "it is not UTF-8" })?;
            return usable(Zeroizing::new(value), place);
        }
        self.prompt(vault, purpose)
    }

    /// What is typed at a prompt, whatever else is set.
    ///
    /// # Errors
    /// There is no terminal, or what is typed can be none.
    pub fn prompt(&self, vault: &str, purpose: Purpose) -> Result<Passphrase, Error> {
        let ask = self.ask.ok_or(Error::NoneGiven)?;
        let typed = |question: &str| ask(question).map(Zeroizing::new).map_err(Error::Prompt);
        let first = typed(&format!("Passphrase of the vault {vault}: "))?;
        if purpose == Purpose::New && *typed("The same again: ")? != *first {
            return Err(Error::Differ);
        }
        usable(first, "the prompt")
    }

    fn set(&self, variable: &str) -> Option<OsString> {
        (self.variable)(variable).filter(|value| !value.is_empty())
    }
}

/// Asks on the terminal without showing what is typed.
pub fn ask_on_terminal(question: &str) -> io::Result<String> {
    rpassword::prompt_password(question)
}

/// The passphrase that a file holds.
///
/// # Errors
/// It cannot be read, or what is in it can be none.
pub fn from_file(path: &Path) -> Result<Passphrase, Error> {
    let place = path.display().to_string();
    let mut text = Zeroizing::new(String::new());
    let read = File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text));
    match read {
        Err(why) if why.kind() == io::ErrorKind::InvalidData => return Err(Error::Unusable { place, why: "it is not UTF-8" }),
        Err(why) => return Err(Error::File { path: path.to_path_buf(), why }),
        Ok(_) if text.len() as u64 > LONGEST => return Err(Error::Unusable { place, why: "it is longer than 64 KiB" }),
        Ok(_) => {}
    }
    // Editors end a file with a line break; it is not part of what was meant.
    let end = text.strip_suffix('\n').map_or(text.len(), |line| line.strip_suffix('\r').unwrap_or(line).len());
    text.truncate(end);
    usable(text, &place)
}

fn usable(passphrase: Passphrase, place: &str) -> Result<Passphrase, Error> {
    if passphrase.is_empty() { Err(Error::Unusable { place: place.to_owned(), why: "it is empty" }) } else { Ok(passphrase) }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::Write;

    use super::*;

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file
    }

    fn obtained(path: Option<&Path>, variables: &[(&str, &str)], typed: &[&str], purpose: Purpose) -> Result<String, Error> {
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        let answers = RefCell::new(typed.iter());
        let ask = |_: &str| answers.borrow_mut().next().map(ToString::to_string).ok_or_else(|| io::ErrorKind::UnexpectedEof.into());
        let ask: Option<&Ask<'_>> = if typed.is_empty() { None } else { Some(&ask) };
        Ways { file: path, variable: &variable, ask }.passphrase("main", purpose).map(|secret| secret.to_string())
    }

    #[test]
    fn the_first_way_that_is_set_wins() {
        let (given, named) = (file(b"given\n"), file(b"named\r\n"));
        let variables = [("BACKSTOP_PASSPHRASE_FILE", named.path().to_str().unwrap()), ("BACKSTOP_PASSPHRASE", "variable")];
        assert_eq!(obtained(Some(given.path()), &variables, &["typed"], Purpose::Open).unwrap(), "given");
        assert_eq!(obtained(None, &variables, &["typed"], Purpose::Open).unwrap(), "named");
        assert_eq!(obtained(None, &variables[1..], &["typed"], Purpose::Open).unwrap(), "variable");
        assert_eq!(obtained(None, &[], &["typed"], Purpose::Open).unwrap(), "typed");
    }

    #[test]
    fn a_new_passphrase_is_typed_twice() {
        assert_eq!(obtained(None, &[], &["a b", "a b"], Purpose::New).unwrap(), "a b");
        assert!(matches!(obtained(None, &[], &["a", "b"], Purpose::New), Err(Error::Differ)));
    }

    #[test]
    fn without_a_terminal_the_ways_to_give_one_are_named() {
        let error = obtained(None, &[], &[], Purpose::New).unwrap_err();
        assert_eq!(error.status(), Status::Usage);
        let hint = error.hint().unwrap();
        assert!(hint.contains("--passphrase-file") && hint.contains("BACKSTOP_PASSPHRASE_FILE"));
    }

    #[test]
    fn blanks_inside_belong_to_the_passphrase_and_one_line_end_does_not() {
        let given = file(b" two  words \n\n");
        assert_eq!(obtained(Some(given.path()), &[], &[], Purpose::Open).unwrap(), " two  words \n");
    }

    #[test]
    fn no_error_shows_what_was_read() {
        for content in [&b""[..], b"\n", b"se\xffcret", &[b's'; 70_000]] {
            let given = file(content);
            let error = obtained(Some(given.path()), &[], &[], Purpose::Open).unwrap_err();
            assert!(matches!(error, Error::Unusable { .. }));
            assert!(!format!("{error} {error:?}").contains("cret"));
        }
    }
}
