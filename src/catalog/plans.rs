//! Plans: what a restore would do, stored before it is done, and executed at most once.

use rusqlite::{OptionalExtension, params};

use super::page::List;
use super::record::{Json, Record, record};
use super::{Catalog, Cursor, Error, Kind, Listed, Order, Page, PlanState, Reader, Result, Strategy, Time};

record! {
    /// What a restore would do, stored before it is done; the rows themselves are in a sealed file.
    Plan {
        /// Its id.
        id: String = "p.id",
        /// The backup it restores from.
        backup: String = "p.backup_id",
        /// The app's id.
        app_id: String = "p.app_id",
        /// The app's name.
        app: String = "a.name",
        /// How records that differ are treated, unless a narrower choice says otherwise.
        strategy: Strategy = "p.strategy",
        /// What became of it.
        state: PlanState = "p.state",
        /// Its sealed file, within the home.
        path: String = "p.path",
        /// What `restore preview --json` prints of it.
        summary: Json<serde_json::Value> = "p.summary",
        /// Who made it.
        operator: Option<String> = "p.operator",
        /// When it was made.
        created_at: Time = "p.created_at",
        /// When its state last changed.
        changed_at: Time = "p.changed_at",
    }
}

impl Listed for Plan {
    fn cursor(&self) -> Cursor {
        Cursor { key: self.created_at.to_string(), id: self.id.clone() }
    }
}

/// A plan to be stored.
#[derive(Clone, Debug)]
pub struct NewPlan {
    /// Its id, which its sealed file bears too.
    pub id: String,
    /// The backup it restores from.
    pub backup: String,
    /// The app's id.
    pub app_id: String,
    /// How records that differ are treated.
    pub strategy: Strategy,
    /// Its sealed file, within the home.
    pub path: String,
    /// What `restore preview --json` prints of it.
    pub summary: serde_json::Value,
    /// Who made it.
    pub operator: Option<String>,
}

impl Reader {
    /// The plan of this id.
    pub fn plan(&self, id: &str) -> Result<Plan> {
        self.read(|connection| {
            let sql = format!("SELECT {} FROM plan p JOIN app a ON a.id = p.app_id WHERE p.id = ?1", Plan::COLUMNS);
            super::one(connection, &sql, id)?.ok_or_else(|| Error::NotFound { kind: Kind::Plan, text: id.to_owned() })
        })
    }

    /// A page of the plans that can still be executed, newest first.
    pub fn open_plans(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<Plan>> {
        self.read(|connection| open_plans().page(connection, after, limit))
    }
}

fn open_plans() -> List {
    let from = "plan p INDEXED BY plan_open JOIN app a ON a.id = p.app_id".to_owned();
    let mut list = List::new(from, "p.created_at", "p.id", Order::Descending);
    list.when("p.state = 'open'");
    list
}

impl Catalog {
    /// Stores a plan.
    pub fn add_plan(&self, new: &NewPlan) -> Result<Plan> {
        let now = self.now();
        self.write(|change| {
            change.execute(
                "INSERT INTO plan (id, backup_id, app_id, strategy, state, path, summary, operator, created_at, changed_at)
                 VALUES (?1, ?2, ?3, ?4, 'open', ?5, ?6, ?7, ?8, ?8)",
                params![new.id, new.backup, new.app_id, new.strategy, new.path, Json(&new.summary), new.operator, now],
            )?;
            Ok(())
        })?;
        self.plan(&new.id)
    }

    /// Closes a plan that is open or being executed; what is being executed cannot be discarded.
    pub fn close_plan(&self, id: &str, state: PlanState) -> Result<()> {
        let now = self.now();
        self.write(|change| {
            let sql = "UPDATE plan SET state = ?2, changed_at = ?3 WHERE id = ?1 AND (state = 'open' OR (state = 'executing' AND ?2 <> 'discarded'))";
            if change.execute(sql, params![id, state, now])? == 1 {
                return Ok(());
            }
            let sql = "SELECT state FROM plan WHERE id = ?1";
            let missing = || Error::NotFound { kind: Kind::Plan, text: id.to_owned() };
            let found = change.query_row(sql, [id], |row| row.get(0)).optional()?.ok_or_else(missing)?;
            Err(Error::WrongState { kind: Kind::Plan, id: id.to_owned(), state: found })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::assert_walks_an_index;
    use super::super::testing::Home;
    use super::*;

    #[test]
    fn a_plan_is_executed_once() {
        let home = Home::new();
        let new = NewPlan {
            id: home.catalog.new_id(),
            backup: "b".to_owned(),
            app_id: home.app("school"),
            strategy: Strategy::Merge,
            path: "plans/x".to_owned(),
            summary: serde_json::json!({"safe_to_restore": true}),
            operator: None,
        };
        let plan = home.catalog.add_plan(&new).unwrap();
        assert_eq!(home.catalog.open_plans(None, 5).unwrap().items, [plan]);
        home.catalog.close_plan(&new.id, PlanState::Executed).unwrap();
        assert!(matches!(home.catalog.close_plan(&new.id, PlanState::Executed), Err(Error::WrongState { .. })));
        assert!(home.catalog.open_plans(None, 5).unwrap().items.is_empty());
    }

    #[test]
    fn the_list_of_open_plans_walks_an_index() {
        let home = Home::new();
        home.catalog
            .read(|connection| {
                assert_walks_an_index(&open_plans().explain(connection, Plan::COLUMNS));
                Ok(())
            })
            .unwrap();
    }
}
