//! Trees of files: read in the order of their paths, made anew exactly as they were.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use backstop::rows::{Class, Digest, LARGE, Large, Row, Value};
use backstop::sources::files::{Options, Tree, create, relation};
use backstop::sources::{Content, Error, Looking, Resolve, Snapshot, Unread};
use proptest::prelude::*;
use tempfile::TempDir;

/// Keeps large values in memory.
#[derive(Default)]
struct Kept(RefCell<HashMap<Digest, Vec<u8>>>);

impl Content for Kept {
    fn keep(&self, class: Class, value: &mut dyn Read) -> io::Result<Large> {
        let mut bytes = Vec::new();
        value.read_to_end(&mut bytes)?;
        let content = Digest::of(&bytes);
        let length = bytes.len() as u64;
        self.0.borrow_mut().insert(content, bytes);
        Ok(Large { class, length, content, chunks: vec![content] })
    }
}

impl Resolve for Kept {
    fn fetch(&self, large: &Large, to: &mut dyn Write) -> io::Result<()> {
        to.write_all(&self.0.borrow()[&large.content])
    }
}

fn scan_with(root: &Path, options: &Options, content: &dyn Content) -> (Vec<Row>, Vec<Unread>) {
    let tree = Tree::new("media", root, options).unwrap();
    let mut rows = Vec::new();
    let unread = tree
        .scan(&tree.relations()[0], content, &mut |row| {
            rows.push(row);
            ControlFlow::Continue(())
        })
        .unwrap();
    (rows, unread)
}

fn scan(root: &Path, content: &dyn Content) -> Vec<Row> {
    let (rows, unread) = scan_with(root, &Options::default(), content);
    assert_eq!(unread, []);
    rows
}

fn path(row: &Row) -> &[u8] {
    let Value::Text(path) = &row.values[0] else { panic!("a path is text") };
    path
}

fn paths(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| String::from_utf8_lossy(path(row)).into_owned()).collect()
}

/// Makes files with these paths; a path with a slash at the end is a folder.
fn tree_of(names: &[&str]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for name in names {
        let at = dir.path().join(name);
        fs::create_dir_all(if name.ends_with('/') { &at } else { at.parent().unwrap() }).unwrap();
        if !name.ends_with('/') {
            fs::write(at, name).unwrap();
        }
    }
    dir
}

/// The same in every column but the hidden one that tells hard links, whose numbers differ.
fn assert_same(a: &[Row], b: &[Row]) {
    assert_eq!(paths(a), paths(b));
    for (a, b) in a.iter().zip(b) {
        for (column, (x, y)) in a.values.iter().zip(&b.values).enumerate().take(13) {
            assert!(x.same(y), "{}: column {column}: {x:?} and {y:?}", String::from_utf8_lossy(path(a)));
        }
    }
}

#[test]
fn paths_come_in_the_order_of_their_bytes() {
    let dir = tree_of(&["a/b", "a-b", "a.b/c", "a/z", "-", "!x/y", ".h", "z/"]);
    let rows = scan(dir.path(), &Looking);
    assert_eq!(paths(&rows), ["!x", "!x/y", "-", ".", ".h", "a", "a-b", "a.b", "a.b/c", "a/b", "a/z", "z"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_tree_comes_in_key_order(names in prop::collection::vec(prop::collection::vec("[a!0-]{1,3}", 1..4), 1..20)) {
        let dir = TempDir::new().unwrap();
        for name in names {
            let at = dir.path().join(name.join("/"));
            if fs::create_dir_all(at.parent().unwrap()).is_ok() && !at.is_dir() {
                fs::write(at, "x").unwrap();
            }
        }
        let rows = scan(dir.path(), &Looking);
        prop_assert!(rows.is_sorted_by(|a, b| a.key < b.key));
        let mut expected: Vec<_> = walk_naively(dir.path(), "");
        expected.push(".".into());
        expected.sort();
        prop_assert_eq!(paths(&rows), expected);
    }
}

fn walk_naively(root: &Path, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join(prefix)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            found.extend(walk_naively(root, &format!("{path}/")));
        }
        found.push(path);
    }
    found
}

fn hostile_tree() -> TempDir {
    use rustix::fs::{AtFlags, CWD, FileType, Timespec, Timestamps, mknodat, utimensat};
    let dir = TempDir::new().unwrap();
    let root = dir.path();
    fs::create_dir_all(root.join("sub/deep")).unwrap();
    fs::write(root.join("empty"), "").unwrap();
    fs::write(root.join("inline"), vec![7; LARGE]).unwrap();
    fs::write(root.join("large"), (0..300_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>()).unwrap();
    fs::write(root.join("new\nline"), "n").unwrap();
    fs::write(root.join(OsStr::from_bytes(b"not-utf8-\xff\xfe")), "u").unwrap();
    fs::write(root.join("sub/deep/z"), "z").unwrap();
    fs::hard_link(root.join("large"), root.join("sub/linked")).unwrap();
    symlink("/etc/passwd", root.join("sub/outside")).unwrap();
    symlink(OsStr::from_bytes(b"dangling\xff"), root.join("dangling")).unwrap();
    mknodat(CWD, root.join("pipe"), FileType::Fifo, 0o640.into(), 0).unwrap();
    mknodat(CWD, root.join("sock"), FileType::Socket, 0o600.into(), 0).unwrap();
    fs::set_permissions(root.join("inline"), fs::Permissions::from_mode(0o4751)).unwrap();
    fs::set_permissions(root.join("sub/deep"), fs::Permissions::from_mode(0o700)).unwrap();
    for (name, time) in [("inline", 1_000_000_007), ("sub/deep/z", -5), ("sub/outside", 77), ("sub/deep", 86_400), ("sub", 99)] {
        let last_access = Timespec { tv_sec: 1, tv_nsec: 1 };
        let last_modification = Timespec { tv_sec: time, tv_nsec: 123_456_789 };
        utimensat(CWD, root.join(name), &Timestamps { last_access, last_modification }, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
    fs::set_permissions(root.join("sub/deep"), fs::Permissions::from_mode(0o500)).unwrap();
    dir
}

#[test]
fn a_tree_is_made_anew_exactly_as_it_was() {
    let from = hostile_tree();
    let kept = Kept::default();
    let rows = scan(from.path(), &kept);
    let place = TempDir::new().unwrap();
    let to = place.path().join("new");
    let mut creator = create(&to).unwrap();
    for row in &rows {
        creator.add(&relation("media"), row, &kept).unwrap();
    }
    assert_eq!(creator.finish().unwrap(), [""; 0]);
    assert_same(&rows, &scan(&to, &kept));
    assert_eq!(fs::metadata(to.join("large")).unwrap().ino(), fs::metadata(to.join("sub/linked")).unwrap().ino());
    assert!(fs::metadata(to.join("pipe")).unwrap().file_type().is_fifo());
}

#[test]
fn a_part_of_a_tree_gets_the_folders_it_needs() {
    let from = tree_of(&["a/b/c", "d"]);
    let rows = scan(from.path(), &Looking);
    let to = TempDir::new().unwrap();
    let mut creator = create(to.path()).unwrap();
    let row = rows.iter().find(|row| path(row) == b"a/b/c").unwrap();
    creator.add(&relation("media"), row, &Kept::default()).unwrap();
    creator.finish().unwrap();
    assert_eq!(paths(&scan(to.path(), &Looking)), [".", "a", "a/b", "a/b/c"]);
}

#[test]
fn a_folder_with_something_in_it_is_not_filled() {
    let dir = tree_of(&["x"]);
    assert!(matches!(create(dir.path()).err(), Some(Error::Exists { .. })));
    assert!(matches!(create(&dir.path().join("x")).err(), Some(Error::Exists { .. })));
    assert_eq!(fs::read(dir.path().join("x")).unwrap(), b"x");
}

#[test]
fn what_was_not_finished_is_taken_away() {
    let from = tree_of(&["a/b", "c"]);
    let rows = scan(from.path(), &Looking);
    let place = TempDir::new().unwrap();
    for to in [place.path().join("new"), place.path().join("empty")] {
        let was_there = to.ends_with("empty");
        if was_there {
            fs::create_dir(&to).unwrap();
        }
        let mut creator = create(&to).unwrap();
        rows.iter().for_each(|row| creator.add(&relation("media"), row, &Kept::default()).unwrap());
        drop(creator);
        assert_eq!(to.exists(), was_there);
        assert!(!was_there || fs::read_dir(&to).unwrap().next().is_none());
    }
}

#[test]
fn a_stored_path_cannot_leave_the_folder() {
    let from = tree_of(&["x"]);
    let mut row = scan(from.path(), &Looking).pop().unwrap();
    let place = TempDir::new().unwrap();
    for name in ["../x", "/tmp/x", "a/../../x", ""] {
        row.values[0] = Value::text(name);
        let mut creator = create(&place.path().join("to")).unwrap();
        assert!(matches!(creator.add(&relation("media"), &row, &Kept::default()), Err(Error::Unfit { .. })), "{name}");
    }
}

#[test]
fn nothing_is_written_through_a_link() {
    let outside = TempDir::new().unwrap();
    let from = tree_of(&["a/x"]);
    let rows = scan(from.path(), &Looking);
    let place = TempDir::new().unwrap();
    let to = place.path().join("to");
    let mut creator = create(&to).unwrap();
    // It is filled beside its place.
    let building = fs::read_dir(place.path()).unwrap().next().unwrap().unwrap().path();
    symlink(outside.path(), building.join("a")).unwrap();
    let row = rows.iter().find(|row| path(row) == b"a/x").unwrap();
    assert!(creator.add(&relation("media"), row, &Kept::default()).is_err());
    assert!(fs::read_dir(outside.path()).unwrap().next().is_none());
}

#[test]
fn damaged_content_is_not_written_as_if_it_were_whole() {
    let from = hostile_tree();
    let kept = Kept::default();
    let rows = scan(from.path(), &kept);
    kept.0.borrow_mut().values_mut().for_each(|bytes| bytes[5] ^= 1);
    let place = TempDir::new().unwrap();
    let mut creator = create(&place.path().join("to")).unwrap();
    let row = rows.iter().find(|row| path(row) == b"large").unwrap();
    assert!(creator.add(&relation("media"), row, &kept).is_err());
}

#[test]
fn what_is_excluded_is_left_out_with_all_below_it() {
    let dir = tree_of(&["keep", "cache/x", "cache/y/z", "a/b.pyc", "a/b.py", "top.log", "a/deep.log"]);
    let exclude = ["cache", "**/*.pyc", "*.log"].map(String::from).to_vec();
    let (rows, unread) = scan_with(dir.path(), &Options { exclude, one_file_system: true }, &Looking);
    assert_eq!(paths(&rows), [".", "a", "a/b.py", "a/deep.log", "keep"]);
    assert_eq!(unread, []);
}

/// Deletes a file when another one's content is taken.
struct Vanishing<'a>(&'a Path);

impl Content for Vanishing<'_> {
    fn keep(&self, class: Class, value: &mut dyn Read) -> io::Result<Large> {
        let _ = fs::remove_file(self.0);
        Looking.keep(class, value)
    }
}

#[test]
fn a_file_that_vanishes_is_named_and_the_rest_goes_on() {
    let dir = tree_of(&["b", "c"]);
    fs::write(dir.path().join("a"), vec![1; LARGE + 1]).unwrap();
    let (rows, unread) = scan_with(dir.path(), &Options::default(), &Vanishing(&dir.path().join("b")));
    assert_eq!(paths(&rows), [".", "a", "c"]);
    assert_eq!(unread.iter().map(|unread| unread.what.as_str()).collect::<Vec<_>>(), ["b"]);
}

/// Writes to a file each time its content is taken.
struct Restless<'a>(&'a Path);

impl Content for Restless<'_> {
    fn keep(&self, class: Class, value: &mut dyn Read) -> io::Result<Large> {
        let large = Looking.keep(class, value)?;
        fs::OpenOptions::new().append(true).open(self.0)?.write_all(b"more")?;
        Ok(large)
    }
}

#[test]
fn a_file_that_never_stands_still_is_kept_and_named() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("a");
    fs::write(&file, vec![1; LARGE + 1]).unwrap();
    let (rows, unread) = scan_with(dir.path(), &Options::default(), &Restless(&file));
    assert_eq!(paths(&rows), [".", "a"]);
    assert_eq!(unread.len(), 1);
}

/// A vault that is full.
struct Full;

impl Content for Full {
    fn keep(&self, _: Class, _: &mut dyn Read) -> io::Result<Large> {
        Err(io::ErrorKind::StorageFull.into())
    }
}

#[test]
fn content_that_cannot_be_kept_stops_the_scan() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("a"), vec![1; LARGE + 1]).unwrap();
    let tree = Tree::new("media", dir.path(), &Options::default()).unwrap();
    assert!(tree.scan(&tree.relations()[0], &Full, &mut |_| ControlFlow::Continue(())).is_err());
}

#[test]
fn a_scan_stops_when_it_is_told_to() {
    let dir = tree_of(&["a", "b", "c"]);
    let tree = Tree::new("media", dir.path(), &Options::default()).unwrap();
    let mut seen = 0;
    let stop = &mut |_: Row| {
        seen += 1;
        ControlFlow::Break(())
    };
    tree.scan(&tree.relations()[0], &Looking, stop).unwrap();
    assert_eq!(seen, 1);
}

#[test]
fn only_a_folder_is_a_tree() {
    let dir = tree_of(&["file"]);
    let tree = |name: &str| Tree::new("media", &dir.path().join(name), &Options::default()).err();
    assert!(matches!(tree("none"), Some(Error::Missing { .. })));
    assert!(matches!(tree("file"), Some(Error::NotA { .. })));
}
