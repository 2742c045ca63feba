//! Rows put into the order of digests outside memory: for sources that cannot do it themselves.
//!
//! A temporary SQLite database without a name holds them: it is gone with its connection, spills to disk by itself, and
//! sorts without holding more than its cache.

use rusqlite::{Connection, params};

use crate::rows::RowDigest;

/// Lines that come back in the order of the digests they were given with; such as are marked come back so.
pub struct Sorted {
    db: Connection,
}

impl Sorted {
    /// An empty one.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn new() -> rusqlite::Result<Self> {
        let db = Connection::open("")?;
        db.execute_batch(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16000; PRAGMA temp_store = FILE;
             CREATE TABLE line(digest BLOB NOT NULL, marked INTEGER NOT NULL, bytes BLOB NOT NULL); BEGIN",
        )?;
        Ok(Self { db })
    }

    /// Takes a line, marked or not.
    ///
    /// # Errors
    /// What SQLite says: the temporary folder is full.
    pub fn push(&mut self, digest: RowDigest, marked: bool, line: &[u8]) -> rusqlite::Result<()> {
        self.db.prepare_cached("INSERT INTO line VALUES (?1, ?2, ?3)")?.execute(params![digest.0.as_slice(), marked, line])?;
        Ok(())
    }

    /// Shows all lines in the order of their digests; false ends it. Equal digests count up.
    ///
    /// # Errors
    /// What SQLite says, and what `each` says.
    pub fn each<E: From<rusqlite::Error>>(&self, mut each: impl FnMut(RowDigest, u32, (bool, &[u8])) -> Result<bool, E>) -> Result<(), E> {
        let mut statement = self.db.prepare("SELECT digest, marked, bytes FROM line ORDER BY digest")?;
        let mut rows = statement.query([])?;
        let mut before: Option<(RowDigest, u32)> = None;
        while let Some(row) = rows.next()? {
            let digest = RowDigest(row.get(0)?);
            let ordinal = before.filter(|(last, _)| *last == digest).map_or(0, |(_, ordinal)| ordinal + 1);
            before = Some((digest, ordinal));
            let bytes = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
            if !each(digest, ordinal, (row.get(1)?, bytes))? {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_the_order_of_their_digests_and_equal_ones_are_counted() {
        let mut sorted = Sorted::new().unwrap();
        for (digest, line) in [(9, "last"), (1, "first"), (9, "last"), (4, "")] {
            sorted.push(RowDigest([digest; 16]), digest == 4, line.as_bytes()).unwrap();
        }
        let mut seen = Vec::new();
        let mut each = |digest: RowDigest, ordinal, (marked, line): (bool, &[u8])| {
            seen.push((digest.0[0], ordinal, marked, String::from_utf8_lossy(line).into_owned()));
            Ok::<_, rusqlite::Error>(true)
        };
        sorted.each(&mut each).unwrap();
        let expected = [(1, 0, "first"), (4, 0, ""), (9, 0, "last"), (9, 1, "last")];
        assert_eq!(seen, expected.map(|(digest, ordinal, line)| (digest, ordinal, digest == 4, line.to_owned())));
    }
}
