//! What each node is told after an entry is applied, in log order. An effect says what has changed and whom it concerns;
//! the rest is read from the state.

use crate::records::{HoldPhase, ResourceKind};
use countersign_core::{
    agent::Identity,
    id::{GrantId, HoldId, Incarnation, LogIndex, NodeId, Revision, SessionId},
};
use std::collections::BTreeSet;

/// An effect, with the entry that it comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Happened {
    /// The log entry. The state that this node shows has applied it.
    pub index: LogIndex,
    /// What happened.
    pub effect: Effect,
}

/// Something has happened that nodes act upon.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// A hold was opened, decided about, attached to, parked or settled.
    HoldChanged {
        /// Which.
        hold: HoldId,
        /// Whose.
        agent: Identity,
        /// Where it stands now.
        phase: HoldPhase,
    },
    /// A grant was made, or is over.
    GrantChanged {
        /// Which.
        grant: GrantId,
    },
    /// A session must end now, wherever it is.
    SessionEnded {
        /// Which.
        session: SessionId,
        /// The node that carries it.
        node: NodeId,
        /// What the agent is told.
        reason: String,
    },
    /// What a session is doing must be cancelled.
    CancelRequested {
        /// Which.
        session: SessionId,
        /// The node that carries it.
        node: NodeId,
    },
    /// Resources were changed.
    ResourcesChanged {
        /// The revision of the change.
        revision: Revision,
        /// The kinds that it touches.
        kinds: BTreeSet<ResourceKind>,
    },
    /// An identity was revoked.
    Revoked {
        /// Which.
        identity: Identity,
    },
    /// Everybody of an issuer was revoked.
    IssuerRevoked {
        /// Which.
        issuer: String,
    },
    /// A node has started.
    NodeUp {
        /// Which.
        node: NodeId,
        /// Which start.
        incarnation: Incarnation,
    },
    /// A node was removed.
    NodeRemoved {
        /// Which.
        node: NodeId,
    },
}
