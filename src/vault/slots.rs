//! The key slots of an open vault: listed, added, removed.
//!
//! Each wraps the same master key, so that a key is added or taken away without touching what is stored. A slot is a small object that
//! is the same at every location; one that stays at a location out of reach would open the vault as before, so none is removed by halves.

use serde::Serialize;

use super::Vault;
use super::crypto::random;
use super::error::{Error, Result};
use super::keys::{Cost, Slot, SlotKind, Tried};
use super::names::hex;
use super::secret::Secret;
use super::setup::{self, Unlock};
use crate::clock::rfc3339;

/// A key slot, as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeySlot {
    /// Its id.
    pub id: String,
    /// What opens it.
    pub kind: SlotKind,
    /// When it was made (RFC 3339).
    pub created_at: String,
}

impl KeySlot {
    fn of(slot: &Slot) -> Self {
        Self { id: slot.id().to_owned(), kind: slot.kind(), created_at: slot.created().to_owned() }
    }
}

/// A new key for a key file: 256 random bits as hexadecimal digits.
///
/// # Errors
/// The system gives no random bytes.
pub fn new_key() -> Result<Secret> {
    Ok(Secret::new(hex(&random::<32>()?)))
}

impl Vault {
    /// The key slots that are whole at any location, the oldest first.
    ///
    /// # Errors
    /// No location can be read.
    pub fn key_slots(&self) -> Result<Vec<KeySlot>> {
        let (_, slots, _) = setup::read_slots(self.sites.all())?;
        let mut slots: Vec<KeySlot> = slots.iter().map(KeySlot::of).collect();
        slots.sort_by(|a, b| (&a.created_at, &a.id).cmp(&(&b.created_at, &b.id)));
        Ok(slots)
    }

    /// Makes a slot that `key` opens.
    ///
    /// # Errors
    /// The key is empty or no recovery key, or too few locations take the slot.
    pub fn add_key(&self, key: Unlock<'_>) -> Result<KeySlot> {
        let (kind, secret) = key.secret()?;
        let slot = Slot::wrap(&self.master, self.id, kind, &secret, Cost::STANDARD, rfc3339(self.clock.now()))?;
        self.sites.look();
        let mut reasons = self.sites.reasons();
        let mut have = 0;
        for (_, location) in self.sites.usable() {
            match location.put(&slot.name(), &slot.bytes()) {
                Ok(()) => have += 1,
                Err(error) => reasons.push((location.name().to_owned(), error.to_string())),
            }
        }
        let need = self.sites.required();
        if have >= need { Ok(KeySlot::of(&slot)) } else { Err(Error::NotDurable { have, need, reasons }) }
    }

    /// The slots that `key` opens.
    ///
    /// # Errors
    /// No location can be read, or the key can be none.
    pub fn opened_by(&self, key: Unlock<'_>) -> Result<Vec<KeySlot>> {
        let (kind, secret) = key.secret()?;
        let (_, slots, _) = setup::read_slots(self.sites.all())?;
        let mut opened = Vec::new();
        for slot in slots.iter().filter(|slot| slot.kind() == kind) {
            if matches!(slot.open(&secret)?, Tried::Opened(_)) {
                opened.push(KeySlot::of(slot));
            }
        }
        Ok(opened)
    }

    /// Removes a slot everywhere. Whoever copied it and knows its key can still open what was stored until now.
    ///
    /// # Errors
    /// There is no such slot, it is the last that a person holds, or a location that cannot be reached would keep it.
    pub fn remove_key(&self, id: &str) -> Result<()> {
        let slots = self.key_slots()?;
        if !slots.iter().any(|slot| slot.id == id) {
            return Err(Error::NoRecord { what: format!("the key slot {id}") });
        }
        // A key file goes with its machine: it alone opens nothing from anywhere else.
        if !slots.iter().any(|slot| slot.id != id && slot.kind != SlotKind::KeyFile) {
            return Err(Error::LastKey { slot: id.to_owned() });
        }
        self.sites.look();
        let reasons = self.sites.reasons();
        if !reasons.is_empty() {
            return Err(Error::KeyStays { reasons });
        }
        for (_, location) in self.sites.usable() {
            location.delete(&format!("keys/{id}.json")).map_err(|source| setup::at(location, source))?;
        }
        Ok(())
    }
}
