//! A backup's columns in the live order: matched by name, never by position.

use crate::rows::{Column, Damage, KeyKind, Relation, Row, Value};

/// Brings rows of a backup into the order of the live columns.
#[derive(Clone, Debug)]
pub struct Projection {
    relation: String,
    width: usize,
    /// For each live column the backup's, and whether people see it.
    from: Vec<(Option<usize>, bool)>,
    backup_only: Vec<String>,
    live_only: Vec<String>,
    key_changed: bool,
    in_place: bool,
}

impl Projection {
    /// Matches the columns of `backup` with those of `live` by name.
    #[must_use]
    pub fn new(backup: &Relation, live: &Relation) -> Self {
        let from: Vec<_> = live.columns.iter().map(|column| (backup.column(&column.name), !column.is_hidden())).collect();
        let in_place = from.iter().enumerate().all(|(to, (from, _))| *from == Some(to)) && backup.columns.len() == from.len();
        Self {
            relation: live.name.clone(),
            width: backup.columns.len(),
            from,
            backup_only: names_missing(backup, live),
            live_only: names_missing(live, backup),
            key_changed: key(backup) != key(live),
            in_place,
        }
    }

    /// Visible columns that only the backup has: their values cannot be restored.
    #[must_use]
    pub fn backup_only(&self) -> &[String] {
        &self.backup_only
    }

    /// Visible columns that only the live relation has: they are not compared, and not written.
    #[must_use]
    pub fn live_only(&self) -> &[String] {
        &self.live_only
    }

    /// True where the records are named by other columns, another collation, or (without a key) other compared columns: their keys do not meet.
    #[must_use]
    pub fn key_changed(&self) -> bool {
        self.key_changed
    }

    /// True where the backup holds the live relation's `column`.
    #[must_use]
    pub fn is_stored(&self, column: usize) -> bool {
        self.from.get(column).is_some_and(|(from, _)| from.is_some())
    }

    /// The live columns that are compared: visible, and stored in the backup.
    pub fn compared(&self) -> impl Iterator<Item = usize> {
        self.from.iter().enumerate().filter(|(_, (from, visible))| from.is_some() && *visible).map(|(to, _)| to)
    }

    /// The row with the live columns, its key kept; columns that the backup lacks are NULL.
    ///
    /// # Errors
    /// A row that has not one value for each of the backup's columns.
    pub fn project(&self, row: Row) -> Result<Row, Damage> {
        if row.values.len() != self.width {
            return Err(Damage::Mismatch { what: "values of a record", found: row.values.len() as u64, wanted: self.width as u64 });
        }
        if self.in_place {
            return Ok(row);
        }
        let Row { key, mut values } = row;
        let values =
            self.from.iter().map(|(from, _)| from.map_or(Value::Null, |from| std::mem::replace(&mut values[from], Value::Null))).collect();
        Ok(Row { key, values })
    }

    pub(super) fn disorder(&self) -> Damage {
        Damage::Order { relation: self.relation.clone() }
    }
}

fn names_missing(of: &Relation, from: &Relation) -> Vec<String> {
    of.columns
        .iter()
        .filter(|column| !column.is_hidden() && from.column(&column.name).is_none())
        .map(|column| column.name.clone())
        .collect()
}

/// What names a record: the key's columns and their collations, in order; without a key all visible columns.
fn key(relation: &Relation) -> (bool, Vec<(&str, crate::rows::Fold)>) {
    let part = |column: &usize| relation.columns.get(*column).map(named);
    match &relation.key {
        KeyKind::Columns(columns) => (true, columns.iter().filter_map(part).collect()),
        KeyKind::WholeRow => (
            false,
            relation.columns.iter().filter(|column| !column.is_hidden()).map(|column| (column.name.as_str(), Default::default())).collect(),
        ),
    }
}

fn named(column: &Column) -> (&str, crate::rows::Fold) {
    (&column.name, column.fold)
}
