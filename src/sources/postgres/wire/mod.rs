//! The client protocol: the library speaks it, but the rows of a COPY do not pass through the library.
//!
//! The library makes a piece of memory and a message between tasks of every row, which costs more than all that is done with the row
//! afterwards. Here the stream that it reads from holds those messages back, for us to take where they lie.

mod client;
mod copy;
mod entry;
mod inbox;
mod tap;

pub use client::{Client, runtime};
pub use copy::{CopyIn, Lines, Stopped};
pub use entry::Entry;
