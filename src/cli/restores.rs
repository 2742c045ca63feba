//! `backstop restores`: the restore log.

use clap::{Args, Subcommand};

use super::session::{Ended, Session};
use super::session::{pages, short};
use super::table::{Align, Table, facts};
use crate::catalog::{Kind, RestoreFilter};
use crate::error::Status;

use super::args::action_or_list;
use super::output::Failure;

/// `backstop restores`; without an action, the list.
#[derive(Debug, Args)]
pub struct Restores {
    /// What to do.
    #[command(subcommand)]
    pub action: Option<Action>,
    /// What the list holds.
    #[command(flatten)]
    pub list: List,
}

/// `backstop restores …`.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List the restores, the newest first.
    List(List),
    /// Show one: who, why, what it wrote, until when it can be undone.
    Show(One),
}

/// What the list holds.
#[derive(Clone, Debug, Default, PartialEq, Args)]
pub struct List {
    /// Of this application.
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

/// One restore.
#[derive(Clone, Debug, Args)]
pub struct One {
    /// The restore's id or its beginning.
    pub id: String,
}

impl Restores {
    /// What to do; the list where nothing is said.
    pub fn action(self) -> Result<Action, Failure> {
        action_or_list(self.action, self.list, Action::List)
    }
}

impl Session<'_> {
    /// `backstop restores …`.
    pub fn restores(&mut self, action: Action) -> Ended {
        match action {
            Action::List(list) => {
                let app_id = list.app.as_deref().map(|app| self.engine.app(Some(app))).transpose()?.map(|app| app.id);
                let filter = RestoreFilter { app_id, ..RestoreFilter::default() };
                let restores = pages(list.limit, |after, limit| self.engine.catalog().restores_page(&filter, after, limit))?;
                self.output.list(&restores, "nothing was restored yet", |restores| {
                    let mut table = Table::new(&[
                        ("id", Align::Left),
                        ("app", Align::Left),
                        ("status", Align::Left),
                        ("operator", Align::Left),
                        ("started", Align::Left),
                        ("result", Align::Left),
                    ]);
                    for restore in restores {
                        table.row([
                            short(&restore.id),
                            restore.app.clone(),
                            restore.status.to_string(),
                            restore.operator.clone(),
                            restore.started_at.to_string(),
                            restore.error.clone().unwrap_or_default(),
                        ]);
                    }
                    table
                })?;
            }
            Action::Show(one) => {
                let restore = self.engine.catalog().restore(&self.engine.resolve(Kind::Restore, &one.id)?)?;
                self.output.result(&restore, |restore| {
                    facts(&[
                        ("id", restore.id.clone()),
                        ("app", restore.app.clone()),
                        ("backup", restore.backup.clone()),
                        ("status", restore.status.to_string()),
                        ("created", restore.created.to_string()),
                        ("updated", restore.updated.to_string()),
                        ("deleted", restore.deleted.to_string()),
                        ("can be undone until", restore.undo_until.map(|until| until.to_string()).unwrap_or_default()),
                        ("error", restore.error.clone().unwrap_or_default()),
                    ])
                })?;
            }
        }
        Ok(Status::Done)
    }
}
