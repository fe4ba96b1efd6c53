//! A hash over all pairs of the state that can be kept up to date pair by pair, in any order. It finds nodes whose states
//! have drifted apart; it is not a signature and proves nothing to an outsider.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The sum, modulo 2^256, of a SHA-256 for every pair of the state.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StateHash([u8; 32]);

impl StateHash {
    /// The hash whose bytes these are.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes, least significant first.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// Takes a pair in.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        let mut carry = 0u16;
        for (sum, term) in self.0.iter_mut().zip(of_pair(key, value)) {
            let total = u16::from(*sum) + u16::from(term) + carry;
            [*sum, _] = total.to_le_bytes();
            carry = total >> 8;
        }
    }

    /// Takes a pair out again.
    pub fn remove(&mut self, key: &[u8], value: &[u8]) {
        let mut borrow = 0u16;
        for (sum, term) in self.0.iter_mut().zip(of_pair(key, value)) {
            let total = 256 + u16::from(*sum) - u16::from(term) - borrow;
            [*sum, _] = total.to_le_bytes();
            borrow = 1 - (total >> 8);
        }
    }
}

/// The length of the key comes first, so that no other division of the same bytes has this hash.
fn of_pair(key: &[u8], value: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((key.len() as u64).to_le_bytes());
    hash.update(key);
    hash.update(value);
    hash.finalize().into()
}

impl std::fmt::Display for StateHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for StateHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::StateHash;

    fn hash(pairs: &[(&str, &str)]) -> StateHash {
        let mut hash = StateHash::default();
        for (key, value) in pairs {
            hash.add(key.as_bytes(), value.as_bytes());
        }
        hash
    }

    #[test]
    fn the_order_of_the_pairs_does_not_matter_and_their_content_does() {
        assert_eq!(hash(&[("a", "1"), ("b", "2")]), hash(&[("b", "2"), ("a", "1")]));
        assert_ne!(hash(&[("a", "1")]), hash(&[("a", "2")]));
        assert_ne!(hash(&[("a", "b1")]), hash(&[("ab", "1")]));
    }

    #[test]
    fn what_is_removed_leaves_no_trace() {
        let mut state = StateHash::default();
        for number in 0u32..500 {
            state.add(&number.to_le_bytes(), b"value");
        }
        for number in 0u32..500 {
            state.remove(&number.to_le_bytes(), b"value");
        }
        assert_eq!(state, StateHash::default());
    }

    #[test]
    fn the_bytes_of_the_hash_are_frozen() {
        assert_eq!(
            hash(&[("key", "value"), ("other", "")]).to_string(),
            "89d8986f046529caf3262c53b2646623125773374acd3f7b06bbcd707862c3ca"
        );
    }
}
