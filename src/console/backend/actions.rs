//! What the console has done: each action is one call of the engine, which asks for the role it takes and writes the audit trail.

use std::ops::ControlFlow;

use jiff::SignedDuration;

use super::{configurations, restores};
use crate::catalog::{BackupType, Role, Status, UnknownWord};
use crate::console::effect::{Action, Outcome, Progress};
use crate::engine::Engine;
use crate::engine::backup::{BackupRequest, TYPES};
use crate::engine::configurations::Answer;
use crate::engine::error::{Error, Result};
use crate::numbers::counted;
use crate::vault::VerifyEvent;

type Report<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

/// Does what was asked for.
pub fn perform(engine: &Engine, action: &Action, report: Report<'_>) -> Result<Outcome> {
    let done = match action {
        Action::BackUp { configuration } => {
            let configuration = engine.configuration(configuration, None)?;
            back_up(engine, &configuration.app, &engine.configured_backup(&configuration))?
        }
        Action::BackUpApp { app, kind } => back_up(engine, app, &BackupRequest::new(Some(app.clone()), backup_type(kind)?))?,
        Action::CancelJob { job } => {
            engine.cancel_job(job)?;
            "the job stops at its next safe point".to_owned()
        }
        Action::RetryJob { job } => {
            let request = engine.backup_again(job)?;
            back_up(engine, &engine.app(request.app.as_deref())?.name, &request)?
        }
        Action::Acknowledge { ids, notes } => answered(engine, ids, Answer::Acknowledge, given(notes))?,
        Action::Resolve { ids, notes } => answered(engine, ids, Answer::Resolve, given(notes))?,
        Action::Snooze { ids, hours } => answered(engine, ids, Answer::Snooze(SignedDuration::from_hours(i64::from(*hours))), None)?,
        Action::Protect { ids } => protect(engine, ids, true)?,
        Action::Unprotect { ids } => protect(engine, ids, false)?,
        Action::Verify { backup, level } => verify(engine, backup, *level, report)?,
        Action::DeleteBackups { ids, reason } => {
            for id in ids {
                engine.delete_backup(&engine.catalog().backup(id)?, given(reason))?;
            }
            format!("{} deleted; what other backups build on stays in the vault", ids.len())
        }
        Action::CreateConfiguration(draft) => configurations::create(engine, draft)?,
        Action::EditConfiguration { id, draft } => configurations::edit(engine, id, draft)?,
        Action::EnableConfigurations { ids } => configurations::enable(engine, ids, true)?,
        Action::DisableConfigurations { ids } => configurations::enable(engine, ids, false)?,
        Action::DeleteConfiguration { id } => configurations::delete(engine, id)?,
        Action::CleanUpConfigurations => configurations::clean_up(engine)?,
        Action::CatchUp { location } => catch_up(engine, location)?,
        Action::Preview(preview) => return Ok(Outcome::Planned(Box::new(restores::preview(engine, preview, report)?))),
        Action::DropPlan { plan } => {
            engine.discard_plan(plan)?;
            "the preview is dropped".to_owned()
        }
        Action::Restore { plan, reason, .. } => return Ok(Outcome::Restored(Box::new(restores::run(engine, plan, reason, report)?))),
    };
    Ok(Outcome::Done(done))
}

fn given(notes: &str) -> Option<&str> {
    Some(notes).filter(|notes| !notes.is_empty())
}

/// The type of backup that a word of the console means.
pub fn backup_type(word: &str) -> Result<BackupType> {
    word.parse().map_err(|unknown: UnknownWord| {
        let known = TYPES.map(|kind| kind.to_string()).join(", ");
        Error::Usage { why: unknown.to_string(), hint: format!("Use one of: {known}.") }
    })
}

/// How far a backup is stands in its job, where every process can see it.
fn back_up(engine: &Engine, app: &str, request: &BackupRequest) -> Result<String> {
    let made = engine.backup(request)?;
    let partly = if made.status == Status::Partial { ", partly: see its warnings" } else { "" };
    Ok(format!("{app} is backed up: {}, {}{partly}", counted(made.records, "record"), counted(made.files, "file")))
}

fn answered(engine: &Engine, ids: &[String], answer: Answer, notes: Option<&str>) -> Result<String> {
    engine.answer_alerts(ids, answer, notes)?;
    let word = match answer {
        Answer::Acknowledge => "acknowledged",
        Answer::Resolve => "resolved",
        Answer::Snooze(_) => "snoozed",
    };
    Ok(if ids.len() == 1 { format!("the alert is {word}") } else { format!("{} alerts are {word}", ids.len()) })
}

fn protect(engine: &Engine, ids: &[String], protected: bool) -> Result<String> {
    for id in ids {
        engine.protect(&engine.catalog().backup(id)?, protected)?;
    }
    Ok(format!("{} {}", ids.len(), if protected { "protected" } else { "no longer protected" }))
}

/// Reads a backup back; what is lost is bad news, although the job came to its end.
fn verify(engine: &Engine, id: &str, level: u8, report: Report<'_>) -> Result<String> {
    let backup = engine.catalog().backup(id)?;
    let mut watch = |event: &VerifyEvent| report(Progress { phase: event.object.clone(), done: event.objects, ..Progress::default() });
    let verdict = engine.verify_backup_watched(&backup, level, &mut watch)?;
    if verdict.sound {
        return Ok(verdict.in_words());
    }
    let hint = format!("Back up again at once: backstop backup --app {} --type full --new-base", backup.app);
    Err(Error::Refused { why: format!("the backup {id} is damaged: {}", verdict.in_words()), hint })
}

/// Copies what the vault of a location lacks anywhere.
fn catch_up(engine: &Engine, id: &str) -> Result<String> {
    engine.allow(Role::Operator, "vault replicate", id)?;
    let copied = engine.replicate(&engine.vault_of_location(id)?)?;
    let behind: Vec<String> = copied.behind.iter().map(|behind| format!("{}: {}", behind.location, behind.why)).collect();
    if !behind.is_empty() {
        let hint = "Connect what cannot be reached, then try again.".to_owned();
        return Err(Error::Refused { why: format!("still behind: {}", behind.join("; ")), hint });
    }
    Ok(format!("{} copied", counted(copied.objects, "object")))
}
