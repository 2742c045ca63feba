//! The schema of a database through `pg_dump`: it alone knows how every object is made.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::address::Address;
use super::objects;
use crate::sources::{Error, Result, SchemaObject};

/// Folders of programs, each of one major version in the place of the star: Debian, RPM, Alpine, Homebrew, the installers.
const FOLDERS: [&str; 9] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/lib64/pgsql/postgresql-*/bin",
    "/usr/libexec/postgresql*",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Library/PostgreSQL/*/bin",
    "/opt/postgresql/*/bin",
    "/usr/local/pgsql-*/bin",
];

/// The oldest version whose text is understood.
const OLDEST: u32 = 13;

/// The snapshot has the locks that pg_dump asks for: it waits for nobody, or for one who waits for the snapshot and so for us.
const LOCK_WAIT: &str = "--lock-wait-timeout=5s";

/// What pg_dump says first where backslashes in its texts mean more than themselves, as they mean nowhere else.
const OTHER_TEXTS: &[u8] = b"\nSET standard_conforming_strings = off;\n";

/// The statements that make the schema of the database as the exported `snapshot` has it, in the order in which they can
/// be run. `server_major` is the server's major version.
///
/// # Errors
/// No pg_dump of that version or a later one; what it says.
pub fn schema(address: &Address, snapshot: &str, server_major: u32) -> Result<Vec<SchemaObject>> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let program = find(&folders, &FOLDERS, server_major).ok_or_else(|| lacking(address, server_major))?;
    let mut environment = address.environment()?;
    let dumped = |environment: &[(OsString, OsString)]| {
        let mut command = Command::new(&program);
        command.args(["--schema-only", "--encoding=UTF8", "--no-password", LOCK_WAIT]).arg(format!("--snapshot={snapshot}"));
        command
            .env_clear()
            .env("PATH", &folders)
            .env("LC_ALL", "C")
            .envs(kept())
            .envs(environment.iter().map(|(name, value)| (name, value)));
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(|source| Error::Io { what: program.display().to_string(), source })?;
        if output.status.success() { Ok(output.stdout) } else { Err(refused(address, &String::from_utf8_lossy(&output.stderr))) }
    };
    let mut text = dumped(&environment)?;
    if memchr::memmem::find(&text, OTHER_TEXTS).is_some() {
        // A setting of the database, the role or the server; only now, since a pooler in between may know of no options.
        conform(&mut environment);
        text = dumped(&environment)?;
    }
    let said = |why: &str| Error::Database { what: address.to_string(), why: why.to_owned() };
    let text = String::from_utf8(text).map_err(|_| said("its schema holds text that is not valid in its encoding"))?;
    objects::objects(&text).map_err(|_| said("what pg_dump gave ends within a statement"))
}

/// Adds the option that makes a backslash stand for itself.
fn conform(environment: &mut Vec<(OsString, OsString)>) {
    const NAME: &str = "PGOPTIONS";
    let mut options = environment.iter().position(|(name, _)| name == NAME).map(|place| environment.remove(place).1).unwrap_or_default();
    options.push(" -c standard_conforming_strings=on");
    environment.push((NAME.into(), options));
}

/// What of our surroundings a program needs to find its files.
fn kept() -> impl Iterator<Item = (&'static str, std::ffi::OsString)> {
    ["HOME", "USER", "LD_LIBRARY_PATH", "TMPDIR", "PGSYSCONFDIR", "KRB5CCNAME"]
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)))
}

fn lacking(address: &Address, major: u32) -> Error {
    Error::Tool {
        what: address.to_string(),
        why: format!("its schema is read with pg_dump of version {major} or later, which is not installed"),
        remedy: format!("Install the package postgresql-client-{major} (Debian, Ubuntu), postgresql{major} (RPM) or libpq (Homebrew)."),
    }
}

/// pg_dump's own words, without its name before each line.
fn refused(address: &Address, stderr: &str) -> Error {
    let lines =
        stderr.lines().map(|line| line.strip_prefix("pg_dump: ").unwrap_or(line)).map(|line| line.strip_prefix("error: ").unwrap_or(line));
    let why = lines.filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("; ");
    if why.contains("permission denied") {
        let remedy = "a role that may read everything (GRANT pg_read_all_data TO …, from PostgreSQL 14 on), or the owner of the tables";
        return Error::NotOurs { what: address.to_string(), why, remedy: remedy.into() };
    }
    // Its own words for which statement failed; the server's are in the server's language.
    if why.to_ascii_lowercase().contains("query was: lock table") {
        return Error::Awaited { what: address.to_string() };
    }
    Error::Database { what: address.to_string(), why: format!("pg_dump: {why}") }
}

/// The pg_dump of the server's version, else of the next later one that is there.
fn find(path: &OsStr, folders: &[&str], server_major: u32) -> Option<PathBuf> {
    let wanted = server_major.max(OLDEST);
    let mut found: Vec<(u32, PathBuf)> = folders.iter().flat_map(|pattern| versioned(pattern)).collect();
    if !found.iter().any(|(major, _)| *major == wanted) {
        found.extend(std::env::split_paths(path).filter_map(|folder| asked(&folder)));
    }
    found.into_iter().filter(|(major, _)| *major >= wanted).min_by_key(|(major, _)| *major).map(|(_, program)| program)
}

/// The programs in folders that are named by a version.
fn versioned(pattern: &str) -> Vec<(u32, PathBuf)> {
    let Some((before, behind)) = pattern.split_once('*') else { return Vec::new() };
    let (folder, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let program = |entry: std::fs::DirEntry| {
        let name = entry.file_name();
        let major = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
        let program = entry.path().join(behind.trim_start_matches('/')).join("pg_dump");
        program.is_file().then_some((major, program))
    };
    entries.filter_map(std::io::Result::ok).filter_map(program).collect()
}

/// The program in a folder of PATH, by what it says of itself. Debian's wrapper is none: it chooses a version by settings of its own.
fn asked(folder: &Path) -> Option<(u32, PathBuf)> {
    let program = folder.join("pg_dump").canonicalize().ok().filter(|program| program.file_name() == Some(OsStr::new("pg_dump")))?;
    let told = Command::new(&program).arg("--version").env_clear().envs(kept()).stdin(Stdio::null()).output().ok()?;
    Some((version(&String::from_utf8_lossy(&told.stdout))?, program))
}

/// The major version in `pg_dump (PostgreSQL) 15.18 (…)`.
fn version(told: &str) -> Option<u32> {
    let number = told.split_once(") ")?.1;
    number.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn install(folder: &Path, version: &str) {
        std::fs::create_dir_all(folder).unwrap();
        let program = folder.join("pg_dump");
        std::fs::write(&program, format!("#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}'\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn the_version_is_read_from_what_it_says() {
        assert_eq!(version("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(version("pg_dump (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(version("something else"), None);
    }

    #[test]
    fn the_servers_own_version_is_taken_else_the_next_later_one() {
        let machine = tempfile::tempdir().unwrap();
        let root = machine.path();
        for major in ["9.6", "13", "15", "17"] {
            install(&root.join("lib").join(major).join("bin"), major);
        }
        install(&root.join("bin"), "18.1");
        install(&root.join("old"), "12.4");
        let pattern = format!("{}/lib/*/bin", root.display());
        let path = std::env::join_paths([root.join("old"), root.join("none"), root.join("bin")]).unwrap();
        let found = |major: u32, path: &OsStr| find(path, &[&pattern], major);
        let versioned = |major: &str| Some(root.join("lib").join(major).join("bin/pg_dump"));
        assert_eq!(found(15, &path), versioned("15"));
        assert_eq!(found(14, &path), versioned("15"));
        assert_eq!(found(12, &path), versioned("13"));
        assert_eq!(found(18, &path), Some(root.join("bin/pg_dump").canonicalize().unwrap()));
        assert_eq!(found(19, &path), None);
        assert_eq!(found(18, OsStr::new("")), None);
    }

    #[test]
    fn its_words_are_told_without_its_name() {
        let address = Address::parse("postgresql://app@localhost/shop").unwrap();
        let lost = refused(&address, "pg_dump: error: connection to server was lost\npg_dump: detail: gone\n");
        assert!(lost.to_string().ends_with("pg_dump: connection to server was lost; detail: gone"), "{lost}");
        let awaited = "pg_dump: error: query failed: FEHLER:  storniere Anfrage\npg_dump: detail: Query was: LOCK TABLE public.t IN ACCESS SHARE MODE\n";
        assert!(matches!(refused(&address, awaited), Error::Awaited { .. }));
        let denied = refused(&address, "pg_dump: error: query failed: ERROR:  permission denied for table secret\n");
        assert!(matches!(denied, Error::NotOurs { .. }), "{denied}");
    }
}
