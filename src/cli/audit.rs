//! `backstop audit`: who did what, when and why.

use clap::Args;

use super::session::pages;
use super::session::{Ended, Session};
use super::table::{Align, Table};
use crate::catalog::AuditFilter;
use crate::error::Status;
use crate::numbers::counted;

/// `backstop audit`.
#[derive(Clone, Debug, Args)]
pub struct Audit {
    /// Check the hash chain.
    #[arg(long)]
    pub verify: bool,
    /// At most so many entries, the newest first.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
}

impl Session<'_> {
    /// `backstop audit`.
    pub fn audit(&mut self, given: &Audit) -> Ended {
        if given.verify {
            let check = self.engine.catalog().verify_audit()?;
            self.output.result(&check, |check| match &check.broken {
                None => vec![format!("whole: {}", counted(check.entries, "entry"))],
                Some(broken) => vec![format!("BROKEN at entry {}: {}", broken.seq, super::text::clean(&broken.problem))],
            })?;
            return Ok(if check.broken.is_none() { Status::Done } else { Status::Failed });
        }
        let entries = pages(Some(given.limit), |after, limit| self.engine.catalog().audit_page(&AuditFilter::default(), after, limit))?;
        self.output.list(&entries, "nothing was done yet", |entries| {
            let mut table = Table::new(&[
                ("time", Align::Left),
                ("operator", Align::Left),
                ("action", Align::Left),
                ("target", Align::Left),
                ("outcome", Align::Left),
            ]);
            for entry in entries {
                table.row([
                    entry.time.to_string(),
                    entry.operator.clone(),
                    entry.action.clone(),
                    entry.target.clone(),
                    entry.outcome.to_string(),
                ]);
            }
            table
        })?;
        Ok(Status::Done)
    }
}
