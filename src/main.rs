//! The `backstop` program.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use backstop::cli::args::Cli;
use backstop::cli::session;
use backstop::cli::start::{Start, start};
use backstop::error::Status;
use clap::CommandFactory;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // Where standard output cannot be written there is nothing left to tell it on.
    run(&arguments).map_or(ExitCode::FAILURE, |status| ExitCode::from(status.code()))
}

fn run(arguments: &[OsString]) -> io::Result<Status> {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    match start(arguments, &mut out, &mut err)? {
        Start::Ended(status) => Ok(status),
        Start::Command(cli) => match cli.command {
            Some(command) => session::run(cli.common, command, &mut out, &mut err),
            None => {
                Cli::command().print_help()?;
                Ok(Status::Usage)
            }
        },
    }
}
