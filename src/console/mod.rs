//! The console: screens and keys over one model that only `update` changes.

pub mod terminal;
