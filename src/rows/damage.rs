//! What is wrong with stored bytes, or with rows that are to be stored.

use crate::error::Explain;

/// Bytes that cannot be what was written, or rows that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The first bytes are not those of its kind.
    #[error("these bytes are not a {what}")]
    Magic {
        /// What was to be read.
        what: &'static str,
    },
    /// Written by a newer program.
    #[error("this {what} has format version {found}, and this program reads version {known}")]
    Version {
        /// What was to be read.
        what: &'static str,
        /// Its version.
        found: u8,
        /// The version that is known.
        known: u8,
    },
    /// The bytes end where more must follow.
    #[error("{what}: the bytes end too early")]
    Short {
        /// What was to be read.
        what: &'static str,
    },
    /// A number stands there that the format does not allow.
    #[error("{what}: {found} stands where at most {limit} can be")]
    Limit {
        /// What was to be read.
        what: &'static str,
        /// The number found.
        found: u64,
        /// The largest that can be.
        limit: u64,
    },
    /// Two numbers that must agree do not.
    #[error("{what}: {found} found, {wanted} expected")]
    Mismatch {
        /// What was counted.
        what: &'static str,
        /// The number found.
        found: u64,
        /// The number expected.
        wanted: u64,
    },
    /// The bytes are not in the form that the format gives them.
    #[error("{what} is malformed")]
    Form {
        /// What was to be read.
        what: &'static str,
    },
    /// Keys that must ascend do not.
    #[error("the records of {relation} are not in the order of their keys")]
    Order {
        /// The model.
        relation: String,
    },
    /// A row is not one of its relation, or stands where none can.
    #[error("a record of {relation} cannot be stored: {why}")]
    Unfit {
        /// The model.
        relation: String,
        /// Why.
        why: &'static str,
    },
}

impl Explain for Damage {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Version { .. } => "Use the version of Backstop that wrote it, or a newer one.".into(),
            Self::Order { .. } | Self::Unfit { .. } => {
                "Check what the records came from (SQLite: PRAGMA integrity_check; a vault: `backstop verify`), then try again.".into()
            }
            _ => "Run `backstop verify`: another location may hold whole bytes.".into(),
        })
    }
}
