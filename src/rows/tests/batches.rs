//! Batches against rows that stand by themselves.

use super::*;
use crate::rows::{Batch, ChangeRef};

fn batch_of<'r>(relation: &Relation, rows: impl IntoIterator<Item = &'r Row>) -> Batch {
    let mut batch = Batch::default();
    rows.into_iter().for_each(|row| batch.push(relation, row).unwrap());
    batch
}

fn is(found: &Row, wanted: &Row) -> bool {
    same_row(found, wanted) && found.digest() == wanted.digest()
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn rows_come_back_from_a_batch_with_their_keys_digests_and_weights(rows in rows(60), keyed: bool) {
        let relation = books(keyed);
        let table: Vec<Row> = table(&relation, rows).into_values().collect();
        let mut batch = batch_of(&relation, &table);
        let weight = batch.weight();
        prop_assert_eq!((batch.len(), weight), (table.len(), table.iter().map(Row::weight).sum()));
        for (found, wanted) in batch.rows().zip(&table) {
            prop_assert!(is(&found.to_row(), wanted), "{found:?} {wanted:?}");
            prop_assert_eq!((found.digest, found.weight), (wanted.digest(), wanted.weight()));
            prop_assert!(found.cells().zip(&wanted.values).all(|(cell, value)| cell.to_value().same(value)));
        }
    }

    #[test]
    fn a_run_is_the_same_however_its_rows_came(rows in rows(120), keyed: bool, split: proptest::sample::Index) {
        let (chunks, relation) = (Chunks::default(), books(keyed));
        let table: Vec<Row> = table(&relation, rows).into_values().collect();
        let one_by_one: Vec<_> = table.iter().cloned().map(Change::Upsert).collect();
        let wanted = write(&chunks, &relation, RunKind::Base, 16, &one_by_one);
        let (first, second) = table.split_at(split.index(table.len() + 1));
        let mut writer = RunWriter::new(&chunks, &relation, RunKind::Base, &BOUNDARY, 16);
        writer.take_all(&mut batch_of(&relation, first)).unwrap();
        batch_of(&relation, second).rows().try_for_each(|row| writer.take(ChangeRef::Upsert(row))).unwrap();
        prop_assert_eq!(writer.finish().unwrap(), wanted);
    }
}

#[test]
fn a_row_that_is_taken_back_or_broken_off_leaves_nothing() {
    let relation = books(true);
    let large = Large { class: Class::Blob, length: 40_000, content: Digest([1; 32]), chunks: vec![Digest([2; 32])] };
    let with_large = Row::new(&relation, vec![Value::Integer(2), Value::Large(large.clone()), Value::Null, Value::Null], 0);
    let (first, last) = (book(1, &"long ".repeat(100)), book(3, ""));
    let mut batch = batch_of(&relation, [&first, &with_large]);
    let weight = batch.weight() - with_large.weight();
    assert!(batch.rows().count() == 2);
    batch.pop();
    assert_eq!((batch.len(), batch.weight(), batch.last_key()), (1, weight, Some(first.key.as_bytes())));
    batch.begin();
    batch.large(large);
    batch.push(&relation, &last).unwrap();
    let rows: Vec<Row> = batch.rows().map(|row| row.to_row()).collect();
    assert!(rows.len() == 2 && is(&rows[0], &first) && is(&rows[1], &last));
    batch.clear();
    assert!(batch.is_empty() && batch.rows().next().is_none() && batch.last_key().is_none());
    batch.push(&relation, &with_large).unwrap();
    assert!(is(&batch.rows().next().unwrap().to_row(), &with_large));
}

#[test]
fn a_value_too_large_for_a_row_keeps_its_content() {
    let relation = books(true);
    let row = Row::new(&relation, vec![Value::Integer(1), Value::Text(vec![b'x'; 20_000]), Value::Null, Value::Null], 0);
    let mut batch = batch_of(&relation, [&row]);
    assert!(is(&batch.rows().next().unwrap().to_row(), &row));
}

#[test]
fn a_row_with_a_strange_key_or_too_few_values_is_refused() {
    let relation = books(true);
    let mut batch = batch_of(&relation, [&book(1, "a")]);
    let stranger = Row { key: book(3, "").key, ..book(2, "") };
    assert!(matches!(batch.push(&relation, &stranger), Err(Damage::Unfit { .. })));
    let short = Row { values: vec![Value::Integer(2)], ..book(2, "") };
    assert!(matches!(batch.push(&relation, &short), Err(Damage::Unfit { .. })));
    assert_eq!(batch.rows().count(), 1);
}
