//! What a relation looks like: its columns and its key.

use serde::{Deserialize, Serialize};

use super::key::{Fold, Key};
use super::value::Value;

/// What a relation is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationKind {
    /// A table of a database.
    Table,
    /// A tree of files.
    Files,
    /// What a database keeps for itself in rows (an index whose text stands nowhere else, the planner's statistics): it goes into
    /// copies, and is neither compared nor written into a live database.
    Derived,
}

/// What a column is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Data: compared, stored and written.
    #[default]
    Data,
    /// Stored and used again on insert where it is free, not compared in a preview: a rowid without an INTEGER PRIMARY KEY.
    Hidden,
}

/// A stored column. Generated columns are none: they are neither compared nor written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name as the source has it.
    pub name: String,
    /// The declared type, as written.
    pub declared: String,
    /// What it is for.
    #[serde(default)]
    pub role: Role,
    /// What its collation makes equal in a key.
    #[serde(default)]
    pub fold: Fold,
    /// Whether NULL is refused.
    #[serde(default)]
    pub not_null: bool,
}

impl Column {
    /// True for a column that people do not see.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        self.role == Role::Hidden
    }
}

/// What names a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// The values of these columns (indexes into the columns), in this order.
    Columns(Vec<usize>),
    /// The whole row and an ordinal: there is no key.
    WholeRow,
}

/// A model: a table or a tree of files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// Its name: the table's, or the label of the tree.
    pub name: String,
    /// The group it belongs to; empty where there is none, `files` for a tree.
    #[serde(default)]
    pub module: String,
    /// What it is made of.
    pub kind: RelationKind,
    /// The stored columns, in the source's order.
    pub columns: Vec<Column>,
    /// What names a row.
    pub key: KeyKind,
}

impl Relation {
    /// The key of a row with these values; `None` where the row has no usable key.
    #[must_use]
    pub fn key_of(&self, values: &[Value]) -> Option<Key> {
        match &self.key {
            KeyKind::Columns(columns) => Key::of(columns.iter().map(|&column| (&values[column], self.columns[column].fold))),
            KeyKind::WholeRow => None,
        }
    }

    /// True where both have the same name, columns and key: their rows mean the same. The group that people see one in is no
    /// part of that, it changes with the names of other tables.
    #[must_use]
    pub fn is_shaped_like(&self, other: &Self) -> bool {
        let Self { name, module: _, kind, columns, key } = self;
        (name, kind, columns, key) == (&other.name, &other.kind, &other.columns, &other.key)
    }

    /// The index of the column with this name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The indexes of the key's columns; empty where the whole row is the key.
    #[must_use]
    pub fn key_columns(&self) -> &[usize] {
        match &self.key {
            KeyKind::Columns(columns) => columns,
            KeyKind::WholeRow => &[],
        }
    }

    /// The indexes of the columns people see, in order.
    pub fn visible(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().enumerate().filter(|(_, column)| !column.is_hidden()).map(|(index, _)| index)
    }
}
