//! Signals as messages: each arrives on the event loop like a key does.

use std::io;
use std::thread;

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The line dropped: draw nothing more, let running jobs end.
    Hangup,
    /// Stop in an orderly way.
    Terminate,
    /// Give the terminal back and stop until continued.
    Suspend,
    /// Continued: take the terminal again.
    Continue,
    /// The terminal has another size.
    Resize,
}

/// Watches for signals on a thread of its own and hands each on until `hand_on` says no.
///
/// # Errors
///
/// The handlers cannot be installed.
pub fn watch(hand_on: impl Fn(Signal) -> bool + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH])?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            let meaning = match signal {
                SIGHUP => Signal::Hangup,
                SIGTSTP => Signal::Suspend,
                SIGCONT => Signal::Continue,
                SIGWINCH => Signal::Resize,
                _ => Signal::Terminate,
            };
            if !hand_on(meaning) {
                return;
            }
        }
    })?;
    Ok(())
}

/// Stops this process as the shell's job control expects; returns when it is continued.
///
/// # Errors
///
/// The process could not be stopped.
pub fn stop_here() -> io::Result<()> {
    signal_hook::low_level::emulate_default_handler(SIGTSTP)
}
