//! A list: a window of rows over something that may hold millions; selection, marks and scroll position belong to ids.

use std::collections::BTreeSet;

use super::filter::Filter;
use super::records::{ListKind, Record};
use crate::console::effect::Query;

/// The rows that are asked for at once.
pub const PAGE: usize = 200;
/// The most rows that are kept; older pages at the other end are dropped and asked for again.
pub const KEPT: usize = 5 * PAGE;

/// A movement in something with rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Motion {
    Down,
    Up,
    HalfDown,
    HalfUp,
    PageDown,
    PageUp,
    First,
    Last,
    By(i16),
}

impl Motion {
    /// Where a movement leads from row `at` of `length`, with `visible` rows on the screen.
    #[must_use]
    pub fn from(self, at: usize, length: usize, visible: usize) -> usize {
        let last = length.saturating_sub(1);
        let half = (visible / 2).max(1);
        let to = match self {
            Self::Down => at.saturating_add(1),
            Self::Up => at.saturating_sub(1),
            Self::HalfDown => at.saturating_add(half),
            Self::HalfUp => at.saturating_sub(half),
            Self::PageDown => at.saturating_add(visible.max(1)),
            Self::PageUp => at.saturating_sub(visible.max(1)),
            Self::First => 0,
            Self::Last => last,
            Self::By(rows) => at.saturating_add_signed(isize::from(rows)),
        };
        to.min(last)
    }
}

/// The first row to draw so that row `at` is on the screen and as little as possible moves.
#[must_use]
pub fn scroll(top: usize, at: usize, length: usize, visible: usize) -> usize {
    let visible = visible.max(1);
    let top = if at < top {
        at
    } else if at >= top + visible {
        at + 1 - visible
    } else {
        top
    };
    top.min(length.saturating_sub(visible))
}

/// A row in something that is held whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The row.
    pub at: usize,
    /// The first row on the screen.
    pub top: usize,
}

impl Cursor {
    /// Moves in `length` rows of which `visible` are on the screen.
    pub fn step(&mut self, motion: Motion, length: usize, visible: usize) {
        self.at = motion.from(self.at, length, visible);
        self.top = scroll(self.top, self.at, length, visible);
    }
}

/// A list's state.
#[derive(Clone, Debug)]
pub struct List {
    /// What it lists.
    pub kind: ListKind,
    /// The rows of the window.
    pub rows: Vec<Record>,
    /// The last rows of the pages before the window, to go back by.
    before: Vec<Record>,
    /// Whether the window reaches the end.
    pub end: bool,
    /// Whether an answer is awaited.
    pub loading: bool,
    /// Why there is no answer.
    pub problem: Option<String>,
    /// The rows that are marked.
    pub marks: BTreeSet<String>,
    /// Where a range of marks began.
    range: Option<String>,
    /// The filter as typed.
    pub filter: String,
    /// The order: an index of [`ListKind::orders`].
    pub order: usize,
    /// Whether the order is turned.
    pub turned: bool,
    /// Whether the rows are held still.
    pub frozen: bool,
    selected: Option<String>,
    at: Cursor,
    asking: Asking,
}

/// What the awaited answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asking {
    Replace,
    Append,
}

impl List {
    /// An empty list that nothing was asked for yet.
    #[must_use]
    pub fn new(kind: ListKind) -> Self {
        Self {
            kind,
            rows: Vec::new(),
            before: Vec::new(),
            end: false,
            loading: false,
            problem: None,
            marks: BTreeSet::new(),
            range: None,
            filter: String::new(),
            order: 0,
            turned: false,
            frozen: false,
            selected: None,
            at: Cursor::default(),
            asking: Asking::Replace,
        }
    }

    /// The selected row.
    #[must_use]
    pub fn selected(&self) -> Option<&Record> {
        self.rows.get(self.at.at)
    }

    /// The selected row's number in the window, and the first on the screen.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        self.at
    }

    /// The ids that an action applies to: the marked ones, else the selected one.
    #[must_use]
    pub fn chosen(&self) -> Vec<String> {
        if self.marks.is_empty() {
            self.selected().map(|row| row.id().to_owned()).into_iter().collect()
        } else {
            self.marks.iter().cloned().collect()
        }
    }

    /// How many marked rows the filter hides or the window does not hold.
    #[must_use]
    pub fn hidden_marks(&self) -> usize {
        self.marks.iter().filter(|id| !self.rows.iter().any(|row| row.id() == id.as_str())).count()
    }

    /// Selects a row by its id, now or when it is there.
    pub fn select(&mut self, id: &str) {
        self.selected = Some(id.to_owned());
        if let Some(at) = self.rows.iter().position(|row| row.id() == id) {
            self.at.at = at;
        }
    }

    /// Moves the selection; gives what to ask for when the window's edge is near.
    pub fn step(&mut self, motion: Motion, visible: usize) -> Option<Query> {
        self.at.step(motion, self.rows.len(), visible);
        self.selected = self.selected().map(|row| row.id().to_owned());
        if let (Some(from), Some(to)) = (self.range.clone(), self.selected.clone()) {
            self.mark_between(&from, &to);
        }
        if self.loading {
            return None;
        }
        if !self.end && self.at.at + visible.max(PAGE / 4) >= self.rows.len() {
            self.loading = true;
            self.asking = Asking::Append;
            return Some(self.query(self.rows.last().cloned(), PAGE));
        }
        if self.at.at < visible && !self.before.is_empty() {
            self.before.pop();
            self.loading = true;
            self.asking = Asking::Replace;
            return Some(self.query(self.before.last().cloned(), KEPT));
        }
        None
    }

    /// Asks for the window anew: what changed shows, what is selected stays.
    pub fn refresh(&mut self) -> Query {
        self.loading = true;
        self.asking = Asking::Replace;
        let limit = self.rows.len().clamp(PAGE, KEPT);
        self.query(self.before.last().cloned(), limit)
    }

    /// Asks from the beginning: after another filter or order.
    pub fn restart(&mut self) -> Query {
        self.before.clear();
        self.at = Cursor::default();
        self.selected = None;
        self.rows.truncate(PAGE);
        self.refresh()
    }

    fn query(&self, after: Option<Record>, limit: usize) -> Query {
        let order = self.kind.orders().get(self.order).copied().unwrap_or("name");
        Query::Page {
            list: self.kind,
            filter: Filter::parse(&self.filter),
            order,
            descending: self.kind.newest_first() != self.turned,
            after: after.map(Box::new),
            limit,
        }
    }

    /// Takes an answer.
    pub fn answered(&mut self, rows: Vec<Record>, end: bool) {
        self.loading = false;
        self.problem = None;
        self.end = end;
        let line = self.at.at.saturating_sub(self.at.top);
        if self.asking == Asking::Append {
            self.rows.extend(rows);
            while self.rows.len() > KEPT {
                self.before.extend(self.rows.drain(..PAGE).next_back());
                self.at.at = self.at.at.saturating_sub(PAGE);
            }
        } else {
            self.rows = rows;
            if let Some(at) = self.selected.as_ref().and_then(|id| self.rows.iter().position(|row| row.id() == id)) {
                self.at.at = at;
            }
        }
        self.at.at = self.at.at.min(self.rows.len().saturating_sub(1));
        self.at.top = self.at.at.saturating_sub(line);
        if self.selected.is_none() {
            self.selected = self.selected().map(|row| row.id().to_owned());
        }
    }

    /// Marks the selected row, or takes its mark away.
    pub fn mark(&mut self) {
        if let Some(id) = self.selected().map(|row| row.id().to_owned())
            && !self.marks.remove(&id)
        {
            self.marks.insert(id);
        }
    }

    /// Begins a range of marks at the selected row, or ends it.
    pub fn mark_range(&mut self) {
        self.range = if self.range.is_some() { None } else { self.selected().map(|row| row.id().to_owned()) };
        if let Some(id) = self.range.clone() {
            self.marks.insert(id);
        }
    }

    /// Marks every row the window shows under the filter, or takes all marks away when all are marked.
    pub fn mark_all(&mut self) {
        let all: BTreeSet<String> = self.rows.iter().map(|row| row.id().to_owned()).collect();
        if all.is_subset(&self.marks) { self.marks.clear() } else { self.marks.extend(all) }
    }

    /// Takes all marks away; whether there were any.
    pub fn unmark(&mut self) -> bool {
        self.range = None;
        let any = !self.marks.is_empty();
        self.marks.clear();
        any
    }

    fn mark_between(&mut self, from: &str, to: &str) {
        let place = |id: &str| self.rows.iter().position(|row| row.id() == id);
        if let (Some(a), Some(b)) = (place(from), place(to)) {
            let ids: Vec<String> = self.rows[a.min(b)..=a.max(b)].iter().map(|row| row.id().to_owned()).collect();
            self.marks.extend(ids);
        }
    }
}
