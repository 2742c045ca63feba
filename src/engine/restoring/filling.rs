//! One new place filled with the relations of a backup: one after the other, or two at a time where it has a further connection.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::copy::{CopyResult, copy};
use crate::engine::error::{Error, Result};
use crate::engine::restore::{Progress, Step};
use crate::engine::stored::StoredBackup;
use crate::rows::Column;
use crate::sources::Creator;
use crate::vault::RelationRecord;

/// How often a thread that has nothing left to copy looks whether the rest is still wished.
const LOOK: Duration = Duration::from_millis(5);

/// What two threads that copy know of each other.
#[derive(Default)]
struct Going {
    records: AtomicU64,
    /// Nothing more is of use: one of them failed, or it is not wished any more.
    over: AtomicBool,
}

impl Going {
    /// More records were copied.
    fn add(&self, records: u64) -> Result<()> {
        self.records.fetch_add(records, Ordering::Relaxed);
        if self.over.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// The same, where it is to be told.
    fn tell(&self, model: &str, records: u64, progress: &mut Progress<'_>) {
        let records = self.records.load(Ordering::Relaxed) + records;
        if !progress(Step { phase: "copy", model, records, compared: None }) {
            self.over.store(true, Ordering::Relaxed);
        }
    }
}

/// Copies relations into one new place: two at a time where it has a further connection for that, the longest first.
pub(super) fn fill(
    stored: &StoredBackup,
    records: &[&RelationRecord],
    creator: &mut dyn Creator,
    progress: &mut Progress<'_>,
    result: &mut CopyResult,
) -> Result<()> {
    let going = Going::default();
    let Some(other) = creator.another() else {
        for record in records {
            let rows = copy(stored, record, creator, &mut |rows| {
                going.tell(&record.relation.name, rows, progress);
                going.add(rows)
            })?;
            result.count(record, rows);
        }
        return Ok(());
    };
    let (own, others) = by_two(stored, records, creator, other, &going, progress);
    going.tell("", 0, progress);
    match (own, others) {
        (Ok(_), Ok(_)) if going.over.load(Ordering::Relaxed) => Err(Error::Cancelled),
        // The one that failed by itself says why.
        (Err(Error::Cancelled), Err(error)) | (Err(error), _) | (_, Err(error)) => Err(error),
        (Ok(own), Ok((others, warnings))) => {
            own.into_iter().chain(others).for_each(|(record, rows)| result.count(record, rows));
            result.warnings.extend(warnings);
            Ok(())
        }
    }
}

/// Relations with the rows that were copied of each.
type Copied<'r> = Vec<(&'r RelationRecord, u64)>;

/// What either connection did; of the other one also what it could not.
type Both<'r> = (Result<Copied<'r>>, Result<(Copied<'r>, Vec<String>)>);

fn by_two<'r>(
    stored: &StoredBackup,
    records: &[&'r RelationRecord],
    creator: &mut dyn Creator,
    mut other: Box<dyn Creator + Send>,
    going: &Going,
    progress: &mut Progress<'_>,
) -> Both<'r> {
    let mut waiting = records.to_vec();
    waiting.sort_by_key(|record| length(record));
    let waiting = Mutex::new(waiting);
    let work = |creator: &mut dyn Creator, pass: &mut dyn FnMut(&str, u64) -> Result<()>| -> Result<Copied<'r>> {
        let mut copied = Vec::new();
        // The guard goes before the copy begins.
        while let Some(record) = { waiting.lock().unwrap_or_else(PoisonError::into_inner).pop() } {
            let rows = copy(stored, record, creator, &mut |rows| pass(&record.relation.name, rows));
            if rows.is_err() {
                going.over.store(true, Ordering::Relaxed);
            }
            copied.push((record, rows?));
        }
        Ok(copied)
    };
    std::thread::scope(|scope| {
        let others = std::thread::Builder::new().name("copying".into()).spawn_scoped(scope, || -> Result<_> {
            let copied = work(other.as_mut(), &mut |_, rows| going.add(rows))?;
            Ok((copied, other.finish()?))
        });
        let own = work(creator, &mut |model, rows| {
            going.tell(model, rows, progress);
            going.add(rows)
        });
        // Without a second thread the first has copied all.
        let Ok(others) = others else { return (own, Ok((Vec::new(), Vec::new()))) };
        while !others.is_finished() {
            std::thread::park_timeout(LOOK);
            if !others.is_finished() {
                going.tell("", 0, progress);
            }
        }
        (own, others.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// What tells which of two relations takes longer to copy. Values that stand outside rows are in no count: columns that may hold such come
/// before all others, so that none of them is left for the end.
fn length(record: &RelationRecord) -> (bool, u64) {
    let is_of_bytes = |column: &Column| ["bytea", "blob"].contains(&column.declared.to_ascii_lowercase().as_str());
    (record.relation.columns.iter().any(is_of_bytes), record.runs.iter().map(|run| run.bytes).sum())
}
