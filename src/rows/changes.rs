//! What changed since the last backup: its keys and row digests are pulled, the live rows pushed, both in key order.
//!
//! Whole digests are compared, hidden columns included. Among identical rows without a key the k-th is paired with the
//! k-th, by ordinal: one whose hidden rowid differs is an upsert, and what is left over on one side is new or gone.

use super::{Change, Damage, Key, Row, RowDigest};

/// Compares live rows with what a backup holds.
pub struct Changes<P: Iterator> {
    previous: P,
    head: Option<(Key, RowDigest)>,
    begun: bool,
    last: Option<Key>,
    unchanged: u64,
    upserts: u64,
    deletes: u64,
}

impl<P, E> Changes<P>
where
    P: Iterator<Item = Result<(Key, RowDigest), E>>,
    E: From<Damage>,
{
    /// Compares with `previous`, in key order.
    #[must_use]
    pub fn new(previous: P) -> Self {
        Self { previous, head: None, begun: false, last: None, unchanged: 0, upserts: 0, deletes: 0 }
    }

    /// Takes the next live row, whose digest is `digest` ([`Row::digest`]), and emits what is known by now.
    ///
    /// # Errors
    /// What reading the previous side or emitting met, and live rows that are not in key order.
    pub fn live<W>(&mut self, row: Row, digest: RowDigest, emit: &mut impl FnMut(Change) -> Result<(), W>) -> Result<(), E>
    where
        E: From<W>,
    {
        if self.last.as_ref().is_some_and(|last| *last >= row.key) {
            return Err(Damage::Order { relation: "the source".into() }.into());
        }
        row.key.remember_in(&mut self.last);
        self.delete_until(Some(&row.key), emit)?;
        let known = match &self.head {
            Some((key, known)) if *key == row.key => Some(*known),
            _ => None,
        };
        if known.is_some() {
            self.pull()?;
        }
        if known == Some(digest) {
            self.unchanged += 1;
            return Ok(());
        }
        self.upserts += 1;
        Ok(emit(Change::Upsert(row))?)
    }

    /// Takes the next live row where it is known to be as the backup has it, and gives its digest; `None` where the backup has none with
    /// this key, or keys are not in order: what is known is wrong then.
    ///
    /// # Errors
    /// What reading the previous side or emitting met.
    pub fn same<W>(&mut self, key: &Key, emit: &mut impl FnMut(Change) -> Result<(), W>) -> Result<Option<RowDigest>, E>
    where
        E: From<W>,
    {
        if self.last.as_ref().is_some_and(|last| *last >= *key) {
            return Ok(None);
        }
        key.remember_in(&mut self.last);
        self.delete_until(Some(key), emit)?;
        let Some((_, digest)) = self.head.take_if(|(known, _)| known == key) else { return Ok(None) };
        self.pull()?;
        self.unchanged += 1;
        Ok(Some(digest))
    }

    /// Emits deletes for what is left: no live row follows.
    ///
    /// # Errors
    /// What reading the previous side or emitting met.
    pub fn finish<W>(&mut self, emit: &mut impl FnMut(Change) -> Result<(), W>) -> Result<(), E>
    where
        E: From<W>,
    {
        self.delete_until(None, emit)
    }

    /// Live rows that are as the backup has them.
    #[must_use]
    pub fn unchanged(&self) -> u64 {
        self.unchanged
    }

    /// Live rows that are new or differ.
    #[must_use]
    pub fn upserts(&self) -> u64 {
        self.upserts
    }

    /// Rows of the backup that are gone.
    #[must_use]
    pub fn deletes(&self) -> u64 {
        self.deletes
    }

    fn delete_until<W>(&mut self, end: Option<&Key>, emit: &mut impl FnMut(Change) -> Result<(), W>) -> Result<(), E>
    where
        E: From<W>,
    {
        if !self.begun {
            self.begun = true;
            self.pull()?;
        }
        while let Some((key, _)) = self.head.take_if(|(key, _)| end.is_none_or(|end| *key < *end)) {
            self.deletes += 1;
            emit(Change::Delete(key))?;
            self.pull()?;
        }
        Ok(())
    }

    fn pull(&mut self) -> Result<(), E> {
        self.head = self.previous.next().transpose()?;
        Ok(())
    }
}
