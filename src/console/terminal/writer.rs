//! One frame, one write: a terminal never shows half a frame, and a bad line carries one packet instead of ten.

use std::io::{self, Write};

/// Asks the terminal to hold what follows back until [`END`] (DEC mode 2026; terminals that do not know it ignore it).
const BEGIN: &[u8] = b"\x1b[?2026h";
/// Lets the terminal show what it held back.
const END: &[u8] = b"\x1b[?2026l";

/// Collects a frame and hands it on with a single write.
#[derive(Debug)]
pub struct FrameWriter<W: Write> {
    out: W,
    frame: Vec<u8>,
    written: u64,
}

impl<W: Write> FrameWriter<W> {
    /// A writer of frames to `out`.
    pub fn new(out: W) -> Self {
        Self { out, frame: Vec::with_capacity(16 * 1024), written: 0 }
    }

    /// The bytes written so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    #[cfg(test)]
    pub(super) fn out_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// Sends what was collected as one frame; sends nothing when nothing was collected.
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    pub fn send(&mut self) -> io::Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        let mut whole = Vec::with_capacity(self.frame.len() + BEGIN.len() + END.len());
        whole.extend_from_slice(BEGIN);
        whole.append(&mut self.frame);
        whole.extend_from_slice(END);
        self.written += whole.len() as u64;
        let sent = self.out.write_all(&whole).and_then(|()| self.out.flush());
        whole.clear();
        self.frame = whole;
        sent
    }
}

impl<W: Write> Write for FrameWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.frame.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Does nothing on purpose: ratatui flushes in the middle of a frame, [`FrameWriter::send`] ends it.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Counting {
        writes: Vec<Vec<u8>>,
    }

    impl Write for Counting {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.writes.push(bytes.to_vec());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_frame_is_one_write_between_the_marks() {
        let mut writer = FrameWriter::new(Counting::default());
        writer.write_all(b"one ").unwrap();
        writer.flush().unwrap();
        writer.write_all(b"frame").unwrap();
        writer.send().unwrap();
        assert_eq!(writer.out.writes, [b"\x1b[?2026hone frame\x1b[?2026l".to_vec()]);
    }

    #[test]
    fn nothing_collected_sends_nothing() {
        let mut writer = FrameWriter::new(Counting::default());
        writer.send().unwrap();
        assert!(writer.out.writes.is_empty());
        assert_eq!(writer.written(), 0);
    }
}
