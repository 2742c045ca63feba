//! What every location must do; each kind runs the same suite.

use super::faulty::{Fault, Faulty};
use crate::vault::location::{Error, Local, Location};

fn keeps_its_promises(location: &dyn Location) {
    location.prepare().unwrap();
    assert!(location.list("").unwrap().is_empty());
    assert!(location.list("packs").unwrap().is_empty());
    location.put("packs/aa/one", b"content").unwrap();
    location.put("packs/aa/one", b"content").unwrap();
    assert!(matches!(location.put("packs/aa/one", b"other"), Err(Error::Exists { .. })));
    location.put("vault.json", b"").unwrap();
    let mut names: Vec<_> = location.list("").unwrap().into_iter().map(|entry| (entry.name, entry.size)).collect();
    names.sort();
    assert_eq!(names, [("packs/aa/one".to_owned(), 7), ("vault.json".to_owned(), 0)]);
    assert_eq!(location.list("packs").unwrap()[0].name, "packs/aa/one");
    assert_eq!(location.get("packs/aa/one", 7).unwrap(), b"content");
    assert!(matches!(location.get("packs/aa/one", 6), Err(Error::TooLarge { .. })));
    assert_eq!(location.get_range("packs/aa/one", 2, 3).unwrap(), b"nte");
    assert_eq!(location.get_range("packs/aa/one", 5, 30).unwrap(), b"nt");
    assert!(matches!(location.get("packs/aa/two", 7), Err(Error::Missing { .. })));
    location.delete("packs/aa/one").unwrap();
    location.delete("packs/aa/one").unwrap();
    assert!(matches!(location.get_range("packs/aa/one", 0, 1), Err(Error::Missing { .. })));
    for hostile in ["../escape", "/etc/passwd", "packs//x", "packs/../../x", ".hidden", "packs/\0", ""] {
        assert!(matches!(location.put(hostile, b"x"), Err(Error::Name { .. })), "{hostile:?}");
        assert!(location.get(hostile, 10).is_err(), "{hostile:?}");
    }
    assert!(location.capacity().unwrap().unwrap().total > 0);
}

#[test]
fn a_folder_keeps_the_promises_of_a_location() {
    let root = tempfile::tempdir().unwrap();
    keeps_its_promises(&Local::new("disk", root.path().join("vault")));
}

#[test]
fn a_faulty_location_that_is_not_failing_keeps_them_too() {
    let root = tempfile::tempdir().unwrap();
    keeps_its_promises(&Faulty::new(Local::new("disk", root.path().join("vault")), usize::MAX, Fault::Crash));
}

#[test]
fn a_folder_that_is_gone_is_never_filled_in_its_place() {
    let root = tempfile::tempdir().unwrap();
    let location = Local::new("disk", root.path().join("unmounted"));
    assert!(location.put("packs/aa/one", b"content").is_err());
    assert!(location.list("packs").is_err());
    assert!(!root.path().join("unmounted").exists());
}

#[test]
fn unfinished_files_are_no_objects() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join(".tmp-0011"), b"half").unwrap();
    assert!(Local::new("disk", root.path()).list("").unwrap().is_empty());
}
