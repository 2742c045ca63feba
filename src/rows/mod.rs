//! Values, keys, rows, segments, runs, merge and difference: pure, no input or output.
//!
//! Everything that can be protected is a relation: rows with a key. A table is one, and so is a tree of files.
//! This module names content by [`Digest`] and knows nothing of packs, files or databases.

pub mod batch;
mod bytes;
pub mod cache;
pub mod cell;
pub mod changes;
pub mod cutter;
pub mod damage;
pub mod difference;
mod hashing;
pub mod key;
pub mod merge;
pub mod patched;
pub mod pieces;
pub mod row;
pub mod run;
pub mod schema;
pub mod segment;
pub mod value;

pub use batch::{Batch, ChangeRef, RowRef};
pub use cell::Cell;
pub use damage::Damage;
pub use key::{Fold, Key};
pub use pieces::Piece;
pub use row::{Change, RelationDigest, Row, RowDigest};
pub use run::{Run, RunKind};
pub use schema::{Column, KeyKind, Relation, RelationKind, Role};
pub use value::{Class, Digest, LARGE, Large, Value};

#[cfg(test)]
mod tests;
