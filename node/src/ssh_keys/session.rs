//! What the gateway logs in to a target with where the target trusts the cluster: a key that is drawn for one connection and
//! kept nowhere, with a certificate of the sessions' authority.

use super::{SshKeyError, in_use, open};
use crate::cluster::ClusterKey;
use countersign_core::{id::SessionId, secret::Secret};
use countersign_raft_store::{
    handle::{StateView, Store},
    records::SshRole,
};
use countersign_ssh::{NotCertified, Pass, SessionAuthority};
use ssh_key::{
    LineEnding, PrivateKey,
    certificate::{Builder, CertType},
    private::Ed25519Keypair,
};
use std::{sync::Arc, time::Duration};

/// How long a certificate counts: a login's time, and what the clock of a target may be behind.
const LIFE: Duration = Duration::from_mins(5);
/// How far before now it counts: what the clock of a target may be ahead.
const BACKDATED: Duration = Duration::from_mins(5);
/// Without it an sshd gives a certificate's bearer no terminal. Forwarding is left out.
const PERMIT_PTY: &str = "permit-pty";

/// The cluster's authority of sessions.
#[derive(Debug)]
pub(crate) struct ClusterAuthority {
    store: Store,
    cluster_key: Arc<ClusterKey>,
}

impl ClusterAuthority {
    /// That of this state.
    pub(crate) fn of(store: Store, cluster_key: Arc<ClusterKey>) -> Self {
        Self { store, cluster_key }
    }
}

impl SessionAuthority for ClusterAuthority {
    fn pass(&self, user: &str, session: SessionId) -> Result<Pass, NotCertified> {
        let now_ms = crate::clock::now_ms();
        let view = self.store.view().map_err(|error| NotCertified(Box::new(error)))?;
        pass(&view, &self.cluster_key, (user, session), now_ms)
            .map_err(|error| NotCertified(Box::new(error)))
    }
}

pub(super) fn pass(
    view: &StateView,
    key: &ClusterKey,
    (user, session): (&str, SessionId),
    now_ms: u64,
) -> Result<Pass, SshKeyError> {
    let role = SshRole::SessionAuthority;
    let cluster = view.cluster()?.ok_or(SshKeyError::Missing(role))?;
    let authority = open(&in_use(view, role, now_ms)?, key, &cluster.id)?;
    let seed: [u8; 32] = rand::random();
    let own = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
    let now = now_ms / 1000;
    let (after, before) = (now.saturating_sub(BACKDATED.as_secs()), now + LIFE.as_secs());
    let nonce: [u8; 32] = rand::random();
    let mut builder = Builder::new(nonce, own.public_key().key_data().clone(), after, before)?;
    builder.cert_type(CertType::User)?.key_id(format!("countersign {session}"))?;
    builder.valid_principal(user)?.extension(PERMIT_PTY, "")?;
    let certificate = builder.sign(&authority)?.to_openssh()?;
    let key = Secret::new(own.to_openssh(LineEnding::LF)?.as_bytes());
    Ok(Pass { key, certificate })
}
