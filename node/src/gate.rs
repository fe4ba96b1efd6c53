//! The gate: the one place where policy, holds and the record meet.

use countersign_core::{permit::Leased, refusal::Refusal};

/// The gate of a node.
#[derive(Debug)]
pub struct NodeGate {}

impl NodeGate {
    /// Whether this node may act right now: it has an incarnation and a valid lease. The API asks too, before it
    /// takes a decision.
    pub fn may_act(&self) -> Result<Leased, Refusal> {
        Err(Refusal::NoQuorum)
    }
}
