//! What a row of a tree holds, and the way between a row and an entry of the file system.
//!
//! A folder's times stand in hidden columns of their own: a preview does not compare them, a restore puts them back.

use rustix::fs::FileType;

use crate::rows::{Column, Fold, KeyKind, Relation, RelationKind, Role, Row, Value};
use crate::sources::{Error, Result};

/// The path of the root itself.
pub const ROOT: &[u8] = b".";

/// Columns of a tree: name, declared type, role, whether NULL is refused. New ones go to the end; path and kind stay first.
const COLUMNS: [(&str, &str, Role, bool); 14] = [
    ("path", "TEXT", Role::Data, true),
    ("kind", "TEXT", Role::Data, true),
    ("mode", "INTEGER", Role::Data, true),
    ("uid", "INTEGER", Role::Data, true),
    ("gid", "INTEGER", Role::Data, true),
    ("mtime_s", "INTEGER", Role::Data, false),
    ("mtime_ns", "INTEGER", Role::Data, false),
    ("size", "INTEGER", Role::Data, false),
    ("content", "BLOB", Role::Data, false),
    ("target", "TEXT", Role::Data, false),
    ("device", "INTEGER", Role::Data, false),
    ("folder_mtime_s", "INTEGER", Role::Hidden, false),
    ("folder_mtime_ns", "INTEGER", Role::Hidden, false),
    ("link", "TEXT", Role::Hidden, false),
];

/// The relation of a tree with this label.
#[must_use]
pub fn relation(label: &str) -> Relation {
    let column = |&(name, declared, role, not_null): &(&str, &str, Role, bool)| Column {
        name: name.into(),
        declared: declared.into(),
        role,
        fold: Fold::Binary,
        not_null,
    };
    Relation {
        name: label.into(),
        module: "files".into(),
        kind: RelationKind::Files,
        columns: COLUMNS.iter().map(column).collect(),
        key: KeyKind::Columns(vec![0]),
    }
}

/// What an entry of a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Dir,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

impl Kind {
    const NAMES: [(Self, &'static str); 7] = [
        (Self::File, "file"),
        (Self::Dir, "dir"),
        (Self::Symlink, "symlink"),
        (Self::Fifo, "fifo"),
        (Self::Socket, "socket"),
        (Self::CharDevice, "char_device"),
        (Self::BlockDevice, "block_device"),
    ];

    /// Its name in the column `kind`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("file", |(_, name)| name)
    }

    /// The kind of an entry of this type; none for a type that is not known.
    #[must_use]
    pub fn of(file_type: FileType) -> Option<Self> {
        Some(match file_type {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Dir,
            FileType::Symlink => Self::Symlink,
            FileType::Fifo => Self::Fifo,
            FileType::Socket => Self::Socket,
            FileType::CharacterDevice => Self::CharDevice,
            FileType::BlockDevice => Self::BlockDevice,
            FileType::Unknown => return None,
        })
    }

    fn named(name: &[u8]) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| known.as_bytes() == name).map(|(kind, _)| *kind)
    }
}

/// Seconds since 1970 and nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970, UTC.
    pub seconds: i64,
    /// Nanoseconds, less than 10⁹.
    pub nanoseconds: u32,
}

/// Owner, mode and time of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The permission bits, with set-uid, set-gid and sticky.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The time of the last change.
    pub mtime: Option<Time>,
}

/// A row of a tree, checked and taken apart.
#[derive(Debug)]
pub struct Entry<'r> {
    /// The path relative to the root; it never leaves it.
    pub path: &'r [u8],
    /// What it is.
    pub kind: Kind,
    /// Owner, mode and time.
    pub attributes: Attributes,
    /// The content of a file.
    pub content: &'r Value,
    /// Where a symbolic link points.
    pub target: &'r [u8],
    /// The number of a device.
    pub device: u64,
    /// What the names of one file with several names have in common.
    pub link: Option<&'r [u8]>,
}

impl<'r> Entry<'r> {
    /// Takes `row` apart.
    ///
    /// # Errors
    /// [`Error::Unfit`] where a value is not what it must be, and for a path that leaves the root.
    pub fn of(relation: &Relation, row: &'r Row) -> Result<Self> {
        let path = text(value(relation, row, "path")).unwrap_or_default();
        let unfit = |why: &str| Error::Unfit { model: relation.name.clone(), why: format!("{}: {why}", shown(path)) };
        if !is_inside(path) {
            return Err(unfit("this path does not stay inside its folder"));
        }
        let number = |column: &str| integer(value(relation, row, column));
        let small = |column: &str| number(column).and_then(|number| u32::try_from(number).ok());
        let needed = |column: &str| small(column).ok_or_else(|| unfit(&format!("its {column} is not a number that fits")));
        let kind = text(value(relation, row, "kind")).and_then(Kind::named).ok_or_else(|| unfit("its kind is not known"))?;
        let (seconds, nanoseconds) = if kind == Kind::Dir { ("folder_mtime_s", "folder_mtime_ns") } else { ("mtime_s", "mtime_ns") };
        let mtime = number(seconds).map(|seconds| Time { seconds, nanoseconds: small(nanoseconds).unwrap_or(0).min(999_999_999) });
        let content = value(relation, row, "content");
        if kind == Kind::File && !matches!(content, Value::Blob(_) | Value::Text(_) | Value::Large(_)) {
            return Err(unfit("its content is missing"));
        }
        let target = text(value(relation, row, "target")).unwrap_or_default();
        if kind == Kind::Symlink && (target.is_empty() || target.contains(&0)) {
            return Err(unfit("the target of the link is missing"));
        }
        let attributes = Attributes { mode: needed("mode")? & 0o7777, uid: needed("uid")?, gid: needed("gid")?, mtime };
        let device = number("device").map_or(0, i64::cast_unsigned);
        Ok(Self { path, kind, attributes, content, target, device, link: text(value(relation, row, "link")) })
    }
}

/// The path in a row of a tree.
#[must_use]
pub fn path_of(row: &Row) -> Option<&[u8]> {
    row.values.first().and_then(text)
}

/// Whether a row of a tree is a folder's.
#[must_use]
pub fn is_folder(row: &Row) -> bool {
    row.values.get(1).and_then(text) == Some(Kind::Dir.name().as_bytes())
}

fn value<'r>(relation: &Relation, row: &'r Row, column: &str) -> &'r Value {
    relation.column(column).and_then(|index| row.values.get(index)).unwrap_or(&Value::Null)
}

fn text(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Text(bytes) | Value::Blob(bytes) => Some(bytes),
        _ => None,
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        _ => None,
    }
}

/// True for the root and for a relative path of plain names: what a stored path must be before it touches the file system.
#[must_use]
pub fn is_inside(path: &[u8]) -> bool {
    let plain = |name: &[u8]| !name.is_empty() && name != b"." && name != b"..";
    path == ROOT || (!path.contains(&0) && path.split(|&byte| byte == b'/').all(plain))
}

/// The path of the folder an entry is in, and its name there; the root has no name.
#[must_use]
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (ROOT, path),
    }
}

/// A path as text for a message.
#[must_use]
pub fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leaves_the_root_is_refused() {
        for path in ["", "/etc/passwd", "..", "a/../b", "a/..", "a//b", "a/", "./a", "a/."] {
            assert!(!is_inside(path.as_bytes()), "{path}");
        }
        assert!(!is_inside(b"a\0b"));
        for path in [".", "a", "a/b", "..a", "a/...", "-", "a\nb"] {
            assert!(is_inside(path.as_bytes()), "{path}");
        }
    }
}
