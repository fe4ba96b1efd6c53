//! What an engine tells about itself, for status pages, metrics and health checks. Nothing is decided on it.

use std::collections::BTreeMap;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;

use super::Engine;
use crate::raft_types::{Member, NodeId, StorageId};

/// A picture of a node at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The number of this node.
    pub node: NodeId,
    /// The data directory of this node.
    pub storage: StorageId,
    /// The term it knows.
    pub term: u64,
    /// The leader it knows.
    pub leader: Option<NodeId>,
    /// The last entry in its log.
    pub last_log: Option<u64>,
    /// The last entry it knows to be committed.
    pub committed: Option<u64>,
    /// The last entry it has applied.
    pub applied: u64,
    /// The last entry of its newest snapshot.
    pub snapshot: Option<u64>,
    /// The last entry it has purged.
    pub purged: Option<u64>,
    /// Everyone in the membership.
    pub peers: BTreeMap<NodeId, PeerStatus>,
    /// The greatest node number ever given out; the next one is greater.
    pub greatest_id: NodeId,
    /// The 99th percentile of a small synced write, measured at start.
    pub disk_sync_p99: Duration,
    /// The 99th percentile of the log's recent syncs.
    pub flush_p99: Duration,
    /// Where this node's state was found to differ from its peers'.
    pub diverged_at: Option<u64>,
    /// Whether the consensus is running; after a fatal error it is not.
    pub running: bool,
    /// Whether a peer has said that this node was removed.
    pub turned_away: bool,
}

/// One node of the membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// Where it is, and on which directory.
    pub member: Member,
    /// Whether it votes.
    pub voter: bool,
    /// On the leader: the last entry known to be in its log.
    pub matching: Option<u64>,
    /// The last entry that it has said to have applied, within a second or two.
    pub applied: Option<u64>,
    /// For how long it has not answered a greeting, one of which it gets each second; `None` when it never did.
    pub silent_for: Option<Duration>,
}

impl Engine {
    /// The state of this node as far as it knows.
    pub fn status(&self) -> Status {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let voters: Vec<NodeId> = metrics.membership_config.voter_ids().collect();
        let peer = |(id, member): (&NodeId, &Member)| {
            let matching = metrics.replication.as_ref().and_then(|all| all.get(id).copied());
            let matching = matching.flatten().map(|id| id.index);
            let member = member.clone();
            let own = *id == self.node;
            let applied = if own { Some(self.state.applied()) } else { self.progress.of(*id) };
            let silent_for = if own { Some(Duration::ZERO) } else { self.progress.silent_for(*id) };
            let voter = voters.contains(id);
            (*id, PeerStatus { member, voter, matching, applied, silent_for })
        };
        Status {
            node: self.node,
            storage: self.storage,
            term: metrics.current_term,
            leader: metrics.current_leader,
            last_log: metrics.last_log_index,
            committed: metrics.local_committed.map(|id| id.index),
            applied: self.state.applied(),
            snapshot: metrics.snapshot.map(|id| id.index),
            purged: metrics.purged.map(|id| id.index),
            peers: metrics.membership_config.nodes().map(peer).collect(),
            greatest_id: self.state.greatest_id(),
            disk_sync_p99: self.disk_p99,
            flush_p99: self.flush_times.p99(),
            diverged_at: self.state.diverged_at(),
            running: metrics.running_state.is_ok(),
            turned_away: self.progress.was_turned_away(),
        }
    }
}
