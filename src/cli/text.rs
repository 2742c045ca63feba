//! Text that comes from data, made harmless: a table's name or an error's sentence is shown, never obeyed by the terminal.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` with every control character, escape sequence and bidirectional override written out, on one line.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(obeyed_by_terminals) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            c if obeyed_by_terminals(c) => {
                // Writing to a String cannot fail.
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Control characters, the marks that turn or hide the direction of text, and line separators.
fn obeyed_by_terminals(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_sequence_in_a_name_is_shown_and_not_obeyed() {
        assert_eq!(clean("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(clean("\u{9b}2J"), "\\u{9b}2J");
        assert_eq!(clean("two\nlines"), "two\\nlines");
        assert_eq!(clean("exe\u{202e}gpj"), "exe\\u{202e}gpj");
    }

    #[test]
    fn names_in_any_script_stay_as_they_are() {
        for name in ["Željko Đurić", "王小明", "عمر", "Zoë", "👩‍🎓"] {
            assert!(matches!(clean(name), Cow::Borrowed(same) if same == name));
        }
    }
}
