//! A plan while it is made: its records in the scratch space, its figures, and the last steps that a restore and an undo share.

use std::collections::BTreeMap;
use std::io::Write;
use std::rc::Rc;

use serde_json::Value as Json;

use super::checks::{self, Claims, stop};
use super::findings::{self, Finding, Level};
use super::plan::{FieldCounts, ModelPlan, OnBlocked, OnCollision, Plan, Request};
use super::record::{Record, key_json};
use super::scratch::Scratch;
use super::spool::{Cipher, SpoolWriter};
use super::strategy::State;
use super::tenants::Chosen;
use super::{Error, Progress, Result, Step};
use crate::numbers::counted;
use crate::rows::difference::FieldKind;
use crate::rows::{Key, Relation, RelationKind, Row};
use crate::sources::{Content, Glancing, Looking, Reference, Snapshot, Unique};

/// Rounds in which holders and parents are taken into the plan; each can only make more of them.
const ROUNDS: usize = 16;

/// A plan in the making.
pub(super) struct Draft<'l> {
    pub request: Request,
    pub lives: &'l [&'l dyn Snapshot],
    pub relations: Vec<Relation>,
    pub sources: Vec<usize>,
    pub models: Vec<ModelPlan>,
    pub pulled: Vec<u64>,
    /// Figures of models that cannot be written.
    pub unfit: Vec<ModelPlan>,
    pub findings: Vec<Finding>,
    pub references: Vec<Reference>,
    /// The tenants whose records alone may be touched, where some were chosen.
    pub chosen: Option<Rc<Chosen>>,
    pub(super) scratch: Scratch,
    pub(super) claims: Claims,
}

/// Takes a parent from the backup, and where it lacks its own in turn that too, as records of the model at this place.
pub(super) type Parents<'p> = dyn FnMut(usize, &Key) -> Result<Vec<Record>> + 'p;

impl<'l> Draft<'l> {
    pub fn new(request: Request, lives: &'l [&'l dyn Snapshot]) -> Result<Self> {
        let mut relations = Vec::new();
        let mut sources = Vec::new();
        for (source, live) in lives.iter().enumerate() {
            relations.extend_from_slice(live.relations());
            sources.resize(relations.len(), source);
        }
        let uniques: Vec<Unique> = lives.iter().flat_map(|live| live.uniques().iter().cloned()).collect();
        let references: Vec<Reference> = lives.iter().flat_map(|live| live.references().iter().cloned()).collect();
        let models = relations.iter().map(|relation| ModelPlan::empty(relation, request.strategy_of(&relation.name))).collect();
        let claims = Claims::new(&relations, &uniques, &references);
        let pulled = vec![0; relations.len()];
        let (unfit, findings, scratch) = (Vec::new(), Vec::new(), Scratch::new()?);
        Ok(Self { request, lives, relations, sources, models, pulled, unfit, findings, references, chosen: None, scratch, claims })
    }

    pub fn place(&self, model: &Relation) -> Option<usize> {
        self.relations.iter().position(|relation| relation.name == model.name && relation.kind == model.kind)
    }

    pub fn live(&self, model: usize) -> &'l dyn Snapshot {
        self.lives[self.sources[model]]
    }

    /// Takes a record that differs.
    pub fn add(&mut self, model: usize, record: &Record) -> Result<()> {
        for change in &record.fields {
            let name = &self.relations[model].columns[change.column].name;
            let fields = &mut self.models[model].fields;
            let place = fields.iter().position(|field| field.field == *name).unwrap_or_else(|| {
                fields.push(FieldCounts { field: name.clone(), ..FieldCounts::default() });
                fields.len() - 1
            });
            let counts = &mut fields[place];
            counts.conflicts += 1;
            match change.kind {
                FieldKind::Fill => counts.fill += 1,
                FieldKind::Change => counts.change += 1,
                FieldKind::Blank => counts.blank += 1,
            }
        }
        self.scratch.put(model, record)?;
        self.claims.add(&self.scratch, model, record)
    }

    /// Takes records out again; gives how many of them the backup has.
    pub fn withdraw(&mut self, model: usize, taken_out: &dyn Fn(&Record) -> bool) -> Result<u64> {
        let mut gone = Vec::new();
        self.scratch.each(model, &mut |record| {
            if taken_out(&record) {
                gone.push((record.key, record.fields, u64::from(record.backup.is_some())));
            }
            Ok(())
        })?;
        for (key, changes, _) in &gone {
            self.scratch.remove(model, key)?;
            for change in changes {
                let name = &self.relations[model].columns[change.column].name;
                let Some(counts) = self.models[model].fields.iter_mut().find(|field| field.field == *name) else { continue };
                counts.conflicts -= 1;
                match change.kind {
                    FieldKind::Fill => counts.fill -= 1,
                    FieldKind::Change => counts.change -= 1,
                    FieldKind::Blank => counts.blank -= 1,
                }
            }
        }
        self.models[model].fields.retain(|field| field.conflicts > 0);
        Ok(gone.iter().map(|(_, _, stored)| stored).sum())
    }

    /// Finds collisions and missing parents, resolves them as asked, writes the spool and gives the plan.
    pub fn finish(
        mut self,
        undo: bool,
        parents: &mut Parents<'_>,
        to: &mut dyn Write,
        seal: &Cipher<'_>,
        progress: &mut Progress<'_>,
    ) -> Result<Plan> {
        for _ in 0..ROUNDS {
            self.scratch.reset()?;
            self.liken(progress)?;
            let mut grown = self.dispute(progress)? | self.ask(progress)?;
            self.seek(progress)?;
            self.remain(progress)?;
            grown |= self.adopt(parents)?;
            if !grown {
                break;
            }
        }
        self.scratch.settle()?;
        let mut spool = SpoolWriter::new(&self.request.plan, to, seal);
        let (mut found, chosen) = (Vec::new(), self.chosen.as_ref());
        for model in 0..self.relations.len() {
            let mut taken_out =
                BTreeMap::from([("collision", Named::default()), ("blocked", Named::default()), ("moved", Named::default())]);
            let (figures, relation) = (&mut self.models[model], &self.relations[model]);
            self.scratch.each(model, &mut |record| {
                figures.count(&record);
                chosen.map_or(Ok(()), |chosen| chosen.must_be_theirs(model, &relation.name, &record))?;
                let set = [("collision", record.collision), ("blocked", record.blocked), ("moved", record.moved)];
                for (name, _) in set.into_iter().filter(|(_, set)| *set) {
                    if let Some(Named { keys, holders }) = taken_out.get_mut(name).filter(|named| named.keys.len() < 5) {
                        keys.push(key_json(relation, record.live.as_ref().or(record.backup.as_ref()), &record.key));
                        holders.push(record.holder.clone().unwrap_or_default());
                    }
                }
                spool.push(model, &record)
            })?;
            // Identical records are in the figures but not in the scratch space; they are skipped.
            figures.skip += figures.identical;
            figures.balance(self.pulled[model])?;
            found.extend(refused(figures, &mut taken_out, &self.request, undo));
            found.extend(if undo { findings::of_undone(figures) } else { findings::of_model(relation, figures, &self.request) });
        }
        let blocks = spool.finish()?;
        for live in self.lives {
            found.extend(findings::of_triggers(*live, &self.models)?);
        }
        self.findings.append(&mut found);
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
        self.models.append(&mut self.unfit);
        Ok(Plan {
            undo,
            blocks,
            live: self.lives.iter().map(|live| live.identity()).collect(),
            sources: self.sources,
            request: self.request,
            relations: self.relations,
            references: self.references,
            models: self.models,
            findings: self.findings,
        })
    }

    /// Lets the live rows dispute what is claimed; true where a holder was taken into the plan.
    fn dispute(&mut self, progress: &mut Progress<'_>) -> Result<bool> {
        let mut grown = false;
        for model in 0..self.relations.len() {
            if !self.claims.concern(&self.scratch, model)? {
                continue;
            }
            let relation = self.relations[model].clone();
            let mut failure = None;
            let mut seen = 0;
            let mut holders = Vec::new();
            // What a tree's entries claim are paths: their contents need not be read again.
            let content: &dyn Content = if relation.kind == RelationKind::Files { &Glancing } else { &Looking };
            self.live(model).scan(&relation, content, &mut |row| {
                seen += 1;
                if seen % 1024 == 0 && !progress(Step { phase: "check", model: &relation.name, records: seen, compared: None }) {
                    return stop(&mut failure, Err(Error::Cancelled));
                }
                let met = self.claims.meet(&self.scratch, (model, &relation), &row).and_then(|holds| {
                    let wanted = holds && self.request.collisions == OnCollision::Holder && holders.len() < 10_000;
                    if wanted && self.yields(model, &row)? {
                        holders.push(row);
                    }
                    Ok(true)
                });
                stop(&mut failure, met)
            })?;
            failure.map_or(Ok(()), Err)?;
            for row in holders {
                // A holder that the backup has too is no live-only one: deleting it would lose what the backup holds of it.
                if self.scratch.give_way(model, &row.key)? {
                    self.add(model, &checks::removal(row))?;
                    grown = true;
                }
            }
        }
        Ok(grown)
    }

    /// Whether a live row that holds a value may go for it: another tenant's gives way to nobody.
    pub(super) fn yields(&self, model: usize, row: &Row) -> Result<bool> {
        self.chosen.as_ref().map_or(Ok(true), |chosen| Ok(!chosen.is_anothers(model, row)?))
    }

    /// Takes missing parents from the backup, where that is asked for, and always the folders of files; true where there were any.
    fn adopt(&mut self, parents: &mut Parents<'_>) -> Result<bool> {
        let mut grown = false;
        if self.request.blocked != OnBlocked::Parents && self.relations.iter().all(|relation| relation.kind != RelationKind::Files) {
            return Ok(false);
        }
        for (model, key) in self.claims.missing(&self.relations, &self.scratch)? {
            let wanted = self.request.blocked == OnBlocked::Parents || self.relations[model].kind == RelationKind::Files;
            if !wanted || self.scratch.has(model, &key)? {
                continue;
            }
            for record in parents(model, &key)? {
                let anothers = match (&self.chosen, &record.backup) {
                    (Some(chosen), Some(row)) => chosen.was_or_becomes_anothers(model, row)?,
                    _ => false,
                };
                if anothers || self.scratch.has(model, &record.key)? {
                    break;
                }
                self.pulled[model] += 1;
                self.add(model, &record)?;
                grown = true;
            }
        }
        Ok(grown)
    }
}

/// Some of the records of a model that were taken out for one reason, and who holds the value where that is the reason.
#[derive(Default)]
struct Named {
    keys: Vec<Json>,
    holders: Vec<Json>,
}

/// What is said about the records of a model that were taken out.
fn refused(model: &ModelPlan, named: &mut BTreeMap<&str, Named>, request: &Request, undo: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |name: &str, count: u64, blocks: bool, what: &str, (option, remedy): (&str, &str)| {
        if count > 0 {
            // An undo has no such options: it puts back what was there, or leaves it.
            let (option, remedy) = if undo { ("row", "Leave each as it is: --row MODEL:KEY=live.") } else { (option, remedy) };
            let level = if blocks { Level::Blocking } else { Level::Warning };
            let message = format!("{} {what}", counted(count, "record"));
            let Named { keys, holders } = named.remove(name).unwrap_or_default();
            let holders = if name == "collision" { holders } else { Vec::new() };
            found.push(Finding { holders, ..Finding::new(level, &model.model, message, remedy).about(count, keys).decided(option) });
        }
    };
    let what = "would take a unique value that another live record holds";
    let remedy = ("collisions", "--collisions skip leaves out what collides, holder deletes the record that holds the value.");
    say("collision", model.collisions, request.collisions != OnCollision::Skip, what, remedy);
    let what = "of another tenant now, or when the backup was made; nothing of others is touched";
    let remedy = ("tenants", "Take that tenant too (--tenant), or leave them out: --row MODEL:KEY=live.");
    say("moved", model.moved, true, what, remedy);
    let what = "would leave a reference without what it refers to";
    let remedy = ("blocked", "--blocked parents takes the parents too, skip leaves out what lacks its parent.");
    say("blocked", model.blocked, request.blocked != OnBlocked::Skip, what, remedy);
    found
}

/// The record of a row that stands in the backup only.
pub(super) fn newcomer(row: Row, effect: super::strategy::Effect) -> Record {
    Record {
        key: row.key.clone(),
        state: State::New,
        effect,
        collision: false,
        holder: None,
        blocked: false,
        moved: false,
        exchange: false,
        fields: Vec::new(),
        backup: Some(row),
        live: None,
    }
}
