//! From a proof of identity and a target's name to an open session. The target is not dialled.

use crate::{
    forward::ActsAs,
    target::{KubernetesTarget, Targets},
};
use countersign_core::{
    gate::{Gate, OpenedSession, Proof, SessionWish, Source},
    refusal::Refusal,
    target::{Protocol, TargetName},
};
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// For one proof; the gate's own waits are shorter.
const IDENTIFY_DEADLINE: Duration = Duration::from_secs(10);
/// A target has one role: what the gateway logs in with.
const ROLE: &str = "gateway";
/// As much of what a client calls itself as is kept, in characters.
const MAX_CLIENT: usize = 100;

/// A proof and a target, as a session on a connection is found by. Of a proof there is its digest only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Key {
    proof: [u8; 32],
    target: TargetName,
}

impl Key {
    /// The key of the session that this proof opens.
    pub(crate) fn of(proof: &Proof, target: &TargetName) -> Self {
        let mut hash = Sha256::new();
        match proof {
            Proof::Token(token) => {
                hash.update(b"token:");
                hash.update(token.expose());
            }
            Proof::Certificate(certificate) => {
                hash.update(b"certificate:");
                hash.update(certificate);
            }
            Proof::SshCertificate { certificate, user } => {
                hash.update(b"ssh:");
                hash.update(certificate);
                hash.update(user);
            }
        }
        Self { proof: hash.finalize().into(), target: target.clone() }
    }
}

/// A session that was let in.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) opened: OpenedSession,
    pub(crate) target: Arc<KubernetesTarget>,
    pub(crate) acts_as: ActsAs,
}

/// Checks the proof and opens the session. That there is such a target is said to nobody who is not identified.
pub(crate) async fn open(
    proof: Proof,
    name: Option<TargetName>,
    (source, client): (Source, &str),
    (gate, targets): (&dyn Gate, &dyn Targets),
) -> Result<Admitted, Refusal> {
    let late = Refusal::Overloaded { limit: "identify_deadline" };
    let identified = timeout(IDENTIFY_DEADLINE, gate.identify(proof, source.clone())).await;
    let who = identified.unwrap_or_else(|_| Err(late.clone()))?;
    let name = name.ok_or(Refusal::NoSuchTarget)?;
    let (revision, target) = targets.kubernetes(&name).ok_or(Refusal::NoSuchTarget)?;
    let acts_as = ActsAs::of(&who.agent, &target)?;
    let wish = SessionWish {
        who,
        target: name,
        revision,
        protocol: Protocol::Kubernetes,
        role: ROLE.to_owned(),
        source,
        client: client.chars().filter(|c| !c.is_control()).take(MAX_CLIENT).collect(),
    };
    let opened = timeout(IDENTIFY_DEADLINE, gate.open(wish)).await;
    Ok(Admitted { opened: opened.unwrap_or(Err(late))?, target, acts_as })
}
