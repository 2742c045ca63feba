//! A connection whose settings are pinned, so that values mean the same text wherever and whenever they are read.
//!
//! Queries of our own go through the simple protocol, rows through COPY: values are never decoded by a type.

use std::ops::ControlFlow;

use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;

use super::address::Address;
use super::connect::Canceller;
use super::wire::{Client, CopyIn, Lines, Stopped};
use crate::sources::{Error, Result};

/// What decides how values read as text and which rows are seen: the list of FORMAT.md. `transaction_timeout` came with 17.
const PINNED: [(&str, &str); 16] = [
    ("DateStyle", "ISO"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("xmloption", "content"),
    ("lc_monetary", "C"),
    ("search_path", ""),
    ("row_security", "off"),
    ("synchronize_seqscans", "off"),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("transaction_timeout", "0"),
    ("quote_all_identifiers", "off"),
    ("array_nulls", "on"),
];

/// A connection with pinned settings.
pub struct Session {
    client: Client,
    canceller: Canceller,
    place: String,
    /// The database's own encoding, where values must not be converted from it.
    own: Option<String>,
    /// Whether the client's encoding is the database's own now.
    is_own: bool,
}

impl Session {
    /// Connects and pins the settings.
    ///
    /// # Errors
    /// What connecting met.
    pub fn open(address: &Address) -> Result<Self> {
        let (client, canceller) = address.open()?;
        let mut session = Self { client, canceller, place: address.to_string(), own: None, is_own: false };
        let names = PINNED.map(|(name, _)| format!("'{}'", name.to_lowercase())).join(", ");
        let known = session.rows(&format!("SELECT lower(name) FROM pg_catalog.pg_settings WHERE lower(name) IN ({names})"))?;
        let known: Vec<&str> = known.iter().filter_map(|row| row[0].as_deref()).collect();
        let wanted = PINNED.iter().filter(|(name, _)| known.contains(&name.to_lowercase().as_str()));
        let set: Vec<String> = wanted.map(|(name, value)| format!("SET {name} = '{value}'")).collect();
        session.run(&set.join(";"))?;
        Ok(session)
    }

    /// Says what the database's encoding is: values move in it, unconverted; names are asked for as UTF-8.
    pub fn values_are(&mut self, encoding: &str) {
        self.own = (encoding != "UTF8").then(|| encoding.to_owned());
    }

    fn speak(&mut self, own: bool) -> Result<()> {
        let Some(encoding) = self.own.as_ref().filter(|_| self.is_own != own) else { return Ok(()) };
        let set = format!("SET client_encoding = '{}'", if own { encoding } else { "UTF8" });
        self.client.batch_execute(&set).map_err(|error| self.said("", &error))?;
        self.is_own = own;
        Ok(())
    }

    /// Runs statements that give nothing.
    ///
    /// # Errors
    /// What the server says.
    pub fn run(&mut self, sql: &str) -> Result<()> {
        self.speak(false)?;
        self.client.batch_execute(sql).map_err(|error| self.said("", &error))
    }

    /// The rows that a query of ours gives, as text.
    ///
    /// # Errors
    /// What the server says.
    pub fn rows(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        self.speak(false)?;
        self.client.simple_query(sql).map(rows_of).map_err(|error| self.said("", &error))
    }

    /// Runs statements that each change rows, and says how many each changed.
    ///
    /// # Errors
    /// What the server says, about the model `what`.
    pub fn changed(&mut self, what: &str, sql: &str) -> Result<Vec<u64>> {
        self.speak(false)?;
        let messages = self.client.simple_query(sql).map_err(|error| self.said(what, &error))?;
        let counts = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::CommandComplete(count) => Some(count),
            _ => None,
        });
        Ok(counts.collect())
    }

    /// The first value of the first row.
    ///
    /// # Errors
    /// What the server says.
    pub fn one(&mut self, sql: &str) -> Result<Option<String>> {
        Ok(self.rows(sql)?.into_iter().next().and_then(|row| row.into_iter().next()).flatten())
    }

    /// Gives `lines` each line of a `COPY … TO STDOUT`. A break cancels the statement, and so the transaction.
    ///
    /// # Errors
    /// What the server says, about the model `what`, and what `lines` says.
    pub fn copy_lines(&mut self, what: &str, sql: &str, lines: &mut dyn Lines) -> Result<ControlFlow<()>> {
        self.speak(true)?;
        let place = &self.place;
        let begun = self.client.copy_out(sql, &mut || lines.idle()).map_err(|error| said(place, what, &error))?;
        let Some(mut copy) = begun else {
            self.canceller.cancel();
            return Ok(ControlFlow::Break(()));
        };
        let ended = copy.rows(lines);
        // Where the server itself has ended it, there is nothing to cancel.
        if !matches!(ended, Ok(ControlFlow::Continue(())) | Err(Stopped::Server(_))) {
            self.canceller.cancel();
        }
        ended.map_err(|stopped| match stopped {
            Stopped::Server(error) => said(place, what, &error),
            Stopped::NoLine => Error::Database { what: at(place, what), why: "the server sent a row that is no line".into() },
            Stopped::Here(error) => error,
        })
    }

    /// Begins a `COPY … FROM STDIN`.
    ///
    /// # Errors
    /// What the server says, about the model `what`.
    pub fn copy_in(&mut self, what: &str, sql: &str) -> Result<CopyIn<'_>> {
        self.speak(true)?;
        self.client.copy_in(sql).map_err(|error| said(&self.place, what, &error))
    }

    /// Runs one statement of others and tells exactly what the server says against it.
    ///
    /// # Errors
    /// What the server says.
    pub fn attempt(&mut self, sql: &str) -> Result<(), Objection> {
        let lost = |error: Error| Objection { code: None, words: error.to_string() };
        self.speak(false).map_err(lost)?;
        self.client.batch_execute(sql).map_err(|error| match error.as_db_error() {
            Some(told) => Objection { code: Some(told.code().clone()), words: told_words(told) },
            None => lost(self.said("", &error)),
        })
    }

    /// The rows that a query gives, or exactly what the server says against it.
    ///
    /// # Errors
    /// What the server says.
    pub fn ask(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, Objection> {
        self.attempt("SAVEPOINT question")?;
        let lost = |error: &Error| Objection { code: None, words: error.to_string() };
        match self.client.simple_query(sql) {
            Ok(messages) => {
                self.attempt("RELEASE question")?;
                Ok(rows_of(messages))
            }
            Err(error) => {
                let objection = match error.as_db_error() {
                    Some(told) => Objection { code: Some(told.code().clone()), words: told_words(told) },
                    None => lost(&self.said("", &error)),
                };
                self.attempt("ROLLBACK TO question; RELEASE question")?;
                Err(objection)
            }
        }
    }

    /// An error of a stream to or from the server, about the model `what`.
    #[must_use]
    pub fn said_on_the_way(&self, what: &str, error: std::io::Error) -> Error {
        said_while_reading(&self.place, what, error)
    }

    /// An error of the server, about the model `what` where one is concerned.
    #[must_use]
    pub fn said(&self, what: &str, error: &tokio_postgres::Error) -> Error {
        said(&self.place, what, error)
    }
}

fn rows_of(messages: Vec<SimpleQueryMessage>) -> Vec<Vec<Option<String>>> {
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect()),
        _ => None,
    });
    rows.collect()
}

/// What the server says against a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// Its code; none where the server did not answer.
    pub code: Option<SqlState>,
    /// Its words.
    pub words: String,
}

fn said_while_reading(place: &str, what: &str, error: std::io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<tokio_postgres::Error>()) {
        Some(inner) => said(place, what, inner),
        None => Error::Io { what: at(place, what), source: error },
    }
}

fn at(place: &str, what: &str) -> String {
    if what.is_empty() { place.to_owned() } else { format!("{place}: {what}") }
}

fn said(place: &str, what: &str, error: &tokio_postgres::Error) -> Error {
    let at = at(place, what);
    let Some(told) = error.as_db_error() else {
        let lost =
            error.is_closed() || std::error::Error::source(error).is_some_and(<dyn std::error::Error + 'static>::is::<std::io::Error>);
        let why = if lost { format!("the connection was lost ({})", words(error)) } else { words(error) };
        return Error::Database { what: at, why };
    };
    let code = told.code();
    if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        let remedy = "a role that may read everything (GRANT pg_read_all_data TO …, from PostgreSQL 14 on), or the owner of the tables";
        return Error::NotOurs { what: at, why: told.message().to_owned(), remedy: remedy.into() };
    }
    if *code == SqlState::LOCK_NOT_AVAILABLE {
        return Error::Database { what: at, why: format!("{} (somebody holds a lock on it)", told.message()) };
    }
    Error::Database { what: at, why: told_words(told) }
}

fn told_words(told: &tokio_postgres::error::DbError) -> String {
    let detail = told.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
    format!("{}{detail}", told.message())
}

/// The words of an error and of what caused it.
fn words(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", words(cause)),
        None => error.to_string(),
    }
}
