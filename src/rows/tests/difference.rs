//! Differences and changes against a naive model.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::*;
use crate::rows::changes::{Changes, Pulled};
use crate::rows::difference::{Comparison, Counts, Difference, FieldKind, Projection};
use crate::rows::{Batch, ChangeRef};

fn differences(backup: (&Relation, Vec<Row>), live: (&Relation, Vec<Row>), ignored: &[usize]) -> (Vec<Difference>, Counts) {
    let ignored: BTreeSet<_> = ignored.iter().copied().collect();
    let mut comparison = Comparison::new(backup.1.into_iter().map(Ok::<_, Damage>), Projection::new(backup.0, live.0), &ignored);
    let mut found = Vec::new();
    let mut emit = |difference| {
        found.push(difference);
        Ok(ControlFlow::Continue(()))
    };
    for row in live.1 {
        assert!(comparison.live(row, &mut emit).unwrap().is_continue());
    }
    assert!(comparison.finish(&mut emit).unwrap().is_continue());
    (found, comparison.counts())
}

fn in_order(table: &BTreeMap<Key, Row>) -> Vec<Row> {
    table.values().cloned().collect()
}

fn visible_equal(a: &Row, b: &Row) -> bool {
    a.values[..3].iter().zip(&b.values[..3]).all(|(a, b)| a.same(b))
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn differences_are_what_a_map_would_find(backup in close_rows(), live in close_rows(), keyed: bool) {
        let relation = books(keyed);
        let (backup, live) = (table(&relation, backup), table(&relation, live));
        let (found, counts) = differences((&relation, in_order(&backup)), (&relation, in_order(&live)), &[]);
        let both = backup.keys().filter(|key| live.contains_key(key)).count() as u64;
        let identical = backup.iter().filter(|(key, row)| live.get(key).is_some_and(|live| visible_equal(row, live))).count() as u64;
        let wanted = Counts { new: backup.len() as u64 - both, identical, conflicts: both - identical, live_only: live.len() as u64 - both };
        prop_assert_eq!(counts, wanted);
        prop_assert_eq!(counts.total(), backup.len() as u64);
        prop_assert!(found.windows(2).all(|pair| pair[0].key() < pair[1].key()));
        for difference in found {
            if let Difference::Conflict { backup, live, fields } = difference {
                let differing: Vec<_> = (0..3).filter(|&column| !backup.values[column].same(&live.values[column])).collect();
                prop_assert_eq!(fields.iter().map(|field| field.column).collect::<Vec<_>>(), differing);
            }
        }
    }

    #[test]
    fn changes_bring_the_previous_side_to_the_live_one(previous in close_rows(), live in close_rows(), keyed: bool) {
        let relation = books(keyed);
        let (previous, live) = (table(&relation, previous), table(&relation, live));
        let mut model = previous.clone();
        let mut emitted = 0;
        let mut emit = |change: ChangeRef<'_>| {
            emitted += 1;
            match change {
                ChangeRef::Upsert(row) => model.insert(Key::from_bytes(row.key.to_vec()), row.to_row()),
                ChangeRef::Delete(key) => model.remove(&Key::from_bytes(key.to_vec())),
            };
            Ok::<_, Damage>(())
        };
        let known = previous.values().map(|row| Ok::<_, Damage>((row.key.clone(), row.digest())));
        let mut changes = Changes::new(Pulled::new(known));
        let mut batch = Batch::default();
        in_order(&live).into_iter().for_each(|row| batch.push(&relation, &row).unwrap());
        for row in batch.rows() {
            changes.live(row, &mut emit).unwrap();
        }
        changes.finish(&mut emit).unwrap();
        prop_assert_eq!(changes.upserts() + changes.deletes(), emitted);
        prop_assert_eq!(changes.unchanged() + changes.upserts(), live.len() as u64);
        prop_assert!(model.len() == live.len() && model.values().zip(live.values()).all(|(a, b)| same_row(a, b)));
        let unchanged = live.iter().filter(|(key, row)| previous.get(key).is_some_and(|before| before.digest() == row.digest())).count();
        prop_assert_eq!(changes.unchanged(), unchanged as u64);
    }
}

#[test]
fn a_differing_field_fills_changes_or_blanks() {
    let (null, empty, zero, text) = (Value::Null, Value::text(""), Value::Integer(0), Value::text("a"));
    assert_eq!(FieldKind::of(&text, &null), FieldKind::Fill);
    assert_eq!(FieldKind::of(&text, &empty), FieldKind::Fill);
    assert_eq!(FieldKind::of(&text, &zero), FieldKind::Change);
    assert_eq!(FieldKind::of(&null, &zero), FieldKind::Blank);
    assert_eq!(FieldKind::of(&null, &empty), FieldKind::Blank);
    assert_eq!(FieldKind::of(&empty, &null), FieldKind::Blank);
}

#[test]
fn columns_are_matched_by_name() {
    let backup = books(true);
    let mut live = backup.clone();
    live.columns.reverse();
    live.columns[1] = column("added", Role::Data, Fold::Binary);
    live.key = KeyKind::Columns(vec![3]);
    let projection = Projection::new(&backup, &live);
    assert_eq!((projection.backup_only(), projection.live_only()), (&["price".to_owned()][..], &["added".to_owned()][..]));
    assert!(!projection.key_changed());
    assert!(projection.is_stored(2) && !projection.is_stored(1));
    let now = |id: i64, title: &str| Row::new(&live, vec![Value::Integer(77), Value::text("x"), Value::text(title), Value::Integer(id)], 0);
    let (found, counts) =
        differences((&backup, vec![book(1, "a"), book(2, "b"), book(3, "c")]), (&live, vec![now(1, "a"), now(2, "B")]), &[]);
    assert_eq!(counts, Counts { new: 1, identical: 1, conflicts: 1, live_only: 0 });
    assert!(matches!(&found[1], Difference::Conflict { fields, .. } if fields.len() == 1 && fields[0].column == 2));
    assert!(matches!(&found[2], Difference::New(row) if row.values[1].is_null() && row.values[2].same(&Value::text("c"))));
}

#[test]
fn a_key_in_another_case_is_a_conflict_and_a_changed_key_is_told() {
    let relation = books(true);
    let named = |id: &str| Row::new(&relation, vec![Value::text(id), Value::Null, Value::Null, Value::Null], 0);
    let (found, counts) = differences((&relation, vec![named("abc")]), (&relation, vec![named("ABC")]), &[]);
    assert_eq!(counts.conflicts, 1);
    assert!(matches!(&found[0], Difference::Conflict { fields, .. } if fields[0].column == 0));
    let mut folded = relation.clone();
    folded.columns[0].fold = Fold::Binary;
    assert!(Projection::new(&relation, &folded).key_changed());
    assert!(Projection::new(&relation, &books(false)).key_changed());
}

#[test]
fn ignored_and_hidden_columns_are_not_compared() {
    let relation = books(true);
    let with =
        |title: &str, rowid: i64| Row::new(&relation, vec![Value::Integer(1), Value::text(title), Value::Null, Value::Integer(rowid)], 0);
    assert_eq!(differences((&relation, vec![with("a", 1)]), (&relation, vec![with("b", 2)]), &[1]).1.identical, 1);
    assert_eq!(differences((&relation, vec![with("a", 1)]), (&relation, vec![with("b", 2)]), &[]).1.conflicts, 1);
}

#[test]
fn equal_rows_without_a_key_are_paired_by_ordinal_whatever_their_rowids() {
    let relation = books(false);
    let copies = |rowids: &[i64]| {
        let values = |&rowid: &i64| vec![Value::Null, Value::text("a"), Value::Null, Value::Integer(rowid)];
        in_order(&table(&relation, rowids.iter().map(values).collect()))
    };
    let (_, counts) = differences((&relation, copies(&[1, 2, 5])), (&relation, copies(&[2, 5])), &[]);
    assert_eq!(counts, Counts { new: 1, identical: 2, conflicts: 0, live_only: 0 });
}

#[test]
fn rows_out_of_order_stop_a_comparison() {
    let relation = books(true);
    let comparison = |backup: Vec<Row>| {
        Comparison::new(backup.into_iter().map(Ok::<_, Damage>), Projection::new(&relation, &relation), &BTreeSet::new())
    };
    let mut emit = |_| Ok(ControlFlow::Continue(()));
    let mut live = comparison(vec![]);
    assert!(live.live(book(2, ""), &mut emit).unwrap().is_continue());
    assert!(matches!(live.live(book(1, ""), &mut emit), Err(Damage::Order { .. })));
    assert!(matches!(comparison(vec![book(2, ""), book(1, "")]).finish(&mut emit), Err(Damage::Order { .. })));
    let mut stopping = comparison(vec![book(1, ""), book(2, "")]);
    assert!(stopping.finish(&mut |_| Ok(ControlFlow::Break(()))).unwrap().is_break());
    assert_eq!(stopping.counts().new, 1);
}
