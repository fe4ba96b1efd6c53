//! What an engine is told at its start.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::lease::LeaseTimings;
use crate::network::{ClusterName, TlsMaterial};
use crate::raft_types::{NodeId, StorageId};

/// The timing of the consensus. Every node of a cluster should have the same.
#[derive(Debug, Clone, Copy)]
pub struct Timings {
    /// How often a leader shows that it is alive.
    pub heartbeat: Duration,
    /// The shortest silence after which a node stands for election.
    pub election_min: Duration,
    /// The longest such silence; each node draws one between the two.
    pub election_max: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(100),
            election_min: Duration::from_millis(500),
            election_max: Duration::from_secs(1),
        }
    }
}

/// Everything an engine needs to know.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The data directory. It is made when it is not there.
    pub folder: PathBuf,
    /// The cluster this node belongs to.
    pub cluster: ClusterName,
    /// The number of this node.
    pub node: NodeId,
    /// What a new data directory is called, when that had to be said before there was one. Drawn when it is not given. Given
    /// only when the node is new: a directory that was lost must not come back under its old name.
    pub storage: Option<StorageId>,
    /// The certificates between nodes.
    pub tls: TlsMaterial,
    /// Addresses at which peers are dialled instead of those in the membership.
    pub peer_overrides: BTreeMap<NodeId, String>,
    /// The source of time.
    pub clock: Arc<dyn Clock>,
    /// The timing of the consensus.
    pub timings: Timings,
    /// The timing of the serving lease.
    pub lease: LeaseTimings,
    /// How often the leader has states compared.
    pub checkpoint_every: Duration,
    /// A snapshot is taken after so many entries.
    pub snapshot_every: u64,
    /// So many entries stay in the log behind a snapshot, for followers that are a little late.
    pub keep_entries: u64,
}

impl EngineConfig {
    /// The usual settings.
    pub fn new(folder: PathBuf, cluster: ClusterName, node: NodeId, tls: TlsMaterial) -> Self {
        Self {
            folder,
            cluster,
            node,
            storage: None,
            tls,
            peer_overrides: BTreeMap::new(),
            clock: Arc::new(SystemClock),
            timings: Timings::default(),
            lease: LeaseTimings::default(),
            checkpoint_every: Duration::from_secs(10),
            snapshot_every: 20_000,
            keep_entries: 5_000,
        }
    }
}
