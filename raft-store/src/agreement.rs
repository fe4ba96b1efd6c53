//! Whether the states of the voters are the same. Every node's lease question carries the hash of its state at the last
//! checkpoint; the leader holds them against each other, and what a majority holds goes into the next checkpoint entry,
//! where every node compares it with its own. So the odd one out stops serving, the leader too, and the others go on.
//!
//! A difference that no majority has settled yet gives nobody a lease. Nothing here repairs a state: the odd node is
//! removed and joins again under a new number, or takes in a peer's snapshot.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::raft_types::{Mark, NodeId, Raft};
use crate::read_index::{Leader, leader};
use crate::state_machine::StateMachine;

/// How often a leader with another state than the others tries to hand over, to one voter after the other.
const HAND_OVER_EVERY: Duration = Duration::from_millis(500);

/// What is known of the voters' states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nobody contradicts, but too few have spoken.
    Open,
    /// A majority of the voters holds this.
    Held(Mark),
    /// States differ at this index, and no majority is known.
    Disputed(u64),
}

/// Judges the states at `own`'s checkpoint. `marks` are those of peers; what they say of other checkpoints does not
/// count, and neither does who is no voter.
fn judge(
    (node, own): (NodeId, Mark),
    marks: &BTreeMap<NodeId, Mark>,
    voters: &[NodeId],
) -> Verdict {
    let peers = marks.iter().filter(|(peer, mark)| **peer != node && mark.index == own.index);
    let spoken = peers.map(|(peer, mark)| (*peer, mark.hash)).chain([(node, own.hash)]);
    let mut held = BTreeMap::<_, usize>::new();
    for (_, hash) in spoken.filter(|(voter, _)| voters.contains(voter)) {
        *held.entry(hash.to_bytes()).or_default() += 1;
    }
    let most = held.iter().max_by_key(|(_, count)| **count);
    match most {
        Some((hash, count)) if count * 2 > voters.len() => {
            let hash = crate::state_hash::StateHash::from_bytes(*hash);
            Verdict::Held(Mark { index: own.index, hash })
        }
        Some(_) | None if held.len() > 1 => Verdict::Disputed(own.index),
        Some(_) | None => Verdict::Open,
    }
}

/// What this node heard from its peers. Clones are the same.
#[derive(Clone)]
pub(crate) struct Agreement {
    raft: Raft,
    state: StateMachine,
    marks: Arc<Mutex<BTreeMap<NodeId, Mark>>>,
    contradicted: Arc<Notify>,
}

impl Agreement {
    pub(crate) fn new(raft: Raft, state: StateMachine) -> Self {
        Self { raft, state, marks: Arc::default(), contradicted: Arc::default() }
    }

    /// Takes down what a peer's state was.
    pub(crate) fn hear(&self, peer: NodeId, mark: Option<Mark>) {
        let Some(mark) = mark else { return };
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).insert(peer, mark);
        let own = self.own_mark();
        if own.is_some_and(|own| own.index == mark.index && own.hash != mark.hash) {
            tracing::warn!(
                peer,
                index = mark.index,
                "the state of a peer differs from this node's"
            );
            self.contradicted.notify_one();
        }
    }

    /// Returns when a peer contradicted this node.
    pub(crate) async fn contradicted(&self) {
        self.contradicted.notified().await;
    }

    /// What is known of the state at this node's last checkpoint; nothing before the first.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        let own = self.own_mark()?;
        let voters: Vec<NodeId> = self.raft.voter_ids().collect();
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        marks.retain(|peer, _| voters.contains(peer));
        Some(judge((*self.raft.node_id(), own), &marks, &voters))
    }

    /// Whether a leader may tell a node whose state was `asker` that it is up to date.
    pub(crate) fn may_confirm(&self, asker: Option<Mark>) -> bool {
        if self.state.diverged_at().is_some() {
            return false;
        }
        let agrees = |held: Mark, mark: Option<Mark>| {
            mark.is_none_or(|mark| mark.index != held.index || mark.hash == held.hash)
        };
        match self.verdict() {
            None | Some(Verdict::Open) => true,
            Some(Verdict::Held(held)) => agrees(held, self.own_mark()) && agrees(held, asker),
            Some(Verdict::Disputed(_)) => false,
        }
    }

    fn own_mark(&self) -> Option<Mark> {
        self.state.read(|_, state| state.mark).ok().flatten()
    }
}

/// Keeps this node from leading while its state is another one than the others'. It still votes and keeps the log: those
/// are sound. Runs for ever; drop the future to stop.
pub(crate) async fn stand_aside(raft: &Raft, state: &StateMachine) {
    let mut diverged = state.watch_diverged();
    for attempt in 0.. {
        let odd_one_out = diverged.borrow_and_update().is_some();
        raft.runtime_config().elect(!odd_one_out);
        if odd_one_out {
            hand_over(raft, attempt).await;
            // A snapshot of a peer may have brought a sound state meanwhile.
            drop(timeout(HAND_OVER_EVERY, diverged.changed()).await);
        } else if diverged.changed().await.is_err() {
            return;
        }
    }
}

async fn hand_over(raft: &Raft, attempt: usize) {
    if leader(raft) != Leader::Own {
        return;
    }
    let own = *raft.node_id();
    let others: Vec<NodeId> = raft.voter_ids().filter(|voter| *voter != own).collect();
    let Some(next) = others.get(attempt % others.len().max(1)) else { return };
    tracing::warn!(to = next, "hands the leadership over, because its state differs");
    // It fails only when the consensus has ended, and then nobody leads here.
    drop(raft.trigger().transfer_leader(*next).await);
}

#[cfg(test)]
mod tests;
