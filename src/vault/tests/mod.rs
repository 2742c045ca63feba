//! Statements about the vault, through real folders and a location that fails on purpose.

mod crash;
mod damage;
mod faulty;
mod life;
mod location;

use std::path::Path;
use std::sync::Arc;

use super::keys::Cost;
use super::location::{Local, Location, Locations};
use super::manifest::{Manifest, RelationRecord, SourceRecord};
use super::{BackupId, ChunkKind, NewKeys, Result, Secret, Unlock, Vault, Writer};
use crate::clock::{ManualClock, SharedClock};
use crate::rows::row::RelationDigest;
use crate::rows::run::{RunKind, RunReader, RunWriter};
use crate::rows::{Change, Class, Column, Digest, Fold, KeyKind, Relation, RelationKind, Role, Row, Value, merge};

fn clock() -> SharedClock {
    Arc::new(ManualClock::new("2026-11-21T14:32:00Z".parse().unwrap()))
}

fn passphrase() -> Secret {
    Secret::new("correct horse".into())
}

fn folder(root: &Path, name: &str) -> Arc<dyn Location> {
    Arc::new(Local::new(name, root.join(name)))
}

fn folders(root: &Path, names: &[&str]) -> Locations {
    names.iter().map(|name| folder(root, name)).collect()
}

fn create(locations: Locations) -> Vault {
    let secret = passphrase();
    Vault::create_at_cost(locations, NewKeys { passphrase: &secret, recovery: false }, Cost::FOR_TESTS, clock()).unwrap().0
}

fn open(locations: Locations) -> Result<Vault> {
    Vault::open(locations, Unlock::Passphrase(&passphrase()), clock())
}

fn relation(name: &str, kind: RelationKind) -> Relation {
    let column = |name: &str| Column { name: name.into(), declared: String::new(), role: Role::Data, fold: Fold::Binary, not_null: false };
    let columns = vec![column("id"), column("content")];
    Relation { name: name.into(), module: "shop".into(), kind, columns, key: KeyKind::Columns(vec![0]) }
}

/// Bytes that do not compress and differ by seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn orders(seed: u64) -> Vec<Row> {
    let relation = relation("orders", RelationKind::Table);
    (0..300).map(|id| Row::new(&relation, vec![Value::Integer(id), Value::Blob(noise(seed + id.cast_unsigned(), 300))], 0)).collect()
}

fn record(writer: &Writer<'_>, vault: &Vault, relation: Relation, rows: Vec<Row>) -> Result<RelationRecord> {
    let mut digest = RelationDigest::default();
    let mut run = RunWriter::new(writer, &relation, RunKind::Base, &vault.boundary_key(), 64);
    for row in rows {
        digest.push(row.digest());
        run.push(&Change::Upsert(row))?;
    }
    let run = run.finish()?;
    let (rows, digest) = digest.finish();
    Ok(RelationRecord { relation, runs: vec![run], rows, digest, whole: true })
}

/// Backs up a table of 300 records and one file of 100 kB, all made from `seed`.
fn back_up(vault: &Vault, seed: u64) -> Result<BackupId> {
    let writer = vault.writer()?;
    let definition = writer.put(ChunkKind::Schema, b"{}")?.id;
    let table = record(&writer, vault, relation("orders", RelationKind::Table), orders(seed))?;
    let tree = relation("media", RelationKind::Files);
    let photo = writer.keep(Class::Blob, &mut noise(seed, 100_000).as_slice())?;
    let rows = vec![Row::new(&tree, vec![Value::text("photo.jpg"), Value::Large(photo)], 0)];
    let files = record(&writer, vault, tree, rows)?;
    let source = SourceRecord { identity: serde_json::json!({}), definition, relations: vec![table, files] };
    let mut manifest = Manifest { reason: Some(seed.to_string()), ..blank(vec![source]) };
    Ok(writer.commit(&mut manifest)?.id)
}

fn blank(sources: Vec<SourceRecord>) -> Manifest {
    let json = serde_json::json!({
        "id": BackupId::new(), "app": "shop", "configuration": "nightly", "kind": "full", "origin": "manual", "host": "here", "tool": "0",
        "started": "2026-11-21T14:32:00.000Z", "finished": "2026-11-21T14:33:00.000Z", "taken_at": "2026-11-21T14:32:00.000Z",
        "sources": [], "outcome": "completed",
    });
    Manifest { sources, ..serde_json::from_value(json).unwrap() }
}

/// Reads a backup back: every row and the file must be what `seed` makes. Lost data is an error, wrong data a panic.
fn read_back(vault: &Vault, id: &BackupId, seed: u64) -> Result<()> {
    let manifest = vault.manifest(id)?;
    let records: Vec<_> = manifest.relations().collect();
    let rows = |record: &RelationRecord| -> Result<Vec<Row>> {
        merge::rows(record.runs.iter().rev().map(|run| RunReader::new(vault, &record.relation, run)).collect()).collect()
    };
    let found = rows(records[0])?;
    let wanted = orders(seed);
    assert_eq!(found.len(), wanted.len());
    assert!(found.iter().zip(&wanted).all(|(found, wanted)| found.digest() == wanted.digest()));
    let files = rows(records[1])?;
    let Value::Large(photo) = &files[0].values[1] else { panic!("the file has content") };
    let mut content = Vec::new();
    vault.fetch(photo, &mut content)?;
    assert_eq!(Digest::of(&content), Digest::of(&noise(seed, 100_000)));
    Ok(())
}
