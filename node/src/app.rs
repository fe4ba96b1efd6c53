//! What the whole process shares. It begins without a store: a node that belongs to no cluster yet serves only what can
//! make it belong to one.

use crate::{clock::Clock, config::Config, gate::NodeGate, identify::Identify, shutdown::Shutdown};
use countersign_core::id::NodeId;
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
    node: OnceLock<Arc<Node>>,
}

/// A node that belongs to a cluster. It may be without a leader, a lease or an incarnation: the gate knows.
#[derive(Debug)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// Checks tokens of agents and reviewers.
    pub identify: Arc<Identify>,
    /// The gate.
    pub gate: Arc<NodeGate>,
}

impl App {
    /// A process that belongs to no cluster yet.
    pub fn new(config: Config, clock: Clock) -> Self {
        Self { config, clock, shutdown: Shutdown::new(), node: OnceLock::new() }
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
