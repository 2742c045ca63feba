//! Vaults proven and brought up to date: their state, verification, replication.

use std::ops::ControlFlow;

use serde::Serialize;

use crate::catalog::{AlertType, AuditOutcome, Backup, Kind, RaiseAlert, Role, Severity};
use crate::vault::{BackupId, VerifyEvent};

use super::Engine;
use super::error::{Error, Result};

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

    pub(super) fn vault_name_of(&self, id: &str) -> Result<String> {
        let known = self.catalog().vaults()?.into_iter().find(|vault| vault.id == id);
        let unknown = || Error::Unknown { what: "vault", name: id.to_owned(), hint: "backstop vault status".into() };
        known.map(|vault| vault.name).ok_or_else(unknown)
    }

    /// How a vault and its locations stand.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn vault_state(&self, name: &str) -> Result<VaultState> {
        let vault = self.vault(name)?;
        let locations = vault.status().into_iter().map(|status| LocationState {
            name: status.name,
            place: status.place,
            reachable: status.reachable.is_ok(),
            error: status.reachable.err(),
            total_bytes: status.capacity.map(|capacity| capacity.total),
            free_bytes: status.capacity.map(|capacity| capacity.free),
            objects: status.objects,
            bytes: status.bytes,
            backlog_objects: status.backlog_objects,
            backlog_bytes: status.backlog_bytes,
        });
        let locations = locations.collect();
        Ok(VaultState { id: vault.id().to_string(), name: name.to_owned(), backups: vault.backups()?.len() as u64, locations })
    }

    /// Verifies a vault, or what one backup needs, and heals what can heal. What is proven is noted, what is lost raises an alert.
    ///
    /// # Errors
    /// No location can be read, or there is no such backup.
    pub fn verify(&self, name: &str, level: u8, backup: Option<&str>) -> Result<Verdict> {
        self.allow(Role::Operator, "verify", backup.unwrap_or(name))?;
        let vault = self.vault(name)?;
        let id = backup.map(|id| BackupId(id.to_owned()));
        let report = vault.verify(level, id.as_ref(), &mut |_: VerifyEvent| ControlFlow::Continue(()))?;
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
        let proven = match id {
            Some(id) => vec![id],
            None => vault.backups()?.into_iter().map(|backup| backup.id).collect(),
        };
        self.remember_verdict(&verdict, &proven)?;
        Ok(verdict)
    }

    /// Verifies one backup in its vault.
    ///
    /// # Errors
    /// As [`Engine::verify`].
    pub fn verify_backup(&self, backup: &Backup, level: u8) -> Result<Verdict> {
        let name = match &backup.vault_id {
            Some(id) => self.vault_name_of(id)?,
            None => self.catalog().app(&backup.app_id)?.vault,
        };
        self.verify(&name, level, Some(&backup.id))
    }

    fn remember_verdict(&self, verdict: &Verdict, proven: &[BackupId]) -> Result<()> {
        let target = verdict.backup.as_deref().unwrap_or(&verdict.vault);
        if verdict.sound {
            for id in proven {
                // A backup of another catalog in the same vault is not known here.
                if self.catalog().backup(&id.0).is_ok() {
                    self.catalog().set_backup_verified(&id.0, verdict.level)?;
                }
            }
            self.catalog().end_condition(AlertType::IntegrityFailure, target, None, "a later verification found all whole")?;
        } else {
            let lost: Vec<&str> = verdict.findings.iter().flat_map(|finding| finding.lost.iter().map(String::as_str)).take(5).collect();
            let first = verdict.findings.iter().find(|finding| !finding.healed);
            let problem = first.map_or("it was stopped", |finding| finding.problem.as_str());
            let message = if lost.is_empty() { problem.to_owned() } else { format!("{problem}; lost: {}", lost.join(", ")) };
            self.catalog().raise_alert(&RaiseAlert::new(AlertType::IntegrityFailure, Severity::Critical, target, message))?;
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
        let done = self.vault(name)?.catch_up()?;
        let behind: Vec<Behind> = done.behind.into_iter().map(|(location, why)| Behind { location, why }).collect();
        let outcome = if behind.is_empty() { AuditOutcome::Done } else { AuditOutcome::Failed };
        self.audit("vault replicate", name, None, outcome, None)?;
        Ok(Replicated { vault: name.to_owned(), objects: done.objects, bytes: done.bytes, behind })
    }
}
