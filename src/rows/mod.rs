//! Values, keys, rows, segments, runs, merge and difference: pure, no input or output.
//!
//! Everything that can be protected is a relation: rows with a key. A table is one, and so is a tree of files.
//! This module names content by [`Digest`] and knows nothing of packs, files or databases.

pub mod key;
pub mod row;
pub mod schema;
pub mod value;

pub use key::{Fold, Key};
pub use row::{Change, Row, RowDigest};
pub use schema::{Column, KeyKind, Relation, RelationKind, Role};
pub use value::{Class, Digest, LARGE, Large, Value};
