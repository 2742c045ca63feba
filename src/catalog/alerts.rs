//! Alerts: what an operator must know, kept once however often it is raised.
//!
//! An alert's identity is its type, target and configuration. Raised again while it is open it is counted; raised
//! again within a day of its end it is opened again; later it is a new one. What happens to it is kept as events.

use jiff::SignedDuration;
use rusqlite::{Connection, OptionalExtension, ToSql, named_params, params};

use super::page::List;
use super::record::{Record, record};
use super::{AlertEventKind, AlertStatus, AlertType, Catalog, Cursor, Error, Kind, Listed, Order, Page, Reader, Result, Severity, Time};

record! {
    /// Something an operator must know.
    Alert {
        /// Its id.
        id: String = "e.id",
        /// What it is about.
        #[serde(rename = "type")]
        kind: AlertType = "e.type",
        /// How grave it is.
        severity: Severity = "e.severity",
        /// What became of it.
        status: AlertStatus = "e.status",
        /// The app's id.
        app_id: Option<String> = "e.app_id",
        /// The app's name.
        app: Option<String> = "a.name",
        /// The configuration's id.
        configuration_id: Option<String> = "e.configuration_id",
        /// The configuration's name.
        configuration: Option<String> = "c.name",
        /// What exactly it is about: an app, a location, a channel.
        target: String = "e.target",
        /// What it says.
        message: String = "e.message",
        /// The value that was measured, with its unit.
        measured: Option<String> = "e.measured",
        /// The value it was held against.
        threshold: Option<String> = "e.threshold",
        /// How often it was raised since it was opened first.
        count: u64 = "e.count",
        /// When it was raised first.
        first_at: Time = "e.first_at",
        /// When it was raised last.
        last_at: Time = "e.last_at",
        /// Who acknowledged it.
        acknowledged_by: Option<String> = "e.acknowledged_by",
        /// When.
        acknowledged_at: Option<Time> = "e.acknowledged_at",
        /// Who resolved it; none where its condition ended by itself.
        resolved_by: Option<String> = "e.resolved_by",
        /// When.
        resolved_at: Option<Time> = "e.resolved_at",
        /// Until when it is quiet.
        snoozed_until: Option<Time> = "e.snoozed_until",
        /// What operators noted.
        notes: Option<String> = "e.notes",
        /// The job it is about.
        job: Option<String> = "e.job_id",
        /// The backup it is about.
        backup: Option<String> = "e.backup_id",
    }
}

impl Listed for Alert {
    fn cursor(&self) -> Cursor {
        Cursor { key: self.last_at.to_string(), id: self.id.clone() }
    }
}

/// Something that happened to an alert.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AlertEvent {
    /// Its number within the alert, from 1.
    pub seq: u64,
    /// When it happened.
    pub time: Time,
    /// What happened.
    pub event: AlertEventKind,
    /// Who did it.
    pub operator: Option<String>,
    /// More about it: notes, the channel, the new message.
    pub text: Option<String>,
}

/// A condition that an operator must know of.
#[derive(Clone, Debug)]
pub struct RaiseAlert {
    /// What it is about.
    pub kind: AlertType,
    /// How grave it is.
    pub severity: Severity,
    /// The app's id.
    pub app_id: Option<String>,
    /// The configuration's id.
    pub configuration_id: Option<String>,
    /// What exactly it is about.
    pub target: String,
    /// What it says.
    pub message: String,
    /// The value that was measured, with its unit.
    pub measured: Option<String>,
    /// The value it was held against.
    pub threshold: Option<String>,
    /// The job it is about.
    pub job: Option<String>,
    /// The backup it is about.
    pub backup: Option<String>,
}

impl RaiseAlert {
    /// A condition of which no more is said than what it is and what it is about.
    #[must_use]
    pub fn new(kind: AlertType, severity: Severity, target: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            severity,
            app_id: None,
            configuration_id: None,
            target: target.into(),
            message: message.into(),
            measured: None,
            threshold: None,
            job: None,
            backup: None,
        }
    }
}

/// Whether a raised alert is news that someone is to be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It was not open: a new one.
    New,
    /// It was resolved less than a day ago and is open again.
    Reopened,
    /// It was open already and has become graver.
    Graver,
    /// It was open already and was counted.
    Repeated,
}

/// An alert as it is after it was raised.
#[derive(Clone, Debug, PartialEq)]
pub struct Raised {
    /// The alert.
    pub alert: Alert,
    /// Whether it is news.
    pub news: News,
}

/// Which alerts a list shows, by the time they were last raised.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertFilter {
    /// Those of this app (its id).
    pub app_id: Option<String>,
    /// Those in this status.
    pub status: Option<AlertStatus>,
    /// Those of this severity.
    pub severity: Option<Severity>,
    /// Those of this type.
    pub kind: Option<AlertType>,
    /// Those raised at this time or later.
    pub since: Option<Time>,
    /// Those in whose visible columns this text stands.
    pub text: Option<String>,
    /// The direction.
    pub order: Order,
}

/// The open alerts that are not snoozed, by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct AlertCounts {
    /// Those good to know.
    pub info: u64,
    /// Those that are soon a problem.
    pub warning: u64,
    /// Those that are a problem.
    pub error: u64,
    /// Those that put data at risk.
    pub critical: u64,
    /// Those among them that nobody has acknowledged.
    pub active: u64,
}

const REOPENS_WITHIN: SignedDuration = SignedDuration::from_hours(24);

const OPEN: &str = "status <> 'resolved'";
const ANSWERABLE: &str = "(status <> 'resolved' OR resolved_by IS NULL)";

const JOINS: &str = "LEFT JOIN app a ON a.id = e.app_id LEFT JOIN configuration c ON c.id = e.configuration_id";

impl Reader {
    /// A page of the alerts, by the time they were last raised.
    pub fn alerts_page(&self, filter: &AlertFilter, after: Option<&Cursor>, limit: usize) -> Result<Page<Alert>> {
        self.read(|connection| list(filter).page(connection, after, limit))
    }

    /// The gravest open alerts, the newest first among equals.
    pub fn open_alerts(&self, limit: usize) -> Result<Vec<Alert>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&gravest())?;
            Ok(statement.query_map(params![limit], Alert::from_row)?.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The alert of this id.
    pub fn alert(&self, id: &str) -> Result<Alert> {
        self.read(|connection| alert(connection, id))
    }

    /// The newest `limit` events of an alert, in the order they happened.
    pub fn alert_events(&self, id: &str, limit: usize) -> Result<Vec<AlertEvent>> {
        self.read(|connection| {
            let sql = "SELECT seq, time, event, operator, text FROM alert_event WHERE alert_id = ?1 ORDER BY seq DESC LIMIT ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let events = statement.query_map(params![id, limit], |row| {
                Ok(AlertEvent { seq: row.get(0)?, time: row.get(1)?, event: row.get(2)?, operator: row.get(3)?, text: row.get(4)? })
            })?;
            let mut events = events.collect::<rusqlite::Result<Vec<_>>>()?;
            events.reverse();
            Ok(events)
        })
    }

    /// How many alerts are open and not snoozed, by severity.
    pub fn alert_counts(&self) -> Result<AlertCounts> {
        self.read(|connection| {
            let sql = "SELECT severity, count(*), sum(status = 'active') FROM alert INDEXED BY alert_open
                 WHERE status <> 'resolved' AND status <> 'snoozed' GROUP BY severity_rank";
            let mut counts = AlertCounts::default();
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query(())?;
            while let Some(row) = rows.next()? {
                let place = match row.get(0)? {
                    Severity::Info => &mut counts.info,
                    Severity::Warning => &mut counts.warning,
                    Severity::Error => &mut counts.error,
                    Severity::Critical => &mut counts.critical,
                };
                *place = row.get(1)?;
                counts.active += row.get::<_, u64>(2)?;
            }
            Ok(counts)
        })
    }
}

fn list(filter: &AlertFilter) -> List {
    let index = match filter {
        AlertFilter { app_id: Some(_), .. } => "alert_by_app",
        AlertFilter { status: Some(_), .. } => "alert_by_status",
        _ => "alert_by_time",
    };
    let mut list = List::new(format!("alert e INDEXED BY {index} {JOINS}"), "e.last_at", "e.id", filter.order);
    list.filter("e.app_id = ?", filter.app_id.clone())
        .filter("e.status = ?", filter.status.map(|status| status.to_string()))
        .filter("e.severity = ?", filter.severity.map(|severity| severity.to_string()))
        .filter("e.type = ?", filter.kind.map(|kind| kind.to_string()))
        .filter("e.last_at >= ?", filter.since.map(|since| since.to_string()))
        .containing(
            &["a.name", "c.name", "e.type", "e.severity", "e.status", "e.target", "e.message", "e.notes", "e.id"],
            filter.text.as_deref(),
        );
    list
}

fn gravest() -> String {
    format!(
        "SELECT {} FROM alert e INDEXED BY alert_open {JOINS} WHERE e.status <> 'resolved' AND e.severity_rank >= 0
         ORDER BY e.severity_rank DESC, e.last_at DESC, e.id DESC LIMIT ?1",
        Alert::COLUMNS
    )
}

fn alert(connection: &Connection, id: &str) -> Result<Alert> {
    let sql = format!("SELECT {} FROM alert e {JOINS} WHERE e.id = ?1", Alert::COLUMNS);
    super::one(connection, &sql, id)?.ok_or_else(|| Error::NotFound { kind: Kind::Alert, text: id.to_owned() })
}

/// What makes two raises the same alert.
fn identity(kind: AlertType, target: &str, configuration_id: Option<&str>) -> String {
    format!("{kind}\u{1f}{}\u{1f}{target}", configuration_id.unwrap_or_default())
}

impl Catalog {
    /// Raises an alert: a new one, or the one there is counted or opened again.
    pub fn raise_alert(&self, raise: &RaiseAlert) -> Result<Raised> {
        let (id, now) = (self.new_id(), self.now());
        let identity = identity(raise.kind, &raise.target, raise.configuration_id.as_deref());
        self.write(|change| {
            let sql = format!(
                "SELECT {} FROM alert e INDEXED BY alert_by_identity {JOINS} WHERE e.identity = ?1 ORDER BY e.last_at DESC, e.rowid DESC LIMIT 1",
                Alert::COLUMNS
            );
            let known: Option<Alert> = super::one(change, &sql, &identity)?;
            let (id, news) = match known {
                Some(known) => match news(&known, raise, now) {
                    News::New => (id, News::New),
                    news => (known.id, news),
                },
                None => (id, News::New),
            };
            put(change, &id, &identity, raise, news, now)?;
            Ok(Raised { alert: alert(change, &id)?, news })
        })
    }

    /// Acknowledges alerts that are open; all of them, or none when one is not.
    pub fn acknowledge_alerts(&self, ids: &[impl AsRef<str>], operator: &str, notes: Option<&str>) -> Result<()> {
        let set = "status = 'acknowledged', acknowledged_by = :operator, acknowledged_at = :now, snoozed_until = NULL";
        let values = named_params! { ":operator": operator, ":now": self.now() };
        self.answer(ids, (OPEN, set), values, AlertEventKind::Acknowledged, operator, notes)
    }

    /// Resolves alerts that are open, or closes with notes those that ended by themselves; all of them, or none when one is neither.
    pub fn resolve_alerts(&self, ids: &[impl AsRef<str>], operator: &str, notes: Option<&str>) -> Result<()> {
        let set = "status = 'resolved', resolved_by = :operator, resolved_at = :now, snoozed_until = NULL";
        let values = named_params! { ":operator": operator, ":now": self.now() };
        self.answer(ids, (ANSWERABLE, set), values, AlertEventKind::Resolved, operator, notes)
    }

    /// Silences alerts that are open until `until`; all of them, or none when one is not.
    pub fn snooze_alerts(&self, ids: &[impl AsRef<str>], until: Time, operator: &str, notes: Option<&str>) -> Result<()> {
        let set = "status = 'snoozed', snoozed_until = :until";
        self.answer(ids, (OPEN, set), named_params! { ":until": until }, AlertEventKind::Snoozed, operator, notes)
    }

    fn answer(
        &self,
        ids: &[impl AsRef<str>],
        (may, set): (&str, &str),
        values: &[(&str, &dyn ToSql)],
        event: AlertEventKind,
        operator: &str,
        notes: Option<&str>,
    ) -> Result<()> {
        let now = self.now();
        let sql = format!("UPDATE alert SET {set}, notes = coalesce(:notes, notes) WHERE id = :id AND {may}");
        self.write(|change| {
            for id in ids.iter().map(AsRef::as_ref) {
                let mut all = values.to_vec();
                all.extend_from_slice(named_params! { ":id": id, ":notes": notes });
                if change.prepare_cached(&sql)?.execute(all.as_slice())? == 0 {
                    let state = alert(change, id)?.status.to_string();
                    return Err(Error::WrongState { kind: Kind::Alert, id: id.to_owned(), state });
                }
                add_event(change, id, now, event, Some(operator), notes)?;
            }
            Ok(())
        })
    }

    /// Resolves the open alert of a condition that has ended, and gives its id. (Integrity: only after a passing verification.)
    pub fn end_condition(&self, kind: AlertType, target: &str, configuration_id: Option<&str>, why: &str) -> Result<Option<String>> {
        let now = self.now();
        let identity = identity(kind, target, configuration_id);
        self.write(|change| {
            let sql = "UPDATE alert SET status = 'resolved', resolved_by = NULL, resolved_at = ?2, snoozed_until = NULL
                 WHERE identity = ?1 AND status <> 'resolved' RETURNING id";
            let ended: Option<String> = change.prepare_cached(sql)?.query_row(params![identity, now], |row| row.get(0)).optional()?;
            if let Some(id) = &ended {
                add_event(change, id, now, AlertEventKind::Resolved, None, Some(why))?;
            }
            Ok(ended)
        })
    }

    /// Wakes the alerts whose silence is over, and gives their ids.
    pub fn wake_alerts(&self) -> Result<Vec<String>> {
        let now = self.now();
        self.write(|change| {
            let sql =
                "UPDATE alert SET status = 'active', snoozed_until = NULL WHERE status = 'snoozed' AND snoozed_until <= ?1 RETURNING id";
            let woken = change.prepare_cached(sql)?.query_map([now], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
            for id in &woken {
                add_event(change, id, now, AlertEventKind::Woke, None, None)?;
            }
            Ok(woken)
        })
    }

    /// Notes that someone was told of an alert, such as `slack #ops: 200`.
    pub fn note_alert_sent(&self, id: &str, text: &str) -> Result<()> {
        let now = self.now();
        self.write(|change| add_event(change, id, now, AlertEventKind::Sent, None, Some(text)))
    }
}

/// What raising an alert again is to whoever has been told of it.
fn news(known: &Alert, raise: &RaiseAlert, now: Time) -> News {
    match known.status {
        AlertStatus::Resolved => {
            let ended = known.resolved_at.unwrap_or(known.last_at);
            if now.timestamp().duration_since(ended.timestamp()) < REOPENS_WITHIN { News::Reopened } else { News::New }
        }
        _ if raise.severity > known.severity => News::Graver,
        _ => News::Repeated,
    }
}

/// Writes a raise. One that has become graver is active again, whoever had acknowledged or silenced the lesser one.
fn put(connection: &Connection, id: &str, identity: &str, raise: &RaiseAlert, news: News, now: Time) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO alert (id, type, severity, status, app_id, configuration_id, identity, target, message, measured, threshold,
                 count, first_at, last_at, job_id, backup_id)
             VALUES (:id, :type, :severity, 'active', :app_id, :configuration_id, :identity, :target, :message, :measured, :threshold,
                 1, :now, :now, :job, :backup)
             ON CONFLICT (id) DO UPDATE SET severity = excluded.severity, message = excluded.message, measured = excluded.measured,
                 threshold = excluded.threshold, count = count + 1, last_at = excluded.last_at, job_id = excluded.job_id,
                 backup_id = excluded.backup_id, resolved_by = NULL, resolved_at = NULL,
                 status = CASE WHEN :again THEN 'active' ELSE status END,
                 acknowledged_by = CASE WHEN :again THEN NULL ELSE acknowledged_by END,
                 acknowledged_at = CASE WHEN :again THEN NULL ELSE acknowledged_at END,
                 snoozed_until = CASE WHEN :again THEN NULL ELSE snoozed_until END",
        )?
        .execute(named_params! {
            ":id": id, ":type": raise.kind, ":severity": raise.severity, ":app_id": raise.app_id,
            ":configuration_id": raise.configuration_id, ":identity": identity, ":target": raise.target, ":message": raise.message,
            ":measured": raise.measured, ":threshold": raise.threshold, ":now": now, ":job": raise.job, ":backup": raise.backup,
            ":again": matches!(news, News::Reopened | News::Graver),
        })?;
    let event = match news {
        News::New => AlertEventKind::Raised,
        News::Reopened => AlertEventKind::Reopened,
        News::Graver | News::Repeated => AlertEventKind::Repeated,
    };
    add_event(connection, id, now, event, None, Some(&raise.message))
}

fn add_event(
    connection: &Connection,
    id: &str,
    now: Time,
    event: AlertEventKind,
    operator: Option<&str>,
    text: Option<&str>,
) -> Result<()> {
    let sql = "INSERT INTO alert_event (alert_id, seq, time, event, operator, text)
         VALUES (?1, (SELECT coalesce(max(seq), 0) + 1 FROM alert_event WHERE alert_id = ?1), ?2, ?3, ?4, ?5)";
    connection.prepare_cached(sql)?.execute(params![id, now, event, operator, text])?;
    Ok(())
}

#[cfg(test)]
mod tests;
