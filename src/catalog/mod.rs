//! The catalog: what Backstop knows about apps, configurations, jobs, backups, restores, alerts, operators and vaults.
//!
//! One SQLite file in WAL mode, which is also the bus between processes: consoles and the engine see each other's
//! jobs, progress and alerts through it. [`Catalog`] writes through one connection, each change one transaction, and
//! can be asked whatever a [`Reader`] can be asked; readers have a connection of their own and cannot write.
//! The vault is the truth about backups; the catalog may be rebuilt from it.
//!
//! A file a group of tables: the struct of a row, what can be asked, what can be changed.

mod alerts;
mod apps;
mod audit;
mod backups;
mod claims;
mod configurations;
mod copies;
mod error;
mod health;
mod jobs;
mod open;
mod operators;
mod page;
mod plans;
mod record;
mod resolve;
mod restores;
mod settings;
mod vaults;
mod words;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, InterruptHandle, OptionalExtension, Transaction, TransactionBehavior};

pub use alerts::{Alert, AlertCounts, AlertEvent, AlertFilter, News, RaiseAlert, Raised};
pub use apps::{App, FilesRoot, ModuleModels, NewApp};
pub use audit::{AuditCheck, AuditEntry, AuditFilter, Broken, NewAuditEntry};
pub use backups::{Backup, BackupFilter, BackupModel, NewBackup};
pub use claims::{Claim, Claimant, Outcome, Progress};
pub use configurations::{Configuration, ConfigurationFilter, ConfigurationStats, NewConfiguration};
pub use copies::BackupCopy;
pub use error::{Error, Result};
pub use health::{AppHealth, BackupSummary, Day, TrendPoint};
pub use jobs::{Job, JobFilter, LogLine, NewJob};
pub use operators::Operator;
pub use page::{Cursor, Listed, Order, PAGE_LIMIT, Page};
pub use plans::{NewPlan, Plan};
pub use record::{Json, Time};
pub use resolve::Kind;
pub use restores::{NewRestore, Restore, RestoreChange, RestoreFilter, RestoreOutcome};
pub use settings::{Lease, LeaseClaim, NOTICE};
pub use vaults::{Location, LocationState, NewLocation, NewVault, Vault};
pub use words::{
    AlertEventKind, AlertStatus, AlertType, AuditOutcome, BackupType, CopyState, JobKind, Level, Origin, PlanState, Role, Severity, Status,
    Strategy, UnknownWord,
};

use crate::clock::SharedClock;

/// What can be asked of the catalog, over a connection that cannot write.
#[derive(Debug)]
pub struct Reader {
    connection: Mutex<Connection>,
}

impl Reader {
    /// Reads the catalog at `path`, which must exist and have the version of this program; nothing is made or changed.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let connection = open::reader(path.as_ref())?;
        open::refuse_other_version(path.as_ref(), &connection)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Runs one question; its read transaction ends with it, so that no page on a screen holds back a checkpoint.
    fn read<T>(&self, question: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        question(&lock(&self.connection))
    }

    /// Stops the question that is being answered, from another thread.
    #[must_use]
    pub fn interrupt_handle(&self) -> InterruptHandle {
        lock(&self.connection).get_interrupt_handle()
    }

    /// A number that differs from the last one when anything was committed in between, by whichever process.
    pub fn data_version(&self) -> Result<i64> {
        self.read(|connection| Ok(connection.query_row("PRAGMA data_version", (), |row| row.get(0))?))
    }
}

/// The catalog of a home: one writer, and all that a [`Reader`] answers.
#[derive(Clone)]
pub struct Catalog {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    clock: SharedClock,
    writer: Mutex<Connection>,
    reader: Reader,
    /// Keeps ids of the same millisecond in the order they were made.
    ids: Mutex<uuid::ContextV7>,
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalog").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

/// Whatever a reader can be asked, the catalog can be asked too: there is one way to each answer.
impl std::ops::Deref for Catalog {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.shared.reader
    }
}

impl Catalog {
    /// Opens the catalog at `path`, making or migrating it; a newer one is refused.
    pub fn open(path: impl AsRef<Path>, clock: SharedClock) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let writer = Mutex::new(open::writer(&path)?);
        let reader = Reader { connection: Mutex::new(open::reader(&path)?) };
        Ok(Self { shared: Arc::new(Shared { path, clock, writer, reader, ids: Mutex::new(uuid::ContextV7::new()) }) })
    }

    /// A reader with a connection of its own, for a thread that asks much.
    pub fn reader(&self) -> Result<Reader> {
        Ok(Reader { connection: Mutex::new(open::reader(&self.shared.path)?) })
    }

    /// The catalog's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// A new id: a UUIDv7 of the clock's time, greater than those made before it here.
    #[must_use]
    pub fn new_id(&self) -> String {
        let now = self.shared.clock.now();
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
        let context = lock(&self.shared.ids);
        uuid::Uuid::new_v7(uuid::Timestamp::from_unix(&*context, seconds, nanoseconds)).to_string()
    }

    /// The present moment by the catalog's clock.
    #[must_use]
    pub fn now(&self) -> Time {
        self.shared.clock.now().into()
    }

    /// Makes one change: all of it is committed, or, when `change` fails, nothing of it.
    fn write<T>(&self, change: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut connection = lock(&self.shared.writer);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = change(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }
}

/// A panic elsewhere leaves no half-made change behind: SQLite rolls it back.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The one row that a statement gives for `id`, if there is one.
fn one<T: record::Record>(connection: &Connection, sql: &str, id: &str) -> Result<Option<T>> {
    Ok(connection.prepare_cached(sql)?.query_row([id], T::from_row).optional()?)
}

/// Turns a change of no row into the error that there is no such thing.
fn found(changed: usize, kind: Kind, text: &str) -> Result<()> {
    if changed == 0 { Err(Error::NotFound { kind, text: text.to_owned() }) } else { Ok(()) }
}

/// Turns a broken unique index into the error that the name belongs to another.
fn taken(written: rusqlite::Result<usize>, kind: Kind, name: &str) -> Result<usize> {
    written.map_err(|error| if breaks_unique(&error) { Error::NameTaken { kind, name: name.to_owned() } } else { error.into() })
}

fn breaks_unique(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE)
}

#[cfg(test)]
mod testing;

#[cfg(test)]
mod tests;
