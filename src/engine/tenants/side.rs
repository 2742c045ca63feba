//! The records among which it is asked whose they are: the live ones, or those of a backup.

use crate::engine::restore::checks::stop;
use crate::engine::restore::{Error, Result, Stored};
use crate::rows::{KeyKind, Relation, Row};
use crate::sources::{Content, Glancing, Looking, Snapshot};

/// Rows between two questions whether to go on.
const BEAT: u64 = 1024;

/// Is asked now and then, with the model at work and the rows that were seen of it, whether to go on.
pub type Going<'g> = dyn FnMut(&str, u64) -> bool + 'g;

/// Shows a row; answers false to end.
type Each<'e> = dyn FnMut(&Row) -> Result<bool> + 'e;

/// Records that can be read model by model: a backup's, or the live ones.
pub trait Side {
    /// Its models.
    fn relations(&self) -> &[Relation];
    /// Shows the rows of the model at this place.
    ///
    /// # Errors
    /// What reading met, and what `each` says.
    fn rows(&self, model: usize, each: &mut Each<'_>) -> Result<()>;
}

/// The live records.
pub struct Live<'s> {
    lives: &'s [&'s dyn Snapshot],
    relations: Vec<Relation>,
}

impl<'s> Live<'s> {
    /// All that `lives` show, one after the other.
    #[must_use]
    pub fn new(lives: &'s [&'s dyn Snapshot]) -> Self {
        Self { lives, relations: lives.iter().flat_map(|live| live.relations().iter().cloned()).collect() }
    }

    /// The snapshot that shows the model at this place.
    fn shower(&self, model: usize) -> &dyn Snapshot {
        let mut before = 0;
        let has = |live: &&&dyn Snapshot| {
            before += live.relations().len();
            model < before
        };
        self.lives.iter().find(has).copied().unwrap_or(self.lives[0])
    }
}

impl Side for Live<'_> {
    fn relations(&self) -> &[Relation] {
        &self.relations
    }

    fn rows(&self, model: usize, each: &mut Each<'_>) -> Result<()> {
        let relation = &self.relations()[model];
        // A row without a key is named by all of its contents; else large ones need not be read.
        let content: &dyn Content = if relation.key == KeyKind::WholeRow { &Looking } else { &Glancing };
        let mut failure = None;
        // What cannot be read here cannot be read later either, which is told then.
        self.shower(model).scan(relation, content, &mut |row| stop(&mut failure, each(&row)))?;
        failure.map_or(Ok(()), Err)
    }
}

/// The records of a backup.
pub struct Kept<'s> {
    stored: &'s dyn Stored,
    relations: Vec<Relation>,
}

impl<'s> Kept<'s> {
    /// All that `stored` holds.
    #[must_use]
    pub fn new(stored: &'s dyn Stored) -> Self {
        Self { stored, relations: stored.relations().iter().map(|held| held.relation.clone()).collect() }
    }
}

impl Side for Kept<'_> {
    fn relations(&self) -> &[Relation] {
        &self.relations
    }

    fn rows(&self, model: usize, each: &mut Each<'_>) -> Result<()> {
        for row in self.stored.rows(&self.relations[model].name)? {
            if !each(&row?)? {
                break;
            }
        }
        Ok(())
    }
}

/// Shows every row of the model at this place, and asks now and then whether to go on.
///
/// # Errors
/// What reading met, what `each` says, and [`Error::Cancelled`].
pub fn pass(side: &dyn Side, model: usize, going: &mut Going<'_>, each: &mut dyn FnMut(&Row) -> Result<()>) -> Result<()> {
    let name = &side.relations()[model].name;
    let mut seen = 0;
    side.rows(model, &mut |row| {
        seen += 1;
        if seen % BEAT == 0 && !going(name, seen) {
            return Err(Error::Cancelled);
        }
        each(row).map(|()| true)
    })
}
