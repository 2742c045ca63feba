//! When a configuration runs: five cron fields, in UTC, in words and as times.

use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::error::{Error, Result};

/// A cron expression that was understood.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
}

impl Schedule {
    /// Reads five fields: minute, hour, day of the month, month, day of the week.
    ///
    /// # Errors
    /// Says what is wrong with the expression.
    pub fn parse(expression: &str) -> Result<Self> {
        let parsed = CronParser::builder().seconds(Seconds::Disallowed).build().parse(expression);
        parsed.map(|cron| Self { cron }).map_err(|error| Error::Usage {
            why: format!("the schedule “{expression}” cannot be read: {error}"),
            hint: "Write five fields, minute hour day month weekday; every day at 02:00 UTC is “0 2 * * *”.".into(),
        })
    }

    /// The schedule in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        self.cron.describe()
    }

    /// The first time after `time`; `None` where there is none.
    #[must_use]
    pub fn after(&self, time: Timestamp) -> Option<Timestamp> {
        self.cron.find_next_occurrence(&time.to_zoned(TimeZone::UTC), false).ok().map(|zoned| zoned.timestamp())
    }

    /// The next `count` times after `time`.
    #[must_use]
    pub fn next(&self, time: Timestamp, count: usize) -> Vec<Timestamp> {
        std::iter::successors(self.after(time), |&last| self.after(last)).take(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::rfc3339;

    #[test]
    fn a_schedule_names_its_next_times_in_utc() {
        let schedule = Schedule::parse("30 2 * * 0").unwrap();
        let from: Timestamp = "2026-11-21T13:00:00Z".parse().unwrap();
        let times: Vec<String> = schedule.next(from, 2).into_iter().map(rfc3339).collect();
        assert_eq!(times, ["2026-11-22T02:30:00.000Z", "2026-11-29T02:30:00.000Z"]);
    }

    #[test]
    fn a_schedule_that_cannot_be_read_says_how_to_write_one() {
        use crate::error::Explain;
        let error = Schedule::parse("every day").unwrap_err();
        assert!(error.to_string().contains("every day") && error.hint().unwrap().contains("0 2 * * *"));
    }
}
