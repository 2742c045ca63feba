//! Crash at every write: a backup that was reported exists and reads exactly; one that was not harms nothing.

use super::faulty::{Fault, Faulty};
use super::*;

fn faulty(root: &Path, at: usize, fault: Fault) -> Arc<Faulty> {
    Arc::new(Faulty::new(Local::new("a", root.join("a")), at, fault))
}

/// One backup succeeds; then, in a vault whose first location fails at write `at`, two more are tried.
fn survives(at: usize, fault: Fault, others: &[&str]) -> usize {
    let root = tempfile::tempdir().unwrap();
    let names: Vec<_> = [&["a"], others].concat();
    let mut reported = vec![(back_up(&create(folders(root.path(), &names)), 1).unwrap(), 1)];
    let failing = faulty(root.path(), at, fault);
    let mut locations: Locations = vec![failing.clone()];
    locations.extend(folders(root.path(), others));
    if let Ok(vault) = open(locations) {
        reported.extend([2, 3].into_iter().filter_map(|seed| Some((back_up(&vault, seed).ok()?, seed))));
    }
    let again = open(folders(root.path(), &names)).unwrap();
    for (id, seed) in &reported {
        read_back(&again, id, *seed).unwrap_or_else(|error| panic!("{fault:?} at {at}: {error}"));
    }
    // What is listed without having been reported reads exactly as well; only a torn manifest may be unreadable.
    for name in again.backups().unwrap() {
        match again.manifest(&name.id) {
            Ok(manifest) => read_back(&again, &name.id, manifest.reason.unwrap().parse().unwrap()).unwrap(),
            Err(error) => assert_eq!(fault, Fault::Torn, "at {at}: {error}"),
        }
    }
    // And the next backup works as if nothing had happened.
    let next = back_up(&again, 4).unwrap();
    again.catch_up().unwrap();
    for name in &names {
        let alone = open(folders(root.path(), &[name])).unwrap();
        read_back(&alone, &next, 4).unwrap_or_else(|error| panic!("{fault:?} at {at}, {name} alone: {error}"));
    }
    failing.writes()
}

fn at_every_write(fault: Fault, others: &[&str]) {
    let all = survives(usize::MAX, fault, others);
    assert!(all >= 6, "two backups write packs, index and manifest: {all}");
    for at in 0..all {
        survives(at, fault, others);
    }
}

#[test]
fn a_crash_at_any_write_loses_no_reported_backup() {
    at_every_write(Fault::Crash, &[]);
}

#[test]
fn a_torn_write_at_any_point_loses_no_reported_backup() {
    at_every_write(Fault::Torn, &[]);
}

#[test]
fn a_refused_write_at_any_point_loses_no_reported_backup() {
    at_every_write(Fault::Once, &[]);
}

#[test]
fn with_a_second_location_a_failing_one_stops_no_backup() {
    at_every_write(Fault::Crash, &["b"]);
    at_every_write(Fault::Once, &["b"]);
}
