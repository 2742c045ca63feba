//! How a row of the catalog becomes a struct: one list of fields and expressions, so that the two cannot drift apart.

use std::ops::Deref;

use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{Row, ToSql};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock;

/// A struct that is read from a row.
pub(super) trait Record: Sized {
    /// The expressions of its fields, in order, separated by commas.
    const COLUMNS: &'static str;

    /// Reads the fields in the order of [`Record::COLUMNS`].
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self>;
}

macro_rules! record {
    ($(#[$doc:meta])* $name:ident { $first:tt }) => { compile_error!("a record has more than one field") };
    (
        $(#[$doc:meta])* $name:ident {
            $(#[$first_doc:meta])* $first:ident: $first_type:ty = $first_sql:literal,
            $($(#[$field_doc:meta])* $field:ident: $field_type:ty = $field_sql:literal,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize)]
        pub struct $name {
            $(#[$first_doc])* pub $first: $first_type,
            $($(#[$field_doc])* pub $field: $field_type,)*
        }

        impl $crate::catalog::record::Record for $name {
            const COLUMNS: &'static str = concat!($first_sql $(, ", ", $field_sql)*);

            fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
                let mut index = 0..;
                let mut next = || index.next().unwrap_or_default();
                Ok(Self {
                    $first: row.get::<usize, _>(next())?,
                    $($field: row.get::<usize, _>(next())?,)*
                })
            }
        }
    };
}
pub(super) use record;

/// A moment in the catalog: RFC 3339 text, UTC, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(Timestamp);

impl Time {
    /// The moment.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        self.0
    }
}

impl From<Timestamp> for Time {
    /// The moment, cut to the millisecond that the catalog keeps.
    fn from(time: Timestamp) -> Self {
        Self(Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time))
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&clock::rfc3339(self.0))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Timestamp::deserialize(deserializer).map(Self::from)
    }
}

impl ToSql for Time {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(clock::rfc3339(self.0).into())
    }
}

impl FromSql for Time {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(Self).map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}

/// A value that the catalog keeps as JSON text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json<T>(pub T);

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Json<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: Serialize> ToSql for Json<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let text = serde_json::to_string(&self.0).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        Ok(text.into())
    }
}

impl<T: DeserializeOwned> FromSql for Json<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?).map(Self).map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_same_in_the_catalog_and_in_json() {
        let time = Time::from("2026-11-21T20:41:05.123456Z".parse::<Timestamp>().unwrap());
        assert_eq!(serde_json::to_string(&time).unwrap(), "\"2026-11-21T20:41:05.123Z\"");
        assert_eq!(time.to_string(), "2026-11-21T20:41:05.123Z");
        assert_eq!(Time::column_result(ValueRef::Text(b"2026-11-21T20:41:05.123Z")).unwrap(), time);
    }

    #[test]
    fn text_that_is_no_time_is_an_error_and_not_a_time() {
        assert!(Time::column_result(ValueRef::Text(b"yesterday")).is_err());
        assert!(Json::<Vec<String>>::column_result(ValueRef::Text(b"{}")).is_err());
    }
}
