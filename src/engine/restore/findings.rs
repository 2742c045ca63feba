//! What an operator must know before a plan is executed.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::plan::{ModelPlan, Request};
use super::record::plain;
use super::strategy::Strategy;
use crate::numbers::counted;
use crate::rows::{KeyKind, Relation};
use crate::sources::{self, Snapshot};

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing.
    Info,
    /// The plan can be executed, and something will surprise who does not read this.
    Warning,
    /// The plan cannot be executed.
    Blocking,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How grave.
    pub level: Level,
    /// The model; empty where it is about the whole.
    pub model: String,
    /// What is so.
    pub message: String,
    /// How many records.
    pub count: u64,
    /// Some of their keys.
    pub keys: Vec<Json>,
    /// Of a collision, for each of `keys`: the key of the live record that holds the value; null where no live record does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holders: Vec<Json>,
    /// The option of a preview that decides it; empty where none does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub option: String,
    /// What to do about it.
    pub remedy: String,
}

impl Finding {
    /// A finding about a model.
    #[must_use]
    pub fn new(level: Level, model: &str, message: String, remedy: &str) -> Self {
        Self {
            level,
            model: model.into(),
            message,
            count: 0,
            keys: Vec::new(),
            holders: Vec::new(),
            option: String::new(),
            remedy: remedy.into(),
        }
    }

    /// The same about `count` records, of which `keys` are some.
    #[must_use]
    pub fn about(self, count: u64, keys: Vec<Json>) -> Self {
        Self { count, keys, ..self }
    }

    /// The same, decided by this option of a preview.
    #[must_use]
    pub fn decided(self, option: &str) -> Self {
        Self { option: option.into(), ..self }
    }
}

/// Which records a finding about `count` of them names: `id 1 (id 7 holds it), id 2, and 3 more`; empty where it names none.
#[must_use]
pub fn who(count: u64, keys: &[Json], holders: &[Json]) -> String {
    let mut named = Vec::new();
    for (at, key) in keys.iter().enumerate() {
        let holder = holders.get(at).filter(|holder| !holder.is_null()).map(|holder| format!(" ({} holds it)", plain(holder)));
        named.push(format!("{}{}", plain(key), holder.unwrap_or_default()));
    }
    let more = count.saturating_sub(keys.len() as u64);
    if more > 0 && !named.is_empty() {
        named.push(format!("and {more} more"));
    }
    named.join(", ")
}

/// Names of fields that only record the time of a change.
const TIMES_OF_CHANGE: [&str; 7] = ["updated_at", "last_login", "modified", "modified_at", "updated", "last_modified", "changed_at"];

/// What a model's figures alone tell.
#[must_use]
pub fn of_model(relation: &Relation, model: &ModelPlan, request: &Request) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut warn = |level, count: u64, message: String, remedy: &str| {
        if count > 0 {
            found.push(Finding::new(level, &model.model, message, remedy).about(count, Vec::new()));
        }
    };
    if model.strategy == Strategy::Replace && model.update > 0 {
        let blank: u64 = model.fields.iter().map(|field| field.blank).sum();
        let change: u64 = model.fields.iter().map(|field| field.change).sum();
        warn(Level::Warning, blank, format!("{} would be erased: the backup has none", counted(blank, "live value")), "Merge keeps them.");
        warn(
            Level::Warning,
            change,
            format!("{} would be overwritten with the backup's", counted(change, "live value")),
            "Merge keeps them; or choose per record.",
        );
    }
    if model.delete > 0 {
        warn(
            Level::Warning,
            model.delete,
            format!("{} would be deleted: not in the backup", counted(model.delete, "record")),
            if request.exact { "Leave --exact out." } else { "Leave --collisions holder out." },
        );
    } else {
        let message = format!("{} in the live data only: left as is", counted(model.live_only, "record"));
        warn(Level::Info, model.live_only, message, "Replace with --exact deletes them.");
    }
    if relation.key == KeyKind::WholeRow {
        let message = "has no key: a changed record is a new one beside a live-only one, and replacing keeps both".to_owned();
        warn(Level::Warning, model.new, message, "Compare the records in the preview.");
    }
    for field in &model.fields {
        let ignored = request.ignore.get(&model.model).is_some_and(|names| names.contains(&field.field));
        if !ignored && TIMES_OF_CHANGE.contains(&field.field.to_ascii_lowercase().as_str()) {
            let message =
                format!("{} only records the time of a change, and differs in {}", field.field, counted(field.conflicts, "record"));
            warn(Level::Info, field.conflicts, message, &format!("--ignore {}:{} leaves it out.", model.model, field.field));
        }
    }
    found
}

/// What an undo does to a model: it was asked for, so nothing of it is a warning.
#[must_use]
pub fn of_undone(model: &ModelPlan) -> Vec<Finding> {
    let filled: u64 = model.fields.iter().map(|field| field.blank).sum();
    let changed: u64 = model.fields.iter().map(|field| field.change + field.fill).sum();
    let told = [
        (filled, format!("{} that the restore filled: emptied again", counted(filled, "value"))),
        (changed, format!("{} that the restore changed: put back as before it", counted(changed, "value"))),
        (model.delete, format!("{} that the restore created would be deleted", counted(model.delete, "record"))),
    ];
    let touched = told.into_iter().filter(|(count, _)| *count > 0);
    touched
        .map(|(count, message)| Finding::new(Level::Info, &model.model, message, "Or choose per record.").about(count, Vec::new()))
        .collect()
}

/// Triggers that will not fire for what is written.
///
/// # Errors
/// What the source says.
pub fn of_triggers(live: &dyn Snapshot, models: &[ModelPlan]) -> Result<Vec<Finding>, sources::Error> {
    let written =
        |table: &str| models.iter().find(|model| model.model == table).map_or(0, |model| model.create + model.update + model.delete);
    let findings = live.triggers()?.into_iter().filter_map(|trigger| {
        let count = written(&trigger.table);
        let message = format!("the {} {} will not fire for {}", trigger.kind, trigger.name, counted(count, "record"));
        let remedy = "Do by hand what it would have done, where that matters.";
        (count > 0).then(|| Finding::new(Level::Warning, &trigger.table, message, remedy).about(count, Vec::new()))
    });
    Ok(findings.collect())
}
