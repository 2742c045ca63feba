//! Collisions that only the database can tell: what it takes for the same though it is written otherwise, what an index over an
//! expression or over a part of the rows, or an exclusion, makes one. It is asked about each record that would be written.

use super::draft::Draft;
use super::plan::OnCollision;
use super::record::{Record, key_json};
use super::scratch::COLLISION;
use super::strategy::Effect;
use super::{Error, Progress, Result, Step, checks};
use crate::rows::{Key, RelationKind, Row};
use crate::sources::Rival;

/// Records that the database is asked about at once.
const AT_ONCE: usize = 200;
/// Collisions that are kept in mind; of more the database tells when they are written.
const MOST: usize = 100_000;
/// Holders that are taken into the plan in one round: they are kept whole.
const HOLDERS: usize = 10_000;

/// A record and the live row in its way.
struct Clash {
    key: Key,
    holder: Key,
    /// The holder's key as JSON.
    shown: String,
    /// The columns that decide it.
    columns: Vec<usize>,
    /// The live row, where it may give way.
    row: Option<Row>,
}

impl Draft<'_> {
    /// Lets the database dispute the records; true where a holder was taken into the plan.
    pub(super) fn ask(&mut self, progress: &mut Progress<'_>) -> Result<bool> {
        let mut grown = false;
        for model in 0..self.relations.len() {
            let relation = &self.relations[model];
            if relation.kind != RelationKind::Table || !self.live(model).judges(relation)? {
                continue;
            }
            for clash in self.clashes(model, progress)? {
                grown |= self.settle_clash(model, clash)?;
            }
        }
        Ok(grown)
    }

    fn clashes(&self, model: usize, progress: &mut Progress<'_>) -> Result<Vec<Clash>> {
        let (mut found, mut waiting, mut seen) = (Vec::new(), Vec::new(), 0);
        self.scratch.each(model, &mut |record| {
            let written = matches!(record.effect, Effect::Create | Effect::Update(_));
            waiting.extend(record.result().filter(|_| written).map(|row| (record.key, row)));
            if waiting.len() == AT_ONCE {
                seen += AT_ONCE as u64;
                if !progress(Step { phase: "check", model: &self.relations[model].name, records: seen, compared: None }) {
                    return Err(Error::Cancelled);
                }
                self.rivals(model, &mut waiting, &mut found)?;
            }
            Ok(())
        })?;
        self.rivals(model, &mut waiting, &mut found)?;
        Ok(found)
    }

    fn rivals(&self, model: usize, waiting: &mut Vec<(Key, Row)>, found: &mut Vec<Clash>) -> Result<()> {
        let (keys, rows): (Vec<Key>, Vec<Row>) = waiting.drain(..).unzip();
        if rows.is_empty() || found.len() >= MOST {
            return Ok(());
        }
        let mut kept = found.iter().filter(|clash| clash.row.is_some()).count();
        for Rival { given, holder, columns } in self.live(model).rivals(&self.relations[model], &rows)? {
            let Some(key) = keys.get(given).filter(|key| **key != holder.key) else { continue };
            let taken = self.request.collisions == OnCollision::Holder && kept < HOLDERS && self.yields(model, &holder)?;
            kept += usize::from(taken);
            let shown = key_json(&self.relations[model], Some(&holder), &holder.key).to_string();
            found.push(Clash { key: key.clone(), holder: holder.key.clone(), shown, columns, row: taken.then_some(holder) });
        }
        Ok(())
    }

    /// A record that waits for another to go or to change is done with it, or not at all.
    fn settle_clash(&mut self, model: usize, Clash { key, holder, shown, columns, row }: Clash) -> Result<bool> {
        self.scratch.held(model, &key, &shown)?;
        if self.scratch.get(model, &holder)?.is_some_and(|record| gives_up(&record, &columns)) {
            self.scratch.lean((model, &key), (model, &holder), COLLISION)?;
            return Ok(false);
        }
        self.scratch.flag(model, &key, COLLISION)?;
        match row {
            Some(row) if self.scratch.give_way(model, &holder)? => {
                self.add(model, &checks::removal(row))?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

/// Whether a record of the plan takes what is in these columns away from the live row. Whether that is enough, the database says in the end.
fn gives_up(record: &Record, columns: &[usize]) -> bool {
    match record.effect {
        Effect::Delete => true,
        Effect::Update(_) => record
            .result()
            .zip(record.live.as_ref())
            .is_some_and(|(after, before)| columns.iter().any(|&column| !after.values[column].same(&before.values[column]))),
        Effect::Create | Effect::Skip => false,
    }
}
