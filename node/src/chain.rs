//! Signing the audit chain. The key is drawn by a node, sealed under the cluster key in the replicated state, and opened for
//! the moment of signing; whether what it signs is true of the chain is decided again where it is applied.

mod keeper;

pub(crate) use keeper::keep;

use crate::cluster::{ClusterError, ClusterKey, Purpose};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use countersign_core::{
    log_time::LogTime,
    record::{
        AuditKey, ChainHead, Claim, ClusterId, Endorsement, KeyIntroduction, Signature, Signed,
        Statement,
    },
    secret::Secret,
};
use countersign_raft_store::{
    command::IntroduceAuditKey,
    handle::{ReadError, StateView},
    records::{AuditKeyRecord, Author},
};

/// Why nothing is signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignError {
    /// The state cannot be read.
    #[error("the audit keys cannot be read")]
    Read(#[from] ReadError),
    /// The key cannot be opened, or is none.
    #[error("the audit key cannot be opened")]
    Key(#[from] ClusterError),
}

/// The audit key in force, opened.
pub(crate) struct Signer {
    cluster: ClusterId,
    number: u64,
    pair: Ed25519KeyPair,
}

impl Signer {
    /// The signer of this moment; none before the cluster has a key.
    pub(crate) fn in_force(view: &StateView, key: &ClusterKey) -> Result<Option<Self>, SignError> {
        let Some(last) = view.audit_keys()?.pop() else { return Ok(None) };
        let AuditKeyRecord { introduction, sealed_key, .. } = last;
        let cluster = introduction.cluster;
        let seed = key.open(Purpose::AuditSigning, &cluster.0, &sealed_key)?;
        Ok(Some(Self { cluster, number: introduction.number, pair: pair(&seed)? }))
    }

    /// Says something about the chain.
    pub(crate) fn say(
        &self,
        claim: Claim,
        head: ChainHead,
        at: LogTime,
    ) -> Result<Signed, SignError> {
        let statement = Statement { claim, cluster: self.cluster, head, at };
        let key = self.key()?;
        Ok(Signed { statement, key, signature: self.sign(&statement.bytes(&key))? })
    }

    fn key(&self) -> Result<AuditKey, ClusterError> {
        let bytes = self.pair.public_key().as_ref().try_into();
        bytes.map(AuditKey).map_err(|_| ClusterError::Sealing)
    }

    fn sign(&self, bytes: &[u8]) -> Result<Signature, ClusterError> {
        let signature = self.pair.sign(bytes).as_ref().try_into();
        signature.map(Signature).map_err(|_| ClusterError::Sealing)
    }
}

/// Draws the key that follows `before`, and has both keys sign that.
pub(crate) fn draw(
    cluster: ClusterId,
    key: &ClusterKey,
    before: Option<&Signer>,
    author: Option<Author>,
) -> Result<IntroduceAuditKey, SignError> {
    let seed = Secret::new(rand::random::<[u8; 32]>());
    let number = before.map_or(1, |before| before.number + 1);
    let next = Signer { cluster, number, pair: pair(&seed)? };
    let (name, by) = (next.key()?, before.map(Signer::key).transpose()?);
    let bytes = KeyIntroduction::bytes(cluster, number, &name, by.as_ref());
    let endorsement = match (before, by) {
        (Some(before), Some(by)) => Some(Endorsement { by, signature: before.sign(&bytes)? }),
        (Some(_) | None, _) => None,
    };
    let own = next.sign(&bytes)?;
    let introduction = KeyIntroduction { cluster, number, key: name, endorsement, own };
    let sealed_key = key.seal(Purpose::AuditSigning, &cluster.0, seed.expose())?;
    Ok(IntroduceAuditKey { introduction, sealed_key, author })
}

fn pair(seed: &Secret) -> Result<Ed25519KeyPair, ClusterError> {
    Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_rejected| ClusterError::Sealing)
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("number", &self.number).finish_non_exhaustive()
    }
}
