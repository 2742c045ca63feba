//! Locations that are behind, and how they catch up: objects first, manifests only once all that they refer to is there.

use std::collections::{BTreeMap, HashMap};

use super::Vault;
use super::error::Result;
use super::keys::Slot;
use super::limits::{MAX_FRAGMENT, MAX_MANIFEST, MAX_PACK, MAX_RECORD};
use super::location::{Capacity, Location};
use super::names::BackupName;
use super::record::RecordKind;
use super::sites::Presence;
use super::{manifest::Manifest, pack, setup};
use crate::numbers::counted;
use crate::rows::Digest;

/// In the order in which they are copied: what is referred to comes before what refers to it.
const FOLDERS: [&str; 7] = ["keys", "packs", "meta", "index", "holds", "deleted", "releases"];

/// A location as it stands.
#[derive(Clone, Debug)]
pub struct LocationStatus {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub place: String,
    /// Why it cannot be used.
    pub reachable: Result<(), String>,
    /// Its room.
    pub capacity: Option<Capacity>,
    /// Objects it holds.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that others have and it lacks.
    pub backlog_objects: u64,
    /// Their bytes.
    pub backlog_bytes: u64,
}

/// What catching up did.
#[derive(Clone, Debug, Default)]
pub struct CatchUp {
    /// Objects copied.
    pub objects: u64,
    /// Bytes copied.
    pub bytes: u64,
    /// Locations that are still behind, and why.
    pub behind: Vec<(String, String)>,
}

impl Vault {
    /// Locations that are on one file system, by name and in pairs with the first of them: what takes one takes the other.
    #[must_use]
    pub fn shared_disks(&self) -> Vec<(String, String)> {
        let device = |location: &std::sync::Arc<dyn Location>| location.spot().ok().flatten().map(|spot| spot.device);
        let all = self.sites.all();
        let pairs = all.iter().enumerate().filter_map(|(place, location)| {
            let own = device(location)?;
            let first = all[..place].iter().find(|other| device(other) == Some(own))?;
            Some((first.name().to_owned(), location.name().to_owned()))
        });
        pairs.collect()
    }

    /// How every location stands.
    #[must_use]
    pub fn status(&self) -> Vec<LocationStatus> {
        self.sites.look();
        let mut all: BTreeMap<String, u64> = BTreeMap::new();
        let listings: Vec<_> = self.sites.all().iter().enumerate().map(|(site, location)| self.listing(site, location.as_ref())).collect();
        for (name, size) in listings.iter().flatten().flatten().filter(|(name, _)| setup::is_replicated(name)) {
            let largest = all.entry(name.clone()).or_default();
            *largest = (*largest).max(*size);
        }
        let each = self.sites.all().iter().zip(listings);
        each.map(|(location, listing)| {
            let there = listing.as_ref().ok();
            let lacks = |name: &str| !there.is_some_and(|there| there.contains_key(name));
            let backlog: Vec<u64> = all.iter().filter(|(name, _)| lacks(name)).map(|(_, size)| *size).collect();
            LocationStatus {
                name: location.name().to_owned(),
                place: location.place(),
                capacity: location.capacity().ok().flatten(),
                objects: there.map_or(0, |there| there.len() as u64),
                bytes: there.map_or(0, |there| there.values().sum()),
                backlog_objects: backlog.len() as u64,
                backlog_bytes: backlog.iter().sum(),
                reachable: listing.map(|_| ()),
            }
        })
        .collect()
    }

    fn listing(&self, site: usize, location: &dyn Location) -> Result<HashMap<String, u64>, String> {
        match self.sites.unusable(site) {
            Some(why) => Err(why),
            None => Ok(location.list("").map_err(|error| error.to_string())?.into_iter().map(|entry| (entry.name, entry.size)).collect()),
        }
    }

    /// Copies to every location what another has and it lacks, manifests last.
    ///
    /// # Errors
    /// No location can be read. What one location refuses is in the answer.
    pub fn catch_up(&self) -> Result<CatchUp> {
        self.sites.look();
        self.refresh()?;
        self.catch_up_objects(true)
    }

    pub(super) fn catch_up_objects(&self, manifests: bool) -> Result<CatchUp> {
        let mut done = CatchUp::default();
        for folder in FOLDERS {
            for (name, places) in self.sites.list_all(folder)? {
                self.copy_missing(&name, &places, |_| true, &mut done);
            }
        }
        if manifests {
            let behind = self.behind(&self.sites.presence()?)?;
            for (name, places) in self.sites.list_all("backups")? {
                self.copy_missing(&name, &places, |site| !behind.contains_key(&site), &mut done);
            }
            done.behind.extend(behind.into_iter().map(|(site, why)| (self.sites.all()[site].name().to_owned(), why)));
        }
        done.behind.sort();
        done.behind.dedup();
        Ok(done)
    }

    /// Locations that lack a pack or index fragment that another has, or cannot be used: no manifest goes there.
    ///
    /// All packs that the index knows are asked for, not only those of one backup: simple, and never too few.
    pub(super) fn behind(&self, presence: &Presence) -> Result<HashMap<usize, String>> {
        let fragments = self.sites.list_all("index")?;
        let index = self.index();
        let mut behind = HashMap::new();
        for (site, location) in self.sites.all().iter().enumerate() {
            let lacks = |pack: &&super::index::Known| {
                let whole = presence.has(site, pack) && !self.sites.is_bad(site, &pack.id);
                !whole && self.sites.copies(presence, pack) > 0
            };
            let packs = index.packs().iter().filter(lacks).count();
            let absent = |name: &&String| !fragments.get(*name).is_some_and(|places| places.iter().any(|(at, _)| *at == site));
            let parts = index.fragments().filter(absent).count();
            if let Some(why) = self.sites.unusable(site) {
                behind.insert(site, why);
            } else if packs + parts > 0 {
                behind.insert(
                    site,
                    format!("{} lacks {} that another location has", location.name(), counted((packs + parts) as u64, "object")),
                );
            }
        }
        Ok(behind)
    }

    /// Copies one object to the locations that lack it, or have it with another size than most.
    fn copy_missing(&self, name: &str, places: &[(usize, u64)], may: impl Fn(usize) -> bool, done: &mut CatchUp) {
        let right_size = self.size_of(name, places);
        let lacking: Vec<_> = self
            .sites
            .usable()
            .into_iter()
            .filter(|(site, _)| may(*site) && !places.iter().any(|(at, size)| at == site && Some(*size) == right_size))
            .collect();
        if lacking.is_empty() && !self.marked_bad(name, places) {
            return;
        }
        let bytes = match self.sites.get_whole(name, limit_of(name), false, &|bytes| self.is_right(name, bytes)) {
            Ok(bytes) => bytes,
            Err(error) => {
                done.behind.extend(lacking.iter().map(|(_, location)| (location.name().to_owned(), error.to_string())));
                return;
            }
        };
        for (site, location) in lacking {
            match self.sites.replace(site, location, name, &bytes) {
                Ok(()) => {
                    done.objects += 1;
                    done.bytes += bytes.len() as u64;
                }
                Err(error) => done.behind.push((location.name().to_owned(), error.to_string())),
            }
        }
    }

    /// The size that the index gives a pack; for anything else the largest, since what is cut off is shorter.
    fn size_of(&self, name: &str, places: &[(usize, u64)]) -> Option<u64> {
        let known = pack::parse_object(name).and_then(|(_, id)| self.index().pack(&id));
        known.map(|pack| pack.size).or_else(|| places.iter().map(|(_, size)| *size).max())
    }

    fn marked_bad(&self, name: &str, places: &[(usize, u64)]) -> bool {
        pack::parse_object(name).is_some_and(|(_, id)| places.iter().any(|(site, _)| self.sites.is_bad(*site, &id)))
    }

    /// Whether these are the bytes that belong under the name.
    pub(super) fn is_right(&self, name: &str, bytes: &[u8]) -> bool {
        if let Some((_, id)) = pack::parse_object(name) {
            return Digest::of(bytes) == id;
        }
        let record = |kind| self.sealer().open(kind, name, bytes, limit_of(name)).is_ok();
        match name.split_once('/') {
            Some(("index", id)) => Digest::of(bytes).to_string() == id,
            Some(("keys", _)) => Slot::parse(bytes).is_some_and(|slot| slot.name() == name && slot.vault() == self.id),
            Some(("holds", _)) => record(RecordKind::Hold),
            Some(("deleted", _)) => record(RecordKind::Deletion),
            Some(("releases", _)) => record(RecordKind::Release),
            Some(("backups", _)) => BackupName::parse(name).is_some_and(|name| Manifest::open(self.sealer(), &name, bytes).is_ok()),
            _ => false,
        }
    }
}

/// The largest that an object of this name is read.
pub(super) fn limit_of(name: &str) -> u64 {
    match name.split('/').next() {
        Some("packs" | "meta") => MAX_PACK,
        Some("index") => MAX_FRAGMENT,
        Some("backups") => MAX_MANIFEST,
        _ => MAX_RECORD,
    }
}
