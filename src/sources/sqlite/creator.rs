//! A database made anew: built under a temporary name beside its place, flushed, and put there in one step.
//!
//! What needs a collation, a function or a module that only the application has is made as far as it can be made
//! exactly, and named.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, params, params_from_iter};

use super::derived::{self, Virtual, recognise};
use super::encoding::Encoding;
use super::open::{is_full, words};
use super::options;
use super::schema;
use super::values::{Bound, quoted, quoted_list};
use crate::rows::{Batch, Cell, Relation, Row};
use crate::sources::{Creator, Definition, Error, Resolve, Result, SchemaObject, partial};

pub(super) struct SqliteCreator {
    path: PathBuf,
    // Before the file, so that it is closed before the file is removed.
    connection: Connection,
    file: tempfile::NamedTempFile,
    definition: Definition,
    encoding: Encoding,
    /// Models that have rows.
    filled: BTreeSet<String>,
    /// Collations that stand in for the application's.
    collations: BTreeSet<String>,
    /// Objects that only a row in `sqlite_schema` can bring back.
    verbatim: Vec<SchemaObject>,
    missed: Vec<String>,
}

/// KiB of pages that are held: for keys that come in any order, and for indexes that are made.
const CACHE: u32 = 48 << 10;
/// As long as a row is written with a value that is longer than [`HUGE`]: SQLite holds it and the row made of it.
const CACHE_BESIDE_HUGE: u32 = 4 << 10;
const HUGE: u64 = 16 << 20;

impl SqliteCreator {
    pub(super) fn begin(path: &Path, definition: &Definition) -> Result<Self> {
        let failed = |source| Error::Io { what: path.display().to_string(), source };
        let folder = path.parent().unwrap_or(Path::new("/"));
        partial::sweep(folder);
        let file = tempfile::Builder::new().prefix(partial::PREFIX).suffix(partial::SUFFIX).tempfile_in(folder).map_err(failed)?;
        partial::hold(file.as_file()).map_err(failed)?;
        let connection = Connection::open(file.path()).map_err(|error| database(path, &error))?;
        let mut creator = Self {
            path: path.into(),
            connection,
            file,
            definition: definition.clone(),
            encoding: schema::encoding(definition),
            filled: BTreeSet::new(),
            collations: BTreeSet::new(),
            verbatim: Vec::new(),
            missed: Vec::new(),
        };
        creator.configure()?;
        for object in definition.objects.iter().filter(|object| object.kind == "table") {
            creator.table(object)?;
        }
        Ok(creator)
    }

    /// No journal on the disk: what is not finished is removed. Rows that break a check today were let in by the application once.
    fn configure(&self) -> Result<()> {
        self.config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        self.config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, true)?;
        self.config(DbConfig::SQLITE_DBCONFIG_DQS_DML, true)?;
        for name in ["page_size", "encoding", "auto_vacuum"] {
            if let Some(value) = self.pragma(name) {
                self.run(&format!("PRAGMA {name} = '{}'", value.replace('\'', "''")))?;
            }
        }
        self.run(
            "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;
             PRAGMA temp_store = FILE; BEGIN",
        )?;
        self.cache(CACHE)
    }

    /// Holds no more than so many KiB of pages from here on.
    fn cache(&self, most: u32) -> Result<()> {
        self.run(&format!("PRAGMA cache_size = -{most}"))
    }

    fn config(&self, setting: DbConfig, on: bool) -> Result<()> {
        self.connection.set_db_config(setting, on).map(drop).map_err(|error| database(&self.path, &error))
    }

    fn pragma(&self, name: &str) -> Option<&str> {
        self.definition.pragmas.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn run(&self, sql: &str) -> Result<()> {
        self.connection.execute_batch(sql).map_err(|error| database(&self.path, &error))
    }

    fn table(&mut self, object: &SchemaObject) -> Result<()> {
        if self.is_carried(object) {
            self.verbatim.push(object.clone());
            return Ok(());
        }
        // Tables that SQLite itself would make are allowed only so.
        let reserved = object.name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"));
        if reserved {
            self.run("PRAGMA writable_schema = ON")?;
        }
        let made = self.make(object);
        if reserved {
            self.run("PRAGMA writable_schema = OFF")?;
        }
        match made {
            Ok(()) => Ok(()),
            Err(error) if missing(&error, "module").is_some() => {
                let module = missing(&error, "module").unwrap_or_default();
                self.missed.push(format!("{}: made, but its module {module} is the application's own and was not tried", object.name));
                self.verbatim.push(object.clone());
                Ok(())
            }
            Err(error) => Err(Error::Unfit { model: object.name.clone(), why: words(&error) }),
        }
    }

    /// Whether the tables that this virtual table keeps for itself are among the others: then they are filled, and its own statement
    /// is only noted.
    fn is_carried(&self, object: &SchemaObject) -> bool {
        is_virtual(object) && self.definition.objects.iter().any(|other| is_own_table(object, other))
    }

    /// A full-text index whose own tables were left out by a backup that was narrowed is made anew, empty: without any row it would
    /// be damaged.
    fn uncarried(&mut self) -> Result<()> {
        let carried: Vec<SchemaObject> = self.verbatim.iter().filter(|object| self.is_carried(object)).cloned().collect();
        let never_without_rows =
            |object: &&SchemaObject| !matches!(recognise(&object.sql), Virtual::Other(_)) && derived::keeps(&object.sql, "data");
        for object in carried.iter().filter(never_without_rows) {
            let own: Vec<String> =
                self.definition.objects.iter().filter(|other| is_own_table(object, other)).map(|own| own.name.clone()).collect();
            if own.iter().any(|name| self.filled.contains(name)) {
                continue;
            }
            let drops = own.iter().map(|name| format!("DROP TABLE {};", quoted(name))).collect::<String>();
            if self.run(&format!("SAVEPOINT emptied; {drops}")).is_ok() && self.make(object).is_ok() {
                self.verbatim.retain(|other| other.name != object.name);
                self.run("RELEASE emptied")?;
            } else {
                self.run("ROLLBACK TO emptied; RELEASE emptied")?;
            }
        }
        Ok(())
    }

    /// Makes an object; a collation or function it lacks is put in the place of the application's, and it is tried again.
    fn make(&mut self, object: &SchemaObject) -> rusqlite::Result<()> {
        if !object.sql.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("CREATE ")) {
            return Err(rusqlite::Error::InvalidQuery);
        }
        let mut supplied = BTreeSet::new();
        loop {
            let Err(error) = self.connection.execute(&object.sql, []) else { return Ok(()) };
            let collation = missing(&error, "collation sequence");
            let function = missing(&error, "function");
            let Some(name) = collation.as_ref().or(function.as_ref()) else { return Err(error) };
            if !supplied.insert(name.clone()) {
                return Err(error);
            }
            match &collation {
                Some(name) => {
                    self.connection.create_collation(name.as_str(), |a: &str, b: &str| a.cmp(b))?;
                    self.collations.insert(name.to_ascii_lowercase());
                }
                None => stand_in(&self.connection, name)?,
            }
        }
    }

    fn index(&mut self, object: &SchemaObject) -> Result<()> {
        if let Err(error) = self.make(object) {
            self.missed.push(format!("index {} of {}: {}", object.name, object.table, words(&error)));
        } else if let Some(collation) = self.foreign_collation(&object.name)? {
            self.run(&format!("DROP INDEX {}", quoted(&object.name)))?;
            let why = format!("it needs the collation {collation}, which only the application has");
            self.missed.push(format!("index {} of {}: {why}", object.name, object.table));
        }
        Ok(())
    }

    /// The first collation of an index for which a stand-in was used.
    fn foreign_collation(&self, index: &str) -> Result<Option<String>> {
        let said = |error| database(&self.path, &error);
        let mut statement = self.connection.prepare("SELECT coll FROM pragma_index_xinfo(?, 'main') WHERE key").map_err(said)?;
        let used =
            statement.query_map([index], |row| row.get::<_, String>(0)).map_err(said)?.collect::<Result<Vec<_>, _>>().map_err(said)?;
        Ok(used.into_iter().find(|name| self.collations.contains(&name.to_ascii_lowercase())))
    }

    /// Unique constraints make indexes of their own, which cannot be left out; only the application can put them into its order.
    fn constraints(&mut self) -> Result<()> {
        if self.collations.is_empty() {
            return Ok(());
        }
        let said = |error| database(&self.path, &error);
        let found = {
            let mut statement = self
                .connection
                .prepare("SELECT t.name, i.name FROM main.sqlite_schema t, pragma_index_list(t.name, 'main') i WHERE t.type = 'table' AND i.origin <> 'c'")
                .map_err(said)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(said)?;
            rows.collect::<Result<Vec<(String, String)>, _>>().map_err(said)?
        };
        for (table, index) in found {
            if let Some(collation) = self.foreign_collation(&index)? {
                let remedy = "run REINDEX in the application before it is used";
                self.missed
                    .push(format!("{table}: its unique key needs the collation {collation}, which only the application has; {remedy}"));
            }
        }
        Ok(())
    }

    /// Full text that is made from other tables or views is made again.
    fn full_text(&mut self) -> Result<()> {
        let tables: Vec<SchemaObject> = self.definition.objects.iter().filter(|object| is_virtual(object)).cloned().collect();
        for object in tables.iter().filter(|object| self.verbatim.iter().all(|other| other.name != object.name)) {
            match recognise(&object.sql) {
                Virtual::Opaque => self.missed.push(format!("{}: made empty; the backup was narrowed and lacks its index", object.name)),
                Virtual::External(_) => {
                    let name = quoted(&object.name);
                    if let Err(error) = self.connection.execute(&format!("INSERT INTO {name}({name}) VALUES ('rebuild')"), []) {
                        self.missed.push(format!("{}: its full text was not rebuilt: {}", object.name, words(&error)));
                    }
                }
                _ => {}
            }
        }
        self.options()
    }

    /// What full-text tables were told; of one that was not made nobody asks.
    fn options(&mut self) -> Result<()> {
        for option in self.definition.objects.iter().filter(|object| object.kind == options::KIND) {
            let made = self.definition.objects.iter().find(|object| is_virtual(object) && object.name == option.table);
            let Some(module) = made.and_then(|made| derived::full_text(&made.sql)) else { continue };
            if let Err(error) = options::set(&self.connection, option, &module) {
                self.missed.push(format!("{}: its option {} is not set: {}", option.table, option.name, words(&error)));
            }
        }
        Ok(())
    }

    fn objects_behind_rows(&mut self) -> Result<()> {
        for object in self.definition.objects.clone() {
            match object.kind.as_str() {
                "table" | options::KIND => {}
                "index" => self.index(&object)?,
                _ if self.make(&object).is_err() => self.verbatim.push(object),
                _ => {}
            }
        }
        Ok(())
    }

    fn sequences(&self) -> Result<()> {
        let said = |error| database(&self.path, &error);
        if !self
            .connection
            .prepare("SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_sequence'")
            .and_then(|mut found| found.exists([]))
            .map_err(said)?
        {
            return Ok(());
        }
        self.run("DELETE FROM sqlite_sequence")?;
        for (table, value) in &self.definition.sequences {
            self.connection.execute("INSERT INTO sqlite_sequence(name, seq) VALUES (?, ?)", params![table, value]).map_err(said)?;
        }
        Ok(())
    }

    /// A view, trigger or virtual table has no pages of its own: its row in the schema is all of it.
    fn verbatim(&self) -> Result<()> {
        if self.verbatim.is_empty() {
            return Ok(());
        }
        self.run("PRAGMA writable_schema = ON")?;
        for object in &self.verbatim {
            let sql = "INSERT INTO main.sqlite_schema(type, name, tbl_name, rootpage, sql) VALUES (?, ?, ?, 0, ?)";
            let added = self.connection.execute(sql, params![object.kind, object.name, object.table, object.sql]);
            added.map_err(|error| database(&self.path, &error))?;
        }
        self.run("PRAGMA writable_schema = OFF")
    }

    /// Pragmas that are data, then the journal mode, which a transaction cannot change.
    fn pragmas(&self) -> Result<()> {
        for name in ["user_version", "application_id"] {
            if let Some(value) = self.pragma(name).and_then(|value| value.parse::<i64>().ok()) {
                self.run(&format!("PRAGMA {name} = {value}"))?;
            }
        }
        self.run("COMMIT")?;
        let wal = self.pragma("journal_mode").is_some_and(|mode| mode.eq_ignore_ascii_case("wal"));
        if wal { self.run("PRAGMA journal_mode = WAL") } else { Ok(()) }
    }
}

impl Creator for SqliteCreator {
    fn add(&mut self, relation: &Relation, row: &Row, content: &dyn Resolve) -> Result<()> {
        let mut batch = Batch::default();
        batch.push(relation, row)?;
        self.add_all(relation, &mut batch, content)
    }

    fn add_all(&mut self, relation: &Relation, batch: &mut Batch, content: &dyn Resolve) -> Result<()> {
        let columns = quoted_list(relation.columns.iter().map(|column| column.name.as_str()));
        let insert = |places: &[&str]| format!("INSERT OR ABORT INTO {}({columns}) VALUES ({})", quoted(&relation.name), places.join(", "));
        if !batch.is_empty() && !self.filled.contains(&relation.name) {
            self.filled.insert(relation.name.clone());
        }
        let (path, encoding) = (&self.path, self.encoding);
        let said = |error: rusqlite::Error| match is_full(&error) {
            true => database(path, &error),
            false => Error::Unfit { model: relation.name.clone(), why: words(&error) },
        };
        let mut plain = self.connection.prepare_cached(&insert(&vec!["?"; relation.columns.len()])).map_err(said)?;
        for row in batch.rows() {
            let huge = row.cells().any(|cell| matches!(cell, Cell::Large(large) if large.length > HUGE));
            if huge {
                self.cache(CACHE_BESIDE_HUGE)?;
                self.connection.cache_flush().and_then(|()| self.connection.release_memory()).map_err(said)?;
            }
            let values = row.cells().map(|cell| Bound::new(cell, encoding, &relation.name, content)).collect::<Result<Vec<_>>>()?;
            if values.iter().any(Bound::is_stored) {
                let places: Vec<&str> = values.iter().map(Bound::place).collect();
                let cast = self.connection.prepare_cached(&insert(&places));
                cast.and_then(|mut cast| cast.execute(params_from_iter(values))).map_err(said)?;
            } else {
                // Each is let go once SQLite has its own copy of it: it makes one more of the whole row.
                plain.execute(params_from_iter(values)).map_err(said)?;
            }
            if huge {
                self.cache(CACHE)?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<String>> {
        self.constraints()?;
        self.uncarried()?;
        self.objects_behind_rows()?;
        self.full_text()?;
        self.sequences()?;
        self.verbatim()?;
        self.pragmas()?;
        let Self { path, connection, file, missed, .. } = *self;
        connection.close().map_err(|(_, error)| database(&path, &error))?;
        // A schema that cannot be read again would be found by the application only.
        let again = Connection::open(file.path()).and_then(|again| schema::Schema::load(&again).map(drop));
        again.map_err(|error| database(&path, &error))?;
        let failed = |source| Error::Io { what: path.display().to_string(), source };
        file.as_file().sync_all().map_err(failed)?;
        file.persist_noclobber(&path).map_err(|error| match error.error.kind() {
            std::io::ErrorKind::AlreadyExists => Error::Exists { what: path.display().to_string() },
            _ => failed(error.error),
        })?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(missed)
    }
}

/// Whether `other` is a table that the virtual table keeps for itself.
fn is_own_table(object: &SchemaObject, other: &SchemaObject) -> bool {
    let own = |(name, part): (&str, &str)| name.eq_ignore_ascii_case(&object.name) && derived::keeps(&object.sql, part);
    other.kind == "table" && !is_virtual(other) && other.name.rsplit_once('_').is_some_and(own)
}

fn is_virtual(object: &SchemaObject) -> bool {
    object.kind == "table" && object.sql.get(..14).is_some_and(|start| start.eq_ignore_ascii_case("CREATE VIRTUAL"))
}

/// The name of the thing of this kind that a statement lacked, as SQLite's message gives it.
fn missing(error: &rusqlite::Error, kind: &str) -> Option<String> {
    let message = match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message,
        rusqlite::Error::SqlInputError { msg, .. } => msg,
        _ => return None,
    };
    let (_, name) = message.split_once(&format!("no such {kind}: "))?;
    Some(name.trim_end_matches("()").to_owned())
}

/// Lets a statement that names the function be made; computing with it fails, so nothing wrong is ever stored.
fn stand_in(connection: &Connection, name: &str) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    let why = format!("it needs the function {name}, which only the application has");
    connection.create_scalar_function(name, -1, flags, move |_| -> rusqlite::Result<i64> {
        Err(rusqlite::Error::UserFunctionError(why.clone().into()))
    })
}

fn database(path: &Path, error: &rusqlite::Error) -> Error {
    if is_full(error) {
        return Error::Full { what: path.display().to_string() };
    }
    Error::Database { what: path.display().to_string(), why: words(error) }
}
