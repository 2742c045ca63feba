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

/// How many records are passed over at a time when a window begins at a key.
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

/// A window of a model's records that differ. The spool is numbered, so a key is found by passing over what comes before it.
pub fn rows(engine: &Engine, plan: &str, model: &str, after: Option<&Value>, limit: usize) -> Result<Answer> {
    let mut passed: u64 = 0;
    if let Some(key) = after {
        loop {
            let block = engine.plan_rows(plan, model, passed, BLOCK)?;
            if let Some(at) = block.iter().position(|row| row.get("key") == Some(key)) {
                passed += at as u64 + 1;
                break;
            }
            passed += block.len() as u64;
            if block.len() < BLOCK {
                break;
            }
        }
    }
    let mut rows: Vec<PlanRow> = as_shown(&engine.plan_rows(plan, model, passed, limit + 1)?)?;
    let end = rows.len() <= limit;
    rows.truncate(limit);
    Ok(Answer::Rows { rows, end })
}

/// Tells how far it is; false where the operator stops it.
fn told(report: Report<'_>, step: &Step<'_>) -> bool {
    let phase = format!("{} {}", step.phase, step.model);
    report(Progress { phase, done: step.records, ..Progress::default() }).is_continue()
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
