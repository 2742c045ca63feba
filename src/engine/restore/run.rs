//! Executes exactly a plan: the safety record first, then one transaction that checks, writes, and checks again.

use serde::Serialize;

use super::findings::Level;
use super::plan::{EffectCounts, Plan};
use super::record::{Record, key_json};
use super::safety::same;
use super::spool::SpoolReader;
use super::strategy::Effect;
use super::{Error, Progress, Result, Step};
use crate::rows::{Key, KeyKind, Relation, Row};
use crate::sources::{Resolve, Writer};

/// A point at which a restore can fail; the hook is called before each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Nothing was read again yet.
    Check,
    /// Before a record is deleted.
    Delete,
    /// Before a record is updated.
    Update,
    /// Before a record is inserted.
    Insert,
    /// Everything is written.
    Violations,
    /// References hold.
    Verify,
    /// Everything is verified.
    Commit,
}

/// Called before each point; an error there ends the restore as any other error would.
pub type Hook<'h> = dyn FnMut(Point) -> Result<()> + 'h;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Done {
    pub records_created: u64,
    pub records_updated: u64,
    pub records_skipped: u64,
    pub records_deleted: u64,
}

/// Everything written and verified, not yet committed. Dropped, nothing was changed.
#[must_use]
pub struct Prepared {
    writer: Box<dyn Writer>,
    done: Done,
}

impl Prepared {
    /// Makes it last.
    ///
    /// # Errors
    /// What the database says; nothing was changed then.
    pub fn commit(self, hook: &mut Hook<'_>) -> Result<Done> {
        hook(Point::Commit)?;
        self.writer.commit()?;
        Ok(self.done)
    }
}

/// Refuses a plan with blocking findings.
///
/// # Errors
/// [`Error::Blocked`] with the findings.
pub fn allow(plan: &Plan) -> Result<()> {
    if plan.is_safe() {
        return Ok(());
    }
    let blocking = plan.findings.iter().filter(|finding| finding.level == Level::Blocking);
    Err(Error::Blocked { findings: blocking.map(|finding| format!("{}: {}", finding.model, finding.message)).collect() })
}

/// Writes what the plan says for the models of the source at this place, inside the writer's transaction, and verifies it.
///
/// The safety record must be kept by now: [`super::safety::Images`] gives it. An error leaves the database as it was.
///
/// # Errors
/// [`Error::Stale`] where a record is not as the plan saw it; what the database says; what does not verify; cancelling.
pub fn prepare(
    plan: &Plan,
    spool: &mut SpoolReader<'_>,
    source: usize,
    writer: Box<dyn Writer>,
    content: &dyn Resolve,
    progress: &mut Progress<'_>,
    hook: &mut Hook<'_>,
) -> Result<Prepared> {
    allow(plan)?;
    let order: Vec<usize> = plan.parents_first().into_iter().filter(|&model| plan.sources[model] == source).collect();
    let mut run = Run { plan, spool, writer, content, progress, hook, done: EffectCounts::default() };
    (run.hook)(Point::Check)?;
    run.same_columns(&order)?;
    run.check(&order)?;
    for &model in order.iter().rev() {
        run.pass(model, "delete", Run::delete)?;
    }
    for &model in &order {
        run.pass(model, "update", Run::update)?;
    }
    for &model in &order {
        run.pass(model, "insert", Run::insert)?;
    }
    (run.hook)(Point::Violations)?;
    let violations = run.writer.violations()?;
    if !violations.is_empty() {
        return Err(Error::Violations(violations));
    }
    (run.hook)(Point::Verify)?;
    for &model in &order {
        run.pass(model, "verify", Run::verify)?;
    }
    run.counts(&order)?;
    let skipped = order.iter().map(|&model| plan.models[model].skip).sum();
    let EffectCounts { create, update, delete, .. } = run.done;
    let done = Done { records_created: create, records_updated: update, records_skipped: skipped, records_deleted: delete };
    Ok(Prepared { writer: run.writer, done })
}

struct Run<'r, 's> {
    plan: &'r Plan,
    spool: &'r mut SpoolReader<'s>,
    writer: Box<dyn Writer>,
    content: &'r dyn Resolve,
    progress: &'r mut Progress<'r>,
    hook: &'r mut Hook<'r>,
    done: EffectCounts,
}
