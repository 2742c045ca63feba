//! The command line: arguments and text over the engine.
//!
//! Each command group has a file with its arguments; [`args`] holds what all share. [`output`] prints, [`home`] and
//! [`secrets`] decide where the home and the passphrase come from.

pub mod home;
pub mod output;
pub mod secrets;
pub mod table;
pub mod text;
pub mod units;
