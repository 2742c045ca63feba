//! Rows that exchange unique values: one is put aside, whole, until the other has taken its place.

use super::places::by_key;
use super::sql::{ident, idents};
use super::table::Table;
use super::writer::{PostgresWriter, not_one};
use crate::rows::{Relation, Row};
use crate::sources::{Error, Resolve, Result};

/// A row that was put aside, whole, in a table of the session's own.
pub(super) struct Aside {
    model: String,
    key: Vec<u8>,
    table: String,
    /// Whether the row is still there, its unique values taken from it.
    parked: bool,
}

impl PostgresWriter {
    /// The row is kept whole in a table of the session's own. Where others refer to it, it stays, and gives up its unique values
    /// as far as they may be NULL: its deletion would delete or change what refers to it.
    ///
    /// # Errors
    /// What the server says; also when not exactly one row was found.
    pub(super) fn keep_aside(&mut self, relation: &Relation, like: &Row) -> Result<()> {
        let table = self.table(relation)?;
        self.flush()?;
        let keys = self.prepare(&table, |_| false)?;
        let found = self.must_find(&table, like)?;
        let name = format!("pg_temp.backstop_aside_{}", self.aside.len());
        let (columns, source, condition) = (table.columns(), table.source(), &found.condition);
        self.session
            .run(&format!("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {columns} FROM {source} WHERE {condition}", &name[8..]))?;
        let parked = keys.iter().any(|key| key.is_parent);
        let changed = if parked {
            let of_model = self.catalog.uniques.iter().filter(|unique| unique.model == relation.name);
            let free = of_model
                .flat_map(|unique| &unique.columns)
                .filter(|name| relation.column(name).is_some_and(|c| !relation.columns[c].not_null));
            let set: Vec<String> = free.map(|name| format!("{} = NULL", ident(name))).collect();
            if set.is_empty() {
                let why = "records exchange unique values that must not be NULL, and other records refer to them; leave one of them out";
                return Err(Error::Unfit { model: relation.name.clone(), why: why.into() });
            }
            self.session.changed(&relation.name, &format!("UPDATE {source} SET {} WHERE {condition}", set.join(", ")))?
        } else {
            self.session.changed(&relation.name, &format!("DELETE FROM {source} WHERE {condition}"))?
        };
        self.aside.push(Aside { model: relation.name.clone(), key: like.key.as_bytes().to_vec(), table: name, parked });
        if changed == [1] { Ok(()) } else { Err(not_one(relation, changed.iter().sum())) }
    }

    /// Puts the row back, with the values of `row` in `columns`.
    ///
    /// # Errors
    /// What the server says; also when no such row was put aside.
    pub(super) fn take_back(
        &mut self,
        relation: &Relation,
        like: &Row,
        (row, columns): (&Row, &[usize]),
        content: &dyn Resolve,
    ) -> Result<()> {
        let table = self.table(relation)?;
        self.flush_before()?;
        let is_it = |aside: &Aside| aside.model == relation.name && aside.key == like.key.as_bytes();
        let place = self.aside.iter().position(is_it).ok_or_else(|| not_one(relation, 0))?;
        let aside = self.aside.swap_remove(place);
        let names = |columns: &[usize]| idents(columns.iter().map(|&column| relation.columns[column].name.as_str()));
        let (kept, held) = (&aside.table, Table { name: aside.table.clone(), partitioned: true, local: Vec::new(), ..table.clone() });
        self.update_held(&held, row, columns, content)?;
        let all = table.columns();
        let changed = if aside.parked {
            let condition = by_key(&table, like).ok_or_else(|| not_one(relation, 0))?;
            let of_model = self.catalog.uniques.iter().filter(|unique| unique.model == relation.name);
            let mut set: Vec<usize> = of_model.flat_map(|unique| &unique.columns).filter_map(|name| relation.column(name)).collect();
            set.extend(columns);
            set.sort_unstable();
            set.dedup();
            let names = names(&set);
            let sql = format!("UPDATE {} SET ({names}) = (SELECT {names} FROM {kept}) WHERE {condition}", table.source());
            self.session.changed(&relation.name, &sql)?
        } else {
            let sql = format!("INSERT INTO {}({all}) OVERRIDING SYSTEM VALUE SELECT {all} FROM {kept}", table.name);
            self.session.changed(&relation.name, &sql)?
        };
        self.session.run(&format!("DROP TABLE {kept}"))?;
        if changed == [1] { Ok(()) } else { Err(not_one(relation, changed.iter().sum())) }
    }

    /// Writes columns of the one row of a table of the session's own.
    fn update_held(&mut self, held: &Table, row: &Row, columns: &[usize], content: &dyn Resolve) -> Result<()> {
        if columns.is_empty() {
            return Ok(());
        }
        self.update_large(held, row, columns, "true", content)
    }
}
