//! Keys: one random master, what is derived from it, and the slots that wrap it.

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::crypto::{self, SealKey, random};
use super::error::{Error, Result};
use super::limits::{MAX_KDF_LANES, MAX_KDF_MEMORY, MAX_KDF_PASSES};
use super::names::{VaultId, from_hex, hex};
use super::secret::Secret;

const SLOT_MAGIC: &str = "backstop-key";
const ID_KEY: &str = "Backstop 1 chunk id key";
const CHUNKER_KEY: &str = "Backstop 1 file chunker key";
const BOUNDARY_KEY: &str = "Backstop 1 row boundary key";
const LOCAL_KEY: &str = "Backstop 1 local files key";
const RECORD_KEY: &str = "Backstop 1 record key";
const DATA_KEY: &str = "Backstop 1 data key";
const SLOT_COMMITMENT: &str = "Backstop 1 slot commitment";
const SLOT_WRAP: &str = "Backstop 1 slot wrapping key";

/// The epoch that is written; a rotation will begin the next.
pub const EPOCH: u32 = 1;

/// What is derived from the master key.
#[derive(Debug)]
pub struct Keys {
    id: SealKey,
    chunker: SealKey,
    boundary: SealKey,
    /// Seals files that stay on this machine: plans, the digest cache.
    pub local: SealKey,
    /// Seals manifests, index fragments, holds and deletions.
    pub record: SealKey,
    data: SealKey,
}

impl Keys {
    pub(super) fn derive(master: &SealKey) -> Self {
        let of = |context| SealKey(blake3::derive_key(context, &master.0));
        Self {
            id: of(ID_KEY),
            chunker: of(CHUNKER_KEY),
            boundary: of(BOUNDARY_KEY),
            local: of(LOCAL_KEY),
            record: of(RECORD_KEY),
            data: data_key(master, EPOCH),
        }
    }

    /// The key of packs of `epoch`; `None` where this version does not know it.
    #[must_use]
    pub fn data(&self, epoch: u32) -> Option<&SealKey> {
        (epoch == EPOCH).then_some(&self.data)
    }

    /// The name of a chunk: keyed, so that a store cannot test for content that it knows.
    #[must_use]
    pub fn chunk_id(&self, kind: u8, plain: &[u8]) -> crate::rows::Digest {
        let mut hasher = blake3::Hasher::new_keyed(&self.id.0);
        hasher.update(&[kind]).update(plain);
        crate::rows::Digest(*hasher.finalize().as_bytes())
    }

    /// The key that decides where files are cut.
    #[must_use]
    pub fn chunker(&self) -> &[u8; 32] {
        &self.chunker.0
    }

    /// The key that decides where segments end.
    #[must_use]
    pub fn boundary(&self) -> &[u8; 32] {
        &self.boundary.0
    }
}

fn data_key(master: &SealKey, epoch: u32) -> SealKey {
    let mut hasher = blake3::Hasher::new_derive_key(DATA_KEY);
    hasher.update(&master.0).update(&epoch.to_le_bytes());
    SealKey(*hasher.finalize().as_bytes())
}

/// What a slot's secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotKind {
    /// A passphrase.
    Passphrase,
    /// A recovery key.
    Recovery,
    /// A key file of a machine.
    KeyFile,
}

impl SlotKind {
    /// In people's words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Passphrase => "passphrase",
            Self::Recovery => "recovery key",
            Self::KeyFile => "key file",
        }
    }
}

/// What deriving a key from a passphrase costs: Argon2id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// KiB of memory.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Cost {
    /// What every vault is made with: 64 MiB and 3 passes. More lanes over threads of their own take 0.12 s in place of 0.15 on two cores.
    pub const STANDARD: Self = Self { memory: 64 << 10, passes: 3, lanes: 1 };
    /// Far too cheap to protect anything: for tests, which make many vaults.
    pub const FOR_TESTS: Self = Self { memory: 8, passes: 1, lanes: 1 };
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct SlotHeader {
    magic: String,
    version: u32,
    vault: VaultId,
    slot: String,
    kind: SlotKind,
    cost: Cost,
    salt: String,
    created: String,
}

/// The master key, wrapped.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Slot {
    header: SlotHeader,
    commitment: String,
    wrapped: String,
    checksum: String,
}

/// What trying a slot gave.
#[derive(Debug)]
pub enum Tried {
    /// The master key.
    Opened(SealKey),
    /// The slot is whole, and the secret is another.
    Wrong,
    /// The slot is damaged.
    Damaged,
}

impl Slot {
    pub(super) fn wrap(master: &SealKey, vault: VaultId, kind: SlotKind, secret: &[u8], cost: Cost, created: String) -> Result<Self> {
        let header = SlotHeader {
            magic: SLOT_MAGIC.into(),
            version: 1,
            vault,
            slot: hex(&random::<8>()?),
            kind,
            cost,
            salt: hex(&random::<32>()?),
            created,
        };
        let about = header.bytes();
        let (commitment, key) = header.stretch(secret)?;
        let wrapped = crypto::seal(&key, &about, &master.0)?;
        let mut slot = Self { header, commitment: hex(&commitment), wrapped: hex(&wrapped), checksum: String::new() };
        slot.checksum = slot.sum();
        Ok(slot)
    }

    /// Reads a slot; `None` where it is damaged: its checksum tells that from a wrong passphrase.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let slot: Self = serde_json::from_slice(bytes).ok()?;
        (slot.header.magic == SLOT_MAGIC && slot.checksum == slot.sum()).then_some(slot)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    pub(super) fn vault(&self) -> VaultId {
        self.header.vault
    }

    pub(super) fn kind(&self) -> SlotKind {
        self.header.kind
    }

    pub(super) fn id(&self) -> &str {
        &self.header.slot
    }

    pub(super) fn created(&self) -> &str {
        &self.header.created
    }

    pub(super) fn name(&self) -> String {
        format!("keys/{}.json", self.header.slot)
    }

    /// Tries to open it.
    pub(super) fn open(&self, secret: &[u8]) -> Result<Tried> {
        if self.header.version != 1 {
            return Err(Error::Unsupported { object: self.name(), feature: format!("key slot version {}", self.header.version) });
        }
        let (Some(expected), Some(wrapped)) = (from_hex(&self.commitment), from_hex(&self.wrapped)) else { return Ok(Tried::Damaged) };
        let (commitment, key) = self.header.stretch(secret)?;
        // blake3's comparison takes the same time wherever the bytes differ.
        if blake3::hash(&commitment) != blake3::hash(&expected) {
            return Ok(Tried::Wrong);
        }
        let master = crypto::open(&key, &self.header.bytes(), &wrapped).map(Zeroizing::new);
        Ok(match master.and_then(|master| <[u8; 32]>::try_from(master.as_slice()).ok()) {
            Some(master) => Tried::Opened(SealKey(master)),
            None => Tried::Damaged,
        })
    }

    fn sum(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.header.bytes()).update(self.commitment.as_bytes()).update(self.wrapped.as_bytes());
        hasher.finalize().to_hex().to_string()
    }
}

impl SlotHeader {
    fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn stretch(&self, secret: &[u8]) -> Result<([u8; 32], SealKey)> {
        let too_much = |why: &str| Error::Derivation { why: why.into() };
        let Cost { memory, passes, lanes } = self.cost;
        if memory > MAX_KDF_MEMORY || passes > MAX_KDF_PASSES || lanes > MAX_KDF_LANES {
            return Err(too_much("the slot asks for more memory or time than any slot should"));
        }
        let salt = from_hex(&self.salt).ok_or_else(|| too_much("the salt is not hexadecimal"))?;
        let params = Params::new(memory, passes, lanes, Some(32)).map_err(|error| too_much(&error.to_string()))?;
        let mut stretched = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(secret, &salt, stretched.as_mut())
            .map_err(|error| too_much(&error.to_string()))?;
        let key = SealKey(blake3::derive_key(SLOT_WRAP, stretched.as_ref()));
        Ok((blake3::derive_key(SLOT_COMMITMENT, stretched.as_ref()), key))
    }
}

/// The secret that a person gave, as a slot takes it.
pub(super) fn secret_bytes(secret: &Secret) -> Result<&[u8]> {
    if secret.is_empty() { Err(Error::EmptyPassphrase) } else { Ok(secret.bytes()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASTER: [u8; 32] = [42; 32];

    fn slot() -> Slot {
        let vault = VaultId([1; 16]);
        Slot::wrap(&SealKey(MASTER), vault, SlotKind::Passphrase, b"correct", Cost::FOR_TESTS, "2026-01-01T00:00:00.000Z".into()).unwrap()
    }

    #[test]
    fn a_wrong_passphrase_is_told_apart_from_a_damaged_slot() {
        let slot = slot();
        assert!(matches!(slot.open(b"correct").unwrap(), Tried::Opened(master) if master.0 == MASTER));
        assert!(matches!(slot.open(b"wrong").unwrap(), Tried::Wrong));
        let bytes = slot.bytes();
        assert!(Slot::parse(&bytes).is_some());
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x04;
            // White space and the case of nothing else may differ.
            if let Some(read) = Slot::parse(&damaged) {
                assert!(bytes[at].is_ascii_whitespace(), "byte {at}: {read:?}");
            }
        }
    }

    #[test]
    fn a_slot_that_asks_for_all_memory_is_refused() {
        let mut hostile = slot();
        hostile.header.cost.memory = u32::MAX;
        hostile.checksum = hostile.sum();
        let read = Slot::parse(&hostile.bytes()).unwrap();
        assert!(matches!(read.open(b"correct"), Err(Error::Derivation { .. })));
    }

    #[test]
    fn derived_keys_never_change() {
        let keys = Keys::derive(&SealKey(MASTER));
        let shown = [&keys.id, &keys.chunker, &keys.boundary, &keys.local, &keys.record, &keys.data].map(|key| hex(&key.0[..8]));
        assert_eq!(
            shown.join(" "),
            "5252ff47b5a9383f bc90a9d03638df13 1527c695cb213008 c0f0a8959054f0f9 5713baa9e9980d6e 63ee792f0622429d"
        );
        assert_eq!(hex(&keys.chunk_id(1, b"content").0[..8]), "6176102418ba4c5b");
    }
}
