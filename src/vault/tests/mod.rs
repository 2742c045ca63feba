//! Statements about the vault, through real locations.
