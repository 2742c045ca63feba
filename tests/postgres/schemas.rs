//! Schemas by chance with rows by chance, as SQL: tables of columns of any type under any name, and changes in all of them.
//!
//! Values come from the server itself, chosen by a hash of the row's number, so that thousands of rows are one statement.

use std::fmt::Write;

use proptest::prelude::*;

use crate::common::postgres::quoted;
use crate::kinds::{KINDS, Kind, TYPES};

const NAMES: [&str; 22] = [
    "a",
    "A",
    "id",
    "ID",
    "select",
    "user",
    "it's \"q\"",
    "two\nlines",
    "🦀",
    "x y",
    "Ä",
    "ä",
    "tab\t",
    "a.b",
    "$1",
    "back\\slash",
    "n",
    "1",
    ";",
    "--",
    "a name as long as any can be in PostgreSQL, of sixty-three lett",
    "value",
];

const ACTIONS: [&str; 4] = ["", "ON DELETE CASCADE", "ON DELETE SET NULL ON UPDATE CASCADE", "DEFERRABLE INITIALLY DEFERRED"];

const SCHEMAS: [&str; 2] = ["public", "odd; \"schema\" 🦀"];

#[derive(Clone, Debug)]
struct Column {
    name: usize,
    kind: usize,
    not_null: bool,
    has_default: bool,
    is_unique: bool,
    /// Computed from the column before it.
    is_made: bool,
}

impl Column {
    fn kind(&self) -> &'static Kind {
        &KINDS[self.kind]
    }

    fn name(&self) -> String {
        quoted(NAMES[self.name])
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Key {
    None,
    Always,
    ByDefault,
    Serial,
    /// So many of the columns that can be ordered.
    Columns(usize),
}

#[derive(Clone, Debug)]
struct Table {
    schema: usize,
    columns: Vec<Column>,
    key: Key,
    /// Which table, and what becomes of a reference to a record that goes.
    refers: Option<(usize, &'static str)>,
    index: Option<usize>,
    has_dropped: bool,
    is_unlogged: bool,
    rows: u32,
}

#[derive(Clone, Debug)]
pub struct Schema {
    tables: Vec<Table>,
    first_name: usize,
    seed: u32,
}

fn column() -> impl Strategy<Value = Column> {
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.2), prop::bool::weighted(0.1), prop::bool::weighted(0.15));
    (0..NAMES.len(), 0..KINDS.len(), flags).prop_map(|(name, kind, (not_null, has_default, is_unique, is_made))| Column {
        name,
        kind,
        not_null,
        has_default,
        is_unique,
        is_made,
    })
}

fn table() -> impl Strategy<Value = Table> {
    let key = prop_oneof![
        2 => Just(Key::None), 1 => Just(Key::Always), 1 => Just(Key::ByDefault), 1 => Just(Key::Serial), 4 => (1..4_usize).prop_map(Key::Columns)
    ];
    let refers = prop::option::weighted(0.5, (0..4_usize, prop::sample::select(&ACTIONS[..])));
    let rows = prop_oneof![1 => Just(0_u32), 5 => 1..60_u32, 2 => 1500..4000_u32];
    let more = (prop::option::weighted(0.4, 0..6_usize), prop::bool::weighted(0.3), prop::bool::weighted(0.1), rows);
    (0..SCHEMAS.len(), prop::collection::vec(column(), 0..8), key, refers, more).prop_map(
        |(schema, columns, key, refers, (index, has_dropped, is_unlogged, rows))| {
            let mut table = Table { schema, columns, key, refers, index, has_dropped, is_unlogged, rows };
            table.settle();
            table
        },
    )
}

/// One to four tables.
pub fn schema() -> impl Strategy<Value = Schema> {
    (prop::collection::vec(table(), 1..=4), 0..NAMES.len(), any::<u32>()).prop_map(|(mut tables, first_name, seed)| {
        let count = tables.len();
        // A table that is kept through a crash cannot refer to one that is not.
        let unlogged = tables.iter().all(|table| table.is_unlogged);
        for table in &mut tables {
            table.is_unlogged = unlogged;
            table.refers = table.refers.map(|(parent, action)| (parent % count, action));
        }
        Schema { tables, first_name, seed }
    })
}

/// Whether a row is among those that one in so many are.
fn is_one_in(many: u32, salt: u32) -> String {
    format!("(hashtext(ctid::text || '{salt}') & 2147483647) % {many} = 0")
}

impl Table {
    /// Makes it something that PostgreSQL accepts: no name twice, and what is made is made of something that is not.
    fn settle(&mut self) {
        let mut seen: Vec<usize> = Vec::new();
        self.columns.retain(|column| {
            let new = !seen.contains(&column.name);
            seen.push(column.name);
            new
        });
        let mut was_made = true;
        for column in &mut self.columns {
            column.is_made &= !was_made;
            was_made = column.is_made;
        }
    }

    fn key_columns(&self) -> Vec<&Column> {
        let Key::Columns(count) = self.key else { return Vec::new() };
        self.columns.iter().filter(|column| column.kind().sorts && !column.is_made).take(count).collect()
    }

    /// The one column of the key with its type.
    fn single_key(&self) -> Option<(String, String)> {
        match self.key {
            Key::None => None,
            Key::Columns(_) => match self.key_columns()[..] {
                [column] => Some((column.name(), column.kind().declared())),
                _ => None,
            },
            Key::Always | Key::ByDefault | Key::Serial => Some(("\"№\"".into(), "bigint".into())),
        }
    }

    fn definition(&self) -> Vec<String> {
        let mut parts: Vec<String> = self.has_dropped.then(|| "gone integer DEFAULT 7".to_owned()).into_iter().collect();
        for (at, column) in self.columns.iter().enumerate() {
            let name = column.name();
            if column.is_made {
                parts.push(format!("{name} boolean GENERATED ALWAYS AS ({} IS NULL) STORED", self.columns[at - 1].name()));
                continue;
            }
            let mut part = format!("{name} {}", column.kind().declared());
            if column.has_default {
                write!(part, " DEFAULT {}", column.kind().literal(0)).unwrap();
            }
            part += if column.not_null { " NOT NULL" } else { "" };
            part += if column.is_unique && column.kind().sorts { " UNIQUE" } else { "" };
            parts.push(part);
        }
        match self.key {
            Key::None => {}
            Key::Always => parts.push("\"№\" bigint GENERATED ALWAYS AS IDENTITY (INCREMENT BY -3) PRIMARY KEY".into()),
            Key::ByDefault => parts.push("\"№\" bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY".into()),
            Key::Serial => parts.insert(0, "\"№\" bigserial PRIMARY KEY".into()),
            Key::Columns(_) => {
                let key: Vec<String> = self.key_columns().iter().map(|column| column.name()).collect();
                parts.extend((!key.is_empty()).then(|| format!("PRIMARY KEY ({})", key.join(", "))));
            }
        }
        parts
    }

    /// A value for a column in row `n`.
    fn value(&self, column: &Column, salt: u32) -> String {
        let may_be_null = !column.not_null && !self.key_columns().iter().any(|key| key.name == column.name);
        column.kind().value(salt, may_be_null)
    }

    /// Rows of these numbers; one that is in the way of another stays out.
    fn insert(&self, name: &str, from: u32, to: u32, salt: u32) -> String {
        let written = self.columns.iter().filter(|column| !column.is_made);
        let (names, values): (Vec<_>, Vec<_>) = written.zip(salt..).map(|(column, salt)| (column.name(), self.value(column, salt))).unzip();
        let columns = if names.is_empty() { String::new() } else { format!("({})", names.join(", ")) };
        format!("INSERT INTO {name} {columns} SELECT {} FROM generate_series({from}, {to}) n ON CONFLICT DO NOTHING", values.join(", "))
    }
}

impl Schema {
    fn name(&self, place: usize) -> String {
        let name = NAMES[(self.first_name + place) % NAMES.len()];
        format!("{}.{}", quoted(SCHEMAS[self.tables[place].schema]), quoted(name))
    }

    /// The key of the table that a table refers to, where one column is the key.
    fn parent(&self, table: &Table) -> Option<(String, String, String)> {
        let (parent, _) = table.refers?;
        let (key, kind) = self.tables[parent].single_key()?;
        Some((self.name(parent), key, kind))
    }

    /// Lets rows refer to some rows of the parent, or to none.
    fn refer(&self, place: usize, salt: u32) -> Option<String> {
        let (parent, key, _) = self.parent(&self.tables[place])?;
        let name = self.name(place);
        Some(format!(
            "UPDATE {name} child SET \"→\" = p.k FROM (SELECT {key} AS k, row_number() OVER () AS r FROM {parent}) p
             WHERE p.r = (hashtext(child.ctid::text || '{salt}') & 63) AND child.ctid IS NOT NULL"
        ))
    }

    /// The statements that make the database with its rows.
    pub fn sql(&self) -> String {
        let mut sql = format!("SET client_min_messages = warning; CREATE SCHEMA {};\n{TYPES}", quoted(SCHEMAS[1]));
        for (place, table) in self.tables.iter().enumerate() {
            let (name, salt) = (self.name(place), self.seed.wrapping_add(100 * place as u32));
            let unlogged = if table.is_unlogged { "UNLOGGED" } else { "" };
            writeln!(sql, "CREATE {unlogged} TABLE {name} ({});", table.definition().join(", ")).unwrap();
            if table.rows > 0 {
                writeln!(sql, "{};", table.insert(&name, 1, table.rows, salt)).unwrap();
            }
            if table.has_dropped {
                writeln!(sql, "ALTER TABLE {name} DROP COLUMN gone;").unwrap();
            }
            let sorted: Vec<&Column> = table.columns.iter().filter(|column| column.kind().sorts && !column.is_made).collect();
            if let Some(column) = table.index.and_then(|at| sorted.get(at)) {
                writeln!(sql, "CREATE INDEX ON {name} ({0} DESC) WHERE {0} IS NOT NULL;", column.name()).unwrap();
            }
        }
        for (place, table) in self.tables.iter().enumerate() {
            let (Some((parent, key, kind)), Some((_, action))) = (self.parent(table), table.refers) else { continue };
            let name = self.name(place);
            let fill = self.refer(place, self.seed).unwrap();
            writeln!(sql, "ALTER TABLE {name} ADD COLUMN \"→\" {kind};\n{fill};").unwrap();
            writeln!(sql, "ALTER TABLE {name} ADD FOREIGN KEY (\"→\") REFERENCES {parent} ({key}) {action};").unwrap();
        }
        sql
    }

    /// Changes in every table. What a constraint refuses is passed over, whole statement by whole statement.
    pub fn changes(&self) -> String {
        let mut sql = String::new();
        let salt = self.seed.wrapping_add(7777);
        for (place, table) in self.tables.iter().enumerate() {
            let name = self.name(place);
            let salt = salt.wrapping_add(100 * place as u32);
            let mut attempts = vec![format!("DELETE FROM {name} WHERE {}", is_one_in(5, salt))];
            attempts.push(format!("DELETE FROM {name} WHERE ctid = (SELECT ctid FROM {name} ORDER BY ctid DESC LIMIT 1)"));
            for (column, salt) in table.columns.iter().filter(|column| !column.is_made).zip(salt..) {
                let value = table.value(column, salt);
                let is_key = column.is_unique || table.key_columns().iter().any(|key| key.name == column.name);
                let which = if is_key { format!("ctid = (SELECT ctid FROM {name} LIMIT 1)") } else { is_one_in(6, salt) };
                // The number that the value is chosen by is the row's own.
                let numbered = value.replace("(n)", "(hashtext(ctid::text))");
                attempts.push(format!("UPDATE {name} SET {} = {numbered} WHERE {which}", column.name()));
            }
            if salt.is_multiple_of(11) {
                attempts.push(format!("TRUNCATE {name} CASCADE"));
            }
            let news = if salt.is_multiple_of(3) { 300 } else { 8 };
            attempts.push(table.insert(&name, 1_000_001, 1_000_000 + news, salt));
            attempts.extend(self.refer(place, salt));
            for attempt in attempts {
                writeln!(
                    sql,
                    "DO $try$ BEGIN {attempt}; SET CONSTRAINTS ALL IMMEDIATE; EXCEPTION WHEN integrity_constraint_violation THEN NULL; END $try$;"
                )
                .unwrap();
            }
        }
        sql
    }
}
