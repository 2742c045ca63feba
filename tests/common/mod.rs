//! What the tests through the real binary share: running it, a terminal to run it in, and PostgreSQL servers.
#![allow(dead_code)]

pub mod known;
pub mod postgres;
pub mod program;
pub mod terminal;
