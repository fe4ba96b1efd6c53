//! Who belongs to the cluster. Changes are made on the leader only. Numbers ascend and are never given out twice: a node
//! that lost its directory is removed and joins again under a new one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use tokio::time::{Instant, sleep, timeout_at};

use super::Engine;
use crate::raft_types::{Member, NodeId};
use crate::read_index::{Leader, leader};

/// Members by number.
pub type Members = BTreeMap<NodeId, Member>;

/// The longest a change of the membership is waited for.
const CHANGE: Duration = Duration::from_secs(30);
/// Pause before a leader without a fresh quorum is asked again.
const PAUSE: Duration = Duration::from_millis(50);

/// Why the membership did not change.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// Another node leads, or none does.
    #[error("this node does not lead; the leader is {0:?}")]
    NotLeader(Option<NodeId>),
    /// The number was given out before.
    #[error("node number {0} was given out before")]
    UsedNumber(NodeId),
    /// No quorum took the change in time. It may still take effect.
    #[error("no quorum took the change in time")]
    NoQuorum,
    /// The change is refused.
    #[error("the change is refused: {0}")]
    Refused(String),
}

impl Engine {
    /// Makes a cluster of new nodes. Done once, on one of them.
    ///
    /// # Errors
    /// [`MembershipError::Refused`] when this node already belongs to a cluster, or is not among `members`.
    pub async fn initialize(&self, members: Members) -> Result<(), MembershipError> {
        let done = self.raft.initialize(members).await;
        done.map_err(|error| MembershipError::Refused(error.to_string()))
    }

    /// Takes in a new node that gets the log and does not vote. Returns when it is a member; it may still be far behind.
    ///
    /// # Errors
    /// [`MembershipError`]; a number that was ever given out is refused.
    pub async fn add_learner(&self, id: NodeId, member: Member) -> Result<(), MembershipError> {
        let known = self.raft.metrics().borrow_watched().membership_config.get_node(&id).cloned();
        match known {
            Some(known) if known == member => return Ok(()),
            Some(_) => return Err(MembershipError::UsedNumber(id)),
            None if id <= self.state.greatest_id() => return Err(MembershipError::UsedNumber(id)),
            None => {}
        }
        let change = ChangeMembers::AddNodes(BTreeMap::from([(id, member)]));
        self.change(change, Removed::Kept).await
    }

    /// Makes members vote.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn promote(&self, ids: BTreeSet<NodeId>) -> Result<(), MembershipError> {
        self.change(ChangeMembers::AddVoterIds(ids), Removed::Kept).await
    }

    /// Takes their votes from members, which stay learners.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn demote(&self, ids: BTreeSet<NodeId>) -> Result<(), MembershipError> {
        self.change(ChangeMembers::RemoveVoters(ids), Removed::Kept).await
    }

    /// Gives the vote of one member to another, in one step: there is no moment in which both vote, or neither does. The
    /// one before stays a learner.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn hand_vote(&self, from: NodeId, to: NodeId) -> Result<(), MembershipError> {
        let both = vec![
            ChangeMembers::AddVoterIds(BTreeSet::from([to])),
            ChangeMembers::RemoveVoters(BTreeSet::from([from])),
        ];
        self.change(ChangeMembers::Batch(both), Removed::Kept).await
    }

    /// Removes nodes for good. Their numbers are never used again.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn remove(&self, ids: BTreeSet<NodeId>) -> Result<(), MembershipError> {
        let voters: BTreeSet<NodeId> =
            self.raft.metrics().borrow_watched().membership_config.voter_ids().collect();
        let voting: BTreeSet<NodeId> = ids.intersection(&voters).copied().collect();
        let rest: BTreeSet<NodeId> = ids.difference(&voters).copied().collect();
        if !voting.is_empty() {
            self.change(ChangeMembers::RemoveVoters(voting), Removed::Forgotten).await?;
        }
        if rest.is_empty() {
            return Ok(());
        }
        self.change(ChangeMembers::RemoveNodes(rest), Removed::Forgotten).await
    }

    /// Hands the leadership to a voter. Returns at once; [`Engine::status`] shows when it happened.
    ///
    /// # Errors
    /// [`MembershipError::Refused`] when the engine has stopped.
    pub async fn transfer_leader(&self, to: NodeId) -> Result<(), MembershipError> {
        let done = self.raft.trigger().transfer_leader(to).await;
        done.map_err(|error| MembershipError::Refused(error.to_string()))
    }

    /// A leader that has just lost sight of its quorum refuses as if it did not lead: that is tried again.
    async fn change(
        &self,
        change: ChangeMembers<NodeId, Member>,
        removed: Removed,
    ) -> Result<(), MembershipError> {
        let retain = removed == Removed::Kept;
        let end = Instant::now() + CHANGE;
        loop {
            let changed = self.raft.change_membership(change.clone(), retain);
            match timeout_at(end, changed).await {
                Err(_) => return Err(MembershipError::NoQuorum),
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(RaftError::APIError(
                    ClientWriteError::ForwardToLeader(_) | ClientWriteError::LogEntryDiscarded(_),
                ))) => match leader(&self.raft) {
                    Leader::Own => sleep(PAUSE).await,
                    Leader::Peer(id, _) => return Err(MembershipError::NotLeader(Some(id))),
                    Leader::Unknown => return Err(MembershipError::NotLeader(None)),
                },
                Ok(Err(error)) => return Err(MembershipError::Refused(error.to_string())),
            }
        }
    }
}

/// What becomes of voters that stop voting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Removed {
    /// They stay as learners.
    Kept,
    /// They are members no more.
    Forgotten,
}
