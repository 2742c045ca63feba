//! The restore log: what was restored, by whom and why, and what it changed in each model.

use rusqlite::{Connection, OptionalExtension, named_params, params};

use super::page::List;
use super::record::{Json, Record, record};
use super::{Catalog, Cursor, Error, Kind, Listed, Order, Page, PlanState, Reader, Result, Status, Time};

record! {
    /// One entry of the restore log.
    Restore {
        /// Its id.
        id: String = "r.id",
        /// The job that made it.
        job: Option<String> = "r.job_id",
        /// The plan it executed.
        plan: Option<String> = "r.plan_id",
        /// The app's id.
        app_id: String = "r.app_id",
        /// The app's name.
        app: String = "a.name",
        /// The backup it restored from.
        backup: String = "r.backup_id",
        /// How records that differed were treated: a strategy, `undo`, or `copy`.
        mode: String = "r.mode",
        /// How far it is, then its outcome.
        status: Status = "r.status",
        /// Who made it.
        operator: String = "r.operator",
        /// Why.
        reason: Option<String> = "r.reason",
        /// What it was narrowed to.
        scope: Json<serde_json::Value> = "r.scope",
        /// Where a whole copy was put.
        target: Option<String> = "r.target",
        /// The records it inserted.
        created: u64 = "r.created",
        /// The records it changed.
        updated: u64 = "r.updated",
        /// The records it left as they were.
        skipped: u64 = "r.skipped",
        /// The records it deleted.
        deleted: u64 = "r.deleted",
        /// The record of what it touched, before and after.
        safety_backup: Option<String> = "r.safety_backup",
        /// The restore that this one takes back.
        undo_of: Option<String> = "r.undo_of",
        /// The restore that took this one back.
        undone_by: Option<String> = "r.undone_by",
        /// Until when it can be taken back.
        undo_until: Option<Time> = "r.undo_until",
        /// When it began.
        started_at: Time = "r.started_at",
        /// When it ended.
        finished_at: Option<Time> = "r.finished_at",
        /// How long it took, in seconds.
        duration_seconds: Option<f64> = "r.duration_seconds",
        /// Why it failed.
        error: Option<String> = "r.error",
    }
}

impl Listed for Restore {
    fn cursor(&self) -> Cursor {
        Cursor { key: self.started_at.to_string(), id: self.id.clone() }
    }
}

/// A restore that begins.
#[derive(Clone, Debug)]
pub struct NewRestore {
    /// The job that makes it.
    pub job: Option<String>,
    /// The plan it executes.
    pub plan: Option<String>,
    /// The app's id.
    pub app_id: String,
    /// The backup it restores from.
    pub backup: String,
    /// A strategy, `undo`, or `copy`.
    pub mode: String,
    /// Who makes it.
    pub operator: String,
    /// Why.
    pub reason: Option<String>,
    /// What it is narrowed to.
    pub scope: serde_json::Value,
    /// Where a whole copy is put.
    pub target: Option<String>,
    /// The restore that it takes back.
    pub undo_of: Option<String>,
}

/// What a restore did to one model.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RestoreChange {
    /// The module the model belongs to.
    pub module: String,
    /// The model.
    pub model: String,
    /// The records inserted.
    pub created: u64,
    /// The records changed.
    pub updated: u64,
    /// The records left as they were.
    pub skipped: u64,
    /// The records deleted.
    pub deleted: u64,
}

/// How a restore ended.
#[derive(Clone, Debug)]
pub struct RestoreOutcome {
    /// Its outcome: neither queued nor running.
    pub status: Status,
    /// What it did to each model; the restore's figures are their sums.
    pub changes: Vec<RestoreChange>,
    /// Until when it can be taken back.
    pub undo_until: Option<Time>,
    /// How long it took, in seconds; none where nobody saw its end.
    pub duration_seconds: Option<f64>,
    /// Why it failed.
    pub error: Option<String>,
}

/// Which restores a list shows, by the time they began.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RestoreFilter {
    /// Those of this app (its id).
    pub app_id: Option<String>,
    /// Those in this status.
    pub status: Option<Status>,
    /// Those begun at this time or later.
    pub since: Option<Time>,
    /// Those in whose visible columns this text stands.
    pub text: Option<String>,
    /// The direction.
    pub order: Order,
}

impl Reader {
    /// A page of the restore log, by the time restores began.
    pub fn restores_page(&self, filter: &RestoreFilter, after: Option<&Cursor>, limit: usize) -> Result<Page<Restore>> {
        self.read(|connection| list(filter).page(connection, after, limit))
    }

    /// The restore of this id.
    pub fn restore(&self, id: &str) -> Result<Restore> {
        self.read(|connection| restore(connection, id))
    }

    /// The restores whose job has ended and who do not say what they came to: their process died. Oldest first.
    pub fn interrupted_restores(&self) -> Result<Vec<Restore>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&interrupted())?;
            Ok(statement.query_map((), Restore::from_row)?.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// What a restore did to each model.
    pub fn restore_changes(&self, id: &str) -> Result<Vec<RestoreChange>> {
        self.read(|connection| {
            let sql =
                "SELECT module, model, created, updated, skipped, deleted FROM restore_change WHERE restore_id = ?1 ORDER BY module, model";
            let mut statement = connection.prepare_cached(sql)?;
            let changes = statement.query_map([id], |row| {
                Ok(RestoreChange {
                    module: row.get(0)?,
                    model: row.get(1)?,
                    created: row.get(2)?,
                    updated: row.get(3)?,
                    skipped: row.get(4)?,
                    deleted: row.get(5)?,
                })
            })?;
            Ok(changes.collect::<rusqlite::Result<_>>()?)
        })
    }
}

fn list(filter: &RestoreFilter) -> List {
    let index = match filter {
        RestoreFilter { app_id: Some(_), .. } => "restore_by_app",
        RestoreFilter { status: Some(_), .. } => "restore_by_status",
        _ => "restore_by_time",
    };
    let from = format!("restore r INDEXED BY {index} JOIN app a ON a.id = r.app_id");
    let mut list = List::new(from, "r.started_at", "r.id", filter.order);
    list.filter("r.app_id = ?", filter.app_id.clone())
        .filter("r.status = ?", filter.status.map(|status| status.to_string()))
        .filter("r.started_at >= ?", filter.since.map(|since| since.to_string()))
        .containing(&["a.name", "r.mode", "r.status", "r.operator", "r.reason", "r.error", "r.id", "r.backup_id"], filter.text.as_deref());
    list
}

fn interrupted() -> String {
    format!(
        "SELECT {} FROM restore r INDEXED BY restore_by_status JOIN app a ON a.id = r.app_id JOIN job j ON j.id = r.job_id
         WHERE r.status = 'running' AND j.status NOT IN ('queued', 'running') ORDER BY r.started_at, r.id LIMIT 1000",
        Restore::COLUMNS
    )
}

/// Open plans alone are taken, and by one: whoever comes second finds it otherwise.
fn take_plan(change: &Connection, plan: &str, now: Time) -> Result<()> {
    let sql = "UPDATE plan SET state = 'executing', changed_at = ?2 WHERE id = ?1 AND state = 'open'";
    if change.execute(sql, params![plan, now])? == 1 {
        return Ok(());
    }
    let state: Option<String> = change.query_row("SELECT state FROM plan WHERE id = ?1", [plan], |row| row.get(0)).optional()?;
    let state = state.ok_or_else(|| Error::NotFound { kind: Kind::Plan, text: plan.to_owned() })?;
    Err(Error::WrongState { kind: Kind::Plan, id: plan.to_owned(), state })
}

fn restore(connection: &Connection, id: &str) -> Result<Restore> {
    let sql = format!("SELECT {} FROM restore r JOIN app a ON a.id = r.app_id WHERE r.id = ?1", Restore::COLUMNS);
    super::one(connection, &sql, id)?.ok_or_else(|| Error::NotFound { kind: Kind::Restore, text: id.to_owned() })
}

impl Catalog {
    /// Begins an entry of the restore log, running; its plan is being executed from here on. A plan that is not open is refused.
    pub fn add_restore(&self, new: &NewRestore) -> Result<Restore> {
        let (id, now) = (self.new_id(), self.now());
        self.write(|change| {
            if let Some(plan) = &new.plan {
                take_plan(change, plan, now)?;
            }
            change.execute(
                "INSERT INTO restore (id, job_id, plan_id, app_id, backup_id, mode, status, operator, reason, scope, target, undo_of, started_at)
                 VALUES (:id, :job, :plan, :app_id, :backup, :mode, 'running', :operator, :reason, :scope, :target, :undo_of, :now)",
                named_params! {
                    ":id": id, ":job": new.job, ":plan": new.plan, ":app_id": new.app_id, ":backup": new.backup, ":mode": new.mode,
                    ":operator": new.operator, ":reason": new.reason, ":scope": Json(&new.scope), ":target": new.target,
                    ":undo_of": new.undo_of, ":now": now,
                },
            )?;
            restore(change, &id)
        })
    }

    /// Notes the safety record of a restore, once it is committed in the vault and before anything is touched.
    pub fn set_restore_safety(&self, id: &str, safety_backup: &str) -> Result<()> {
        self.write(|change| {
            let sql = "UPDATE restore SET safety_backup = ?2 WHERE id = ?1 AND status = 'running'";
            super::found(change.execute(sql, params![id, safety_backup])?, Kind::Restore, id)
        })
    }

    /// Says of a restore that has not ended why that is so.
    pub fn note_restore(&self, id: &str, why: &str) -> Result<()> {
        self.write(|change| {
            let sql = "UPDATE restore SET error = ?2 WHERE id = ?1 AND status = 'running'";
            super::found(change.execute(sql, params![id, why])?, Kind::Restore, id)
        })
    }

    /// Ends an entry of the restore log; an undo that wrote also marks the restore it took back. The plan was executed where it
    /// wrote, and is open again where nothing was changed.
    pub fn finish_restore(&self, id: &str, outcome: &RestoreOutcome) -> Result<Restore> {
        let now = self.now();
        let sum = |count: fn(&RestoreChange) -> u64| outcome.changes.iter().map(count).sum::<u64>();
        self.write(|change| {
            let ended = change.execute(
                "UPDATE restore SET status = :status, created = :created, updated = :updated, skipped = :skipped, deleted = :deleted,
                     undo_until = :undo_until, finished_at = :now, duration_seconds = :seconds, error = :error
                 WHERE id = :id AND status = 'running'",
                named_params! {
                    ":id": id, ":status": outcome.status, ":created": sum(|c| c.created), ":updated": sum(|c| c.updated),
                    ":skipped": sum(|c| c.skipped), ":deleted": sum(|c| c.deleted), ":undo_until": outcome.undo_until, ":now": now,
                    ":seconds": outcome.duration_seconds, ":error": outcome.error,
                },
            )?;
            super::found(ended, Kind::Restore, id)?;
            for counts in &outcome.changes {
                change.prepare_cached("INSERT INTO restore_change VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?.execute(params![
                    id,
                    counts.module,
                    counts.model,
                    counts.created,
                    counts.updated,
                    counts.skipped,
                    counts.deleted
                ])?;
            }
            let wrote = matches!(outcome.status, Status::Completed | Status::Partial);
            change.execute(
                "UPDATE plan SET state = ?2, changed_at = ?3
                 WHERE id = (SELECT plan_id FROM restore WHERE id = ?1) AND state = 'executing'",
                params![id, if wrote { PlanState::Executed } else { PlanState::Open }, now],
            )?;
            if wrote {
                change.execute("UPDATE restore SET undone_by = ?1 WHERE id = (SELECT undo_of FROM restore WHERE id = ?1)", [id])?;
            }
            restore(change, id)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::assert_walks_an_index;
    use super::super::testing::Home;
    use super::*;

    fn new(app: &str, undo_of: Option<&str>) -> NewRestore {
        NewRestore {
            job: None,
            plan: None,
            app_id: app.to_owned(),
            backup: "b".to_owned(),
            mode: "merge".to_owned(),
            operator: "ana".to_owned(),
            reason: None,
            scope: serde_json::json!({}),
            target: None,
            undo_of: undo_of.map(str::to_owned),
        }
    }

    fn begin(home: &Home, app: &str, undo_of: Option<&str>) -> Restore {
        home.catalog.add_restore(&new(app, undo_of)).unwrap()
    }

    fn outcome(status: Status) -> RestoreOutcome {
        let change = |model: &str| RestoreChange {
            module: "hr".to_owned(),
            model: model.to_owned(),
            created: 3,
            updated: 9,
            skipped: 1,
            deleted: 0,
        };
        RestoreOutcome { status, changes: vec![change("a"), change("b")], undo_until: None, duration_seconds: Some(0.8), error: None }
    }

    #[test]
    fn every_list_of_restores_walks_an_index() {
        let home = Home::new();
        let full = RestoreFilter { since: Some(home.catalog.now()), text: Some("x".to_owned()), ..RestoreFilter::default() };
        let filters = [
            RestoreFilter::default(),
            RestoreFilter { app_id: Some(String::new()), ..full.clone() },
            RestoreFilter { status: Some(Status::Failed), order: Order::Ascending, ..full },
        ];
        home.catalog
            .read(|connection| {
                for filter in &filters {
                    assert_walks_an_index(&list(filter).explain(connection, Restore::COLUMNS));
                }
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn a_restores_figures_are_the_sums_over_its_models() {
        let home = Home::new();
        let id = begin(&home, &home.app("school"), None).id;
        let restore = home.catalog.finish_restore(&id, &outcome(Status::Completed)).unwrap();
        assert_eq!((restore.created, restore.updated, restore.skipped, restore.deleted), (6, 18, 2, 0));
        assert_eq!(home.catalog.restore_changes(&id).unwrap().len(), 2);
        assert!(home.catalog.finish_restore(&id, &outcome(Status::Failed)).is_err());
    }

    #[test]
    fn a_restore_is_interrupted_once_its_job_has_ended_without_it() {
        use crate::catalog::{Claimant, JobKind, NewJob, Origin, Outcome};
        let home = Home::new();
        let app = home.app("school");
        let job = home.catalog.add_job(&NewJob { app_id: Some(app.clone()), ..NewJob::new(JobKind::Restore, Origin::Manual) }).unwrap().id;
        let claim = home.catalog.claim_job(&job, &Claimant { pid: 1, process: "1".to_owned() }).unwrap();
        let new = NewRestore { job: Some(job), plan: None, ..new(&app, None) };
        let id = home.catalog.add_restore(&new).unwrap().id;
        assert_eq!(home.catalog.interrupted_restores().unwrap(), []);
        home.catalog.finish_job(&claim, &Outcome::new(Status::Failed)).unwrap();
        home.catalog.note_restore(&id, "it waits").unwrap();
        let found = home.catalog.interrupted_restores().unwrap();
        assert_eq!((found.len(), found[0].id.as_str(), found[0].error.as_deref()), (1, id.as_str(), Some("it waits")));
        home.catalog.finish_restore(&id, &outcome(Status::Failed)).unwrap();
        assert_eq!(home.catalog.interrupted_restores().unwrap(), []);
        assert!(home.catalog.note_restore(&id, "too late").is_err());
    }

    #[test]
    fn a_plan_belongs_to_one_restore_and_is_open_again_where_nothing_was_changed() {
        use crate::catalog::{NewPlan, Strategy};
        let home = Home::new();
        let app = home.app("school");
        let (id, backup, path, summary) = (home.catalog.new_id(), "b".to_owned(), "plans/x".to_owned(), serde_json::json!({}));
        let plan = NewPlan { id: id.clone(), backup, app_id: app.clone(), strategy: Strategy::Merge, path, summary, operator: None };
        home.catalog.add_plan(&plan).unwrap();
        let execute = || home.catalog.add_restore(&NewRestore { plan: Some(id.clone()), ..new(&app, None) });
        let state = || home.catalog.plan(&id).unwrap().state;
        let first = execute().unwrap().id;
        assert_eq!(state(), PlanState::Executing);
        assert!(matches!(execute(), Err(Error::WrongState { kind: Kind::Plan, .. })));
        assert!(home.catalog.close_plan(&id, PlanState::Discarded).is_err(), "it is being executed");
        home.catalog.finish_restore(&first, &outcome(Status::Cancelled)).unwrap();
        assert_eq!(state(), PlanState::Open);
        let second = execute().unwrap().id;
        home.catalog.finish_restore(&second, &outcome(Status::Partial)).unwrap();
        assert_eq!(state(), PlanState::Executed);
        assert!(execute().is_err());
    }

    #[test]
    fn only_an_undo_that_wrote_marks_its_restore_as_undone() {
        let home = Home::new();
        let app = home.app("school");
        let id = begin(&home, &app, None).id;
        home.catalog.finish_restore(&id, &outcome(Status::Completed)).unwrap();
        let failed = begin(&home, &app, Some(&id)).id;
        home.catalog.finish_restore(&failed, &outcome(Status::Failed)).unwrap();
        assert_eq!(home.catalog.restore(&id).unwrap().undone_by, None);
        let undo = begin(&home, &app, Some(&id)).id;
        home.catalog.finish_restore(&undo, &outcome(Status::Completed)).unwrap();
        assert_eq!(home.catalog.restore(&id).unwrap().undone_by, Some(undo));
    }
}
