//! Making and opening a vault, and adding a location to it.

use std::sync::{Arc, Mutex, RwLock};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::crypto::{SealKey, random};
use super::error::{Error, Result};
use super::holds;
use super::index::Index;
use super::keys::{Cost, Keys, Slot, SlotKind, Tried, secret_bytes};
use super::limits::MAX_RECORD;
use super::location::{self, Location, Locations, Spot};
use super::names::VaultId;
use super::recovery::RecoveryWords;
use super::secret::Secret;
use super::sites::Sites;
use super::{Vault, pack};
use crate::clock::{SharedClock, rfc3339};

const OBJECT: &str = "vault.json";
const MAGIC: &str = "backstop-vault";

#[derive(Debug, Serialize, Deserialize)]
struct Description {
    magic: String,
    version: u32,
    vault: VaultId,
    #[serde(default)]
    features: Vec<String>,
    created: String,
}

/// The keys that a new vault gets.
#[derive(Clone, Copy, Debug)]
pub struct NewKeys<'s> {
    /// The passphrase.
    pub passphrase: &'s Secret,
    /// Whether a recovery key is made.
    pub recovery: bool,
}

/// What opens a vault.
#[derive(Clone, Copy)]
pub enum Unlock<'s> {
    /// The passphrase.
    Passphrase(&'s Secret),
    /// The words of the recovery key.
    Recovery(&'s str),
    /// What a machine's key file holds.
    KeyFile(&'s Secret),
}

impl std::fmt::Debug for Unlock<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Passphrase(_) => "Passphrase(…)",
            Self::Recovery(_) => "Recovery(…)",
            Self::KeyFile(_) => "KeyFile(…)",
        })
    }
}

impl Unlock<'_> {
    /// The kind of slot it opens, and the bytes that open it.
    pub(super) fn secret(&self) -> Result<(SlotKind, Zeroizing<Vec<u8>>)> {
        let plain = |secret: &Secret| secret_bytes(secret).map(|bytes| Zeroizing::new(bytes.to_vec()));
        Ok(match self {
            Self::Passphrase(passphrase) => (SlotKind::Passphrase, plain(passphrase)?),
            Self::Recovery(words) => (SlotKind::Recovery, RecoveryWords::parse(words)?.entropy()),
            Self::KeyFile(key) => (SlotKind::KeyFile, plain(key)?),
        })
    }
}

impl Vault {
    /// Makes a vault at all locations, which must be empty or not exist yet.
    ///
    /// # Errors
    /// A location is not empty, or cannot be written.
    pub fn create(locations: Locations, keys: NewKeys<'_>, clock: SharedClock) -> Result<(Self, Option<RecoveryWords>)> {
        Self::create_at_cost(locations, keys, Cost::STANDARD, clock)
    }

    /// As [`Vault::create`], with another cost of deriving keys: tests make many vaults.
    ///
    /// # Errors
    /// A location is not empty, or cannot be written.
    pub fn create_at_cost(locations: Locations, new: NewKeys<'_>, cost: Cost, clock: SharedClock) -> Result<(Self, Option<RecoveryWords>)> {
        let passphrase = secret_bytes(new.passphrase)?;
        locations.iter().try_for_each(|location| must_be_empty(location.as_ref()))?;
        must_differ(&locations)?;
        let (id, master) = (VaultId(random()?), SealKey(random()?));
        let now = rfc3339(clock.now());
        let mut slots = vec![Slot::wrap(&master, id, SlotKind::Passphrase, passphrase, cost, now.clone())?];
        let words = if new.recovery { Some(RecoveryWords::generate()?) } else { None };
        if let Some(words) = &words {
            slots.push(Slot::wrap(&master, id, SlotKind::Recovery, &words.entropy(), cost, now.clone())?);
        }
        for location in &locations {
            found(location.as_ref(), id, now.clone(), &slots).map_err(|source| at(location.as_ref(), source))?;
        }
        Ok((Self::with(id, &master, locations, clock), words))
    }

    /// Opens a vault; locations that cannot be reached now are left for later, as long as one can be read.
    ///
    /// # Errors
    /// No location holds a vault, the secret is wrong, or the key slots are damaged.
    pub fn open(locations: Locations, unlock: Unlock<'_>, clock: SharedClock) -> Result<Self> {
        let (id, slots, damaged) = read_slots(&locations)?;
        let (kind, secret) = unlock.secret()?;
        let master = unwrap_master(&slots, kind, &secret, damaged)?;
        let vault = Self::with(id, &master, locations, clock);
        vault.sites.look();
        vault.refresh()?;
        Ok(vault)
    }

    /// Makes an empty place another location of this vault; [`Vault::catch_up`] fills it.
    ///
    /// # Errors
    /// It is not empty, or cannot be written.
    pub fn add_location(&mut self, location: Arc<dyn Location>) -> Result<()> {
        must_be_empty(location.as_ref())?;
        must_differ(&[self.sites.all(), std::slice::from_ref(&location)].concat())?;
        let (_, slots, _) = read_slots(self.sites.all())?;
        found(location.as_ref(), self.id, rfc3339(self.clock.now()), &slots).map_err(|source| at(location.as_ref(), source))?;
        self.sites = Arc::new(self.sites.with(location));
        self.sites.look();
        Ok(())
    }

    fn with(id: VaultId, master: &SealKey, locations: Locations, clock: SharedClock) -> Self {
        let sites = Arc::new(Sites::new(id, locations));
        Self {
            id,
            keys: Arc::new(Keys::derive(master)),
            master: master.clone(),
            clock,
            sites,
            index: RwLock::new(Index::default()),
            records: Mutex::new(holds::Cache::default()),
        }
    }
}

pub(super) fn at(location: &dyn Location, source: location::Error) -> Error {
    Error::Location { name: location.name().to_owned(), source }
}

/// Key slots left by a vault that was never finished are no obstacle; anything else is.
fn must_be_empty(location: &dyn Location) -> Result<()> {
    location.prepare().map_err(|source| at(location, source))?;
    let there = location.list("").map_err(|source| at(location, source))?;
    if there.iter().any(|entry| entry.name == OBJECT) {
        return Err(Error::HoldsVault { place: location.place() });
    }
    if there.iter().all(|entry| entry.name.starts_with("keys/")) { Ok(()) } else { Err(Error::NotEmpty { place: location.place() }) }
}

/// Refuses locations that are one folder under two names.
///
/// # Errors
/// [`Error::SamePlace`].
pub fn must_differ(locations: &[Arc<dyn Location>]) -> Result<()> {
    let mut seen: Vec<(Spot, String)> = Vec::new();
    for location in locations {
        // One that cannot be reached now holds nothing else that could be looked at.
        let Ok(Some(spot)) = location.spot() else { continue };
        if let Some((_, other)) = seen.iter().find(|(known, _)| *known == spot) {
            return Err(Error::SamePlace { place: location.place(), other: other.clone() });
        }
        seen.push((spot, location.place()));
    }
    Ok(())
}

/// `vault.json` comes last: a place without it holds no vault.
fn found(location: &dyn Location, vault: VaultId, created: String, slots: &[Slot]) -> Result<(), location::Error> {
    for slot in slots {
        location.put(&slot.name(), &slot.bytes())?;
    }
    let description = Description { magic: MAGIC.into(), version: 1, vault, features: Vec::new(), created };
    location.put(OBJECT, &serde_json::to_vec_pretty(&description).unwrap_or_default())
}

/// Whether the location holds this vault; else why not. A lost or damaged `vault.json` is written again where a key slot proves the place.
pub(super) fn holds(location: &dyn Location, vault: VaultId) -> Result<(), String> {
    match describe(location) {
        Ok(Some(found)) if found == vault => Ok(()),
        Ok(Some(found)) => Err(format!("it holds another vault ({found})")),
        Err(error) => Err(error.to_string()),
        Ok(None) => {
            let slots = slots_at(location).map_err(|error| error.to_string())?.0;
            if !slots.iter().any(|slot| slot.vault() == vault) {
                return Err("there is no vault (is the disk mounted?)".into());
            }
            let description = Description { magic: MAGIC.into(), version: 1, vault, features: Vec::new(), created: String::new() };
            let bytes = serde_json::to_vec_pretty(&description).unwrap_or_default();
            location.delete(OBJECT).and_then(|()| location.put(OBJECT, &bytes)).map_err(|error| error.to_string())
        }
    }
}

/// The vault that a location holds; `None` where its `vault.json` is missing or damaged.
fn describe(location: &dyn Location) -> Result<Option<VaultId>> {
    let bytes = match location.get(OBJECT, MAX_RECORD) {
        Ok(bytes) => bytes,
        Err(location::Error::Missing { .. } | location::Error::TooLarge { .. }) => return Ok(None),
        Err(source) => return Err(at(location, source)),
    };
    let Ok(description) = serde_json::from_slice::<Description>(&bytes) else { return Ok(None) };
    if description.magic != MAGIC {
        return Ok(None);
    }
    let unknown =
        if description.version == 1 { description.features.into_iter().next() } else { Some(format!("version {}", description.version)) };
    match unknown {
        Some(feature) => Err(Error::Unsupported { object: OBJECT.into(), feature }),
        None => Ok(Some(description.vault)),
    }
}

fn slots_at(location: &dyn Location) -> Result<(Vec<Slot>, Vec<String>), location::Error> {
    let (mut slots, mut damaged) = (Vec::new(), Vec::new());
    for entry in location.list("keys")? {
        let read = location.get(&entry.name, MAX_RECORD).ok().and_then(|bytes| Slot::parse(&bytes));
        match read.filter(|slot| slot.name() == entry.name) {
            Some(slot) => slots.push(slot),
            None => damaged.push(entry.name),
        }
    }
    Ok((slots, damaged))
}

/// The vault's id, every slot that is whole at any location, and how many are whole at none.
pub(super) fn read_slots(locations: &[Arc<dyn Location>]) -> Result<(VaultId, Vec<Slot>, usize)> {
    let (mut slots, mut damaged, mut reasons) = (Vec::<Slot>::new(), Vec::new(), Vec::new());
    let mut described = None;
    for location in locations {
        let seen = describe(location.as_ref())
            .and_then(|id| Ok((id, slots_at(location.as_ref()).map_err(|source| at(location.as_ref(), source))?)));
        match seen {
            Ok((id, (whole, broken))) => {
                described = described.or(id);
                slots.extend(whole);
                damaged.extend(broken);
                if id.is_none() {
                    reasons.push((location.name().to_owned(), "there is no vault (is the disk mounted?)".into()));
                }
            }
            Err(error @ Error::Unsupported { .. }) => return Err(error),
            Err(error) => reasons.push((location.name().to_owned(), error.to_string())),
        }
    }
    let Some(id) = described.or_else(|| slots.first().map(Slot::vault)) else { return Err(Error::Unreachable { reasons }) };
    slots.retain(|slot| slot.vault() == id);
    slots.sort_by_key(Slot::name);
    slots.dedup_by_key(|slot| slot.name());
    damaged.retain(|name| !slots.iter().any(|slot| slot.name() == *name));
    damaged.sort();
    damaged.dedup();
    Ok((id, slots, damaged.len()))
}

fn unwrap_master(slots: &[Slot], kind: SlotKind, secret: &[u8], damaged: usize) -> Result<SealKey> {
    let mut broken = damaged;
    let mut tried = 0;
    for slot in slots.iter().filter(|slot| slot.kind() == kind) {
        match slot.open(secret)? {
            Tried::Opened(master) => return Ok(master),
            Tried::Wrong => tried += 1,
            Tried::Damaged => broken += 1,
        }
    }
    let what = kind.words();
    Err(match (tried, broken) {
        (0, 0) => Error::NoSlot { what },
        (0, _) => Error::DamagedSlot { what },
        _ => Error::WrongKey { what, damaged: broken },
    })
}

/// True for the objects that are the same at every location and are copied as they are.
pub(super) fn is_replicated(name: &str) -> bool {
    let folder = name.split('/').next().unwrap_or_default();
    pack::parse_object(name).is_some() || ["keys", "index", "holds", "releases", "deleted", "backups"].contains(&folder)
}
