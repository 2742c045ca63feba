//! What a source can tell of its rows since an earlier backup, without giving those that are as they were.

use super::Result;
use crate::rows::{Fold, Key, Row, Value};

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

/// The live rows of a range of keys that are made of whole numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many there are.
    pub rows: u64,
    /// The sum of each column of their keys.
    pub sums: Vec<i128>,
}

impl Tally {
    /// Counts one more row, of the key that is made of `numbers`.
    #[inline]
    pub fn add(&mut self, numbers: &[i64]) {
        self.rows += 1;
        self.sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += i128::from(*number));
    }

    /// What is left without `other`; `None` where that counts more rows.
    #[must_use]
    pub fn less(&self, other: &Self) -> Option<Self> {
        let rows = self.rows.checked_sub(other.rows)?;
        let sums = self.sums.iter().zip(&other.sums).map(|(sum, other)| sum.checked_sub(*other)).collect::<Option<_>>()?;
        Some(Self { rows, sums })
    }

    /// True where its sums are those of no row.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.sums.iter().all(|sum| *sum == 0)
    }

    /// The key of the one row that it counts; `None` where there can be no such row.
    #[must_use]
    pub fn key(&self) -> Option<Key> {
        let parts: Vec<Value> = self.sums.iter().map(|sum| Some(Value::Integer(i64::try_from(*sum).ok()?))).collect::<Option<_>>()?;
        Key::of(parts.iter().map(|part| (part, Fold::Binary)))
    }
}

/// Gives keys of one relation on any thread, while its rows are pushed on another.
pub trait Asking: Send {
    /// The keys, in their order, of the rows that are as they were and whose first number is from `from` on and less than `to`.
    ///
    /// # Errors
    /// What the source says.
    fn same_between(&mut self, from: Option<i64>, to: Option<i64>) -> Result<Vec<Key>>;
}
