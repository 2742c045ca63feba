//! The `backstop` program.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use backstop::cli::args::{Command, Common};
use backstop::cli::console::Console;
use backstop::cli::demo_command::Demo;
use backstop::cli::output::Output;
use backstop::cli::session;
use backstop::cli::start::{Start, start};
use backstop::console::{Ended, Options};
use backstop::error::Status;

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
            Some(Command::Demo(demo)) => open_demo(&cli.common, &demo, &mut err),
            Some(Command::Console(console)) => open_console(&cli.common, console, &mut err),
            Some(command) => session::run(cli.common, command, &mut out, &mut err),
            None => open_console(&cli.common, Console::default(), &mut err),
        },
    }
}

fn open_console(common: &Common, console: Console, err: &mut dyn io::Write) -> io::Result<Status> {
    let engine = match session::console_engine(common) {
        Ok(engine) => engine,
        Err(failure) => {
            Output::new(common.style(), &mut io::stdout(), err).failure(&failure)?;
            return Ok(failure.status);
        }
    };
    let Console { read_only, theme, screen, ascii, mouse } = console;
    match backstop::console::open(engine, &Options { read_only, theme, screen, ascii, mouse }) {
        Ended::With(status) => Ok(status),
        Ended::Demo => open_demo(common, &Demo::default(), err),
    }
}

fn open_demo(common: &Common, demo: &Demo, err: &mut dyn io::Write) -> io::Result<Status> {
    let mut out = io::stdout();
    let mut output = Output::new(common.style(), &mut out, err);
    match demo.engine(common, &mut output) {
        Ok(engine) if demo.opens_the_console(common) => match backstop::console::open(engine, &Options::default()) {
            Ended::With(status) => Ok(status),
            // The demonstration protects something, so that it is not offered there.
            Ended::Demo => Ok(Status::Done),
        },
        Ok(_) => Ok(Status::Done),
        Err(failure) => {
            output.failure(&failure)?;
            Ok(failure.status)
        }
    }
}
