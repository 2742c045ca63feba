//! `backstop vault`: where backups are kept.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::output::Failure;
use super::secrets::Purpose;
use super::session::{Ended, Session};
use super::table::{Align, Table};
use super::units;
use crate::engine::vaults::VaultRequest;
use crate::engine::verify::Verdict;
use crate::error::Status;
use crate::vault::{RecoveryWords, Secret};

/// `backstop vault …`.
#[derive(Debug, Subcommand)]
pub enum Vault {
    /// Make a vault.
    Init(Init),
    /// Show its locations: reach, room, what is behind.
    Status(Which),
    /// Check what is stored; damaged objects heal from another location.
    Verify(Verify),
    /// Copy what a location lacks.
    Replicate(Which),
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
    /// Write the words of the recovery key to this new file (none is made without).
    #[arg(long, value_name = "FILE")]
    pub recovery_file: Option<PathBuf>,
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
            Vault::Init(init) => self.vault_init(&init),
            Vault::Status(which) => self.vault_status(&which),
            Vault::Verify(verify) => {
                let name = self.engine.vault_name(verify.which.vault.as_deref())?;
                let backup = verify.backup.as_deref().map(|text| self.engine.backup_named(text, None)).transpose()?;
                let verdict = self.engine.verify(&name, verify.level, backup.as_ref().map(|backup| backup.id.as_str()))?;
                self.verdict(&verdict)
            }
            Vault::Replicate(which) => self.vault_replicate(&which),
        }
    }

    fn vault_init(&mut self, init: &Init) -> Ended {
        let passphrase = self.common.passphrase(&init.name, Purpose::New)?;
        let secret = Secret::new(passphrase.to_string());
        // The file is made first: a key that cannot be kept must not come to be.
        let file = init.recovery_file.as_deref().map(new_private_file).transpose()?;
        let request = VaultRequest { name: &init.name, locations: &init.locations, passphrase: &secret, recovery: file.is_some() };
        let made = self.engine.create_vault(&request);
        if let (Err(_), Some(path)) = (&made, &init.recovery_file) {
            // It is empty, and ours.
            let _ = std::fs::remove_file(path);
        }
        if let (Some(words), Some(file)) = (made?, file) {
            write_words(file, &words)?;
        }
        let state = self.engine.vault_state(&init.name)?;
        self.output.result(&state, |state| {
            vec![format!("vault {} made in {}", state.name, units::counted(state.locations.len() as u64, "location"))]
        })?;
        if init.recovery_file.is_none() {
            self.output.note("no recovery key was made: without the passphrase nothing can be restored")?;
        }
        Ok(Status::Done)
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

fn new_private_file(path: &std::path::Path) -> Result<std::fs::File, Failure> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|why| {
        Failure::new(Status::Failed, format!("the recovery file {} cannot be made: {why}", path.display()))
            .hint("name a file that does not exist yet, in a folder you may write")
    })
}

fn write_words(mut file: std::fs::File, words: &RecoveryWords) -> Result<(), Failure> {
    use std::io::Write;
    let text = zeroize::Zeroizing::new(format!("{}\n", words.words().join(" ")));
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all())?;
    Ok(())
}
