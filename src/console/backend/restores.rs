//! Previews, restores and their way back, as the walkthrough asks for them.

use std::ops::ControlFlow;

use serde_json::{Value, json};

use super::{details, records};
use crate::catalog::RestoreFilter;
use crate::console::effect::{Answer, OpenPlan, Preview, Progress, Side};
use crate::console::model::plan::{PlanRow, PlanSummary, RestoreResult};
use crate::engine::Engine;
use crate::engine::error::{Error, Result};
use crate::engine::progress::Tally;
use crate::engine::restore::Step;
use crate::engine::restore::plan::{Choice, Scope};
use crate::engine::restore::strategy::{self, Strategy};
use crate::engine::restoring::PreviewRequest;

/// How many records are looked through at a time for a conflict.
const BLOCK: usize = 1000;

type Report<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

/// Compares, and keeps the plan.
pub fn preview(engine: &Engine, preview: &Preview, report: Report<'_>) -> Result<PlanSummary> {
    let strategies = preview.strategies.iter().map(|(model, text)| Ok((model.clone(), strategy_of(text)?)));
    let record = |(model, key, side): &(String, Value, Side)| choice(model, key, None, *side);
    let field = |(model, key, field, side): &(String, Value, String, Side)| choice(model, key, Some(field.clone()), *side);
    let request = PreviewRequest {
        backup: Some(preview.backup.clone()),
        strategies: strategies.collect::<Result<_>>()?,
        scope: Scope { models: preview.models.iter().cloned().collect(), tenants: preview.tenants.clone(), ..Scope::default() },
        collisions: preview.collisions,
        blocked: preview.blocked,
        choices: preview.rows.iter().map(record).chain(preview.fields.iter().map(field)).collect(),
        ..PreviewRequest::new(Some(preview.app.clone()).filter(|app| !app.is_empty()), strategy_of(&preview.strategy)?)
    };
    let mut tally = Tally::default();
    let plan = match &preview.undo_of {
        Some(restore) => engine.preview_undo(restore, request.choices, &mut |step| told(report, &step, &mut tally, None))?,
        None => {
            let total = expected(engine, preview)?;
            engine.preview(&request, &mut |step| told(report, &step, &mut tally, total))?
        }
    };
    // What takes its place is kept now; one that was executed meanwhile is not open any more.
    if let Some(old) = preview.replaces.as_deref().filter(|old| *old != plan.plan) {
        let _ = engine.discard_plan(old);
    }
    as_shown(&plan)
}

/// The records that a comparison reads of the backup.
fn expected(engine: &Engine, preview: &Preview) -> Result<Option<u64>> {
    let models = engine.catalog().backup_models(&preview.backup)?;
    let wanted = models.iter().filter(|it| preview.models.is_empty() || preview.models.contains(&it.model));
    let records: u64 = wanted.map(|it| it.rows).sum();
    Ok((records > 0).then_some(records))
}

/// Executes a plan.
pub fn run(engine: &Engine, plan: &str, reason: &str, report: Report<'_>) -> Result<RestoreResult> {
    let effect = engine.plan_summary(plan)?.effect;
    // Each record is read again and then written.
    let total = Some(2 * (effect.create + effect.update + effect.delete));
    let mut tally = Tally::default();
    as_shown(&engine.restore(plan, given(reason), &mut |step| told(report, &step, &mut tally, total))?)
}

/// A preview that was left behind, as the walkthrough can go on with it.
pub fn left(engine: &Engine, plan: &str) -> Result<OpenPlan> {
    let (request, undo) = engine.plan_request(plan)?;
    let known = request.scope.modules.is_empty() && request.scope.records.is_empty() && request.ignore.is_empty();
    if !known || request.exact {
        let hint = format!("It can be executed there as it is: backstop restore run --plan {plan}");
        return Err(Error::Refused { why: "this preview was made with options that the console does not have".into(), hint });
    }
    let catalog = engine.catalog();
    let backup = if undo { None } else { Some(catalog.backup(&request.backup)?) };
    let models = if undo { Vec::new() } else { details::models(&catalog.reader()?, &request.backup)? };
    let undo_of = if undo { Some(restore_of(engine, &request.backup)?) } else { None };
    let side = |side| match side {
        strategy::Side::Backup => Side::Backup,
        strategy::Side::Live => Side::Live,
    };
    let mut preview = Preview {
        backup: request.backup.clone(),
        app: request.app.clone(),
        strategy: as_shown(&request.strategy)?,
        models: request.scope.models.iter().cloned().collect(),
        tenants: request.scope.tenants.clone(),
        strategies: request.strategies.iter().map(|(model, of)| Ok((model.clone(), as_shown(of)?))).collect::<Result<_>>()?,
        collisions: request.collisions,
        blocked: request.blocked,
        undo_of,
        ..Preview::default()
    };
    for choice in request.choices {
        match choice.field {
            None => preview.rows.push((choice.model, choice.key, side(choice.side))),
            Some(field) => preview.fields.push((choice.model, choice.key, field, side(choice.side))),
        }
    }
    let copies = |it: crate::catalog::Backup| -> Result<_> {
        let copies = catalog.reader()?.backup_copies(&it.id)?;
        Ok(records::backup(it, copies))
    };
    Ok(OpenPlan { summary: as_shown(&engine.plan_summary(plan)?)?, backup: backup.map(copies).transpose()?, models, preview })
}

/// The restore that a safety record was made for.
fn restore_of(engine: &Engine, safety: &str) -> Result<String> {
    let mut after = None;
    loop {
        let page = engine.catalog().restores_page(&RestoreFilter::default(), after.as_ref(), 200)?;
        if let Some(found) = page.items.into_iter().find(|it| it.safety_backup.as_deref() == Some(safety)) {
            return Ok(found.id);
        }
        after = page.next;
        if after.is_none() {
            return Err(Error::Unknown {
                what: "restore of the safety record",
                name: safety.to_owned(),
                hint: "backstop restores list".into(),
            });
        }
    }
}

/// A window of a model's records that differ, or one round the first conflict from a place on.
pub fn rows(engine: &Engine, plan: &str, model: &str, from: usize, conflict: Option<usize>, limit: usize) -> Result<Answer> {
    let found = conflict.map(|place| first_conflict(engine, plan, model, place)).transpose()?.flatten();
    let from = found.map_or(from, |found| found.saturating_sub(limit / 2));
    let mut rows: Vec<PlanRow> = as_shown(&engine.plan_rows(plan, model, from as u64, limit + 1)?)?;
    let end = rows.len() <= limit;
    rows.truncate(limit);
    Ok(Answer::Rows { from, found, rows, end })
}

/// The place of the first conflict at or after a place.
fn first_conflict(engine: &Engine, plan: &str, model: &str, mut place: usize) -> Result<Option<usize>> {
    loop {
        let block = engine.plan_rows(plan, model, place as u64, BLOCK)?;
        if let Some(by) = block.iter().position(|row| row.get("state").is_some_and(|state| state == "conflict")) {
            return Ok(Some(place + by));
        }
        if block.len() < BLOCK {
            return Ok(None);
        }
        place += BLOCK;
    }
}

/// Tells how far it is, and what a model's comparison gave; false where the operator stops it.
fn told(report: Report<'_>, step: &Step<'_>, tally: &mut Tally, total: Option<u64>) -> bool {
    let phase = format!("{} {}", step.phase, step.model);
    let done = tally.add(step.phase, step.model, step.records);
    // A model that cannot be shown yet is shown with the plan.
    let model = step.compared.and_then(|model| as_shown(model).ok());
    report(Progress { phase, done, total, model }).is_continue()
}

fn given(reason: &str) -> Option<&str> {
    Some(reason).filter(|reason| !reason.is_empty())
}

fn strategy_of(text: &str) -> Result<Strategy> {
    serde_json::from_value(json!(text))
        .map_err(|_| Error::Usage { why: format!("there is no strategy “{text}”"), hint: "Use one of: replace, merge, skip.".into() })
}

fn choice(model: &str, key: &Value, field: Option<String>, side: Side) -> Choice {
    let side = match side {
        Side::Backup => strategy::Side::Backup,
        Side::Live => strategy::Side::Live,
    };
    Choice { model: model.to_owned(), key: key.clone(), field, side }
}

/// The engine's values and the console's have the same JSON, that of the command line.
fn as_shown<T: serde::de::DeserializeOwned>(value: &impl serde::Serialize) -> Result<T> {
    serde_json::to_value(value)
        .and_then(serde_json::from_value)
        .map_err(|error| Error::Io { what: "showing what the engine gave".into(), source: error.into() })
}
