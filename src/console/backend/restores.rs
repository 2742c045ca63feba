//! Previews, restores and their way back, as the walkthrough asks for them.

use std::ops::ControlFlow;

use serde_json::{Value, json};

use crate::console::effect::{Answer, Preview, Progress, Side};
use crate::console::model::plan::{PlanRow, PlanSummary, RestoreResult};
use crate::engine::Engine;
use crate::engine::error::{Error, Result};
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
        scope: Scope { models: preview.models.iter().cloned().collect(), ..Scope::default() },
        choices: preview.rows.iter().map(record).chain(preview.fields.iter().map(field)).collect(),
        ..PreviewRequest::new(Some(preview.app.clone()).filter(|app| !app.is_empty()), strategy_of(&preview.strategy)?)
    };
    as_shown(&engine.preview(&request, &mut |step| told(report, &step))?)
}

/// Executes a plan.
pub fn run(engine: &Engine, plan: &str, reason: &str, report: Report<'_>) -> Result<RestoreResult> {
    as_shown(&engine.restore(plan, given(reason), &mut |step| told(report, &step))?)
}

/// Takes a restore back.
pub fn undo(engine: &Engine, restore: &str, reason: &str, report: Report<'_>) -> Result<RestoreResult> {
    as_shown(&engine.undo(restore, Vec::new(), given(reason), &mut |step| told(report, &step))?)
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
fn told(report: Report<'_>, step: &Step<'_>) -> bool {
    let phase = format!("{} {}", step.phase, step.model);
    // A model that cannot be shown yet is shown with the plan.
    let model = step.compared.and_then(|model| as_shown(model).ok());
    report(Progress { phase, done: step.records, model, ..Progress::default() }).is_continue()
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
