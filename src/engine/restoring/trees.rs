//! The files of a restore: staged and sealed before the database is written, put in place after it has committed.

use std::collections::BTreeMap;

use crate::engine::error::Result;
use crate::engine::restore::Progress;
use crate::engine::restore::entries::{self, Placed, Trees};
use crate::engine::restore::spool::SpoolReader;
use crate::sources::files::Sealed;
use crate::sources::{Resolve, Snapshot};

use super::journals::Journals;
use crate::engine::restore::plan::Plan;

/// The files of a restore, on their way.
pub struct Staging<'a> {
    journals: &'a Journals,
    restore: &'a str,
    plan: &'a Plan,
    lives: &'a BTreeMap<usize, Box<dyn Snapshot>>,
    sealed: Vec<Sealed>,
}

impl<'a> Staging<'a> {
    /// Reads every entry again, and stages what the plan says beside its target. The trees stay as they are.
    ///
    /// # Errors
    /// Entries that are not as the plan saw them; what writing beside them met. Nothing is left of it then.
    pub fn stage(
        (journals, restore): (&'a Journals, &'a str),
        (plan, lives): (&'a Plan, &'a BTreeMap<usize, Box<dyn Snapshot>>),
        by_database: bool,
        spool: &mut SpoolReader<'_>,
        content: &dyn Resolve,
        progress: &mut Progress<'_>,
    ) -> Result<Self> {
        let trees = Trees { plan, lives };
        trees.check(spool, progress)?;
        journals.begin(restore, by_database)?;
        let mut staging = Self { journals, restore, plan, lives, sealed: Vec::new() };
        let journal = |model| journals.journal(restore, model);
        // What was staged is taken away as it is dropped, before nothing is left to decide.
        let sealed = trees.stage(spool, &journal, content, progress).and_then(|staged| {
            trees.glance(spool, progress)?;
            entries::seal(staged)
        });
        match sealed {
            Ok(sealed) => {
                staging.sealed = sealed;
                Ok(staging)
            }
            Err(error) => {
                staging.give_up();
                Err(error.into())
            }
        }
    }

    /// Whether the entries are still as the plan saw them, by a glance.
    ///
    /// # Errors
    /// Those that are not.
    pub fn glance(&self, spool: &mut SpoolReader<'_>) -> Result<()> {
        Ok(Trees { plan: self.plan, lives: self.lives }.glance(spool, &mut |_| true)?)
    }

    /// Takes away what was staged. What cannot be taken away now is for the next engine.
    pub fn give_up(self) {
        entries::discard(self.sealed);
        let _ = self.journals.give_up(self.restore);
    }

    /// Decides: from here on it goes forward.
    ///
    /// # Errors
    /// What writing that down met.
    pub fn decide(&self) -> Result<()> {
        self.journals.decided(self.restore)
    }

    /// Puts everything in place and reads it back. Gives what was done, and what failed so that the next engine has to go on.
    ///
    /// # Errors
    /// What reading the plan met.
    pub fn finish(self, spool: &mut SpoolReader<'_>) -> Result<(Placed, Option<String>)> {
        let (left, failed) = match entries::commit(self.sealed) {
            Ok(left) => (left, None),
            Err((left, error)) => (left, Some(error.to_string())),
        };
        Ok((Trees { plan: self.plan, lives: self.lives }.read_back(spool, &left)?, failed))
    }
}
