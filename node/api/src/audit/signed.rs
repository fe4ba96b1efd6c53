//! What is signed about the chain, on the wire: its head, the keys, and what an export is begun with. Nothing here signs.

use crate::time::Timestamp;
use countersign_core::record::{
    ChainHead, Claim, ClusterId, Endorsement, KeyError, KeyIntroduction, KeyRing, NotHex, Signed,
    Statement,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The end of the chain, as a node knows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditHead {
    /// The sequence of the last event; 0 when there is none.
    pub sequence: u64,
    /// Its hash, 64 hexadecimal digits.
    pub hash: String,
    /// The log entry that made the last event.
    pub index: u64,
    /// Log time.
    pub at: Timestamp,
    /// The cluster.
    pub cluster_id: String,
    /// The node that says so.
    pub node: u64,
    /// The cluster's signature over cluster, sequence, hash and time; none in the first moments of a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<AuditSignature>,
}

/// A signature of the cluster's (Ed25519).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditSignature {
    /// The public key, 64 hexadecimal digits. `GET /v1/audit/keys` has all of them.
    pub key: String,
    /// The signature, 128 hexadecimal digits.
    pub signature: String,
}

impl AuditSignature {
    /// That of something signed.
    pub fn of(signed: &Signed) -> Self {
        Self { key: signed.key.to_string(), signature: signed.signature.to_string() }
    }

    fn over(&self, statement: Statement) -> Result<Signed, NotHex> {
        Ok(Signed { statement, key: self.key.parse()?, signature: self.signature.parse()? })
    }
}

impl AuditHead {
    /// The head as `record::ChainWalk` takes it; `None` when the hash cannot be read.
    pub fn chain_head(&self) -> Option<ChainHead> {
        Some(ChainHead { sequence: self.sequence, hash: self.hash.parse().ok()? })
    }

    /// What is signed about it, not yet verified; `None` when nothing is, or it cannot be read.
    pub fn signed(&self) -> Option<Signed> {
        let cluster = self.cluster_id.parse().ok()?;
        let (head, at) = (self.chain_head()?, self.at.into());
        self.signed.as_ref()?.over(Statement { claim: Claim::Head, cluster, head, at }).ok()
    }
}

/// A key of the cluster's, as it was made known.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditKey {
    /// 1 for the first; the last is in force.
    pub number: u64,
    /// The public key (Ed25519), 64 hexadecimal digits.
    pub key: String,
    /// The key before it, and its signature over the new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endorsed: Option<AuditSignature>,
    /// The new key's own signature, over the key before it as well.
    pub signature: String,
}

impl AuditKey {
    /// A key on the wire.
    pub fn of(known: &KeyIntroduction) -> Self {
        Self {
            number: known.number,
            key: known.key.to_string(),
            endorsed: known.endorsement.map(|endorsement| AuditSignature {
                key: endorsement.by.to_string(),
                signature: endorsement.signature.to_string(),
            }),
            signature: known.own.to_string(),
        }
    }

    fn introduction(&self, cluster: ClusterId) -> Result<KeyIntroduction, NotHex> {
        let endorsed = self.endorsed.as_ref().map(|by| -> Result<_, NotHex> {
            Ok(Endorsement { by: by.key.parse()?, signature: by.signature.parse()? })
        });
        Ok(KeyIntroduction {
            cluster,
            number: self.number,
            key: self.key.parse()?,
            endorsement: endorsed.transpose()?,
            own: self.signature.parse()?,
        })
    }
}

/// The keys that the cluster has signed its audit chain with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditKeys {
    /// The cluster.
    pub cluster_id: String,
    /// The keys, the first one first.
    pub keys: Vec<AuditKey>,
}

/// Why keys on the wire are no ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// A key or signature cannot be read.
    #[error("a key cannot be read: {0}")]
    Unreadable(#[from] NotHex),
    /// A key is not the next one.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The ring of these keys, each verified.
pub fn ring(cluster: ClusterId, keys: &[AuditKey]) -> Result<KeyRing, RingError> {
    let mut ring = KeyRing::of(cluster);
    for key in keys {
        ring.introduce(&key.introduction(cluster)?)?;
    }
    Ok(ring)
}

/// Which part of the chain is exported. Everything that is given must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportRequest {
    /// Only events after this sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Only events up to this sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<u64>,
    /// Only events at or after this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// Only events before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub to: Option<Timestamp>,
}

/// What an export is begun and ended with: its events are those after `after` up to `end.sequence`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExportTerms {
    /// The cluster.
    pub cluster_id: String,
    /// The event behind which it begins.
    pub after: u64,
    /// Every key so far.
    pub keys: Vec<AuditKey>,
    /// The signed end.
    pub end: SpanEnd,
    /// A node that has applied the log up to here has the events.
    pub index: u64,
}

/// The signed end of an export.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SpanEnd {
    /// The sequence of the last event.
    pub sequence: u64,
    /// Its hash.
    pub hash: String,
    /// Log time of the export.
    pub at: Timestamp,
    /// The cluster's signature over cluster, beginning, end and time.
    pub signed: AuditSignature,
}

impl SpanEnd {
    /// The signed end of a span.
    pub fn of(signed: &Signed) -> Self {
        let Statement { claim: _, cluster: _, head, at } = signed.statement;
        Self {
            sequence: head.sequence,
            hash: head.hash.to_string(),
            at: at.into(),
            signed: AuditSignature::of(signed),
        }
    }

    /// What is signed about an export that begins behind `after`, not yet verified.
    pub fn signed(&self, cluster: ClusterId, after: u64) -> Result<Signed, NotHex> {
        let head = ChainHead { sequence: self.sequence, hash: self.hash.parse()? };
        let claim = Claim::Span { after };
        self.signed.over(Statement { claim, cluster, head, at: self.at.into() })
    }
}
