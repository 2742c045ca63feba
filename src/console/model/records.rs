//! What the lists show: one plain record a kind, as the backend gives them; times are moments, names are text.

use jiff::Timestamp;

/// The lists there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum ListKind {
    Configurations,
    Jobs,
    Backups,
    Alerts,
    Policies,
    Locations,
    Activity,
    Restores,
}

impl ListKind {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Configurations, Self::Jobs, Self::Backups, Self::Alerts, Self::Policies, Self::Locations, Self::Activity, Self::Restores];

    /// The orders a list can be in, the usual one first; each is one that the catalog has an index for.
    #[must_use]
    pub fn orders(self) -> &'static [&'static str] {
        match self {
            Self::Configurations => &["name", "next"],
            Self::Jobs => &["state", "created"],
            Self::Backups => &["taken"],
            Self::Alerts => &["state", "last"],
            Self::Policies | Self::Locations => &["name"],
            Self::Activity => &["time"],
            Self::Restores => &["started"],
        }
    }

    /// Whether the usual order begins with the largest or newest.
    #[must_use]
    pub fn newest_first(self) -> bool {
        matches!(self, Self::Jobs | Self::Backups | Self::Activity | Self::Alerts | Self::Restores)
    }
}

/// What is backed up, how and when.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the names are those of the catalog")]
pub struct Configuration {
    pub id: String,
    pub name: String,
    pub app: String,
    pub kind: String,
    pub schedule: Option<String>,
    pub retention_days: u32,
    pub enabled: bool,
    pub quick: bool,
    pub modules: Vec<String>,
    pub models: Vec<String>,
    pub exclude_modules: Vec<String>,
    pub exclude_models: Vec<String>,
    pub tenants: Vec<String>,
    pub description: String,
    pub last_status: Option<String>,
    pub last_run_at: Option<Timestamp>,
    pub next_run_at: Option<Timestamp>,
}

/// One run of something.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the names are those of the catalog")]
pub struct Job {
    pub id: String,
    pub app: String,
    pub configuration: Option<String>,
    pub kind: String,
    pub status: String,
    pub origin: String,
    pub phase: String,
    pub done_records: u64,
    pub total_records: Option<u64>,
    pub done_bytes: u64,
    pub total_bytes: Option<u64>,
    /// Of a running job, a second, since it began.
    pub records_per_second: Option<f64>,
    /// Of a running job, a second, since it began.
    pub bytes_per_second: Option<f64>,
    /// Of a running job that knows how many records there will be.
    pub seconds_left: Option<f64>,
    /// The process that runs it, where that is another one.
    pub elsewhere: Option<u32>,
    /// Whether it was asked to stop.
    pub stopping: bool,
    pub error: Option<String>,
    pub hint: Option<String>,
    pub created_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub backup: Option<String>,
    pub restore: Option<String>,
    pub operator: String,
    pub reason: String,
}

/// One backup.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the names are those of the catalog")]
pub struct Backup {
    pub id: String,
    pub app: String,
    pub configuration: Option<String>,
    pub kind: String,
    pub status: String,
    pub origin: String,
    pub parent: Option<String>,
    pub taken_at: Option<Timestamp>,
    pub records: u64,
    pub files: u64,
    pub bytes_read: u64,
    pub bytes_new: u64,
    pub bytes_stored: u64,
    pub duration_seconds: f64,
    pub protected: bool,
    pub verified_at: Option<Timestamp>,
    pub checksum: String,
    pub reason: String,
    /// Each location with whether the backup is there whole.
    pub locations: Vec<(String, bool)>,
}

/// Something that needs a person.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the names are those of the catalog")]
pub struct Alert {
    pub id: String,
    pub kind: String,
    pub severity: String,
    pub status: String,
    pub app: Option<String>,
    pub configuration: Option<String>,
    pub message: String,
    pub measured: Option<String>,
    pub threshold: Option<String>,
    pub count: u64,
    pub first_at: Option<Timestamp>,
    pub last_at: Option<Timestamp>,
    pub acknowledged_by: Option<String>,
    pub notes: String,
    pub snoozed_until: Option<Timestamp>,
    pub job: Option<String>,
    pub backup: Option<String>,
}

/// An archive policy.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the names are those of the catalog")]
pub struct Policy {
    pub id: String,
    pub name: String,
    pub app: String,
    pub model: String,
    pub after_days: u32,
    pub due: Option<u64>,
    pub archived: u64,
    pub enabled: bool,
    pub last_run_at: Option<Timestamp>,
}

/// A place where backups are kept.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the names are those of the catalog")]
pub struct Location {
    pub id: String,
    pub name: String,
    pub place: String,
    /// Why it cannot be reached, when it cannot.
    pub unreachable: Option<String>,
    pub total: Option<u64>,
    pub free: Option<u64>,
    pub objects: u64,
    pub bytes: u64,
    pub backlog_objects: u64,
    pub backlog_bytes: u64,
    pub verified_at: Option<Timestamp>,
}

/// One line of the audit trail.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the names are those of the catalog")]
pub struct Activity {
    pub id: String,
    pub time: Option<Timestamp>,
    pub operator: String,
    pub action: String,
    pub target: String,
    pub reason: String,
    pub outcome: String,
}

/// One restore of the restore log, or the taking back of one.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the names are those of the catalog")]
pub struct Restore {
    pub id: String,
    pub app: String,
    pub backup: String,
    /// A strategy, `undo`, or `copy`.
    pub mode: String,
    pub status: String,
    pub operator: String,
    pub reason: String,
    pub created: u64,
    pub updated: u64,
    pub skipped: u64,
    pub deleted: u64,
    /// Where a whole copy was put.
    pub target: String,
    pub safety_backup: Option<String>,
    pub undo_of: Option<String>,
    pub undone_by: Option<String>,
    pub undo_until: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub duration_seconds: Option<f64>,
    pub error: Option<String>,
    pub job: Option<String>,
}

/// A row of any list.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Record {
    Configuration(Configuration),
    Job(Box<Job>),
    Backup(Box<Backup>),
    Alert(Box<Alert>),
    Policy(Policy),
    Location(Location),
    Activity(Activity),
    Restore(Box<Restore>),
}

impl Record {
    /// Its id; selection, marks and scroll position belong to it.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Configuration(it) => &it.id,
            Self::Job(it) => &it.id,
            Self::Backup(it) => &it.id,
            Self::Alert(it) => &it.id,
            Self::Policy(it) => &it.id,
            Self::Location(it) => &it.id,
            Self::Activity(it) => &it.id,
            Self::Restore(it) => &it.id,
        }
    }

    /// The app it belongs to.
    #[must_use]
    pub fn app(&self) -> Option<&str> {
        match self {
            Self::Configuration(it) => Some(&it.app),
            Self::Job(it) => Some(&it.app),
            Self::Backup(it) => Some(&it.app),
            Self::Alert(it) => it.app.as_deref(),
            Self::Policy(it) => Some(&it.app),
            Self::Restore(it) => Some(&it.app),
            Self::Location(_) | Self::Activity(_) => None,
        }
    }

    /// What the filter's `field:value` looks at.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Configuration(it) => vec![
                ("name", &it.name),
                ("app", &it.app),
                ("type", &it.kind),
                ("status", it.last_status.as_deref().unwrap_or("")),
                ("state", if it.enabled { "enabled" } else { "disabled" }),
            ],
            Self::Job(it) => vec![
                ("app", &it.app),
                ("config", it.configuration.as_deref().unwrap_or("")),
                ("type", &it.kind),
                ("status", &it.status),
                ("origin", &it.origin),
                ("operator", &it.operator),
                ("id", &it.id),
            ],
            Self::Backup(it) => vec![
                ("app", &it.app),
                ("config", it.configuration.as_deref().unwrap_or("")),
                ("type", &it.kind),
                ("status", &it.status),
                ("origin", &it.origin),
                ("id", &it.id),
            ],
            Self::Alert(it) => vec![
                ("type", &it.kind),
                ("severity", &it.severity),
                ("status", &it.status),
                ("app", it.app.as_deref().unwrap_or("")),
                ("config", it.configuration.as_deref().unwrap_or("")),
                ("message", &it.message),
            ],
            Self::Policy(it) => vec![("name", &it.name), ("app", &it.app), ("model", &it.model)],
            Self::Location(it) => vec![("name", &it.name), ("place", &it.place)],
            Self::Activity(it) => vec![
                ("operator", &it.operator),
                ("action", &it.action),
                ("target", &it.target),
                ("reason", &it.reason),
                ("outcome", &it.outcome),
            ],
            Self::Restore(it) => vec![
                ("app", &it.app),
                ("mode", &it.mode),
                ("status", &it.status),
                ("operator", &it.operator),
                ("reason", &it.reason),
                ("id", &it.id),
            ],
        }
    }

    /// The moment that the filter's `age` goes by.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        match self {
            Self::Configuration(it) => it.last_run_at,
            Self::Job(it) => it.created_at,
            Self::Backup(it) => it.taken_at,
            Self::Alert(it) => it.last_at,
            Self::Policy(it) => it.last_run_at,
            Self::Location(it) => it.verified_at,
            Self::Activity(it) => it.time,
            Self::Restore(it) => it.started_at,
        }
    }

    /// The bytes that the filter's `size` goes by.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Job(it) => Some(it.done_bytes),
            Self::Backup(it) => Some(it.bytes_stored),
            Self::Location(it) => Some(it.bytes),
            _ => None,
        }
    }
}
