//! Rows by the leaves that they lie in: those in leaves that are as they were are not read. Only of a table whose rowid is the key,
//! in a private copy; every other is read whole.

use std::cell::RefCell;
use std::io;
use std::ops::ControlFlow;

use super::leaves::Pages;
use super::pass::{Pass, Stopped};
use super::plan;
use super::reader::SqliteSnapshot;
use crate::rows::{Batch, Digest, Piece, Relation};
use crate::sources::{Content, Pieced, Result};
use rusqlite::Statement;

/// Where the leaves of a table are, and what decides, beside their bytes, which rows they hold.
pub(super) struct Layout {
    pages: Pages,
    root: u32,
    pub(super) digest: Digest,
}

impl SqliteSnapshot {
    /// The layout of a table that can be told by its leaves: its statement tells what stands for a column that a row is too old to
    /// have, and what is computed; another SQLite may see something else.
    pub(super) fn layout(&self, relation: &Relation) -> Option<Layout> {
        let table = self.table(&relation.name).ok()?;
        if !table.rowid_is_key || table.is_virtual || table.without_rowid {
            return None;
        }
        let pages = Pages::of(self.pages.as_ref()?.file()?)?;
        let of = "SELECT rootpage, sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?";
        let (root, sql): (u32, String) = self.connection.query_row(of, [&relation.name], |row| Ok((row.get(0)?, row.get(1)?))).ok()?;
        // What a piece is, too: where it ends, and what of it is digested.
        let decides = serde_json::json!(["eight rows", sql, format!("{:?}", self.schema.encoding), pages.form(), rusqlite::version()]);
        Some(Layout { pages, root, digest: Digest::of(decides.to_string().as_bytes()) })
    }

    /// What [`crate::sources::Snapshot::scan_pieces`] gives.
    pub(super) fn pieced(
        &self,
        relation: &Relation,
        content: &dyn Content,
        known: &mut dyn FnMut(&Piece) -> bool,
        give: &mut dyn FnMut(Pieced<'_>) -> ControlFlow<()>,
    ) -> Result<Option<()>> {
        let (table, layout) = (self.table(&relation.name)?, self.layout(relation));
        let (Some(layout), Some(sql)) = (layout, plan::between(table, self.schema.encoding, None)) else { return Ok(None) };
        let stopped = |error| self.stopped(&relation.name, &error);
        let give = RefCell::new(give);
        let mut give_rows = |batch: &mut Batch| (give.borrow_mut())(Pieced::Rows(batch));
        let mut pass = Pass::new(table, content, false, &mut give_rows);
        let read = self.connection.prepare(&sql).map_err(stopped).and_then(|mut statement| {
            // The last rowid that was told, and the rows behind it that are to be read.
            let (mut after, mut waiting, mut met) = (None::<i64>, 0, None);
            let walked = layout.pages.leaves(layout.root, &mut |piece| {
                if !known(&piece) {
                    waiting += piece.rows;
                    return Ok(ControlFlow::Continue(()));
                }
                let before = piece.first.saturating_sub(1);
                let read = self.stretch(&mut statement, (after, before), std::mem::take(&mut waiting), &mut pass);
                if read.is_err() || pass.broken_off {
                    met = read.err();
                    return Ok(ControlFlow::Break(()));
                }
                after = Some(piece.last);
                let flow = (give.borrow_mut())(Pieced::Same(piece, pass.batch.len()));
                pass.broken_off = flow.is_break();
                Ok(flow)
            });
            match (met, walked) {
                (Some(met), _) => Err(met),
                (None, Err(error)) => Err(Stopped::Damage(error.to_string())),
                (None, Ok(())) if pass.broken_off => Ok(()),
                (None, Ok(())) => self.stretch(&mut statement, (after, i64::MAX), waiting, &mut pass),
            }
        });
        match read {
            Ok(()) if pass.broken_off => Ok(Some(())),
            Ok(()) if pass.unread.is_empty() => {
                if !pass.batch.is_empty() {
                    let _ = (give.borrow_mut())(Pieced::Rows(&mut pass.batch));
                }
                Ok(Some(()))
            }
            Ok(()) | Err(Stopped::Damage(_)) => Ok(None),
            Err(stopped) => Err(stopped.failed(&relation.name)),
        }
    }

    /// Reads what lies behind `after` up to `last`: as many rows as the leaves there have, else something is damaged.
    fn stretch<'p>(
        &'p self,
        statement: &mut Statement<'p>,
        (after, last): (Option<i64>, i64),
        rows: u64,
        pass: &mut Pass<'p>,
    ) -> Result<(), Stopped> {
        if rows == 0 {
            return Ok(());
        }
        let (first, before) = (after.map_or(i64::MIN, |after| after.saturating_add(1)), pass.seen);
        match self.rows(statement, [first, last], pass) {
            Err(Stopped::TooLong) => {
                self.met_long(pass, true)?;
                let sql = plan::between(pass.table, self.schema.encoding, pass.apart()).unwrap_or_default();
                *statement = self.connection.prepare(&sql).map_err(|error| self.stopped(&pass.table.relation.name, &error))?;
                let behind = pass.behind().map_or(i64::MIN, |last| last.saturating_add(1));
                self.rows(statement, [first.max(behind), last], pass)?;
            }
            read => read?,
        }
        if !pass.broken_off && pass.seen - before != rows {
            return Err(Stopped::Damage(io::Error::from(io::ErrorKind::InvalidData).to_string()));
        }
        Ok(())
    }
}
