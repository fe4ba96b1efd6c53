//! Taking a node out, on the leader: its vote first, then its place in the state, then its place in the log. A node that
//! stops is never one that is still needed for a quorum; one that cannot hear of it has no lease and is listened to by nobody.

use super::{
    MembershipError,
    change::{Change, Look, NotNow},
};
use crate::app::Node;
use countersign_core::id::{LogIndex, NodeId};
use countersign_raft_store::{
    command::RemoveNode,
    handle::{Committed, ProposeError},
    records::Author,
};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How long a demoted node may be left before it is out of the state. It is well below the time in which the keeper gives a
/// learner its vote back.
const OUT_OF_THE_STATE: Duration = Duration::from_secs(4);
/// How long a removed node that answers is given to hear of it.
const HEARS_OF_IT: Duration = Duration::from_secs(3);
/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Why a node is not taken out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotRetired {
    /// Another node leads, or none does.
    #[error("this node does not lead")]
    NotLeader(Option<NodeId>),
    /// It would be wrong now.
    #[error(transparent)]
    NotNow(#[from] NotNow),
    /// The membership did not change.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// The state did not take it.
    #[error("the removal was not committed")]
    Propose(#[from] ProposeError),
    /// The state did not take it in time.
    #[error("the removal was not committed in time; the node votes again in a while")]
    Late,
}

/// Looks whether this node may make the change now.
pub(crate) fn may(node: &Node, change: Change) -> Result<(), NotRetired> {
    let status = node.store.status();
    if status.leader != Some(node.id) || !node.store.has_lease() {
        return Err(NotRetired::NotLeader(status.leader));
    }
    let members = node.membership.members();
    Look { leader: node.id, last: status.last, members: &members }.may(change)?;
    Ok(())
}

/// Takes `old` out; `new` gets its vote, if it is given. Doing what is done already is no error.
pub(crate) async fn retire(
    node: &Node,
    (old, new): (NodeId, Option<NodeId>),
    author: Author,
) -> Result<(), NotRetired> {
    // Neither another change nor the keeper may come between the look and the change.
    let _alone = node.membership_changes.lock().await;
    may(node, new.map_or(Change::Remove(old), |new| Change::Replace { old, new }))?;
    let votes = |id: NodeId| node.membership.members().get(&id).is_some_and(|it| it.voter);
    match new {
        Some(new) if votes(old) && !votes(new) => node.membership.hand_vote(old, new).await?,
        Some(_) | None if votes(old) => node.membership.demote(old).await?,
        Some(new) if !votes(new) => node.membership.promote(new).await?,
        Some(_) | None => {}
    }
    let removing = node.store.remove_node(RemoveNode { node: old, author });
    let removed = timeout(OUT_OF_THE_STATE, removing).await.map_err(|_late| NotRetired::Late)?;
    let Committed { index, .. } = removed?;
    heard_of_it(node, old, index).await;
    node.membership.remove(old).await?;
    Ok(())
}

/// Waits until the node has applied its removal, if it answers at all. Who is no member any more gets no entries.
async fn heard_of_it(node: &Node, old: NodeId, index: LogIndex) {
    let until = Instant::now() + HEARS_OF_IT;
    while Instant::now() < until {
        let members = node.membership.members();
        let waits = members.get(&old).is_some_and(|member| {
            member.is_heard() && member.matching.is_none_or(|matching| matching < index)
                || member.is_heard() && member.applied.is_none_or(|applied| applied < index)
        });
        if !waits {
            return;
        }
        sleep(LOOK_EVERY).await;
    }
}
