//! Keyset paging: a list is walked along an index, a page at a time, from where the last one ended.
//!
//! No page costs more than its rows, however far down it stands; a row that comes or goes moves no other.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::Result;
use super::record::Record;

/// The most rows that one page gives, whatever is asked.
pub const PAGE_LIMIT: usize = 1000;

/// Where a page ended: the sort key and the id of its last row.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cursor {
    /// The text the list is ordered by.
    pub key: String,
    /// What tells rows of the same key apart.
    pub id: String,
}

/// The direction of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The greatest key first: the newest, for a list ordered by time.
    #[default]
    Descending,
    /// The smallest key first: the oldest, or names as in a dictionary.
    Ascending,
}

/// Some rows of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The rows, in order.
    pub items: Vec<T>,
    /// Where to go on; none at the end of the list.
    pub next: Option<Cursor>,
}

/// A row that has a place in its list.
pub trait Listed {
    /// The row's place: a page asked for after it begins with the next row.
    fn cursor(&self) -> Cursor;
}

/// A list being asked for: conditions and their values, along one index.
pub(super) struct List {
    from: String,
    key: &'static str,
    id: &'static str,
    order: Order,
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl List {
    /// Rows of `from`, which names the index (`INDEXED BY`) that orders them by `key` and `id`.
    pub fn new(from: String, key: &'static str, id: &'static str, order: Order) -> Self {
        Self { from, key, id, order, conditions: Vec::new(), values: Vec::new() }
    }

    /// A condition without a value.
    pub fn when(&mut self, condition: &str) -> &mut Self {
        self.conditions.push(condition.to_owned());
        self
    }

    /// A condition in which every `?` stands for `value`; nothing where there is no value.
    pub fn filter(&mut self, condition: &str, value: Option<impl Into<Value>>) -> &mut Self {
        if let Some(value) = value {
            self.values.push(value.into());
            self.conditions.push(condition.replace('?', &format!("?{}", self.values.len())));
        }
        self
    }

    /// Rows in which one of `columns` contains `text`, without regard to the case of ASCII letters.
    pub fn containing(&mut self, columns: &[&str], text: Option<&str>) -> &mut Self {
        let condition = columns.iter().map(|column| format!("{column} LIKE ? ESCAPE '\\'")).collect::<Vec<_>>().join(" OR ");
        self.filter(&format!("({condition})"), text.map(contains))
    }

    /// The page after `after`, of at most `limit` rows.
    pub fn page<T: Record + Listed>(&mut self, connection: &Connection, after: Option<&Cursor>, limit: usize) -> Result<Page<T>> {
        let limit = limit.clamp(1, PAGE_LIMIT);
        self.begin(after);
        let sql = self.sql(T::COLUMNS, limit + 1);
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(&self.values), T::from_row)?;
        let mut items = rows.collect::<rusqlite::Result<Vec<T>>>()?;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(Listed::cursor) } else { None };
        Ok(Page { items, next })
    }

    /// The first page too begins at a bound, so that every page is the same search in the index.
    fn begin(&mut self, after: Option<&Cursor>) {
        let (compare, key, id) = match (self.order, after) {
            (Order::Descending, None) => ("<", "\u{10FFFF}".to_owned(), String::new()),
            (Order::Ascending, None) => (">", String::new(), String::new()),
            (Order::Descending, Some(cursor)) => ("<", cursor.key.clone(), cursor.id.clone()),
            (Order::Ascending, Some(cursor)) => (">", cursor.key.clone(), cursor.id.clone()),
        };
        self.values.push(key.into());
        self.values.push(id.into());
        let count = self.values.len();
        self.conditions.push(format!("({}, {}) {compare} (?{}, ?{count})", self.key, self.id, count - 1));
    }

    fn sql(&self, columns: &str, limit: usize) -> String {
        let direction = match self.order {
            Order::Descending => "DESC",
            Order::Ascending => "ASC",
        };
        format!(
            "SELECT {columns} FROM {} WHERE {} ORDER BY {} {direction}, {} {direction} LIMIT {limit}",
            self.from,
            self.conditions.join(" AND "),
            self.key,
            self.id,
        )
    }

    /// How SQLite would walk the list.
    #[cfg(test)]
    pub fn explain(&mut self, connection: &Connection, columns: &str) -> Vec<String> {
        self.begin(None);
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", self.sql(columns, 51))).unwrap();
        let rows = statement.query_map(params_from_iter(&self.values), |row| row.get::<_, String>(3)).unwrap();
        rows.map(Result::unwrap).collect()
    }
}

/// The pattern that finds `text` anywhere, its own wildcards taken as they are.
fn contains(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// Fails unless every step of a list's plan is a search along an index that already has the right order.
#[cfg(test)]
pub(super) fn assert_walks_an_index(steps: &[String]) {
    assert!(!steps.is_empty());
    for step in steps {
        assert!(!step.contains("SCAN") && !step.contains("TEMP B-TREE"), "{steps:#?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_searched_for_is_taken_as_it_is() {
        assert_eq!(contains(r"50%_\x"), r"%50\%\_\\x%");
    }

    #[test]
    fn a_list_without_an_index_is_noticed() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (a TEXT, id TEXT)").unwrap();
        let steps = List::new("t".to_owned(), "a", "id", Order::Descending).explain(&connection, "a");
        assert!(std::panic::catch_unwind(|| assert_walks_an_index(&steps)).is_err());
    }
}
