//! `backstop vault keys`: what opens a vault; and the words of a recovery key, kept before they open anything.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::Which;
use crate::cli::output::Failure;
use crate::cli::secrets::{Purpose, from_file};
use crate::cli::session::{Ended, Session};
use crate::cli::start::Questions;
use crate::cli::table::{Align, Table};
use crate::error::Status;
use crate::vault::{KeySlot, RecoveryWords, Secret};

/// `backstop vault keys …`.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// List the keys that open it.
    List(Which),
    /// Add a passphrase, or a key file of this machine so that scheduled backups need none.
    Add(Add),
    /// Remove a key; it opens nothing any more.
    Remove(Remove),
    /// Put a new passphrase in the place of the one that is given.
    Change(Change),
    /// Make a new recovery key in the place of the old one.
    Recovery(Recovery),
}

/// `backstop vault keys add`.
#[derive(Clone, Debug, Args)]
pub struct Add {
    /// The vault.
    #[command(flatten)]
    pub which: Which,
    /// Make a key file for this machine, in the home's keys/.
    #[arg(long, conflicts_with = "new_passphrase_file")]
    pub key_file: bool,
    /// Read the new passphrase from a file [default: a prompt].
    #[arg(long, value_name = "FILE")]
    pub new_passphrase_file: Option<PathBuf>,
}

/// `backstop vault keys remove`.
#[derive(Clone, Debug, Args)]
pub struct Remove {
    /// The key's id or its beginning.
    pub id: String,
    /// The vault.
    #[command(flatten)]
    pub which: Which,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// `backstop vault keys change`.
#[derive(Clone, Debug, Args)]
pub struct Change {
    /// The vault.
    #[command(flatten)]
    pub which: Which,
    /// Read the new passphrase from a file [default: a prompt].
    #[arg(long, value_name = "FILE")]
    pub new_passphrase_file: Option<PathBuf>,
}

/// `backstop vault keys recovery`.
#[derive(Clone, Debug, Args)]
pub struct Recovery {
    /// The vault.
    #[command(flatten)]
    pub which: Which,
    /// Write the words to this new file [default: shown once on the terminal].
    #[arg(long, value_name = "FILE")]
    pub recovery_file: Option<PathBuf>,
}

impl Session<'_> {
    /// `backstop vault keys …`.
    pub(super) fn vault_keys(&mut self, keys: &Keys) -> Ended {
        let which = match keys {
            Keys::List(which) => which,
            Keys::Add(add) => &add.which,
            Keys::Remove(remove) => &remove.which,
            Keys::Change(change) => &change.which,
            Keys::Recovery(recovery) => &recovery.which,
        };
        let vault = self.engine.vault_name(which.vault.as_deref())?;
        match keys {
            Keys::List(_) => {}
            Keys::Add(add) if add.key_file => drop(self.engine.add_machine_key(&vault)?),
            Keys::Add(add) => {
                let new = self.new_passphrase(&vault, add.new_passphrase_file.as_deref())?;
                self.engine.add_passphrase(&vault, &new)?;
            }
            Keys::Remove(remove) => {
                self.confirm(&format!("Remove the key {} of the vault {vault}?", remove.id), remove.yes)?;
                self.engine.remove_key(&vault, &remove.id)?;
            }
            Keys::Change(change) => {
                let old = Secret::new(self.common.passphrase(&vault, Purpose::Open)?.to_string());
                let new = self.new_passphrase(&vault, change.new_passphrase_file.as_deref())?;
                self.engine.change_passphrase(&vault, &old, &new)?;
            }
            Keys::Recovery(recovery) => self.make_recovery(&vault, recovery.recovery_file.as_deref())?,
        }
        let slots = self.engine.keys(&vault)?;
        self.keys_table(&slots)
    }

    fn keys_table(&mut self, slots: &[KeySlot]) -> Ended {
        self.output.list(slots, "it has no keys", |slots| {
            let mut table = Table::new(&[("id", Align::Left), ("kind", Align::Left), ("made", Align::Left)]);
            for slot in slots {
                table.row([slot.id.as_str(), slot.kind.words(), slot.created_at.as_str()]);
            }
            table
        })?;
        Ok(Status::Done)
    }

    fn new_passphrase(&self, vault: &str, file: Option<&Path>) -> Result<Secret, Failure> {
        let typed = match file {
            Some(file) => from_file(file)?,
            None => self.common.prompted(vault, Purpose::New)?,
        };
        Ok(Secret::new(typed.to_string()))
    }

    /// Makes a recovery key: its words are kept first, by a file or by the person at the terminal, and open the vault only then.
    pub(super) fn make_recovery(&mut self, vault: &str, file: Option<&Path>) -> Result<(), Failure> {
        let words = RecoveryWords::generate()?;
        match file {
            Some(file) => write_words(file, &words)?,
            None if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() => ask_back(&words)?,
            None => {
                let message = "a recovery key must be kept, and there is no terminal to show it on";
                return Err(Failure::new(Status::Refused, message).hint("give --recovery-file FILE"));
            }
        }
        self.engine.set_recovery(vault, &words)?;
        Ok(())
    }
}

/// Shows the words once, and asks two of them back.
fn ask_back(words: &RecoveryWords) -> Result<(), Failure> {
    let words = words.words();
    let mut stderr = std::io::stderr();
    writeln!(stderr, "The recovery key opens the vault when the passphrase is lost. It is shown this once; write it down:\n")?;
    for (row, line) in words.chunks(6).enumerate() {
        let numbered: Vec<String> = line.iter().enumerate().map(|(at, word)| format!("{:>2} {word:<9}", row * 6 + at + 1)).collect();
        writeln!(stderr, "  {}", numbered.join(" "))?;
    }
    writeln!(stderr)?;
    let mut stdin = std::io::stdin().lock();
    for place in asked_places() {
        let mut questions = Questions { answers: Some(&mut stdin), asked: &mut stderr };
        let answer = questions.line(&format!("Word {}:", place + 1))?;
        if answer.is_none_or(|answer| !answer.eq_ignore_ascii_case(words[place])) {
            let message = format!("that is not word {}; no recovery key was made", place + 1);
            return Err(Failure::new(Status::Refused, message).hint("make one when you can write it down: backstop vault keys recovery"));
        }
    }
    Ok(())
}

/// Two different places among the 24, others each time.
fn asked_places() -> [usize; 2] {
    let [first, second] = uuid::Uuid::now_v7().as_bytes()[14..16] else { return [4, 18] };
    let first = usize::from(first) % 24;
    [first, (first + 1 + usize::from(second) % 23) % 24]
}

fn new_private_file(path: &Path) -> Result<std::fs::File, Failure> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|why| {
        Failure::new(Status::Failed, format!("the recovery file {} cannot be made: {why}", path.display()))
            .hint("name a file that does not exist yet, in a folder you may write")
    })
}

/// Writes the words to a new file that only its owner reads.
pub(super) fn write_words(path: &Path, words: &RecoveryWords) -> Result<(), Failure> {
    let mut file = new_private_file(path)?;
    let text = zeroize::Zeroizing::new(format!("{}\n", words.words().join(" ")));
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all())?;
    Ok(())
}
