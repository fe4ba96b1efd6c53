//! The cluster's audit keys, one after the other. Each is introduced by itself and by the one before it: whoever trusts one
//! of them can follow to all the others, forwards and backwards. A key is in force until the next one is introduced.

use super::signed::{AuditKey, ClusterId, Signature, WrongSignature, verify};

/// The name of what is signed.
const DOMAIN: &[u8] = b"countersign-audit-key-v1";

/// A new key, as the cluster makes it known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyIntroduction {
    /// Whose.
    pub cluster: ClusterId,
    /// 1 for the cluster's first key; without gaps.
    pub number: u64,
    /// The key.
    pub key: AuditKey,
    /// The key before it and that one's signature; none for the first.
    pub endorsement: Option<Endorsement>,
    /// The signature of the new key itself.
    pub own: Signature,
}

/// The word of the key before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Endorsement {
    /// That key.
    pub by: AuditKey,
    /// Its signature.
    pub signature: Signature,
}

impl KeyIntroduction {
    /// What both keys sign: the key before is part of it, so that the new key vouches for the old one as well.
    pub fn bytes(
        cluster: ClusterId,
        number: u64,
        key: &AuditKey,
        before: Option<&AuditKey>,
    ) -> Vec<u8> {
        let nobody = AuditKey([0; 32]);
        [
            &(DOMAIN.len() as u64).to_be_bytes()[..],
            DOMAIN,
            &cluster.0,
            &number.to_be_bytes(),
            &key.0,
            &before.unwrap_or(&nobody).0,
        ]
        .concat()
    }
}

/// Why a key is not the cluster's next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It belongs to another cluster.
    #[error("key {key} is another cluster's")]
    OtherCluster {
        /// The key.
        key: AuditKey,
    },
    /// It is not the next one.
    #[error("key {key} is number {found}, the next one is number {expected}")]
    Number {
        /// The key.
        key: AuditKey,
        /// Its number.
        found: u64,
        /// The number of the next key.
        expected: u64,
    },
    /// It is not endorsed by the key before it.
    #[error("key {key} is not endorsed by the key before it")]
    NotEndorsed {
        /// The key.
        key: AuditKey,
    },
    /// One of its signatures is wrong.
    #[error("the introduction of a key does not hold")]
    Signature(#[source] WrongSignature),
}

/// The keys of one cluster, each verified by the one before it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRing {
    cluster: ClusterId,
    keys: Vec<AuditKey>,
}

impl KeyRing {
    /// The ring of a cluster, without a key.
    pub fn of(cluster: ClusterId) -> Self {
        Self { cluster, keys: Vec::new() }
    }

    /// The cluster.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// Takes the next key.
    pub fn introduce(&mut self, next: &KeyIntroduction) -> Result<(), KeyError> {
        let (key, expected) = (next.key, self.last_number() + 1);
        if next.cluster != self.cluster {
            return Err(KeyError::OtherCluster { key });
        }
        if next.number != expected {
            return Err(KeyError::Number { key, found: next.number, expected });
        }
        let before = self.keys.last();
        if before != next.endorsement.as_ref().map(|endorsement| &endorsement.by) {
            return Err(KeyError::NotEndorsed { key });
        }
        let bytes = KeyIntroduction::bytes(next.cluster, next.number, &key, before);
        if let Some(endorsement) = &next.endorsement {
            verify(&endorsement.by, &bytes, &endorsement.signature).map_err(KeyError::Signature)?;
        }
        verify(&key, &bytes, &next.own).map_err(KeyError::Signature)?;
        self.keys.push(key);
        Ok(())
    }

    /// Whether this ring is `earlier`, with or without further keys.
    pub fn goes_on_from(&self, earlier: &Self) -> bool {
        self.cluster == earlier.cluster && self.keys.starts_with(&earlier.keys)
    }

    /// The number of a key; none when it is not the cluster's.
    pub fn number_of(&self, key: &AuditKey) -> Option<u64> {
        let place = self.keys.iter().position(|known| known == key)?;
        u64::try_from(place).ok().map(|place| place + 1)
    }

    /// The ring as it was when it had so many keys.
    pub(super) fn up_to(&self, number: u64) -> Self {
        let keys = (1..=number).zip(&self.keys).map(|(_, key)| *key).collect();
        Self { cluster: self.cluster, keys }
    }

    /// The number of the last key; 0 without any.
    pub fn last_number(&self) -> u64 {
        self.keys.len() as u64
    }

    /// The last key.
    pub fn last(&self) -> Option<&AuditKey> {
        self.keys.last()
    }
}
