//! What changed since an earlier backup, told by the server itself: every row names the transaction that wrote it.
//!
//! A row that was written by a transaction older than every one that was open at that backup's moment was there then, and a row
//! version never changes. That holds where nothing else decides how a row reads, and where the server's history is one: no restart
//! lies between (it may hide a data directory that was replaced or rewound), no crash (what was not flushed is gone, and numbers of
//! transactions are given again), no other timeline. What cannot be sure is compared whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::session::Session;
use super::table::Table;
use crate::rows::KeyKind;
use crate::sources::Result;

/// So many transactions may lie between: their numbers are compared in 32 bits.
const MOST_TRANSACTIONS: u64 = 1_000_000_000;

/// What fixes a moment: the server, its history, and what decides how the rows of each model read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    system_identifier: String,
    database_oid: String,
    /// As `pg_current_snapshot()` gives it: xmin, xmax and what was open, in 64 bits.
    snapshot: String,
    server_version_num: String,
    wal_position: String,
    /// None on a standby.
    timeline: Option<String>,
    /// When the server was started.
    started: Option<String>,
    /// When its statistics begin: a crash that it survives empties them.
    statistics: Option<String>,
    /// For each model whose rows can be told apart: a digest of what decides how they read.
    fingerprints: BTreeMap<String, String>,
}

const MARKS: &str = "SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system()), d.oid, pg_catalog.pg_current_snapshot(),
    pg_catalog.current_setting('server_version_num'),
    CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END,
    CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) END,
    pg_catalog.pg_postmaster_start_time(), (SELECT stats_reset FROM pg_catalog.pg_stat_bgwriter)
    FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()";

/// The tables behind each model: itself, or a root with its partitions. Only heaps are known to write a transaction into each row.
const MEMBERS: &str = "WITH RECURSIVE member(root, oid, inherited) AS (
      SELECT c.oid, c.oid, '' FROM pg_catalog.pg_class c WHERE c.oid IN (%)
      UNION ALL SELECT m.root, i.inhrelid, coalesce(pg_catalog.to_jsonb(i)->>'inhdetachpending', '') FROM member m
        JOIN pg_catalog.pg_class p ON p.oid = m.oid AND p.relkind = 'p' JOIN pg_catalog.pg_inherits i ON i.inhparent = m.oid)";

const SHAPES: &str = "SELECT m.root, pg_catalog.concat_ws(' ', c.oid, c.relfilenode, c.relkind, m.inherited),
      CASE c.relkind WHEN 'p' THEN true WHEN 'r' THEN a.amhandler = 'pg_catalog.heap_tableam_handler'::pg_catalog.regproc ELSE false END
    FROM member m JOIN pg_catalog.pg_class c ON c.oid = m.oid LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam ORDER BY m.root, c.oid";

/// Their columns, and the types that those are made of: domains by their base, arrays by their elements. Types that came with the
/// server write what a value holds, but for those that look names up. An enumeration writes its labels as they are, whatever the
/// snapshot: one that was renamed and renamed back is another version of its row.
const COLUMNS: &str = ", part(top, oid) AS (
      SELECT DISTINCT a.atttypid, a.atttypid FROM member m JOIN pg_catalog.pg_attribute a ON a.attrelid = m.oid WHERE a.attnum > 0 AND NOT a.attisdropped
      UNION SELECT p.top, CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END FROM part p JOIN pg_catalog.pg_type t ON t.oid = p.oid
        WHERE t.typtype = 'd' OR t.typoutput = 'pg_catalog.array_out'::pg_catalog.regproc),
    known(top, told, labels) AS (
      SELECT p.top, bool_and(CASE WHEN t.typtype IN ('d', 'e') OR t.typoutput = 'pg_catalog.array_out'::pg_catalog.regproc THEN true
          ELSE t.typtype IN ('b', 'r', 'm') AND t.oid < 16384 AND t.typname !~ '^(reg|aclitem$)' END),
        string_agg((SELECT string_agg(pg_catalog.concat_ws(' ', e.oid, e.xmin, e.enumlabel), ',' ORDER BY e.oid) FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid), ';' ORDER BY t.oid)
      FROM part p JOIN pg_catalog.pg_type t ON t.oid = p.oid GROUP BY p.top)
    SELECT m.root, pg_catalog.concat_ws(' ', a.attrelid, a.attnum, a.atttypid, a.atttypmod, a.attmissingval::pg_catalog.text, k.labels), k.told
    FROM member m JOIN pg_catalog.pg_attribute a ON a.attrelid = m.oid JOIN known k ON k.top = a.atttypid
    WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY m.root, a.attrelid, a.attnum";

impl Marks {
    /// Asks for them, in the transaction that the session is in.
    ///
    /// # Errors
    /// What the server says.
    pub fn load(session: &mut Session, tables: &[Table]) -> Result<Self> {
        let row = session.rows(MARKS)?.into_iter().next().unwrap_or_default();
        let mut values = row.into_iter();
        let mut next = || values.next().flatten();
        let [system_identifier, database_oid, snapshot, server_version_num, wal_position] =
            [next(), next(), next(), next(), next()].map(Option::unwrap_or_default);
        let (timeline, started, statistics) = (next(), next(), next());
        let fingerprints = fingerprints(session, tables)?;
        Ok(Self {
            system_identifier,
            database_oid,
            snapshot,
            server_version_num,
            wal_position,
            timeline,
            started,
            statistics,
            fingerprints,
        })
    }

    /// What tells this database from others of its kind.
    #[must_use]
    pub fn identity(&self) -> String {
        format!("system_identifier={} database={}", self.system_identifier, self.database_oid)
    }

    /// The oldest transaction that may have been open at the moment `then`, in 32 bits: rows of `model` that older ones wrote are as
    /// they were. None where that is not certain.
    #[must_use]
    pub fn horizon(&self, model: &str, then: &serde_json::Value) -> Option<u32> {
        let sources = then.as_array().map_or(std::slice::from_ref(then), Vec::as_slice);
        let marks = sources.iter().filter_map(|source| serde_json::from_value::<Self>(source.clone()).ok());
        let then = marks.into_iter().find(|then| self.is_of_the_history_of(then))?;
        let print = self.fingerprints.get(model)?;
        let ((oldest, next), (_, now)) = (numbers(&then.snapshot)?, numbers(&self.snapshot)?);
        let is_near = next <= now && now.checked_sub(oldest)? < MOST_TRANSACTIONS;
        let is_certain =
            then.fingerprints.get(model) == Some(print) && is_near && position(&then.wal_position)? <= position(&self.wal_position)?;
        is_certain.then(|| u32::try_from(oldest & u64::from(u32::MAX)).ok()).flatten()
    }

    fn is_of_the_history_of(&self, then: &Self) -> bool {
        let Self { system_identifier, database_oid, timeline, started, statistics, .. } = then;
        (system_identifier, database_oid) == (&self.system_identifier, &self.database_oid)
            && (timeline, started, statistics) == (&self.timeline, &self.started, &self.statistics)
            && timeline.is_some()
            && started.is_some()
            && statistics.is_some()
    }
}

/// The first two numbers of a snapshot.
fn numbers(snapshot: &str) -> Option<(u64, u64)> {
    let mut numbers = snapshot.split(':').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

fn position(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    Some(u64::from_str_radix(high, 16).ok()? << 32 | u64::from_str_radix(low, 16).ok()?)
}

fn fingerprints(session: &mut Session, tables: &[Table]) -> Result<BTreeMap<String, String>> {
    let fit = |table: &&Table| matches!(table.relation.key, KeyKind::Columns(_)) && table.long.is_empty() && table.condition.is_empty();
    let models: BTreeMap<&str, &str> = tables.iter().filter(fit).map(|table| (table.oid.as_str(), table.relation.name.as_str())).collect();
    if models.is_empty() {
        return Ok(BTreeMap::new());
    }
    let oids: Vec<&str> = models.keys().copied().collect();
    let members = MEMBERS.replace('%', &oids.join(", "));
    let mut told: BTreeMap<&str, Option<blake3::Hasher>> = models.values().map(|model| (*model, Some(blake3::Hasher::new()))).collect();
    for row in [session.rows(&format!("{members} {SHAPES}"))?, session.rows(&format!("{members}{COLUMNS}"))?].concat() {
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || values.next().unwrap_or_default();
        let (root, shape, certain) = (next(), next(), next());
        let Some(model) = models.get(root.as_str()) else { continue };
        if certain != "t" {
            told.insert(model, None);
        }
        if let Some(Some(hasher)) = told.get_mut(model) {
            hasher.update(&(shape.len() as u64).to_le_bytes()).update(shape.as_bytes());
        }
    }
    let print = |hasher: blake3::Hasher| hasher.finalize().to_hex()[..32].to_owned();
    Ok(told.into_iter().filter_map(|(model, hasher)| Some((model.to_owned(), print(hasher?)))).collect())
}
