//! The cluster key: 32 bytes that every node has, which seal what the replicated state must not show (the keys of the
//! authorities). AES-256-GCM (NIST SP 800-38D), a fresh random nonce for each sealing.

use super::ClusterError;
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hmac,
};
use countersign_core::{mask::MaskKey, secret::Secret};

/// Bytes of the key.
const KEY_BYTES: usize = 32;
/// What the key of the mask rules is derived for.
const MASK_PURPOSE: &[u8] = b"countersign-mask-key-v1";
/// What a sealed secret is for. Sealed for one purpose, it opens for no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The key of the authority of the peer plane.
    PeerAuthority,
    /// The key of the authority of agents' credentials.
    CredentialAuthority,
    /// A key that the audit chain is signed with.
    AuditSigning,
    /// The host key that agents see.
    SshHost,
    /// The authority of the host key's certificates.
    SshHostAuthority,
    /// The authority of agents' SSH certificates.
    SshAgentAuthority,
    /// The authority of sessions' certificates towards targets.
    SshSessionAuthority,
    /// A token that a browser keeps for the reviewers' page.
    PageSession,
    /// What a browser keeps while its person signs in.
    PageSignIn,
}

impl Purpose {
    const fn name(self) -> &'static [u8] {
        match self {
            Self::PeerAuthority => b"countersign-peer-authority-key-v1",
            Self::CredentialAuthority => b"countersign-credential-authority-key-v1",
            Self::AuditSigning => b"countersign-audit-signing-key-v1",
            Self::SshHost => b"countersign-ssh-host-key-v1",
            Self::SshHostAuthority => b"countersign-ssh-host-authority-key-v1",
            Self::SshAgentAuthority => b"countersign-ssh-agent-authority-key-v1",
            Self::SshSessionAuthority => b"countersign-ssh-session-authority-key-v1",
            Self::PageSession => b"countersign-page-session-v1",
            Self::PageSignIn => b"countersign-page-sign-in-v1",
        }
    }
}

/// The cluster key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterKey(Secret);

impl ClusterKey {
    /// Draws one.
    pub fn draw() -> Self {
        Self(Secret::new(rand::random::<[u8; KEY_BYTES]>()))
    }

    /// Takes one over; `None` when it has another length.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == KEY_BYTES).then(|| Self(Secret::new(bytes)))
    }

    /// The bytes, to be stored or to be given to a node that has just been let in.
    pub(crate) fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// Seals a secret of this cluster: nonce, then ciphertext and tag.
    pub fn seal(
        &self,
        purpose: Purpose,
        cluster_id: &[u8; 16],
        secret: &[u8],
    ) -> Result<Vec<u8>, ClusterError> {
        let key = self.aead()?;
        let mut sealed = secret.to_vec();
        let nonce = key
            .seal_in_place_append_tag(Aad::from(bound(purpose, cluster_id)), &mut sealed)
            .map_err(|_| ClusterError::Sealing)?;
        let mut whole = nonce.as_ref().to_vec();
        whole.append(&mut sealed);
        Ok(whole)
    }

    /// Opens what [`ClusterKey::seal`] sealed for the same purpose and cluster.
    pub fn open(
        &self,
        purpose: Purpose,
        cluster_id: &[u8; 16],
        sealed: &[u8],
    ) -> Result<Secret, ClusterError> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(ClusterError::Sealing)?;
        let mut rest = rest.to_vec();
        let opened = self
            .aead()?
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(bound(purpose, cluster_id)),
                &mut rest,
            )
            .map_err(|_| ClusterError::Sealing)?;
        Ok(Secret::new(&*opened))
    }

    /// Bytes that only the cluster can derive from `what`, the same on every node.
    pub(crate) fn derive(&self, what: &[&[u8]]) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.expose());
        let mut context = hmac::Context::with_key(&key);
        for part in what {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.sign().as_ref().to_vec()
    }

    /// The key of the mask rules: the same on every node, and for as long as the cluster has this key.
    pub(crate) fn mask_key(&self) -> MaskKey {
        MaskKey::new(Secret::new(self.derive(&[MASK_PURPOSE])))
    }

    fn aead(&self) -> Result<RandomizedNonceKey, ClusterError> {
        RandomizedNonceKey::new(&AES_256_GCM, self.expose()).map_err(|_| ClusterError::Sealing)
    }
}

fn bound(purpose: Purpose, cluster_id: &[u8; 16]) -> Vec<u8> {
    [purpose.name(), cluster_id].concat()
}
