//! Why a node does not come to belong to a cluster.

use super::MembershipError;
use countersign_raft_store::handle::ProposeError;
use std::path::PathBuf;

/// Why a node does not come to belong to a cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A file of the data directory cannot be used.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file of the data directory is not what was written there.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
    },
    /// A key or a certificate could not be made.
    #[error("a key or certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    /// The sealed key of the authority cannot be opened.
    #[error("sealing or unsealing failed")]
    Sealing,
    /// The engine does not start.
    #[error("the replicated log does not start")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The membership could not be changed.
    #[error("the membership could not be changed")]
    Membership(#[from] MembershipError),
    /// The state did not take it.
    #[error("the cluster could not be initialised")]
    Propose(#[from] ProposeError),
    /// The join token cannot be used.
    #[error("the join token cannot be used: {problem}")]
    JoinToken {
        /// Why.
        problem: String,
    },
    /// The cluster refused the node.
    #[error("the cluster did not take this node in")]
    Refused(#[source] Box<countersign_api::client::ClientError>),
    /// The answer of the cluster is not to be trusted.
    #[error("the answer to the join request is not to be trusted: {problem}")]
    Answer {
        /// Why.
        problem: String,
    },
    /// The node would make a cluster, whose first node has another id than it wants.
    #[error(
        "node_id is {wanted}, but the first node of a cluster is node 1: set cluster.join to join one, or leave node_id out"
    )]
    NotFirst {
        /// The configured id.
        wanted: u64,
    },
    /// The data directory is another node's.
    #[error("node_id is {wanted}, but the data directory belongs to node {found}")]
    OtherNode {
        /// The configured id.
        wanted: u64,
        /// The id of the directory.
        found: u64,
    },
    /// The folder of the log is gone.
    #[error("{} is gone: a node that lost its log must not come back under its old id; remove it from the cluster and let it join anew", path.display())]
    LostLog {
        /// Where it was.
        path: PathBuf,
    },
    /// The node stops.
    #[error("the node stops before it belongs to a cluster")]
    Stopped,
}
