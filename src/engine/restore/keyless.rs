//! Rows without a key. Their rowid tells one from another and no more: how many there are of each is counted beside it.
//!
//! Among equal rows the k-th of the backup is paired with the k-th live one, so the ordinals in a plan say how many it saw.

use std::collections::{BTreeMap, HashMap};

use super::Result;
use super::plan::Plan;
use super::record::Record;
use super::spool::SpoolReader;
use super::strategy::Effect;
use crate::rows::RowDigest;
use crate::sources::Writer;

/// How many digests are counted in one pass over a table: about 10 MiB.
const AT_ONCE: usize = 65_536;

/// When rows are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Nothing is written yet.
    Before,
    /// Everything is.
    After,
}

/// How many equal rows a plan saw, and what it does to them.
#[derive(Default)]
struct Equals {
    least: u64,
    most: Option<u64>,
    created: u64,
    deleted: u64,
}

impl Equals {
    fn take(&mut self, record: &Record, ordinal: u32) {
        let ordinal = u64::from(ordinal);
        if record.live.is_some() {
            self.least = self.least.max(ordinal + 1);
        } else {
            self.most = Some(self.most.map_or(ordinal, |most| most.min(ordinal)));
        }
        self.created += u64::from(record.effect == Effect::Create);
        self.deleted += u64::from(record.effect == Effect::Delete);
    }

    /// Whether so many fit. Where the plan speaks of every one of them, exactly as many must be there as it saw.
    fn fit(&self, count: u64, when: When, every: bool) -> bool {
        let (least, most) = match (every, self.most) {
            (false, most) => (self.least, most),
            (true, Some(most)) => (most, Some(most)),
            (true, None) => (self.least, Some(self.least)),
        };
        let now = if when == When::Before { count } else { (count + self.deleted).saturating_sub(self.created) };
        let enough = when == When::Before || count + self.deleted >= self.created;
        enough && now >= least && most.is_none_or(|most| now <= most)
    }
}

/// The digests of the rows of a model, of which there are not as many as the plan says.
///
/// # Errors
/// What reading the plan or the database met.
pub(super) fn miscounted(
    plan: &Plan,
    spool: &mut SpoolReader<'_>,
    model: usize,
    writer: &mut dyn Writer,
    when: When,
) -> Result<Vec<RowDigest>> {
    let relation = &plan.relations[model];
    // An undo speaks of what its restore touched, a narrowed plan of what was asked for: there may be others.
    let every = !plan.undo && !plan.request.scope.records.contains_key(&relation.name);
    let (mut wrong, mut equals) = (Vec::new(), BTreeMap::<RowDigest, Equals>::new());
    let mut count = |equals: &mut BTreeMap<RowDigest, Equals>| -> Result<()> {
        equals.retain(|_, equals| equals.created + equals.deleted > 0);
        if equals.is_empty() {
            return Ok(());
        }
        let mut found: HashMap<RowDigest, u64> = equals.keys().map(|digest| (*digest, 0)).collect();
        writer.count(relation, &mut found)?;
        let fit = |digest: &RowDigest, equals: &Equals| equals.fit(found.get(digest).copied().unwrap_or_default(), when, every);
        wrong.extend(equals.iter().filter(|(digest, equals)| !fit(digest, equals)).map(|(digest, _)| *digest));
        equals.clear();
        Ok(())
    };
    spool.each(model, &mut |record| {
        let Some((digest, ordinal)) = record.key.whole_row() else { return Ok(true) };
        // Equal rows follow each other.
        if equals.len() >= AT_ONCE && !equals.contains_key(&digest) {
            count(&mut equals)?;
        }
        equals.entry(digest).or_default().take(&record, ordinal);
        Ok(true)
    })?;
    count(&mut equals)?;
    Ok(wrong)
}
