//! What the cluster says about its audit chain, signed: how far the chain had come, and which part of it an export has.
//! Ed25519 (RFC 8032) over a canonical form that begins with what is said, so that one statement never passes for another:
//! whoever cuts an export short at a checkpoint cannot end it with that checkpoint's signature. Signing is done elsewhere;
//! nothing here holds a secret.

use super::{ChainHash, ChainHead};
use crate::log_time::LogTime;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use std::{fmt, str::FromStr};

/// A public key of the cluster's, by which what it says of its chain is verified. The key is its own name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AuditKey(pub [u8; 32]);

/// A signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signature(pub [u8; 64]);

/// The id of a cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClusterId(pub [u8; 16]);

/// A text that is not so many hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {digits} hexadecimal digits in lower case")]
pub struct NotHex {
    /// How many there should be.
    pub digits: usize,
}

macro_rules! in_digits {
    ($($value:ident),+) => { $(
        impl fmt::Display for $value {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl FromStr for $value {
            type Err = NotHex;

            fn from_str(text: &str) -> Result<Self, NotHex> {
                let mut value = Self([0; _]);
                let digits = value.0.len() * 2;
                decode(text, &mut value.0).ok_or(NotHex { digits })?;
                Ok(value)
            }
        }
    )+ };
}

in_digits!(AuditKey, Signature, ClusterId);

impl FromStr for ChainHash {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        let mut hash = Self::default();
        decode(text, &mut hash.0).ok_or(NotHex { digits: 64 })?;
        Ok(hash)
    }
}

/// Digits as they are written: the same bytes have one text only.
fn decode(text: &str, bytes: &mut [u8]) -> Option<()> {
    let shouted = text.bytes().any(|byte| byte.is_ascii_uppercase());
    if shouted { None } else { hex::decode_to_slice(text, bytes).ok() }
}

/// What is said about a head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claim {
    /// The chain has reached it. Stands in the chain itself.
    Checkpoint,
    /// The chain ends there at this moment.
    Head,
    /// An export has every event after this one up to the head.
    Span {
        /// The event behind which it begins.
        after: u64,
    },
}

/// Something said about a chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Statement {
    /// What.
    pub claim: Claim,
    /// Whose chain.
    pub cluster: ClusterId,
    /// The event that it is about, with its hash and so all before it.
    pub head: ChainHead,
    /// Log time at which it was said.
    pub at: LogTime,
}

impl Statement {
    /// What is signed.
    pub fn bytes(&self, key: &AuditKey) -> Vec<u8> {
        let (domain, after): (&[u8], u64) = match self.claim {
            Claim::Checkpoint => (b"countersign-audit-checkpoint-v1", 0),
            Claim::Head => (b"countersign-audit-head-v1", 0),
            Claim::Span { after } => (b"countersign-audit-span-v1", after),
        };
        [
            &(domain.len() as u64).to_be_bytes()[..],
            domain,
            &self.cluster.0,
            &after.to_be_bytes(),
            &self.head.sequence.to_be_bytes(),
            &self.head.hash.0,
            &self.at.0.to_be_bytes(),
            &key.0,
        ]
        .concat()
    }
}

/// A statement with its signature, not yet verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signed {
    /// What is said.
    pub statement: Statement,
    /// By which key.
    pub key: AuditKey,
    /// The signature.
    pub signature: Signature,
}

/// A signature that is not the key's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not that of key {key}")]
pub struct WrongSignature {
    /// The key it should be of.
    pub key: AuditKey,
}

impl Signed {
    /// Whether the signature is the key's. That the key is the cluster's is another question (`keys`).
    pub fn verify(&self) -> Result<(), WrongSignature> {
        verify(&self.key, &self.statement.bytes(&self.key), &self.signature)
    }
}

pub(super) fn verify(
    key: &AuditKey,
    bytes: &[u8],
    signature: &Signature,
) -> Result<(), WrongSignature> {
    UnparsedPublicKey::new(&ED25519, &key.0)
        .verify(bytes, &signature.0)
        .map_err(|_unspecified| WrongSignature { key: *key })
}
