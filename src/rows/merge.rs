//! Several runs read as one: for each key the newest run that speaks of it decides.

use super::run::{Run, RunWriter, Store};
use super::{Change, Key, Row, RunKind};

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
            writer.push(change)?;
        }
    }
    writer.finish()
}
