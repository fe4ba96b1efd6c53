//! What the peers say of themselves and of this node: how far each has applied the log, when it was last heard, and whether
//! one has said that this node is no member any more. What a peer has applied stays applied, so that what was heard is never
//! too much. Changes of the membership are judged by who was heard lately; nothing else is decided on it.

use crate::raft_types::NodeId;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// What the peers have said. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    peers: Arc<Mutex<BTreeMap<NodeId, Said>>>,
    turned_away: Arc<AtomicBool>,
}

/// What a peer has said last.
#[derive(Debug, Clone, Copy)]
struct Said {
    applied: u64,
    at: Instant,
}

impl Progress {
    /// Takes down what a peer says that it has applied.
    pub(crate) fn hear(&self, peer: NodeId, applied: u64) {
        let mut known = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let said = known.entry(peer).or_insert(Said { applied, at: Instant::now() });
        *said = Said { applied: applied.max(said.applied), at: Instant::now() };
    }

    /// What a peer has applied at least; `None` when it was never heard.
    pub(crate) fn of(&self, peer: NodeId) -> Option<u64> {
        self.said(peer).map(|said| said.applied)
    }

    /// For how long a peer has not been heard; `None` when it never was.
    pub(crate) fn silent_for(&self, peer: NodeId) -> Option<Duration> {
        self.said(peer).map(|said| said.at.elapsed())
    }

    fn said(&self, peer: NodeId) -> Option<Said> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).get(&peer).copied()
    }

    /// A peer does not listen to this node because it was removed.
    pub(crate) fn turn_away(&self) {
        self.turned_away.store(true, Ordering::Relaxed);
    }

    /// Whether a peer has said that this node was removed. Numbers are never given out again, so that stays so.
    pub(crate) fn was_turned_away(&self) -> bool {
        self.turned_away.load(Ordering::Relaxed)
    }
}
