//! Values that are too large for a row: they stand outside it, and go in and out as streams.

use std::io::Read;

use crate::rows::{Class, Large, Value};

/// Takes values that are too large for a row, and gives what stands for them.
pub trait Content {
    /// Reads one large value to its end.
    ///
    /// # Errors
    /// What reading or keeping it met.
    fn keep(&self, class: Class, value: &mut dyn Read) -> std::io::Result<Large>;
}

/// Only looks: digests large values and keeps nothing. For comparisons.
#[derive(Clone, Copy, Debug, Default)]
pub struct Looking;

impl Content for Looking {
    fn keep(&self, class: Class, value: &mut dyn Read) -> std::io::Result<Large> {
        let mut hasher = blake3::Hasher::new();
        let length = std::io::copy(value, &mut hasher)?;
        let content = crate::rows::Digest(*hasher.finalize().as_bytes());
        Ok(Large { class, length, content, chunks: Vec::new() })
    }
}

/// Passes large values by unread: what it gives stands for none of them. For questions about other columns.
#[derive(Clone, Copy, Debug, Default)]
pub struct Glancing;

impl Content for Glancing {
    fn keep(&self, class: Class, _: &mut dyn Read) -> std::io::Result<Large> {
        Ok(Large { class, length: 0, content: crate::rows::Digest([0; 32]), chunks: Vec::new() })
    }
}

/// Gives back what stands for a large value.
pub trait Resolve {
    /// Writes the whole content of `large` to `to`.
    ///
    /// # Errors
    /// What reading or writing it met.
    fn fetch(&self, large: &Large, to: &mut dyn std::io::Write) -> std::io::Result<()>;
}

/// A value of text or bytes as a row holds it: inside, or as content of its own.
///
/// # Errors
/// What keeping a large one met.
pub fn value_of(class: Class, bytes: &[u8], content: &dyn Content) -> std::io::Result<Value> {
    if bytes.len() > crate::rows::LARGE {
        return content.keep(class, &mut &bytes[..]).map(Value::Large);
    }
    Ok(match class {
        Class::Text => Value::Text(bytes.to_vec()),
        Class::Blob => Value::Blob(bytes.to_vec()),
    })
}
