//! Properties of what rows become: they come back whole, meet by key as a naive model says, and damaged bytes are told.

mod batches;
mod difference;
mod golden;
mod runs;
mod segments;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::run::{ChunkKind, Fetch, RunKind, RunWriter, Store};
use super::{Change, Class, Column, Damage, Digest, Fold, Key, KeyKind, Large, Relation, RelationKind, Role, Row, Run, Value};

const BOUNDARY: [u8; 32] = [9; 32];

/// Keeps chunks in memory.
#[derive(Default)]
struct Chunks(RefCell<HashMap<Digest, Vec<u8>>>);

impl Store for Chunks {
    type Error = Damage;

    fn put(&self, _: ChunkKind, bytes: Vec<u8>) -> Result<Digest, Damage> {
        let digest = Digest::of(&bytes);
        self.0.borrow_mut().insert(digest, bytes);
        Ok(digest)
    }
}

impl Fetch for Chunks {
    type Error = Damage;

    fn get(&self, _: ChunkKind, chunk: &Digest) -> Result<Vec<u8>, Damage> {
        self.0.borrow().get(chunk).cloned().ok_or(Damage::Short { what: "store" })
    }
}

fn cases(few: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(few);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn column(name: &str, role: Role, fold: Fold) -> Column {
    Column { name: name.into(), declared: String::new(), role, fold, not_null: false }
}

/// Three columns that people see and a hidden one; the key is `id`, or there is none.
fn books(keyed: bool) -> Relation {
    Relation {
        name: "books".into(),
        module: String::new(),
        kind: RelationKind::Table,
        columns: vec![
            column("id", Role::Data, Fold::Nocase),
            column("title", Role::Data, Fold::Binary),
            column("price", Role::Data, Fold::Binary),
            column("rowid", Role::Hidden, Fold::Binary),
        ],
        key: if keyed { KeyKind::Columns(vec![0]) } else { KeyKind::WholeRow },
    }
}

fn book(id: i64, title: &str) -> Row {
    Row::new(&books(true), vec![Value::Integer(id), Value::text(title), Value::Null, Value::Integer(id)], 0)
}

fn value() -> impl Strategy<Value = Value> {
    let bytes = || prop_oneof![proptest::collection::vec(any::<u8>(), 0..12), proptest::collection::vec(Just(0), 0..4)];
    let real = prop_oneof![any::<f64>(), Just(-0.0), Just(0.0), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(1.0)];
    let large = (any::<bool>(), 16_385..u64::MAX, any::<[u8; 32]>(), proptest::collection::vec(any::<[u8; 32]>(), 0..4));
    prop_oneof![
        3 => Just(Value::Null),
        6 => prop_oneof![any::<i64>(), -3..3_i64, Just(i64::MIN), Just(i64::MAX)].prop_map(Value::Integer),
        3 => real.prop_map(Value::Real),
        6 => bytes().prop_map(Value::Text),
        3 => bytes().prop_map(Value::Blob),
        1 => large.prop_map(|(text, length, content, chunks)| Value::Large(Large {
            class: if text { Class::Text } else { Class::Blob },
            length,
            content: Digest(content),
            chunks: chunks.into_iter().map(Digest).collect(),
        })),
    ]
}

/// Rows as a source gives them: in key order, one a key, equal ones counted where there is no key.
fn table(relation: &Relation, rows: Vec<Vec<Value>>) -> BTreeMap<Key, Row> {
    let mut table = BTreeMap::new();
    for values in rows {
        let mut row = Row::new(relation, values, 0);
        while let (Some((digest, ordinal)), true) = (row.key.whole_row(), table.contains_key(&row.key)) {
            row.key = Key::of_row(digest, ordinal + 1);
        }
        table.entry(row.key.clone()).or_insert(row);
    }
    table
}

prop_compose! {
    fn rows(most: usize)(rows in proptest::collection::vec(proptest::collection::vec(value(), 4), 0..most)) -> Vec<Vec<Value>> {
        rows
    }
}

/// Rows whose keys collide often, so that two tables have much in common.
fn close_rows() -> impl Strategy<Value = Vec<Vec<Value>>> {
    let small =
        || prop_oneof![Just(Value::Null), Just(Value::text("")), Just(Value::text("a")), Just(Value::Integer(0)), Just(Value::Real(-0.0))];
    let id = prop_oneof![
        (0..40_i64).prop_map(Value::Integer),
        Just(Value::Real(3.0)),
        Just(Value::text("A")),
        Just(Value::text("a")),
        Just(Value::Null)
    ];
    let row = (id, small(), small(), 0..50_i64).prop_map(|(id, title, price, rowid)| vec![id, title, price, Value::Integer(rowid)]);
    proptest::collection::vec(row, 0..40)
}

fn same_row(a: &Row, b: &Row) -> bool {
    a.key == b.key && a.values.len() == b.values.len() && a.values.iter().zip(&b.values).all(|(a, b)| a.same(b) && chunks(a) == chunks(b))
}

fn chunks(value: &Value) -> &[Digest] {
    match value {
        Value::Large(large) => &large.chunks,
        _ => &[],
    }
}

fn same(a: &Change, b: &Change) -> bool {
    match (a, b) {
        (Change::Upsert(a), Change::Upsert(b)) => same_row(a, b),
        (Change::Delete(a), Change::Delete(b)) => a == b,
        _ => false,
    }
}

fn same_all(a: &[Change], b: &[Change]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
}

fn write(chunks: &Chunks, relation: &Relation, kind: RunKind, target: u32, changes: &[Change]) -> Run {
    let mut writer = RunWriter::new(chunks, relation, kind, &BOUNDARY, target);
    for change in changes {
        writer.push(change).unwrap();
    }
    writer.finish().unwrap()
}
