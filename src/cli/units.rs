//! Sizes, counts, durations and times as people write and read them.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};

/// What a text that should be a size, a duration or a time is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not {expected}")]
pub struct Unreadable {
    given: String,
    expected: &'static str,
}

fn unreadable(given: &str, expected: &'static str) -> Unreadable {
    Unreadable { given: given.to_owned(), expected }
}

const STEPS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];

/// A size with three figures at most: `812 B`, `1.4 MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut step = 0;
    // 999.95 and not 1024: four figures would break the columns.
    while value >= 999.95 && step + 1 < STEPS.len() {
        value /= 1024.0;
        step += 1;
    }
    if value < 99.95 { format!("{value:.1} {}", STEPS[step]) } else { format!("{value:.0} {}", STEPS[step]) }
}

/// Reads `10M`, `1.5 GiB`, `4096`: steps of 1024.
pub fn parse_size(text: &str) -> Result<u64, Unreadable> {
    let fail = || unreadable(text, "a size such as 500K, 10M or 1.5G");
    let (number, unit) = split_unit(text);
    let number: f64 = number.parse().map_err(|_| fail())?;
    let power = match unit.to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return Err(fail()),
    };
    let bytes = number * 1024_f64.powi(power);
    if bytes.is_finite() && (0.0..9.0e18).contains(&bytes) { Ok(bytes as u64) } else { Err(fail()) }
}

pub use crate::numbers::{count, counted};

/// How long something took: `0.4s`, `12s`, `2m 10s`, `3h 12m`, `9d 4h`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    if seconds < 9.95 {
        return format!("{seconds:.1}s");
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole}s"),
        60..3600 => format!("{}m {}s", whole / 60, whole % 60),
        3600..86_400 => format!("{}h {}m", whole / 3600, whole % 3600 / 60),
        _ => format!("{}d {}h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// A time as seen from `now`: `just now`, `5m ago`, `in 3h`, `12d ago`.
#[must_use]
pub fn relative(now: Timestamp, then: Timestamp) -> String {
    let away = then.as_second() - now.as_second();
    let (number, unit) = match away.unsigned_abs() {
        0..45 => return "just now".to_owned(),
        seconds @ 45..5400 => ((seconds + 30) / 60, "m"),
        seconds @ 5400..129_600 => ((seconds + 1800) / 3600, "h"),
        seconds @ 129_600..34_560_000 => ((seconds + 43_200) / 86_400, "d"),
        seconds => ((seconds + 15_778_800) / 31_557_600, "y"),
    };
    if away < 0 { format!("{number}{unit} ago") } else { format!("in {number}{unit}") }
}

/// A time in full, UTC: `2026-11-21 02:00:04Z`.
#[must_use]
pub fn absolute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// A time in full and as seen from `now`: `2026-11-21 02:00:04Z (5m ago)`.
#[must_use]
pub fn both(now: Timestamp, time: Timestamp) -> String {
    format!("{} ({})", absolute(time), relative(now, time))
}

/// Reads `45s`, `10m`, `2h`, `7d`, `2w`.
pub fn parse_duration(text: &str) -> Result<SignedDuration, Unreadable> {
    let fail = || unreadable(text, "a duration such as 30s, 10m, 2h or 7d");
    let (number, unit) = split_unit(text);
    let number: i64 = number.parse().map_err(|_| fail())?;
    let seconds = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(fail()),
    };
    // A thousand years: more is a slip of the finger, and far from any overflow.
    let total = number.checked_mul(seconds).filter(|total| (0..=31_557_600_000).contains(total)).ok_or_else(fail)?;
    Ok(SignedDuration::from_secs(total))
}

/// A point in time as it was typed; what is relative becomes absolute once the present is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// A moment.
    At(Timestamp),
    /// So long before now.
    Ago(SignedDuration),
}

impl When {
    /// The moment meant, seen from `now`.
    #[must_use]
    pub fn resolve(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => *time,
            Self::Ago(by) => now.checked_sub(*by).unwrap_or(Timestamp::MIN),
        }
    }
}

/// Reads a point in time: RFC 3339, `2026-11-21`, `2026-11-21 14:30` (UTC), or how long ago: `2d`, `3h`.
pub fn parse_when(text: &str) -> Result<When, Unreadable> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(When::At(time));
    }
    if let Ok(ago) = parse_duration(text.trim_end_matches("ago").trim_end()) {
        return Ok(When::Ago(ago));
    }
    let local = text.trim_end_matches('Z');
    let civil = local.parse::<civil::DateTime>().or_else(|_| local.parse::<civil::Date>().map(|date| date.at(0, 0, 0, 0)));
    civil
        .ok()
        .and_then(|time| time.to_zoned(TimeZone::UTC).ok())
        .map(|zoned| When::At(zoned.timestamp()))
        .ok_or_else(|| unreadable(text, "a time such as 2026-11-21T14:30:00Z, 2026-11-21 or 2d (two days ago)"))
}

fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let at = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    (&text[..at], text[at..].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn sizes_keep_three_figures() {
        let shown: Vec<String> = [0, 1023, 1024, 1_468_006, 104_857_600, 1_072_693_248, u64::MAX].map(size).into();
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.4 MiB", "100 MiB", "1.0 GiB", "16384 PiB"]);
    }

    #[test]
    fn sizes_are_read_in_steps_of_1024() {
        assert_eq!(parse_size("4096"), Ok(4096));
        assert_eq!(parse_size("10M"), Ok(10 << 20));
        assert_eq!(parse_size("1.5 GiB"), Ok(3 << 29));
        for wrong in ["", "M", "-1", "10X", "1e99T"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_have_two_units_at_most() {
        assert_eq!([0.04, 9.96, 130.0, 11_520.0, 800_000.0].map(duration), ["0.0s", "10s", "2m 10s", "3h 12m", "9d 6h"]);
    }

    #[test]
    fn times_are_told_from_now() {
        let now = at("2026-11-21T14:00:00Z");
        let told = |text: &str| relative(now, at(text));
        assert_eq!(told("2026-11-21T13:59:50Z"), "just now");
        assert_eq!(told("2026-11-21T13:55:00Z"), "5m ago");
        assert_eq!(told("2026-11-21T17:00:00Z"), "in 3h");
        assert_eq!(told("2026-11-09T14:00:00Z"), "12d ago");
        assert_eq!(both(now, at("2026-11-21T12:00:00.5Z")), "2026-11-21 12:00:00Z (2h ago)");
    }

    #[test]
    fn a_time_is_read_in_every_form_people_use() {
        let now = at("2026-11-21T14:00:00Z");
        let read = |text: &str| parse_when(text).map(|when| when.resolve(now));
        assert_eq!(read("2026-11-20T10:00:00Z"), Ok(at("2026-11-20T10:00:00Z")));
        assert_eq!(read("2026-11-20"), Ok(at("2026-11-20T00:00:00Z")));
        assert_eq!(read("2026-11-20 10:30"), Ok(at("2026-11-20T10:30:00Z")));
        assert_eq!(read("2d"), Ok(at("2026-11-19T14:00:00Z")));
        assert_eq!(read("3h ago"), Ok(at("2026-11-21T11:00:00Z")));
        assert_eq!(read("yesterdayish").unwrap_err().to_string().split(" such").next(), Some("\"yesterdayish\" is not a time"));
    }
}
