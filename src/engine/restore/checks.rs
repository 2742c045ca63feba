//! Collisions and missing parents: what the records of a plan would do to unique values and to references.
//!
//! Each record that is written claims values ([`Claims::add`]); then the live rows of the models concerned are read once
//! more and each says whose claims it disputes ([`Claims::meet`]).

use super::record::{Record, key_json};
use super::scratch::{BLOCKED, COLLISION, Claim, Mark, Scratch};
use super::strategy::{Effect, State};
use super::{Error, Result};
use crate::rows::{Class, Fold, Key, Relation, RelationKind, Row, Value};
use crate::sources::files::relation::{ROOT, is_folder, path_of, split};
use crate::sources::{Reference, Unique};

/// What of a row is unique, refers, or is referred to.
pub(super) enum Part {
    /// Its values in these columns, and what is equal in each, as the index or the parent of the reference compares.
    Columns(Vec<(usize, Fold)>),
    /// The folder that an entry of a tree is in: it refers to it.
    Above,
    /// The path of an entry of a tree that is a folder.
    Folder,
}

/// A unique or one side of a reference, and the model it belongs to.
pub(super) struct Tuple {
    pub(super) model: usize,
    pub(super) part: Part,
}

impl Tuple {
    /// The mark of this part of a row; none where a value of it is NULL.
    pub(super) fn mark(&self, row: &Row) -> Option<Mark> {
        mark(row, &self.part)
    }
}

/// The unique columns and references of the models, by place.
pub struct Claims {
    uniques: Vec<Tuple>,
    pub(super) references: Vec<(Tuple, Tuple)>,
}

impl Claims {
    /// Those of `uniques` and `references` that speak of `relations`.
    #[must_use]
    pub fn new(relations: &[Relation], uniques: &[Unique], references: &[Reference]) -> Self {
        let tuple = |model: &str, columns: &[String], folds: &[Fold]| {
            let place = relations.iter().position(|relation| relation.name == model)?;
            let columns = columns.iter().map(|name| relations[place].column(name)).collect::<Option<Vec<_>>>()?;
            let folds = (0..columns.len()).map(|column| folds.get(column).copied().unwrap_or_default());
            Some(Tuple { model: place, part: Part::Columns(columns.iter().copied().zip(folds).collect()) })
        };
        let both = |reference: &Reference| {
            let child = tuple(&reference.from, &reference.columns, &reference.folds)?;
            Some((child, tuple(&reference.to, &reference.to_columns, &reference.folds)?))
        };
        let trees = relations.iter().enumerate().filter(|(_, relation)| relation.kind == RelationKind::Files);
        let folders = trees.map(|(model, _)| (Tuple { model, part: Part::Above }, Tuple { model, part: Part::Folder }));
        Self {
            uniques: uniques.iter().filter_map(|unique| tuple(&unique.model, &unique.columns, &unique.folds)).collect(),
            references: references.iter().filter_map(both).chain(folders).collect(),
        }
    }

    /// Notes what a record of the model at this place takes, gives up, needs and gives.
    ///
    /// # Errors
    /// What the scratch space met.
    pub fn add(&self, scratch: &Scratch, model: usize, record: &Record) -> Result<()> {
        if record.effect == Effect::Skip {
            return Ok(());
        }
        let result = record.result();
        let note = |claim, id, mark: Option<Mark>| match mark {
            Some(mark) => scratch.claim(claim, id, &mark, model, record.key.as_bytes()),
            None => Ok(()),
        };
        let changed = |tuple: &Tuple| {
            let of = |row: Option<&Row>| row.and_then(|row| tuple.mark(row));
            let (before, after) = (of(record.live.as_ref()), of(result.as_ref()));
            if before == after { (None, None) } else { (before, after) }
        };
        for (id, tuple) in self.uniques.iter().enumerate().filter(|(_, tuple)| tuple.model == model) {
            let (before, after) = changed(tuple);
            note(Claim::Leave, id, before)?;
            note(Claim::Take, id, after)?;
        }
        for (id, (child, parent)) in self.references.iter().enumerate() {
            if child.model == model {
                let (before, after) = changed(child);
                note(Claim::Release, id, before)?;
                note(Claim::Need, id, after)?;
            }
            if parent.model == model {
                let (before, after) = changed(parent);
                note(Claim::Lose, id, before)?;
                note(Claim::Give, id, after)?;
            }
        }
        Ok(())
    }

    /// Whether live rows of the model at this place can dispute any claim.
    ///
    /// # Errors
    /// What the scratch space met.
    pub fn concern(&self, scratch: &Scratch, model: usize) -> Result<bool> {
        for (id, tuple) in self.uniques.iter().enumerate() {
            if tuple.model == model && scratch.any(Claim::Take, id)? {
                return Ok(true);
            }
        }
        for (id, (child, parent)) in self.references.iter().enumerate() {
            if parent.model == model && scratch.any(Claim::Need, id)? || child.model == model && scratch.any(Claim::Lose, id)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Lets a live row of a relation dispute the claims; true where it holds a unique value that a record would take.
    ///
    /// # Errors
    /// What the scratch space met.
    pub fn meet(&self, scratch: &Scratch, (model, relation): (usize, &Relation), row: &Row) -> Result<bool> {
        let key = &row.key;
        let makes = |claim, id, mark: &Mark| scratch.makes(claim, id, mark, model, key);
        let mut holds = false;
        for (id, tuple) in self.uniques.iter().enumerate().filter(|(_, tuple)| tuple.model == model) {
            let Some(mark) = tuple.mark(row) else { continue };
            for (place, taker) in scratch.claimants(Claim::Take, id, &mark)?.into_iter().filter(|(_, taker)| taker != key) {
                scratch.held(place, &taker, &key_json(relation, Some(row), key).to_string())?;
                if makes(Claim::Leave, id, &mark)? {
                    scratch.lean((place, &taker), (model, key), COLLISION)?;
                } else {
                    scratch.flag(place, &taker, COLLISION)?;
                    holds = true;
                }
            }
        }
        for (id, (child, parent)) in self.references.iter().enumerate() {
            // A row has the columns of its own model alone.
            if let Some(mark) = (parent.model == model).then(|| parent.mark(row)).flatten() {
                let needed = !scratch.claimants(Claim::Need, id, &mark)?.is_empty();
                if needed && !makes(Claim::Lose, id, &mark)? {
                    scratch.claim(Claim::Found, id, &mark, 0, &[])?;
                }
            }
            if child.model != model {
                continue;
            }
            let Some(mark) = child.mark(row) else { continue };
            for (place, loser) in scratch.claimants(Claim::Lose, id, &mark)? {
                if makes(Claim::Release, id, &mark)? {
                    scratch.lean((place, &loser), (model, key), BLOCKED)?;
                } else if scratch.claimants(Claim::Give, id, &mark)?.is_empty() {
                    scratch.flag(place, &loser, BLOCKED)?;
                }
            }
        }
        Ok(holds)
    }

    /// The parents that records need and nobody has, as the model and the key they have there.
    ///
    /// # Errors
    /// What the scratch space met.
    pub fn missing(&self, relations: &[Relation], scratch: &Scratch) -> Result<Vec<(usize, Key)>> {
        let mut parents = Vec::new();
        for (id, (child, parent)) in self.references.iter().enumerate() {
            let relation = &relations[parent.model];
            let is_key = |columns: &[(usize, Fold)]| columns.iter().map(|(column, _)| column).eq(relation.key_columns());
            if matches!(&parent.part, Part::Columns(columns) if !is_key(columns)) {
                continue;
            }
            for (model, key) in scratch.missing(id)? {
                let Some(row) = scratch.get(model, &key)?.and_then(|record| record.result()) else { continue };
                parents.extend(key_of(&row, &child.part, relation).map(|key| (parent.model, key)));
            }
        }
        Ok(parents)
    }
}

/// The record that deletes a live row which holds a value another record takes.
#[must_use]
pub fn removal(row: Row) -> Record {
    Record {
        key: row.key.clone(),
        state: State::LiveOnly,
        effect: Effect::Delete,
        collision: false,
        holder: None,
        blocked: false,
        moved: false,
        refused: None,
        exchange: false,
        fields: Vec::new(),
        backup: None,
        live: Some(row),
    }
}

/// The path that stands for a part of an entry of a tree.
fn path_in<'r>(row: &'r Row, part: &Part) -> Option<&'r [u8]> {
    match part {
        Part::Columns(_) => None,
        Part::Above => path_of(row).filter(|path| *path != ROOT).map(|path| split(path).0),
        Part::Folder => path_of(row).filter(|_| is_folder(row)),
    }
}

/// The key of the record of `parent` that a row refers to by this part of it.
fn key_of(row: &Row, part: &Part, parent: &Relation) -> Option<Key> {
    match part {
        Part::Columns(columns) => {
            let folds = parent.key_columns().iter().map(|&column| parent.columns[column].fold);
            Key::of(columns.iter().zip(folds).map(|(&(column, _), fold)| (&row.values[column], fold)))
        }
        _ => path_in(row, part).and_then(|path| Key::of([(&Value::Text(path.to_vec()), Fold::Binary)])),
    }
}

/// The mark of a part of a row, its values made equal as it folds them; none where one is NULL.
fn mark(row: &Row, part: &Part) -> Option<Mark> {
    match part {
        Part::Above | Part::Folder => Some(short(blake3::Hasher::new().update(path_in(row, part)?))),
        Part::Columns(columns) => mark_of(row, columns),
    }
}

/// The mark of a row's values in these columns; none where one is NULL.
pub(in crate::engine) fn mark_of(row: &Row, columns: &[(usize, Fold)]) -> Option<Mark> {
    let mut marked = blake3::Hasher::new();
    for &(column, fold) in columns {
        match &row.values[column] {
            Value::Null => return None,
            // No key is that long: it is compared by its bytes, whatever its index folds.
            Value::Large(large) => marked.update(&[u8::from(large.class == Class::Text)]).update(&large.content.0),
            value => marked.update(Key::of([(value, fold)])?.as_bytes()),
        };
    }
    Some(short(&marked))
}

fn short(marked: &blake3::Hasher) -> Mark {
    let mut mark = [0; 16];
    mark.copy_from_slice(&marked.finalize().as_bytes()[..16]);
    mark
}

/// Keeps the first error that a callback met, for callbacks that can only stop.
pub(in crate::engine) fn stop(failure: &mut Option<Error>, result: Result<bool>) -> std::ops::ControlFlow<()> {
    match result {
        Ok(true) => std::ops::ControlFlow::Continue(()),
        Ok(false) => std::ops::ControlFlow::Break(()),
        Err(error) => {
            *failure = Some(error);
            std::ops::ControlFlow::Break(())
        }
    }
}
