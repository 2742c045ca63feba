//! Ctrl-C and SIGTERM while something runs: the first asks the work to stop cleanly, the second ends the process at once.

use std::io;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::output::Failure;
use crate::error::Status;

/// What was asked for by signals.
#[derive(Debug, Default)]
struct Flags {
    /// A signal ends the process at once: nothing runs that could stop cleanly, or it was asked to already.
    at_once: Arc<AtomicBool>,
    interrupted: Arc<AtomicBool>,
    terminated: Arc<AtomicBool>,
    /// A question stands on the terminal.
    prompting: AtomicBool,
}

/// Handlers are installed once in a process and stay.
static FLAGS: OnceLock<Flags> = OnceLock::new();

/// Signals are heard while this lives.
#[derive(Debug)]
pub struct Listening(&'static Flags);

/// Hears signals from now on.
///
/// # Errors
/// The handlers cannot be installed.
pub fn listen() -> Result<Listening, Failure> {
    let flags = match FLAGS.get() {
        Some(flags) => flags,
        None => {
            let flags = install().map_err(|why| Failure::new(Status::Failed, format!("signals cannot be heard: {why}")))?;
            FLAGS.get_or_init(|| flags)
        }
    };
    for heard in [&flags.at_once, &flags.interrupted, &flags.terminated] {
        heard.store(false, Ordering::SeqCst);
    }
    Ok(Listening(flags))
}

/// Asks a question on the terminal: meanwhile a signal ends the process, and no progress is drawn over it.
pub fn prompting<T>(ask: impl FnOnce() -> T) -> T {
    let Some(flags) = FLAGS.get() else { return ask() };
    let at_once = flags.at_once.swap(true, Ordering::SeqCst);
    flags.prompting.store(true, Ordering::SeqCst);
    let answer = ask();
    flags.prompting.store(false, Ordering::SeqCst);
    flags.at_once.store(at_once, Ordering::SeqCst);
    answer
}

/// Whether a question stands on the terminal.
#[must_use]
pub fn is_prompting() -> bool {
    FLAGS.get().is_some_and(|flags| flags.prompting.load(Ordering::SeqCst))
}

fn install() -> io::Result<Flags> {
    let flags = Flags::default();
    // The order matters: the first handler of a signal looks before the second sets what it looks at.
    for (signal, heard) in [(SIGINT, &flags.interrupted), (SIGTERM, &flags.terminated)] {
        flag::register_conditional_shutdown(signal, i32::from(Status::Interrupted.code()), flags.at_once.clone())?;
        flag::register(signal, heard.clone())?;
    }
    Ok(flags)
}

impl Listening {
    /// True once a signal came; the next one ends the process.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        let asked = self.by_keyboard() || self.0.terminated.load(Ordering::SeqCst);
        if asked {
            self.0.at_once.store(true, Ordering::SeqCst);
        }
        asked
    }

    /// True where it was Ctrl-C.
    #[must_use]
    pub fn by_keyboard(&self) -> bool {
        self.0.interrupted.load(Ordering::SeqCst)
    }
}

impl Drop for Listening {
    /// A prompt that follows ends with the first signal again.
    fn drop(&mut self) {
        self.0.at_once.store(true, Ordering::SeqCst);
    }
}
