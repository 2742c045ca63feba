//! Changes upon a digest cache: where the source tells what changed, the cache itself stays, and what differs from it is written beside it.
//!
//! That is all that differs since the cache was written, not only since the last backup: there is one cache and one file of changes. Once
//! those are many, the cache is written anew.

use std::io;

use serde::{Deserialize, Serialize};

use super::{Cached, Digests, Fresh, Growing, Opened};
use crate::engine::backup::tallied::Told;
use crate::rows::cache::Entries;
use crate::rows::changes::Known;
use crate::rows::patched::GONE;
use crate::rows::{Digest, Key, Relation, RowDigest};
use crate::vault::BackupId;

/// One change for so many rows of a cache, and it is written anew.
const ANEW: u64 = 8;

/// What changes say of the cache that they are upon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Upon {
    /// Its id.
    pub(super) id: String,
    /// How many they are.
    entries: u64,
}

/// The cache of a backup that is being made: anew, or as changes upon the one that is there.
pub(in crate::engine::backup) enum Keeping<'v> {
    /// Anew.
    Anew(Growing<'v>),
    /// As changes.
    Changes(Changes<'v>),
}

/// Changes being written: those that were there, and new ones.
pub(in crate::engine::backup) struct Changes<'v> {
    growing: Growing<'v>,
    before: Entries<Opened<'v>>,
    upon: Upon,
}

impl<'v> Digests<'v> {
    /// Begins the cache of `relation` for the backup that is being made, of which is told what differs from `cached`. `None` where it cannot be
    /// written: a backup does without it.
    pub(in crate::engine::backup) fn begin_upon(&self, cached: &Cached<'_>, relation: &Relation, backup: &BackupId) -> Option<Keeping<'v>> {
        let growing = self.begin(relation, backup)?;
        let head = &cached.cache.head;
        let changed = cached.changes.as_ref().and_then(|changes| changes.head.upon.as_ref()).map_or(0, |upon| upon.entries);
        if head.blocks < 2 || changed >= head.rows / ANEW {
            return Some(Keeping::Anew(growing));
        }
        let before = match &cached.changes {
            // Files that are read from two places need two places.
            Some(_) => self.part(relation, &self.path_of_changes(relation))?.blocks(self.vault),
            None => Box::new(std::iter::empty()),
        };
        let growing = Growing { to: self.path_of_changes(relation), stale: None, ..growing };
        let mut before = Entries::new(before);
        before.advance().ok()?;
        Some(Keeping::Changes(Changes { growing, before, upon: Upon { id: head.id.clone(), entries: 0 } }))
    }
}

impl Keeping<'_> {
    /// Takes what becomes of the next rows in key order.
    ///
    /// # Errors
    /// It cannot be sealed or written, or what was there cannot be read.
    pub(in crate::engine::backup) fn take(&mut self, told: &Told<'_>) -> io::Result<()> {
        match (self, told) {
            (Self::Anew(growing), Told::Same(stretch)) => {
                stretch.keys().zip(stretch.digests()).try_for_each(|(key, digest)| growing.push(key, RowDigest(*digest)))
            }
            (Self::Anew(growing), Told::Written(row, _)) => growing.push(row.key, row.digest),
            (Self::Changes(changes), Told::Written(row, true)) => changes.push(row.key, row.digest),
            (Self::Changes(changes), Told::Gone(key)) => changes.push(key, GONE),
            _ => Ok(()),
        }
    }

    /// Ends it: it reflects what the record says that has so many rows and this digest.
    ///
    /// # Errors
    /// As [`Keeping::take`].
    pub(in crate::engine::backup) fn finish(self, rows: u64, digest: Digest) -> io::Result<Fresh> {
        match self {
            Self::Anew(growing) => growing.finish(rows, digest),
            Self::Changes(mut changes) => {
                changes.keep_until(None)?;
                changes.growing.head.upon = Some(changes.upon);
                changes.growing.finish(rows, digest)
            }
        }
    }
}

impl Changes<'_> {
    fn push(&mut self, key: &[u8], digest: RowDigest) -> io::Result<()> {
        self.keep_until(Some(key))?;
        if self.before.head().is_some_and(|(before, _)| before == key) {
            self.before.advance().map_err(io::Error::other)?;
        }
        self.upon.entries += 1;
        self.growing.push(key, digest)
    }

    /// Takes over what was there before `end`.
    fn keep_until(&mut self, end: Option<&[u8]>) -> io::Result<()> {
        while let Some((key, digest)) = self.before.head().filter(|(key, _)| end.is_none_or(|end| *key < end)) {
            self.upon.entries += 1;
            self.growing.push(key, digest)?;
            self.before.advance().map_err(io::Error::other)?;
        }
        Ok(())
    }
}

/// Keys that tell where those of a cache lie, and of changes upon it: of the latter, such as have another beside them that lies between the
/// same two of the cache, or outside of it. Else there are too few to matter.
pub(super) fn together(cache: Vec<Key>, changed: Vec<Key>) -> Vec<Key> {
    let (first, last) = (cache.first().cloned(), cache.last().cloned());
    let mut places: Vec<(usize, Key)> = changed.into_iter().map(|key| (cache.partition_point(|known| *known <= key), key)).collect();
    places.dedup_by(|(_, one), (_, two)| one == two);
    let crowded = |at: usize| {
        let place = places[at].0;
        let is_beside = |other: Option<usize>| other.and_then(|other| places.get(other)).is_some_and(|(other, _)| *other == place);
        is_beside(at.checked_sub(1))
            || is_beside(at.checked_add(1))
            || Some(&places[at].1) < first.as_ref()
            || Some(&places[at].1) > last.as_ref()
    };
    let mut keys: Vec<Key> = (0..places.len()).filter(|at| crowded(*at)).map(|at| places[at].1.clone()).collect();
    keys.extend(cache);
    keys.sort_unstable();
    keys.dedup();
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_changes_tell_where_keys_lie_where_they_are_many() {
        let keys = |bytes: &[u8]| bytes.iter().map(|byte| Key::from_bytes(vec![*byte])).collect::<Vec<_>>();
        let merged = |changed: &[u8]| together(keys(&[10, 20, 30, 40]), keys(changed));
        assert_eq!(merged(&[]), keys(&[10, 20, 30, 40]));
        assert_eq!(merged(&[11, 21, 33]), keys(&[10, 20, 30, 40]), "one between two is none too many");
        assert_eq!(merged(&[11, 21, 25, 29, 33]), keys(&[10, 20, 21, 25, 29, 30, 40]));
        assert_eq!(merged(&[5, 33, 50]), keys(&[5, 10, 20, 30, 40, 50]), "outside of the cache each counts");
        assert_eq!(merged(&[12, 12, 40, 60, 60]), keys(&[10, 20, 30, 40, 60]), "each once");
        assert_eq!(together(Vec::new(), keys(&[1, 2])), keys(&[1, 2]));
    }
}
