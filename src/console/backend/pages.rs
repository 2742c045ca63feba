//! Windows of lists: keyset pages of the catalog, narrowed there as far as it can, and held against the whole filter here.

use std::collections::BTreeSet;
use std::fmt::Display;

use jiff::{SignedDuration, Timestamp};

use super::records;
use crate::catalog::{
    AlertFilter, AlertStatus, AuditFilter, BackupFilter, Configuration, ConfigurationFilter, Cursor, Job, JobFilter, Order, Page, Reader,
    RestoreFilter, Result, Severity, Status, Time,
};
use crate::console::effect::Answer;
use crate::console::model::filter::{Filter, Term};
use crate::console::model::records::{ListKind, Record};

/// How many rows are read at a time; a filter that few rows pass reads several times.
const BLOCK: usize = 250;

/// The most configurations that are brought into an order of the console's own.
const CONFIGURATIONS: usize = 1000;

/// The most jobs that are shown as running or waiting.
const ACTIVE: usize = 200;

/// The states of alerts in the order the list shows them: what needs a person first.
const ALERTS: [AlertStatus; 4] = [AlertStatus::Active, AlertStatus::Acknowledged, AlertStatus::Snoozed, AlertStatus::Resolved];

/// A window that was asked for.
pub struct Window<'a> {
    pub list: ListKind,
    pub filter: &'a Filter,
    pub order: &'a str,
    pub descending: bool,
    pub after: Option<&'a Record>,
    pub limit: usize,
    pub now: Timestamp,
}

/// What the catalog itself can narrow a list by; never more than the filter means.
struct Narrowed {
    app: Option<String>,
    text: Option<String>,
    since: Option<Time>,
    order: Order,
}

impl Window<'_> {
    /// The window's rows.
    pub fn read(&self, reader: &Reader) -> Result<Answer> {
        let narrowed = self.narrowed(reader)?;
        let order = narrowed.order;
        match self.list {
            ListKind::Configurations => self.configurations(reader),
            ListKind::Jobs => {
                let status = self.word("status", Status::ALL);
                let filter =
                    JobFilter { app_id: narrowed.app, status, since: narrowed.since, text: narrowed.text, order, ..JobFilter::default() };
                self.jobs(reader, &filter)
            }
            ListKind::Backups => {
                let status = self.word("status", Status::ALL);
                let filter = BackupFilter {
                    app_id: narrowed.app,
                    status,
                    since: narrowed.since,
                    text: narrowed.text,
                    order,
                    ..BackupFilter::default()
                };
                self.walk(|after| {
                    let page = reader.backups_page(&filter, after, BLOCK)?;
                    converted(page, |backup| {
                        let copies = reader.backup_copies(&backup.id)?;
                        Ok(Record::Backup(Box::new(records::backup(backup, copies))))
                    })
                })
            }
            ListKind::Alerts => self.alerts(reader, &narrowed),
            ListKind::Activity => {
                let filter = AuditFilter { since: narrowed.since, text: narrowed.text, order, ..AuditFilter::default() };
                self.walk(|after| {
                    let page = reader.audit_page(&filter, after, BLOCK)?;
                    converted(page, |entry| Ok(Record::Activity(records::activity(entry))))
                })
            }
            ListKind::Restores => {
                let status = self.word("status", Status::ALL);
                let filter = RestoreFilter { app_id: narrowed.app, status, since: narrowed.since, text: narrowed.text, order };
                self.walk(|after| {
                    let page = reader.restores_page(&filter, after, BLOCK)?;
                    converted(page, |restore| Ok(Record::Restore(Box::new(records::restore(restore)))))
                })
            }
            ListKind::Locations => Ok(self.cut(locations(reader)?.into_iter().map(Record::Location).collect())),
            // Archive policies are not kept yet: the list is empty, which is true.
            ListKind::Policies => Ok(Answer::Page { rows: Vec::new(), end: true }),
        }
    }

    fn narrowed(&self, reader: &Reader) -> Result<Narrowed> {
        let order = if self.descending { Order::Descending } else { Order::Ascending };
        let mut narrowed = Narrowed { app: None, text: None, since: None, order };
        for term in &self.filter.terms {
            match term {
                Term::Field(name, text) if name == "app" => {
                    let mut meant: Vec<_> = reader.apps()?.into_iter().filter(|app| app.name.to_lowercase().contains(text)).collect();
                    // With one app meant its own index is walked; rows of apps that were taken away are then left out.
                    narrowed.app = if meant.len() == 1 { meant.pop().map(|app| app.id) } else { None };
                }
                // The catalog compares without regard to the case of ASCII letters alone.
                Term::Text(text) | Term::Field(_, text) if text.is_ascii() && narrowed.text.is_none() => {
                    narrowed.text = Some(text.clone());
                }
                Term::Age(false, seconds) => {
                    narrowed.since = self.now.checked_sub(SignedDuration::from_secs(*seconds)).ok().map(Time::from);
                }
                _ => {}
            }
        }
        Ok(narrowed)
    }

    /// The one word of `all` that `field:text` can mean.
    fn word<T: Copy + Display>(&self, field: &str, all: &[T]) -> Option<T> {
        let text = self.filter.terms.iter().find_map(|term| match term {
            Term::Field(name, text) if name == field => Some(text),
            _ => None,
        })?;
        let mut meant = all.iter().copied().filter(|word| word.to_string().contains(text.as_str()));
        meant.next().filter(|_| meant.next().is_none())
    }

    fn passes(&self, record: &Record) -> bool {
        self.filter.matches(record, self.now)
    }

    /// Reads pages until the window is full or the list ends.
    fn walk(&self, page: impl FnMut(Option<&Cursor>) -> Result<Page<Record>>) -> Result<Answer> {
        let mut rows = Vec::new();
        let full = self.fill(&mut rows, self.after.map(records::cursor), page)?;
        Ok(Answer::Page { rows, end: !full })
    }

    /// Fills `rows` from `after` on; true where the window is full and more may follow.
    fn fill(
        &self,
        rows: &mut Vec<Record>,
        mut after: Option<Cursor>,
        mut page: impl FnMut(Option<&Cursor>) -> Result<Page<Record>>,
    ) -> Result<bool> {
        loop {
            let read = page(after.as_ref())?;
            for record in read.items {
                if rows.len() == self.limit {
                    return Ok(true);
                }
                if self.passes(&record) {
                    rows.push(record);
                }
            }
            match read.next {
                Some(next) => after = Some(next),
                None => return Ok(false),
            }
        }
    }

    /// Jobs by time; by state those that run or wait come first, then history.
    fn jobs(&self, reader: &Reader, filter: &JobFilter) -> Result<Answer> {
        let record = |job: Job| Record::Job(Box::new(records::job(job, self.now)));
        let page = |after: Option<&Cursor>| converted(reader.jobs_page(filter, after, BLOCK)?, |job| Ok(record(job)));
        if self.order != "state" || !self.descending {
            return self.walk(page);
        }
        let mut active: Vec<Record> = reader.active_jobs(None, ACTIVE)?.items.into_iter().rev().map(record).collect();
        let known: BTreeSet<String> = active.iter().map(|it| it.id().to_owned()).collect();
        let mut after = self.after;
        if let Some(at) = after.and_then(|after| active.iter().position(|it| it.id() == after.id())) {
            active.drain(..=at);
            after = None;
        } else if after.is_some() {
            active.clear();
        }
        let mut rows: Vec<Record> = active.into_iter().filter(|it| self.passes(it)).collect();
        let full = rows.len() > self.limit;
        rows.truncate(self.limit);
        if full {
            return Ok(Answer::Page { rows, end: false });
        }
        let history = |after: Option<&Cursor>| {
            let mut read = page(after)?;
            read.items.retain(|it| !known.contains(it.id()));
            Ok(read)
        };
        let full = self.fill(&mut rows, after.map(records::cursor), history)?;
        Ok(Answer::Page { rows, end: !full })
    }

    /// Alerts by time, or one state after the other and each by time.
    fn alerts(&self, reader: &Reader, narrowed: &Narrowed) -> Result<Answer> {
        let mut filter = AlertFilter {
            app_id: narrowed.app.clone(),
            severity: self.word("severity", Severity::ALL),
            since: narrowed.since,
            text: narrowed.text.clone(),
            order: narrowed.order,
            ..AlertFilter::default()
        };
        let page = |filter: &AlertFilter, after: Option<&Cursor>| {
            converted(reader.alerts_page(filter, after, BLOCK)?, |alert| Ok(Record::Alert(Box::new(records::alert(alert)))))
        };
        if self.order != "state" {
            return self.walk(|after| page(&filter, after));
        }
        let mut states = ALERTS;
        if !self.descending {
            states.reverse();
        }
        let begun = match self.after {
            Some(Record::Alert(last)) => states.iter().position(|state| state.as_str() == last.status).unwrap_or(0),
            _ => 0,
        };
        let mut rows = Vec::new();
        let mut after = self.after.map(records::cursor);
        for state in &states[begun..] {
            filter.status = Some(*state);
            if self.fill(&mut rows, after.take(), |after| page(&filter, after))? {
                return Ok(Answer::Page { rows, end: false });
            }
        }
        Ok(Answer::Page { rows, end: true })
    }

    /// Configurations are few: all are read, so that they can be ordered by their next run and filtered by their state.
    fn configurations(&self, reader: &Reader) -> Result<Answer> {
        let filter = ConfigurationFilter { order: Order::Ascending, ..ConfigurationFilter::default() };
        let mut rows = Vec::new();
        for configuration in reader.configurations_page(&filter, None, CONFIGURATIONS)?.items {
            rows.push(Record::Configuration(with_last_status(reader, configuration)?));
        }
        if self.order == "next" {
            rows.sort_by_key(|row| match row {
                Record::Configuration(it) => (it.next_run_at.is_none(), it.next_run_at),
                _ => (true, None),
            });
        }
        if self.descending {
            rows.reverse();
        }
        Ok(self.cut(rows))
    }

    /// The window of a list that is here whole.
    fn cut(&self, rows: Vec<Record>) -> Answer {
        let from = self.after.and_then(|after| rows.iter().position(|row| row.id() == after.id())).map_or(0, |at| at + 1);
        let mut left = rows.into_iter().skip(from).filter(|row| self.passes(row));
        let rows = left.by_ref().take(self.limit).collect();
        Answer::Page { rows, end: left.next().is_none() }
    }
}

fn converted<T>(page: Page<T>, convert: impl FnMut(T) -> Result<Record>) -> Result<Page<Record>> {
    Ok(Page { items: page.items.into_iter().map(convert).collect::<Result<_>>()?, next: page.next })
}

fn with_last_status(reader: &Reader, it: Configuration) -> Result<crate::console::model::records::Configuration> {
    let last = reader.jobs_page(&JobFilter { configuration_id: Some(it.id.clone()), ..JobFilter::default() }, None, 1)?;
    Ok(records::configuration(it, last.items.first().map(|job| job.status.to_string())))
}

/// Every location of every vault.
pub fn locations(reader: &Reader) -> Result<Vec<crate::console::model::records::Location>> {
    let mut all = Vec::new();
    for vault in reader.vaults()? {
        all.extend(reader.locations(&vault.id)?.into_iter().map(records::location));
    }
    Ok(all)
}
