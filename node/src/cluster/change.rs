//! Whether a change of the membership may be made, by what the leader knows at that moment. A change that is begun cannot
//! be taken back without the voters that it leaves: one that would need a voter that is away stops the whole cluster. Nothing
//! is changed here.

use super::MemberStatus;
use countersign_core::id::{LogIndex, NodeId};
use std::{collections::BTreeMap, time::Duration};

/// A member that has not answered for so long is taken to be away. It is greeted every second.
pub(crate) const AWAY_AFTER: Duration = Duration::from_secs(4);
/// A member that is at most so many entries behind has caught up.
pub(crate) const CAUGHT_UP: u64 = 200;

/// A change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// A learner is to vote.
    Promote(NodeId),
    /// A member is to go.
    Remove(NodeId),
    /// A member is to go, and another one to have its vote.
    Replace {
        /// Who goes.
        old: NodeId,
        /// Who votes then.
        new: NodeId,
    },
}

/// Why a change is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotNow {
    /// There is no such member.
    #[error("there is no node {0}")]
    NoMember(u64),
    /// A node cannot take its own place.
    #[error("a node does not replace itself")]
    Itself,
    /// Only another leader could do it.
    #[error("node {0} leads: hand the leadership to another node first")]
    Leads(u64),
    /// It has not what it would vote on.
    #[error("node {0} is away, or has not caught up with the log yet")]
    Behind(u64),
    /// Nobody would be left.
    #[error("it is the only voter: nobody would be left")]
    LastVoter,
    /// The others would be no quorum.
    #[error(
        "there would be no quorum: {voters} voters would be left, of which {up} are up and have caught up, and {majority} are needed"
    )]
    NoQuorum {
        /// Voters behind the change.
        voters: usize,
        /// Those of them that can be counted on.
        up: usize,
        /// How many it takes.
        majority: usize,
    },
}

/// The members, as the leader knows them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    /// The leader itself.
    pub(crate) leader: NodeId,
    /// The last entry of its log.
    pub(crate) last: LogIndex,
    /// Everybody.
    pub(crate) members: &'a BTreeMap<NodeId, MemberStatus>,
}

impl Look<'_> {
    /// Whether the change may be begun now.
    pub(crate) fn may(self, change: Change) -> Result<(), NotNow> {
        let voters = |gone: Option<NodeId>, come: Option<NodeId>| {
            let stays = self.members.iter().filter(move |(id, member)| {
                (member.voter && Some(**id) != gone) || Some(**id) == come
            });
            stays.map(|(id, _)| *id).collect::<Vec<_>>()
        };
        match change {
            Change::Promote(node) => {
                self.caught_up(node)?;
                self.quorum(&voters(None, Some(node)))
            }
            Change::Remove(node) => {
                self.may_go(node)?;
                self.quorum(&voters(Some(node), None))
            }
            Change::Replace { old, new } if old == new => Err(NotNow::Itself),
            Change::Replace { old, new } => {
                self.may_go(old)?;
                self.caught_up(new)?;
                self.quorum(&voters(Some(old), Some(new)))
            }
        }
    }

    /// Whether a member can be counted on: it answers, and a commit does not wait until it has caught up.
    pub(crate) fn counts_on(self, node: NodeId) -> bool {
        let Some(member) = self.members.get(&node) else { return false };
        let near = |index: LogIndex| self.last.0.saturating_sub(index.0) <= CAUGHT_UP;
        node == self.leader || (member.is_heard() && member.matching.is_some_and(near))
    }

    fn caught_up(self, node: NodeId) -> Result<(), NotNow> {
        if !self.members.contains_key(&node) {
            return Err(NotNow::NoMember(node.0));
        }
        if self.counts_on(node) { Ok(()) } else { Err(NotNow::Behind(node.0)) }
    }

    fn may_go(self, node: NodeId) -> Result<(), NotNow> {
        if !self.members.contains_key(&node) {
            return Err(NotNow::NoMember(node.0));
        }
        let voters = self.members.iter().filter(|(_, member)| member.voter);
        if voters.map(|(id, _)| *id).eq([node]) {
            return Err(NotNow::LastVoter);
        }
        if node == self.leader { Err(NotNow::Leads(node.0)) } else { Ok(()) }
    }

    fn quorum(self, voters: &[NodeId]) -> Result<(), NotNow> {
        let up = voters.iter().filter(|node| self.counts_on(**node)).count();
        let majority = voters.len() / 2 + 1;
        if voters.is_empty() {
            Err(NotNow::LastVoter)
        } else if up < majority {
            Err(NotNow::NoQuorum { voters: voters.len(), up, majority })
        } else {
            Ok(())
        }
    }
}

/// What is to be said about so many voters; nothing about an odd number above one.
pub(crate) fn warning(voters: usize) -> Option<String> {
    match voters {
        0 => None,
        1 => Some("one voter: the loss of one node is the loss of the cluster".to_owned()),
        2 => Some("two voters survive no loss: add a third".to_owned()),
        even if even % 2 == 0 => Some(format!(
            "{even} voters survive no more losses than {}: add one or remove one",
            even - 1
        )),
        _odd => None,
    }
}

#[cfg(test)]
mod tests;
