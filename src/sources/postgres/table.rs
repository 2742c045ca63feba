//! A table as it is read and written.

use super::text::Kind;
use crate::rows::Relation;

/// A table as it is read and written.
#[derive(Clone, Debug)]
pub struct Table {
    /// The model.
    pub relation: Relation,
    /// Its number in the catalog.
    pub oid: String,
    /// Its schema and name, as SQL.
    pub name: String,
    /// Whether it stands for its partitions.
    pub partitioned: bool,
    /// Which of its rows are data, where an extension says so; else empty.
    pub condition: String,
    /// Columns that the database always fills, by their places in the model.
    pub always: Vec<usize>,
    /// How each column of the model is read.
    pub kinds: Vec<Kind>,
    /// What each column is of, a domain's base in its place.
    pub types: Vec<Type>,
    /// The columns of which equal values have one text, by their places in the model.
    pub plain: Vec<usize>,
    /// The order of each part of the key, as SQL; empty without a key.
    pub order: Vec<String>,
    /// Parts of the key, as SQL, that may be longer than a key holds.
    pub long: Vec<String>,
    /// Where some of its partitions are foreign tables, it and the others, as SQL.
    pub local: Vec<String>,
    /// Pages that it had when the server last counted; who makes partitions has much to put there.
    pub pages: u64,
}

impl Table {
    /// Where its rows are read from: a table alone, or a root with its partitions.
    #[must_use]
    pub fn source(&self) -> String {
        if self.partitioned { self.name.clone() } else { format!("ONLY {}", self.name) }
    }

    /// What COPY fills, as SQL: a table without columns has no list of them.
    #[must_use]
    pub fn target(&self) -> String {
        if self.relation.columns.is_empty() { self.name.clone() } else { format!("{}({})", self.name, self.columns()) }
    }

    /// Where those of its rows are read that stand in this database: what is behind a foreign table is another's.
    #[must_use]
    pub fn rows(&self) -> String {
        if self.local.is_empty() {
            return self.source();
        }
        let all: Vec<String> = self.local.iter().map(|part| format!("SELECT {} FROM ONLY {part}", self.columns())).collect();
        format!("({}) AS local", all.join(" UNION ALL "))
    }

    /// Its columns, as SQL.
    #[must_use]
    pub fn columns(&self) -> String {
        super::sql::idents(self.relation.columns.iter().map(|column| column.name.as_str()))
    }
}

/// What a column is of, as SQL.
#[derive(Clone, Debug)]
pub struct Type {
    /// Its name.
    pub name: String,
    /// What stands behind a value whose collation is not the type's own.
    pub collation: String,
    /// What tells whether two values are equal: those of an extension are not found by `=` alone.
    pub equal: String,
}
