//! The keys that wrap the data keys of recordings: one that wraps, and earlier ones that still open what they have wrapped.
//!
//! Without a setting it is derived from the cluster's key, so that every node has the same one. A key is 32 bytes, written as
//! 64 hexadecimal digits in a file, in an environment variable or by a command; its name, which is stored, is derived from it and tells
//! nothing of it. A wrapped key is bound to its session and its own name.

use super::sealing::{DataKey, KEY_BYTES, SealingError};
use crate::{
    cluster::ClusterKey,
    reference::{self, ReferenceError},
};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hmac,
};
use countersign_core::{id::SessionId, recording::DataKeyId, secret::Secret};
use countersign_raft_store::records::WrappedKey;
use std::collections::BTreeSet;
use zeroize::Zeroizing;

/// What the key is derived from the cluster's key for.
const PURPOSE: &[u8] = b"countersign-recording-key-v1";
/// What the name of a key is derived for.
const NAME_PURPOSE: &[u8] = b"countersign-recording-key-name-v1";
/// What a wrapped key is bound to, besides its session and name.
const WRAPPED: &[u8] = b"countersign-wrapped-data-key-v1";

/// A key that wraps others.
#[derive(Debug, Clone, PartialEq, Eq)]
struct WrappingKey {
    name: [u8; 16],
    secret: Secret,
}

/// The keys that a node has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRing {
    current: WrappingKey,
    earlier: Vec<WrappingKey>,
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// It is no reference, or what it refers to cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ReferenceError),
    /// It is not a key.
    #[error("{reference}: a key is {KEY_BYTES} bytes, written as 64 hexadecimal digits")]
    NoKey {
        /// The reference.
        reference: String,
    },
}

/// Whether a setting names a key that can be read.
pub(crate) fn check(reference: &str) -> Result<(), KeyRingError> {
    WrappingKey::read(reference).map(drop)
}

impl KeyRing {
    /// The keys that the settings name; without any, the one that is derived from the cluster's key. That one opens what it
    /// has wrapped also where another one wraps.
    pub fn load(
        cluster: &ClusterKey,
        current: Option<&str>,
        earlier: &[String],
    ) -> Result<Self, KeyRingError> {
        let derived = WrappingKey::of(&cluster.derive(&[PURPOSE]));
        let mut known = Vec::with_capacity(earlier.len() + 1);
        for reference in earlier {
            known.push(WrappingKey::read(reference)?);
        }
        Ok(match current {
            Some(reference) => {
                known.push(derived);
                Self { current: WrappingKey::read(reference)?, earlier: known }
            }
            None => Self { current: derived, earlier: known },
        })
    }

    fn all(&self) -> impl Iterator<Item = &WrappingKey> {
        std::iter::once(&self.current).chain(&self.earlier)
    }

    /// The names of the keys that open something here.
    pub(super) fn names(&self) -> BTreeSet<[u8; 16]> {
        self.all().map(|key| key.name).collect()
    }

    /// The name of the key that wraps.
    pub(super) const fn current(&self) -> [u8; 16] {
        self.current.name
    }

    /// Wraps the key of a new recording: by the key that wraps, unless a node does not open that one yet; then by the latest that
    /// all open, `everywhere`. What only this node opens would be lost with it.
    pub(super) fn wrap(
        &self,
        session: SessionId,
        key: &DataKey,
        everywhere: &BTreeSet<[u8; 16]>,
    ) -> Result<WrappedKey, SealingError> {
        let by = self.all().find(|key| everywhere.contains(&key.name)).unwrap_or(&self.current);
        by.wrap(session, key)
    }

    /// Wraps the key of a recording by the key that wraps.
    pub(super) fn wrap_anew(
        &self,
        session: SessionId,
        key: &DataKey,
    ) -> Result<WrappedKey, SealingError> {
        self.current.wrap(session, key)
    }

    /// Whether the key that wraps has wrapped this one.
    pub(super) fn has_wrapped(&self, key: &WrappedKey) -> bool {
        key.by == self.current.name
    }

    /// Opens the key of a session's recording.
    pub(super) fn unwrap(
        &self,
        session: SessionId,
        wrapped: &WrappedKey,
    ) -> Result<DataKey, SealingError> {
        let refused = || SealingError::Wrapping { by: hex::encode(wrapped.by) };
        let key = self.all().find(|key| key.name == wrapped.by).ok_or_else(refused)?;
        let (nonce, sealed) =
            wrapped.sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(refused)?;
        let mut sealed = sealed.to_vec();
        let opened = aead(&key.secret)?
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(bound(session, wrapped.id)),
                &mut sealed,
            )
            .map_err(|_| refused())?;
        Ok(DataKey::of(wrapped.id, Secret::new(&*opened)))
    }
}

impl WrappingKey {
    fn of(bytes: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let tag = hmac::sign(&key, NAME_PURPOSE);
        let mut name = [0; 16];
        name.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        Self { name, secret: Secret::new(bytes) }
    }

    fn wrap(&self, session: SessionId, key: &DataKey) -> Result<WrappedKey, SealingError> {
        let mut sealed = key.expose().to_vec();
        let nonce = aead(&self.secret)?
            .seal_in_place_append_tag(Aad::from(bound(session, key.id())), &mut sealed)
            .map_err(|_| SealingError::Cipher)?;
        let sealed = [nonce.as_ref().as_slice(), &sealed].concat();
        Ok(WrappedKey { id: key.id(), by: self.name, sealed })
    }

    fn read(reference: &str) -> Result<Self, KeyRingError> {
        let text = reference::read(reference)?;
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        hex::decode_to_slice(text.as_str(), bytes.as_mut_slice())
            .map_err(|_| KeyRingError::NoKey { reference: reference.to_owned() })?;
        Ok(Self::of(bytes.as_slice()))
    }
}

fn aead(secret: &Secret) -> Result<RandomizedNonceKey, SealingError> {
    RandomizedNonceKey::new(&AES_256_GCM, secret.expose()).map_err(|_| SealingError::Cipher)
}

fn bound(session: SessionId, key: DataKeyId) -> Vec<u8> {
    [WRAPPED, session.as_bytes(), &key.0].concat()
}
