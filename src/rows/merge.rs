//! Several runs read as one: for each key the newest run that speaks of it decides.

use super::changes::Known;
use super::run::{Fetch, Run, RunReader, RunWriter, Store};
use super::{Batch, Change, ChangeRef, Key, Relation, Row, RowDigest, RowRef, RunKind};

/// Merges changes that each come in key order; the newest wins, deletes are kept. It ends with the first error.
pub struct Merged<I, E> {
    sources: Vec<I>,
    heads: Vec<Option<Change>>,
    begun: bool,
    over: bool,
    /// Met while looking ahead: what stands before it is given first.
    error: Option<E>,
}

impl<I, E> Merged<I, E>
where
    I: Iterator<Item = Result<Change, E>>,
{
    /// Merges `newest_first`. A chain of runs is short (at most nine), so its heads are compared one by one.
    #[must_use]
    pub fn new(newest_first: Vec<I>) -> Self {
        let heads = newest_first.iter().map(|_| None).collect();
        Self { sources: newest_first, heads, begun: false, over: false, error: None }
    }

    /// Takes the head of a source; the next change becomes its head.
    fn advance(&mut self, source: usize) -> Option<Change> {
        let next = self.sources[source].next().transpose().unwrap_or_else(|error| {
            self.error.get_or_insert(error);
            None
        });
        std::mem::replace(&mut self.heads[source], next)
    }

    /// The change of the newest source that has the smallest key; all others that have the key go on.
    fn pull(&mut self) -> Result<Option<Change>, E> {
        if !self.begun {
            self.begun = true;
            (0..self.sources.len()).for_each(|source| drop(self.advance(source)));
        }
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let Some(newest) = self.smallest() else {
            return Ok(None);
        };
        let change = self.advance(newest);
        if let Some(key) = change.as_ref().map(Change::key) {
            for older in newest + 1..self.sources.len() {
                if key_at(&self.heads, older) == Some(key) {
                    self.advance(older);
                }
            }
        }
        Ok(change)
    }

    fn smallest(&self) -> Option<usize> {
        let mut smallest: Option<(usize, &Key)> = None;
        for source in 0..self.heads.len() {
            if let Some(key) = key_at(&self.heads, source)
                && smallest.is_none_or(|(_, least)| key < least)
            {
                smallest = Some((source, key));
            }
        }
        smallest.map(|(source, _)| source)
    }
}

fn key_at(heads: &[Option<Change>], source: usize) -> Option<&Key> {
    heads[source].as_ref().map(Change::key)
}

impl<I, E> Iterator for Merged<I, E>
where
    I: Iterator<Item = Result<Change, E>>,
{
    type Item = Result<Change, E>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.pull().transpose();
        self.over = !matches!(next, Some(Ok(_)));
        next
    }
}

/// The rows that runs make together, in key order: merged, without what was deleted. It ends with the first error.
pub fn rows<I, E>(newest_first: Vec<I>) -> impl Iterator<Item = Result<Row, E>>
where
    I: Iterator<Item = Result<Change, E>>,
{
    Merged::new(newest_first).filter_map(|change| match change {
        Ok(Change::Upsert(row)) => Some(Ok(row)),
        Ok(Change::Delete(_)) => None,
        Err(error) => Some(Err(error)),
    })
}

/// Writes merged changes as one run. Into a base run go rows only: nothing stands before it that a delete could speak of.
///
/// # Errors
/// What reading or storing met.
pub fn fold<I, S, E>(newest_first: Vec<I>, mut writer: RunWriter<'_, S>) -> Result<Run, E>
where
    I: Iterator<Item = Result<Change, E>>,
    S: Store<Error = E> + ?Sized,
{
    for change in Merged::new(newest_first) {
        let change = change?;
        if matches!(change, Change::Upsert(_)) || writer.kind() == RunKind::Change {
            writer.push(&change)?;
        }
    }
    writer.finish()
}

/// The rows that runs make together, in key order, each where it lies: as [`rows`], without a row of its own for each.
pub struct Rows<'a, F: Fetch + ?Sized> {
    newest_first: Vec<RunReader<'a, F>>,
    /// The run that has the row it stands at.
    at: Option<usize>,
    begun: bool,
}

impl<'a, F: Fetch + ?Sized> Rows<'a, F> {
    /// The rows of `relation` that `runs` (base first) make; nothing is fetched yet.
    #[must_use]
    pub fn new(fetch: &'a F, relation: &'a Relation, runs: &'a [Run]) -> Self {
        Self { newest_first: runs.iter().rev().map(|run| RunReader::new(fetch, relation, run)).collect(), at: None, begun: false }
    }

    /// The row it stands at; `None` before the first and behind the last.
    #[must_use]
    pub fn row(&self) -> Option<RowRef<'_>> {
        match self.newest_first[self.at?].head()? {
            ChangeRef::Upsert(row) => Some(row),
            ChangeRef::Delete(_) => None,
        }
    }

    /// Goes on to the next row, or the first. After an error there is nothing that could be relied on.
    ///
    /// # Errors
    /// What fetching met, damage included.
    pub fn advance(&mut self) -> Result<(), F::Error> {
        if !self.begun {
            self.begun = true;
            self.newest_first.iter_mut().try_for_each(RunReader::advance)?;
            self.at = self.smallest();
            if self.row().is_some() || self.at.is_none() {
                return Ok(());
            }
        }
        while let Some(at) = self.at {
            self.pass(at)?;
            self.at = self.smallest();
            if self.row().is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Puts the next rows into the empty `batch`, which stays empty behind the last one. Rows of a run that stands alone are not moved.
    ///
    /// # Errors
    /// As [`Rows::advance`].
    pub fn fill(&mut self, batch: &mut Batch) -> Result<(), F::Error> {
        if let [only] = self.newest_first.as_mut_slice() {
            return only.fill(batch);
        }
        while !batch.is_full() {
            self.advance()?;
            let Some(at) = self.at else { break };
            let (before, rest) = self.newest_first.split_at_mut(at);
            let Some((run, behind)) = rest.split_first_mut() else { break };
            // Up to the next key that another run speaks of, nothing need be compared.
            let others = before.iter().chain(behind.iter());
            run.copy_rows(others.filter_map(|run| run.head().map(|change| change.key())).min(), batch)?;
        }
        Ok(())
    }

    /// Goes on in the run `newest`, and in all older ones that speak of the same key.
    fn pass(&mut self, newest: usize) -> Result<(), F::Error> {
        let (front, older) = self.newest_first.split_at_mut(newest + 1);
        let Some(newest) = front.last_mut() else { return Ok(()) };
        for older in older {
            if older.head().zip(newest.head()).is_some_and(|(older, newest)| older.key() == newest.key()) {
                older.advance()?;
            }
        }
        newest.advance()
    }

    fn smallest(&self) -> Option<usize> {
        let mut smallest: Option<(usize, &[u8])> = None;
        for (place, run) in self.newest_first.iter().enumerate() {
            if let Some(key) = run.head().map(|change| change.key())
                && smallest.is_none_or(|(_, least)| key < least)
            {
                smallest = Some((place, key));
            }
        }
        smallest.map(|(place, _)| place)
    }
}

impl<F: Fetch + ?Sized> Known for Rows<'_, F> {
    type Error = F::Error;

    fn head(&self) -> Option<(&[u8], RowDigest)> {
        self.row().map(|row| (row.key, row.digest))
    }

    fn advance(&mut self) -> Result<(), F::Error> {
        Rows::advance(self)
    }
}
