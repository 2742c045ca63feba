//! One source into the vault: its models, several at once where it can be read more than once at one moment; or none of them, where nothing was
//! written since a backup that holds them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::basis::Basis;
use super::digests::{Digests, Fresh};
use super::relation::{Against, Outcome, Storing, missed};
use super::{Backing, definition};
use crate::catalog::{BackupType, Level};
use crate::engine::access::host;
use crate::engine::apps::Parts;
use crate::engine::error::{Error, Result};
use crate::engine::progress::Progress;
use crate::engine::selection::Decided;
use crate::numbers::counted;
use crate::rows::{Relation, RelationKind};
use crate::sources::{self, Definition, Snapshot};
use crate::vault::{BackupId, Manifest, RelationRecord, SourceRecord, Totals, Vault, Writer};

/// So many connections read a database at once where its app does not say otherwise.
const CONNECTIONS: usize = 2;

/// Where a backup goes.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// Where the last one is read.
    pub vault: &'a Vault,
    /// Where chunks go.
    pub writer: &'a Writer<'a>,
    /// The digest caches.
    pub digests: &'a Digests<'a>,
}

/// A database that is as it was for an earlier backup.
pub struct Still {
    /// It was looked at, and can be read no more.
    pub source: Box<dyn Snapshot>,
    /// What that backup holds of it, in the order of its models.
    pub records: Vec<RelationRecord>,
    /// Before it was looked at: it was then as it is in that backup.
    pub moment: Timestamp,
}

impl Still {
    /// Whether the vault holds all of it whole.
    ///
    /// # Errors
    /// What the vault says.
    pub fn is_held(&self, writer: &Writer<'_>) -> Result<bool> {
        for record in &self.records {
            if !writer.is_whole(record)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A model, what the last backup holds of it, and what fixed the moment of that backup.
type Task<'t> = (&'t Relation, Option<RelationRecord>, Option<serde_json::Value>);

/// The models of a source, taken one by one by whoever reads it.
struct Queue<'q> {
    tasks: Vec<Task<'q>>,
    target: Target<'q>,
    backup: &'q BackupId,
    proving: bool,
    progress: &'q Progress,
    next: AtomicUsize,
    stop: AtomicBool,
    outcomes: Vec<Mutex<Option<Outcome>>>,
    /// The places of the tasks, in the order in which they are taken: the largest first, so that both ends have work to the end.
    turns: Vec<usize>,
}

impl Backing<'_> {
    /// The database, where an increment need not read it: its files are as they were for the backup that would be compared with, on
    /// this host. A full backup trusts nothing, and is never asked.
    pub(super) fn still(&self, basis: &mut Basis, parts: Parts) -> Result<Option<Still>> {
        let increment = matches!(self.request.kind, BackupType::Incremental | BackupType::Differential);
        if !increment || self.request.new_base || !parts.database {
            return Ok(None);
        }
        let moment = self.engine.clock().now();
        let Some(source) = self.engine.glance_at_database(self.app)? else { return Ok(None) };
        let now = source.consistency();
        if now["seen"].is_null() {
            return Ok(None);
        }
        // A name can be that of a tree. What means nothing is told when everything is open.
        let trees = self.engine.open_sources(self.app, Parts { database: false, ..parts })?;
        let relations: Vec<&Relation> = source.relations().iter().chain(trees.iter().flat_map(|tree| tree.relations())).collect();
        let Ok(decided) = self.request.selection.decide(&relations, self.app) else { return Ok(None) };
        let covered: Vec<&Relation> = source.relations().iter().filter(|relation| decided.takes(relation)).collect();
        let same = |then: &Manifest| then.host == host() && then.consistency.as_array().is_some_and(|sources| sources.contains(&now));
        Ok(basis.all_of(&covered, &same).map(|records| Still { source, records, moment }))
    }

    /// Takes over what an earlier backup holds of a database that is as it was.
    pub(super) fn take_over(&self, still: &Still, writer: &Writer<'_>, manifest: &mut Manifest) -> Result<()> {
        let place = still.source.identity().place;
        self.run.log(Level::Info, &format!("{place} was not written to since that backup: it is not read"));
        self.run.progress.add(still.records.iter().map(|record| record.rows).sum(), 0);
        still.records.iter().for_each(|record| count(record, &mut manifest.figures));
        let source = still.source.as_ref();
        self.describe(source, (source.definition()?, still.records.clone()), writer, manifest)
    }

    /// Writes every model of one source that is in scope; gives their digest caches, to be kept once the backup exists.
    pub(super) fn source(
        &self,
        source: &dyn Snapshot,
        decided: &Decided,
        basis: &mut Basis,
        target: Target<'_>,
        manifest: &mut Manifest,
    ) -> Result<Vec<Fresh>> {
        let covered = source.relations().iter().filter(|relation| decided.takes(relation));
        let tasks = covered.map(|relation| (relation, basis.of(relation), basis.moment_of(relation))).collect();
        let (mut relations, mut fresh) = (Vec::new(), Vec::new());
        let (definition, outcomes) = self.stored(source, tasks, target, &manifest.id)?;
        for outcome in outcomes {
            let relation = &outcome.record.relation;
            fresh.extend(outcome.fresh);
            let untouched =
                if let Against::Told(same) = outcome.against { format!(", {same} of them told to be as they were") } else { String::new() };
            self.run.log(Level::Debug, &format!("{}: {}{untouched}", relation.name, counted(outcome.record.rows, "record")));
            for unread in &outcome.unread {
                self.run.log(Level::Warning, &format!("{}: {} cannot be read: {}", unread.model, unread.what, unread.why));
            }
            manifest.errors.extend(missed(outcome.unread));
            count(&outcome.record, &mut manifest.figures);
            relations.push(outcome.record);
        }
        let left_out = source.left_out();
        if !left_out.is_empty() {
            let what = "databases, vaults and homes are not read as files";
            self.run.log(Level::Info, &format!("left out of {}: {} ({what})", source.identity().place, left_out.join(", ")));
        }
        self.describe(source, (definition, relations), target.writer, manifest)?;
        Ok(fresh)
    }

    fn describe(
        &self,
        source: &dyn Snapshot,
        (definition, relations): (Definition, Vec<RelationRecord>),
        writer: &Writer<'_>,
        manifest: &mut Manifest,
    ) -> Result<()> {
        // A database without a single table still has what it is made of.
        if !relations.is_empty() || self.request.selection.is_whole() {
            let identity = serde_json::to_value(source.identity()).unwrap_or_default();
            let definition = definition::store(writer, source, definition)?;
            manifest.sources.push(SourceRecord { identity, definition, relations });
        }
        Ok(())
    }

    /// Stores each model, by this thread and by as many more as read the same moment and the app is to be read by; another asks what
    /// makes the schema. Where the server had no connection to spare for that, it is asked once more when the rows are read.
    fn stored(
        &self,
        source: &dyn Snapshot,
        tasks: Vec<Task<'_>>,
        target: Target<'_>,
        backup: &BackupId,
    ) -> Result<(Definition, Vec<Outcome>)> {
        let describing = source.describing();
        let wanted = self.app.connections.and_then(|count| usize::try_from(count).ok()).unwrap_or(CONNECTIONS);
        // One that the source does not give is done without.
        let others: Vec<_> = (1..wanted.min(tasks.len())).map_while(|_| source.another()).collect();
        let outcomes = tasks.iter().map(|_| Mutex::default()).collect();
        let progress = self.run.progress.as_ref();
        let proving = self.request.kind == BackupType::Full;
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let mut turns: Vec<usize> = (0..tasks.len()).collect();
        let large = |(relation, since, _): &Task<'_>| (source.size(relation), since.as_ref().map_or(0, |record| record.rows));
        turns.sort_by_cached_key(|&place| std::cmp::Reverse(large(&tasks[place])));
        let queue = Queue { tasks, target, backup, proving, progress, next, stop, outcomes, turns };
        let (read, described) = std::thread::scope(|scope| {
            let queue = &queue;
            let describe = move || {
                describing().inspect_err(|error| {
                    queue.stop.fetch_or(is_lasting(error), Ordering::Relaxed);
                })
            };
            // Where the system gives no thread, it is asked in the end.
            let describing = std::thread::Builder::new().name("describing".into()).spawn_scoped(scope, describe).ok();
            // Where the system gives no thread, the others read it all.
            let reading = || std::thread::Builder::new().name("reading".into());
            let helpers: Vec<_> =
                others.into_iter().filter_map(|other| reading().spawn_scoped(scope, move || queue.work(other.as_ref())).ok()).collect();
            let own = queue.work(source);
            let helped = helpers.into_iter().map(|helper| helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            let mut ends: Vec<Result<()>> = std::iter::once(own).chain(helped).collect();
            // One that stopped because another failed says less than that one.
            let failed = ends.iter().position(|end| end.as_ref().is_err_and(|error| !matches!(error, Error::Cancelled)));
            let read = ends.swap_remove(failed.or_else(|| ends.iter().position(Result::is_err)).unwrap_or(0));
            (read, describing.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))))
        });
        let definition = match (read, described) {
            (Ok(()), Some(Ok(definition))) => definition,
            // The reading stopped because of it.
            (Ok(()) | Err(Error::Cancelled), Some(Err(error))) if is_lasting(&error) && !progress.is_cancelled() => {
                return Err(error.into());
            }
            (Err(error), _) => return Err(error),
            (Ok(()), _) => source.definition()?,
        };
        let taken = queue.outcomes.into_iter().filter_map(|outcome| outcome.into_inner().unwrap_or_else(PoisonError::into_inner));
        Ok((definition, taken.collect()))
    }
}

/// What will be said again however often it is asked: that a program is not installed, that somebody may not know, or that one waits for the end of
/// this backup.
fn is_lasting(error: &sources::Error) -> bool {
    matches!(error, sources::Error::Tool { .. } | sources::Error::NotOurs { .. } | sources::Error::Awaited { .. })
}

/// What a database derives by itself is no record of anybody's.
fn count(record: &RelationRecord, figures: &mut Totals) {
    match record.relation.kind {
        RelationKind::Table => figures.records += record.rows,
        RelationKind::Files => figures.files += record.rows,
        RelationKind::Derived => {}
    }
}

impl Queue<'_> {
    /// Stores one model after the other until none is left, or one fails.
    fn work(&self, snapshot: &dyn Snapshot) -> Result<()> {
        let Target { vault, writer, digests } = self.target;
        let (backup, proving, progress, stop) = (self.backup, self.proving, self.progress, &self.stop);
        while !stop.load(Ordering::Relaxed) {
            let Some(&place) = self.turns.get(self.next.fetch_add(1, Ordering::Relaxed)) else { return Ok(()) };
            let (Some((relation, since, moment)), Some(outcome)) = (self.tasks.get(place), self.outcomes.get(place)) else { return Ok(()) };
            progress.phase(&relation.name);
            let moment = moment.as_ref();
            let storing = Storing { snapshot, relation, writer, vault, digests, backup, proving, progress, stop, moment };
            let stored = storing.store(since.as_ref()).inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
            outcome.lock().unwrap_or_else(PoisonError::into_inner).replace(stored);
        }
        Err(Error::Cancelled)
    }
}
