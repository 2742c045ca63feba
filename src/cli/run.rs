//! `backstop run` and `backstop schedule`: the schedules, followed and shown.

use clap::Args;

use super::interrupt;
use super::session::{Ended, Session};
use super::table::{Align, Table};
use super::text::clean;
use crate::engine::scheduler::News;
use crate::error::Status;

/// `backstop run`.
#[derive(Clone, Debug, Args)]
pub struct Run {
    /// Do what is due now, then end; for cron.
    #[arg(long)]
    pub once: bool,
}

/// `backstop schedule`.
#[derive(Clone, Debug, Args)]
pub struct Schedule {
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
}

impl Session<'_> {
    /// `backstop run`.
    pub fn run(&mut self, given: &Run) -> Ended {
        let scheduler = self.engine.scheduler()?;
        let (mut failed, mut runs) = (false, Vec::new());
        let signals = interrupt::listen()?;
        let output = &mut self.output;
        let mut told = |news: &News| {
            // A terminal or log that is gone is no reason to stop backing up.
            let _ = match news {
                News::Begun(configuration) => output.note(&format!("{} of {} begins", configuration.name, configuration.app)),
                News::Ended(configuration, Ok(made)) => {
                    runs.push(serde_json::json!({"configuration": configuration.name, "app": configuration.app, "backup": made}));
                    output.note(&format!("{} of {} {}: backup {}", configuration.name, configuration.app, made.status, made.backup))
                }
                News::Ended(configuration, Err(why)) => {
                    failed = true;
                    let error = why.to_string();
                    runs.push(serde_json::json!({"configuration": configuration.name, "app": configuration.app, "error": error}));
                    output.warn(&format!("{} of {} failed: {error}", configuration.name, configuration.app))
                }
            };
        };
        let stopped = || signals.is_asked();
        let done = if given.once { scheduler.run_once(&stopped, &mut told) } else { scheduler.run(&stopped, &mut told) };
        done?;
        self.output.result(&runs, |runs| vec![format!("{} run", runs.len())])?;
        Ok(match (signals.by_keyboard(), failed) {
            (true, _) => Status::Interrupted,
            (false, true) if given.once => Status::Failed,
            (false, _) => Status::Done,
        })
    }

    /// `backstop schedule`.
    pub fn schedule(&mut self, given: &Schedule) -> Ended {
        let agenda = self.engine.agenda(given.limit)?;
        let now = self.now();
        self.output.result(&agenda, |agenda| {
            let mut lines = vec![match &agenda.scheduler {
                Some(lease) => format!("process {} starts what is due, since {}", lease.pid, lease.taken_at),
                None => "nothing starts what is due: backstop run, or from cron: backstop run --once".into(),
            }];
            let mut table = Table::new(&[
                ("next run", Align::Left),
                ("configuration", Align::Left),
                ("app", Align::Left),
                ("type", Align::Left),
                ("schedule", Align::Left),
            ]);
            for run in &agenda.runs {
                let at = run.at.map(|at| super::units::both(now, at.timestamp())).unwrap_or_default();
                let at = if run.due { format!("due since {at}") } else { at };
                table.row([at, run.name.clone(), run.app.clone(), run.kind.to_string(), run.schedule.clone().unwrap_or_default()]);
            }
            if table.is_empty() {
                lines.push(clean("no configuration has a schedule: backstop config create NAME --schedule '0 2 * * *'").into_owned());
            } else {
                lines.push(String::new());
                lines.extend(table.lines());
            }
            lines
        })?;
        Ok(Status::Done)
    }
}
