//! How a chunk is packed before it is sealed: as it is, or by zstd.

use std::cell::RefCell;
use std::io;

use zstd::bulk::{Compressor, Decompressor};

use super::limits::{MAX_CHUNK, MIN_GAIN_PERCENT, ZSTD_LEVEL};

/// How a chunk's bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Codec {
    /// As they are.
    Raw = 0,
    /// One zstd frame.
    Zstd = 1,
}

impl Codec {
    /// The codec with this number; 3 is reserved for xz.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Raw),
            1 => Some(Self::Zstd),
            _ => None,
        }
    }
}

thread_local! {
    /// A context takes longer to make than a small chunk to pack: each thread keeps one of either kind.
    static PACKING: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACKING: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

fn compress(plain: &[u8]) -> io::Result<Vec<u8>> {
    PACKING.with_borrow_mut(|context| match context {
        Some(context) => context.compress(plain),
        None => context.insert(Compressor::new(ZSTD_LEVEL)?).compress(plain),
    })
}

fn decompress(packed: &[u8], length: usize) -> io::Result<Vec<u8>> {
    UNPACKING.with_borrow_mut(|context| match context {
        Some(context) => context.decompress(packed, length),
        None => context.insert(Decompressor::new()?).decompress(packed, length),
    })
}

/// Packs `plain`; kept raw where compression gains less than 3 %.
#[must_use]
pub fn encode(plain: &[u8]) -> (Codec, Vec<u8>) {
    match compress(plain) {
        Ok(packed) if packed.len() * 100 <= plain.len() * (100 - MIN_GAIN_PERCENT) => (Codec::Zstd, packed),
        _ => (Codec::Raw, plain.to_vec()),
    }
}

/// Unpacks to exactly `length` bytes; `None` where that is not what the bytes hold. Never allocates more than `length`.
#[must_use]
pub fn decode(codec: Codec, packed: Vec<u8>, length: usize) -> Option<Vec<u8>> {
    if length > MAX_CHUNK {
        return None;
    }
    let plain = match codec {
        Codec::Raw => packed,
        Codec::Zstd => decompress(&packed, length).ok()?,
    };
    (plain.len() == length).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_compress_stays_as_it_is() {
        let mut noise = vec![0; 10_000];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        assert_eq!(encode(&noise), (Codec::Raw, noise.clone()));
        let (codec, packed) = encode(&[7; 10_000]);
        assert_eq!(codec, Codec::Zstd);
        assert_eq!(decode(codec, packed, 10_000).unwrap(), vec![7; 10_000]);
    }

    #[test]
    fn a_frame_that_unpacks_to_more_than_it_says_is_refused() {
        let (codec, packed) = encode(&[0; 1 << 20]);
        assert!(decode(codec, packed.clone(), 1000).is_none());
        assert!(decode(codec, packed.clone(), (1 << 20) + 1).is_none());
        assert!(decode(codec, packed, usize::MAX).is_none());
    }
}
