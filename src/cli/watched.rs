//! Work that is watched: its progress on standard error, Ctrl-C heard and passed on, so that it ends cleanly or is done.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::interrupt::{self, Listening};
use super::output::Failure;
use super::progress::{ProgressLine, Reading};
use super::session::Session;
use crate::engine::restore::Step;
use crate::engine::{self, Engine, progress};
use crate::error::Status;

/// How often progress is looked at, and a signal is passed on.
const LOOK: Duration = Duration::from_millis(100);

/// What watched work can tell and ask.
pub(super) struct Watch<'w> {
    signals: &'w Listening,
    step: &'w Mutex<Option<Reading>>,
}

impl Watch<'_> {
    /// Takes how far a preview or a restore is; false where it is to stop.
    pub fn step(&self, step: Step<'_>) -> bool {
        let reading = Reading { phase: format!("{} {}", step.phase, step.model), records: step.records, expected: 0, bytes: 0 };
        *self.step.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
        !self.signals.is_asked()
    }
}

impl Session<'_> {
    /// Does `work` on this thread while another shows how far it is. A first Ctrl-C asks it to stop, a second ends the process.
    pub(super) fn watched<T>(&self, work: impl FnOnce(&Engine, &Watch<'_>) -> engine::Result<T>) -> Result<T, Failure> {
        let signals = interrupt::listen()?;
        let (form, quiet) = (self.common.progress, self.common.quiet);
        let step = Mutex::new(None);
        let engine = &self.engine;
        let ended = std::thread::scope(|scope| {
            let (over, until_over) = channel::<()>();
            let (signals, step) = (&signals, &step);
            scope.spawn(move || {
                let mut stderr = io::stderr();
                let terminal = stderr.is_terminal();
                let mut line = ProgressLine::new(form, quiet, terminal, &mut stderr);
                let begun = engine.clock().now();
                while until_over.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                    if signals.is_asked() {
                        engine.cancel_here();
                    }
                    let reading = of_jobs(engine).or_else(|| step.lock().unwrap_or_else(PoisonError::into_inner).clone());
                    if let Some(reading) = reading.filter(|_| !interrupt::is_prompting()) {
                        // A terminal that is gone is no reason to stop.
                        let _ = line.show(&reading, engine.clock().now().duration_since(begun).as_secs_f64());
                    }
                }
                let _ = line.finish();
            });
            let ended = work(engine, &Watch { signals, step });
            drop(over);
            ended
        });
        ended.map_err(|error| {
            let failure = Failure::from(error);
            // However the work names it: it ended since somebody wished it.
            if signals.is_asked() && failure.status == Status::Failed {
                Failure { status: Status::Interrupted, ..failure }
            } else {
                failure
            }
        })
    }
}

/// The one job that a command runs.
fn of_jobs(engine: &Engine) -> Option<Reading> {
    let (_, progress::Reading { phase, records, expected, bytes }) = engine.readings_here().into_iter().next()?;
    Some(Reading { phase, records, expected, bytes })
}
