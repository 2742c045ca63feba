//! What the commands about backups and jobs do.

use super::super::commands::Reason;
use super::super::effect::{Action, Effect, LEVELS};
use super::super::message::Message;
use super::super::model::records::{Alert, Job, Record};
use super::super::model::{Model, Screen};
use super::super::widgets::confirm::Confirm;
use super::{shell, update};

fn job(model: &Model) -> Option<&Job> {
    match model.row() {
        Some(Record::Job(job)) => Some(job),
        _ => None,
    }
}

fn alert(model: &Model) -> Option<&Alert> {
    match model.row() {
        Some(Record::Alert(alert)) => Some(alert),
        _ => None,
    }
}

fn ask(model: &mut Model, title: &str, lines: Vec<String>, verb: &str, action: Action) -> Vec<Effect> {
    model.push(Confirm::new(title, lines, verb, Message::Act(Box::new(action))));
    Vec::new()
}

/// Asks to run the selected configuration.
pub fn back_up(model: &mut Model) -> Vec<Effect> {
    let Some(Record::Configuration(configuration)) = model.row() else { return Vec::new() };
    let (name, id) = (configuration.name.clone(), configuration.id.clone());
    let lines = vec![format!("Backs up {} as {}.", configuration.app, configuration.kind), format!("backstop backup --config {name}")];
    ask(model, &format!("Run {name} now?"), lines, "run it", Action::BackUp { configuration: id })
}

/// Asks to back up the selected application.
pub fn back_up_app(model: &mut Model) -> Vec<Effect> {
    let Some(app) = shell::selected_app(model) else { return Vec::new() };
    let lines =
        vec!["Backs up everything of it, as an incremental backup.".into(), format!("backstop backup --app {app} --type incremental")];
    ask(model, &format!("Back up {app} now?"), lines, "back up", Action::BackUpApp { app, kind: "incremental".into() })
}

/// Whether the selected job has ended without all of it done.
///
/// # Errors
///
/// It has not.
pub fn can_retry(model: &Model) -> Result<(), Reason> {
    match job(model).map(|job| job.status.as_str()) {
        Some("failed" | "cancelled" | "partial") if job(model).is_some_and(|job| job.kind == "backup") => Ok(()),
        Some("failed" | "cancelled" | "partial") => Err("only backups are run again from here; begin it anew from its own screen".into()),
        Some(status) => Err(format!("this job is {status}; failed, partial and cancelled ones can be run again")),
        None => Err("no job is selected".into()),
    }
}

/// Whether the selected job can still be stopped.
///
/// # Errors
///
/// It cannot.
pub fn can_cancel(model: &Model) -> Result<(), Reason> {
    match job(model).map(|job| job.status.as_str()) {
        Some("running" | "queued") if job(model).is_some_and(|job| job.stopping) => Err("it was asked to stop already".into()),
        Some("running" | "queued") => Ok(()),
        Some(status) => Err(format!("this job is {status}")),
        None => Err("no job is selected".into()),
    }
}

/// Asks to run the selected job again.
pub fn retry(model: &mut Model) -> Vec<Effect> {
    let Some(job) = job(model) else { return Vec::new() };
    let (id, lines) = (job.id.clone(), vec![format!("{} of {}", job.kind, job.app), format!("backstop jobs retry {}", job.id)]);
    ask(model, "Run this job again?", lines, "run it", Action::RetryJob { job: id })
}

/// Asks to stop the selected job.
pub fn cancel(model: &mut Model) -> Vec<Effect> {
    let Some(job) = job(model) else { return Vec::new() };
    let mut lines = vec![format!("{} of {}, {}", job.kind, job.app, job.phase), format!("backstop jobs cancel {}", job.id)];
    if job.kind == "restore" {
        lines.insert(1, "A restore is all or nothing: what it wrote so far is taken back.".into());
    }
    let id = job.id.clone();
    ask(model, "Cancel this job?", lines, "cancel the job", Action::CancelJob { job: id })
}

/// Whether the selected job made a backup.
///
/// # Errors
///
/// It made none.
pub fn has_backup(model: &Model) -> Result<(), Reason> {
    job(model).and_then(|job| job.backup.as_ref()).map(|_| ()).ok_or_else(|| "this job made no backup".into())
}

/// Goes to the backup of the selected job.
pub fn to_backup(model: &mut Model) -> Vec<Effect> {
    let Some(id) = job(model).and_then(|job| job.backup.clone()) else { return Vec::new() };
    update(model, Message::Find(Screen::Backups, id))
}

/// Whether a job stands behind the selected alert.
///
/// # Errors
///
/// None does.
pub fn alert_has_job(model: &Model) -> Result<(), Reason> {
    alert(model).and_then(|alert| alert.job.as_ref()).map(|_| ()).ok_or_else(|| "no job stands behind this alert".into())
}

/// Goes to the job behind the selected alert.
pub fn to_job(model: &mut Model) -> Vec<Effect> {
    let Some(id) = alert(model).and_then(|alert| alert.job.clone()) else { return Vec::new() };
    update(model, Message::Find(Screen::Jobs, id))
}

/// Asks to run the job behind the selected alert again.
pub fn retry_of_alert(model: &mut Model) -> Vec<Effect> {
    let Some(alert) = alert(model) else { return Vec::new() };
    let Some(id) = alert.job.clone() else { return Vec::new() };
    let lines = vec![alert.message.clone(), format!("backstop jobs retry {id}")];
    ask(model, "Run the job behind this alert again?", lines, "run it", Action::RetryJob { job: id })
}

/// Whether a backup stands behind the selected alert.
///
/// # Errors
///
/// None does.
pub fn alert_has_backup(model: &Model) -> Result<(), Reason> {
    alert(model).and_then(|alert| alert.backup.as_ref()).map(|_| ()).ok_or_else(|| "no backup stands behind this alert".into())
}

/// Goes to the backup behind the selected alert.
pub fn alert_to_backup(model: &mut Model) -> Vec<Effect> {
    let Some(id) = alert(model).and_then(|alert| alert.backup.clone()) else { return Vec::new() };
    update(model, Message::Find(Screen::Backups, id))
}

/// Whether the selected alert is about an application.
///
/// # Errors
///
/// It is not.
pub fn alert_has_app(model: &Model) -> Result<(), Reason> {
    alert(model).and_then(|alert| alert.app.as_ref()).map(|_| ()).ok_or_else(|| "this alert is about no application".into())
}

/// Goes to the backups of the application that the selected alert is about.
pub fn alert_to_app(model: &mut Model) -> Vec<Effect> {
    let Some(app) = alert(model).and_then(|alert| alert.app.clone()) else { return Vec::new() };
    // The filter asks for the rows itself.
    drop(shell::go(model, Screen::Backups));
    shell::filtered(model, format!("app:{app}"))
}

/// Shows more or fewer lines of logs: from each level on in turn.
pub fn log_level(model: &mut Model) -> Vec<Effect> {
    model.level = (model.level + 1) % LEVELS.len();
    model.say(format!("logs from {} on", model.log_level()));
    super::detail(model)
}
