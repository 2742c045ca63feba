//! Writing a backup: chunks into packs, packs and index to the locations, and the manifest last.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Vault;
use super::chunker::Chunker;
use super::error::{Error, Result};
use super::index::{Known, Listed};
use super::limits::{FRAGMENT_ENTRIES, LIST_LENGTH, MAX_MANIFEST, PREVIOUS_WITHIN};
use super::manifest::Manifest;
use super::names::BackupId;
use super::pack::{ChunkKind, PackBuilder, PackKind, SealedChunk};
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
    state: Mutex<State>,
}

struct State {
    data: PackBuilder,
    meta: PackBuilder,
    /// Chunks of this writer that no fragment names yet: at most a fragment's and two packs' worth.
    pending: HashSet<Digest>,
    finished: Vec<Listed>,
    presence: Presence,
    /// Packs of earlier backups that hold what this one needed no storing for.
    relied_on: HashSet<Digest>,
    figures: Figures,
    /// Why a location is behind in this session.
    failed: HashMap<usize, String>,
}

impl std::fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("figures", &self.figures()).finish_non_exhaustive()
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
        let state = State {
            data: PackBuilder::new(PackKind::Data, self.id),
            meta: PackBuilder::new(PackKind::Meta, self.id),
            pending: HashSet::new(),
            finished: Vec::new(),
            presence,
            relied_on: HashSet::new(),
            figures: Figures::default(),
            failed: HashMap::new(),
        };
        Ok(Writer { vault: self, chunker: Chunker::new(self.keys.chunker()), state: Mutex::new(state) })
    }
}

impl Writer<'_> {
    /// Keeps a chunk, unless the vault holds it whole already.
    ///
    /// # Errors
    /// It is too large, or too few locations take its pack.
    pub fn put(&self, kind: ChunkKind, plain: &[u8]) -> Result<Put> {
        let id = self.vault.keys.chunk_id(kind as u8, plain);
        if self.count(kind, &id, plain.len() as u64) {
            return Ok(Put { id, new: false });
        }
        // Compressing and sealing take the time: other threads do the same meanwhile.
        let sealed = SealedChunk::new(&self.vault.keys, self.vault.id, id, kind, plain)?;
        let mut state = self.state();
        if !state.pending.insert(id) {
            return Ok(Put { id, new: false });
        }
        let stored = state.builder(kind.pack()).add(&sealed);
        state.figures.bytes_new += plain.len() as u64;
        state.figures.bytes_stored += u64::from(stored);
        state.figures.chunks_new += 1;
        if state.builder(kind.pack()).is_full() {
            self.finish_pack(&mut state, kind.pack())?;
            if state.finished.iter().map(|pack| pack.entries.len()).sum::<usize>() >= FRAGMENT_ENTRIES {
                self.finish_fragment(&mut state)?;
            }
        }
        Ok(Put { id, new: true })
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
        Ok(self.put(ChunkKind::List, &bytes)?.id)
    }

    /// How much went in so far.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.state().figures
    }

    /// Makes the backup exist: packs, then index, then the manifest, at every location that has all it refers to.
    ///
    /// # Errors
    /// It refers to what is lost, or too few locations have it; it then does not count, and nothing else is harmed.
    pub fn commit(&self, manifest: &mut Manifest) -> Result<Committed> {
        let mut state = self.state();
        self.finish_pack(&mut state, PackKind::Data)?;
        self.finish_pack(&mut state, PackKind::Meta)?;
        self.finish_fragment(&mut state)?;
        // Looked at anew: what another process removed, lost or found damaged meanwhile is noticed before the backup counts.
        self.vault.sites.look();
        state.presence = self.vault.sites.presence()?;
        self.must_be_stored(&state, manifest)?;
        let need = self.vault.sites.required();
        let mut behind = self.vault.behind(&state.presence)?;
        if self.vault.sites.all().len() - behind.len() < need {
            // Each lacks something that another has: nothing can be committed before they caught up.
            self.vault.catch_up_objects(false)?;
            state.presence = self.vault.sites.presence()?;
            behind = self.vault.behind(&state.presence)?;
            state.failed.clear();
        }
        manifest.previous = self.previous(&manifest.host)?;
        let bytes = manifest.seal(self.vault.sealer())?;
        let object = manifest.name().object();
        let mut locations = Vec::new();
        for (site, location) in self.vault.sites.all().iter().enumerate() {
            let waits = state.failed.get(&site).or_else(|| behind.get(&site)).cloned();
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the bytes; true where the chunk needs no storing.
    fn count(&self, kind: ChunkKind, id: &Digest, length: u64) -> bool {
        let mut state = self.state();
        state.figures.bytes_in += length;
        if state.pending.contains(id) {
            return true;
        }
        let pack = self.vault.present_in(&state.presence, kind, id);
        state.relied_on.extend(pack);
        pack.is_some()
    }

    /// Checks the pack, writes it everywhere; a location that fails is behind from here on.
    fn finish_pack(&self, state: &mut State, kind: PackKind) -> Result<()> {
        let builder = std::mem::replace(state.builder(kind), PackBuilder::new(kind, self.vault.id));
        if builder.is_empty() {
            return Ok(());
        }
        let pack = builder.finish(&self.vault.keys)?;
        let size = pack.bytes.len() as u64;
        let known = Known { id: pack.id, kind, size };
        for site in self.put_everywhere(state, &known.object(), &pack.bytes)? {
            state.presence.add(site, pack.id, size);
        }
        state.finished.push(Listed { id: pack.id, kind, size, entries: pack.entries });
        Ok(())
    }

    fn finish_fragment(&self, state: &mut State) -> Result<()> {
        if state.finished.is_empty() {
            return Ok(());
        }
        let (name, bytes) = self.vault.fragment(&state.finished)?;
        self.put_everywhere(state, &name, &bytes)?;
        let packs = std::mem::take(&mut state.finished);
        packs.iter().flat_map(|pack| &pack.entries).for_each(|entry| {
            state.pending.remove(&entry.chunk);
        });
        self.vault.index_mut().take(name, packs);
        Ok(())
    }

    /// The locations that took it; an error where they are too few.
    fn put_everywhere(&self, state: &mut State, name: &str, bytes: &[u8]) -> Result<Vec<usize>> {
        let mut took = Vec::new();
        for (site, location) in self.vault.sites.usable() {
            if state.failed.contains_key(&site) {
                continue;
            }
            match location.put(name, bytes) {
                Ok(()) => took.push(site),
                Err(error) => {
                    state.failed.insert(site, error.to_string());
                }
            }
        }
        let need = self.vault.sites.required();
        if took.len() >= need {
            return Ok(took);
        }
        let named = |(site, why): (&usize, &String)| (self.vault.sites.all()[*site].name().to_owned(), why.clone());
        let reasons = state.failed.iter().map(named).chain(self.vault.sites.reasons()).collect();
        Err(Error::NotDurable { have: took.len(), need, reasons })
    }

    /// Every chunk that the manifest names must be there; where packs are lost, every segment too, and none of them may be one
    /// that this backup relied on.
    fn must_be_stored(&self, state: &State, manifest: &Manifest) -> Result<()> {
        let (vault, presence) = (self.vault, &state.presence);
        let held = |kind, chunk: &Digest| vault.places(kind, chunk).iter().any(|(pack, _)| vault.sites.copies(presence, pack) > 0);
        let lost: Vec<Digest> =
            vault.index().packs().iter().filter(|pack| vault.sites.copies(presence, pack) == 0).map(|pack| pack.id).collect();
        if lost.iter().any(|pack| state.relied_on.contains(pack)) {
            return Err(Error::Incomplete { model: "what an earlier backup had stored, and was lost while this one ran".into() });
        }
        for source in &manifest.sources {
            if !held(ChunkKind::Schema, &source.definition) {
                return Err(Error::Incomplete { model: "the database's definition".into() });
            }
            for record in &source.relations {
                let incomplete = || Error::Incomplete { model: record.relation.name.clone() };
                for run in &record.runs {
                    if !run.index.iter().all(|chunk| held(ChunkKind::Index, chunk)) {
                        return Err(incomplete());
                    }
                    if !lost.is_empty() {
                        for segment in run::Segments::new(vault, run) {
                            held(ChunkKind::Segment, &segment?.chunk).then_some(()).ok_or_else(incomplete)?;
                        }
                    }
                }
            }
        }
        Ok(())
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

impl State {
    fn builder(&mut self, kind: PackKind) -> &mut PackBuilder {
        match kind {
            PackKind::Data => &mut self.data,
            PackKind::Meta => &mut self.meta,
        }
    }
}

impl run::Store for Writer<'_> {
    type Error = Error;

    fn put(&self, kind: run::ChunkKind, bytes: &[u8]) -> Result<Digest> {
        Ok(Self::put(self, kind.into(), bytes)?.id)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Reading(error)
    }
}
