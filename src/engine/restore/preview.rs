//! The preview: a backup compared with the live data, as a plan. Nothing is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::ops::ControlFlow;

use super::checks::stop;
use super::draft::{Draft, newcomer};
use super::findings::{Finding, Level, records};
use super::plan::{ModelPlan, Plan, Request};
use super::record::{Record, key_of_choice};
use super::spool::Cipher;
use super::strategy::{Effect, Rule, Side, State, decide, decide_file};
use super::{Error, Progress, Result, Step, Stored, StoredRelation};
use crate::rows::difference::{Comparison, Difference, FieldChange, Projection};
use crate::rows::{Key, KeyKind, Relation, RelationKind, Row, Value};
use crate::sources::{Looking, Snapshot};

/// Compares what `request` takes of `stored` with the live sources, writes every record that differs to `to`, and gives the plan.
///
/// # Errors
/// What either side cannot be read for, and cancelling. Blocking findings are no error: they stand in the plan.
pub fn preview(
    request: Request,
    stored: &dyn Stored,
    lives: &[&dyn Snapshot],
    to: &mut dyn Write,
    seal: &Cipher<'_>,
    progress: &mut Progress<'_>,
) -> Result<Plan> {
    let mut draft = Draft::new(request, lives)?;
    unknown_names(&draft.request, stored)?;
    another_source(&mut draft);
    let scope = draft.request.scope.clone();
    for held in stored.relations().iter().filter(|held| scope.takes(&held.relation)) {
        let fit = draft.place(&held.relation.name).filter(|&model| fits(&mut draft, held, model));
        match fit {
            Some(model) => compare(&mut draft, stored, held, model, progress)?,
            None => cannot_be_put_back(&mut draft, held),
        }
    }
    let live_relations = draft.relations.clone();
    let mut parents = |model: usize, key: &Key| {
        let live = &live_relations[model];
        let Some(held) = stored.relations().iter().find(|held| held.relation.name == live.name) else { return Ok(None) };
        let projection = Projection::new(&held.relation, live);
        if projection.key_changed() {
            return Ok(None);
        }
        let row = stored.find(&live.name, key)?.map(|row| projection.project(row)).transpose()?;
        Ok(row.map(|row| newcomer(row, Effect::Create)))
    };
    draft.finish(false, &mut parents, to, seal, progress)
}

/// A name in the request that the backup does not know is a mistake, not an empty answer.
fn unknown_names(request: &Request, stored: &dyn Stored) -> Result<()> {
    let known: BTreeSet<&str> = stored.relations().iter().map(|held| held.relation.name.as_str()).collect();
    let scope = &request.scope;
    let named = scope.models.iter().chain(scope.records.keys()).chain(request.strategies.keys()).chain(request.ignore.keys());
    match named.chain(request.choices.iter().map(|choice| &choice.model)).find(|name| !known.contains(name.as_str())) {
        Some(model) => Err(Error::Unknown { model: model.clone(), what: "records in this backup".into() }),
        None => Ok(()),
    }
}

fn another_source(draft: &mut Draft<'_>) {
    let Some(source) = &draft.request.source else { return };
    let same = |live: &&dyn Snapshot| {
        let identity = live.identity();
        identity.engine != source.engine || identity == *source
    };
    if !draft.lives.iter().all(same) {
        let message = format!("this is another database than the one backed up, or its schema changed since ({})", source.place);
        draft.findings.push(Finding::new(Level::Warning, "", message, "Check that it is the one you mean."));
    }
}

/// Whether the backup's rows can be put into the live model; findings say why not.
fn fits(draft: &mut Draft<'_>, held: &StoredRelation, model: usize) -> bool {
    let live = draft.relations[model].clone();
    let projection = Projection::new(&held.relation, &live);
    let name = &live.name;
    let mut blocking = Vec::new();
    if projection.key_changed() {
        blocking.push("its key is another one than in the backup".to_owned());
    }
    if !projection.backup_only().is_empty() {
        blocking.push(format!("the live table lacks columns that the backup has: {}", projection.backup_only().join(", ")));
    }
    let must = |column: &&String| live.column(column).is_some_and(|column| live.columns[column].not_null);
    let (needed, other): (Vec<&String>, Vec<&String>) = projection.live_only().iter().partition(must);
    if !needed.is_empty() {
        blocking.push(format!(
            "the backup lacks columns that must have a value: {}",
            needed.iter().map(|n| n.as_str()).collect::<Vec<_>>().join(", ")
        ));
    }
    if draft.request.exact && !held.whole {
        blocking.push("the backup does not hold all of it, so exact cannot tell what to delete".to_owned());
    }
    if !other.is_empty() {
        let message = format!(
            "columns newer than the backup keep their values, and are NULL in records put back: {}",
            other.iter().map(|n| n.as_str()).collect::<Vec<_>>().join(", ")
        );
        draft.findings.push(Finding::new(Level::Warning, name, message, "Fill them in afterwards."));
    }
    let fit = blocking.is_empty();
    let remedy = "Leave the model out, or restore a whole copy beside it (restore to).";
    draft.findings.extend(blocking.into_iter().map(|message| Finding::new(Level::Blocking, name, message, remedy)));
    fit
}

fn cannot_be_put_back(draft: &mut Draft<'_>, held: &StoredRelation) {
    let relation = &held.relation;
    if held.rows == 0 {
        return;
    }
    if draft.place(&relation.name).is_none() {
        let message = format!("does not exist any more; the backup has {}", records(held.rows));
        let remedy = "Make the table again, or restore a whole copy (restore to).";
        draft.findings.push(Finding::new(Level::Blocking, &relation.name, message, remedy).about(held.rows, Vec::new()));
    }
    let strategy = draft.request.strategy_of(&relation.name);
    if let Some(model) = draft.place(&relation.name) {
        draft.models[model] = ModelPlan::empty(relation, strategy);
    }
    draft.unfit.push(ModelPlan { total: held.rows, new: held.rows, skip: held.rows, ..ModelPlan::empty(relation, strategy) });
}

/// The choices of one model, ready to be looked up.
struct Choices {
    records: BTreeMap<Key, Side>,
    fields: BTreeMap<Key, Vec<(usize, Side)>>,
    only: Option<BTreeSet<Key>>,
    ignored: BTreeSet<usize>,
}

impl Choices {
    fn of(request: &Request, relation: &Relation) -> Result<Self> {
        let unknown = |what: String| Error::Unknown { model: relation.name.clone(), what };
        let key = |json: &serde_json::Value| key_of_choice(relation, json).ok_or_else(|| unknown(format!("key like {json}")));
        let column = |name: &String| relation.column(name).ok_or_else(|| unknown(format!("field {name}")));
        let (mut chosen, mut fields) = (BTreeMap::new(), BTreeMap::<Key, Vec<(usize, Side)>>::new());
        for choice in request.choices.iter().filter(|choice| choice.model == relation.name) {
            match &choice.field {
                None => drop(chosen.insert(key(&choice.key)?, choice.side)),
                Some(field) => fields.entry(key(&choice.key)?).or_default().push((column(field)?, choice.side)),
            }
        }
        let scope = &request.scope;
        let only = scope.records.get(&relation.name).map(|keys| keys.iter().map(key).collect::<Result<_>>()).transpose()?;
        let ignored = request.ignore.get(&relation.name).map(|names| names.iter().map(column).collect::<Result<_>>()).transpose()?;
        Ok(Self { records: chosen, fields, only, ignored: ignored.unwrap_or_default() })
    }

    fn takes(&self, key: &Key) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(key))
    }
}

fn compare(draft: &mut Draft<'_>, stored: &dyn Stored, held: &StoredRelation, model: usize, progress: &mut Progress<'_>) -> Result<()> {
    let relation = draft.relations[model].clone();
    let choices = Choices::of(&draft.request, &relation)?;
    let projection = Projection::new(&held.relation, &relation);
    let pulled = std::cell::Cell::new(0);
    let backup = stored
        .rows(&relation.name)?
        .map(|row| row.map_err(Error::from))
        .filter(|row| row.as_ref().map_or(true, |row| choices.takes(&row.key)));
    let backup = backup.inspect(|_| pulled.set(pulled.get() + 1));
    let mut comparison = Comparison::new(backup, projection, &choices.ignored);
    let live = draft.live(model);
    let (mut failure, mut seen) = (None, 0_u64);
    let mut emit = |difference: Difference| {
        take(draft, model, held.whole, &relation, &choices, difference)?;
        seen += 1;
        let told = seen % 1024 != 0 || progress(Step { phase: "compare", model: &relation.name, records: seen, compared: None });
        if told { Ok(ControlFlow::Continue(())) } else { Err(Error::Cancelled) }
    };
    let unread = live.scan(&relation, &Looking, &mut |row| {
        if !choices.takes(&row.key) {
            return ControlFlow::Continue(());
        }
        let next = comparison.live(row, &mut emit).map(|flow| flow.is_continue());
        stop(&mut failure, next)
    })?;
    failure.map_or(Ok(()), Err)?;
    let _ = comparison.finish(&mut emit)?;
    drop(comparison);
    draft.pulled[model] = pulled.get();
    if !progress(Step { phase: "compare", model: &relation.name, records: seen, compared: Some(&draft.models[model]) }) {
        return Err(Error::Cancelled);
    }
    if !unread.is_empty() {
        let message = format!("{} of the live data cannot be read", records(unread.len() as u64));
        draft.findings.push(Finding::new(Level::Blocking, &relation.name, message, "Restore a whole copy (restore to)."));
    }
    Ok(())
}

fn take(draft: &mut Draft<'_>, model: usize, whole: bool, relation: &Relation, choices: &Choices, difference: Difference) -> Result<()> {
    let (state, backup, live, fields) = match difference {
        Difference::Identical(_) => (State::Identical, None, None, Vec::new()),
        Difference::New(row) => (State::New, Some(row), None, Vec::new()),
        Difference::LiveOnly(row) => (State::LiveOnly, None, Some(row), Vec::new()),
        Difference::Conflict { backup, live, fields } => {
            let fields = told(relation, &live, fields);
            (if fields.is_empty() { State::Identical } else { State::Conflict }, Some(backup), Some(live), fields)
        }
    };
    if state == State::Identical {
        draft.models[model].identical += 1;
        return Ok(());
    }
    // What the backup could not read or did not cover is not live only: nothing is said about it.
    let Some(key) = live.as_ref().or(backup.as_ref()).map(|row| row.key.clone()).filter(|_| whole || state != State::LiveOnly) else {
        return Ok(());
    };
    let strategy = draft.models[model].strategy;
    let rule = Rule {
        strategy,
        exact: draft.request.exact && relation_is_exact(relation, choices),
        record: choices.records.get(&key).copied(),
        fields: choices.fields.get(&key).map_or(&[], Vec::as_slice),
    };
    let effect = if relation.kind == RelationKind::Files {
        let content = |column: usize| ["kind", "content", "target"].contains(&relation.columns[column].name.as_str());
        decide_file(state, &fields, content, &rule)
    } else {
        decide(state, &fields, &rule)
    };
    draft.add(model, &Record { key, state, effect, collision: false, blocked: false, exchange: false, fields, backup, live })
}

/// Exact speaks of whole models: not where single records were asked for.
fn relation_is_exact(relation: &Relation, choices: &Choices) -> bool {
    choices.only.is_none() || relation.key == KeyKind::WholeRow
}

/// The fields that are spoken of: a folder's times and size are not compared.
fn told(relation: &Relation, live: &Row, fields: Vec<FieldChange>) -> Vec<FieldChange> {
    let folder = relation.kind == RelationKind::Files
        && relation.column("kind").is_some_and(
            |kind| matches!(&live.values[kind], Value::Text(kind) if kind == b"dir" || kind == b"folder" || kind == b"directory"),
        );
    let quiet = |column: usize| ["mtime_s", "mtime_ns", "size"].contains(&relation.columns[column].name.as_str());
    fields.into_iter().filter(|change| !(folder && quiet(change.column))).collect()
}
