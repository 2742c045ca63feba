//! The other half of a writer: threads that compress, seal, check and write what was given, so that whoever reads a source need not wait.
//!
//! Memory: [`GIVEN`] bytes of chunks, a pack of each kind being filled, and for each thread a pack being checked (whose memory serves again) and
//! one chunk.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::error::{Error, Result};
use super::index::{Known, Listed};
use super::keys::Keys;
use super::names::VaultId;
use super::pack::{ChunkKind, PackBuilder, PackKind, SealedChunk};
use super::sites::{Presence, Sites};
use super::writer::Figures;
use crate::rows::Digest;

/// Bytes of chunks that may wait or be under way; a chunk that is larger goes alone.
const GIVEN: usize = 8 << 20;
/// Threads at the most: each may hold a pack.
const THREADS: usize = 4;

/// What has been packed so far.
pub(super) struct State {
    data: PackBuilder,
    meta: PackBuilder,
    /// Memory of packs that were written, for those to come.
    spare: Vec<Vec<u8>>,
    /// Chunks of this writer that no fragment names yet: at most a fragment's and two packs' worth.
    pub pending: HashSet<Digest>,
    /// Packs that no fragment names yet.
    pub finished: Vec<Listed>,
    /// Which packs lie where.
    pub presence: Presence,
    /// Packs of earlier backups that hold what this one needed no storing for.
    pub relied_on: HashSet<Digest>,
    pub figures: Figures,
    /// Why a location is behind in this session.
    pub failed: HashMap<usize, String>,
}

impl State {
    fn builder(&mut self, kind: PackKind) -> &mut PackBuilder {
        match kind {
            PackKind::Data => &mut self.data,
            PackKind::Meta => &mut self.meta,
        }
    }
}

/// A chunk on its way into a pack.
struct Chunk {
    id: Digest,
    kind: ChunkKind,
    plain: Vec<u8>,
}

impl Chunk {
    /// What it counts for: an empty one is under way, too.
    fn weight(&self) -> usize {
        self.plain.len() + 1
    }
}

#[derive(Default)]
struct Given {
    waiting: VecDeque<Chunk>,
    /// Bytes that wait or are under way.
    weight: usize,
    /// What the first chunk that could not be kept met; told once.
    failure: Option<Error>,
    /// Set by a failure for good: nothing that follows it may count.
    broken: bool,
    over: bool,
}

/// What the threads share.
pub(super) struct Sealing {
    keys: Arc<Keys>,
    vault: VaultId,
    sites: Arc<Sites>,
    state: Mutex<State>,
    given: Mutex<Given>,
    changed: Condvar,
}

/// The threads; they end when this is dropped.
pub(super) struct Sealers {
    shared: Arc<Sealing>,
    threads: Vec<JoinHandle<()>>,
}

impl Sealers {
    /// Starts a thread for each core.
    ///
    /// # Errors
    /// The system gives none.
    pub(super) fn start(keys: Arc<Keys>, vault: VaultId, sites: Arc<Sites>, presence: Presence) -> Result<Self> {
        let state = State {
            data: PackBuilder::new(PackKind::Data, vault),
            meta: PackBuilder::new(PackKind::Meta, vault),
            spare: Vec::new(),
            pending: HashSet::new(),
            finished: Vec::new(),
            presence,
            relied_on: HashSet::new(),
            figures: Figures::default(),
            failed: HashMap::new(),
        };
        let shared =
            Arc::new(Sealing { keys, vault, sites, state: Mutex::new(state), given: Mutex::default(), changed: Condvar::default() });
        let mut sealers = Self { shared, threads: Vec::new() };
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from).min(THREADS) {
            let shared = sealers.shared.clone();
            let thread = std::thread::Builder::new().name("sealing".into()).spawn(move || shared.work()).map_err(Error::Reading)?;
            sealers.threads.push(thread);
        }
        Ok(sealers)
    }
}

impl std::ops::Deref for Sealers {
    type Target = Sealing;

    fn deref(&self) -> &Sealing {
        &self.shared
    }
}

impl Drop for Sealers {
    fn drop(&mut self) {
        let mut given = self.shared.given();
        given.over = true;
        given.waiting.clear();
        drop(given);
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has left its mark in what was given.
            let _ = thread.join();
        }
    }
}

impl Sealing {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'g>(&self, given: MutexGuard<'g, Given>) -> MutexGuard<'g, Given> {
        self.changed.wait(given).unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a chunk that is not kept yet; waits while too much is under way.
    ///
    /// # Errors
    /// What an earlier chunk met.
    pub(super) fn give(&self, id: Digest, kind: ChunkKind, plain: Vec<u8>) -> Result<()> {
        let chunk = Chunk { id, kind, plain };
        let mut given = self.given();
        while !given.broken && given.weight > 0 && given.weight + chunk.weight() > GIVEN {
            given = self.wait(given);
        }
        given.sound()?;
        given.weight += chunk.weight();
        given.waiting.push_back(chunk);
        drop(given);
        self.changed.notify_all();
        Ok(())
    }

    /// Waits until everything given is in a pack.
    ///
    /// # Errors
    /// What a chunk met: what was given does not count then.
    pub(super) fn settle(&self) -> Result<()> {
        let mut given = self.given();
        while given.weight > 0 && !given.broken {
            given = self.wait(given);
        }
        given.sound()
    }

    /// Finishes the packs that are being filled.
    ///
    /// # Errors
    /// Too few locations take them.
    pub(super) fn finish_packs(&self) -> Result<()> {
        for kind in [PackKind::Data, PackKind::Meta] {
            let builder = std::mem::replace(self.state().builder(kind), PackBuilder::new(kind, self.vault));
            self.finish(kind, builder)?;
        }
        Ok(())
    }

    fn work(&self) {
        while let Some(chunk) = self.next() {
            let mut task = Task { sealing: self, weight: chunk.weight(), outcome: None };
            task.outcome = Some(self.pack(&chunk));
        }
    }

    fn next(&self) -> Option<Chunk> {
        let mut given = self.given();
        loop {
            if given.over {
                return None;
            }
            if let Some(chunk) = given.waiting.pop_front() {
                return Some(chunk);
            }
            given = self.wait(given);
        }
    }

    fn pack(&self, chunk: &Chunk) -> Result<()> {
        let sealed = SealedChunk::new(&self.keys, self.vault, chunk.id, chunk.kind, &chunk.plain)?;
        let kind = chunk.kind.pack();
        let mut state = self.state();
        let stored = state.builder(kind).add(&sealed);
        state.figures.bytes_stored += u64::from(stored);
        if !state.builder(kind).is_full() {
            return Ok(());
        }
        let next = PackBuilder::within(state.spare.pop().unwrap_or_default(), kind, self.vault);
        let full = std::mem::replace(state.builder(kind), next);
        // Checking and writing take the time: the other threads fill the next pack meanwhile.
        drop(state);
        self.finish(kind, full)
    }

    /// Checks the pack, writes it everywhere; a location that fails is behind from here on.
    fn finish(&self, kind: PackKind, builder: PackBuilder) -> Result<()> {
        if builder.is_empty() {
            return Ok(());
        }
        let pack = builder.finish(&self.keys)?;
        let size = pack.bytes.len() as u64;
        let known = Known { id: pack.id, kind, size };
        let took = self.put_everywhere(&known.object(), &pack.bytes)?;
        let mut state = self.state();
        took.into_iter().for_each(|site| state.presence.add(site, pack.id, size));
        state.finished.push(Listed { id: pack.id, kind, size, entries: pack.entries });
        state.spare.push(pack.bytes);
        Ok(())
    }

    /// The locations that took it; an error where they are too few.
    pub(super) fn put_everywhere(&self, name: &str, bytes: &[u8]) -> Result<Vec<usize>> {
        let mut took = Vec::new();
        for (site, location) in self.sites.usable() {
            if self.state().failed.contains_key(&site) {
                continue;
            }
            match location.put(name, bytes) {
                Ok(()) => took.push(site),
                Err(error) => drop(self.state().failed.insert(site, error.to_string())),
            }
        }
        let need = self.sites.required();
        if took.len() >= need {
            return Ok(took);
        }
        let named = |(site, why): (&usize, &String)| (self.sites.all()[*site].name().to_owned(), why.clone());
        let reasons = self.state().failed.iter().map(named).chain(self.sites.reasons()).collect();
        Err(Error::NotDurable { have: took.len(), need, reasons })
    }
}

impl Given {
    fn sound(&mut self) -> Result<()> {
        if !self.broken {
            return Ok(());
        }
        let again = || Error::Reading(std::io::Error::other("an earlier piece of this backup could not be kept"));
        Err(self.failure.take().unwrap_or_else(again))
    }
}

/// A chunk being packed: whatever becomes of it is noted, a panic included.
struct Task<'s> {
    sealing: &'s Sealing,
    weight: usize,
    outcome: Option<Result<()>>,
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        let mut given = self.sealing.given();
        given.weight -= self.weight;
        let lost = || Err(Error::Reading(std::io::Error::other("a thread that packs ended early")));
        if let Err(error) = self.outcome.take().unwrap_or_else(lost) {
            given.broken = true;
            given.failure.get_or_insert(error);
        }
        drop(given);
        self.sealing.changed.notify_all();
    }
}
