//! From the arguments of the process to a command that can run: help, unusable arguments and what needs no engine end here.

use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::args::{Cli, Command, Common, Parsed, parse};
use super::home::{self, Surroundings};
use super::output::{Failure, Output, Style};
use super::secrets::{self, Passphrase, Purpose, Ways};
use crate::error::Status;

/// What the arguments ask for.
#[derive(Debug)]
pub enum Start {
    /// All is done (help was printed, a completion script, an error); the process ends so.
    Ended(Status),
    /// A command for the engine or the console.
    Command(Box<Cli>),
}

/// Reads the arguments of the process, the program's name first, and does what needs no engine.
///
/// # Errors
/// Standard output or standard error cannot be written.
pub fn start(arguments: &[OsString], out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Start> {
    let cli = match parse(arguments) {
        Parsed::Run(cli) => cli,
        Parsed::Text(text) => {
            Output::new(Style::default(), out, err).lines(&[text.trim_end()])?;
            return Ok(Start::Ended(Status::Done));
        }
        Parsed::Unusable(failure, json) => {
            Output::new(Style { json, ..Style::default() }, out, err).failure(&failure)?;
            return Ok(Start::Ended(failure.status));
        }
    };
    match &cli.command {
        Some(Command::Completions(completions)) => {
            Output::new(Style::default(), out, err).lines(&[String::from_utf8_lossy(&completions.script()).trim_end()])?;
            Ok(Start::Ended(Status::Done))
        }
        Some(Command::Man(man)) => {
            let mut output = Output::new(cli.common.style(), out, err);
            match man.write() {
                Ok(()) => output.note(&format!("the man pages are in {}", man.dir.display()))?,
                Err(why) => {
                    let message = format!("the man pages cannot be written to {}: {why}", man.dir.display());
                    output.failure(&Failure::new(Status::Failed, message).hint("name a folder that you may write"))?;
                    return Ok(Start::Ended(Status::Failed));
                }
            }
            Ok(Start::Ended(Status::Done))
        }
        _ => Ok(Start::Command(cli)),
    }
}

impl Common {
    /// How results and messages are written in this process's surroundings.
    #[must_use]
    pub fn style(&self) -> Style {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Style {
            json: self.json,
            quiet: self.quiet,
            colour_out: self.color.wanted(io::stdout().is_terminal(), no_color),
            colour_err: self.color.wanted(io::stderr().is_terminal(), no_color),
        }
    }

    /// Where the home is; it need not exist.
    ///
    /// # Errors
    /// The machine's home is not for this user, or nothing says where one is.
    pub fn home(&self) -> Result<PathBuf, Failure> {
        let variable = |name: &str| std::env::var_os(name);
        let root = rustix::process::geteuid().is_root();
        Ok(Surroundings { variable: &variable, system_home: Path::new(home::SYSTEM_HOME), root }.home(self.home.as_deref())?)
    }

    /// The passphrase of `vault`, by the first way that is set.
    ///
    /// # Errors
    /// None is given and there is no terminal, or what is given cannot be one.
    pub fn passphrase(&self, vault: &str, purpose: Purpose) -> Result<Passphrase, secrets::Error> {
        self.by(terminal(), vault, purpose)
    }

    /// The same without asking anybody.
    ///
    /// # Errors
    /// None is given, or what is given cannot be one.
    pub fn passphrase_at_hand(&self, vault: &str) -> Result<Passphrase, secrets::Error> {
        self.by(None, vault, Purpose::Open)
    }

    fn by(&self, ask: Option<&secrets::Ask<'_>>, vault: &str, purpose: Purpose) -> Result<Passphrase, secrets::Error> {
        let variable = |name: &str| std::env::var_os(name);
        Ways { file: self.passphrase_file.as_deref(), variable: &variable, ask }.passphrase(vault, purpose)
    }

    /// The passphrase that is typed for `vault`: for a new one, while the old one comes by the other ways.
    ///
    /// # Errors
    /// There is no terminal, or what is typed cannot be one.
    pub fn prompted(&self, vault: &str, purpose: Purpose) -> Result<Passphrase, secrets::Error> {
        Ways { file: None, variable: &|_| None, ask: terminal() }.prompt(vault, purpose)
    }
}

fn terminal() -> Option<&'static secrets::Ask<'static>> {
    (io::stdin().is_terminal() && io::stderr().is_terminal()).then_some(&secrets::ask_on_terminal as &secrets::Ask<'_>)
}

/// Whoever can be asked: the terminal, or nobody.
pub struct Questions<'q> {
    /// Reads an answer; none off a terminal.
    pub answers: Option<&'q mut dyn BufRead>,
    /// Where questions are written.
    pub asked: &'q mut dyn Write,
}

impl Questions<'_> {
    /// Asks `question`; only yes is consent. With `yes` it is not asked.
    ///
    /// # Errors
    /// Refused: the answer is no, or nobody can be asked.
    pub fn confirm(&mut self, question: &str, yes: bool) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        let Some(answers) = self.answers.as_mut() else {
            let message = "this must be confirmed, and there is no terminal to ask on; nothing was changed";
            return Err(Failure::new(Status::Refused, message).hint("give --yes where that is meant"));
        };
        let refused = |why: &str| Failure::new(Status::Refused, format!("{why}; nothing was changed"));
        let mut answer = String::new();
        let asked = self.asked.write_all(format!("{question} [y/N] ").as_bytes()).and_then(|()| self.asked.flush());
        asked.and_then(|()| answers.read_line(&mut answer)).map_err(|why| refused(&format!("no answer could be read: {why}")))?;
        if ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) { Ok(()) } else { Err(refused("not confirmed")) }
    }

    /// Asks for a line of text; none off a terminal or where nothing is typed.
    ///
    /// # Errors
    /// What the terminal says.
    pub fn line(&mut self, question: &str) -> io::Result<Option<String>> {
        let Some(answers) = self.answers.as_mut() else { return Ok(None) };
        // In one piece: what is typed ahead must not be echoed into the middle of it.
        self.asked.write_all(format!("{question} ").as_bytes())?;
        self.asked.flush()?;
        let mut answer = String::new();
        answers.read_line(&mut answer)?;
        Ok(Some(answer.trim().to_owned()).filter(|answer| !answer.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(line: &str) -> (Start, String, String) {
        let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let start = start(&arguments, &mut out, &mut err).unwrap();
        (start, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn help_goes_to_standard_output_and_is_no_failure() {
        let (start, out, err) = started("backstop backups --help");
        assert!(matches!(start, Start::Ended(Status::Done)));
        assert!(out.contains("Usage: backstop backups") && err.is_empty());
    }

    #[test]
    fn unusable_arguments_are_told_in_the_form_of_all_errors() {
        let (start, out, err) = started("backstop backup --json");
        assert!(matches!(start, Start::Ended(Status::Usage)));
        let document: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(document["error"]["status"], 2);
        let lines: Vec<&str> = err.lines().collect();
        assert!(lines[0].starts_with("error: ") && lines[1].starts_with("hint: ") && lines.len() == 2, "{err}");
    }

    #[test]
    fn a_completion_script_needs_no_home() {
        let (start, out, _) = started("backstop completions zsh --home /nowhere");
        assert!(matches!(start, Start::Ended(Status::Done)) && out.starts_with("#compdef backstop"));
    }

    fn answered(answer: Option<&str>, yes: bool) -> Result<(), Failure> {
        let mut typed = answer.map(str::as_bytes);
        let mut asked = Vec::new();
        Questions { answers: typed.as_mut().map(|typed| typed as &mut dyn BufRead), asked: &mut asked }.confirm("Restore?", yes)
    }

    #[test]
    fn only_yes_is_consent_and_nobody_to_ask_is_a_refusal() {
        assert!(answered(Some("yes\n"), false).is_ok() && answered(None, true).is_ok());
        for answer in [Some("\n"), Some("no\n"), Some(""), None] {
            assert_eq!(answered(answer, false).unwrap_err().status, Status::Refused);
        }
        assert!(answered(None, false).unwrap_err().hint.unwrap().contains("--yes"));
    }
}
