//! Other nodes as places of segments. How bytes get there is the engine's; which nodes, and what becomes of one that does not
//! take them, is decided here.

use super::round::Segments;
use countersign_core::{
    id::{NodeId, SessionId},
    recording::SegmentDigest,
};
use countersign_raft_store::handle::BoxFuture;
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How long a node that did not take a segment is asked last.
const SET_ASIDE: Duration = Duration::from_mins(1);

/// The nodes that segments can be handed to and fetched from.
pub trait SegmentPeers: Send + Sync + fmt::Debug {
    /// The other members of the cluster.
    fn others(&self) -> Vec<NodeId>;

    /// Has a node keep segments: all of them are synced there when this says so.
    fn keep(&self, to: NodeId, segments: Segments) -> BoxFuture<'_, Result<(), PeerError>>;

    /// Asks a node for a segment; none where it does not have it whole.
    fn fetch(
        &self,
        from: NodeId,
        digest: SegmentDigest,
    ) -> BoxFuture<'_, Result<Option<Vec<u8>>, PeerError>>;
}

/// A node did not keep or give a segment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PeerError(pub String);

/// Which nodes did not take a segment lately.
#[derive(Debug, Default)]
pub(super) struct Aside(Mutex<HashMap<NodeId, Instant>>);

impl Aside {
    /// A node has taken a segment: it belongs to the set again.
    pub(super) fn took(&self, node: NodeId) {
        if self.lock().remove(&node).is_some() {
            tracing::info!(peer = node.0, "a node keeps segments of recordings again");
        }
    }

    /// A node has not taken a segment: it leaves the set for a while, which is said once.
    pub(super) fn failed(&self, node: NodeId, error: &PeerError) {
        if self.lock().insert(node, Instant::now()).is_none() {
            tracing::warn!(
                peer = node.0,
                error = error as &dyn std::error::Error,
                "a node does not keep segments of recordings: others are asked"
            );
        }
    }

    /// The nodes in the order in which they are asked for the segments of a session: those that do not answer last, the others
    /// so that sessions are spread over them.
    pub(super) fn in_order(&self, mut nodes: Vec<NodeId>, of: SessionId) -> Vec<NodeId> {
        let aside = self.lock();
        nodes.sort_by_cached_key(|node| {
            let since = aside.get(node).is_some_and(|since| since.elapsed() < SET_ASIDE);
            (since, rank(of, *node))
        });
        nodes
    }

    /// Nothing panics while it holds the lock.
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<NodeId, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a node in the order of a session: any fixed one that differs from session to session.
fn rank(of: SessionId, node: NodeId) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(of.as_bytes());
    hash.update(node.0.to_be_bytes());
    hash.finalize().into()
}
