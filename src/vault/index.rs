//! Which chunk lies where.
//!
//! In memory a chunk takes about 90 bytes (32 of name, 20 of place, the table's slack): a million chunks, some 60 GB of rows and
//! files, take 90 MB. Fragments in the vault are never changed; each names its packs whole.

use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, HashSet};

use super::error::{Error, Result};
use super::limits::{MAX_PACK, MAX_PACK_ENTRIES};
use super::pack::{Entry, PackKind};
use crate::rows::Digest;

const MAGIC: [u8; 4] = *b"BKX1";

/// A pack and what is in it, as a fragment says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: Digest,
    /// What it is for.
    pub kind: PackKind,
    /// Its bytes.
    pub size: u64,
    /// What is in it.
    pub entries: Vec<Entry>,
}

/// A pack that the index knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: Digest,
    /// What it is for.
    pub kind: PackKind,
    /// Its bytes.
    pub size: u64,
}

impl Known {
    /// The object's name.
    #[must_use]
    pub fn object(&self) -> String {
        self.kind.object(&self.id)
    }
}

#[derive(Clone, Copy, Debug)]
struct Place {
    pack: u32,
    offset: u32,
    stored: u32,
    plain: u32,
    kind: super::pack::ChunkKind,
    codec: super::codec::Codec,
}

/// All fragments, merged.
#[derive(Debug, Default)]
pub struct Index {
    packs: Vec<Known>,
    by_id: HashMap<Digest, u32>,
    chunks: HashMap<Digest, Place>,
    /// Chunks that were stored again: few, so kept apart.
    again: HashMap<Digest, Vec<Place>>,
    fragments: HashSet<String>,
}

impl Index {
    /// True where the fragment was taken in.
    #[must_use]
    pub fn has_fragment(&self, name: &str) -> bool {
        self.fragments.contains(name)
    }

    /// The fragments taken in.
    pub fn fragments(&self) -> impl Iterator<Item = &String> {
        self.fragments.iter()
    }

    /// Takes a fragment in.
    pub fn take(&mut self, fragment: String, packs: Vec<Listed>) {
        self.fragments.insert(fragment);
        packs.into_iter().for_each(|pack| self.take_pack(&pack));
    }

    /// Takes a pack in; one that is known already is left as it is.
    pub fn take_pack(&mut self, pack: &Listed) {
        let Ok(number) = u32::try_from(self.packs.len()) else { return };
        if self.by_id.contains_key(&pack.id) {
            return;
        }
        self.by_id.insert(pack.id, number);
        self.packs.push(Known { id: pack.id, kind: pack.kind, size: pack.size });
        for entry in &pack.entries {
            let Entry { chunk, kind, codec, offset, stored, plain } = *entry;
            let place = Place { pack: number, offset, stored, plain, kind, codec };
            match self.chunks.entry(chunk) {
                Slot::Occupied(_) => self.again.entry(chunk).or_default().push(place),
                Slot::Vacant(slot) => {
                    slot.insert(place);
                }
            }
        }
    }

    /// Every place of a chunk, the newest first.
    #[must_use]
    pub fn places(&self, chunk: &Digest) -> Vec<(Known, Entry)> {
        let again = self.again.get(chunk).into_iter().flatten().rev();
        let at = |place: &Place| {
            let Place { pack, offset, stored, plain, kind, codec } = *place;
            let known = *self.packs.get(pack as usize)?;
            Some((known, Entry { chunk: *chunk, kind, codec, offset, stored, plain }))
        };
        again.chain(self.chunks.get(chunk)).filter_map(at).collect()
    }

    /// All packs.
    #[must_use]
    pub fn packs(&self) -> &[Known] {
        &self.packs
    }

    /// The pack with this id.
    #[must_use]
    pub fn pack(&self, id: &Digest) -> Option<Known> {
        self.by_id.get(id).and_then(|&number| self.packs.get(number as usize)).copied()
    }

    /// The chunks that lie in a pack.
    #[must_use]
    pub fn chunks_in(&self, pack: &Digest) -> Vec<Entry> {
        let Some(&number) = self.by_id.get(pack) else { return Vec::new() };
        let first = self.chunks.iter();
        let again = self.again.iter().flat_map(|(chunk, places)| places.iter().map(move |place| (chunk, place)));
        let here = first.chain(again).filter(|(_, place)| place.pack == number);
        let mut entries: Vec<_> = here
            .map(|(chunk, place)| {
                let Place { offset, stored, plain, kind, codec, .. } = *place;
                Entry { chunk: *chunk, kind, codec, offset, stored, plain }
            })
            .collect();
        entries.sort_by_key(|entry| entry.offset);
        entries
    }
}

/// The plain bytes of a fragment: magic, packs, then for each its id, kind, size, count and entries.
pub(super) fn encode(packs: &[Listed]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    bytes.extend_from_slice(&count(packs.len()));
    for pack in packs {
        bytes.extend_from_slice(&pack.id.0);
        bytes.push(pack.kind as u8);
        bytes.extend_from_slice(&pack.size.to_le_bytes());
        bytes.extend_from_slice(&count(pack.entries.len()));
        pack.entries.iter().for_each(|entry| entry.push(&mut bytes));
    }
    bytes
}

/// Reads what [`encode`] gave; counts are checked against the bytes that are there.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Listed>> {
    read(bytes).ok_or_else(|| Error::damaged("an index fragment", "its content makes no sense"))
}

fn read(bytes: &[u8]) -> Option<Vec<Listed>> {
    let mut rest = bytes.strip_prefix(&MAGIC)?;
    let count = u32::from_le_bytes(*take(&mut rest)?);
    let mut packs = Vec::new();
    for _ in 0..count {
        let id = Digest(*take::<32>(&mut rest)?);
        let kind = PackKind::from_number(take::<1>(&mut rest)?[0])?;
        let size = u64::from_le_bytes(*take(&mut rest)?);
        let entries = u32::from_le_bytes(*take(&mut rest)?);
        if size > MAX_PACK || entries > MAX_PACK_ENTRIES {
            return None;
        }
        let (content, after) = rest.split_at_checked(entries as usize * Entry::BYTES)?;
        rest = after;
        let entries = content.as_chunks().0.iter().map(|entry| Entry::read(entry, size)).collect::<Option<_>>()?;
        packs.push(Listed { id, kind, size, entries });
    }
    rest.is_empty().then_some(packs)
}

fn take<'b, const N: usize>(rest: &mut &'b [u8]) -> Option<&'b [u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::super::codec::Codec;
    use super::super::pack::ChunkKind;
    use super::*;

    fn listed(id: u8, chunk: u8) -> Listed {
        let entry = Entry { chunk: Digest([chunk; 32]), kind: ChunkKind::Segment, codec: Codec::Raw, offset: 32, stored: 60, plain: 20 };
        Listed { id: Digest([id; 32]), kind: PackKind::Data, size: 200, entries: vec![entry] }
    }

    #[test]
    fn a_fragment_reads_back_and_no_shortened_or_boasting_one_does() {
        let packs = vec![listed(1, 2), listed(3, 4)];
        let bytes = encode(&packs);
        assert_eq!(decode(&bytes).unwrap(), packs);
        for at in 0..bytes.len() {
            assert!(decode(&bytes[..at]).is_err());
        }
        let mut boasting = bytes;
        boasting[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(decode(&boasting).is_err());
    }

    #[test]
    fn a_chunk_that_was_stored_again_is_found_in_its_newest_pack_first() {
        let mut index = Index::default();
        index.take("a".into(), vec![listed(1, 7)]);
        index.take("b".into(), vec![listed(2, 7)]);
        let places = index.places(&Digest([7; 32]));
        assert_eq!(places.iter().map(|(pack, _)| pack.id.0[0]).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(index.chunks_in(&Digest([1; 32])).len(), 1);
    }
}
