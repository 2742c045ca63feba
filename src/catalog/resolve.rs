//! Which thing an operator means: by name, by id, or by the beginning of an id that only one thing has.

use rusqlite::{Connection, OptionalExtension};

use super::{Error, Reader, Result};
use crate::error::closest;

/// The kinds of things that have a name or an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An application.
    App,
    /// A configuration.
    Configuration,
    /// A job.
    Job,
    /// A backup.
    Backup,
    /// A restore.
    Restore,
    /// A plan of a restore.
    Plan,
    /// An alert.
    Alert,
    /// An operator.
    Operator,
    /// A vault.
    Vault,
    /// A location of a vault.
    Location,
}

/// How many candidates an ambiguous id names.
const CANDIDATES: usize = 5;

impl Kind {
    const fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::App => ("app", "apps", "backstop app list"),
            Self::Configuration => ("configuration", "configurations", "backstop config list"),
            Self::Job => ("job", "jobs", "backstop jobs list"),
            Self::Backup => ("backup", "backups", "backstop backups list"),
            Self::Restore => ("restore", "restores", "backstop restores list"),
            Self::Plan => ("plan", "plans", "backstop restore preview"),
            Self::Alert => ("alert", "alerts", "backstop alerts list --all"),
            Self::Operator => ("operator", "operators", "backstop operators list"),
            Self::Vault => ("vault", "vaults", "backstop vault status"),
            Self::Location => ("location", "locations", "backstop vault locations"),
        }
    }

    /// `a` or `an`.
    #[must_use]
    pub const fn article(self) -> &'static str {
        if matches!(self, Self::App | Self::Alert | Self::Operator) { "an" } else { "a" }
    }

    /// The word for several of them.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        self.words().1
    }

    /// The command that lists them.
    #[must_use]
    pub const fn list_command(self) -> &'static str {
        self.words().2
    }

    /// The table, the condition under which a row still answers to its name, and whether it has a name at all.
    const fn table(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::App => ("app", Some("removed_at IS NULL")),
            Self::Configuration => ("configuration", Some("deleted_at IS NULL")),
            Self::Job => ("job", None),
            Self::Backup => ("backup", None),
            Self::Restore => ("restore", None),
            Self::Plan => ("plan", None),
            Self::Alert => ("alert", None),
            Self::Operator => ("operator", Some("TRUE")),
            Self::Vault => ("vault", Some("TRUE")),
            Self::Location => ("location", Some("TRUE")),
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.words().0)
    }
}

impl Reader {
    /// The id of the thing that `text` names: its name, its id, or a unique beginning of its id.
    pub fn resolve(&self, kind: Kind, text: &str) -> Result<String> {
        self.read(|connection| resolve(connection, kind, text))
    }
}

pub(super) fn resolve(connection: &Connection, kind: Kind, text: &str) -> Result<String> {
    let (table, named) = kind.table();
    if let Some(answers) = named {
        let sql = format!("SELECT id FROM {table} WHERE name = ?1 AND {answers} LIMIT 2");
        let ids = texts(connection, &sql, text)?;
        match ids.as_slice() {
            [] => {}
            [id] => return Ok(id.clone()),
            _ => return Err(Error::Ambiguous { kind, text: text.to_owned(), candidates: ids }),
        }
    }
    let sql = format!("SELECT id FROM {table} WHERE id = ?1");
    if let Some(id) = connection.prepare_cached(&sql)?.query_row([text], |row| row.get(0)).optional()? {
        return Ok(id);
    }
    match (by_prefix(connection, kind, table, text), named) {
        (Err(Error::NotFound { kind, text }), Some(answers)) => {
            let names = texts(connection, &format!("SELECT name FROM {table} WHERE {answers} AND ?1 IS NOT NULL LIMIT 1000"), &text)?;
            match closest(&text, names.iter().map(String::as_str)) {
                Some(near) => Err(Error::Misnamed { kind, near: near.to_owned(), text }),
                None => Err(Error::NotFound { kind, text }),
            }
        }
        (found, _) => found,
    }
}

fn by_prefix(connection: &Connection, kind: Kind, table: &str, text: &str) -> Result<String> {
    let prefix = text.to_ascii_lowercase();
    let missing = || Error::NotFound { kind, text: text.to_owned() };
    if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        return Err(missing());
    }
    // 'g' is greater than whatever may follow the prefix in an id; a range can use the index, LIKE could not.
    let sql = format!("SELECT id FROM {table} WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT {}", CANDIDATES + 1);
    let mut ids = texts(connection, &sql, &prefix)?;
    match ids.len() {
        0 => Err(missing()),
        1 => ids.pop().ok_or_else(missing),
        found => {
            if found > CANDIDATES {
                ids.truncate(CANDIDATES);
                ids.push("…".to_owned());
            }
            Err(Error::Ambiguous { kind, text: text.to_owned(), candidates: ids })
        }
    }
}

fn texts(connection: &Connection, sql: &str, text: &str) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([text], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Home;
    use super::super::{JobKind, NewJob, Origin};
    use super::*;
    use crate::error::Explain;

    #[test]
    fn a_thing_is_named_by_its_name_its_id_or_a_unique_beginning() {
        let home = Home::new();
        let app = home.app("school");
        for text in ["school", app.as_str(), &app[..20], &app[..20].to_uppercase()] {
            assert_eq!(home.catalog.resolve(Kind::App, text).unwrap(), app, "{text}");
        }
    }

    #[test]
    fn a_name_goes_before_a_beginning_of_an_id() {
        let home = Home::new();
        let other = home.app("other");
        let named = home.app(&other[..8]);
        assert_eq!(home.catalog.resolve(Kind::App, &other[..8]).unwrap(), named);
    }

    #[test]
    fn what_is_not_there_says_how_to_list_what_is() {
        let home = Home::new();
        home.app("school");
        for text in ["shop", "", "%", "fff"] {
            let error = home.catalog.resolve(Kind::App, text).unwrap_err();
            assert_eq!(error.to_string(), format!("there is no app '{text}'"));
            assert_eq!(error.hint().unwrap(), "list them with: backstop app list");
        }
    }

    #[test]
    fn a_name_that_is_like_another_asks_whether_that_one_is_meant() {
        let home = Home::new();
        home.app("school");
        let error = home.catalog.resolve(Kind::App, "scholl").unwrap_err();
        assert_eq!(error.to_string(), "there is no app 'scholl'");
        assert_eq!(error.hint().unwrap(), "did you mean 'school'? list them with: backstop app list");
    }

    #[test]
    fn an_ambiguous_id_names_the_first_candidates() {
        let home = Home::new();
        let ids: Vec<String> = (0..7).map(|_| home.catalog.add_job(&NewJob::new(JobKind::Verify, Origin::Manual)).unwrap().id).collect();
        let error = home.catalog.resolve(Kind::Job, &ids[0][..8]).unwrap_err();
        let Error::Ambiguous { candidates, .. } = error else { panic!("{error}") };
        assert_eq!((&candidates[..CANDIDATES], candidates[CANDIDATES].as_str()), (&ids[..CANDIDATES], "…"));
    }
}
