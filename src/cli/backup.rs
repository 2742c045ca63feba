//! `backstop backup`: back up now.

use clap::{ArgGroup, Args};

use super::session::{Ended, Session};
use super::units;
use crate::catalog::{BackupType, Status as Outcome};
use crate::engine::backup::BackupRequest;
use crate::engine::backup::in_turn::InTurn;
use crate::engine::selection::Selection;
use crate::error::Status;

/// The types of backup that can be asked for.
pub const TYPES: [&str; 7] = ["full", "incremental", "differential", "database", "files", "configuration", "tenant"];

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
    /// What of it.
    #[command(flatten)]
    pub narrowing: Narrowing,
    /// Leave out what the application's settings name as dispensable.
    #[arg(long)]
    pub quick: bool,
    /// Whose records, with --type tenant: an id, or LEVEL=ID; may be repeated.
    #[arg(long = "tenant", value_name = "ID")]
    pub tenants: Vec<String>,
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

/// Which modules and models; names and globs of names.
#[derive(Clone, Debug, Default, Args)]
pub struct Narrowing {
    /// Only these modules; names or globs.
    #[arg(long, value_name = "M,…", value_delimiter = ',')]
    pub modules: Option<Vec<String>>,
    /// Only these models; names or globs.
    #[arg(long, value_name = "M,…", value_delimiter = ',')]
    pub models: Option<Vec<String>>,
    /// Not these modules; names or globs.
    #[arg(long, value_name = "M,…", value_delimiter = ',')]
    pub exclude_modules: Option<Vec<String>>,
    /// Not these models; names or globs. What is excluded wins over what is included.
    #[arg(long, value_name = "M,…", value_delimiter = ',')]
    pub exclude_models: Option<Vec<String>>,
}

impl Narrowing {
    /// Puts what was given into its place. What is to be included is given as a whole, modules and models.
    pub fn fill(self, selection: &mut Selection) {
        if self.modules.is_some() || self.models.is_some() {
            (selection.modules, selection.models) = (self.modules.unwrap_or_default(), self.models.unwrap_or_default());
        }
        selection.exclude_modules = self.exclude_modules.unwrap_or(std::mem::take(&mut selection.exclude_modules));
        selection.exclude_models = self.exclude_models.unwrap_or(std::mem::take(&mut selection.exclude_models));
    }
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
        given.narrowing.clone().fill(&mut request.selection);
        request.selection.quick |= given.quick;
        if !given.tenants.is_empty() {
            // Those that were named, in one backup, whatever the configuration does in turn.
            (request.selection.tenants, request.in_turn) = (given.tenants.clone(), false);
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
            if !result.tenants.is_empty() {
                return result.tenants.iter().map(of_tenant).collect();
            }
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

/// What became of one tenant, in a line.
fn of_tenant(it: &InTurn) -> String {
    let records = units::counted(it.records, "record");
    match (&it.backup, &it.error) {
        (Some(backup), _) => format!("tenant {}: backup {backup} {}: {records}", it.tenant, it.status),
        (None, error) => format!("tenant {}: {}: {}", it.tenant, it.status, error.as_deref().unwrap_or_default()),
    }
}
