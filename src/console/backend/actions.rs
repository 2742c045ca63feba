//! What the console has done. Each asks for the role it takes and leaves its entry in the audit trail.

use std::ops::ControlFlow;

use jiff::SignedDuration;

use super::{configurations, restores};
use crate::catalog::{AuditOutcome, Backup, BackupType, JobKind, LocationState, Origin, Role, Status, Time, UnknownWord};
use crate::console::effect::{Action, Outcome, Progress};
use crate::engine::Engine;
use crate::engine::backup::BackupRequest;
use crate::engine::error::{Error, Result};
use crate::engine::jobs::{Finish, JobRequest};
use crate::vault::{BackupId, VerifyReport};

/// How thoroughly a backup is verified: every chunk decoded, every model merged and counted.
const LEVEL: u8 = 3;

type Report<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

/// Does what was asked for.
pub fn perform(engine: &Engine, action: &Action, report: Report<'_>) -> Result<Outcome> {
    let done = match action {
        Action::BackUp { configuration } => back_up_configuration(engine, configuration, report)?,
        Action::BackUpApp { app, kind } => {
            let kind = kind.parse().map_err(|unknown: UnknownWord| Error::Usage {
                why: unknown.to_string(),
                hint: "Use one of: full, differential, incremental, database, files.".into(),
            })?;
            back_up(engine, &BackupRequest::new(Some(app.clone()), kind), report)?
        }
        Action::CancelJob { job } => {
            engine.cancel_job(job)?;
            engine.audit("jobs cancel", job, None, AuditOutcome::Done, None)?;
            "the job stops at its next safe point".to_owned()
        }
        Action::RetryJob { job } => retry(engine, job, report)?,
        Action::Acknowledge { ids, notes } => answer_alerts(engine, "alerts acknowledge", ids, notes, || {
            engine.catalog().acknowledge_alerts(ids, engine.operator(), given(notes))
        })?,
        Action::Resolve { ids, notes } => {
            answer_alerts(engine, "alerts resolve", ids, notes, || engine.catalog().resolve_alerts(ids, engine.operator(), given(notes)))?
        }
        Action::Snooze { ids, hours } => {
            let now = engine.clock().now();
            let until = Time::from(now.checked_add(SignedDuration::from_hours(i64::from(*hours))).unwrap_or(now));
            answer_alerts(engine, "alerts snooze", ids, "", || engine.catalog().snooze_alerts(ids, until, engine.operator(), None))?
        }
        Action::Protect { ids } => protect(engine, ids, true)?,
        Action::Unprotect { ids } => protect(engine, ids, false)?,
        Action::Verify { backup } => verify(engine, backup, report)?,
        Action::DeleteBackups { ids, reason } => delete(engine, ids, reason)?,
        Action::CreateConfiguration(draft) => configurations::create(engine, draft)?,
        Action::EditConfiguration { id, draft } => configurations::edit(engine, id, draft)?,
        Action::EnableConfigurations { ids } => configurations::enable(engine, ids, true)?,
        Action::DisableConfigurations { ids } => configurations::enable(engine, ids, false)?,
        Action::DeleteConfiguration { id } => configurations::delete(engine, id)?,
        Action::CatchUp { location } => catch_up(engine, location)?,
        Action::Preview(preview) => return Ok(Outcome::Planned(Box::new(restores::preview(engine, preview, report)?))),
        Action::Restore { plan, reason, .. } => return Ok(Outcome::Restored(Box::new(restores::run(engine, plan, reason, report)?))),
        Action::Undo { restore, reason } => return Ok(Outcome::Restored(Box::new(restores::undo(engine, restore, reason, report)?))),
    };
    Ok(Outcome::Done(done))
}

fn given(notes: &str) -> Option<&str> {
    Some(notes).filter(|notes| !notes.is_empty())
}

fn back_up(engine: &Engine, request: &BackupRequest, report: Report<'_>) -> Result<String> {
    let target = request.app.clone().unwrap_or_default();
    if report(Progress { phase: "backing up".into(), ..Progress::default() }).is_break() {
        return Err(Error::Cancelled);
    }
    let made = engine.backup(request)?;
    let partly = if made.status == Status::Partial { ", partly: see its warnings" } else { "" };
    Ok(format!("{target} is backed up: {} records, {} files{partly}", made.records, made.files))
}

fn of_configuration(engine: &Engine, id: &str) -> Result<BackupRequest> {
    let it = engine.catalog().configuration(id)?;
    Ok(BackupRequest {
        configuration: Some(it.id),
        modules: it.modules.0,
        models: it.models.0,
        ..BackupRequest::new(Some(it.app), it.kind)
    })
}

fn back_up_configuration(engine: &Engine, configuration: &str, report: Report<'_>) -> Result<String> {
    let id = engine.resolve(crate::catalog::Kind::Configuration, configuration)?;
    back_up(engine, &of_configuration(engine, &id)?, report)
}

/// Does a backup's job over: by its configuration, or as it was.
fn retry(engine: &Engine, id: &str, report: Report<'_>) -> Result<String> {
    let job = engine.catalog().job(id)?;
    if job.kind != JobKind::Backup {
        let why = format!("a job of the kind {} is not done over from here", job.kind);
        return Err(Error::Refused { why, hint: "Begin it anew from its own screen.".into() });
    }
    if !job.status.is_outcome() {
        return Err(Error::Refused { why: "the job has not ended".into(), hint: "Wait for it, or cancel it first.".into() });
    }
    let request = match &job.configuration_id {
        Some(configuration) => of_configuration(engine, configuration)?,
        None => BackupRequest::new(job.app.clone(), job.backup_type.unwrap_or(BackupType::Full)),
    };
    back_up(engine, &BackupRequest { origin: Origin::Replay, reason: job.reason, ..request }, report)
}

fn answer_alerts(
    engine: &Engine,
    action: &str,
    ids: &[String],
    notes: &str,
    answer: impl FnOnce() -> crate::catalog::Result<()>,
) -> Result<String> {
    engine.allow(Role::Operator, action, &ids.join(" "))?;
    answer()?;
    for id in ids {
        engine.audit(action, id, engine.catalog().alert(id)?.app.as_deref(), AuditOutcome::Done, given(notes))?;
    }
    Ok(format!("{} {}", ids.len(), if ids.len() == 1 { "alert is answered" } else { "alerts are answered" }))
}

/// The vault's own name for a backup.
fn named(backup: &Backup) -> Result<BackupId> {
    BackupId::parse(&backup.id).ok_or_else(|| Error::Unknown {
        what: "backup",
        name: backup.id.clone(),
        hint: "backstop backups list".into(),
    })
}

/// The vault a backup is in.
fn vault_of(engine: &Engine, backup: &Backup) -> Result<std::sync::Arc<crate::vault::Vault>> {
    let name = match &backup.vault_id {
        Some(id) => engine.catalog().vault(id)?.name,
        None => engine.catalog().app(&backup.app_id)?.vault,
    };
    engine.vault(&name)
}

/// Holds backups in their vaults, or releases them; the catalog follows.
fn protect(engine: &Engine, ids: &[String], protected: bool) -> Result<String> {
    let action = if protected { "backups protect" } else { "backups unprotect" };
    for id in ids {
        engine.allow(Role::Operator, action, id)?;
        let backup = engine.catalog().backup(id)?;
        let vault = vault_of(engine, &backup)?;
        if protected {
            vault.hold(&named(&backup)?, "protected by an operator")?;
        } else {
            vault.release(&named(&backup)?)?;
        }
        engine.catalog().protect_backup(id, protected)?;
        engine.audit(action, id, Some(&backup.app), AuditOutcome::Done, None)?;
    }
    Ok(format!("{} {}", ids.len(), if protected { "protected" } else { "no longer protected" }))
}

fn delete(engine: &Engine, ids: &[String], reason: &str) -> Result<String> {
    for id in ids {
        engine.allow(Role::Admin, "backups delete", id)?;
        let backup = engine.catalog().backup(id)?;
        // The catalog refuses what is protected, before the vault is touched.
        engine.catalog().delete_backup(id)?;
        if let Err(error) = vault_of(engine, &backup).and_then(|vault| Ok(vault.delete_backup(&named(&backup)?, reason)?)) {
            engine.catalog().undelete_backup(id)?;
            return Err(error);
        }
        engine.audit("backups delete", id, Some(&backup.app), AuditOutcome::Done, given(reason))?;
    }
    Ok(format!("{} deleted; until the next prune this can be undone", ids.len()))
}

/// Reads a backup back, as a job.
fn verify(engine: &Engine, id: &str, report: Report<'_>) -> Result<String> {
    engine.allow(Role::Operator, "backups verify", id)?;
    let backup = engine.catalog().backup(id)?;
    let app = engine.catalog().app(&backup.app_id)?;
    let request =
        JobRequest { kind: JobKind::Verify, backup_type: None, origin: Origin::Manual, app: &app, configuration: None, reason: None };
    let ended = engine.run_job(&request, |run| {
        let vault = vault_of(engine, &backup)?;
        run.progress.phase("verifying");
        let found = vault.verify(LEVEL, Some(&named(&backup)?), &mut |event| {
            let told = report(Progress { phase: event.object, done: event.objects, ..Progress::default() });
            if run.progress.is_cancelled() { ControlFlow::Break(()) } else { told }
        })?;
        judge(id, &found)?;
        engine.catalog().set_backup_verified(id, LEVEL)?;
        let message = format!("{} objects are sound", found.objects);
        Ok(Finish { status: Status::Completed, backup: Some(id.to_owned()), restore: None, message: message.clone(), value: message })
    });
    let outcome = if ended.is_ok() { AuditOutcome::Done } else { AuditOutcome::Failed };
    engine.audit("backups verify", id, Some(&app.name), outcome, None)?;
    ended
}

fn judge(backup: &str, found: &VerifyReport) -> Result<()> {
    if found.stopped {
        return Err(Error::Cancelled);
    }
    let Some(first) = found.findings.iter().find(|finding| !finding.healed) else { return Ok(()) };
    let lost = if first.lost.is_empty() { String::new() } else { format!("; lost: {}", first.lost.join(", ")) };
    let why = format!("the backup {backup} is damaged: {}: {}{lost}", first.object, first.problem);
    Err(Error::Refused { why, hint: "Back up again at once with --new-base, and see: backstop vault verify --level 3".into() })
}

/// Copies what the vault of a location lacks anywhere, and notes how its locations stand then.
fn catch_up(engine: &Engine, id: &str) -> Result<String> {
    engine.allow(Role::Operator, "vault replicate", id)?;
    let unknown = || Error::Unknown { what: "location", name: id.to_owned(), hint: "backstop vault status".into() };
    let mut known = None;
    for vault in engine.catalog().vaults()? {
        let locations = engine.catalog().locations(&vault.id)?;
        if locations.iter().any(|location| location.id == id) {
            known = Some((vault, locations));
        }
    }
    let (known, locations) = known.ok_or_else(unknown)?;
    let vault = engine.vault(&known.name)?;
    let copied = vault.catch_up()?;
    for status in vault.status() {
        let Some(location) = locations.iter().find(|location| location.place == status.place || location.name == status.name) else {
            continue;
        };
        let reached = status.reachable.is_ok();
        let state = LocationState {
            error: status.reachable.err(),
            total_bytes: status.capacity.map(|capacity| capacity.total),
            free_bytes: status.capacity.map(|capacity| capacity.free),
            objects: reached.then_some(status.objects),
            bytes: reached.then_some(status.bytes),
            backlog_objects: status.backlog_objects,
            backlog_bytes: status.backlog_bytes,
        };
        engine.catalog().set_location_state(&location.id, &state)?;
    }
    engine.audit("vault replicate", &known.name, None, AuditOutcome::Done, None)?;
    let behind: Vec<String> = copied.behind.iter().map(|(location, why)| format!("{location}: {why}")).collect();
    if !behind.is_empty() {
        let hint = "Connect what cannot be reached, then try again.".to_owned();
        return Err(Error::Refused { why: format!("still behind: {}", behind.join("; ")), hint });
    }
    Ok(format!("{} objects copied", copied.objects))
}
