//! The terminal: taking it, giving it back, writing frames, reading keys. The only place that names crossterm.

pub mod caps;
pub mod clipboard;
pub mod input;
pub mod session;
pub mod signals;
pub mod writer;
