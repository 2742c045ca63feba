//! What a source says of itself besides its rows.

use serde::{Deserialize, Serialize};

use crate::rows::{Fold, Row};

/// What a source is, so that a restore can tell that it is another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `sqlite`, `postgres` or `files`.
    pub engine: String,
    /// Where it stands: URL or folder, without secrets.
    pub place: String,
    /// What tells it from others of its kind (SQLite: application_id and a digest of the schema; PostgreSQL: the cluster's system identifier and the
    /// number of the database).
    pub marks: String,
}

/// One object of a database's schema that is made by a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaObject {
    /// `table`, `index`, `view`, `trigger`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The table it belongs to.
    pub table: String,
    /// The statement that makes it.
    pub sql: String,
}

/// Everything of a database that is not rows of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Objects in the order in which they can be made.
    pub objects: Vec<SchemaObject>,
    /// Pragmas that are data, by name.
    pub pragmas: Vec<(String, String)>,
    /// The counters of AUTOINCREMENT: table and value. Sequences: name as SQL, and the last value.
    pub sequences: Vec<(String, i64)>,
    /// Sequences that have given no value yet: name as SQL, and the first they will give.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unstarted: Vec<(String, i64)>,
    /// The rows of the counters of AUTOINCREMENT as SQL, where `sequences` does not tell all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<Vec<String>>,
}

/// Where sequences stand that are outside every snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequences {
    /// Name as SQL, and the last value that was given.
    pub called: Vec<(String, i64)>,
    /// Name as SQL, and the first value that will be given.
    pub unstarted: Vec<(String, i64)>,
}

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// The model that refers.
    pub from: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// The model referred to.
    pub to: String,
    /// The columns referred to.
    pub to_columns: Vec<String>,
    /// What each of those makes equal: a reference compares as its parent does.
    #[serde(default)]
    pub folds: Vec<Fold>,
}

/// A set of columns whose values are unique together (partial and expression indexes are none).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unique {
    /// The model.
    pub model: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// What the index makes equal in each of them.
    pub folds: Vec<Fold>,
}

/// A row that stands in the way of another: both cannot be there.
#[derive(Clone, Debug)]
pub struct Rival {
    /// The place of the other among those that were asked about.
    pub given: usize,
    /// The row as it is.
    pub holder: Row,
    /// The columns that decide it.
    pub columns: Vec<usize>,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// The model.
    pub model: String,
    /// The record or file; empty where it is not known.
    pub what: String,
    /// Why.
    pub why: String,
}

/// A foreign key whose parent is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The model that refers.
    pub model: String,
    /// The model referred to.
    pub parent: String,
    /// How many rows.
    pub rows: u64,
}
