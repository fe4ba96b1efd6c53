//! Whose calls are taken: those of a peer that is, or may just have become, a member; that are meant for this node on this
//! data directory; and that claim nothing in another node's name.

use tonic::{Request, Status};

use super::listener::From;
use super::{STORAGE, TO};
use crate::raft_types::{NodeId, Raft, StorageId};
use crate::state_machine::StateMachine;
use openraft::async_runtime::WatchReceiver;

/// What decides.
#[derive(Clone)]
pub(crate) struct Admission {
    pub(crate) node: NodeId,
    pub(crate) storage: StorageId,
    pub(crate) raft: Raft,
    pub(crate) state: StateMachine,
}

impl Admission {
    /// The peer behind a call, if the call is taken.
    pub(super) fn admit<T>(&self, call: &Request<T>) -> Result<NodeId, Status> {
        let Some(From(peer)) = call.extensions().get::<From>().copied() else {
            return Err(Status::unauthenticated("the connection has no certificate"));
        };
        let header = |name| call.metadata().get(name).and_then(|value| value.to_str().ok());
        if header(TO) != Some(self.node.to_string().as_str()) {
            return Err(Status::failed_precondition("the call is meant for another node"));
        }
        if header(STORAGE).and_then(StorageId::parse) != Some(self.storage) {
            // A node that lost its directory must not vote or acknowledge under its old number.
            return Err(Status::failed_precondition(
                "the call is meant for another data directory of this node: a node that lost its \
                 directory joins under a new number",
            ));
        }
        if peer == self.node || self.was_removed(peer) {
            return Err(Status::permission_denied("the node is not a member"));
        }
        Ok(peer)
    }

    /// Numbers ascend and are never given out again, so a number below the greatest that is no member belongs to a removed
    /// node. One above may have joined with an entry that is not here yet, and must be listened to.
    fn was_removed(&self, peer: NodeId) -> bool {
        let known = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            metrics.membership_config.get_node(&peer).is_some()
                || metrics.committed_membership_config.get_node(&peer).is_some()
        };
        !known && peer <= self.state.greatest_id()
    }
}

/// Nobody speaks in another node's name.
pub(super) fn same(peer: NodeId, claimed: NodeId) -> Result<(), Status> {
    if peer == claimed {
        Ok(())
    } else {
        Err(Status::permission_denied("the call speaks for another node than its certificate"))
    }
}
