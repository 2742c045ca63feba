//! Writing a backup: chunks into packs, packs and index to the locations, and the manifest last.

use std::borrow::Cow;
use std::io::Read;

use super::Vault;
use super::chunker::Chunker;
use super::error::{Error, Result};
use super::limits::{FRAGMENT_ENTRIES, LIST_LENGTH, MAX_CHUNK, MAX_MANIFEST, PREVIOUS_WITHIN};
use super::manifest::{Manifest, RelationRecord};
use super::names::BackupId;
use super::pack::ChunkKind;
use super::sealing::Sealers;
use super::sites::Presence;
use crate::rows::{Class, Digest, Large, run};

/// What putting a chunk gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Put {
    /// Its name.
    pub id: Digest,
    /// False where the vault holds it already.
    pub new: bool,
}

/// How much went in, and how much of it was new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Plain bytes given.
    pub bytes_in: u64,
    /// Those that the vault did not hold.
    pub bytes_new: u64,
    /// What they take, compressed and sealed.
    pub bytes_stored: u64,
    /// Chunks that the vault did not hold.
    pub chunks_new: u64,
}

/// A backup that exists.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Its id.
    pub id: BackupId,
    /// Every location, and why it does not have it yet.
    pub locations: Vec<(String, Result<(), String>)>,
    /// BLAKE3 of the manifest as stored.
    pub checksum: Digest,
}

/// Writes one backup. Dropped without [`Writer::commit`], what it stored is found again by the next.
pub struct Writer<'v> {
    vault: &'v Vault,
    chunker: Chunker,
    sealers: Sealers,
    /// Whether packs that the index knows were at no location, or at too few, when this began.
    lossy: bool,
}

impl std::fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("figures", &self.sealers.state().figures).finish_non_exhaustive()
    }
}

impl Vault {
    /// Begins a backup: looks at the locations, takes in what others wrote, and lists which packs are whole.
    ///
    /// # Errors
    /// Too few locations can be used.
    pub fn writer(&self) -> Result<Writer<'_>> {
        self.sites.look();
        let (have, need) = (self.sites.usable().len(), self.sites.required());
        if have < need {
            return Err(Error::NotDurable { have, need, reasons: self.sites.reasons() });
        }
        self.refresh()?;
        let presence = self.sites.presence()?;
        if presence.packs().any(|pack| self.index().pack(pack).is_none()) {
            // A backup that died left packs that no fragment names: what it stored is not stored again.
            self.index_unlisted()?;
        }
        let lossy = self.index().packs().iter().any(|pack| self.sites.copies(&presence, pack) < need);
        let sealers = Sealers::start(self.keys.clone(), self.id, self.sites.clone(), presence)?;
        Ok(Writer { vault: self, chunker: Chunker::new(self.keys.chunker()), sealers, lossy })
    }
}

impl Writer<'_> {
    /// Keeps a chunk, unless the vault holds it whole already. It is packed by other threads; [`Writer::commit`] waits for them.
    ///
    /// # Errors
    /// It is too large, or too few locations take its pack or an earlier one.
    pub fn put<'p>(&self, kind: ChunkKind, plain: impl Into<Cow<'p, [u8]>>) -> Result<Put> {
        let plain = plain.into();
        if plain.len() > MAX_CHUNK {
            return Err(Error::TooLarge { what: "a chunk".into(), size: plain.len() as u64, limit: MAX_CHUNK as u64 });
        }
        let id = self.vault.keys.chunk_id(kind as u8, &plain);
        let new = self.claim(kind, id, plain.len() as u64);
        if new {
            self.sealers.give(id, kind, plain.into_owned())?;
            let listed = self.sealers.state().finished.iter().map(|pack| pack.entries.len()).sum::<usize>();
            if listed >= FRAGMENT_ENTRIES {
                self.finish_fragment()?;
            }
        }
        Ok(Put { id, new })
    }

    /// Keeps content of any length and gives what stands for it in a row.
    ///
    /// # Errors
    /// Reading it fails, or too few locations take its packs.
    pub fn keep(&self, class: Class, content: &mut dyn Read) -> Result<Large> {
        let mut hasher = blake3::Hasher::new();
        let (mut length, mut chunks, mut lists) = (0, Vec::new(), Vec::new());
        self.chunker.cut(content, |piece| {
            hasher.update(piece);
            length += piece.len() as u64;
            if chunks.len() == LIST_LENGTH {
                lists.push(self.put_list(&chunks)?);
                chunks.clear();
            }
            chunks.push(self.put(ChunkKind::Content, piece)?.id);
            Ok::<_, Error>(())
        })?;
        if !lists.is_empty() {
            lists.push(self.put_list(&chunks)?);
            chunks = lists;
        }
        Ok(Large { class, length, content: Digest(*hasher.finalize().as_bytes()), chunks })
    }

    fn put_list(&self, chunks: &[Digest]) -> Result<Digest> {
        let bytes: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.0).collect();
        Ok(self.put(ChunkKind::List, bytes)?.id)
    }

    /// How much went in so far; waits for what is being packed.
    ///
    /// # Errors
    /// What packing met.
    pub fn figures(&self) -> Result<Figures> {
        self.sealers.settle()?;
        Ok(self.sealers.state().figures)
    }

    /// Makes the backup exist: packs, then index, then the manifest, at every location that has all it refers to.
    ///
    /// # Errors
    /// It refers to what is lost, or too few locations have it; it then does not count, and nothing else is harmed.
    pub fn commit(&self, manifest: &mut Manifest) -> Result<Committed> {
        self.sealers.settle()?;
        self.sealers.finish_packs()?;
        self.finish_fragment()?;
        // Looked at anew: what another process removed, lost or found damaged meanwhile is noticed before the backup counts.
        self.vault.sites.look();
        let mut presence = self.vault.sites.presence()?;
        self.must_be_stored(&presence, manifest)?;
        let need = self.vault.sites.required();
        let mut behind = self.vault.behind(&presence)?;
        let mut failed = self.sealers.state().failed.clone();
        if self.vault.sites.all().len() - behind.len() < need {
            // Each lacks something that another has: nothing can be committed before they caught up.
            self.vault.catch_up_objects(false)?;
            presence = self.vault.sites.presence()?;
            behind = self.vault.behind(&presence)?;
            failed.clear();
        }
        manifest.previous = self.previous(&manifest.host)?;
        let bytes = manifest.seal(self.vault.sealer())?;
        let object = manifest.name().object();
        let mut locations = Vec::new();
        for (site, location) in self.vault.sites.all().iter().enumerate() {
            let waits = failed.get(&site).or_else(|| behind.get(&site)).cloned();
            let outcome = waits.map_or_else(|| location.put(&object, &bytes).map_err(|error| error.to_string()), Err);
            locations.push((location.name().to_owned(), outcome));
        }
        let have = locations.iter().filter(|(_, outcome)| outcome.is_ok()).count();
        if have < need {
            let reasons = locations.into_iter().filter_map(|(name, outcome)| outcome.err().map(|why| (name, why))).collect();
            return Err(Error::NotDurable { have, need, reasons });
        }
        self.bring_along(&object, &mut locations);
        Ok(Committed { id: manifest.id.clone(), locations, checksum: Digest::of(&bytes) })
    }

    /// Locations that can be used and are behind get what they missed, and then this manifest. The backup exists already: what
    /// fails here leaves a location behind, as it was.
    fn bring_along(&self, manifest: &str, locations: &mut [(String, Result<(), String>)]) {
        let usable = |name: &str| self.vault.sites.usable().iter().any(|(_, location)| location.name() == name);
        if !locations.iter().any(|(name, outcome)| outcome.is_err() && usable(name)) {
            return;
        }
        let Ok(caught) = self.vault.catch_up() else { return };
        let there = self.vault.sites.list_all("backups").unwrap_or_default().remove(manifest).unwrap_or_default();
        for (site, (name, outcome)) in locations.iter_mut().enumerate() {
            if there.iter().any(|(at, _)| *at == site) {
                *outcome = Ok(());
            } else if let Some((_, why)) = caught.behind.iter().find(|(behind, _)| behind == name) {
                *outcome = Err(why.clone());
            }
        }
    }

    /// Counts the bytes; true where the chunk must be stored, and whoever asked first stores it.
    fn claim(&self, kind: ChunkKind, id: Digest, length: u64) -> bool {
        let mut state = self.sealers.state();
        state.figures.bytes_in += length;
        if state.pending.contains(&id) {
            return false;
        }
        if let Some(pack) = self.vault.present_in(&state.presence, kind, &id) {
            state.relied_on.insert(pack);
            return false;
        }
        state.pending.insert(id);
        state.figures.bytes_new += length;
        state.figures.chunks_new += 1;
        true
    }

    fn finish_fragment(&self) -> Result<()> {
        let packs = std::mem::take(&mut self.sealers.state().finished);
        if packs.is_empty() {
            return Ok(());
        }
        let (name, bytes) = self.vault.fragment(&packs)?;
        self.sealers.put_everywhere(&name, &bytes)?;
        let chunks: Vec<Digest> = packs.iter().flat_map(|pack| &pack.entries).map(|entry| entry.chunk).collect();
        // The index knows them before they are pending no longer: a chunk is never thought to be new in between.
        self.vault.index_mut().take(name, packs);
        let mut state = self.sealers.state();
        chunks.iter().for_each(|chunk| {
            state.pending.remove(chunk);
        });
        Ok(())
    }

    /// Every chunk that the manifest names must be there; where packs are lost, every segment too, and none of them may be one
    /// that this backup relied on.
    fn must_be_stored(&self, presence: &Presence, manifest: &Manifest) -> Result<()> {
        let vault = self.vault;
        let held = |kind, chunk: &Digest| vault.places(kind, chunk).iter().any(|(pack, _)| vault.sites.copies(presence, pack) > 0);
        let lost: Vec<Digest> =
            vault.index().packs().iter().filter(|pack| vault.sites.copies(presence, pack) == 0).map(|pack| pack.id).collect();
        if lost.iter().any(|pack| self.sealers.state().relied_on.contains(pack)) {
            return Err(Error::Incomplete { model: "what an earlier backup had stored, and was lost while this one ran".into() });
        }
        for source in &manifest.sources {
            if !held(ChunkKind::Schema, &source.definition) {
                return Err(Error::Incomplete { model: "the database's definition".into() });
            }
            for record in &source.relations {
                let incomplete = || Error::Incomplete { model: record.relation.name.clone() };
                self.are_held(record, !lost.is_empty(), &held)?.then_some(()).ok_or_else(incomplete)?;
            }
        }
        Ok(())
    }

    /// True where all that the runs of `record` name was in whole packs when this writer began.
    ///
    /// # Errors
    /// An index cannot be read.
    pub fn is_whole(&self, record: &RelationRecord) -> Result<bool> {
        let (vault, state) = (self.vault, self.sealers.state());
        let held = |kind, chunk: &Digest| vault.present_in(&state.presence, kind, chunk).is_some();
        self.are_held(record, self.lossy, &held)
    }

    /// Whether the index of every run is held; where packs are lost, every segment too.
    fn are_held(&self, record: &RelationRecord, lossy: bool, held: &dyn Fn(ChunkKind, &Digest) -> bool) -> Result<bool> {
        for run in &record.runs {
            if !run.index.iter().all(|chunk| held(ChunkKind::Index, chunk)) {
                return Ok(false);
            }
            if lossy {
                for segment in run::Segments::new(self.vault, run) {
                    if !held(ChunkKind::Segment, &segment?.chunk) {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// This host's newest record: a chain that shows removed ones.
    fn previous(&self, host: &str) -> Result<Option<Digest>> {
        for name in self.vault.all_backups()?.iter().rev().take(PREVIOUS_WITHIN) {
            let object = name.object();
            let ours = |bytes: &[u8]| Manifest::open(self.vault.sealer(), name, bytes).is_ok_and(|manifest| manifest.host == host);
            let whole = |bytes: &[u8]| Manifest::open(self.vault.sealer(), name, bytes).is_ok();
            // A record that cannot be read breaks the chain where it stands, and no backup.
            let Ok(bytes) = self.vault.sites.get_whole(&object, MAX_MANIFEST, false, &whole) else { continue };
            if ours(&bytes) {
                return Ok(Some(Digest::of(&bytes)));
            }
        }
        Ok(None)
    }
}

impl run::Store for Writer<'_> {
    type Error = Error;

    fn put(&self, kind: run::ChunkKind, bytes: Vec<u8>) -> Result<Digest> {
        Ok(Self::put(self, kind.into(), bytes)?.id)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Reading(error)
    }
}
