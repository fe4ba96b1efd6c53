//! What the clocks of the voters say, as far as this node was told, and what an entry may be stamped with. Log time never
//! runs back, so one entry from a clock that is far ahead would expire everything for ever: a leader stamps no later than
//! a little past what a majority of the voters' clocks have reached.
//!
//! A clock that is behind needs no bound: the state machine uses the greatest stamp it has seen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::raft_types::NodeId;

/// How far a stamp may be ahead of what a majority of the clocks have reached.
const MAX_AHEAD_MS: u64 = 10_000;
/// What a peer's clock said counts so long. Peers are asked every second.
const FRESH: Duration = Duration::from_secs(10);

/// When a peer's clock said what, by this node's boot time, which nobody sets.
#[derive(Debug, Clone, Copy)]
struct Said {
    at: Duration,
    wall_ms: u64,
}

/// The clocks of a node and its peers. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Clocks {
    own: Arc<dyn Clock>,
    peers: Arc<Mutex<BTreeMap<NodeId, Said>>>,
}

impl Clocks {
    pub(crate) fn new(own: Arc<dyn Clock>) -> Self {
        Self { own, peers: Arc::default() }
    }

    /// What this node's own clock says.
    pub(crate) fn own_ms(&self) -> u64 {
        self.own.wall_ms()
    }

    /// Takes down what a peer's clock says. The time its answer took is not added: a clock read too low is no harm.
    pub(crate) fn hear(&self, peer: NodeId, wall_ms: u64) {
        let said = Said { at: self.own.since_boot(), wall_ms };
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).insert(peer, said);
    }

    /// The stamp of an entry that node `own` proposes now; none while too few clocks are known.
    pub(crate) fn stamp(&self, own: NodeId, voters: &[NodeId]) -> Option<u64> {
        let (now, own_ms) = (self.own.since_boot(), self.own.wall_ms());
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let read = |voter: &NodeId| {
            if *voter == own {
                return Some(own_ms);
            }
            let said = peers.get(voter)?;
            let age = now.checked_sub(said.at).filter(|age| *age <= FRESH)?;
            Some(said.wall_ms.saturating_add(u64::try_from(age.as_millis()).ok()?))
        };
        let mut clocks: Vec<u64> = voters.iter().filter_map(read).collect();
        clocks.sort_unstable_by(|one, other| other.cmp(one));
        // A majority of all voters has reached the clock in this place of the descending order.
        let reached = clocks.get(voters.len() / 2)?;
        Some(own_ms.min(reached.saturating_add(MAX_AHEAD_MS)))
    }
}

#[cfg(test)]
mod tests;
