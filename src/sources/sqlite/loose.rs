//! A table's statement without what it asks of its rows: rows that are older than the rules of their columns lie under it as they are.
//!
//! Only how rows and the indexes of keys are laid out stays. The statement itself takes its place again once the rows are there.

use std::ops::Range;

use super::words::{Word, words};

/// Without types (but that of `alias`, the column that is the rowid), NOT NULL, CHECK and STRICT, and without columns that are computed when they
/// are read. `None` where a computed column is stored, since its rule decides what lies in the row, and where the statement is not understood.
#[must_use]
pub fn loosened(sql: &str, alias: Option<&str>) -> Option<String> {
    let words = words(sql);
    let open = words.iter().position(|word| word.is("("))?;
    let close = closing(&words, open)?;
    let mut kept = Vec::new();
    for part in parts(&words[open + 1..close]) {
        kept.extend(loosened_part(sql, part, alias)?);
    }
    let without_rowid = words[close..].iter().any(|word| word.is("without"));
    let end = if without_rowid { " WITHOUT ROWID" } else { "" };
    Some(format!("{}\n{}\n){end}", &sql[..words[open].at.end], kept.join(",\n")))
}

/// Where the bracket at `open` closes.
fn closing(words: &[Word], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (place, word) in words.iter().enumerate().skip(open) {
        if word.is("(") {
            depth += 1;
        } else if word.is(")") {
            depth = depth.checked_sub(1)?;
        }
        if depth == 0 {
            return Some(place);
        }
    }
    None
}

/// Columns and constraints: what stands between commas that are in no bracket.
fn parts(words: &[Word]) -> Vec<&[Word]> {
    let (mut parts, mut first, mut place) = (Vec::new(), 0, 0);
    while place < words.len() {
        if words[place].is(",") {
            parts.push(&words[first..place]);
            first = place + 1;
        }
        place = past(words, place);
    }
    parts.push(&words[first..]);
    parts
}

/// The place behind this word, or behind the bracket that it opens.
fn past(words: &[Word], place: usize) -> usize {
    if words[place].is("(") { closing(words, place).map_or(words.len(), |close| close + 1) } else { place + 1 }
}

/// The words of a part that stand in no bracket, each with its place.
fn outer(words: &[Word]) -> impl Iterator<Item = (usize, &Word)> {
    let mut place = 0;
    std::iter::from_fn(move || {
        let at = place;
        let word = words.get(at)?;
        place = past(words, at);
        Some((at, word))
    })
}

/// `Some(None)` for a column that is not stored; `None` where nothing can be said.
fn loosened_part(sql: &str, part: &[Word], alias: Option<&str>) -> Option<Option<String>> {
    let (first, last) = (part.first()?, part.last()?);
    let is_column = first.quoted || !["constraint", "primary", "unique", "check", "foreign"].iter().any(|begins| first.is(begins));
    let mut cut: Vec<(Range<usize>, &str)> = Vec::new();
    if is_column {
        if outer(part).any(|(_, word)| word.is("as")) {
            return if outer(part).any(|(_, word)| word.is("stored")) { None } else { Some(None) };
        }
        if alias.is_none_or(|alias| !alias.eq_ignore_ascii_case(&first.text)) {
            cut.extend(declared(part).map(|at| (at, "")));
        }
    }
    for (place, word) in outer(part).skip(1) {
        match part.get(place + 1) {
            Some(next) if word.is("not") && next.is("null") => cut.push((word.at.clone(), "")),
            _ => {}
        }
    }
    for (place, _) in outer(part).filter(|(_, word)| word.is("check")) {
        let close = closing(part, place + 1)?;
        cut.push((part[place + 1].at.start..part[close].at.end, "(1)"));
    }
    let (mut text, mut from) = (String::new(), first.at.start);
    cut.sort_by_key(|(at, _)| at.start);
    for (at, instead) in cut {
        text.push_str(sql.get(from..at.start)?);
        text.push_str(instead);
        from = at.end;
    }
    text.push_str(sql.get(from..last.at.end)?);
    Some(Some(text))
}

/// The type behind a column's name: all up to the first constraint.
fn declared(column: &[Word]) -> Option<Range<usize>> {
    const BEGIN: [&str; 9] = ["constraint", "default", "primary", "not", "null", "unique", "check", "references", "collate"];
    let begins = |word: &Word| BEGIN.iter().any(|begin| word.is(begin));
    let first = column.get(1).filter(|first| !begins(first))?;
    let end = outer(column).skip(1).find(|(_, word)| begins(word)).map_or(column.len(), |(place, _)| place);
    Some(first.at.start..column[end - 1].at.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_rules_go_and_what_decides_where_rows_lie_stays() {
        for (sql, alias, expected) in [
            ("CREATE TABLE t(id INTEGER PRIMARY KEY, a int NOT NULL)", Some("ID"), "CREATE TABLE t(\nid INTEGER PRIMARY KEY,\na   NULL\n)"),
            (
                "CREATE TABLE \"(\" (a decimal(10, 2) DEFAULT -1.5 CHECK (a > (1)), \"not\" \"long int\" COLLATE NOCASE UNIQUE, PRIMARY KEY (a)) STRICT, WITHOUT ROWID",
                None,
                "CREATE TABLE \"(\" (\na  DEFAULT -1.5 CHECK (1),\n\"not\"  COLLATE NOCASE UNIQUE,\nPRIMARY KEY (a)\n) WITHOUT ROWID",
            ),
            ("CREATE TABLE t(a, b AS (a, 1), c generated always as (a) virtual not null)", None, "CREATE TABLE t(\na\n)"),
            (
                "CREATE TABLE t(a TEXT, CONSTRAINT c CHECK (a) ON CONFLICT FAIL) STRICT",
                None,
                "CREATE TABLE t(\na ,\nCONSTRAINT c CHECK (1) ON CONFLICT FAIL\n)",
            ),
        ] {
            assert_eq!(loosened(sql, alias).as_deref(), Some(expected), "{sql}");
        }
        assert_eq!(loosened("CREATE TABLE t(a, b INT AS (a) STORED)", None), None);
        assert_eq!(loosened("CREATE TABLE t(a, b", None), None);
    }
}
