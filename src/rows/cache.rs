//! The blocks of the digest cache: keys and row digests of the newest backup, so that changes are found without reading the vault.
//!
//! Bytes only: whoever keeps a block seals it, and names the manifest and the relation digest that the cache reflects.
//!
//! ```text
//! block = "BSdc" version entries (shared length suffix digest)…        (a key begins with `shared` bytes of the one before)
//! ```

use super::bytes::{Cursor, push_string, push_varint};
use super::changes::Known;
use super::damage::Damage;
use super::row::RowDigest;

const MAGIC: [u8; 4] = *b"BSdc";
const VERSION: u8 = 1;
/// A block ends once its keys and digests weigh this much. The decoder counts too: shared beginnings could make much out of little.
const BLOCK_WEIGHT: usize = 64 * 1024;
/// The least that an entry takes: two lengths and a digest.
const ENTRY_MIN: usize = 18;

/// The entries of one block, as they were decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    keys: Vec<u8>,
    /// Where each key ends.
    ends: Vec<usize>,
    digests: Vec<RowDigest>,
}

impl Block {
    /// The entries that [`Blocks`] made these bytes of.
    ///
    /// # Errors
    /// What is wrong with the bytes; the keys ascend.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let mut block = Self::default();
        block.fill(bytes)?;
        Ok(block)
    }

    /// The first key of a block, without a look at the others.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn first_key(bytes: &[u8]) -> Result<&[u8], Damage> {
        let mut cursor = Cursor::open(bytes, "digest cache", MAGIC, VERSION)?;
        cursor.items(ENTRY_MIN)?;
        cursor.count(0)?;
        cursor.string()
    }

    /// As [`Block::decode`], into the memory that is there.
    fn fill(&mut self, bytes: &[u8]) -> Result<(), Damage> {
        self.keys.clear();
        self.ends.clear();
        self.digests.clear();
        let mut cursor = Cursor::open(bytes, "digest cache", MAGIC, VERSION)?;
        let count = cursor.items(ENTRY_MIN)?;
        let (mut before, mut weight) = (0..0, 0);
        for entry in 0..count {
            if weight >= BLOCK_WEIGHT {
                return Err(Damage::Limit { what: "block of the digest cache", found: weight as u64, limit: BLOCK_WEIGHT as u64 });
            }
            let shared = cursor.count(before.len())?;
            let begin = self.keys.len();
            self.keys.extend_from_within(before.start..before.start + shared);
            self.keys.extend_from_slice(cursor.string()?);
            let key = begin..self.keys.len();
            if entry > 0 && self.keys[before] >= self.keys[key.clone()] {
                return Err(Damage::Form { what: "order of the digest cache" });
            }
            weight += entry_weight(key.len());
            self.ends.push(key.end);
            self.digests.push(RowDigest(cursor.array()?));
            before = key;
        }
        cursor.finish()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True where there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The key and digest at `place`.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<(&[u8], RowDigest)> {
        let begin = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some((&self.keys[begin..*self.ends.get(place)?], *self.digests.get(place)?))
    }
}

fn entry_weight(key: usize) -> usize {
    key + 16
}

/// Gathers entries into blocks of about 64 KiB.
#[derive(Debug, Default)]
pub struct Blocks {
    entries: Vec<u8>,
    count: u64,
    before: Vec<u8>,
    weight: usize,
}

impl Blocks {
    /// Takes the next entry in key order; gives a block where it is full.
    pub fn push(&mut self, key: &[u8], digest: RowDigest) -> Option<Vec<u8>> {
        let shared = key.iter().zip(&self.before).take_while(|(a, b)| a == b).count();
        push_varint(&mut self.entries, shared as u64);
        push_string(&mut self.entries, &key[shared..]);
        self.entries.extend_from_slice(&digest.0);
        self.before.truncate(shared);
        self.before.extend_from_slice(&key[shared..]);
        self.count += 1;
        self.weight += entry_weight(key.len());
        if self.weight >= BLOCK_WEIGHT { self.finish() } else { None }
    }

    /// Gives what is left as a block; `None` where nothing is.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        if self.count == 0 {
            return None;
        }
        let mut bytes = Vec::with_capacity(16 + self.entries.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.push(VERSION);
        push_varint(&mut bytes, self.count);
        bytes.extend_from_slice(&self.entries);
        self.entries.clear();
        self.before.clear();
        (self.count, self.weight) = (0, 0);
        Some(bytes)
    }
}

/// Reads blocks back as one sequence of entries in key order.
pub struct Entries<B> {
    blocks: B,
    block: Block,
    /// The entry it stands at, where `begun`.
    at: usize,
    begun: bool,
    last: Vec<u8>,
}

impl<B> Entries<B> {
    /// The entries of `blocks`, in the order in which [`Blocks`] gave them.
    #[must_use]
    pub fn new(blocks: B) -> Self {
        Self { blocks, block: Block::default(), at: 0, begun: false, last: Vec::new() }
    }
}

impl<B, E> Known for Entries<B>
where
    B: Iterator<Item = Result<Vec<u8>, E>>,
    E: From<Damage>,
{
    type Error = E;

    fn head(&self) -> Option<(&[u8], RowDigest)> {
        self.block.get(self.at).filter(|_| self.begun)
    }

    fn advance(&mut self) -> Result<(), E> {
        if self.begun {
            self.at += 1;
        }
        self.begun = true;
        while self.at >= self.block.len() {
            if let Some((last, _)) = self.block.len().checked_sub(1).and_then(|last| self.block.get(last)) {
                self.last.clear();
                self.last.extend_from_slice(last);
            }
            self.at = 0;
            let Some(bytes) = self.blocks.next() else {
                self.block = Block::default();
                return Ok(());
            };
            self.block.fill(&bytes?)?;
            if self.block.get(0).is_some_and(|(first, _)| *first <= *self.last && !self.last.is_empty()) {
                return Err(Damage::Form { what: "order of the digest cache" }.into());
            }
        }
        Ok(())
    }
}
