//! Commands of a cluster that begins anew on what is left of it.

use crate::records::{Author, JoinFacts};
use countersign_core::id::NodeId;

/// The cluster begins a new epoch on one node: every other one is removed, and nothing that was approved, opened or issued
/// before counts any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recover {
    /// Drawn for this recovery.
    pub epoch: [u8; 16],
    /// The node.
    pub node: NodeId,
    /// What it would join with.
    pub facts: JoinFacts,
    /// The certificate of the new CA of the peer plane, in PEM.
    pub ca_cert_pem: String,
    /// That CA's key, sealed under the cluster key.
    pub sealed_ca_key: Vec<u8>,
    /// What it goes on from, for people.
    pub source: String,
    /// Who.
    pub author: Author,
}

/// An administrator has looked at what was recovered: agents are taken again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reopen {
    /// Who.
    pub author: Author,
}
