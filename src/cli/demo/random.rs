//! The demonstration's own chance: the same seed gives the same school on every machine, whatever a library changes.

use jiff::ToSpan;
use jiff::civil::Date;

/// SplitMix64 (Steele, Lea and Flood, 2014): small, and good enough for names and sums.
#[derive(Clone, Debug)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// The sequence that `seed` begins.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to `end`, which is left out; 0 where there is nothing below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        // The bias of a remainder of 64 bits is far below what anybody sees in a school.
        self.bits().checked_rem(end).unwrap_or(0)
    }

    /// An id from 1 to `last`.
    pub fn id(&mut self, last: u64) -> i64 {
        i64::try_from(self.below(last) + 1).unwrap_or(1)
    }

    /// True in `percent` of a hundred cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`.
    pub fn pick<'c>(&mut self, choices: &[&'c str]) -> &'c str {
        choices.get(self.below(choices.len() as u64) as usize).copied().unwrap_or_default()
    }

    /// An amount of money as an application writes it: two decimals, from `least` units up to `least + span`.
    pub fn money(&mut self, least: u64, span: u64) -> String {
        format!("{}.{:02}", least + self.below(span), self.below(100))
    }

    /// Bytes as of a picture or a scan: half of them repeat, so that compression finds something.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 64);
        while bytes.len() < length {
            let piece = self.bits().to_le_bytes();
            bytes.extend_from_slice(&piece);
            bytes.extend_from_slice(&piece);
        }
        bytes.truncate(length);
        bytes
    }

    /// A date up to `span` days before `today`, as text.
    pub fn date_before(&mut self, today: Date, span: u64) -> String {
        days_before(today, self.below(span)).to_string()
    }

    /// A moment of an office day up to `span` days before `today`, as text.
    pub fn moment_before(&mut self, today: Date, span: u64) -> String {
        let day = days_before(today, self.below(span) + 1);
        self.moment_on(day)
    }

    /// A moment of an office day, as text.
    pub fn moment_on(&mut self, day: Date) -> String {
        format!("{day} {:02}:{:02}:{:02}", 7 + self.below(11), self.below(60), self.below(60))
    }
}

/// The day `days` before `today`.
pub fn days_before(today: Date, days: u64) -> Date {
    today.saturating_sub(i32::try_from(days).unwrap_or(i32::MAX).min(100_000).days())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_splitmix64() {
        let mut chance = Chance::new(1_234_567);
        assert_eq!([chance.bits(), chance.bits()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }
}
