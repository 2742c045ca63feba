//! What a backup does while its vault is opened: deriving the key takes as long as the private copy of a database, and both wait for nothing
//! but themselves.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;

use super::Backing;
use crate::catalog::BackupType;
use crate::engine::apps::Parts;
use crate::engine::error::Result;
use crate::sources::Snapshot;
use crate::sources::database::Database;
use crate::vault::{self, Vault};

/// A database that was opened before its vault was.
pub struct Early {
    /// As it is opened later, too.
    pub sources: Vec<Box<dyn Snapshot>>,
    /// When it stood.
    pub moment: Timestamp,
}

impl Backing<'_> {
    /// The vault; and the database, where both can be opened at once.
    pub(super) fn opened(&self, parts: Parts) -> Result<(Arc<Vault>, Option<Early>)> {
        let (engine, name) = (self.engine, self.app.vault.as_str());
        if !self.can_be_early(parts)? {
            return Ok((engine.vault(name)?, None));
        }
        std::thread::scope(|scope| {
            let opening = std::thread::Builder::new().name("opening".into()).spawn_scoped(scope, || engine.vault(name));
            let opening = opening.map_err(vault::Error::from)?;
            let sources = engine.open_sources(self.app, Parts { files: false, ..parts });
            let moment = engine.clock().now();
            // A vault that stays closed is what is told first.
            let vault = opening.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            Ok((vault, Some(Early { sources: sources?, moment })))
        })
    }

    /// Whether the vault takes its time and nobody is asked for a passphrase, and the database is one that is read whatever the vault holds.
    fn can_be_early(&self, parts: Parts) -> Result<bool> {
        let Some(url) = self.app.database.as_deref().filter(|_| parts.database && self.engine.will_derive(&self.app.vault)) else {
            return Ok(false);
        };
        if self.request.kind == BackupType::Full || self.request.new_base {
            return Ok(true);
        }
        // An increment does not read one that nobody wrote to since the last backup.
        let Ok(Database::Sqlite(database)) = Database::parse(url) else { return Ok(false) };
        let newest = self.engine.catalog().newest_backups(Some(&self.app.id), &super::basis::SERVING, true, 1)?;
        let newest = newest.first().map(|backup| SystemTime::from(backup.taken_at.timestamp()));
        Ok(written(database.path()).zip(newest).is_none_or(|(written, newest)| written > newest))
    }
}

fn written(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|file| file.modified()).ok()
}
