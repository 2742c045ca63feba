//! What is made upon the rows, over two connections: which statements may run at once, and which of them next.
//!
//! What is known of a statement is read from its text; that may be too little (a partition is locked with its root), so a statement
//! that the server refuses here is only put aside, to be made again alone.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::hands::Hands;
use super::session::Session;
use super::statements::{continues_word, quoted};
use crate::sources::{Result, SchemaObject};

/// Objects in their order: one after the other, but where several may be made at once.
#[derive(Debug)]
pub enum Stretch<'o> {
    /// One that all before it are there for, and that all behind it may need.
    Alone(&'o SchemaObject),
    /// Objects that do not need each other.
    Together(Vec<Unit<'o>>),
}

/// An object with what is said of it.
#[derive(Clone, Debug)]
pub struct Unit<'o> {
    /// Its own statement, then those that follow from it.
    pub objects: &'o [SchemaObject],
    /// The table that it locks.
    table: &'o str,
    /// Whether nothing else can be done with the table meanwhile.
    alone: bool,
    /// How it is made.
    statements: Vec<String>,
    /// What takes back what of it is there already.
    pub undo: Option<String>,
}

/// The kinds of which many may be made at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Index,
    ForeignKey,
}

fn class(object: &SchemaObject) -> Option<Class> {
    match object.kind.as_str() {
        "index" | "constraint" => Some(Class::Index),
        "fk constraint" => Some(Class::ForeignKey),
        _ => None,
    }
}

/// Cuts the objects behind the rows, which are in the order of pg_dump.
#[must_use]
pub fn stretches(objects: &[SchemaObject]) -> Vec<Stretch<'_>> {
    let mut found: Vec<(Option<Class>, Stretch<'_>)> = Vec::new();
    let mut at = 0;
    while let Some(object) = objects.get(at) {
        // What the same header tells of, and comments, come after what they are about.
        let of_it = |next: &&SchemaObject| next.kind == "comment" || next.kind == object.kind && next.name == object.name;
        let end = at + 1 + objects[at + 1..].iter().take_while(of_it).count();
        let class = class(object);
        match class.and_then(|class| Some((class, Unit::of(class, &objects[at..end])?))) {
            Some((class, unit)) => {
                match found.last_mut() {
                    Some((Some(last), Stretch::Together(units))) if *last == class => units.push(unit),
                    _ => found.push((Some(class), Stretch::Together(vec![unit]))),
                }
                at = end;
            }
            None => {
                found.push((None, Stretch::Alone(object)));
                at += 1;
            }
        }
    }
    found.into_iter().map(|(_, stretch)| stretch).collect()
}

impl<'o> Unit<'o> {
    /// `None` where the statement is not understood.
    fn of(class: Class, objects: &'o [SchemaObject]) -> Option<Self> {
        let sql = objects.first()?.sql.as_str();
        let own = || objects.iter().map(|object| object.sql.clone());
        if let Some(index) = sql.strip_prefix("CREATE UNIQUE INDEX ").or_else(|| sql.strip_prefix("CREATE INDEX ")) {
            let (_, behind) = name(index)?;
            let (table, _) = name(only(behind.strip_prefix(" ON ")?))?;
            // Indexes may be made side by side, but not beside what else follows from one: ALTER TABLE … CLUSTER ON.
            let alone = objects[1..].iter().any(|object| object.kind != "comment");
            return Some(Self { objects, table, alone, statements: own().collect(), undo: None });
        }
        let (table, behind) = name(only(sql.strip_prefix("ALTER TABLE ")?))?;
        let unit = Self { objects, table, alone: true, statements: own().collect(), undo: None };
        if class == Class::Index {
            return Some(unit);
        }
        let (key, _) = name(behind.trim_start().strip_prefix("ADD CONSTRAINT ")?)?;
        let statement = sql.strip_suffix(';')?;
        if statement.ends_with(" NOT VALID") {
            return None;
        }
        // Only the second statement reads the rows, and while it does, other keys may refer to the same table.
        let altered = &sql[..sql.len() - behind.len()];
        let split = [format!("{statement} NOT VALID"), format!("{altered} VALIDATE CONSTRAINT {key}")];
        let statements = split.into_iter().chain(own().skip(1)).collect();
        Some(Self { statements, undo: Some(format!("{altered} DROP CONSTRAINT IF EXISTS {key}")), ..unit })
    }

    fn may_run_beside(&self, other: &Self) -> bool {
        self.table != other.table || !(self.alone || other.alone)
    }
}

fn only(text: &str) -> &str {
    text.strip_prefix("ONLY ").unwrap_or(text)
}

/// The name that a text begins with, with its schema where that stands there, and what is behind it.
fn name(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        let begin = at;
        at = match bytes.get(at)? {
            b'"' => quoted(bytes, at, b'"')?,
            _ => at + bytes[at..].iter().take_while(|byte| continues_word(**byte)).count(),
        };
        if at == begin {
            return None;
        }
        if bytes.get(at) != Some(&b'.') {
            return Some(text.split_at(at));
        }
        at += 1;
    }
}

/// The sizes of the tables, by their names as statements have them.
///
/// # Errors
/// What the server says.
pub fn sizes(session: &mut Session) -> Result<HashMap<String, u64>> {
    let rows = session.rows(
        "SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), pg_catalog.pg_relation_size(c.oid)
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'",
    )?;
    let sized = rows.into_iter().filter_map(|row| <[Option<String>; 2]>::try_from(row).ok());
    Ok(sized.filter_map(|[name, size]| Some((name?, size?.parse().ok()?))).collect())
}

/// Makes them over two connections, those of the largest tables first; gives those that the server refused, in their order.
///
/// # Errors
/// A connection that was lost.
pub fn make<'o>(hands: [&mut Hands; 2], mut units: Vec<Unit<'o>>, sizes: &HashMap<String, u64>) -> Result<Vec<Unit<'o>>> {
    let [first, second] = hands;
    if units.first().is_some_and(|unit| unit.undo.is_some()) {
        // A key locks both its tables: the first statement, which reads nothing, is run here for all of them.
        first.step()?;
    }
    let order: Vec<usize> = {
        let mut order: Vec<usize> = (0..units.len()).collect();
        order.sort_by_key(|&place| std::cmp::Reverse(sizes.get(units[place].table).copied().unwrap_or_default()));
        order
    };
    let mut refused = vec![false; units.len()];
    for (place, unit) in units.iter_mut().enumerate().filter(|(_, unit)| unit.undo.is_some()) {
        refused[place] = !first.try_step(&[unit.statements.remove(0)])?;
    }
    let waiting = order.into_iter().filter(|&place| !refused[place]).collect();
    let board = Board { units: &units, state: Mutex::new(State { waiting, running: Vec::new(), refused }), changed: Condvar::new() };
    std::thread::scope(|scope| {
        let other = std::thread::Builder::new().name("making".into()).spawn_scoped(scope, || board.work(second));
        let own = board.work(first);
        // Without a second thread the first has done all.
        let other = other.map_or(Ok(()), |other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        own.and(other)
    })?;
    let refused = board.state.into_inner().unwrap_or_else(PoisonError::into_inner).refused;
    Ok(units.into_iter().zip(refused).filter_map(|(unit, refused)| refused.then_some(unit)).collect())
}

/// What is to be done, as both connections see it.
struct Board<'u, 'o> {
    units: &'u [Unit<'o>],
    state: Mutex<State>,
    changed: Condvar,
}

/// Places of units.
struct State {
    waiting: Vec<usize>,
    running: Vec<usize>,
    refused: Vec<bool>,
}

impl Board<'_, '_> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, hands: &mut Hands) -> Result<()> {
        while let Some(place) = self.next() {
            let done = hands.try_step(&self.units[place].statements);
            let mut state = self.state();
            state.running.retain(|running| *running != place);
            match &done {
                Ok(done) => state.refused[place] = !done,
                // Nothing more is begun.
                Err(_) => state.waiting.clear(),
            }
            drop(state);
            self.changed.notify_all();
            done?;
        }
        Ok(())
    }

    /// The first that waits for none that runs; `None` at the end.
    fn next(&self) -> Option<usize> {
        let mut state = self.state();
        while !state.waiting.is_empty() {
            let is_free = |place: &usize| state.running.iter().all(|running| self.units[*place].may_run_beside(&self.units[*running]));
            match state.waiting.iter().position(is_free) {
                Some(found) => {
                    let place = state.waiting.remove(found);
                    state.running.push(place);
                    return Some(place);
                }
                None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
        None
    }
}
