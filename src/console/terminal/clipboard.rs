//! Copying with OSC 52: the terminal at the operator's end takes the text, so it works over SSH.

use base64::Engine as _;

use super::caps::Caps;

/// The most text that is offered; terminals cut or refuse what is much longer.
pub const LIMIT: usize = 74_994;

/// The bytes that ask the terminal to copy `text`, wrapped for tmux or screen; `None` when it is too long.
#[must_use]
pub fn copy(text: &str, caps: Caps) -> Option<Vec<u8>> {
    if text.len() > LIMIT {
        return None;
    }
    let encoded = base64::engine::general_purpose::STANDARD.encode(text);
    let plain = format!("\x1b]52;c;{encoded}\x07");
    let wrapped = if caps.tmux {
        format!("\x1bPtmux;\x1b{plain}\x1b\\")
    } else if caps.screen {
        format!("\x1bP{plain}\x1b\\")
    } else {
        plain
    };
    Some(wrapped.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::terminal::caps::decide;

    #[test]
    fn what_is_copied_is_encoded_so_that_no_data_reaches_the_terminal_as_control() {
        let bytes = copy("\x1b]0;evil\x07", decide(&|_| None)).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), "\x1b]52;c;G10wO2V2aWwH\x07");
    }

    #[test]
    fn too_much_text_is_refused() {
        assert!(copy(&"x".repeat(LIMIT + 1), decide(&|_| None)).is_none());
    }
}
