//! The preview: a backup compared with the live data, as a plan. Nothing is touched.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::ops::ControlFlow;
use std::rc::Rc;

use super::checks::stop;
use super::choices::Choices;
use super::draft::{Draft, newcomer};
use super::entries;
use super::findings::{Finding, Level};
use super::lockstep::{self, Meeting};
use super::plan::{ModelPlan, Plan, Request};
use super::record::Record;
use super::spool::Cipher;
use super::strategy::{Effect, Rule, Side, State, Strategy, decide, decide_file};
use super::tenants::{Chosen, Said};
use super::{Error, Progress, Result, Step, Stored, StoredRelation};
use crate::error::closest;
use crate::numbers::counted;
use crate::rows::difference::{self, Comparison, Difference, Projection};
use crate::rows::{Fold, Key, Relation, RelationKind, Row, Value};
use crate::sources::files::relation::{ROOT, path_of, shown, split};
use crate::sources::{Looking, Snapshot, Unread};

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
    let (scope, mut met, mut passed) = (draft.request.scope.clone(), BTreeSet::new(), BTreeSet::new());
    draft.chosen = Chosen::of(&draft.request, stored, (lives, &draft.references), progress)?.map(Rc::new);
    let chosen = draft.chosen.clone();
    for (place, held) in stored.relations().iter().enumerate().filter(|(_, held)| scope.takes(&held.relation)) {
        if !chosen.as_ref().map_or(Ok(true), |chosen| chosen.concern(place, &held.relation))? {
            passed.insert(place);
            continue;
        }
        let fit = draft.place(&held.relation).filter(|&model| fits(&mut draft, held, model));
        match fit {
            Some(model) => {
                let side = Held { stored, held, place, chosen: chosen.as_deref() };
                compare(&mut draft, &side, model, &mut met, progress)?;
            }
            None => cannot_be_put_back(&mut draft, held),
        }
    }
    draft.findings.extend(chosen.iter().flat_map(|chosen| chosen.unspoken(stored, &passed)));
    if let Some(glob) = scope.files.iter().enumerate().find_map(|(place, glob)| (!met.contains(&place)).then(|| glob.clone())) {
        return Err(Error::NoFile { glob });
    }
    let (live_relations, sources) = (draft.relations.clone(), draft.sources.clone());
    let mut told: BTreeMap<usize, Vec<Finding>> = BTreeMap::new();
    let mut parents = |model: usize, key: &Key| {
        let live = &live_relations[model];
        let Some(held) = stored.relations().iter().find(|held| held.relation.name == live.name) else { return Ok(Vec::new()) };
        let misfits = told.entry(model).or_insert_with(|| misfits(held, live, false));
        if misfits.iter().any(|finding| finding.level == Level::Blocking) {
            return Ok(Vec::new());
        }
        missing_parents(stored, held, lives[sources[model]], live, key)
    };
    let mut plan = draft.finish(false, &mut parents, to, seal, progress)?;
    for finding in told.into_values().flatten() {
        if !plan.findings.contains(&finding) {
            plan.findings.push(finding);
        }
    }
    plan.findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    Ok(plan)
}

/// The record with this key, from the backup; of a tree also the folders it lies in that are not there, the nearest first.
fn missing_parents(stored: &dyn Stored, held: &StoredRelation, live: &dyn Snapshot, relation: &Relation, key: &Key) -> Result<Vec<Record>> {
    let mut parents = Vec::new();
    let projection = Projection::new(&held.relation, relation);
    let mut next = Some(key.clone());
    while let Some(key) = next.take() {
        let Some(row) = stored.find(&relation.name, &key)?.map(|row| projection.project(row)).transpose()? else { break };
        if let Some(path) = path_of(&row).filter(|_| relation.kind == RelationKind::Files) {
            // Something else stands there: it is not for this restore to replace.
            if entries::now(live, &row, &Looking)?.is_some() {
                break;
            }
            let folder = split(path).0;
            next = Key::of([(&Value::Text(folder.to_vec()), Fold::Binary)]).filter(|_| folder != ROOT);
        }
        parents.push(newcomer(row, Effect::Create));
    }
    Ok(parents)
}

/// A name in the request that the backup does not know is a mistake, not an empty answer.
fn unknown_names(request: &Request, stored: &dyn Stored) -> Result<()> {
    let known: BTreeSet<&str> = stored.relations().iter().map(|held| held.relation.name.as_str()).collect();
    let scope = &request.scope;
    let named = scope.models.iter().chain(scope.records.keys()).chain(request.strategies.keys()).chain(request.ignore.keys());
    match named.chain(request.choices.iter().map(|choice| &choice.model)).find(|name| !known.contains(name.as_str())) {
        Some(model) => {
            let meant = closest(model, known).map_or_else(String::new, |near| format!("; did you mean {near}?"));
            Err(Error::Unknown { model: model.clone(), what: format!("records in this backup{meant}") })
        }
        None => Ok(()),
    }
}

fn another_source(draft: &mut Draft<'_>) {
    let moved = draft.lives.iter().map(|live| (live.identity(), live.relations())).filter(|(identity, _)| identity.engine == "files");
    for (identity, relations) in moved {
        for relation in relations {
            let Some(folder) = draft.request.folders.get(&relation.name).filter(|folder| **folder != identity.place) else { continue };
            let message = format!("this is another folder ({}) than the one backed up ({folder})", identity.place);
            draft.findings.push(Finding::new(Level::Warning, &relation.name, message, "Check that it is the one you mean."));
        }
    }
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
    let found = misfits(held, &draft.relations[model], draft.request.exact);
    let fit = found.iter().all(|finding| finding.level != Level::Blocking);
    draft.findings.extend(found);
    fit
}

/// What stands between the backup's rows and the live model.
fn misfits(held: &StoredRelation, live: &Relation, exact: bool) -> Vec<Finding> {
    let projection = Projection::new(&held.relation, live);
    let name = &live.name;
    let mut blocking = Vec::new();
    if projection.key_changed() {
        blocking.push("its key is another one than in the backup".to_owned());
    }
    if !projection.backup_only().is_empty() {
        blocking.push(format!("the live one lacks columns that the backup has: {}", projection.backup_only().join(", ")));
    }
    let must = |column: &&String| live.column(column).is_some_and(|column| live.columns[column].not_null);
    let (needed, other): (Vec<&String>, Vec<&String>) = projection.live_only().iter().partition(must);
    if !needed.is_empty() {
        blocking.push(format!(
            "the backup lacks columns that must have a value: {}",
            needed.iter().map(|n| n.as_str()).collect::<Vec<_>>().join(", ")
        ));
    }
    if exact && !held.whole {
        blocking.push("the backup does not hold all of it, so exact cannot tell what to delete".to_owned());
    }
    let mut found = Vec::new();
    if !other.is_empty() {
        let message = format!(
            "columns newer than the backup keep their values, and are NULL in records put back: {}",
            other.iter().map(|n| n.as_str()).collect::<Vec<_>>().join(", ")
        );
        found.push(Finding::new(Level::Warning, name, message, "Fill them in afterwards."));
    }
    let remedy = "Leave the model out, or restore a whole copy beside it (restore to).";
    found.extend(blocking.into_iter().map(|message| Finding::new(Level::Blocking, name, message, remedy)));
    found
}

fn cannot_be_put_back(draft: &mut Draft<'_>, held: &StoredRelation) {
    let relation = &held.relation;
    if held.rows == 0 {
        return;
    }
    if draft.place(relation).is_none() {
        let message = format!("does not exist any more; the backup has {}", counted(held.rows, "record"));
        let remedy = match relation.kind {
            RelationKind::Table | RelationKind::Derived => "Make the table again, or restore a whole copy (restore to).",
            RelationKind::Files => "Mount the folder or make it (mkdir), then preview again; or restore a whole copy (restore to).",
        };
        draft.findings.push(Finding::new(Level::Blocking, &relation.name, message, remedy).about(held.rows, Vec::new()));
    }
    let strategy = draft.request.strategy_of(&relation.name);
    if let Some(model) = draft.place(relation) {
        draft.models[model] = ModelPlan::empty(relation, strategy);
    }
    draft.unfit.push(ModelPlan { total: held.rows, new: held.rows, skip: held.rows, ..ModelPlan::empty(relation, strategy) });
}

/// A model of the backup that is compared.
struct Held<'h> {
    stored: &'h dyn Stored,
    held: &'h StoredRelation,
    place: usize,
    chosen: Option<&'h Chosen>,
}

impl Held<'_> {
    /// Whether a row of it is meant by the tenants that were chosen.
    fn is_chosen(&self, row: &Row) -> Result<bool> {
        let chosen = self.chosen.filter(|_| self.held.relation.kind == RelationKind::Table);
        chosen.map_or(Ok(true), |chosen| chosen.takes(self.place, row))
    }
}

fn compare(draft: &mut Draft<'_>, side: &Held<'_>, model: usize, met: &mut BTreeSet<usize>, progress: &mut Progress<'_>) -> Result<()> {
    let Held { stored, held, chosen, .. } = *side;
    let relation = draft.relations[model].clone();
    let choices = Choices::of(&draft.request, &relation)?;
    if chosen.is_some_and(|chosen| !chosen.has_column(model)) && relation.kind == RelationKind::Table {
        // What nobody owns is put back where it is missing, and never replaced.
        draft.models[model].strategy = Strategy::Skip;
    }
    let projection = Projection::new(&held.relation, &relation);
    let live = draft.live(model);
    let whole = relation.kind == RelationKind::Table && chosen.is_none() && choices.take_all() && held.relation.is_shaped_like(&relation);
    if let Some(mut lying) = stored.lying(&relation.name).filter(|_| whole) {
        let compared: Vec<usize> = projection.compared().filter(|column| !choices.ignored.contains(column)).collect();
        let (mut pulled, mut seen) = (0, 0_u64);
        let unread = lockstep::meet(lying.as_mut(), live, &relation, &mut |meeting| {
            pulled += u64::from(!matches!(meeting, Meeting::LiveOnly(_)));
            match meeting {
                Meeting::Same => draft.models[model].identical += 1,
                Meeting::Differ(backup, live) => {
                    let difference = difference::pair(&compared, backup.to_row(), live.to_row());
                    take(draft, model, side, &relation, &choices, difference)?;
                }
                Meeting::New(row) => take(draft, model, side, &relation, &choices, Difference::New(row.to_row()))?,
                Meeting::LiveOnly(row) => take(draft, model, side, &relation, &choices, Difference::LiveOnly(row.to_row()))?,
            }
            seen += 1;
            let told = seen % 1024 != 0 || progress(Step { phase: "compare", model: &relation.name, records: seen, compared: None });
            if told { Ok(()) } else { Err(Error::Cancelled) }
        })?;
        draft.pulled[model] = pulled;
        return compared_model(draft, model, &relation, seen, &unread, progress);
    }
    let (pulled, met, left_out) = (Cell::new(0), RefCell::new(met), RefCell::new(LeftOut::default()));
    let is_taken = |row: &Row| choices.takes(row, &mut met.borrow_mut()) && left_out.borrow_mut().lets_pass(held, live, row);
    let backup = stored.rows(&relation.name)?.map(|row| row.map_err(Error::from));
    let backup = backup.filter(|row| row.as_ref().map_or(true, is_taken)).filter_map(|row| match row {
        Ok(row) => match side.is_chosen(&row) {
            Ok(meant) => meant.then_some(Ok(row)),
            Err(error) => Some(Err(error)),
        },
        error => Some(error),
    });
    let backup = backup.inspect(|_| pulled.set(pulled.get() + 1));
    let mut comparison = Comparison::new(backup, projection, &choices.ignored);
    let (mut failure, mut seen) = (None, 0_u64);
    let mut emit = |difference: Difference| {
        take(draft, model, side, &relation, &choices, difference)?;
        seen += 1;
        let told = seen % 1024 != 0 || progress(Step { phase: "compare", model: &relation.name, records: seen, compared: None });
        if told { Ok(ControlFlow::Continue(())) } else { Err(Error::Cancelled) }
    };
    let unread = live.scan(&relation, &Looking, &mut |row| {
        if !choices.takes(&row, &mut met.borrow_mut()) {
            return ControlFlow::Continue(());
        }
        let next = comparison.live(row, &mut emit).map(|flow| flow.is_continue());
        stop(&mut failure, next)
    })?;
    failure.map_or(Ok(()), Err)?;
    let _ = comparison.finish(&mut emit)?;
    drop(comparison);
    draft.pulled[model] = pulled.get();
    left_out.into_inner().tell(draft, &relation);
    compared_model(draft, model, &relation, seen, &unread, progress)
}

/// A model was compared to its end.
fn compared_model(
    draft: &mut Draft<'_>,
    model: usize,
    relation: &Relation,
    seen: u64,
    unread: &[Unread],
    progress: &mut Progress<'_>,
) -> Result<()> {
    if !progress(Step { phase: "compare", model: &relation.name, records: seen, compared: Some(&draft.models[model]) }) {
        return Err(Error::Cancelled);
    }
    if relation.kind == RelationKind::Files {
        return entries::leave_unread(draft, model, unread);
    }
    if !unread.is_empty() {
        let message = format!("{} of the live data cannot be read", counted(unread.len() as u64, "record"));
        draft.findings.push(Finding::new(Level::Blocking, &relation.name, message, "Restore a whole copy (restore to)."));
    }
    Ok(())
}

fn take(
    draft: &mut Draft<'_>,
    model: usize,
    side: &Held<'_>,
    relation: &Relation,
    choices: &Choices,
    difference: Difference,
) -> Result<()> {
    let said = side.chosen.map_or(Ok(Said::Usual), |chosen| chosen.said(model, relation, &difference))?;
    if said == Said::Nothing {
        return Ok(());
    }
    let whole = side.held.whole;
    let (state, backup, live, fields) = match difference {
        Difference::Identical(_) => (State::Identical, None, None, Vec::new()),
        Difference::New(row) => (State::New, Some(row), None, Vec::new()),
        Difference::LiveOnly(row) => (State::LiveOnly, None, Some(row), Vec::new()),
        Difference::Conflict { backup, live, fields } => (State::Conflict, Some(backup), Some(live), fields),
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
        exact: draft.request.exact && choices.are_exact(relation),
        record: choices.records.get(&key).copied(),
        fields: choices.fields.get(&key).map_or(&[], Vec::as_slice),
    };
    let effect = if relation.kind == RelationKind::Files {
        let content = |column: usize| ["kind", "content", "target"].contains(&relation.columns[column].name.as_str());
        decide_file(state, &fields, content, &rule)
    } else {
        decide(state, &fields, &rule)
    };
    // A live record that would go is another's where the backup has its key, and passed over it as somebody else's.
    let anothers = || Ok::<_, Error>(side.chosen.is_some() && side.stored.find(&relation.name, &key)?.is_some());
    let moved = said == Said::Moved || (effect == Effect::Delete && anothers()?);
    let moved = moved && choices.records.get(&key) != Some(&Side::Live);
    let effect = if said == Said::Usual && !moved { effect } else { Effect::Skip };
    let (collision, holder, blocked, exchange) = (false, None, false, false);
    draft.add(model, &Record { key, state, effect, collision, holder, blocked, moved, exchange, fields, backup, live })
}

/// Entries that the backup has and that are not spoken of.
#[derive(Default)]
struct LeftOut {
    unread: u64,
    excluded: u64,
}

impl LeftOut {
    fn lets_pass(&mut self, held: &StoredRelation, live: &dyn Snapshot, row: &Row) -> bool {
        let unread = !held.unread.is_empty() && path_of(row).is_some_and(|path| held.unread.contains(&shown(path)));
        let excluded = !unread && held.relation.kind == RelationKind::Files && !live.covers(row);
        self.unread += u64::from(unread);
        self.excluded += u64::from(excluded);
        !unread && !excluded
    }

    fn tell(&self, draft: &mut Draft<'_>, relation: &Relation) {
        let mut say = |level, count: u64, what: &str, remedy: &str| {
            if count > 0 {
                let message = format!("{} {what}", counted(count, "record"));
                draft.findings.push(Finding::new(level, &relation.name, message, remedy).about(count, Vec::new()));
            }
        };
        let what = "could not be read whole when the backup was made; not put back";
        say(Level::Warning, self.unread, what, "Take them from another backup.");
        let what = "of the backup, excluded now; not put back";
        say(Level::Info, self.excluded, what, "Restore a whole copy beside it (restore to).");
    }
}
