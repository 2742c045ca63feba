//! The rows of a table in a private copy of a database, some of a leaf at a time: which rowids they have, and a digest of all bytes that
//! decide them (sqlite.org/fileformat2.html, sections 1.5 and 1.6). Nothing is decoded here but rowids and lengths: values are SQLite's.
//!
//! A piece of a leaf with the bytes that it had has the rows that it had; the pages that its long rows go on in are part of its digest.
//! Where a piece ends its rowids say, so that a row that comes or goes moves no other piece. Every number is checked, also that each
//! rowid lies where SQLite would look for it: anything odd, and the table is read whole.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::rows::pieces::Digesting;
use crate::rows::{Piece, RowDigest};

const INTERIOR: u8 = 0x05;
const LEAF: u8 = 0x0D;
/// SQLite's own limit.
const DEEPEST: usize = 20;

/// The pages of a database that nobody writes to.
pub struct Pages {
    file: Arc<File>,
    size: usize,
    /// Bytes of a page that SQLite uses.
    usable: usize,
    count: u32,
}

/// A walk over the leaves of a table.
struct Walk<'w> {
    pages: &'w Pages,
    /// The last rowid so far; what a separator says counts, too.
    floor: Option<i64>,
    each: &'w mut dyn FnMut(Piece) -> io::Result<ControlFlow<()>>,
    /// A page of each level; of leaves there is one at a time.
    spare: Vec<Vec<u8>>,
    /// Pieces whose digest is still to be made, of these bytes.
    waiting: Vec<Piece>,
    digesting: Digesting,
}

/// So many pieces are digested together, at least.
const TOGETHER: usize = 128;
/// A piece ends behind a rowid of which these bits are set: eight rows, where none are missing.
const LAST: i64 = 7;
/// It ends earlier where it has so many bytes: what BLAKE3 digests together is no longer than 1024.
const LONG: usize = 768;

fn odd() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a page is not what it should be")
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> io::Result<[u8; N]> {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk::<N>()).copied().ok_or_else(odd)
}

fn short(bytes: &[u8], at: usize) -> io::Result<usize> {
    number(bytes, at).map(|bytes| usize::from(u16::from_be_bytes(bytes)))
}

fn long(bytes: &[u8], at: usize) -> io::Result<u32> {
    number(bytes, at).map(u32::from_be_bytes)
}

/// The number that begins at `at`, and where it ends.
fn varint(bytes: &[u8], at: usize) -> io::Result<(u64, usize)> {
    let mut number = 0_u64;
    for place in 0..8 {
        let byte = *bytes.get(at + place).ok_or_else(odd)?;
        number = number << 7 | u64::from(byte & 0x7F);
        if byte < 0x80 {
            return Ok((number, at + place + 1));
        }
    }
    let byte = *bytes.get(at + 8).ok_or_else(odd)?;
    Ok((number << 8 | u64::from(byte), at + 9))
}

impl Pages {
    /// The pages of the database in `file`; `None` where its header is none of one.
    #[must_use]
    pub fn of(file: Arc<File>) -> Option<Self> {
        let mut header = [0; 100];
        file.read_exact_at(&mut header, 0).ok()?;
        let size = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            size => usize::from(size),
        };
        let usable = size.checked_sub(usize::from(header[20])).filter(|&usable| size.is_power_of_two() && usable >= 480)?;
        let count = u32::try_from(file.metadata().ok()?.len() / size as u64).ok()?;
        Some(Self { file, size, usable, count })
    }

    /// What of the header decides how pages are read.
    #[must_use]
    pub fn form(&self) -> (usize, usize) {
        (self.size, self.usable)
    }

    /// Gives each piece of the leaves of the table whose b-tree begins at page `root`, in the order of their rowids, until `each` breaks.
    ///
    /// # Errors
    /// What reading it met, what `each` says, and a page that is not what it should be.
    pub fn leaves(&self, root: u32, each: &mut dyn FnMut(Piece) -> io::Result<ControlFlow<()>>) -> io::Result<()> {
        let (spare, waiting) = (Vec::new(), Vec::new());
        let mut walk = Walk { pages: self, floor: None, each, spare, waiting, digesting: Digesting::default() };
        if walk.page(root, None, 0)?.is_continue() {
            let _ = walk.give()?;
        }
        Ok(())
    }

    fn read(&self, page: u32, into: &mut Vec<u8>) -> io::Result<()> {
        // The first page is the schema's.
        if page < 2 || page > self.count {
            return Err(odd());
        }
        into.resize(self.size, 0);
        self.file.read_exact_at(into, u64::from(page - 1) * self.size as u64)
    }

    /// Bytes of a row of `length` bytes that stand in its leaf.
    fn local(&self, length: u64) -> Option<usize> {
        let most = self.usable - 35;
        if length <= most as u64 {
            return usize::try_from(length).ok();
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let rest = (length - least as u64) % (self.usable as u64 - 4);
        let local = least + usize::try_from(rest).ok()?;
        Some(if local <= most { local } else { least })
    }

    /// The hash of the pages that a row goes on in, `left` bytes of it.
    fn overflow(&self, mut page: u32, mut left: u64) -> io::Result<[u8; 32]> {
        if left > u64::from(self.count) * self.usable as u64 {
            return Err(odd());
        }
        let (mut hasher, mut bytes) = (blake3::Hasher::new(), Vec::new());
        while left > 0 {
            self.read(page, &mut bytes)?;
            hasher.update(&bytes);
            page = long(&bytes, 0)?;
            left = left.saturating_sub(self.usable as u64 - 4);
        }
        Ok(*hasher.finalize().as_bytes())
    }
}

impl Walk<'_> {
    /// Walks what is below a page; no rowid there is above `ceiling`.
    fn page(&mut self, page: u32, ceiling: Option<i64>, depth: usize) -> io::Result<ControlFlow<()>> {
        if depth > DEEPEST {
            return Err(odd());
        }
        let mut bytes = self.spare.pop().unwrap_or_default();
        self.pages.read(page, &mut bytes)?;
        let flow = match bytes[0] {
            LEAF => self.leaf(&bytes, ceiling),
            INTERIOR => self.interior(&bytes, ceiling, depth),
            _ => Err(odd()),
        }?;
        self.spare.push(bytes);
        Ok(flow)
    }

    /// Takes the pieces of a leaf. Its rowids ascend, above what came before.
    fn leaf(&mut self, bytes: &[u8], ceiling: Option<i64>) -> io::Result<ControlFlow<()>> {
        let mut piece: Option<Piece> = None;
        for cell in 0..short(bytes, 3)? {
            let rowid = self.cell(bytes, short(bytes, 8 + 2 * cell)?)?;
            let so_far = piece.get_or_insert(Piece { first: rowid, last: rowid, rows: 0, digest: RowDigest([0; 16]) });
            (so_far.last, so_far.rows) = (rowid, so_far.rows + 1);
            if rowid & LAST == LAST || self.digesting.begun() >= LONG {
                self.end(piece.take());
            }
        }
        self.end(piece);
        if ceiling.is_some_and(|ceiling| self.floor.is_some_and(|last| last > ceiling)) {
            return Err(odd());
        }
        if self.waiting.len() < TOGETHER { Ok(ControlFlow::Continue(())) } else { self.give() }
    }

    /// Adds the bytes of the row that begins at `start` to those that are digested; its rowid.
    fn cell(&mut self, bytes: &[u8], start: usize) -> io::Result<i64> {
        let (length, at) = varint(bytes, start)?;
        let (rowid, at) = varint(bytes, at)?;
        let rowid = rowid.cast_signed();
        if self.floor.is_some_and(|floor| rowid <= floor) {
            return Err(odd());
        }
        self.floor = Some(rowid);
        let local = self.pages.local(length).ok_or_else(odd)?;
        let goes_on = length > local as u64;
        let end = at + local + if goes_on { 4 } else { 0 };
        self.digesting.push(bytes.get(start..end).filter(|_| end <= self.pages.usable).ok_or_else(odd)?);
        if goes_on {
            let rest = self.pages.overflow(long(bytes, at + local)?, length - local as u64)?;
            self.digesting.push(&rest);
        }
        Ok(rowid)
    }

    /// Ends a piece; none where the leaf has no more rows.
    fn end(&mut self, piece: Option<Piece>) {
        if let Some(piece) = piece {
            self.digesting.end();
            self.waiting.push(piece);
        }
    }

    /// Gives the pieces that wait for their digests.
    fn give(&mut self) -> io::Result<ControlFlow<()>> {
        for (piece, digest) in self.waiting.drain(..).zip(self.digesting.digests()) {
            if (self.each)(Piece { digest, ..piece })?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn interior(&mut self, bytes: &[u8], ceiling: Option<i64>, depth: usize) -> io::Result<ControlFlow<()>> {
        for cell in 0..short(bytes, 3)? {
            let at = short(bytes, 12 + 2 * cell)?;
            let child = long(bytes, at)?;
            let separator = varint(bytes, at + 4)?.0.cast_signed();
            if ceiling.is_some_and(|ceiling| separator > ceiling) || self.floor.is_some_and(|floor| separator < floor) {
                return Err(odd());
            }
            if self.page(child, Some(separator), depth + 1)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            self.floor = Some(separator);
        }
        self.page(long(bytes, 8)?, ceiling, depth + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    fn pieces(path: &std::path::Path, root: u32) -> io::Result<Vec<Piece>> {
        let pages = Pages::of(Arc::new(File::open(path)?)).ok_or_else(odd)?;
        let mut found = Vec::new();
        pages.leaves(root, &mut |piece| {
            found.push(piece);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// A table of rows short and long, on pages of this size, with a change applied to it; its root page.
    fn made(path: &std::path::Path, size: u32, change: &str) -> u32 {
        let _ = std::fs::remove_file(path);
        let db = Connection::open(path).unwrap();
        db.execute_batch(&format!(
            "PRAGMA page_size = {size}; CREATE TABLE other(a); INSERT INTO other VALUES (1);
             CREATE TABLE t(id INTEGER PRIMARY KEY, a, b);
             WITH RECURSIVE n(i) AS (SELECT -700 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)
                 INSERT INTO t SELECT i * i * i, 'row ' || i, CASE WHEN i % 97 = 5 THEN replace(hex(zeroblob(i + 800)), '00', i) END FROM n;
             INSERT INTO t VALUES (-9223372036854775807 - 1, 'least', NULL), (9223372036854775807, 'greatest', zeroblob(200000));
             {change}"
        ))
        .unwrap();
        db.query_row("SELECT rootpage FROM sqlite_schema WHERE name = 't'", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn pieces_have_all_rows_in_order_whatever_the_page_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        for size in [512, 1024, 4096, 65_536] {
            let root = made(&path, size, "");
            let (found, db) = (pieces(&path, root).unwrap(), Connection::open(&path).unwrap());
            let between = "SELECT count(*), min(id), max(id) FROM t WHERE id BETWEEN ? AND ?";
            for piece in &found {
                let said = db.query_row(between, [piece.first, piece.last], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
                assert_eq!(said, (piece.rows, piece.first, piece.last), "{size}");
            }
            assert!(found.is_sorted_by(|before, piece| before.last < piece.first));
            let rows: u64 = db.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
            assert_eq!(found.iter().map(|piece| piece.rows).sum::<u64>(), rows, "{size}");
        }
    }

    #[test]
    fn whatever_byte_of_a_row_changes_its_piece_has_another_digest_and_no_other_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let root = made(&path, 1024, "");
        let before = pieces(&path, root).unwrap();
        // Of a short row, of the beginning of a long one, and of the last page that the longest goes on in.
        let last = "UPDATE t SET b = CAST(substr(b, 1, 199999) || 'x' AS BLOB) WHERE a = 'greatest'";
        for (change, id) in [
            ("UPDATE t SET a = 'Row 7' WHERE id = 343", 343),
            ("UPDATE t SET b = 'x' || substr(b, 2) WHERE id = 102 * 102 * 102", 102 * 102 * 102),
            ("UPDATE t SET b = substr(b, 1, length(b) - 1) || 'x' WHERE id = 8929 * 8929 * 8929", 8929 * 8929 * 8929),
            (last, i64::MAX),
        ] {
            assert_eq!(made(&path, 1024, change), root);
            let after = pieces(&path, root).unwrap();
            let differ: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
            assert_eq!((before.len(), differ.len()), (after.len(), 1), "{change}");
            assert!(differ[0].1.first <= id && id <= differ[0].1.last, "{change}");
        }
    }

    #[test]
    fn a_row_that_comes_or_goes_moves_no_other_piece() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let dense = "DELETE FROM t; INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT i, 'a', 'b' FROM n;";
        let root = made(&path, 4096, dense);
        let before: std::collections::HashSet<RowDigest> = pieces(&path, root).unwrap().into_iter().map(|piece| piece.digest).collect();
        for change in
            ["DELETE FROM t WHERE id = 1003", "DELETE FROM t WHERE id = 1003; VACUUM", "UPDATE t SET a = 'much longer' WHERE id = 1003"]
        {
            made(&path, 4096, &format!("{dense} {change}"));
            let db = Connection::open(&path).unwrap();
            let root = db.query_row("SELECT rootpage FROM sqlite_schema WHERE name = 't'", [], |row| row.get(0)).unwrap();
            let after = pieces(&path, root).unwrap();
            let new: Vec<_> = after.iter().filter(|piece| !before.contains(&piece.digest)).collect();
            assert!(after.len() > 600 && new.iter().any(|piece| (1000..1008).contains(&piece.first)), "{change}");
            // A few leaves may end elsewhere.
            let others = new.iter().filter(|piece| !(1000..1008).contains(&piece.first)).count();
            assert!(if change.ends_with("VACUUM") { others < 120 } else { others < 16 }, "{change}: {others}");
        }
    }

    #[test]
    fn a_page_that_is_not_what_it_should_be_ends_the_walk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let root = made(&path, 1024, "");
        let whole = std::fs::read(&path).unwrap();
        let at = (root as usize - 1) * 1024;
        let cell = at + usize::from(u16::from_be_bytes([whole[at + 12], whole[at + 13]]));
        let child = u32::from_be_bytes(whole[cell..cell + 4].try_into().unwrap()) as usize;
        let below = (child - 1) * 1024;
        let numbers = (u32::try_from(whole.len() / 1024).unwrap() + 1).to_be_bytes();
        let mut separators_changed = whole.clone();
        separators_changed[cell + 4..cell + 13].copy_from_slice(&[0xFF; 9]);
        let changed = |at: usize, bytes: &[u8]| {
            let mut changed = whole.clone();
            changed[at..at + bytes.len()].copy_from_slice(bytes);
            changed
        };
        let odd = [
            ("kind of the root", changed(at, &[0x0A])),
            ("number of cells", changed(at + 3, &[0xFF, 0xFF])),
            ("a child behind the end", changed(cell, &numbers)),
            ("the first page as a child", changed(cell, &[0, 0, 0, 1])),
            ("a child that is its own parent", changed(cell, &root.to_be_bytes())),
            ("a separator", separators_changed),
            ("place of a cell", changed(below + if whole[below] == LEAF { 8 } else { 12 }, &[0x04, 0x00])),
            ("cut off", whole[..whole.len() - 1024 * 40].to_vec()),
        ];
        assert!(pieces(&path, root).is_ok() && pieces(&path, 1).is_err());
        for (what, bytes) in odd {
            std::fs::write(&path, bytes).unwrap();
            assert!(pieces(&path, root).is_err(), "{what}");
        }
    }
}
