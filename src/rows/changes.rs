//! What changed since the last backup: its keys and row digests are pulled, the live rows pushed, both in key order.
//!
//! Whole digests are compared, hidden columns included. Among identical rows without a key the k-th is paired with the
//! k-th, by ordinal: one whose hidden rowid differs is an upsert, and what is left over on one side is new or gone.

use super::{ChangeRef, Damage, Key, RowDigest, RowRef};

/// Keys and row digests in key order, one at a time.
pub trait Known {
    /// What reading them met.
    type Error: From<Damage>;
    /// The one it stands at; `None` before the first and behind the last.
    fn head(&self) -> Option<(&[u8], RowDigest)>;
    /// Goes on to the next, or the first.
    ///
    /// # Errors
    /// What reading it met.
    fn advance(&mut self) -> Result<(), Self::Error>;
}

/// What an iterator gives, as [`Known`].
pub struct Pulled<I> {
    iterator: I,
    head: Option<(Key, RowDigest)>,
}

impl<I> Pulled<I> {
    /// Keys and digests of `iterator`, in key order.
    pub fn new(iterator: I) -> Self {
        Self { iterator, head: None }
    }
}

impl<I, E> Known for Pulled<I>
where
    I: Iterator<Item = Result<(Key, RowDigest), E>>,
    E: From<Damage>,
{
    type Error = E;

    fn head(&self) -> Option<(&[u8], RowDigest)> {
        self.head.as_ref().map(|(key, digest)| (key.as_bytes(), *digest))
    }

    fn advance(&mut self) -> Result<(), E> {
        self.head = self.iterator.next().transpose()?;
        Ok(())
    }
}

/// Compares live rows with what a backup holds.
pub struct Changes<P> {
    previous: P,
    begun: bool,
    /// The key of the last live row.
    last: Vec<u8>,
    unchanged: u64,
    upserts: u64,
    deletes: u64,
}

impl<P: Known> Changes<P> {
    /// Compares with `previous`, in key order.
    #[must_use]
    pub fn new(previous: P) -> Self {
        Self { previous, begun: false, last: Vec::new(), unchanged: 0, upserts: 0, deletes: 0 }
    }

    /// Takes the next live row and emits what is known by now.
    ///
    /// # Errors
    /// What reading the previous side or emitting met, and live rows that are not in key order.
    pub fn live<W>(&mut self, row: RowRef<'_>, emit: &mut impl FnMut(ChangeRef<'_>) -> Result<(), W>) -> Result<(), P::Error>
    where
        P::Error: From<W>,
    {
        // No key is empty.
        if *self.last >= *row.key {
            return Err(Damage::Order { relation: "the source".into() }.into());
        }
        self.last.clear();
        self.last.extend_from_slice(row.key);
        self.delete_until(Some(row.key), emit)?;
        let known = self.previous.head().filter(|(key, _)| *key == row.key).map(|(_, digest)| digest);
        if known.is_some() {
            self.previous.advance()?;
        }
        if known == Some(row.digest) {
            self.unchanged += 1;
            return Ok(());
        }
        self.upserts += 1;
        Ok(emit(ChangeRef::Upsert(row))?)
    }

    /// Takes the next live row where it is known to be as the backup has it, and gives its digest; `None` where the backup has none with
    /// this key, or keys are not in order: what is known is wrong then.
    ///
    /// # Errors
    /// What reading the previous side or emitting met.
    pub fn same<W>(&mut self, key: &[u8], emit: &mut impl FnMut(ChangeRef<'_>) -> Result<(), W>) -> Result<Option<RowDigest>, P::Error>
    where
        P::Error: From<W>,
    {
        if *self.last >= *key {
            return Ok(None);
        }
        self.last.clear();
        self.last.extend_from_slice(key);
        self.delete_until(Some(key), emit)?;
        let Some((_, digest)) = self.previous.head().filter(|(known, _)| *known == key) else { return Ok(None) };
        self.previous.advance()?;
        self.unchanged += 1;
        Ok(Some(digest))
    }

    /// Takes the next `rows` live rows where they are known to be as the backup has them, the first and the last with these keys, and
    /// gives each; false where the backup has other ones there, or keys are not in order: what is known is wrong then.
    ///
    /// # Errors
    /// What reading the previous side or emitting met.
    pub fn same_run<W>(
        &mut self,
        (first, last, rows): (&[u8], &[u8], u64),
        each: &mut dyn FnMut(&[u8], RowDigest),
        emit: &mut impl FnMut(ChangeRef<'_>) -> Result<(), W>,
    ) -> Result<bool, P::Error>
    where
        P::Error: From<W>,
    {
        if *self.last >= *first {
            return Ok(false);
        }
        self.delete_until(Some(first), emit)?;
        for place in 0..rows {
            let Some((key, digest)) = self.previous.head() else { return Ok(false) };
            if (place == 0 && key != first) || (place + 1 == rows && key != last) {
                return Ok(false);
            }
            each(key, digest);
            self.previous.advance()?;
        }
        self.last.clear();
        self.last.extend_from_slice(last);
        self.unchanged += rows;
        Ok(true)
    }

    /// Emits deletes for what is left: no live row follows.
    ///
    /// # Errors
    /// What reading the previous side or emitting met.
    pub fn finish<W>(&mut self, emit: &mut impl FnMut(ChangeRef<'_>) -> Result<(), W>) -> Result<(), P::Error>
    where
        P::Error: From<W>,
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

    fn delete_until<W>(&mut self, end: Option<&[u8]>, emit: &mut impl FnMut(ChangeRef<'_>) -> Result<(), W>) -> Result<(), P::Error>
    where
        P::Error: From<W>,
    {
        if !self.begun {
            self.begun = true;
            self.previous.advance()?;
        }
        while let Some((key, _)) = self.previous.head().filter(|(key, _)| end.is_none_or(|end| *key < end)) {
            self.deletes += 1;
            emit(ChangeRef::Delete(key))?;
            self.previous.advance()?;
        }
        Ok(())
    }
}
