//! Sealing: XChaCha20-Poly1305 with random nonces. The associated data says what the bytes are, so that none can stand in for another.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use zeroize::{Zeroize, ZeroizeOnDrop};

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
    let cipher = XChaCha20Poly1305::new(&Key::from(key.0));
    let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: about }).map_err(|_| Error::Random)?;
    let mut out = Vec::with_capacity(NONCE + sealed.len());
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&sealed);
    Ok(out)
}

/// Opens what [`seal`] gave; `None` where a bit differs: in the bytes, in what they are said to be, or in the key.
#[must_use]
pub fn open(key: &SealKey, about: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, content) = sealed.split_first_chunk::<NONCE>()?;
    XChaCha20Poly1305::new(&Key::from(key.0)).decrypt(&XNonce::from(*nonce), Payload { msg: content, aad: about }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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
