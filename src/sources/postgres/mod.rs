//! PostgreSQL databases, 13 and later.

mod address;
mod connect;
mod session;
mod sql;
mod text;

pub use address::{Address, Fault, Surroundings};
pub use connect::{Canceller, Refusal};
