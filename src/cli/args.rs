//! The arguments all commands share, and the list of commands: help, man pages and completions come from here.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};

use super::output::{Colour, Failure};
use super::{alerts, app, audit, backup, backups, config, console, demo_command, jobs, restore, restores, run, vault};
use crate::error::Status;

/// Backs up applications row by row into an encrypted vault.
#[derive(Debug, Parser)]
#[command(name = "backstop", version, propagate_version = true, arg_required_else_help = false)]
#[command(after_help = "Exit status: 0 done, 1 failed, 2 unusable arguments, 3 done with warnings, 4 refused, 130 interrupted.")]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
    /// The command.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Where the catalog, plans and keys are [default: $BACKSTOP_HOME, /var/lib/backstop, or your own data folder].
    #[arg(long, global = true, value_name = "DIR", help_heading = "Common options")]
    pub home: Option<PathBuf>,
    /// Read the vault's passphrase from a file [default: $BACKSTOP_PASSPHRASE_FILE, $BACKSTOP_PASSPHRASE, a prompt].
    #[arg(long, global = true, value_name = "FILE", help_heading = "Common options")]
    pub passphrase_file: Option<PathBuf>,
    /// Print one JSON document, for scripts.
    #[arg(long, global = true, help_heading = "Common options")]
    pub json: bool,
    /// Show progress as bars on a terminal, as lines of JSON on standard error, or not at all.
    #[arg(long, global = true, value_name = "HOW", default_value = "auto", help_heading = "Common options")]
    pub progress: ProgressForm,
    /// Print results and errors only.
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Common options")]
    pub quiet: bool,
    /// Say more; repeat for still more.
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Common options")]
    pub verbose: u8,
    /// Colour the text.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Common options")]
    pub color: Colour,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProgressForm {
    /// Bars where standard error is a terminal.
    #[default]
    Auto,
    /// Lines of JSON on standard error.
    Json,
    /// None.
    None,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build a demonstration (a school's database, a vault, a month of real backups) and open the console on it.
    Demo(demo_command::Demo),
    /// Open the console.
    Console(console::Console),
    /// Start what is due by its schedule, until it is stopped.
    Run(run::Run),
    /// What runs next and when, and who starts it.
    Schedule(run::Schedule),
    /// Say what is to be protected: applications, their databases and files.
    #[command(subcommand)]
    App(app::App),
    /// Say how and when an application is backed up.
    #[command(subcommand)]
    Config(config::Config),
    /// Back up now.
    Backup(backup::Backup),
    /// List, look into, verify and protect backups.
    Backups(backups::Backups),
    /// See what a restore would change, restore just that, and undo it.
    #[command(subcommand)]
    Restore(restore::Restore),
    /// The restore log.
    Restores(restores::Restores),
    /// What runs and what ran.
    Jobs(jobs::Jobs),
    /// What somebody must know.
    Alerts(alerts::Alerts),
    /// Where backups are kept.
    #[command(subcommand)]
    Vault(vault::Vault),
    /// Whether everything can be restored; status 1 when not.
    Health,
    /// Who did what, when and why.
    Audit(audit::Audit),
    /// Print a completion script for a shell.
    Completions(Completions),
    /// Write a man page for each command into a folder.
    Man(Man),
}

/// `backstop completions SHELL`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell.
    pub shell: clap_complete::Shell,
}

/// `backstop man DIR`.
#[derive(Debug, Args)]
pub struct Man {
    /// The folder; made where it is not.
    pub dir: PathBuf,
}

/// What the arguments came to.
#[derive(Debug)]
pub enum Parsed {
    /// A command to run.
    Run(Box<Cli>),
    /// Help or the version: to be printed on standard output.
    Text(String),
    /// They cannot be used; with whether `--json` stood among them.
    Unusable(Failure, bool),
}

/// Reads the arguments, the program's name first.
#[must_use]
pub fn parse(arguments: &[OsString]) -> Parsed {
    let error = match Cli::try_parse_from(arguments) {
        Ok(cli) => return Parsed::Run(Box::new(cli)),
        Err(error) => error,
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Parsed::Text(error.render().to_string()),
        _ => Parsed::Unusable(unusable(&error), arguments.iter().any(|argument| argument == "--json")),
    }
}

/// The parser's error in the one form of all errors: its first paragraph is the sentence, the tip or the help the hint.
fn unusable(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let usage = text.lines().find_map(|line| line.strip_prefix("Usage: ")).unwrap_or("backstop COMMAND");
        return Failure::new(Status::Usage, "a command is missing").hint(format!("usage: {usage}; more with --help"));
    }
    let mut paragraphs = text.split("\n\n");
    let first = paragraphs.next().unwrap_or_default();
    let message = first.strip_prefix("error: ").unwrap_or(first);
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let tip = text.lines().find_map(|line| line.trim_start().strip_prefix("tip: "));
    let usage = text.lines().find_map(|line| line.strip_prefix("Usage: ")).map(|usage| format!("usage: {usage}"));
    let hint = tip.map(str::to_owned).or(usage).unwrap_or_else(|| "see `backstop help`".to_owned());
    Failure::new(Status::Usage, message).hint(hint)
}

impl Completions {
    /// The script.
    #[must_use]
    pub fn script(&self) -> Vec<u8> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "backstop", &mut script);
        script
    }
}

impl Man {
    /// Writes the pages.
    pub fn write(&self) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.dir)?;
        clap_mangen::generate_to(Cli::command(), &self.dir)
    }
}

/// The action of a group that lists where none is named. The list's own options before another action would be lost, so they are refused.
///
/// (clap's own `args_conflicts_with_subcommands` would refuse `backups --json show` as well.)
pub(super) fn action_or_list<A, L: Default + PartialEq>(action: Option<A>, list: L, listing: impl FnOnce(L) -> A) -> Result<A, Failure> {
    match action {
        None => Ok(listing(list)),
        Some(action) if list == L::default() => Ok(action),
        Some(_) => {
            Err(Failure::new(Status::Usage, "an option of the list stands before another action").hint("write options after the action"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Parsed {
        parse(&line.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    fn refused(line: &str) -> (Failure, bool) {
        match parsed(line) {
            Parsed::Unusable(failure, json) => (failure, json),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_takes_json_before_and_after_its_name() {
        for line in [
            "backstop --json backups",
            "backstop backups --json",
            "backstop backups --json show 0193",
            "backstop --json backups show 0193 -v -v",
            "backstop jobs log 0193 --json --home /h",
            "backstop vault status --json --home /h",
            "backstop health --json --passphrase-file f",
        ] {
            let Parsed::Run(cli) = parsed(line) else { panic!("{line}") };
            assert!(cli.common.json, "{line}");
        }
    }

    #[test]
    fn a_group_without_an_action_lists() {
        let action = |line: &str| match parsed(line) {
            Parsed::Run(cli) => match cli.command {
                Some(Command::Backups(backups)) => backups.action(),
                other => panic!("{other:?}"),
            },
            other => panic!("{line}: {other:?}"),
        };
        let listed = |line: &str| matches!(action(line), Ok(backups::Action::List(list)) if list.app.as_deref() == Some("a"));
        assert!(listed("backstop backups --app a") && listed("backstop backups list --app a"));
        assert!(matches!(action("backstop backups show 1"), Ok(backups::Action::Show(_))));
        assert_eq!(action("backstop backups --status failed show 1").unwrap_err().status, Status::Usage);
    }

    #[test]
    fn a_command_may_be_missing() {
        assert!(matches!(parsed("backstop"), Parsed::Run(cli) if cli.command.is_none()));
    }

    #[test]
    fn an_unusable_argument_has_status_2_and_a_hint() {
        let (failure, json) = refused("backstop backups --jsn");
        assert_eq!((failure.status, json), (Status::Usage, false));
        assert!(failure.message.contains("--jsn"), "{failure:?}");
        assert!(failure.hint.unwrap().contains("--json"));
        let (failure, json) = refused("backstop vault --json");
        assert!(json && failure.hint.unwrap().contains("usage:"));
        assert!(refused("backstop backup").0.message.contains("required"));
    }

    #[test]
    fn no_message_spans_lines() {
        for line in ["backstop nonsense", "backstop backup", "backstop vault", "backstop backup --type x --app a", "backstop app add"] {
            let (failure, _) = refused(line);
            assert!(!failure.message.contains('\n') && !failure.message.is_empty(), "{failure:?}");
            assert!(failure.hint.is_some());
        }
    }

    #[test]
    fn completions_and_man_pages_come_from_the_same_definitions() {
        let script = Completions { shell: clap_complete::Shell::Bash }.script();
        assert!(String::from_utf8(script).unwrap().contains("--passphrase-file"));
        let folder = tempfile::tempdir().unwrap();
        Man { dir: folder.path().join("man") }.write().unwrap();
        assert!(folder.path().join("man/backstop-vault-init.1").exists());
    }
}
