//! What Backstop does: jobs, backups, restores, alerts and access, over the catalog, the vaults and the sources.
//!
//! Which jobs of one app may run together:
//!
//! | | backup | restore, undo | verify |
//! |---|---|---|---|
//! | **backup** | one after the other | no | yes |
//! | **restore, undo** | no | no | yes |
//! | **verify** | yes | yes | yes |
//!
//! A partial unique index of the catalog enforces it, whichever process asks.

pub mod access;
pub mod apps;
pub mod backup;
pub mod browse;
pub mod compare;
pub mod configurations;
pub mod dispensable;
pub mod error;
pub mod existing;
mod failures;
pub mod health;
pub mod home;
pub mod jobs;
pub mod keys;
pub mod latest;
pub mod lookups;
pub mod modules;
pub mod names;
pub mod presets;
pub mod progress;
pub mod recovery;
pub mod restore;
pub mod restoring;
pub mod schedule;
pub mod scheduler;
pub mod selection;
pub mod stored;
pub mod tenants;
pub mod vaults;
pub mod verify;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::catalog::{AuditOutcome, Catalog, Kind, NewAuditEntry, Role};
use crate::clock::SharedClock;
use crate::vault::{Secret, Vault};

pub use error::{Error, Result};
pub use home::Home;

/// Gives the passphrase of a vault when it must be opened.
pub trait Passphrases: Send + Sync {
    /// The passphrase of the vault with this name.
    ///
    /// # Errors
    /// Says which ways there are to give one.
    fn passphrase(&self, vault: &str) -> Result<Secret>;

    /// The same where it is known without asking anybody; for what is done in passing.
    fn at_hand(&self, _vault: &str) -> Option<Secret> {
        None
    }
}

/// The engine of one home. Cloning it shares it.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    home: Home,
    catalog: Catalog,
    clock: SharedClock,
    passphrases: Box<dyn Passphrases>,
    vaults: Mutex<HashMap<String, Arc<Vault>>>,
    running: jobs::Running,
    operator: String,
}

impl Engine {
    /// Opens the home, making it where there is none; whoever makes it is its admin.
    ///
    /// # Errors
    /// What the file system or the catalog says.
    pub fn open(home: Home, clock: SharedClock, passphrases: Box<dyn Passphrases>) -> Result<Self> {
        use error::Doing;
        home.make().doing(|| format!("making the home {}", home.root().display()))?;
        crate::sources::private::clear(&home.scratch()).doing(|| format!("clearing {}", home.scratch().display()))?;
        let catalog = Catalog::open(home.catalog(), clock.clone())?;
        let operator = access::login_name();
        catalog.set_first_operator(&operator)?;
        let (vaults, running) = (Mutex::default(), jobs::Running::default());
        let engine = Self { inner: Arc::new(Inner { home, catalog, clock, passphrases, vaults, running, operator }) };
        engine.bury_the_dead()?;
        Ok(engine)
    }

    /// What is known.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.inner.catalog
    }

    /// The home.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.inner.home
    }

    /// The injected time.
    #[must_use]
    pub fn clock(&self) -> &SharedClock {
        &self.inner.clock
    }

    /// Who is at the keyboard.
    #[must_use]
    pub fn operator(&self) -> &str {
        &self.inner.operator
    }

    /// What they may do; whoever is not known may look.
    ///
    /// # Errors
    /// What the catalog says.
    pub fn role(&self) -> Result<Role> {
        Ok(self.catalog().operator(self.operator())?.map_or(Role::Viewer, |operator| operator.role))
    }

    /// Lets `action` pass, or refuses it and writes that down.
    ///
    /// # Errors
    /// [`Error::Denied`].
    pub fn allow(&self, needed: Role, action: &str, target: &str) -> Result<()> {
        let role = self.role()?;
        if role >= needed {
            return Ok(());
        }
        self.audit(action, target, None, AuditOutcome::Refused, None)?;
        let (operator, action) = (self.operator().to_owned(), action.to_owned());
        Err(Error::Denied { operator, role: role.to_string(), action, needed: needed.to_string() })
    }

    /// Writes an action into the audit trail.
    ///
    /// # Errors
    /// What the catalog says.
    pub fn audit(&self, action: &str, target: &str, app: Option<&str>, outcome: AuditOutcome, reason: Option<&str>) -> Result<()> {
        let entry = NewAuditEntry {
            operator: self.operator().to_owned(),
            action: action.to_owned(),
            target: target.to_owned(),
            app: app.map(str::to_owned),
            outcome,
            reason: reason.map(str::to_owned),
            details: None,
        };
        self.catalog().audit(&entry)?;
        Ok(())
    }

    /// The id of the thing that `text` names: a name, an id or the unique beginning of one.
    ///
    /// # Errors
    /// Nothing or more than one thing is meant.
    pub fn resolve(&self, kind: Kind, text: &str) -> Result<String> {
        Ok(self.catalog().resolve(kind, text)?)
    }
}

/// A panic elsewhere leaves these maps whole: they are only inserted into and removed from.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
