//! The pieces that screens are made of.

pub mod canvas;
pub mod confirm;
pub mod footer;
pub mod form;
pub mod format;
pub mod gauge;
pub mod header;
pub mod help;
pub mod line;
pub mod palette;
pub mod prompt;
pub mod table;
pub mod text;
