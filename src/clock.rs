//! Time as a parameter: everything below the command line and the console asks an injected clock.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The present moment, UTC.
    fn now(&self) -> Timestamp;
}

/// A clock that can be shared between threads.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that is set by hand: for the demonstration's month and for tests.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<Timestamp>,
}

impl ManualClock {
    /// A clock that stands at `now` until it is moved.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { now: Mutex::new(now) }
    }

    /// Moves the clock to `now`.
    pub fn set(&self, now: Timestamp) {
        *self.lock() = now;
    }

    /// Moves the clock forward by `by`.
    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.lock();
        *now = now.checked_add(by).unwrap_or(*now);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Timestamp> {
        self.now.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.lock()
    }
}

/// A clock that was put forward or back and then runs as the machine's does: for the demonstration's month, in which a second
/// still takes a second, so that every duration is true.
#[derive(Debug, Default)]
pub struct ShiftedClock {
    by: Mutex<SignedDuration>,
}

impl ShiftedClock {
    /// Puts the clock to `now`, from where it runs on.
    pub fn set(&self, now: Timestamp) {
        *self.by.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = now.duration_since(Timestamp::now());
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        let by = *self.by.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = Timestamp::now();
        now.checked_add(by).unwrap_or(now)
    }
}

/// The RFC 3339 text of a time, UTC, to the millisecond: the one form used in the catalog, in JSON and in manifests.
#[must_use]
pub fn rfc3339(time: Timestamp) -> String {
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_still_until_it_is_moved() {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        assert_eq!(clock.now(), clock.now());
        clock.advance(SignedDuration::from_hours(2));
        assert_eq!(rfc3339(clock.now()), "1970-01-01T02:00:00.000Z");
    }
}
