//! How far the peers have applied the log, as each has said last. It is told to whoever waits for all of them; what a peer
//! has applied stays applied, so that what was heard is never too much. Nothing else is decided on it.

use crate::raft_types::NodeId;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// What the peers have applied. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<Mutex<BTreeMap<NodeId, u64>>>);

impl Progress {
    /// Takes down what a peer says that it has applied.
    pub(crate) fn hear(&self, peer: NodeId, applied: u64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = known.entry(peer).or_default();
        *last = applied.max(*last);
    }

    /// What a peer has applied at least; `None` when it was never heard.
    pub(crate) fn of(&self, peer: NodeId) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&peer).copied()
    }
}
