//! The catalog's rows as the console's records, and the cursors that can be taken from them again.

use jiff::Timestamp;

use crate::catalog::{self, CopyState, Cursor, Status, Time};
use crate::clock::rfc3339;
use crate::console::model::records::{Activity, Alert, Backup, Configuration, Job, Location, Record, Restore};

fn moment(time: Option<Time>) -> Option<Timestamp> {
    time.map(Time::timestamp)
}

/// The place of a row in a list that goes by time or by name: what the catalog pages by.
pub fn cursor(record: &Record) -> Cursor {
    let key = match record {
        Record::Configuration(it) => it.name.clone(),
        // What has no time of its own stands at the list's oldest end; the catalog has no such rows.
        other => rfc3339(other.time().unwrap_or(Timestamp::MIN)),
    };
    Cursor { key, id: record.id().to_owned() }
}

/// A configuration, with how its last job ended.
pub fn configuration(it: catalog::Configuration, last_status: Option<String>) -> Configuration {
    Configuration {
        id: it.id,
        name: it.name,
        app: it.app,
        kind: it.kind.to_string(),
        schedule: it.schedule,
        retention_days: it.retention_days.unwrap_or_default(),
        enabled: it.enabled,
        quick: it.quick,
        modules: it.modules.0,
        models: it.models.0,
        exclude_modules: it.exclude_modules.0,
        exclude_models: it.exclude_models.0,
        tenants: it.tenants.0,
        description: it.description.unwrap_or_default(),
        last_status,
        last_run_at: moment(it.last_run_at),
        next_run_at: moment(it.next_run_at),
    }
}

/// A job.
pub fn job(it: catalog::Job, now: Timestamp) -> Job {
    let pace = Pace::of(&it, now);
    Job {
        id: it.id,
        app: it.app.unwrap_or_default(),
        configuration: it.configuration,
        kind: it.kind.to_string(),
        status: it.status.to_string(),
        origin: it.origin.to_string(),
        phase: it.phase.unwrap_or_default(),
        done_records: it.done_records,
        total_records: it.total_records,
        done_bytes: it.done_bytes,
        total_bytes: it.total_bytes,
        records_per_second: pace.as_ref().map(|pace| pace.records),
        bytes_per_second: pace.as_ref().map(|pace| pace.bytes),
        seconds_left: pace.and_then(|pace| pace.left),
        elsewhere: it.pid.filter(|pid| it.status == Status::Running && *pid != std::process::id()),
        stopping: it.cancel_requested && !it.status.is_outcome(),
        error: it.error,
        hint: it.hint,
        created_at: Some(it.created_at.timestamp()),
        started_at: moment(it.started_at),
        finished_at: moment(it.finished_at),
        backup: it.backup,
        restore: it.restore,
        operator: it.operator.unwrap_or_default(),
        reason: it.reason.unwrap_or_default(),
    }
}

/// How fast a running job goes, over all of its time: what it did last says little of what is still to come.
struct Pace {
    records: f64,
    bytes: f64,
    left: Option<f64>,
}

impl Pace {
    #[allow(clippy::cast_precision_loss)]
    fn of(job: &catalog::Job, now: Timestamp) -> Option<Self> {
        let begun = job.started_at.filter(|_| job.status == Status::Running)?;
        let seconds = now.duration_since(begun.timestamp()).as_secs_f64();
        if seconds < 1.0 {
            return None;
        }
        let records = job.done_records as f64 / seconds;
        let missing = job.total_records.map(|total| total.saturating_sub(job.done_records) as f64);
        Some(Self {
            records,
            bytes: job.done_bytes as f64 / seconds,
            left: missing.filter(|_| records > 0.0).map(|missing| missing / records),
        })
    }
}

/// A restore.
pub fn restore(it: catalog::Restore) -> Restore {
    Restore {
        id: it.id,
        app: it.app,
        backup: it.backup,
        mode: it.mode,
        status: it.status.to_string(),
        operator: it.operator,
        reason: it.reason.unwrap_or_default(),
        created: it.created,
        updated: it.updated,
        skipped: it.skipped,
        deleted: it.deleted,
        target: it.target.unwrap_or_default(),
        safety_backup: it.safety_backup,
        undo_of: it.undo_of,
        undone_by: it.undone_by,
        undo_until: moment(it.undo_until),
        started_at: Some(it.started_at.timestamp()),
        duration_seconds: it.duration_seconds,
        error: it.error,
        job: it.job,
    }
}

/// A backup, with its copies.
pub fn backup(it: catalog::Backup, copies: Vec<catalog::BackupCopy>) -> Backup {
    Backup {
        id: it.id,
        app: it.app,
        configuration: it.configuration,
        kind: it.kind.to_string(),
        status: it.status.to_string(),
        origin: it.origin.to_string(),
        parent: it.parent,
        taken_at: Some(it.taken_at.timestamp()),
        records: it.records,
        files: it.files,
        bytes_read: it.bytes_read,
        bytes_new: it.bytes_new,
        bytes_stored: it.bytes_stored,
        duration_seconds: it.duration_seconds,
        protected: it.protected,
        verified_at: moment(it.verified_at),
        checksum: it.checksum.unwrap_or_default(),
        reason: it.reason.unwrap_or_default(),
        locations: copies.into_iter().map(|copy| (copy.location, copy.state == CopyState::Present)).collect(),
    }
}

/// An alert.
pub fn alert(it: catalog::Alert) -> Alert {
    Alert {
        id: it.id,
        kind: it.kind.to_string(),
        severity: it.severity.to_string(),
        status: it.status.to_string(),
        app: it.app,
        configuration: it.configuration,
        message: it.message,
        measured: it.measured,
        threshold: it.threshold,
        count: it.count,
        first_at: Some(it.first_at.timestamp()),
        last_at: Some(it.last_at.timestamp()),
        acknowledged_by: it.acknowledged_by,
        notes: it.notes.unwrap_or_default(),
        snoozed_until: moment(it.snoozed_until),
        job: it.job,
        backup: it.backup,
    }
}

/// A location, as it was last seen.
pub fn location(it: catalog::Location) -> Location {
    Location {
        id: it.id,
        name: it.name,
        place: it.place,
        unreachable: it.error,
        total: it.total_bytes,
        free: it.free_bytes,
        objects: it.objects.unwrap_or_default(),
        bytes: it.bytes.unwrap_or_default(),
        backlog_objects: it.backlog_objects,
        backlog_bytes: it.backlog_bytes,
        verified_at: None,
    }
}

/// An entry of the audit trail.
pub fn activity(it: catalog::AuditEntry) -> Activity {
    Activity {
        id: it.id,
        time: Some(it.time.timestamp()),
        operator: it.operator,
        action: it.action,
        target: it.target,
        reason: it.reason.unwrap_or_default(),
        outcome: it.outcome.to_string(),
    }
}
