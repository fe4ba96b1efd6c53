//! Four words of a fingerprint, for people: the agent sees them, the reviewer's page shows them, and they must agree.
//! They are for the eye (44 bits, BIP-39's English word list); decisions compare the whole fingerprint.

use crate::fingerprint::Fingerprint;
use bip39::Language;

/// Bits that choose one word of BIP-39's list of 2,048.
const BITS_A_WORD: u32 = 11;
/// Words of a key.
const WORDS: u32 = 4;

/// The four words, joined by `-`.
pub fn key_words(fingerprint: &Fingerprint) -> String {
    let list = Language::English.word_list();
    let bits = fingerprint
        .as_bytes()
        .iter()
        .take(8)
        .fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
    let word = |n: u32| {
        let place = (bits >> (64 - BITS_A_WORD * (n + 1))) & ((1 << BITS_A_WORD) - 1);
        usize::try_from(place).ok().and_then(|place| list.get(place)).copied().unwrap_or_default()
    };
    (0..WORDS).map(word).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_fingerprint_never_change() {
        assert_eq!(key_words(&Fingerprint::from_bytes([0; 32])), "abandon-abandon-abandon-abandon");
        assert_eq!(key_words(&Fingerprint::from_bytes([0xff; 32])), "zoo-zoo-zoo-zoo");
    }
}
