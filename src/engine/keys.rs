//! The keys of a vault: the machine's key file, which opens it for scheduled runs, and what people hold.

use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;

use crate::catalog::{AuditOutcome, Kind, Role};
use crate::vault::{self, KeySlot, Locations, RecoveryWords, Secret, SlotKind, Unlock, Vault, new_key};

use super::Engine;
use super::error::{Doing, Error, Result};

impl Engine {
    /// The keys that open a vault, the oldest first.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn keys(&self, vault: &str) -> Result<Vec<KeySlot>> {
        Ok(self.vault(vault)?.key_slots()?)
    }

    /// Lets another passphrase open a vault.
    ///
    /// # Errors
    /// Not permitted, an empty passphrase, or the vault does not take it.
    pub fn add_passphrase(&self, vault: &str, passphrase: &Secret) -> Result<KeySlot> {
        self.allow(Role::Admin, "vault keys add", vault)?;
        let slot = self.vault(vault)?.add_key(Unlock::Passphrase(passphrase))?;
        self.audit("vault keys add", vault, None, AuditOutcome::Done, Some("a passphrase"))?;
        Ok(slot)
    }

    /// Lets a passphrase open a vault, where it does not already.
    ///
    /// # Errors
    /// As of [`Engine::add_passphrase`].
    pub fn ensure_passphrase(&self, vault: &str, passphrase: &Secret) -> Result<()> {
        if self.vault(vault)?.opened_by(Unlock::Passphrase(passphrase))?.is_empty() {
            self.add_passphrase(vault, passphrase)?;
        }
        Ok(())
    }

    /// Puts a new passphrase in the place of `old`, which opens nothing afterwards.
    ///
    /// # Errors
    /// Not permitted, `old` opens nothing now, or a location out of reach would keep it.
    pub fn change_passphrase(&self, vault: &str, old: &Secret, new: &Secret) -> Result<KeySlot> {
        self.allow(Role::Admin, "vault keys change", vault)?;
        let opened = self.vault(vault)?;
        let replaced = opened.opened_by(Unlock::Passphrase(old))?;
        if replaced.is_empty() {
            let hint = "Add one with another key: backstop vault keys add".to_owned();
            return Err(Error::Refused { why: format!("the old passphrase opens no slot of the vault {vault}"), hint });
        }
        let slot = opened.add_key(Unlock::Passphrase(new))?;
        for gone in replaced {
            opened.remove_key(&gone.id)?;
        }
        self.audit("vault keys change", vault, None, AuditOutcome::Done, None)?;
        Ok(slot)
    }

    /// Lets words open a vault, in the place of those that did. Keep them first: a key that nobody has is none.
    ///
    /// # Errors
    /// Not permitted, or the vault does not take it.
    pub fn set_recovery(&self, vault: &str, words: &RecoveryWords) -> Result<KeySlot> {
        self.allow(Role::Admin, "vault keys recovery", vault)?;
        let opened = self.vault(vault)?;
        let before: Vec<KeySlot> = opened.key_slots()?.into_iter().filter(|slot| slot.kind == SlotKind::Recovery).collect();
        let text = zeroize::Zeroizing::new(words.words().join(" "));
        let slot = opened.add_key(Unlock::Recovery(&text))?;
        for gone in before {
            opened.remove_key(&gone.id)?;
        }
        self.note_recovery(vault, true)?;
        self.audit("vault keys recovery", vault, None, AuditOutcome::Done, None)?;
        Ok(slot)
    }

    /// Makes the key file of this machine for a vault, which then opens without a passphrase.
    ///
    /// # Errors
    /// Not permitted, there is one already, or it cannot be written.
    pub fn add_machine_key(&self, vault: &str) -> Result<KeySlot> {
        self.allow(Role::Admin, "vault keys add", vault)?;
        let opened = self.vault(vault)?;
        let path = self.key_file(&opened.id().to_string());
        if path.exists() {
            let (why, hint) =
                (format!("there is a key file already: {}", path.display()), "It opens the vault for this machine.".to_owned());
            return Err(Error::Refused { why, hint });
        }
        // The slot first: a file that opens nothing would only be in the way.
        let key = new_key()?;
        let slot = opened.add_key(Unlock::KeyFile(&key))?;
        if let Err(error) = self.write_key(&path, &key) {
            opened.remove_key(&slot.id)?;
            return Err(error);
        }
        self.audit("vault keys add", vault, None, AuditOutcome::Done, Some("a key file of this machine"))?;
        Ok(slot)
    }

    /// Removes a key, so that it opens nothing any more; the machine's key file goes with its key.
    ///
    /// # Errors
    /// Not permitted, no such key or more than one is meant, or it is the last that a person holds.
    pub fn remove_key(&self, vault: &str, text: &str) -> Result<KeySlot> {
        self.allow(Role::Admin, "vault keys remove", vault)?;
        let opened = self.vault(vault)?;
        let found: Vec<KeySlot> = opened.key_slots()?.into_iter().filter(|slot| slot.id.starts_with(text)).collect();
        let [slot] = found.as_slice() else {
            return Err(Error::Unknown { what: "key", name: text.to_owned(), hint: "backstop vault keys list".into() });
        };
        let path = self.key_file(&opened.id().to_string());
        let own = self.machine_key(&opened.id().to_string())?.map(|key| opened.opened_by(Unlock::KeyFile(&key))).transpose()?;
        opened.remove_key(&slot.id)?;
        if own.is_some_and(|own| own.contains(slot)) {
            std::fs::remove_file(&path).doing(|| format!("removing the key file {}", path.display()))?;
        }
        if slot.kind == SlotKind::Recovery {
            self.note_recovery(vault, false)?;
        }
        self.audit("vault keys remove", vault, None, AuditOutcome::Done, Some(slot.kind.words()))?;
        Ok(slot.clone())
    }

    /// Opens a vault with this machine's key file; none where there is none for us, or it opens nothing any more.
    pub(super) fn open_with_machine_key(&self, id: &str, locations: Locations) -> Result<Option<Arc<Vault>>> {
        let Some(key) = self.machine_key(id)? else { return Ok(None) };
        match Vault::open(locations, Unlock::KeyFile(&key), self.clock().clone()) {
            Ok(vault) => Ok(Some(Arc::new(vault))),
            Err(vault::Error::WrongKey { .. } | vault::Error::NoSlot { .. } | vault::Error::DamagedSlot { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn note_recovery(&self, vault: &str, there: bool) -> Result<()> {
        let known = self.catalog().vault(&self.resolve(Kind::Vault, vault)?)?;
        Ok(self.catalog().set_vault_keys(&known.id, there, known.passphrase_command.as_deref())?)
    }

    fn key_file(&self, vault_id: &str) -> PathBuf {
        self.home().keys().join(format!("{vault_id}.key"))
    }

    fn write_key(&self, path: &std::path::Path, key: &Secret) -> Result<()> {
        let doing = || format!("writing the key file {}", path.display());
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).doing(doing)?;
        let written = key.write_to(&mut file).and_then(|()| file.write_all(b"\n")).and_then(|()| file.sync_all());
        let folder = || std::fs::File::open(self.home().keys()).and_then(|folder| folder.sync_all());
        written.and_then(|()| folder()).inspect_err(|_| drop(std::fs::remove_file(path))).doing(doing)
    }

    fn machine_key(&self, vault_id: &str) -> Result<Option<Secret>> {
        const LONGEST: u64 = 4096;
        let path = self.key_file(vault_id);
        let doing = || format!("reading the key file {}", path.display());
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            // The machine's key is the engine's: whoever else uses the home has a passphrase.
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied) => return Ok(None),
            Err(error) => return Err(error).doing(doing),
        };
        let mode = file.metadata().doing(doing)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let why = format!("the key file {} can be read by others (mode {mode:03o})", path.display());
            return Err(Error::Refused { why, hint: format!("chmod 600 {}; then make a new one: backstop vault keys", path.display()) });
        }
        let mut text = String::new();
        file.take(LONGEST).read_to_string(&mut text).doing(doing)?;
        text.truncate(text.trim_end().len());
        Ok(Some(Secret::new(text)))
    }
}
