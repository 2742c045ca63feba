//! Numbers and times as people read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use crate::numbers::{count, counted};

/// A size: `48 kB`, `1.2 GB`; powers of ten, as disks are sold.
#[must_use]
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if number < 1000 {
        return format!("{number} B");
    }
    let mut value = number as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if value < 9.95 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// A duration in its two largest units: `4m 10s`, `1d 6h`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{:.1}s", seconds.max(0.0));
    }
    let whole = seconds as u64;
    match whole {
        0..60 => format!("{whole}s"),
        60..3600 => format!("{}m {}s", whole / 60, whole % 60),
        3600..86_400 => format!("{}h {}m", whole / 3600, whole % 3600 / 60),
        _ => format!("{}d {}h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// How long ago, or until when, in at most two units and never more than it is: to the minute, so that what changes on a screen
/// without being asked changes once a minute.
#[must_use]
pub fn relative(now: Timestamp, time: Timestamp) -> String {
    let span = now.duration_since(time);
    let minutes = span.unsigned_abs().as_secs() / 60;
    let told = match minutes {
        0 => return "now".to_owned(),
        1..60 => format!("{minutes}m"),
        60..1440 => units(minutes / 60, "h", minutes % 60, "m"),
        1440..144_000 => units(minutes / 1440, "d", minutes % 1440 / 60, "h"),
        _ => format!("{}d", minutes / 1440),
    };
    if span.is_negative() { format!("in {told}") } else { told }
}

fn units(large: u64, unit: &str, small: u64, of: &str) -> String {
    if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit} {small}{of}") }
}

/// How long ago, in a sentence: `1d 14h ago`, `in 2h 5m`, `now`.
#[must_use]
pub fn ago(now: Timestamp, time: Timestamp) -> String {
    let relative = relative(now, time);
    if relative == "now" || relative.starts_with("in ") { relative } else { format!("{relative} ago") }
}

/// A time without its seconds, for columns: `Nov 20 02:00`.
#[must_use]
pub fn day_time(time: Timestamp, utc: bool) -> String {
    time.to_zoned(zone(utc)).strftime("%b %d %H:%M").to_string()
}

/// A day: `NOV 21`.
#[must_use]
pub fn day(time: Timestamp, utc: bool) -> String {
    time.to_zoned(zone(utc)).strftime("%b %d").to_string().to_uppercase()
}

fn zone(utc: bool) -> TimeZone {
    if utc { TimeZone::UTC } else { TimeZone::system() }
}

/// A time with its zone: `2026-11-20 02:00:00 UTC`.
#[must_use]
pub fn absolute(time: Timestamp, utc: bool) -> String {
    time.to_zoned(zone(utc)).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// The header's clock: `20:41Z`, or `21:41` in local time.
#[must_use]
pub fn clock(time: Timestamp, utc: bool) -> String {
    if utc {
        time.to_zoned(TimeZone::UTC).strftime("%H:%MZ").to_string()
    } else {
        time.to_zoned(TimeZone::system()).strftime("%H:%M").to_string()
    }
}

/// The first part of an id, enough to tell it from others on a screen.
#[must_use]
pub fn short(id: &str) -> &str {
    // UUIDv7 begin with the time; their end tells those of one moment apart.
    if id.len() == 36 { &id[24..] } else { id }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([count(0), count(999), count(12_408), count(1_000_000)], ["0", "999", "12,408", "1,000,000"]);
        assert_eq!([bytes(0), bytes(48_000), bytes(1_240_000_000), bytes(999_999)], ["0 B", "48 kB", "1.2 GB", "1.0 MB"]);
        assert_eq!([duration(1.9), duration(250.0), duration(108_000.0)], ["1.9s", "4m 10s", "1d 6h"]);
    }

    #[test]
    fn an_age_is_never_more_than_it_is() {
        let at = |milliseconds| Timestamp::from_millisecond(milliseconds).unwrap();
        assert_eq!(relative(at(60_100), at(900)), "now");
        assert_eq!(relative(at(119_999), at(0)), "1m");
        assert_eq!(relative(at(0), at(119_999)), "in 1m");
    }

    #[test]
    fn times_are_relative_to_the_minute() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(relative(at(1000), at(990)), "now");
        assert_eq!(relative(at(10_000), at(400)), "2h 40m");
        assert_eq!(relative(at(0), at(720)), "in 12m");
        assert_eq!(relative(at(86_400 * 20 + 3599), at(0)), "20d");
        assert_eq!(ago(at(136_800), at(0)), "1d 14h ago");
        assert_eq!(clock(at(0), true), "00:00Z");
    }
}
