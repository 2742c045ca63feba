//! One backup for each tenant in turn: what one of them meets stops none of the others.

use serde::Serialize;

use super::{BackupRequest, BackupResult};
use crate::catalog::{App, BackupType, Status};
use crate::engine::Engine;
use crate::engine::apps::Parts;
use crate::engine::error::{Error, Result};
use crate::engine::selection::Selection;
use crate::engine::tenants::listing::{self, MOST};
use crate::engine::tenants::side::Live;
use crate::engine::tenants::{ALL, Levels, no_columns};

/// What became of one tenant.
#[derive(Clone, Debug, Serialize)]
pub struct InTurn {
    /// The tenant, as it is written.
    pub tenant: String,
    /// completed, partial or failed.
    pub status: Status,
    /// Its backup.
    pub backup: Option<String>,
    /// Its records, and those they refer to.
    pub records: u64,
    /// Why there is none.
    pub error: Option<String>,
}

impl Engine {
    /// The tenants of an app as they are now, as they are written: of one level by its column, else of the first.
    ///
    /// # Errors
    /// No column is named, the level is none, there are too many, and what the sources say.
    pub fn tenants(&self, app: &App, level: Option<&str>) -> Result<Vec<String>> {
        let levels = Levels::read(&app.tenant_columns)?;
        if levels.is_empty() {
            return Err(no_columns(&app.name));
        }
        let sources = self.open_sources(app, Parts { database: true, files: false })?;
        let Some(database) = sources.first().map(AsRef::as_ref) else { return Err(no_columns(&app.name)) };
        let level = level.map_or(Ok(0), |name| levels.place(name, &app.name))?;
        let found = listing::tenants(&Live::new(&[database]), &levels, level, database.references())?;
        if found.len() > MOST {
            let hint = "Name those that are meant: --tenants ID,…".to_owned();
            return Err(Error::Refused { why: format!("{} has more than {MOST} tenants", app.name), hint });
        }
        Ok(found.iter().map(|tenant| levels.written(tenant)).collect())
    }

    /// The tenants that these texts name; `all`, and `LEVEL=all`, are those that there are.
    fn tenants_meant(&self, app: &App, texts: &[String]) -> Result<Vec<String>> {
        let mut meant: Vec<String> = Vec::new();
        for text in texts {
            let all = if text == ALL { Some(None) } else { text.strip_suffix("=all").map(Some) };
            let named = all.map_or_else(|| Ok(vec![text.clone()]), |level| self.tenants(app, level))?;
            meant.extend(named);
        }
        let mut seen = std::collections::BTreeSet::new();
        meant.retain(|tenant| seen.insert(tenant.clone()));
        Ok(meant)
    }

    /// Backs up each tenant that is meant by itself. The result has their sums, and names them.
    ///
    /// # Errors
    /// Cancelling, and what the first of them met where there is a backup of none.
    pub(super) fn backup_in_turn(&self, request: &BackupRequest) -> Result<BackupResult> {
        let app = self.app(request.app.as_deref())?;
        let (mut sum, mut first_error, mut told) = (None::<BackupResult>, None, Vec::new());
        for tenant in self.tenants_meant(&app, &request.selection.tenants)? {
            let selection = Selection { tenants: vec![tenant.clone()], ..request.selection.clone() };
            match self.backup_one(&BackupRequest { selection, in_turn: false, ..request.clone() }) {
                Ok(made) => {
                    let (status, backup) = (made.status, Some(made.backup.clone()));
                    told.push(InTurn { tenant, status, backup, records: made.records, error: None });
                    sum = Some(sum.map_or_else(|| made.clone(), |sum| sum.with(&made)));
                }
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                Err(error) => {
                    told.push(InTurn { tenant, status: Status::Failed, backup: None, records: 0, error: Some(error.to_string()) });
                    first_error = first_error.or(Some(error));
                }
            }
        }
        match (sum, first_error) {
            (Some(mut sum), error) => {
                let failed = told.iter().filter_map(|it| Some(format!("tenant {}: {}", it.tenant, it.error.as_ref()?)));
                sum.warnings.extend(failed);
                if error.is_some() {
                    sum.status = Status::Partial;
                } else if let Some(configuration) = &request.configuration {
                    self.end_failures_of(&app.id, configuration)?;
                }
                sum.tenants = told;
                Ok(sum)
            }
            (None, Some(error)) => Err(error),
            (None, None) => Err(Error::Usage {
                why: format!("{} has no tenants", app.name),
                hint: format!("See which columns say whose a record is: backstop app show {}", app.name),
            }),
        }
    }
}

impl BackupResult {
    /// The sums of both; job, backup and checksum are the later one's.
    fn with(self, later: &Self) -> Self {
        let (new, stored) = (self.bytes_new + later.bytes_new, self.bytes_stored + later.bytes_stored);
        let partial = [self.status, later.status].contains(&Status::Partial);
        Self {
            job: later.job.clone(),
            backup: later.backup.clone(),
            status: if partial { Status::Partial } else { later.status },
            records: self.records + later.records,
            files: self.files + later.files,
            bytes_read: self.bytes_read + later.bytes_read,
            bytes_new: new,
            bytes_stored: stored,
            compression_ratio: super::ratio(stored, new),
            duration_seconds: self.duration_seconds + later.duration_seconds,
            checksum: later.checksum.clone(),
            warnings: {
                let mut all = self.warnings;
                all.extend(later.warnings.iter().filter(|warning| !all.contains(warning)).cloned().collect::<Vec<_>>());
                all
            },
            tenants: Vec::new(),
        }
    }
}

/// Types of backup that are about tenants name some, of an app that has any; no others do.
///
/// # Errors
/// What does not fit together.
pub fn fits(kind: BackupType, selection: &Selection, app: &App) -> Result<()> {
    match (kind == BackupType::Tenant, selection.tenants.is_empty()) {
        (true, _) if app.tenant_columns.is_empty() => Err(no_columns(&app.name)),
        (true, true) => Err(Error::Usage {
            why: "a backup of the type tenant needs to know whose".into(),
            hint: format!("Name them: --tenant ID; list them: backstop app tenants {}", app.name),
        }),
        (false, false) => {
            let hint = "Add --type tenant; or take a tenant out of any backup: backstop restore preview --tenant ID".to_owned();
            Err(Error::Usage { why: format!("a backup of the type {kind} holds every tenant"), hint })
        }
        _ => Ok(()),
    }
}
