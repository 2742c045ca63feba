//! What stands beside a row: logs, chains, coming runs and runbooks.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::catalog::{AlertType, Configuration, Level, Reader, Result};
use crate::console::model::detail::{Detail, LogLine, ScopeModel};
use crate::console::model::records::ListKind;
use crate::engine::backup::closeness;
use crate::engine::schedule::Schedule;
use crate::engine::selection::{Selection, in_words};
use crate::vault::Scope;

/// How many lines of a log are shown, the newest.
const LINES: usize = 500;
/// How far a chain of backups is followed.
const CHAIN: usize = 50;

/// The detail of a row.
pub fn detail(reader: &Reader, list: ListKind, id: &str, level: &str, now: Timestamp) -> Result<Detail> {
    let mut detail = Detail { id: id.to_owned(), ..Detail::default() };
    match list {
        ListKind::Jobs => detail.log = log(reader, id, level.parse().unwrap_or(Level::Info))?,
        ListKind::Backups => {
            detail.models = models(reader, id)?;
            detail.chain = chain(reader, id)?;
            let backup = reader.backup(id)?;
            detail.scope = serde_json::from_value(backup.scope.0).map(|scope| in_words(&scope)).unwrap_or_default();
            let closeness = backup.closeness.and_then(|it| serde_json::from_value(it.0).ok());
            detail.together = closeness.map(|it| closeness::in_words(&it)).unwrap_or_default();
        }
        ListKind::Alerts => {
            let alert = reader.alert(id)?;
            detail.steps = runbook(alert.kind, alert.app.as_deref(), alert.job.as_deref());
            for event in reader.alert_events(id, LINES)? {
                let by = event.operator.map(|operator| format!(" by {operator}")).unwrap_or_default();
                let text = format!("{}{by} {}", event.event, event.text.unwrap_or_default());
                detail.log.push(LogLine { time: Some(event.time.timestamp()), level: "info".into(), text: text.trim_end().to_owned() });
            }
        }
        ListKind::Configurations => {
            let configuration = reader.configuration(id)?;
            detail.scope = left_out(reader, &configuration)?;
            let schedule = configuration.schedule.as_deref().and_then(|text| Schedule::parse(text).ok());
            detail.schedule = schedule.as_ref().map(Schedule::in_words).unwrap_or_default();
            detail.next_runs = schedule.filter(|_| configuration.enabled).map(|schedule| schedule.next(now, 5)).unwrap_or_default();
        }
        ListKind::Restores => {
            for it in reader.restore_changes(id)? {
                let text =
                    format!("{}: created {}, updated {}, deleted {}, left {}", it.model, it.created, it.updated, it.deleted, it.skipped);
                detail.log.push(LogLine { time: None, level: "info".into(), text });
            }
        }
        ListKind::Policies | ListKind::Locations | ListKind::Activity => {}
    }
    Ok(detail)
}

/// What a configuration leaves out; where it is quick, what that is, or could be.
fn left_out(reader: &Reader, of: &Configuration) -> Result<Vec<String>> {
    let Selection { modules, models, exclude_modules, exclude_models, quick, tenants } = Selection::of(of);
    let mut lines = in_words(&Scope { modules, models, exclude_modules, exclude_models, ..Scope::default() });
    if !tenants.is_empty() {
        lines.insert(0, format!("tenants: {}, a backup each", tenants.join(", ")));
    }
    let app = reader.app(&of.app_id)?;
    if quick && app.dispensable.is_empty() {
        lines.push(format!("quick, but nothing is named as dispensable: backstop app models {}", app.name));
    } else if quick {
        lines.push(format!("quick: without {}", app.dispensable.join(", ")));
    }
    Ok(lines)
}

/// The models of a backup.
pub fn models(reader: &Reader, backup: &str) -> Result<Vec<ScopeModel>> {
    let models = reader.backup_models(backup)?;
    Ok(models.into_iter().map(|it| ScopeModel { module: it.module, model: it.model, records: it.rows }).collect())
}

fn log(reader: &Reader, job: &str, level: Level) -> Result<Vec<LogLine>> {
    let mut newest = VecDeque::new();
    let mut after = 0;
    loop {
        let lines = reader.job_log(job, after, level, LINES)?;
        let Some(last) = lines.last() else { return Ok(newest.into()) };
        after = last.seq;
        for line in lines {
            if newest.len() == LINES {
                newest.pop_front();
            }
            newest.push_back(LogLine { time: Some(line.time.timestamp()), level: line.level.to_string(), text: line.text });
        }
    }
}

/// The backups that this one builds on, the nearest first.
fn chain(reader: &Reader, id: &str) -> Result<Vec<String>> {
    let mut chain = Vec::new();
    let mut parent = reader.backup(id)?.parent;
    while let Some(id) = parent.take().filter(|id| chain.len() < CHAIN && !chain.contains(id)) {
        // A parent that this catalog does not know is named all the same; the vault may still have it.
        parent = reader.backup(&id).ok().and_then(|backup| backup.parent);
        chain.push(id);
    }
    Ok(chain)
}

/// What to do about an alert, a step a line.
fn runbook(kind: AlertType, app: Option<&str>, job: Option<&str>) -> Vec<String> {
    let app = app.unwrap_or("APP");
    let job = job.unwrap_or("JOB");
    let steps: [String; 3] = match kind {
        AlertType::BackupFailure => [
            format!("Read the job's error and hint: backstop jobs show {job}"),
            "Correct what it names: the source, the disk, the passphrase.".into(),
            format!("Back up again: backstop jobs retry {job}"),
        ],
        AlertType::MissedBackup => [
            "Is the scheduler running on this machine? The header says where the engine is.".into(),
            "Look for a job that waits for another one of the app: screen 3.".into(),
            format!("Back up now: backstop backup --app {app}"),
        ],
        AlertType::SizeDeviation => [
            "Compare the models of this backup with those of the one before: screen 4.".into(),
            "Were records deleted or imported on purpose?".into(),
            "If not, keep the last good backup: protect it, then preview a restore.".into(),
        ],
        AlertType::DurationThreshold => [
            format!("See which phase takes long: backstop jobs show {job}"),
            "Look at the load of the source and the locations.".into(),
            "If the app has grown, give it a longer window.".into(),
        ],
        AlertType::StorageCapacity => [
            "See which location fills up: screen 8.".into(),
            "Shorten a retention or delete backups that nobody needs.".into(),
            "Otherwise give the location more room; a full one stops backups.".into(),
        ],
        AlertType::IntegrityFailure => [
            "See what is damaged and where: backstop vault verify --level 2".into(),
            "Another location that has it heals it; connect those that cannot be reached.".into(),
            format!("What is lost everywhere is stored anew: backstop backup --app {app} --new-base"),
        ],
        AlertType::RestoreFailure => [
            format!("Read what it had done: backstop jobs show {job}"),
            "A restore that stopped before its end has changed nothing of the database.".into(),
            "Correct what it names, then preview again.".into(),
        ],
        AlertType::LocationBehind => [
            "Can the location be reached? Screen 8 says why not.".into(),
            "Mount or connect it.".into(),
            "Copy what it lacks: screen 8, catch up.".into(),
        ],
        AlertType::ProofOverdue => [
            format!("Take the newest backup of {app}: screen 4."),
            "Verify it there: every record is read back.".into(),
            "If it is damaged, back up again at once.".into(),
        ],
        AlertType::ChannelFailure => [
            "Read what the channel answered in this alert's history.".into(),
            "Correct its address or its credentials.".into(),
            "Until then look at this screen.".into(),
        ],
    };
    steps.into()
}
