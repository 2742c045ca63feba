//! Numbers as people read them, the same in what the engine says, at the command line and on the screens.

/// A count with its thousands apart: `60,214`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut apart = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart
}

/// A count with its noun, which is given for one: `1 record`, `2,400 records`, `3 entries`.
#[must_use]
pub fn counted(number: u64, noun: &str) -> String {
    let many = match noun.strip_suffix('y') {
        _ if number == 1 => noun.to_owned(),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{noun}s"),
    };
    format!("{} {many}", count(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_their_thousands_apart() {
        assert_eq!([0, 999, 1000, 60_214, 1_234_567].map(count), ["0", "999", "1,000", "60,214", "1,234,567"]);
    }

    #[test]
    fn a_noun_stands_for_one_or_for_several() {
        assert_eq!([0, 1, 2400].map(|number| counted(number, "record")), ["0 records", "1 record", "2,400 records"]);
        assert_eq!([1, 2].map(|number| counted(number, "day")), ["1 day", "2 days"]);
        assert_eq!([1, 2].map(|number| counted(number, "entry")), ["1 entry", "2 entries"]);
    }
}
