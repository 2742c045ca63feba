//! What of an app a backup is about: the modules and models that were named, those excluded, and what is dispensable.
//!
//! A model is decided by what names it, else by what names its module; what is excluded wins over what is included.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::catalog::{App, Configuration, NewConfiguration};
use crate::rows::{Relation, RelationKind};
use crate::vault::{LeftOut, Scope};

use super::dispensable;
use super::error::{Error, Result};
use super::names::Names;

/// So many models that are left out are named in a sentence.
const MOST_NAMED: usize = 20;

/// What a backup is asked to be about: names, and globs of names. With nothing said, everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    /// Only these modules.
    pub modules: Vec<String>,
    /// Only these models.
    pub models: Vec<String>,
    /// Not these modules.
    pub exclude_modules: Vec<String>,
    /// Not these models.
    pub exclude_models: Vec<String>,
    /// Not what the app's settings name as dispensable.
    pub quick: bool,
    /// Only the records of these tenants, and what they refer to.
    pub tenants: Vec<String>,
}

/// What is taken of the models that are there.
#[derive(Debug)]
pub struct Decided {
    taken: BTreeSet<(bool, String)>,
    /// What is not, and why.
    pub left_out: Vec<LeftOut>,
    /// What was written to leave something out and means nothing that is there.
    pub idle: Vec<String>,
}

impl Decided {
    /// Whether the model is in the backup.
    #[must_use]
    pub fn takes(&self, relation: &Relation) -> bool {
        self.taken.contains(&id(relation))
    }
}

fn id(relation: &Relation) -> (bool, String) {
    (relation.kind != RelationKind::Files, relation.name.clone())
}

impl Selection {
    /// What a configuration asks for.
    #[must_use]
    pub fn of(it: &Configuration) -> Self {
        Self {
            modules: it.modules.0.clone(),
            models: it.models.0.clone(),
            exclude_modules: it.exclude_modules.0.clone(),
            exclude_models: it.exclude_models.0.clone(),
            quick: it.quick,
            tenants: it.tenants.0.clone(),
        }
    }

    /// What a configuration that is to be asks for.
    #[must_use]
    pub fn of_new(it: &NewConfiguration) -> Self {
        let NewConfiguration { modules, models, exclude_modules, exclude_models, quick, tenants, .. } = it.clone();
        Self { modules, models, exclude_modules, exclude_models, quick, tenants }
    }

    /// Has a configuration that is to be ask for this.
    pub fn put(self, to: &mut NewConfiguration) {
        let Self { modules, models, exclude_modules, exclude_models, quick, tenants } = self;
        *to = NewConfiguration { modules, models, exclude_modules, exclude_models, quick, tenants, ..to.clone() };
    }

    /// Whether nothing is narrowed.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        *self == Self::default()
    }

    /// Whether all that `other` takes is in this one too, as far as that can be told from what was written.
    #[must_use]
    pub fn holds(&self, other: &Self) -> bool {
        let within = |own: &[String], others: &[String]| own.iter().all(|name| others.contains(name));
        let all = |of: &Self| of.modules.is_empty() && of.models.is_empty();
        let included = all(self) || (!all(other) && within(&other.modules, &self.modules) && within(&other.models, &self.models));
        let excluded = within(&self.exclude_modules, &other.exclude_modules) && within(&self.exclude_models, &other.exclude_models);
        let tenants = self.tenants.is_empty() || (!other.tenants.is_empty() && within(&other.tenants, &self.tenants));
        included && excluded && tenants && (!self.quick || other.quick)
    }

    /// Everything that is written must mean something of `app` that is there.
    ///
    /// # Errors
    /// What means nothing, with the name that may be meant; `quick` where nothing is named as dispensable.
    pub fn check(&self, relations: &[&Relation], app: &App) -> Result<()> {
        let decided = self.decide(relations, app)?;
        let (modules, models) = names_of(relations);
        let list = format!("backstop app models {}", app.name);
        Names::new(&self.exclude_modules).must_take(&modules, "module", &list)?;
        Names::new(&self.exclude_models).must_take(&models, "model", &list)?;
        if decided.taken.is_empty() { Err(nothing_left(app)) } else { Ok(()) }
    }

    /// Decides about each model of `app` that is there.
    ///
    /// # Errors
    /// What was named and is not there: the backup would silently lack it. What was excluded and is not there costs nothing.
    pub fn decide(&self, relations: &[&Relation], app: &App) -> Result<Decided> {
        let (modules, models) = names_of(relations);
        let list = format!("backstop app models {}", app.name);
        let chooser = Chooser::new(self, if self.quick { self.dispensable(&models, app)? } else { &[] });
        chooser.modules.must_take(&modules, "module", &list)?;
        chooser.models.must_take(&models, "model", &list)?;
        let Chooser { not_modules, not_models, dispensable, .. } = &chooser;
        let idle = not_modules.idle(&modules).chain(not_models.idle(&models)).chain(dispensable.idle(&models)).map(str::to_owned).collect();
        let mut decided = Decided { taken: BTreeSet::new(), left_out: Vec::new(), idle };
        for relation in relations {
            // What a database derives by itself goes with the whole of it, and is no model that people name.
            if relation.kind == RelationKind::Derived {
                if self.is_whole() {
                    decided.taken.insert(id(relation));
                }
                continue;
            }
            match chooser.why_not(&relation.module, &relation.name, relation.kind == RelationKind::Table) {
                None => drop(decided.taken.insert(id(relation))),
                Some(why) => decided.left_out.push(LeftOut { model: relation.name.clone(), why: why.to_owned() }),
            }
        }
        Ok(decided)
    }

    /// What the app's settings name as dispensable; where they name nothing, that is a mistake and not a whole backup.
    fn dispensable<'a>(&self, models: &[&str], app: &'a App) -> Result<&'a [String]> {
        if !app.dispensable.is_empty() {
            return Ok(&app.dispensable);
        }
        let found = dispensable::suggestions(models.iter().copied());
        let (could, names) = match found.as_slice() {
            [] => (String::new(), "MODEL".to_owned()),
            some => {
                let said: Vec<String> = some.iter().map(|it| format!("{} ({})", it.model, it.why)).collect();
                let names: Vec<&str> = some.iter().map(|it| it.model.as_str()).collect();
                (format!("It could be {}. ", said.join(", ")), names.join(","))
            }
        };
        Err(Error::Usage {
            why: format!("nothing of {} is named as dispensable, so that quick would leave nothing out", app.name),
            hint: format!("{could}Say what is: backstop app edit {} --dispensable {names}", app.name),
        })
    }
}

/// A selection, ready to decide about one model after the other.
pub struct Chooser {
    modules: Names,
    models: Names,
    not_modules: Names,
    not_models: Names,
    dispensable: Names,
}

impl Chooser {
    /// Of `selection`, with what the app's settings name as dispensable where it is quick.
    #[must_use]
    pub fn new(selection: &Selection, dispensable: &[String]) -> Self {
        let Selection { modules, models, exclude_modules, exclude_models, .. } = selection;
        let [modules, models, not_modules, not_models] = [modules, models, exclude_modules, exclude_models].map(|texts| Names::new(texts));
        Self { modules, models, not_modules, not_models, dispensable: Names::new(dispensable) }
    }

    /// Why a model is not taken; none where it is. A tree of files is never dispensable.
    #[must_use]
    pub fn why_not(&self, module: &str, model: &str, table: bool) -> Option<&'static str> {
        let all = self.modules.is_empty() && self.models.is_empty();
        if self.not_models.take(model) {
            Some("excluded")
        } else if table && self.dispensable.take(model) {
            Some("dispensable")
        } else if self.models.take(model) {
            None
        } else if self.not_modules.take(module) {
            Some("excluded")
        } else if all || self.modules.take(module) {
            None
        } else {
            Some("not named")
        }
    }
}

/// Nothing of the app would be in the backup.
#[must_use]
pub fn nothing_left(app: &App) -> Error {
    let hint = format!("backstop app models {}", app.name);
    Error::Usage { why: format!("nothing of {} is in that scope", app.name), hint }
}

fn names_of<'r>(relations: &[&'r Relation]) -> (Vec<&'r str>, Vec<&'r str>) {
    let named = || relations.iter().filter(|relation| relation.kind != RelationKind::Derived);
    let modules: BTreeSet<&str> = named().map(|relation| relation.module.as_str()).filter(|module| !module.is_empty()).collect();
    (modules.into_iter().collect(), named().map(|relation| relation.name.as_str()).collect())
}

/// What was left out, a line for each reason.
#[must_use]
pub fn reasons(left_out: &[LeftOut]) -> Vec<String> {
    let why: BTreeSet<&str> = left_out.iter().map(|out| out.why.as_str()).collect();
    let line = |why: &str| {
        let models: Vec<&str> = left_out.iter().filter(|out| out.why == why).map(|out| out.model.as_str()).collect();
        format!("left out ({why}): {}", some_of(&models))
    };
    why.into_iter().map(line).collect()
}

/// The first of some names, and how many more there are.
fn some_of(names: &[&str]) -> String {
    let more = names.len().saturating_sub(MOST_NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names[..names.len().min(MOST_NAMED)].join(", "))
}

/// What a backup's scope says, a sentence a line; nothing where it is everything.
#[must_use]
pub fn in_words(scope: &Scope) -> Vec<String> {
    let lists = [
        ("only the tenants", &scope.tenants),
        ("only the modules", &scope.modules),
        ("only the models", &scope.models),
        ("without the modules", &scope.exclude_modules),
        ("without the models", &scope.exclude_models),
    ];
    let said = lists.into_iter().filter(|(_, names)| !names.is_empty());
    let mut lines: Vec<String> = said.map(|(what, names)| format!("{what} {}", names.join(", "))).collect();
    if scope.quick {
        lines.push("quick: without what is dispensable".to_owned());
    }
    if !scope.left_out.is_empty() {
        let models: Vec<&str> = scope.left_out.iter().map(|out| out.model.as_str()).collect();
        lines.push(format!("left out: {}", some_of(&models)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(modules: &[&str], models: &[&str], exclude_modules: &[&str], exclude_models: &[&str]) -> Selection {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        Selection {
            modules: texts(modules),
            models: texts(models),
            exclude_modules: texts(exclude_modules),
            exclude_models: texts(exclude_models),
            ..Selection::default()
        }
    }

    #[test]
    fn what_is_wider_holds_what_is_narrower_and_not_the_other_way_round() {
        let (all, hr, both) = (Selection::default(), written(&["hr"], &[], &[], &[]), written(&["hr", "shop"], &["log"], &[], &[]));
        assert!(all.holds(&hr) && both.holds(&hr) && !hr.holds(&both) && !both.holds(&all));
        let (no_log, neither) = (written(&[], &[], &[], &["log"]), written(&[], &[], &["shop"], &["log"]));
        assert!(all.holds(&no_log) && no_log.holds(&neither) && !neither.holds(&no_log) && !no_log.holds(&all) && !no_log.holds(&hr));
        let quick = Selection { quick: true, ..Selection::default() };
        assert!(all.holds(&quick) && quick.holds(&quick) && !quick.holds(&all));
        let of = |tenants: &[&str]| Selection { tenants: tenants.iter().map(ToString::to_string).collect(), ..Selection::default() };
        assert!(of(&["7", "9"]).holds(&of(&["7"])) && !of(&["7"]).holds(&of(&["9"])) && !of(&["7"]).holds(&all));
    }
}
