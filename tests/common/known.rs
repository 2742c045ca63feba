//! The passphrase of the vaults that the engine's tests make.

use backstop::engine::{Passphrases, Result};
use backstop::vault::Secret;

/// The passphrase.
pub fn secret() -> Secret {
    Secret::new("a passphrase for tests only".into())
}

/// An engine that knows it.
pub struct Known;

impl Passphrases for Known {
    fn passphrase(&self, _vault: &str) -> Result<Secret> {
        Ok(secret())
    }
}
