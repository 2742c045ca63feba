//! Executes exactly a plan: the safety record first, then one transaction that checks, writes, and checks again.

use serde::Serialize;

use super::findings::Level;
use super::keyless::{self, When};
use super::plan::{EffectCounts, Plan};
use super::record::{Record, key_json};
use super::safety::same;
use super::spool::SpoolReader;
use super::strategy::Effect;
use super::{Error, Progress, Result, Step};
use crate::rows::{Column, KeyKind, Relation, Row};
use crate::sources::{Resolve, Writer};

/// So many records are read again at once, or of so many bytes.
const READ_AT_ONCE: usize = 256;
const WEIGHT_AT_ONCE: usize = 1 << 20;

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
    let mut run = Run { plan, writer, content, progress, hook, done: EffectCounts::default() };
    (run.hook)(Point::Check)?;
    run.same_columns(&order)?;
    run.check(spool, &order)?;
    for &model in order.iter().rev() {
        run.pass(spool, model, "delete", Run::delete)?;
    }
    for &model in &order {
        run.pass(spool, model, "update", Run::update)?;
    }
    for &model in &order {
        run.pass(spool, model, "insert", Run::insert)?;
    }
    (run.hook)(Point::Violations)?;
    let violations = run.writer.violations()?;
    if !violations.is_empty() {
        return Err(Error::Violations(violations));
    }
    (run.hook)(Point::Verify)?;
    for &model in &order {
        run.compare(spool, model, "verify", Record::result, |relation, record| {
            let key = key_json(relation, record.result().as_ref().or(record.live.as_ref()), &record.key);
            Err(Error::Mismatch { model: relation.name.clone(), what: format!("{key} does not read back as it was written") })
        })?;
    }
    run.count_equals(spool, &order, When::After)?;
    run.counts(&order)?;
    let skipped = order.iter().map(|&model| plan.models[model].skip).sum();
    let EffectCounts { create, update, delete, .. } = run.done;
    let done = Done { records_created: create, records_updated: update, records_skipped: skipped, records_deleted: delete };
    Ok(Prepared { writer: run.writer, done })
}

struct Run<'r> {
    plan: &'r Plan,
    writer: Box<dyn Writer>,
    content: &'r dyn Resolve,
    progress: &'r mut Progress<'r>,
    hook: &'r mut Hook<'r>,
    done: EffectCounts,
}

impl<'r> Run<'r> {
    /// The columns of the models are those that the plan saw.
    fn same_columns(&self, order: &[usize]) -> Result<()> {
        for &model in order {
            let relation = &self.plan.relations[model];
            if self.touches(model) && !self.writer.relations().iter().any(|now| now.is_shaped_like(relation)) {
                return Err(Error::Stale { count: 1, records: vec![format!("{} (its columns)", relation.name)] });
            }
        }
        Ok(())
    }

    fn touches(&self, model: usize) -> bool {
        let figures = &self.plan.models[model];
        figures.create + figures.update + figures.delete > 0
    }

    /// Each record is read again and must be as the plan saw it; all that are not are counted before it stops.
    fn check(&mut self, spool: &mut SpoolReader<'_>, order: &[usize]) -> Result<()> {
        let (mut count, mut records) = (0, Vec::new());
        for &model in order {
            self.compare(
                spool,
                model,
                "check",
                |record| record.live.clone(),
                |relation, record| {
                    count += 1;
                    if records.len() < 10 {
                        let row = record.live.as_ref().or(record.backup.as_ref());
                        records.push(format!("{} {}", relation.name, key_json(relation, row, &record.key)));
                    }
                    Ok(())
                },
            )?;
        }
        if count > 0 {
            return Err(Error::Stale { count, records });
        }
        self.count_equals(spool, order, When::Before)
    }

    /// Rows without a key are as many as the plan says.
    fn count_equals(&mut self, spool: &mut SpoolReader<'_>, order: &[usize], when: When) -> Result<()> {
        for &model in order {
            if !self.touches(model) {
                continue;
            }
            let wrong = keyless::miscounted(self.plan, spool, model, self.writer.as_mut(), when)?;
            let Some(first) = wrong.first() else { continue };
            let model = self.plan.relations[model].name.clone();
            if when == When::After {
                return Err(Error::Mismatch { model, what: format!("there are not as many records like {first} as the plan says") });
            }
            let records = wrong.iter().take(10).map(|digest| format!("{model} {}", serde_json::json!({"digest": digest.to_string()})));
            return Err(Error::Stale { count: wrong.len() as u64, records: records.collect() });
        }
        Ok(())
    }

    /// Reads the touched records of a model again, many at once, and tells each that is not as `expected`. One without a key is
    /// found by its rowid, which a new one has yet to get; where rowids cannot be named it is as good as its equals, which are counted.
    fn compare(
        &mut self,
        spool: &mut SpoolReader<'_>,
        model: usize,
        phase: &'static str,
        expected: impl Fn(&Record) -> Option<Row>,
        mut differs: impl FnMut(&Relation, &Record) -> Result<()>,
    ) -> Result<()> {
        let mut waiting: Vec<Record> = Vec::new();
        let mut weight = 0;
        let mut look = |run: &mut Self, relation: &'r Relation, waiting: &mut Vec<Record>| {
            let likes: Vec<&Row> = waiting.iter().filter_map(|record| record.live.as_ref().or(record.backup.as_ref())).collect();
            let now = run.writer.read_all(relation, &likes)?;
            for (record, now) in waiting.iter().zip(now) {
                if !same(relation, now.as_ref(), expected(record).as_ref()) {
                    differs(relation, record)?;
                }
            }
            waiting.clear();
            Ok::<_, Error>(())
        };
        self.pass(spool, model, phase, |run, relation, record| {
            let keyless = relation.key == KeyKind::WholeRow || record.key.whole_row().is_some();
            let named = !keyless || (record.live.is_some() && relation.columns.iter().any(Column::is_hidden));
            let Some(like) = record.live.as_ref().or(record.backup.as_ref()).filter(|_| named) else { return Ok(()) };
            weight += like.weight();
            waiting.push(record.clone());
            if waiting.len() < READ_AT_ONCE && weight < WEIGHT_AT_ONCE {
                return Ok(());
            }
            weight = 0;
            look(run, relation, &mut waiting)
        })?;
        let relation = &self.plan.relations[model];
        look(self, relation, &mut waiting)
    }

    fn pass(
        &mut self,
        spool: &mut SpoolReader<'_>,
        model: usize,
        phase: &'static str,
        mut step: impl FnMut(&mut Self, &'r Relation, &Record) -> Result<()>,
    ) -> Result<()> {
        if !self.touches(model) {
            return Ok(());
        }
        let relation = &self.plan.relations[model];
        let mut records = 0;
        spool.each(model, &mut |record| {
            if record.is_touched() {
                step(self, relation, &record)?;
                records += 1;
                if records % 256 == 0 && !(self.progress)(Step { phase, model: &relation.name, records, compared: None }) {
                    return Err(Error::Cancelled);
                }
            }
            Ok(true)
        })
    }

    fn delete(&mut self, relation: &'r Relation, record: &Record) -> Result<()> {
        let Some(live) = record.live.as_ref().filter(|_| record.effect == Effect::Delete || record.exchange) else { return Ok(()) };
        (self.hook)(Point::Delete)?;
        if record.exchange {
            return Ok(self.writer.put_aside(relation, live)?);
        }
        self.writer.delete(relation, live)?;
        self.done.delete += 1;
        Ok(())
    }

    fn update(&mut self, relation: &'r Relation, record: &Record) -> Result<()> {
        let (Effect::Update(columns), Some(live), Some(row), false) = (&record.effect, &record.live, record.result(), record.exchange)
        else {
            return Ok(());
        };
        (self.hook)(Point::Update)?;
        self.writer.update(relation, live, &row, columns, self.content)?;
        self.done.update += 1;
        Ok(())
    }

    /// New records, and those that were put aside to give up their unique values.
    fn insert(&mut self, relation: &'r Relation, record: &Record) -> Result<()> {
        let Some(row) = record.result().filter(|_| record.effect == Effect::Create || record.exchange) else { return Ok(()) };
        (self.hook)(Point::Insert)?;
        if let (Effect::Update(columns), Some(live), true) = (&record.effect, &record.live, record.exchange) {
            self.writer.put_back(relation, live, &row, columns, self.content)?;
            self.done.update += 1;
        } else {
            self.writer.insert(relation, &row, self.content)?;
            self.done.create += 1;
        }
        Ok(())
    }

    fn counts(&self, order: &[usize]) -> Result<()> {
        let planned = order.iter().map(|&model| &self.plan.models[model]);
        let sum = planned.fold((0, 0, 0), |sum, model| (sum.0 + model.create, sum.1 + model.update, sum.2 + model.delete));
        let done = (self.done.create, self.done.update, self.done.delete);
        if sum == done {
            return Ok(());
        }
        let what = format!("{done:?} records were created, updated and deleted, the plan says {sum:?}");
        Err(Error::Mismatch { model: "the restore".into(), what })
    }
}
