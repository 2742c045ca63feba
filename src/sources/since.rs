//! What a source can tell of its rows since an earlier backup, without giving those that are as they were.

use crate::rows::{Key, Row};

/// What is known of one live row since an earlier backup.
#[derive(Clone, Debug)]
pub enum Since {
    /// The row with this key is, byte for byte, as it was then.
    Same(Key),
    /// It is new, or may differ.
    Row(Row),
}

impl Since {
    /// Bytes it takes, about.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::Same(key) => key.as_bytes().len(),
            Self::Row(row) => row.weight(),
        }
    }
}
