//! `backstop alerts`: what somebody must know.

use clap::{ArgGroup, Args, Subcommand};
use jiff::SignedDuration;

use super::session::{Ended, Session};
use super::session::{pages, short, word};
use super::table::{Align, Table, facts};
use crate::catalog::{Alert, AlertFilter, AlertStatus, Kind};
use crate::engine::configurations::Answer;
use crate::error::Status;

use super::args::action_or_list;
use super::output::Failure;
use super::units::parse_duration;

/// `backstop alerts`; without an action, the list.
#[derive(Debug, Args)]
pub struct Alerts {
    /// What to do.
    #[command(subcommand)]
    pub action: Option<Action>,
    /// What the list holds.
    #[command(flatten)]
    pub list: List,
}

/// `backstop alerts …`.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List the alerts: active ones first.
    List(List),
    /// Show one: what was measured, what happened, what to do.
    Show(One),
    /// Say that somebody is on it.
    Ack(Several),
    /// Say that it is over, and why.
    Resolve(Several),
    /// Hide it for a while.
    Snooze(Snooze),
}

/// Which alerts.
#[derive(Clone, Debug, Default, PartialEq, Args)]
pub struct Filter {
    /// Of this severity.
    #[arg(long, value_name = "SEVERITY", value_parser = ["info", "warning", "error", "critical"])]
    pub severity: Option<String>,
    /// Of this type.
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
}

/// What the list holds.
#[derive(Clone, Debug, Default, PartialEq, Args)]
pub struct List {
    /// Resolved ones too.
    #[arg(long)]
    pub all: bool,
    /// Which alerts.
    #[command(flatten)]
    pub filter: Filter,
}

/// One alert.
#[derive(Clone, Debug, Args)]
pub struct One {
    /// The alert's id or its beginning.
    pub id: String,
}

/// The alerts that an action is for: ids, or all that the filter leaves.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("which").args(["ids", "all"]).required(true))]
pub struct Several {
    /// Their ids or the beginnings of them.
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// All active ones, narrowed by --severity and --type.
    #[arg(long)]
    pub all: bool,
    /// Which of all.
    #[command(flatten)]
    pub filter: Filter,
    /// What the next person should know.
    #[arg(long, value_name = "TEXT")]
    pub notes: Option<String>,
}

/// `backstop alerts snooze`.
#[derive(Clone, Debug, Args)]
pub struct Snooze {
    /// Which alerts.
    #[command(flatten)]
    pub which: Several,
    /// For how long: 30m, 8h, 2d.
    #[arg(long = "for", value_name = "DURATION", default_value = "8h", value_parser = parse_duration)]
    pub duration: SignedDuration,
}

impl Alerts {
    /// What to do; the list where nothing is said.
    pub fn action(self) -> Result<Action, Failure> {
        action_or_list(self.action, self.list, Action::List)
    }
}

impl Session<'_> {
    /// `backstop alerts …`.
    pub fn alerts(&mut self, action: Action) -> Ended {
        match action {
            Action::List(list) => {
                let mut alerts = self.alerts_like(&list.filter)?;
                alerts.retain(|alert| list.all || alert.status != AlertStatus::Resolved);
                self.alerts_table(&alerts)
            }
            Action::Show(one) => {
                let id = self.engine.resolve(Kind::Alert, &one.id)?;
                let alert = self.engine.catalog().alert(&id)?;
                let mut document = serde_json::to_value(&alert).unwrap_or_default();
                document["events"] = serde_json::to_value(self.engine.catalog().alert_events(&id, 100)?).unwrap_or_default();
                self.output.result(&document, |_| {
                    facts(&[
                        ("id", alert.id.clone()),
                        ("type", alert.kind.to_string()),
                        ("severity", alert.severity.to_string()),
                        ("status", alert.status.to_string()),
                        ("target", alert.target.clone()),
                        ("message", alert.message.clone()),
                        ("notes", alert.notes.clone().unwrap_or_default()),
                    ])
                })?;
                Ok(Status::Done)
            }
            Action::Ack(which) => self.answer(&which, Answer::Acknowledge),
            Action::Resolve(which) => self.answer(&which, Answer::Resolve),
            Action::Snooze(snooze) => self.answer(&snooze.which, Answer::Snooze(snooze.duration)),
        }
    }

    fn alerts_like(&self, filter: &Filter) -> Result<Vec<Alert>, Failure> {
        let filter =
            AlertFilter { severity: word(filter.severity.as_deref())?, kind: word(filter.kind.as_deref())?, ..AlertFilter::default() };
        Ok(pages(None, |after, limit| self.engine.catalog().alerts_page(&filter, after, limit))?)
    }

    fn answer(&mut self, which: &Several, answer: Answer) -> Ended {
        let ids: Vec<String> = if which.all {
            self.alerts_like(&which.filter)?.into_iter().filter(|alert| alert.status == AlertStatus::Active).map(|alert| alert.id).collect()
        } else {
            which.ids.iter().map(|id| self.engine.resolve(Kind::Alert, id)).collect::<Result<_, _>>()?
        };
        self.engine.answer_alerts(&ids, answer, which.notes.as_deref())?;
        let alerts = ids.iter().map(|id| self.engine.catalog().alert(id)).collect::<Result<Vec<_>, _>>()?;
        self.alerts_table(&alerts)
    }

    fn alerts_table(&mut self, alerts: &[Alert]) -> Ended {
        self.output.list(alerts, "there are no alerts", |alerts| {
            let mut table = Table::new(&[
                ("id", Align::Left),
                ("severity", Align::Left),
                ("status", Align::Left),
                ("target", Align::Left),
                ("message", Align::Left),
            ]);
            for alert in alerts {
                table.row([
                    short(&alert.id),
                    alert.severity.to_string(),
                    alert.status.to_string(),
                    alert.target.clone(),
                    alert.message.clone(),
                ]);
            }
            table
        })?;
        Ok(Status::Done)
    }
}
