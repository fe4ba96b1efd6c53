//! The cluster: its state, its beginning, and how a node comes in.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// `GET /v1/cluster`: the cluster as the answering node sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Cluster {
    /// The cluster's id; absent before `init`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// The cluster's name.
    pub name: String,
    /// The epoch; absent before `init`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// The answering node.
    pub node: u64,
    /// The leader, when the answering node knows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<u64>,
    /// The term.
    pub term: u64,
    /// The last committed index that the answering node knows.
    pub committed_index: u64,
    /// The last index that the answering node has applied.
    pub applied_index: u64,
    /// Log time.
    pub log_time: Timestamp,
    /// The answering node's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Timestamp>,
    /// The policy revision in force.
    pub policy_revision: u64,
    /// The nodes, by id.
    pub nodes: Vec<ClusterNode>,
    /// How many more voters may fail before the cluster has no quorum, as far as the answering node can tell.
    pub tolerates: u32,
    /// Whether there is a quorum, as far as the answering node can tell.
    pub quorum: bool,
    /// One line for people, such as `tolerates 1 more failure`.
    pub verdict: String,
    /// What is unwise about the number of voters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// A node's part in the log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeRole {
    /// Proposes and replicates.
    Leader,
    /// Votes and follows.
    Follower,
    /// Follows without a vote: it is catching up, or was demoted.
    Learner,
    /// Stands for election.
    Candidate,
    /// Not started, or the answering node does not know.
    Unknown,
}

/// One node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ClusterNode {
    /// Its id, never used again.
    pub id: u64,
    /// Where its peers reach it.
    pub address: String,
    /// The URL of its API, as it said when it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// Its part in the log.
    pub role: NodeRole,
    /// Whether it votes.
    pub voter: bool,
    /// Whether the answering node has reason to believe that it is up.
    pub healthy: bool,
    /// The last index it is known to have; absent when the answering node cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_applied: Option<u64>,
    /// How many entries it is behind the answering node's last log entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// Its version, as it said when it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its incarnation: the log index of its last start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<u64>,
    /// What is left of its serving lease, in milliseconds: only the answering node knows its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<u64>,
    /// How long a small synced write took on its disk, in milliseconds: the 99th of a hundred, measured at its start. Only the
    /// answering node knows its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_sync_ms: Option<u64>,
    /// Whether it drains: only the answering node knows its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining: Option<bool>,
}

/// `POST /v1/cluster/init`, with the node's init token as bearer.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InitRequest {
    /// The cluster's name; the node's own setting when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The cluster that was made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InitAnswer {
    /// Its id.
    pub cluster_id: String,
    /// Its name.
    pub name: String,
    /// The first node.
    pub node: u64,
    /// Counts as admin until it expires. Shown this once.
    pub bootstrap_token: String,
    /// When it expires.
    pub bootstrap_expires_at: Timestamp,
    /// SHA-256 of the peer CA's certificate (DER), hexadecimal.
    pub ca_sha256: String,
}

impl fmt::Debug for InitAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InitAnswer").field("cluster_id", &self.cluster_id).finish_non_exhaustive()
    }
}

/// `POST /v1/cluster/tokens`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinTokenRequest {
    /// How long it lives, in seconds: at most a day; an hour when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
}

/// A one-time join token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JoinToken {
    /// `cs-join.ID.SECRET.CA`: for one node, once. Shown this once.
    pub token: String,
    /// The public half of it.
    pub id: String,
    /// When it expires.
    pub expires_at: Timestamp,
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinToken").field("id", &self.id).finish_non_exhaustive()
    }
}

/// `POST /v1/cluster/join`, with a join token as bearer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// A certificate signing request (PKCS #10, PEM) with the node's own key. Names in it are ignored.
    pub csr: String,
    /// Where peers will reach the node, `host:port`.
    pub address: String,
    /// The URL of its API.
    pub api: String,
    /// Names its data directory: 32 hexadecimal digits, drawn once.
    pub storage: String,
    /// The id that the node must get, when its configuration names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<u64>,
}

/// What a joining node needs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JoinAnswer {
    /// Its id.
    pub node: u64,
    /// The cluster's id.
    pub cluster_id: String,
    /// The cluster's name.
    pub cluster_name: String,
    /// The peer CA's certificate, PEM.
    pub ca: String,
    /// The node's certificate, PEM.
    pub certificate: String,
    /// The cluster key, base64.
    pub cluster_key: String,
    /// The nodes that are in already.
    pub peers: Vec<Peer>,
}

impl fmt::Debug for JoinAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinAnswer").field("node", &self.node).finish_non_exhaustive()
    }
}

/// A node as its peers reach it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Peer {
    /// Its id.
    pub id: u64,
    /// `host:port`.
    pub address: String,
}

/// `POST /v1/cluster/transfer-leader`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferRequest {
    /// The node that should lead; any other voter when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
}

/// `POST /v1/cluster/remove`, on the leader: a node goes for good. It stops serving, its sessions end, and its id is never
/// used again. Refused where the voters that are left would be no quorum.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveRequest {
    /// The node.
    pub node: u64,
}

/// `POST /v1/cluster/replace`, on the leader: a node goes for good, and one that has caught up gets its vote, in one step.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaceRequest {
    /// The node that goes.
    pub node: u64,
    /// The node that takes its place.
    pub with: u64,
}

/// `POST /v1/cluster/promote`, on the leader: a learner that has caught up votes now, however short it has been steady.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PromoteRequest {
    /// The node.
    pub node: u64,
}

/// `POST /v1/cluster/snapshot`: the answer is a snapshot file (`countersign_api::snapshot_file`) of the answering node's state.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotRequest {
    /// What the file is sealed under: 16 bytes at least. It is kept nowhere.
    pub passphrase: String,
}

impl fmt::Debug for SnapshotRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotRequest").finish_non_exhaustive()
    }
}

/// The epoch of a cluster: a new one begins with each recovery.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Epoch {
    /// Its number, from 1.
    pub number: u64,
    /// What it went on from; absent in the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whether agents are taken: not before an administrator has looked at what was recovered.
    pub open: bool,
}

/// `POST /v1/cluster/drain` and `undrain`: the answering node only. A start puts a node into service.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct DrainAnswer {
    /// The node.
    pub node: u64,
    /// Whether it drains now: it takes no new agents and gives up leadership; what runs goes on.
    pub draining: bool,
    /// Sessions that are still open on it.
    pub sessions: u64,
}

/// `GET /readyz?verbose`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether the node may take agents.
    pub ready: bool,
    /// What was looked at.
    pub checks: Vec<ReadinessCheck>,
}

/// One of the things that readiness depends on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReadinessCheck {
    /// Its name: `initialised`, `lease`, `disk`, `policy`, `draining`.
    pub name: String,
    /// Whether it is in order.
    pub ok: bool,
    /// What was found.
    pub detail: String,
}
