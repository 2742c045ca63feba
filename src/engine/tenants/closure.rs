//! What the records of tenants refer to, and what that refers to in turn.
//!
//! The rows that are meant are looked for model by model, until nothing more is referred to. Which they are stands in a private
//! database that goes to a file without a name where it grows, so that memory does not grow with the tenant. A model is read
//! once for each step of the way up to it: trees of shared records as often as they are deep.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use super::side::{Going, Side, pass};
use super::whose::{Tenancy, Whose};
use super::{Levels, Tenant};
use crate::engine::restore::Result;
use crate::engine::restore::checks::mark_of;
use crate::engine::restore::scratch::{self, place};
use crate::rows::{Fold, Key, Relation, Row};
use crate::sources::Reference;

const TABLES: &str = "
    CREATE TABLE wanted(target INTEGER, mark BLOB, round INTEGER, met INTEGER DEFAULT 0, PRIMARY KEY(target, mark)) WITHOUT ROWID;
    CREATE INDEX pending ON wanted(met, target) WHERE met = 0;
    CREATE TABLE picked(model INTEGER, key BLOB, PRIMARY KEY(model, key)) WITHOUT ROWID;
    BEGIN;";

/// What a reference leads to: columns of a model.
struct Target {
    model: usize,
    columns: Vec<(usize, Fold)>,
}

/// Columns of a model that refer to a target.
struct Link {
    model: usize,
    columns: Vec<(usize, Fold)>,
    target: usize,
}

/// The records of the chosen tenants on one side, and what they refer to.
pub struct Closure {
    tenancy: Tenancy,
    targets: Vec<Target>,
    links: Vec<Link>,
    db: Connection,
    found: BTreeSet<Tenant>,
}

impl Closure {
    /// Finds what is meant on `side`; `going` is asked now and then, with the model at work, whether to go on.
    ///
    /// # Errors
    /// What reading or the scratch space met, and that it was cancelled.
    pub fn of(side: &dyn Side, chosen: (Levels, BTreeSet<Tenant>), references: &[Reference], going: &mut Going<'_>) -> Result<Self> {
        let relations = side.relations();
        let tenancy = Tenancy::of(side, chosen, references, going)?;
        let (targets, links) = ends(relations, references);
        let mut closure = Self { tenancy, targets, links, db: scratch::open(TABLES)?, found: BTreeSet::new() };
        for model in (0..relations.len()).filter(|&model| closure.tenancy.has_column(model)).collect::<Vec<_>>() {
            pass(side, model, going, &mut |row| {
                if closure.tenancy.whose(model, row)? == Whose::Chosen {
                    closure.found.extend(closure.tenancy.named(model, row));
                    closure.need(model, row, 0)?;
                }
                Ok(())
            })?;
        }
        let mut round = 1;
        while let Some(target) = closure.pending()? {
            closure.meet(side, target, round, going)?;
            round += 1;
        }
        Ok(closure)
    }

    /// Whose a row of the model at this place is.
    #[must_use]
    pub fn tenancy(&self) -> &Tenancy {
        &self.tenancy
    }

    /// The chosen tenants that have no record at all, as they are written.
    #[must_use]
    pub fn strangers(&self) -> Vec<String> {
        self.tenancy.tenants().difference(&self.found).map(|tenant| self.tenancy.written(tenant)).collect()
    }

    /// Whether a row of the model at this place is meant.
    ///
    /// # Errors
    /// What the scratch space met.
    pub fn takes(&self, model: usize, row: &Row) -> Result<bool> {
        Ok(self.tenancy.whose(model, row)? == Whose::Chosen || self.is_picked(model, &row.key)?)
    }

    /// How many rows of the model at this place are meant because others refer to them.
    ///
    /// # Errors
    /// What the scratch space met.
    pub fn picked(&self, model: usize) -> Result<u64> {
        let sql = "SELECT count(*) FROM picked WHERE model = ?1";
        Ok(self.db.prepare_cached(sql)?.query_row([place(model)], |row| row.get(0))?)
    }

    fn is_picked(&self, model: usize, key: &Key) -> Result<bool> {
        Ok(self.db.prepare_cached("SELECT 1 FROM picked WHERE model = ?1 AND key = ?2")?.exists(params![place(model), key.as_bytes()])?)
    }

    /// Notes what a row refers to.
    fn need(&self, model: usize, row: &Row, round: i64) -> Result<()> {
        for link in self.links.iter().filter(|link| link.model == model) {
            if let Some(mark) = mark_of(row, &link.columns) {
                let mut insert = self.db.prepare_cached("INSERT OR IGNORE INTO wanted(target, mark, round) VALUES (?1, ?2, ?3)")?;
                insert.execute(params![place(link.target), mark, round])?;
            }
        }
        Ok(())
    }

    /// A target that something refers to and that was not looked for yet.
    fn pending(&self) -> Result<Option<usize>> {
        let mut find = self.db.prepare_cached("SELECT target FROM wanted WHERE met = 0 LIMIT 1")?;
        let mut rows = find.query([])?;
        Ok(rows.next()?.map(|row| row.get::<_, i64>(0)).transpose()?.and_then(|target| usize::try_from(target).ok()))
    }

    /// Looks for the rows of a target that were referred to before this round; a row that is not there is none.
    fn meet(&self, side: &dyn Side, target: usize, round: i64, going: &mut Going<'_>) -> Result<()> {
        let model = self.targets[target].model;
        pass(side, model, going, &mut |row| {
            let Some(mark) = mark_of(row, &self.targets[target].columns) else { return Ok(()) };
            let sql = "SELECT 1 FROM wanted WHERE target = ?1 AND mark = ?2";
            let wanted = self.db.prepare_cached(sql)?.exists(params![place(target), mark])?;
            // A tenant's own rows are meant anyway, and what they refer to is noted.
            if !wanted || self.tenancy.whose(model, row)? == Whose::Chosen {
                return Ok(());
            }
            let mut insert = self.db.prepare_cached("INSERT OR IGNORE INTO picked VALUES (?1, ?2)")?;
            if insert.execute(params![place(model), row.key.as_bytes()])? == 1 {
                self.need(model, row, round)?;
            }
            Ok(())
        })?;
        let mut done = self.db.prepare_cached("UPDATE wanted SET met = 1 WHERE target = ?1 AND met = 0 AND round < ?2")?;
        done.execute(params![place(target), round])?;
        Ok(())
    }
}

/// What the references lead from and to, where both ends are among `relations`.
fn ends(relations: &[Relation], references: &[Reference]) -> (Vec<Target>, Vec<Link>) {
    let (mut targets, mut links) = (Vec::<Target>::new(), Vec::new());
    for reference in references {
        let end = |model: &str, names: &[String]| {
            let model = relations.iter().position(|relation| relation.name == model)?;
            let columns = names.iter().map(|name| relations[model].column(name)).collect::<Option<Vec<_>>>()?;
            let folds = (0..columns.len()).map(|at| reference.folds.get(at).copied().unwrap_or_default());
            Some((model, columns.into_iter().zip(folds).collect::<Vec<_>>()))
        };
        let (Some((model, columns)), Some((to, to_columns))) =
            (end(&reference.from, &reference.columns), end(&reference.to, &reference.to_columns))
        else {
            continue;
        };
        let known = targets.iter().position(|target| target.model == to && target.columns == to_columns);
        let target = known.unwrap_or_else(|| {
            targets.push(Target { model: to, columns: to_columns });
            targets.len() - 1
        });
        links.push(Link { model, columns, target });
    }
    (targets, links)
}
