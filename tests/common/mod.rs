//! What the tests through the real binary share: running it, and a terminal to run it in.
#![allow(dead_code)]

pub mod program;
pub mod terminal;
