//! The filter's little language: plain words, `field:value`, `size>1G`, `age<2d`; all of them must hold.

use jiff::Timestamp;

use super::records::Record;

/// A filter, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// What must hold.
    pub terms: Vec<Term>,
}

/// One thing that must hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// Some field contains this text.
    Text(String),
    /// This field contains this text.
    Field(String, String),
    /// The size in bytes is over (or under) this.
    Size(bool, u64),
    /// The age in seconds is over (or under) this.
    Age(bool, i64),
}

impl Filter {
    /// Reads a filter; everything has a meaning, so that one can type.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self { terms: text.split_whitespace().map(term).collect() }
    }

    /// Whether a record passes.
    #[must_use]
    pub fn matches(&self, record: &Record, now: Timestamp) -> bool {
        self.terms.iter().all(|term| match term {
            Term::Text(text) => record.fields().iter().any(|(_, value)| contains(value, text)),
            Term::Field(name, text) => record.fields().iter().any(|(field, value)| field == name && contains(value, text)),
            Term::Size(over, limit) => record.size().is_some_and(|size| if *over { size > *limit } else { size < *limit }),
            Term::Age(over, limit) => record.time().is_some_and(|time| {
                let age = now.as_second() - time.as_second();
                if *over { age > *limit } else { age < *limit }
            }),
        })
    }
}

fn contains(value: &str, text: &str) -> bool {
    value.to_lowercase().contains(text)
}

fn term(word: &str) -> Term {
    let text = word.to_lowercase();
    if let Some((name, value)) = text.split_once(':').filter(|(name, value)| !name.is_empty() && !value.is_empty()) {
        return Term::Field(name.to_owned(), value.to_owned());
    }
    for (over, sign) in [(true, '>'), (false, '<')] {
        if let Some((name, value)) = text.split_once(sign) {
            match name {
                "size" => {
                    return scaled(value, &[('k', 1_000), ('m', 1_000_000), ('g', 1_000_000_000), ('t', 1_000_000_000_000)])
                        .map_or(Term::Text(text.clone()), |size| Term::Size(over, size));
                }
                "age" => {
                    return scaled(value, &[('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 604_800)])
                        .and_then(|age| i64::try_from(age).ok())
                        .map_or(Term::Text(text.clone()), |age| Term::Age(over, age));
                }
                _ => {}
            }
        }
    }
    Term::Text(text)
}

fn scaled(text: &str, units: &[(char, u64)]) -> Option<u64> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, last)) if !last.is_ascii_digit() => (&text[..at], units.iter().find(|(unit, _)| *unit == last)?.1),
        _ => (text, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::model::records::Backup;

    #[test]
    fn words_fields_sizes_and_ages_must_all_hold() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let backup = Record::Backup(Box::new(Backup {
            app: "School".into(),
            kind: "full".into(),
            bytes_stored: 2_000_000_000,
            taken_at: Some(Timestamp::from_second(1_000_000 - 3 * 86_400).unwrap()),
            ..Backup::default()
        }));
        for (text, passes) in [
            ("", true),
            ("schoo", true),
            ("type:full size>1G", true),
            ("type:incr", false),
            ("age<2d", false),
            ("age>2d school", true),
            ("size<", false),
            ("size>99999999999999999999T", false),
        ] {
            assert_eq!(Filter::parse(text).matches(&backup, now), passes, "{text}");
        }
    }
}
