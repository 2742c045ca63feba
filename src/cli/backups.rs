//! `backstop backups`: what there is to restore from.

use clap::{Args, Subcommand};

use super::session::{Ended, Session};
use super::session::{pages, short, word};
use super::table::{Align, Table, facts};
use crate::catalog::{Backup, BackupFilter};
use crate::engine::backup::closeness;
use crate::engine::selection::in_words;
use crate::error::Status;

use super::args::action_or_list;
use super::output::Failure;
use super::units::{self, When, parse_when};

/// `backstop backups`; without an action, the list.
#[derive(Debug, Args)]
pub struct Backups {
    /// What to do.
    #[command(subcommand)]
    pub action: Option<Action>,
    /// What the list holds.
    #[command(flatten)]
    pub list: List,
}

/// `backstop backups …`.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List the backups, the newest first.
    List(List),
    /// Show one: its figures, where it is, its models.
    Show(One),
    /// Read one back and compare it with its digests.
    Verify(Verify),
    /// Never remove one by retention.
    Protect(One),
    /// Let retention decide about one again.
    Unprotect(One),
    /// List its models and how many records each has.
    Models(One),
    /// Show the records of one of its models.
    Rows(Rows),
    /// Show what changed since another one, model by model.
    Diff(Diff),
    /// Delete one: it is gone from every list; undeleted until the vault is pruned.
    Delete(Delete),
    /// Take a deletion back.
    Undelete(One),
}

/// What a list of backups holds.
#[derive(Clone, Debug, Default, PartialEq, Args)]
pub struct List {
    /// Of this application.
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
    /// Of this type.
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    /// With this outcome.
    #[arg(long, value_name = "STATUS")]
    pub status: Option<String>,
    /// Made for this reason: scheduled, manual, safety.
    #[arg(long, value_name = "ORIGIN")]
    pub origin: Option<String>,
    /// Not older than this: a time, or `2d`.
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    pub since: Option<When>,
    /// At most so many.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

/// One backup.
#[derive(Clone, Debug, Args)]
pub struct One {
    /// The backup's id, its beginning, or `latest`.
    pub id: String,
    /// The application meant by `latest`.
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
}

/// `backstop backups verify`.
#[derive(Clone, Debug, Args)]
pub struct Verify {
    /// The backup.
    #[command(flatten)]
    pub backup: One,
    /// How deep: 0 all objects are there, 1 they are whole, 2 they decode, 3 every record is compared.
    #[arg(long, value_name = "0-3", default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=3))]
    pub level: u8,
}

/// `backstop backups diff`.
#[derive(Clone, Debug, Args)]
pub struct Diff {
    /// The later backup: an id, its beginning, or `latest`.
    pub id: String,
    /// The earlier one [default: the newest before it].
    pub earlier: Option<String>,
    /// The application meant by `latest`.
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
}

/// `backstop backups delete`.
#[derive(Clone, Debug, Args)]
pub struct Delete {
    /// The backup.
    #[command(flatten)]
    pub backup: One,
    /// Why, for the audit trail.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// `backstop backups rows`.
#[derive(Clone, Debug, Args)]
pub struct Rows {
    /// The backup's id, its beginning, or `latest`.
    pub id: String,
    /// The model.
    #[arg(required_unless_present = "model_flag")]
    pub model: Option<String>,
    /// The model, as a flag.
    #[arg(long = "model", value_name = "MODEL", conflicts_with = "model")]
    pub model_flag: Option<String>,
    /// The application meant by `latest`.
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
}

impl Rows {
    /// The model, however it was given.
    #[must_use]
    pub fn model(&self) -> &str {
        self.model.as_deref().or(self.model_flag.as_deref()).unwrap_or_default()
    }
}

impl Backups {
    /// What to do; the list where nothing is said.
    pub fn action(self) -> Result<Action, Failure> {
        action_or_list(self.action, self.list, Action::List)
    }
}

impl Session<'_> {
    /// `backstop backups …`.
    pub fn backups(&mut self, action: Action) -> Ended {
        match action {
            Action::List(list) => self.backups_list(&list),
            Action::Show(one) => self.backups_show(&one),
            Action::Verify(verify) => {
                let backup = self.engine.backup_named(&verify.backup.id, verify.backup.app.as_deref())?;
                let verdict = self.watched(|engine, _| engine.verify_backup(&backup, verify.level))?;
                self.verdict(&verdict)
            }
            Action::Protect(one) => self.backups_protect(&one, true),
            Action::Unprotect(one) => self.backups_protect(&one, false),
            Action::Models(one) => {
                let backup = self.engine.backup_named(&one.id, one.app.as_deref())?;
                let models = self.engine.catalog().backup_models(&backup.id)?;
                self.output.list(&models, "it has no models", |models| {
                    let mut table = Table::new(&[("module", Align::Left), ("model", Align::Left), ("records", Align::Right)]);
                    for model in models {
                        table.row([model.module.clone(), model.model.clone(), units::count(model.rows)]);
                    }
                    table
                })?;
                Ok(Status::Done)
            }
            Action::Diff(diff) => self.backups_diff(&diff),
            Action::Delete(delete) => {
                let backup = self.engine.backup_named(&delete.backup.id, delete.backup.app.as_deref())?;
                let taken = self.when(Some(backup.taken_at));
                self.confirm(&format!("Delete the backup {} of {}, taken {taken}?", backup.id, backup.app), delete.yes)?;
                self.engine.delete_backup(&backup, delete.reason.as_deref())?;
                let backup = self.engine.catalog().backup(&backup.id)?;
                self.output.result(&backup, |backup| {
                    vec![format!("backup {} is deleted; until the vault is pruned: backstop backups undelete {}", backup.id, backup.id)]
                })?;
                Ok(Status::Done)
            }
            Action::Undelete(one) => {
                let backup = self.engine.backup_named(&one.id, one.app.as_deref())?;
                self.engine.undelete_backup(&backup)?;
                let backup = self.engine.catalog().backup(&backup.id)?;
                self.output.result(&backup, |backup| vec![format!("backup {} is there again", backup.id)])?;
                Ok(Status::Done)
            }
            Action::Rows(rows) => {
                let backup = self.engine.backup_named(&rows.id, rows.app.as_deref())?;
                let found = self.engine.stored_rows(&backup, rows.model(), rows.limit)?;
                self.output.list(&found, "it has no records", |found| {
                    let mut table = Table::new(&[("record", Align::Left)]);
                    for row in found {
                        table.row([row.to_string()]);
                    }
                    table
                })?;
                Ok(Status::Done)
            }
        }
    }

    fn backups_diff(&mut self, diff: &Diff) -> Ended {
        let later = self.engine.backup_named(&diff.id, diff.app.as_deref())?;
        let earlier = match &diff.earlier {
            Some(earlier) => self.engine.backup_named(earlier, diff.app.as_deref())?,
            None => self.engine.backup_before(&later)?,
        };
        let models = self.watched(|engine, _| engine.compare_backups(&earlier, &later))?;
        self.output.list(&models, "neither has models", |models| {
            let mut table = Table::new(&[
                ("model", Align::Left),
                ("added", Align::Right),
                ("changed", Align::Right),
                ("removed", Align::Right),
                ("same", Align::Right),
                ("", Align::Left),
            ]);
            for model in models.iter().filter(|model| model.redefined || model.added + model.changed + model.removed > 0) {
                let counts = [model.added, model.changed, model.removed, model.same].map(units::count);
                let word = if model.redefined { "redefined" } else { "" }.to_owned();
                table.row(std::iter::once(model.model.clone()).chain(counts).chain(std::iter::once(word)));
            }
            table
        })?;
        if models.iter().all(|model| !model.redefined && model.added + model.changed + model.removed == 0) {
            self.output.note(&format!("nothing changed since {}", earlier.id))?;
        }
        Ok(Status::Done)
    }

    fn backups_list(&mut self, list: &List) -> Ended {
        let app_id = list.app.as_deref().map(|app| self.engine.app(Some(app))).transpose()?.map(|app| app.id);
        let filter = BackupFilter {
            app_id,
            kind: word(list.kind.as_deref())?,
            status: word(list.status.as_deref())?,
            origin: word(list.origin.as_deref())?,
            since: list.since.as_ref().map(|since| since.resolve(self.now()).into()),
            ..BackupFilter::default()
        };
        let backups: Vec<Backup> = pages(list.limit, |after, limit| self.engine.catalog().backups_page(&filter, after, limit))?;
        let now = self.now();
        self.output.list(&backups, "there are no backups", |backups| {
            let mut table = Table::new(&[
                ("id", Align::Left),
                ("app", Align::Left),
                ("type", Align::Left),
                ("status", Align::Left),
                ("records", Align::Right),
                ("stored", Align::Right),
                ("taken", Align::Left),
            ]);
            for backup in backups {
                table.row([
                    short(&backup.id),
                    backup.app.clone(),
                    backup.kind.to_string(),
                    backup.status.to_string(),
                    units::count(backup.records),
                    units::size(backup.bytes_stored),
                    units::both(now, backup.taken_at.timestamp()),
                ]);
            }
            table
        })?;
        Ok(Status::Done)
    }

    fn backups_show(&mut self, one: &One) -> Ended {
        let backup = self.engine.backup_named(&one.id, one.app.as_deref())?;
        let mut document = serde_json::to_value(&backup).unwrap_or_default();
        document["models"] = serde_json::to_value(self.engine.catalog().backup_models(&backup.id)?).unwrap_or_default();
        document["locations"] = serde_json::to_value(self.engine.catalog().backup_copies(&backup.id)?).unwrap_or_default();
        let (taken, verified) = (self.when(Some(backup.taken_at)), self.when(backup.verified_at));
        let closeness = backup.closeness.clone().and_then(|it| serde_json::from_value(it.0).ok());
        let together = closeness.map(|it| closeness::in_words(&it)).unwrap_or_default();
        let scope = serde_json::from_value(backup.scope.0.clone()).map(|scope| in_words(&scope).join("; ")).unwrap_or_default();
        self.output.result(&document, |_| {
            facts(&[
                ("id", backup.id.clone()),
                ("app", backup.app.clone()),
                ("type", backup.kind.to_string()),
                ("status", backup.status.to_string()),
                ("taken", taken),
                ("scope", scope),
                ("together", together),
                ("records", units::count(backup.records)),
                ("files", units::count(backup.files)),
                ("stored", units::size(backup.bytes_stored)),
                ("protected", if backup.protected { "yes" } else { "no" }.into()),
                ("verified", verified),
                ("reason", backup.reason.clone().unwrap_or_default()),
            ])
        })?;
        Ok(Status::Done)
    }

    fn backups_protect(&mut self, one: &One, protected: bool) -> Ended {
        let backup = self.engine.backup_named(&one.id, one.app.as_deref())?;
        self.engine.protect(&backup, protected)?;
        let backup = self.engine.catalog().backup(&backup.id)?;
        let word = if protected { "protected" } else { "no longer protected" };
        self.output.result(&backup, |backup| vec![format!("backup {} is {word}", backup.id)])?;
        Ok(Status::Done)
    }
}
