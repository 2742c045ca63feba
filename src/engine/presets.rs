//! Configurations to begin with: `assets/presets/*.toml`, built in.

use serde::{Deserialize, Serialize};

use crate::catalog::{BackupType, NewConfiguration};

use super::error::{Error, Result};

const FILES: [(&str, &str); 6] = [
    ("nightly", include_str!("../../assets/presets/nightly.toml")),
    ("hourly", include_str!("../../assets/presets/hourly.toml")),
    ("frequent", include_str!("../../assets/presets/frequent.toml")),
    ("weekly", include_str!("../../assets/presets/weekly.toml")),
    ("monthly", include_str!("../../assets/presets/monthly.toml")),
    ("configuration", include_str!("../../assets/presets/configuration.toml")),
];

/// A configuration to begin with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Preset {
    /// Its name.
    pub name: String,
    /// What it is for, when it runs, how long its backups are kept.
    #[serde(flatten)]
    pub fields: Fields,
}

/// What a preset's file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fields {
    /// What it is for.
    pub description: String,
    /// What its backups hold.
    #[serde(rename = "type")]
    pub kind: BackupType,
    /// When it runs, as a cron expression.
    pub schedule: String,
    /// How many days its backups are kept.
    pub retention_days: u32,
}

/// Every preset.
///
/// # Errors
/// One of them cannot be read: the program was built wrong.
pub fn presets() -> Result<Vec<Preset>> {
    let read = |(name, text): &(&str, &str)| {
        let unreadable = |error: toml::de::Error| Error::Refused {
            why: format!("the preset {name} cannot be read: {}", error.message()),
            hint: "Say the type and the schedule yourself: backstop config create --help".into(),
        };
        Ok(Preset { name: (*name).to_owned(), fields: toml::from_str(text).map_err(unreadable)? })
    };
    FILES.iter().map(read).collect()
}

/// The preset with this name.
///
/// # Errors
/// There is none.
pub fn preset(name: &str) -> Result<Preset> {
    let unknown = || Error::Unknown { what: "preset", name: name.to_owned(), hint: "List them: backstop config presets".into() };
    presets()?.into_iter().find(|preset| preset.name == name).ok_or_else(unknown)
}

impl Fields {
    /// Makes a configuration what the preset says.
    pub fn fill(self, new: &mut NewConfiguration) {
        new.kind = self.kind;
        (new.description, new.schedule, new.retention_days) = (Some(self.description), Some(self.schedule), Some(self.retention_days));
    }
}

#[cfg(test)]
mod tests {
    use super::super::schedule::Schedule;
    use super::*;

    #[test]
    fn every_preset_can_be_read_and_its_schedule_too() {
        let presets = presets().unwrap();
        assert_eq!(presets.len(), FILES.len());
        for preset in presets {
            Schedule::parse(&preset.fields.schedule).unwrap();
        }
        assert!(preset("yearly").is_err());
    }
}
