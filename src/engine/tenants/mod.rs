//! Tenants: whose a record is, by the columns that the app's settings name, and what a tenant's records refer to.
//!
//! Settings are `COLUMN` or `MODEL=COLUMN`. Each `COLUMN` is a level, the outermost first (`company_id`, `department_id`): every
//! model that has the column is a tenant's at that level. `MODEL=COLUMN` is the name that the column has in one model, at the level
//! named before it. A tenant is written `ID`, of the first level, or `LEVEL=ID`. Levels nest: what has a `department_id` alone is the
//! company's to which the department's own record says it belongs.

pub mod closure;
pub mod listing;
pub mod side;
pub mod ways;
pub mod whose;

use std::collections::BTreeMap;

use crate::error::closest;
use crate::rows::{Relation, RelationKind, Value};

use super::error::{Error, Result};

pub use closure::Closure;
pub use ways::NO_COLUMN;
pub use whose::{Tenancy, Whose};

/// The word for every tenant of a level.
pub const ALL: &str = "all";

/// One level: a company, a department.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Level {
    /// The column in every model that has it; its name is the level's.
    column: String,
    /// The column in models where it has another name.
    own: BTreeMap<String, String>,
}

/// The levels of an app's tenants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels(Vec<Level>);

/// A tenant: its level, and what stands in the columns of its records.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tenant {
    /// The place of its level, the outermost first.
    pub level: usize,
    /// Its id, as text.
    pub id: String,
}

impl Levels {
    /// Reads the settings.
    ///
    /// # Errors
    /// A text that names no column, and a model's before any level.
    pub fn read(texts: &[String]) -> Result<Self> {
        let mut levels: Vec<Level> = Vec::new();
        for text in texts {
            let unfit = || Error::Usage {
                why: format!("“{text}” names no column"),
                hint: "Write --tenant-column COLUMN, or --tenant-column MODEL=COLUMN.".into(),
            };
            match text.split_once('=') {
                Some((model, column)) if model.is_empty() || column.is_empty() => return Err(unfit()),
                Some((model, column)) => {
                    let level = levels.last_mut().ok_or_else(|| Error::Usage {
                        why: format!("“{text}” names the column of one model, and no level stands before it"),
                        hint: format!("Name the column that says it in other models first: --tenant-column COLUMN --tenant-column {text}."),
                    })?;
                    level.own.insert(model.to_owned(), column.to_owned());
                }
                None if text.is_empty() => return Err(unfit()),
                None => levels.push(Level { column: text.clone(), own: BTreeMap::new() }),
            }
        }
        Ok(Self(levels))
    }

    /// Whether there are no tenants.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The name of a level; its place where there is no such level.
    #[must_use]
    pub fn name(&self, level: usize) -> String {
        self.0.get(level).map_or_else(|| format!("level {}", level + 1), |level| level.column.clone())
    }

    /// The place of the level with this name, of the app with that one.
    ///
    /// # Errors
    /// There is none.
    pub fn place(&self, name: &str, app: &str) -> Result<usize> {
        self.0.iter().position(|level| level.column == name).ok_or_else(|| {
            let names: Vec<&str> = self.0.iter().map(|level| level.column.as_str()).collect();
            Error::Usage {
                why: format!("“{name}” is no level of {app}'s tenants"), hint: format!("Its levels are: {}.", names.join(", "))
            }
        })
    }

    /// The tenant that a text names.
    #[must_use]
    pub fn tenant(&self, text: &str) -> Tenant {
        let named = text.split_once('=').and_then(|(name, id)| Some((self.0.iter().position(|level| level.column == name)?, id)));
        let (level, id) = named.unwrap_or((0, text));
        Tenant { level, id: id.to_owned() }
    }

    /// A tenant as it is written.
    #[must_use]
    pub fn written(&self, tenant: &Tenant) -> String {
        if tenant.level == 0 { tenant.id.clone() } else { format!("{}={}", self.name(tenant.level), tenant.id) }
    }

    /// The columns that say whose a row of `relation` is: their indexes and levels.
    #[must_use]
    pub fn columns(&self, relation: &Relation) -> Vec<(usize, usize)> {
        if relation.kind != RelationKind::Table {
            return Vec::new();
        }
        let column = |level: &Level| relation.column(level.own.get(&relation.name).unwrap_or(&level.column));
        self.0.iter().enumerate().filter_map(|(place, level)| Some((column(level)?, place))).collect()
    }

    /// Every column that is named must be there.
    ///
    /// # Errors
    /// The first that is not, with the one that may be meant.
    pub fn check(&self, relations: &[&Relation], app: &str) -> Result<()> {
        let list = format!("backstop app models {app} --json");
        let tables = || relations.iter().filter(|relation| relation.kind == RelationKind::Table);
        let names = |relation: &&&Relation| relation.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        for level in &self.0 {
            let known: Vec<String> = tables().flat_map(|relation| names(&relation)).collect();
            if !known.contains(&level.column) {
                return Err(no_column(&level.column, "no model has", &known, &list));
            }
            for (model, column) in &level.own {
                let models = || tables().map(|relation| relation.name.as_str());
                let relation = tables().find(|relation| relation.name == *model).ok_or_else(|| Error::no_model(model, models(), &list))?;
                let known = names(&relation);
                if !known.contains(column) {
                    return Err(no_column(column, &format!("{model} does not have"), &known, &list));
                }
            }
        }
        Ok(())
    }
}

fn no_column(column: &str, who: &str, known: &[String], list: &str) -> Error {
    let meant = closest(column, known.iter().map(String::as_str)).map_or_else(String::new, |near| format!("Did you mean {near}? "));
    Error::Usage { why: format!("{who} a column “{column}”"), hint: format!("{meant}List them: {list}") }
}

/// There is nothing that would tell whose a record is.
#[must_use]
pub fn no_columns(app: &str) -> Error {
    Error::Usage {
        why: format!("{app} has no tenant column, which says whose a record is"),
        hint: format!("Name it: backstop app edit {app} --tenant-column COLUMN"),
    }
}

/// A tenant column's value as an operator writes it; none where it is NULL or nothing that could be written.
fn id_of(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Large(_) => None,
        Value::Integer(number) => Some(number.to_string()),
        Value::Real(number) => Some(number.to_string()),
        Value::Text(bytes) => std::str::from_utf8(bytes).ok().map(str::to_owned),
        Value::Blob(bytes) => Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(texts: &[&str]) -> Levels {
        Levels::read(&texts.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_tenant_is_of_the_first_level_unless_its_level_is_named() {
        let levels = levels(&["company_id", "payroll=firm", "department_id", "payroll=dept"]);
        assert_eq!(levels.tenant("7"), Tenant { level: 0, id: "7".into() });
        assert_eq!(levels.tenant("department_id=3"), Tenant { level: 1, id: "3".into() });
        assert_eq!(levels.tenant("a=b"), Tenant { level: 0, id: "a=b".into() });
        assert_eq!(["7", "department_id=3"].map(|text| levels.written(&levels.tenant(text))), ["7", "department_id=3"]);
        assert!(["=a", "a=", "", "a=b"].iter().all(|text| Levels::read(&[(*text).to_owned()]).is_err()));
    }

    #[test]
    fn numbers_and_texts_are_written_alike() {
        let values = [Value::Integer(7), Value::Real(7.0), Value::text("7"), Value::Blob(vec![7]), Value::Null];
        assert_eq!(values.map(|value| id_of(&value)), [Some("7".into()), Some("7".into()), Some("7".into()), Some("07".into()), None]);
    }
}
