//! Rows by the pieces that a source keeps them in, so that those in pieces that are as they were need not be read.

use crate::rows::{Batch, Piece};

/// What a pass over pieces gives, in key order.
pub enum Pieced<'b> {
    /// A piece that was known: its rows are as they were. So many rows of the batch that is given next come before it.
    Same(Piece, usize),
    /// Rows of pieces that were not known.
    Rows(&'b mut Batch),
}
