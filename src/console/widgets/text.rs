//! Text on a screen: its width, cutting it, making it harmless. The only place that knows widths.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The columns that the text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text with everything that a terminal would obey (control characters, escape sequences, turned reading direction) made visible.
#[must_use]
pub fn sanitise(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0'..='\x1f' => safe.push(char::from_u32(0x2400 + character as u32).unwrap_or('?')),
            '\x7f' => safe.push('\u{2421}'),
            other if is_harmful(other) => {
                let _ = write!(safe, "‹{:04X}›", other as u32);
            }
            other => safe.push(other),
        }
    }
    Cow::Owned(safe)
}

fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The text cut to `columns`, with an ellipsis where something was cut; a wide character is never halved.
#[must_use]
pub fn truncate(text: &str, columns: usize, unicode: bool) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let ellipsis = if unicode { '…' } else { '~' };
    let Some(room) = columns.checked_sub(1) else { return Cow::Borrowed("") };
    let mut cut = String::new();
    let mut used = 0;
    for character in text.chars() {
        let wide = character.width().unwrap_or(0);
        if used + wide > room {
            break;
        }
        used += wide;
        cut.push(character);
    }
    cut.push(ellipsis);
    Cow::Owned(cut)
}

/// The text broken into lines of at most `columns`, at spaces where there are some.
#[must_use]
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && width(&line) + 1 + width(word) > columns {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            for character in word.chars() {
                if width(&line) + character.width().unwrap_or(0) > columns && !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                }
                line.push(character);
            }
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(sanitise("a\x1b[2Jb\u{202e}c\r\n"), "a␛[2Jb‹202E›c␍␊");
        assert_eq!(sanitise("Müller 中文"), "Müller 中文");
    }

    #[test]
    fn a_wide_character_is_not_halved() {
        assert_eq!(truncate("中文字", 4, true), "中…");
        assert_eq!(truncate("abc", 0, true), "");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_its_room(text in ".{0,60}", columns in 1_usize..50) {
            let safe = sanitise(&text);
            prop_assert!(width(&truncate(&safe, columns, true)) <= columns.max(2));
            for line in wrap(&safe, columns) {
                prop_assert!(width(&line) <= columns.max(2));
            }
        }
    }
}
