//! The locks of a snapshot: ACCESS SHARE on every table, what pg_dump takes. Writers go on; who would change a definition waits.
//!
//! Who waits for a lock stands before all who ask after him. So a connection that reads asks before anybody can wait: one that asked later would
//! wait for him, and he for the connection that holds the snapshot, which waits for the reading. The server cannot see that circle, since
//! a part of it is here.

use tokio_postgres::error::SqlState;

use super::address::Address;
use super::catalog::Catalog;
use super::session::{Objection, Session};
use crate::sources::{Error, Result};

/// Attempts to lock all tables before somebody who comes each time makes it fail.
pub const ATTEMPTS: usize = 5;

/// Whoever asks for a lock that the snapshot has already waits for nobody, or for one who waits for the snapshot.
pub const HARDLY_WAIT: &str = "SET lock_timeout = '1s'";

/// Whether four connections may have as many locks (who holds the snapshot, two that read, pg_dump) and the server keeps room for the application's.
const ROOM: &str = "SELECT 4 * count(*) <= current_setting('max_locks_per_transaction')::pg_catalog.int8
      * (current_setting('max_connections')::pg_catalog.int8 + current_setting('max_prepared_transactions')::pg_catalog.int8)
    FROM pg_catalog.pg_locks WHERE pid = pg_catalog.pg_backend_pid()";

/// Locks every table before the transaction sees anything, so that what it sees has the definition that it will have. Gives those that the other
/// connections lock too, as SQL: none where they are too many, and each is locked when it is read.
///
/// # Errors
/// What the server says.
pub fn take(session: &mut Session) -> Result<Vec<String>> {
    let mut wanted = Catalog::names(session)?;
    for _ in 0..ATTEMPTS {
        session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        // A table that was dropped meanwhile cannot be locked: the list is made again.
        let locked = if wanted.is_empty() { Ok(()) } else { session.run(&statement(&wanted)) };
        let now = if locked.is_ok() { Catalog::names(session)? } else { Vec::new() };
        if locked.is_ok() && now == wanted {
            let has_room = session.one(ROOM)?.as_deref() == Some("t");
            return Ok(if has_room { wanted } else { Vec::new() });
        }
        session.run("ROLLBACK")?;
        let now = Catalog::names(session)?;
        if now == wanted {
            locked?;
        }
        wanted = now;
    }
    never_quiet()
}

fn statement(tables: &[String]) -> String {
    format!("LOCK TABLE {} IN ACCESS SHARE MODE", tables.join(", "))
}

/// What came of asking for the locks of the snapshot once more.
pub enum Shared {
    /// They are there.
    Yes,
    /// The server has no room for so many: tables are locked one by one as they are read.
    TooMany,
    /// Somebody waits to change a table.
    Awaited,
    /// What else the server said.
    Lost(Error),
}

/// Takes the locks that the snapshot has for another connection, without waiting for anybody.
pub fn share(session: &mut Session, tables: &[String]) -> Shared {
    if tables.is_empty() {
        return Shared::Yes;
    }
    match session.attempt(&format!("{} NOWAIT", statement(tables))) {
        Ok(()) => Shared::Yes,
        Err(Objection { code: Some(SqlState::OUT_OF_MEMORY), .. }) => Shared::TooMany,
        Err(Objection { code: Some(SqlState::LOCK_NOT_AVAILABLE), .. }) => Shared::Awaited,
        Err(Objection { words, .. }) => Shared::Lost(Error::Database { what: "the locks of its tables".into(), why: words }),
    }
}

/// Somebody waits to change a table that the snapshot holds.
pub fn awaited(address: &Address) -> Error {
    Error::Awaited { what: address.to_string() }
}

/// The tables never stay as they are for long enough.
///
/// # Errors
/// That.
pub fn never_quiet<T>() -> Result<T> {
    let why = "its tables are made and dropped so fast that no moment could be held; try again when the application is quiet";
    Err(Error::Database { what: "the database".into(), why: why.into() })
}
