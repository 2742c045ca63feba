//! Whose a record is: the chosen tenants', another's or nobody's.

use std::collections::BTreeSet;

use super::{Levels, Tenant, id_of};
use crate::rows::{Relation, Row};
use crate::sources::Reference;

/// Whose a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A chosen tenant's.
    Chosen,
    /// Another tenant's.
    Another,
    /// Nobody's: its model has no tenant column, or that is NULL.
    Nobody,
}

/// By which columns rows are a tenant's: column and level, a list a relation.
pub(super) struct Columns {
    /// Those that the settings name.
    pub named: Vec<Vec<(usize, usize)>>,
    /// Those that they refer to: of a tenant's own record.
    pub own: Vec<Vec<(usize, usize)>>,
}

impl Columns {
    pub fn of(levels: &Levels, relations: &[Relation], references: &[Reference]) -> Self {
        let named: Vec<Vec<(usize, usize)>> = relations.iter().map(|relation| levels.columns(relation)).collect();
        let mut own = vec![Vec::new(); relations.len()];
        let place = |name: &str| relations.iter().position(|relation| relation.name == name);
        for reference in references {
            let ([column], [to_column]) = (reference.columns.as_slice(), reference.to_columns.as_slice()) else { continue };
            let (Some(from), Some(to)) = (place(&reference.from), place(&reference.to)) else { continue };
            let (Some(column), Some(referred)) = (relations[from].column(column), relations[to].column(to_column)) else { continue };
            for &(_, level) in named[from].iter().filter(|(by, _)| *by == column) {
                let found = (referred, level);
                if !own[to].contains(&found) && !named[to].contains(&found) {
                    own[to].push(found);
                }
            }
        }
        Self { named, own }
    }
}

/// The tenants that were chosen, and the columns by which a row of each model is theirs.
#[derive(Clone, Debug)]
pub struct Tenancy {
    levels: Levels,
    tenants: BTreeSet<Tenant>,
    /// Of each relation: columns and their levels; those by which a row is a tenant's own record among them.
    columns: Vec<Vec<(usize, usize)>>,
}

impl Tenancy {
    /// The chosen `tenants` among `relations`, whose own records are found through `references`.
    #[must_use]
    pub fn new(levels: Levels, tenants: BTreeSet<Tenant>, relations: &[Relation], references: &[Reference]) -> Self {
        let by = Columns::of(&levels, relations, references);
        let mut columns: Vec<Vec<(usize, usize)>> = by.named.into_iter().zip(by.own).map(|(named, own)| [named, own].concat()).collect();
        // A level of which no tenant was chosen says nothing.
        let chosen = |level: usize| tenants.iter().any(|tenant| tenant.level == level);
        columns.iter_mut().for_each(|columns| columns.retain(|(_, level)| chosen(*level)));
        Self { levels, tenants, columns }
    }

    /// The tenants that were chosen.
    #[must_use]
    pub fn tenants(&self) -> &BTreeSet<Tenant> {
        &self.tenants
    }

    /// A tenant as it is written.
    #[must_use]
    pub fn written(&self, tenant: &Tenant) -> String {
        self.levels.written(tenant)
    }

    /// Whether rows of the model at this place are a tenant's by a column.
    #[must_use]
    pub fn has_column(&self, model: usize) -> bool {
        self.columns.get(model).is_some_and(|columns| !columns.is_empty())
    }

    /// Whose a row of the model at this place is.
    #[must_use]
    pub fn whose(&self, model: usize, row: &Row) -> Whose {
        let mut whose = Whose::Nobody;
        for tenant in self.named(model, row) {
            if self.tenants.contains(&tenant) {
                return Whose::Chosen;
            }
            whose = Whose::Another;
        }
        whose
    }

    /// The tenants that a row of the model at this place names.
    pub fn named<'r>(&'r self, model: usize, row: &'r Row) -> impl Iterator<Item = Tenant> + 'r {
        let columns = self.columns.get(model).map_or(&[] as &[_], Vec::as_slice);
        columns.iter().filter_map(|&(column, level)| Some(Tenant { level, id: id_of(row.values.get(column)?)? }))
    }
}
