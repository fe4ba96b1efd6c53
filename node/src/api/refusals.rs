//! What becomes of an access that was refused: it is counted, logged and, in a cluster, recorded in the audit, as far as its
//! source is within its limit. Refusing is done elsewhere; nobody waits for this.

use super::{Api, caller::Peer};
use crate::{identify::Throttle, metrics::counters};
use countersign_core::agent::Identity;
use countersign_raft_store::{command::AccessRefused, records::RequestId};
use std::{net::IpAddr, sync::Arc};

/// The longest text of what was tried and of why it was refused, in characters.
const MAX_TEXT: usize = 200;

/// An access that was refused.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Who it was, as far as is known.
    pub(crate) who: Option<Identity>,
    pub(crate) peer: Option<Peer>,
    /// Method and path.
    pub(crate) what: String,
    /// In words that hold no secret.
    pub(crate) reason: String,
}

impl Api {
    /// Counts, logs and records a refused access. A caller who hammers must fill neither the log nor the audit.
    pub(crate) fn refused(&self, refused: Refused) {
        counters::api_refused();
        let source = refused.peer.map_or(IpAddr::from([0, 0, 0, 0]), |Peer(peer)| peer.ip());
        if self.proofs.count(source) == Throttle::Over {
            return;
        }
        self.record(refused);
    }

    /// Logs and records a refused access that was counted where it was refused.
    pub(super) fn record(&self, refused: Refused) {
        let Refused { who, peer, what, reason } = refused;
        let source = peer.map_or_else(String::new, |Peer(address)| address.to_string());
        tracing::info!(source.address = %source, what, "refused: {reason}");
        let Some(node) = self.app.node().cloned() else { return };
        let Ok(slot) = Arc::clone(&self.refusals).try_acquire_owned() else { return };
        let command = AccessRefused {
            id: RequestId(rand::random()),
            node: node.id,
            source,
            who,
            what: what.chars().take(MAX_TEXT).collect(),
            reason: reason.chars().take(MAX_TEXT).collect(),
        };
        tokio::spawn(async move {
            if let Err(error) = node.store.access_refused(command).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a refused access could not be recorded"
                );
            }
            drop(slot);
        });
    }
}
