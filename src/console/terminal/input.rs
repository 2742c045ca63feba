//! Bytes from the terminal as keys.
//!
//! Read and decoded here because crossterm 0.29 spins on a closed terminal and reports an escape sequence that arrives in pieces as separate
//! keys: over a bad line `ESC [ A` must stay an arrow and never become `[` and `A`.

use std::fmt;
use std::io::{self, Read};
use std::thread;

/// One key, with its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The key.
    pub code: Code,
    /// Whether Control was held.
    pub ctrl: bool,
    /// Whether Alt was held.
    pub alt: bool,
}

/// A key without modifiers; Shift is part of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Code {
    Char(char),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Delete,
    Insert,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    Function(u8),
}

impl Key {
    /// A key without modifiers.
    #[must_use]
    pub fn plain(code: Code) -> Self {
        Self { code, ctrl: false, alt: false }
    }

    /// A character's key.
    #[must_use]
    pub fn char(character: char) -> Self {
        Self::plain(Code::Char(character))
    }

    fn ctrl(character: char) -> Self {
        Self { code: Code::Char(character), ctrl: true, alt: false }
    }

    /// Reads a key's written form: `j`, `Ctrl-d`, `Enter`, `F1`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let (mut ctrl, mut alt) = (false, false);
        loop {
            if let Some(after) = rest.strip_prefix("Ctrl-").filter(|after| !after.is_empty()) {
                (rest, ctrl) = (after, true);
            } else if let Some(after) = rest.strip_prefix("Alt-").filter(|after| !after.is_empty()) {
                (rest, alt) = (after, true);
            } else {
                break;
            }
        }
        let mut characters = rest.chars();
        let code = match (characters.next(), characters.next()) {
            (Some(only), None) => Code::Char(only),
            _ => NAMES.iter().find(|(_, name)| *name == rest).map(|(code, _)| *code).or_else(|| {
                rest.strip_prefix('F').and_then(|number| number.parse().ok()).filter(|number| (1..=12).contains(number)).map(Code::Function)
            })?,
        };
        Some(Self { code, ctrl, alt })
    }
}

const NAMES: [(Code, &str); 16] = [
    (Code::Enter, "Enter"),
    (Code::Esc, "Esc"),
    (Code::Tab, "Tab"),
    (Code::BackTab, "BackTab"),
    (Code::Backspace, "Backspace"),
    (Code::Delete, "Del"),
    (Code::Insert, "Ins"),
    (Code::Up, "Up"),
    (Code::Down, "Down"),
    (Code::Left, "Left"),
    (Code::Right, "Right"),
    (Code::Home, "Home"),
    (Code::End, "End"),
    (Code::PageUp, "PgUp"),
    (Code::PageDown, "PgDn"),
    (Code::Char(' '), "Space"),
];

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ctrl {
            f.write_str("Ctrl-")?;
        }
        if self.alt {
            f.write_str("Alt-")?;
        }
        match (NAMES.iter().find(|(code, _)| *code == self.code), self.code) {
            (Some((_, name)), _) => f.write_str(name),
            (None, Code::Char(character)) => write!(f, "{character}"),
            (None, Code::Function(number)) => write!(f, "F{number}"),
            (None, _) => Ok(()),
        }
    }
}

/// What a person did at the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Pressed a key.
    Key(Key),
    /// Pasted text (bracketed paste).
    Paste(String),
    /// Clicked at a column and row.
    Click(u16, u16),
    /// Turned the wheel; negative is up.
    Scroll(i16),
}

/// A paste longer than this is cut: nothing here takes more, and a paste bomb must not fill the memory.
const PASTE_LIMIT: usize = 64 * 1024;
const PASTE_END: &[u8] = b"\x1b[201~";

/// Turns bytes into input, whatever pieces they come in.
#[derive(Debug, Default)]
pub struct Decoder {
    held: Vec<u8>,
    paste: Option<Vec<u8>>,
}

impl Decoder {
    /// Takes bytes as they came and gives the input that is complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Input> {
        let mut inputs = Vec::new();
        for &byte in bytes {
            if let Some(paste) = &mut self.paste {
                paste.push(byte);
                if paste.ends_with(PASTE_END) {
                    paste.truncate(paste.len() - PASTE_END.len());
                    inputs.push(Input::Paste(String::from_utf8_lossy(paste).into_owned()));
                    self.paste = None;
                } else if paste.len() > PASTE_LIMIT + PASTE_END.len() {
                    paste.drain(PASTE_LIMIT..paste.len() - PASTE_END.len());
                }
                continue;
            }
            self.held.push(byte);
            match decode(&self.held) {
                Decoded::More => {}
                Decoded::Nothing => self.held.clear(),
                Decoded::PasteBegins => {
                    self.held.clear();
                    self.paste = Some(Vec::new());
                }
                Decoded::Input(input) => {
                    self.held.clear();
                    inputs.push(input);
                }
            }
        }
        inputs
    }

    /// Whether something incomplete is held: the caller waits a moment for the rest, then calls [`Decoder::flush`].
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.held.is_empty()
    }

    /// Gives what is held although it is incomplete: a lone escape is the Esc key; a piece of a sequence is dropped.
    pub fn flush(&mut self) -> Option<Input> {
        let held = std::mem::take(&mut self.held);
        (held == [0x1b]).then_some(Input::Key(Key::plain(Code::Esc)))
    }
}

enum Decoded {
    More,
    Nothing,
    PasteBegins,
    Input(Input),
}

fn key(key: Key) -> Decoded {
    Decoded::Input(Input::Key(key))
}

fn decode(held: &[u8]) -> Decoded {
    match held {
        [] | [0x1b] | [0x1b, b'O'] => Decoded::More,
        [0x1b, b'[', rest @ ..] => csi(rest),
        [0x1b, b'O', last] => ss3(*last),
        // Two escapes in a row: the first was the key, pressed twice by somebody in a hurry.
        [0x1b, 0x1b] => key(Key::plain(Code::Esc)),
        [0x1b, rest @ ..] => match decode(rest) {
            Decoded::Input(Input::Key(pressed)) => key(Key { alt: true, ..pressed }),
            other => other,
        },
        [b'\r' | b'\n'] => key(Key::plain(Code::Enter)),
        [b'\t'] => key(Key::plain(Code::Tab)),
        [0x7f | 0x08] => key(Key::plain(Code::Backspace)),
        [0] => key(Key::ctrl(' ')),
        [low @ 0x01..=0x1a] => key(Key::ctrl(char::from(b'a' + low - 1))),
        [0x1c..=0x1f] => Decoded::Nothing,
        bytes => match std::str::from_utf8(bytes) {
            Ok(text) => text.chars().next().map_or(Decoded::Nothing, |character| key(Key::char(character))),
            Err(error) if error.error_len().is_none() => Decoded::More,
            Err(_) => Decoded::Nothing,
        },
    }
}

fn ss3(last: u8) -> Decoded {
    arrow(last).map_or(Decoded::Nothing, |code| key(Key::plain(code)))
}

fn arrow(last: u8) -> Option<Code> {
    Some(match last {
        b'A' => Code::Up,
        b'B' => Code::Down,
        b'C' => Code::Right,
        b'D' => Code::Left,
        b'H' => Code::Home,
        b'F' => Code::End,
        b'Z' => Code::BackTab,
        b'P'..=b'S' => Code::Function(last - b'P' + 1),
        _ => return None,
    })
}

fn csi(rest: &[u8]) -> Decoded {
    let Some((&last, parameters)) = rest.split_last() else { return Decoded::More };
    if !(0x40..=0x7e).contains(&last) || (rest == b"[") {
        return if rest.len() > 64 { Decoded::Nothing } else { Decoded::More };
    }
    let text = std::str::from_utf8(parameters).unwrap_or_default();
    if let Some(mouse) = text.strip_prefix('<') {
        return mouse_event(mouse, last == b'M');
    }
    let numbers: Vec<u16> = text.split(';').map(|number| number.parse().unwrap_or(0)).collect();
    let modifiers = numbers.get(1).copied().unwrap_or(1).saturating_sub(1);
    let code = match (last, numbers.first()) {
        (b'~', Some(200)) => return Decoded::PasteBegins,
        (b'~', Some(number)) => tilde(*number),
        (last, _) => arrow(last),
    };
    code.map_or(Decoded::Nothing, |code| key(Key { code, ctrl: modifiers & 4 != 0, alt: modifiers & 2 != 0 }))
}

fn tilde(number: u16) -> Option<Code> {
    Some(match number {
        1 | 7 => Code::Home,
        2 => Code::Insert,
        3 => Code::Delete,
        4 | 8 => Code::End,
        5 => Code::PageUp,
        6 => Code::PageDown,
        11..=15 => Code::Function((number - 10) as u8),
        17..=21 => Code::Function((number - 11) as u8),
        23 | 24 => Code::Function((number - 12) as u8),
        _ => return None,
    })
}

fn mouse_event(text: &str, pressed: bool) -> Decoded {
    let numbers: Vec<u16> = text.split(';').filter_map(|number| number.parse().ok()).collect();
    match numbers[..] {
        [0, column, row] if pressed => Decoded::Input(Input::Click(column.saturating_sub(1), row.saturating_sub(1))),
        [64, ..] => Decoded::Input(Input::Scroll(-3)),
        [65, ..] => Decoded::Input(Input::Scroll(3)),
        _ => Decoded::Nothing,
    }
}

/// Reads standard input on a thread of its own; an empty piece says that it ended, which is how a dropped line looks.
///
/// # Errors
///
/// The thread cannot be started.
pub fn read(hand_on: impl Fn(Vec<u8>) -> bool + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("input".into()).spawn(move || {
        let mut buffer = [0_u8; 4096];
        loop {
            let read = match io::stdin().lock().read(&mut buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => 0,
            };
            if !hand_on(buffer[..read].to_vec()) || read == 0 {
                return;
            }
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(b"\x1b[A", "Up")]
    #[case(b"\x1bOB", "Down")]
    #[case(b"\x1b[1;5C", "Ctrl-Right")]
    #[case(b"\x1b[6~", "PgDn")]
    #[case(b"\x1b[24~", "F12")]
    #[case(b"\x1b[Z", "BackTab")]
    #[case(b"\x04", "Ctrl-d")]
    #[case(b"\x1bx", "Alt-x")]
    #[case("é".as_bytes(), "é")]
    #[case("中".as_bytes(), "中")]
    fn a_sequence_is_one_key_in_whatever_pieces_it_comes(#[case] bytes: &[u8], #[case] expected: &str) {
        let expected = vec![Input::Key(Key::parse(expected).unwrap())];
        assert_eq!(Decoder::default().feed(bytes), expected);
        let mut decoder = Decoder::default();
        let split: Vec<Input> = bytes.iter().flat_map(|byte| decoder.feed(&[*byte])).collect();
        assert_eq!(split, expected);
    }

    #[test]
    fn a_lone_escape_is_the_key_only_after_the_wait() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(b"\x1b"), []);
        assert!(decoder.is_waiting());
        assert_eq!(decoder.flush(), Some(Input::Key(Key::plain(Code::Esc))));
        decoder.feed(b"\x1b[");
        assert_eq!(decoder.flush(), None, "half a sequence never becomes a command");
    }

    #[test]
    fn a_paste_is_text_and_no_keys() {
        assert_eq!(Decoder::default().feed(b"\x1b[200~y\ry\x1b[201~"), [Input::Paste("y\ry".into())]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_a_key_reads_back_as_it_is_written(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::default();
            for input in decoder.feed(&bytes) {
                if let Input::Key(key) = input {
                    let written = key.to_string();
                    prop_assert_eq!(Key::parse(&written), Some(key), "{}", written);
                }
            }
            decoder.flush();
        }
    }
}
