//! Sealing: XChaCha20-Poly1305 with random nonces. The associated data says what the bytes are, so that none can stand in for another.

use std::fmt;

use chacha20::{R20, hchacha};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::error::{Error, Result};

/// Bytes of a nonce.
pub const NONCE: usize = 24;
/// Bytes that sealing adds: nonce and tag.
pub const OVERHEAD: usize = NONCE + 16;

/// A key of 32 bytes: wiped when dropped, never shown.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SealKey(pub(super) [u8; 32]);

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(…)")
    }
}

/// Fresh random bytes from the system.
///
/// # Errors
/// The system has none to give.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Error::Random)?;
    Ok(bytes)
}

/// Seals `plain` under a random nonce: nonce ‖ ciphertext ‖ tag.
///
/// # Errors
/// No randomness, or more bytes than the cipher takes.
pub fn seal(key: &SealKey, about: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
    seal_with(key, random()?, about, plain)
}

/// Seals under a given nonce: for [`seal`], and for vectors that must not change.
pub(super) fn seal_with(key: &SealKey, nonce: [u8; NONCE], about: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
    let (sealing, nonce_left) = of_message(key, &nonce).ok_or(Error::Random)?;
    let mut out = Vec::with_capacity(plain.len() + OVERHEAD);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(plain);
    let tag = sealing.seal_in_place_separate_tag(nonce_left, Aad::from(about), &mut out[NONCE..]).map_err(|_| Error::Random)?;
    out.extend_from_slice(tag.as_ref());
    Ok(out)
}

/// Opens what [`seal`] gave; `None` where a bit differs: in the bytes, in what they are said to be, or in the key.
#[must_use]
pub fn open(key: &SealKey, about: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, content) = sealed.split_first_chunk::<NONCE>()?;
    let (opening, nonce_left) = of_message(key, nonce)?;
    let mut bytes = content.to_vec();
    let length = opening.open_in_place(nonce_left, Aad::from(about), &mut bytes).ok()?.len();
    bytes.truncate(length);
    Some(bytes)
}

/// What makes `XChaCha20` of `ChaCha20`: a key of its own for each message, of the first 16 bytes of its nonce; the other 8 are the end of the nonce that is left
/// (draft-irtf-cfrg-xchacha-03, section 2).
fn of_message(key: &SealKey, nonce: &[u8; NONCE]) -> Option<(LessSafeKey, Nonce)> {
    let (first, last) = nonce.split_first_chunk::<16>()?;
    let own = Zeroizing::new(<[u8; 32]>::from(hchacha::<R20>(&key.0.into(), &(*first).into())));
    let mut left = [0; NONCE_LEN];
    left[NONCE_LEN - last.len()..].copy_from_slice(last);
    let own = UnboundKey::new(&CHACHA20_POLY1305, own.as_slice()).ok()?;
    Some((LessSafeKey::new(own), Nonce::assume_unique_for_key(left)))
}

#[cfg(test)]
mod tests {
    use chacha20poly1305::XChaCha20Poly1305;
    use chacha20poly1305::aead::{Aead, KeyInit, Payload};

    use super::*;

    #[test]
    fn sealed_bytes_are_those_of_another_implementation() {
        for length in (0..300).chain([4095, 4096, 100_000]) {
            let plain: Vec<u8> = (0..length).map(|at: usize| (at * 7 % 251) as u8).collect();
            let (key, nonce) = ([length as u8; 32], std::array::from_fn(|at| (at * 31 + length) as u8));
            let other = XChaCha20Poly1305::new(&key.into());
            let sealed = seal_with(&SealKey(key), nonce, b"manifest", &plain).unwrap();
            let theirs = other.encrypt(&nonce.into(), Payload { msg: &plain, aad: b"manifest" }).unwrap();
            assert_eq!(sealed.split_at(NONCE), (nonce.as_slice(), theirs.as_slice()), "{length} bytes");
            assert_eq!(open(&SealKey(key), b"manifest", &sealed).as_deref(), Some(plain.as_slice()));
        }
    }

    #[test]
    fn sealed_bytes_open_only_as_what_they_are() {
        let key = SealKey([7; 32]);
        let sealed = seal(&key, b"manifest", b"content").unwrap();
        assert_eq!(sealed.len(), 7 + OVERHEAD);
        assert_eq!(open(&key, b"manifest", &sealed).unwrap(), b"content");
        assert!(open(&key, b"hold", &sealed).is_none());
        assert!(open(&SealKey([8; 32]), b"manifest", &sealed).is_none());
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert!(open(&key, b"manifest", &flipped).is_none(), "byte {at}");
        }
        assert!(open(&key, b"manifest", &sealed[..10]).is_none());
    }
}
