//! Virtual tables: which of them hold records of their own, and which are made from others.

use super::words::{Word, words};

/// What a virtual table is to a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Virtual {
    /// Full text that keeps what it indexes: a model, keyed by its rowid.
    FullText,
    /// Full text over this table or view: rebuilt.
    External(String),
    /// Full text whose columns do not give back what it indexes (without content, or with languages of single values): what it
    /// keeps for itself is copied.
    Opaque,
    /// A spatial index: a model, keyed by its first column.
    RTree,
    /// Of another module.
    Other(String),
}

/// Tells what a `CREATE VIRTUAL TABLE` statement makes.
#[must_use]
pub fn recognise(sql: &str) -> Virtual {
    let Some((module, arguments)) = module(sql) else { return Virtual::Other(String::new()) };
    match module.as_str() {
        "fts3" | "fts4" | "fts5" => match option(&arguments, "content") {
            None if module == "fts5" && option(&arguments, "locale").is_some_and(|on| on != "0") => Virtual::Opaque,
            None => Virtual::FullText,
            Some(content) if content.is_empty() => Virtual::Opaque,
            Some(content) => Virtual::External(content),
        },
        "rtree" | "rtree_i32" => Virtual::RTree,
        _ => Virtual::Other(module),
    }
}

/// Whether the virtual table that `sql` makes keeps a table of its own whose name ends with `_` and `part`. An application may give
/// such a name to a table of its own, and SQLite calls both a shadow.
#[must_use]
pub fn keeps(sql: &str, part: &str) -> bool {
    let Some((module, arguments)) = module(sql) else { return false };
    let has_content = || option(&arguments, "content").is_none_or(|content| content.is_empty() && contentless_keeps_some(&arguments));
    let part = part.to_ascii_lowercase();
    match (module.as_str(), part.as_str()) {
        ("fts5", "data" | "idx" | "config")
        | ("fts3" | "fts4", "segments" | "segdir")
        | ("fts4", "stat")
        | ("rtree" | "rtree_i32", "node" | "rowid" | "parent") => true,
        ("fts5" | "fts3" | "fts4", "content") => has_content(),
        ("fts5", "docsize") => option(&arguments, "columnsize").is_none_or(|on| on != "0"),
        ("fts4", "docsize") => option(&arguments, "matchinfo").is_none_or(|kept| !kept.eq_ignore_ascii_case("fts3")),
        ("fts3" | "fts4" | "fts5" | "rtree" | "rtree_i32", _) => false,
        _ => true,
    }
}

/// FTS5 without content keeps the columns that it does not index where it is told to.
fn contentless_keeps_some(arguments: &[Word]) -> bool {
    option(arguments, "contentless_unindexed").is_some_and(|on| on != "0")
}

/// The hidden column in which FTS4 keeps the language of a row, where it has one.
#[must_use]
pub fn language_column(sql: &str) -> Option<String> {
    let (module, arguments) = module(sql)?;
    option(&arguments, "languageid").filter(|_| module == "fts4")
}

/// The module of a full-text table.
#[must_use]
pub fn full_text(sql: &str) -> Option<String> {
    module(sql).map(|(module, _)| module).filter(|module| module == "fts4" || module == "fts5")
}

/// The module, in small letters, and the words behind it.
fn module(sql: &str) -> Option<(String, Vec<Word>)> {
    let mut words = words(sql);
    let using = words.iter().position(|word| !word.quoted && word.text.eq_ignore_ascii_case("using"))?;
    let module = words.get(using + 1)?.text.to_ascii_lowercase();
    Some((module, words.split_off(using + 2)))
}

/// The value of the argument `name=…`.
fn option(words: &[Word], name: &str) -> Option<String> {
    let at = words.windows(3).position(|three| {
        matches!(three[0].text.as_str(), "(" | ",") && !three[0].quoted && three[1].text.eq_ignore_ascii_case(name) && three[2].is("=")
    })?;
    let value = words.get(at + 3)?;
    Some(if !value.quoted && matches!(value.text.as_str(), "," | ")") { String::new() } else { value.text.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_text_is_told_by_where_its_content_is() {
        for (sql, expected) in [
            ("CREATE VIRTUAL TABLE notes USING fts5(title, body)", Virtual::FullText),
            (
                "create virtual table \"a using fts5(\" using FTS5 ( t, content = 'posts' , content_rowid=id)",
                Virtual::External("posts".into()),
            ),
            ("CREATE VIRTUAL TABLE x USING fts5(a, content='')", Virtual::Opaque),
            ("CREATE VIRTUAL TABLE x USING fts5(a, content=)", Virtual::Opaque),
            ("CREATE VIRTUAL TABLE x USING fts5(content, body)", Virtual::FullText),
            ("CREATE VIRTUAL TABLE x USING fts5(body, locale=1)", Virtual::Opaque),
            ("CREATE VIRTUAL TABLE x /* using rtree */ USING fts4(content=\"po\"\"sts\", a)", Virtual::External("po\"sts".into())),
            ("CREATE VIRTUAL TABLE x USING rtree(id, a, b)", Virtual::RTree),
            ("CREATE VIRTUAL TABLE x USING vec0(e float[3])", Virtual::Other("vec0".into())),
        ] {
            assert_eq!(recognise(sql), expected, "{sql}");
        }
    }

    #[test]
    fn a_table_of_the_application_is_not_taken_for_one_of_the_index() {
        for (sql, part, kept) in [
            ("CREATE VIRTUAL TABLE doc USING fts5(body)", "content", true),
            ("CREATE VIRTUAL TABLE doc USING fts5(body, content='doc_content')", "content", false),
            ("CREATE VIRTUAL TABLE doc USING fts5(body, content='')", "content", false),
            ("CREATE VIRTUAL TABLE doc USING fts5(body, note UNINDEXED, content='', contentless_unindexed=1)", "content", true),
            ("CREATE VIRTUAL TABLE doc USING fts5(body, columnsize=0)", "docsize", false),
            ("CREATE VIRTUAL TABLE doc USING fts3(body)", "stat", false),
            ("CREATE VIRTUAL TABLE doc USING fts4(body)", "STAT", true),
            ("CREATE VIRTUAL TABLE doc USING fts4(body, matchinfo=fts3)", "docsize", false),
            ("CREATE VIRTUAL TABLE doc USING rtree(id, a, b)", "node", true),
            ("CREATE VIRTUAL TABLE doc USING rtree(id, a, b)", "config", false),
        ] {
            assert_eq!(keeps(sql, part), kept, "{sql}: {part}");
        }
        assert_eq!(language_column("CREATE VIRTUAL TABLE t USING fts4(a, languageid=\"lang\")"), Some("lang".into()));
    }
}
