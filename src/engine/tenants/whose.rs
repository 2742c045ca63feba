//! Whose a record is: the chosen tenants', another's or nobody's.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, params};

use super::side::{Going, Side, pass};
use super::ways::{Way, Ways};
use super::{Levels, Tenant, id_of};
use crate::engine::restore::Result;
use crate::engine::restore::scratch::{self, place};
use crate::rows::{Relation, Row};
use crate::sources::Reference;

/// The tenants of lower levels whose own records say whose they are: in a file without a name where they grow many.
const OWNERS: &str = "
    CREATE TABLE owner(level INTEGER, named INTEGER, id TEXT, chosen INTEGER, PRIMARY KEY(level, named, id)) WITHOUT ROWID;
    BEGIN;";

/// Whose a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A chosen tenant's.
    Chosen,
    /// Another tenant's.
    Another,
    /// Nobody's: its model has no column that leads to a tenant, that is NULL, or it names a record that is not there.
    Nobody,
}

/// The tenants that were chosen, and what tells on one side whose a row is.
pub struct Tenancy {
    levels: Levels,
    tenants: BTreeSet<Tenant>,
    ways: Ways,
    owners: Connection,
}

impl Tenancy {
    /// The chosen `tenants` on `side`, whose own records are found through `references`: where rows are a tenant's by a level below,
    /// its own records are read.
    ///
    /// # Errors
    /// What reading or the scratch space met, and that it was cancelled.
    pub fn of(
        side: &dyn Side,
        (levels, tenants): (Levels, BTreeSet<Tenant>),
        references: &[Reference],
        going: &mut Going<'_>,
    ) -> Result<Self> {
        // A level of which no tenant was chosen says nothing of its own.
        let chosen = tenants.iter().map(|tenant| tenant.level).collect();
        let ways = Ways::new(&levels, chosen, side.relations(), references);
        let tenancy = Self { levels, tenants, ways, owners: scratch::open(OWNERS)? };
        for lead in tenancy.ways.leads() {
            for &(model, column) in &lead.own {
                let ways: Vec<Way> = tenancy.ways.of(model).iter().filter(|way| way.level == lead.level).copied().collect();
                pass(side, model, going, &mut |row| {
                    let Some(id) = row.values.get(column).and_then(id_of) else { return Ok(()) };
                    let chosen = match tenancy.by(&ways, row)? {
                        Whose::Nobody => return Ok(()),
                        whose => whose == Whose::Chosen,
                    };
                    let sql = "INSERT INTO owner VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET chosen = max(chosen, excluded.chosen)";
                    tenancy.owners.prepare_cached(sql)?.execute(params![place(lead.level), place(lead.named), id, chosen])?;
                    Ok(())
                })?;
            }
        }
        Ok(tenancy)
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
        !self.ways.of(model).is_empty()
    }

    /// The columns by which rows of the model at this place are a tenant's.
    #[must_use]
    pub fn ways(&self, model: usize) -> &[Way] {
        self.ways.of(model)
    }

    /// The models whose own records tell whose the rows of the model at this place are.
    #[must_use]
    pub fn through(&self, model: usize) -> BTreeSet<usize> {
        self.ways.through(model)
    }

    /// The models among `relations`, which are those of its side, whose rows are nobody's, by why.
    #[must_use]
    pub fn untold(&self, relations: &[Relation]) -> BTreeMap<String, Vec<usize>> {
        self.ways.untold(&self.levels, relations)
    }

    /// Whose a row of the model at this place is.
    ///
    /// # Errors
    /// What the scratch space met.
    pub fn whose(&self, model: usize, row: &Row) -> Result<Whose> {
        self.by(self.ways.of(model), row)
    }

    /// Whose a row is by these columns of it.
    ///
    /// # Errors
    /// What the scratch space met.
    pub fn by(&self, ways: &[Way], row: &Row) -> Result<Whose> {
        let mut whose = Whose::Nobody;
        for way in ways {
            let Some(id) = row.values.get(way.column).and_then(id_of) else { continue };
            let tenant = Tenant { level: way.named, id };
            let by_it = match way.named == way.level {
                true if self.tenants.contains(&tenant) => Whose::Chosen,
                true => Whose::Another,
                false => self.owner(way.level, &tenant)?,
            };
            match by_it {
                Whose::Chosen => return Ok(Whose::Chosen),
                Whose::Another => whose = Whose::Another,
                Whose::Nobody => {}
            }
        }
        Ok(whose)
    }

    /// Whose a tenant of a lower level is.
    fn owner(&self, level: usize, tenant: &Tenant) -> Result<Whose> {
        let sql = "SELECT chosen FROM owner WHERE level = ?1 AND named = ?2 AND id = ?3";
        let mut find = self.owners.prepare_cached(sql)?;
        let chosen = find.query_row(params![place(level), place(tenant.level), tenant.id], |row| row.get(0)).optional()?;
        Ok(chosen.map_or(Whose::Nobody, |chosen: bool| if chosen { Whose::Chosen } else { Whose::Another }))
    }

    /// The chosen tenants that a row of the model at this place names itself.
    pub fn named<'r>(&'r self, model: usize, row: &'r Row) -> impl Iterator<Item = Tenant> + 'r {
        let named = self.ways.of(model).iter().filter(|way| way.named == way.level);
        let named = named.filter_map(|way| Some(Tenant { level: way.named, id: id_of(row.values.get(way.column)?)? }));
        named.filter(|tenant| self.tenants.contains(tenant))
    }
}
