//! A restore of tenants: the same choice on both sides, and nothing of anybody else's.
//!
//! Records of the chosen tenants are compared like any others. What they refer to and nobody owns is put back where it is
//! missing and never replaced. What another tenant holds now is *moved*, and blocks. Live records of others are not spoken of.

use std::collections::BTreeSet;

use super::findings::{Finding, Level};
use super::plan::{Plan, Request};
use super::record::{Record, key_json};
use super::spool::SpoolReader;
use super::{Error, Progress, Result, Step, Stored};
use crate::engine::tenants::side::{Kept, Live, Side};
use crate::engine::tenants::ways::Way;
use crate::engine::tenants::{Closure, Levels, NO_COLUMN, Tenancy, Tenant, Whose};
use crate::rows::difference::Difference;
use crate::rows::{Relation, RelationKind, Row};
use crate::sources::{Reference, Snapshot};

/// The chosen tenants on both sides.
pub(super) struct Chosen {
    /// What is meant of the backup, by the places of its models.
    kept: Closure,
    /// The columns by which the backup's rows are a tenant's, as the live models have them.
    was: Vec<Vec<Way>>,
    /// Whose the live records are, by the places of the live models.
    live: Tenancy,
}

/// What is said of a record that stands on either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// What is said of any.
    Usual,
    /// It is referred to and stays as it is.
    Stays,
    /// Another tenant has it.
    Moved,
    /// Nothing.
    Nothing,
}

impl Chosen {
    /// The tenants that `request` names; `None` where it names none.
    ///
    /// # Errors
    /// A tenant of whom the backup has no record, and what reading it met.
    pub fn of(
        request: &Request,
        stored: &dyn Stored,
        (lives, references): (&[&dyn Snapshot], &[Reference]),
        progress: &mut Progress<'_>,
    ) -> Result<Option<Self>> {
        let Some((levels, tenants)) = named(request)? else { return Ok(None) };
        let mut going = |model: &str, records| progress(Step { phase: "choose", model, records, compared: None });
        let (there, here) = (Kept::new(stored), Live::new(lives));
        let kept = Closure::of(&there, (levels.clone(), tenants.clone()), references, &mut going)?;
        if let Some(stranger) = kept.strangers().first() {
            let why: Vec<String> = kept.tenancy().untold(there.relations()).into_keys().filter(|why| why != NO_COLUMN).collect();
            let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
            return Err(Error::Unknown { model: "the backup".into(), what: format!("record of a tenant “{stranger}”{why}") });
        }
        let live = Tenancy::of(&here, (levels, tenants), references, &mut going)?;
        let was = here.relations().iter().map(|relation| carried(kept.tenancy(), there.relations(), relation)).collect();
        Ok(Some(Self { kept, was, live }))
    }

    /// Whether live rows of the model at this place are a tenant's by a column.
    pub fn has_column(&self, model: usize) -> bool {
        self.live.has_column(model)
    }

    /// Whether the backup's model at this place has anything of theirs, or could have: what does not is not looked at.
    ///
    /// # Errors
    /// What the scratch space met.
    pub fn concern(&self, model: usize, relation: &Relation) -> Result<bool> {
        let theirs = relation.kind == RelationKind::Files || self.kept.tenancy().has_column(model);
        Ok(theirs || self.kept.picked(model)? > 0)
    }

    /// What is said of the backup's models at the places that were `passed` over, since nothing tells whose their records are.
    pub fn unspoken(&self, stored: &dyn Stored, passed: &BTreeSet<usize>) -> Vec<Finding> {
        let relations: Vec<Relation> = stored.relations().iter().map(|held| held.relation.clone()).collect();
        let said = |(why, models): (String, Vec<usize>)| {
            let with_records = models.into_iter().filter(|model| passed.contains(model) && stored.relations()[*model].rows > 0);
            let names: Vec<&str> = with_records.map(|model| relations[model].name.as_str()).collect();
            let message = format!("left as they are, since nothing tells whose they are ({why}): {}", names.join(", "));
            let remedy = "Name the column that says it (app edit --tenant-column), or restore them with everybody's records.";
            (!names.is_empty()).then(|| Finding::new(Level::Info, "", message, remedy))
        };
        self.kept.tenancy().untold(&relations).into_iter().filter_map(said).collect()
    }

    /// Whether a row of the backup's model at this place is meant.
    ///
    /// # Errors
    /// What the scratch space met.
    pub fn takes(&self, model: usize, row: &Row) -> Result<bool> {
        self.kept.takes(model, row)
    }

    /// What is said of a record of the live model at this place.
    ///
    /// # Errors
    /// What the scratch space met.
    pub fn said(&self, model: usize, relation: &Relation, difference: &Difference) -> Result<Said> {
        if relation.kind == RelationKind::Files {
            return Ok(Said::Usual);
        }
        Ok(match difference {
            Difference::LiveOnly(row) if self.live.whose(model, row)? != Whose::Chosen => Said::Nothing,
            Difference::New(row) if self.was_or_becomes_anothers(model, row)? => Said::Moved,
            Difference::Conflict { backup, .. } if self.was(model, backup)? != Whose::Chosen => Said::Stays,
            Difference::Conflict { backup, live, .. } if self.is_anothers(model, live)? || self.is_anothers(model, backup)? => Said::Moved,
            Difference::Identical(_) | Difference::LiveOnly(_) | Difference::New(_) | Difference::Conflict { .. } => Said::Usual,
        })
    }

    /// Whether a row is another tenant's, as the live records tell: a live one is, one of the backup would become so.
    ///
    /// # Errors
    /// What the scratch space met.
    pub fn is_anothers(&self, model: usize, row: &Row) -> Result<bool> {
        Ok(self.live.whose(model, row)? == Whose::Another)
    }

    /// Whether a row of the backup was another tenant's there, or would become so here.
    ///
    /// # Errors
    /// What the scratch space met.
    pub fn was_or_becomes_anothers(&self, model: usize, row: &Row) -> Result<bool> {
        Ok(self.was(model, row)? == Whose::Another || self.is_anothers(model, row)?)
    }

    /// Whose a row of the backup was there, in the columns of the live model at this place.
    fn was(&self, model: usize, row: &Row) -> Result<Whose> {
        self.kept.tenancy().by(&self.was[model], row)
    }

    /// A plan of tenants touches no record of any other, neither as it is nor as it becomes.
    ///
    /// # Errors
    /// One would.
    pub fn must_be_theirs(&self, model: usize, name: &str, record: &Record) -> Result<()> {
        if touches_anothers(&self.live, model, record)? {
            return Err(Error::Unsound { model: name.to_owned(), what: "a record of another tenant would be touched".into() });
        }
        Ok(())
    }
}

/// A plan of tenants still touches nobody else's records. Each record's own columns are compared when it is written; that a level below, which
/// tells whose it is, is another tenant's since the preview is seen here alone, in `lives`.
///
/// # Errors
/// [`Error::Stale`] with those that are another's now; what reading met, and cancelling.
pub fn still_theirs(plan: &Plan, spool: &mut SpoolReader<'_>, lives: &[&dyn Snapshot], progress: &mut Progress<'_>) -> Result<()> {
    let Some((levels, tenants)) = named(&plan.request)? else { return Ok(()) };
    let (here, mut count, mut records) = (Live::new(lives), 0, Vec::new());
    let mut going = |model: &str, records| progress(Step { phase: "check", model, records, compared: None });
    let tenancy = Tenancy::of(&here, (levels, tenants), &plan.references, &mut going)?;
    for (model, relation) in plan.relations.iter().enumerate() {
        // One that has other columns now stops the restore when it is written.
        let now = here.relations().iter().position(|now| now.is_shaped_like(relation));
        let Some(now) = now.filter(|now| tenancy.ways(*now).iter().any(|way| way.named != way.level)) else { continue };
        spool.each(model, &mut |record| {
            if touches_anothers(&tenancy, now, &record)? {
                count += 1;
                let row = record.live.as_ref().or(record.backup.as_ref());
                let key = key_json(relation, row, &record.key);
                records.extend((records.len() < 10).then(|| format!("{} {key} (another tenant's now)", relation.name)));
            }
            Ok(true)
        })?;
    }
    if count == 0 { Ok(()) } else { Err(Error::Stale { count, records }) }
}

/// Whether a record would be touched that is another tenant's, or would become so.
fn touches_anothers(tenancy: &Tenancy, model: usize, record: &Record) -> Result<bool> {
    if !record.is_touched() {
        return Ok(false);
    }
    for row in [record.live.as_ref(), record.result().as_ref()].into_iter().flatten() {
        if tenancy.whose(model, row)? == Whose::Another {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The levels and the tenants that a request names; none where it names no tenants.
fn named(request: &Request) -> Result<Option<(Levels, BTreeSet<Tenant>)>> {
    let scope = &request.scope;
    if scope.tenants.is_empty() {
        return Ok(None);
    }
    let unfit = |error: crate::engine::Error| Error::Unknown { model: request.app.clone(), what: format!("such tenants: {error}") };
    let levels = Levels::read(&scope.tenant_columns).map_err(unfit)?;
    let tenants = scope.tenants.iter().map(|text| levels.tenant(text)).collect();
    Ok(Some((levels, tenants)))
}

/// The columns by which rows of a backup's model are a tenant's, as the live one has them.
fn carried(kept: &Tenancy, relations: &[Relation], live: &Relation) -> Vec<Way> {
    let Some(model) = relations.iter().position(|held| held.name == live.name && held.kind == live.kind) else { return Vec::new() };
    let there = |way: &Way| Some(Way { column: live.column(&relations[model].columns[way.column].name)?, ..*way });
    kept.ways(model).iter().filter_map(there).collect()
}
