//! Looking into a backup: its models, a model's records in a window, and one record with its fields.

use serde_json::Value;

use super::detail::ScopeModel;
use super::list::{Cursor, Motion};
use crate::console::effect::Query;

/// The records that are asked for at once.
pub const PAGE: usize = 100;
/// The most records that are kept; older pages are dropped and asked for again.
pub const KEPT: usize = 4 * PAGE;

/// A record of a backup.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredRow {
    /// Where it stands among the records of its model: what the next window is asked for with.
    pub place: String,
    /// Its key.
    pub key: Value,
    /// Its columns with their values, in the table's order.
    pub fields: Vec<(String, Value)>,
}

/// How deep one has gone into the backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Depth {
    #[default]
    Models,
    Records,
    Record,
}

/// A backup that is looked into.
#[derive(Clone, Debug, Default)]
pub struct Browse {
    /// The backup's id.
    pub backup: String,
    /// What it is, for the eye: its application, type and time.
    pub title: String,
    /// How deep.
    pub depth: Depth,
    /// Its models.
    pub models: Vec<ScopeModel>,
    /// The row among the models.
    pub at_model: Cursor,
    /// The records of the window.
    pub rows: Vec<StoredRow>,
    /// The row among the records.
    pub at_row: Cursor,
    /// The first row on the screen among the fields of the record.
    pub at_field: Cursor,
    /// Whether the window reaches the end.
    pub end: bool,
    /// Whether an answer is awaited.
    pub loading: bool,
    /// Why there is no answer.
    pub problem: Option<String>,
    /// The places behind which the pages before the window end, to go back by.
    before: Vec<String>,
    replace: bool,
}

impl Browse {
    /// Looks into a backup.
    #[must_use]
    pub fn new(backup: String, title: String) -> Self {
        Self { backup, title, ..Self::default() }
    }

    /// The selected model.
    #[must_use]
    pub fn model(&self) -> Option<&ScopeModel> {
        self.models.get(self.at_model.at)
    }

    /// The selected record.
    #[must_use]
    pub fn row(&self) -> Option<&StoredRow> {
        self.rows.get(self.at_row.at)
    }

    /// Goes deeper; gives what to ask for.
    pub fn open(&mut self) -> Option<Query> {
        match self.depth {
            Depth::Models if self.model().is_some() => {
                self.depth = Depth::Records;
                (self.rows, self.before, self.at_row) = (Vec::new(), Vec::new(), Cursor::default());
                (self.end, self.problem) = (false, None);
                self.ask(None, PAGE, true)
            }
            Depth::Records if self.row().is_some() => {
                (self.depth, self.at_field) = (Depth::Record, Cursor::default());
                None
            }
            _ => None,
        }
    }

    /// Goes back by one; false where nothing is left to go back from.
    pub fn back(&mut self) -> bool {
        self.depth = match self.depth {
            Depth::Models => return false,
            Depth::Records => Depth::Models,
            Depth::Record => Depth::Records,
        };
        true
    }

    /// Moves; gives what to ask for when the edge of the window is near.
    pub fn step(&mut self, motion: Motion, visible: usize) -> Option<Query> {
        match self.depth {
            Depth::Models => self.at_model.step(motion, self.models.len(), visible),
            Depth::Record => {
                let fields = self.row().map_or(0, |row| row.fields.len());
                self.at_field.step(motion, fields, visible);
            }
            Depth::Records => {
                self.at_row.step(motion, self.rows.len(), visible);
                return self.follow(visible);
            }
        }
        None
    }

    /// Goes to the next or the previous record, in a record.
    pub fn turn(&mut self, motion: Motion, visible: usize) -> Option<Query> {
        self.at_field = Cursor::default();
        self.at_row.step(motion, self.rows.len(), visible);
        self.follow(visible)
    }

    fn follow(&mut self, visible: usize) -> Option<Query> {
        if self.loading {
            return None;
        }
        if !self.end && self.at_row.at + visible.max(PAGE / 4) >= self.rows.len() {
            let after = self.rows.last().map(|row| row.place.clone());
            return self.ask(after, PAGE, false);
        }
        if self.at_row.at < visible && !self.before.is_empty() {
            self.before.pop();
            return self.ask(self.before.last().cloned(), KEPT, true);
        }
        None
    }

    fn ask(&mut self, after: Option<String>, limit: usize, replace: bool) -> Option<Query> {
        let model = self.model()?.model.clone();
        (self.loading, self.replace) = (true, replace);
        Some(Query::Stored { backup: self.backup.clone(), model, after, limit })
    }

    /// Takes an answer; the selection stays on its record.
    pub fn answered(&mut self, rows: Vec<StoredRow>, end: bool) {
        (self.loading, self.end) = (false, end);
        let line = self.at_row.at.saturating_sub(self.at_row.top);
        if self.replace {
            let selected = self.row().map(|row| row.place.clone());
            self.rows = rows;
            let at = selected.and_then(|place| self.rows.iter().position(|row| row.place == place));
            self.at_row.at = at.unwrap_or(self.at_row.at);
        } else {
            self.rows.extend(rows);
            while self.rows.len() > KEPT {
                self.before.extend(self.rows.drain(..PAGE).next_back().map(|row| row.place));
                self.at_row.at = self.at_row.at.saturating_sub(PAGE);
            }
        }
        self.at_row.at = self.at_row.at.min(self.rows.len().saturating_sub(1));
        self.at_row.top = self.at_row.at.saturating_sub(line);
    }

    /// The number of the record among all of the model, where the window begins at the first.
    #[must_use]
    pub fn number(&self) -> usize {
        self.before.len() * PAGE + self.at_row.at + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers as a backup with so many records would.
    fn answer(browse: &mut Browse, query: Option<Query>, records: usize) {
        let Some(Query::Stored { after, limit, .. }) = query else { return };
        let from = after.map_or(0, |place| place.parse::<usize>().unwrap() + 1);
        let to = records.min(from + limit);
        browse.answered((from..to).map(|at| StoredRow { place: at.to_string(), ..StoredRow::default() }).collect(), to == records);
    }

    #[test]
    fn a_large_model_is_walked_down_and_up_in_a_bounded_window() {
        let mut browse = Browse { models: vec![ScopeModel::default()], ..Browse::new("b".into(), String::new()) };
        let query = browse.open();
        answer(&mut browse, query, 5000);
        for _ in 0..4999 {
            let query = browse.step(Motion::Down, 20);
            answer(&mut browse, query, 5000);
            assert!(browse.rows.len() <= KEPT);
        }
        assert_eq!((browse.row().unwrap().place.as_str(), browse.number()), ("4999", 5000));
        for at in (0..4999).rev() {
            let query = browse.step(Motion::Up, 20);
            answer(&mut browse, query, 5000);
            assert_eq!(browse.row().unwrap().place, at.to_string());
            assert_eq!(browse.number(), at + 1);
        }
    }
}
