//! What the whole process shares. It begins without a store: a node that belongs to no cluster yet serves only what can
//! make it belong to one.

use crate::{
    archive::Archive,
    clock::Clock,
    cluster::{Bootstrap, ClusterKey, Membership},
    config::Config,
    gate::NodeGate,
    identify::Identify,
    recording::Recordings,
    shutdown::Shutdown,
};
use countersign_core::id::NodeId;
use countersign_raft_store::handle::Store;
use std::sync::{Arc, OnceLock};

/// The process.
#[derive(Debug)]
pub struct App {
    /// The configuration, checked.
    pub config: Config,
    /// The clock that tokens are judged by.
    pub clock: Clock,
    /// The signals of a shutdown.
    pub shutdown: Shutdown,
    /// Where `POST /v1/cluster/init` and the start of the node meet.
    pub bootstrap: Bootstrap,
    node: OnceLock<Arc<Node>>,
}

/// A node that belongs to a cluster. It may be without a leader, a lease or an incarnation: the gate knows.
#[derive(Debug)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// The replicated state.
    pub store: Store,
    /// Checks tokens of agents and reviewers.
    pub identify: Arc<Identify>,
    /// The gate.
    pub gate: NodeGate,
    /// Who belongs to the cluster, and changing that.
    pub membership: Arc<dyn Membership>,
    /// Held by whoever changes the membership from this node.
    pub(crate) membership_changes: Arc<tokio::sync::Mutex<()>>,
    /// The key that seals the authority's key and is given to joining nodes.
    pub cluster_key: Arc<ClusterKey>,
    /// The recordings of sessions.
    pub recordings: Recordings,
    /// The archive of the audit.
    pub(crate) archive: Archive,
}

impl App {
    /// A process that belongs to no cluster yet.
    pub fn new(config: Config, clock: Clock) -> Self {
        Self {
            config,
            clock,
            shutdown: Shutdown::new(),
            bootstrap: Bootstrap::default(),
            node: OnceLock::new(),
        }
    }

    /// Takes the node out of service: `/readyz` fails, so that the load balancer sends no new agents, and the gate opens no
    /// session.
    pub fn take_out_of_service(&self) {
        self.shutdown.take_out_of_service();
    }

    /// Puts the node into service again.
    pub fn put_into_service(&self) {
        self.shutdown.put_into_service();
    }

    /// Whether the node should get no new agents: it is out of service, or is about to end.
    pub fn is_draining(&self) -> bool {
        self.shutdown.wants_no_more()
    }

    /// The node, once it belongs to a cluster.
    pub fn node(&self) -> Option<&Arc<Node>> {
        self.node.get()
    }

    /// The process belongs to a cluster now. Only the first call counts.
    pub fn became(&self, node: Node) -> &Arc<Node> {
        self.node.get_or_init(|| Arc::new(node))
    }
}
