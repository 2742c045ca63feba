//! A restore of tenants: the same choice on both sides, and nothing of anybody else's.
//!
//! Records of the chosen tenants are compared like any others. What they refer to and nobody owns is put back where it is
//! missing and never replaced. What another tenant holds now is *moved*, and blocks. Live records of others are not spoken of.

use std::collections::BTreeSet;

use super::plan::Request;
use super::record::Record;
use super::{Error, Progress, Result, Step, Stored};
use crate::engine::tenants::closure::Kept;
use crate::engine::tenants::{Closure, Levels, Tenancy, Tenant, Whose};
use crate::rows::difference::Difference;
use crate::rows::{Relation, RelationKind, Row};
use crate::sources::Reference;

/// The chosen tenants on both sides.
pub(super) struct Chosen {
    /// What is meant of the backup, by the places of its models.
    kept: Closure,
    /// Whose the live records are, by the places of the live models.
    pub live: Tenancy,
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
        (relations, references): (&[Relation], &[Reference]),
        progress: &mut Progress<'_>,
    ) -> Result<Option<Self>> {
        let scope = &request.scope;
        if scope.tenants.is_empty() {
            return Ok(None);
        }
        let unfit = |error: crate::engine::Error| Error::Unknown { model: request.app.clone(), what: format!("such tenants: {error}") };
        let levels = Levels::read(&scope.tenant_columns).map_err(unfit)?;
        let tenants: BTreeSet<Tenant> = scope.tenants.iter().map(|text| levels.tenant(text)).collect();
        let live = Tenancy::new(levels.clone(), tenants.clone(), relations, references);
        let mut going = |model: &str, records| progress(Step { phase: "choose", model, records, compared: None });
        let kept = Closure::of(&Kept::new(stored), (levels, tenants), references, &mut going)?;
        match kept.strangers().first() {
            Some(stranger) => Err(Error::Unknown { model: "the backup".into(), what: format!("record of a tenant “{stranger}”") }),
            None => Ok(Some(Self { kept, live })),
        }
    }

    /// Whether the backup's model at this place has anything of theirs, or could have: what does not is not looked at.
    ///
    /// # Errors
    /// What the scratch space met.
    pub fn concern(&self, model: usize, relation: &Relation) -> Result<bool> {
        let theirs = relation.kind == RelationKind::Files || self.kept.tenancy().has_column(model);
        Ok(theirs || self.kept.picked(model)? > 0)
    }

    /// Whether a row of the backup's model at this place is meant.
    ///
    /// # Errors
    /// What the scratch space met.
    pub fn takes(&self, model: usize, row: &Row) -> Result<bool> {
        self.kept.takes(model, row)
    }

    /// What is said of a record of the live model at this place.
    pub fn said(&self, model: usize, relation: &Relation, difference: &Difference) -> Said {
        let whose = |row: &Row| self.live.whose(model, row);
        if relation.kind == RelationKind::Files {
            return Said::Usual;
        }
        match difference {
            Difference::LiveOnly(row) if whose(row) != Whose::Chosen => Said::Nothing,
            Difference::New(row) if whose(row) == Whose::Another => Said::Moved,
            Difference::Identical(_) | Difference::LiveOnly(_) | Difference::New(_) => Said::Usual,
            Difference::Conflict { backup, live, .. } => match (whose(backup), whose(live)) {
                (Whose::Chosen, Whose::Another) => Said::Moved,
                (Whose::Chosen, _) => Said::Usual,
                _ => Said::Stays,
            },
        }
    }
}

/// A plan of tenants touches no record of any other, neither as it is nor as it becomes.
///
/// # Errors
/// One would.
pub(super) fn must_be_theirs(tenancy: &Tenancy, model: usize, name: &str, record: &Record) -> Result<()> {
    let anothers = |row: Option<&Row>| row.is_some_and(|row| tenancy.whose(model, row) == Whose::Another);
    if record.is_touched() && (anothers(record.live.as_ref()) || anothers(record.result().as_ref())) {
        return Err(Error::Unsound { model: name.to_owned(), what: "a record of another tenant would be touched".into() });
    }
    Ok(())
}
