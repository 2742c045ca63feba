//! `backstop backup`: back up now.

use clap::{ArgGroup, Args};

use super::session::{Ended, Session};
use super::units;
use crate::catalog::{BackupType, Status as Outcome};
use crate::engine::backup::BackupRequest;
use crate::error::Status;

/// The types of backup that can be asked for.
pub const TYPES: [&str; 6] = ["full", "incremental", "differential", "database", "files", "configuration"];

/// `backstop backup`.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("what").args(["config", "app"]).required(true))]
pub struct Backup {
    /// Run this configuration now.
    #[arg(long, value_name = "NAME")]
    pub config: Option<String>,
    /// Back up this application as said here.
    #[arg(long, value_name = "NAME", requires = "kind")]
    pub app: Option<String>,
    /// What is backed up.
    #[arg(long = "type", value_name = "TYPE", requires = "app", value_parser = TYPES)]
    pub kind: Option<String>,
    /// Only these modules.
    #[arg(long, value_name = "M,…", value_delimiter = ',')]
    pub modules: Vec<String>,
    /// Only these models.
    #[arg(long, value_name = "M,…", value_delimiter = ',')]
    pub models: Vec<String>,
    /// Why, for the log.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Read the backup back and compare it once it is made.
    #[arg(long)]
    pub verify: bool,
    /// Never remove it by retention.
    #[arg(long)]
    pub protect: bool,
    /// Store everything anew instead of changes upon an earlier base.
    #[arg(long)]
    pub new_base: bool,
}

impl Session<'_> {
    /// `backstop backup`.
    pub fn backup(&mut self, given: &Backup) -> Ended {
        let mut request = match &given.config {
            Some(config) => self.engine.configured_backup(&self.engine.configuration(config, None)?),
            None => {
                let kind = super::session::word(given.kind.as_deref())?.unwrap_or(BackupType::Full);
                BackupRequest::new(given.app.clone(), kind)
            }
        };
        if !given.modules.is_empty() || !given.models.is_empty() {
            request.modules.clone_from(&given.modules);
            request.models.clone_from(&given.models);
        }
        request.reason.clone_from(&given.reason);
        (request.new_base, request.protect) = (given.new_base, given.protect);
        self.back_up(&request, given.verify)
    }

    /// Makes a backup and prints its document.
    pub(super) fn back_up(&mut self, request: &BackupRequest, verify: bool) -> Ended {
        let result = self.watched(|engine, _| engine.backup(request))?;
        let mut status = if result.status == Outcome::Partial || !result.warnings.is_empty() { Status::Warnings } else { Status::Done };
        if verify {
            let backup = self.engine.catalog().backup(&result.backup)?;
            let verdict = self.watched(|engine, _| engine.verify_backup(&backup, 3))?;
            if !verdict.sound {
                status = Status::Failed;
                self.output.warn("the backup was read back and is damaged: backstop vault verify --level 3")?;
            }
        }
        self.output.result(&result, |result| {
            let (records, files) = (units::counted(result.records, "record"), units::counted(result.files, "file"));
            vec![format!(
                "backup {} {}: {records}, {files}, {} new, {} stored",
                result.backup,
                result.status,
                units::size(result.bytes_new),
                units::size(result.bytes_stored)
            )]
        })?;
        for warning in &result.warnings {
            self.output.warn(warning)?;
        }
        Ok(status)
    }
}
