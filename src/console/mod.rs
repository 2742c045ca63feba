//! The console: screens and keys over one model that only [`update`] changes.
//!
//! ```text
//! terminal ─ bytes, signals ─▶ run ─ Message ─▶ update(&mut Model) ─ Effect ─▶ data ─▶ Backend (the engine)
//!     ▲                         │                                               │
//!     └── one write a frame ── screens(&Model)                 Message ◀────────┘
//! ```
//!
//! Nothing here reads a database, a file or a network on the thread that draws; the engine is reached through [`effect::Backend`] alone.

pub mod backend;
pub mod commands;
pub mod component;
pub mod data;
pub mod effect;
pub mod keymap;
pub mod message;
pub mod model;
pub mod open;
pub mod run;
pub mod screens;
pub mod terminal;
pub mod theme;
pub mod update;
pub mod widgets;

pub use open::{Ended, Options, open};
