//! Rows that a source would not take, told before they are written.

use super::{Definition, Result};
use crate::rows::{Relation, Row};

/// What rows that are written came out of.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'o> {
    /// The model as it was there.
    pub relation: &'o Relation,
    /// What the database was made of there, where that is known.
    pub definition: Option<&'o Definition>,
}

/// A row that would be written.
#[derive(Clone, Copy, Debug)]
pub struct Written<'w> {
    /// As it is now; none where it is inserted.
    pub before: Option<&'w Row>,
    /// As it would be.
    pub after: &'w Row,
    /// The columns that would be written; all of one that is inserted.
    pub columns: &'w [usize],
    /// Whether it stood like that, all of it, where it comes from.
    pub whole: bool,
}

/// Says which rows a source would not take.
pub trait Judging {
    /// The places of the rows that the source would refuse, whatever other rows it holds, each with why.
    ///
    /// # Errors
    /// What the source says that is not about a row.
    fn refused(&mut self, rows: &[Written<'_>]) -> Result<Vec<(usize, String)>>;
}

/// What is done to a row that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
}
