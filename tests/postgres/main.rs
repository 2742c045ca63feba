//! PostgreSQL: real servers, each started by its test, seen with psql and pg_dump as independent witnesses.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod beside;
mod certificates;
mod connecting;
mod counted;
mod kinds;
mod place;
mod properties;
mod reading;
mod refusals;
mod refused;
mod restore_to;
mod restoring;
mod rivals;
mod samples;
mod schemas;
mod scope;
mod since;
mod tls;

use backstop::sources::postgres::{Address, Client, Surroundings};
use postgres::SimpleQueryMessage;

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
    let told = client.simple_query(sql).unwrap();
    let row = told.iter().find_map(|message| if let SimpleQueryMessage::Row(row) = message { row.get(0) } else { None });
    row.unwrap().to_owned()
}
