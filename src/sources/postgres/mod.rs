//! PostgreSQL databases, 13 and later: read through one exported snapshot, written in one transaction, made anew.
//!
//! Everything goes through the client protocol, values as the text that COPY gives under pinned settings; only the
//! statements that make the schema come from `pg_dump`.

mod address;
mod aside;
mod batch;
mod beside;
mod carrying;
mod catalog;
mod connect;
mod copying;
mod counting;
mod creator;
mod dump;
mod guards;
mod hands;
mod large_objects;
mod leaving;
mod locks;
mod long;
mod missed;
mod objects;
mod pass;
mod places;
mod raise;
mod reader;
mod refusals;
mod rivals;
mod rules;
mod sequences;
mod session;
mod since;
mod sql;
mod statements;
mod suitable;
mod table;
mod text;
mod together;
mod values;
mod wire;
mod writer;
mod written;

use std::fmt;
use std::time::Duration;

use super::{Creator, Definition, Result, Writer};
pub use address::{Address, Fault, Surroundings};
pub use connect::{Canceller, Refusal};
pub use reader::PostgresSnapshot;
pub use wire::Client;

/// A PostgreSQL database by its address.
#[derive(Clone, Debug, PartialEq)]
pub struct Postgres {
    address: Address,
}

impl Postgres {
    /// The database at an address; nothing is opened.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self { address }
    }

    /// Opens it for a look at what it is; nothing is locked.
    ///
    /// # Errors
    /// What connecting met, and what the server says.
    pub fn look(&self) -> Result<PostgresSnapshot> {
        PostgresSnapshot::look(&self.address)
    }

    /// Opens it for reading, as it is at this moment. Its writers go on; definitions of its tables cannot change meanwhile.
    ///
    /// # Errors
    /// As [`Postgres::look`]; a table that stays locked for longer than `wait`, or may not be read.
    pub fn snapshot(&self, wait: Duration) -> Result<PostgresSnapshot> {
        PostgresSnapshot::open(&self.address, wait)
    }

    /// Opens it for writing, in one transaction. No trigger, rule or foreign-key action of the application runs.
    ///
    /// # Errors
    /// As [`Postgres::look`].
    pub fn writer(&self, wait: Duration) -> Result<Box<dyn Writer>> {
        writer::PostgresWriter::open(&self.address, wait).map(|writer| Box::new(writer) as Box<dyn Writer>)
    }

    /// Begins to fill a database that is there and empty; with `many` rows over two connections, where it can be done unseen.
    ///
    /// # Errors
    /// As [`Postgres::look`]; a database that is not empty, or whose encoding is another.
    pub fn create(&self, definition: &Definition, many: bool) -> Result<Box<dyn Creator>> {
        creator::PostgresCreator::begin(&self.address, definition, many).map(|creator| Box::new(creator) as Box<dyn Creator>)
    }
}

impl fmt::Display for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}
