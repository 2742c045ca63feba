//! Models that an application could do without, by their names. Offered, never assumed: it is for the app's settings to say.

use serde::Serialize;

/// A model that may be dispensable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    /// The model.
    pub model: String,
    /// What it looks like.
    pub why: &'static str,
}

/// What Django makes anew by itself, or can do without.
const DJANGO: [(&str, &str); 3] = [
    ("django_session", "Django's sessions"),
    ("django_content_type", "Django's content types, which it makes anew"),
    ("django_admin_log", "the log of Django's admin"),
];

/// Beginnings or ends of a word in a name, and what they speak of.
const WORDS: [(&str, &str); 4] = [("log", "a log"), ("report", "reports"), ("session", "sessions"), ("cache", "a cache")];

/// Words in which they stand and mean something else.
const OTHERWISE: [&str; 16] = [
    "blog",
    "catalog",
    "dialog",
    "backlog",
    "analog",
    "prolog",
    "epilog",
    "weblog",
    "login",
    "logo",
    "logic",
    "logistic",
    "logistics",
    "logout",
    "reporter",
    "reporters",
];

/// Which of `models` may be dispensable, by name.
pub fn suggestions<'m>(models: impl Iterator<Item = &'m str>) -> Vec<Suggestion> {
    models.filter_map(|model| why(model).map(|why| Suggestion { model: model.to_owned(), why })).collect()
}

fn why(model: &str) -> Option<&'static str> {
    // PostgreSQL's models may have their schema before them.
    let table = model.rsplit('.').next().unwrap_or(model);
    let django = DJANGO.iter().find(|(name, _)| *name == table).map(|(_, why)| *why);
    django.or_else(|| words(table).iter().find_map(|word| of_word(word)))
}

fn of_word(word: &str) -> Option<&'static str> {
    let singular = word.strip_suffix('s').unwrap_or(word);
    if OTHERWISE.contains(&word) || OTHERWISE.contains(&singular) {
        return None;
    }
    WORDS.iter().find(|(part, _)| word.starts_with(part) || singular.ends_with(part)).map(|(_, why)| *why)
}

/// The words of a name, in small letters: `auditLog_old` has three.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut small_before = false;
    for letter in name.chars() {
        if !letter.is_alphanumeric() || (letter.is_uppercase() && small_before) {
            words.push(String::new());
        }
        small_before = letter.is_lowercase();
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphanumeric()) {
            word.extend(letter.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_reports_sessions_and_caches_are_offered_and_a_blog_is_not() {
        let models = [
            "django_session",
            "django_admin_log",
            "app_log",
            "auditLog",
            "eventlogs",
            "logentry",
            "public.monthly_report",
            "UserSessions",
            "cache_entry",
            "hr_employee",
            "blog_post",
            "catalogs",
            "login",
            "company_logo",
            "reporter",
            "Analog",
        ];
        let offered: Vec<String> = suggestions(models.into_iter()).into_iter().map(|it| it.model).collect();
        assert_eq!(offered, models[..9]);
    }
}
