//! How closely the files of a backup belong to its database: the database's moment comes first, the files are read after it.

use std::cell::RefCell;
use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp};

use crate::rows::{Relation, RelationKind, Row, Value};
use crate::sources::files::relation::{is_folder, path_of, shown};
use crate::sources::{self, Content, Definition, Identity, Reference, SchemaObject, Sequences, Snapshot, Unique, Unread};
use crate::vault::Closeness;

/// So many files that changed after the database's moment are named.
const MOST_NAMED: usize = 20;

/// The file system's clock goes in steps of this size, so that what changed just after a moment can bear a time before it.
const STEP: SignedDuration = SignedDuration::from_millis(10);

/// A tree whose entries are looked at as they are read: what changed after the database's moment is noted.
pub struct Watched<'s> {
    tree: &'s dyn Snapshot,
    moment: Timestamp,
    seen: &'s RefCell<Closeness>,
}

impl<'s> Watched<'s> {
    /// Notes in `seen` what of `tree` changed after `moment`.
    #[must_use]
    pub fn new(tree: &'s dyn Snapshot, moment: Timestamp, seen: &'s RefCell<Closeness>) -> Self {
        Self { tree, moment: moment.checked_sub(STEP).unwrap_or(moment), seen }
    }

    fn look(&self, relation: &Relation, row: &Row) {
        if is_folder(row) || changed_at(relation, row).is_none_or(|time| time < self.moment) {
            return;
        }
        let mut seen = self.seen.borrow_mut();
        seen.changed += 1;
        if seen.files.len() < MOST_NAMED
            && let Some(path) = path_of(row)
        {
            seen.files.push(format!("{}/{}", relation.name, shown(path)));
        }
    }
}

fn changed_at(relation: &Relation, row: &Row) -> Option<Timestamp> {
    let number = |name: &str| match row.values.get(relation.column(name)?)? {
        Value::Integer(number) => Some(*number),
        _ => None,
    };
    Timestamp::new(number("mtime_s")?, i32::try_from(number("mtime_ns")?).ok()?).ok()
}

impl Snapshot for Watched<'_> {
    fn identity(&self) -> Identity {
        self.tree.identity()
    }

    fn relations(&self) -> &[Relation] {
        self.tree.relations()
    }

    fn definition(&self) -> sources::Result<Definition> {
        self.tree.definition()
    }

    fn sequences(&self) -> sources::Result<Sequences> {
        self.tree.sequences()
    }

    fn triggers(&self) -> sources::Result<Vec<SchemaObject>> {
        self.tree.triggers()
    }

    fn references(&self) -> &[Reference] {
        self.tree.references()
    }

    fn uniques(&self) -> &[Unique] {
        self.tree.uniques()
    }

    fn consistency(&self) -> serde_json::Value {
        self.tree.consistency()
    }

    fn scan(
        &self,
        relation: &Relation,
        content: &dyn Content,
        each: &mut dyn FnMut(Row) -> ControlFlow<()>,
    ) -> sources::Result<Vec<Unread>> {
        self.tree.scan(relation, content, &mut |row| {
            self.look(relation, &row);
            each(row)
        })
    }

    fn left_out(&self) -> Vec<String> {
        self.tree.left_out()
    }

    fn entry(&self, path: &[u8], content: &dyn Content) -> sources::Result<Option<Row>> {
        self.tree.entry(path, content)
    }

    fn covers(&self, row: &Row) -> bool {
        self.tree.covers(row)
    }
}

/// Whether a source is a tree of files.
#[must_use]
pub fn is_tree(source: &dyn Snapshot) -> bool {
    source.relations().first().is_some_and(|relation| relation.kind == RelationKind::Files)
}

/// How closely files and database belong together, in a sentence.
#[must_use]
pub fn in_words(closeness: &Closeness) -> String {
    let within = format!("all files were read within {:.1} s of the database's moment", closeness.seconds);
    match closeness.changed {
        0 => format!("{within}; none changed in between"),
        count => {
            let named = closeness.files.join(", ");
            let more = count.saturating_sub(closeness.files.len() as u64);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{within}; {count} changed in between: {named}{more}")
        }
    }
}
