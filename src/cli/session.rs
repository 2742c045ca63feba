//! What a running command has at hand: the engine of the home, and where to print.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use jiff::Timestamp;

use super::args::{Command, Common};
use super::interrupt;
use super::output::{Failure, Output};
use super::secrets::Purpose;
use super::start::Questions;
use super::units;
use crate::catalog::{self, Cursor, Page, Time};
use crate::clock::SystemClock;
use crate::engine::{self, Engine, Home, Passphrases};
use crate::error::Status;
use crate::vault::Secret;

/// A command that runs.
pub struct Session<'a> {
    /// The engine of the home.
    pub engine: Engine,
    /// What every command takes.
    pub common: Common,
    /// Where to print.
    pub output: Output<'a>,
}

/// How a command ended, where it did not fail.
pub type Ended = Result<Status, Failure>;

/// Gives the engine the passphrase by the ways the command line has.
struct Given(Common);

impl Passphrases for Given {
    fn passphrase(&self, vault: &str) -> engine::Result<Secret> {
        let passphrase = interrupt::prompting(|| self.0.passphrase(vault, Purpose::Open)).map_err(|error| {
            let failure = Failure::from(error);
            engine::Error::Usage { why: failure.message, hint: failure.hint.unwrap_or_default() }
        })?;
        Ok(Secret::new(passphrase.to_string()))
    }

    fn at_hand(&self, vault: &str) -> Option<Secret> {
        self.0.passphrase_at_hand(vault).ok().map(|passphrase| Secret::new(passphrase.to_string()))
    }
}

/// Runs a command that needs the engine, prints its result or its failure, and gives the process's status.
///
/// # Errors
/// Standard output or standard error cannot be written.
pub fn run(common: Common, command: Command, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Status> {
    let style = common.style();
    let ended = open(&common).and_then(|engine| {
        let mut session = Session { engine, common, output: Output::new(style, out, err) };
        session.execute(command)
    });
    match ended {
        Ok(status) => Ok(status),
        Err(failure) => {
            Output::new(style, out, err).failure(&failure)?;
            Ok(failure.status)
        }
    }
}

/// `backstop` alone where there is no terminal for the console: how things stand, and what to do instead.
///
/// # Errors
/// Standard output or standard error cannot be written.
pub fn without_terminal(common: &Common, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Status> {
    if common.home().is_ok_and(|home| Home::at(home).exists()) {
        let mut plain = common.clone();
        plain.json = false;
        run(plain, Command::Health, out, err)?;
    }
    Output::new(common.style(), out, err).failure(&no_terminal())?;
    Ok(Status::Usage)
}

/// Why the console cannot open off a terminal.
#[must_use]
pub fn no_terminal() -> Failure {
    Failure::new(Status::Usage, "the console needs a terminal").hint("For scripts there are commands, each with --json: backstop --help")
}

/// The passphrase as it was known before the console took the terminal.
struct Before(Option<super::secrets::Passphrase>);

impl Passphrases for Before {
    fn passphrase(&self, vault: &str) -> engine::Result<Secret> {
        let missing = || engine::Error::Usage {
            why: "the vault is locked: no passphrase was given when the console started".into(),
            hint: "Quit, and give --passphrase-file FILE, set BACKSTOP_PASSPHRASE_FILE, or type it when the console starts.".into(),
        };
        self.at_hand(vault).ok_or_else(missing)
    }

    fn at_hand(&self, _vault: &str) -> Option<Secret> {
        self.0.as_ref().map(|passphrase| Secret::new(passphrase.to_string()))
    }
}

/// The engine for the console: whatever must be asked on the terminal is asked before the screen takes it.
///
/// # Errors
/// The home or the catalog cannot be opened.
pub fn console_engine(common: &Common) -> Result<Engine, Failure> {
    let home = Home::at(common.home()?);
    let known = home.exists().then(|| common.passphrase("main", Purpose::Open).ok()).flatten();
    Ok(Engine::open(home, Arc::new(SystemClock), Box::new(Before(known)))?)
}

fn open(common: &Common) -> Result<Engine, Failure> {
    let home = Home::at(common.home()?);
    Ok(Engine::open(home, Arc::new(SystemClock), Box::new(Given(common.clone())))?)
}

impl Session<'_> {
    fn execute(&mut self, command: Command) -> Ended {
        match command {
            Command::Vault(vault) => self.vault(vault),
            Command::App(app) => self.app(app),
            Command::Backup(backup) => self.backup(&backup),
            Command::Backups(backups) => self.backups(backups.action()?),
            Command::Config(config) => self.config(config),
            Command::Jobs(jobs) => self.jobs(jobs.action()?),
            Command::Alerts(alerts) => self.alerts(alerts.action()?),
            Command::Restore(restore) => self.restore(restore),
            Command::Restores(restores) => self.restores(restores.action()?),
            Command::Audit(audit) => self.audit(&audit),
            Command::Health => self.health(),
            Command::Run(run) => self.run(&run),
            Command::Schedule(schedule) => self.schedule(&schedule),
            // These end before: `start` needs no engine for them, and `main` opens the console.
            Command::Completions(_) | Command::Man(_) | Command::Console(_) | Command::Demo(_) => Ok(Status::Done),
        }
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.engine.clock().now()
    }

    /// A time in full and as seen from now.
    #[must_use]
    pub fn when(&self, time: Option<Time>) -> String {
        time.map_or_else(|| "never".into(), |time| units::both(self.now(), time.timestamp()))
    }

    /// Asks for a line on the terminal; none off one, or where nothing is typed.
    ///
    /// # Errors
    /// What the terminal says.
    pub fn ask(&mut self, question: &str) -> io::Result<Option<String>> {
        let mut stdin = io::stdin().lock();
        let answers = io::stdin().is_terminal().then_some(&mut stdin as &mut dyn io::BufRead);
        Questions { answers, asked: &mut io::stderr() }.line(question)
    }

    /// Asks on the terminal, where there is one.
    ///
    /// # Errors
    /// Not confirmed, or nobody to ask.
    pub fn confirm(&mut self, question: &str, yes: bool) -> Result<(), Failure> {
        let mut stdin = io::stdin().lock();
        let mut stderr = io::stderr();
        let terminal = io::stdin().is_terminal();
        let answers = terminal.then_some(&mut stdin as &mut dyn io::BufRead);
        Questions { answers, asked: &mut stderr }.confirm(question, yes)
    }
}

/// A failure to write standard output: the reader has an error, the operator a sentence.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Status::Failed, format!("the output cannot be written: {error}"))
    }
}

/// Pages of a list until its end or `limit` items.
pub(super) fn pages<T>(limit: Option<usize>, page: impl Fn(Option<&Cursor>, usize) -> catalog::Result<Page<T>>) -> catalog::Result<Vec<T>> {
    let wanted = limit.unwrap_or(usize::MAX);
    let (mut items, mut after) = (Vec::new(), None);
    while items.len() < wanted {
        let got = page(after.as_ref(), (wanted - items.len()).min(catalog::PAGE_LIMIT))?;
        items.extend(got.items);
        after = got.next;
        if after.is_none() {
            break;
        }
    }
    Ok(items)
}

/// A word of the catalog that an option names.
pub(super) fn word<T: std::str::FromStr<Err = catalog::UnknownWord>>(text: Option<&str>) -> Result<Option<T>, Failure> {
    text.map(|text| {
        text.parse().map_err(|unknown: catalog::UnknownWord| {
            Failure::new(Status::Usage, unknown.to_string()).hint(format!("use one of: {}", unknown.known))
        })
    })
    .transpose()
}

/// The first part of an id, as tables show it; enough of it to name one thing.
pub(super) fn short(id: &str) -> String {
    // The beginning of a time-ordered id is its time, which backups of one second share.
    id.chars().take(18).collect()
}
