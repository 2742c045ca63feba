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
    insta::assert_snapshot!(serde_json::to_string(&run).unwrap(), @r#"{"kind":"base","target":16,"index":["71b796f9d2e9f529fa35381e89f2fe2fb975a7528743c6bdbce46198b0d1eee6"],"rows":2000,"deletes":0,"bytes":39355}"#);
}

#[test]
fn rows_have_these_digests() {
    let digests: Vec<_> = sample()
        .iter()
        .map(|change| if let Change::Upsert(row) = change { row.digest().to_string() } else { hex(change.key().as_bytes()) })
        .collect();
    insta::assert_snapshot!(digests.join(" "), @"dd9c4b2fd5f769e8b3f045f2c72372fe dfa63b1da177d258255f0980ffa03f36 f20918665b6aa14ee6a5c0ae17767a2e 61c655f899a7089b5884c007c57bf5cb 207a0000");
}

#[test]
fn a_block_of_the_digest_cache_has_these_bytes() {
    let mut blocks = cache::Blocks::default();
    for (id, digest) in [(1, 5), (2, 6)] {
        assert!(blocks.push(book(id, "").key.as_bytes(), RowDigest([digest; 16])).is_none());
    }
    insta::assert_snapshot!(hex(&blocks.finish().unwrap()), @"425364630102000b10bff0000000000000800005050505050505050505050505050505010ac000000000000000800006060606060606060606060606060606");
}
