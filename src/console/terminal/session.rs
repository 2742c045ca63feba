//! The session with the terminal: taken once, given back whatever happens.
//!
//! Frames are compared here instead of through `ratatui::Terminal`, which writes and asks for the size even when a frame is unchanged.

use std::io::{self, Stdout, Write};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{queue, style};
use ratatui::backend::{Backend as _, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::writer::FrameWriter;

/// Whether the terminal is ours at this moment: what the panic hook and the guard go by.
static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// Draws frames to a writer and sends only what changed.
pub struct Painter<W: Write> {
    out: FrameWriter<W>,
    shown: Buffer,
    next: Buffer,
    cursor: Option<Position>,
    fresh: bool,
}

impl<W: Write> Painter<W> {
    /// A painter of a terminal of this size.
    pub fn new(out: W, width: u16, height: u16) -> Self {
        // crossterm answers NO_COLOR by resetting every attribute, which hides the selection; the mono theme answers it instead.
        style::force_color_output(true);
        let area = Rect::new(0, 0, width, height);
        Self { out: FrameWriter::new(out), shown: Buffer::empty(area), next: Buffer::empty(area), cursor: None, fresh: true }
    }

    /// Goes on with another size; the next frame is drawn whole.
    pub fn resize(&mut self, width: u16, height: u16) {
        let area = Rect::new(0, 0, width, height);
        self.shown = Buffer::empty(area);
        self.next = Buffer::empty(area);
        self.fresh = true;
    }

    /// Draws the next frame whole, over whatever is on the terminal.
    pub fn redraw(&mut self) {
        self.shown.reset();
        self.fresh = true;
    }

    /// Draws a frame: `view` fills the buffer and says where the cursor stands. Sends nothing when nothing changed.
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    pub fn draw(&mut self, view: impl FnOnce(&mut Buffer) -> Option<Position>) -> io::Result<()> {
        self.next.reset();
        let cursor = view(&mut self.next);
        if self.fresh {
            queue!(self.out, style::ResetColor, Clear(ClearType::All))?;
            self.fresh = false;
        }
        let changes = self.shown.diff(&self.next);
        let moved = cursor != self.cursor;
        if !changes.is_empty() {
            if self.cursor.is_some() && !moved {
                queue!(self.out, Hide)?;
            }
            CrosstermBackend::new(&mut self.out).draw(changes.into_iter())?;
        }
        if moved || (cursor.is_some() && !self.shown.content.eq(&self.next.content)) {
            match cursor {
                Some(at) => queue!(self.out, MoveTo(at.x, at.y), Show)?,
                None => queue!(self.out, Hide)?,
            }
            self.cursor = cursor;
        }
        std::mem::swap(&mut self.shown, &mut self.next);
        self.out.send()
    }

    /// Sends bytes that are no part of the picture (a copy, a bell).
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.out.send()
    }

    /// The bytes written so far.
    pub fn written(&self) -> u64 {
        self.out.written()
    }
}

/// The terminal, ours until this is dropped.
pub struct Session {
    /// What draws.
    pub painter: Painter<Stdout>,
    mouse: bool,
}

impl Session {
    /// Takes the terminal: raw mode, the alternate screen, bracketed paste, the mouse when asked for; and makes sure that a panic gives it back.
    ///
    /// # Errors
    ///
    /// Standard output is no terminal, or it cannot be set up.
    pub fn take(mouse: bool) -> io::Result<Self> {
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                give_back();
                before(info);
            }));
        });
        let (width, height) = size()?;
        let session = Self { painter: Painter::new(io::stdout(), width, height), mouse };
        session.enter()?;
        Ok(session)
    }

    fn enter(&self) -> io::Result<()> {
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let mut bytes = Vec::new();
        queue!(bytes, EnterAlternateScreen, EnableBracketedPaste, Hide)?;
        if self.mouse {
            queue!(bytes, EnableMouseCapture)?;
        }
        let mut out = io::stdout();
        out.write_all(&bytes)?;
        out.flush()
    }

    /// Gives the terminal back, for a suspension.
    pub fn leave(&self) {
        give_back();
    }

    /// Takes the terminal again after a suspension and draws the next frame whole.
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    pub fn resume(&mut self) -> io::Result<()> {
        self.enter()?;
        let (width, height) = size()?;
        self.painter.resize(width, height);
        Ok(())
    }

    /// Forgets the terminal after a hang-up: nothing is written to it any more, not even to give it back.
    pub fn abandon(&self) {
        TAKEN.store(false, Ordering::SeqCst);
    }

    /// Switches the mouse on or off.
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    pub fn mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        let mut bytes = Vec::new();
        if on { queue!(bytes, EnableMouseCapture) } else { queue!(bytes, DisableMouseCapture) }?;
        self.painter.send(&bytes)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        give_back();
    }
}

/// The terminal's size, columns and rows; asked at the start and when it changes, never per frame.
///
/// # Errors
///
/// Standard output is no terminal.
pub fn size() -> io::Result<(u16, u16)> {
    crossterm::terminal::size()
}

/// Gives the terminal back if it is ours; a second call does nothing.
fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut bytes = b"\x1b[?2026l".to_vec();
    // A failure here cannot be told to anybody: the terminal is what failed.
    let _ = queue!(bytes, style::ResetColor, DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, Show);
    let mut out = io::stdout();
    let _ = out.write_all(&bytes).and_then(|()| out.flush());
    let _ = disable_raw_mode();
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::Style;

    #[test]
    fn an_unchanged_frame_sends_no_byte() {
        let mut painter = Painter::new(Vec::new(), 20, 3);
        let view = |buffer: &mut Buffer| {
            buffer.set_string(0, 0, "backstop", Style::new());
            None
        };
        painter.draw(view).unwrap();
        let first = painter.written();
        assert!(first > 0);
        painter.draw(view).unwrap();
        assert_eq!(painter.written(), first);
    }

    #[test]
    fn a_terminal_shows_what_was_drawn() {
        let mut painter = Painter::new(vt100::Parser::new(3.try_into().unwrap(), 20.try_into().unwrap(), 0), 20, 3);
        for text in ["one 中文 two", "three"] {
            painter
                .draw(|buffer| {
                    buffer.set_string(0, 1, text, Style::new());
                    None
                })
                .unwrap();
        }
        assert_eq!(painter.out.out_mut().screen().contents().trim(), "three");
    }
}
