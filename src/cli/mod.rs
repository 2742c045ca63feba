//! The command line: arguments and text over the engine.
//!
//! Each command group has a file with its arguments; [`args`] holds what all share. [`start`] begins, [`output`] prints, [`home`] and
//! [`secrets`] decide where the home and the passphrase come from, [`demo`] builds the application of the demonstration.

pub mod alerts;
pub mod app;
pub mod args;
pub mod audit;
pub mod backup;
pub mod backups;
pub mod config;
pub mod console;
pub mod demo;
pub mod demo_command;
pub mod health;
pub mod home;
pub mod interrupt;
pub mod jobs;
pub mod output;
pub mod progress;
pub mod restore;
pub mod restores;
pub mod run;
pub mod secrets;
pub mod session;
pub mod start;
pub mod table;
pub mod text;
pub mod units;
pub mod vault;
mod watched;
