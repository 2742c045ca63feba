//! A home with a catalog, for the tests of this part.

use std::sync::Arc;

use jiff::SignedDuration;

use super::{Catalog, NewApp, NewLocation, NewVault, Time};
use crate::clock::{Clock, ManualClock};

pub(super) struct Home {
    pub catalog: Catalog,
    pub clock: Arc<ManualClock>,
    _folder: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new("2026-11-21T12:00:00Z".parse().unwrap()));
        let catalog = Catalog::open(folder.path().join("catalog.db"), clock.clone()).unwrap();
        Self { catalog, clock, _folder: folder }
    }

    /// The id of the vault `main`.
    pub fn vault(&self) -> String {
        match self.catalog.vaults().unwrap().into_iter().next() {
            Some(vault) => vault.id,
            None => self.catalog.add_vault(&new_vault("main", &["local"])).unwrap().id,
        }
    }

    /// The id of a new app.
    pub fn app(&self, name: &str) -> String {
        self.catalog.add_app(&NewApp { name: name.to_owned(), vault_id: self.vault(), ..NewApp::default() }).unwrap().id
    }

    pub fn advance(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    /// The time that it will be in so many seconds.
    pub fn later(&self, seconds: i64) -> Time {
        self.clock.now().checked_add(SignedDuration::from_secs(seconds)).unwrap().into()
    }
}

pub(super) fn new_vault(name: &str, locations: &[&str]) -> NewVault {
    NewVault {
        id: format!("vault-{name}"),
        name: name.to_owned(),
        passphrase_command: None,
        recovery: false,
        locations: locations.iter().map(|name| NewLocation { name: (*name).to_owned(), place: format!("/srv/{name}") }).collect(),
    }
}
