//! What Backstop does.

pub mod restore;
