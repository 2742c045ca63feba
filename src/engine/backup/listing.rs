//! The list of pieces that a digest cache was made from, behind its blocks: which stretches of rows the source kept together, and
//! what it kept them in. Written and read piece by piece, beside the digests.
//!
//! ```text
//! list = (length[4] sealed block of pieces)…          (see rows::pieces)
//! ```

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::digests::length;
use crate::rows::pieces::{PieceBlocks, decode};
use crate::rows::{Digest, Piece};
use crate::vault::Vault;

/// Nothing larger is read: a block ends at half of that.
const BLOCK_MAX: u32 = 64 << 10;

/// What a cache says of its list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listed {
    /// What decides, beside their bytes, which rows the pieces hold ([`crate::sources::Snapshot::pieces`]).
    pub layout: Digest,
    /// Rows of all pieces.
    pub rows: u64,
    pub blocks: u64,
    /// BLAKE3 of all blocks: two lists with the same are the same.
    pub digest: Digest,
    /// Where in the file it begins.
    pub at: u64,
}

fn about(id: &str, number: u64) -> String {
    format!("pieces {id} {number}")
}

/// A list being written, in a file of its own until the digests are all there.
pub struct Listing<'v> {
    vault: &'v Vault,
    id: String,
    listed: Listed,
    blocks: PieceBlocks,
    hasher: blake3::Hasher,
    file: BufWriter<File>,
}

impl<'v> Listing<'v> {
    /// Begins a list for the cache with this id; `None` where it cannot be written.
    pub(super) fn begin(vault: &'v Vault, id: &str, layout: Digest, folder: &Path) -> Option<Self> {
        let file = BufWriter::new(tempfile::tempfile_in(folder).ok()?);
        let listed = Listed { layout, rows: 0, blocks: 0, digest: Digest([0; 32]), at: 0 };
        Some(Self { vault, id: id.into(), listed, blocks: PieceBlocks::default(), hasher: blake3::Hasher::new(), file })
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// It cannot be sealed or written.
    pub fn push(&mut self, piece: &Piece) -> io::Result<()> {
        self.listed.rows += piece.rows;
        match self.blocks.push(piece) {
            Some(block) => self.write(&block),
            None => Ok(()),
        }
    }

    /// Copies it behind what `to` has, and says what it is.
    pub(super) fn append(mut self, to: &mut BufWriter<File>) -> io::Result<Listed> {
        if let Some(block) = self.blocks.finish() {
            self.write(&block)?;
        }
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        self.listed.at = to.stream_position()?;
        self.listed.digest = Digest(*self.hasher.finalize().as_bytes());
        io::copy(&mut file, to)?;
        Ok(self.listed)
    }

    /// Rows of the pieces so far.
    pub(super) fn rows(&self) -> u64 {
        self.listed.rows
    }

    fn write(&mut self, block: &[u8]) -> io::Result<()> {
        self.hasher.update(block);
        let sealed = self.vault.seal(&about(&self.id, self.listed.blocks), block).map_err(io::Error::other)?;
        self.listed.blocks += 1;
        self.file.write_all(&length(&sealed)?)?;
        self.file.write_all(&sealed)
    }
}

/// Reads a list, one piece at a time.
pub struct Pieces<'v> {
    vault: &'v Vault,
    file: File,
    id: String,
    listed: Listed,
    /// Blocks read so far, and where the next one begins.
    read: (u64, u64),
    block: std::vec::IntoIter<Piece>,
}

impl<'v> Pieces<'v> {
    pub(super) fn new(vault: &'v Vault, file: File, id: String, listed: Listed) -> Self {
        let read = (0, listed.at);
        Self { vault, file, id, listed, read, block: Vec::new().into_iter() }
    }

    /// The next piece; `None` behind the last.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub fn next(&mut self) -> io::Result<Option<Piece>> {
        loop {
            if let Some(piece) = self.block.next() {
                return Ok(Some(piece));
            }
            if self.read.0 == self.listed.blocks {
                return Ok(None);
            }
            self.block = self.next_block()?.into_iter();
        }
    }

    fn next_block(&mut self) -> io::Result<Vec<Piece>> {
        let (number, at) = self.read;
        let mut length = [0; 4];
        self.file.read_exact_at(&mut length, at)?;
        let length = u32::from_le_bytes(length);
        if length > BLOCK_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut sealed = vec![0; length as usize];
        self.file.read_exact_at(&mut sealed, at + 4)?;
        self.read = (number + 1, at + 4 + u64::from(length));
        let block = self.vault.open_sealed(&about(&self.id, number), &sealed).map_err(io::Error::other)?;
        decode(&block).map_err(io::Error::other)
    }
}
