//! The recovery key: 256 random bits, printed as 24 words.

use std::fmt;

use bip39::Mnemonic;
use zeroize::{Zeroize, Zeroizing};

use super::crypto::random;
use super::error::{Error, Result};

/// The words of a recovery key, to be shown once: never printed by accident.
pub struct RecoveryWords(Mnemonic);

impl RecoveryWords {
    /// Makes a new key; it opens nothing before a slot is made for it.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn generate() -> Result<Self> {
        let mut entropy = random::<32>()?;
        let words = Mnemonic::from_entropy(&entropy).map_err(|why| Error::Words { why: why.to_string() });
        entropy.zeroize();
        words.map(Self)
    }

    /// Reads words that a person typed.
    ///
    /// # Errors
    /// Not 24 words, an unknown word, or a wrong checksum.
    pub fn parse(text: &str) -> Result<Self> {
        let text = Zeroizing::new(text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" "));
        let words = Mnemonic::parse_in(bip39::Language::English, text.as_str()).map_err(|error| Error::Words {
            why: match error {
                bip39::Error::UnknownWord(index) => format!("word {} is not in the list", index + 1),
                bip39::Error::InvalidChecksum => "a word is wrong or out of place".into(),
                bip39::Error::BadWordCount(count) => format!("{count} words instead of 24"),
                _ => "it cannot be read".into(),
            },
        })?;
        if words.word_count() != 24 {
            return Err(Error::Words { why: format!("{} words instead of 24", words.word_count()) });
        }
        Ok(Self(words))
    }

    /// The words, in order.
    #[must_use]
    pub fn words(&self) -> Vec<&'static str> {
        self.0.words().collect()
    }

    pub(super) fn entropy(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.to_entropy())
    }
}

impl fmt::Debug for RecoveryWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryWords(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_as_they_were_printed() {
        let made = RecoveryWords::generate().unwrap();
        assert_eq!(made.words().len(), 24);
        let typed = format!("  {}\n", made.words().join("  ").to_uppercase());
        assert_eq!(RecoveryWords::parse(&typed).unwrap().entropy(), made.entropy());
        assert!(!format!("{made:?}").contains(made.words()[0]));
    }

    #[test]
    fn a_mistyped_word_is_named_by_its_place() {
        let mut words = RecoveryWords::generate().unwrap().words();
        words[4] = "backstop";
        let error = RecoveryWords::parse(&words.join(" ")).unwrap_err();
        assert!(error.to_string().contains("word 5"), "{error}");
        assert!(RecoveryWords::parse("abandon abandon").is_err());
    }
}
