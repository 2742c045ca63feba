//! The form of every error: what happened, why, and what to do about it.

/// How a command ends; the process's exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// All of it was done.
    Done = 0,
    /// It failed; standard error says what, and what to do.
    Failed = 1,
    /// The arguments cannot be used.
    Usage = 2,
    /// Done, with warnings.
    Warnings = 3,
    /// Refused: not permitted, not confirmed or unsafe.
    Refused = 4,
    /// Interrupted by the operator.
    Interrupted = 130,
}

impl Status {
    /// The number that the process exits with.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// An error that can tell an operator what to do.
///
/// `Display` gives one sentence that says what is wrong and why; the hint says what to do next, with the command where there is one.
pub trait Explain: std::error::Error + Send + Sync + 'static {
    /// What the operator can do about it.
    fn hint(&self) -> Option<String> {
        None
    }

    /// The status a command ends with when this stops it.
    fn status(&self) -> Status {
        Status::Failed
    }
}

/// The name among `names` that is most like `text`, where one is like enough to be meant.
pub fn closest<'n>(text: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let text = text.to_lowercase();
    let alike = names.into_iter().map(|name| (strsim::normalized_damerau_levenshtein(&text, &name.to_lowercase()), name));
    alike.filter(|(likeness, _)| *likeness >= 0.6).max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_that_is_like_the_text_is_meant() {
        let names = ["school", "shop", "hr_employee"];
        assert_eq!(closest("schol", names), Some("school"));
        assert_eq!(closest("hr_empolyee", names), Some("hr_employee"));
        assert_eq!(closest("SHOP", names), Some("shop"));
        assert_eq!(closest("finance", names), None);
    }
}
