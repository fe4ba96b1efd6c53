//! The cluster's keys for SSH: drawn by a node, sealed under the cluster key in the replicated state, opened for the moment of
//! use. The host key is the same on all nodes, so that a load balancer raises no warning.
//!
//! Each role has keys of its own: the authority of agents' certificates opens no target, and what opens a target is no
//! agent's. A new key is published before it is used (`SshKeyRecord`). Who may have a certificate is not decided here.

mod certificate;
mod host;
mod presented;
mod session;

pub(crate) use certificate::{AgentKey, AgentTerms, SourceList};
pub(crate) use host::host_keys;
pub(crate) use presented::{PresentedSsh, SshCertificateError};
pub(crate) use session::ClusterAuthority;

use crate::cluster::{ClusterError, ClusterKey, Purpose};
use countersign_core::secret::Secret;
use countersign_raft_store::{
    handle::{ReadError, StateView},
    records::{DrawnSshKey, SshKeyRecord, SshRole},
};
use ssh_key::{
    Fingerprint, HashAlg, PrivateKey, PublicKey,
    private::{Ed25519Keypair, Ed25519PrivateKey},
    public::Ed25519PublicKey,
};

/// Why a key for SSH is not used.
#[derive(Debug, thiserror::Error)]
pub enum SshKeyError {
    /// The state cannot be read.
    #[error("the keys for SSH cannot be read")]
    Read(#[from] ReadError),
    /// It cannot be opened.
    #[error("a key for SSH cannot be opened")]
    Sealed(#[from] ClusterError),
    /// There is none.
    #[error("the cluster has no key for SSH of the role {}", .0.name())]
    Missing(SshRole),
    /// It cannot be used.
    #[error("a key for SSH cannot be used")]
    Key(#[from] ssh_key::Error),
}

const fn purpose(role: SshRole) -> Purpose {
    match role {
        SshRole::Host => Purpose::SshHost,
        SshRole::HostAuthority => Purpose::SshHostAuthority,
        SshRole::AgentAuthority => Purpose::SshAgentAuthority,
        SshRole::SessionAuthority => Purpose::SshSessionAuthority,
    }
}

/// Draws a key.
pub(crate) fn draw(
    key: &ClusterKey,
    cluster_id: &[u8; 16],
    role: SshRole,
) -> Result<DrawnSshKey, ClusterError> {
    let seed: [u8; Ed25519PrivateKey::BYTE_SIZE] = rand::random();
    let public_key = Ed25519Keypair::from_seed(&seed).public.0;
    let sealed_key = key.seal(purpose(role), cluster_id, Secret::new(seed).expose())?;
    Ok(DrawnSshKey { role, public_key, sealed_key })
}

/// Draws the keys that a cluster is made with.
pub(crate) fn draw_all(
    key: &ClusterKey,
    cluster_id: &[u8; 16],
) -> Result<Vec<DrawnSshKey>, ClusterError> {
    SshRole::ALL.iter().map(|role| draw(key, cluster_id, *role)).collect()
}

/// The public half of a key, as SSH has it.
pub(crate) fn public(record: &SshKeyRecord) -> PublicKey {
    PublicKey::from(Ed25519PublicKey(record.key.public_key))
}

/// The authorities whose certificates agents may show: that in use, and those next to it.
pub(crate) fn agent_authorities(view: &StateView) -> Result<Vec<Fingerprint>, ReadError> {
    let keys = view.ssh_keys(SshRole::AgentAuthority)?;
    Ok(keys.iter().map(|record| public(record).fingerprint(HashAlg::Sha256)).collect())
}

/// The key of a role that is used at a time: the last one whose time has come.
pub(crate) fn in_use(
    view: &StateView,
    role: SshRole,
    now_ms: u64,
) -> Result<SshKeyRecord, SshKeyError> {
    let mut keys = view.ssh_keys(role)?;
    keys.retain(|record| record.used_from.0 <= now_ms);
    keys.pop().ok_or(SshKeyError::Missing(role))
}

/// Opens a key.
fn open(
    record: &SshKeyRecord,
    key: &ClusterKey,
    cluster_id: &[u8; 16],
) -> Result<PrivateKey, SshKeyError> {
    let seed = key.open(purpose(record.key.role), cluster_id, &record.key.sealed_key)?;
    let pair = Ed25519Keypair::from(Ed25519PrivateKey::try_from(seed.expose())?);
    if pair.public.0 != record.key.public_key {
        return Err(ClusterError::Sealing.into());
    }
    Ok(PrivateKey::from(pair))
}

#[cfg(test)]
mod tests;
