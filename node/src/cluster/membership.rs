//! What this part needs of the engine: starting it, and changing who belongs to it. A test gives its own.

use super::change::AWAY_AFTER;
use crate::recording::SegmentPeers;
use countersign_core::id::{LogIndex, NodeId};
use countersign_raft_store::{
    engine::SegmentShelf,
    handle::{BoxFuture, Store},
};
use std::{
    collections::BTreeMap, fmt, fs::File, io, net::SocketAddr, path::PathBuf, sync::Arc,
    time::Duration,
};

/// Who belongs to the cluster, and changing that. Changes work on the leader only.
pub trait Membership: Send + Sync + fmt::Debug {
    /// Makes a cluster of this one node.
    fn initialise(&self, address: String) -> BoxFuture<'_, Result<(), MembershipError>>;

    /// Takes in a node that gets the log and does not vote. Done already is done.
    fn add_learner(
        &self,
        node: NodeId,
        address: String,
        storage: [u8; 16],
    ) -> BoxFuture<'_, Result<(), MembershipError>>;

    /// Makes a learner vote.
    fn promote(&self, node: NodeId) -> BoxFuture<'_, Result<(), MembershipError>>;

    /// Takes a member's vote; it stays a learner.
    fn demote(&self, node: NodeId) -> BoxFuture<'_, Result<(), MembershipError>>;

    /// Gives a member's vote to another, in one step.
    fn hand_vote(&self, from: NodeId, to: NodeId) -> BoxFuture<'_, Result<(), MembershipError>>;

    /// Takes a node out for good.
    fn remove(&self, node: NodeId) -> BoxFuture<'_, Result<(), MembershipError>>;

    /// Hands leadership to a voter. Returns before it happened.
    fn transfer_leader(&self, to: NodeId) -> BoxFuture<'_, Result<(), MembershipError>>;

    /// The members as this node knows them.
    fn members(&self) -> BTreeMap<NodeId, MemberStatus>;

    /// The state of this node as it is now, as a file.
    fn snapshot(&self) -> BoxFuture<'_, io::Result<File>>;

    /// Figures for status pages and metrics; nothing is decided on them.
    fn figures(&self) -> Figures;

    /// Whether the engine runs; after a fatal failure it does not.
    fn is_running(&self) -> bool;

    /// Whether a peer has said that this node was removed.
    fn was_turned_away(&self) -> bool;

    /// The other nodes, as places of recordings.
    fn segment_peers(&self) -> Arc<dyn SegmentPeers>;

    /// From now on the other nodes' segments are kept on this shelf.
    fn serve_segments(&self, shelf: Arc<dyn SegmentShelf>);

    /// Stops the engine in order.
    fn shutdown(&self) -> BoxFuture<'_, ()>;
}

/// A member as a node knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberStatus {
    /// Where its peers reach it.
    pub address: String,
    /// Whether it votes.
    pub voter: bool,
    /// On the leader: the last entry that is known to be in its log.
    pub matching: Option<LogIndex>,
    /// The last entry that it is known to have applied.
    pub applied: Option<LogIndex>,
    /// For how long it has not answered; `None` when it never did.
    pub silent_for: Option<Duration>,
}

impl MemberStatus {
    /// Whether it answers.
    pub(crate) fn is_heard(&self) -> bool {
        self.silent_for.is_some_and(|silent| silent < AWAY_AFTER)
    }
}

/// Figures of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// The last entry known to be committed.
    pub committed: LogIndex,
    /// What is left of the serving lease; none when there is no valid one.
    pub lease_left: Option<Duration>,
    /// The 99th percentile of the log's recent syncs.
    pub flush_p99: Duration,
    /// The 99th percentile of a small synced write, measured at start.
    pub disk_p99: Duration,
}

/// Why the membership did not change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// Another node leads, or none does.
    #[error("this node does not lead")]
    NotLeader {
        /// Who does, as far as is known.
        leader: Option<NodeId>,
    },
    /// No quorum took the change in time.
    #[error("no quorum took the change in time")]
    NoQuorum,
    /// The change is refused.
    #[error("the change is refused: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
}

/// What an engine is started with.
#[derive(Clone)]
pub struct EnginePlan {
    /// The engine's own folder.
    pub folder: PathBuf,
    /// The cluster's name.
    pub cluster_name: String,
    /// This node.
    pub node: NodeId,
    /// Names a new folder; none when there is one already.
    pub storage: Option<[u8; 16]>,
    /// The certificate of the peer authority, PEM.
    pub ca_pem: String,
    /// This node's certificate, PEM.
    pub certificate_pem: String,
    /// Its key, PEM.
    pub key_pem: String,
    /// Where peers are listened for.
    pub listen: SocketAddr,
    /// Other addresses at which peers are dialled.
    pub peer_overrides: BTreeMap<u64, String>,
    /// How often a leader shows that it lives.
    pub heartbeat: Duration,
    /// The shortest and the longest time without a leader before a node stands for election.
    pub election: (Duration, Duration),
}

impl fmt::Debug for EnginePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnginePlan").field("node", &self.node).finish_non_exhaustive()
    }
}

/// An engine that runs.
#[derive(Debug)]
pub struct Started {
    /// The replicated state.
    pub store: Store,
    /// Who belongs to it.
    pub membership: Arc<dyn Membership>,
}

/// Starts engines.
pub trait StartEngine: Send + Sync + fmt::Debug {
    /// Starts one.
    fn start(
        &self,
        plan: EnginePlan,
    ) -> BoxFuture<'_, Result<Started, Box<dyn std::error::Error + Send + Sync>>>;
}
