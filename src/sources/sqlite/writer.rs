//! Changes to a live database, in one transaction, with neither triggers nor foreign-key actions.
//!
//! A cascade would delete children that nobody previewed, so foreign keys are off and checked by hand: what is violated
//! now and was not before is a violation. The journal mode is left alone and the log is never checkpointed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, params, params_from_iter};

use super::aside;
use super::encoding::Encoding;
use super::functions;
use super::huge::{HUGE, look};
use super::open;
use super::pouring::{Poured, Pouring, Values, rowid_of};
use super::presence::Presence;
use super::schema::{Schema, Table};
use super::values::{Bound, all_of, collation, equals, quoted, quoted_list};
use crate::rows::{Column, KeyKind, Relation, Row, RowDigest, Value, row::compared_digest};
use crate::sources::{Error, Resolve, Result, Violation, Writer};

/// Above this many violations from before, they are only counted: 1 M numbers take about 20 MiB.
const MOST_REMEMBERED: usize = 1_000_000;

pub(super) struct SqliteWriter {
    path: PathBuf,
    wait: Duration,
    connection: Connection,
    /// Behind the connection.
    _presence: Presence,
    schema: Schema,
    relations: Vec<Relation>,
    before: BTreeMap<String, Option<Broken>>,
    /// Models written since derived tables were last rebuilt.
    touched: HashSet<String>,
}

/// Violated references of one model: by parent and number of the foreign key.
type Broken = BTreeMap<(String, i64), Rows>;

#[derive(Default)]
struct Rows {
    count: u64,
    rowids: HashSet<i64>,
}

impl SqliteWriter {
    pub(super) fn open(path: &Path, wait: Duration) -> Result<Self> {
        let real = &open::real(path)?;
        let owner = open::is_there(real)?.uid();
        open::may_open(real, owner)?;
        let presence = Presence::with(real);
        let connection = begin(real, wait).map_err(|error| open::refused(real, owner, wait, &error))?;
        let said = |error| open::said(path, wait, &error);
        let schema = Schema::load(&connection).map_err(said)?;
        schema.encoding.register(&connection).map_err(said)?;
        let relations = schema.tables.iter().map(|table| table.relation.clone()).collect();
        let (before, touched) = (BTreeMap::new(), HashSet::new());
        let mut writer = Self { path: path.into(), wait, connection, _presence: presence, schema, relations, before, touched };
        writer.before = writer.broken(None)?;
        Ok(writer)
    }

    fn said(&self, model: &str, error: &rusqlite::Error) -> Error {
        match open::said(&self.path, self.wait, error) {
            Error::Database { what, why } => Error::Database { what: format!("{what}: {model}"), why },
            other => other,
        }
    }

    fn table(&self, relation: &Relation) -> Result<&Table> {
        let found = self.schema.tables.iter().find(|table| table.relation.name == relation.name);
        found.ok_or_else(|| Error::Unfit { model: relation.name.clone(), why: "the database has no such table".into() })
    }

    /// Every violated reference; a model whose references cannot be checked (a parent without a unique key) has none to compare with.
    fn broken(&self, among: Option<&BTreeMap<String, Option<Broken>>>) -> Result<BTreeMap<String, Option<Broken>>> {
        let mut all = BTreeMap::new();
        let mut statement = self
            .connection
            .prepare("SELECT rowid, parent, fkid FROM pragma_foreign_key_check(?)")
            .map_err(|error| self.said("foreign keys", &error))?;
        let mut remembered = 0;
        for table in &self.schema.tables {
            let model = &table.relation.name;
            if among.is_some_and(|before| before.get(model).is_some_and(Option::is_none)) {
                continue;
            }
            match broken_of(&mut statement, model, &mut remembered) {
                Ok(found) => all.insert(model.clone(), Some(found)),
                Err(_) if among.is_none() => all.insert(model.clone(), None),
                Err(error) => return Err(self.said(model, &error)),
            };
        }
        Ok(all)
    }

    fn select(&self, relation: &Relation, place: &Place<'_>) -> Result<Option<Row>> {
        let mut found = None;
        self.look(relation, &format!("WHERE {} LIMIT 1", place.condition), &place.values, &mut |values| found = values)?;
        Ok(found.map(|values| Row::new(relation, values, 0)))
    }

    fn look(&self, relation: &Relation, behind: &str, values: &[Bound<'_>], take: &mut dyn FnMut(Option<Vec<Value>>)) -> Result<()> {
        let seen = look((&self.connection, self.table(relation)?, self.schema.encoding), behind, values, take);
        seen.map_err(|error| error.about(&relation.name, |error| self.said(&relation.name, error)))
    }

    /// The live row that `like` names: by its key; without one, where its rowid still holds the same values: an equal row elsewhere
    /// is another one. The values alone name it only where no rowid can be named.
    fn find(&self, relation: &Relation, like: &Row) -> Result<Option<Row>> {
        let table = self.table(relation)?;
        let same = |row: &Row| compared_digest(relation, &row.values) == compared_digest(relation, &like.values);
        if let Some(place) = Place::by_key(self.schema.encoding, table, relation, like) {
            let found = self.select(relation, &place)?;
            // A key too long to name a row: another row with it is another one.
            return Ok(if like.key.whole_row().is_some() { found.filter(same) } else { found });
        }
        if relation.columns.iter().any(Column::is_hidden) {
            let Some(place) = Place::by_rowid(relation, like) else { return Ok(None) };
            return Ok(self.select(relation, &place)?.filter(same));
        }
        Ok(self.select(relation, &Place::by_values(self.schema.encoding, relation, like))?.filter(same))
    }

    /// Runs a statement on the one row that `like` names.
    fn on_one(&mut self, relation: &Relation, like: &Row, what: &str, set: Vec<Bound<'_>>) -> Result<()> {
        let live = self.find(relation, like)?.ok_or_else(|| not_one(relation, 0))?;
        let named =
            Place::by_key(self.schema.encoding, self.table(relation)?, relation, &live).or_else(|| Place::by_rowid(relation, &live));
        let Some(place) = named else {
            let place = Place::by_values(self.schema.encoding, relation, &live);
            let others = self.twins_aside(relation, &place)?;
            self.on_place(relation, &place, what, set)?;
            return if others { self.twins_back(relation) } else { Ok(()) };
        };
        self.on_place(relation, &place, what, set)
    }

    /// Where no rowid can be named, a row is one of its equals: all but one of them are taken out.
    fn twins_aside(&mut self, relation: &Relation, place: &Place<'_>) -> Result<bool> {
        let table = quoted(&relation.name);
        let count = format!("SELECT count(*) FROM main.{table} WHERE {}", place.condition);
        let counted = self.connection.query_row(&count, params_from_iter(place.bound()), |row| row.get::<_, u64>(0));
        if counted.map_err(|error| self.said(&relation.name, &error))? < 2 {
            return Ok(false);
        }
        let run = |sql: String, bound: bool| {
            let changed =
                if bound { self.connection.execute(&sql, params_from_iter(place.bound())) } else { self.connection.execute(&sql, []) };
            changed.map_err(|error| self.said(&relation.name, &error))
        };
        run(aside::make_twins(relation), false)?;
        run(format!("{} WHERE {}", aside::keep_twins(relation), place.condition), true)?;
        run(format!("DELETE FROM main.{table} WHERE {}", place.condition), true)?;
        run(aside::one_twin_back(relation), false)?;
        Ok(true)
    }

    fn twins_back(&mut self, relation: &Relation) -> Result<()> {
        let back = self.connection.execute_batch(&aside::other_twins_back(relation));
        back.map_err(|error| self.said(&relation.name, &error))
    }

    fn on_place(&mut self, relation: &Relation, place: &Place<'_>, what: &str, set: Vec<Bound<'_>>) -> Result<()> {
        let sql = format!("{what} WHERE {}", place.condition);
        // Each is let go once SQLite has its own copy of it: it makes one more of the whole row.
        let parameters = set.into_iter().map(|value| Box::new(value) as Box<dyn rusqlite::ToSql + '_>);
        let all = parameters.chain(place.bound().map(|value| Box::new(value) as Box<dyn rusqlite::ToSql + '_>));
        let changed = self.connection.prepare_cached(&sql).and_then(|mut statement| statement.execute(params_from_iter(all)));
        self.touched.insert(relation.name.clone());
        match changed.map_err(|error| self.said(&relation.name, &error))? {
            1 => Ok(()),
            rows => Err(not_one(relation, rows)),
        }
    }

    /// The values of these columns, for a statement, and what is to be written into the row then.
    fn values<'v>(&self, relation: &Relation, row: &'v Row, columns: &[usize], content: &dyn Resolve) -> Result<Values<'v>> {
        let is_long = |value: &Value| matches!(value, Value::Large(large) if large.length > u64::from(HUGE));
        if !columns.iter().any(|&column| is_long(&row.values[column])) {
            return self.bound(relation, row, columns, content).map(|bound| (bound, Vec::new()));
        }
        let pouring = Pouring::of_live(&self.connection, self.table(relation)?, &self.schema.definition);
        let pouring = pouring.map_err(|error| self.said(&relation.name, &error))?;
        let cells: Vec<_> = row.values.iter().map(Value::cell).collect();
        pouring.values((relation, self.schema.encoding), &cells, columns, content)
    }

    fn rowid(&self, relation: &Relation, like: &Row) -> Result<i64> {
        let (live, table) = (self.find(relation, like)?.ok_or_else(|| not_one(relation, 0))?, self.table(relation)?);
        let place = Place::by_key(self.schema.encoding, table, relation, &live).or_else(|| Place::by_rowid(relation, &live));
        let place = place.ok_or_else(|| not_one(relation, 0))?;
        rowid_of(&self.connection, table, &place.condition, &place.values).map_err(|error| self.said(&relation.name, &error))
    }

    fn pour(&self, relation: &Relation, poured: &[Poured], rowid: i64, content: &dyn Resolve) -> Result<()> {
        let each = |blob: &Poured| blob.write(&self.connection, &relation.name, rowid, content);
        poured.iter().try_for_each(each).map_err(|error| error.about(&relation.name, |error| self.said(&relation.name, error)))
    }

    /// The values of these columns, for a statement.
    fn bound<'v>(&self, relation: &Relation, row: &'v Row, columns: &[usize], content: &dyn Resolve) -> Result<Vec<Bound<'v>>> {
        columns.iter().map(|&column| Bound::new(row.values[column].cell(), self.schema.encoding, &relation.name, content)).collect()
    }

    fn is_free(&self, relation: &Relation, rowid: &str, value: &Value) -> Result<bool> {
        let sql = format!("SELECT 1 FROM {} WHERE {} = ?", quoted(&relation.name), quoted(rowid));
        let found = self.connection.prepare_cached(&sql).and_then(|mut statement| statement.exists([Bound::Inline(value.cell())]));
        found.map(|taken| !taken).map_err(|error| self.said(&relation.name, &error))
    }

    /// The columns that an insert of this row names: a hidden rowid only where it is free.
    fn insertable(&self, relation: &Relation, row: &Row) -> Result<Vec<usize>> {
        let mut columns = Vec::with_capacity(relation.columns.len());
        for (index, column) in relation.columns.iter().enumerate() {
            if !column.is_hidden() || (!row.values[index].is_null() && self.is_free(relation, &column.name, &row.values[index])?) {
                columns.push(index);
            }
        }
        Ok(columns)
    }

    /// Full text over a touched table is made anew; over a view, after any change, since a view may show every table.
    fn rebuild(&mut self) -> Result<()> {
        if self.touched.is_empty() {
            return Ok(());
        }
        for (name, content) in &self.schema.external {
            let is_table = self.schema.tables.iter().any(|table| table.relation.name.eq_ignore_ascii_case(content));
            if is_table && !self.touched.iter().any(|model| model.eq_ignore_ascii_case(content)) {
                continue;
            }
            let table = quoted(name);
            let rebuilt = self.connection.execute(&format!("INSERT INTO {table}({table}) VALUES ('rebuild')"), []);
            rebuilt.map_err(|error| self.said(name, &error))?;
        }
        self.touched.clear();
        Ok(())
    }
}

fn not_one(relation: &Relation, rows: usize) -> Error {
    Error::Unfit { model: relation.name.clone(), why: format!("{rows} rows were found where one was meant") }
}

fn one_inserted(relation: &Relation, rows: usize) -> Result<()> {
    match rows {
        1 => Ok(()),
        rows => Err(Error::Unfit { model: relation.name.clone(), why: format!("{rows} rows were inserted where one was meant") }),
    }
}

/// Everything is set before the transaction begins, since inside it `foreign_keys` does nothing, and checked to be set.
fn begin(path: &Path, wait: Duration) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(wait)?;
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false),
        (DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
    ] {
        if connection.set_db_config(setting, on)? != on {
            return Err(rusqlite::Error::InvalidQuery);
        }
    }
    functions::register(&connection)?;
    connection.execute_batch(
        "PRAGMA mmap_size = 0; PRAGMA temp_store = FILE; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL; BEGIN IMMEDIATE",
    )?;
    Ok(connection)
}

fn broken_of(statement: &mut rusqlite::Statement<'_>, model: &str, remembered: &mut usize) -> rusqlite::Result<Broken> {
    let mut broken = Broken::new();
    let mut rows = statement.query([model])?;
    while let Some(row) = rows.next()? {
        let entry = broken.entry((row.get(1)?, row.get(2)?)).or_default();
        entry.count += 1;
        if let Some(rowid) = row.get::<_, Option<i64>>(0)?.filter(|_| *remembered < MOST_REMEMBERED) {
            entry.rowids.insert(rowid);
            *remembered += 1;
        }
    }
    Ok(broken)
}

/// How many of `now` were not there before: by rowid where all are known, else by their number.
fn new_rows(now: &Rows, before: Option<&Rows>) -> u64 {
    let Some(before) = before else { return now.count };
    if now.rowids.len() as u64 == now.count && before.rowids.len() as u64 == before.count {
        return now.rowids.difference(&before.rowids).count() as u64;
    }
    now.count.saturating_sub(before.count)
}

/// A condition for one row, and its values.
struct Place<'v> {
    condition: String,
    values: Vec<Bound<'v>>,
}

impl<'v> Place<'v> {
    /// Each column that is compared, its value, and the collation where it is not the column's own.
    fn of<'c>(encoding: Encoding, parts: impl Iterator<Item = (&'c str, &'v Value, Option<&'c str>)>) -> Self {
        let part = |(column, value, collation)| (equals(column, value, collation, encoding), Bound::inline(value.cell(), encoding));
        let (conditions, values): (Vec<_>, Vec<_>) = parts.map(part).unzip();
        Self { condition: all_of(conditions), values }
    }

    /// By the key's columns under the collation that the key folds; `None` where one is NULL or there is no key.
    fn by_key(encoding: Encoding, table: &Table, relation: &Relation, row: &'v Row) -> Option<Self> {
        let KeyKind::Columns(parts) = &relation.key else { return None };
        if parts.iter().any(|&part| row.values[part].is_null()) {
            return None;
        }
        let parts = parts.iter().map(|&part| {
            let column = &relation.columns[part];
            (column.name.as_str(), &row.values[part], (!table.is_virtual).then(|| collation(column.fold)))
        });
        Some(Self::of(encoding, parts))
    }

    fn by_rowid(relation: &Relation, row: &'v Row) -> Option<Self> {
        let hidden = relation.columns.iter().position(Column::is_hidden)?;
        let value = row.values.get(hidden).filter(|value| matches!(value, Value::Integer(_)))?;
        Some(Self::of(Encoding::Utf8, std::iter::once((relation.columns[hidden].name.as_str(), value, None))))
    }

    fn by_values(encoding: Encoding, relation: &Relation, row: &'v Row) -> Self {
        Self::of(encoding, relation.visible().map(|column| (relation.columns[column].name.as_str(), &row.values[column], Some("BINARY"))))
    }

    fn bound(&self) -> impl Iterator<Item = &Bound<'v>> {
        self.values.iter()
    }
}

impl Writer for SqliteWriter {
    fn relations(&self) -> &[Relation] {
        &self.relations
    }

    fn read(&mut self, relation: &Relation, like: &Row) -> Result<Option<Row>> {
        let ordinal = like.key.whole_row().map_or(0, |(_, ordinal)| ordinal);
        Ok(self.find(relation, like)?.map(|row| Row::new(relation, row.values, ordinal)))
    }

    fn count(&mut self, relation: &Relation, found: &mut HashMap<RowDigest, u64>) -> Result<()> {
        let before = found.clone();
        self.look(relation, "", &[], &mut |values| match values {
            Some(values) => {
                if let Some(count) = found.get_mut(&compared_digest(relation, &values)) {
                    *count += 1;
                }
            }
            None => found.clone_from(&before),
        })
    }

    fn insert(&mut self, relation: &Relation, row: &Row, content: &dyn Resolve) -> Result<()> {
        let columns = self.insertable(relation, row)?;
        let names = quoted_list(columns.iter().map(|&column| relation.columns[column].name.as_str()));
        let (values, poured) = self.values(relation, row, &columns, content)?;
        let places = values.iter().map(Bound::place).collect::<Vec<_>>().join(", ");
        let sql = format!("INSERT OR ABORT INTO {}({names}) VALUES ({places})", quoted(&relation.name));
        let added = self.connection.prepare_cached(&sql).and_then(|mut statement| statement.execute(params_from_iter(values)));
        self.touched.insert(relation.name.clone());
        let rows = added.map_err(|error| self.said(&relation.name, &error))?;
        one_inserted(relation, rows)?;
        self.pour(relation, &poured, self.connection.last_insert_rowid(), content)
    }

    fn update(&mut self, relation: &Relation, like: &Row, row: &Row, columns: &[usize], content: &dyn Resolve) -> Result<()> {
        if columns.is_empty() {
            return Ok(());
        }
        let (values, poured) = self.values(relation, row, columns, content)?;
        let set =
            columns.iter().zip(&values).map(|(&column, value)| format!("{} = {}", quoted(&relation.columns[column].name), value.place()));
        let set = set.collect::<Vec<_>>().join(", ");
        let rowid = if poured.is_empty() { None } else { Some(self.rowid(relation, like)?) };
        self.on_one(relation, like, &format!("UPDATE OR ABORT {} SET {set}", quoted(&relation.name)), values)?;
        rowid.map_or(Ok(()), |rowid| self.pour(relation, &poured, rowid, content))
    }

    fn put_aside(&mut self, relation: &Relation, like: &Row) -> Result<()> {
        self.connection.execute(&aside::make(relation), []).map_err(|error| self.said(&relation.name, &error))?;
        let key = Value::Blob(like.key.as_bytes().to_vec());
        self.on_one(relation, like, &aside::keep(relation), vec![Bound::Inline(key.cell())])?;
        self.delete(relation, like)
    }

    fn put_back(&mut self, relation: &Relation, like: &Row, row: &Row, columns: &[usize], content: &dyn Resolve) -> Result<()> {
        let into = self.insertable(relation, row)?;
        let changed: Vec<usize> = into.iter().copied().filter(|column| columns.contains(column)).collect();
        let mut values = self.bound(relation, row, &changed, content)?;
        let changed: Vec<_> = changed.into_iter().zip(values.iter().map(Bound::place)).collect();
        let key = Value::Blob(like.key.as_bytes().to_vec());
        values.push(Bound::Inline(key.cell()));
        let sql = aside::give_back(relation, &into, &changed);
        let back = self.connection.prepare_cached(&sql).and_then(|mut statement| statement.execute(params_from_iter(values)));
        self.touched.insert(relation.name.clone());
        one_inserted(relation, back.map_err(|error| self.said(&relation.name, &error))?)
    }

    fn delete(&mut self, relation: &Relation, like: &Row) -> Result<()> {
        self.on_one(relation, like, &format!("DELETE FROM {}", quoted(&relation.name)), Vec::new())
    }

    fn violations(&mut self) -> Result<Vec<Violation>> {
        self.rebuild()?;
        let mut violations: BTreeMap<(String, String), u64> = BTreeMap::new();
        for (model, broken) in self.broken(Some(&self.before))? {
            let before = self.before.get(&model).and_then(Option::as_ref);
            for (reference, now) in broken.iter().flatten() {
                *violations.entry((model.clone(), reference.0.clone())).or_default() +=
                    new_rows(now, before.and_then(|before| before.get(reference)));
            }
        }
        let new = violations.into_iter().filter(|(_, rows)| *rows > 0);
        Ok(new.map(|((model, parent), rows)| Violation { model, parent, rows }).collect())
    }

    fn raise_sequence(&mut self, model: &str, value: i64) -> Result<()> {
        let counts = |object: &crate::sources::SchemaObject| {
            object.kind == "table" && object.name == model && object.sql.to_ascii_uppercase().contains("AUTOINCREMENT")
        };
        if !self.schema.definition.objects.iter().any(counts) {
            return Ok(());
        }
        let raised = self.connection.execute("UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1", params![model, value]);
        let said = |error: rusqlite::Error| self.said(model, &error);
        if raised.map_err(said)? == 0 {
            self.connection.execute("INSERT INTO sqlite_sequence(name, seq) VALUES (?, ?)", params![model, value]).map_err(said)?;
        }
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<()> {
        self.rebuild()?;
        self.connection.flush_prepared_statement_cache();
        self.connection.execute_batch("COMMIT").map_err(|error| self.said("commit", &error))
    }
}
