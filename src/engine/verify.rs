//! Vaults proven and brought up to date: their state, verification, replication.

use std::ops::ControlFlow;

use serde::Serialize;

use crate::catalog::{self, AlertType, AuditOutcome, Backup, JobKind, Kind, Level, RaiseAlert, Role, Severity, Status};
use crate::numbers::counted;
use crate::vault::{BackupId, Vault, VerifyEvent};

use super::Engine;
use super::error::{Error, Result};
use super::jobs::{Finish, JobRequest};

/// The level that reads everything back and compares it: what passed it is proven.
pub const PROOF: u8 = 3;

/// Hears what a verification looks at, and may stop it.
pub type Watch<'a> = &'a mut dyn FnMut(&VerifyEvent) -> ControlFlow<()>;

/// A vault as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct VaultState {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The backups in it.
    pub backups: u64,
    /// Its locations.
    pub locations: Vec<LocationState>,
}

/// A location as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct LocationState {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub place: String,
    /// Whether it can be used.
    pub reachable: bool,
    /// Why it cannot.
    pub error: Option<String>,
    /// Its room in all.
    pub total_bytes: Option<u64>,
    /// Its free room.
    pub free_bytes: Option<u64>,
    /// Objects it holds.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that others have and it lacks.
    pub backlog_objects: u64,
    /// Their bytes.
    pub backlog_bytes: u64,
}

/// What a verification came to.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// The vault.
    pub vault: String,
    /// The backup, where it was about one.
    pub backup: Option<String>,
    /// How deep it looked.
    pub level: u8,
    /// True where all is right, or is again.
    pub sound: bool,
    /// Objects looked at.
    pub objects: u64,
    /// Bytes looked at.
    pub bytes: u64,
    /// What was not as it should be.
    pub findings: Vec<Problem>,
}

/// Something that was not as it should be.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// The location; empty where it concerns all.
    pub location: String,
    /// The object, or the backup and the model.
    pub object: String,
    /// What is wrong with it.
    pub problem: String,
    /// Whether it is right again.
    pub healed: bool,
    /// What is lost by it.
    pub lost: Vec<String>,
}

/// What bringing locations up to date did.
#[derive(Clone, Debug, Serialize)]
pub struct Replicated {
    /// The vault.
    pub vault: String,
    /// Objects copied.
    pub objects: u64,
    /// Bytes copied.
    pub bytes: u64,
    /// Locations that are still behind.
    pub behind: Vec<Behind>,
}

/// A location that is behind.
#[derive(Clone, Debug, Serialize)]
pub struct Behind {
    /// The location.
    pub location: String,
    /// Why.
    pub why: String,
}

impl LocationState {
    /// As the catalog keeps it: what could not be read leaves the last figures as they are.
    fn to_be_kept(&self) -> catalog::LocationState {
        catalog::LocationState {
            error: self.error.clone(),
            total_bytes: self.total_bytes,
            free_bytes: self.free_bytes,
            objects: self.reachable.then_some(self.objects),
            bytes: self.reachable.then_some(self.bytes),
            backlog_objects: self.backlog_objects,
            backlog_bytes: self.backlog_bytes,
        }
    }
}

impl Verdict {
    /// What it comes to, in a sentence.
    #[must_use]
    pub fn in_words(&self) -> String {
        let Some(first) = self.findings.iter().find(|finding| !finding.healed) else {
            return format!("{}, all sound", counted(self.objects, "object"));
        };
        let lost: Vec<&str> = self.findings.iter().flat_map(|finding| finding.lost.iter().map(String::as_str)).take(5).collect();
        let lost = if lost.is_empty() { String::new() } else { format!("; lost: {}", lost.join(", ")) };
        format!("{}: {}{lost}", first.object, first.problem)
    }
}

impl Engine {
    /// The name of the vault that `text` names; the only one or `main`, where nothing is named.
    ///
    /// # Errors
    /// There is none.
    pub fn vault_name(&self, text: Option<&str>) -> Result<String> {
        if let Some(text) = text {
            return self.vault_name_of(&self.resolve(Kind::Vault, text)?);
        }
        let vaults = self.catalog().vaults()?;
        match vaults.as_slice() {
            [] => Err(Error::Usage { why: "there is no vault yet".into(), hint: "backstop vault init --location DIR".into() }),
            [only] => Ok(only.name.clone()),
            _ => self.vault_name_of(&self.resolve(Kind::Vault, "main")?),
        }
    }

    /// The name of the vault that a location belongs to.
    ///
    /// # Errors
    /// No vault has it.
    pub fn vault_of_location(&self, id: &str) -> Result<String> {
        for vault in self.catalog().vaults()? {
            if self.catalog().locations(&vault.id)?.iter().any(|location| location.id == id) {
                return Ok(vault.name);
            }
        }
        Err(Error::Unknown { what: "location", name: id.to_owned(), hint: "backstop vault status".into() })
    }

    pub(super) fn vault_name_of(&self, id: &str) -> Result<String> {
        let known = self.catalog().vaults()?.into_iter().find(|vault| vault.id == id);
        let unknown = || Error::Unknown { what: "vault", name: id.to_owned(), hint: "backstop vault status".into() };
        known.map(|vault| vault.name).ok_or_else(unknown)
    }

    /// How a vault and its locations stand; the catalog remembers it.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn vault_state(&self, name: &str) -> Result<VaultState> {
        let vault = self.vault(name)?;
        let locations = self.note_locations(&vault)?;
        Ok(VaultState { id: vault.id().to_string(), name: name.to_owned(), backups: vault.backups()?.len() as u64, locations })
    }

    /// Looks at the locations of a vault and notes in the catalog how they stand, for whoever asks without opening the vault.
    pub(super) fn note_locations(&self, vault: &Vault) -> Result<Vec<LocationState>> {
        let known = self.catalog().locations(&vault.id().to_string())?;
        let mut states = Vec::new();
        for status in vault.status() {
            let reachable = status.reachable.is_ok();
            let state = LocationState {
                name: status.name,
                place: status.place,
                reachable,
                error: status.reachable.err(),
                total_bytes: status.capacity.map(|capacity| capacity.total),
                free_bytes: status.capacity.map(|capacity| capacity.free),
                objects: status.objects,
                bytes: status.bytes,
                backlog_objects: status.backlog_objects,
                backlog_bytes: status.backlog_bytes,
            };
            if let Some(location) = known.iter().find(|location| location.place == state.place) {
                self.catalog().set_location_state(&location.id, &state.to_be_kept())?;
                self.tell_of(&state)?;
            }
            states.push(state);
        }
        Ok(states)
    }

    /// A location that is behind is an alert until it has caught up.
    fn tell_of(&self, state: &LocationState) -> Result<()> {
        let kind = AlertType::LocationBehind;
        let why = match &state.error {
            Some(why) => format!("it cannot be used: {why}"),
            None if state.backlog_objects > 0 => {
                format!("it lacks {} ({} bytes) that another location has", counted(state.backlog_objects, "object"), state.backlog_bytes)
            }
            None => return Ok(self.catalog().end_condition(kind, &state.name, None, "it holds all again").map(drop)?),
        };
        self.catalog().raise_alert(&RaiseAlert::new(kind, Severity::Warning, &state.name, why))?;
        Ok(())
    }

    /// Verifies a vault, or what one backup needs, and heals what can heal. What is proven is noted, what is lost raises an alert.
    ///
    /// # Errors
    /// No location can be read, or there is no such backup.
    pub fn verify(&self, name: &str, level: u8, backup: Option<&str>) -> Result<Verdict> {
        self.allow(Role::Operator, "verify", backup.unwrap_or(name))?;
        self.verified(name, level, backup, None, &mut |_| ControlFlow::Continue(()))
    }

    /// Verifies one backup in its vault, as a job.
    ///
    /// # Errors
    /// As [`Engine::verify`].
    pub fn verify_backup(&self, backup: &Backup, level: u8) -> Result<Verdict> {
        self.verify_backup_watched(backup, level, &mut |_| ControlFlow::Continue(()))
    }

    /// As [`Engine::verify_backup`], and tells `watch` how far it is.
    ///
    /// # Errors
    /// As [`Engine::verify`], and that it was stopped.
    pub fn verify_backup_watched(&self, backup: &Backup, level: u8, watch: Watch<'_>) -> Result<Verdict> {
        self.allow(Role::Operator, "verify", &backup.id)?;
        let app = self.catalog().app(&backup.app_id)?;
        let name = match &backup.vault_id {
            Some(id) => self.vault_name_of(id)?,
            None => app.vault.clone(),
        };
        self.run_job(&JobRequest::new(JobKind::Verify, &app), |run| {
            run.progress.phase("opening");
            run.log(Level::Info, &format!("verifying at level {level}"));
            let mut seen = |event: &VerifyEvent| {
                run.progress.phase(&event.object);
                run.progress.reached(event.objects, event.bytes);
                if run.progress.is_cancelled() { ControlFlow::Break(()) } else { watch(event) }
            };
            let verdict = self.verified(&name, level, Some(&backup.id), Some(&run.id), &mut seen)?;
            for finding in &verdict.findings {
                let how = if finding.healed { (Level::Warning, "healed") } else { (Level::Error, "not healed") };
                run.log(how.0, &format!("{}: {}: {} ({})", finding.location, finding.object, finding.problem, how.1));
            }
            let status = if verdict.sound { Status::Completed } else { Status::Failed };
            Ok(Finish { status, backup: Some(backup.id.clone()), restore: None, message: verdict.in_words(), value: verdict })
        })
    }

    fn verified(&self, name: &str, level: u8, backup: Option<&str>, job: Option<&str>, watch: Watch<'_>) -> Result<Verdict> {
        let vault = self.vault(name)?;
        let id = backup.map(|id| BackupId(id.to_owned()));
        // Asked before: a backup that is made meanwhile was not looked at.
        let proven = match &id {
            Some(id) => vec![id.clone()],
            None => vault.backups()?.into_iter().map(|backup| backup.id).collect(),
        };
        let report = vault.verify(level, id.as_ref(), &mut |event: VerifyEvent| watch(&event))?;
        if report.stopped {
            return Err(Error::Cancelled);
        }
        let sound = report.is_sound();
        let findings = report.findings.into_iter().map(|finding| Problem {
            location: finding.location,
            object: finding.object,
            problem: finding.problem,
            healed: finding.healed,
            lost: finding.lost,
        });
        let verdict = Verdict {
            vault: name.to_owned(),
            backup: backup.map(str::to_owned),
            level,
            sound,
            objects: report.objects,
            bytes: report.bytes,
            findings: findings.collect(),
        };
        self.remember_verdict(&verdict, &proven, job)?;
        Ok(verdict)
    }

    fn remember_verdict(&self, verdict: &Verdict, proven: &[BackupId], job: Option<&str>) -> Result<()> {
        let target = verdict.backup.as_deref().unwrap_or(&verdict.vault);
        if verdict.sound {
            for id in proven {
                // A backup of another catalog in the same vault is not known here.
                if self.catalog().backup(&id.0).is_ok() {
                    self.catalog().set_backup_verified(&id.0, verdict.level)?;
                }
            }
            if verdict.level >= PROOF {
                self.catalog().end_condition(AlertType::IntegrityFailure, target, None, "a later verification found all whole")?;
            }
        } else {
            let app_id = verdict.backup.as_deref().and_then(|id| self.catalog().backup(id).ok()).map(|backup| backup.app_id);
            self.catalog().raise_alert(&RaiseAlert {
                app_id,
                job: job.map(str::to_owned),
                backup: verdict.backup.clone(),
                ..RaiseAlert::new(AlertType::IntegrityFailure, Severity::Critical, target, verdict.in_words())
            })?;
        }
        let outcome = if verdict.sound { AuditOutcome::Done } else { AuditOutcome::Failed };
        self.audit("verify", target, None, outcome, None)
    }

    /// Copies to every location of a vault what it lacks.
    ///
    /// # Errors
    /// Not permitted, or no location can be read.
    pub fn replicate(&self, name: &str) -> Result<Replicated> {
        self.allow(Role::Operator, "vault replicate", name)?;
        let vault = self.vault(name)?;
        let done = vault.catch_up()?;
        self.note_locations(&vault)?;
        let behind: Vec<Behind> = done.behind.into_iter().map(|(location, why)| Behind { location, why }).collect();
        let outcome = if behind.is_empty() { AuditOutcome::Done } else { AuditOutcome::Failed };
        self.audit("vault replicate", name, None, outcome, None)?;
        Ok(Replicated { vault: name.to_owned(), objects: done.objects, bytes: done.bytes, behind })
    }
}
