//! What is protected: databases and trees of files, read as relations and written back.
//!
//! A source pushes its rows in key order ([`Snapshot::scan`]); what is stored is pulled. So a comparison needs neither
//! threads nor buffers: each live row advances the stored side.

mod content;
pub mod database;
mod error;
mod facts;
pub mod files;
mod judging;
pub mod partial;
pub mod pieces;
pub mod postgres;
pub mod private;
pub mod since;
pub mod sorted;
pub mod sqlite;
pub mod url;

use std::collections::HashMap;
use std::ops::ControlFlow;

use crate::rows::{Batch, Digest, Piece, Relation, Row, RowDigest};
pub use content::{Content, Glancing, Looking, Resolve, value_of};
pub use error::Error;
pub use facts::{Definition, Identity, Reference, Rival, SchemaObject, Sequences, Unique, Unread, Violation};
pub use judging::{Deed, Judging, Origin, Written};
pub use pieces::Pieced;
pub use since::{Asking, Since, Tally};

/// The result of asking a source.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A source at one moment.
pub trait Snapshot {
    /// What it is.
    fn identity(&self) -> Identity;
    /// Its models, in name order.
    fn relations(&self) -> &[Relation];
    /// What is needed to make an empty copy.
    ///
    /// # Errors
    /// What the source, or the program that tells it (`pg_dump`), says.
    fn definition(&self) -> Result<Definition>;
    /// [`Snapshot::definition`], for whoever has another thread to ask for it on while rows are read. Where that cannot be, it is asked for here.
    fn describing(&self) -> Box<dyn FnOnce() -> Result<Definition> + Send + '_> {
        let definition = self.definition();
        Box::new(|| definition)
    }
    /// Where sequences stand that are outside the snapshot: to be asked for after the rows, so that none is behind them.
    ///
    /// # Errors
    /// What the source says.
    fn sequences(&self) -> Result<Sequences> {
        Ok(Sequences::default())
    }
    /// What the application's own statements would set off, and a restore does not: triggers and rules.
    ///
    /// # Errors
    /// What the source says.
    fn triggers(&self) -> Result<Vec<SchemaObject>> {
        Ok(Vec::new())
    }
    /// Foreign keys between the models.
    fn references(&self) -> &[Reference];
    /// Unique columns of the models, primary keys left out.
    fn uniques(&self) -> &[Unique];
    /// What fixes the moment (SQLite: change counter, schema cookie), as a JSON object.
    fn consistency(&self) -> serde_json::Value;

    /// How large `relation` is beside the others, about, in a unit that is the source's own: large ones are better begun first. 0 where nobody knows.
    fn size(&self, _relation: &Relation) -> u64 {
        0
    }

    /// Pushes the rows of `relation` in the order of their keys until `each` breaks.
    ///
    /// Rows that could not be read are left out and named in the answer: the model is then not whole.
    ///
    /// # Errors
    /// What makes the whole relation unreadable.
    fn scan(&self, relation: &Relation, content: &dyn Content, each: &mut dyn FnMut(Row) -> ControlFlow<()>) -> Result<Vec<Unread>>;

    /// Another connection that sees the same moment, so that two relations can be read at once; `None` where there is none (any more).
    fn another(&self) -> Option<Box<dyn Snapshot + Send>> {
        None
    }

    /// Pushes the rows of `relation` in the order of their keys, many at a time, until `give` breaks: what it leaves in a batch is
    /// given again with what follows. The same rows as [`Snapshot::scan`] gives, for whoever has use for all of them.
    ///
    /// # Errors
    /// What makes the whole relation unreadable.
    fn scan_batches(
        &self,
        relation: &Relation,
        content: &dyn Content,
        give: &mut dyn FnMut(&mut Batch) -> ControlFlow<()>,
    ) -> Result<Vec<Unread>> {
        scan_in_batches(self, relation, content, give)
    }

    /// Whether [`Snapshot::scan_since`] can tell what of `relation` is as it was at the moment that `since` fixed: what a backup of this
    /// source, or of several with this one among them, kept of [`Snapshot::consistency`]. True only where that is certain.
    fn tells_since(&self, _relation: &Relation, _since: &serde_json::Value) -> bool {
        false
    }

    /// As [`Snapshot::scan`]; but of rows that are as they were at that moment the key alone may be given.
    ///
    /// # Errors
    /// As [`Snapshot::scan`].
    fn scan_since(
        &self,
        relation: &Relation,
        _since: &serde_json::Value,
        content: &dyn Content,
        each: &mut dyn FnMut(Since) -> ControlFlow<()>,
    ) -> Result<Vec<Unread>> {
        self.scan(relation, content, &mut |row| each(Since::Row(row)))
    }

    /// Counts the live rows of `relation`, changed or not: those before the first of the ascending `bounds` by the first number of their key,
    /// those from each bound to before the next, and those from the last one on. `None` where keys are not made of whole numbers, or
    /// [`Snapshot::tells_since`] says no.
    ///
    /// # Errors
    /// What the source says.
    fn tally_since(&self, _relation: &Relation, _since: &serde_json::Value, _bounds: &[i64]) -> Result<Option<Vec<Tally>>> {
        Ok(None)
    }

    /// As [`Snapshot::scan_batches`], but of rows that are as they were at that moment nothing is given. For relations that were tallied.
    ///
    /// # Errors
    /// As [`Snapshot::scan_batches`].
    fn scan_written(
        &self,
        relation: &Relation,
        _since: &serde_json::Value,
        content: &dyn Content,
        give: &mut dyn FnMut(&mut Batch) -> ControlFlow<()>,
    ) -> Result<Vec<Unread>> {
        self.scan_batches(relation, content, give)
    }

    /// Who gives the keys of rows that are as they were at that moment, where a tally alone does not say which they are; `None` where there
    /// is no tally.
    fn asking_since(&self, _relation: &Relation, _since: &serde_json::Value) -> Option<Box<dyn Asking + '_>> {
        None
    }

    /// Names all that decides, beside the bytes of a piece, which rows those bytes are; `None` where the rows of `relation` cannot be
    /// told by pieces ([`Snapshot::scan_pieces`]).
    fn pieces(&self, _relation: &Relation) -> Option<Digest> {
        None
    }

    /// Asks `known` of each piece of `relation`, in key order, and pushes the rows of those that it does not know, many at a time,
    /// until `give` breaks; `None` where the pieces turn out not to be what they should.
    ///
    /// # Errors
    /// What makes the whole relation unreadable.
    fn scan_pieces(
        &self,
        _relation: &Relation,
        _content: &dyn Content,
        _known: &mut dyn FnMut(&Piece) -> bool,
        _give: &mut dyn FnMut(Pieced<'_>) -> ControlFlow<()>,
    ) -> Result<Option<()>> {
        Ok(None)
    }

    /// What of the last scan was passed over because it is no data of this source: in a tree the files of databases and vaults.
    fn left_out(&self) -> Vec<String> {
        Vec::new()
    }

    /// The entry of a tree at `path`, left out by a glob or not; none where nothing is there, and of what is no tree.
    ///
    /// # Errors
    /// What reading it met, and a path that leads out of the tree.
    fn entry(&self, _path: &[u8], _content: &dyn Content) -> Result<Option<Row>> {
        Ok(None)
    }

    /// Whether the source finds rows of `relation` in each other's way that [`Snapshot::uniques`] and the key do not: by what it alone takes
    /// for equal, by expressions, in a part of the rows.
    ///
    /// # Errors
    /// What the source says.
    fn judges(&self, _relation: &Relation) -> Result<bool> {
        Ok(false)
    }

    /// The rows that stand in the way of `rows` for such reasons; each of those itself is among them where it is there as it is.
    ///
    /// # Errors
    /// What the source says.
    fn rivals(&self, _relation: &Relation, _rows: &[Row]) -> Result<Vec<Rival>> {
        Ok(Vec::new())
    }

    /// Whether only the source can tell which values of these columns of `relation` are equal, and not their bytes.
    ///
    /// # Errors
    /// What the source says.
    fn compares(&self, _relation: &Relation, _columns: &[usize]) -> Result<bool> {
        Ok(false)
    }

    /// Gives `take` the rows that have the same in these columns as `rows`, of which nothing else is looked at. One may come twice.
    ///
    /// # Errors
    /// What the source says.
    fn holders(&self, _relation: &Relation, _columns: &[usize], _rows: &[Row], _take: &mut dyn FnMut(Rival)) -> Result<()> {
        Ok(())
    }

    /// A number for each of `rows`: the same for those that have the same in these columns.
    ///
    /// # Errors
    /// What the source says.
    fn alike(&self, _relation: &Relation, _columns: &[usize], rows: &[&Row]) -> Result<Vec<usize>> {
        Ok((0..rows.len()).collect())
    }

    /// Who says which rows that came out of `origin` could not be written into `relation`: by what a value must be, by conditions upon a row, by
    /// partitions that there are not. `None` where nothing of this changed so that it could refuse one.
    ///
    /// # Errors
    /// What the source says.
    fn judging<'s>(&'s self, _relation: &Relation, _origin: &Origin<'_>) -> Result<Option<Box<dyn Judging + 's>>> {
        Ok(None)
    }

    /// Why the source does not let this be done to any row of `relation`; `None` where it does, as far as that can be told.
    ///
    /// # Errors
    /// What the source says that is not about this.
    fn forbids(&self, _relation: &Relation, _deed: Deed) -> Result<Option<String>> {
        Ok(None)
    }

    /// Whether a row like this one would be read: false for an entry of a tree that a glob leaves out.
    fn covers(&self, _row: &Row) -> bool {
        true
    }
}

/// What [`Snapshot::scan_batches`] does by itself: each row that [`Snapshot::scan`] gives is added to a batch.
///
/// # Errors
/// As both.
pub fn scan_in_batches<S: Snapshot + ?Sized>(
    snapshot: &S,
    relation: &Relation,
    content: &dyn Content,
    give: &mut dyn FnMut(&mut Batch) -> ControlFlow<()>,
) -> Result<Vec<Unread>> {
    let (mut batch, mut unfit, mut over) = (Batch::default(), None, false);
    let unread = snapshot.scan(relation, content, &mut |row| {
        let pushed = batch.push(relation, &row).map_err(|damage| unfit = Some(damage));
        over = pushed.is_err() || (batch.is_full() && give(&mut batch).is_break());
        if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some(damage) = unfit {
        return Err(damage.into());
    }
    if !over && !batch.is_empty() {
        let _ = give(&mut batch);
    }
    Ok(unread)
}

/// Changes a database in one transaction. Dropped without [`Writer::commit`], nothing was changed.
pub trait Writer {
    /// The models as they are now, inside the transaction.
    fn relations(&self) -> &[Relation];
    /// The row as it is now, found by the key columns (else the hidden rowid) of `like`.
    ///
    /// # Errors
    /// What the database says.
    fn read(&mut self, relation: &Relation, like: &Row) -> Result<Option<Row>>;
    /// The rows as they are now, one for each of `likes`, as [`Writer::read`] gives them.
    ///
    /// # Errors
    /// What the database says.
    fn read_all(&mut self, relation: &Relation, likes: &[&Row]) -> Result<Vec<Option<Row>>> {
        likes.iter().map(|like| self.read(relation, like)).collect()
    }
    /// Adds to each digest in `found` the rows whose compared values have it.
    ///
    /// # Errors
    /// What the database says.
    fn count(&mut self, relation: &Relation, found: &mut HashMap<RowDigest, u64>) -> Result<()>;
    /// Inserts a row; its hidden rowid is used where it is free.
    ///
    /// # Errors
    /// What the database says: a constraint that refuses the row.
    fn insert(&mut self, relation: &Relation, row: &Row, content: &dyn Resolve) -> Result<()>;
    /// Writes `columns` of the row found as `like`, with the values of `row`.
    ///
    /// # Errors
    /// What the database says; also when not exactly one row was found.
    fn update(&mut self, relation: &Relation, like: &Row, row: &Row, columns: &[usize], content: &dyn Resolve) -> Result<()>;
    /// Takes the row found as `like` out until [`Writer::put_back`], so that another one can have its unique values.
    ///
    /// # Errors
    /// What the database says; also when not exactly one row was found.
    fn put_aside(&mut self, relation: &Relation, like: &Row) -> Result<()>;
    /// Puts back the row that was put aside as `like`, with the values of `row` in `columns`; the others are as they were, large ones too.
    ///
    /// # Errors
    /// What the database says: a constraint that refuses the row; also when no such row was put aside.
    fn put_back(&mut self, relation: &Relation, like: &Row, row: &Row, columns: &[usize], content: &dyn Resolve) -> Result<()>;
    /// Deletes the row found as `like`.
    ///
    /// # Errors
    /// What the database says; also when not exactly one row was found.
    fn delete(&mut self, relation: &Relation, like: &Row) -> Result<()>;
    /// Foreign keys that are violated now and were not when the transaction began; derived tables are rebuilt before.
    ///
    /// # Errors
    /// What the database says.
    fn violations(&mut self) -> Result<Vec<Violation>>;
    /// Moves the counter of `model` to `value` where it stands lower; a source or model without a counter is left as it is.
    ///
    /// # Errors
    /// What the database says.
    fn raise_sequence(&mut self, _model: &str, _value: i64) -> Result<()> {
        Ok(())
    }
    /// Makes it all last.
    ///
    /// # Errors
    /// What the database says; nothing was changed then.
    fn commit(self: Box<Self>) -> Result<()>;
}

/// Fills a new, empty copy. Dropped without [`Creator::finish`], what it made is removed.
pub trait Creator {
    /// Adds a row.
    ///
    /// # Errors
    /// What the target says.
    fn add(&mut self, relation: &Relation, row: &Row, content: &dyn Resolve) -> Result<()>;
    /// Adds the rows of a batch.
    ///
    /// # Errors
    /// As [`Creator::add`].
    fn add_all(&mut self, relation: &Relation, batch: &mut Batch, content: &dyn Resolve) -> Result<()> {
        batch.rows().try_for_each(|row| self.add(relation, &row.to_row(), content))
    }
    /// Rows of `relation` that were added and that the target would not take: [`Creator::finish`] names them.
    fn refused(&self, _relation: &Relation) -> u64 {
        0
    }
    /// A further connection, which takes rows of other relations at the same time; `None` where there is none (any more). It is
    /// finished, or dropped, before this one.
    fn another(&mut self) -> Option<Box<dyn Creator + Send>> {
        None
    }
    /// How the place is filled, where there are several ways: the one that was taken, and why not the faster one. In words.
    fn way(&self) -> Option<String> {
        None
    }
    /// Makes indexes, views and triggers, sets counters and pragmas, flushes; answers what could not be made, by name.
    ///
    /// # Errors
    /// What the target says.
    fn finish(self: Box<Self>) -> Result<Vec<String>>;
}
