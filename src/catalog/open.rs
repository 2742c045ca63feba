//! Opening the catalog's file: rights, pragmas, migrations.

use std::cmp::Ordering;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, Migrations};

use super::{Error, Result};

/// How long a statement waits for another process's write.
const BUSY: Duration = Duration::from_secs(10);

const MIGRATIONS: &[M<'_>] = &[
    M::up(include_str!("migrations/0001_catalog.sql")),
    M::up(include_str!("migrations/0002_modules.sql")),
    M::up(include_str!("migrations/0003_scope.sql")),
    M::up(include_str!("migrations/0004_tenants.sql")),
    M::up(include_str!("migrations/0005_closeness.sql")),
    M::up(include_str!("migrations/0006_connections.sql")),
];

/// The connection that writes; makes and migrates the catalog first.
pub(super) fn writer(path: &Path) -> Result<Connection> {
    // One process at a time makes or migrates: two that find an empty file must not both fill it.
    let _lock = migration_lock(path)?;
    create(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    migrate(path, &mut connection, MIGRATIONS)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // In WAL mode NORMAL loses no consistency, but may lose the last commits with the power; claims and audit must stay.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// A connection that cannot write.
pub(super) fn reader(path: &Path) -> Result<Connection> {
    if !path.exists() {
        return Err(Error::Missing { path: path.to_owned() });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// A reader cannot migrate: it reads the version of this program or none.
pub(super) fn refuse_other_version(path: &Path, connection: &Connection) -> Result<()> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let found: i64 = connection.query_row("PRAGMA user_version", (), |row| row.get(0))?;
    let path = path.to_owned();
    match found.cmp(&known) {
        Ordering::Less => Err(Error::Older { path, found, known }),
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(Error::Newer { path, found, known }),
    }
}

/// Makes an empty file with the right mode; SQLite gives `-wal` and `-shm` the same.
///
/// A home that a group shares (its folder gives the group all rights) has files of mode 0660, a person's own 0600.
fn create(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let shared = std::fs::metadata(folder).map_err(|source| io(folder, "read", source))?.mode() & 0o070 == 0o070;
    let mode = if shared { 0o660 } else { 0o600 };
    match OpenOptions::new().write(true).create_new(true).mode(mode).open(path) {
        // The umask may have taken the group's rights away; what others may do is ours to say.
        Ok(file) => file.set_permissions(std::fs::Permissions::from_mode(mode)).map_err(|source| io(path, "protected", source)),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(io(path, "created", source)),
    }
}

/// Brings the catalog to the newest version, after copying one that holds something.
fn migrate(path: &Path, connection: &mut Connection, steps: &[M<'_>]) -> Result<()> {
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    let found: i64 = connection.query_row("PRAGMA user_version", (), |row| row.get(0))?;
    if found > known {
        return Err(Error::Newer { path: path.to_owned(), found, known });
    }
    if found == known {
        return Ok(());
    }
    if found > 0 {
        copy(path, connection, found)?;
    }
    let failed = |source| Error::Migration { path: path.to_owned(), version: known, source: Box::new(source) };
    Migrations::from_slice(steps).to_latest(connection).map_err(failed)
}

/// Copies the catalog as it is to a name that says its version; an older copy of that name is replaced.
fn copy(path: &Path, connection: &Connection, version: i64) -> Result<PathBuf> {
    let target = beside(path, &format!(".before-{version}"));
    let partial = beside(path, &format!(".before-{version}.new"));
    if partial.exists() {
        std::fs::remove_file(&partial).map_err(|source| io(&partial, "removed", source))?;
    }
    create(&partial)?;
    connection.backup("main", &partial, None)?;
    File::open(&partial).and_then(|file| file.sync_all()).map_err(|source| io(&partial, "flushed", source))?;
    std::fs::rename(&partial, &target).map_err(|source| io(&target, "written", source))?;
    Ok(target)
}

/// Waits until no other process makes or migrates this catalog.
fn migration_lock(path: &Path) -> Result<File> {
    let lock = beside(path, ".lock");
    create(&lock)?;
    let file = OpenOptions::new().write(true).open(&lock).map_err(|source| io(&lock, "opened", source))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).map_err(|error| io(&lock, "locked", error.into()))?;
    Ok(file)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn io(path: &Path, action: &'static str, source: std::io::Error) -> Error {
    Error::Io { path: path.to_owned(), action, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o777
    }

    fn home(mode: u32) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        home
    }

    #[test]
    fn the_files_of_a_persons_catalog_are_theirs_alone() {
        let home = home(0o700);
        let path = home.path().join("catalog.db");
        let connection = writer(&path).unwrap();
        connection.execute("INSERT INTO setting VALUES ('a', '1', 'now')", ()).unwrap();
        for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm", "catalog.db.lock"] {
            assert_eq!(mode(&home.path().join(name)), 0o600, "{name}");
        }
    }

    #[test]
    fn the_files_of_a_shared_catalog_belong_to_the_group_and_to_nobody_else() {
        let home = home(0o2770);
        let path = home.path().join("catalog.db");
        let _connection = writer(&path).unwrap();
        assert_eq!(mode(&path), 0o660);
    }

    #[test]
    fn a_newer_catalog_is_refused_by_name() {
        let home = home(0o700);
        let path = home.path().join("catalog.db");
        writer(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let error = writer(&path).unwrap_err();
        assert!(matches!(&error, Error::Newer { path: named, found: 99, .. } if *named == path), "{error}");
        assert!(error.to_string().contains("catalog.db"));
    }

    #[test]
    fn a_migration_first_copies_the_catalog_and_leaves_the_copy() {
        let home = home(0o700);
        let path = home.path().join("catalog.db");
        let mut connection = writer(&path).unwrap();
        connection.execute("INSERT INTO setting VALUES ('kept', '1', 'now')", ()).unwrap();
        let version = MIGRATIONS.len();
        let mut steps = MIGRATIONS.to_vec();
        steps.push(M::up("DROP TABLE setting"));
        migrate(&path, &mut connection, &steps).unwrap();

        let copy = home.path().join(format!("catalog.db.before-{version}"));
        assert_eq!(mode(&copy), 0o600);
        let kept: String = Connection::open(copy).unwrap().query_row("SELECT name FROM setting", (), |row| row.get(0)).unwrap();
        assert_eq!(kept, "kept");
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let home = home(0o700);
        let path = home.path().join("catalog.db");
        let mut connection = writer(&path).unwrap();
        let mut steps = MIGRATIONS.to_vec();
        steps.push(M::up("DROP TABLE setting; SELECT no_such_function()"));
        assert!(matches!(migrate(&path, &mut connection, &steps), Err(Error::Migration { .. })));
        connection.query_row("SELECT count(*) FROM setting", (), |_| Ok(())).unwrap();
        let version: usize = connection.query_row("PRAGMA user_version", (), |row| row.get(0)).unwrap();
        assert_eq!(version, MIGRATIONS.len());
    }

    #[test]
    fn a_reader_cannot_write() {
        let home = home(0o700);
        let path = home.path().join("catalog.db");
        let _connection = writer(&path).unwrap();
        assert!(reader(&path).unwrap().execute("DELETE FROM setting", ()).is_err());
    }
}
