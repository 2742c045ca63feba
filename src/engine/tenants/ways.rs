//! By which columns a row says whose it is: by those of the level that was chosen; in a model that has none, by those of the nearest level
//! below whose own records say whose they are.
//!
//! A department's own record is what a `department_id` refers to. Where that has a `company_id`, a purchase that has a `department_id`
//! alone is the company's to which its department belongs; through several levels where there are more.

use std::collections::{BTreeMap, BTreeSet};

use super::Levels;
use crate::rows::{Relation, RelationKind};
use crate::sources::Reference;

/// Why a model is left out that has no column of any level.
pub const NO_COLUMN: &str = "no tenant column";

/// A column by which rows are a tenant's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Its place in the model.
    pub column: usize,
    /// The level whose ids stand in it.
    pub named: usize,
    /// The level of the tenant to whom that leads: the same, or one above.
    pub level: usize,
}

/// The own records of a level, which say whose they are at a level above.
#[derive(Clone, Debug)]
pub struct Lead {
    /// The level whose own records they are.
    pub named: usize,
    /// The level above.
    pub level: usize,
    /// Where they stand: the model, and the column with their ids.
    pub own: Vec<(usize, usize)>,
}

/// The columns of the levels: column and level, a list a relation.
pub(super) struct Columns {
    /// Those that the settings name.
    pub named: Vec<Vec<(usize, usize)>>,
    /// Those that they refer to: of a tenant's own record.
    pub own: Vec<Vec<(usize, usize)>>,
    /// The models that they refer to and that are not there, by level.
    absent: BTreeSet<(usize, String)>,
}

impl Columns {
    pub fn of(levels: &Levels, relations: &[Relation], references: &[Reference]) -> Self {
        let named: Vec<Vec<(usize, usize)>> = relations.iter().map(|relation| levels.columns(relation)).collect();
        let (mut own, mut absent) = (vec![Vec::new(); relations.len()], BTreeSet::new());
        let place = |name: &str| relations.iter().position(|relation| relation.name == name);
        for reference in references {
            let ([column], [to_column]) = (reference.columns.as_slice(), reference.to_columns.as_slice()) else { continue };
            let Some((from, column)) = place(&reference.from).and_then(|from| Some((from, relations[from].column(column)?))) else {
                continue;
            };
            let to = place(&reference.to).and_then(|to| Some((to, relations[to].column(to_column)?)));
            for &(_, level) in named[from].iter().filter(|(by, _)| *by == column) {
                let Some((to, referred)) = to else {
                    absent.insert((level, reference.to.clone()));
                    continue;
                };
                if !own[to].contains(&(referred, level)) {
                    own[to].push((referred, level));
                }
            }
        }
        Self { named, own, absent }
    }

    /// The columns of a model in which ids of this level stand.
    fn at(&self, model: usize, level: usize) -> Vec<usize> {
        let all = self.named[model].iter().chain(&self.own[model]).filter(|(_, of)| *of == level);
        all.map(|(column, _)| *column).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// How the rows of each model say whose they are at the levels that were chosen.
pub struct Ways {
    columns: Columns,
    chosen: BTreeSet<usize>,
    /// Of each model.
    ways: Vec<Vec<Way>>,
    /// What must be read to follow them, in this order.
    leads: Vec<Lead>,
}

impl Ways {
    /// Those of `relations` to the `chosen` levels; own records are found through `references`.
    #[must_use]
    pub fn new(levels: &Levels, chosen: BTreeSet<usize>, relations: &[Relation], references: &[Reference]) -> Self {
        let columns = Columns::of(levels, relations, references);
        let (mut ways, mut leads) = (vec![Vec::new(); relations.len()], Vec::new());
        for &level in &chosen {
            let mut found: Vec<Vec<Way>> = vec![Vec::new(); relations.len()];
            for named in level..levels.count() {
                // What the levels before this one have led to says whose its own records are.
                let own = (0..relations.len()).filter(|&model| named > level && !found[model].is_empty());
                let own =
                    own.flat_map(|model| columns.own[model].iter().filter(|(_, of)| *of == named).map(move |(column, _)| (model, *column)));
                let own: Vec<(usize, usize)> = own.collect();
                if named > level && own.is_empty() {
                    continue;
                }
                for (model, ways) in found.iter_mut().enumerate().filter(|(_, ways)| ways.is_empty()) {
                    ways.extend(columns.at(model, named).into_iter().map(|column| Way { column, named, level }));
                }
                if found.iter().flatten().any(|way| way.named == named && named > level) {
                    leads.push(Lead { named, level, own });
                }
            }
            ways.iter_mut().zip(found).for_each(|(ways, found)| ways.extend(found));
        }
        Self { columns, chosen, ways, leads }
    }

    /// Those of the model at this place.
    #[must_use]
    pub fn of(&self, model: usize) -> &[Way] {
        self.ways.get(model).map_or(&[], Vec::as_slice)
    }

    /// What must be read to follow them: each needs only those before it.
    #[must_use]
    pub fn leads(&self) -> &[Lead] {
        &self.leads
    }

    /// The models that must be read to tell whose the rows of the model at this place are.
    #[must_use]
    pub fn through(&self, model: usize) -> BTreeSet<usize> {
        let (mut through, mut next) = (BTreeSet::new(), vec![model]);
        while let Some(model) = next.pop() {
            let own =
                self.of(model).iter().flat_map(|way| self.leads.iter().filter(|lead| (lead.named, lead.level) == (way.named, way.level)));
            let own: Vec<usize> = own.flat_map(|lead| lead.own.iter().map(|(own, _)| *own)).collect();
            next.extend(own.into_iter().filter(|&own| through.insert(own)));
        }
        through
    }

    /// The models whose rows say nothing of whose they are, by why.
    #[must_use]
    pub fn untold(&self, levels: &Levels, relations: &[Relation]) -> BTreeMap<String, Vec<usize>> {
        let mut untold: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for model in (0..relations.len()).filter(|&model| self.of(model).is_empty() && relations[model].kind == RelationKind::Table) {
            untold.entry(self.why(levels, relations, model)).or_default().push(model);
        }
        untold
    }

    /// Why rows of a model without a way are nobody's.
    fn why(&self, levels: &Levels, relations: &[Relation], model: usize) -> String {
        let of = &self.columns.named[model];
        if of.is_empty() {
            return NO_COLUMN.to_owned();
        }
        let below = self.chosen.iter().rev().find_map(|level| Some((*level, of.iter().map(|(_, of)| *of).filter(|of| of > level).min()?)));
        let Some((level, named)) = below else {
            let chosen: Vec<String> = self.chosen.iter().map(|level| levels.name(*level)).collect();
            return format!("no column of {} or of a level below", chosen.join(" or "));
        };
        let own = (0..relations.len()).filter(|&model| self.columns.own[model].iter().any(|(_, of)| *of == named));
        let own: Vec<&str> = own.map(|model| relations[model].name.as_str()).collect();
        let absent: Vec<&str> = self.columns.absent.iter().filter(|(of, _)| *of == named).map(|(_, model)| model.as_str()).collect();
        let (named, level) = (levels.name(named), levels.name(level));
        match (own.as_slice(), absent.as_slice()) {
            ([], []) => format!("no foreign key says which record a {named} means"),
            ([], absent) => format!("{}, which {named} refers to, is not there", absent.join(" and ")),
            (own, _) => format!("{}, which {named} refers to, does not lead to a {level}", own.join(" and ")),
        }
    }
}
