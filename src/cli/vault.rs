//! `backstop vault`: where backups are kept.

mod keys;

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::secrets::{Purpose, from_file};
use super::session::{Ended, Session};
use super::table::{Align, Table};
use super::units;
use crate::engine::vaults::VaultRequest;
use crate::engine::verify::Verdict;
use crate::error::Status;
use crate::vault::{RecoveryWords, Secret, Unlock};

pub use keys::Keys;

/// `backstop vault …`.
#[derive(Debug, Subcommand)]
pub enum Vault {
    /// Make a vault, or open one that exists on a new machine.
    Init(Init),
    /// Show its locations: reach, room, what is behind.
    Status(Which),
    /// Check what is stored; damaged objects heal from another location.
    Verify(Verify),
    /// Copy what a location lacks.
    Replicate(Which),
    /// List, add, change and remove the keys that open it.
    #[command(subcommand)]
    Keys(Keys),
}

/// `backstop vault init`.
#[derive(Clone, Debug, Args)]
pub struct Init {
    /// Its name.
    #[arg(default_value = "main")]
    pub name: String,
    /// A folder that holds a copy; repeat it for several copies.
    #[arg(long = "location", value_name = "LOC", required = true)]
    pub locations: Vec<String>,
    /// It exists already: make it known here, with its backups and apps.
    #[arg(long)]
    pub existing: bool,
    /// Write the words of the recovery key to this new file [default: shown once on a terminal]; with --existing, open the vault
    /// with them and let the passphrase that is given open it from now on.
    #[arg(long, value_name = "FILE")]
    pub recovery_file: Option<PathBuf>,
    /// Make a key file for this machine, so that scheduled backups need no passphrase.
    #[arg(long)]
    pub key_file: bool,
}

/// One vault.
#[derive(Clone, Debug, Default, Args)]
pub struct Which {
    /// The vault, where there is more than one.
    #[arg(long, value_name = "NAME")]
    pub vault: Option<String>,
}

/// `backstop vault verify`.
#[derive(Clone, Debug, Args)]
pub struct Verify {
    /// The vault.
    #[command(flatten)]
    pub which: Which,
    /// How deep: 0 all objects are there, 1 they are whole, 2 they decode, 3 every record is compared.
    #[arg(long, value_name = "0-3", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=3))]
    pub level: u8,
    /// Only what this backup needs.
    #[arg(long, value_name = "ID")]
    pub backup: Option<String>,
}

impl Session<'_> {
    /// `backstop vault …`.
    pub fn vault(&mut self, command: Vault) -> Ended {
        match command {
            Vault::Init(init) if init.existing => self.vault_existing(&init),
            Vault::Init(init) => self.vault_init(&init),
            Vault::Status(which) => self.vault_status(&which),
            Vault::Verify(verify) => {
                let name = self.engine.vault_name(verify.which.vault.as_deref())?;
                let backup = verify.backup.as_deref().map(|text| self.engine.backup_named(text, None)).transpose()?;
                let verdict = self.engine.verify(&name, verify.level, backup.as_ref().map(|backup| backup.id.as_str()))?;
                self.verdict(&verdict)
            }
            Vault::Replicate(which) => self.vault_replicate(&which),
            Vault::Keys(keys) => self.vault_keys(&keys),
        }
    }

    fn vault_init(&mut self, init: &Init) -> Ended {
        let passphrase = self.common.passphrase(&init.name, Purpose::New)?;
        let secret = Secret::new(passphrase.to_string());
        // The words are kept first: a key that cannot be kept must not come to be.
        let words = init.recovery_file.is_some().then(RecoveryWords::generate).transpose()?;
        if let (Some(words), Some(file)) = (&words, &init.recovery_file) {
            keys::write_words(file, words)?;
        }
        let request = VaultRequest { name: &init.name, locations: &init.locations, passphrase: &secret, recovery: false };
        let made = self.engine.create_vault(&request);
        if let (Err(_), Some(file)) = (&made, &init.recovery_file) {
            // It is ours, and opens nothing.
            let _ = std::fs::remove_file(file);
        }
        made?;
        let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        match &words {
            Some(words) => drop(self.engine.set_recovery(&init.name, words)?),
            None if terminal => self.make_recovery(&init.name, None)?,
            None => {}
        }
        let recovery = words.is_some() || terminal;
        if init.key_file {
            self.engine.add_machine_key(&init.name)?;
        }
        let state = self.engine.vault_state(&init.name)?;
        self.output.result(&state, |state| {
            vec![format!("vault {} made in {}", state.name, units::counted(state.locations.len() as u64, "location"))]
        })?;
        if !recovery {
            self.output
                .note("no recovery key was made: without the passphrase nothing can be restored; make one: backstop vault keys recovery")?;
        }
        Ok(Status::Done)
    }

    fn vault_existing(&mut self, init: &Init) -> Ended {
        let found = match &init.recovery_file {
            Some(file) => {
                let words = from_file(file)?;
                let found = self.engine.open_existing(&init.name, &init.locations, Unlock::Recovery(&words))?;
                // The passphrase is lost: the one that is given opens the vault from now on.
                let secret = Secret::new(self.common.passphrase(&init.name, Purpose::New)?.to_string());
                self.engine.ensure_passphrase(&init.name, &secret)?;
                found
            }
            None => {
                let secret = Secret::new(self.common.passphrase(&init.name, Purpose::Open)?.to_string());
                self.engine.open_existing(&init.name, &init.locations, Unlock::Passphrase(&secret))?
            }
        };
        if init.key_file {
            self.engine.add_machine_key(&init.name)?;
        }
        self.output.result(&found, |found| {
            let apps = if found.apps.is_empty() { "none".to_owned() } else { super::text::clean(&found.apps.join(", ")).into_owned() };
            let what = format!("vault {} is known here: {} of these apps: {apps}", found.vault, units::counted(found.backups, "backup"));
            vec![what, "say where an app is on this machine: backstop app adopt APP --database URL --files DIR".into()]
        })?;
        for unreadable in &found.unreadable {
            self.output.warn(unreadable)?;
        }
        Ok(if found.unreadable.is_empty() { Status::Done } else { Status::Warnings })
    }

    fn vault_status(&mut self, which: &Which) -> Ended {
        let state = self.engine.vault_state(&self.engine.vault_name(which.vault.as_deref())?)?;
        let behind = state.locations.iter().any(|location| !location.reachable || location.backlog_objects > 0);
        self.output.result(&state, |state| {
            let mut table = Table::new(&[
                ("location", Align::Left),
                ("state", Align::Left),
                ("stored", Align::Right),
                ("free", Align::Right),
                ("place", Align::Left),
            ]);
            for location in &state.locations {
                let how = match (&location.error, location.backlog_objects) {
                    (Some(why), _) => why.clone(),
                    (None, 0) => "up to date".into(),
                    (None, objects) => format!("{} behind", units::counted(objects, "object")),
                };
                let free = location.free_bytes.map(units::size).unwrap_or_default();
                table.row([location.name.clone(), how, units::size(location.bytes), free, location.place.clone()]);
            }
            table.lines()
        })?;
        Ok(if behind { Status::Warnings } else { Status::Done })
    }

    fn vault_replicate(&mut self, which: &Which) -> Ended {
        let name = self.engine.vault_name(which.vault.as_deref())?;
        let done = self.engine.replicate(&name)?;
        self.output
            .result(&done, |done| vec![format!("{} copied, {}", units::counted(done.objects, "object"), units::size(done.bytes))])?;
        for behind in &done.behind {
            self.output.warn(&format!("location {} is behind: {}", behind.location, behind.why))?;
        }
        Ok(if done.behind.is_empty() { Status::Done } else { Status::Warnings })
    }

    /// Prints what a verification found.
    pub(super) fn verdict(&mut self, verdict: &Verdict) -> Ended {
        self.output.result(verdict, |verdict| {
            let word = if verdict.sound { "whole" } else { "DAMAGED" };
            vec![format!("{word}: {} looked at, {}", units::counted(verdict.objects, "object"), units::size(verdict.bytes))]
        })?;
        for finding in &verdict.findings {
            let end = if finding.healed { "; healed".to_owned() } else { format!("; lost: {}", finding.lost.join(", ")) };
            self.output.warn(&format!("{} {}: {}{end}", finding.location, finding.object, finding.problem))?;
        }
        Ok(match (verdict.sound, verdict.findings.is_empty()) {
            (true, true) => Status::Done,
            (true, false) => Status::Warnings,
            (false, _) => Status::Failed,
        })
    }
}
