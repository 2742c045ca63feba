//! The plan's file: every record that differs, by model and in key order, as sealed blocks.
//!
//! A block is about 1 MiB before it is sealed, so writing, paging and executing hold one block at a time, whatever the
//! plan's size. Each names its plan and its number: a block of another plan, or moved within its own, is damage.

use std::io::{Read, Seek, SeekFrom, Write};

use serde::{Deserialize, Serialize};

use super::record::{self, Record};
use super::{Error, Result};

/// Bytes of records after which a block ends.
const BLOCK: usize = 1 << 20;

/// Turns bytes into what may lie on a disk, or back.
pub type Cipher<'c> = dyn Fn(&[u8]) -> Result<Vec<u8>, String> + 'c;

/// Where a block lies and what is in it; kept in the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The model, as its place among the plan's models.
    pub model: usize,
    /// Where it begins in the file.
    pub offset: u64,
    /// Its sealed bytes.
    pub length: u64,
    /// Records before it, of the same model.
    pub before: u64,
    /// Its records.
    pub records: u64,
}

/// Writes a spool.
pub struct SpoolWriter<'s> {
    plan: String,
    to: &'s mut dyn Write,
    seal: &'s Cipher<'s>,
    bytes: Vec<u8>,
    model: usize,
    records: u64,
    before: u64,
    offset: u64,
    blocks: Vec<Block>,
}

impl<'s> SpoolWriter<'s> {
    /// A spool of the plan with this id.
    pub fn new(plan: &str, to: &'s mut dyn Write, seal: &'s Cipher<'s>) -> Self {
        Self { plan: plan.into(), to, seal, bytes: Vec::new(), model: 0, records: 0, before: 0, offset: 0, blocks: Vec::new() }
    }

    /// Adds a record; models come in order, and the records of one in the order of their keys.
    ///
    /// # Errors
    /// What sealing or writing a block met.
    pub fn push(&mut self, model: usize, record: &Record) -> Result<()> {
        if model != self.model {
            self.cut()?;
            (self.model, self.before) = (model, 0);
        }
        record::encode(record, &mut self.bytes);
        self.records += 1;
        if self.bytes.len() >= BLOCK { self.cut() } else { Ok(()) }
    }

    /// Writes what is left; the blocks belong into the plan.
    ///
    /// # Errors
    /// What sealing or writing the last block met.
    pub fn finish(mut self) -> Result<Vec<Block>> {
        self.cut()?;
        self.to.flush()?;
        Ok(self.blocks)
    }

    fn cut(&mut self) -> Result<()> {
        if self.records == 0 {
            return Ok(());
        }
        let mut plain = header(&self.plan, self.blocks.len());
        plain.append(&mut self.bytes);
        let sealed = (self.seal)(&plain).map_err(Error::Spool)?;
        self.to.write_all(&sealed)?;
        let length = sealed.len() as u64;
        self.blocks.push(Block { model: self.model, offset: self.offset, length, before: self.before, records: self.records });
        self.offset += length;
        self.before += self.records;
        self.records = 0;
        Ok(())
    }
}

fn header(plan: &str, number: usize) -> Vec<u8> {
    let mut header = blake3::hash(plan.as_bytes()).as_bytes()[..16].to_vec();
    header.extend_from_slice(&(number as u64).to_le_bytes());
    header
}

/// A source of bytes that can be read anywhere.
pub trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// Reads a spool, block by block.
pub struct SpoolReader<'s> {
    plan: String,
    blocks: Vec<Block>,
    from: Box<dyn ReadSeek + 's>,
    open: &'s Cipher<'s>,
}

impl<'s> SpoolReader<'s> {
    /// The spool of the plan with this id and these blocks.
    #[must_use]
    pub fn new(plan: &str, blocks: &[Block], from: Box<dyn ReadSeek + 's>, open: &'s Cipher<'s>) -> Self {
        Self { plan: plan.into(), blocks: blocks.to_vec(), from, open }
    }

    /// Shows each record of a model in key order until `each` answers false.
    ///
    /// # Errors
    /// What reading met, and what `each` says.
    pub fn each(&mut self, model: usize, each: &mut dyn FnMut(Record) -> Result<bool>) -> Result<()> {
        self.each_from(model, 0, each)
    }

    /// As [`SpoolReader::each`], without the first `skip` records.
    ///
    /// # Errors
    /// What reading met, and what `each` says.
    pub fn each_from(&mut self, model: usize, skip: u64, each: &mut dyn FnMut(Record) -> Result<bool>) -> Result<()> {
        for number in 0..self.blocks.len() {
            let block = &self.blocks[number];
            if block.model != model || block.before + block.records <= skip {
                continue;
            }
            let mut left = skip.saturating_sub(block.before);
            for record in self.block(number)? {
                if left > 0 {
                    left -= 1;
                } else if !each(record)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The records of a model, one block in memory at a time.
    pub fn records(&mut self, model: usize) -> impl Iterator<Item = Result<Record>> + '_ {
        let numbers: Vec<usize> = (0..self.blocks.len()).filter(|&number| self.blocks[number].model == model).collect();
        numbers.into_iter().flat_map(move |number| match self.block(number) {
            Ok(records) => records.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        })
    }

    fn block(&mut self, number: usize) -> Result<Vec<Record>> {
        let block = &self.blocks[number];
        let damaged = |what: &str| Error::Spool(format!("block {number} {what}"));
        self.from.seek(SeekFrom::Start(block.offset))?;
        let mut sealed = Vec::new();
        (&mut self.from).take(block.length).read_to_end(&mut sealed)?;
        let plain = (self.open)(&sealed).map_err(Error::Spool)?;
        let mut bytes = plain.strip_prefix(&header(&self.plan, number)[..]).ok_or_else(|| damaged("belongs elsewhere"))?;
        let records = (0..block.records).map(|_| record::decode(&mut bytes)).collect::<Option<Vec<_>>>();
        records.filter(|_| bytes.is_empty()).ok_or_else(|| damaged("does not hold its records"))
    }
}
