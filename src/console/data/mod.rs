//! The reader: queries run on a thread of their own; of each slot only the latest is worth an answer.

mod slots;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::{io, thread};

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::effect::{Action, Backend, Problem, Query};
use super::message::Message;
pub use slots::Slots;

/// Runs queries and actions off the screen's thread and answers with messages.
pub struct Engine {
    backend: Arc<dyn Backend>,
    slots: Arc<Slots>,
    answers: Sender<Message>,
    stops: BTreeMap<u64, Arc<AtomicBool>>,
}

impl Engine {
    /// Starts the reader's thread.
    ///
    /// # Errors
    ///
    /// The thread cannot be started.
    pub fn start(backend: Arc<dyn Backend>, answers: Sender<Message>) -> io::Result<Self> {
        let slots = Arc::new(Slots::default());
        let (mine, queue, to) = (Arc::clone(&backend), Arc::clone(&slots), answers.clone());
        thread::Builder::new().name("reader".into()).spawn(move || {
            while let Some((number, query)) = queue.take() {
                let slot = query.slot();
                if to.send(Message::Answered(slot, number, mine.query(&query))).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { backend, slots, answers, stops: BTreeMap::new() })
    }

    /// Asks; an older question of the same slot that was not begun is forgotten.
    pub fn ask(&self, number: u64, query: Query) {
        self.slots.put(number, query);
    }

    /// Has something done, on a thread of its own: a person does few things at once, and each may take long.
    pub fn act(&mut self, number: u64, action: Action) {
        let stop = Arc::new(AtomicBool::new(false));
        self.stops.retain(|_, stop| Arc::strong_count(stop) > 1);
        self.stops.insert(number, Arc::clone(&stop));
        let (backend, answers) = (Arc::clone(&self.backend), self.answers.clone());
        let started = thread::Builder::new().name("action".into()).spawn(move || {
            let mut report = |progress| {
                let gone = answers.send(Message::Progressed(number, progress)).is_err();
                if gone || stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let result = backend.act(&action, &mut report);
            // Nobody listens any more when the console has ended; the action itself is done.
            let _ = answers.send(Message::Finished(number, result));
        });
        if let Err(error) = started {
            let _ = self.answers.send(Message::Finished(number, Err(Problem::new(format!("no thread for it: {error}")))));
        }
    }

    /// Stops an action at its next safe point.
    pub fn stop(&self, number: u64) {
        if let Some(stop) = self.stops.get(&number) {
            stop.store(true, Ordering::Relaxed);
        }
    }

    /// Stops every action at its next safe point.
    pub fn stop_all(&self) {
        self.stops.values().for_each(|stop| stop.store(true, Ordering::Relaxed));
    }

    /// Whether actions are still under way: each holds its half of its stop.
    #[must_use]
    pub fn is_acting(&self) -> bool {
        self.stops.values().any(|stop| Arc::strong_count(stop) > 1)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.slots.close();
    }
}
