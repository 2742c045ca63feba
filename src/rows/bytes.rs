//! Reading and writing the small numbers and byte strings that segments, indexes and caches are made of.
//!
//! The reader never allocates: what it gives are slices of what it was given, so that no stored length is believed.

use super::damage::Damage;
use super::value::Digest;

/// Writes seven bits a byte, lowest first; the top bit says that more follow.
pub(super) fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Writes a length, then the bytes.
pub(super) fn push_string(bytes: &mut Vec<u8>, content: &[u8]) {
    push_varint(bytes, content.len() as u64);
    bytes.extend_from_slice(content);
}

/// Small numbers of either sign become small numbers.
pub(super) fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

/// The inverse of [`zigzag`].
pub(super) fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

/// Takes bytes from the front of a slice.
#[derive(Clone)]
pub(super) struct Cursor<'b> {
    left: &'b [u8],
    what: &'static str,
}

impl<'b> Cursor<'b> {
    /// Begins to read `what`: four bytes of magic and the version come first.
    pub(super) fn open(bytes: &'b [u8], what: &'static str, magic: [u8; 4], version: u8) -> Result<Self, Damage> {
        let Some((head, left)) = bytes.split_first_chunk::<5>() else {
            return Err(Damage::Short { what });
        };
        if head[..4] != magic {
            return Err(Damage::Magic { what });
        }
        if head[4] != version {
            return Err(Damage::Version { what, found: head[4], known: version });
        }
        Ok(Self { left, what })
    }

    /// The next bytes, which are not taken; `None` where so many are not left.
    #[inline]
    pub(super) fn peek<const N: usize>(&self) -> Option<&'b [u8; N]> {
        self.left.first_chunk()
    }

    #[inline]
    pub(super) fn take(&mut self, length: usize) -> Result<&'b [u8], Damage> {
        let (taken, left) = self.left.split_at_checked(length).ok_or(Damage::Short { what: self.what })?;
        self.left = left;
        Ok(taken)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let (taken, left) = self.left.split_first_chunk::<N>().ok_or(Damage::Short { what: self.what })?;
        self.left = left;
        Ok(*taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Damage> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn digest(&mut self) -> Result<Digest, Damage> {
        self.array().map(Digest)
    }

    /// A number in its one shortest form.
    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, Damage> {
        match self.left {
            // Most are small.
            [byte @ ..0x80, left @ ..] => {
                self.left = left;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Damage> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if (shift == 63 && bits > 1) || (byte == 0 && shift > 0) {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Damage::Form { what: self.what })
    }

    /// A number that is at most `limit`.
    pub(super) fn count(&mut self, limit: usize) -> Result<usize, Damage> {
        let found = self.varint()?;
        usize::try_from(found).ok().filter(|&count| count <= limit).ok_or(Damage::Limit { what: self.what, found, limit: limit as u64 })
    }

    /// How many things of at least `size` bytes follow: no more than there are bytes for.
    #[inline]
    pub(super) fn items(&mut self, size: usize) -> Result<usize, Damage> {
        let found = self.varint()?;
        let room = self.left.len() / size;
        usize::try_from(found).ok().filter(|&count| count <= room).ok_or(Damage::Short { what: self.what })
    }

    pub(super) fn string(&mut self) -> Result<&'b [u8], Damage> {
        let length = self.items(1)?;
        self.take(length)
    }

    /// Nothing may follow.
    pub(super) fn finish(self) -> Result<(), Damage> {
        if self.left.is_empty() { Ok(()) } else { Err(Damage::Mismatch { what: self.what, found: self.left.len() as u64, wanted: 0 }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_have_one_form() {
        for number in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, number);
            let mut cursor = Cursor { left: &bytes, what: "test" };
            assert_eq!(cursor.varint(), Ok(number));
            assert_eq!(cursor.finish(), Ok(()));
            assert_eq!(zigzag(unzigzag(number)), number);
        }
        for malformed in [&[0x80, 0x00][..], &[0xFF; 11], &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02]] {
            assert!(Cursor { left: malformed, what: "test" }.varint().is_err());
        }
    }
}
