//! Vaults of this home: made, opened when they are needed, looked at.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::catalog::{AuditOutcome, Kind, NewLocation, NewVault, Role};
use crate::vault::{Local, Location, NewKeys, RecoveryWords, Secret, Unlock, Vault};

use super::{Engine, Error, Result, lock};

/// A vault that is to be made.
pub struct VaultRequest<'a> {
    /// Its name; the first is `main`.
    pub name: &'a str,
    /// Folders, each to hold all of it.
    pub locations: &'a [String],
    /// What opens it.
    pub passphrase: &'a Secret,
    /// Whether to make a recovery key.
    pub recovery: bool,
}

impl Engine {
    /// Makes a vault in all its locations and gives the recovery key, where one was asked for: it is shown once and stored nowhere.
    ///
    /// # Errors
    /// A name or a place that is taken, and what the file system says; nothing is half made known then.
    pub fn create_vault(&self, request: &VaultRequest<'_>) -> Result<Option<RecoveryWords>> {
        self.allow(Role::Admin, "vault init", request.name)?;
        self.refuse_known_vault(request.name)?;
        refuse_twice(request.locations)?;
        let locations = locations(request.locations)?;
        let places: Vec<(String, String)> = locations.iter().map(|location| (location.name().to_owned(), location.place())).collect();
        let keys = NewKeys { passphrase: request.passphrase, recovery: request.recovery };
        let (vault, words) = Vault::create(locations, keys, self.clock().clone())?;
        self.know_vault(request.name, &vault, &places, words.is_some())?;
        lock(&self.inner.vaults).insert(request.name.to_owned(), Arc::new(vault));
        Ok(words)
    }

    /// The vault with this name, opened with its passphrase the first time.
    ///
    /// # Errors
    /// There is none, it cannot be reached, or the passphrase is wrong.
    pub fn vault(&self, name: &str) -> Result<Arc<Vault>> {
        if let Some(vault) = lock(&self.inner.vaults).get(name) {
            return Ok(vault.clone());
        }
        let vault = match self.unlock_here(name)? {
            Some(vault) => vault,
            None => self.unlock(name, &self.inner.passphrases.passphrase(name)?)?,
        };
        // What a dead restore did is to be known before anything else is done with its vault.
        self.judge_the_dead()?;
        Ok(vault)
    }

    /// Whether the vault with this name is yet to be opened, with a passphrase that is at hand: deriving its key takes a while.
    #[must_use]
    pub fn will_derive(&self, name: &str) -> bool {
        !lock(&self.inner.vaults).contains_key(name) && self.inner.passphrases.at_hand(name).is_some()
    }

    /// The vault with this name where it is open already, or can be opened without asking anybody.
    ///
    /// # Errors
    /// It is locked, cannot be reached, or the passphrase at hand is wrong.
    pub fn vault_at_hand(&self, name: &str) -> Result<Arc<Vault>> {
        if let Some(vault) = lock(&self.inner.vaults).get(name) {
            return Ok(vault.clone());
        }
        if let Some(vault) = self.unlock_here(name)? {
            return Ok(vault);
        }
        let secret = self.inner.passphrases.at_hand(name).ok_or_else(|| Error::Refused {
            why: format!("the vault “{name}” is locked, and no passphrase is given"),
            hint: "Give --passphrase-file FILE, or set BACKSTOP_PASSPHRASE_FILE or BACKSTOP_PASSPHRASE.".into(),
        })?;
        self.unlock(name, &secret)
    }

    /// The vault, opened with this machine's key file where there is one.
    fn unlock_here(&self, name: &str) -> Result<Option<Arc<Vault>>> {
        let id = self.resolve(Kind::Vault, name)?;
        let places: Vec<String> = self.catalog().locations(&id)?.into_iter().map(|location| location.place).collect();
        let vault = self.open_with_machine_key(&id, locations(&places)?)?;
        if let Some(vault) = &vault {
            lock(&self.inner.vaults).insert(name.to_owned(), vault.clone());
        }
        Ok(vault)
    }

    fn unlock(&self, name: &str, secret: &Secret) -> Result<Arc<Vault>> {
        let id = self.resolve(Kind::Vault, name)?;
        let places: Vec<String> = self.catalog().locations(&id)?.into_iter().map(|location| location.place).collect();
        let vault = Arc::new(Vault::open(locations(&places)?, Unlock::Passphrase(secret), self.clock().clone())?);
        lock(&self.inner.vaults).insert(name.to_owned(), vault.clone());
        Ok(vault)
    }

    /// Locations of a vault that are on one file system, in pairs of their names: two copies there are hardly more than one.
    ///
    /// # Errors
    /// As of [`Engine::vault`].
    pub fn shared_disks(&self, name: &str) -> Result<Vec<(String, String)>> {
        Ok(self.vault(name)?.shared_disks())
    }

    fn refuse_known_vault(&self, name: &str) -> Result<()> {
        if self.catalog().vaults()?.iter().any(|vault| vault.name == name) {
            return Err(self.another_vault(name));
        }
        Ok(())
    }

    pub(super) fn another_vault(&self, name: &str) -> Error {
        let hint = "Give the new one another name: backstop vault init NAME …".to_owned();
        Error::Refused { why: format!("there is a vault “{name}” already"), hint }
    }

    pub(super) fn know_vault(&self, name: &str, vault: &Vault, places: &[(String, String)], recovery: bool) -> Result<()> {
        let locations = places.iter().map(|(name, place)| NewLocation { name: name.clone(), place: place.clone() }).collect();
        let new = NewVault { id: vault.id().to_string(), name: name.to_owned(), passphrase_command: None, recovery, locations };
        self.catalog().add_vault(&new)?;
        self.audit("vault init", name, None, AuditOutcome::Done, None)
    }
}

/// One folder under two names would hold one copy where two are believed to be.
fn refuse_twice(places: &[String]) -> Result<()> {
    let mut seen: Vec<PathBuf> = Vec::new();
    for place in places {
        let path = same_place(Path::new(place));
        if seen.contains(&path) {
            let (why, hint) = (format!("the location {place} is given twice"), "Each location is a place of its own.".to_owned());
            return Err(Error::Usage { why, hint });
        }
        seen.push(path);
    }
    Ok(())
}

/// The one path of a place, whichever way it is written; the last part need not exist.
pub(super) fn same_place(place: &Path) -> PathBuf {
    let path = std::path::absolute(place).unwrap_or_else(|_| place.into());
    let resolved = path.canonicalize().ok();
    let by_parent = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    resolved.or_else(by_parent).unwrap_or(path)
}

/// Local folders as locations, each called by its folder's name and told apart by a number where two have the same.
pub(super) fn locations(places: &[String]) -> Result<Vec<Arc<dyn Location>>> {
    let mut names: Vec<String> = Vec::new();
    let mut locations: Vec<Arc<dyn Location>> = Vec::new();
    for place in places {
        if let Some((scheme, _)) = place.split_once("://") {
            let (why, hint) = (format!("locations of the kind {scheme}:// are not there yet"), "Name a folder.".to_owned());
            return Err(Error::Usage { why, hint });
        }
        let path = std::path::absolute(place).unwrap_or_else(|_| place.into());
        let base = path.file_name().map_or_else(|| "root".into(), |name| name.to_string_lossy().into_owned());
        let taken = names.iter().filter(|name| **name == base || name.starts_with(&format!("{base}-"))).count();
        let name = if taken == 0 { base } else { format!("{base}-{}", taken + 1) };
        locations.push(Arc::new(Local::new(name.clone(), path)));
        names.push(name);
    }
    Ok(locations)
}
