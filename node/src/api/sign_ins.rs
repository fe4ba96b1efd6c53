//! Sign-ins of people: the first request with a token is recorded in the audit, the others with it are not. Nobody waits for
//! that, and nobody fills the audit with it: so many sources and sign-ins a minute, so many under way.

use super::{
    Api,
    caller::{Caller, Who},
};
use crate::identify::{Failures, Throttle};
use countersign_api::agent::Role;
use countersign_core::secret::Secret;
use countersign_raft_store::{
    command::{Command, SignedIn},
    records::RequestId,
};
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};
use std::{net::SocketAddr, sync::Arc};
use tokio::sync::Semaphore;

/// Tokens that are remembered by their digests; the least recently seen is forgotten first, and recorded again.
const MAX_TOKENS: usize = 8_192;
/// Sign-ins from one source in a minute that are recorded; from all sources it is a hundred times as many.
const MAX_A_MINUTE: u32 = 60;
/// Sign-ins that are being recorded at a time.
const MAX_UNDER_WAY: usize = 16;

/// Which tokens this node has seen.
#[derive(Debug)]
pub(crate) struct SignIns {
    seen: Cache<[u8; 32], ()>,
    paces: Failures,
    under_way: Arc<Semaphore>,
}

impl SignIns {
    pub(super) fn new() -> Self {
        Self {
            seen: Cache::new(MAX_TOKENS),
            paces: Failures::new(MAX_A_MINUTE),
            under_way: Arc::new(Semaphore::new(MAX_UNDER_WAY)),
        }
    }

    /// Whether a token is new here. Only its digest is kept.
    fn is_new(&self, token: &Secret) -> bool {
        let digest: [u8; 32] = Sha256::digest(token.expose()).into();
        let known = self.seen.get(&digest).is_some();
        if !known {
            self.seen.insert(digest, ());
        }
        !known
    }
}

impl Api {
    /// Records that somebody has come with a new token.
    pub(super) fn signed_in(&self, caller: &Caller, token: &Secret, source: SocketAddr) {
        let Who::Reviewer { provider, .. } = &caller.who else { return };
        if !self.sign_ins.is_new(token) || self.sign_ins.paces.count(source.ip()) == Throttle::Over
        {
            return;
        }
        let Some(node) = self.app.node().cloned() else { return };
        let Ok(slot) = Arc::clone(&self.sign_ins.under_way).try_acquire_owned() else { return };
        let roles: Vec<&str> = caller.roles.iter().copied().map(name).collect();
        let command = SignedIn {
            id: RequestId(rand::random()),
            node: node.id,
            source: source.to_string(),
            author: caller.author(),
            provider: provider.clone(),
            roles: roles.join(","),
        };
        tokio::spawn(async move {
            let command = Command::SignedIn(Box::new(command));
            if let Err(error) = node.store.propose(&command).await {
                tracing::info!(
                    error = &error as &dyn std::error::Error,
                    "a sign-in could not be recorded"
                );
            }
            drop(slot);
        });
    }
}

const fn name(role: Role) -> &'static str {
    match role {
        Role::Admin => "admin",
        Role::Auditor => "auditor",
        Role::Reviewer => "reviewer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_new_once() {
        let sign_ins = SignIns::new();
        assert!(sign_ins.is_new(&Secret::new("one")));
        assert!(!sign_ins.is_new(&Secret::new("one")));
        assert!(sign_ins.is_new(&Secret::new("two")));
    }
}
