//! Configurations as the console's form has them: checked, then kept.

use crate::catalog::{AuditOutcome, Kind, NewConfiguration, Role, Time};
use crate::console::effect::ConfigurationDraft;
use crate::engine::Engine;
use crate::engine::error::{Error, Result};
use crate::engine::schedule::Schedule;

/// Makes a configuration.
pub fn create(engine: &Engine, draft: &ConfigurationDraft) -> Result<String> {
    engine.allow(Role::Admin, "config create", &draft.name)?;
    let made = engine.catalog().add_configuration(&checked(engine, draft, true)?)?;
    engine.audit("config create", &made.name, Some(&made.app), AuditOutcome::Done, None)?;
    Ok(format!("{} is made{}", made.name, next(made.next_run_at)))
}

/// Makes a configuration what the form says.
pub fn edit(engine: &Engine, id: &str, draft: &ConfigurationDraft) -> Result<String> {
    engine.allow(Role::Admin, "config edit", &draft.name)?;
    let id = engine.resolve(Kind::Configuration, id)?;
    let known = engine.catalog().configuration(&id)?;
    let new = NewConfiguration { compression: known.compression, adhoc: known.adhoc, ..checked(engine, draft, known.enabled)? };
    let made = engine.catalog().edit_configuration(&id, &new)?;
    engine.audit("config edit", &made.name, Some(&made.app), AuditOutcome::Done, None)?;
    Ok(format!("{} is changed{}", made.name, next(made.next_run_at)))
}

/// Has schedules followed, or not.
pub fn enable(engine: &Engine, ids: &[String], enabled: bool) -> Result<String> {
    let action = if enabled { "config enable" } else { "config disable" };
    for id in ids {
        engine.allow(Role::Admin, action, id)?;
        let it = engine.catalog().configuration(id)?;
        let next = if enabled { next_run(engine, it.schedule.as_deref())? } else { None };
        engine.catalog().set_configuration_enabled(id, enabled, next)?;
        engine.audit(action, &it.name, Some(&it.app), AuditOutcome::Done, None)?;
    }
    Ok(format!("{} {}", ids.len(), if enabled { "enabled" } else { "disabled" }))
}

/// Deletes a configuration; its backups stay.
pub fn delete(engine: &Engine, id: &str) -> Result<String> {
    engine.allow(Role::Admin, "config delete", id)?;
    let it = engine.catalog().configuration(id)?;
    engine.catalog().delete_configuration(id)?;
    engine.audit("config delete", &it.name, Some(&it.app), AuditOutcome::Done, None)?;
    Ok(format!("{} is deleted; its backups stay", it.name))
}

/// When a schedule names the next run.
pub fn next_run(engine: &Engine, schedule: Option<&str>) -> Result<Option<Time>> {
    let Some(schedule) = schedule else { return Ok(None) };
    Ok(Schedule::parse(schedule)?.after(engine.clock().now()).map(Time::from))
}

fn checked(engine: &Engine, draft: &ConfigurationDraft, enabled: bool) -> Result<NewConfiguration> {
    if draft.name.trim().is_empty() {
        return Err(Error::Usage { why: "a configuration has a name".into(), hint: "Give it one, such as daily-full.".into() });
    }
    let app = engine.app((!draft.app.is_empty()).then_some(draft.app.as_str()))?;
    let kind = draft.kind.parse().map_err(|unknown: crate::catalog::UnknownWord| Error::Usage {
        why: unknown.to_string(),
        hint: "Use one of: full, differential, incremental, database, files.".into(),
    })?;
    let schedule = draft.schedule.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let next_run_at = if enabled { next_run(engine, schedule)? } else { schedule.map(Schedule::parse).transpose().map(|_| None)? };
    Ok(NewConfiguration {
        schedule: schedule.map(str::to_owned),
        retention_days: (draft.retention_days > 0).then_some(draft.retention_days),
        enabled,
        quick: draft.quick,
        modules: draft.modules.clone(),
        models: draft.models.clone(),
        description: Some(draft.description.clone()).filter(|text| !text.is_empty()),
        next_run_at,
        ..NewConfiguration::new(draft.name.trim(), app.id, kind)
    })
}

fn next(at: Option<Time>) -> String {
    at.map(|at| format!(", next run {at}")).unwrap_or_default()
}
