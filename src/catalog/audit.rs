//! The audit trail: who did what, when and why, as a hash chain.
//!
//! The hash of an entry is BLAKE3 over the hash before it and the entry's fields, each preceded by its length, so that
//! no two entries have the same bytes. Whoever changes, removes or inserts an entry breaks the chain there; whoever
//! cuts its end off is found out by the heads that backups carry into the vault.

use rusqlite::{Connection, OptionalExtension, named_params, params};

use super::page::List;
use super::record::{Json, Record, record};
use super::{AuditOutcome, Catalog, Cursor, Listed, Order, Page, Reader, Result, Time};

record! {
    /// One entry of the audit trail.
    AuditEntry {
        /// Its number, from 1 without a gap.
        seq: u64 = "t.seq",
        /// Its id.
        id: String = "t.id",
        /// When it happened.
        time: Time = "t.time",
        /// Who did it.
        operator: String = "t.operator",
        /// What was done, such as `restore.run`.
        action: String = "t.action",
        /// What it was done to.
        target: String = "t.target",
        /// The name of the app concerned.
        app: Option<String> = "t.app",
        /// How it ended.
        outcome: AuditOutcome = "t.outcome",
        /// Why it was done, or why it was refused.
        reason: Option<String> = "t.reason",
        /// More about it.
        details: Option<Json<serde_json::Value>> = "t.details",
        /// The chain's hash up to here, in hexadecimal.
        hash: String = "t.hash",
    }
}

impl Listed for AuditEntry {
    fn cursor(&self) -> Cursor {
        Cursor { key: self.time.to_string(), id: self.id.clone() }
    }
}

/// An entry to be added.
#[derive(Clone, Debug)]
pub struct NewAuditEntry {
    /// Who did it.
    pub operator: String,
    /// What was done.
    pub action: String,
    /// What it was done to.
    pub target: String,
    /// The name of the app concerned.
    pub app: Option<String>,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// Why it was done, or why it was refused.
    pub reason: Option<String>,
    /// More about it.
    pub details: Option<serde_json::Value>,
}

/// Which entries a list shows, by time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AuditFilter {
    /// Those of this operator.
    pub operator: Option<String>,
    /// Those of this action.
    pub action: Option<String>,
    /// Those about this app (its name).
    pub app: Option<String>,
    /// Those that ended so.
    pub outcome: Option<AuditOutcome>,
    /// Those of this time or later.
    pub since: Option<Time>,
    /// Those in whose visible columns this text stands.
    pub text: Option<String>,
    /// The direction.
    pub order: Order,
}

/// What a walk along the chain has found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AuditCheck {
    /// The entries that were found whole, from the first on.
    pub entries: u64,
    /// The chain's hash after the last of them.
    pub head: String,
    /// The first entry that does not fit, where there is one.
    pub broken: Option<Broken>,
}

/// The first entry that does not fit the chain.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Broken {
    /// The number it has or should have.
    pub seq: u64,
    /// What is wrong with it.
    pub problem: String,
}

/// What stands before the first entry's hash.
const BEGINNING: &str = "";

/// The last entry's number and hash.
type Head = (u64, String);

/// The fields of an entry as they are stored, for its hash; details as the very text.
struct Fields<'a> {
    seq: u64,
    id: &'a str,
    time: &'a str,
    operator: &'a str,
    action: &'a str,
    target: &'a str,
    app: Option<&'a str>,
    outcome: &'a str,
    reason: Option<&'a str>,
    details: Option<&'a str>,
}

impl Fields<'_> {
    fn hash(&self, previous: &str) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("backstop 2026 audit trail");
        let mut field = |value: Option<&str>| match value {
            Some(text) => {
                hasher.update(&(text.len() as u64 + 1).to_le_bytes());
                hasher.update(text.as_bytes());
            }
            None => {
                hasher.update(&0_u64.to_le_bytes());
            }
        };
        field(Some(previous));
        field(Some(&self.seq.to_string()));
        for text in [self.id, self.time, self.operator, self.action, self.target] {
            field(Some(text));
        }
        field(self.app);
        field(Some(self.outcome));
        field(self.reason);
        field(self.details);
        hasher.finalize().to_hex().to_string()
    }
}

impl Reader {
    /// A page of the audit trail, by time.
    pub fn audit_page(&self, filter: &AuditFilter, after: Option<&Cursor>, limit: usize) -> Result<Page<AuditEntry>> {
        self.read(|connection| list(filter).page(connection, after, limit))
    }

    /// The number and hash of the newest entry, which backups carry into the vault; none before the first.
    pub fn audit_head(&self) -> Result<Option<(u64, String)>> {
        self.read(head)
    }

    /// The hash that stands at an entry, to be compared with a head kept in the vault.
    pub fn audit_hash(&self, seq: u64) -> Result<Option<String>> {
        self.read(|connection| Ok(connection.query_row("SELECT hash FROM audit WHERE seq = ?1", [seq], |row| row.get(0)).optional()?))
    }

    /// Walks the whole chain and names the first entry that does not fit.
    pub fn verify_audit(&self) -> Result<AuditCheck> {
        self.read(verify)
    }
}

fn list(filter: &AuditFilter) -> List {
    let index = if filter.operator.is_some() { "audit_by_operator" } else { "audit_by_time" };
    let mut list = List::new(format!("audit t INDEXED BY {index}"), "t.time", "t.id", filter.order);
    list.filter("t.operator = ?", filter.operator.clone())
        .filter("t.action = ?", filter.action.clone())
        .filter("t.app = ?", filter.app.clone())
        .filter("t.outcome = ?", filter.outcome.map(|outcome| outcome.to_string()))
        .filter("t.time >= ?", filter.since.map(|since| since.to_string()))
        .containing(&["t.operator", "t.action", "t.target", "t.app", "t.outcome", "t.reason"], filter.text.as_deref());
    list
}

fn head(connection: &Connection) -> Result<Option<Head>> {
    let sql = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1";
    Ok(connection.query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

fn verify(connection: &Connection) -> Result<AuditCheck> {
    let mut check = AuditCheck { entries: 0, head: BEGINNING.to_owned(), broken: None };
    let mut statement = connection
        .prepare("SELECT seq, id, time, operator, action, target, app, outcome, reason, details, hash FROM audit ORDER BY seq")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let text = |index| row.get_ref(index).and_then(|value| Ok(value.as_str()?));
        let optional = |index| row.get_ref(index).and_then(|value| Ok(value.as_str_or_null()?));
        let seq = row.get(0)?;
        let fields = Fields {
            seq,
            id: text(1)?,
            time: text(2)?,
            operator: text(3)?,
            action: text(4)?,
            target: text(5)?,
            app: optional(6)?,
            outcome: text(7)?,
            reason: optional(8)?,
            details: optional(9)?,
        };
        let expected = check.entries + 1;
        if seq != expected {
            check.broken = Some(Broken { seq: expected, problem: format!("entry {expected} is missing: entry {seq} follows") });
            break;
        }
        let hash = fields.hash(&check.head);
        if hash != text(10)? {
            check.broken = Some(Broken { seq, problem: "its fields do not fit its hash and the one before".to_owned() });
            break;
        }
        (check.entries, check.head) = (seq, hash);
    }
    Ok(check)
}

impl Catalog {
    /// Adds an entry at the end of the audit trail.
    pub fn audit(&self, new: &NewAuditEntry) -> Result<AuditEntry> {
        let (id, time) = (self.new_id(), self.now().to_string());
        let details = new.details.as_ref().map(ToString::to_string);
        self.write(|change| {
            let (last, previous) = head(change)?.unwrap_or((0, BEGINNING.to_owned()));
            let fields = Fields {
                seq: last + 1,
                id: &id,
                time: &time,
                operator: &new.operator,
                action: &new.action,
                target: &new.target,
                app: new.app.as_deref(),
                outcome: new.outcome.as_str(),
                reason: new.reason.as_deref(),
                details: details.as_deref(),
            };
            insert(change, &fields, &fields.hash(&previous))?;
            let sql = format!("SELECT {} FROM audit t WHERE t.seq = ?1", AuditEntry::COLUMNS);
            Ok(change.query_row(&sql, params![fields.seq], AuditEntry::from_row)?)
        })
    }
}

fn insert(connection: &Connection, fields: &Fields<'_>, hash: &str) -> Result<()> {
    connection.execute(
        "INSERT INTO audit (seq, id, time, operator, action, target, app, outcome, reason, details, hash)
         VALUES (:seq, :id, :time, :operator, :action, :target, :app, :outcome, :reason, :details, :hash)",
        named_params! {
            ":seq": fields.seq, ":id": fields.id, ":time": fields.time, ":operator": fields.operator, ":action": fields.action,
            ":target": fields.target, ":app": fields.app, ":outcome": fields.outcome, ":reason": fields.reason,
            ":details": fields.details, ":hash": hash,
        },
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::page::assert_walks_an_index;
    use super::super::testing::Home;
    use super::*;

    fn home_with_entries(count: usize) -> Home {
        let home = Home::new();
        for number in 0..count {
            let new = NewAuditEntry {
                operator: "ana".to_owned(),
                action: "restore.run".to_owned(),
                target: format!("plan {number}"),
                app: Some("school".to_owned()),
                outcome: AuditOutcome::Done,
                reason: None,
                details: Some(serde_json::json!({"records": number})),
            };
            home.catalog.audit(&new).unwrap();
        }
        home
    }

    /// Does what the triggers forbid: an attacker has no need of them.
    fn tamper(home: &Home, sql: &str) -> AuditCheck {
        home.catalog
            .write(|change| {
                change.execute_batch("DROP TRIGGER audit_is_never_changed; DROP TRIGGER audit_is_never_deleted")?;
                change.execute_batch(sql)?;
                Ok(())
            })
            .unwrap();
        home.catalog.verify_audit().unwrap()
    }

    #[test]
    fn an_untouched_trail_is_whole() {
        let home = home_with_entries(5);
        let check = home.catalog.verify_audit().unwrap();
        assert_eq!((check.entries, &check.broken), (5, &None));
        assert_eq!(home.catalog.audit_head().unwrap(), Some((5, check.head.clone())));
        assert_eq!(home.catalog.audit_hash(5).unwrap(), Some(check.head));
    }

    #[rstest::rstest]
    #[case("UPDATE audit SET operator = 'eve' WHERE seq = 3", 3)]
    #[case("UPDATE audit SET reason = '' WHERE seq = 2", 2)]
    #[case("UPDATE audit SET details = NULL WHERE seq = 1", 1)]
    #[case("UPDATE audit SET target = 'plan', app = '0school' WHERE seq = 1", 1)]
    #[case("DELETE FROM audit WHERE seq = 4", 4)]
    #[case("DELETE FROM audit WHERE seq = 1", 1)]
    #[case("UPDATE audit SET seq = seq + 10 WHERE seq = 5", 5)]
    fn the_first_entry_that_was_touched_is_named(#[case] sql: &str, #[case] broken: u64) {
        let check = tamper(&home_with_entries(5), sql);
        assert_eq!((check.broken.unwrap().seq, check.entries), (broken, broken - 1));
    }

    #[test]
    fn an_entry_forged_with_a_fitting_hash_breaks_the_chain_at_the_next() {
        let home = home_with_entries(5);
        let page = home.catalog.audit_page(&AuditFilter { order: Order::Ascending, ..AuditFilter::default() }, None, 5).unwrap();
        let (before, entry) = (&page.items[1], &page.items[2]);
        let details = entry.details.as_ref().map(|details| details.to_string());
        let time = entry.time.to_string();
        let forged = Fields {
            seq: entry.seq,
            id: &entry.id,
            time: &time,
            operator: "eve",
            action: &entry.action,
            target: &entry.target,
            app: entry.app.as_deref(),
            outcome: entry.outcome.as_str(),
            reason: entry.reason.as_deref(),
            details: details.as_deref(),
        };
        let hash = forged.hash(&before.hash);
        let check = tamper(&home, &format!("UPDATE audit SET operator = 'eve', hash = '{hash}' WHERE seq = 3"));
        assert_eq!((check.broken.unwrap().seq, check.entries), (4, 3));
    }

    #[test]
    fn an_end_cut_off_shows_in_the_head_kept_elsewhere() {
        let home = home_with_entries(5);
        let (seq, hash) = home.catalog.audit_head().unwrap().unwrap();
        assert_eq!(tamper(&home, "DELETE FROM audit WHERE seq = 5").broken, None);
        assert_ne!(home.catalog.audit_hash(seq).unwrap(), Some(hash));
    }

    #[test]
    fn the_catalog_itself_refuses_to_change_the_trail() {
        let home = home_with_entries(1);
        for sql in ["UPDATE audit SET operator = 'eve'", "DELETE FROM audit"] {
            assert!(home.catalog.write(|change| Ok(change.execute_batch(sql)?)).is_err(), "{sql}");
        }
    }

    #[test]
    fn every_list_of_the_trail_walks_an_index() {
        let home = Home::new();
        let full = AuditFilter { since: Some(home.catalog.now()), text: Some("x".to_owned()), ..AuditFilter::default() };
        let filters = [AuditFilter::default(), AuditFilter { operator: Some("ana".to_owned()), order: Order::Ascending, ..full }];
        home.catalog
            .read(|connection| {
                for filter in &filters {
                    assert_walks_an_index(&list(filter).explain(connection, AuditEntry::COLUMNS));
                }
                Ok(())
            })
            .unwrap();
    }
}
