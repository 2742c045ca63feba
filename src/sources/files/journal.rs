//! Records in a file, read from either end: the journal of an [`super::Apply`], and the folders whose times are set last.
//!
//! A record is its length, its bytes, eight bytes of BLAKE3 over them, and its length again. One that a crash cut off ends the file.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use super::relation::{Attributes, Kind, Time, is_inside};

/// Longer than two paths can be.
const LONGEST: u32 = 1 << 20;
/// The bytes of a record besides its own.
const FRAME: u64 = 4 + 8 + 4;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// The first one: the root it is about.
    Root(Vec<u8>),
    /// A folder that must be there.
    Folder { path: Vec<u8> },
    /// An entry staged under a temporary path, and its own.
    Rename { temporary: Vec<u8>, path: Vec<u8> },
    /// An entry that goes.
    Remove { path: Vec<u8> },
    /// Owner, mode and time that an entry gets last.
    Attributes { path: Vec<u8>, kind: Kind, attributes: Attributes },
    /// All is staged and flushed.
    Sealed,
    /// The first rename may have happened: there is only forward.
    Begun,
}

/// A file of records.
#[derive(Debug)]
pub(super) struct Records {
    file: File,
    end: u64,
}

impl Records {
    /// An empty file of records.
    pub fn new(file: File) -> Self {
        Self { file, end: 0 }
    }

    /// The records in `file`, up to the first that is not whole.
    pub fn open(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let mut records = Self { file, end: length };
        let mut end = 0;
        while let Some((_, next)) = records.at(end)? {
            end = next;
        }
        records.end = end;
        Ok(records)
    }

    /// Adds a record at the end.
    pub fn append(&mut self, record: &Record) -> io::Result<()> {
        let bytes = encode(record);
        let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= LONGEST);
        let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidFilename, "the path is too long"))?.to_le_bytes();
        let framed = [&length[..], &bytes, &check(&bytes), &length].concat();
        self.file.write_all_at(&framed, self.end)?;
        self.end += framed.len() as u64;
        Ok(())
    }

    /// Makes what was added last.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.sync_all()
    }

    /// The records from the first on.
    pub fn forward(&self) -> impl Iterator<Item = io::Result<Record>> + '_ {
        let mut at = 0;
        std::iter::from_fn(move || {
            let found = self.at(at).and_then(|found| found.map(|(bytes, next)| Ok((decode(&bytes)?, next))).transpose());
            match found.transpose()? {
                Ok((record, next)) => {
                    at = next;
                    Some(Ok(record))
                }
                Err(error) => {
                    at = self.end;
                    Some(Err(error))
                }
            }
        })
    }

    /// The records from the last on.
    pub fn backward(&self) -> impl Iterator<Item = io::Result<Record>> + '_ {
        let mut end = self.end;
        std::iter::from_fn(move || {
            if end < FRAME {
                return None;
            }
            let read = self.before(end);
            end = read.as_ref().map_or(0, |(_, begin)| *begin);
            Some(read.map(|(record, _)| record))
        })
    }

    fn before(&self, end: u64) -> io::Result<(Record, u64)> {
        let mut length = [0; 4];
        self.file.read_exact_at(&mut length, end - 4)?;
        let begin = end.checked_sub(FRAME + u64::from(u32::from_le_bytes(length))).ok_or_else(damaged)?;
        let (bytes, _) = self.at(begin)?.ok_or_else(damaged)?;
        Ok((decode(&bytes)?, begin))
    }

    /// The record that begins at `begin`, and where the next one does; none where it is not whole.
    fn at(&self, begin: u64) -> io::Result<Option<(Vec<u8>, u64)>> {
        let left = self.end.saturating_sub(begin);
        if left < FRAME {
            return Ok(None);
        }
        let mut length = [0; 4];
        self.file.read_exact_at(&mut length, begin)?;
        let length = u32::from_le_bytes(length);
        if length > LONGEST || u64::from(length) > left - FRAME {
            return Ok(None);
        }
        let mut rest = vec![0; length as usize + 12];
        self.file.read_exact_at(&mut rest, begin + 4)?;
        let tail = rest.split_off(length as usize);
        let whole = tail[..8] == check(&rest) && tail[8..] == length.to_le_bytes();
        Ok(whole.then_some((rest, begin + FRAME + u64::from(length))))
    }
}

fn check(bytes: &[u8]) -> [u8; 8] {
    let mut check = [0; 8];
    check.copy_from_slice(&blake3::hash(bytes).as_bytes()[..8]);
    check
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the journal is damaged")
}

const KINDS: [Kind; 7] = [Kind::File, Kind::Dir, Kind::Symlink, Kind::Fifo, Kind::Socket, Kind::CharDevice, Kind::BlockDevice];

fn encode(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    let put = |bytes: &mut Vec<u8>, path: &[u8]| {
        bytes.extend_from_slice(&(path.len() as u64).to_le_bytes());
        bytes.extend_from_slice(path);
    };
    match record {
        Record::Root(path) => {
            bytes.push(b'/');
            put(&mut bytes, path);
        }
        Record::Folder { path } => {
            bytes.push(b'd');
            put(&mut bytes, path);
        }
        Record::Rename { temporary, path } => {
            bytes.push(b'>');
            put(&mut bytes, temporary);
            put(&mut bytes, path);
        }
        Record::Remove { path } => {
            bytes.push(b'-');
            put(&mut bytes, path);
        }
        Record::Attributes { path, kind, attributes } => {
            bytes.push(b'a');
            put(&mut bytes, path);
            bytes.push(u8::try_from(KINDS.iter().position(|known| known == kind).unwrap_or(0)).unwrap_or(0));
            for number in [attributes.mode, attributes.uid, attributes.gid] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            if let Some(mtime) = attributes.mtime {
                bytes.extend_from_slice(&mtime.seconds.to_le_bytes());
                bytes.extend_from_slice(&mtime.nanoseconds.to_le_bytes());
            }
        }
        Record::Sealed => bytes.push(b's'),
        Record::Begun => bytes.push(b'b'),
    }
    bytes
}

fn decode(bytes: &[u8]) -> io::Result<Record> {
    decode_whole(bytes).ok_or_else(damaged)
}

fn decode_whole(bytes: &[u8]) -> Option<Record> {
    let (tag, mut rest) = bytes.split_first()?;
    let record = match tag {
        b'/' => Record::Root(take_bytes(&mut rest)?),
        b'd' => Record::Folder { path: take_path(&mut rest)? },
        b'>' => Record::Rename { temporary: take_path(&mut rest)?, path: take_path(&mut rest)? },
        b'-' => Record::Remove { path: take_path(&mut rest)? },
        b'a' => {
            let path = take_path(&mut rest)?;
            let kind = *KINDS.get(usize::from(*rest.split_off_first()?))?;
            let [mode, uid, gid] = [take_u32(&mut rest)?, take_u32(&mut rest)?, take_u32(&mut rest)?];
            let mtime = match rest.split_off(..8) {
                Some(seconds) => Some(Time { seconds: i64::from_le_bytes(seconds.try_into().ok()?), nanoseconds: take_u32(&mut rest)? }),
                None => None,
            };
            Record::Attributes { path, kind, attributes: Attributes { mode, uid, gid, mtime } }
        }
        b's' => Record::Sealed,
        b'b' => Record::Begun,
        _ => return None,
    };
    rest.is_empty().then_some(record)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(rest.split_off(..4)?.try_into().ok()?))
}

/// A path of the tree: no journal leads out of it.
fn take_path(rest: &mut &[u8]) -> Option<Vec<u8>> {
    take_bytes(rest).filter(|path| is_inside(path))
}

fn take_bytes(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let length = u64::from_le_bytes(rest.split_off(..8)?.try_into().ok()?);
    Some(rest.split_off(..usize::try_from(length).ok()?)?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_records() -> Vec<Record> {
        let attributes = Attributes { mode: 0o4755, uid: 1, gid: 2, mtime: Some(Time { seconds: -5, nanoseconds: 999_999_999 }) };
        vec![
            Record::Root(b"/srv".to_vec()),
            Record::Folder { path: b"a".to_vec() },
            Record::Rename { temporary: b"a/.t\n\xff".to_vec(), path: b"a/b".to_vec() },
            Record::Remove { path: b"c".to_vec() },
            Record::Attributes { path: b".".to_vec(), kind: Kind::Dir, attributes },
            Record::Attributes { path: b"z".to_vec(), kind: Kind::Fifo, attributes: Attributes { mtime: None, ..attributes } },
            Record::Sealed,
            Record::Begun,
        ]
    }

    #[test]
    fn records_read_the_same_from_both_ends() {
        let mut records = Records::new(tempfile::tempfile().unwrap());
        some_records().iter().for_each(|record| records.append(record).unwrap());
        let forward: Vec<_> = records.forward().map(Result::unwrap).collect();
        let mut backward: Vec<_> = records.backward().map(Result::unwrap).collect();
        backward.reverse();
        assert_eq!(forward, some_records());
        assert_eq!(backward, some_records());
    }

    #[test]
    fn a_file_cut_off_anywhere_gives_the_records_before_the_cut() {
        let file = tempfile::tempfile().unwrap();
        let mut records = Records::new(file.try_clone().unwrap());
        let ends: Vec<u64> = some_records()
            .iter()
            .map(|record| {
                records.append(record).unwrap();
                records.end
            })
            .collect();
        for length in (0..=records.end).rev() {
            file.set_len(length).unwrap();
            let cut = Records::open(file.try_clone().unwrap()).unwrap();
            let whole = ends.iter().filter(|end| **end <= length).count();
            assert_eq!(cut.forward().map(Result::unwrap).collect::<Vec<_>>(), some_records()[..whole]);
            assert_eq!(cut.backward().count(), whole);
        }
    }
}
