//! The fingerprint: SHA-256 (FIPS 180-4) over everything that gives an operation its meaning.
//!
//! The encoding is canonical: every field is preceded by its length, lists by their count, so that no two different
//! operations encode alike. Nothing is folded: not case, not white space, not comments.

use crate::{
    agent::{Identity, Workload},
    operation::Parameter,
    target::Target,
};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// The name of the encoding, hashed first. A change of the encoding changes this name.
const DOMAIN: &[u8] = b"countersign-fingerprint-v1";

/// What one approval covers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

/// What is hashed.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprinted<'a> {
    /// The target, with the revision of its definition and its protocol.
    pub target: &'a Target,
    /// The agent.
    pub agent: &'a Identity,
    /// The job that the agent is.
    pub workload: &'a Workload,
    /// Every session setting that changes meaning, as name and value, in the adapter's fixed order.
    pub settings: &'a [(String, String)],
    /// The exact bytes of the operation.
    pub text: &'a [u8],
    /// The exact bound values.
    pub parameters: &'a [Parameter],
}

impl Fingerprint {
    /// The fingerprint of an operation.
    pub fn of(what: Fingerprinted<'_>) -> Self {
        let mut hash = Sha256::new();
        field(&mut hash, DOMAIN);
        field(&mut hash, what.target.protocol.name().as_bytes());
        field(&mut hash, what.target.name.as_str().as_bytes());
        hash.update(what.target.revision.0.to_be_bytes());
        field(&mut hash, what.agent.issuer.as_bytes());
        field(&mut hash, what.agent.subject.as_bytes());
        for (_name, said) in what.workload.parts() {
            field(&mut hash, said.as_bytes());
        }
        count(&mut hash, what.settings.len());
        for (name, value) in what.settings {
            field(&mut hash, name.as_bytes());
            field(&mut hash, value.as_bytes());
        }
        field(&mut hash, what.text);
        count(&mut hash, what.parameters.len());
        for parameter in what.parameters {
            hash.update(parameter.format.to_be_bytes());
            hash.update(parameter.type_oid.to_be_bytes());
            match &parameter.value {
                None => hash.update([0]),
                Some(value) => {
                    hash.update([1]);
                    field(&mut hash, value);
                }
            }
        }
        Self(hash.finalize().into())
    }

    /// A fingerprint that was stored or sent.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

fn count(hash: &mut Sha256, n: usize) {
    hash.update((n as u64).to_be_bytes());
}

fn field(hash: &mut Sha256, bytes: &[u8]) {
    count(hash, bytes.len());
    hash.update(bytes);
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 64 hexadecimal digits")]
pub struct FingerprintError;

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| FingerprintError)?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests;
