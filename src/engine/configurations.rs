//! Configurations: how and when an app is backed up; and the answers to alerts.

use jiff::SignedDuration;

use crate::catalog::{AuditOutcome, BackupType, Configuration, JobKind, Kind, NewConfiguration, Origin, Role, Time};

use super::Engine;
use super::backup::{BackupRequest, fits};
use super::error::{Error, Result};
use super::jobs::Asked;
use super::schedule::Schedule;
use super::selection::Selection;

/// How an answer changes alerts.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// Somebody is on it.
    Acknowledge,
    /// It is over.
    Resolve,
    /// Not now; again after so long.
    Snooze(SignedDuration),
}

impl Engine {
    /// The configuration that `text` names, of `app` where two have that name.
    ///
    /// # Errors
    /// Nothing or more than one configuration is meant.
    pub fn configuration(&self, text: &str, app: Option<&str>) -> Result<Configuration> {
        let Some(app) = app else { return Ok(self.catalog().configuration(&self.resolve(Kind::Configuration, text)?)?) };
        let app = self.app(Some(app))?;
        let filter =
            crate::catalog::ConfigurationFilter { app_id: Some(app.id.clone()), text: Some(text.to_owned()), ..Default::default() };
        let named = self.catalog().configurations_page(&filter, None, 200)?.items.into_iter().find(|found| found.name == text);
        if let Some(found) = named {
            return Ok(found);
        }
        let found = self.catalog().configuration(&self.resolve(Kind::Configuration, text)?)?;
        if found.app_id == app.id {
            return Ok(found);
        }
        let hint = format!("backstop config list --app {}", app.name);
        Err(Error::Unknown { what: "configuration", name: text.to_owned(), hint })
    }

    /// Makes a configuration, its next run computed from its schedule.
    ///
    /// # Errors
    /// Not permitted, a schedule that cannot be read, a name that is taken.
    pub fn create_configuration(&self, mut new: NewConfiguration) -> Result<Configuration> {
        self.allow(Role::Admin, "config create", &new.name)?;
        self.check_selection(&new, None)?;
        new.next_run_at = self.next_run(new.schedule.as_deref(), new.enabled)?;
        let made = self.catalog().add_configuration(&new)?;
        self.audit("config create", &made.name, Some(&made.app), AuditOutcome::Done, None)?;
        Ok(made)
    }

    /// Makes a configuration what `new` says.
    ///
    /// # Errors
    /// As for one that is made.
    pub fn edit_configuration(&self, id: &str, mut new: NewConfiguration) -> Result<Configuration> {
        self.allow(Role::Admin, "config edit", &new.name)?;
        self.check_selection(&new, Some(&self.catalog().configuration(id)?))?;
        new.next_run_at = self.next_run(new.schedule.as_deref(), new.enabled)?;
        let made = self.catalog().edit_configuration(id, &new)?;
        self.audit("config edit", &made.name, Some(&made.app), AuditOutcome::Done, None)?;
        Ok(made)
    }

    /// What is narrowed, where that is not as it `was`, must be about what is there.
    fn check_selection(&self, new: &NewConfiguration, was: Option<&Configuration>) -> Result<()> {
        let selection = Selection::of_new(new);
        if new.kind == BackupType::Tenant || !selection.tenants.is_empty() {
            fits(new.kind, &selection, &self.catalog().app(&new.app_id)?)?;
        }
        if selection.is_whole() || was.is_some_and(|was| was.app_id == new.app_id && Selection::of(was) == selection) {
            return Ok(());
        }
        let app = self.catalog().app(&new.app_id)?;
        let sources = self.look_at_sources(&app)?;
        selection.check(&sources.iter().flat_map(|source| source.relations()).collect::<Vec<_>>(), &app)
    }

    /// Lets a configuration's schedule run, or not.
    ///
    /// # Errors
    /// Not permitted.
    pub fn enable_configuration(&self, configuration: &Configuration, enabled: bool) -> Result<Configuration> {
        let action = if enabled { "config enable" } else { "config disable" };
        self.allow(Role::Admin, action, &configuration.name)?;
        let next = self.next_run(configuration.schedule.as_deref(), enabled)?;
        self.catalog().set_configuration_enabled(&configuration.id, enabled, next)?;
        self.audit(action, &configuration.name, Some(&configuration.app), AuditOutcome::Done, None)?;
        Ok(self.catalog().configuration(&configuration.id)?)
    }

    /// Deletes a configuration; its backups stay.
    ///
    /// # Errors
    /// Not permitted.
    pub fn delete_configuration(&self, configuration: &Configuration) -> Result<()> {
        self.allow(Role::Admin, "config delete", &configuration.name)?;
        self.catalog().delete_configuration(&configuration.id)?;
        self.audit("config delete", &configuration.name, Some(&configuration.app), AuditOutcome::Done, None)
    }

    /// Removes the ad-hoc configurations older than seven days that no job refers to, and gives their names.
    ///
    /// # Errors
    /// Not permitted.
    pub fn clean_up_configurations(&self) -> Result<Vec<String>> {
        self.allow(Role::Admin, "config cleanup", "")?;
        let now = self.clock().now();
        let before = now.checked_sub(SignedDuration::from_hours(7 * 24)).unwrap_or(now);
        let gone = self.catalog().clean_up_configurations(before.into())?;
        self.audit("config cleanup", &gone.join(", "), None, AuditOutcome::Done, None)?;
        Ok(gone)
    }

    /// The backup that a configuration asks for.
    #[must_use]
    pub fn configured_backup(&self, configuration: &Configuration) -> BackupRequest {
        let mut request = BackupRequest::new(Some(configuration.app_id.clone()), configuration.kind);
        request.configuration = Some(configuration.id.clone());
        request.selection = Selection::of(configuration);
        request.in_turn = configuration.kind == BackupType::Tenant;
        request
    }

    /// The backup that a backup's job was to make, to be made again: by its configuration, or as it was.
    ///
    /// # Errors
    /// No such job, one of another kind, or one that has not ended.
    pub fn backup_again(&self, job: &str) -> Result<BackupRequest> {
        let job = self.catalog().job(job)?;
        if job.kind != JobKind::Backup {
            let why = format!("a job of the kind {} is not done over", job.kind);
            return Err(Error::Refused { why, hint: "Begin it anew, as it was begun.".into() });
        }
        if !job.status.is_outcome() {
            return Err(Error::Refused { why: "the job has not ended".into(), hint: "Wait for it, or cancel it first.".into() });
        }
        let asked: Option<Asked> = job.request.and_then(|asked| serde_json::from_value(asked.0).ok());
        let request = match &job.configuration_id {
            Some(configuration) => {
                let mut request = self.configured_backup(&self.catalog().configuration(configuration)?);
                // One of a configuration's tenants is done over by itself.
                if request.in_turn
                    && let Some(asked) = asked.filter(|asked| !asked.selection.tenants.is_empty())
                {
                    (request.selection, request.in_turn) = (asked.selection, false);
                }
                request
            }
            None => {
                let Asked { selection, new_base, protect } = asked.unwrap_or_default();
                let kind = job.backup_type.unwrap_or(BackupType::Full);
                BackupRequest { selection, new_base, protect, ..BackupRequest::new(job.app_id, kind) }
            }
        };
        Ok(BackupRequest { origin: Origin::Replay, reason: job.reason, replay_of: Some(job.id), ..request })
    }

    /// Notes that a configuration ran now, and when it runs next.
    pub(super) fn configuration_ran(&self, id: &str) -> Result<()> {
        let configuration = self.catalog().configuration(id)?;
        let next = self.next_run(configuration.schedule.as_deref(), configuration.enabled)?;
        Ok(self.catalog().set_configuration_run(id, Some(self.clock().now().into()), next)?)
    }

    pub(super) fn next_run(&self, schedule: Option<&str>, enabled: bool) -> Result<Option<Time>> {
        let schedule = schedule.map(Schedule::parse).transpose()?;
        Ok(schedule.filter(|_| enabled).and_then(|schedule| schedule.after(self.clock().now())).map(Time::from))
    }

    /// Answers alerts; all of them, or none when one is not open.
    ///
    /// # Errors
    /// Not permitted, or one is not open.
    pub fn answer_alerts(&self, ids: &[String], answer: Answer, notes: Option<&str>) -> Result<()> {
        let action = match answer {
            Answer::Acknowledge => "alerts ack",
            Answer::Resolve => "alerts resolve",
            Answer::Snooze(_) => "alerts snooze",
        };
        let target = ids.join(", ");
        self.allow(Role::Operator, action, &target)?;
        let (catalog, operator) = (self.catalog(), self.operator());
        match answer {
            Answer::Acknowledge => catalog.acknowledge_alerts(ids, operator, notes)?,
            Answer::Resolve => catalog.resolve_alerts(ids, operator, notes)?,
            Answer::Snooze(time) => {
                let now = self.clock().now();
                let until = now.checked_add(time).unwrap_or(now);
                catalog.snooze_alerts(ids, until.into(), operator, notes)?;
            }
        }
        self.audit(action, &target, None, AuditOutcome::Done, notes)
    }
}

/// A configuration as it would be written again.
#[must_use]
pub fn as_new(configuration: &Configuration) -> NewConfiguration {
    let Configuration { name, app_id, schedule, compression, description, .. } = configuration.clone();
    let mut new = NewConfiguration {
        schedule,
        retention_days: configuration.retention_days,
        enabled: configuration.enabled,
        compression,
        adhoc: configuration.adhoc,
        description,
        ..NewConfiguration::new(name, app_id, configuration.kind)
    };
    Selection::of(configuration).put(&mut new);
    new
}
