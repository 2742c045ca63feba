//! Strategies, choices for records and fields, and targets, as the arguments of `backstop restore` write them.

use std::str::FromStr;

use clap::ValueEnum;

use crate::engine::restore::plan::Choice;
use crate::engine::restore::strategy;

/// Which side wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Strategy {
    /// The backup's values win; records that are live only stay.
    Replace,
    /// What is missing or empty comes back; live values stay.
    Merge,
    /// Only missing records come back.
    Skip,
}

/// A side of a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Side {
    /// What the backup has.
    Backup,
    /// What is there now.
    Live,
}

/// `MODEL` or `MODEL=STRATEGY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelChoice {
    /// The model.
    pub model: String,
    /// Its own strategy; none narrows the restore to the model.
    pub strategy: Option<Strategy>,
}

/// `MODEL:KEY`.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordName {
    /// The model.
    pub model: String,
    /// The record's key, as in [`RowChoice`].
    pub key: serde_json::Value,
}

/// `MODEL:FIELD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldName {
    /// The model.
    pub model: String,
    /// The field.
    pub field: String,
}

/// `MODEL:KEY=SIDE`.
#[derive(Clone, Debug, PartialEq)]
pub struct RowChoice {
    /// The model.
    pub model: String,
    /// The record's key: JSON where it was written as JSON, else a string to be read as the key's column has it.
    pub key: serde_json::Value,
    /// Who wins.
    pub side: Side,
}

/// `MODEL:KEY:FIELD=SIDE`.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChoice {
    /// The model.
    pub model: String,
    /// The record's key, as in [`RowChoice`].
    pub key: serde_json::Value,
    /// The field.
    pub field: String,
    /// Who wins.
    pub side: Side,
}

/// Where a copy goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A database's URL.
    Database(String),
    /// A folder.
    Folder(std::path::PathBuf),
}

impl FromStr for ModelChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (model, strategy) = match text.rsplit_once('=') {
            Some((model, word)) => (model, Some(word_of(word, "strategy")?)),
            None => (text, None),
        };
        Ok(Self { model: named(model, "model")?, strategy })
    }
}

impl FromStr for RecordName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (model, key) = text.split_once(':').ok_or("it is written MODEL:KEY")?;
        Ok(Self { model: named(model, "model")?, key: key_of(key)? })
    }
}

impl FromStr for FieldName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (model, field) = text.split_once(':').ok_or("it is written MODEL:FIELD")?;
        Ok(Self { model: named(model, "model")?, field: named(field, "field")? })
    }
}

impl FromStr for RowChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (record, side) = text.rsplit_once('=').ok_or("it is written MODEL:KEY=backup or MODEL:KEY=live")?;
        let (model, key) = record.split_once(':').ok_or("the key is missing: MODEL:KEY=SIDE")?;
        Ok(Self { model: named(model, "model")?, key: key_of(key)?, side: word_of(side, "side")? })
    }
}

impl FromStr for FieldChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "it is written MODEL:KEY:FIELD=backup or MODEL:KEY:FIELD=live";
        let (path, side) = text.rsplit_once('=').ok_or(form)?;
        let (model, rest) = path.split_once(':').ok_or(form)?;
        let (key, field) = rest.rsplit_once(':').ok_or(form)?;
        Ok(Self { model: named(model, "model")?, key: key_of(key)?, field: named(field, "field")?, side: word_of(side, "side")? })
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            _ if text.is_empty() => Err("it is empty".to_owned()),
            Some(("sqlite" | "postgresql" | "postgres", path)) if !path.is_empty() => Ok(Self::Database(text.to_owned())),
            Some((scheme, _)) if scheme.chars().all(|c| c.is_ascii_lowercase()) && scheme.len() > 1 => {
                Err(format!("{scheme}: is no database known here; write sqlite:PATH or postgresql://…, or ./{text} for a folder"))
            }
            _ => Ok(Self::Folder(text.into())),
        }
    }
}

/// A key that begins as JSON's objects, arrays and strings do is read as JSON; anything else is its text.
fn key_of(text: &str) -> Result<serde_json::Value, String> {
    if text.starts_with(['{', '[', '"']) {
        return serde_json::from_str(text).map_err(|error| format!("the key {text} is not JSON: {error}"));
    }
    named(text, "key").map(serde_json::Value::String)
}

fn named(text: &str, what: &str) -> Result<String, String> {
    if text.is_empty() { Err(format!("the {what} is missing")) } else { Ok(text.to_owned()) }
}

fn word_of<T: ValueEnum>(word: &str, what: &str) -> Result<T, String> {
    T::from_str(word, false).map_err(|_| {
        let known: Vec<String> =
            T::value_variants().iter().filter_map(T::to_possible_value).map(|value| value.get_name().to_owned()).collect();
        format!("{word} is no {what}: it is one of {}", known.join(", "))
    })
}

/// The strategy as the engine has it.
pub(super) fn engine_strategy(strategy: Strategy) -> strategy::Strategy {
    match strategy {
        Strategy::Replace => strategy::Strategy::Replace,
        Strategy::Merge => strategy::Strategy::Merge,
        Strategy::Skip => strategy::Strategy::Skip,
    }
}

fn engine_side(side: Side) -> strategy::Side {
    match side {
        Side::Backup => strategy::Side::Backup,
        Side::Live => strategy::Side::Live,
    }
}

/// A record's choice as the engine has it.
pub(super) fn row_choice(row: &RowChoice) -> Choice {
    Choice { model: row.model.clone(), key: row.key.clone(), field: None, side: engine_side(row.side) }
}

/// A field's choice as the engine has it.
pub(super) fn field_choice(field: &FieldChoice) -> Choice {
    Choice { model: field.model.clone(), key: field.key.clone(), field: Some(field.field.clone()), side: engine_side(field.side) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_model_is_named_alone_or_with_its_strategy() {
        let read = |text: &str| text.parse::<ModelChoice>().map(|choice| (choice.model, choice.strategy));
        assert_eq!(read("hr_employee"), Ok(("hr_employee".into(), None)));
        assert_eq!(read("hr_employee=replace"), Ok(("hr_employee".into(), Some(Strategy::Replace))));
        assert_eq!(read("hr_employee=overwrite"), Err("overwrite is no strategy: it is one of replace, merge, skip".into()));
    }

    #[test]
    fn a_key_may_hold_colons_and_equals_signs() {
        let row: RowChoice = "log:2026-11-21T10:00:00=x=live".parse().unwrap();
        assert_eq!((row.model.as_str(), row.key, row.side), ("log", json!("2026-11-21T10:00:00=x"), Side::Live));
        let row: RowChoice = r#"mark:{"a":1,"b":"x=y"}=backup"#.parse().unwrap();
        assert_eq!((row.key, row.side), (json!({"a": 1, "b": "x=y"}), Side::Backup));
        let field: FieldChoice = "hr_employee:7:salary=backup".parse().unwrap();
        assert_eq!((field.key, field.field.as_str()), (json!("7"), "salary"));
        for wrong in ["hr_employee", "hr_employee=live", ":7=live", "m:=live", "m:7=both", "m:{=live"] {
            assert!(wrong.parse::<RowChoice>().is_err(), "{wrong}");
        }
        assert!("m:7=live".parse::<FieldChoice>().is_err());
    }

    #[test]
    fn a_target_is_a_database_or_a_folder() {
        assert_eq!("sqlite:/tmp/a.db".parse(), Ok(Target::Database("sqlite:/tmp/a.db".into())));
        assert_eq!("postgresql://ada@db/new".parse(), Ok(Target::Database("postgresql://ada@db/new".into())));
        assert_eq!("/tmp/out".parse(), Ok(Target::Folder("/tmp/out".into())));
        assert!("mysql://x/y".parse::<Target>().is_err());
        assert!("sqlite:".parse::<Target>().is_err());
    }
}
