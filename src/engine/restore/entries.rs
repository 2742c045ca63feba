//! The entries of a plan's trees: read again, staged beside their targets, put in place once the database has committed, read back.
//!
//! What the plan says of an entry becomes one operation of [`Apply`]. Everything that can fail happens while it is staged;
//! after the decision only names change.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::draft::Draft;
use super::findings::{Finding, Level};
use super::plan::{EffectCounts, Plan};
use super::record::{Record, key_json};
use super::safety::{Named, name_of};
use super::spool::SpoolReader;
use super::strategy::Effect;
use super::{Error, Progress, Result, Step};
use crate::rows::{Large, Relation, RelationKind, Row, Value};
use crate::sources::files::relation::{path_of, shown};
use crate::sources::files::{Applied, Apply, Left, Operation, Sealed};
use crate::sources::{Content, Glancing, Looking, Resolve, Snapshot, Unread};

/// Columns whose change makes an entry another one; the others are set on the entry that is there.
const MAKING: [&str; 5] = ["kind", "size", "content", "target", "device"];

/// The entry at the path of `like`, as it is now.
///
/// # Errors
/// What reading it met; an entry that is not there is no error.
pub fn now(live: &dyn Snapshot, like: &Row, content: &dyn Content) -> Result<Option<Row>> {
    Ok(live.entry(path_of(like).unwrap_or_default(), content)?)
}

/// Takes out of the plan what of the live tree could not be read: it is neither gone nor as it was, so nothing is done to it.
///
/// # Errors
/// What the scratch space met.
pub(super) fn leave_unread(draft: &mut Draft<'_>, model: usize, unread: &[Unread]) -> Result<()> {
    if unread.is_empty() {
        return Ok(());
    }
    let names: HashSet<&str> = unread.iter().map(|unread| unread.what.as_str()).collect();
    let is_unread = |record: &Record| {
        let path = record.live.as_ref().or(record.backup.as_ref()).and_then(path_of).map(shown).unwrap_or_default();
        let above = path.match_indices('/').map(|(slash, _)| &path[..slash]);
        names.contains(path.as_str()) || above.into_iter().any(|folder| names.contains(folder))
    };
    draft.pulled[model] -= draft.withdraw(model, &is_unread)?;
    let count = unread.len() as u64;
    let message = format!("{count} of the live entries cannot be read; they are left as they are: {}", unread[0].why);
    let keys = unread.iter().take(5).map(|unread| json!({"path": unread.what})).collect();
    let finding = Finding::new(Level::Warning, &draft.relations[model].name, message, "Make them readable, then preview again.");
    draft.findings.push(finding.about(count, keys));
    Ok(())
}

/// Puts the contents that a restore takes away into `content`: each touched entry is read again, and must be as the plan saw it.
pub(super) fn keep(
    spool: &mut SpoolReader<'_>,
    (model, relation): (usize, &Relation),
    live: &dyn Snapshot,
    wanted: &HashSet<Named>,
    content: &dyn Content,
    kept: &mut HashMap<Named, Large>,
) -> Result<()> {
    let large = |row: &Row| row.values.iter().find_map(|value| if let Value::Large(large) = value { Some(large.clone()) } else { None });
    spool.each(model, &mut |record| {
        let Some((row, lost)) = record.live.as_ref().and_then(|row| Some((row, large(row)?))).filter(|_| record.is_touched()) else {
            return Ok(true);
        };
        if !wanted.contains(&name_of(&lost)) || kept.contains_key(&name_of(&lost)) {
            return Ok(true);
        }
        // Where only owner, mode or time differ, the vault has it already.
        let stored = record.backup.as_ref().and_then(large).filter(|stored| stored.content == lost.content && !stored.chunks.is_empty());
        let found = match stored {
            Some(stored) => Some(stored),
            None => now(live, row, content)?.as_ref().and_then(large).filter(|found| found.content == lost.content),
        };
        let Some(found) = found else {
            return Err(Error::Stale { count: 1, records: vec![named(relation, &record)] });
        };
        kept.insert(name_of(&found), found);
        Ok(true)
    })
}

/// The trees that a plan touches, by their places among its models.
#[must_use]
pub fn touched(plan: &Plan) -> Vec<usize> {
    let touches = |model: &usize| {
        let figures = &plan.models[*model];
        plan.relations[*model].kind == RelationKind::Files && figures.create + figures.update + figures.delete > 0
    };
    (0..plan.relations.len()).filter(touches).collect()
}

/// A plan's trees as they are now.
#[derive(Clone, Copy)]
pub struct Trees<'t> {
    /// The plan.
    pub plan: &'t Plan,
    /// The trees among its sources, by their places there.
    pub lives: &'t BTreeMap<usize, Box<dyn Snapshot>>,
}

/// What became of the entries, once they were read back.
#[derive(Debug, Default)]
pub struct Placed {
    /// What was done, by the model's place.
    pub done: BTreeMap<usize, EffectCounts>,
    /// How many were not.
    pub missed: u64,
    /// Some of those that were not.
    pub left: Vec<Left>,
}

/// How many entries that were not put in place are named.
const NAMED: usize = 100;

impl<'t> Trees<'t> {
    /// Whether every touched entry is as the plan saw it, its content too.
    ///
    /// # Errors
    /// [`Error::Stale`] with those that are not; cancelling.
    pub fn check(self, spool: &mut SpoolReader<'_>, progress: &mut Progress<'_>) -> Result<()> {
        self.compare(spool, &Looking, progress)
    }

    /// The same by a glance: large contents are told by their size and time.
    ///
    /// # Errors
    /// As of [`Trees::check`].
    pub fn glance(self, spool: &mut SpoolReader<'_>, progress: &mut Progress<'_>) -> Result<()> {
        self.compare(spool, &Glancing, progress)
    }

    /// Stages every touched entry; the trees stay as they are. Journals are begun for all of them first, so that one that is
    /// missing never looks like one that is done.
    ///
    /// # Errors
    /// What writing beside the targets met; what was staged is taken away then.
    pub fn stage(
        self,
        spool: &mut SpoolReader<'_>,
        journal: &dyn Fn(usize) -> PathBuf,
        content: &dyn Resolve,
        progress: &mut Progress<'_>,
    ) -> Result<Vec<Apply>> {
        let mut staged = Vec::new();
        for model in touched(self.plan) {
            let place = self.live(model)?.identity().place;
            staged.push((model, Apply::begin(Path::new(&place), &self.plan.relations[model], &journal(model))?));
        }
        for (model, apply) in &mut staged {
            self.each(spool, *model, "stage", progress, &mut |relation, record| {
                let row = placed(relation, record);
                let operation = match (&record.effect, &row, record.live.as_ref().and_then(path_of)) {
                    (Effect::Create, Some(row), _) => Operation::Put(row),
                    (Effect::Update(columns), Some(row), _) if columns.iter().any(|&column| makes(relation, column)) => Operation::Put(row),
                    (Effect::Update(_), Some(row), _) => Operation::Attributes(row),
                    (Effect::Delete, _, Some(path)) => Operation::Remove(path),
                    _ => return Ok(()),
                };
                Ok(apply.stage(operation, content)?)
            })?;
        }
        Ok(staged.into_iter().map(|(_, apply)| apply).collect())
    }

    /// Reads every touched entry again: what is as the plan says was done, what is not is named, with what `left` says of it.
    ///
    /// # Errors
    /// What reading the plan met.
    pub fn read_back(self, spool: &mut SpoolReader<'_>, left: &[Left]) -> Result<Placed> {
        let mut placed = Placed::default();
        for model in touched(self.plan) {
            let live = self.live(model)?;
            let (mut done, label) = (EffectCounts::default(), &self.plan.relations[model].name);
            self.each(spool, model, "verify", &mut |_| true, &mut |relation, record| {
                let Some(like) = record.live.as_ref().or(record.backup.as_ref()) else { return Ok(()) };
                let path = path_of(like).map(shown).unwrap_or_default();
                let why = match now(live, like, &Glancing) {
                    Ok(now) => differing(relation, now.as_ref(), record.result().as_ref()),
                    Err(error) => Some(error.to_string()),
                };
                let why = why.map(|why| left.iter().find(|left| left.what == path).map_or(why, |left| left.why.clone()));
                match (why, &record.effect) {
                    (Some(why), _) => {
                        placed.missed += 1;
                        if placed.left.len() < NAMED {
                            placed.left.push(Left { what: format!("{label}: {path}"), why });
                        }
                    }
                    (None, Effect::Create) => done.create += 1,
                    (None, Effect::Update(_)) => done.update += 1,
                    (None, Effect::Delete) => done.delete += 1,
                    (None, Effect::Skip) => {}
                }
                Ok(())
            })?;
            placed.done.insert(model, done);
        }
        Ok(placed)
    }

    fn live(self, model: usize) -> Result<&'t dyn Snapshot> {
        let gone = || Error::Stale { count: 1, records: vec![self.plan.relations[model].name.clone()] };
        self.lives.get(&self.plan.sources[model]).map(AsRef::as_ref).ok_or_else(gone)
    }

    fn compare(self, spool: &mut SpoolReader<'_>, content: &dyn Content, progress: &mut Progress<'_>) -> Result<()> {
        let (mut count, mut records) = (0, Vec::new());
        for model in touched(self.plan) {
            let live = self.live(model)?;
            self.each(spool, model, "check", progress, &mut |relation, record| {
                let Some(like) = record.live.as_ref().or(record.backup.as_ref()) else { return Ok(()) };
                let now = now(live, like, content)?;
                if differing(relation, now.as_ref(), record.live.as_ref()).is_some() {
                    count += 1;
                    if records.len() < 10 {
                        records.push(named(relation, record));
                    }
                }
                Ok(())
            })?;
        }
        if count == 0 { Ok(()) } else { Err(Error::Stale { count, records }) }
    }

    fn each(
        self,
        spool: &mut SpoolReader<'_>,
        model: usize,
        phase: &'static str,
        progress: &mut Progress<'_>,
        each: &mut dyn FnMut(&Relation, &Record) -> Result<()>,
    ) -> Result<()> {
        let relation = &self.plan.relations[model];
        let mut records = 0;
        spool.each(model, &mut |record| {
            if record.is_touched() {
                each(relation, &record)?;
                records += 1;
                // An entry may be large: each is told.
                if !progress(Step { phase, model: &relation.name, records, compared: None }) {
                    return Err(Error::Cancelled);
                }
            }
            Ok(true)
        })
    }
}

/// Makes what is staged last in every tree; where one cannot, none is carried out.
///
/// # Errors
/// What flushing met; what was staged is taken away then.
pub fn seal(staged: Vec<Apply>) -> Result<Vec<Sealed>> {
    let mut sealed = Vec::new();
    for apply in staged {
        match apply.seal() {
            Ok(one) => sealed.push(one),
            Err(error) => {
                discard(sealed);
                return Err(error.into());
            }
        }
    }
    Ok(sealed)
}

/// Takes away what was staged. What cannot be taken away now is named in its journal, for the next engine.
pub fn discard(sealed: Vec<Sealed>) {
    for one in sealed {
        let _ = one.discard();
    }
}

/// Puts everything in place; gives what was left out in any tree. A tree that fails keeps its journal, and the others are carried out.
///
/// # Errors
/// The first failure: the next engine goes on from there.
pub fn commit(sealed: Vec<Sealed>) -> Result<Vec<Left>, (Vec<Left>, crate::sources::Error)> {
    let (mut left, mut failure) = (Vec::new(), None);
    for one in sealed {
        match one.commit() {
            Ok(Applied { left: mut more, .. }) => left.append(&mut more),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    match failure {
        None => Ok(left),
        Some(error) => Err((left, error)),
    }
}

/// The row that an entry is made from: what nobody compares (a folder's time, what names of one file have in common) is the backup's.
fn placed(relation: &Relation, record: &Record) -> Option<Row> {
    let mut row = record.result()?;
    if let Some(backup) = &record.backup {
        for (column, _) in relation.columns.iter().enumerate().filter(|(_, column)| column.is_hidden()) {
            row.values[column] = backup.values[column].clone();
        }
    }
    Some(row)
}

fn makes(relation: &Relation, column: usize) -> bool {
    MAKING.contains(&relation.columns[column].name.as_str())
}

fn named(relation: &Relation, record: &Record) -> String {
    let row = record.live.as_ref().or(record.backup.as_ref());
    format!("{} {}", relation.name, key_json(relation, row, &record.key))
}

/// Why an entry is not as expected; a content that was only glanced at is not asked.
fn differing(relation: &Relation, now: Option<&Row>, expected: Option<&Row>) -> Option<String> {
    match (now, expected) {
        (None, None) => None,
        (None, Some(_)) => Some("it is not there".into()),
        (Some(_), None) => Some("it is there".into()),
        (Some(now), Some(expected)) => {
            let glanced = |value: &Value| matches!(value, Value::Large(large) if large.length == 0);
            let mut differ =
                relation.visible().filter(|&column| !glanced(&now.values[column]) && !now.values[column].same(&expected.values[column]));
            let first = &relation.columns[differ.next()?].name;
            Some(std::iter::once(first).chain(differ.map(|column| &relation.columns[column].name)).fold(
                "not as planned:".to_owned(),
                |mut text, name| {
                    text.push(' ');
                    text.push_str(name);
                    text
                },
            ))
        }
    }
}
