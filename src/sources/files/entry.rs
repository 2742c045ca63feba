//! Makes one entry of a folder from its row.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid};
use rustix::io::Errno;

use super::beneath::type_of;
use super::relation::{Attributes, Entry, Kind};
use crate::rows::Value;
use crate::sources::Resolve;

/// Makes `entry` under `name`, which must be free, with its owner, mode and time; a folder is made empty and private, and gets them last.
///
/// Gives the open file where it is one, to be flushed.
pub(super) fn make(folder: &OwnedFd, name: &[u8], entry: &Entry<'_>, content: &dyn Resolve) -> io::Result<Option<File>> {
    let private = Mode::from_raw_mode(0o600);
    match entry.kind {
        Kind::Dir => {
            rustix::fs::mkdirat(folder, name, Mode::from_raw_mode(0o700))?;
            return Ok(None);
        }
        Kind::File => {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = File::from(rustix::fs::openat(folder, name, flags, private)?);
            write_content(&file, entry.content, content)?;
            set_of_open(&file, &entry.attributes)?;
            return Ok(Some(file));
        }
        Kind::Symlink => rustix::fs::symlinkat(entry.target, folder, name)?,
        Kind::Fifo => rustix::fs::mknodat(folder, name, FileType::Fifo, private, 0)?,
        Kind::Socket => rustix::fs::mknodat(folder, name, FileType::Socket, private, 0)?,
        Kind::CharDevice => rustix::fs::mknodat(folder, name, FileType::CharacterDevice, private, entry.device)?,
        Kind::BlockDevice => rustix::fs::mknodat(folder, name, FileType::BlockDevice, private, entry.device)?,
    }
    set(folder, name, entry.kind, &entry.attributes)?;
    Ok(None)
}

/// Sets owner, mode and time of what stands under `name`, if it is of this kind; owners only where we may.
///
/// A name can become a link to elsewhere at any moment, and there is no change of mode that does not follow one. So the entry itself is
/// held open first, and reached by the name the system has for what is open.
pub(super) fn set(folder: impl AsFd, name: &[u8], kind: Kind, attributes: &Attributes) -> io::Result<()> {
    let held = rustix::fs::openat(&folder, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    if Kind::of(type_of(&rustix::fs::fstat(&held)?)) != Some(kind) {
        return Err(Errno::NOENT.into());
    }
    if rustix::process::geteuid().is_root() {
        let (owner, group) = owners(attributes);
        rustix::fs::chownat(&held, "", owner, group, AtFlags::EMPTY_PATH)?;
    }
    if kind == Kind::Symlink {
        let Some(times) = times(attributes) else { return Ok(()) };
        return Ok(rustix::fs::utimensat(&folder, name, &times, AtFlags::SYMLINK_NOFOLLOW)?);
    }
    let itself = format!("/proc/self/fd/{}", held.as_raw_fd());
    rustix::fs::chmodat(CWD, &itself, Mode::from_raw_mode(attributes.mode), AtFlags::empty())?;
    if let Some(times) = times(attributes) {
        rustix::fs::utimensat(CWD, &itself, &times, AtFlags::empty())?;
    }
    Ok(())
}

/// Sets owner, mode and time of an open file or folder; the mode after the owner, which takes away set-uid.
pub(super) fn set_of_open(file: impl AsFd, attributes: &Attributes) -> io::Result<()> {
    if rustix::process::geteuid().is_root() {
        let (owner, group) = owners(attributes);
        rustix::fs::fchown(&file, owner, group)?;
    }
    rustix::fs::fchmod(&file, Mode::from_raw_mode(attributes.mode))?;
    if let Some(times) = times(attributes) {
        rustix::fs::futimens(&file, &times)?;
    }
    Ok(())
}

/// True where only root may make this kind of entry.
pub(super) fn needs_root(error: &io::Error, kind: Kind) -> bool {
    matches!(kind, Kind::CharDevice | Kind::BlockDevice) && Errno::from_io_error(error) == Some(Errno::PERM)
}

fn owners(attributes: &Attributes) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(attributes.uid)), Some(Gid::from_raw(attributes.gid)))
}

fn times(attributes: &Attributes) -> Option<Timestamps> {
    let mtime = attributes.mtime?;
    Some(Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanoseconds.into() },
    })
}

/// Writes a file's content and checks that it is the one the row names.
fn write_content(mut file: &File, value: &Value, content: &dyn Resolve) -> io::Result<()> {
    match value {
        Value::Blob(bytes) | Value::Text(bytes) => file.write_all(bytes),
        Value::Large(large) => {
            let mut checked = Checked { file, hasher: blake3::Hasher::new(), length: 0 };
            content.fetch(large, &mut checked)?;
            if checked.length != large.length || *checked.hasher.finalize().as_bytes() != large.content.0 {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "what was fetched is not the content that was kept"));
            }
            Ok(())
        }
        Value::Null | Value::Integer(_) | Value::Real(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "a file without content")),
    }
}

struct Checked<'f> {
    file: &'f File,
    hasher: blake3::Hasher,
    length: u64,
}

impl Write for Checked<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
