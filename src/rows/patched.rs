//! The digest cache and what changed upon it, as one sequence of entries in key order.
//!
//! Most of a table is as it was: in place of the whole cache, what changed is written, in blocks of the same form. A row that is gone has the
//! digest [`GONE`] there. (Should a row ever have that digest, it is missing here, and the sequence has not the digest of the relation.)

use super::Damage;
use super::cache::{Entries, Stretch, Stretches};
use super::changes::Known;
use super::row::RowDigest;

/// What stands for the digest of a row that is gone.
pub const GONE: RowDigest = RowDigest([0; 16]);

/// What a cache has, but for what changed upon it.
pub struct Patched<B, C> {
    cache: Entries<B>,
    changes: Entries<C>,
    /// So many entries of the cache come before the next change, as far as they are read; where there is none, the change comes.
    ahead: usize,
    begun: bool,
}

impl<B, C, E> Patched<B, C>
where
    B: Iterator<Item = Result<Vec<u8>, E>>,
    C: Iterator<Item = Result<Vec<u8>, E>>,
    E: From<Damage>,
{
    /// Both in key order; `changes` has each key once, and may have some that `cache` does not have.
    #[must_use]
    pub fn new(cache: Entries<B>, changes: Entries<C>) -> Self {
        Self { cache, changes, ahead: 0, begun: false }
    }

    /// Finds what comes next.
    fn settle(&mut self) -> Result<(), E> {
        loop {
            let stretch = self.cache.stretch();
            let Some((key, digest)) = self.changes.head() else {
                self.ahead = stretch.len();
                return Ok(());
            };
            self.ahead = stretch.below(key);
            if self.ahead > 0 {
                return Ok(());
            }
            let is_superseded = stretch.get(0).is_some_and(|(known, _)| known == key);
            let is_gone = digest == GONE;
            if is_superseded {
                self.cache.advance()?;
            }
            if !is_gone {
                return Ok(());
            }
            self.changes.advance()?;
        }
    }
}

impl<B, C, E> Known for Patched<B, C>
where
    B: Iterator<Item = Result<Vec<u8>, E>>,
    C: Iterator<Item = Result<Vec<u8>, E>>,
    E: From<Damage>,
{
    type Error = E;

    fn head(&self) -> Option<(&[u8], RowDigest)> {
        if self.ahead > 0 { self.cache.head() } else { self.changes.head() }
    }

    fn advance(&mut self) -> Result<(), E> {
        self.pass(1)
    }
}

impl<B, C, E> Stretches for Patched<B, C>
where
    B: Iterator<Item = Result<Vec<u8>, E>>,
    C: Iterator<Item = Result<Vec<u8>, E>>,
    E: From<Damage>,
{
    fn stretch(&self) -> Stretch<'_> {
        if self.ahead > 0 { self.cache.stretch().part(0, self.ahead) } else { self.changes.stretch().part(0, 1) }
    }

    fn pass(&mut self, count: usize) -> Result<(), E> {
        if !self.begun {
            self.begun = true;
            self.cache.advance()?;
            self.changes.advance()?;
        } else if self.ahead > 0 {
            let count = count.min(self.ahead);
            self.cache.pass(count)?;
            self.ahead -= count;
        } else {
            self.changes.pass(count.min(1))?;
        }
        if self.ahead == 0 { self.settle() } else { Ok(()) }
    }
}
