//! The key of what must be the same for the same value and not to be computed by anybody else (`hash`, `fake`):
//! HMAC-SHA-256 (RFC 2104), a key of its own for each rule.

use super::MaskError;
use crate::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// What the keys of the rules are derived under.
const DOMAIN: &[u8] = b"countersign-mask-rule-v1";

/// The key of all mask rules of a cluster. It is the same on all its nodes and stays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MaskKey(Secret);

impl MaskKey {
    /// Takes over a key that was derived for this purpose.
    pub fn new(key: Secret) -> Self {
        Self(key)
    }

    /// The key of one rule. What two rules make of the same value cannot be compared.
    pub(super) fn of_rule(&self, rule: &str) -> Result<RuleKey, MaskError> {
        let mut mac = keyed(self.0.expose())?;
        mac.update(DOMAIN);
        mac.update(rule.as_bytes());
        Ok(RuleKey(keyed(&mac.finalize().into_bytes())?))
    }
}

fn keyed(key: &[u8]) -> Result<Hmac<Sha256>, MaskError> {
    Hmac::new_from_slice(key).map_err(|_length| MaskError::Key)
}

/// What a digest is made for: the same value gives another digest for each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// It is shown, or a value is made of it that is.
    Hash,
    /// The first block of a stream for a fake value.
    Fake,
    /// Another block of such a stream.
    Stream,
}

impl Purpose {
    const fn tag(self) -> u8 {
        match self {
            Self::Hash => 1,
            Self::Fake => 2,
            Self::Stream => 3,
        }
    }
}

/// The key of one rule.
#[derive(Clone)]
pub(super) struct RuleKey(Hmac<Sha256>);

impl fmt::Debug for RuleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RuleKey(***)")
    }
}

impl RuleKey {
    /// The keyed digest of `value`.
    pub(super) fn digest(&self, purpose: Purpose, value: &[u8]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(&[purpose.tag()]);
        mac.update(value);
        mac.finalize().into_bytes().into()
    }

    /// Endless bytes that only this key makes of `value`; another stream for each attempt.
    pub(super) fn stream(&self, value: &[u8], attempt: u8) -> Stream<'_> {
        let mut mac = self.0.clone();
        mac.update(&[Purpose::Fake.tag(), attempt]);
        mac.update(value);
        let seed: [u8; 32] = mac.finalize().into_bytes().into();
        Stream { key: self, seed, block: 0, bytes: seed, used: 0 }
    }
}

/// Endless bytes.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    key: &'a RuleKey,
    /// The first block, of which the others are made.
    seed: [u8; 32],
    block: u64,
    bytes: [u8; 32],
    used: usize,
}

impl Stream<'_> {
    fn next(&mut self) -> u8 {
        if let Some(byte) = self.bytes.get(self.used) {
            self.used += 1;
            return *byte;
        }
        let mut input = [0; 40];
        input[..32].copy_from_slice(&self.seed);
        input[32..].copy_from_slice(&self.block.to_be_bytes());
        self.block += 1;
        self.bytes = self.key.digest(Purpose::Stream, &input);
        self.used = 1;
        let [first, ..] = self.bytes;
        first
    }

    /// A number below `bound`, each as likely as the others.
    pub(super) fn below(&mut self, bound: u8) -> u8 {
        // The bytes above the last whole multiple would make some numbers likelier.
        let whole = u8::MAX - u8::MAX % bound;
        loop {
            let byte = self.next();
            if byte < whole {
                return byte % bound;
            }
        }
    }
}
