//! The digest cache: keys and row digests of a relation as its newest backup has it, so that changes are found without reading the vault.
//!
//! It is only ever a shortcut. A cache that is missing, damaged, a backup behind or of something else is noticed, and the vault is read
//! instead: its head must name the app, the relation with its columns and key, and the digest that the backup has; each block is sealed
//! under its number; and what all blocks together gave must have that digest. It names the backup that it was written for as well, but
//! is good for every backup with the same rows: an unchanged table's cache is not written anew.
//!
//! Where the source tells pieces of its rows apart, the list of them stands behind the blocks ([`super::listing`]). Where it tells what
//! changed, that alone is written beside the cache (`changed`).
//!
//! ```text
//! cache = block… [list] head length          block = length[4] sealed (see rows::cache)          head = sealed JSON          length = 4 bytes
//! ```

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::listing::{Listed, Listing, Pieces};
use crate::engine::error::{Error, Result};
use crate::rows::cache::{Block, Blocks, Entries, Stretch, Stretches};
use crate::rows::changes::Known;
use crate::rows::patched::Patched;
use crate::rows::{Damage, Digest, Key, Relation, RelationDigest, RowDigest};
use crate::vault::{BackupId, RelationRecord, Vault};

mod changed;

pub(super) use changed::Keeping;
use changed::Upon;

/// So many blocks at least tell where keys lie, in a cache that has more of them; and one of so many at least.
const LOOKED_AT: u64 = 32;
const MOST_APART: u64 = 8;

/// Sealed blocks are hardly larger.
const BLOCK_USUAL: usize = 96 << 10;

/// What the names of caches begin with while they are written.
const UNFINISHED: &str = "unfinished-";

/// The largest head that is read.
const HEAD_MAX: u64 = 64 << 10;

/// What a cache says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    app: String,
    /// BLAKE3 of the relation's columns and key: the rows' keys depend on them.
    relation: Digest,
    /// The backup that it was written for.
    backup: BackupId,
    digest: Digest,
    rows: u64,
    blocks: u64,
    /// Tells its blocks from those of every other cache.
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pieces: Option<Listed>,
    /// Set where these are changes upon a cache: rows and digest are those of both together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upon: Option<Upon>,
}

/// The caches of one app.
pub struct Digests<'v> {
    vault: &'v Vault,
    folder: PathBuf,
    app: String,
}

impl<'v> Digests<'v> {
    /// The caches of the app with this id, in `folder`; they are sealed by `vault`.
    #[must_use]
    pub fn new(vault: &'v Vault, folder: &Path, app: &str) -> Self {
        Self { vault, folder: folder.join(app), app: app.into() }
    }

    /// Removes what backups that were killed left unfinished; for whoever alone backs the app up from this home. What cannot be removed
    /// only takes room.
    pub fn sweep(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let unfinished = entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()));
        unfinished.for_each(|entry| drop(fs::remove_file(entry.path())));
    }

    /// The cache of what `record` says, where there is one.
    #[must_use]
    pub fn of(&self, record: &RelationRecord) -> Option<Cached<'v>> {
        let is_of = |head: &Head| head.digest == record.digest && head.rows == record.rows;
        let cache = self.part(&record.relation, &self.path(&record.relation)).filter(|cache| cache.head.upon.is_none())?;
        let mut changes = None;
        if !is_of(&cache.head) {
            let made = self.part(&record.relation, &self.path_of_changes(&record.relation))?;
            let is_upon = made.head.upon.as_ref().is_some_and(|upon| upon.id == cache.head.id);
            changes = Some(made).filter(|made| is_upon && is_of(&made.head));
            changes.as_ref()?;
        }
        Some(Cached { vault: self.vault, cache, changes, wanted: (record.rows, record.digest), verdict: Arc::default() })
    }

    fn part(&self, relation: &Relation, path: &Path) -> Option<Part> {
        let mut file = File::open(path).ok()?;
        let head = self.head(&file).filter(|head| head.app == self.app && head.relation == described(relation))?;
        file.seek(SeekFrom::Start(0)).ok()?;
        Some(Part { head, file })
    }

    /// Begins the cache of `relation` for the backup that is being made. `None` where it cannot be written: a backup does without it.
    #[must_use]
    pub fn begin(&self, relation: &Relation, backup: &BackupId) -> Option<Growing<'v>> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).ok()?;
        let file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.folder).ok()?;
        let (file, path) = file.into_parts();
        let mut id = [0; 16];
        getrandom::fill(&mut id).ok()?;
        let head = Head {
            app: self.app.clone(),
            relation: described(relation),
            backup: backup.clone(),
            digest: Digest([0; 32]),
            rows: 0,
            blocks: 0,
            id: u128::from_le_bytes(id).to_string(),
            pieces: None,
            upon: None,
        };
        let (file, to) = (BufWriter::new(file), self.path(relation));
        let stale = Some(self.path_of_changes(relation));
        Some(Growing { vault: self.vault, head, blocks: Blocks::default(), listing: None, file, path, to, stale })
    }

    /// Begins the list of the pieces that `cache` is made from. `None` where it cannot be written: an increment reads everything then.
    #[must_use]
    pub fn list(&self, cache: &Growing<'_>, layout: Digest) -> Option<Listing<'v>> {
        Listing::begin(self.vault, &cache.head.id, layout, &self.folder)
    }

    fn head(&self, file: &File) -> Option<Head> {
        let end = file.metadata().ok()?.len().checked_sub(4)?;
        let mut length = [0; 4];
        file.read_exact_at(&mut length, end).ok()?;
        let length = u64::from(u32::from_le_bytes(length));
        let at = end.checked_sub(length).filter(|_| length <= HEAD_MAX)?;
        let mut sealed = vec![0; usize::try_from(length).ok()?];
        file.read_exact_at(&mut sealed, at).ok()?;
        serde_json::from_slice(&self.vault.open_sealed("digest cache", &sealed).ok()?).ok()
    }

    fn path(&self, relation: &Relation) -> PathBuf {
        let name = blake3::hash(format!("{:?} {}", relation.kind, relation.name).as_bytes()).to_hex();
        self.folder.join(&name[..32])
    }

    fn path_of_changes(&self, relation: &Relation) -> PathBuf {
        self.path(relation).with_extension("changes")
    }
}

/// The group that people see a relation in is no part of what its rows mean.
fn described(relation: &Relation) -> Digest {
    let shape = Relation { module: String::new(), ..relation.clone() };
    Digest::of(serde_json::json!(shape).to_string().as_bytes())
}

/// How a source arranged its rows in pieces: what the list means, and what it says.
pub type Arrangement = (Digest, Digest);

fn arrangement(head: &Head) -> Option<Arrangement> {
    head.pieces.as_ref().map(|listed| (listed.layout, listed.digest))
}

fn about_block(id: &str, number: u64) -> String {
    format!("digests {id} {number}")
}

/// What came of reading a cache.
#[derive(Debug, Default)]
struct Verdict {
    whole: AtomicBool,
    broken: AtomicBool,
}

/// A file of blocks.
struct Part {
    head: Head,
    file: File,
}

/// Blocks as they are unsealed.
type Opened<'v> = Box<dyn Iterator<Item = Result<Vec<u8>>> + Send + 'v>;

impl Part {
    fn blocks(self, vault: &Vault) -> Opened<'_> {
        let Self { head, file } = self;
        let mut file = BufReader::with_capacity(1 << 18, file);
        Box::new((0..head.blocks).map(move |number| {
            let sealed = block(&mut file).map_err(|_| Damage::Short { what: "digest cache" })?;
            Ok(vault.open_sealed(&about_block(&head.id, number), &sealed).map_err(|_| Damage::Form { what: "seal of the digest cache" })?)
        }))
    }

    /// The first keys of blocks, in their order, and the very last key; and how many blocks those are apart: of many, some are looked at.
    fn outline(self, vault: &Vault) -> Option<(Vec<Key>, u64)> {
        let apart = (self.head.blocks / LOOKED_AT).clamp(1, MOST_APART);
        let mut file = BufReader::with_capacity(1 << 16, self.file);
        let mut keys = Vec::new();
        let key = |bytes: &[u8]| Key::from_bytes(bytes.to_vec());
        for number in 0..self.head.blocks {
            let is_last = number + 1 == self.head.blocks;
            if !is_last && !number.is_multiple_of(apart) {
                pass_by(&mut file).ok()?;
                continue;
            }
            let bytes = vault.open_sealed(&about_block(&self.head.id, number), &block(&mut file).ok()?).ok()?;
            keys.push(key(Block::first_key(&bytes).ok()?));
            if is_last {
                let last = Block::decode(&bytes).ok()?;
                keys.push(key(last.get(last.len().checked_sub(1)?)?.0));
            }
        }
        Some((keys, apart))
    }
}

/// A cache that says it is the right one.
pub struct Cached<'v> {
    vault: &'v Vault,
    cache: Part,
    changes: Option<Part>,
    /// What all of it must come to.
    wanted: (u64, Digest),
    verdict: Arc<Verdict>,
}

/// Tells, once its entries were read, whether they were what they said.
#[derive(Clone, Debug)]
pub struct Judge(Arc<Verdict>);

impl Judge {
    /// True once all was read and has the digest of the relation.
    #[must_use]
    pub fn was_whole(&self) -> bool {
        self.0.whole.load(Ordering::Relaxed)
    }

    /// True once something was read that cannot be right.
    #[must_use]
    pub fn was_broken(&self) -> bool {
        self.0.broken.load(Ordering::Relaxed)
    }
}

impl<'v> Cached<'v> {
    /// The pieces that it was made from, where it has their list and it means what `layout` means.
    #[must_use]
    pub fn pieces(&self, layout: Digest) -> Option<Pieces<'v>> {
        let Part { head, file } = &self.cache;
        let listed = head.pieces.clone().filter(|listed| listed.layout == layout && self.changes.is_none())?;
        Some(Pieces::new(self.vault, file.try_clone().ok()?, head.id.clone(), listed))
    }

    /// What tells its list of pieces from every other one, where it has one.
    #[must_use]
    pub fn arrangement(&self) -> Option<Arrangement> {
        arrangement(&self.cache.head)
    }

    /// Who will know whether it was right.
    #[must_use]
    pub fn judge(&self) -> Judge {
        Judge(self.verdict.clone())
    }

    /// Keys that tell where its keys lie, in their order, the very first and the very last among them; and how many blocks lie between two of
    /// them, about. `None` where it is damaged.
    #[must_use]
    pub fn outline(self) -> Option<(Vec<Key>, usize)> {
        let (keys, apart) = self.cache.outline(self.vault)?;
        let changed = match self.changes {
            Some(changes) => changes.outline(self.vault)?.0,
            None => Vec::new(),
        };
        Some((changed::together(keys, changed), usize::try_from(apart).ok()?))
    }

    /// Its keys and digests in key order; one that is damaged ends with an error.
    pub fn entries(self) -> impl Stretches<Error = Error> + Send + use<'v> {
        let Self { vault, cache, changes, wanted, verdict } = self;
        let changes = changes.map_or_else(|| Box::new(std::iter::empty()) as Opened<'v>, |changes| changes.blocks(vault));
        let entries = Patched::new(Entries::new(cache.blocks(vault)), Entries::new(changes));
        Checked { entries, seen: RelationDigest::default(), wanted, verdict }
    }
}

/// Not much is allocated for a length that lies.
fn block(file: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    file.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    let mut sealed = Vec::with_capacity((length as usize).min(BLOCK_USUAL));
    file.take(u64::from(length)).read_to_end(&mut sealed)?;
    if sealed.len() as u64 == u64::from(length) { Ok(sealed) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Goes on to the next block without reading this one.
fn pass_by(file: &mut BufReader<File>) -> io::Result<()> {
    let mut length = [0; 4];
    file.read_exact(&mut length)?;
    file.seek_relative(i64::from(u32::from_le_bytes(length)))
}

/// Passes entries on and judges them.
struct Checked<E> {
    entries: E,
    seen: RelationDigest,
    wanted: (u64, Digest),
    verdict: Arc<Verdict>,
}

impl<E: Stretches<Error = Error>> Known for Checked<E> {
    type Error = Error;

    fn head(&self) -> Option<(&[u8], RowDigest)> {
        self.entries.head()
    }

    fn advance(&mut self) -> Result<()> {
        self.pass(1)
    }
}

impl<E: Stretches<Error = Error>> Stretches for Checked<E> {
    fn stretch(&self) -> Stretch<'_> {
        self.entries.stretch()
    }

    fn pass(&mut self, count: usize) -> Result<()> {
        self.seen.push_all(self.entries.stretch().part(0, count).digests());
        let passed = self.entries.pass(count);
        let (whole, broken) = (&self.verdict.whole, &self.verdict.broken);
        if passed.is_err() {
            broken.store(true, Ordering::Relaxed);
        } else if self.entries.head().is_none() {
            let came_out = if self.seen.finish() == self.wanted { whole } else { broken };
            came_out.store(true, Ordering::Relaxed);
        }
        passed
    }
}

/// A cache being written. Dropped, it leaves nothing behind.
pub struct Growing<'v> {
    vault: &'v Vault,
    head: Head,
    blocks: Blocks,
    listing: Option<Listing<'v>>,
    file: BufWriter<File>,
    path: tempfile::TempPath,
    to: PathBuf,
    stale: Option<PathBuf>,
}

/// A cache that takes its place once its backup exists.
pub struct Fresh {
    path: tempfile::TempPath,
    to: PathBuf,
    /// What speaks of the one before.
    stale: Option<PathBuf>,
    arrangement: Option<Arrangement>,
}

impl Fresh {
    /// What tells its list of pieces from every other one, where it has one.
    #[must_use]
    pub fn arrangement(&self) -> Option<Arrangement> {
        self.arrangement
    }

    /// Puts it in the place of the one before. It is not flushed: what a crash leaves torn is noticed.
    ///
    /// # Errors
    /// What the file system says; the one before then stays, and is noticed to be behind.
    pub fn keep(self) -> io::Result<()> {
        self.path.persist(self.to).map_err(|error| error.error)?;
        match self.stale.map_or(Ok(()), fs::remove_file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl<'v> Growing<'v> {
    /// Takes the list of the pieces that it is made from.
    #[must_use]
    pub fn with(self, listing: Option<Listing<'v>>) -> Self {
        Self { listing, ..self }
    }

    /// Takes the next row in key order.
    ///
    /// # Errors
    /// It cannot be sealed or written.
    pub fn push(&mut self, key: &[u8], digest: RowDigest) -> io::Result<()> {
        match self.blocks.push(key, digest) {
            Some(block) => self.write(&block),
            None => Ok(()),
        }
    }

    /// Ends it: it reflects what `record` says.
    ///
    /// # Errors
    /// It cannot be sealed or written.
    pub fn finish(mut self, rows: u64, digest: Digest) -> io::Result<Fresh> {
        if let Some(block) = self.blocks.finish() {
            self.write(&block)?;
        }
        (self.head.rows, self.head.digest) = (rows, digest);
        // A list of other rows says nothing of these.
        if let Some(listing) = self.listing.take().filter(|listing| listing.rows() == rows) {
            self.head.pieces = Some(listing.append(&mut self.file)?);
        }
        let head = self.vault.seal("digest cache", &serde_json::to_vec(&self.head)?).map_err(io::Error::other)?;
        self.file.write_all(&head)?;
        self.file.write_all(&length(&head)?)?;
        self.file.flush()?;
        Ok(Fresh { path: self.path, to: self.to, stale: self.stale, arrangement: arrangement(&self.head) })
    }

    fn write(&mut self, block: &[u8]) -> io::Result<()> {
        let sealed = self.vault.seal(&about_block(&self.head.id, self.head.blocks), block).map_err(io::Error::other)?;
        self.head.blocks += 1;
        self.file.write_all(&length(&sealed)?)?;
        self.file.write_all(&sealed)
    }
}

pub(super) fn length(bytes: &[u8]) -> io::Result<[u8; 4]> {
    u32::try_from(bytes.len()).map(u32::to_le_bytes).map_err(io::Error::other)
}
