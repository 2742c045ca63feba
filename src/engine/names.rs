//! Names of models and modules as operators write them: exactly, or as globs (`*` any letters, `?` one, `[a-z]` a set).

use crate::error::closest;
use crate::sources::files::Exclude;

use super::error::{Error, Result};

/// Names and globs of names.
#[derive(Clone, Debug, Default)]
pub struct Names(Vec<Name>);

#[derive(Clone, Debug)]
struct Name {
    text: String,
    /// None where the text is no glob: then it means the name that is written just so.
    glob: Option<Exclude>,
}

impl Name {
    fn takes(&self, name: &str) -> bool {
        self.text == name || self.glob.as_ref().is_some_and(|glob| glob.takes(name.as_bytes(), true))
    }
}

impl Names {
    /// Reads what was written.
    #[must_use]
    pub fn new(texts: &[String]) -> Self {
        // A name has no folders: a star takes every letter.
        let name = |text: &String| Name { text: text.clone(), glob: Exclude::new(&[text.replace('*', "**")]).ok() };
        Self(texts.iter().map(name).collect())
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them means this name.
    #[must_use]
    pub fn take(&self, name: &str) -> bool {
        self.0.iter().any(|own| own.takes(name))
    }

    /// What was written that means none of `names`.
    pub fn idle<'s, 'n: 's>(&'s self, names: &'s [&'n str]) -> impl Iterator<Item = &'s str> {
        self.0.iter().filter(|own| !names.iter().any(|name| own.takes(name))).map(|own| own.text.as_str())
    }

    /// What was written that means none of `names` is a mistake; `what` they are, and the command that lists them.
    ///
    /// # Errors
    /// The first such text, with the name that may be meant.
    pub fn must_take(&self, names: &[&str], what: &'static str, list: &str) -> Result<()> {
        match self.idle(names).next() {
            None => Ok(()),
            Some(text) => {
                let meant = closest(text, names.iter().copied()).map_or_else(String::new, |near| format!("Did you mean {near}? "));
                Err(Error::Usage { why: format!("there is no {what} “{text}”"), hint: format!("{meant}List them: {list}") })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Names {
        Names::new(&texts.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn a_name_is_written_exactly_or_as_a_glob() {
        let some = names(&["hr_*", "log", "a?c", "public.[a-c]*"]);
        assert!(["hr_employee", "hr_", "log", "abc", "public.buyer"].iter().all(|name| some.take(name)));
        assert!(["xhr_employee", "logs", "ac", "public.dealer", "LOG"].iter().all(|name| !some.take(name)));
        assert!(names(&["*"]).take("a/b") && names(&["a[b"]).take("a[b") && names(&["[x]"]).take("[x]"));
    }

    #[test]
    fn what_means_nothing_is_told_with_what_may_be_meant() {
        let some = names(&["hr_*", "customre"]);
        let error = some.must_take(&["customer", "hr_employee"], "model", "backstop app models shop").unwrap_err();
        assert!(
            matches!(&error, Error::Usage { why, hint } if why.contains("customre") && hint.contains("Did you mean customer?")),
            "{error}"
        );
        assert!(some.must_take(&["customre", "hr_employee"], "model", "").is_ok());
    }
}
