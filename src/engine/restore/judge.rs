//! What a restore that died has done, judged by the records it would have touched: the database holds no mark of ours.

use serde_json::{Value as Json, json};

use super::Result;
use super::record::key_json;
use super::safety::{Safety, same_in};
use crate::rows::Row;
use crate::rows::difference::Projection;
use crate::sources::Snapshot;

/// What became of a restore that did not end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All its records are as before: nothing was changed.
    RolledBack,
    /// All its records are as after: it was committed, and can be undone.
    Committed,
    /// Neither: somebody must look.
    Mixed {
        /// Records as before.
        before: u64,
        /// Records as after.
        after: u64,
        /// Records as neither.
        neither: u64,
        /// Some that are not as after: `{"model": …, "key": …}`.
        records: Vec<Json>,
    },
}

/// Judges a restore by its safety record.
///
/// # Errors
/// What reading either side met.
pub fn judge(safety: Safety<'_>, lives: &[&dyn Snapshot]) -> Result<Verdict> {
    let (mut before, mut after, mut neither, mut named) = (0, 0, 0, Vec::new());
    for held in safety.relations() {
        let live = lives.iter().find_map(|live| {
            live.relations()
                .iter()
                .find(|relation| relation.name == held.name && relation.kind == held.kind)
                .map(|relation| (live, relation))
        });
        let Some((live, relation)) = live else {
            neither += 1;
            named.push(json!({"model": held.name}));
            continue;
        };
        // A column that came later says nothing about the restore.
        let compared: Vec<usize> = Projection::new(&held, relation).compared().collect();
        let same = |one: Option<&Row>, other: Option<&Row>| same_in(compared.iter().copied(), one, other);
        safety.meet(*live, relation, &mut |image, now| {
            if same(now.as_ref(), image.after.as_ref()) {
                after += 1;
                return Ok(());
            }
            if same(now.as_ref(), image.before.as_ref()) {
                before += 1;
            } else {
                neither += 1;
            }
            if named.len() < 100 {
                let row = now.as_ref().or(image.before.as_ref()).or(image.after.as_ref());
                named.push(json!({"model": relation.name, "key": key_json(relation, row, &image.key)}));
            }
            Ok(())
        })?;
    }
    Ok(match (before, after, neither) {
        (_, 0, 0) => Verdict::RolledBack,
        (0, _, 0) => Verdict::Committed,
        _ => Verdict::Mixed { before, after, neither, records: named },
    })
}
