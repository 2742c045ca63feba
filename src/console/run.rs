//! The event loop: what happened goes through `update`, effects go to the engine, and at most one frame follows.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::data::Engine;
use super::effect::{Backend, Effect};
use super::message::Message;
use super::model::{Model, Setup};
use super::screens;
use super::terminal::clipboard;
use super::terminal::input::{self, Decoder};
use super::terminal::session::{Session, size};
use super::terminal::signals::{self, Signal};
use super::update;
use super::widgets::canvas::Canvas;
use crate::clock::SharedClock;
use crate::numbers::counted;

/// How long a lone escape is held back: over a bad line the rest of a sequence may follow.
const ESCAPE: Duration = Duration::from_millis(25);
/// How often the catalog is asked whether something changed.
const LOOK: Duration = Duration::from_millis(500);
/// How often it is looked whether the last job has ended, once the screen is gone.
const PATIENCE: Duration = Duration::from_millis(100);

/// What a dropped line means for jobs that run here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnHangup {
    /// They go on to their end without a terminal.
    #[default]
    Finish,
    /// They stop at their next safe point.
    Cancel,
}

enum Event {
    Bytes(Vec<u8>),
    Signal(Signal),
    Message(Box<Message>),
}

/// Runs the console until the operator quits; afterwards the terminal is given back and the jobs that ran here have ended.
///
/// # Errors
///
/// The terminal cannot be used.
pub fn run(setup: Setup, backend: Arc<dyn Backend>, clock: &SharedClock, on_hangup: OnHangup) -> io::Result<End> {
    let mouse = setup.mouse;
    let frame = Duration::from_millis(if setup.caps.remote { 100 } else { 33 });
    let (events, queue) = mpsc::channel();
    let signals_to = events.clone();
    signals::watch(move |signal| signals_to.send(Event::Signal(signal)).is_ok())?;
    let mut session = Session::take(mouse)?;
    let bytes_to = events.clone();
    input::read(move |bytes| bytes_to.send(Event::Bytes(bytes)).is_ok())?;
    let engine = Engine::start(Arc::clone(&backend), messages(events)?)?;
    let model = Model::new(setup, clock.now(), size()?);
    let mut console = Console { model, engine, backend, decoder: Decoder::default(), version: 0, frame, dirty: true, drawn: None };
    let start = update::start(&mut console.model);
    console.paint(&mut session)?;
    console.perform(&mut session, start)?;
    let ended = console.turn(&mut session, &queue, clock);
    match &ended {
        Ok(End::Quit | End::Demo) => {
            drop(session);
            console.say_what_is_awaited();
        }
        Ok(End::Terminate) => {
            drop(session);
            console.cancel();
        }
        // The line dropped: the terminal is not written to any more, not even to give it back.
        Ok(End::Hangup) | Err(_) => {
            session.abandon();
            if on_hangup == OnHangup::Cancel {
                console.cancel();
            }
        }
    }
    console.wait(&queue);
    ended
}

/// A channel whose messages arrive as events.
fn messages(events: Sender<Event>) -> io::Result<Sender<Message>> {
    let (to, from) = mpsc::channel();
    std::thread::Builder::new().name("answers".into()).spawn(move || {
        for message in from {
            if events.send(Event::Message(Box::new(message))).is_err() {
                return;
            }
        }
    })?;
    Ok(to)
}

/// Why the console ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The operator quit.
    Quit,
    /// The operator wants the demonstration in its place.
    Demo,
    /// A signal asked for the end.
    Terminate,
    /// The line dropped.
    Hangup,
}

struct Console {
    model: Model,
    engine: Engine,
    backend: Arc<dyn Backend>,
    decoder: Decoder,
    version: u64,
    frame: Duration,
    dirty: bool,
    drawn: Option<Instant>,
}

impl Console {
    /// Has everything that runs here stop at its next safe point.
    fn cancel(&self) {
        self.backend.cancel_all();
        self.engine.stop_all();
    }

    fn say_what_is_awaited(&self) {
        let jobs = self.backend.jobs_here();
        if jobs > 0 {
            let jobs = counted(jobs as u64, "job");
            // Whoever does not hear it sees the shell come back all the same.
            let _ = writeln!(io::stderr(), "backstop: waiting for {jobs} to end; Ctrl-C cancels");
        }
    }

    /// Waits until nothing runs here any more. The screen is gone; a signal that asks for the end still cancels.
    fn wait(&self, queue: &Receiver<Event>) {
        while self.engine.is_acting() || self.backend.jobs_here() > 0 {
            if let Ok(Event::Signal(Signal::Terminate)) = queue.recv_timeout(PATIENCE) {
                self.cancel();
            }
        }
    }

    fn turn(&mut self, session: &mut Session, queue: &Receiver<Event>, clock: &SharedClock) -> io::Result<End> {
        let mut looked = Instant::now();
        loop {
            let mut next = match queue.recv_timeout(self.patience(looked)) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => {
                    // What was held back is flushed only when really nothing followed.
                    let held = if self.decoder.is_waiting() { self.decoder.flush() } else { None };
                    if let Some(end) = held.map(Message::Input).map_or(Ok(None), |message| self.happened(session, message))? {
                        return Ok(end);
                    }
                    None
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(End::Quit),
            };
            // Everything that is there is taken before one frame is drawn, in bounds: a flood must not hide the screen.
            for _ in 0..512 {
                let Some(event) = next else { break };
                if let Some(end) = self.event(session, event)? {
                    return Ok(end);
                }
                next = queue.try_recv().ok();
            }
            if let Some(event) = next
                && let Some(end) = self.event(session, event)?
            {
                return Ok(end);
            }
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                if let Some(end) = self.look(session, clock)? {
                    return Ok(end);
                }
            }
            if self.dirty && self.drawn.is_none_or(|drawn| drawn.elapsed() >= self.frame) {
                self.paint(session)?;
            }
        }
    }

    /// How long to wait for what comes next.
    fn patience(&self, looked: Instant) -> Duration {
        let mut patience = LOOK.saturating_sub(looked.elapsed());
        if self.decoder.is_waiting() {
            patience = patience.min(ESCAPE);
        }
        if self.dirty {
            patience = patience.min(self.drawn.map_or(Duration::ZERO, |drawn| self.frame.saturating_sub(drawn.elapsed())));
        }
        patience
    }

    /// Asks whether the minute or the catalog changed; nothing is drawn when neither did.
    fn look(&mut self, session: &mut Session, clock: &SharedClock) -> io::Result<Option<End>> {
        let mut news = Vec::new();
        let now = clock.now();
        let minute = |time: jiff::Timestamp| time.as_second() / 60;
        if minute(now) != minute(self.model.now) {
            news.push(Message::Now(now));
        }
        let jobs = self.backend.jobs_here();
        if jobs != self.model.jobs_here {
            news.push(Message::JobsHere(jobs));
        }
        let version = self.backend.version();
        if version != self.version {
            self.version = version;
            news.push(Message::Changed);
        }
        for message in news {
            if let Some(end) = self.happened(session, message)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    fn event(&mut self, session: &mut Session, event: Event) -> io::Result<Option<End>> {
        match event {
            Event::Bytes(bytes) if bytes.is_empty() => return Ok(Some(End::Hangup)),
            Event::Bytes(bytes) => {
                for input in self.decoder.feed(&bytes) {
                    // A key is answered at once; the frame rate is for what happens by itself.
                    self.drawn = None;
                    if let Some(end) = self.happened(session, Message::Input(input))? {
                        return Ok(Some(end));
                    }
                }
            }
            Event::Signal(Signal::Hangup) => return Ok(Some(End::Hangup)),
            Event::Signal(Signal::Terminate) => return Ok(Some(End::Terminate)),
            // As if the key had been pressed: with jobs running here it asks first.
            Event::Signal(Signal::Suspend) => return self.happened(session, Message::Run("suspend")),
            Event::Signal(Signal::Continue) => {
                session.resume()?;
                self.dirty = true;
            }
            Event::Signal(Signal::Resize) => {
                let (width, height) = size()?;
                session.painter.resize(width, height);
                return self.happened(session, Message::Resized(width, height));
            }
            Event::Message(message) => return self.happened(session, *message),
        }
        Ok(None)
    }

    fn happened(&mut self, session: &mut Session, message: Message) -> io::Result<Option<End>> {
        self.dirty = true;
        let effects = update::update(&mut self.model, message);
        self.perform(session, effects)
    }

    fn perform(&mut self, session: &mut Session, effects: Vec<Effect>) -> io::Result<Option<End>> {
        for effect in effects {
            match effect {
                Effect::Query(number, query) => self.engine.ask(number, query),
                Effect::Act(number, action) => self.engine.act(number, action),
                Effect::Stop(number) => self.engine.stop(number),
                Effect::Copy(text) => match clipboard::copy(&text, self.model.setup.caps) {
                    Some(bytes) => session.painter.send(&bytes)?,
                    None => self.model.refuse("too long for the terminal's clipboard"),
                },
                Effect::Redraw => session.painter.redraw(),
                Effect::Mouse(on) => session.mouse(on)?,
                Effect::Suspend => {
                    session.leave();
                    signals::stop_here()?;
                    session.resume()?;
                    let (width, height) = size()?;
                    self.model.size = (width, height);
                    self.dirty = true;
                }
                Effect::CancelAll => self.cancel(),
                Effect::Demo => return Ok(Some(End::Demo)),
                Effect::Quit => return Ok(Some(End::Quit)),
            }
        }
        Ok(None)
    }

    fn paint(&mut self, session: &mut Session) -> io::Result<()> {
        let model = &self.model;
        session.painter.draw(|buffer| {
            let mut cursor = None;
            screens::draw(model, &mut Canvas::new(buffer, &model.theme, model.setup.caps.unicode, &mut cursor));
            cursor
        })?;
        self.drawn = Some(Instant::now());
        self.dirty = false;
        Ok(())
    }
}
