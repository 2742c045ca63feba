//! Reading: the index, then chunks, from the first location that has them right. What is damaged heals on the way.

use std::sync::PoisonError;

use super::error::{Error, Result};
use super::index::{self, Known, Listed};
use super::limits::{CUT_MAX, MAX_FRAGMENT, MAX_PACK};
use super::location;
use super::pack::{self, ChunkKind, Entry};
use super::record::RecordKind;
use super::{Vault, sites::Presence};
use crate::rows::damage::Damage;
use crate::rows::{Digest, Large, run};

impl Vault {
    /// The bytes of a chunk, checked against its name.
    ///
    /// # Errors
    /// No location has it whole.
    pub fn read(&self, kind: ChunkKind, chunk: &Digest) -> Result<Vec<u8>> {
        let mut places = self.places(kind, chunk);
        if places.is_empty() {
            self.refresh()?;
            places = self.places(kind, chunk);
        }
        if places.is_empty() {
            self.index_unlisted()?;
            places = self.places(kind, chunk);
        }
        for (pack, entry) in &places {
            if let Some(plain) = self.read_place(pack, entry) {
                return Ok(plain);
            }
        }
        let why = if places.is_empty() { "no index names it" } else { "its pack is damaged or missing at every location that can be read" };
        Err(Error::Lost { what: chunk.to_string(), why: why.into() })
    }

    /// Writes the whole content that `large` stands for, piece by piece, and checks it against its digest.
    ///
    /// # Errors
    /// A piece is lost, or `to` refuses.
    pub fn fetch(&self, large: &Large, to: &mut dyn std::io::Write) -> Result<()> {
        let mut hasher = blake3::Hasher::new();
        let mut length = 0;
        self.pieces(large, &mut |chunk| {
            let piece = self.read(ChunkKind::Content, &chunk)?;
            hasher.update(&piece);
            length += piece.len() as u64;
            to.write_all(&piece).map_err(Error::Reading)
        })?;
        if length != large.length || *hasher.finalize().as_bytes() != large.content.0 {
            return Err(Error::damaged(format!("content {}", large.content), "its pieces do not make the whole"));
        }
        Ok(())
    }

    /// The chunks of content, in order. Content too long for as few chunks as it names has lists of chunks instead.
    pub(super) fn pieces(&self, large: &Large, each: &mut dyn FnMut(Digest) -> Result<()>) -> Result<()> {
        if !has_lists(large) {
            return large.chunks.iter().try_for_each(|chunk| each(*chunk));
        }
        for list in &large.chunks {
            let bytes = self.read(ChunkKind::List, list)?;
            let (chunks, []) = bytes.as_chunks::<32>() else { return Err(Error::damaged("a list of chunks", "its length is wrong")) };
            chunks.iter().try_for_each(|chunk| each(Digest(*chunk)))?;
        }
        Ok(())
    }

    pub(super) fn places(&self, kind: ChunkKind, chunk: &Digest) -> Vec<(Known, Entry)> {
        let mut places = self.index().places(chunk);
        places.retain(|(_, entry)| entry.kind == kind);
        places
    }

    pub(super) fn index(&self) -> std::sync::RwLockReadGuard<'_, index::Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn index_mut(&self) -> std::sync::RwLockWriteGuard<'_, index::Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_place(&self, pack: &Known, entry: &Entry) -> Option<Vec<u8>> {
        let object = pack.object();
        let mut damaged = Vec::new();
        let mut plain = None;
        for (site, location) in self.sites.usable() {
            match location.get_range(&object, u64::from(entry.offset), entry.stored as usize) {
                Ok(sealed) => match pack::open_chunk(&self.keys, self.id, entry, &sealed) {
                    Some(found) => {
                        plain = Some(found);
                        break;
                    }
                    None => damaged.push(site),
                },
                Err(location::Error::Missing { .. }) => damaged.push(site),
                Err(_) => {}
            }
        }
        if !damaged.is_empty() && self.sites.get_pack(pack).is_err() {
            damaged.iter().for_each(|&site| self.sites.mark_bad(site, &pack.id));
        }
        plain
    }

    /// Takes in every index fragment that is new. Packs that only a fragment lost everywhere named are read from their own trailers.
    pub(super) fn refresh(&self) -> Result<()> {
        let mut lost = false;
        for name in self.sites.list_all("index")?.into_keys() {
            if self.index().has_fragment(&name) {
                continue;
            }
            match self.read_fragment(&name) {
                Ok(packs) => self.index_mut().take(name, packs),
                Err(Error::Damaged { .. } | Error::Lost { .. }) => lost = true,
                Err(error) => return Err(error),
            }
        }
        if lost { self.index_unlisted() } else { Ok(()) }
    }

    fn read_fragment(&self, name: &str) -> Result<Vec<Listed>> {
        let right = |bytes: &[u8]| name.strip_prefix("index/") == Some(&Digest::of(bytes).to_string());
        let bytes = self.sites.get_whole(name, MAX_FRAGMENT, true, &right)?;
        index::decode(&self.sealer().open(RecordKind::Index, "", &bytes, MAX_FRAGMENT)?)
    }

    /// Takes in packs that no fragment names, from their trailers, and writes the fragment that is missing.
    pub(super) fn index_unlisted(&self) -> Result<()> {
        let mut found = Vec::new();
        for folder in ["packs", "meta"] {
            for (name, places) in self.sites.list_all(folder)? {
                let Some((kind, id)) = pack::parse_object(&name) else { continue };
                if self.index().pack(&id).is_some() {
                    continue;
                }
                for (site, size) in places {
                    if let Some(entries) = self.read_trailer(site, &name, size) {
                        found.push(Listed { id, kind, size, entries });
                        break;
                    }
                }
            }
        }
        if !found.is_empty() {
            let (name, bytes) = self.fragment(&found)?;
            for (_, location) in self.sites.usable() {
                // Best effort: what the trailers said can be read from them again.
                let _ = location.put(&name, &bytes);
            }
            self.index_mut().take(name, found);
        }
        Ok(())
    }

    /// A new fragment: its object's name and its bytes.
    pub(super) fn fragment(&self, packs: &[Listed]) -> Result<(String, Vec<u8>)> {
        let bytes = self.sealer().seal(RecordKind::Index, "", &index::encode(packs))?;
        Ok((format!("index/{}", Digest::of(&bytes)), bytes))
    }

    fn read_trailer(&self, site: usize, name: &str, size: u64) -> Option<Vec<Entry>> {
        let location = &self.sites.all()[site];
        if size > MAX_PACK {
            return None;
        }
        let footer = location.get_range(name, size.checked_sub(pack::FOOTER_BYTES as u64)?, pack::FOOTER_BYTES).ok()?;
        let tail = pack::tail_length(&footer, size)?;
        let mut bytes = location.get_range(name, 0, pack::HEADER).ok()?;
        bytes.extend(location.get_range(name, size - tail as u64, tail).ok()?);
        pack::read_entries(&self.keys, self.id, size, &bytes).ok()
    }

    /// The pack that holds the chunk whole at enough locations.
    pub(super) fn present_in(&self, presence: &Presence, kind: ChunkKind, chunk: &Digest) -> Option<Digest> {
        let needed = self.sites.required();
        let mut places = self.places(kind, chunk).into_iter();
        places.find(|(pack, _)| self.sites.copies(presence, pack) >= needed).map(|(pack, _)| pack.id)
    }
}

/// A piece is at most [`CUT_MAX`] long, and a list stands for far more than that: so the length tells which they are.
pub(super) fn has_lists(large: &Large) -> bool {
    large.length > large.chunks.len() as u64 * CUT_MAX as u64
}

impl From<Damage> for Error {
    fn from(damage: Damage) -> Self {
        Self::damaged("stored rows", damage.to_string())
    }
}

impl From<run::ChunkKind> for ChunkKind {
    fn from(kind: run::ChunkKind) -> Self {
        match kind {
            run::ChunkKind::Segment => Self::Segment,
            run::ChunkKind::Index => Self::Index,
        }
    }
}

impl run::Fetch for Vault {
    type Error = Error;

    fn get(&self, kind: run::ChunkKind, chunk: &Digest) -> Result<Vec<u8>> {
        self.read(kind.into(), chunk)
    }
}
