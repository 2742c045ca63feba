//! What a database is made of: its models with their keys, foreign keys and unique columns, and the statements that make it.

use std::collections::HashMap;

use rusqlite::{Connection, ErrorCode, Result, params};

use super::counters;
use super::derived::{self, Virtual, recognise};
use super::encoding::Encoding;
use super::options;
use super::salvage;
use super::values::quoted;
use crate::rows::{Column, Fold, KeyKind, Relation, RelationKind, Role};
use crate::sources::{Definition, Reference, SchemaObject, Unique};

/// A model, and what SQLite knows of it beyond its relation.
#[derive(Clone, Debug)]
pub struct Table {
    /// The model.
    pub relation: Relation,
    /// The name under which the rowid is read, where rows have one: hidden, the key, or neither visible nor stored.
    pub rowid: Option<String>,
    /// True where the key is the rowid itself, so that SQLite's order is ours.
    pub rowid_is_key: bool,
    /// True for a virtual table.
    pub is_virtual: bool,
    /// True where the rows stand in the index of the primary key itself.
    pub without_rowid: bool,
    /// Unique indexes: columns, and the collation of each.
    pub unique: Vec<UniqueIndex>,
}

/// A unique index over columns, without a condition.
#[derive(Clone, Debug)]
pub struct UniqueIndex {
    /// Its own name.
    pub name: String,
    /// The names of its columns.
    pub columns: Vec<String>,
    /// The collation of each.
    pub collations: Vec<String>,
    /// True where some of them ascend and others descend: no order of a key.
    pub mixed: bool,
    /// True for the index of the primary key.
    pub primary: bool,
}

impl UniqueIndex {
    fn folds(&self) -> impl Iterator<Item = Fold> {
        self.collations.iter().map(|collation| fold_of(collation))
    }

    /// True where it stands in the order of these keys.
    fn orders(&self, relation: &Relation) -> bool {
        !self.mixed && self.collations.iter().all(|collation| is_own(collation)) && is_over(self, relation)
    }
}

impl Table {
    /// The index whose order is that of the key, where the table has one beside its rows.
    #[must_use]
    pub fn key_index(&self) -> Option<&UniqueIndex> {
        self.unique.iter().find(|index| index.orders(&self.relation))
    }
}

/// True for a collation that SQLite itself has.
#[must_use]
pub fn is_own(collation: &str) -> bool {
    ["BINARY", "NOCASE", "RTRIM"].iter().any(|known| collation.eq_ignore_ascii_case(known))
}

/// True where the index makes the same values unique as the key does.
fn is_over(index: &UniqueIndex, relation: &Relation) -> bool {
    let key = relation.key_columns().iter().map(|&column| &relation.columns[column]);
    let parts = index.columns.iter().zip(index.folds());
    index.columns.len() == relation.key_columns().len()
        && key.zip(parts).all(|(column, (name, fold))| column.name == *name && column.fold == fold)
}

/// SQLite gives no more columns at once (its default, and that of the library in here): a table with so many keeps no hidden rowid.
const MOST_COLUMNS: usize = 2000;

/// Everything but the rows.
pub struct Schema {
    /// The models, in name order.
    pub tables: Vec<Table>,
    /// What makes an empty copy.
    pub definition: Definition,
    /// How it encodes text.
    pub encoding: Encoding,
    /// Foreign keys.
    pub references: Vec<Reference>,
    /// Full-text tables that are made from others: their name and what they are made from.
    pub external: Vec<(String, String)>,
}

impl Schema {
    /// Reads it all.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn load(connection: &Connection) -> Result<Self> {
        let kinds = kinds(connection)?;
        let opaque = opaque(connection, &kinds)?;
        let objects = objects(connection, &kinds, &opaque)?;
        let mut tables = Vec::new();
        let mut external = Vec::new();
        for object in objects.iter().filter(|object| object.kind == "table") {
            let made = is_virtual(&kinds, &object.name).then(|| recognise(&object.sql));
            let read = match &made {
                Some(Virtual::External(content)) => {
                    external.push((object.name.clone(), content.clone()));
                    false
                }
                Some(_) => !opaque.contains_key(&object.name),
                None => true,
            };
            if read {
                let without_rowid = kinds.get(&object.name).is_some_and(|kind| kind.without_rowid);
                let mut table = table(connection, &object.name, without_rowid, made.as_ref(), &object.sql)?;
                if is_statistics(&object.name)
                    || kinds.get(&object.name).is_some_and(|kind| kind.kind == "shadow" && owner(object, &opaque).is_some())
                {
                    table.relation.kind = RelationKind::Derived;
                }
                tables.push(table);
            }
        }
        tables.sort_by(|a, b| a.relation.name.cmp(&b.relation.name));
        let references = references(connection, &tables)?;
        let told =
            options(connection, objects.iter().filter(|object| is_virtual(&kinds, &object.name) && !opaque.contains_key(&object.name)))?;
        let objects = objects.into_iter().chain(told).collect();
        let definition = Definition {
            objects,
            pragmas: pragmas(connection)?,
            sequences: counters::numbers(connection)?,
            counters: counters::verbatim(connection)?,
            unstarted: Vec::new(),
        };
        let encoding = encoding(&definition);
        Ok(Self { tables, definition, encoding, references, external })
    }

    /// Unique columns of the models; what is unique as the key is, is left out.
    #[must_use]
    pub fn uniques(&self) -> Vec<Unique> {
        let mut uniques = Vec::new();
        for table in &self.tables {
            for index in table.unique.iter().filter(|index| !is_over(index, &table.relation)) {
                let (columns, folds) = (index.columns.clone(), index.folds().collect());
                uniques.push(Unique { model: table.relation.name.clone(), columns, folds });
            }
        }
        uniques.dedup();
        uniques
    }
}

/// How the database of this definition encodes text.
#[must_use]
pub fn encoding(definition: &Definition) -> Encoding {
    let named = definition.pragmas.iter().find(|(name, _)| name == "encoding");
    named.map_or(Encoding::Utf8, |(_, value)| Encoding::named(value))
}

struct Kind {
    kind: String,
    without_rowid: bool,
}

fn is_virtual(kinds: &HashMap<String, Kind>, name: &str) -> bool {
    kinds.get(name).is_some_and(|kind| kind.kind == "virtual")
}

fn kinds(connection: &Connection) -> Result<HashMap<String, Kind>> {
    let mut statement = connection.prepare("SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main'")?;
    statement.query_map([], |row| Ok((row.get(0)?, Kind { kind: row.get(1)?, without_rowid: row.get(2)? })))?.collect()
}

/// The virtual tables that cannot be read by their columns, with the statements that make them: full text that keeps no content, and
/// what needs a tokenizer or a function that only the application has.
fn opaque(connection: &Connection, kinds: &HashMap<String, Kind>) -> Result<HashMap<String, String>> {
    let mut statement = connection.prepare("SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND sql IS NOT NULL")?;
    let all = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<Vec<(String, String)>>>()?;
    let mut opaque = HashMap::new();
    for (name, sql) in all.into_iter().filter(|(name, _)| is_virtual(kinds, name)) {
        let reads = !matches!(recognise(&sql), Virtual::Opaque | Virtual::Other(_)) && can_be_read(connection, &name)?;
        if !reads {
            opaque.insert(name, sql);
        }
    }
    Ok(opaque)
}

/// Damage is met while reading.
fn can_be_read(connection: &Connection, table: &str) -> Result<bool> {
    let exists = |sql: &str| connection.prepare(sql).and_then(|mut first| first.exists([]));
    let first = exists(&format!("SELECT * FROM main.{} LIMIT 1", quoted(table)));
    // The rows of full text are read without its tokenizer; nothing else is done without it.
    let words = exists(&format!("SELECT 1 FROM main.{0} WHERE {0} MATCH 'a' LIMIT 1", quoted(table)));
    if words.is_err_and(|error| error.to_string().contains("no such tokenizer")) {
        return Ok(false);
    }
    match first {
        Ok(_) => Ok(true),
        Err(error) if salvage::is_damage(&error) => Ok(true),
        Err(error) if matches!(error.sqlite_error_code(), Some(ErrorCode::Unknown)) => Ok(false),
        Err(rusqlite::Error::SqlInputError { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The virtual table, of these, whose own table this is.
fn owner<'o>(object: &SchemaObject, among: &'o HashMap<String, String>) -> Option<&'o String> {
    let (name, part) = object.table.rsplit_once('_')?;
    among.iter().find(|(owner, sql)| owner.eq_ignore_ascii_case(name) && derived::keeps(sql, part)).map(|(owner, _)| owner)
}

/// What full-text tables were told; of what is copied as it is, that comes along.
fn options<'o>(connection: &Connection, tables: impl Iterator<Item = &'o SchemaObject>) -> Result<Vec<SchemaObject>> {
    let mut found = Vec::new();
    for table in tables {
        if let Some(module) = derived::full_text(&table.sql) {
            match options::of(connection, &table.name, &module) {
                // Damage is met, and told, while rows are read.
                Err(error) if salvage::is_damage(&error) => {}
                options => found.extend(options?),
            }
        }
    }
    Ok(found)
}

/// What ANALYZE writes: rows that the query planner reads.
fn is_statistics(name: &str) -> bool {
    name.get(..11).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_stat"))
}

/// Everything with a statement of its own, tables first, in the order in which it was made. What SQLite or a virtual table makes by
/// itself is left out, but for statistics and for the tables of what cannot be read otherwise.
fn objects(connection: &Connection, kinds: &HashMap<String, Kind>, opaque: &HashMap<String, String>) -> Result<Vec<SchemaObject>> {
    let mut statement = connection.prepare(
        "SELECT type, name, tbl_name, sql FROM main.sqlite_schema
         WHERE sql IS NOT NULL AND (name NOT LIKE 'sqlite\\_%' ESCAPE '\\' OR name LIKE 'sqlite\\_stat_' ESCAPE '\\')
         ORDER BY CASE type WHEN 'table' THEN sql LIKE 'CREATE VIRTUAL%' WHEN 'index' THEN 2 WHEN 'view' THEN 3 ELSE 4 END, rowid",
    )?;
    let all =
        statement.query_map([], |row| Ok(SchemaObject { kind: row.get(0)?, name: row.get(1)?, table: row.get(2)?, sql: row.get(3)? }))?;
    let all = all.collect::<Result<Vec<_>>>()?;
    let owners =
        all.iter().filter(|object| is_virtual(kinds, &object.name)).map(|object| (object.name.clone(), object.sql.clone())).collect();
    let is_shadow = |object: &SchemaObject| kinds.get(&object.table).is_some_and(|kind| kind.kind == "shadow");
    let is_kept = |object: &SchemaObject| !is_shadow(object) || owner(object, &owners).is_none_or(|owner| opaque.contains_key(owner));
    Ok(all.iter().filter(|object| is_kept(object)).cloned().collect())
}

struct Info {
    name: String,
    declared: String,
    not_null: bool,
    key_part: u32,
    hidden: u8,
}

fn table(connection: &Connection, name: &str, without_rowid: bool, made: Option<&Virtual>, sql: &str) -> Result<Table> {
    let mut statement = connection.prepare("SELECT name, type, \"notnull\", pk, hidden FROM pragma_table_xinfo(?, 'main')")?;
    let infos = statement.query_map([name], |row| {
        Ok(Info { name: row.get(0)?, declared: row.get(1)?, not_null: row.get(2)?, key_part: row.get(3)?, hidden: row.get(4)? })
    })?;
    let infos = infos.collect::<Result<Vec<_>>>()?;
    let rowid = ["rowid", "oid", "_rowid_"].into_iter().find(|alias| !infos.iter().any(|info| info.name.eq_ignore_ascii_case(alias)));
    let rowid = rowid.filter(|_| !without_rowid).map(ToOwned::to_owned);
    let (unique, primary_index) = unique_indexes(connection, name)?;
    let language = made.and_then(|_| derived::language_column(sql));
    let is_stored = |info: &&Info| info.hidden == 0 || language.as_ref().is_some_and(|language| info.name.eq_ignore_ascii_case(language));
    let mut columns: Vec<Column> = infos.iter().filter(is_stored).map(column).collect();
    let mut primary: Vec<&Info> = infos.iter().filter(|info| info.key_part > 0).collect();
    primary.sort_by_key(|info| info.key_part);
    let alias = !without_rowid && !primary_index && primary.len() == 1 && made.is_none();

    let (key, rowid_is_key) = match made {
        Some(Virtual::RTree) => (KeyKind::Columns(vec![0]), true),
        Some(_) => {
            columns.insert(0, rowid_column(rowid.as_deref(), Role::Data));
            (KeyKind::Columns(vec![0]), true)
        }
        None => {
            let names = key_names(&primary, &unique, &infos);
            let key = names.iter().map(|name| columns.iter().position(|column| column.name == *name)).collect::<Option<Vec<_>>>();
            fold_columns(&mut columns, &names, &unique);
            if !alias && rowid.is_some() && columns.len() < MOST_COLUMNS {
                columns.push(rowid_column(rowid.as_deref(), Role::Hidden));
            }
            (key.filter(|key| !key.is_empty()).map_or(KeyKind::WholeRow, KeyKind::Columns), alias)
        }
    };
    for &part in if let KeyKind::Columns(parts) = &key { parts.as_slice() } else { &[] } {
        columns[part].not_null |= rowid_is_key || without_rowid;
    }
    let relation = Relation { name: name.into(), module: String::new(), kind: RelationKind::Table, columns, key };
    Ok(Table { relation, rowid, rowid_is_key, is_virtual: made.is_some(), without_rowid, unique })
}

fn column(info: &Info) -> Column {
    Column { name: info.name.clone(), declared: info.declared.clone(), role: Role::Data, fold: Fold::Binary, not_null: info.not_null }
}

fn rowid_column(name: Option<&str>, role: Role) -> Column {
    let name = name.unwrap_or("rowid").to_owned();
    Column { name, declared: "INTEGER".into(), role, fold: Fold::Binary, not_null: role == Role::Data }
}

/// The primary key's columns, else those of the smallest unique index without NULLs.
fn key_names(primary: &[&Info], unique: &[UniqueIndex], infos: &[Info]) -> Vec<String> {
    if !primary.is_empty() {
        return primary.iter().map(|info| info.name.clone()).collect();
    }
    let place = |name: &String| infos.iter().position(|info| info.hidden == 0 && info.not_null && info.name == *name);
    let usable = unique.iter().filter_map(|index| Some((index.columns.iter().map(place).collect::<Option<Vec<_>>>()?, index)));
    let smallest = usable.min_by_key(|(places, _)| (places.len(), places.clone()));
    smallest.map(|(_, index)| index.columns.clone()).unwrap_or_default()
}

/// The collation that decides which keys are equal is the index's, which may differ from the column's own.
fn fold_columns(columns: &mut [Column], key: &[String], unique: &[UniqueIndex]) {
    let Some(index) = unique.iter().find(|index| index.columns == key) else { return };
    for (name, fold) in index.columns.iter().zip(index.folds()) {
        if let Some(column) = columns.iter_mut().find(|column| column.name == *name) {
            column.fold = fold;
        }
    }
}

/// What a collation makes equal; of one that only the application has, nothing is known.
fn fold_of(collation: &str) -> Fold {
    match collation.to_ascii_uppercase().as_str() {
        "NOCASE" => Fold::Nocase,
        "RTRIM" => Fold::Rtrim,
        _ => Fold::Binary,
    }
}

/// The unique indexes over columns alone, the primary key's first, and whether the primary key has one.
fn unique_indexes(connection: &Connection, table: &str) -> Result<(Vec<UniqueIndex>, bool)> {
    let mut list = connection.prepare(
        "SELECT name, origin = 'pk' FROM pragma_index_list(?, 'main') WHERE \"unique\" AND NOT partial ORDER BY origin <> 'pk', name",
    )?;
    let names = list.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<Vec<(String, bool)>>>()?;
    let has_primary = names.iter().any(|(_, primary)| *primary);
    let mut parts = connection.prepare("SELECT name, coll, \"desc\" FROM pragma_index_xinfo(?, 'main') WHERE key ORDER BY seqno")?;
    let mut found = Vec::new();
    for (name, primary) in names {
        let parts = parts.query_map([&name], |row| Ok(((row.get(0)?, row.get(1)?), row.get::<_, bool>(2)?)))?;
        let (parts, descends): (Vec<(Option<String>, String)>, Vec<bool>) = parts.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let mixed = descends.windows(2).any(|pair| pair[0] != pair[1]);
        let (columns, collations): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        if let Some(columns) = columns.into_iter().collect::<Option<Vec<String>>>() {
            found.push(UniqueIndex { name, columns, collations, mixed, primary });
        }
    }
    Ok((found, has_primary))
}

fn references(connection: &Connection, tables: &[Table]) -> Result<Vec<Reference>> {
    let mut statement =
        connection.prepare("SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?, 'main') ORDER BY id, seq")?;
    let mut references: Vec<Reference> = Vec::new();
    for table in tables {
        let from = &table.relation;
        let mut last = None;
        let mut rows = statement.query(params![from.name])?;
        while let Some(row) = rows.next()? {
            let (id, parent, column): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let parent = tables.iter().map(|table| &table.relation).find(|other| other.name.eq_ignore_ascii_case(&parent));
            let Some(parent) = parent else { continue };
            if last.replace(id) != Some(id) {
                let to = parent.name.clone();
                let (columns, to_columns, folds) = (Vec::new(), Vec::new(), Vec::new());
                references.push(Reference { from: from.name.clone(), columns, to, to_columns, folds });
            }
            let Some(reference) = references.last_mut() else { continue };
            let to: Option<String> = row.get(3)?;
            let implied = parent.key_columns().get(reference.columns.len()).map(|&part| parent.columns[part].name.clone());
            reference.columns.push(spelled(from, column));
            reference.to_columns.extend(to.map(|to| spelled(parent, to)).or(implied));
        }
    }
    for reference in &mut references {
        // A reference compares by the column's own collation, whichever index makes the column unique.
        let own = |column: &String| {
            let told = connection.column_metadata(Some("main"), reference.to.as_str(), column.as_str());
            told.ok().and_then(|told| told.1).map_or(Fold::Binary, |collation| fold_of(&collation.to_string_lossy()))
        };
        reference.folds = reference.to_columns.iter().map(own).collect();
    }
    Ok(references)
}

/// A column's name as its table spells it.
fn spelled(relation: &Relation, name: String) -> String {
    relation.columns.iter().find(|column| column.name.eq_ignore_ascii_case(&name)).map_or(name, |column| column.name.clone())
}

/// The pragmas that are data, in the order in which a new database takes them.
fn pragmas(connection: &Connection) -> Result<Vec<(String, String)>> {
    let mut pragmas = Vec::new();
    for name in ["page_size", "encoding", "auto_vacuum", "user_version", "application_id", "journal_mode"] {
        let value = connection.query_row(&format!("PRAGMA main.{name}"), [], |row| {
            Ok(match row.get_ref(0)? {
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                other => other.as_str()?.to_owned(),
            })
        })?;
        pragmas.push((name.into(), value));
    }
    Ok(pragmas)
}
