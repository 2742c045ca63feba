//! The blocks of the digest cache: keys and row digests of the newest backup, so that changes are found without reading the vault.
//!
//! Bytes only: whoever keeps a block seals it, and names the manifest and the relation digest that the cache reflects.
//!
//! ```text
//! block = "BSdc" version entries (shared length suffix digest)…        (a key begins with `shared` bytes of the one before)
//! ```

use super::bytes::{Cursor, push_string, push_varint};
use super::damage::Damage;
use super::key::Key;
use super::row::RowDigest;

const MAGIC: [u8; 4] = *b"BSdc";
const VERSION: u8 = 1;
/// A block ends once its keys and digests weigh this much. The decoder counts too: shared beginnings could make much out of little.
const BLOCK_WEIGHT: usize = 64 * 1024;
/// The least that an entry takes: two lengths and a digest.
const ENTRY_MIN: usize = 18;

/// The bytes of a block of entries in key order; [`Blocks`] says when a block is full.
#[must_use]
pub fn encode(entries: &[(Key, RowDigest)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BLOCK_WEIGHT);
    bytes.extend_from_slice(&MAGIC);
    bytes.push(VERSION);
    push_varint(&mut bytes, entries.len() as u64);
    let mut before: &[u8] = &[];
    for (key, digest) in entries {
        let key = key.as_bytes();
        let shared = key.iter().zip(before).take_while(|(a, b)| a == b).count();
        push_varint(&mut bytes, shared as u64);
        push_string(&mut bytes, &key[shared..]);
        bytes.extend_from_slice(&digest.0);
        before = key;
    }
    bytes
}

/// The entries that [`encode`] made these bytes of.
///
/// # Errors
/// What is wrong with the bytes; the keys ascend.
pub fn decode(bytes: &[u8]) -> Result<Vec<(Key, RowDigest)>, Damage> {
    let mut cursor = Cursor::open(bytes, "digest cache", MAGIC, VERSION)?;
    let count = cursor.items(ENTRY_MIN)?;
    let mut entries: Vec<(Key, RowDigest)> = Vec::with_capacity(count);
    let mut weight = 0;
    for _ in 0..count {
        if weight >= BLOCK_WEIGHT {
            return Err(Damage::Limit { what: "block of the digest cache", found: weight as u64, limit: BLOCK_WEIGHT as u64 });
        }
        let before = entries.last().map_or(&[][..], |(key, _)| key.as_bytes());
        let shared = cursor.count(before.len())?;
        let key = Key::from_bytes([&before[..shared], cursor.string()?].concat());
        if entries.last().is_some_and(|(last, _)| *last >= key) {
            return Err(Damage::Form { what: "order of the digest cache" });
        }
        weight += entry_weight(&key);
        entries.push((key, RowDigest(cursor.array()?)));
    }
    cursor.finish()?;
    Ok(entries)
}

fn entry_weight(key: &Key) -> usize {
    key.as_bytes().len() + 16
}

/// Gathers entries into blocks of about 64 KiB.
#[derive(Debug, Default)]
pub struct Blocks {
    entries: Vec<(Key, RowDigest)>,
    weight: usize,
}

impl Blocks {
    /// Takes the next entry in key order; gives a block where it is full.
    pub fn push(&mut self, key: Key, digest: RowDigest) -> Option<Vec<u8>> {
        self.weight += entry_weight(&key);
        self.entries.push((key, digest));
        if self.weight >= BLOCK_WEIGHT { self.finish() } else { None }
    }

    /// Gives what is left as a block; `None` where nothing is.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        self.weight = 0;
        let entries = std::mem::take(&mut self.entries);
        if entries.is_empty() { None } else { Some(encode(&entries)) }
    }
}

/// Reads blocks back as one sequence of entries in key order.
pub struct Entries<B> {
    blocks: B,
    entries: std::vec::IntoIter<(Key, RowDigest)>,
    last: Option<Key>,
}

impl<B> Entries<B> {
    /// The entries of `blocks`, in the order in which [`Blocks`] gave them.
    #[must_use]
    pub fn new(blocks: B) -> Self {
        Self { blocks, entries: Vec::new().into_iter(), last: None }
    }
}

impl<B, E> Iterator for Entries<B>
where
    B: Iterator<Item = Result<Vec<u8>, E>>,
    E: From<Damage>,
{
    type Item = Result<(Key, RowDigest), E>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Some(Ok(entry));
            }
            let entries = match self.blocks.next()?.and_then(|bytes| Ok(decode(&bytes)?)) {
                Ok(entries) => entries,
                Err(error) => return Some(Err(error)),
            };
            if let (Some(last), Some((first, _))) = (&self.last, entries.first())
                && last >= first
            {
                return Some(Err(Damage::Form { what: "order of the digest cache" }.into()));
            }
            self.last = entries.last().map(|(key, _)| key.clone());
            self.entries = entries.into_iter();
        }
    }
}
