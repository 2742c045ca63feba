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
    digests: Vec<[u8; 16]>,
}

/// Entries where they lie, one behind the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stretch<'b> {
    keys: &'b [u8],
    /// Where the first key begins, and where each ends.
    begin: usize,
    ends: &'b [usize],
    digests: &'b [[u8; 16]],
}

impl<'b> Stretch<'b> {
    /// The entries with these `digests`: the first key begins in `keys` at `begin`, and each ends where `ends` says.
    #[must_use]
    pub fn new(keys: &'b [u8], begin: usize, ends: &'b [usize], digests: &'b [[u8; 16]]) -> Self {
        Self { keys, begin, ends, digests }
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

    /// The bytes of all keys.
    #[must_use]
    pub fn bytes(&self) -> &'b [u8] {
        &self.keys[self.begin..self.ends.last().copied().unwrap_or(self.begin)]
    }

    /// Where each key ends in [`Stretch::bytes`].
    pub fn ends(&self) -> impl Iterator<Item = usize> + use<'b> {
        let begin = self.begin;
        self.ends.iter().map(move |end| end - begin)
    }

    /// The keys.
    pub fn keys(&self) -> impl Iterator<Item = &'b [u8]> + use<'b> {
        let (keys, mut begin) = (self.keys, self.begin);
        self.ends.iter().map(move |&end| &keys[std::mem::replace(&mut begin, end)..end])
    }

    /// The digests.
    #[must_use]
    pub fn digests(&self) -> &'b [[u8; 16]] {
        self.digests
    }

    /// The key and digest at `place`.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<(&'b [u8], RowDigest)> {
        let begin = place.checked_sub(1).map_or(self.begin, |before| self.ends[before]);
        Some((&self.keys[begin..*self.ends.get(place)?], RowDigest(*self.digests.get(place)?)))
    }

    /// Those from one place to before another, as far as there are any.
    #[must_use]
    pub fn part(&self, from: usize, to: usize) -> Self {
        let to = to.min(self.len());
        let from = from.min(to);
        let begin = from.checked_sub(1).map_or(self.begin, |before| self.ends[before]);
        Self { keys: self.keys, begin, ends: &self.ends[from..to], digests: &self.digests[from..to] }
    }

    /// How many of their keys are less than `end`; they ascend.
    #[must_use]
    pub fn below(&self, end: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle).is_some_and(|(key, _)| key < end) { low = middle + 1 } else { high = middle }
        }
        low
    }
}

/// Keys and digests in key order, many at a time.
pub trait Stretches: Known {
    /// Those that come next, the one that it stands at first; none where no more come, and before the first step.
    fn stretch(&self) -> Stretch<'_>;
    /// Passes over so many of those, all of them at most; and goes to the first where it was not begun.
    ///
    /// # Errors
    /// What reading the next met.
    fn pass(&mut self, count: usize) -> Result<(), Self::Error>;
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
        let (mut before, mut weight) = (Short::of(&[]), 0);
        for entry in 0..count {
            if weight >= BLOCK_WEIGHT {
                return Err(Damage::Limit { what: "block of the digest cache", found: weight as u64, limit: BLOCK_WEIGHT as u64 });
            }
            let begin = self.keys.len();
            let short = cursor.peek().zip(before).and_then(|(next, before)| before.next(next));
            let ascends = if let Some((key, taken)) = short {
                cursor.take(taken)?;
                self.keys.extend_from_slice(&key.bytes.to_be_bytes());
                self.keys.truncate(begin + key.length);
                before.replace(key).is_some_and(|before| before < key)
            } else {
                let from = self.ends.len().checked_sub(2).map_or(0, |before| self.ends[before]);
                let shared = cursor.count(begin - from.min(begin))?;
                self.keys.extend_from_within(from..from + shared);
                self.keys.extend_from_slice(cursor.string()?);
                before = Short::of(&self.keys[begin..]);
                self.keys[from..begin] < self.keys[begin..]
            };
            if entry > 0 && !ascends {
                return Err(Damage::Form { what: "order of the digest cache" });
            }
            weight += entry_weight(self.keys.len() - begin);
            self.ends.push(self.keys.len());
            self.digests.push(cursor.array()?);
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
        self.all().get(place)
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Stretch<'_> {
        Stretch::new(&self.keys, 0, &self.ends, &self.digests)
    }
}

/// A key of up to sixteen bytes as a number, with zeros behind it: most are, and so they are put together and compared at once. Of two with
/// the same number the one that is longer is the greater one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Short {
    bytes: u128,
    length: usize,
}

impl Short {
    fn of(key: &[u8]) -> Option<Self> {
        let mut bytes = [0; 16];
        bytes.get_mut(..key.len())?.copy_from_slice(key);
        Some(Self { bytes: u128::from_be_bytes(bytes), length: key.len() })
    }

    /// The key that follows this one, and the bytes that it takes, where it is short as well; an entry has as many bytes as are looked at.
    #[inline]
    fn next(self, &[shared, suffix, ref bytes @ ..]: &[u8; ENTRY_MIN]) -> Option<(Self, usize)> {
        let (shared, suffix) = (usize::from(shared), usize::from(suffix));
        let length = shared + suffix;
        if shared > self.length || length > 16 {
            return None;
        }
        let bytes = (self.bytes & first_bytes(shared)) | (u128::from_be_bytes(*bytes).checked_shr(8 * shared as u32).unwrap_or(0));
        Some((Self { bytes: bytes & first_bytes(length), length }, 2 + suffix))
    }
}

/// The bits of so many bytes of sixteen.
#[inline]
fn first_bytes(count: usize) -> u128 {
    u128::MAX.checked_shl(128 - 8 * count as u32).unwrap_or(0)
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
        self.pass(1)
    }
}

impl<B, E> Stretches for Entries<B>
where
    B: Iterator<Item = Result<Vec<u8>, E>>,
    E: From<Damage>,
{
    fn stretch(&self) -> Stretch<'_> {
        if self.begun { self.block.all().part(self.at, self.block.len()) } else { Stretch::default() }
    }

    fn pass(&mut self, count: usize) -> Result<(), E> {
        if self.begun {
            self.at = self.block.len().min(self.at + count);
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
