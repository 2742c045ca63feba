//! The engine behind the console: queries from a reader of its own, actions through the engine.
//!
//! Nothing here runs on the thread that draws. Whether something changed is looked up by a small thread that leaves a
//! number in an atomic; the screen reads the number.

mod actions;
mod configurations;
mod details;
mod inside;
mod pages;
mod records;
mod restores;
mod summary;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use super::effect::{Action, Answer, Backend, Outcome, Problem, Progress, Query};
use crate::catalog::Reader;
use crate::engine::{self, Engine};
use crate::error::Explain;
use pages::Window;
use summary::Asking;

/// How often the catalog is asked whether anything was committed.
const LOOK: Duration = Duration::from_millis(250);

/// How often it is looked whether a process died that ran a job.
const TEND: Duration = Duration::from_secs(5);

/// The console's backend over an engine.
pub struct EngineBackend {
    engine: Engine,
    reader: Reader,
    read_only: bool,
    version: Arc<AtomicU64>,
    /// Dropped with the backend, which ends its threads.
    _alive: [Sender<()>; 2],
}

impl EngineBackend {
    /// A backend over `engine`; a read-only one refuses every action.
    ///
    /// # Errors
    /// The catalog cannot be read, or there is no thread to look at it.
    pub fn new(engine: Engine, read_only: bool) -> engine::Result<Self> {
        use engine::error::Doing;
        let reader = engine.catalog().reader()?;
        let version = Arc::new(AtomicU64::new(1));
        let (alive, gone) = channel::<()>();
        let (looker, number) = (engine.catalog().reader()?, Arc::clone(&version));
        let look = move || {
            let mut last = looker.data_version().ok();
            while gone.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                // A catalog that cannot be asked at this moment is asked again.
                let Ok(seen) = looker.data_version() else { continue };
                if last.replace(seen) != Some(seen) {
                    number.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        thread::Builder::new().name("look".into()).spawn(look).doing(|| "starting a thread".to_owned())?;
        let (tended, left) = channel::<()>();
        let tender = engine.clone();
        let tend = move || {
            while left.recv_timeout(TEND) == Err(RecvTimeoutError::Timeout) {
                // What cannot be told or judged now is tried again.
                let _ = tender.bury_the_dead();
            }
        };
        if !read_only {
            thread::Builder::new().name("tend".into()).spawn(tend).doing(|| "starting a thread".to_owned())?;
        }
        Ok(Self { engine, reader, read_only, version, _alive: [alive, tended] })
    }

    fn answer(&self, query: &Query) -> engine::Result<Answer> {
        let now = self.engine.clock().now();
        Ok(match query {
            Query::Summary => {
                let asking = Asking { reader: &self.reader, now, role: self.engine.role()?.to_string() };
                Answer::Summary(Box::new(asking.summary()?))
            }
            Query::Page { list, filter, order, descending, after, limit } => {
                let (after, limit) = (after.as_deref(), *limit);
                Window { list: *list, filter, order, descending: *descending, after, limit, now }.read(&self.reader)?
            }
            Query::Detail { list, id, level } => Answer::Detail(details::detail(&self.reader, *list, id, level, now)?),
            Query::Models { backup } => Answer::Models(details::models(&self.reader, backup)?),
            Query::Rows { plan, model, from, conflict, limit } => restores::rows(&self.engine, plan, model, *from, *conflict, *limit)?,
            Query::Stored { backup, model, after, limit } => inside::stored(&self.engine, backup, model, after.as_deref(), *limit)?,
            Query::Plan { plan } => Answer::Plan(Box::new(restores::left(&self.engine, plan)?)),
            Query::Known => Answer::Known(inside::known(&self.reader)?),
        })
    }
}

impl Backend for EngineBackend {
    fn query(&self, query: &Query) -> Result<Answer, Problem> {
        self.answer(query).map_err(|error| problem(&error))
    }

    fn act(&self, action: &Action, report: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Outcome, Problem> {
        if self.read_only {
            return Err(Problem { hint: Some("Start it without --read-only.".into()), ..Problem::new("this console is read-only") });
        }
        actions::perform(&self.engine, action, report).map_err(|error| problem(&error))
    }

    fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    fn jobs_here(&self) -> usize {
        self.engine.running_here()
    }

    fn cancel_all(&self) {
        self.engine.cancel_here();
    }
}

fn problem(error: &engine::Error) -> Problem {
    Problem { message: error.to_string(), hint: error.hint() }
}
