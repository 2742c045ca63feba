//! The records of a plan while it is made, and the values they claim: in a private database that SQLite keeps in memory
//! and, where it grows, in a file without a name. So a plan of any size is made in bounded memory.

use rusqlite::{Connection, OptionalExtension, params};

use super::record::{self, Record};
use super::strategy::{Effect, State};
use super::{Error, Result};
use crate::rows::Key;

/// A collision was found.
pub const COLLISION: i64 = 1;
/// A missing or a remaining reference was found.
pub const BLOCKED: i64 = 2;

/// What a record does to a value of a unique or a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Claim {
    /// Will hold a unique value.
    Take,
    /// Gives up a unique value.
    Leave,
    /// Will refer to a value.
    Need,
    /// Refers to a value no longer.
    Release,
    /// Can be referred to by a value no longer.
    Lose,
    /// Can be referred to by a value from then on.
    Give,
    /// A live record that stays can be referred to by it.
    Found,
}

/// The short name of a tuple of values.
pub type Mark = [u8; 16];

/// The scratch space.
pub struct Scratch {
    db: Connection,
}

const PRAGMAS: &str = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -32000; PRAGMA locking_mode = EXCLUSIVE;";

/// A private database with these tables, in memory and, where it grows, in a file without a name.
///
/// # Errors
/// When the temporary folder cannot be used.
pub(in crate::engine) fn open(tables: &str) -> rusqlite::Result<Connection> {
    let db = Connection::open("")?;
    db.execute_batch(PRAGMAS)?;
    db.execute_batch(tables)?;
    db.set_prepared_statement_cache_capacity(32);
    Ok(db)
}

const TABLES: &str = "
    CREATE TABLE record(model INTEGER, key BLOB, effect INTEGER, flags INTEGER DEFAULT 0, payload BLOB, PRIMARY KEY(model, key));
    CREATE TABLE claim(kind INTEGER, id INTEGER, mark BLOB, model INTEGER, key BLOB, PRIMARY KEY(kind, id, mark, model, key)) WITHOUT ROWID;
    CREATE INDEX claim_of ON claim(model, key, kind);
    CREATE TABLE lean(model INTEGER, key BLOB, on_model INTEGER, on_key BLOB, flag INTEGER, PRIMARY KEY(model, key, on_model, on_key, flag)) WITHOUT ROWID;
    CREATE TABLE refusal(model INTEGER, key BLOB, why TEXT, PRIMARY KEY(model, key)) WITHOUT ROWID;
    CREATE TABLE holder(model INTEGER, key BLOB, shown TEXT, PRIMARY KEY(model, key)) WITHOUT ROWID;
    BEGIN;";

/// A record leans on another that is not done, or needs what nobody gives.
const SETTLE: [&str; 2] = [
    "UPDATE record SET flags = flags | (SELECT max(flag) FROM lean l WHERE l.model = record.model AND l.key = record.key)
     WHERE flags = 0 AND EXISTS (SELECT 1 FROM lean l JOIN record o ON o.model = l.on_model AND o.key = l.on_key
        WHERE l.model = record.model AND l.key = record.key AND o.flags <> 0)",
    "UPDATE record SET flags = flags | 2 WHERE flags = 0 AND effect <> 2 AND EXISTS (SELECT 1 FROM claim n
        WHERE n.model = record.model AND n.key = record.key AND n.kind = 2
        AND NOT EXISTS (SELECT 1 FROM claim f WHERE f.kind = 6 AND f.id = n.id AND f.mark = n.mark)
        AND NOT EXISTS (SELECT 1 FROM claim g JOIN record p ON p.model = g.model AND p.key = g.key
            WHERE g.kind = 5 AND g.id = n.id AND g.mark = n.mark AND p.flags = 0))",
];

impl Scratch {
    /// An empty one.
    ///
    /// # Errors
    /// When the temporary folder cannot be used.
    pub fn new() -> Result<Self> {
        Ok(Self { db: open(TABLES)? })
    }

    /// Adds a record of the model at this place.
    ///
    /// # Errors
    /// What writing met.
    pub fn put(&self, model: usize, record: &Record) -> Result<()> {
        let mut payload = Vec::new();
        record::encode(record, &mut payload);
        let effect = match record.effect {
            Effect::Create => 0,
            Effect::Update(_) => 1,
            Effect::Skip => 2,
            Effect::Delete => 3,
        };
        let mut insert = self.db.prepare_cached("INSERT INTO record(model, key, effect, payload) VALUES (?1, ?2, ?3, ?4)")?;
        insert.execute(params![place(model), record.key.as_bytes(), effect, payload])?;
        Ok(())
    }

    /// Whether there is a record with this key.
    ///
    /// # Errors
    /// What reading met.
    pub fn has(&self, model: usize, key: &Key) -> Result<bool> {
        let mut find = self.db.prepare_cached("SELECT 1 FROM record WHERE model = ?1 AND key = ?2")?;
        Ok(find.exists(params![place(model), key.as_bytes()])?)
    }

    /// Forgets a record and what it claims.
    ///
    /// # Errors
    /// What writing met.
    pub fn remove(&self, model: usize, key: &Key) -> Result<()> {
        for statement in ["DELETE FROM record WHERE model = ?1 AND key = ?2", "DELETE FROM claim WHERE model = ?1 AND key = ?2"] {
            self.db.prepare_cached(statement)?.execute(params![place(model), key.as_bytes()])?;
        }
        Ok(())
    }

    /// Makes place for the removal of a live-only record: false where the record is in the plan for something else.
    ///
    /// # Errors
    /// What writing met.
    pub fn give_way(&self, model: usize, key: &Key) -> Result<bool> {
        let Some(record) = self.get(model, key)? else { return Ok(true) };
        let yields = record.state == State::LiveOnly && record.effect == Effect::Skip;
        if yields {
            self.db.prepare_cached("DELETE FROM record WHERE model = ?1 AND key = ?2")?.execute(params![place(model), key.as_bytes()])?;
        }
        Ok(yields)
    }

    /// Notes what a record does to a value.
    ///
    /// # Errors
    /// What writing met.
    pub fn claim(&self, claim: Claim, id: usize, mark: &Mark, model: usize, key: &[u8]) -> Result<()> {
        let mut insert = self.db.prepare_cached("INSERT OR IGNORE INTO claim VALUES (?1, ?2, ?3, ?4, ?5)")?;
        insert.execute(params![claim as u8, place(id), mark, place(model), key])?;
        Ok(())
    }

    /// Whether any record makes this claim.
    ///
    /// # Errors
    /// What reading met.
    pub fn any(&self, claim: Claim, id: usize) -> Result<bool> {
        let mut find = self.db.prepare_cached("SELECT 1 FROM claim WHERE kind = ?1 AND id = ?2 LIMIT 1")?;
        Ok(find.exists(params![claim as u8, place(id)])?)
    }

    /// Whether this record makes this claim on a value.
    ///
    /// # Errors
    /// What reading met.
    pub fn makes(&self, claim: Claim, id: usize, mark: &Mark, model: usize, key: &Key) -> Result<bool> {
        let sql = "SELECT 1 FROM claim WHERE kind = ?1 AND id = ?2 AND mark = ?3 AND model = ?4 AND key = ?5";
        Ok(self.db.prepare_cached(sql)?.exists(params![claim as u8, place(id), mark, place(model), key.as_bytes()])?)
    }

    /// The records that make this claim on a value: model and key, at most 64.
    ///
    /// # Errors
    /// What reading met.
    pub fn claimants(&self, claim: Claim, id: usize, mark: &Mark) -> Result<Vec<(usize, Key)>> {
        let mut find = self.db.prepare_cached("SELECT model, key FROM claim WHERE kind = ?1 AND id = ?2 AND mark = ?3 LIMIT 64")?;
        Self::records(&mut find, params![claim as u8, place(id), mark])
    }

    /// Records that make this claim, one for each value, at most `most`.
    ///
    /// # Errors
    /// What reading met.
    pub fn claims(&self, claim: Claim, id: usize, most: usize) -> Result<Vec<(usize, Key)>> {
        let mut find = self.db.prepare_cached("SELECT model, key FROM claim WHERE kind = ?1 AND id = ?2 GROUP BY mark LIMIT ?3")?;
        Self::records(&mut find, params![claim as u8, place(id), place(most)])
    }

    fn records(find: &mut rusqlite::Statement<'_>, values: impl rusqlite::Params) -> Result<Vec<(usize, Key)>> {
        let rows = find.query_map(values, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
        rows.map(|row| row.map(|(model, key)| (usize::try_from(model).unwrap_or_default(), Key::from_bytes(key))).map_err(Error::from))
            .collect()
    }

    /// Notes that a record can be done only if another is.
    ///
    /// # Errors
    /// What writing met.
    pub fn lean(&self, (model, key): (usize, &Key), (on, on_key): (usize, &Key), flag: i64) -> Result<()> {
        let mut insert = self.db.prepare_cached("INSERT OR IGNORE INTO lean VALUES (?1, ?2, ?3, ?4, ?5)")?;
        insert.execute(params![place(model), key.as_bytes(), place(on), on_key.as_bytes(), flag])?;
        Ok(())
    }

    /// Notes which live record holds a unique value that a record takes: its key as JSON. The first one is kept.
    ///
    /// # Errors
    /// What writing met.
    pub fn held(&self, model: usize, key: &Key, holder: &str) -> Result<()> {
        let mut insert = self.db.prepare_cached("INSERT OR IGNORE INTO holder VALUES (?1, ?2, ?3)")?;
        insert.execute(params![place(model), key.as_bytes(), holder])?;
        Ok(())
    }

    /// The number of the record that was put last.
    ///
    /// # Errors
    /// What reading met.
    pub fn newest(&self) -> Result<i64> {
        Ok(self.db.query_row("SELECT coalesce(max(rowid), 0) FROM record", [], |row| row.get(0))?)
    }

    /// Shows the records of a model that are written and were put behind the one with this number, in key order.
    ///
    /// # Errors
    /// What reading met, and what `each` says.
    pub fn each_written(&self, model: usize, after: i64, each: &mut dyn FnMut(Record) -> Result<()>) -> Result<()> {
        let sql = "SELECT payload FROM record WHERE model = ?1 AND rowid > ?2 AND effect IN (0, 1) ORDER BY key";
        let mut find = self.db.prepare_cached(sql)?;
        let mut rows = find.query(params![place(model), after])?;
        while let Some(row) = rows.next()? {
            let payload: Vec<u8> = row.get(0)?;
            each(record::decode(&mut &payload[..]).ok_or_else(broken)?)?;
        }
        Ok(())
    }

    /// Notes why a source would not take a record.
    ///
    /// # Errors
    /// What writing met.
    pub fn refuse(&self, model: usize, key: &Key, why: &str) -> Result<()> {
        let mut insert = self.db.prepare_cached("INSERT OR IGNORE INTO refusal VALUES (?1, ?2, ?3)")?;
        insert.execute(params![place(model), key.as_bytes(), why])?;
        Ok(())
    }

    /// Leaves out the records of a model of which that was noted, and forgets what they claim.
    ///
    /// # Errors
    /// What reading or writing met.
    pub fn leave_refused(&self, model: usize) -> Result<()> {
        loop {
            let mut find = self.db.prepare_cached("SELECT key, why FROM refusal WHERE model = ?1 LIMIT 1000")?;
            let rows = find.query_map([place(model)], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?)))?;
            let refused = rows.collect::<rusqlite::Result<Vec<_>>>()?;
            if refused.is_empty() {
                return Ok(());
            }
            for (key, why) in refused {
                let key = Key::from_bytes(key);
                self.db
                    .prepare_cached("DELETE FROM refusal WHERE model = ?1 AND key = ?2")?
                    .execute(params![place(model), key.as_bytes()])?;
                if let Some(record) = self.get(model, &key)? {
                    self.remove(model, &key)?;
                    self.put(model, &Record { effect: Effect::Skip, refused: Some(why), ..record })?;
                }
            }
        }
    }

    /// Takes a record out for a reason.
    ///
    /// # Errors
    /// What writing met.
    pub fn flag(&self, model: usize, key: &Key, flag: i64) -> Result<()> {
        let mut update = self.db.prepare_cached("UPDATE record SET flags = flags | ?3 WHERE model = ?1 AND key = ?2")?;
        update.execute(params![place(model), key.as_bytes(), flag])?;
        Ok(())
    }

    /// Forgets what the last round found.
    ///
    /// # Errors
    /// What writing met.
    pub fn reset(&self) -> Result<()> {
        Ok(self.db.execute_batch(
            "UPDATE record SET flags = 0 WHERE flags <> 0; DELETE FROM lean; DELETE FROM holder; DELETE FROM claim WHERE kind = 6;",
        )?)
    }

    /// Takes out what depends on what was taken out, until nothing changes.
    ///
    /// # Errors
    /// What writing met.
    pub fn settle(&self) -> Result<()> {
        let twice = "UPDATE record SET flags = flags | 1 WHERE flags = 0 AND EXISTS (SELECT 1 FROM claim t JOIN claim o
            ON o.kind = 0 AND o.id = t.id AND o.mark = t.mark AND o.key < t.key
            WHERE t.kind = 0 AND t.model = record.model AND t.key = record.key)";
        self.db.execute(twice, [])?;
        loop {
            let mut changed = 0;
            for statement in SETTLE {
                changed += self.db.prepare_cached(statement)?.execute([])?;
            }
            if changed == 0 {
                return Ok(());
            }
        }
    }

    /// Values that records need and nobody has, of the reference `id`, with a record that needs each.
    ///
    /// # Errors
    /// What reading met.
    pub fn missing(&self, id: usize) -> Result<Vec<(usize, Key)>> {
        let sql = "SELECT n.model, n.key FROM claim n WHERE n.kind = 2 AND n.id = ?1
            AND NOT EXISTS (SELECT 1 FROM claim f WHERE f.kind IN (5, 6) AND f.id = n.id AND f.mark = n.mark) GROUP BY n.mark LIMIT 100000";
        let mut find = self.db.prepare_cached(sql)?;
        Self::records(&mut find, [place(id)])
    }

    /// A record by its key, as it was put.
    ///
    /// # Errors
    /// What reading met.
    pub fn get(&self, model: usize, key: &Key) -> Result<Option<Record>> {
        let mut find = self.db.prepare_cached("SELECT payload FROM record WHERE model = ?1 AND key = ?2")?;
        let payload: Option<Vec<u8>> = find.query_row(params![place(model), key.as_bytes()], |row| row.get(0)).optional()?;
        payload.map(|payload| record::decode(&mut &payload[..]).ok_or_else(broken)).transpose()
    }

    /// Shows the records of a model in key order, with what was found out about them.
    ///
    /// # Errors
    /// What reading met, and what `each` says.
    pub fn each(&self, model: usize, each: &mut dyn FnMut(Record) -> Result<()>) -> Result<()> {
        let sql =
            "SELECT payload, flags, effect = 1 AND EXISTS (SELECT 1 FROM lean l JOIN record o ON o.model = l.on_model AND o.key = l.on_key
                AND o.effect = 1 WHERE l.model = record.model AND l.key = record.key AND l.flag = 1),
                CASE WHEN flags & 1 THEN (SELECT shown FROM holder h WHERE h.model = record.model AND h.key = record.key) END
            FROM record WHERE model = ?1 ORDER BY key";
        let mut find = self.db.prepare_cached(sql)?;
        let mut rows = find.query([place(model)])?;
        while let Some(row) = rows.next()? {
            let (payload, flags, exchange): (Vec<u8>, i64, bool) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let holder: Option<String> = row.get(3)?;
            let mut record = record::decode(&mut &payload[..]).ok_or_else(broken)?;
            record.collision = flags & COLLISION != 0;
            record.holder = holder.map(|shown| serde_json::from_str(&shown).map_err(|_| broken())).transpose()?;
            record.blocked = flags & BLOCKED != 0;
            if flags != 0 {
                record.effect = Effect::Skip;
            }
            record.exchange = exchange && flags == 0;
            each(record)?;
        }
        Ok(())
    }
}

/// A place as the database has it.
pub(in crate::engine) fn place(place: usize) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}

fn broken() -> Error {
    Error::Spool("the scratch space gave back other bytes than it was given".into())
}
