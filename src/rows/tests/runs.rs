//! Runs and their merge against a naive model.

use super::*;
use crate::rows::run::{RunReader, Segments};
use crate::rows::{Batch, RowDigest, merge, segment};

fn read(chunks: &Chunks, relation: &Relation, run: &Run) -> Result<Vec<Change>, Damage> {
    RunReader::new(chunks, relation, run).collect()
}

/// What runs make together, read in batches.
fn filled(chunks: &Chunks, relation: &Relation, runs: &[Run]) -> Result<Vec<(Row, RowDigest)>, Damage> {
    let (mut rows, mut batch, mut found) = (merge::Rows::new(chunks, relation, runs), Batch::default(), Vec::new());
    loop {
        rows.fill(&mut batch)?;
        if batch.is_empty() {
            return Ok(found);
        }
        let weight = batch.weight();
        let weights: usize = batch.rows().map(|row| row.to_row().weight()).sum();
        assert_eq!(weight, weights);
        found.extend(batch.rows().map(|row| (row.to_row(), row.digest)));
        batch.clear();
    }
}

fn upserts(rows: impl IntoIterator<Item = Row>) -> Vec<Change> {
    rows.into_iter().map(Change::Upsert).collect()
}

fn segments(chunks: &Chunks, run: &Run) -> Vec<crate::rows::run::SegmentRef> {
    Segments::new(chunks, run).collect::<Result<_, _>>().unwrap()
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn a_run_gives_back_what_it_was_given(rows in rows(300), keyed: bool) {
        let (chunks, relation) = (Chunks::default(), books(keyed));
        let changes = upserts(table(&relation, rows).into_values());
        let run = write(&chunks, &relation, RunKind::Base, 16, &changes);
        prop_assert_eq!(run.rows, changes.len() as u64);
        prop_assert!(same_all(&read(&chunks, &relation, &run).unwrap(), &changes));
    }

    #[test]
    fn merged_runs_are_what_a_map_would_be(base in close_rows(), steps in proptest::collection::vec((close_rows(), any::<u64>()), 0..4), keyed: bool) {
        let (chunks, relation) = (Chunks::default(), books(keyed));
        let mut model = table(&relation, base);
        let mut runs = vec![write(&chunks, &relation, RunKind::Base, 16, &upserts(model.values().cloned()))];
        let mut changed: BTreeMap<Key, Change> = BTreeMap::new();
        for (rows, deletes) in steps {
            let mut step: BTreeMap<Key, Change> = table(&relation, rows).into_iter().map(|(key, row)| (key, Change::Upsert(row))).collect();
            let gone = model.keys().enumerate().filter(|(index, _)| deletes >> (index % 64) & 1 == 1).map(|(_, key)| key.clone());
            step.extend(gone.map(|key| (key.clone(), Change::Delete(key))).collect::<Vec<_>>());
            for (key, change) in &step {
                match change {
                    Change::Upsert(row) => model.insert(key.clone(), row.clone()),
                    Change::Delete(key) => model.remove(key),
                };
            }
            let changes: Vec<_> = step.values().cloned().collect();
            runs.push(write(&chunks, &relation, RunKind::Change, 16, &changes));
            changed.extend(step);
        }
        let readers = |runs: &[Run]| runs.iter().rev().map(|run| RunReader::new(&chunks, &relation, run)).map(Iterator::collect::<Vec<_>>).map(Vec::into_iter).collect::<Vec<_>>();
        let merged: Vec<Row> = merge::rows(readers(&runs)).collect::<Result<_, Damage>>().unwrap();
        prop_assert!(merged.len() == model.len() && merged.iter().zip(model.values()).all(|(a, b)| same_row(a, b)));
        let filled = filled(&chunks, &relation, &runs).unwrap();
        prop_assert!(filled.len() == model.len() && filled.iter().zip(model.values()).all(|((a, digest), b)| same_row(a, b) && *digest == b.digest()));

        let fold = |runs: &[Run], kind| merge::fold(readers(runs), RunWriter::new(&chunks, &relation, kind, &BOUNDARY, 16)).unwrap();
        let folded = fold(&runs[1..], RunKind::Change);
        let wanted: Vec<_> = changed.into_values().collect();
        prop_assert!(same_all(&read(&chunks, &relation, &folded).unwrap(), &wanted));
        let base = fold(&runs, RunKind::Base);
        prop_assert!(same_all(&read(&chunks, &relation, &base).unwrap(), &upserts(model.into_values())));
    }
}

fn shelf(rows: i64) -> Vec<Change> {
    upserts((0..rows).map(|id| book(id * 2, &format!("title {}", id % 7))))
}

#[test]
fn runs_are_read_in_batches_with_few_changes_among_many_rows() {
    let (chunks, relation) = (Chunks::default(), books(true));
    let large = Large { class: Class::Blob, length: 40_000, content: Digest([1; 32]), chunks: vec![Digest([2; 32])] };
    let with_large = |id| Row::new(&relation, vec![Value::Integer(id), Value::Large(large.clone()), Value::Null, Value::Null], 0);
    let base = (0..7000).map(|id| if id % 500 == 3 { with_large(id) } else { book(id, &format!("title {}", id % 7)) });
    let base = write(&chunks, &relation, RunKind::Base, 256, &upserts(base));
    let changed = |places: &dyn Fn(i64) -> bool, title: &str| upserts((0..7100).filter(|id| places(*id)).map(|id| book(id, title)));
    let first = write(&chunks, &relation, RunKind::Change, 16, &changed(&|id| id % 60 == 7 || id >= 7050, "first"));
    let mut second = changed(&|id| id % 90 == 7, "second");
    second.extend([0, 1, 3, 4000, 6999].map(|id| Change::Delete(book(id, "").key)));
    second.sort_by(|a, b| a.key().cmp(b.key()));
    let runs = [base, first, write(&chunks, &relation, RunKind::Change, 16, &second)];
    let readers = runs.iter().rev().map(|run| RunReader::new(&chunks, &relation, run)).collect();
    let wanted: Vec<Row> = merge::rows(readers).collect::<Result<_, Damage>>().unwrap();
    assert_eq!(wanted.len(), 7000 + 51 - 5);
    let found = filled(&chunks, &relation, &runs).unwrap();
    assert!(found.len() == wanted.len() && found.iter().zip(&wanted).all(|((a, digest), b)| same_row(a, b) && *digest == b.digest()));
    // A run that has more rows than it says is none that was written.
    let fewer = runs.clone().map(|run| Run { rows: run.rows - 1, ..run });
    assert_eq!(filled(&chunks, &relation, &fewer).unwrap_err(), Damage::Form { what: "count of a run" });
    assert!(filled(&chunks, &relation, &runs.map(|run| Run { rows: run.rows + 1, ..run })).is_err());
}

#[test]
fn a_reader_begins_anywhere_and_finds_any_key() {
    let (chunks, relation) = (Chunks::default(), books(true));
    let run = write(&chunks, &relation, RunKind::Base, 16, &shelf(20_000));
    assert!(run.index.len() > 2, "the index has {} parts", run.index.len());
    for id in [-5, 0, 1, 2, 999, 1000, 19_999, 20_000, 39_997, 39_998, 39_999, 50_000] {
        let key = book(id, "").key;
        let found = RunReader::new(&chunks, &relation, &run).find(&key).unwrap();
        assert_eq!(found.is_some(), id % 2 == 0 && (0..40_000).contains(&id), "{id}");
        let rest = RunReader::new(&chunks, &relation, &run).from(&key).unwrap();
        let wanted = (0..20_000).filter(|n| n * 2 >= id).count();
        assert_eq!(rest.map(Result::unwrap).inspect(|change| assert!(*change.key() >= key)).count(), wanted, "{id}");
    }
}

#[test]
fn an_update_rewrites_one_segment_and_moves_no_boundary() {
    let (chunks, relation) = (Chunks::default(), books(true));
    let mut changes = shelf(3000);
    let before = segments(&chunks, &write(&chunks, &relation, RunKind::Base, 16, &changes));
    for place in [0, 1234, 2999] {
        changes[place] = Change::Upsert(book(place as i64 * 2, &"a longer title ".repeat(50)));
        let after = segments(&chunks, &write(&chunks, &relation, RunKind::Base, 16, &changes));
        assert!(before.iter().zip(&after).all(|(a, b)| (&a.first, &a.last) == (&b.first, &b.last)));
        assert_eq!(before.iter().zip(&after).filter(|(a, b)| a.chunk != b.chunk).count(), 1);
        assert_eq!(before.iter().zip(&after).filter(|(a, b)| a.digest != b.digest).count(), 1);
        changes[place] = shelf(3000)[place].clone();
    }
}

#[test]
fn rows_out_of_order_or_unfit_are_refused() {
    let (chunks, relation) = (Chunks::default(), books(true));
    let push = |kind, changes: Vec<Change>| {
        let mut writer = RunWriter::new(&chunks, &relation, kind, &BOUNDARY, 16);
        changes.iter().try_for_each(|change| writer.push(change))
    };
    let upsert = |id| Change::Upsert(book(id, "a"));
    assert!(matches!(push(RunKind::Base, vec![upsert(2), upsert(1)]), Err(Damage::Order { .. })));
    assert!(matches!(push(RunKind::Base, vec![upsert(1), upsert(1)]), Err(Damage::Order { .. })));
    assert!(matches!(push(RunKind::Base, vec![Change::Delete(book(1, "").key)]), Err(Damage::Unfit { .. })));
    let stranger = Row { key: book(2, "").key, ..book(1, "") };
    assert!(matches!(push(RunKind::Base, vec![Change::Upsert(stranger)]), Err(Damage::Unfit { .. })));
    let short = Row { values: vec![Value::Integer(1)], ..book(1, "") };
    assert!(matches!(push(RunKind::Change, vec![Change::Upsert(short)]), Err(Damage::Unfit { .. })));
}

#[test]
fn the_target_is_made_from_the_first_rows() {
    let (chunks, relation) = (Chunks::default(), books(true));
    let measured = |width: usize, rows: i64| {
        let mut writer = RunWriter::measuring(&chunks, &relation, RunKind::Base, &BOUNDARY);
        (0..rows).for_each(|id| writer.push(&Change::Upsert(book(id, &"x".repeat(width)))).unwrap());
        let run = writer.finish().unwrap();
        assert_eq!(read(&chunks, &relation, &run).unwrap().len() as i64, rows);
        run.target
    };
    assert_eq!(measured(10_000, 100), 16);
    assert_eq!(measured(200, 5000), 256);
    assert_eq!(measured(200, 3), 256);
    assert_eq!(measured(0, 0), 4096);
}

#[test]
fn a_lost_or_exchanged_chunk_is_told_and_the_rest_is_read() {
    let (chunks, relation) = (Chunks::default(), books(true));
    let run = write(&chunks, &relation, RunKind::Base, 16, &shelf(500));
    let segments = segments(&chunks, &run);
    let kept = chunks.0.borrow_mut().remove(&segments[1].chunk).unwrap();
    let read: Vec<_> = RunReader::new(&chunks, &relation, &run).collect();
    assert_eq!(read.iter().filter(|change| change.is_err()).count(), 1);
    assert_eq!(read.iter().filter(|change| change.is_ok()).count() as u64, 500 - segments[1].rows);
    let stopped: Vec<_> = merge::rows(vec![RunReader::new(&chunks, &relation, &run)]).collect();
    assert!(stopped.last().unwrap().is_err() && stopped.len() as u64 == segments[0].rows + 1);
    let other = chunks.0.borrow()[&segments[2].chunk].clone();
    for exchanged in [other, kept[..kept.len() - 1].to_vec()] {
        chunks.0.borrow_mut().insert(segments[1].chunk, exchanged);
        assert!(super::runs::read(&chunks, &relation, &run).is_err());
    }
    chunks.0.borrow_mut().insert(segments[1].chunk, kept);
    let fewer = Run { index: Vec::new(), ..run };
    assert!(matches!(super::runs::read(&chunks, &relation, &fewer), Err(Damage::Mismatch { .. })));
}

#[test]
fn a_segment_that_is_not_what_the_index_says_is_told() {
    let (chunks, relation) = (Chunks::default(), books(true));
    let run = write(&chunks, &relation, RunKind::Base, 16, &shelf(500));
    let last = segments(&chunks, &run).pop().unwrap();
    let whole = segment::decode(&relation, &chunks.0.borrow()[&last.chunk]).unwrap();
    assert!(whole.len() > 2, "{whole:?}");
    let told = |changes: &[Change]| {
        chunks.0.borrow_mut().insert(last.chunk, segment::encode(&relation, changes));
        RunReader::new(&chunks, &relation, &run).find(&last.last).unwrap_err()
    };
    let mut shorter = whole.clone();
    shorter.remove(1);
    assert!(matches!(told(&shorter), Damage::Mismatch { what: "rows of a segment", .. }));
    let mut other = whole;
    other.pop();
    other.push(Change::Upsert(book(5000, "")));
    assert_eq!(told(&other), Damage::Form { what: "reference to a segment" });
}

#[test]
fn rows_too_heavy_for_their_target_are_cut_by_weight() {
    let (chunks, relation) = (Chunks::default(), books(true));
    let changes = upserts((0..1500).map(|id| book(id, &"x".repeat(15_000))));
    let run = write(&chunks, &relation, RunKind::Base, 4096, &changes);
    assert!(segments(&chunks, &run).iter().all(|segment| segment.rows <= 300));
    assert!(same_all(&read(&chunks, &relation, &run).unwrap(), &changes));
}

#[test]
fn equal_rows_without_a_key_are_all_kept() {
    let (chunks, relation) = (Chunks::default(), books(false));
    let values = |rowid| vec![Value::Null, Value::text("a"), Value::Null, Value::Integer(rowid)];
    let table = table(&relation, vec![values(5), values(7), values(9)]);
    assert_eq!(table.len(), 3);
    let changes = upserts(table.into_values());
    let run = write(&chunks, &relation, RunKind::Base, 16, &changes);
    assert!(same_all(&read(&chunks, &relation, &run).unwrap(), &changes));
}
