//! References whose values only the database can tell equal: one that is written in other letters than what it refers to.
//!
//! Claims go by the bytes of values. So a record that gives a value is let give what the database takes for the same too, before the
//! live rows are read; and parents that are not found by their bytes are asked for afterwards.

use std::collections::HashMap;

use super::checks::{Part, Tuple};
use super::draft::Draft;
use super::record::Record;
use super::scratch::{BLOCKED, Claim, Mark};
use super::{Error, Progress, Result, Step};
use crate::rows::{Key, Relation, Row, Value};
use crate::sources::Snapshot;

/// Values that the database is asked about at once.
const AT_ONCE: usize = 200;
/// Values of a plan that are compared with each other: of a plan with more, those that differ in their bytes are different.
const COMPARED: usize = 20_000;

/// A value that a record needs, gives or takes away.
struct Claimed {
    mark: Mark,
    model: usize,
    key: Key,
    /// The row of the model referred to, as far as the value goes.
    row: Row,
}

/// One side of a reference as the other has it.
struct Referred<'r> {
    id: usize,
    child: &'r Tuple,
    parent: &'r Tuple,
    relation: &'r Relation,
    columns: Vec<usize>,
}

impl Draft<'_> {
    /// Lets records give what the database takes for the same as what they give.
    pub(super) fn liken(&self, progress: &mut Progress<'_>) -> Result<()> {
        self.each_asked(&mut |live, referred| {
            going(referred, 0, progress)?;
            let given = self.claimed(Claim::Give, referred)?;
            let mut all = self.claimed(Claim::Need, referred)?;
            all.extend(self.claimed(Claim::Lose, referred)?);
            let (wanted, count) = (all.len(), all.len() + given.len());
            if given.is_empty() || wanted == 0 || count > COMPARED {
                return Ok(());
            }
            all.extend(given);
            let rows: Vec<&Row> = all.iter().map(|claimed| &claimed.row).collect();
            let groups = live.alike(referred.relation, &referred.columns, &rows)?;
            let (wants, gives) = all.split_at(wanted);
            let mut of_group: HashMap<usize, Vec<&Claimed>> = HashMap::new();
            for (give, group) in gives.iter().zip(groups.iter().skip(wanted)) {
                of_group.entry(*group).or_default().push(give);
            }
            for (want, group) in wants.iter().zip(&groups) {
                for give in of_group.get(group).into_iter().flatten().filter(|give| give.mark != want.mark) {
                    self.scratch.claim(Claim::Give, referred.id, &want.mark, give.model, give.key.as_bytes())?;
                }
            }
            Ok(())
        })
    }

    /// Asks for the parents that were not found by their bytes.
    pub(super) fn seek(&self, progress: &mut Progress<'_>) -> Result<()> {
        self.each_asked(&mut |live, referred| {
            let missing = self.scratch.missing(referred.id)?;
            for (asked, needing) in missing.chunks(AT_ONCE).enumerate() {
                going(referred, asked * AT_ONCE, progress)?;
                let needed = needing.iter().filter_map(|(model, key)| self.of_record(Claim::Need, referred, *model, key).transpose());
                let needed = needed.collect::<Result<Vec<Claimed>>>()?;
                let rows: Vec<Row> = needed.iter().map(|claimed| claimed.row.clone()).collect();
                self.each_holder(live, (referred.relation, &referred.columns, &rows), &mut |given, holder| {
                    let stays = |record: &Record| {
                        let kept = |row: Row| referred.columns.iter().all(|&column| row.values[column].same(&holder.values[column]));
                        record.result().is_some_and(kept)
                    };
                    let planned = self.scratch.get(referred.parent.model, &holder.key)?;
                    match needed.get(given).filter(|_| planned.as_ref().is_none_or(stays)) {
                        Some(claimed) => self.scratch.claim(Claim::Found, referred.id, &claimed.mark, 0, &[]),
                        None => Ok(()),
                    }
                })?;
            }
            Ok(())
        })
    }

    /// Asks for the live records that go on to refer, in other letters, to what records of the plan take away.
    pub(super) fn remain(&self, progress: &mut Progress<'_>) -> Result<()> {
        self.each_asked(&mut |_, referred| {
            let Referred { id, child, .. } = *referred;
            let Part::Columns(columns) = &child.part else { return Ok(()) };
            let columns: Vec<usize> = columns.iter().map(|(column, _)| *column).collect();
            let (live, relation) = (self.live(child.model), &self.relations[child.model]);
            let lost = self.claimed(Claim::Lose, referred)?;
            for (asked, lost) in lost.chunks(AT_ONCE).enumerate() {
                going(referred, asked * AT_ONCE, progress)?;
                let rows: Vec<Row> = lost.iter().map(|lost| moved(&lost.row, &referred.columns, relation, &columns)).collect();
                self.each_holder(live, (relation, &columns, &rows), &mut |given, holder| {
                    let (Some(lost), Some(mark)) = (lost.get(given), child.mark(&holder)) else { return Ok(()) };
                    // What has the same bytes was met with the live rows.
                    if mark == lost.mark {
                        return Ok(());
                    }
                    let released = self.scratch.makes(Claim::Release, id, &mark, child.model, &holder.key)?;
                    let given = !self.scratch.claimants(Claim::Give, id, &lost.mark)?.is_empty();
                    for (model, loser) in self.scratch.claimants(Claim::Lose, id, &lost.mark)? {
                        if released {
                            self.scratch.lean((model, &loser), (child.model, &holder.key), BLOCKED)?;
                        } else if !given {
                            self.scratch.flag(model, &loser, BLOCKED)?;
                        }
                    }
                    Ok(())
                })?;
            }
            Ok(())
        })
    }

    /// Shows the live rows that have the same in these columns as `rows`, with the place of that row.
    fn each_holder(
        &self,
        live: &dyn Snapshot,
        (relation, columns, rows): (&Relation, &[usize], &[Row]),
        each: &mut dyn FnMut(usize, Row) -> Result<()>,
    ) -> Result<()> {
        let mut shown = Ok(());
        live.holders(relation, columns, rows, &mut |rival| {
            if shown.is_ok() {
                shown = each(rival.given, rival.holder);
            }
        })?;
        shown
    }

    /// The references that the database is to be asked about.
    fn each_asked(&self, each: &mut dyn FnMut(&dyn Snapshot, &Referred<'_>) -> Result<()>) -> Result<()> {
        for (id, (child, parent)) in self.claims.references.iter().enumerate() {
            let Part::Columns(columns) = &parent.part else { continue };
            let (live, relation) = (self.live(parent.model), &self.relations[parent.model]);
            let columns: Vec<usize> = columns.iter().map(|(column, _)| *column).collect();
            let concerns = self.scratch.any(Claim::Need, id)? || self.scratch.any(Claim::Lose, id)?;
            if concerns && live.compares(relation, &columns)? {
                each(live, &Referred { id, child, parent, relation, columns })?;
            }
        }
        Ok(())
    }

    /// The values of a claim, each once.
    fn claimed(&self, claim: Claim, referred: &Referred<'_>) -> Result<Vec<Claimed>> {
        let claims = self.scratch.claims(claim, referred.id, COMPARED + 1)?;
        claims.iter().filter_map(|(model, key)| self.of_record(claim, referred, *model, key).transpose()).collect()
    }

    /// The value for which a record makes a claim.
    fn of_record(&self, claim: Claim, referred: &Referred<'_>, model: usize, key: &Key) -> Result<Option<Claimed>> {
        let Some(record) = self.scratch.get(model, key)? else { return Ok(None) };
        let tuple = if claim == Claim::Need { referred.child } else { referred.parent };
        let row = if claim == Claim::Lose { record.live.clone() } else { record.result() };
        let Some((row, mark)) = row.and_then(|row| tuple.mark(&row).map(|mark| (row, mark))) else { return Ok(None) };
        let Part::Columns(columns) = &tuple.part else { return Ok(None) };
        let columns: Vec<usize> = columns.iter().map(|(column, _)| *column).collect();
        Ok(Some(Claimed { mark, model, key: key.clone(), row: moved(&row, &columns, referred.relation, &referred.columns) }))
    }
}

/// A row of `relation` that has in the columns `to` what `row` has in `from`, and nothing else.
fn moved(row: &Row, from: &[usize], relation: &Relation, to: &[usize]) -> Row {
    let mut values = vec![Value::Null; relation.columns.len()];
    for (&to, &from) in to.iter().zip(from) {
        values[to] = row.values[from].clone();
    }
    Row::new(relation, values, 0)
}

/// Says how many values were asked about; an error where that is to end.
fn going(referred: &Referred<'_>, asked: usize, progress: &mut Progress<'_>) -> Result<()> {
    let step = Step { phase: "check", model: &referred.relation.name, records: asked as u64, compared: None };
    if progress(step) { Ok(()) } else { Err(Error::Cancelled) }
}
