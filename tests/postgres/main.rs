//! PostgreSQL: real servers, each started by its test, seen with psql and pg_dump as independent witnesses.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod beside;
mod certificates;
mod connecting;
mod place;
mod reading;
mod refusals;
mod restore_to;
mod restoring;
mod scope;
mod since;
mod tls;

use backstop::sources::postgres::{Address, Surroundings};
use postgres::Client;

/// The surroundings of a user ada whose home is `home`, with these variables besides.
fn around(home: &std::path::Path, variables: &[(&str, &str)]) -> Surroundings {
    let home = ("HOME", home.to_str().unwrap());
    Surroundings::of(variables.iter().copied().chain([home]), Some("ada"))
}

/// A connection to `url`, in these surroundings both when the URL is read and when it is opened.
fn open(url: &str, around: &Surroundings) -> backstop::sources::Result<Client> {
    Ok(Address::parse_in(url, around)?.open_in(around)?.0)
}

/// The first value of the first row.
fn one(client: &mut Client, sql: &str) -> String {
    let row = client.query_one(sql, &[]).unwrap();
    row.get(0)
}
