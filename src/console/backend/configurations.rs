//! Configurations as the console's form has them, made into what the engine keeps.

use super::actions::backup_type;
use crate::catalog::{Kind, NewConfiguration, Time};
use crate::console::effect::ConfigurationDraft;
use crate::engine::Engine;
use crate::engine::configurations::as_new;
use crate::engine::error::Result;

/// Makes a configuration.
pub fn create(engine: &Engine, draft: &ConfigurationDraft) -> Result<String> {
    let app = engine.app(given(&draft.app))?;
    let made = engine.create_configuration(filled(NewConfiguration::new("", app.id, backup_type(&draft.kind)?), draft))?;
    Ok(format!("{} is made{}", made.name, next(made.next_run_at)))
}

/// Makes a configuration what the form says; what the form does not show stays.
pub fn edit(engine: &Engine, id: &str, draft: &ConfigurationDraft) -> Result<String> {
    let known = engine.catalog().configuration(&engine.resolve(Kind::Configuration, id)?)?;
    let app = engine.app(given(&draft.app))?;
    let new = NewConfiguration { app_id: app.id, kind: backup_type(&draft.kind)?, ..as_new(&known) };
    let made = engine.edit_configuration(&known.id, filled(new, draft))?;
    Ok(format!("{} is changed{}", made.name, next(made.next_run_at)))
}

/// Has schedules followed, or not.
pub fn enable(engine: &Engine, ids: &[String], enabled: bool) -> Result<String> {
    for id in ids {
        engine.enable_configuration(&engine.catalog().configuration(id)?, enabled)?;
    }
    Ok(format!("{} {}", ids.len(), if enabled { "enabled" } else { "disabled" }))
}

/// Deletes a configuration; its backups stay.
pub fn delete(engine: &Engine, id: &str) -> Result<String> {
    let it = engine.catalog().configuration(id)?;
    engine.delete_configuration(&it)?;
    Ok(format!("{} is deleted; its backups stay", it.name))
}

/// Removes old ad-hoc configurations that nothing refers to.
pub fn clean_up(engine: &Engine) -> Result<String> {
    let gone = engine.clean_up_configurations()?;
    Ok(if gone.is_empty() { "there was nothing to clean up".into() } else { format!("removed {}: {}", gone.len(), gone.join(", ")) })
}

fn filled(new: NewConfiguration, draft: &ConfigurationDraft) -> NewConfiguration {
    NewConfiguration {
        name: draft.name.trim().to_owned(),
        schedule: draft.schedule.as_deref().and_then(given).map(str::to_owned),
        retention_days: (draft.retention_days > 0).then_some(draft.retention_days),
        quick: draft.quick,
        modules: draft.modules.clone(),
        models: draft.models.clone(),
        exclude_modules: draft.exclude_modules.clone(),
        exclude_models: draft.exclude_models.clone(),
        tenants: draft.tenants.clone(),
        description: given(&draft.description).map(str::to_owned),
        ..new
    }
}

fn given(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

fn next(at: Option<Time>) -> String {
    at.map(|at| format!(", next run {at}")).unwrap_or_default()
}
