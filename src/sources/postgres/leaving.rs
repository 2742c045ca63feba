//! Deletions that the server would carry on to what refers to the rows, or refuse as long as anything does.
//!
//! Such rows are put on a list. Nothing of theirs is touched until nothing refers to them but others of the list; then all of
//! these are deleted in one statement, so that whatever they refer to among themselves, no foreign key finds anything to act on.
//! Updates that let other records go may need what a row of the list still has: they are tried again once it is gone, and where
//! each waits for the other, the rows give up the unique values that may be NULL.

use super::batch::Batch;
use super::guards::ForeignKey;
use super::sql::ident;
use super::table::Table;
use super::writer::PostgresWriter;
use crate::sources::{Error, Result};

const LIST: &str = "pg_temp.backstop_leaving";

/// Rows that are to be deleted and wait for others, and updates that wait for them.
#[derive(Default)]
pub(super) struct Leaving {
    /// The models that the list knows, by the number that it knows them by.
    models: Vec<String>,
    rows: u64,
    updates: Vec<Batch>,
    /// Whether it was tried what can be made after the last deletion was asked for.
    tried: bool,
    /// Whether the rows that stay have given up what they can.
    has_room: bool,
}

impl Leaving {
    fn is_over(&self) -> bool {
        self.rows == 0 && self.updates.is_empty()
    }
}

impl PostgresWriter {
    /// Whether the server would act on what refers to the rows of a model that are deleted.
    pub(super) fn acts_on_delete(&self, model: &str) -> bool {
        self.acting(model).next().is_some()
    }

    fn acting(&self, model: &str) -> impl Iterator<Item = &ForeignKey> {
        let keys = self.known.get(model).and_then(|known| known.keys.as_ref());
        keys.into_iter().flatten().filter(|key| key.is_parent && key.acts_on_delete)
    }

    /// Puts the rows on the list.
    ///
    /// # Errors
    /// What the server says, and rows that are not there.
    pub(super) fn let_leave(&mut self, table: &Table, batch: &Batch) -> Result<()> {
        let model = &table.relation.name;
        let number = match self.leaving.models.iter().position(|known| known == model) {
            Some(number) => number,
            None => {
                if self.leaving.models.is_empty() {
                    self.session.run(&format!(
                        "CREATE TEMPORARY TABLE {} (model integer, place oid, spot tid, stays boolean) ON COMMIT DROP",
                        &LIST[8..]
                    ))?;
                }
                let children: Vec<String> = self.acting(model).filter(|key| !key.is_own()).map(|key| key.child.clone()).collect();
                for child in children {
                    self.session.run(&format!("LOCK TABLE {child} IN SHARE ROW EXCLUSIVE MODE"))?;
                }
                self.leaving.models.push(model.clone());
                self.leaving.models.len() - 1
            }
        };
        let insert = format!("INSERT INTO {LIST} SELECT {number}, tableoid, ctid, false");
        self.leaving.rows += batch.list(&mut self.session, table, &insert)?;
        (self.leaving.tried, self.leaving.has_room) = (false, false);
        Ok(())
    }

    /// That a row of a model is not on the list, as a condition to follow others.
    pub(super) fn not_leaving(&self, model: &str) -> String {
        if !self.leaving.models.iter().any(|known| known == model) {
            return String::new();
        }
        format!(" AND (tableoid, ctid) NOT IN (SELECT place, spot FROM {LIST})")
    }

    /// Sends a batch of writes that are no deletions of the list's. An update that cannot be made yet waits.
    ///
    /// # Errors
    /// What the server says.
    pub(super) fn send(&mut self, table: &Table, batch: Batch) -> Result<()> {
        if self.leaving.is_over() || batch.deletes() {
            return batch.send(&mut self.session, table);
        }
        if !batch.updates() {
            self.make_room()?;
            return batch.send(&mut self.session, table);
        }
        if !self.leaving.tried {
            self.settle_some()?;
        }
        if self.tried(table, &batch)?.is_err() {
            self.leaving.updates.push(batch);
        }
        Ok(())
    }

    /// Tries to send; where the server refuses it, nothing was done.
    fn tried(&mut self, table: &Table, batch: &Batch) -> Result<Result<()>> {
        self.session.run("SAVEPOINT tried")?;
        let sent = batch.send(&mut self.session, table);
        self.session.run(if sent.is_ok() { "RELEASE tried" } else { "ROLLBACK TO tried; RELEASE tried" })?;
        Ok(sent)
    }

    /// Makes place for writes that cannot wait: what can go goes, what stays gives up the unique values that it can.
    ///
    /// # Errors
    /// What the server says.
    pub(super) fn make_room(&mut self) -> Result<()> {
        if self.leaving.is_over() || self.settle_some()?.is_none() || self.leaving.has_room {
            return Ok(());
        }
        self.give_up_values()?;
        self.leaving.has_room = true;
        self.settle_some().map(drop)
    }

    /// Makes all that waits.
    ///
    /// # Errors
    /// What the server says; also where other records still refer to a row that is to go.
    pub(super) fn settle(&mut self) -> Result<()> {
        self.flush()?;
        self.make_room()?;
        self.settle_some()?.map_or(Ok(()), Err)
    }

    /// Makes what can be made by now; gives why the rest cannot.
    fn settle_some(&mut self) -> Result<Option<Error>> {
        self.leaving.tried = true;
        loop {
            let gone = self.let_go()?;
            let waiting = std::mem::take(&mut self.leaving.updates);
            let (before, mut refused) = (waiting.len(), None);
            for batch in waiting {
                let table = self.catalog.table(batch.model().unwrap_or_default())?.clone();
                if let Err(why) = self.tried(&table, &batch)? {
                    refused = Some(why);
                    self.leaving.updates.push(batch);
                }
            }
            if self.leaving.is_over() {
                return Ok(None);
            }
            if gone == 0 && self.leaving.updates.len() == before {
                return refused.map_or_else(|| self.why_they_stay(), |why| Ok(Some(why)));
            }
        }
    }

    /// Where the rows are that refer by a key: those of a table alone, or of all its partitions.
    fn referring(&self, key: &ForeignKey) -> String {
        self.catalog.tables.iter().find(|table| table.name == key.child).map_or_else(|| key.child.clone(), Table::source)
    }

    /// Rows of the list to which something refers that stays, as SQL to follow `FROM`; the list is called `g`.
    fn held(&self, key: &ForeignKey) -> String {
        format!(
            "{} AS p, {} AS c WHERE NOT g.stays AND p.tableoid = g.place AND p.ctid = g.spot AND {}
             AND NOT EXISTS (SELECT 1 FROM {LIST} AS l WHERE l.place = c.tableoid AND l.spot = c.ctid AND NOT l.stays)",
            key.parent,
            self.referring(key),
            key.joins("c", "p")
        )
    }

    /// The keys that act on the models of the list.
    fn all_acting(&self) -> Vec<ForeignKey> {
        self.leaving.models.iter().flat_map(|model| self.acting(model)).cloned().collect()
    }

    /// Deletes all rows of the list to which nothing refers but others of them; how many.
    fn let_go(&mut self) -> Result<u64> {
        if self.leaving.rows == 0 {
            return Ok(0);
        }
        self.session.run(&format!("UPDATE {LIST} SET stays = false; ANALYZE {LIST}"))?;
        let keys = self.all_acting();
        loop {
            let mut stay = 0;
            for key in &keys {
                let sql = format!("UPDATE {LIST} AS g SET stays = true FROM {}", self.held(key));
                stay += self.session.changed("", &sql)?.iter().sum::<u64>();
            }
            if stay == 0 {
                break;
            }
        }
        let count = |of: &str| format!("SELECT count(*) FROM {of}");
        let meant: u64 = self.number(&count(&format!("{LIST} WHERE NOT stays")))?;
        if meant == 0 {
            return Ok(0);
        }
        let (mut parts, mut counts) = (Vec::new(), Vec::new());
        for (number, model) in self.leaving.models.iter().enumerate() {
            let source = self.catalog.table(model)?.source();
            parts.push(format!(
                "d{number} AS (DELETE FROM {source} AS t USING {LIST} AS g
                 WHERE g.model = {number} AND NOT g.stays AND t.tableoid = g.place AND t.ctid = g.spot RETURNING 1)"
            ));
            counts.push(format!("({})", count(&format!("d{number}"))));
        }
        let gone = self.number(&format!("WITH {} SELECT {}", parts.join(", "), counts.join(" + ")))?;
        if gone != meant {
            let model = self.leaving.models.join(", ");
            return Err(Error::Unfit { model, why: format!("{gone} rows were found where {meant} were meant") });
        }
        self.session.run(&format!("DELETE FROM {LIST} WHERE NOT stays"))?;
        self.leaving.rows -= gone;
        Ok(gone)
    }

    fn number(&mut self, sql: &str) -> Result<u64> {
        Ok(self.session.one(sql)?.and_then(|number| number.parse().ok()).unwrap_or_default())
    }

    /// Takes from the rows of the list what others may need: nobody sees them again.
    fn give_up_values(&mut self) -> Result<()> {
        for (number, model) in self.leaving.models.clone().iter().enumerate() {
            let table = self.catalog.table(model)?.clone();
            let keys = self.known.get(model).and_then(|known| known.keys.clone()).unwrap_or_default();
            let is_referred_to = |name: &String| keys.iter().any(|key| key.is_parent && key.to_columns.contains(name));
            let is_free = |name: &&String| {
                let column = table.relation.column(name).map(|column| &table.relation.columns[column]);
                column.is_some_and(|column| !column.not_null) && !is_referred_to(name)
            };
            let uniques = self.catalog.uniques.iter().filter(|unique| unique.model == *model).flat_map(|unique| &unique.columns);
            let mut set: Vec<String> = uniques.filter(is_free).map(|name| format!("{} = NULL", ident(name))).collect();
            set.sort_unstable();
            set.dedup();
            if set.is_empty() {
                continue;
            }
            // A partition may not take the row without the value, or a check: then it keeps it.
            self.session.run("SAVEPOINT tried")?;
            let given = self.session.attempt(&format!(
                "WITH moved AS (UPDATE {} AS t SET {} FROM {LIST} AS g
                   WHERE g.model = {number} AND t.tableoid = g.place AND t.ctid = g.spot
                   RETURNING g.place, g.spot, t.tableoid AS place_now, t.ctid AS spot_now)
                 UPDATE {LIST} AS g SET place = m.place_now, spot = m.spot_now FROM moved AS m WHERE g.place = m.place AND g.spot = m.spot",
                table.source(),
                set.join(", ")
            ));
            self.session.run(if given.is_ok() { "RELEASE tried" } else { "ROLLBACK TO tried; RELEASE tried" })?;
        }
        Ok(())
    }

    /// Why rows of the list stay: what refers to them would be changed with them.
    fn why_they_stay(&mut self) -> Result<Option<Error>> {
        self.session.run(&format!("UPDATE {LIST} SET stays = false"))?;
        for model in self.leaving.models.clone() {
            for key in self.acting(&model).cloned().collect::<Vec<_>>() {
                let count = self.number(&format!("SELECT count(*) FROM {LIST} AS g, {}", self.held(&key)))?;
                if count > 0 {
                    let child = self.catalog.tables.iter().find(|table| table.name == key.child);
                    let child = child.map_or(key.child.as_str(), |table| table.relation.name.as_str());
                    let why = format!("{count} records of {child} refer to records that are to be deleted, and would be changed with them");
                    return Ok(Some(Error::Unfit { model, why }));
                }
            }
        }
        Ok(None)
    }
}
