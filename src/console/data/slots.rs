//! Queries that wait: one a slot, the latest.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::console::effect::Query;

/// The queries that wait for the reader.
#[derive(Debug, Default)]
pub struct Slots {
    waiting: Mutex<(VecDeque<(u64, Query)>, bool)>,
    arrived: Condvar,
}

impl Slots {
    fn lock(&self) -> MutexGuard<'_, (VecDeque<(u64, Query)>, bool)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a query in, in the place of an older one of its slot.
    pub fn put(&self, number: u64, query: Query) {
        let mut waiting = self.lock();
        match waiting.0.iter_mut().find(|(_, other)| other.slot() == query.slot()) {
            Some(older) => *older = (number, query),
            None => waiting.0.push_back((number, query)),
        }
        self.arrived.notify_one();
    }

    /// Takes the next; waits for one; `None` when closed.
    pub fn take(&self) -> Option<(u64, Query)> {
        let mut waiting = self.lock();
        loop {
            if waiting.1 {
                return None;
            }
            if let Some(next) = waiting.0.pop_front() {
                return Some(next);
            }
            waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends the reader.
    pub fn close(&self) {
        self.lock().1 = true;
        self.arrived.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_slot_only_the_latest_query_is_answered() {
        let slots = Slots::default();
        let detail = |id: &str| Query::Models { backup: id.into() };
        slots.put(1, detail("a"));
        slots.put(2, Query::Summary);
        slots.put(3, detail("b"));
        assert_eq!(slots.take(), Some((3, detail("b"))));
        assert_eq!(slots.take(), Some((2, Query::Summary)));
        slots.close();
        assert_eq!(slots.take(), None);
    }
}
