//! What the typed store needs of the engine: bytes in, bytes out. The engine implements it; so can a test in one process.

use super::LogError;
use crate::machine::{StoreError, View};
use countersign_core::id::{LogIndex, NodeId};
use std::{collections::BTreeSet, fmt, pin::Pin, sync::Arc};

/// A boxed future.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A consistent picture of the state that can be handed about.
pub type SharedView = Arc<dyn View + Send + Sync>;

/// What happens, as log index and stored form, in log order.
pub type Effects = tokio::sync::broadcast::Receiver<(u64, Arc<[u8]>)>;

/// A replicated log with the state machine behind it.
pub trait Log: Send + Sync + fmt::Debug {
    /// Has a command committed and applied; gives the entry's index and the reply.
    fn propose(&self, command: Vec<u8>) -> BoxFuture<'_, Result<(u64, Vec<u8>), LogError>>;

    /// A linearizable read index; this node has applied it when this returns.
    fn read_index(&self) -> BoxFuture<'_, Result<u64, LogError>>;

    /// Waits until this node has applied `index`.
    fn applied(&self, index: u64) -> BoxFuture<'_, Result<(), LogError>>;

    /// A picture of what this node has applied.
    fn view(&self) -> Result<SharedView, StoreError>;

    /// Whether the serving lease is valid now.
    fn has_lease(&self) -> bool;

    /// What happens from now on.
    fn effects(&self) -> Effects;

    /// What this node knows of the cluster.
    fn status(&self) -> Status;
}

/// What a node knows of the cluster at a moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// This node.
    pub node: NodeId,
    /// The leader, if there is one this node knows of.
    pub leader: Option<NodeId>,
    /// The term.
    pub term: u64,
    /// The last entry of this node's log.
    pub last: LogIndex,
    /// The last entry this node has applied.
    pub applied: LogIndex,
    /// Who votes.
    pub voters: BTreeSet<NodeId>,
    /// Who only follows.
    pub learners: BTreeSet<NodeId>,
}
