//! A live tree is as before or as after, wherever the machine stops while it is changed.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::steps::crash_after;
use super::{Applied, Apply, Operation, Options, State, Tree, discard, relation, roll_forward, state};
use crate::rows::{Large, Row, Value};
use crate::sources::{Error, Looking, Resolve, Result, Snapshot};

/// The tests hold no large values.
struct Inline;

impl Resolve for Inline {
    fn fetch(&self, _: &Large, _: &mut dyn std::io::Write) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

/// What a tree holds, without the times of folders and the numbers of hard links.
fn seen(root: &Path) -> Vec<String> {
    rows(root).iter().map(|row| format!("{:?}", &row.values[..11])).collect()
}

fn rows(root: &Path) -> Vec<Row> {
    let tree = Tree::new("media", root, &Options::default()).unwrap();
    let mut rows = Vec::new();
    let unread = tree.scan(&tree.relations()[0], &Looking, &mut |row| {
        rows.push(row);
        ControlFlow::Continue(())
    });
    assert_eq!(unread.unwrap(), []);
    rows
}

/// A backed-up tree, a live one that differs in every way, and a place for the journal.
struct Scene {
    _dir: TempDir,
    backup: PathBuf,
    live: PathBuf,
    journal: PathBuf,
}

fn scene() -> Scene {
    let dir = TempDir::new().unwrap();
    let [backup, live, journal] = ["backup", "live", "journal"].map(|name| dir.path().join(name));
    let write = |path: &Path, text: &str| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for path in ["changed", "new/deep/x", "was-file/x", "was-link/x", "was-dir", "mode", "same"] {
        write(&backup.join(path), path);
    }
    fs::hard_link(backup.join("changed"), backup.join("linked")).unwrap();
    symlink("changed", backup.join("to")).unwrap();
    fs::set_permissions(backup.join("mode"), fs::Permissions::from_mode(0o4711)).unwrap();
    fs::set_permissions(backup.join("new"), fs::Permissions::from_mode(0o750)).unwrap();
    for path in ["changed", "was-file", "was-dir/a/b", "was-dir/c", "mode", "to", "gone/a", "gone/b/c"] {
        write(&live.join(path), &format!("live {path}"));
    }
    for path in ["same", "mode"] {
        fs::remove_file(live.join(path)).ok();
        fs::copy(backup.join(path), live.join(path)).unwrap();
    }
    fs::set_permissions(live.join("mode"), fs::Permissions::from_mode(0o600)).unwrap();
    symlink(dir.path(), live.join("was-link")).unwrap();
    Scene { _dir: dir, backup, live, journal }
}

/// Makes the live tree what the backed-up one is.
fn stage(scene: &Scene) -> Result<super::Sealed> {
    let mut apply = Apply::begin(&scene.live, &relation("media"), &scene.journal)?;
    let live = rows(&scene.live);
    let backup = rows(&scene.backup);
    let mut keys: Vec<_> = live.iter().chain(&backup).map(|row| row.key.clone()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let of = |rows: &[Row]| rows.iter().find(|row| row.key == key).cloned();
        match (of(&backup), of(&live)) {
            (Some(backup), Some(live)) if backup.values[8].same(&live.values[8]) && backup.values[1].same(&live.values[1]) => {
                apply.stage(Operation::Attributes(&backup), &Inline)?;
            }
            (Some(backup), _) => apply.stage(Operation::Put(&backup), &Inline)?,
            (None, Some(live)) => {
                let Value::Text(path) = &live.values[0] else { panic!("a path is text") };
                apply.stage(Operation::Remove(path), &Inline)?;
            }
            (None, None) => {}
        }
    }
    apply.seal()
}

fn run(scene: &Scene) -> Result<Applied> {
    stage(scene)?.commit()
}

fn assert_clean(scene: &Scene) {
    assert!(!scene.journal.exists());
    assert!(!rows(&scene.live).iter().any(|row| format!("{:?}", row.values[0]).contains("backstop")));
}

#[test]
fn a_live_tree_becomes_what_the_backup_holds() {
    let scene = scene();
    let applied = run(&scene).unwrap();
    assert_eq!(applied.left, []);
    assert_eq!(seen(&scene.live), seen(&scene.backup));
    let inode = |name: &str| fs::metadata(scene.live.join(name)).unwrap().ino();
    assert_eq!(inode("changed"), inode("linked"));
    let time = |root: &Path| fs::metadata(root.join("new")).map(|found| (found.mtime(), found.mtime_nsec())).unwrap();
    assert_eq!(time(&scene.live), time(&scene.backup));
    assert_clean(&scene);
}

/// Stops after `steps`; `again` is where the next engine stops, too, before it is let through.
fn crash_at(steps: u32, again: u32) -> bool {
    let scene = scene();
    let before = seen(&scene.live);
    let after = seen(&scene.backup);
    crash_after(Some(steps));
    let result = run(&scene);
    let crashed = crash_after(None) == Some(0) && result.is_err();
    if !crashed {
        assert_eq!(result.unwrap().left, []);
    } else if scene.journal.exists() {
        let begun = state(&scene.journal).unwrap();
        let forward = begun == State::Begun || (begun == State::Sealed && steps.is_multiple_of(2));
        let finish =
            || if forward { roll_forward(&scene.journal).map(|applied| assert_eq!(applied.left, [])) } else { discard(&scene.journal) };
        crash_after(Some(again));
        let finished = finish();
        crash_after(None);
        if finished.is_err() && scene.journal.exists() {
            finish().unwrap();
        }
        assert_eq!(seen(&scene.live), if forward { after } else { before }, "stopped after {steps} steps, then {again}");
    } else {
        assert!([before, after].contains(&seen(&scene.live)));
    }
    assert_clean(&scene);
    crashed
}

#[test]
fn a_crash_at_any_step_leaves_all_as_before_or_all_as_after() {
    let mut steps = 0;
    while crash_at(steps, 1_000_000) {
        steps += 1;
    }
    assert!(steps > 60, "{steps} steps");
}

#[test]
fn a_second_crash_while_going_on_after_the_first_changes_nothing() {
    for steps in (0..120).step_by(13) {
        for again in (0..40).step_by(3) {
            crash_at(steps, again);
        }
    }
}

#[test]
fn what_is_sealed_waits_for_the_database_to_decide() {
    let scene = scene();
    let before = seen(&scene.live);
    drop(stage(&scene).unwrap());
    assert_eq!(state(&scene.journal).unwrap(), State::Sealed);
    discard(&scene.journal).unwrap();
    assert_eq!(seen(&scene.live), before);
    drop(stage(&scene).unwrap());
    roll_forward(&scene.journal).unwrap();
    assert_eq!(seen(&scene.live), seen(&scene.backup));
    assert_clean(&scene);
}

#[test]
fn what_is_not_sealed_is_taken_away_and_cannot_be_rolled_forward() {
    let scene = scene();
    let before = seen(&scene.live);
    let mut apply = Apply::begin(&scene.live, &relation("media"), &scene.journal).unwrap();
    apply.stage(Operation::Put(&rows(&scene.backup)[1]), &Inline).unwrap();
    assert!(matches!(roll_forward(&scene.journal), Err(Error::NotA { .. })));
    assert!(matches!(Apply::begin(&scene.live, &relation("media"), &scene.journal), Err(Error::Exists { .. })));
    drop(apply);
    assert_eq!(seen(&scene.live), before);
    assert_clean(&scene);
}

#[test]
fn a_folder_that_is_not_empty_stays_and_is_named() {
    let scene = scene();
    let mut apply = Apply::begin(&scene.live, &relation("media"), &scene.journal).unwrap();
    let backup = rows(&scene.backup);
    let file = backup.iter().find(|row| row.values[0].same(&Value::text("was-dir"))).unwrap();
    apply.stage(Operation::Put(file), &Inline).unwrap();
    apply.stage(Operation::Remove(b"gone"), &Inline).unwrap();
    let applied = apply.seal().unwrap().commit().unwrap();
    let left: Vec<_> = applied.left.iter().map(|left| left.what.as_str()).collect();
    assert_eq!(left, ["gone", "was-dir"]);
    assert_eq!((applied.placed, applied.removed), (0, 0));
    assert!(scene.live.join("was-dir/a/b").exists() && scene.live.join("gone/a").exists());
    assert_clean(&scene);
}

#[test]
fn nothing_leaves_the_tree() {
    let scene = scene();
    let mut apply = Apply::begin(&scene.live, &relation("media"), &scene.journal).unwrap();
    for path in [&b"../backup/same"[..], b"/etc/x", b".", b"a/../../x"] {
        assert!(matches!(apply.stage(Operation::Remove(path), &Inline), Err(Error::Unfit { .. })));
    }
    let backup = rows(&scene.backup);
    let below_link = backup.iter().find(|row| row.values[0].same(&Value::text("was-link/x"))).unwrap();
    assert!(matches!(apply.stage(Operation::Put(below_link), &Inline), Err(Error::Unfit { .. })));
    apply.stage(Operation::Remove(b"was-link/backup"), &Inline).unwrap();
    apply.seal().unwrap().commit().unwrap();
    assert!(scene.backup.exists());
}
