//! A vault's life: made, opened, written to, looked at.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::*;
use crate::vault::{Error, RecoveryWords};

#[test]
fn a_backup_reads_back_exactly_and_a_second_one_stores_nothing_again() {
    let root = tempfile::tempdir().unwrap();
    let vault = create(folders(root.path(), &["a", "b"]));
    let first = back_up(&vault, 1).unwrap();
    let packs = || folder(root.path(), "a").list("packs").unwrap().len();
    let before = packs();
    let second = back_up(&vault, 1).unwrap();
    assert_eq!(packs(), before);
    let again = open(folders(root.path(), &["a", "b"])).unwrap();
    read_back(&again, &first, 1).unwrap();
    read_back(&again, &second, 1).unwrap();
    assert_eq!(again.backups().unwrap().len(), 2);
    assert!(again.manifest(&second).unwrap().previous.is_some());
    let report = again.verify(3, None, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(report.findings.is_empty() && report.objects > 0, "{report:?}");
}

#[test]
fn one_location_alone_restores_everything() {
    let root = tempfile::tempdir().unwrap();
    let id = back_up(&create(folders(root.path(), &["a", "b"])), 1).unwrap();
    for name in ["a", "b"] {
        read_back(&open(folders(root.path(), &[name])).unwrap(), &id, 1).unwrap();
    }
    let with_one_gone = open(folders(root.path(), &["gone", "b"])).unwrap();
    read_back(&with_one_gone, &id, 1).unwrap();
    assert!(with_one_gone.status()[0].reachable.is_err());
}

#[test]
fn only_the_right_secret_opens_and_a_damaged_slot_is_told_apart() {
    let root = tempfile::tempdir().unwrap();
    let secret = passphrase();
    let locations = || folders(root.path(), &["a", "b"]);
    let (_, words) = Vault::create_at_cost(locations(), NewKeys { passphrase: &secret, recovery: true }, Cost::FOR_TESTS, clock()).unwrap();
    let words = words.unwrap().words().join(" ");
    assert!(Vault::open(locations(), Unlock::Recovery(&words), clock()).is_ok());
    let wrong = Secret::new("wrong".into());
    assert!(matches!(Vault::open(locations(), Unlock::Passphrase(&wrong), clock()), Err(Error::WrongKey { damaged: 0, .. })));
    let other = RecoveryWords::generate().unwrap().words().join(" ");
    assert!(matches!(Vault::open(locations(), Unlock::Recovery(&other), clock()), Err(Error::WrongKey { .. })));
    let slots = folder(root.path(), "a").list("keys").unwrap();
    let damage = |place: &str| {
        for slot in &slots {
            std::fs::write(root.path().join(place).join(&slot.name), b"{}").unwrap();
        }
    };
    damage("a");
    assert!(open(locations()).is_ok());
    damage("b");
    assert!(matches!(open(locations()), Err(Error::DamagedSlot { .. })));
}

#[test]
fn a_vault_is_not_made_where_anything_is() {
    let root = tempfile::tempdir().unwrap();
    create(folders(root.path(), &["a"]));
    let secret = passphrase();
    let make = |name| {
        Vault::create_at_cost(folders(root.path(), &[name]), NewKeys { passphrase: &secret, recovery: false }, Cost::FOR_TESTS, clock())
    };
    assert!(matches!(make("a"), Err(Error::HoldsVault { .. })));
    std::fs::create_dir(root.path().join("b")).unwrap();
    std::fs::write(root.path().join("b/diary.txt"), b"dear").unwrap();
    assert!(matches!(make("b"), Err(Error::NotEmpty { .. })));
    let empty = Secret::new(String::new());
    let none =
        Vault::create_at_cost(folders(root.path(), &["c"]), NewKeys { passphrase: &empty, recovery: false }, Cost::FOR_TESTS, clock());
    assert!(matches!(none, Err(Error::EmptyPassphrase)));
}

#[test]
fn an_empty_mount_point_or_a_foreign_disk_is_never_written_to() {
    let root = tempfile::tempdir().unwrap();
    let vault = create(folders(root.path(), &["a", "b"]));
    std::fs::rename(root.path().join("b"), root.path().join("away")).unwrap();
    std::fs::create_dir(root.path().join("b")).unwrap();
    back_up(&vault, 1).unwrap();
    assert!(folder(root.path(), "b").list("").unwrap().is_empty());
    std::fs::remove_dir(root.path().join("b")).unwrap();
    create(folders(root.path(), &["b"]));
    let before = folder(root.path(), "b").list("").unwrap().len();
    back_up(&vault, 2).unwrap();
    assert_eq!(folder(root.path(), "b").list("").unwrap().len(), before);
}

#[test]
fn a_location_that_was_away_is_brought_along_by_the_next_backup() {
    let root = tempfile::tempdir().unwrap();
    let vault = create(folders(root.path(), &["a", "b"]));
    std::fs::rename(root.path().join("b"), root.path().join("away")).unwrap();
    let first = back_up(&vault, 1).unwrap();
    std::fs::rename(root.path().join("away"), root.path().join("b")).unwrap();
    assert!(vault.status()[1].backlog_objects > 0);
    let second = back_up(&vault, 2).unwrap();
    assert_eq!(vault.status()[1].backlog_objects, 0);
    let alone = open(folders(root.path(), &["b"])).unwrap();
    read_back(&alone, &first, 1).unwrap();
    read_back(&alone, &second, 2).unwrap();
}

#[test]
fn what_a_dead_backup_stored_is_not_stored_again() {
    let root = tempfile::tempdir().unwrap();
    let vault = create(folders(root.path(), &["a"]));
    let pieces: Vec<Vec<u8>> = (0..40).map(|piece| noise(piece, 1 << 20)).collect();
    let put = |writer: &Writer<'_>| pieces.iter().filter(|piece| writer.put(ChunkKind::Content, *piece).unwrap().new).count();
    let dead = vault.writer().unwrap();
    assert_eq!(put(&dead), pieces.len());
    drop(dead);
    let again = open(folders(root.path(), &["a"])).unwrap();
    let stored = put(&again.writer().unwrap());
    assert!(stored < pieces.len(), "what had become a pack is there");
}

#[test]
fn a_backup_that_relied_on_what_was_lost_meanwhile_does_not_count() {
    let root = tempfile::tempdir().unwrap();
    let vault = create(folders(root.path(), &["a"]));
    back_up(&vault, 1).unwrap();
    let writer = vault.writer().unwrap();
    assert!(!writer.put(ChunkKind::Schema, b"{}").unwrap().new);
    let photo = writer.keep(Class::Blob, &mut noise(1, 100_000).as_slice()).unwrap();
    let tree = relation("media", RelationKind::Files);
    // Another name: the row is stored anew, and its content alone is what an earlier pack holds.
    let rows = vec![Row::new(&tree, vec![Value::text("copy.jpg"), Value::Large(photo)], 0)];
    let definition = writer.put(ChunkKind::Schema, b"{}").unwrap().id;
    let files = record(&writer, &vault, tree, rows).unwrap();
    for pack in folder(root.path(), "a").list("packs").unwrap() {
        std::fs::remove_file(root.path().join("a").join(pack.name)).unwrap();
    }
    let mut manifest = blank(vec![SourceRecord { identity: serde_json::json!({}), definition, relations: vec![files] }]);
    assert!(matches!(writer.commit(&mut manifest), Err(Error::Incomplete { .. })));
    assert_eq!(vault.backups().unwrap().len(), 1);
}

#[test]
fn a_new_location_catches_up_and_then_restores_alone() {
    let root = tempfile::tempdir().unwrap();
    let mut vault = create(folders(root.path(), &["a"]));
    let id = back_up(&vault, 1).unwrap();
    vault.add_location(folder(root.path(), "b")).unwrap();
    assert!(vault.catch_up().unwrap().behind.is_empty());
    read_back(&open(folders(root.path(), &["b"])).unwrap(), &id, 1).unwrap();
}

#[test]
fn a_deletion_can_be_undone_and_a_hold_ends_by_its_release() {
    let root = tempfile::tempdir().unwrap();
    let vault = create(folders(root.path(), &["a", "b"]));
    let id = back_up(&vault, 1).unwrap();
    vault.delete_backup(&id, "too old").unwrap();
    assert!(vault.backups().unwrap().is_empty());
    assert!(open(folders(root.path(), &["b"])).unwrap().backups().unwrap().is_empty());
    vault.undelete(&id).unwrap();
    assert_eq!(vault.backups().unwrap().len(), 1);
    assert!(matches!(vault.undelete(&id), Err(Error::NoRecord { .. })));
    vault.hold(&id, "audit").unwrap();
    assert_eq!(vault.holds().unwrap()[0].reason, "audit");
    vault.release(&id).unwrap();
    assert!(vault.holds().unwrap().is_empty());
}

#[test]
fn long_content_is_cut_and_comes_back_whole() {
    let root = tempfile::tempdir().unwrap();
    let vault = create(folders(root.path(), &["a"]));
    let writer = vault.writer().unwrap();
    let content = noise(9, 40 << 20);
    let large = writer.keep(Class::Blob, &mut content.as_slice()).unwrap();
    assert!(writer.figures().unwrap().bytes_new >= 40 << 20, "everything given is packed");
    assert!(large.chunks.len() > 10 && folder(root.path(), "a").list("packs").unwrap().len() == 2);
    let definition = writer.put(ChunkKind::Schema, b"{}").unwrap().id;
    let source = SourceRecord { identity: serde_json::Value::Null, definition, relations: vec![] };
    writer.commit(&mut blank(vec![source])).unwrap();
    let mut back = Vec::new();
    vault.fetch(&large, &mut back).unwrap();
    assert!(back == content);
}

#[test]
fn local_files_open_only_as_what_they_were_sealed_as() {
    let root = tempfile::tempdir().unwrap();
    let vault = create(folders(root.path(), &["a"]));
    let sealed = vault.seal("plan", b"content").unwrap();
    assert_eq!(vault.open_sealed("plan", &sealed).unwrap(), b"content");
    assert!(vault.open_sealed("cache", &sealed).is_err());
    assert!(format!("{vault:?}").len() < 100);
}

#[test]
fn a_backup_that_needs_a_later_feature_is_refused_by_name_and_unknown_fields_survive() {
    let root = tempfile::tempdir().unwrap();
    let vault = create(folders(root.path(), &["a"]));
    let mut later = blank(vec![]);
    later.other.insert("colour".into(), serde_json::json!("blue"));
    vault.writer().unwrap().commit(&mut later).unwrap();
    assert_eq!(vault.manifest(&later.id).unwrap().other["colour"], "blue");
    let mut far = Manifest { features: vec!["holograms".into()], ..blank(vec![]) };
    vault.writer().unwrap().commit(&mut far).unwrap();
    assert!(vault.manifest(&far.id).unwrap_err().to_string().contains("holograms"));
}

#[test]
fn many_threads_may_put_at_once() {
    let root = tempfile::tempdir().unwrap();
    let vault = Arc::new(create(folders(root.path(), &["a"])));
    let writer = vault.writer().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for seed in 0..50 {
                    writer.put(ChunkKind::Content, noise(seed, 1000)).unwrap();
                }
            });
        }
    });
    assert_eq!(writer.figures().unwrap().chunks_new, 50);
}

#[test]
fn what_other_threads_could_not_keep_stops_the_backup() {
    let root = tempfile::tempdir().unwrap();
    let vault = create(folders(root.path(), &["a"]));
    let writer = vault.writer().unwrap();
    std::fs::remove_dir_all(root.path().join("a")).unwrap();
    std::fs::write(root.path().join("a"), "no folder").unwrap();
    let put = (0..40).try_for_each(|seed| writer.put(ChunkKind::Content, noise(seed, 1 << 20)).map(drop));
    let definition = writer.put(ChunkKind::Schema, b"{}").map(|put| put.id);
    assert!(put.is_err() || definition.is_err() || writer.figures().is_err(), "two packs were full and could not be written");
    let source = SourceRecord { identity: serde_json::Value::Null, definition: Digest([0; 32]), relations: vec![] };
    assert!(writer.commit(&mut blank(vec![source])).is_err());
}
