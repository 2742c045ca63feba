//! The vault's locations together: which can be used, what lies where, and how one heals from another.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::{Error, Result};
use super::index::Known;
use super::limits::MAX_PACK;
use super::location::{self, Location, Locations};
use super::pack;
use super::setup;
use crate::rows::Digest;
use crate::vault::VaultId;

/// A mark beside a pack that could not be healed: it stays where it is, since parts of it may still be read, but does not count.
const UNHEALED: &str = ".unhealed";

/// The locations of an open vault.
pub(super) struct Sites {
    vault: VaultId,
    all: Locations,
    state: Mutex<State>,
}

#[derive(Clone, Default)]
struct State {
    /// Why a location cannot be used, by its number.
    unusable: HashMap<usize, String>,
    /// Packs that are damaged at a location.
    bad: HashSet<(usize, Digest)>,
}

/// Which packs lie where, with their sizes; a location that cannot be listed has none.
pub(super) struct Presence(Vec<HashMap<Digest, u64>>);

impl Presence {
    pub(super) fn add(&mut self, site: usize, pack: Digest, size: u64) {
        self.0[site].insert(pack, size);
    }

    /// Every pack that lies anywhere; one that lies at several places as often.
    pub(super) fn packs(&self) -> impl Iterator<Item = &Digest> {
        self.0.iter().flat_map(HashMap::keys)
    }

    /// True where the location lists the pack with its right size.
    pub(super) fn has(&self, site: usize, pack: &Known) -> bool {
        self.0[site].get(&pack.id) == Some(&pack.size)
    }
}

impl Sites {
    pub(super) fn new(vault: VaultId, all: Locations) -> Self {
        Self { vault, all, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn all(&self) -> &[Arc<dyn Location>] {
        &self.all
    }

    /// The same with one more location.
    pub(super) fn with(&self, location: Arc<dyn Location>) -> Self {
        let mut all = self.all.clone();
        all.push(location);
        Self { vault: self.vault, all, state: Mutex::new(self.state().clone()) }
    }

    /// How many locations must have a backup: all but one, at least one.
    pub(super) fn required(&self) -> usize {
        self.all.len().saturating_sub(1).max(1)
    }

    /// Looks at every location again: an empty mount point or a foreign disk is never written to.
    pub(super) fn look(&self) {
        for (site, location) in self.all.iter().enumerate() {
            let seen = setup::holds(location.as_ref(), self.vault).and_then(|()| {
                let marks = location.list("damaged").map_err(|error| error.to_string())?;
                Ok(marks.iter().filter_map(|mark| marked(&mark.name)).collect::<Vec<_>>())
            });
            let mut state = self.state();
            state.bad.retain(|(at, _)| *at != site);
            match seen {
                Ok(marks) => {
                    state.unusable.remove(&site);
                    state.bad.extend(marks.into_iter().map(|pack| (site, pack)));
                }
                Err(why) => {
                    state.unusable.insert(site, why);
                }
            }
        }
    }

    /// Why a location cannot be used.
    pub(super) fn unusable(&self, site: usize) -> Option<String> {
        self.state().unusable.get(&site).cloned()
    }

    /// The locations that can be used, in their order.
    pub(super) fn usable(&self) -> Vec<(usize, &dyn Location)> {
        let state = self.state();
        self.all.iter().enumerate().filter(|(site, _)| !state.unusable.contains_key(site)).map(|(site, at)| (site, at.as_ref())).collect()
    }

    pub(super) fn is_bad(&self, site: usize, pack: &Digest) -> bool {
        self.state().bad.contains(&(site, *pack))
    }

    /// How many locations hold the pack whole.
    pub(super) fn copies(&self, presence: &Presence, pack: &Known) -> usize {
        let state = self.state();
        (0..self.all.len()).filter(|site| presence.has(*site, pack) && !state.bad.contains(&(*site, pack.id))).count()
    }

    /// Every object below `folder` at any location that can be listed: its name, and where it lies with which size.
    pub(super) fn list_all(&self, folder: &str) -> Result<BTreeMap<String, Vec<(usize, u64)>>> {
        let mut found: BTreeMap<String, Vec<(usize, u64)>> = BTreeMap::new();
        let mut reasons = Vec::new();
        let mut listed = 0;
        for (site, location) in self.usable() {
            match location.list(folder) {
                Ok(entries) => {
                    listed += 1;
                    entries.into_iter().for_each(|entry| found.entry(entry.name).or_default().push((site, entry.size)));
                }
                Err(error) => reasons.push((location.name().to_owned(), error.to_string())),
            }
        }
        reasons.extend(self.reasons());
        if listed == 0 { Err(Error::Unreachable { reasons }) } else { Ok(found) }
    }

    pub(super) fn reasons(&self) -> Vec<(String, String)> {
        let state = self.state();
        state.unusable.iter().map(|(&site, why)| (self.all[site].name().to_owned(), why.clone())).collect()
    }

    /// Lists the packs everywhere.
    pub(super) fn presence(&self) -> Result<Presence> {
        let mut presence = Presence(vec![HashMap::new(); self.all.len()]);
        for folder in ["packs", "meta"] {
            for (name, places) in self.list_all(folder)? {
                let Some((_, id)) = pack::parse_object(&name) else { continue };
                places.into_iter().for_each(|(site, size)| presence.add(site, id, size));
            }
        }
        Ok(presence)
    }

    /// The object's bytes from the first location where `right` accepts them; damaged copies (and missing ones, if wished) are healed from it.
    pub(super) fn get_whole(&self, name: &str, limit: u64, heal_missing: bool, right: &dyn Fn(&[u8]) -> bool) -> Result<Vec<u8>> {
        let mut wrong = Vec::new();
        let mut reasons = Vec::new();
        let mut damaged = false;
        for (site, location) in self.usable() {
            match location.get(name, limit) {
                Ok(bytes) if right(&bytes) => {
                    for (site, location) in wrong {
                        // Healing is best effort: the bytes are good, and a later look tries again.
                        let _ = self.replace(site, location, name, &bytes);
                    }
                    return Ok(bytes);
                }
                Ok(_) | Err(location::Error::TooLarge { .. }) => {
                    damaged = true;
                    wrong.push((site, location));
                    reasons.push(format!("damaged at {}", location.name()));
                }
                Err(location::Error::Missing { .. }) => {
                    if heal_missing {
                        wrong.push((site, location));
                    }
                    reasons.push(format!("missing at {}", location.name()));
                }
                Err(error) => reasons.push(format!("{}: {error}", location.name())),
            }
        }
        reasons.extend(self.reasons().into_iter().map(|(name, why)| format!("{name}: {why}")));
        let why = reasons.join("; ");
        if damaged { Err(Error::damaged(name, why)) } else { Err(Error::Lost { what: name.into(), why }) }
    }

    /// Whole bytes of a pack, healing every location whose copy is not.
    pub(super) fn get_pack(&self, pack: &Known) -> Result<Vec<u8>> {
        self.get_whole(&pack.object(), MAX_PACK, true, &|bytes| Digest::of(bytes) == pack.id)
    }

    /// Puts good bytes where damaged or missing ones are; the damaged are kept aside, never deleted silently.
    pub(super) fn replace(&self, site: usize, location: &dyn Location, name: &str, good: &[u8]) -> Result<(), location::Error> {
        match location.get(name, MAX_PACK) {
            Ok(bytes) if bytes == good => {}
            Ok(bytes) => {
                location.put(&aside(name, &bytes), &bytes)?;
                location.delete(name)?;
                location.put(name, good)?;
            }
            Err(location::Error::TooLarge { .. }) => {
                // Too large to be kept aside: nothing that was ever written is.
                location.delete(name)?;
                location.put(name, good)?;
            }
            Err(location::Error::Missing { .. }) => location.put(name, good)?,
            Err(error) => return Err(error),
        }
        if let Some((_, id)) = pack::parse_object(name) {
            self.state().bad.remove(&(site, id));
            location.delete(&mark(&id))?;
        }
        Ok(())
    }

    /// Remembers that a pack is damaged where it lies, here and for the next who opens the vault.
    pub(super) fn mark_bad(&self, site: usize, pack: &Digest) {
        if self.state().bad.insert((site, *pack)) {
            let _ = self.all[site].put(&mark(pack), b"damaged\n");
        }
    }
}

fn aside(name: &str, bytes: &[u8]) -> String {
    let sum = Digest::of(bytes).to_string();
    format!("damaged/{}-{}", name.replace('/', "_"), &sum[..16])
}

fn mark(pack: &Digest) -> String {
    format!("damaged/{pack}{UNHEALED}")
}

fn marked(name: &str) -> Option<Digest> {
    Digest::from_hex(name.strip_prefix("damaged/")?.strip_suffix(UNHEALED)?)
}
