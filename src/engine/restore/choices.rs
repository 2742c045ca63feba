//! What was asked for of one model, ready to be looked up record by record.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::Request;
use super::record::key_of_choice;
use super::strategy::Side;
use super::{Error, Result};
use crate::rows::{Key, KeyKind, Relation, RelationKind, Row};
use crate::sources::files::Exclude;
use crate::sources::files::relation::{is_folder, path_of};

/// The choices of one model.
pub(super) struct Choices {
    /// The side that wins, by record.
    pub records: BTreeMap<Key, Side>,
    /// The sides that win in fields, by record.
    pub fields: BTreeMap<Key, Vec<(usize, Side)>>,
    /// The columns that are not compared.
    pub ignored: BTreeSet<usize>,
    only: Option<BTreeSet<Key>>,
    globs: Option<Exclude>,
}

impl Choices {
    /// What `request` says of `relation`.
    ///
    /// # Errors
    /// A key, a field or a glob that cannot be read.
    pub fn of(request: &Request, relation: &Relation) -> Result<Self> {
        let unknown = |what: String| Error::Unknown { model: relation.name.clone(), what };
        let key = |json: &serde_json::Value| key_of_choice(relation, json).ok_or_else(|| unknown(format!("key like {json}")));
        let column = |name: &String| relation.column(name).ok_or_else(|| unknown(format!("field {name}")));
        let (mut chosen, mut fields) = (BTreeMap::new(), BTreeMap::<Key, Vec<(usize, Side)>>::new());
        for choice in request.choices.iter().filter(|choice| choice.model == relation.name) {
            match &choice.field {
                None => drop(chosen.insert(key(&choice.key)?, choice.side)),
                Some(field) => fields.entry(key(&choice.key)?).or_default().push((column(field)?, choice.side)),
            }
        }
        let scope = &request.scope;
        let only = scope.records.get(&relation.name).map(|keys| keys.iter().map(key).collect::<Result<_>>()).transpose()?;
        let ignored = request.ignore.get(&relation.name).map(|names| names.iter().map(column).collect::<Result<_>>()).transpose()?;
        let globs = (relation.kind == RelationKind::Files && !scope.files.is_empty()).then(|| Exclude::new(&scope.files)).transpose()?;
        Ok(Self { records: chosen, fields, only, globs, ignored: ignored.unwrap_or_default() })
    }

    /// Whether the record is spoken of; the globs that take it are noted in `met`.
    pub fn takes(&self, row: &Row, met: &mut BTreeSet<usize>) -> bool {
        let by_glob = match (&self.globs, path_of(row)) {
            (Some(globs), Some(path)) => {
                let takers: Vec<usize> = globs.takers(path, is_folder(row)).collect();
                met.extend(&takers);
                !takers.is_empty()
            }
            _ => true,
        };
        by_glob && self.only.as_ref().is_none_or(|only| only.contains(&row.key))
    }

    /// True where no record is left out.
    pub fn take_all(&self) -> bool {
        self.only.is_none() && self.globs.is_none()
    }

    /// Exact speaks of whole models, and of what globs take: not where single records were asked for.
    pub fn are_exact(&self, relation: &Relation) -> bool {
        self.only.is_none() || relation.key == KeyKind::WholeRow
    }
}
