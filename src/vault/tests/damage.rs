//! Damage: every kind of object, flipped, truncated, deleted or swapped. Never wrong data.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use super::*;
use crate::vault::VerifyReport;

#[derive(Clone, Copy, Debug)]
enum Harm {
    Flip,
    Cut,
    Delete,
    Swap,
}

const HARMS: [Harm; 4] = [Harm::Flip, Harm::Cut, Harm::Delete, Harm::Swap];
const KINDS: [&str; 6] = ["vault.json", "keys", "packs", "meta", "index", "backups"];

/// Harms every object of a kind at one location.
fn harm(root: &Path, place: &str, kind: &str, harm: Harm) {
    let names: Vec<_> =
        folder(root, place).list("").unwrap().into_iter().map(|entry| entry.name).filter(|name| name.starts_with(kind)).collect();
    let paths: Vec<PathBuf> = names.iter().map(|name| root.join(place).join(name)).collect();
    assert!(!paths.is_empty(), "{kind}");
    let contents: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    for (number, path) in paths.iter().enumerate() {
        let mut bytes = contents[number].clone();
        let middle = bytes.len() / 2;
        match harm {
            Harm::Flip => bytes[middle] ^= 0x10,
            Harm::Cut => bytes.truncate(middle),
            Harm::Swap => bytes.clone_from(&contents[(number + 1) % contents.len()]),
            Harm::Delete => {
                fs::remove_file(path).unwrap();
                continue;
            }
        }
        fs::write(path, bytes).unwrap();
    }
}

fn verify(vault: &Vault, level: u8) -> VerifyReport {
    vault.verify(level, None, &mut |_| ControlFlow::Continue(())).unwrap()
}

#[test]
fn with_a_good_second_location_every_damage_heals() {
    for kind in KINDS {
        for how in HARMS {
            let root = tempfile::tempdir().unwrap();
            let names = ["a", "b"];
            let vault = create(folders(root.path(), &names));
            let ids = [back_up(&vault, 1).unwrap(), back_up(&vault, 1000).unwrap()];
            harm(root.path(), "a", kind, how);
            let again = open(folders(root.path(), &names)).unwrap_or_else(|error| panic!("{kind} {how:?}: {error}"));
            read_back(&again, &ids[0], 1).unwrap();
            read_back(&again, &ids[1], 1000).unwrap();
            let report = verify(&again, 3);
            assert!(report.is_sound(), "{kind} {how:?}: {report:?}");
            assert!(verify(&again, 3).findings.is_empty(), "{kind} {how:?}");
            let alone = open(folders(root.path(), &["a"])).unwrap_or_else(|error| panic!("{kind} {how:?}: {error}"));
            read_back(&alone, &ids[0], 1).unwrap();
            read_back(&alone, &ids[1], 1000).unwrap();
        }
    }
}

#[test]
fn without_one_lost_data_is_named_and_never_wrong() {
    for kind in ["packs", "meta", "index", "backups"] {
        for how in HARMS {
            let root = tempfile::tempdir().unwrap();
            let vault = create(folders(root.path(), &["a"]));
            let ids = [(back_up(&vault, 1).unwrap(), 1), (back_up(&vault, 1000).unwrap(), 1000)];
            harm(root.path(), "a", kind, how);
            let again = open(folders(root.path(), &["a"])).unwrap();
            let read = ids.iter().filter(|(id, seed)| read_back(&again, id, *seed).is_ok()).count();
            let report = verify(&again, 3);
            let said: Vec<_> = report.findings.iter().flat_map(|finding| &finding.lost).cloned().collect();
            match (kind, how) {
                // Packs name their chunks themselves: the index can be lost.
                ("index", _) => assert_eq!(read, 2, "{how:?}"),
                // A manifest that is gone everywhere is no longer known to this vault; the catalog knows it.
                ("backups", Harm::Delete) => assert_eq!(read, 0),
                ("backups", _) => assert!(read == 0 && said.iter().any(|what| what.starts_with("backup ")), "{how:?} {report:?}"),
                _ => {
                    assert!(read < 2 && !report.is_sound(), "{kind} {how:?}");
                    assert!(!said.is_empty(), "{kind} {how:?}: {report:?}");
                }
            }
        }
    }
}

#[test]
fn a_lost_file_is_named_by_its_path() {
    let root = tempfile::tempdir().unwrap();
    let vault = create(folders(root.path(), &["a"]));
    let id = back_up(&vault, 1).unwrap();
    let photo = vault.keys.chunk_id(ChunkKind::Content as u8, &noise(1, 100_000));
    let (pack, entry) = vault.places(ChunkKind::Content, &photo)[0];
    let path = root.path().join("a").join(pack.object());
    let mut bytes = fs::read(&path).unwrap();
    bytes[entry.offset as usize + 50] ^= 1;
    fs::write(&path, bytes).unwrap();
    let report = verify(&vault, 2);
    let said: Vec<_> = report.findings.iter().flat_map(|finding| &finding.lost).collect();
    assert!(said.iter().any(|what| *what == "media: file photo.jpg"), "{report:?}");
    assert!(!said.iter().any(|what| what.contains("orders")), "{report:?}");
    assert!(read_back(&vault, &id, 1).is_err());
}

#[test]
fn the_next_backup_stores_again_what_was_lost() {
    let root = tempfile::tempdir().unwrap();
    let vault = create(folders(root.path(), &["a"]));
    let first = back_up(&vault, 1).unwrap();
    harm(root.path(), "a", "packs", Harm::Flip);
    assert!(!verify(&vault, 2).is_sound());
    let again = open(folders(root.path(), &["a"])).unwrap();
    let second = back_up(&again, 1).unwrap();
    read_back(&again, &second, 1).unwrap();
    read_back(&again, &first, 1).unwrap();
}

#[test]
fn a_forged_deletion_deletes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let vault = create(folders(root.path(), &["a"]));
    let ids = [back_up(&vault, 1).unwrap(), back_up(&vault, 2).unwrap()];
    vault.delete_backup(&ids[0], "old").unwrap();
    let real = folder(root.path(), "a").list("deleted").unwrap()[0].name.clone();
    let forged = real.replace(&ids[0].to_string(), &ids[1].to_string());
    fs::copy(root.path().join("a").join(real), root.path().join("a").join(forged)).unwrap();
    assert!(open(folders(root.path(), &["a"])).unwrap().backups().is_err());
}
