//! Golden vectors of format version 1: bytes that must never change.

use super::*;
use crate::rows::{RowDigest, cache, segment};

/// Every kind of value, a row without a usable key, a hidden column and a delete.
fn sample() -> Vec<Change> {
    let relation = books(true);
    let large = Large { class: Class::Blob, length: 40_000, content: Digest([1; 32]), chunks: vec![Digest([2; 32]), Digest([3; 32])] };
    let rows = vec![
        vec![Value::Null, Value::text("no key"), Value::Null, Value::Integer(1)],
        vec![Value::Integer(i64::MIN), Value::Text(vec![0xFF, 0, b'a']), Value::Real(-0.0), Value::Integer(2)],
        vec![Value::Integer(7), Value::Large(large), Value::Real(f64::INFINITY), Value::Integer(3)],
        vec![Value::text("Key"), Value::Blob(vec![0, 1]), Value::Integer(i64::MAX), Value::Integer(4)],
    ];
    let mut changes: Vec<_> = table(&relation, rows).into_values().map(Change::Upsert).collect();
    changes.push(Change::Delete(Key::of([(&Value::text("z"), Fold::Binary)]).unwrap()));
    changes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_segment_has_these_bytes() {
    insta::assert_snapshot!(hex(&segment::encode(&books(true), &sample())), @"425373670105040101000000020004207a00000100010103ffffffffffffffffff01f1ffffffffffffffff01034b657901030306040603026e6f206b6579ff00610001c0b802010101010101010101010101010101010101010101010101010101010101010102020202020202020202020202020202020202020202020202020202020202020203030303030303030303030303030303030303030303030303030303030303030100020201feffffffffffffffff010000000000000080000000000000f07f00040102020202");
}

#[test]
fn a_run_has_these_chunks() {
    let chunks = Chunks::default();
    let changes: Vec<_> = (0..2000).map(|id| Change::Upsert(book(id, &format!("title {id}")))).collect();
    let run = write(&chunks, &books(true), RunKind::Base, 16, &changes);
    insta::assert_snapshot!(serde_json::to_string(&run).unwrap(), @r#"{"kind":"base","target":16,"index":["42c8d949ded6f96b3042ba7690c5bba81dd46db7a09e3fe8e1c5f5b7ca0008cf","7f0a4295365c916274c09729e6c0a32dfee6536f33a941e63fa503771b590f83"],"rows":2000,"deletes":0,"bytes":39132}"#);
}

#[test]
fn rows_have_these_digests() {
    let digests: Vec<_> = sample()
        .iter()
        .map(|change| if let Change::Upsert(row) = change { row.digest().to_string() } else { hex(change.key().as_bytes()) })
        .collect();
    insta::assert_snapshot!(digests.join(" "), @"0e44ba564126fe459c6b9c087511ef07 4c4294122a37521765706f3c289e50d2 04c23e3f2c0f5e804a6d8e1e6903f281 82d79a8fe211f7c661ebfb1fb003ddbc 207a0000");
}

#[test]
fn a_block_of_the_digest_cache_has_these_bytes() {
    let entries = [(book(1, "").key, RowDigest([5; 16])), (book(2, "").key, RowDigest([6; 16]))];
    insta::assert_snapshot!(hex(&cache::encode(&entries)), @"425364630102000b10bff0000000000000800005050505050505050505050505050505010ac000000000000000800006060606060606060606060606060606");
}
