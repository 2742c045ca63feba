//! Packs: files of sealed chunks. A pack is built in memory, checked from its final bytes, and only then written anywhere.

use super::codec::{self, Codec};
use super::crypto::{self, NONCE, OVERHEAD};
use super::error::{Error, Result};
use super::keys::{EPOCH, Keys};
use super::limits::{DATA_PACK, MAX_CHUNK, MAX_PACK, MAX_PACK_ENTRIES, META_PACK, PACK_ENTRIES};
use super::names::VaultId;
use crate::rows::Digest;

const MAGIC: [u8; 4] = *b"BKP1";
const END: [u8; 4] = *b"1PKB";
const VERSION: u8 = 1;
pub(super) const HEADER: usize = 32;
const FOOTER: usize = 16;
const ENTRY: usize = 46;

/// What a chunk holds; part of its name and of what it is sealed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ChunkKind {
    /// Rows.
    Segment = 1,
    /// A part of a run's index.
    Index = 2,
    /// A file's or a large value's content, or a piece of it.
    Content = 3,
    /// The definition of a source.
    Schema = 4,
    /// A list of chunks, or of errors.
    List = 5,
}

impl ChunkKind {
    pub(super) fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Segment,
            2 => Self::Index,
            3 => Self::Content,
            4 => Self::Schema,
            5 => Self::List,
            _ => return None,
        })
    }

    /// The pack that such chunks go into.
    #[must_use]
    pub fn pack(self) -> PackKind {
        match self {
            Self::Segment | Self::Content => PackKind::Data,
            Self::Index | Self::Schema | Self::List => PackKind::Meta,
        }
    }
}

/// What a pack is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum PackKind {
    /// Rows and contents.
    Data = 1,
    /// Everything that describes them.
    Meta = 2,
}

impl PackKind {
    pub(super) fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Data,
            2 => Self::Meta,
            _ => return None,
        })
    }

    /// The folder that such packs lie in.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Self::Data => "packs",
            Self::Meta => "meta",
        }
    }

    fn target(self) -> usize {
        match self {
            Self::Data => DATA_PACK,
            Self::Meta => META_PACK,
        }
    }

    /// The object's name of the pack with this id.
    #[must_use]
    pub fn object(self, id: &Digest) -> String {
        let id = id.to_string();
        format!("{}/{}/{id}", self.folder(), &id[..2])
    }
}

/// The pack that an object's name speaks of.
#[must_use]
pub fn parse_object(name: &str) -> Option<(PackKind, Digest)> {
    let mut parts = name.split('/');
    let kind = match parts.next()? {
        "packs" => PackKind::Data,
        "meta" => PackKind::Meta,
        _ => return None,
    };
    let (_, id) = (parts.next()?, Digest::from_hex(parts.next()?)?);
    (kind.object(&id) == name).then_some((kind, id))
}

/// Where a chunk lies in its pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The chunk.
    pub chunk: Digest,
    /// What it holds.
    pub kind: ChunkKind,
    /// How it is packed.
    pub codec: Codec,
    /// Where its sealed bytes begin.
    pub offset: u32,
    /// How many they are.
    pub stored: u32,
    /// How many bytes they hold.
    pub plain: u32,
}

impl Entry {
    pub(super) fn push(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.chunk.0);
        bytes.extend_from_slice(&[self.kind as u8, self.codec as u8]);
        for number in [self.offset, self.stored, self.plain] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// Reads one and checks that it lies within a pack of `size` bytes.
    pub(super) fn read(bytes: &[u8; ENTRY], size: u64) -> Option<Self> {
        let (chunk, rest) = bytes.split_first_chunk::<32>()?;
        let number = |at: usize| Some(u32::from_le_bytes(rest.get(at..at + 4)?.try_into().ok()?));
        let entry = Self {
            chunk: Digest(*chunk),
            kind: ChunkKind::from_number(rest[0])?,
            codec: Codec::from_number(rest[1])?,
            offset: number(2)?,
            stored: number(6)?,
            plain: number(10)?,
        };
        let end = u64::from(entry.offset) + u64::from(entry.stored);
        let fits = entry.offset as usize >= HEADER && end <= size && entry.stored as usize >= OVERHEAD;
        (fits && entry.plain as usize <= MAX_CHUNK && entry.stored as usize <= MAX_CHUNK + OVERHEAD).then_some(entry)
    }

    pub(super) const BYTES: usize = ENTRY;
}

/// A chunk, packed and sealed, ready for any pack.
#[derive(Debug)]
pub struct SealedChunk {
    chunk: Digest,
    kind: ChunkKind,
    codec: Codec,
    plain: u32,
    bytes: Vec<u8>,
}

impl SealedChunk {
    /// Packs and seals `plain`.
    pub(super) fn new(keys: &Keys, vault: VaultId, chunk: Digest, kind: ChunkKind, plain: &[u8]) -> Result<Self> {
        Self::with_nonce(keys, vault, chunk, kind, plain, crypto::random()?)
    }

    fn with_nonce(keys: &Keys, vault: VaultId, chunk: Digest, kind: ChunkKind, plain: &[u8], nonce: [u8; NONCE]) -> Result<Self> {
        let too_large = || Error::TooLarge { what: "a chunk".into(), size: plain.len() as u64, limit: MAX_CHUNK as u64 };
        let length = u32::try_from(plain.len()).ok().filter(|_| plain.len() <= MAX_CHUNK).ok_or_else(too_large)?;
        let (codec, packed) = codec::encode(plain);
        let key = keys.data(EPOCH).ok_or(Error::Random)?;
        let bytes = crypto::seal_with(key, nonce, &about_chunk(kind, vault, EPOCH, &chunk), &packed)?;
        Ok(Self { chunk, kind, codec, plain: length, bytes })
    }
}

/// A pack being filled.
#[derive(Debug)]
pub struct PackBuilder {
    kind: PackKind,
    vault: VaultId,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// A pack, finished and checked.
#[derive(Debug)]
pub struct Pack {
    /// BLAKE3 of its bytes.
    pub id: Digest,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What is in it.
    pub entries: Vec<Entry>,
}

impl PackBuilder {
    pub(super) fn new(kind: PackKind, vault: VaultId) -> Self {
        Self::within(Vec::new(), kind, vault)
    }

    /// A new one in the memory of an earlier pack.
    pub(super) fn within(mut bytes: Vec<u8>, kind: PackKind, vault: VaultId) -> Self {
        bytes.clear();
        bytes.extend_from_slice(&header(kind, EPOCH, vault));
        Self { kind, vault, bytes, entries: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= self.kind.target() || self.entries.len() >= PACK_ENTRIES
    }

    /// Adds a chunk; gives the bytes it takes. The targets keep offsets far below 2^32.
    pub(super) fn add(&mut self, sealed: &SealedChunk) -> u32 {
        let offset = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        let stored = u32::try_from(sealed.bytes.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&sealed.bytes);
        let SealedChunk { chunk, kind, codec, plain, .. } = *sealed;
        self.entries.push(Entry { chunk, kind, codec, offset, stored, plain });
        stored
    }

    /// Seals the trailer and decodes every chunk from the final bytes: what cannot be read back is never written.
    pub(super) fn finish(self, keys: &Keys) -> Result<Pack> {
        self.finish_with(keys, crypto::random()?)
    }

    fn finish_with(mut self, keys: &Keys, nonce: [u8; NONCE]) -> Result<Pack> {
        let header = header(self.kind, EPOCH, self.vault);
        let mut plain = Vec::with_capacity(self.entries.len() * ENTRY);
        self.entries.iter().for_each(|entry| entry.push(&mut plain));
        let key = keys.data(EPOCH).ok_or(Error::Random)?;
        let trailer = crypto::seal_with(key, nonce, &header, &plain)?;
        self.bytes.extend_from_slice(&trailer);
        self.bytes.extend_from_slice(&u32::try_from(trailer.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.bytes.extend_from_slice(&u32::try_from(self.entries.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.bytes.extend_from_slice(&checksum(&header, &trailer));
        self.bytes.extend_from_slice(&END);
        let id = Digest::of(&self.bytes);
        let read = read_entries(keys, self.vault, self.bytes.len() as u64, &self.bytes)?;
        if read != self.entries || read.iter().any(|entry| open_chunk(keys, self.vault, entry, slice(&self.bytes, entry)).is_none()) {
            return Err(Error::damaged("a new pack", "it does not read back as it was built; this machine's memory may be faulty"));
        }
        Ok(Pack { id, bytes: self.bytes, entries: self.entries })
    }
}

pub(super) fn slice<'b>(bytes: &'b [u8], entry: &Entry) -> &'b [u8] {
    bytes.get(entry.offset as usize..entry.offset as usize + entry.stored as usize).unwrap_or_default()
}

/// Opens, unpacks and re-hashes one chunk; `None` where it is not exactly what it should be.
#[must_use]
pub fn open_chunk(keys: &Keys, vault: VaultId, entry: &Entry, sealed: &[u8]) -> Option<Vec<u8>> {
    let packed = crypto::open(keys.data(EPOCH)?, &about_chunk(entry.kind, vault, EPOCH, &entry.chunk), sealed)?;
    let plain = codec::decode(entry.codec, packed, entry.plain as usize)?;
    (keys.chunk_id(entry.kind as u8, &plain) == entry.chunk).then_some(plain)
}

/// Bytes that trailer and footer take at the end of a pack whose last 16 bytes are `footer`.
pub(super) fn tail_length(footer: &[u8], size: u64) -> Option<usize> {
    let footer: &[u8; FOOTER] = footer.try_into().ok()?;
    let number = |at: usize| u32::from_le_bytes([footer[at], footer[at + 1], footer[at + 2], footer[at + 3]]);
    let (trailer, entries) = (number(0), number(4));
    let right = footer[12..] == END && entries <= MAX_PACK_ENTRIES && trailer as usize == entries as usize * ENTRY + OVERHEAD;
    let tail = trailer as usize + FOOTER;
    (right && (tail + HEADER) as u64 <= size && size <= MAX_PACK).then_some(tail)
}

pub(super) const FOOTER_BYTES: usize = FOOTER;

/// The entries of a pack of `size` bytes, from all its bytes or from its header and tail joined.
pub(super) fn read_entries(keys: &Keys, vault: VaultId, size: u64, bytes: &[u8]) -> Result<Vec<Entry>> {
    let damaged = |why: &str| Error::damaged("a pack", why);
    let (head, _) = bytes.split_first_chunk::<HEADER>().ok_or_else(|| damaged("it is too short"))?;
    if head[..4] != MAGIC {
        return Err(damaged("it does not begin as a pack does"));
    }
    if head[4] != VERSION {
        return Err(Error::Unsupported { object: "a pack".into(), feature: format!("pack version {}", head[4]) });
    }
    let kind = PackKind::from_number(head[5]).ok_or_else(|| damaged("it is of an unknown kind"))?;
    if *head != header(kind, EPOCH, vault) {
        return Err(damaged("it belongs to another vault or epoch"));
    }
    let footer = bytes.len().checked_sub(FOOTER).and_then(|at| bytes.get(at..)).unwrap_or_default();
    let tail =
        tail_length(footer, size).and_then(|length| bytes.get(bytes.len().checked_sub(length)?..)).ok_or_else(|| damaged("its end is"))?;
    let trailer = &tail[..tail.len() - FOOTER];
    if footer[8..12] != checksum(head, trailer) {
        return Err(damaged("its trailer does not match its checksum"));
    }
    let key = keys.data(EPOCH).ok_or(Error::Random)?;
    let plain = crypto::open(key, head, trailer).ok_or_else(|| damaged("its trailer cannot be opened"))?;
    let (entries, []) = plain.as_chunks::<ENTRY>() else { return Err(damaged("its trailer has a wrong length")) };
    entries.iter().map(|entry| Entry::read(entry, size).ok_or_else(|| damaged("an entry points outside"))).collect()
}

fn header(kind: PackKind, epoch: u32, vault: VaultId) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&MAGIC);
    header[4] = VERSION;
    header[5] = kind as u8;
    header[8..12].copy_from_slice(&epoch.to_le_bytes());
    header[12..28].copy_from_slice(&vault.0);
    header
}

fn about_chunk(kind: ChunkKind, vault: VaultId, epoch: u32, chunk: &Digest) -> [u8; 54] {
    let mut about = [0; 54];
    about[0] = VERSION;
    about[1] = kind as u8;
    about[2..18].copy_from_slice(&vault.0);
    about[18..22].copy_from_slice(&epoch.to_le_bytes());
    about[22..].copy_from_slice(&chunk.0);
    about
}

fn checksum(header: &[u8], trailer: &[u8]) -> [u8; 4] {
    let mut hasher = blake3::Hasher::new();
    let hash = hasher.update(header).update(trailer).finalize();
    let bytes = hash.as_bytes();
    [bytes[0], bytes[1], bytes[2], bytes[3]]
}

#[cfg(test)]
mod tests {
    use super::super::crypto::SealKey;
    use super::*;

    const VAULT: VaultId = VaultId([9; 16]);

    fn pack() -> (Keys, Pack) {
        let keys = Keys::derive(&SealKey([42; 32]));
        let mut builder = PackBuilder::new(PackKind::Data, VAULT);
        for (number, plain) in [&b"first"[..], &[0; 5000], b""].into_iter().enumerate() {
            let nonce = [u8::try_from(number).unwrap(); NONCE];
            let id = keys.chunk_id(ChunkKind::Content as u8, plain);
            builder.add(&SealedChunk::with_nonce(&keys, VAULT, id, ChunkKind::Content, plain, nonce).unwrap());
        }
        let pack = builder.finish_with(&keys, [77; NONCE]).unwrap();
        (keys, pack)
    }

    #[test]
    fn the_bytes_of_a_pack_never_change() {
        let (_, pack) = pack();
        assert_eq!(pack.id.to_string(), "8ede5f2a2065fc9310ce4441f085a8600ce7f99faabf5436f2533bef8af19b47");
    }

    #[test]
    fn no_flipped_or_missing_byte_of_a_pack_goes_unnoticed() {
        let (keys, pack) = pack();
        let reads = |bytes: &[u8]| {
            let entries = read_entries(&keys, VAULT, bytes.len() as u64, bytes).ok()?;
            (entries == pack.entries).then_some(())?;
            entries.iter().all(|entry| open_chunk(&keys, VAULT, entry, slice(bytes, entry)).is_some()).then_some(())
        };
        assert!(reads(&pack.bytes).is_some());
        for at in 0..pack.bytes.len() {
            let mut damaged = pack.bytes.clone();
            damaged[at] ^= 0x80;
            assert!(reads(&damaged).is_none(), "byte {at}");
            assert!(reads(&pack.bytes[..at]).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn hostile_lengths_are_refused_before_anything_is_allocated() {
        let footer = |trailer: u32, entries: u32| {
            let mut footer = Vec::new();
            footer.extend_from_slice(&trailer.to_le_bytes());
            footer.extend_from_slice(&entries.to_le_bytes());
            footer.extend_from_slice(&[0; 4]);
            footer.extend_from_slice(&END);
            footer
        };
        assert!(tail_length(&footer(u32::MAX, u32::MAX), u64::MAX).is_none());
        assert!(tail_length(&footer(40 + 46 * 1000, 1000), 1000).is_none());
        assert!(tail_length(&footer(40, 0), 88).is_some());
        let entry = Entry { chunk: Digest([0; 32]), kind: ChunkKind::List, codec: Codec::Zstd, offset: 32, stored: 40, plain: u32::MAX };
        let mut bytes = Vec::new();
        entry.push(&mut bytes);
        assert!(Entry::read(bytes.as_slice().try_into().unwrap(), 1000).is_none());
    }

    #[test]
    fn a_chunk_cannot_stand_in_for_another() {
        let (keys, pack) = pack();
        let (first, second) = (pack.entries[0], pack.entries[1]);
        let swapped = Entry { chunk: first.chunk, ..second };
        assert!(open_chunk(&keys, VAULT, &swapped, slice(&pack.bytes, &second)).is_none());
        assert!(open_chunk(&keys, VAULT, &Entry { kind: ChunkKind::Schema, ..first }, slice(&pack.bytes, &first)).is_none());
        assert!(open_chunk(&keys, VaultId([8; 16]), &first, slice(&pack.bytes, &first)).is_none());
    }
}
