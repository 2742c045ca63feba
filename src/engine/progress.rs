//! What a running job reports: counters that workers write and everybody may read, and the wish to stop.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The counters of one running job. Writing one costs an atomic addition.
#[derive(Debug, Default)]
pub struct Progress {
    phase: Mutex<String>,
    records: AtomicU64,
    expected: AtomicU64,
    bytes: AtomicU64,
    cancelled: AtomicBool,
}

/// The counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// What is being done.
    pub phase: String,
    /// Records done.
    pub records: u64,
    /// Records expected; 0 where it is not known.
    pub expected: u64,
    /// Bytes read.
    pub bytes: u64,
}

impl Progress {
    /// Begins a phase.
    pub fn phase(&self, name: &str) {
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        name.clone_into(&mut phase);
    }

    /// Counts so many records of so many bytes.
    pub fn add(&self, records: u64, bytes: u64) {
        self.records.fetch_add(records, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts them no longer: they will be read again.
    pub fn take_back(&self, records: u64, bytes: u64) {
        self.records.fetch_sub(records, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Says that so many records, or objects, of so many bytes are done.
    pub fn reached(&self, records: u64, bytes: u64) {
        self.records.store(records, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Says how many records there will be.
    pub fn expect(&self, records: u64) {
        self.expected.store(records, Ordering::Relaxed);
    }

    /// Asks the job to stop; it does so within a second.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// True once somebody asked for the end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// The counters now.
    #[must_use]
    pub fn read(&self) -> Reading {
        Reading {
            phase: self.phase.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            records: self.records.load(Ordering::Relaxed),
            expected: self.expected.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

/// Sums what is done over the phases and models that a restore goes through, each of which counts from zero.
#[derive(Debug, Default)]
pub struct Tally {
    before: u64,
    now: u64,
    part: (String, String),
}

impl Tally {
    /// Takes how far `model` is in `phase`; gives the sum over all that came before it.
    pub fn add(&mut self, phase: &str, model: &str, records: u64) -> u64 {
        if self.part.0 != phase || self.part.1 != model {
            self.before += self.now;
            self.part = (phase.to_owned(), model.to_owned());
        }
        self.now = records;
        self.before + self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_is_summed_over_phases_and_models() {
        let mut tally = Tally::default();
        let seen = [("check", "a", 5), ("check", "a", 9), ("check", "b", 2), ("insert", "b", 4)];
        assert_eq!(seen.map(|(phase, model, records)| tally.add(phase, model, records)), [5, 9, 11, 15]);
    }
}
